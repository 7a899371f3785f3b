/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which hypervisors this mover can save from and restore to. Tests bring a table of their own. */
#ifndef XF_MOVER_HYPERS_H
#define XF_MOVER_HYPERS_H

struct xf_mover_hyper_ops;

/* name NULL: the default. NULL when there is none of that name. */
const struct xf_mover_hyper_ops *xf_mover_hyper_find(const char *name);

#endif
