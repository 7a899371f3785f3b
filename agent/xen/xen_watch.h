/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef XF_XEN_WATCH_H
#define XF_XEN_WATCH_H

#include "xen_lib.h"

/* Serves the agent on XF_XEN_FD until it hangs up. dir: /run/xenferry. The process's exit code. */
int xf_xen_watch(struct xf_xen *xen, const char *dir);

#endif
