/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose turn it is: nobody starves, no minute costs more than it may. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rota.h"

#define STEP_MS   250u
#define MINUTE_MS 60000u
#define PAIRS_MAX 64u
#define LOG_MAX   100000u

static const struct xf_rota_plan plan = { .interval_ms = 600000, .frames = 600, .reads = 600 };

static uint32_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

static void nothing_runs_when_it_is_off(void **state)
{
    const struct xf_rota_plan off = { .interval_ms = 0, .frames = 600, .reads = 600 };
    struct xf_rota_pair pair = { .frames = 1, .reads = 1 };
    struct xf_rota rota = { .begun = false };

    (void)state;
    assert_int_equal(xf_rota_next(&rota, &off, &pair, 1, 1000), XF_ROTA_NONE);
}

static void a_new_pair_comes_once_it_has_settled(void **state)
{
    struct xf_rota_pair pair = { .changed_ms = 1000, .frames = 1, .reads = 1 };
    struct xf_rota rota = { .begun = false };

    (void)state;
    assert_int_equal(xf_rota_next(&rota, &plan, &pair, 1, 1000 + XF_ROTA_SETTLE_MS - 1),
                     XF_ROTA_NONE);
    assert_int_equal(xf_rota_next(&rota, &plan, &pair, 1, 1000 + XF_ROTA_SETTLE_MS), 0);
}

static void a_pair_that_was_never_checked_comes_at_once(void **state)
{
    struct xf_rota_pair pair[2] = { { .frames = 1, .reads = 1 }, { .frames = 1, .reads = 1 } };
    struct xf_rota rota = { .begun = false };

    (void)state;
    /* Also at the beginning of time, and amid the pause that spreads the others. */
    assert_int_equal(xf_rota_next(&rota, &plan, pair, 2, 1), 0);
    pair[0].tried_ms = 1;
    assert_true(rota.next_ms > 2);
    assert_int_equal(xf_rota_next(&rota, &plan, pair, 2, 2), 1);
}

static void the_smallest_budget_is_one(void **state)
{
    struct xf_rota_pair pair = { .tried_ms = 1, .frames = 1, .reads = 1 };

    (void)state;
    for (uint32_t budget = 0; budget < 3; budget++) {
        const struct xf_rota_plan small = { .interval_ms = 1000,
                                            .frames = budget,
                                            .reads = budget };
        struct xf_rota rota = { .begun = false };

        assert_int_equal(xf_rota_next(&rota, &small, &pair, 1, 2000), 0);
        assert_int_equal(xf_rota_next(&rota, &small, &pair, 1, 3 * MINUTE_MS), 0);
    }
}

static void what_is_saved_up_is_exact(void **state)
{
    struct xf_rota rota = { .begun = true, .at_ms = 5000, .frames_left = 8999300 };

    (void)state;
    /* 450 sixty-thousandths a millisecond, up to a quarter of 600 frames. */
    (void)xf_rota_next(&rota, &plan, NULL, 0, 5001);
    assert_int_equal(rota.frames_left, 8999750);
    assert_int_equal(rota.reads_left, 450);
    (void)xf_rota_next(&rota, &plan, NULL, 0, 5002);
    assert_int_equal(rota.frames_left, 9000000);
    (void)xf_rota_next(&rota, &plan, NULL, 0, 4000); /* a clock that went back gives nothing */
    assert_int_equal(rota.reads_left, 900);
}

static void a_pair_that_is_as_it_was_waits_for_its_interval(void **state)
{
    struct xf_rota_pair pair = { .tried_ms = 1000, .frames = 1, .reads = 1 };
    struct xf_rota rota = { .begun = false };

    (void)state;
    assert_int_equal(xf_rota_next(&rota, &plan, &pair, 1, 1000 + plan.interval_ms - 1),
                     XF_ROTA_NONE);
    assert_int_equal(xf_rota_next(&rota, &plan, &pair, 1, 1000 + plan.interval_ms), 0);
}

static void a_pair_that_has_changed_does_not_wait_for_its_interval(void **state)
{
    struct xf_rota_pair pair[2] = { { .tried_ms = 1000, .frames = 1, .reads = 1 },
                                    { .tried_ms = 2000, .frames = 1, .reads = 1 } };
    struct xf_rota rota = { .begun = false };
    uint64_t now = 1000 + plan.interval_ms;

    (void)state;
    assert_int_equal(xf_rota_next(&rota, &plan, pair, 2, now), 0);
    pair[0].tried_ms = now;
    pair[1].changed_ms = now; /* amid the pause that spreads the others */
    assert_int_equal(xf_rota_next(&rota, &plan, pair, 2, now + XF_ROTA_SETTLE_MS), 1);
}

