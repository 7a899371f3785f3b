/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "stream.h"

#include <errno.h>
#include <string.h>

#include "unit.h"

#define STREAM_MAX 65536u

static struct xf_stream s;
static uint8_t stream[STREAM_MAX], again[STREAM_MAX];
static const uint8_t zeros[8];

/* A type of page without content between two with, an odd body, an unknown optional record. */
static const uint64_t entries[] = { 7, 8 | 0xfull << 60, 0x123456789, 9 | 0x1ull << 60 };

static size_t make_stream(void)
{
    struct xf_put p = { .buf = stream, .size = sizeof(stream) };
    uint8_t page[XF_PAGE_SIZE];

    xf_stream_put_image(&p);
    xf_stream_put_domain(&p, XF_STREAM_X86_HVM, 4, 17);
    xf_stream_put_record(&p, XF_STREAM_STATIC_DATA_END, 0);
    xf_stream_put_pages(&p, entries, 4);
    for (uint8_t i = 1; i <= 3; i++) {
        memset(page, i, sizeof(page));
        xf_put_bytes(&p, page, sizeof(page));
    }
    xf_stream_put_record(&p, XF_STREAM_HVM_CONTEXT, 13);
    xf_put_bytes(&p, "thirteen byte", 13);
    xf_put_bytes(&p, zeros, 3);
    xf_stream_put_record(&p, XF_STREAM_OPTIONAL | 0x77, 8);
    xf_put_bytes(&p, "optional", 8);
    xf_stream_put_record(&p, XF_STREAM_END, 0);
    assert_false(p.failed);
    return p.len;
}

/* The same inside a libxl stream, with an odd record behind it. */
static size_t make_wrapped(void)
{
    size_t inner = make_stream(), head = XF_STREAM_OUTER_SIZE + XF_STREAM_RECORD_SIZE;
    struct xf_put before = { .buf = stream, .size = head };
    struct xf_put p = { .buf = stream + head + inner, .size = sizeof(stream) - head - inner };

    memmove(stream + head, stream, inner);
    xf_stream_put_outer(&before);
    xf_stream_put_record(&before, XF_STREAM_OUTER_LIBXC_CONTEXT, 0);
    xf_stream_put_record(&p, XF_STREAM_OUTER_EMULATOR_XENSTORE_DATA, 9);
    xf_put_bytes(&p, "nine byte", 9);
    xf_put_bytes(&p, zeros, 7);
    xf_stream_put_record(&p, XF_STREAM_OUTER_END, 0);
    assert_false(p.failed || before.failed);
    return head + inner + p.len;
}

static void write_item(struct xf_put *p, int item)
{
    if (item == XF_STREAM_OUTER) {
        xf_stream_put_outer(p);
    } else if (item == XF_STREAM_IMAGE) {
        xf_stream_put_image(p);
    } else if (item == XF_STREAM_DOMAIN) {
        xf_stream_put_domain(p, s.domain, s.xen_major, s.xen_minor);
    } else if (item == XF_STREAM_RECORD || item == XF_STREAM_OUTER_RECORD) {
        xf_stream_put_record(p, s.type, s.length);
    } else if (item == XF_STREAM_PAGES) {
        xf_stream_put_pages(p, s.entry, s.count);
    } else if (item == XF_STREAM_PIECE) {
        xf_put_bytes(p, s.piece, s.piece_size);
    } else if (item == XF_STREAM_CLOSE) {
        xf_put_bytes(p, zeros, xf_stream_padding(s.length));
    }
}

/* Feeds size bytes in steps; what the items say, written again, is in again. Last item. */
static int read_in_steps(size_t size, size_t step, size_t *ret_len)
{
    struct xf_put p = { .buf = again, .size = sizeof(again) };
    int item = XF_STREAM_MORE;
    size_t at = 0;

    xf_stream_init(&s);
    do {
        size_t n = step < size - at ? step : size - at;
        size_t used;

        item = xf_stream_feed(&s, stream + at, n, &used);
        at += used;
        write_item(&p, item);
    } while (item > XF_STREAM_MORE || (item == XF_STREAM_MORE && at < size));
    *ret_len = p.len;
    return item;
}

