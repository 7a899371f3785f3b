/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A check as text: what was found of one domain and one node, and the matrix of all.
 */
#include "config.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "field.h"

#define TEXT_SIZE 1024

/* Text from the agent, "" where there is none. */
static const char *text_of(const json_t *object, const char *key, char *buf)
{
    const char *text = xf_field_text(object, key);

    snprintf(buf, TEXT_SIZE, "%s", strcmp(text, "-") == 0 ? "" : text);
    xf_utf8_make_safe(buf);
    return buf;
}

static void show_finding(const json_t *finding)
{
    char severity[TEXT_SIZE], id[TEXT_SIZE], subject[TEXT_SIZE], text[TEXT_SIZE];
    char detail[TEXT_SIZE], hint[TEXT_SIZE];

    text_of(finding, "severity", severity);
    text_of(finding, "id", id);
    text_of(finding, "subject", subject);
    text_of(finding, "text", text);
    text_of(finding, "detail", detail);
    text_of(finding, "hint", hint);
    printf("%-6s  %s: %s%s%s%s%s%s\n", severity, id, subject, *subject != '\0' ? ": " : "", text,
           *detail != '\0' ? " (" : "", detail, *detail != '\0' ? ")" : "");
    if (*hint != '\0') {
        printf("        hint: %s\n", hint);
    }
}

static void show_findings(const json_t *findings)
{
    const json_t *finding;
    size_t i;

    json_array_foreach(findings, i, finding)
    {
        show_finding(finding);
    }
}

/* ---- evidence ---- */

static void print_side(const char *where, const json_t *side)
{
    const json_t *item;
    char text[TEXT_SIZE];
    double size = 0;
    size_t i;

    if (!json_is_object(side)) {
        printf("    %s: not looked at\n", where);
        return;
    }
    xf_field_number(side, "size_bytes", &size);
    printf("    %s: %s, %.0f bytes", where, text_of(side, "kind", text), size);
    if (*text_of(side, "error", text) != '\0') {
        printf(", %s", text);
    }
    json_array_foreach(xf_field_array(side, "traits"), i, item)
    {
        snprintf(text, sizeof(text), "%s", json_is_string(item) ? json_string_value(item) : "-");
        xf_utf8_make_safe(text);
        printf(", %s", text);
    }
    puts("");
    json_array_foreach(xf_field_array(side, "identities"), i, item)
    {
        char value[TEXT_SIZE];
        double base = 0;

        xf_field_number(item, "base", &base);
        printf("      %s %s", text_of(item, "kind", text), text_of(item, "value", value));
        if (base > 0) {
            printf(" (of base %.0f)", base);
        }
        puts("");
    }
    if (*text_of(side, "words", text) != '\0') {
        printf("      %s\n", text);
    }
}

static int count_of(const json_t *object, const char *key)
{
    double n = 0;

    xf_field_number(object, key, &n);
    return (int)n;
}

static void print_disk(const json_t *disk)
{
    const json_t *compared = json_object_get(disk, "compared");
    char path[TEXT_SIZE], match[TEXT_SIZE], by[TEXT_SIZE];

    text_of(disk, "by", by);
    printf(
        "  disk %s: identity %s%s%s; blocks %d equal, %d blank, %d live, %d differ, %d missing\n",
        text_of(disk, "path", path), text_of(disk, "match", match), *by != '\0' ? " by " : "", by,
        count_of(compared, "equal"), count_of(compared, "blank"), count_of(compared, "live"),
        count_of(compared, "differ"), count_of(compared, "missing"));
    print_side("here", json_object_get(disk, "here"));
    print_side("there", json_object_get(disk, "there"));
}

static void print_bridge(const json_t *bridge)
{
    const json_t *here = json_object_get(bridge, "here");
    const json_t *there = json_object_get(bridge, "there");
    char name[TEXT_SIZE];

    printf("  bridge %s: MTU %d here, %d there; frames heard here %s, there %s; largest that "
           "passed %d\n",
           text_of(bridge, "name", name), count_of(here, "mtu"), count_of(there, "mtu"),
           xf_field_is_true(bridge, "heard_here") ? "yes" : "no",
           xf_field_is_true(bridge, "heard_there") ? "yes" : "no", count_of(bridge, "passed"));
}

static void print_evidence(const json_t *evidence)
{
    const json_t *item;
    size_t i;

    puts("evidence:");
    json_array_foreach(xf_field_array(evidence, "disks"), i, item)
    {
        print_disk(item);
    }
    json_array_foreach(xf_field_array(evidence, "bridges"), i, item)
    {
        print_bridge(item);
    }
    printf("  it cost %d frames and %d block reads\n", count_of(evidence, "frames"),
           count_of(evidence, "reads"));
}

