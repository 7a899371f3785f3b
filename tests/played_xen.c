/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen's libraries as tests/xen_versions.c plays them, loaded before the real ones: a hypervisor of
 * the version in XF_PLAYED_VERSION, with the scheduler of the number in XF_PLAYED_SCHEDULER, the
 * capabilities in XF_PLAYED_CAPABILITIES, processors of which a PV guest may be given nothing that
 * is known, and no domain, or a suspended one that is called each time by the next name of
 * XF_PLAYED_NAMES, the last one for ever; with XF_PLAYED_RUNS it runs, and says when asked for the
 * second time that it can be suspended; a xenstored in which it has also written an address of its
 * vif 3, and nothing else happens; and a libxenguest whose name is that of the link that this file
 * is loaded by.
 */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include <libxl.h>
#include <libxl_utils.h>
#include <xenctrl.h>
#include <xenguest.h>
#include <xenstore.h>

static char opened[64];

xc_interface *xc_interface_open(xentoollog_logger *logger, xentoollog_logger *dombuild_logger,
                                unsigned open_flags)
{
    (void)logger;
    (void)dombuild_logger;
    (void)open_flags;
    return (xc_interface *)opened;
}

int libxl_ctx_alloc(libxl_ctx **pctx, int version, unsigned flags, xentoollog_logger *lg)
{
    (void)version;
    (void)flags;
    (void)lg;
    *pctx = (libxl_ctx *)opened;
    return 0;
}

void libxl_childproc_setmode(libxl_ctx *ctx, const libxl_childproc_hooks *hooks, void *user)
{
    (void)ctx;
    (void)hooks;
    (void)user;
}

const libxl_version_info *libxl_get_version_info(libxl_ctx *ctx)
{
    static libxl_version_info info;
    const char *version = getenv("XF_PLAYED_VERSION");

    (void)ctx;
    if (version == NULL ||
        sscanf(version, "%d.%d", &info.xen_version_major, &info.xen_version_minor) != 2) {
        return NULL;
    }
    return &info;
}

int libxl_get_scheduler(libxl_ctx *ctx)
{
    const char *scheduler = getenv("XF_PLAYED_SCHEDULER");

    (void)ctx;
    return scheduler != NULL ? atoi(scheduler) : ERROR_FAIL;
}

/* 3 GiB, of which half are free, a quarter of that still unwashed, and 256 MiB promised away. */
int xc_physinfo(xc_interface *xch, xc_physinfo_t *info)
{
    const char *capabilities = getenv("XF_PLAYED_CAPABILITIES");

    (void)xch;
    *info = (xc_physinfo_t){ .nr_cpus = 6,
                             .total_pages = 786432,
                             .free_pages = 294912,
                             .scrub_pages = 98304,
                             .outstanding_pages = 65536 };
    info->capabilities = capabilities != NULL ? (uint32_t)strtoul(capabilities, NULL, 0) : 0;
    return 0;
}

int xc_domain_getinfolist(xc_interface *xch, uint32_t first_domain, unsigned max_domains,
                          xc_domaininfo_t *info)
{
    (void)xch;
    if (getenv("XF_PLAYED_NAMES") == NULL || first_domain > 1 || max_domains == 0) {
        return 0;
    }
    *info = (xc_domaininfo_t){ .domain = 1, .tot_pages = 16384 };
    info->flags = getenv("XF_PLAYED_RUNS") != NULL
                      ? XEN_DOMINF_running
                      : XEN_DOMINF_shutdown | SHUTDOWN_suspend << XEN_DOMINF_shutdownshift;
    memset(info->handle, 7, sizeof(info->handle));
    return 1;
}

char *libxl_domid_to_name(libxl_ctx *ctx, uint32_t domid)
{
    static const char *names;
    const char *name = names != NULL ? names : getenv("XF_PLAYED_NAMES");
    const char *next = name != NULL ? strchr(name, ',') : NULL;

    (void)ctx;
    (void)domid;
    names = next != NULL ? next + 1 : name;
    return name == NULL ? NULL : next != NULL ? strndup(name, (size_t)(next - name)) : strdup(name);
}

struct xs_handle *xs_open(unsigned long flags)
{
    (void)flags;
    return (struct xs_handle *)opened;
}

