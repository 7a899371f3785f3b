/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Configuration of a sandbox domain: one `key = value` a line, # begins a comment. The keys are
 * described in xenferry-sandbox(8).
 */
#ifndef XF_DOMCFG_H
#define XF_DOMCFG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ids.h"

#define XF_DOMCFG_VIFS_MAX       8
#define XF_DOMCFG_DISKS_MAX      8
#define XF_DOMCFG_PATH_SIZE      256
#define XF_DOMCFG_BRIDGE_SIZE    16 /* IFNAMSIZ */
#define XF_DOMCFG_MEMORY_MAX_MIB 65536u

enum xf_pattern {
    XF_PATTERN_IDLE,
    XF_PATTERN_UNIFORM,
    XF_PATTERN_HOTSPOT, /* nine writes in ten go to the first tenth of the window */
    XF_PATTERN_ZIPF,    /* frequency falls as 1/rank */
    XF_N_PATTERNS,
};

struct xf_domcfg_vif {
    uint8_t mac[6];
    char bridge[XF_DOMCFG_BRIDGE_SIZE];
    uint32_t ipv4; /* host order */
    uint8_t prefix;
    uint16_t port; /* UDP echo */
};

struct xf_domcfg_disk {
    char path[XF_DOMCFG_PATH_SIZE]; /* absolute */
    bool readonly;
};

struct xf_domcfg {
    char name[XF_NAME_SIZE];
    struct xf_uuid uuid; /* all zero: none given */
    uint32_t memory_mib;
    uint32_t vcpus;
    uint32_t n_vifs;
    struct xf_domcfg_vif vif[XF_DOMCFG_VIFS_MAX];
    uint32_t n_disks;
    struct xf_domcfg_disk disk[XF_DOMCFG_DISKS_MAX];
    enum xf_pattern pattern;
    uint32_t rate_mbps;  /* 10^6 bytes a second */
    uint32_t window_mib; /* 0: all memory */
    uint32_t disk_interval_ms;
    uint32_t fill_percent; /* of memory that holds random data from the start */
    uint64_t seed;         /* 0: one drawn at the start */
    uint32_t suspend_delay_ms;
    /* Faults, for tests. */
    bool fail_suspend;      /* the guest never suspends */
    bool fail_unpause_once; /* the first unpause of each process fails */
    bool fail_restore;      /* a restore fails when everything is received */
};

/*
 * 0, or -EINVAL with a sentence in err that names line and key. text need not end with NUL, but
 * must hold none.
 */
int xf_domcfg_parse(const char *text, size_t size, struct xf_domcfg *ret_cfg, char *err,
                    size_t err_size);

const char *xf_pattern_name(enum xf_pattern pattern);

#endif
