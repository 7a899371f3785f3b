/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "stream.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* The specification's fixed values; these three fields are big-endian in every stream. */
#define MARKER 0xffffffffffffffffull
static const uint8_t id_be[4] = { 'X', 'E', 'N', 'F' };
static const uint8_t version_be[4] = { 0, 0, 0, XF_STREAM_VERSION };
static const uint8_t options_le_be[2] = { 0, 0 }; /* bit 0 clear: the rest is little-endian */
/* Of the outer header all fields are; options as above. */
static const uint8_t outer_be[XF_STREAM_OUTER_SIZE] = { 'L', 'i', 'b', 'x', 'l', 'F', 'm', 't',
                                                        0,   0,   0,   2,   0,   0,   0,   0 };
/* What tells the two apart. */
#define IDENT_SIZE 8u

enum {
    IN_IDENT,
    IN_OUTER,
    IN_IMAGE,
    IN_DOMAIN,
    IN_RECORD,
    IN_COUNT,
    IN_ENTRIES,
    IN_BODY,
    IN_PADDING,
    IN_NOTHING, /* the last record was read */
    IN_FAILURE,
};

void xf_stream_init(struct xf_stream *s)
{
    memset(s, 0, sizeof(*s));
    s->state = IN_IDENT;
}

/* Size of the header under way. */
static uint32_t head_size(const struct xf_stream *s)
{
    switch (s->state) {
    case IN_IDENT:
        return IDENT_SIZE;
    case IN_OUTER:
        return XF_STREAM_OUTER_SIZE;
    case IN_IMAGE:
        return XF_STREAM_IMAGE_SIZE;
    case IN_DOMAIN:
        return XF_STREAM_DOMAIN_SIZE;
    case IN_RECORD:
        return XF_STREAM_RECORD_SIZE;
    case IN_COUNT:
        return XF_STREAM_PAGES_SIZE;
    case IN_ENTRIES:
        return 8u * s->count;
    case IN_PADDING:
        return xf_stream_padding(s->length);
    default:
        return 0;
    }
}

/* The header under way goes on, now that it is known which it is. */
static int take_ident(struct xf_stream *s)
{
    s->wrapped = memcmp(s->hold, outer_be, IDENT_SIZE) == 0;
    s->outside = s->wrapped;
    s->state = s->wrapped ? IN_OUTER : IN_IMAGE;
    return XF_STREAM_MORE;
}

static int take_outer(struct xf_stream *s)
{
    if (memcmp(s->hold, outer_be, sizeof(outer_be)) != 0) {
        return -EBADMSG;
    }
    s->state = IN_RECORD;
    return XF_STREAM_OUTER;
}

static int take_image(struct xf_stream *s, struct xf_get *g)
{
    uint64_t marker = xf_get_u64(g);
    const uint8_t *id = xf_get_view(g, sizeof(id_be));
    const uint8_t *version = xf_get_view(g, sizeof(version_be));
    const uint8_t *options = xf_get_view(g, sizeof(options_le_be));
    uint64_t reserved = xf_get_le(g, 6);

    /* Reserved fields are zero, or the bytes would not be the same after reading and writing. */
    if (reserved != 0 || marker != MARKER || memcmp(id, id_be, sizeof(id_be)) != 0 ||
        memcmp(version, version_be, sizeof(version_be)) != 0 ||
        memcmp(options, options_le_be, sizeof(options_le_be)) != 0) {
        return -EBADMSG;
    }
    s->state = IN_DOMAIN;
    return XF_STREAM_IMAGE;
}

static int take_domain(struct xf_stream *s, struct xf_get *g)
{
    uint32_t domain = xf_get_u32(g);
    uint16_t page_shift = xf_get_u16(g);
    uint16_t reserved = xf_get_u16(g);

    if (reserved != 0 || (domain != XF_STREAM_X86_PV && domain != XF_STREAM_X86_HVM) ||
        page_shift != XF_PAGE_SHIFT) {
        return -EBADMSG;
    }
    s->domain = domain;
    s->xen_major = xf_get_u32(g);
    s->xen_minor = xf_get_u32(g);
    s->state = IN_RECORD;
    return XF_STREAM_DOMAIN;
}

