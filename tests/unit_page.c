/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "page.h"

#include <errno.h>
#include <string.h>

#include "unit.h"

#define PAGES 5000u

static uint8_t buf[XF_DATA_HEAD_SIZE + XF_DATA_SIZE_MAX];
static struct xf_page_entry got[XF_PAGE_CHUNK_MAX];
static uint32_t n_got;
static const uint8_t *content;
static uint16_t version = XF_DATA_MAX;

static const struct xf_page_entry mixed[] = {
    { .pfn = 0, .type = 0, .kind = XF_PAGE_ZERO },
    { .pfn = PAGES - 1, .type = 0, .kind = XF_PAGE_RAW },
    { .pfn = 17, .type = 0xf, .kind = XF_PAGE_NONE },
    { .pfn = 18, .type = 9, .kind = XF_PAGE_RAW },
    { .pfn = 19, .type = 0, .kind = XF_PAGE_SAME },
};
#define N_MIXED      5u
#define BODY(n, raw) (8u + 8u * (n) + (raw)*XF_PAGE_SIZE)

static uint8_t *body(void)
{
    return buf + XF_DATA_HEAD_SIZE;
}

static void put_chunk(const struct xf_page_entry *entry, uint32_t n)
{
    struct xf_put p = { .buf = buf, .size = sizeof(buf) };

    xf_page_put_chunk(&p, entry, n);
    assert_false(p.failed);
    assert_int_equal(p.len, XF_PAGE_HEAD_SIZE(n));
}

static int get_chunk(size_t size)
{
    return xf_page_get_chunk(body(), size, version, PAGES, got, &n_got, &content);
}

static void a_chunk_comes_back_as_it_went(void **state)
{
    struct xf_data_frame frame;

    (void)state;
    put_chunk(mixed, N_MIXED);
    assert_int_equal(xf_data_get_frame(buf, &frame), 0);
    assert_int_equal(frame.kind, XF_DATA_PAGES);
    assert_int_equal(frame.size, BODY(N_MIXED, 2));
    assert_int_equal(get_chunk(frame.size), 0);
    assert_int_equal(n_got, N_MIXED);
    assert_ptr_equal(content, body() + 8 + 8 * N_MIXED);
    for (uint32_t i = 0; i < N_MIXED; i++) {
        assert_int_equal(got[i].pfn, mixed[i].pfn);
        assert_int_equal(got[i].type, mixed[i].type);
        assert_int_equal(got[i].kind, mixed[i].kind);
        assert_int_equal(xf_page_stream_entry(&got[i]),
                         mixed[i].pfn | (uint64_t)mixed[i].type << 60);
    }
}

static void a_full_chunk_fits_a_frame(void **state)
{
    struct xf_page_entry full[XF_PAGE_CHUNK_MAX];
    struct xf_data_frame frame;

    (void)state;
    for (uint32_t i = 0; i < XF_PAGE_CHUNK_MAX; i++) {
        full[i] = (struct xf_page_entry){ .pfn = i, .kind = XF_PAGE_RAW };
    }
    put_chunk(full, XF_PAGE_CHUNK_MAX);
    assert_int_equal(xf_data_get_frame(buf, &frame), 0);
    assert_true(frame.size <= XF_DATA_SIZE_MAX);
    assert_int_equal(get_chunk(frame.size), 0);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    put_chunk(mixed, N_MIXED);
    for (size_t size = 0; size < BODY(N_MIXED, 2); size++) {
        assert_int_equal(get_chunk(size), -EBADMSG);
    }
    assert_int_equal(get_chunk(BODY(N_MIXED, 2) + 1), -EBADMSG);
}

static void refused_entry(struct xf_page_entry entry, size_t size)
{
    put_chunk(&entry, 1);
    assert_int_equal(get_chunk(size), -EBADMSG);
}

static void a_page_beyond_the_guest_is_refused(void **state)
{
    (void)state;
    refused_entry((struct xf_page_entry){ .pfn = PAGES, .kind = XF_PAGE_ZERO }, BODY(1, 0));
    refused_entry((struct xf_page_entry){ .pfn = XF_STREAM_PFN_MASK, .kind = XF_PAGE_ZERO },
                  BODY(1, 0));
}

static void kinds_of_later_versions_are_refused(void **state)
{
    (void)state;
    for (unsigned kind = XF_PAGE_DELTA; kind <= 0xff; kind++) {
        version = kind == XF_PAGE_LZ4 ? XF_DATA_LZ4 - 1 : XF_DATA_MAX;
        refused_entry((struct xf_page_entry){ .pfn = 1, .kind = (uint8_t)kind }, BODY(1, 0));
        assert_int_equal(get_chunk(BODY(1, 1)), -EBADMSG);
    }
    version = XF_DATA_MAX;
}

