/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stop rule against guests that are arithmetic: each dirties pages as its kind does. */
#include "config.h"

#include "precopy.h"

#include <string.h>

#include "unit.h"

#define PAGE_BYTES     4104.0
#define GIB_PAGES      262144u
/* The bound on rounds starts again with each STOP that was not permitted. */
#define SLICE_US       50000.0
#define ROUNDS_EVER(g) ((uint32_t)((g)->switch_us / SLICE_US + 2) * (XF_PRECOPY_ROUNDS_MAX + 1u))
#define LATENCY_US     200.0

/* Writes at rate to a set of that many pages; noise multiplies the rate by up to so much. */
struct guest {
    double total_pages;
    double rate_pages_s;
    double set_pages;
    double noise;
    uint64_t random;
    double link_mb_s;
    double switch_us; /* that permission takes once it was asked for */
};

struct result {
    enum xf_verdict verdict;
    enum xf_reason reason;
    uint32_t rounds;
    uint32_t n_slow;
    uint8_t cap_percent;
    uint8_t cap_least;
    uint32_t predicted_us;
    double pause_us;
    double time_us;
    double sent;
};

static double draw(struct guest *g)
{
    g->random = g->random * 6364136223846793005ull + 1442695040888963407ull; /* Knuth's MMIX */
    return (double)(g->random >> 33) / 2147483648.0;
}

/* The set fills up: what is written again does not count twice. */
static double dirtied(struct guest *g, double us, uint8_t cap_percent)
{
    double rate = g->rate_pages_s * cap_percent / 100.0 * (1.0 + draw(g) * g->noise);
    double writes = rate * us / 1e6;
    double pages = g->set_pages * writes / (g->set_pages + writes + 1e-9);

    return pages < g->set_pages ? pages : g->set_pages;
}

static double send_time(const struct guest *g, double pages)
{
    return LATENCY_US + pages * PAGE_BYTES / g->link_mb_s;
}

/*
 * The rule said STOP. Waits as the mover does until permission is there (then true if the STOP still
 * holds), or a round is due.
 */
static bool waited_well(const struct guest *g, const struct xf_precopy *p, double permitted_us,
                        double *now_us)
{
    while (*now_us < permitted_us) {
        double left = permitted_us - *now_us;

        *now_us += left < SLICE_US ? left : SLICE_US;
        if (*now_us < permitted_us && !xf_precopy_may_wait(p, (uint64_t)*now_us)) {
            return false;
        }
    }
    return g->switch_us == 0 || xf_precopy_holds(p, (uint64_t)*now_us);
}

static struct result run(struct guest *g, const struct xf_precopy_limits *limits)
{
    struct result r = { .verdict = XF_VERDICT_GO_ON, .cap_percent = 100, .cap_least = 100 };
    struct xf_precopy_input in = { 0 };
    struct xf_precopy_output out = { .cap_percent = 100 };
    struct xf_precopy p;
    double pages = g->total_pages;
    double now_us = 0, sent = 0, bytes = 0;
    double permitted_us = -1; /* not asked for */

    xf_precopy_init(&p, limits);
    while (r.rounds++ < ROUNDS_EVER(g)) {
        double took = send_time(g, pages);
        double top_us = now_us;

        in = (struct xf_precopy_input){ .pages = (int64_t)pages,
                                        .now_us = (uint64_t)now_us,
                                        .pages_sent = (uint64_t)sent,
                                        .bytes_wire = (uint64_t)bytes };
        xf_precopy_step(&p, &in, &out);
        assert_true(out.cap_percent >= 10 && out.cap_percent <= 100);
        assert_true(out.verdict != XF_VERDICT_SLOW || out.cap_percent < r.cap_percent);
        r.n_slow += out.verdict == XF_VERDICT_SLOW;
        r.cap_percent = out.cap_percent;
        r.cap_least = out.cap_percent < r.cap_least ? out.cap_percent : r.cap_least;
        r.predicted_us = out.predicted_pause_us;
        if (out.verdict == XF_VERDICT_ABORT) {
            break;
        }
        now_us += took;
        sent += pages;
        bytes += pages * PAGE_BYTES;
        in = (struct xf_precopy_input){ .pages = -1,
                                        .now_us = (uint64_t)now_us,
                                        .pages_sent = (uint64_t)sent,
                                        .bytes_wire = (uint64_t)bytes };
        xf_precopy_step(&p, &in, &out);
        assert_true(out.verdict == XF_VERDICT_GO_ON || out.verdict == XF_VERDICT_STOP);
        r.predicted_us = out.predicted_pause_us;
        if (out.verdict == XF_VERDICT_STOP) {
            bool stops;

            permitted_us = permitted_us < 0 ? now_us + g->switch_us : permitted_us;
            stops = waited_well(g, &p, permitted_us, &now_us);
            pages = dirtied(g, now_us - top_us, r.cap_percent);
            if (stops) {
                r.pause_us = limits->fixed_us + send_time(g, pages);
                break;
            }
        } else {
            pages = dirtied(g, now_us - top_us, r.cap_percent);
        }
    }
    r.verdict = out.verdict;
    r.reason = out.reason;
    r.time_us = now_us;
    r.sent = sent;
    return r;
}

