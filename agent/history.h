/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reports of past moves: the newest in memory, all of them one JSON text a line in history.jsonl,
 * the half before in history.jsonl.1. Writing is the writer process's.
 */
#ifndef XF_HISTORY_H
#define XF_HISTORY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct xf_history;

/* Reads what is there; lines that are no report are left out. */
struct xf_history *xf_history_open(const char *dir, uint32_t max);
void xf_history_close(struct xf_history *history); /* takes NULL */
/*
 * False: a report of that domain's migration is there already. One whose result is "unknown" is
 * replaced by any other.
 */
bool xf_history_add(struct xf_history *history, const json_t *report);
/* Newest first; NULL behind the last one. To be released by the caller. */
json_t *xf_history_get(const struct xf_history *history, uint32_t i);
/* The next one whose result is "unknown", from the *i-th newest on; *i is then that one. Or NULL. */
json_t *xf_history_unknown(const struct xf_history *history, uint32_t *i);
/* The one of that domain's migration, or NULL. */
json_t *xf_history_find(const struct xf_history *history, const char *uuid, const char *migration);

/* In the writer process: 0 or negative errno. */
int xf_history_append(const char *dir, const char *line, uint32_t max);

#endif
