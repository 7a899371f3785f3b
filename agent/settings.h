/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The settings of /etc/xenferry/xenferry.conf: one table, from which the structure, the parser, its
 * error messages and the check of the manual page come. A key of Corosync's cmap, xenferry.KEY,
 * overrides the file for the whole cluster.
 */
#ifndef XF_SETTINGS_H
#define XF_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XF_SETTING_SIZE      256
#define XF_SETTINGS_FILE_MAX 65536u

/*
 * X(symbol, key, type, min, max, default, sentence)
 * TEXT and ADDRESS: min and max are lengths. CHOICE: the sentence begins with the choices.
 */
#define XF_SETTINGS(X)                                                                             \
    X(hypervisor, "hypervisor", CHOICE, 1, 32, "sandbox", "sandbox|xen: the hypervisor to drive")  \
    X(migration_address, "migration-address", ADDRESS, 0, 63, "",                                  \
      "numeric address where images are received; empty: this node's first Corosync address")      \
    X(secret_file, "secret-file", TEXT, 1, 255, XF_SYSCONFDIR "/secret",                           \
      "the cluster's secret; /etc/corosync/authkey is taken when this file does not exist")        \
    X(slots_outgoing, "slots-outgoing", NUMBER, 1, 64, "2",                                        \
      "domains that may leave this node at a time")                                                \
    X(slots_incoming, "slots-incoming", NUMBER, 1, 64, "2",                                        \
      "domains that may come to this node at a time")                                              \
    X(slots_cluster, "slots-cluster", NUMBER, 0, 1024, "0",                                        \
      "domains that may move in the cluster at a time; 0: no limit")                               \
    X(downtime_target_ms, "downtime-target-ms", NUMBER, 1, 60000, "300",                           \
      "pause that the stop rule aims at")                                                          \
    X(downtime_max_ms, "downtime-max-ms", NUMBER, 1, 600000, "1000",                               \
      "longest pause that the stop rule accepts without force")                                    \
    X(bandwidth_kibps, "bandwidth-kibps", NUMBER, 0, 1000000000, "0",                              \
      "limit of one move's data rate in KiB/s; 0: no limit")                                       \
    X(progress_timeout_ms, "progress-timeout-ms", NUMBER, 100, 3600000, "10000",                   \
      "a data connection that moves no byte for so long has stalled")                              \
    X(answer_timeout_ms, "answer-timeout-ms", NUMBER, 100, 3600000, "10000",                       \
      "how long another node may owe an answer before the tie-break begins")                       \
    X(check_timeout_ms, "check-timeout-ms", NUMBER, 1000, 600000, "15000",                         \
      "what a check has not proven within so long counts as unproven")                             \
    X(check_disk_timeout_ms, "check-disk-timeout-ms", NUMBER, 100, 600000, "5000",                 \
      "a disk that cannot be looked at within so long hangs")                                      \
    X(check_interval_s, "check-interval-s", NUMBER, 0, 604800, "600",                              \
      "how often each domain is checked against each other node; 0: only when asked")              \
    X(check_budget_frames, "check-budget-frames", NUMBER, 1, 1000000, "600",                       \
      "frames a minute that checks in the background may send from this node and to it")           \
    X(check_budget_reads, "check-budget-reads", NUMBER, 1, 1000000, "600",                         \
      "blocks a minute that checks in the background may read for this node's domains")            \
    X(retry_ms, "retry-ms", NUMBER, 50, 600000, "1000",                                            \
      "pause before an operation of the hypervisor that failed is tried again")                    \
    X(memory_limit_mib, "memory-limit-mib", NUMBER, 0, 67108864, "0",                              \
      "memory that domains of this node may use together; 0: what the host has")                   \
    X(history_max, "history-max", NUMBER, 1, 100000, "1000",                                       \
      "reports of past moves that are kept")                                                       \
    X(log_level, "log-level", CHOICE, 1, 32, "notice",                                             \
      "error|warning|notice|info|debug: the least important messages to log")                      \
    X(debug_trace, "debug-trace", SWITCH, 0, 1, "no",                                              \
      "log every event and action of the protocol at level debug")

enum xf_setting_type {
    XF_SETTING_TEXT,
    XF_SETTING_CHOICE,
    XF_SETTING_ADDRESS,
    XF_SETTING_NUMBER,
    XF_SETTING_SWITCH,
};

#define XF_SETTING_FIELD_TEXT(sym)    char sym[XF_SETTING_SIZE];
#define XF_SETTING_FIELD_CHOICE(sym)  char sym[XF_SETTING_SIZE];
#define XF_SETTING_FIELD_ADDRESS(sym) char sym[XF_SETTING_SIZE];
#define XF_SETTING_FIELD_NUMBER(sym)  uint64_t sym;
#define XF_SETTING_FIELD_SWITCH(sym)  bool sym;

struct xf_settings {
#define X(sym, key, type, min, max, def, sentence) XF_SETTING_FIELD_##type(sym)
    XF_SETTINGS(X)
#undef X
};

void xf_settings_init(struct xf_settings *settings);
/* 0, or -EINVAL with a sentence in err. */
int xf_settings_set(struct xf_settings *settings, const char *key, const char *value, char *err,
                    size_t err_size);
/* name: what messages call the text. The settings keep what they were where the text is silent.
 * 0, or -EINVAL with "NAME:LINE: sentence" in err; the settings are then undefined. */
int xf_settings_parse(struct xf_settings *settings, const char *name, const char *text,
                      size_t text_size, char *err, size_t err_size);
/* The same of a file. 0, -EINVAL, or the error of opening or reading it, all with err. */
int xf_settings_load(struct xf_settings *settings, const char *path, char *err, size_t err_size);
/* Key number i and its value as text; NULL behind the last one. */
const char *xf_settings_key(size_t i);
const char *xf_settings_text(const struct xf_settings *settings, size_t i, char *buf, size_t size);

#endif