static size_t count_severity(const json_t *findings, const char *severity)
{
    const json_t *finding;
    size_t i, n = 0;

    json_array_foreach(findings, i, finding)
    {
        n += strcmp(xf_field_text(finding, "severity"), severity) == 0 ? 1 : 0;
    }
    return n;
}

void xf_show_check(const json_t *body, bool verbose)
{
    const json_t *findings = xf_field_array(body, "findings");
    const char *verdict = xf_field_text(body, "verdict");
    char domain[TEXT_SIZE], target[TEXT_SIZE];
    size_t warnings = count_severity(findings, "warn");
    double took = 0;

    show_findings(findings);
    if (verbose) {
        print_evidence(json_object_get(body, "evidence"));
    }
    text_of(body, "domain", domain);
    text_of(body, "target", target);
    xf_field_number(body, "took_ms", &took);
    printf("%s %s to %s", domain,
           strcmp(verdict, "refuse") == 0 ? "must not move"
           : strcmp(verdict, "warn") == 0 ? "can move, with warnings,"
                                          : "can move",
           target);
    if (strcmp(verdict, "refuse") == 0) {
        printf(": refused %zu, warned %zu", count_severity(findings, "refuse"), warnings);
    }
    printf(" (checked in %.2f s)\n", took / 1000.0);
}

/* ---- the matrix ---- */

static const json_t *cell_of(const json_t *row, const char *node)
{
    const json_t *cell;
    size_t i;

    json_array_foreach(xf_field_array(row, "cells"), i, cell)
    {
        if (strcmp(xf_field_text(cell, "node"), node) == 0) {
            return cell;
        }
    }
    return NULL;
}

static void add_cell(struct xf_table *table, const json_t *row, const char *node)
{
    const json_t *cell = cell_of(row, node);
    const char *verdict = xf_field_text(cell, "verdict");
    char text[TEXT_SIZE] = "";
    const json_t *id;
    size_t i;

    if (strcmp(xf_field_text(row, "node"), node) == 0) {
        xf_table_add(table, "here", XF_PAINT_NONE);
        return;
    }
    if (strcmp(verdict, "refuse") != 0) {
        xf_table_add(table, strcmp(verdict, "unknown") == 0 ? "?" : verdict,
                     strcmp(verdict, "ok") == 0     ? XF_PAINT_GOOD
                     : strcmp(verdict, "warn") == 0 ? XF_PAINT_BUSY
                                                    : XF_PAINT_NONE);
        return;
    }
    json_array_foreach(xf_field_array(cell, "findings"), i, id)
    {
        size_t len = strlen(text);

        snprintf(text + len, sizeof(text) - len, "%s%s", len > 0 ? "," : "",
                 json_is_string(id) ? json_string_value(id) : "-");
    }
    xf_table_add(table, *text != '\0' ? text : "refuse", XF_PAINT_BAD);
}

/* Of the oldest of a row's checks. */
static void add_age(struct xf_table *table, const json_t *row)
{
    const json_t *cell;
    double oldest = -1, age;
    char text[32] = "-";
    size_t i;

    json_array_foreach(xf_field_array(row, "cells"), i, cell)
    {
        if (xf_field_number(cell, "age_s", &age) && age > oldest) {
            oldest = age;
        }
    }
    if (oldest >= 0) {
        snprintf(text, sizeof(text), oldest < 120 ? "%.0f s" : "%.0f min",
                 oldest < 120 ? oldest : oldest / 60);
    }
    xf_table_add(table, text, XF_PAINT_NONE);
}

void xf_show_matrix(const struct xf_cli *cli, const json_t *body)
{
    const json_t *nodes = xf_field_array(body, "nodes");
    size_t n = json_array_size(nodes);
    const char **headings = calloc(n + 4, sizeof(*headings));
    const json_t *item, *node;
    struct xf_table *table;
    char text[TEXT_SIZE];
    size_t i, k;

    if (headings == NULL) {
        err(1, "matrix");
    }
    headings[0] = "DOMAIN";
    headings[1] = "ON";
    json_array_foreach(nodes, i, item)
    {
        headings[2 + i] = json_is_string(item) ? json_string_value(item) : "-";
    }
    headings[2 + n] = ">AGE";
    table = xf_table_new(headings);
    json_array_foreach(xf_field_array(body, "rows"), i, item)
    {
        xf_field_text_to_table(table, item, "domain");
        xf_field_text_to_table(table, item, "node");
        json_array_foreach(nodes, k, node)
        {
            add_cell(table, item, json_is_string(node) ? json_string_value(node) : "-");
        }
        add_age(table, item);
    }
    xf_table_print(table, stdout, 0, cli->color);
    xf_table_free(table);
    free(headings);
    json_array_foreach(xf_field_array(body, "silent"), i, item)
    {
        snprintf(text, sizeof(text), "%s", json_is_string(item) ? json_string_value(item) : "-");
        xf_utf8_make_safe(text);
        printf("%s does not answer: its domains are missing\n", text);
    }
}