static void pairs_of_one_time_are_spread(void **state)
{
    struct xf_rota_pair pair[2] = { { .tried_ms = 1000, .frames = 1, .reads = 1 },
                                    { .tried_ms = 1000, .frames = 1, .reads = 1 } };
    struct xf_rota rota = { .begun = false };
    uint64_t now = 1000 + plan.interval_ms;

    (void)state;
    assert_int_equal(xf_rota_next(&rota, &plan, pair, 2, now), 0);
    pair[0].tried_ms = now;
    assert_int_equal(xf_rota_next(&rota, &plan, pair, 2, now + plan.interval_ms / 4 - 1),
                     XF_ROTA_NONE);
    assert_int_equal(xf_rota_next(&rota, &plan, pair, 2, now + plan.interval_ms / 4), 1);
}

static void a_barred_pair_is_passed_over(void **state)
{
    struct xf_rota_pair pair[2] = { { .tried_ms = 1000, .barred = true, .frames = 1 },
                                    { .tried_ms = 2000, .frames = 1 } };
    struct xf_rota rota = { .begun = false };

    (void)state;
    assert_int_equal(xf_rota_next(&rota, &plan, pair, 2, 2000 + plan.interval_ms), 1);
}

static void what_cannot_be_checked_is_tried_again_ever_more_seldom(void **state)
{
    uint64_t before = 0;

    (void)state;
    for (uint32_t failures = 1; failures < 40; failures++) {
        struct xf_rota_pair pair = { .tried_ms = 1000, .failures = failures, .frames = 1 };
        struct xf_rota rota = { .begun = false };
        uint64_t waited = 0;

        while (xf_rota_next(&rota, &plan, &pair, 1, 1000 + waited) == XF_ROTA_NONE) {
            waited += 1000;
            assert_true(waited <= plan.interval_ms);
        }
        assert_true(waited >= before);
        assert_true(waited >= XF_ROTA_RETRY_MS);
        assert_true(failures > 1 || waited == XF_ROTA_RETRY_MS);
        before = waited;
    }
    assert_int_equal(before, plan.interval_ms);
}

static void a_pair_whose_disk_hangs_comes_half_as_often_each_time(void **state)
{
    uint64_t wanted = plan.interval_ms;

    (void)state;
    for (uint32_t hangs = 1; hangs < 40; hangs++) {
        struct xf_rota_pair pair = { .tried_ms = 1000, .hangs = hangs, .frames = 1 };
        struct xf_rota rota = { .begun = false };

        wanted = 2 * wanted < XF_ROTA_HANGS_MS ? 2 * wanted : XF_ROTA_HANGS_MS;
        assert_int_equal(xf_rota_next(&rota, &plan, &pair, 1, 1000 + wanted - 1), XF_ROTA_NONE);
        assert_int_equal(xf_rota_next(&rota, &plan, &pair, 1, 1000 + wanted), 0);
    }
    assert_int_equal(wanted, XF_ROTA_HANGS_MS);
}

static void a_disk_that_hangs_does_not_come_more_often_than_others(void **state)
{
    const struct xf_rota_plan seldom = { .interval_ms = 7 * (uint64_t)XF_ROTA_HANGS_MS,
                                         .frames = 600,
                                         .reads = 600 };
    struct xf_rota_pair pair = { .tried_ms = 1000, .hangs = 1, .frames = 1 };
    struct xf_rota rota = { .begun = false };

    (void)state;
    assert_int_equal(xf_rota_next(&rota, &seldom, &pair, 1, 1000 + seldom.interval_ms - 1),
                     XF_ROTA_NONE);
    assert_int_equal(xf_rota_next(&rota, &seldom, &pair, 1, 1000 + seldom.interval_ms), 0);
}

static void a_disk_that_hangs_and_has_changed_does_not_wait(void **state)
{
    struct xf_rota_pair pair = { .tried_ms = 1000, .changed_ms = 2000, .hangs = 9, .frames = 1 };
    struct xf_rota rota = { .begun = false };

    (void)state;
    assert_int_equal(xf_rota_next(&rota, &plan, &pair, 1, 2000 + XF_ROTA_SETTLE_MS), 0);
}

static void a_check_larger_than_the_budget_comes_all_the_same_and_is_paid_for(void **state)
{
    const struct xf_rota_plan small = { .interval_ms = 1000, .frames = 60, .reads = 60 };
    struct xf_rota_pair pair = { .tried_ms = 1, .frames = 600, .reads = 1 };
    struct xf_rota rota = { .begun = false };
    uint32_t n = 0;

    (void)state;
    for (uint64_t now = 2000; now < 2000 + 60 * (uint64_t)MINUTE_MS; now += STEP_MS) {
        if (xf_rota_next(&rota, &small, &pair, 1, now) == 0) {
            pair.tried_ms = now;
            n++;
        }
    }
    /* 3600 frames an hour are six such checks; what can be saved up at the beginning adds one. */
    assert_in_range(n, 3, 7);
}

