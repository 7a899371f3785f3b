/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mover's end of the stop rule that runs inside libxl's save helper (preload/policy.c). */
#ifndef XF_XEN_POLICY_H
#define XF_XEN_POLICY_H

#include <stdatomic.h>
#include <stdbool.h>

#include <pthread.h>

#include "drivers.h"
#include "xen_lib.h"

struct xf_xen_policy {
    struct xf_xen *xen;
    const char *dir;
    struct xf_uuid uuid;
    uint32_t domid;
    const struct xf_save_events *events;
    void *arg;
    int fd;        /* ours */
    int helper_fd; /* the helper inherits it */
    int stop_fd;
    pthread_t thread;
    _Atomic bool taken;     /* our rule runs, not libxenguest's */
    _Atomic bool aborted;   /* it said so */
    _Atomic bool suspended; /* and told */
};

/* Sets up what the helper inherits, and starts answering. 0 or negative errno. */
int xf_xen_policy_start(struct xf_xen_policy *policy);
/* The helper is over. */
void xf_xen_policy_stop(struct xf_xen_policy *policy);

#endif
