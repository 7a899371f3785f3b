/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All that the agent keeps on disk, written by a process of its own: the loop never waits for a
 * disk. Requests are carried out one after the other in the order given.
 */
#ifndef XF_STORE_WRITER_H
#define XF_STORE_WRITER_H

#include <qb/qbloop.h>
#include <stddef.h>
#include <stdint.h>

#include "store_file.h"

struct xf_store;

/* From the loop: the write with this cookie is on disk, or failed. Cookie 0 is not told. */
typedef void (*xf_store_done_fn)(void *arg, uint64_t cookie, bool ok);

/* Takes the opened journal over. 0 or negative errno. */
int xf_store_start(qb_loop_t *loop, const char *dir, uint32_t history_max,
                   struct xf_store_file *file, xf_store_done_fn done, void *arg,
                   struct xf_store **ret_store);
/* Waits, at most two seconds, for what was handed over to be on disk. Takes NULL. */
void xf_store_stop(struct xf_store *store);

/*
 * cookie 0: nobody waits, so a failure is tried again, unless a later record of the domain was
 * handed over meanwhile.
 */
void xf_store_persist(struct xf_store *store, uint64_t cookie, const struct xf_uuid *uuid,
                      const struct xf_record *record);
/* One line of JSON, without newline. */
void xf_store_history(struct xf_store *store, const char *line);
/* To be called from time to time: restarts a writer that died, repeats what failed. */
void xf_store_tick(struct xf_store *store);

#endif
