/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/probe.c: the frames byte by byte, the search against networks that are arithmetic, and
 * what a check says of a bridge. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "unit.h"

#include "probe.h"

static uint8_t buf[14 + XF_PROBE_MTU_MAX + 1];

static const struct xf_probe_frame sample = {
    .to = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
    .from = { 0x02, 0x00, 0x5e, 0x10, 0x00, 0x01 },
    .nonce = { 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad,
               0xae, 0xaf },
    .sender = { 0x01020304 },
    .by_target = true,
    .bridge = 5,
    .round = 3,
    .mtu = 68,
};

/* ---- frames ---- */

static void a_frame_is_these_bytes(void **state)
{
    static const uint8_t want[82] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x00, 0x5e, 0x10, 0x00, 0x01, 0x88, 0xb5, 'X',
        'F',  'L',  '2',  1,    1,    5,    3,    0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
        0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf, 4,    3,    2,    1,    68,   0,
    };

    (void)state;
    memset(buf, 0xee, sizeof(buf));
    assert_int_equal(xf_probe_encode(&sample, buf, sizeof(buf)), 82);
    assert_memory_equal(buf, want, sizeof(want));
    assert_int_equal(buf[82], 0xee);
    assert_memory_equal(buf + XF_PROBE_NONCE_AT, sample.nonce, sizeof(sample.nonce));
}

static void a_frame_reads_back(void **state)
{
    static const uint16_t sizes[] = { 68, 69, 1500, 9000, 65535 };

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct xf_probe_frame frame = sample;
        struct xf_probe_frame back;
        int size;

        frame.mtu = sizes[i];
        frame.by_target = i % 2 == 0;
        size = xf_probe_encode(&frame, buf, 14u + sizes[i]);
        assert_int_equal(size, 14 + sizes[i]);
        memset(&back, 0x55, sizeof(back));
        assert_int_equal(xf_probe_decode(buf, (size_t)size, (size_t)size, &back), 0);
        assert_memory_equal(back.to, frame.to, 6);
        assert_memory_equal(back.from, frame.from, 6);
        assert_memory_equal(back.nonce, frame.nonce, sizeof(frame.nonce));
        assert_int_equal(back.sender.id, frame.sender.id);
        assert_int_equal(back.by_target, frame.by_target);
        assert_int_equal(back.bridge, frame.bridge);
        assert_int_equal(back.round, frame.round);
        assert_int_equal(back.mtu, frame.mtu);
    }
}

static void a_frame_that_does_not_fit_or_means_nothing_is_not_written(void **state)
{
    struct xf_probe_frame frame = sample;

    (void)state;
    assert_int_equal(xf_probe_encode(&frame, buf, 81), -EMSGSIZE);
    frame.mtu = 67;
    assert_int_equal(xf_probe_encode(&frame, buf, sizeof(buf)), -EINVAL);
    frame = sample;
    frame.sender.id = 0;
    assert_int_equal(xf_probe_encode(&frame, buf, sizeof(buf)), -EINVAL);
}

static void a_frame_that_was_cut_off_does_not_count_and_a_padded_one_does(void **state)
{
    struct xf_probe_frame frame = sample;
    struct xf_probe_frame back;

    (void)state;
    frame.mtu = 1500;
    assert_int_equal(xf_probe_encode(&frame, buf, sizeof(buf)), 1514);
    assert_int_equal(xf_probe_decode(buf, 128, 1513, &back), -EBADMSG);
    assert_int_equal(xf_probe_decode(buf, 128, 1514, &back), 0);
    assert_int_equal(back.mtu, 1500);
    assert_int_equal(xf_probe_decode(buf, 128, 1518, &back), 0);
    assert_int_equal(back.mtu, 1500);
    assert_int_equal(xf_probe_decode(buf, XF_PROBE_HEADER_SIZE, 1514, &back), 0);
    assert_int_equal(xf_probe_decode(buf, XF_PROBE_HEADER_SIZE - 1, 1514, &back), -EBADMSG);
    assert_int_equal(xf_probe_decode(buf, 0, 1514, &back), -EBADMSG);
}

static void refuses_with(size_t at, uint8_t value)
{
    struct xf_probe_frame back = { .mtu = 7 };

    assert_int_equal(xf_probe_encode(&sample, buf, sizeof(buf)), 82);
    assert_int_equal(xf_probe_decode(buf, 82, 82, &back), 0);
    back.mtu = 7;
    assert_int_not_equal(buf[at], value);
    buf[at] = value;
    assert_int_equal(xf_probe_decode(buf, 82, 82, &back), -EBADMSG);
    assert_int_equal(back.mtu, 7);
}

