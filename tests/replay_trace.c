/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Feeds the events of an agent's black box to the core again, and compares the states that they
 * lead to with those in the box. What differs has looked at something besides record and event, or
 * was built from other source.
 *
 *     replay_trace --self SLOT --nodes ID,ID,... [--boot HEX] [--domain UUID] [--verbose|--record]
 *                  [FILE]
 *
 * A line of a box is "TIME DOMAIN event|act|core TEXT", as `xenferry debug` prints it; one that
 * begins with '#' is a comment. --record writes a box with these events and the states that they
 * lead to now. Exit: 0 all agree, 1 something differs or is impossible, 2 the box cannot be
 * replayed.
 */
#include "config.h"

#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "text.h"
#include "trace.h"

#define DOMAINS_MAX     256
#define DOMAIN_KEY_SIZE 40

struct replay {
    char domain[DOMAIN_KEY_SIZE];
    struct xf_core core;
    bool begun;    /* its first event is in the box */
    bool changed;  /* the last event changed the record, and the box has not said so yet */
    bool differed; /* said once; what follows from it is not worth a line */
    unsigned n_events;
};

struct options {
    struct xf_cluster cluster;
    const char *domain;
    bool verbose;
    bool record;
};

static struct replay replays[DOMAINS_MAX];
static size_t n_replays;

static struct replay *find(const char *domain)
{
    for (size_t i = 0; i < n_replays; i++) {
        if (strcmp(replays[i].domain, domain) == 0) {
            return &replays[i];
        }
    }
    if (n_replays == DOMAINS_MAX) {
        errx(2, "more than %d domains", DOMAINS_MAX);
    }
    snprintf(replays[n_replays].domain, DOMAIN_KEY_SIZE, "%s", domain);
    xf_core_init(&replays[n_replays].core);
    return &replays[n_replays++];
}

static void differ(struct replay *replay, const char *what, const char *replayed,
                   const char *recorded)
{
    if (!replay->differed) {
        printf("%s: %s\n  replayed: %s\n  recorded: %s\n", replay->domain, what, replayed,
               recorded);
    }
    replay->differed = true;
}

/* The box noted no state after the last event, so nothing may have changed by it. */
static void settle(struct replay *replay)
{
    char line[XF_TRACE_LINE_SIZE];

    if (replay->changed) {
        xf_trace_core(&replay->core, line, sizeof(line));
        differ(replay, "the event before changes the record", line, "no change");
        replay->changed = false;
    }
}

static void play_event(struct replay *replay, const struct options *options, const char *text)
{
    struct xf_core before = replay->core;
    struct xf_actions actions;
    struct xf_event event;
    char line[XF_TRACE_LINE_SIZE];

    settle(replay);
    if (xf_trace_parse_event(text, &event) < 0) {
        errx(2, "%s: not an event: %s", replay->domain, text);
    }
    replay->begun |= event.type == XF_EV_BOOT;
    if (!replay->begun) {
        return;
    }
    replay->n_events++;
    if (options->verbose) {
        printf("%s: event %s\n", replay->domain, text);
    }
    if (xf_step(&replay->core, &options->cluster, &event, &actions) < 0) {
        differ(replay, "the event is out of range", text, "-");
        return;
    }
    if (actions.impossible) {
        differ(replay, "the event contradicts the protocol", text, "-");
    }
    replay->changed = memcmp(&before, &replay->core, sizeof(before)) != 0;
    for (uint32_t i = 0; options->verbose && i < actions.n; i++) {
        xf_trace_act(&actions.a[i], line, sizeof(line));
        printf("%s:   act %s\n", replay->domain, line);
    }
}

static void compare_core(struct replay *replay, const struct options *options, const char *text)
{
    char line[XF_TRACE_LINE_SIZE];

    if (!replay->begun) {
        return;
    }
    replay->changed = false;
    xf_trace_core(&replay->core, line, sizeof(line));
    if (options->verbose) {
        printf("%s:   core %s\n", replay->domain, line);
    }
    if (strcmp(line, text) != 0) {
        differ(replay, "another state", line, text);
    }
}

/* Takes a line apart in place; false for a line of another kind. */
static bool split_line(char *line, char **ret_domain, char **ret_kind, char **ret_text)
{
    char *at = line;

    line[*line == '#' ? 0 : strcspn(line, "\n")] = '\0';
    strsep(&at, " "); /* the time */
    *ret_domain = strsep(&at, " ");
    *ret_kind = strsep(&at, " ");
    *ret_text = at;
    return at != NULL;
}

static void record_event(const char *line, const struct replay *replay)
{
    char core[XF_TRACE_LINE_SIZE];
    int head = (int)(strstr(line, " event ") - line);

    fputs(line, stdout);
    if (replay->changed) {
        xf_trace_core(&replay->core, core, sizeof(core));
        printf("%.*s core %s\n", head, line, core);
    }
}

/* The lines of a box that are its input; what it says besides is made anew. */
static void record_line(const struct options *options, const char *line)
{
    char *copy = strdup(line);
    char *domain;
    char *kind;
    char *text;

    if (copy == NULL) {
        err(2, "line");
    }
    if (*line == '#') {
        fputs(line, stdout);
    } else if (!split_line(copy, &domain, &kind, &text)) {
        errx(2, "not a line of a box: %s", line);
    } else if (strcmp(kind, "event") == 0) {
        find(domain)->changed = false;
        play_event(find(domain), options, text);
        record_event(line, find(domain));
        find(domain)->changed = false;
    }
    free(copy);
}