struct spent {
    uint64_t at_ms;
    uint32_t frames;
    uint32_t reads;
};

static void no_minute_is_over_budget(const struct spent *log, uint32_t n)
{
    uint64_t frames = 0, reads = 0;
    uint32_t first = 0;

    for (uint32_t i = 0; i < n; i++) {
        frames += log[i].frames;
        reads += log[i].reads;
        while (log[i].at_ms - log[first].at_ms >= MINUTE_MS) {
            frames -= log[first].frames;
            reads -= log[first].reads;
            first++;
        }
        assert_true(frames <= plan.frames);
        assert_true(reads <= plan.reads);
    }
}

/* Pairs of many prices, which change and fail by chance. */
static void one_life(uint32_t n_pairs)
{
    static struct spent log[LOG_MAX];
    struct xf_rota_pair pair[PAIRS_MAX];
    uint64_t last[PAIRS_MAX];
    struct xf_rota rota = { .begun = false };
    uint64_t price = 0, longest;
    uint32_t n = 0;

    memset(pair, 0, sizeof(pair));
    for (uint32_t i = 0; i < n_pairs; i++) {
        pair[i].frames = draw(64);
        pair[i].reads = draw(150);
        last[i] = 1000;
        price += pair[i].frames > pair[i].reads ? pair[i].frames : pair[i].reads;
    }
    /* All of them once, at three quarters of the budget, and one interval; twice, for the spread. */
    longest = 2 * (plan.interval_ms + price * MINUTE_MS * 4 / 3 / plan.reads);
    for (uint64_t now = 1000; now < 6 * 3600 * UINT64_C(1000); now += STEP_MS) {
        uint32_t i = xf_rota_next(&rota, &plan, pair, n_pairs, now);

        if (i != XF_ROTA_NONE) {
            assert_true(n < LOG_MAX);
            log[n++] = (struct spent){ now, pair[i].frames, pair[i].reads };
            last[i] = pair[i].tried_ms = now;
            pair[i].changed_ms = 0;
            pair[i].failures = draw(8) == 0 ? pair[i].failures + 1 : 0;
        }
        if (draw(40) == 0) {
            i = draw(n_pairs);
            pair[i].changed_ms = pair[i].changed_ms != 0 ? pair[i].changed_ms : now;
        }
        for (i = 0; i < n_pairs; i++) {
            assert_true(now - last[i] <= longest);
        }
    }
    no_minute_is_over_budget(log, n);
}

static void no_budget_is_exceeded_and_no_pair_starves(void **state)
{
    (void)state;
    for (seed = 1; seed <= 3; seed++) {
        uint32_t begin = seed;

        one_life(1 + draw(PAIRS_MAX - 1));
        seed = begin;
    }
}

static void what_a_check_cost_more_than_thought_is_taken_off(void **state)
{
    struct xf_rota_pair pair = { .tried_ms = 1, .frames = 1, .reads = 1 };
    struct xf_rota rota = { .begun = false };
    uint64_t now = 1 + plan.interval_ms;

    (void)state;
    assert_int_equal(xf_rota_next(&rota, &plan, &pair, 1, now), 0);
    xf_rota_settle(&rota, plan.frames, 0);
    pair.changed_ms = 1;
    assert_int_equal(xf_rota_next(&rota, &plan, &pair, 1, now + 1000), XF_ROTA_NONE);
    assert_int_equal(xf_rota_next(&rota, &plan, &pair, 1, now + 2 * MINUTE_MS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_runs_when_it_is_off),
        cmocka_unit_test(a_new_pair_comes_once_it_has_settled),
        cmocka_unit_test(a_pair_that_was_never_checked_comes_at_once),
        cmocka_unit_test(the_smallest_budget_is_one),
        cmocka_unit_test(what_is_saved_up_is_exact),
        cmocka_unit_test(a_pair_that_is_as_it_was_waits_for_its_interval),
        cmocka_unit_test(a_pair_that_has_changed_does_not_wait_for_its_interval),
        cmocka_unit_test(pairs_of_one_time_are_spread),
        cmocka_unit_test(a_barred_pair_is_passed_over),
        cmocka_unit_test(what_cannot_be_checked_is_tried_again_ever_more_seldom),
        cmocka_unit_test(a_pair_whose_disk_hangs_comes_half_as_often_each_time),
        cmocka_unit_test(a_disk_that_hangs_does_not_come_more_often_than_others),
        cmocka_unit_test(a_disk_that_hangs_and_has_changed_does_not_wait),
        cmocka_unit_test(a_check_larger_than_the_budget_comes_all_the_same_and_is_paid_for),
        cmocka_unit_test(what_a_check_cost_more_than_thought_is_taken_off),
        cmocka_unit_test(no_budget_is_exceeded_and_no_pair_starves), /* it takes longest */
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