static void anything_else_is_no_frame(void **state)
{
    (void)state;
    refuses_with(12, 0x08);
    refuses_with(13, 0xb6);
    refuses_with(14, 'x');
    refuses_with(17, '3');
    refuses_with(18, 2);
    refuses_with(19, 2);
    refuses_with(42, 67);
    assert_int_equal(xf_probe_encode(&sample, buf, sizeof(buf)), 82);
    memset(buf + 38, 0, 4);
    {
        struct xf_probe_frame back;

        assert_int_equal(xf_probe_decode(buf, 82, 82, &back), -EBADMSG);
    }
}

static void arp_probe_asks_for_no_address_of_its_own(void **state)
{
    static const uint8_t want[XF_PROBE_ARP_SIZE] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x00, 0x5e, 0x10, 0x00, 0x01, 0x08, 0x06,
        0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01, 0x02, 0x00, 0x5e, 0x10, 0x00, 0x01,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0a, 0x01, 0x02, 0x03,
    };
    uint8_t frame[XF_PROBE_ARP_SIZE];

    (void)state;
    memset(frame, 0xee, sizeof(frame));
    xf_probe_arp(sample.from, 0x0a010203, frame);
    assert_memory_equal(frame, want, sizeof(want));
}

static void make_answer(uint8_t *frame)
{
    xf_probe_arp(sample.from, 0x0a010203, frame);
    frame[21] = 2;
    memcpy(frame + 28, "\x0a\x07\x08\x09", 4);
}

static void arp_names_its_sender(void **state)
{
    uint8_t frame[XF_PROBE_ARP_SIZE];
    uint8_t mac[6];
    uint32_t address;

    (void)state;
    make_answer(frame);
    frame[22] = 0x06; /* as where another station answers on its behalf */
    assert_int_equal(xf_probe_arp_sender(frame, 42, &address, mac), 0);
    assert_int_equal(address, 0x0a070809);
    assert_memory_equal(mac, "\x06\x00\x5e\x10\x00\x01", 6);
    assert_int_equal(xf_probe_arp_sender(frame, 41, &address, mac), -EBADMSG);
    xf_probe_arp(sample.from, 0x0a010203, frame);
    assert_int_equal(xf_probe_arp_sender(frame, sizeof(frame), &address, mac), -EBADMSG);
    for (size_t at = 12; at < 20; at++) {
        make_answer(frame);
        frame[at] ^= 0x80;
        assert_int_equal(xf_probe_arp_sender(frame, sizeof(frame), &address, mac), -EBADMSG);
    }
}

/* ---- the search ---- */

/* A network that lets through frames up to limit; mute: rounds (bits) in which nothing does. */
struct network {
    uint32_t limit;
    uint32_t mute;
    /* In this round one size that would have passed is lost by chance: the ordinal'th. 0xff: none. */
    uint32_t unlucky_round;
    uint32_t unlucky;
};

static uint32_t run_search(struct xf_probe_search *search, const struct network *network)
{
    uint16_t size[XF_PROBE_SIZES_MAX];
    bool heard[XF_PROBE_SIZES_MAX];
    uint32_t rounds = 0;
    uint32_t n;

    while ((n = xf_probe_search_next(search, size)) > 0) {
        assert_in_range(n, 1, XF_PROBE_SIZES_MAX);
        assert_true(rounds < XF_PROBE_ROUNDS_MAX);
        assert_int_equal(search->round, rounds);
        for (uint32_t i = 0; i < n; i++) {
            assert_in_range(size[i], XF_PROBE_MTU_MIN, search->full);
            assert_true(i == 0 || size[i] > size[i - 1]);
            heard[i] = size[i] <= network->limit && (network->mute >> rounds & 1) == 0 &&
                       !(rounds == network->unlucky_round && i == network->unlucky);
        }
        xf_probe_search_learn(search, size, heard, n);
        rounds++;
    }
    return rounds;
}

static void assert_found(uint16_t mtu, uint32_t limit, uint32_t rounds_max)
{
    const struct network network = { .limit = limit, .unlucky_round = 0xff };
    struct xf_probe_search search;
    uint32_t rounds;

    xf_probe_search_init(&search, mtu, mtu);
    rounds = run_search(&search, &network);
    assert_int_equal(search.passed, limit < mtu ? limit : mtu);
    assert_int_equal(search.lost, search.passed + 1u);
    assert_in_range(rounds, 1, rounds_max);
}