/* A chunk of a compressed page of that size, and a raw one behind it; the size of its body. */
static size_t put_packed(uint16_t size)
{
    struct xf_page_entry entry[] = { { .pfn = 1, .kind = XF_PAGE_LZ4, .size = size },
                                     { .pfn = 2, .kind = XF_PAGE_RAW } };
    struct xf_put p = { .buf = body() + BODY(2, 0), .size = 2 };

    put_chunk(entry, 2);
    xf_put_u16(&p, size);
    return BODY(2, 1) + 2 + size;
}

static void a_compressed_page_brings_its_size(void **state)
{
    const uint16_t sizes[] = { 1, 77, XF_PAGE_LZ4_MAX };
    struct xf_data_frame frame;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        size_t size = put_packed(sizes[i]);

        assert_int_equal(xf_data_get_frame(buf, &frame), 0);
        assert_int_equal(frame.size, size);
        assert_int_equal(get_chunk(size), 0);
        assert_int_equal(got[0].size, sizes[i]);
        assert_int_equal(xf_page_content_size(&got[0]), sizes[i] + 2);
        assert_ptr_equal(content, body() + BODY(2, 0));
        for (size_t less = 0; less < size; less++) {
            assert_int_equal(get_chunk(less), -EBADMSG);
        }
        assert_int_equal(get_chunk(size + 1), -EBADMSG);
    }
    assert_int_equal(get_chunk(put_packed(0)), -EBADMSG);
    assert_int_equal(get_chunk(put_packed(XF_PAGE_LZ4_MAX + 1)), -EBADMSG);
}

static void type_and_kind_must_agree_about_content(void **state)
{
    (void)state;
    refused_entry((struct xf_page_entry){ .pfn = 1, .type = 0, .kind = XF_PAGE_NONE }, BODY(1, 0));
    for (uint8_t type = 0xd; type <= 0xf; type++) {
        refused_entry((struct xf_page_entry){ .pfn = 1, .type = type, .kind = XF_PAGE_ZERO },
                      BODY(1, 0));
        refused_entry((struct xf_page_entry){ .pfn = 1, .type = type, .kind = XF_PAGE_RAW },
                      BODY(1, 1));
    }
}

static void impossible_counts_are_refused(void **state)
{
    (void)state;
    put_chunk(mixed, N_MIXED);
    memset(body(), 0, 4);
    assert_int_equal(get_chunk(8), -EBADMSG);
    body()[0] = XF_PAGE_CHUNK_MAX + 1;
    assert_int_equal(get_chunk(BODY(XF_PAGE_CHUNK_MAX + 1, 0)), -EBADMSG);
    memset(body(), 0xff, 4);
    assert_int_equal(get_chunk(XF_DATA_SIZE_MAX), -EBADMSG);
}

/* ---- runs of pages without content ---- */

static struct xf_page_run got_run[XF_HOLES_MAX];

static int get_holes(const struct xf_page_run *run, uint32_t n)
{
    struct xf_put p = { .buf = buf, .size = sizeof(buf) };

    xf_page_put_holes(&p, run, n);
    assert_false(p.failed);
    return xf_page_get_holes(body(), p.len - XF_DATA_HEAD_SIZE, PAGES, got_run, &n_got);
}

static int get_hole(uint64_t pfn, uint32_t count, uint8_t type)
{
    return get_holes(&(struct xf_page_run){ .pfn = pfn, .count = count, .type = type }, 1);
}

static void holes_come_back_as_they_went(void **state)
{
    static const struct xf_page_run run[] = {
        { .pfn = 0, .count = 1, .type = 0xd },
        { .pfn = PAGES - 1000, .count = 1000, .type = 0xf },
        { .pfn = 7, .count = XF_HOLES_MAX - 1001, .type = 0xe },
    };
    struct xf_data_frame frame;

    (void)state;
    assert_int_equal(get_holes(run, 3), 0);
    assert_int_equal(xf_data_get_frame(buf, &frame), 0);
    assert_int_equal(frame.kind, XF_DATA_HOLES);
    assert_int_equal(frame.size, 3 * XF_HOLES_RUN_SIZE);
    assert_int_equal(n_got, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(got_run[i].pfn, run[i].pfn);
        assert_int_equal(got_run[i].count, run[i].count);
        assert_int_equal(got_run[i].type, run[i].type);
    }
    for (size_t size = 0; size < frame.size; size++) {
        assert_int_equal(xf_page_get_holes(body(), size, PAGES, got_run, &n_got),
                         size > 0 && size % XF_HOLES_RUN_SIZE == 0 ? 0 : -EBADMSG);
    }
}