static struct xf_precopy_limits defaults(double total_pages)
{
    return (struct xf_precopy_limits){ .target_us = 300000,
                                       .max_us = 1000000,
                                       .fixed_us = 20000,
                                       .pages_total = (uint64_t)total_pages };
}

static struct guest gib(double rate_mb_s, double set_mib, double link_mb_s)
{
    return (struct guest){ .total_pages = GIB_PAGES,
                           .rate_pages_s = rate_mb_s * 1e6 / 4096,
                           .set_pages = set_mib * 256,
                           .link_mb_s = link_mb_s,
                           .random = 1 };
}

/* A round of 10 s, in which 1000 pages took 100 ms: the next 100 pages take 10 ms. */
static void page_numbers_without_pages_say_nothing_of_speed(void **state)
{
    struct xf_precopy_limits limits = defaults(1000);
    struct xf_precopy_input in = { .pages = 1 << 20 };
    struct xf_precopy_output out;
    struct xf_precopy p;

    (void)state;
    xf_precopy_init(&p, &limits);
    xf_precopy_step(&p, &in, &out);
    in = (struct xf_precopy_input){ .pages = -1,
                                    .now_us = 10000000,
                                    .pages_sent = 1000,
                                    .bytes_wire = 4000000,
                                    .none_us = 9900000 };
    xf_precopy_step(&p, &in, &out);
    in.pages = 100;
    xf_precopy_step(&p, &in, &out);
    assert_int_equal(out.verdict, XF_VERDICT_STOP);
    assert_in_range(out.predicted_pause_us, 29000, 32000);
}

static void an_idle_guest_takes_two_rounds(void **state)
{
    struct guest g = gib(0, 1, 1000);
    struct xf_precopy_limits limits = defaults(g.total_pages);
    struct result r = run(&g, &limits);

    (void)state;
    assert_int_equal(r.verdict, XF_VERDICT_STOP);
    assert_true(r.rounds <= 2);
    assert_true(r.pause_us < 25000);
}

static void a_hot_spot_pauses_within_the_target(void **state)
{
    double links[] = { 100, 300, 1000 };

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct guest g = gib(20, 64, links[i]);
        struct xf_precopy_limits limits = defaults(g.total_pages);
        struct result r = run(&g, &limits);

        assert_int_equal(r.verdict, XF_VERDICT_STOP);
        assert_true(r.pause_us <= limits.target_us);
        assert_true(r.rounds <= 5);
    }
}

/* 100 MiB written ten times a second: slow over the long first round, fast over a short one. */
static void a_small_set_written_fast_is_not_mistaken_for_a_slow_guest(void **state)
{
    struct guest g = gib(1000, 100, 85);
    struct xf_precopy_limits limits = defaults(g.total_pages);
    struct result r = run(&g, &limits);

    (void)state;
    /* At this link 100 MiB take more than a second: there is no pause within the maximum. */
    assert_int_equal(r.verdict, XF_VERDICT_ABORT);
    assert_int_equal(r.reason, XF_REASON_NOT_CONVERGING);
    limits.max_us = 1500000;
    r = run(&g, &limits);
    assert_int_equal(r.verdict, XF_VERDICT_STOP);
    assert_true(r.pause_us <= limits.max_us);
}