static void when_the_full_size_passes_one_round_is_all(void **state)
{
    uint16_t size[XF_PROBE_SIZES_MAX];
    struct xf_probe_search search;

    (void)state;
    xf_probe_search_init(&search, 9000, 1500);
    assert_int_equal(search.full, 1500);
    assert_int_equal(xf_probe_search_next(&search, size), 2);
    assert_int_equal(size[0], 68);
    assert_int_equal(size[1], 1500);
    assert_found(1500, 1500, 1);
    assert_found(9000, 9000, 1);
    assert_found(65535, 65535, 1);
    assert_found(68, 68, 1);
    assert_found(69, 69, 1);
}

static void the_smaller_bridge_is_the_full_size(void **state)
{
    struct xf_probe_search search;

    (void)state;
    xf_probe_search_init(&search, 1500, 9000);
    assert_int_equal(search.full, 1500);
    assert_int_equal(search.lost, 1501);
}

static void every_limit_is_found_to_the_byte(void **state)
{
    (void)state;
    for (uint32_t limit = 68; limit <= 1500; limit++) {
        assert_found(1500, limit, 5);
    }
    for (uint32_t limit = 68; limit <= 9000; limit += 7) {
        assert_found(9000, limit, 8);
    }
    for (uint32_t limit = 68; limit <= 65535; limit += 211) {
        assert_found(65535, limit, 8);
    }
    assert_found(65535, 65534, 8);
    assert_found(65535, 65532, 8);
    assert_found(69, 68, 3);
    assert_found(70, 69, 4);
}

static void where_nothing_passes_it_is_tried_twice(void **state)
{
    const struct network dead = { .limit = 0, .unlucky_round = 0xff };
    const struct network late = { .limit = 1500, .mute = 1, .unlucky_round = 0xff };
    struct xf_probe_search search;

    (void)state;
    xf_probe_search_init(&search, 1500, 1500);
    assert_int_equal(run_search(&search, &dead), 2);
    assert_int_equal(search.passed, 0);
    xf_probe_search_init(&search, 1500, 1500);
    assert_int_equal(run_search(&search, &late), 2);
    assert_int_equal(search.passed, 1500);
}

static void a_bridge_without_mtu_is_not_searched(void **state)
{
    uint16_t size[XF_PROBE_SIZES_MAX];
    struct xf_probe_search search;

    (void)state;
    xf_probe_search_init(&search, 0, 1500);
    assert_int_equal(xf_probe_search_next(&search, size), 0);
    xf_probe_search_init(&search, 1500, 67);
    assert_int_equal(xf_probe_search_next(&search, size), 0);
    assert_int_equal(search.full, 0);
}

static void a_size_lost_by_chance_changes_nothing(void **state)
{
    static const uint32_t limits[] = { 68, 69, 576, 1450, 1492, 1499, 1500 };

    (void)state;
    for (size_t k = 0; k < sizeof(limits) / sizeof(limits[0]); k++) {
        for (uint32_t round = 0; round < 5; round++) {
            for (uint32_t i = 0; i < XF_PROBE_SIZES_MAX; i++) {
                const struct network network = { .limit = limits[k],
                                                 .unlucky_round = round,
                                                 .unlucky = i };
                struct xf_probe_search search;

                xf_probe_search_init(&search, 1500, 1500);
                (void)run_search(&search, &network);
                assert_int_equal(search.passed, limits[k]);
            }
        }
    }
}

static void a_round_lost_by_chance_changes_nothing(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 5; round++) {
        const struct network network = { .limit = 1450,
                                         .mute = 1u << round,
                                         .unlucky_round = 0xff };
        struct xf_probe_search search;

        xf_probe_search_init(&search, 1500, 1500);
        (void)run_search(&search, &network);
        assert_int_equal(search.passed, 1450);
    }
}

static void a_size_is_not_lost_if_a_larger_one_passed(void **state)
{
    static const uint16_t size[] = { 68, 200, 300, 400 };
    static const bool heard[] = { true, false, true, false };
    struct xf_probe_search search;

    (void)state;
    xf_probe_search_init(&search, 1500, 1500);
    xf_probe_search_learn(&search, size, heard, 4);
    assert_int_equal(search.passed, 300);
    assert_int_equal(search.lost, 400);
}

