/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent's driver of Xen, inside. It links nothing of Xen: hyper_xen.c has the table of
 * operations and knows what the watcher told, hyper_xen_proc.c starts and hears xenferry-xen, and
 * hyper_xen_config.c reads libxl's JSON.
 */
#ifndef XF_HYPER_XEN_H
#define XF_HYPER_XEN_H

#include "child.h"
#include "drivers.h"
#include "reserve.h"
#include "xen/xen_proto.h"

#define XF_XEN_UNPAUSES_MAX 64 /* more moves than any node takes at a time */

struct xf_xen_domain {
    struct xf_xen_domain *next;
    struct xf_dom_info info;
    char *config; /* NULL: not told yet */
    bool guest_told;
    struct xf_guest guest; /* but for what the configuration says */
    bool doubted;          /* told by a watcher that is dead */
};

/* One operation: its process, then the look that shows its effect. */
struct xf_xen_job {
    struct xf_xen_job *next;
    struct xf_hyper *hyper;
    struct xf_child *child; /* NULL: over, waits for the look */
    enum xf_xen_type type;
    uint64_t cookie;
    uint64_t look; /* cookie of that look; 0: not yet over */
    enum xf_reason reason;
    bool answered;
    char text[XF_XEN_TEXT];
    struct xf_xen_msg msg;
};

struct xf_hyper {
    qb_loop_t *loop;
    char dir[256];
    struct xf_hyper_events events;
    void *arg;
    struct xf_host_facts facts;
    struct xf_cpu cpu[2]; /* [pv] */
    uint64_t memory_limit_mib;
    struct xf_xen_domain *domains;
    struct xf_xen_job *jobs;
    struct xf_reserves reserves;
    uint64_t looks; /* asked for */
    struct xf_child *watcher;
    qb_loop_timer_handle restart;
    bool looked; /* the first look is over */
    bool quiet;  /* nothing is told: the agent scans for itself */
    bool closing;
    char failure[XF_XEN_TEXT]; /* why the watcher could not begin */
    struct {
        bool used;
        uint64_t cookie;
        struct xf_uuid uuid;
    } unpause[XF_XEN_UNPAUSES_MAX]; /* sent and not answered */
    struct xf_xen_msg in;           /* the watcher's */
    struct xf_xen_msg out;          /* to it; kept, so that unpausing allocates nothing (H12) */
};

/* hyper_xen_proc.c: 0 or negative errno, .failure set. Waits for the first look. */
int xf_xen_watcher_open(struct xf_hyper *hyper);
void xf_xen_watcher_close(struct xf_hyper *hyper);
void xf_xen_unpause(struct xf_hyper *hyper, uint64_t cookie, const struct xf_uuid *uuid);
/* config may be NULL. */
void xf_xen_job_start(struct xf_hyper *hyper, uint64_t cookie, enum xf_xen_type type,
                      const struct xf_uuid *uuid, enum xf_variant variant, const char *config);
/* vifs: which ones are asked for, without addresses; devid: of each of them. */
void xf_xen_addresses_start(struct xf_hyper *hyper, const struct xf_dom_info *info,
                            const struct xf_addresses *vifs, const uint32_t *devid);
void xf_xen_jobs_close(struct xf_hyper *hyper);
/* A destroy of it was asked for and has not ended. */
bool xf_xen_destroying(const struct xf_hyper *hyper, const struct xf_uuid *uuid);

/* hyper_xen.c: what the watcher told of a domain. */
void xf_xen_domain_seen(struct xf_hyper *hyper, const struct xf_xen_msg *msg);
void xf_xen_guest_seen(struct xf_hyper *hyper, const struct xf_xen_msg *msg);
void xf_xen_domain_gone(struct xf_hyper *hyper, const struct xf_dom_info *info);
/* A new watcher begins anew: what it has not told of when its first look is over, is gone. */
void xf_xen_domains_doubt(struct xf_hyper *hyper);
void xf_xen_domains_unseen(struct xf_hyper *hyper);
struct xf_xen_domain *xf_xen_domain_find(struct xf_hyper *hyper, const struct xf_uuid *uuid);

/* hyper_xen_config.c */
int xf_xen_needs(const char *config, struct xf_dom_needs *ret_needs, char *err, size_t err_size);

#endif