/* Where a 4 or 8 byte field lies, with which a reader must not agree. */
static void assert_refused_with(size_t at, uint64_t value, unsigned bytes)
{
    size_t size = make_stream(), len;
    struct xf_put p = { .buf = stream + at, .size = bytes };

    xf_put_le(&p, value, bytes);
    assert_int_equal(read_in_steps(size, size, &len), -EBADMSG);
    assert_int_equal(xf_stream_want(&s), 0);
    assert_false(xf_stream_ended(&s));
}

#define AT_DOMAIN  XF_STREAM_IMAGE_SIZE
#define AT_STATIC  (AT_DOMAIN + XF_STREAM_DOMAIN_SIZE)
#define AT_PAGES   (AT_STATIC + XF_STREAM_RECORD_SIZE)
#define AT_COUNT   (AT_PAGES + XF_STREAM_RECORD_SIZE)
#define AT_ENTRIES (AT_COUNT + XF_STREAM_PAGES_SIZE)
#define AT_CONTENT (AT_ENTRIES + sizeof(entries))
#define AT_CONTEXT (AT_CONTENT + 3 * XF_PAGE_SIZE)

static void headers_are_those_of_the_specification(void **state)
{
    static const uint8_t image[XF_STREAM_IMAGE_SIZE] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x58, 0x45, 0x4e, 0x46, 0, 0, 0, 3,
    };
    static const uint8_t domain[XF_STREAM_DOMAIN_SIZE] = {
        2, 0, 0, 0, 12, 0, 0, 0, 4, 0, 0, 0, 17
    };

    (void)state;
    make_stream();
    assert_memory_equal(stream, image, sizeof(image));
    assert_memory_equal(stream + AT_DOMAIN, domain, sizeof(domain));
    assert_int_equal(stream[AT_STATIC], 0x10);
}

static void assert_reads_the_same_in_steps(size_t (*make)(void))
{
    for (size_t step = 1; step < 9000; step += step < 60 ? 1 : 997) {
        size_t size = make(), len;

        assert_int_equal(read_in_steps(size, step, &len), XF_STREAM_MORE);
        assert_true(xf_stream_ended(&s));
        assert_int_equal(len, size);
        assert_memory_equal(again, stream, size);
    }
}

static void however_it_is_cut_a_stream_reads_the_same(void **state)
{
    (void)state;
    assert_reads_the_same_in_steps(make_stream);
}

static void a_stream_inside_a_libxl_stream_reads_the_same(void **state)
{
    (void)state;
    assert_reads_the_same_in_steps(make_wrapped);
}

/* Gives the reader just what it asks for; what it made of it. */
static int feed_wanted(size_t size, size_t *at)
{
    size_t want = xf_stream_want(&s), used;
    int item;

    assert_true(want <= size - *at);
    item = xf_stream_feed(&s, stream + *at, want, &used);
    assert_int_equal(used, want);
    assert_true(item >= 0);
    *at += used;
    return item;
}

static void only_the_outer_end_is_the_last_record(void **state)
{
    size_t size = make_wrapped(), at = 0, n_last = 0, n_ends = 0;

    (void)state;
    xf_stream_init(&s);
    while (!xf_stream_ended(&s)) {
        int item = feed_wanted(size, &at);

        if (item == XF_STREAM_RECORD || item == XF_STREAM_OUTER_RECORD) {
            n_ends += s.type == XF_STREAM_END;
            n_last += xf_stream_is_last(&s);
            assert_true(n_last == 0 || at == size);
        }
    }
    assert_int_equal(at, size);
    assert_int_equal(n_ends, 2);
    assert_int_equal(n_last, 1);
}