static void a_round_without_its_smallest_proves_no_loss(void **state)
{
    static const uint16_t size[] = { 68, 200, 300, 400 };
    static const bool none[] = { false, false, false, false };
    static const bool some[] = { false, true, false, false };
    static const bool heard[] = { true, true, false, false };
    struct xf_probe_search search;

    (void)state;
    xf_probe_search_init(&search, 1500, 1500);
    xf_probe_search_learn(&search, size, none, 4);
    assert_true(search.late);
    assert_int_equal(search.lost, 1501);
    assert_int_equal(search.n_lost, 0);
    xf_probe_search_learn(&search, size, some, 4);
    assert_true(search.late);
    assert_int_equal(search.passed, 200);
    assert_int_equal(search.lost, 1501);
    assert_int_equal(search.n_lost, 0);
    xf_probe_search_learn(&search, size, heard, 4);
    assert_false(search.late);
    assert_int_equal(search.lost, 300);
    assert_int_equal(search.n_lost, 1);
}

static void what_passed_once_stays_passed(void **state)
{
    static const uint16_t size[] = { 300, 68 };
    static const uint16_t twice[] = { 68, 300, 300 };
    static const bool both[] = { true, true };
    static const bool one[] = { true, true, false };
    struct xf_probe_search search;

    (void)state;
    xf_probe_search_init(&search, 1500, 1500);
    xf_probe_search_learn(&search, size, both, 2);
    assert_int_equal(search.passed, 300);
    xf_probe_search_init(&search, 1500, 1500);
    xf_probe_search_learn(&search, twice, one, 3);
    assert_int_equal(search.passed, 300);
    assert_int_equal(search.lost, 1501);
}

static void a_limit_is_lost_twice_by_its_own_losses(void **state)
{
    static const uint16_t above[] = { 68, 1450, 1500 };
    static const uint16_t itself[] = { 68, 1450, 1451 };
    static const bool heard[] = { true, true, false };
    struct xf_probe_search search = { .full = 1500, .passed = 1450, .lost = 1451, .n_lost = 1 };

    (void)state;
    xf_probe_search_learn(&search, above, heard, 3);
    assert_int_equal(search.lost, 1451);
    assert_int_equal(search.n_lost, 1);
    for (int i = 0; i < 3; i++) {
        xf_probe_search_learn(&search, itself, heard, 3);
        assert_int_equal(search.lost, 1451);
        assert_int_equal(search.n_lost, 2);
    }
}

static void a_limit_that_passes_after_all_opens_what_is_above(void **state)
{
    static const uint16_t one[] = { 68, 1500 };
    static const bool lost[] = { true, false };
    static const uint16_t two[] = { 68, 1500 };
    static const bool passed[] = { true, true };
    struct xf_probe_search search;

    (void)state;
    xf_probe_search_init(&search, 1500, 1500);
    xf_probe_search_learn(&search, one, lost, 2);
    assert_int_equal(search.lost, 1500);
    xf_probe_search_learn(&search, two, passed, 2);
    assert_int_equal(search.passed, 1500);
    assert_int_equal(search.lost, 1501);
    assert_int_equal(search.n_lost, 0);
}

static void a_size_beyond_the_full_one_teaches_nothing(void **state)
{
    static const uint16_t size[] = { 68, 1501 };
    static const bool yes[] = { true, true };
    static const bool no[] = { true, false };
    struct xf_probe_search search;

    (void)state;
    xf_probe_search_init(&search, 1500, 1500);
    xf_probe_search_learn(&search, size, yes, 2);
    assert_int_equal(search.passed, 68);
    xf_probe_search_learn(&search, size, no, 2);
    assert_int_equal(search.lost, 1501);
    assert_int_equal(search.n_lost, 0);
}

static void a_round_tries_the_limit_again(void **state)
{
    uint16_t size[XF_PROBE_SIZES_MAX + 1];
    struct xf_probe_search search = { .full = 1500, .passed = 68, .lost = 1500, .round = 1 };

    (void)state;
    assert_int_equal(xf_probe_search_next(&search, size), XF_PROBE_SIZES_MAX);
    assert_int_equal(size[XF_PROBE_SIZES_MAX - 1], 1500);
    search.lost = 72;
    assert_int_equal(xf_probe_search_next(&search, size), 5);
    assert_int_equal(size[0], 68);
    assert_int_equal(size[1], 69);
    assert_int_equal(size[4], 72);
    for (uint32_t between = 1; between < 3 * XF_PROBE_SIZES_MAX; between++) {
        search.lost = 69 + between;
        assert_in_range(xf_probe_search_next(&search, size), 2, XF_PROBE_SIZES_MAX);
        assert_int_equal(size[0], 68);
        assert_in_range(size[1], 69, 68 + between);
    }
}

