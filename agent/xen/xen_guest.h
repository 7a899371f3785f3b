/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was given to a guest, and what it says of itself. */
#ifndef XF_XEN_GUEST_H
#define XF_XEN_GUEST_H

#include "announce.h"
#include "host.h"
#include "xen_lib.h"

struct xs_handle;

/* The most that a PV guest, or any other, may be given. Not known if Xen has no such guests. */
void xf_xen_cpu_most(struct xf_xen *xen, bool pv, struct xf_cpu *ret_cpu);
/* What that domain was given when it was built. */
void xf_xen_cpu_given(struct xf_xen *xen, uint32_t domid, struct xf_cpu *ret_cpu);
/* Sets .suspend_known and .can_suspend. True: it is the guest's own last word that it can. */
bool xf_xen_suspends(struct xf_xen *xen, struct xs_handle *xs, const xc_domaininfo_t *info,
                     struct xf_guest *guest);
/*
 * Adds to each vif, which has that devid, the addresses that the guest has written. A bounded number
 * of reads, whatever it wrote.
 */
void xf_xen_addresses(struct xs_handle *xs, uint32_t domid, const uint32_t *devid,
                      struct xf_addresses *addresses);

#endif
