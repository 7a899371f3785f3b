/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent's log, through libqb. Only agent/ logs, and the one that gives up logs once. */
#ifndef XF_LOG_QB_H
#define XF_LOG_QB_H

#include <stdarg.h>
#include <stdbool.h>
#include <syslog.h>

/* To stderr in the foreground, else to syslog. level: as the setting log-level. */
void xf_log_open(bool foreground, const char *level);
void xf_log_level(const char *level);
void xf_log_close(void);

void xf_log(int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void xf_vlog(int priority, const char *prefix, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

#endif
