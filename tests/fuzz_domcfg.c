/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "domcfg.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is taken keeps to every bound; what is not leaves the result alone and says a sentence. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct xf_domcfg cfg, before;
    char err[128];

    memset(&cfg, 0x5a, sizeof(cfg));
    before = cfg;
    memset(err, 0x5a, sizeof(err));
    if (xf_domcfg_parse((const char *)data, size, &cfg, err, sizeof(err)) < 0) {
        const char *end = memchr(err, '\0', sizeof(err));

        assert(memcmp(&cfg, &before, sizeof(cfg)) == 0);
        assert(end != NULL && end > err);
        for (const char *c = err; c < end; c++) {
            assert((unsigned char)*c >= ' ' || *c == '\t' || *c == '\r');
        }
        return 0;
    }
    assert(cfg.name[0] != '\0' && memchr(cfg.name, '\0', sizeof(cfg.name)) != NULL);
    assert(cfg.memory_mib >= 1 && cfg.memory_mib <= XF_DOMCFG_MEMORY_MAX_MIB);
    assert(cfg.window_mib <= cfg.memory_mib && cfg.fill_percent <= 100);
    assert(cfg.vcpus >= 1 && cfg.disk_interval_ms >= 1 && cfg.pattern < XF_N_PATTERNS);
    assert(cfg.n_vifs <= XF_DOMCFG_VIFS_MAX && cfg.n_disks <= XF_DOMCFG_DISKS_MAX);
    for (uint32_t i = 0; i < cfg.n_vifs; i++) {
        assert((cfg.vif[i].mac[0] & 1) == 0 && cfg.vif[i].ipv4 != 0 && cfg.vif[i].prefix <= 32);
        assert(cfg.vif[i].bridge[0] != '\0');
        assert(memchr(cfg.vif[i].bridge, '\0', sizeof(cfg.vif[i].bridge)) != NULL);
        assert(strchr(cfg.vif[i].bridge, '/') == NULL && cfg.vif[i].port != 0);
    }
    for (uint32_t i = 0; i < cfg.n_disks; i++) {
        assert(cfg.disk[i].path[0] == '/');
        assert(memchr(cfg.disk[i].path, '\0', sizeof(cfg.disk[i].path)) != NULL);
    }
    return 0;
}
