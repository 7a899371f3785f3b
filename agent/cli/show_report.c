/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers as text: how migrations went.
 */
#include "config.h"

#include <string.h>

#include "cli.h"
#include "field.h"
#include "units.h"

static enum xf_paint result_paint(const char *result)
{
    if (strcmp(result, "moved") == 0) {
        return XF_PAINT_GOOD;
    }
    return strcmp(result, "lost") == 0 ? XF_PAINT_BAD : XF_PAINT_BUSY;
}

void xf_show_history(const struct xf_cli *cli, const json_t *body)
{
    static const char *const headings[] = { "STARTED", "DOMAIN", "MIGRATION", "FROM",
                                            "TO",      "RESULT", "REASON",    ">TOOK",
                                            ">PAUSE",  ">WIRE",  NULL };
    struct xf_table *table = xf_table_new(headings);
    const json_t *report;
    size_t i;

    json_array_foreach(xf_field_array(body, "history"), i, report)
    {
        const char *result = xf_field_text(report, "result");

        xf_field_text_to_table(table, report, "started");
        xf_field_text_to_table(table, report, "domain");
        xf_field_text_to_table(table, report, "migration");
        xf_field_text_to_table(table, report, "source");
        xf_field_text_to_table(table, report, "destination");
        xf_table_add(table, result, result_paint(result));
        xf_field_text_to_table(table, report, "reason");
        xf_field_to_table(table, report, "duration_ms", XF_UNIT_MS);
        xf_field_to_table(table, json_object_get(report, "pause"), "total_ms", XF_UNIT_MS);
        xf_field_to_table(table, report, "bytes_wire", XF_UNIT_BYTES);
    }
    xf_table_print(table, stdout, 0, cli->color);
    xf_table_free(table);
}

/* "NAME: moved from n1 to n2", "NAME: kept on n1, not moved to n2", "NAME: lost": one line. */
static void print_result(const json_t *report)
{
    const char *result = xf_field_text(report, "result");
    const char *source = xf_field_text(report, "source");
    const char *destination = xf_field_text(report, "destination");
    char line[1024];

    if (strcmp(result, "moved") == 0) {
        snprintf(line, sizeof(line), "%s: moved from %s to %s", xf_field_text(report, "domain"),
                 source, destination);
    } else if (strcmp(result, "kept") == 0) {
        snprintf(line, sizeof(line), "%s: kept on %s, not moved to %s",
                 xf_field_text(report, "domain"), source, destination);
    } else {
        snprintf(line, sizeof(line), "%s: %s (from %s to %s)", xf_field_text(report, "domain"),
                 result, source, destination);
    }
    xf_utf8_make_safe(line);
    puts(line);
}

static void print_totals(const json_t *report)
{
    char took[XF_UNITS_SIZE];
    char wire[XF_UNITS_SIZE];
    char stream[XF_UNITS_SIZE];
    char pages[XF_UNITS_SIZE];
    char line[1024];

    if (json_is_null(json_object_get(report, "started"))) {
        snprintf(line, sizeof(line),
                 "migration %s%s; an agent was restarted in it, so it is not known "
                 "when it began and what was sent until then",
                 xf_field_text(report, "migration"),
                 xf_field_is_true(report, "cold") ? ", cold" : "");
        xf_utf8_make_safe(line);
        puts(line);
        return;
    }
    snprintf(line, sizeof(line), "migration %s, started %s, took %s%s",
             xf_field_text(report, "migration"), xf_field_text(report, "started"),
             xf_field_format(report, "duration_ms", XF_UNIT_MS, took),
             xf_field_is_true(report, "cold") ? ", cold" : "");
    xf_utf8_make_safe(line);
    puts(line);
    printf("%s pages; save stream %s, on the wire %s\n",
           xf_field_format(report, "pages_total", XF_UNIT_NONE, pages),
           xf_field_format(report, "bytes_stream", XF_UNIT_BYTES, stream),
           xf_field_format(report, "bytes_wire", XF_UNIT_BYTES, wire));
}

static void print_why(const json_t *report)
{
    const char *name = xf_field_text(report, "reason");
    enum xf_reason reason = xf_reason_parse(name);
    const char *detail = xf_detail_of(reason, xf_field_text(report, "text"));
    char line[2048];

    if (reason == XF_REASON_OK) {
        return;
    }
    snprintf(line, sizeof(line), "because %s%s%s",
             reason < XF_N_REASONS ? xf_reason_sentence(reason) : name, *detail != '\0' ? ": " : "",
             detail);
    xf_utf8_make_safe(line);
    puts(line);
}

