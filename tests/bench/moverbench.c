/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Moves one running domain from one directory (and network namespace) to another with two movers,
 * without agents, and prints what it took. The yardstick is tlscopy beside it.
 *
 *   moverbench MOVER UUID CONFIG FROM-DIR TO-DIR ADDRESS [FROM-NETNS TO-NETNS [OPTION=VALUE...]]
 *
 * Options: cold, force, slow (0 or 1), target, max (ms), bandwidth (KiB/s), quiet.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "moverlib.h"
#include "text.h"

#define WAIT_MS 120000u

static struct moverlib_side s;
static struct moverlib_side d;
static struct xf_link_msg first;

static uint64_t get_option(int argc, char **argv, const char *name, uint64_t otherwise)
{
    size_t len = strlen(name);

    for (int i = 9; i < argc; i++) {
        if (strncmp(argv[i], name, len) == 0 && argv[i][len] == '=') {
            return strtoull(argv[i] + len + 1, NULL, 10);
        }
    }
    return otherwise;
}

static void complain(const struct moverlib_side *side, const char *what)
{
    printf("%s: no %s: message %u, %s: %s\n", side == &s ? "source" : "target", what,
           side->msg.type, xf_reason_name(side->msg.reason), side->msg.text);
    exit(1);
}

static void expect(struct moverlib_side *side, enum xf_link_type type, const char *what)
{
    if (!moverlib_expect(side, type, WAIT_MS)) {
        complain(side, what);
    }
}

static void set_params(int argc, char **argv)
{
    struct xf_link_params *p = &first.params;
    FILE *f = fopen(argv[3], "re");

    if (!f || xf_uuid_parse(argv[2], &p->uuid) < 0 ||
        !xf_text_copy(p->name, sizeof(p->name), "bench") ||
        !xf_text_copy(p->address, sizeof(p->address), argv[6])) {
        fprintf(stderr, "moverbench: %s: bad uuid, configuration or address\n", argv[3]);
        exit(2);
    }
    p->config_size = (uint32_t)fread(p->config, 1, sizeof(p->config) - 1, f);
    fclose(f);
    p->id.epoch = 1;
    p->id.src.id = 1;
    p->progress_timeout_ms = 10000;
    p->options.cold = get_option(argc, argv, "cold", 0) != 0;
    p->options.force = get_option(argc, argv, "force", 0) != 0;
    p->options.slow_allowed = get_option(argc, argv, "slow", 0) != 0;
    p->options.downtime_target_ms = (uint32_t)get_option(argc, argv, "target", 300);
    p->options.downtime_max_ms = (uint32_t)get_option(argc, argv, "max", 1000);
    p->options.bandwidth_kibps = get_option(argc, argv, "bandwidth", 0);
}

static void print_round(const struct xf_round *r)
{
    printf(
        "round %u dirty %llu sent %llu zero %llu same %llu MB %.1f ms %.1f MB/s %.0f predicted_ms "
        "%.1f verdict %u cap %u\n",
        r->number, (unsigned long long)r->pages_dirty, (unsigned long long)r->pages_sent,
        (unsigned long long)r->pages_zero, (unsigned long long)r->pages_same,
        (double)r->bytes_wire / 1e6, (double)r->duration_us / 1e3,
        r->duration_us ? (double)r->bytes_wire / (double)r->duration_us : 0.0,
        r->predicted_pause_us / 1e3, r->verdict, r->cap_percent);
}

/* As moverlib_expect(), but shows each round as it ends. */
static void expect_rounds(enum xf_link_type type, const char *what)
{
    struct xf_round shown = { .number = UINT32_MAX };

    while (moverlib_expect(&s, XF_LINK_ROUND, WAIT_MS)) {
        if (shown.number != UINT32_MAX && shown.number != s.last.number) {
            print_round(&shown);
        }
        shown = s.last;
    }
    if (shown.number != UINT32_MAX) {
        print_round(&shown);
    }
    if (s.msg.type != type) {
        complain(&s, what);
    }
}

int main(int argc, char **argv)
{
    struct xf_link_totals t;
    uint64_t start_ms, suspended_ms, want_end_ms, complete_ms;

    if (argc < 7) {
        fprintf(stderr, "usage: moverbench MOVER UUID CONFIG FROM-DIR TO-DIR ADDRESS "
                        "[FROM-NETNS TO-NETNS [OPTION=VALUE...]]\n");
        return 2;
    }
    s.program = d.program = argv[1];
    s.dir = argv[4];
    d.dir = argv[5];
    s.netns = argc > 8 ? argv[7] : NULL;
    d.netns = argc > 8 ? argv[8] : NULL;
    set_params(argc, argv);
    first.type = XF_LINK_RECEIVE;
    moverlib_start(&d, &first);
    expect(&d, XF_LINK_LISTENING, "listening");
    first.params.port = d.msg.port;
    first.type = XF_LINK_SEND;
    start_ms = moverlib_now_ms();
    moverlib_start(&s, &first);
    /* Allowed from the start: there is no other move to wait for. */
    moverlib_tell(&s, XF_LINK_SWITCH);
    expect_rounds(XF_LINK_SUSPENDED, "suspending");
    suspended_ms = moverlib_now_ms();
    expect_rounds(XF_LINK_WANT_END, "end");
    want_end_ms = moverlib_now_ms();
    moverlib_tell(&s, XF_LINK_GRANT);
    expect(&d, XF_LINK_COMPLETE, "completion");
    complete_ms = moverlib_now_ms();
    t = d.msg.totals;
    expect_rounds(XF_LINK_FINISHED, "finish");
    printf("total_ms %llu suspended_to_end_ms %llu end_to_complete_ms %llu build_us %llu\n",
           (unsigned long long)(complete_ms - start_ms),
           (unsigned long long)(want_end_ms - suspended_ms),
           (unsigned long long)(complete_ms - want_end_ms), (unsigned long long)t.build_us);
    t = s.msg.totals;
    printf(
        "rounds %u bytes_wire %llu bytes_stream %llu pages %llu suspend_us %llu last_pages_us %llu "
        "predicted_us %u MB/s %.0f\n",
        t.rounds, (unsigned long long)t.bytes_wire, (unsigned long long)t.bytes_stream,
        (unsigned long long)t.pages_total, (unsigned long long)t.suspend_us,
        (unsigned long long)t.last_pages_us, t.predicted_pause_us,
        (double)t.bytes_stream / 1e3 / (double)(complete_ms - start_ms));
    moverlib_end(&s, 5000);
    moverlib_end(&d, 5000);
    printf("cpu_s %.3f %.3f cpu_d %.3f %.3f\n", s.user_s, s.system_s, d.user_s, d.system_s);
    return 0;
}
