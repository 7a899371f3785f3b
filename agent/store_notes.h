/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Notes (H8): one line per domain in a file under /run that is mapped and touched beforehand, so
 * that taking a note is one store. They survive the agent and die with the node.
 */
#ifndef XF_STORE_NOTES_H
#define XF_STORE_NOTES_H

#include <stddef.h>
#include <stdint.h>

#include "core.h"

#define XF_NOTES_LINES 4096u

struct xf_notes;
struct xf_notes_line;

struct xf_noted {
    struct xf_uuid uuid;
    struct xf_migid id;
    uint8_t note; /* enum xf_note */
};

/* Lines of another boot are forgotten. 0, or negative errno with a sentence in err. */
int xf_notes_open(const char *dir, struct xf_boot boot, struct xf_notes **ret_notes, char *err,
                  size_t err_size);
void xf_notes_close(struct xf_notes *notes); /* takes NULL */
/* Line i as the last agent left it; false behind the last or when it is free. */
bool xf_notes_get(const struct xf_notes *notes, uint32_t i, struct xf_noted *ret_noted);
/* The domain's line, its own or a free one; NULL when all are taken. */
struct xf_notes_line *xf_notes_line(struct xf_notes *notes, const struct xf_uuid *uuid);
void xf_notes_store(struct xf_notes_line *line, const struct xf_migid *id, enum xf_note note);
enum xf_note xf_notes_read(const struct xf_notes_line *line, struct xf_migid *ret_id);

#endif