/* What a mover had to say beside the result, such as why a device was given later than it could. */
static void print_notes(const json_t *notes)
{
    const json_t *note;
    size_t i;

    json_array_foreach(notes, i, note)
    {
        const char *text = json_string_value(note);
        char line[1024];

        if (text == NULL) {
            continue;
        }
        snprintf(line, sizeof(line), "note: %s", text);
        xf_utf8_make_safe(line);
        puts(line);
    }
}

static void print_rounds(const struct xf_cli *cli, const json_t *rounds)
{
    static const char *const headings[] = { ">ROUND", ">DIRTY", ">SENT",   ">ZERO",
                                            ">SAME",  ">WIRE",  ">TIME",   ">DIRTY RATE",
                                            ">PAUSE", ">CAP",   "VERDICT", NULL };
    struct xf_table *table;
    const json_t *round;
    size_t i;

    if (json_array_size(rounds) == 0) {
        return;
    }
    table = xf_table_new(headings);
    json_array_foreach(rounds, i, round)
    {
        char cap[XF_UNITS_SIZE + 1];
        double percent;

        xf_field_to_table(table, round, "round", XF_UNIT_NONE);
        xf_field_to_table(table, round, "pages_dirty", XF_UNIT_NONE);
        xf_field_to_table(table, round, "pages_sent", XF_UNIT_NONE);
        xf_field_to_table(table, round, "pages_zero", XF_UNIT_NONE);
        xf_field_to_table(table, round, "pages_same", XF_UNIT_NONE);
        xf_field_to_table(table, round, "bytes_wire", XF_UNIT_BYTES);
        xf_field_to_table(table, round, "duration_ms", XF_UNIT_MS);
        xf_field_to_table(table, round, "dirty_rate_kibps", XF_UNIT_KIBPS);
        xf_field_to_table(table, round, "predicted_pause_ms", XF_UNIT_PREDICTED_MS);
        if (xf_field_number(round, "cap_percent", &percent)) {
            snprintf(cap, sizeof(cap), "%.0f%%", percent);
        } else {
            snprintf(cap, sizeof(cap), "-");
        }
        xf_table_add(table, cap, XF_PAINT_NONE);
        xf_field_text_to_table(table, round, "verdict");
    }
    putchar('\n');
    xf_table_print(table, stdout, 0, cli->color);
    xf_table_free(table);
}

static void print_pause(const json_t *report)
{
    static const struct {
        const char *key;
        const char *label;
    } phases[] = {
        { "suspend_ms", "suspend the guest" },
        { "last_pages_ms", "send the last pages" },
        { "build_ms", "build it on the target" },
        { "commit_ms", "commit" },
        { "unpause_ms", "unpause" },
    };
    const json_t *pause = json_object_get(report, "pause");
    char total[XF_UNITS_SIZE];
    char predicted[XF_UNITS_SIZE];
    char text[XF_UNITS_SIZE];
    double asked;

    /* A move that ended before it asked the guest to suspend has no pause to show. */
    if (!xf_field_number(pause, "total_ms", &asked) &&
        !xf_field_number(pause, "suspend_ms", &asked)) {
        return;
    }
    printf("\npause %s (predicted %s)\n", xf_field_format(pause, "total_ms", XF_UNIT_MS, total),
           xf_field_format(report, "predicted_pause_ms", XF_UNIT_PREDICTED_MS, predicted));
    for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
        printf("  %-24s %10s\n", phases[i].label,
               xf_field_format(pause, phases[i].key, XF_UNIT_MS, text));
    }
    if (strcmp(xf_field_text(report, "result"), "moved") != 0) {
        return;
    }
    if (strcmp(xf_field_format(pause, "network_ms", XF_UNIT_MS, text), "-") == 0) {
        puts("the old host did not see the domain's address arrive elsewhere");
    } else {
        printf("the old host saw the domain's address arrive elsewhere %s after unpausing\n", text);
    }
}

void xf_show_report(const struct xf_cli *cli, const json_t *body)
{
    print_result(body);
    print_totals(body);
    print_why(body);
    print_notes(xf_field_array(body, "notes"));
    print_rounds(cli, xf_field_array(body, "rounds"));
    print_pause(body);
}

/* The end of a move that somebody waits for. */
void xf_show_ended(const struct xf_cli *cli, const json_t *body)
{
    const json_t *pause = json_object_get(body, "pause");
    char took[XF_UNITS_SIZE];
    char wire[XF_UNITS_SIZE];
    char total[XF_UNITS_SIZE];

    (void)cli;
    print_result(body);
    xf_field_format(pause, "total_ms", XF_UNIT_MS, total);
    printf("took %s%s%s, %s on the wire\n", xf_field_format(body, "duration_ms", XF_UNIT_MS, took),
           strcmp(total, "-") != 0 ? ", paused for " : "", strcmp(total, "-") != 0 ? total : "",
           xf_field_format(body, "bytes_wire", XF_UNIT_BYTES, wire));
}