static int take_outer_record(struct xf_stream *s)
{
    bool context = s->type == XF_STREAM_OUTER_LIBXC_CONTEXT;
    bool end = s->type == XF_STREAM_OUTER_END;

    if (s->type > XF_STREAM_OUTER_EMULATOR_CONTEXT || ((context || end) && s->length != 0) ||
        s->inner_seen == context) {
        return -EBADMSG; /* the libxc stream comes first, and once */
    }
    s->body_left = s->length;
    s->state = IN_BODY;
    return XF_STREAM_OUTER_RECORD;
}

static int take_record(struct xf_stream *s, struct xf_get *g)
{
    s->type = xf_get_u32(g);
    s->length = xf_get_u32(g);
    s->count = 0;
    s->n_content = 0;
    if (s->length > XF_STREAM_LENGTH_MAX) {
        return -EBADMSG;
    }
    if (s->outside) {
        return take_outer_record(s);
    }
    if (s->type == XF_STREAM_PAGE_DATA) {
        if (s->length < XF_STREAM_PAGES_SIZE) {
            return -EBADMSG;
        }
        s->state = IN_COUNT;
        return XF_STREAM_MORE;
    }
    if (s->type == XF_STREAM_END && s->length != 0) {
        return -EBADMSG;
    }
    s->body_left = s->length;
    s->state = IN_BODY;
    return XF_STREAM_RECORD;
}

static int take_count(struct xf_stream *s, struct xf_get *g)
{
    uint32_t count = xf_get_u32(g);
    uint32_t reserved = xf_get_u32(g);

    if (reserved != 0 || count == 0 || count > XF_STREAM_BATCH_MAX) {
        return -EBADMSG;
    }
    s->count = count;
    s->state = IN_ENTRIES;
    return XF_STREAM_MORE;
}

static int take_entries(struct xf_stream *s, struct xf_get *g)
{
    uint32_t n_content = 0;

    for (uint32_t i = 0; i < s->count; i++) {
        uint64_t entry = xf_get_u64(g);

        if ((entry & ~XF_STREAM_PFN_MASK & ~(0xfull << XF_STREAM_TYPE_SHIFT)) != 0) {
            return -EBADMSG;
        }
        s->entry[i] = entry;
        n_content += xf_stream_has_content(entry) ? 1u : 0u;
    }
    /* No overflow: both counts are at most XF_STREAM_BATCH_MAX. */
    if (s->length != XF_STREAM_PAGES_SIZE + 8u * s->count + XF_PAGE_SIZE * n_content) {
        return -EBADMSG;
    }
    s->n_content = n_content;
    s->body_left = XF_PAGE_SIZE * n_content;
    s->state = IN_BODY;
    return XF_STREAM_PAGES;
}

static int take_padding(struct xf_stream *s, const struct xf_get *g)
{
    for (size_t i = 0; i < g->size; i++) {
        if (g->buf[i] != 0) {
            return -EBADMSG;
        }
    }
    if (xf_stream_is_last(s)) {
        s->state = IN_NOTHING;
    } else if (s->outside && s->type == XF_STREAM_OUTER_LIBXC_CONTEXT) {
        s->outside = false;
        s->inner_seen = true;
        s->state = IN_IMAGE;
    } else {
        s->outside = s->outside || s->type == XF_STREAM_END;
        s->state = IN_RECORD;
    }
    return XF_STREAM_CLOSE;
}

/* A header is whole in .hold: what it means, and what comes next. */
static int take(struct xf_stream *s)
{
    struct xf_get g = { .buf = s->hold, .size = s->hold_size };

    if (s->state == IN_IDENT) {
        return take_ident(s);
    }
    s->hold_size = 0;
    switch (s->state) {
    case IN_OUTER:
        return take_outer(s);
    case IN_IMAGE:
        return take_image(s, &g);
    case IN_DOMAIN:
        return take_domain(s, &g);
    case IN_RECORD:
        return take_record(s, &g);
    case IN_COUNT:
        return take_count(s, &g);
    case IN_ENTRIES:
        return take_entries(s, &g);
    default:
        return take_padding(s, &g);
    }
}