/* One round as it was seen: both of its questions; .now_us is then the end of its send. */
static struct xf_precopy_output play(struct xf_precopy *p, struct xf_precopy_input *in,
                                     int64_t pages, uint64_t send_us, uint32_t page_bytes)
{
    struct xf_precopy_output out;

    in->pages = pages;
    xf_precopy_step(p, in, &out);
    in->now_us += send_us;
    in->pages_sent += (uint64_t)pages;
    in->bytes_wire += (uint64_t)pages * page_bytes;
    in->pages = -1;
    xf_precopy_step(p, in, &out);
    return out;
}

/*
 * As seen on a real host: over the first round a set written all the time looked slow; the last
 * round took longer than the one before it.
 */
static void a_full_set_brings_no_more_in_a_longer_round(void **state)
{
    struct xf_precopy_limits limits = {
        .target_us = 300000, .max_us = 60000000, .fixed_us = 982881, .pages_total = 131072
    };
    struct xf_precopy_input in = { 0 };
    struct xf_precopy_output out;
    struct xf_precopy p;

    (void)state;
    xf_precopy_init(&p, &limits);
    assert_int_equal(play(&p, &in, 131024, 18271769, 2048).verdict, XF_VERDICT_GO_ON);
    assert_int_equal(play(&p, &in, 4277, 950494, 2048).verdict, XF_VERDICT_GO_ON);
    /* No more rounds: the second brought nothing. At its rate 4283 pages come in the last's time. */
    out = play(&p, &in, 4224, 963624, 2048);
    assert_int_equal(out.verdict, XF_VERDICT_STOP);
    assert_in_range(out.predicted_pause_us, 982881 + 970000, 982881 + 980000);
    /* With leave to slow the guest down, more can be had. */
    limits.slow_allowed = true;
    in = (struct xf_precopy_input){ 0 };
    xf_precopy_init(&p, &limits);
    (void)play(&p, &in, 131024, 18271769, 2048);
    (void)play(&p, &in, 4277, 950494, 2048);
    assert_int_equal(play(&p, &in, 4224, 963624, 2048).verdict, XF_VERDICT_GO_ON);
}

/* As seen on a real host: what a small round waits for is not what its pages take. */
static void a_small_slow_round_is_told_as_what_it_likely_is(void **state)
{
    struct xf_precopy_limits limits = {
        .target_us = 1300000, .max_us = 60000000, .fixed_us = 1071000, .pages_total = 16336
    };
    struct xf_precopy_input in = { 0 };
    struct xf_precopy_output out;
    struct xf_precopy p;

    (void)state;
    xf_precopy_init(&p, &limits);
    (void)play(&p, &in, 16336, 26521000, 1228);
    (void)play(&p, &in, 1195, 855000, 1840);
    (void)play(&p, &in, 332, 120000, 1394);
    out = play(&p, &in, 126, 400000, 781);
    /* The pause took 1104184 us, 55778 of them for the pages; the rule would not promise that. */
    assert_in_range(out.likely_pause_us, 1071000, 1300000);
    assert_true(out.predicted_pause_us > 2000000);
    /* Slow once more: it is the link. */
    out = play(&p, &in, 126, 400000, 781);
    assert_int_equal(out.likely_pause_us, out.predicted_pause_us);
    assert_true(out.likely_pause_us > 1071000 + 380000);
}

/* A guest that was quiet over the long first round and is not any more: waiting costs a round. */
static void a_quiet_past_says_nothing_of_a_long_wait(void **state)
{
    struct xf_precopy_limits limits = {
        .target_us = 300000, .max_us = 1000000, .fixed_us = 400000, .pages_total = 30000
    };
    struct xf_precopy_input in = { 0 };
    struct xf_precopy p;

    (void)state;
    xf_precopy_init(&p, &limits);
    assert_int_equal(play(&p, &in, 30000, 11200000, PAGE_BYTES).verdict, XF_VERDICT_GO_ON);
    assert_int_equal(play(&p, &in, 90, 34000, PAGE_BYTES).verdict, XF_VERDICT_STOP);
    in.now_us += 1376000; /* permission was waited for */
    assert_int_equal(play(&p, &in, 100, 37000, PAGE_BYTES).verdict, XF_VERDICT_STOP);
    assert_true(xf_precopy_holds(&p, in.now_us + 100000));
    assert_false(xf_precopy_holds(&p, in.now_us + 6000000));
}