static void holes_beyond_the_guest_are_refused(void **state)
{
    (void)state;
    assert_int_equal(get_hole(PAGES - 1, 1, 0xf), 0);
    assert_int_equal(get_hole(PAGES - 1, 2, 0xf), -EBADMSG);
    assert_int_equal(get_hole(PAGES, 1, 0xf), -EBADMSG);
    assert_int_equal(get_hole(XF_STREAM_PFN_MASK, 1, 0xf), -EBADMSG);
    assert_int_equal(get_hole(XF_STREAM_PFN_MASK, XF_HOLES_MAX, 0xf), -EBADMSG);
    assert_int_equal(get_hole(1, UINT32_MAX, 0xf), -EBADMSG);
}

static void holes_have_a_count_and_a_type_without_content(void **state)
{
    (void)state;
    assert_int_equal(get_hole(1, 0, 0xf), -EBADMSG);
    assert_int_equal(get_hole(1, XF_HOLES_MAX, 0xf), 0);
    assert_int_equal(get_hole(1, XF_HOLES_MAX + 1, 0xf), -EBADMSG);
    for (uint8_t type = 0; type < 0xd; type++) {
        assert_int_equal(get_hole(1, 1, type), -EBADMSG);
    }
    /* Bits between number and type are zero. */
    assert_int_equal(get_hole(1, 1, 0xf), 0);
    body()[6] |= 0x10;
    assert_int_equal(xf_page_get_holes(body(), XF_HOLES_RUN_SIZE, PAGES, got_run, &n_got),
                     -EBADMSG);
}

static void a_frame_of_holes_is_one_record_at_most(void **state)
{
    static struct xf_page_run run[XF_HOLES_MAX + 1];

    (void)state;
    for (uint32_t i = 0; i <= XF_HOLES_MAX; i++) {
        run[i] = (struct xf_page_run){ .pfn = 2 * i, .count = 1, .type = 0xf };
    }
    assert_int_equal(get_holes(run, XF_HOLES_MAX), 0);
    assert_int_equal(n_got, XF_HOLES_MAX);
    assert_int_equal(get_holes(run, XF_HOLES_MAX + 1), -EBADMSG);
    /* Counts that would be small again if added up without care. */
    run[0].count = 2;
    run[1].count = UINT32_MAX;
    assert_int_equal(get_holes(run, 2), -EBADMSG);
    run[0].count = XF_HOLES_MAX;
    run[1].count = 1;
    assert_int_equal(get_holes(run, 2), -EBADMSG);
}

static void entries_become_runs_and_entries_again(void **state)
{
    static const uint64_t entry[] = {
        /* a run, a gap, another type, backwards, the same again */
        5 | 0xfull << 60, 6 | 0xfull << 60, 8 | 0xfull << 60, 9 | 0xeull << 60,
        8 | 0xeull << 60, 8 | 0xeull << 60, 9 | 0xeull << 60,
    };
    uint64_t back[XF_HOLES_MAX];

    (void)state;
    assert_int_equal(xf_page_runs(entry, 7, got_run), 5);
    assert_int_equal(got_run[0].count, 2);
    assert_int_equal(got_run[4].count, 2);
    assert_int_equal(xf_page_run_entries(got_run, 5, back), 7);
    assert_memory_equal(back, entry, sizeof(entry));
}

static void frames_of_unknown_kind_or_size_are_refused(void **state)
{
    struct xf_data_frame frame;

    (void)state;
    for (unsigned kind = 0; kind <= 0xff; kind++) {
        struct xf_put p = { .buf = buf, .size = sizeof(buf) };

        xf_data_put_frame(&p, (enum xf_data_kind)kind, XF_DATA_SIZE_MAX);
        assert_int_equal(xf_data_get_frame(buf, &frame),
                         kind >= XF_DATA_HELLO && kind <= XF_DATA_PREPARED ? 0 : -EBADMSG);
    }
    for (unsigned at = 1; at < 4; at++) {
        struct xf_put p = { .buf = buf, .size = sizeof(buf) };

        xf_data_put_frame(&p, XF_DATA_ALIVE, 0);
        buf[at] = 1;
        assert_int_equal(xf_data_get_frame(buf, &frame), -EBADMSG);
    }
    {
        struct xf_put p = { .buf = buf, .size = sizeof(buf) };

        xf_data_put_frame(&p, XF_DATA_STREAM, XF_DATA_SIZE_MAX + 1);
        assert_int_equal(xf_data_get_frame(buf, &frame), -EBADMSG);
    }
}

