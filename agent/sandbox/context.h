/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Body of HVM_CONTEXT: the CPU's side of the guest. It must fit the guest's memory, so that memory
 * of another moment, or of another guest, is not run.
 */
#ifndef XF_SANDBOX_CONTEXT_H
#define XF_SANDBOX_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"
#include "ids.h"

struct xf_machine;

#define XF_CONTEXT_SIZE 56u

struct xf_context {
    struct xf_uuid uuid;
    uint64_t ticks;
    uint64_t writes;
    uint64_t counter;
};

/* Of a guest that stands still. */
struct xf_context xf_context_of(const struct xf_machine *m);
/* XF_CONTEXT_SIZE bytes. */
void xf_context_put(struct xf_put *p, const struct xf_context *context);
/* 0 or -EBADMSG. */
int xf_context_get(const uint8_t *buf, uint32_t size, struct xf_context *ret_context);
bool xf_context_fits(const struct xf_context *context, const struct xf_machine *m);

#endif