static void a_guest_faster_than_the_link_is_left_alone(void **state)
{
    struct guest g = gib(400, 1024, 100);
    struct xf_precopy_limits limits = defaults(g.total_pages);
    struct result r = run(&g, &limits);

    (void)state;
    assert_int_equal(r.verdict, XF_VERDICT_ABORT);
    assert_int_equal(r.reason, XF_REASON_NOT_CONVERGING);
    assert_int_equal(r.cap_percent, 100);
    assert_int_equal(r.n_slow, 0);
    assert_true(r.rounds <= 8);
}

static void force_stops_where_else_it_gives_up(void **state)
{
    struct guest g = gib(400, 1024, 100);
    struct xf_precopy_limits limits = defaults(g.total_pages);
    struct result r;

    (void)state;
    limits.force = true;
    r = run(&g, &limits);
    assert_int_equal(r.verdict, XF_VERDICT_STOP);
    assert_true(r.predicted_us > limits.max_us);
}

static void slowing_goes_in_steps_and_helps(void **state)
{
    struct guest g = gib(120, 1024, 100);
    struct xf_precopy_limits limits = defaults(g.total_pages);
    struct result r = run(&g, &limits);

    (void)state;
    assert_int_equal(r.verdict, XF_VERDICT_ABORT);
    limits.slow_allowed = true;
    r = run(&g, &limits);
    assert_int_equal(r.verdict, XF_VERDICT_STOP);
    assert_true(r.n_slow >= 1 && r.n_slow <= 4);
    assert_true(r.cap_least < 100);
    assert_true(r.pause_us <= limits.max_us);
}

static void giving_up_lifts_the_cap(void **state)
{
    struct guest g = gib(4000, 1024, 50);
    struct xf_precopy_limits limits = defaults(g.total_pages);
    struct result r;

    (void)state;
    limits.slow_allowed = true;
    r = run(&g, &limits);
    assert_int_equal(r.verdict, XF_VERDICT_ABORT);
    assert_int_equal(r.n_slow, 4);
    assert_int_equal(r.cap_least, 10);
    assert_int_equal(r.cap_percent, 100);
}

static void a_noisy_guest_ends_within_the_maximum(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct guest g = gib(60, 512, 400);
        struct xf_precopy_limits limits = defaults(g.total_pages);
        struct result r;

        g.noise = 3;
        g.random = seed;
        r = run(&g, &limits);
        assert_int_equal(r.verdict, XF_VERDICT_STOP);
        assert_true(r.pause_us <= limits.max_us);
    }
}

static void a_huge_guest_converges(void **state)
{
    struct guest g = gib(100, 65536, 1000);
    struct xf_precopy_limits limits;
    struct result r;

    (void)state;
    g.total_pages = 268435456.0; /* 1 TiB */
    limits = defaults(g.total_pages);
    r = run(&g, &limits);
    assert_int_equal(r.verdict, XF_VERDICT_STOP);
    assert_true(r.pause_us <= limits.target_us);
}

static void the_time_limit_stops_or_gives_up(void **state)
{
    struct guest busy = gib(90, 1024, 100);
    struct guest calm = gib(50, 64, 100);
    struct xf_precopy_limits limits = defaults(busy.total_pages);
    struct result r;

    (void)state;
    limits.max_time_us = 20000000;
    limits.target_us = 1;
    r = run(&busy, &limits);
    assert_int_equal(r.verdict, XF_VERDICT_ABORT);
    assert_int_equal(r.reason, XF_REASON_MAX_TIME);
    assert_true(r.time_us <= (double)limits.max_time_us);
    r = run(&calm, &limits);
    assert_int_equal(r.verdict, XF_VERDICT_STOP);
    assert_true(r.pause_us <= limits.max_us);
}

/* The fixed cost alone is above the target: more rounds could not help. */
static void a_fixed_cost_above_the_target_does_not_keep_it_from_stopping(void **state)
{
    struct guest g = gib(5, 8, 1000);
    struct xf_precopy_limits limits = defaults(g.total_pages);
    struct result r;

    (void)state;
    limits.fixed_us = 500000;
    limits.slow_allowed = true;
    r = run(&g, &limits);
    assert_int_equal(r.verdict, XF_VERDICT_STOP);
    assert_int_equal(r.n_slow, 0);
    assert_true(r.rounds <= 3);
}

