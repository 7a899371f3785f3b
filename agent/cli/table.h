/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables with aligned columns, and text made safe for a terminal. Out of memory ends the process.
 */
#ifndef XF_TABLE_H
#define XF_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum xf_paint {
    XF_PAINT_NONE,
    XF_PAINT_GOOD,
    XF_PAINT_BUSY,
    XF_PAINT_BAD,
};

struct xf_table;

/* Headings end with NULL; one that starts with '>' is aligned to the right. */
struct xf_table *xf_table_new(const char *const *headings);
void xf_table_free(struct xf_table *table); /* takes NULL */
/* The next cell, row by row. The text is copied and made safe. */
void xf_table_add(struct xf_table *table, const char *text, enum xf_paint paint);
/* Prints headings and complete rows, each indented so far; colours only if asked for. */
void xf_table_print(const struct xf_table *table, FILE *out, unsigned indent, bool color);

/* Replaces control characters, which could drive the terminal, by '?'. */
void xf_utf8_make_safe(char *text);
/* Columns that a text takes: UTF-8 characters, not bytes. */
size_t xf_utf8_columns(const char *text);

#endif
