/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef XF_XEN_KEEP_H
#define XF_XEN_KEEP_H

#include <stdint.h>

#include "ids.h"

/*
 * Starts xenferry-keeper for a domain of this host, detached from the caller. One that is there
 * already stays: the new one finds its lock taken and ends.
 */
void xf_xen_keep(const char *dir, const struct xf_uuid *uuid, uint32_t domid);

#endif
