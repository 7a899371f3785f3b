/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events, actions and transitions <-> one line of text each: the golden traces, the blackbox, the
 * log, and replay all speak it.
 */
#ifndef XF_TRACE_H
#define XF_TRACE_H

#include <stddef.h>

#include "core.h"

#define XF_TRACE_LINE_SIZE 512u

/* Each writes one line without newline, always ended by NUL; returns its length. */
size_t xf_trace_event(const struct xf_event *event, char *buf, size_t size);
size_t xf_trace_act(const struct xf_act *act, char *buf, size_t size);
/* "state home outcome kept id 3@2 note none votes 0/0" */
size_t xf_trace_core(const struct xf_core *core, char *buf, size_t size);
/* The inverse of xf_trace_event(). 0, or -EBADMSG. */
int xf_trace_parse_event(const char *line, struct xf_event *ret_event);

#endif
