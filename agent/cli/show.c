/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers as text: lists of nodes, domains and migrations.
 */
#include "config.h"

#include <string.h>

#include "cli.h"
#include "field.h"
#include "units.h"

/* A text from the agent that is printed outside of a table. */
static void print_text(const char *text)
{
    char copy[1024];

    snprintf(copy, sizeof(copy), "%s", text);
    xf_utf8_make_safe(copy);
    fputs(copy, stdout);
}

static enum xf_paint node_paint(const char *state)
{
    if (strcmp(state, "online") == 0) {
        return XF_PAINT_GOOD;
    }
    return strcmp(state, "off") == 0 ? XF_PAINT_NONE : XF_PAINT_BAD;
}

/* "1" or "1-2": the range of protocol versions that a node speaks. */
static void version_to_table(struct xf_table *table, const json_t *node)
{
    json_t *range = xf_field_array(node, "version");
    const json_t *min = json_array_get(range, 0);
    const json_t *max = json_array_get(range, 1);
    char text[2 * XF_UNITS_SIZE] = "-";

    if (json_is_integer(min) && json_is_integer(max) && json_integer_value(max) > 0) {
        long long lo = json_integer_value(min);
        long long hi = json_integer_value(max);

        snprintf(text, sizeof(text), lo == hi ? "%lld" : "%lld-%lld", lo, hi);
    }
    xf_table_add(table, text, XF_PAINT_NONE);
}

/* A node that this agent has never met has no memory yet. */
static bool facts_known(const json_t *node)
{
    double total;

    return xf_field_number(node, "memory_total_mib", &total) && total > 0;
}

/* How many of the domains that were checked against it, and run elsewhere, it could take. */
static void takes_to_table(struct xf_table *table, const json_t *node)
{
    const json_t *takes = json_object_get(node, "takes");
    char text[2 * XF_UNITS_SIZE] = "?";
    double accepted, known;

    if (xf_field_number(takes, "accepted", &accepted) && xf_field_number(takes, "known", &known)) {
        snprintf(text, sizeof(text), "%.0f/%.0f", accepted, known);
    }
    xf_table_add(table, text, XF_PAINT_NONE);
}

/* Of a hypervisor that has schedulers, and guests of several kinds. */
static void print_facts(const json_t *node)
{
    const char *scheduler = xf_field_text(node, "scheduler");
    json_t *live = xf_field_array(node, "live");
    const json_t *kind;
    size_t i;

    if (live == NULL || strcmp(scheduler, "-") == 0) {
        return;
    }
    fputs("its scheduler is ", stdout);
    print_text(scheduler);
    fputs("; guests that move live from it: ", stdout);
    json_array_foreach(live, i, kind)
    {
        fputs(i > 0 ? ", " : "", stdout);
        print_text(json_is_string(kind) ? json_string_value(kind) : "-");
    }
    puts(json_array_size(live) > 0 ? "" : "none");
}

void xf_show_nodes(const struct xf_cli *cli, const json_t *body)
{
    static const char *const headings[] = { "NODE",     ">ID",        "STATE", ">DOMAINS", ">TAKES",
                                            ">OUT",     ">IN",        ">FREE", ">MEMORY",  ">CPUS",
                                            "PROTOCOL", "HYPERVISOR", NULL };
    struct xf_table *table = xf_table_new(headings);
    const json_t *self = NULL;
    const json_t *node;
    size_t i;

    json_array_foreach(xf_field_array(body, "nodes"), i, node)
    {
        const char *state = xf_field_text(node, "state");
        const json_t *facts = facts_known(node) ? node : NULL;
        char name[XF_NAME_SIZE + 2];

        self = xf_field_is_true(node, "self") ? node : self;
        snprintf(name, sizeof(name), "%s%s", xf_field_text(node, "name"), self == node ? "*" : "");
        xf_table_add(table, name, XF_PAINT_NONE);
        xf_field_to_table(table, node, "id", XF_UNIT_NONE);
        xf_table_add(table, state, node_paint(state));
        xf_field_to_table(table, node, "domains", XF_UNIT_NONE);
        takes_to_table(table, node);
        xf_field_to_table(table, node, "moves_out", XF_UNIT_NONE);
        xf_field_to_table(table, node, "moves_in", XF_UNIT_NONE);
        xf_field_to_table(table, facts, "memory_free_mib", XF_UNIT_MIB);
        xf_field_to_table(table, facts, "memory_total_mib", XF_UNIT_MIB);
        xf_field_to_table(table, facts, "cpus", XF_UNIT_NONE);
        version_to_table(table, node);
        xf_field_text_to_table(table, node, "hypervisor");
    }
    xf_table_print(table, stdout, 0, cli->color);
    xf_table_free(table);
    if (json_is_boolean(json_object_get(body, "quorate"))) {
        puts(xf_field_is_true(body, "quorate") ? "this node has quorum"
                                               : "this node has NO quorum");
    }
    print_facts(self);
}

static enum xf_paint domain_paint(const char *state)
{
    return strcmp(state, "running") == 0 ? XF_PAINT_GOOD : XF_PAINT_BUSY;
}