void xs_close(struct xs_handle *xsh)
{
    (void)xsh;
}

bool xs_watch(struct xs_handle *h, const char *path, const char *token)
{
    (void)h;
    (void)path;
    (void)token;
    return true;
}

int libxl_userdata_retrieve(libxl_ctx *ctx, uint32_t domid, const char *userdata_userid,
                            uint8_t **data_r, int *datalen_r)
{
    (void)ctx;
    (void)domid;
    (void)userdata_userid;
    *data_r = calloc(1, 1);
    *datalen_r = 1;
    return 0;
}

int libxl_retrieve_domain_configuration(libxl_ctx *ctx, uint32_t domid,
                                        libxl_domain_config *d_config,
                                        const libxl_asyncop_how *ao_how)
{
    (void)ctx;
    (void)domid;
    (void)ao_how;
    d_config->c_info.name = strdup("g1");
    return 0;
}

char *libxl_domain_config_to_json(libxl_ctx *ctx, libxl_domain_config *p)
{
    (void)ctx;
    (void)p;
    return strdup("{}");
}

void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned *len)
{
    static unsigned asked;

    (void)h;
    (void)t;
    if (strcmp(path, "/local/domain/1/attr/vif/3/ipv4/0") == 0) {
        *len = 8;
        return strdup("10.0.0.7");
    }
    if (strcmp(path, "/local/domain/1/control/feature-suspend") != 0 || ++asked < 2) {
        return NULL;
    }
    *len = 1;
    return strdup("1");
}

int xs_fileno(struct xs_handle *h)
{
    (void)h;
    return eventfd(0, EFD_CLOEXEC);
}

xc_cpu_policy_t *xc_cpu_policy_init(void)
{
    return (xc_cpu_policy_t *)opened;
}

void xc_cpu_policy_destroy(xc_cpu_policy_t *policy)
{
    (void)policy;
}

int xc_cpu_policy_get_system(xc_interface *xch, unsigned int policy_idx, xc_cpu_policy_t *policy)
{
    (void)xch;
    (void)policy;
    return policy_idx == XEN_SYSCTL_cpu_policy_hvm_max ? 0 : -1;
}

int xc_cpu_policy_get_domain(xc_interface *xch, uint32_t domid, xc_cpu_policy_t *policy)
{
    (void)xch;
    (void)policy;
    return domid == 1 ? 0 : -1;
}

int xc_cpu_policy_get_size(xc_interface *xch, uint32_t *nr_leaves, uint32_t *nr_msrs)
{
    (void)xch;
    *nr_leaves = 8;
    *nr_msrs = 2;
    return 0;
}

int xc_cpu_policy_serialise(xc_interface *xch, const xc_cpu_policy_t *policy,
                            xen_cpuid_leaf_t *leaves, uint32_t *nr_leaves, xen_msr_entry_t *msrs,
                            uint32_t *nr_msrs)
{
    static const xen_cpuid_leaf_t played[] = {
        { 0, XEN_CPUID_NO_SUBLEAF, 13, 0x756e6547, 0x6c65746e, 0x49656e69 },
        { 1, XEN_CPUID_NO_SUBLEAF, 1, 2, 3, 4 },
        { 7, 0, 1, 1u << 5, 0, 0 },
        { 7, 1, 0x30, 0, 0, 0 },
        { 0x80000001, XEN_CPUID_NO_SUBLEAF, 0, 0, 5, 6 },
    };

    (void)xch;
    (void)policy;
    if (msrs != NULL || nr_msrs != NULL || *nr_leaves < sizeof(played) / sizeof(played[0])) {
        return -1;
    }
    memcpy(leaves, played, sizeof(played));
    *nr_leaves = sizeof(played) / sizeof(played[0]);
    return 0;
}

/* Says by its value whether a stop rule was put in: libxenguest runs its own where there is none. */
int xc_domain_save(xc_interface *xch, int io_fd, uint32_t dom, uint32_t flags,
                   struct save_callbacks *callbacks, xc_stream_type_t stream_type, int recv_fd)
{
    (void)xch;
    (void)io_fd;
    (void)dom;
    (void)flags;
    (void)stream_type;
    (void)recv_fd;
    return callbacks->precopy_policy != NULL;
}