/* Where a pause takes 1.5 s anyway, rounds that hope for some ms less only cost time and bytes. */
static void a_high_fixed_cost_saves_rounds(void **state)
{
    struct guest g = gib(20, 32, 18);
    struct xf_precopy_limits limits = defaults(g.total_pages);

    (void)state;
    g.noise = 0.5;
    limits.fixed_us = 1500000;
    limits.max_us = 60000000;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct result r;

        g.random = seed;
        r = run(&g, &limits);
        assert_int_equal(r.verdict, XF_VERDICT_STOP);
        assert_true(r.rounds <= 10);
        assert_true(r.pause_us < limits.fixed_us * 1.5);
    }
}

/* But rounds that bring the pause below the maximum are never too few. */
static void a_fixed_cost_near_the_maximum_does_not_keep_it_from_converging(void **state)
{
    struct guest g = gib(90, 1024, 100);
    struct xf_precopy_limits limits = defaults(g.total_pages);
    struct result r;

    (void)state;
    limits.fixed_us = 900000;
    limits.slow_allowed = true;
    r = run(&g, &limits);
    assert_int_equal(r.verdict, XF_VERDICT_STOP);
    assert_int_equal(r.n_slow, 0);
    assert_true(r.pause_us <= limits.max_us);
}

static void cold_stops_at_once(void **state)
{
    struct guest g = gib(400, 1024, 100);
    struct xf_precopy_limits limits = defaults(g.total_pages);
    struct result r;

    (void)state;
    limits.cold = true;
    r = run(&g, &limits);
    assert_int_equal(r.verdict, XF_VERDICT_STOP);
    assert_int_equal(r.rounds, 1);
}

static void waiting_for_permission_uses_up_no_patience(void **state)
{
    struct guest g = gib(300, 64, 1000);
    struct xf_precopy_limits limits = defaults(g.total_pages);
    struct result r;

    (void)state;
    g.switch_us = 60e6;
    r = run(&g, &limits);
    assert_int_equal(r.verdict, XF_VERDICT_STOP);
    assert_true(r.pause_us <= limits.target_us);
    assert_true(r.time_us >= g.switch_us);
}

/* Ten writes a second: it is not worth a round for half a minute. */
static void a_calm_guest_is_waited_for_without_rounds(void **state)
{
    struct guest g = gib(0.04, 64, 100);
    struct xf_precopy_limits limits = defaults(g.total_pages);
    struct result at_once = run(&g, &limits), r;

    (void)state;
    g.switch_us = 30e6;
    r = run(&g, &limits);
    assert_int_equal(r.verdict, XF_VERDICT_STOP);
    assert_in_range(r.rounds, at_once.rounds + 1, at_once.rounds + 2);
    assert_true(r.pause_us <= at_once.pause_us + LATENCY_US);
    assert_true(r.sent < g.total_pages + 1000);
}

/* Waiting must not pile up what then takes long to send: here one second makes 0.3 s of sending. */
static void a_busy_guest_gets_rounds_while_it_is_waited_for(void **state)
{
    struct guest g = gib(30, 1024, 100);
    struct xf_precopy_limits limits = defaults(g.total_pages);
    struct result r;

    (void)state;
    limits.target_us = 100000;
    g.switch_us = 20e6;
    r = run(&g, &limits);
    assert_int_equal(r.verdict, XF_VERDICT_STOP);
    assert_true(r.pause_us <= limits.target_us);
    assert_true(r.rounds > 10);
    /* The first round and permission, then what one wait has made, and less and less. */
    assert_true(r.time_us < send_time(&g, g.total_pages) + 5e6 + g.switch_us + 2e6);
}

static void the_target_is_never_above_the_maximum(void **state)
{
    struct guest g = gib(60, 512, 100);
    struct xf_precopy_limits limits = defaults(g.total_pages);
    struct result r;

    (void)state;
    limits.target_us = 5000000;
    limits.max_us = 400000;
    r = run(&g, &limits);
    assert_true(r.verdict == XF_VERDICT_ABORT || r.pause_us <= limits.max_us * 1.1);
}

static struct guest any_guest(uint64_t seed)
{
    struct guest g = { .random = seed * 2654435761u + 1 };