static void outer_records_come_in_their_order(void **state)
{
    const size_t at_context = XF_STREAM_OUTER_SIZE;
    size_t size, len;

    (void)state;
    size = make_wrapped();
    stream[0] ^= 1; /* then it is no libxc stream either */
    assert_int_equal(read_in_steps(size, size, &len), -EBADMSG);
    size = make_wrapped();
    stream[11] = 1; /* version 1 */
    assert_int_equal(read_in_steps(size, size, &len), -EBADMSG);
    size = make_wrapped();
    stream[15] = 1; /* big-endian */
    assert_int_equal(read_in_steps(size, size, &len), -EBADMSG);
    for (uint8_t type = 0; type < 8; type++) {
        size = make_wrapped();
        stream[at_context] = type;
        assert_int_equal(read_in_steps(size, size, &len) == XF_STREAM_MORE,
                         type == XF_STREAM_OUTER_LIBXC_CONTEXT);
        size = make_wrapped();
        stream[size - XF_STREAM_RECORD_SIZE] = type;
        assert_int_equal(read_in_steps(size, size, &len) == XF_STREAM_MORE,
                         type == XF_STREAM_OUTER_END ||
                             type == XF_STREAM_OUTER_EMULATOR_XENSTORE_DATA ||
                             type == XF_STREAM_OUTER_EMULATOR_CONTEXT);
        assert_int_equal(xf_stream_ended(&s), type == XF_STREAM_OUTER_END);
    }
    size = make_wrapped();
    stream[at_context + 4] = 8; /* a body that the specification does not know */
    assert_int_equal(read_in_steps(size, size, &len), -EBADMSG);
}

static void a_stream_cut_short_has_not_ended(void **state)
{
    size_t size = make_stream(), len;

    (void)state;
    for (size_t n = 0; n<size; n += n> AT_CONTENT && n + 64 < AT_CONTEXT ? 61 : 1) {
        assert_int_equal(read_in_steps(n, n, &len), XF_STREAM_MORE);
        assert_false(xf_stream_ended(&s));
    }
}

static void nothing_follows_the_end(void **state)
{
    size_t size = make_stream(), len;

    (void)state;
    assert_int_equal(read_in_steps(size + 1, size + 1, &len), -EBADMSG);
}

static void reading_what_is_wanted_never_reads_too_far(void **state)
{
    size_t size = make_stream(), at = 0, pages = 0;

    (void)state;
    xf_stream_init(&s);
    while (!xf_stream_ended(&s)) {
        int item = feed_wanted(size, &at);

        if (item == XF_STREAM_PAGES) {
            assert_int_equal(s.count, 4);
            assert_int_equal(s.n_content, 3);
            assert_int_equal(s.body_left, 3 * XF_PAGE_SIZE);
            assert_memory_equal(s.entry, entries, sizeof(entries));
            pages += s.n_content;
            at += s.body_left;
            xf_stream_took(&s, s.body_left);
        }
    }
    assert_int_equal(at, size);
    assert_int_equal(pages, 3);
}

static void a_foreign_image_is_refused(void **state)
{
    (void)state;
    assert_refused_with(0, 0xfffffffffffffffe, 8);
    assert_refused_with(8, 0x464e4559, 4);
    assert_refused_with(12, 0x02000000, 4); /* version 2 */
    assert_refused_with(16, 0x0100, 2);     /* big-endian */
    assert_refused_with(18, 1, 2);
    assert_refused_with(AT_DOMAIN, 3, 4);
    assert_refused_with(AT_DOMAIN + 4, 13, 2); /* page shift */
}

static void a_count_of_pages_is_checked_before_it_is_used(void **state)
{
    (void)state;
    assert_refused_with(AT_COUNT, 0, 4);
    assert_refused_with(AT_COUNT, 3, 4);
    assert_refused_with(AT_COUNT, 5, 4);
    assert_refused_with(AT_COUNT, XF_STREAM_BATCH_MAX + 1, 4);
    assert_refused_with(AT_COUNT, 0x20000000, 4); /* times 8 is 0 in 32 bits */
    assert_refused_with(AT_COUNT, 0xffffffff, 4);
}