static void greetings_name_versions_and_bounds(void **state)
{
    struct xf_data_hello hello = { .version_min = 1, .version_max = 3, .pages = 77 };
    struct xf_data_hello back;
    struct xf_put p = { .buf = buf, .size = sizeof(buf) };
    uint16_t chosen;

    (void)state;
    xf_data_put_hello(&p, &hello);
    assert_int_equal(xf_data_get_hello(buf, p.len, &back), 0);
    assert_int_equal(back.version_min, 1);
    assert_int_equal(back.version_max, 3);
    assert_int_equal(back.pages, 77);
    /* What a later version says more is passed over. */
    assert_int_equal(xf_data_get_hello(buf, p.len + 9, &back), 0);
    for (size_t size = 0; size < p.len; size++) {
        assert_int_equal(xf_data_get_hello(buf, size, &back), -EBADMSG);
    }
    buf[0] ^= 1;
    assert_int_equal(xf_data_get_hello(buf, p.len, &back), -EBADMSG);
    hello.pages = XF_PAGES_MAX + 1;
    p.len = 0;
    xf_data_put_hello(&p, &hello);
    assert_int_equal(xf_data_get_hello(buf, p.len, &back), -EBADMSG);
    assert_true(xf_data_version(1, 9, &chosen));
    assert_int_equal(chosen, XF_DATA_MAX);
    assert_true(xf_data_version(1, 1, &chosen));
    assert_int_equal(chosen, 1);
    assert_false(xf_data_version(XF_DATA_MAX + 1, XF_DATA_MAX + 2, &chosen));
}

static void the_end_brings_digest_totals_and_tail(void **state)
{
    struct xf_data_end end = { .bytes_stream = 5, .pages = 6 };
    struct xf_data_end back;
    struct xf_put p = { .buf = buf, .size = sizeof(buf) };

    (void)state;
    memset(end.digest, 0xab, sizeof(end.digest));
    xf_data_put_end(&p, &end);
    assert_int_equal(p.len, XF_DATA_END_SIZE);
    xf_put_bytes(&p, "tail", 4);
    assert_int_equal(xf_data_get_end(buf, p.len, &back), 0);
    assert_memory_equal(back.digest, end.digest, XF_DIGEST_SIZE);
    assert_int_equal(back.bytes_stream, 5);
    assert_int_equal(back.pages, 6);
    assert_int_equal(back.tail_size, 4);
    assert_memory_equal(back.tail, "tail", 4);
    for (size_t size = 0; size < XF_DATA_END_SIZE; size++) {
        assert_int_equal(xf_data_get_end(buf, size, &back), -EBADMSG);
    }
}

static void a_failure_is_told_in_printable_words(void **state)
{
    struct xf_data_failed back;
    struct xf_put p = { .buf = buf, .size = sizeof(buf) };
    char text[XF_DATA_TEXT_MAX + 50];

    (void)state;
    xf_data_put_failed(&p, 27, "it\nhappened");
    assert_int_equal(xf_data_get_failed(buf, p.len, &back), 0);
    assert_int_equal(back.reason, 27);
    assert_string_equal(back.text, "it?happened");
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    p.len = 0;
    xf_data_put_failed(&p, 1, text);
    assert_int_equal(xf_data_get_failed(buf, p.len, &back), 0);
    assert_int_equal(strlen(back.text), XF_DATA_TEXT_MAX);
    assert_int_equal(xf_data_get_failed(buf, p.len + 1, &back), -EBADMSG);
    assert_int_equal(xf_data_get_failed(buf, 1, &back), -EBADMSG);
}

static void one_byte_anywhere_makes_a_page_not_zero(void **state)
{
    static uint8_t page[XF_PAGE_SIZE];

    (void)state;
    assert_true(xf_page_is_zero(page));
    for (size_t i = 0; i < XF_PAGE_SIZE; i++) {
        page[i] = (uint8_t)(1u << (i % 8));
        assert_false(xf_page_is_zero(page));
        page[i] = 0;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chunk_comes_back_as_it_went),
        cmocka_unit_test(a_full_chunk_fits_a_frame),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(a_page_beyond_the_guest_is_refused),
        cmocka_unit_test(kinds_of_later_versions_are_refused),
        cmocka_unit_test(a_compressed_page_brings_its_size),
        cmocka_unit_test(type_and_kind_must_agree_about_content),
        cmocka_unit_test(impossible_counts_are_refused),
        cmocka_unit_test(holes_come_back_as_they_went),
        cmocka_unit_test(holes_beyond_the_guest_are_refused),
        cmocka_unit_test(holes_have_a_count_and_a_type_without_content),
        cmocka_unit_test(a_frame_of_holes_is_one_record_at_most),
        cmocka_unit_test(entries_become_runs_and_entries_again),
        cmocka_unit_test(frames_of_unknown_kind_or_size_are_refused),
        cmocka_unit_test(greetings_name_versions_and_bounds),
        cmocka_unit_test(the_end_brings_digest_totals_and_tail),
        cmocka_unit_test(a_failure_is_told_in_printable_words),
        cmocka_unit_test(one_byte_anywhere_makes_a_page_not_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
