/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices of a domain that is being restored, attached while its memory still comes. libxl would
 * attach them when the last page is there, which is in the middle of the guest's pause.
 *
 * Taken are virtual disks and network interfaces of PV and PVH guests whose backend is the kernel's
 * and which two hosts may have open at a time as far as anybody can tell: no script of their own,
 * no emulation, no format. All others libxl attaches as ever, and so it does with those that did
 * not come up early.
 */
#ifndef XF_XEN_EARLY_H
#define XF_XEN_EARLY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "xen_lib.h"

struct xf_xen_early {
    struct xf_xen *xen;
    struct xf_uuid uuid;
    libxl_device_disk *disks;
    bool *disk_there;
    int n_disks;
    libxl_device_nic *nics;
    bool *nic_there;
    int n_nics;
    uint32_t domid; /* once it is known */
    void (*prepared)(void *arg);
    void *arg;
    _Atomic bool stop;
    bool started;
    pthread_t thread;
};

/* Takes out of config what may be attached early; says in note why something may not, or "". */
void xf_xen_early_take(struct xf_xen_early *early, struct xf_xen *xen, const struct xf_uuid *uuid,
                       libxl_domain_config *config, char *note, size_t note_size);
/*
 * Waits in a thread of its own for the domain to be made, and attaches. prepared() is called once,
 * when what can be attached early is, or could not be.
 */
void xf_xen_early_start(struct xf_xen_early *early, void (*prepared)(void *arg), void *arg);
/*
 * The domain is restored: what is not there yet is attached now, and libxl's record of the domain
 * is made what it would be had libxl attached all. 0 or a libxl error; note as above.
 */
int xf_xen_early_finish(struct xf_xen_early *early, uint32_t domid, char *note, size_t note_size);
/* The domain was not restored. */
void xf_xen_early_cancel(struct xf_xen_early *early);

#endif