    draw(&g);
    g.total_pages = 4096 + draw(&g) * draw(&g) * 4e6;
    g.set_pages = 1 + draw(&g) * draw(&g) * (g.total_pages - 1);
    g.rate_pages_s = draw(&g) * draw(&g) * 500000;
    g.link_mb_s = 1 + draw(&g) * 2000;
    return g;
}

static struct xf_precopy_limits any_limits(struct guest *g)
{
    struct xf_precopy_limits limits = {
        .target_us = (uint32_t)(draw(g) * 1e6),
        .max_us = (uint32_t)(1000 + draw(g) * 3e6),
        .fixed_us = (uint32_t)(draw(g) * 3e5),
        .max_time_us = draw(g) < 0.3 ? (uint64_t)(draw(g) * 1e8) : 0,
        .pages_total = (uint64_t)g->total_pages,
        .slow_allowed = draw(g) < 0.5,
        .force = draw(g) < 0.2,
    };

    g->switch_us = draw(g) < 0.2 ? draw(g) * 20e6 : 0;
    return limits;
}

static void every_guest_ends_and_no_promise_is_broken(void **state)
{
    uint32_t n_stop = 0, n_abort = 0, n_slowed = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 20000; seed++) {
        struct guest g = any_guest(seed);
        struct xf_precopy_limits limits = any_limits(&g);
        struct result r = run(&g, &limits);

        assert_true(r.rounds <= ROUNDS_EVER(&g));
        assert_true(r.verdict == XF_VERDICT_STOP || r.verdict == XF_VERDICT_ABORT);
        assert_true(limits.slow_allowed || r.n_slow == 0);
        if (r.verdict == XF_VERDICT_ABORT) {
            n_abort++;
            assert_false(limits.force);
            assert_int_equal(r.cap_percent, 100);
            assert_true(r.reason == XF_REASON_NOT_CONVERGING || r.reason == XF_REASON_MAX_TIME);
        } else if (!limits.force) {
            n_stop++;
            assert_true(r.predicted_us <= limits.max_us);
            /* Guests here are steady, so what was predicted holds but for the last round trip. */
            assert_true(r.pause_us <= limits.max_us * 1.05 + 2 * LATENCY_US + 2 * PAGE_BYTES);
        }
        n_slowed += r.n_slow > 0;
    }
    /* All kinds of ends were really seen. */
    assert_true(n_stop > 1000 && n_abort > 100 && n_slowed > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(page_numbers_without_pages_say_nothing_of_speed),
        cmocka_unit_test(an_idle_guest_takes_two_rounds),
        cmocka_unit_test(a_hot_spot_pauses_within_the_target),
        cmocka_unit_test(a_small_set_written_fast_is_not_mistaken_for_a_slow_guest),
        cmocka_unit_test(a_full_set_brings_no_more_in_a_longer_round),
        cmocka_unit_test(a_small_slow_round_is_told_as_what_it_likely_is),
        cmocka_unit_test(a_quiet_past_says_nothing_of_a_long_wait),
        cmocka_unit_test(a_guest_faster_than_the_link_is_left_alone),
        cmocka_unit_test(force_stops_where_else_it_gives_up),
        cmocka_unit_test(slowing_goes_in_steps_and_helps),
        cmocka_unit_test(giving_up_lifts_the_cap),
        cmocka_unit_test(a_noisy_guest_ends_within_the_maximum),
        cmocka_unit_test(a_huge_guest_converges),
        cmocka_unit_test(the_time_limit_stops_or_gives_up),
        cmocka_unit_test(a_fixed_cost_above_the_target_does_not_keep_it_from_stopping),
        cmocka_unit_test(a_high_fixed_cost_saves_rounds),
        cmocka_unit_test(a_fixed_cost_near_the_maximum_does_not_keep_it_from_converging),
        cmocka_unit_test(cold_stops_at_once),
        cmocka_unit_test(waiting_for_permission_uses_up_no_patience),
        cmocka_unit_test(a_calm_guest_is_waited_for_without_rounds),
        cmocka_unit_test(a_busy_guest_gets_rounds_while_it_is_waited_for),
        cmocka_unit_test(the_target_is_never_above_the_maximum),
        cmocka_unit_test(every_guest_ends_and_no_promise_is_broken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
