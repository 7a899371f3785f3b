/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Marks in /run about a domain of this host: they outlive the process that made them and die with
 * the host, as domains do.
 */
#ifndef XF_XEN_MARK_H
#define XF_XEN_MARK_H

#include <stdbool.h>

#include "drivers.h"

/*
 * From before a guest is asked to suspend until the save that asked is over. If the mover dies in
 * between, the guest may suspend at any later moment with nobody left who knows why; whoever takes
 * the domain back has to wait for that (H10 and its other half).
 */
#define XF_XEN_SUSPENDING "suspend"
/* NAME--incoming is ours, and not one that xl is receiving or has left behind. */
#define XF_XEN_ARRIVING   "incoming"

void xf_xen_mark(const char *dir, const char *mark, const struct xf_uuid *uuid);
void xf_xen_unmark(const char *dir, const char *mark, const struct xf_uuid *uuid);
bool xf_xen_marked(const char *dir, const char *mark, const struct xf_uuid *uuid);

/* A domain of that name belongs to a migration of xl's, done or under way. */
bool xf_xen_foreign(const char *dir, const struct xf_uuid *uuid, enum xf_variant variant);

/* The keeper's lock is held: its domain is being rebooted, if it is not there. */
bool xf_xen_kept(const char *dir, const struct xf_uuid *uuid);
/* Path of that lock; buf has XF_XEN_PATH_SIZE bytes. */
#define XF_XEN_PATH_SIZE 512
void xf_xen_keeper_lock(const char *dir, const struct xf_uuid *uuid, char *buf);

#endif
