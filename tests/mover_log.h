/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A save stream in the form in which the sent and the received one must be equal: how pages are cut
 * into records does not count, and a page that comes again with what it holds is left out.
 */
#ifndef XF_TEST_MOVER_LOG_H
#define XF_TEST_MOVER_LOG_H

#include <stddef.h>
#include <stdint.h>

struct mover_log;

/* Writes to path; bound of page numbers. NULL when the file or memory cannot be had. */
struct mover_log *mover_log_open(const char *path, uint64_t pages);
/* Bytes of the stream as they come. Takes NULL for no log. */
void mover_log_bytes(struct mover_log *log, const void *buf, size_t size);
/* Takes NULL. */
void mover_log_close(struct mover_log *log);

#endif
