/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "hyper_xen.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever a peer sends as a configuration is refused with a sentence, or all within bounds. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct xf_dom_needs needs;
    char err[128] = "";
    char *config = malloc(size + 1);

    if (config == NULL) {
        return 0;
    }
    memcpy(config, data, size);
    config[size] = '\0';
    memset(&needs, 0xff, sizeof(needs));
    if (xf_xen_needs(config, &needs, err, sizeof(err)) == 0) {
        assert(needs.n_vifs <= XF_VIFS_MAX && needs.n_disks <= XF_DISKS_MAX);
        assert(needs.n_passthrough <= size);
        assert(needs.memory_mib > 0 && xf_text_name_ok(needs.name, sizeof(needs.name)));
        for (uint32_t i = 0; i < needs.n_vifs; i++) {
            assert(memchr(needs.vif[i].bridge, '\0', sizeof(needs.vif[i].bridge)) != NULL);
        }
        for (uint32_t i = 0; i < needs.n_disks; i++) {
            assert(memchr(needs.disk[i].path, '\0', sizeof(needs.disk[i].path)) != NULL);
        }
    } else {
        assert(err[0] != '\0' && memchr(err, '\0', sizeof(err)) != NULL);
    }
    free(config);
    return 0;
}
