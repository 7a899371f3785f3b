/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Can this host run a domain with these needs? What may take long (opening a disk on a dead file
 * server does) happens in a process of its own. Every reason is told, not the first.
 */
#ifndef XF_PREFLIGHT_H
#define XF_PREFLIGHT_H

#include <qb/qbloop.h>

#include "drivers.h"

#define XF_PREFLIGHT_TEXT_SIZE 2048u

struct xf_preflight;

/* reason: the first one, XF_REASON_OK if none. text: sentences, separated by "; ". Frees itself. */
typedef void (*xf_preflight_done_fn)(void *arg, enum xf_reason reason, const char *text);

/* known and known_text: what the caller found by itself, told first. NULL: no process left. */
struct xf_preflight *xf_preflight_start(qb_loop_t *loop, const struct xf_dom_needs *needs,
                                        enum xf_reason known, const char *known_text,
                                        xf_preflight_done_fn done, void *arg);
/* done will not be called. Takes NULL. */
void xf_preflight_stop(struct xf_preflight *preflight);

#endif
