/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Filling the machine's memory from a save stream. */
#ifndef XF_SANDBOX_RESTORE_H
#define XF_SANDBOX_RESTORE_H

#include <stddef.h>

#include "reason.h"

struct xf_machine;

/*
 * Blocks until the END record is read, and reads nothing behind it. Pages never received stay zero.
 * XF_REASON_OK, or why not with a sentence in text.
 */
enum xf_reason xf_restore(struct xf_machine *m, int in, char *text, size_t size);

#endif
