/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looks at the disks of one domain: a xenferry-look each (agent/look/), since a disk that hangs hangs
 * whoever reads it. The agent only waits, with a deadline.
 */
#ifndef XF_LOOKS_H
#define XF_LOOKS_H

#include <stdint.h>

#include <qb/qbloop.h>

#include "disk.h"

struct xf_looks;
struct xf_looker; /* one process */

/*
 * disk[n] as they were asked for. Of one that did not end in time .late is set, of one whose process
 * died XF_TRAIT_UNKNOWN with .words. The disks are gone when it returns; looks frees itself.
 */
typedef void (*xf_looks_done_fn)(void *arg, const struct xf_disk *disk, uint32_t n);

/*
 * done comes from the loop, also when n is 0. 0 or negative errno. hanging: the agent's list of
 * processes that could not be killed yet; a disk that one of them looks at is .late at once.
 */
int xf_looks_start(qb_loop_t *loop, struct xf_looker **hanging, const struct xf_look *look,
                   uint32_t n, uint32_t timeout_ms, xf_looks_done_fn done, void *arg,
                   struct xf_looks **ret_looks);
/* done will not come. A process that cannot be killed yet is reaped when it can. Takes NULL. */
void xf_looks_stop(struct xf_looks *looks);

#endif