static int feed_body(struct xf_stream *s, const uint8_t *buf, size_t size, size_t *ret_used)
{
    if (size == 0) {
        return XF_STREAM_MORE;
    }
    s->piece = buf;
    s->piece_size = size < s->body_left ? size : s->body_left;
    s->body_left -= (uint32_t)s->piece_size;
    *ret_used += s->piece_size;
    return XF_STREAM_PIECE;
}

int xf_stream_feed(struct xf_stream *s, const uint8_t *buf, size_t size, size_t *ret_used)
{
    int item = XF_STREAM_MORE;

    *ret_used = 0;
    while (item == XF_STREAM_MORE) {
        size_t left = size - *ret_used;
        size_t n;

        if (s->state == IN_FAILURE || (s->state == IN_NOTHING && left > 0)) {
            item = -EBADMSG;
            break;
        }
        if (s->state == IN_NOTHING) {
            return XF_STREAM_MORE;
        }
        if (s->state == IN_BODY) {
            if (s->body_left > 0) {
                return feed_body(s, buf + *ret_used, left, ret_used);
            }
            s->state = IN_PADDING;
        }
        n = head_size(s) - s->hold_size;
        n = n < left ? n : left;
        if (n > 0) {
            memcpy(s->hold + s->hold_size, buf + *ret_used, n);
        }
        s->hold_size += (uint32_t)n;
        *ret_used += n;
        if (s->hold_size < head_size(s)) {
            return XF_STREAM_MORE;
        }
        item = take(s);
    }
    if (item < 0) {
        s->state = IN_FAILURE;
    }
    return item;
}

size_t xf_stream_want(const struct xf_stream *s)
{
    if (s->state == IN_BODY) {
        return s->body_left > 0 ? s->body_left : xf_stream_padding(s->length);
    }
    return head_size(s) - s->hold_size;
}

void xf_stream_took(struct xf_stream *s, uint32_t n)
{
    assert(s->state == IN_BODY && n <= s->body_left);
    s->body_left -= n;
}

bool xf_stream_is_last(const struct xf_stream *s)
{
    /* The two ENDs have the same number; a libxc stream inside another ends only itself. */
    return s->type == XF_STREAM_END && s->outside == s->wrapped;
}

bool xf_stream_ended(const struct xf_stream *s)
{
    return s->state == IN_NOTHING;
}

void xf_stream_put_outer(struct xf_put *p)
{
    xf_put_bytes(p, outer_be, sizeof(outer_be));
}

void xf_stream_put_image(struct xf_put *p)
{
    xf_put_u64(p, MARKER);
    xf_put_bytes(p, id_be, sizeof(id_be));
    xf_put_bytes(p, version_be, sizeof(version_be));
    xf_put_bytes(p, options_le_be, sizeof(options_le_be));
    xf_put_u16(p, 0);
    xf_put_u32(p, 0);
}

void xf_stream_put_domain(struct xf_put *p, enum xf_stream_domain domain, uint32_t xen_major,
                          uint32_t xen_minor)
{
    xf_put_u32(p, domain);
    xf_put_u16(p, XF_PAGE_SHIFT);
    xf_put_u16(p, 0);
    xf_put_u32(p, xen_major);
    xf_put_u32(p, xen_minor);
}

void xf_stream_put_record(struct xf_put *p, uint32_t type, uint32_t length)
{
    xf_put_u32(p, type);
    xf_put_u32(p, length);
}

void xf_stream_put_pages(struct xf_put *p, const uint64_t *entry, uint32_t count)
{
    uint32_t n_content = 0;

    assert(count > 0 && count <= XF_STREAM_BATCH_MAX);
    for (uint32_t i = 0; i < count; i++) {
        n_content += xf_stream_has_content(entry[i]) ? 1u : 0u;
    }
    xf_stream_put_record(p, XF_STREAM_PAGE_DATA,
                         XF_STREAM_PAGES_SIZE + 8u * count + XF_PAGE_SIZE * n_content);
    xf_put_u32(p, count);
    xf_put_u32(p, 0);
    for (uint32_t i = 0; i < count; i++) {
        xf_put_u64(p, entry[i]);
    }
}