static void the_last_round_proves_nothing_if_what_passed_is_lost(void **state)
{
    static const bool deaf[4] = { true, false, false, false };
    static const bool heard[4] = { true, true, false, false };
    uint16_t size[XF_PROBE_SIZES_MAX];
    struct xf_probe_search search = {
        .full = 1500, .passed = 1450, .lost = 1451, .n_lost = 1, .round = 4
    };

    (void)state;
    assert_int_equal(xf_probe_search_next(&search, size), 4);
    assert_int_equal(size[0], 68);
    assert_int_equal(size[1], 1450);
    assert_int_equal(size[2], 1451);
    assert_int_equal(size[3], 1500);
    xf_probe_search_learn(&search, size, deaf, 4);
    assert_int_equal(search.n_lost, 1);
    assert_int_equal(xf_probe_search_next(&search, size), 4);
    xf_probe_search_learn(&search, size, heard, 4);
    assert_int_equal(search.n_lost, 2);
    assert_int_equal(xf_probe_search_next(&search, size), 0);
}

static void a_larger_one_that_passes_counts_also_in_the_last_round(void **state)
{
    static const uint16_t size[4] = { 68, 1450, 1451, 1500 };
    static const bool heard[4] = { true, false, true, false };
    struct xf_probe_search search = {
        .full = 1500, .passed = 1450, .lost = 1451, .n_lost = 1, .round = 4
    };

    (void)state;
    xf_probe_search_learn(&search, size, heard, 4);
    assert_int_equal(search.passed, 1451);
    assert_int_equal(search.lost, 1500);
    assert_int_equal(search.n_lost, 1);
}

static void the_rounds_have_a_bound(void **state)
{
    uint16_t size[XF_PROBE_SIZES_MAX];
    struct xf_probe_search search;

    (void)state;
    xf_probe_search_init(&search, 1500, 1500);
    search.passed = 68;
    search.round = XF_PROBE_ROUNDS_MAX - 1;
    assert_int_not_equal(xf_probe_search_next(&search, size), 0);
    search.round = XF_PROBE_ROUNDS_MAX;
    assert_int_equal(xf_probe_search_next(&search, size), 0);
}

/* ---- the verdict ---- */

static struct xf_findings found;

static struct xf_probe_result good(void)
{
    const struct xf_bridge_facts facts = {
        .name = "br0",
        .there = true,
        .carrier = true,
        .mtu = 1500,
        .port = XF_PORT_FORWARDING,
        .ipv4 = 0x0a010203,
        .prefix = 24,
    };
    struct xf_probe_result result = {
        .source = facts,
        .target = facts,
        .source_heard = true,
        .target_heard = true,
        .search = { .full = 1500, .passed = 1500, .lost = 1501, .round = 1 },
    };

    result.target.ipv4 = 0x0a010204;
    return result;
}

static void judge(const struct xf_probe_result *result)
{
    memset(&found, 0, sizeof(found));
    xf_probe_judge(result, &found);
}

static void assert_only(enum xf_finding_id id, const char *detail)
{
    assert_int_equal(found.n, 1);
    assert_int_equal(found.of[0].id, id);
    assert_string_equal(found.of[0].subject, "bridge br0");
    assert_string_equal(found.of[0].detail, detail);
}

static void deaf(struct xf_probe_result *result)
{
    result->source_heard = false;
    result->target_heard = false;
    result->search.passed = 0;
}

static void bridges_on_one_segment_are_fine(void **state)
{
    struct xf_probe_result result = good();

    (void)state;
    judge(&result);
    assert_int_equal(found.n, 0);
    /* The target's guests may have a larger one. */
    result.target.mtu = 9000;
    judge(&result);
    assert_int_equal(found.n, 0);
}

static void a_missing_bridge_is_all_there_is_to_say(void **state)
{
    struct xf_probe_result result = good();

    (void)state;
    deaf(&result);
    result.target = (struct xf_bridge_facts){ .name = "br0" };
    result.search = (struct xf_probe_search){ .full = 0 };
    judge(&result);
    assert_only(XF_FIND_NO_BRIDGE, "");
}

