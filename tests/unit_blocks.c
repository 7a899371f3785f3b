/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "blocks.h"

#include <string.h>

#include "disks.h"
#include "sample.h"
#include "unit.h"

static uint64_t offset[XF_SAMPLES_MAX];

static bool planned(uint32_t n, uint64_t wanted)
{
    for (uint32_t i = 0; i < n; i++) {
        if (offset[i] == wanted) {
            return true;
        }
    }
    return false;
}

static void labels_and_the_last_block_are_always_read(void **state)
{
    static const uint64_t labels[] = { 0, 4096, 8192, 65536, GIB - 4096 };
    uint8_t salt[XF_SALT_SIZE];
    struct sample s = { 1 };

    (void)state;
    for (uint32_t i = 0; i < 200; i++) {
        sample_bytes(&s, salt, sizeof(salt));
        assert_int_equal(xf_blocks_plan(GIB + i, salt, offset), XF_SAMPLES_MAX);
        for (uint32_t k = 0; k < sizeof(labels) / sizeof(labels[0]); k++) {
            assert_true(planned(XF_SAMPLES_MAX, labels[k]));
        }
    }
}

static void every_plan_ascends_and_stays_inside(void **state)
{
    struct sample s = { 2 };

    (void)state;
    for (uint32_t i = 0; i < 3000; i++) {
        uint64_t size = i < 200 ? i * 1024 : sample_u64(&s) >> (i % 48);
        uint8_t salt[XF_SALT_SIZE];
        uint32_t n;

        sample_bytes(&s, salt, sizeof(salt));
        n = xf_blocks_plan(size, salt, offset);
        assert_true(n == (size / 4096 < XF_SAMPLES_MAX ? size / 4096 : XF_SAMPLES_MAX));
        for (uint32_t k = 0; k < n; k++) {
            assert_true(offset[k] % 4096 == 0 && offset[k] <= size - 4096);
            assert_true(k == 0 || offset[k] > offset[k - 1]);
        }
    }
}

static void a_small_disk_is_read_whole(void **state)
{
    uint8_t salt[XF_SALT_SIZE] = { 0 };

    (void)state;
    assert_int_equal(xf_blocks_plan(0, salt, offset), 0);
    assert_int_equal(xf_blocks_plan(4095, salt, offset), 0);
    assert_int_equal(xf_blocks_plan(16 * 4096 + 4095, salt, offset), 16);
    for (uint32_t i = 0; i < 16; i++) {
        assert_true(offset[i] == i * 4096);
    }
}

/* 17 blocks: five are labels, one of the other twelve is left out. */
static void a_disk_of_one_block_more_is_filled_up(void **state)
{
    struct sample s = { 3 };
    uint32_t left_out = 0;

    (void)state;
    for (uint32_t i = 0; i < 200; i++) {
        uint8_t salt[XF_SALT_SIZE];

        sample_bytes(&s, salt, sizeof(salt));
        assert_int_equal(xf_blocks_plan(17 * 4096, salt, offset), 16);
        assert_true(planned(16, 65536) && planned(16, 8192));
        for (uint32_t k = 3; k < 16; k++) {
            left_out |= planned(16, k * 4096) ? 0 : 1u << k;
        }
    }
    assert_int_equal(left_out, 0xfff8);
}

static void every_byte_of_the_salt_draws_others_and_the_same_salt_the_same(void **state)
{
    uint8_t salt[XF_SALT_SIZE] = { 0 };
    uint64_t first[XF_SAMPLES_MAX];

    (void)state;
    xf_blocks_plan(1000 * GIB, salt, first);
    xf_blocks_plan(1000 * GIB, salt, offset);
    assert_memory_equal(first, offset, sizeof(first));
    for (uint32_t i = 0; i < XF_SALT_SIZE; i++) {
        salt[i] ^= 1;
        xf_blocks_plan(1000 * GIB, salt, offset);
        assert_memory_not_equal(first, offset, sizeof(first));
        salt[i] ^= 1;
    }
}

static void salts_draw_from_the_whole_disk(void **state)
{
    uint32_t tenth[10] = { 0 };
    struct sample s = { 4 };

    (void)state;
    for (uint32_t i = 0; i < 500; i++) {
        uint8_t salt[XF_SALT_SIZE];

        sample_bytes(&s, salt, sizeof(salt));
        xf_blocks_plan(100 * GIB, salt, offset);
        for (uint32_t k = 4; k < XF_SAMPLES_MAX - 1; k++) {
            tenth[offset[k] / (10 * GIB)]++;
        }
    }
    for (uint32_t i = 0; i < 10; i++) { /* of 5500; 550 each */
        assert_in_range(tenth[i], 430, 670);
    }
}

