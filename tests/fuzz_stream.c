/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "stream.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUT_MAX (1u << 20)

/* Writes again what an item said; the bytes must be those that were read. */
static void write_item(struct xf_put *p, const struct xf_stream *s, int item)
{
    static const uint8_t zeros[8];

    switch (item) {
    case XF_STREAM_OUTER:
        xf_stream_put_outer(p);
        break;
    case XF_STREAM_IMAGE:
        xf_stream_put_image(p);
        break;
    case XF_STREAM_DOMAIN:
        xf_stream_put_domain(p, s->domain, s->xen_major, s->xen_minor);
        break;
    case XF_STREAM_RECORD:
    case XF_STREAM_OUTER_RECORD:
        xf_stream_put_record(p, s->type, s->length);
        break;
    case XF_STREAM_PAGES:
        xf_stream_put_pages(p, s->entry, s->count);
        break;
    case XF_STREAM_PIECE:
        xf_put_bytes(p, s->piece, s->piece_size);
        break;
    case XF_STREAM_CLOSE:
        xf_put_bytes(p, zeros, xf_stream_padding(s->length));
        break;
    default:
        break;
    }
}

/* step 0: all at once; otherwise that many bytes; SIZE_MAX: exactly what is wanted. */
static size_t parse(const uint8_t *data, size_t size, size_t step, struct xf_put *p,
                    bool *ret_ended)
{
    static struct xf_stream s;
    int item = XF_STREAM_MORE;
    size_t at = 0;

    xf_stream_init(&s);
    while (item >= 0) {
        size_t n = step == SIZE_MAX ? xf_stream_want(&s) : step == 0 ? size : step;
        size_t used;

        n = n < size - at ? n : size - at;
        item = xf_stream_feed(&s, data + at, n, &used);
        assert(used <= n);
        assert(item != XF_STREAM_MORE || used == n);
        at += used;
        write_item(p, &s, item);
        if (at == size && item == XF_STREAM_MORE) {
            break;
        }
        if (step == SIZE_MAX && xf_stream_ended(&s)) {
            break; /* such a reader does not read on */
        }
    }
    *ret_ended = item >= 0 && xf_stream_ended(&s);
    return p->len;
}

/* However it is cut, a stream reads the same, and writes back to the same bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t whole[OUT_MAX], cut[OUT_MAX];
    struct xf_put a = { .buf = whole, .size = sizeof(whole) };
    struct xf_put b = { .buf = cut, .size = sizeof(cut) };
    struct xf_put c = { .buf = cut, .size = sizeof(cut) };
    bool ended_whole, ended_cut, ended_exact;
    size_t n;

    if (size > OUT_MAX) {
        return 0;
    }
    n = parse(data, size, 0, &a, &ended_whole);
    assert(!a.failed && n <= size && (n == 0 || memcmp(whole, data, n) == 0));
    assert(!ended_whole || n == size);
    (void)parse(data, size, 1 + size % 13, &b, &ended_cut);
    assert(b.len == a.len && memcmp(whole, cut, a.len) == 0 && ended_cut == ended_whole);
    (void)parse(data, size, SIZE_MAX, &c, &ended_exact);
    assert(c.len == a.len && memcmp(whole, cut, a.len) == 0);
    return 0;
}