static void a_bridge_missing_at_the_source_is_unproven(void **state)
{
    struct xf_probe_result result = good();

    (void)state;
    deaf(&result);
    result.source.there = false;
    judge(&result);
    assert_only(XF_FIND_NET_UNPROVEN, "the source has no such bridge");
}

static void an_error_is_no_proof(void **state)
{
    struct xf_probe_result result = good();

    (void)state;
    result.target.error = 1;
    judge(&result);
    assert_only(XF_FIND_NET_UNPROVEN, "the target: error 1");
    result.target.there = false;
    judge(&result);
    assert_only(XF_FIND_NET_UNPROVEN, "the target: error 1");
    result = good();
    result.source.error = 105;
    judge(&result);
    assert_only(XF_FIND_NET_UNPROVEN, "the source: error 105");
}

static void a_filtering_bridge_in_no_vlan_cannot_be_probed(void **state)
{
    struct xf_probe_result result = good();

    (void)state;
    deaf(&result);
    result.source.vlan_filtering = true;
    result.target.vlan_filtering = true;
    result.source.pvid = 1;
    result.target.pvid = 0;
    judge(&result);
    assert_int_equal(found.n, 2);
    assert_int_equal(found.of[0].id, XF_FIND_NET_UNPROVEN);
    assert_string_equal(found.of[0].detail,
                        "the target: the bridge filters VLANs and is in none itself");
    assert_int_equal(found.of[1].id, XF_FIND_VLAN);
}

static void without_carrier_no_frame_passes(void **state)
{
    struct xf_probe_result result = good();

    (void)state;
    deaf(&result);
    result.target.carrier = false;
    result.target.port = XF_PORT_DISABLED;
    judge(&result);
    assert_only(XF_FIND_NO_CARRIER, "on the target");
    result.source.carrier = false;
    judge(&result);
    assert_only(XF_FIND_NO_CARRIER, "on both hosts");
    result.target.carrier = true;
    judge(&result);
    assert_only(XF_FIND_NO_CARRIER, "on the source");
}

static void a_port_that_does_not_forward_explains_a_loss(void **state)
{
    struct xf_probe_result result = good();

    (void)state;
    deaf(&result);
    result.target.port = XF_PORT_LISTENING;
    judge(&result);
    assert_only(XF_FIND_NOT_FORWARDING, "listening on the target");
    result.source.port = XF_PORT_BLOCKING;
    judge(&result);
    assert_only(XF_FIND_NOT_FORWARDING, "blocking on the source, listening on the target");
    result.target.port = XF_PORT_FORWARDING;
    result.source.port = XF_PORT_LEARNING;
    judge(&result);
    assert_only(XF_FIND_NOT_FORWARDING, "learning on the source");
    result.source.port = XF_PORT_DISABLED;
    judge(&result);
    assert_only(XF_FIND_NOT_FORWARDING, "disabled on the source");
    result.source.port = XF_PORT_NONE;
    judge(&result);
    assert_only(XF_FIND_NOT_FORWARDING, "missing on the source");
    result.source.port = XF_N_PORTS;
    judge(&result);
    assert_only(XF_FIND_NOT_FORWARDING, "unknown on the source");
    result.source.port = 77;
    judge(&result);
    assert_only(XF_FIND_NOT_FORWARDING, "unknown on the source");
}

static void frames_that_pass_outweigh_what_hosts_say_of_their_ports(void **state)
{
    struct xf_probe_result result = good();

    (void)state;
    result.source.port = XF_PORT_LEARNING;
    result.target.carrier = false;
    judge(&result);
    assert_int_equal(found.n, 0);
}

static void where_nothing_passes_it_is_another_segment(void **state)
{
    struct xf_probe_result result = good();

    (void)state;
    deaf(&result);
    judge(&result);
    assert_only(XF_FIND_NOT_SEGMENT, "");
}

static void one_way_says_which(void **state)
{
    struct xf_probe_result result = good();

    (void)state;
    deaf(&result);
    result.target_heard = true;
    judge(&result);
    assert_only(XF_FIND_ONE_WAY,
                "from the source to the target, not from the target to the source");
    result.target_heard = false;
    result.source_heard = true;
    judge(&result);
    assert_only(XF_FIND_ONE_WAY,
                "from the target to the source, not from the source to the target");
}