static void neighbours_are_not_drawn_together(void **state)
{
    uint32_t close = 0;
    struct sample s = { 5 };

    (void)state;
    for (uint32_t i = 0; i < 200; i++) {
        uint8_t salt[XF_SALT_SIZE];

        sample_bytes(&s, salt, sizeof(salt));
        xf_blocks_plan(1000 * GIB, salt, offset);
        for (uint32_t k = 5; k < XF_SAMPLES_MAX; k++) {
            close += offset[k] - offset[k - 1] < (GIB >> 6);
        }
    }
    assert_in_range(close, 0, 20);
}

static struct xf_disk before, after, target;

static void same_disks(void)
{
    before = disk_lun("/dev/sdb", "naa.6001");
    after = before;
    target = before;
}

static void equal_blocks_are_counted_and_blank_ones_apart(void **state)
{
    struct xf_blocks_verdict v;

    (void)state;
    same_disks();
    before.sample[3].blank = true;
    after.sample[3].blank = true;
    target.sample[3].blank = true;
    v = xf_blocks_compare(&before, &after, &target);
    assert_int_equal(v.n_equal, XF_SAMPLES_MAX - 1);
    assert_int_equal(v.n_blank, 1);
    assert_int_equal(v.n_live + v.n_differ + v.n_missing, 0);
    before.sample[4].blank = true;
    target.sample[5].blank = true;
    v = xf_blocks_compare(&before, &after, &target);
    assert_int_equal(v.n_blank, 3);
}

static void a_block_that_changed_meanwhile_is_live_whatever_the_target_read(void **state)
{
    struct xf_blocks_verdict v;

    (void)state;
    same_disks();
    after.sample[0].digest[31] ^= 1;
    after.sample[1].digest[31] ^= 1;
    target.sample[1].digest[31] ^= 1;
    v = xf_blocks_compare(&before, &after, &target);
    assert_int_equal(v.n_live, 2);
    assert_int_equal(v.n_differ, 0);
    assert_int_equal(v.n_equal, XF_SAMPLES_MAX - 2);
}

static void a_still_block_that_differs_is_told_with_its_place(void **state)
{
    struct xf_blocks_verdict v;

    (void)state;
    same_disks();
    target.sample[2].digest[31] ^= 1;
    target.sample[9].digest[0] ^= 1;
    target.sample[9].blank = true;
    v = xf_blocks_compare(&before, &before, &target);
    assert_int_equal(v.n_differ, 2);
    assert_true(v.first_differing == before.sample[2].offset);
    assert_int_equal(v.n_blank, 0);
    assert_int_equal(v.n_equal, XF_SAMPLES_MAX - 2);
}

static void what_one_look_did_not_read_is_missing(void **state)
{
    struct xf_blocks_verdict v;

    (void)state;
    same_disks();
    target.n_samples = 10;
    after.sample[0].offset = 512;
    target.sample[1].size = 512;
    v = xf_blocks_compare(&before, &after, &target);
    assert_int_equal(v.n_missing, 8);
    assert_int_equal(v.n_equal, 8);
    after.n_samples = 0;
    v = xf_blocks_compare(&before, &after, &target);
    assert_int_equal(v.n_missing, XF_SAMPLES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_and_the_last_block_are_always_read),
        cmocka_unit_test(every_plan_ascends_and_stays_inside),
        cmocka_unit_test(a_small_disk_is_read_whole),
        cmocka_unit_test(a_disk_of_one_block_more_is_filled_up),
        cmocka_unit_test(every_byte_of_the_salt_draws_others_and_the_same_salt_the_same),
        cmocka_unit_test(salts_draw_from_the_whole_disk),
        cmocka_unit_test(neighbours_are_not_drawn_together),
        cmocka_unit_test(equal_blocks_are_counted_and_blank_ones_apart),
        cmocka_unit_test(a_block_that_changed_meanwhile_is_live_whatever_the_target_read),
        cmocka_unit_test(a_still_block_that_differs_is_told_with_its_place),
        cmocka_unit_test(what_one_look_did_not_read_is_missing),
    };

    return cmocka_run_group_tests_name("blocks", tests, NULL, NULL);
}