static void a_length_must_fit_the_pages(void **state)
{
    (void)state;
    assert_refused_with(AT_PAGES + 4, 0, 4);
    assert_refused_with(AT_PAGES + 4, 8, 4);
    assert_refused_with(AT_PAGES + 4, 8 + 32 + 2 * XF_PAGE_SIZE, 4);
    assert_refused_with(AT_PAGES + 4, 8 + 32 + 3 * XF_PAGE_SIZE + 8, 4);
    assert_refused_with(AT_PAGES + 4, XF_STREAM_LENGTH_MAX + 1, 4);
    assert_refused_with(AT_PAGES + 4, 0xffffffff, 4);
    /* One with content more than the length says, by its type. */
    assert_refused_with(AT_ENTRIES + 8, 8, 8);
}

static void reserved_bits_and_padding_must_be_zero(void **state)
{
    (void)state;
    assert_refused_with(AT_ENTRIES, 1ull << 52, 8);
    assert_refused_with(AT_ENTRIES, 1ull << 59, 8);
    assert_refused_with(AT_COUNT + 4, 1, 4);
    assert_refused_with(AT_CONTEXT + XF_STREAM_RECORD_SIZE + 13, 1, 1);
    assert_refused_with(AT_CONTEXT + XF_STREAM_RECORD_SIZE + 15, 1, 1);
}

static void an_end_has_no_body(void **state)
{
    size_t size = make_stream();

    (void)state;
    assert_refused_with(size - 4, 8, 4);
}

static void a_full_batch_fits_its_buffer(void **state)
{
    static uint64_t full[XF_STREAM_BATCH_MAX];
    uint8_t head[XF_STREAM_PAGES_HEAD_MAX];
    struct xf_put p = { .buf = head, .size = sizeof(head) };
    size_t used;

    (void)state;
    for (uint32_t i = 0; i < XF_STREAM_BATCH_MAX; i++) {
        full[i] = i;
    }
    xf_stream_put_pages(&p, full, XF_STREAM_BATCH_MAX);
    assert_false(p.failed);
    assert_int_equal(p.len, sizeof(head));
    make_stream();
    xf_stream_init(&s);
    assert_int_equal(xf_stream_feed(&s, stream, XF_STREAM_IMAGE_SIZE, &used), XF_STREAM_IMAGE);
    assert_int_equal(xf_stream_feed(&s, stream + AT_DOMAIN, XF_STREAM_DOMAIN_SIZE, &used),
                     XF_STREAM_DOMAIN);
    assert_int_equal(xf_stream_feed(&s, head, p.len, &used), XF_STREAM_PAGES);
    assert_int_equal(used, p.len);
    assert_int_equal(s.n_content, XF_STREAM_BATCH_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_those_of_the_specification),
        cmocka_unit_test(however_it_is_cut_a_stream_reads_the_same),
        cmocka_unit_test(a_stream_inside_a_libxl_stream_reads_the_same),
        cmocka_unit_test(only_the_outer_end_is_the_last_record),
        cmocka_unit_test(outer_records_come_in_their_order),
        cmocka_unit_test(a_stream_cut_short_has_not_ended),
        cmocka_unit_test(nothing_follows_the_end),
        cmocka_unit_test(reading_what_is_wanted_never_reads_too_far),
        cmocka_unit_test(a_foreign_image_is_refused),
        cmocka_unit_test(a_count_of_pages_is_checked_before_it_is_used),
        cmocka_unit_test(a_length_must_fit_the_pages),
        cmocka_unit_test(reserved_bits_and_padding_must_be_zero),
        cmocka_unit_test(an_end_has_no_body),
        cmocka_unit_test(a_full_batch_fits_its_buffer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