static void a_limit_on_the_way_is_told(void **state)
{
    struct xf_probe_result result = good();

    (void)state;
    result.search.passed = 1450;
    result.search.lost = 1451;
    result.search.n_lost = 2;
    judge(&result);
    assert_only(XF_FIND_MTU, "frames up to 1450 bytes pass, 1500 are lost");
    result.search.passed = 1499;
    judge(&result);
    assert_only(XF_FIND_MTU, "frames up to 1499 bytes pass, 1500 are lost");
}

static void a_limit_that_was_not_lost_twice_is_none(void **state)
{
    struct xf_probe_result result = good();

    (void)state;
    result.search.passed = 1450;
    result.search.lost = 1451;
    result.search.round = 15;
    for (uint8_t n = 0; n < 2; n++) {
        result.search.n_lost = n;
        judge(&result);
        assert_only(XF_FIND_NET_UNPROVEN, "of 15 rounds too few showed which frames get lost: a "
                                          "host is too slow");
    }
}

static void no_size_in_both_directions_is_no_proof(void **state)
{
    struct xf_probe_result result = good();

    (void)state;
    result.search.passed = 0;
    judge(&result);
    assert_only(XF_FIND_MTU, "no size passed in both directions");
    result.search = (struct xf_probe_search){ .full = 0 };
    judge(&result);
    assert_only(XF_FIND_MTU, "no size passed in both directions");
}

static void a_smaller_bridge_at_the_target_is_refused(void **state)
{
    struct xf_probe_result result = good();

    (void)state;
    result.source.mtu = 9000;
    judge(&result);
    assert_only(XF_FIND_MTU, "the bridge takes 9000 bytes on the source, 1500 on the target");
}

static void another_user_of_the_mac_is_named(void **state)
{
    struct xf_probe_result result = good();

    (void)state;
    result.mac_taken = true;
    memcpy(result.who, "00:16:3e:00:00:01 eth0", 23);
    judge(&result);
    assert_only(XF_FIND_MAC_TAKEN, "00:16:3e:00:00:01 eth0");
}

static void another_user_of_the_address_is_named(void **state)
{
    struct xf_probe_result result = good();

    (void)state;
    result.ip_taken = true;
    memcpy(result.who, "52:54:00:00:00:01", 18);
    judge(&result);
    assert_only(XF_FIND_IP_TAKEN, "52:54:00:00:00:01");
    result.mac_taken = true;
    judge(&result);
    assert_int_equal(found.n, 2);
    assert_int_equal(found.of[0].id, XF_FIND_IP_TAKEN);
    assert_string_equal(found.of[0].detail, "52:54:00:00:00:01");
    assert_int_equal(found.of[1].id, XF_FIND_MAC_TAKEN);
    assert_string_equal(found.of[1].detail, "");
}

static void who_else_is_told_also_when_nothing_passes(void **state)
{
    struct xf_probe_result result = good();

    (void)state;
    deaf(&result);
    result.ip_taken = true;
    judge(&result);
    assert_int_equal(found.n, 2);
    assert_int_equal(found.of[0].id, XF_FIND_NOT_SEGMENT);
    assert_int_equal(found.of[1].id, XF_FIND_IP_TAKEN);
}

static void other_networks_are_worth_knowing(void **state)
{
    struct xf_probe_result result = good();

    (void)state;
    result.target.ipv4 = 0x0a010304;
    judge(&result);
    assert_only(XF_FIND_SUBNET, "10.1.2.3/24 on the source, 10.1.3.4/24 on the target");
    result.source.prefix = 16;
    result.target.prefix = 16;
    judge(&result);
    assert_int_equal(found.n, 0);
    result.target.prefix = 17;
    judge(&result);
    assert_only(XF_FIND_SUBNET, "10.1.2.3/16 on the source, 10.1.3.4/17 on the target");
    result.target.ipv4 = 0;
    judge(&result);
    assert_int_equal(found.n, 0);
    result.target.ipv4 = 0x0b010304;
    result.source.ipv4 = 0;
    judge(&result);
    assert_int_equal(found.n, 0);
}

