/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compressing pages against ways and pages that are arithmetic. */
#include "config.h"

#include "pack.h"

#include "unit.h"

#define CHUNK  (63u * 4096u)
#define CHUNKS 2000u

/* How many of the chunks were compressed; us per chunk, and what of it is left by compressing. */
static unsigned tried(struct xf_pack *p, unsigned chunks, uint64_t send_us, uint64_t pack_us,
                      double left)
{
    unsigned n = 0;

    for (unsigned i = 0; i < chunks; i++) {
        struct xf_pack_sample sample = { .tried = xf_pack_wanted(p) };
        double share = sample.tried ? left : 1.0;

        sample.bytes_sent = (uint64_t)(CHUNK * share);
        sample.bytes_saved = CHUNK - sample.bytes_sent;
        sample.send_us = (uint64_t)((double)send_us * share);
        sample.pack_us = sample.tried ? pack_us : 0;
        n += sample.tried;
        xf_pack_learn(p, &sample);
    }
    return n;
}

static void a_slow_way_is_always_worth_it(void **state)
{
    struct xf_pack p = { 0 };

    (void)state;
    assert_int_equal(tried(&p, CHUNKS, 20000, 500, 0.5), CHUNKS);
}

static void a_way_faster_than_the_compressor_gets_raw_pages(void **state)
{
    struct xf_pack p = { 0 };

    (void)state;
    assert_true(tried(&p, CHUNKS, 200, 500, 0.5) < CHUNKS / 20);
}

static void pages_that_do_not_shrink_are_left_alone(void **state)
{
    struct xf_pack p = { 0 };

    (void)state;
    assert_true(tried(&p, CHUNKS, 20000, 500, 1.0) < CHUNKS / 20);
}

/* Buffers take the first bytes at once, however slow the way behind them is. */
static void full_speed_at_the_beginning_deceives_nobody(void **state)
{
    struct xf_pack p = { 0 };

    (void)state;
    assert_int_equal(tried(&p, 10, 50, 500, 0.5), 10);
    assert_int_equal(tried(&p, CHUNKS, 20000, 500, 0.5), CHUNKS);
}

static void it_notices_when_things_change(void **state)
{
    struct xf_pack p = { 0 };

    (void)state;
    tried(&p, CHUNKS, 200, 500, 0.5);
    tried(&p, 2 * XF_PACK_PAUSE_MAX, 20000, 500, 0.5);
    assert_int_equal(tried(&p, 100, 20000, 500, 0.5), 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_way_is_always_worth_it),
        cmocka_unit_test(a_way_faster_than_the_compressor_gets_raw_pages),
        cmocka_unit_test(pages_that_do_not_shrink_are_left_alone),
        cmocka_unit_test(full_speed_at_the_beginning_deceives_nobody),
        cmocka_unit_test(it_notices_when_things_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
