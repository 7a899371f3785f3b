/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One operation on a domain, blocking; for a process that does just that one. */
#ifndef XF_XEN_OPS_H
#define XF_XEN_OPS_H

#include "xen_lib.h"
#include "xen_proto.h"

/* Does what msg asks for and turns it into the answer. dir: /run/xenferry. */
void xf_xen_op(struct xf_xen *xen, const char *dir, struct xf_xen_msg *msg);
/* The same of XF_XEN_ADDRESSES, which needs xenstored alone. */
void xf_xen_op_addresses(struct xf_xen_msg *msg);

/* Turns an xl configuration into libxl's JSON by asking xl itself; .config in, .config out. */
void xf_xen_translate(struct xf_xen_msg *msg);

#endif