static void prefixes_at_both_ends_are_networks_too(void **state)
{
    struct xf_probe_result result = good();

    (void)state;
    result.source.prefix = 32;
    result.target.prefix = 32;
    judge(&result);
    assert_int_equal(found.n, 1);
    assert_int_equal(found.of[0].id, XF_FIND_SUBNET);
    result.source.prefix = 0;
    result.target.prefix = 0;
    judge(&result);
    assert_int_equal(found.n, 0);
    result.source.prefix = 200;
    result.target.prefix = 200;
    result.target.ipv4 = result.source.ipv4;
    judge(&result);
    assert_int_equal(found.n, 0);
}

static void vlan_settings_that_differ_are_told(void **state)
{
    struct xf_probe_result result = good();

    (void)state;
    result.target.pvid = 7;
    judge(&result);
    assert_int_equal(found.n, 0);
    result.target.vlan_filtering = true;
    judge(&result);
    assert_only(XF_FIND_VLAN, "only on the target");
    result.source.vlan_filtering = true;
    result.source.pvid = 1;
    judge(&result);
    assert_only(XF_FIND_VLAN, "VLAN 1 on the source, 7 on the target");
    result.target.pvid = 1;
    judge(&result);
    assert_int_equal(found.n, 0);
    result.target.vlan_filtering = false;
    judge(&result);
    assert_only(XF_FIND_VLAN, "only on the source");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_is_these_bytes),
        cmocka_unit_test(a_frame_reads_back),
        cmocka_unit_test(a_frame_that_does_not_fit_or_means_nothing_is_not_written),
        cmocka_unit_test(a_frame_that_was_cut_off_does_not_count_and_a_padded_one_does),
        cmocka_unit_test(anything_else_is_no_frame),
        cmocka_unit_test(arp_probe_asks_for_no_address_of_its_own),
        cmocka_unit_test(arp_names_its_sender),
        cmocka_unit_test(when_the_full_size_passes_one_round_is_all),
        cmocka_unit_test(the_smaller_bridge_is_the_full_size),
        cmocka_unit_test(every_limit_is_found_to_the_byte),
        cmocka_unit_test(where_nothing_passes_it_is_tried_twice),
        cmocka_unit_test(a_bridge_without_mtu_is_not_searched),
        cmocka_unit_test(a_size_lost_by_chance_changes_nothing),
        cmocka_unit_test(a_round_lost_by_chance_changes_nothing),
        cmocka_unit_test(a_size_is_not_lost_if_a_larger_one_passed),
        cmocka_unit_test(a_round_without_its_smallest_proves_no_loss),
        cmocka_unit_test(what_passed_once_stays_passed),
        cmocka_unit_test(a_limit_is_lost_twice_by_its_own_losses),
        cmocka_unit_test(a_limit_that_passes_after_all_opens_what_is_above),
        cmocka_unit_test(a_size_beyond_the_full_one_teaches_nothing),
        cmocka_unit_test(a_round_tries_the_limit_again),
        cmocka_unit_test(the_last_round_proves_nothing_if_what_passed_is_lost),
        cmocka_unit_test(a_larger_one_that_passes_counts_also_in_the_last_round),
        cmocka_unit_test(the_rounds_have_a_bound),
        cmocka_unit_test(bridges_on_one_segment_are_fine),
        cmocka_unit_test(a_missing_bridge_is_all_there_is_to_say),
        cmocka_unit_test(a_bridge_missing_at_the_source_is_unproven),
        cmocka_unit_test(an_error_is_no_proof),
        cmocka_unit_test(a_filtering_bridge_in_no_vlan_cannot_be_probed),
        cmocka_unit_test(without_carrier_no_frame_passes),
        cmocka_unit_test(a_port_that_does_not_forward_explains_a_loss),
        cmocka_unit_test(frames_that_pass_outweigh_what_hosts_say_of_their_ports),
        cmocka_unit_test(where_nothing_passes_it_is_another_segment),
        cmocka_unit_test(one_way_says_which),
        cmocka_unit_test(a_limit_on_the_way_is_told),
        cmocka_unit_test(a_limit_that_was_not_lost_twice_is_none),
        cmocka_unit_test(no_size_in_both_directions_is_no_proof),
        cmocka_unit_test(a_smaller_bridge_at_the_target_is_refused),
        cmocka_unit_test(another_user_of_the_mac_is_named),
        cmocka_unit_test(another_user_of_the_address_is_named),
        cmocka_unit_test(who_else_is_told_also_when_nothing_passes),
        cmocka_unit_test(other_networks_are_worth_knowing),
        cmocka_unit_test(prefixes_at_both_ends_are_networks_too),
        cmocka_unit_test(vlan_settings_that_differ_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
