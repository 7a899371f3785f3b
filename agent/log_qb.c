/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "log_qb.h"

#include <qb/qblog.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

static const struct {
    const char *name;
    uint8_t priority;
} levels[] = {
    { "error", LOG_ERR }, { "warning", LOG_WARNING }, { "notice", LOG_NOTICE },
    { "info", LOG_INFO }, { "debug", LOG_DEBUG },
};

#define SOURCE "xenferryd"

static int32_t log_target = QB_LOG_SYSLOG;

void xf_log_level(const char *level)
{
    uint8_t priority = LOG_NOTICE;

    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (strcmp(levels[i].name, level) == 0) {
            priority = levels[i].priority;
        }
    }
    qb_log_filter_ctl(log_target, QB_LOG_FILTER_CLEAR_ALL, QB_LOG_FILTER_FILE, "*", LOG_TRACE);
    qb_log_filter_ctl(log_target, QB_LOG_FILTER_ADD, QB_LOG_FILTER_FILE, SOURCE, priority);
    /* Of the libraries' own messages only what is wrong. */
    qb_log_filter_ctl(log_target, QB_LOG_FILTER_ADD, QB_LOG_FILTER_FILE, "*", LOG_WARNING);
}

void xf_log_open(bool foreground, const char *level)
{
    qb_log_init("xenferryd", LOG_DAEMON, LOG_EMERG);
    qb_log_ctl(QB_LOG_SYSLOG, QB_LOG_CONF_ENABLED, foreground ? QB_FALSE : QB_TRUE);
    qb_log_ctl(QB_LOG_STDERR, QB_LOG_CONF_ENABLED, foreground ? QB_TRUE : QB_FALSE);
    if (foreground) {
        log_target = QB_LOG_STDERR;
        qb_log_format_set(QB_LOG_STDERR, "%t %p: %b");
    } else {
        qb_log_format_set(QB_LOG_SYSLOG, "%b");
    }
    xf_log_level(level);
}

void xf_log_close(void)
{
    qb_log_fini();
}

/* One format for libqb, because it remembers every format it has seen. */
static void put(int priority, const char *prefix, const char *text)
{
    qb_log_from_external_source(SOURCE, SOURCE, "%s%s", (uint8_t)priority, 0, 0, prefix, text);
}

void xf_vlog(int priority, const char *prefix, const char *fmt, va_list ap)
{
    char text[480];
    size_t len = strlen(prefix); /* libqb has room for both together */

    vsnprintf(text, len < sizeof(text) ? sizeof(text) - len : 1, fmt, ap);
    xf_text_utf8_mend(text); /* it may be cut within a letter */
    put(priority, prefix, text);
}

void xf_log(int priority, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    xf_vlog(priority, "", fmt, ap);
    va_end(ap);
}
