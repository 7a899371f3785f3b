/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "table.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

#define GAP 2 /* blanks between columns */

struct cell {
    char *text;
    enum xf_paint paint;
};

struct xf_table {
    const char *const *headings;
    size_t n_columns;
    size_t n_cells;
    size_t room;
    struct cell *cell;
};

void xf_utf8_make_safe(char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c < 0x20 || c == 0x7f) {
            *text = '?';
        } else if (c == 0xc2 && ((unsigned char)text[1] & 0xe0) == 0x80) {
            /* U+0080..U+009F: control characters too, among them another escape. */
            *text++ = '?';
            *text = '?';
        }
    }
}

size_t xf_utf8_columns(const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++) {
        n += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return n;
}

struct xf_table *xf_table_new(const char *const *headings)
{
    struct xf_table *table = calloc(1, sizeof(*table));

    if (table == NULL) {
        err(1, "table");
    }
    table->headings = headings;
    while (headings[table->n_columns] != NULL) {
        table->n_columns++;
    }
    return table;
}

void xf_table_free(struct xf_table *table)
{
    if (table == NULL) {
        return;
    }
    for (size_t i = 0; i < table->n_cells; i++) {
        free(table->cell[i].text);
    }
    free(table->cell);
    free(table);
}

void xf_table_add(struct xf_table *table, const char *text, enum xf_paint paint)
{
    char *copy = strdup(text);

    if (table->n_cells == table->room) {
        table->room = table->room == 0 ? 64 : table->room * 2;
        table->cell = reallocarray(table->cell, table->room, sizeof(*table->cell));
    }
    if (copy == NULL || table->cell == NULL) {
        err(1, "table");
    }
    xf_utf8_make_safe(copy);
    table->cell[table->n_cells++] = (struct cell){ .text = copy, .paint = paint };
}

static bool heading_is_right(const struct xf_table *table, size_t column)
{
    return table->headings[column][0] == '>';
}

static const char *heading_text(const struct xf_table *table, size_t column)
{
    return table->headings[column] + (heading_is_right(table, column) ? 1 : 0);
}

static size_t column_width(const struct xf_table *table, size_t column)
{
    size_t width = xf_utf8_columns(heading_text(table, column));

    for (size_t i = column; i < table->n_cells; i += table->n_columns) {
        size_t columns = xf_utf8_columns(table->cell[i].text);

        if (columns > width) {
            width = columns;
        }
    }
    return width;
}

static const char *paint_code(enum xf_paint paint)
{
    switch (paint) {
    case XF_PAINT_NONE:
        return "";
    case XF_PAINT_GOOD:
        return "\033[32m";
    case XF_PAINT_BUSY:
        return "\033[33m";
    case XF_PAINT_BAD:
        return "\033[31m";
    }
    return "";
}

/* One cell. The last column is not filled up when it is aligned to the left: no trailing blanks. */
static void print_cell(const struct xf_table *table, FILE *out, size_t column, const char *text,
                       enum xf_paint paint, bool color)
{
    int fill = (int)(column_width(table, column) - xf_utf8_columns(text));
    bool right = heading_is_right(table, column);
    bool last = column + 1 == table->n_columns;

    if (column > 0) {
        fprintf(out, "%*s", GAP, "");
    }
    if (right) {
        fprintf(out, "%*s", fill, "");
    }
    if (color && paint != XF_PAINT_NONE) {
        fprintf(out, "%s%s\033[0m", paint_code(paint), text);
    } else {
        fputs(text, out);
    }
    if (!right && !last) {
        fprintf(out, "%*s", fill, "");
    }
}

void xf_table_print(const struct xf_table *table, FILE *out, unsigned indent, bool color)
{
    fprintf(out, "%*s", (int)indent, "");
    for (size_t c = 0; c < table->n_columns; c++) {
        print_cell(table, out, c, heading_text(table, c), XF_PAINT_NONE, false);
    }
    fputc('\n', out);
    for (size_t i = 0; i + table->n_columns <= table->n_cells; i += table->n_columns) {
        fprintf(out, "%*s", (int)indent, "");
        for (size_t c = 0; c < table->n_columns; c++) {
            const struct cell *cell = &table->cell[i + c];

            print_cell(table, out, c, cell->text, cell->paint, color);
        }
        fputc('\n', out);
    }
}
