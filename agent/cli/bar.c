/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "bar.h"

#include <stdio.h>
#include <string.h>

#include "field.h"
#include "units.h"

#define BAR_MIN 10u
#define BAR_MAX 40u

int xf_bar_percent(const json_t *migration)
{
    double total;
    double left;
    double round = 0;

    if (!xf_field_number(migration, "pages_total", &total) || total <= 0) {
        return -1;
    }
    xf_field_number(migration, "round", &round);
    if (round < 1) {
        /* In the first round every page is due, so what was sent is what is done. */
        if (!xf_field_number(migration, "pages_sent", &left)) {
            return -1;
        }
        left = total - left;
    } else if (!xf_field_number(migration, "pages_dirty", &left)) {
        return -1;
    }
    if (left < 0) {
        left = 0;
    }
    if (left > total) {
        left = total;
    }
    return (int)(100 * (total - left) / total);
}

static void put_bar(int percent, unsigned width, char *buf)
{
    unsigned full = (unsigned)percent * width / 100;

    buf[0] = '[';
    for (unsigned i = 0; i < width; i++) {
        buf[1 + i] = i < full ? '#' : '-';
    }
    buf[1 + width] = ']';
    buf[2 + width] = '\0';
}

/* Cuts after so many columns, never inside a character. */
static void cut(char *text, unsigned columns)
{
    size_t n = 0;

    for (; *text != '\0'; text++) {
        if (((unsigned char)*text & 0xc0) != 0x80 && n++ == columns) {
            *text = '\0';
            return;
        }
    }
}

/* Appends a part if it leaves room for a bar; what comes first matters most. columns 0: always. */
static void add_part(char *tail, size_t size, unsigned room, const char *label, const char *value)
{
    size_t len = strlen(tail);
    size_t columns = 2 + xf_utf8_columns(label) + xf_utf8_columns(value);

    if (strcmp(value, "-") != 0 && (room == 0 || xf_utf8_columns(tail) + columns <= room)) {
        snprintf(tail + len, size - len, "  %s%s", label, value);
    }
}

static void put_head(const json_t *migration, char *buf, size_t size)
{
    const char *state = xf_field_text(migration, "state");
    const char *missing = xf_field_text(migration, "missing");
    char round[XF_UNITS_SIZE];

    if (strcmp(state, "copying") == 0) {
        snprintf(buf, size, "%s  round %s", xf_field_text(migration, "domain"),
                 xf_field_format(migration, "round", XF_UNIT_NONE, round));
    } else if (strcmp(missing, "-") != 0) {
        snprintf(buf, size, "%s  %s: %s", xf_field_text(migration, "domain"), state, missing);
    } else {
        snprintf(buf, size, "%s  %s", xf_field_text(migration, "domain"), state);
    }
}

static void put_tail(const json_t *migration, unsigned room, char *buf, size_t size)
{
    char text[XF_UNITS_SIZE];
    double cap;

    buf[0] = '\0';
    add_part(buf, size, room, "", xf_field_format(migration, "rate_kibps", XF_UNIT_KIBPS, text));
    add_part(buf, size, room, "pause ",
             xf_field_format(migration, "predicted_pause_ms", XF_UNIT_PREDICTED_MS, text));
    add_part(buf, size, room, "dirty ",
             xf_field_format(migration, "dirty_rate_kibps", XF_UNIT_KIBPS, text));
    if (xf_field_number(migration, "cap_percent", &cap) && cap < 100) {
        snprintf(text, sizeof(text), "%.0f%%", cap);
        add_part(buf, size, room, "slowed to ", text);
    }
}

/* Before and after, figures of a copy in progress say nothing. */
static bool is_copying(const json_t *migration)
{
    const char *state = xf_field_text(migration, "state");

    return strcmp(state, "copying") == 0 || strcmp(state, "switching") == 0;
}

/* Columns that the figures behind the bar may take. */
static unsigned tail_room(unsigned columns, size_t used)
{
    if (columns == 0) {
        return 0;
    }
    return columns > used + BAR_MIN ? columns - (unsigned)used - BAR_MIN : 1;
}

void xf_bar_render(const json_t *migration, unsigned columns, char *buf, size_t size)
{
    char done[XF_UNITS_SIZE] = "";
    char bar[BAR_MAX + 5] = "";
    char head[XF_BAR_SIZE];
    char tail[XF_BAR_SIZE] = "";
    int percent = is_copying(migration) ? xf_bar_percent(migration) : -1;
    size_t used;

    put_head(migration, head, sizeof(head));
    if (percent >= 0) {
        snprintf(done, sizeof(done), "  %3d%%", percent);
    }
    /* Two blanks and two brackets are the bar's own. */
    used = xf_utf8_columns(head) + strlen(done) + 4;
    if (is_copying(migration)) {
        put_tail(migration, tail_room(columns, used), tail, sizeof(tail));
    }
    used += xf_utf8_columns(tail);
    if (percent >= 0 && columns >= used + BAR_MIN) {
        size_t width = columns - used;

        memcpy(bar, "  ", 2);
        put_bar(percent, width > BAR_MAX ? BAR_MAX : (unsigned)width, bar + 2);
    }
    snprintf(buf, size, "%s%s%s%s", head, bar, done, tail);
    xf_utf8_make_safe(buf);
    if (columns > 0) {
        cut(buf, columns);
    }
}