static void play_line(const struct options *options, char *line)
{
    char *domain;
    char *kind;
    char *text;

    if (!split_line(line, &domain, &kind, &text) ||
        (options->domain != NULL && strncmp(options->domain, domain, strlen(domain)) != 0)) {
        return;
    }
    if (strcmp(kind, "event") == 0) {
        play_event(find(domain), options, text);
    } else if (strcmp(kind, "core") == 0) {
        compare_core(find(domain), options, text);
    }
}

/* This node's boot id, from its own HELLO in the box. */
static void learn_boot(struct xf_cluster *cluster, char *line)
{
    struct xf_node self = cluster->node[cluster->self.i];
    struct xf_event event;
    char *domain;
    char *kind;
    char *text;

    if (split_line(line, &domain, &kind, &text) && strcmp(kind, "event") == 0 &&
        xf_trace_parse_event(text, &event) == 0 && event.type == XF_EV_MSG &&
        event.msg.type == XF_MSG_HELLO && event.msg.from.id == self.id && event.msg.boot.v != 0) {
        cluster->boot = event.msg.boot;
    }
}

static void read_nodes(struct xf_cluster *cluster, char *list)
{
    uint64_t id;

    for (char *word; (word = strsep(&list, ",")) != NULL;) {
        if (cluster->n_nodes == XF_NODES_MAX || xf_u64_parse(word, 1, UINT32_MAX, &id) < 0) {
            errx(2, "--nodes: not a list of at most %d node ids", XF_NODES_MAX);
        }
        cluster->node[cluster->n_nodes].id = (uint32_t)id;
        cluster->configured |= UINT32_C(1) << cluster->n_nodes;
        cluster->n_nodes++;
    }
}

static void parse_options(int argc, char **argv, struct options *options)
{
    static const struct option table[] = {
        { "self", required_argument, NULL, 's' },
        { "nodes", required_argument, NULL, 'n' },
        { "boot", required_argument, NULL, 'b' },
        { "domain", required_argument, NULL, 'd' },
        { "verbose", no_argument, NULL, 'v' },
        { "record", no_argument, NULL, 'r' },
        { NULL, 0, NULL, 0 },
    };
    uint64_t slot = XF_SLOT_NONE;
    int value;

    while ((value = getopt_long(argc, argv, "", table, NULL)) != -1) {
        if (value == 's' && xf_u64_parse(optarg, 0, XF_NODES_MAX - 1, &slot) == 0) {
            options->cluster.self.i = (uint8_t)slot;
        } else if (value == 'n') {
            read_nodes(&options->cluster, optarg);
        } else if (value == 'd') {
            options->domain = optarg;
        } else if (value == 'v') {
            options->verbose = true;
        } else if (value == 'r') {
            options->record = true;
        } else if (value != 'b' || xf_hex_parse(optarg, &options->cluster.boot.v) < 0) {
            errx(2, "usage: replay_trace --self SLOT --nodes ID,ID,... [--boot HEX] "
                    "[--domain UUID] [--verbose|--record] [FILE]");
        }
    }
    if (slot >= options->cluster.n_nodes) {
        errx(2, "--self and --nodes must be given, and --self must be one of --nodes");
    }
}

static char **read_lines(const char *path, size_t *ret_n)
{
    FILE *file = path != NULL ? fopen(path, "re") : stdin;
    char **lines = NULL;
    char *line = NULL;
    size_t room = 0;
    size_t n = 0;

    if (file == NULL) {
        err(2, "%s", path);
    }
    while (getline(&line, &room, file) > 0) {
        lines = reallocarray(lines, n + 1, sizeof(*lines));
        if (lines == NULL || (lines[n] = strdup(line)) == NULL) {
            err(2, "lines");
        }
        n++;
    }
    free(line);
    fclose(file);
    *ret_n = n;
    return lines;
}

static int conclude(void)
{
    unsigned n_differed = 0;

    for (size_t i = 0; i < n_replays; i++) {
        settle(&replays[i]);
        if (!replays[i].begun) {
            printf("%s: skipped, its first events are not in the box\n", replays[i].domain);
        } else {
            printf("%s: %u events, %s\n", replays[i].domain, replays[i].n_events,
                   replays[i].differed ? "DIFFERS" : "agrees");
        }
        n_differed += replays[i].differed;
    }
    if (n_replays == 0) {
        errx(2, "no events");
    }
    return n_differed == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct options options = { .cluster = { .self = { .i = XF_SLOT_NONE } } };
    size_t n;
    char **lines;

    parse_options(argc, argv, &options);
    lines = read_lines(argv[optind], &n);
    for (size_t i = 0; i < n && options.cluster.boot.v == 0; i++) {
        char *copy = strdup(lines[i]);

        if (copy == NULL) {
            err(2, "lines");
        }
        learn_boot(&options.cluster, copy);
        free(copy);
    }
    for (size_t i = 0; i < n; i++) {
        if (options.record) {
            record_line(&options, lines[i]);
        } else {
            play_line(&options, lines[i]);
        }
        free(lines[i]);
    }
    free(lines);
    return options.record ? 0 : conclude();
}
