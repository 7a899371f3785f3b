/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The last events and actions of all domains, kept in memory that is touched at the start: noting
 * one costs a copy, also in the pause (H12). Lines of text are made when somebody asks.
 */
#ifndef XF_BLACKBOX_H
#define XF_BLACKBOX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core.h"

#define XF_BLACKBOX_ENTRIES   4096u
#define XF_BLACKBOX_LINE_SIZE 600u

struct xf_blackbox;

struct xf_blackbox *xf_blackbox_open(void);
void xf_blackbox_close(struct xf_blackbox *box); /* takes NULL */
void xf_blackbox_event(struct xf_blackbox *box, const struct xf_uuid *uuid,
                       const struct xf_event *event);
void xf_blackbox_act(struct xf_blackbox *box, const struct xf_uuid *uuid, const struct xf_act *act);
void xf_blackbox_core(struct xf_blackbox *box, const struct xf_uuid *uuid,
                      const struct xf_core *core);
uint32_t xf_blackbox_count(const struct xf_blackbox *box);
/* Line i, oldest first: "seconds domain event|act|core text". Returns its length. */
size_t xf_blackbox_line(const struct xf_blackbox *box, uint32_t i, char *buf, size_t size);
/* Writes all lines to a file, in a process of its own: its pid, to be waited for, or -1. */
pid_t xf_blackbox_dump(const struct xf_blackbox *box, const char *path);

#endif