void xf_show_domains(const struct xf_cli *cli, const json_t *body)
{
    static const char *const headings[] = { "DOMAIN", "NODE",   "STATE", ">MEMORY",
                                            ">EPOCH", "MOVING", "UUID",  NULL };
    struct xf_table *table = xf_table_new(headings);
    const json_t *domain;
    size_t i;

    json_array_foreach(xf_field_array(body, "domains"), i, domain)
    {
        const char *state = xf_field_text(domain, "state");

        xf_field_text_to_table(table, domain, "name");
        xf_field_text_to_table(table, domain, "node");
        xf_table_add(table, state, domain_paint(state));
        xf_field_to_table(table, domain, "memory_mib", XF_UNIT_MIB);
        xf_field_to_table(table, domain, "epoch", XF_UNIT_NONE);
        xf_table_add(table, xf_field_is_true(domain, "moving") ? "yes" : "no", XF_PAINT_NONE);
        xf_field_text_to_table(table, domain, "uuid");
    }
    xf_table_print(table, stdout, 0, cli->color);
    xf_table_free(table);
}

void xf_show_created(const struct xf_cli *cli, const json_t *body)
{
    const json_t *domain = json_object_get(body, "domain");

    (void)cli;
    print_text(xf_field_text(domain, "name"));
    fputs(" runs on ", stdout);
    print_text(xf_field_text(domain, "node"));
    fputs(" (", stdout);
    print_text(xf_field_text(domain, "uuid"));
    puts(")");
}

void xf_show_destroyed(const struct xf_cli *cli, const json_t *body)
{
    (void)cli;
    print_text(xf_field_text(body, "domain"));
    puts(" is destroyed");
}

void xf_show_cancelled(const struct xf_cli *cli, const json_t *body)
{
    (void)cli;
    fputs("the move of ", stdout);
    print_text(xf_field_text(body, "domain"));
    puts(" is being cancelled; xenferry status shows when it has ended");
}

void xf_show_confirmed(const struct xf_cli *cli, const json_t *body)
{
    (void)cli;
    print_text(xf_field_text(body, "node"));
    puts(" is taken for powered off until its agent is seen again");
}

static enum xf_paint migration_paint(const char *state)
{
    return strcmp(state, "in-doubt") == 0 ? XF_PAINT_BAD : XF_PAINT_BUSY;
}

/* What a migration waits for is a sentence: below the table, not in a column of it. */
static void print_missing(const json_t *migrations)
{
    const json_t *migration;
    size_t i;

    json_array_foreach(migrations, i, migration)
    {
        const char *missing = xf_field_text(migration, "missing");

        if (strcmp(missing, "-") != 0) {
            bool is_in_doubt = strcmp(xf_field_text(migration, "state"), "in-doubt") == 0;

            print_text(xf_field_text(migration, "domain"));
            fputs(is_in_doubt ? " is in doubt; missing: " : " waits for: ", stdout);
            print_text(missing);
            putchar('\n');
        }
    }
}

void xf_show_status(const struct xf_cli *cli, const json_t *body)
{
    static const char *const headings[] = { "DOMAIN", "MIGRATION", "FROM",  "TO",
                                            "STATE",  ">ROUND",    ">WIRE", ">RATE",
                                            ">DIRTY", ">PAUSE",    ">FOR",  NULL };
    const json_t *migrations = xf_field_array(body, "migrations");
    struct xf_table *table;
    const json_t *migration;
    size_t i;

    if (json_array_size(migrations) == 0) {
        puts("no migration is under way or in doubt");
        return;
    }
    table = xf_table_new(headings);
    json_array_foreach(migrations, i, migration)
    {
        const char *state = xf_field_text(migration, "state");

        xf_field_text_to_table(table, migration, "domain");
        xf_field_text_to_table(table, migration, "migration");
        xf_field_text_to_table(table, migration, "source");
        xf_field_text_to_table(table, migration, "destination");
        xf_table_add(table, state, migration_paint(state));
        xf_field_to_table(table, migration, "round", XF_UNIT_NONE);
        xf_field_to_table(table, migration, "bytes_wire", XF_UNIT_BYTES);
        xf_field_to_table(table, migration, "rate_kibps", XF_UNIT_KIBPS);
        xf_field_to_table(table, migration, "dirty_rate_kibps", XF_UNIT_KIBPS);
        xf_field_to_table(table, migration, "predicted_pause_ms", XF_UNIT_PREDICTED_MS);
        xf_field_to_table(table, migration, "elapsed_ms", XF_UNIT_MS);
    }
    xf_table_print(table, stdout, 0, cli->color);
    xf_table_free(table);
    print_missing(migrations);
}

void xf_show_trace(const struct xf_cli *cli, const json_t *body)
{
    const json_t *line;
    size_t i;

    (void)cli;
    json_array_foreach(xf_field_array(body, "trace"), i, line)
    {
        print_text(json_is_string(line) ? json_string_value(line) : "-");
        putchar('\n');
    }
}

void xf_show_metrics(const struct xf_cli *cli, const json_t *body)
{
    static const char *const headings[] = { "METRIC", ">VALUE", NULL };
    struct xf_table *table = xf_table_new(headings);
    void *at;

    /* Whatever there is: an agent may count more than this command knows of. */
    for (at = json_object_iter((json_t *)(uintptr_t)body); at != NULL;
         at = json_object_iter_next((json_t *)(uintptr_t)body, at)) {
        const char *key = json_object_iter_key(at);

        if (json_is_number(json_object_iter_value(at))) {
            xf_table_add(table, key, XF_PAINT_NONE);
            xf_field_to_table(table, body, key, XF_UNIT_NONE);
        }
    }
    xf_table_print(table, stdout, 0, cli->color);
    xf_table_free(table);
}
