/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bounded little-endian cursors. A cursor that ran over its end stays failed, so that a codec
 * checks once, at its end, instead of at every field.
 */
#ifndef XF_BYTES_H
#define XF_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct xf_put {
    uint8_t *buf;
    size_t size;
    size_t len;
    bool failed;
    bool invalid; /* not for want of room, but over a value that may not be sent */
};

struct xf_get {
    const uint8_t *buf;
    size_t size;
    size_t pos;
    bool failed;
};

static inline void xf_put_bytes(struct xf_put *p, const void *src, size_t n)
{
    if (p->failed || n > p->size - p->len) {
        p->failed = true;
        return;
    }
    memcpy(p->buf + p->len, src, n);
    p->len += n;
}

static inline void xf_put_u8(struct xf_put *p, uint8_t v)
{
    xf_put_bytes(p, &v, 1);
}

static inline void xf_put_le(struct xf_put *p, uint64_t v, unsigned n)
{
    uint8_t b[8];

    for (unsigned i = 0; i < n; i++) {
        b[i] = (uint8_t)(v >> (8 * i));
    }
    xf_put_bytes(p, b, n);
}

static inline void xf_put_u16(struct xf_put *p, uint16_t v)
{
    xf_put_le(p, v, 2);
}

static inline void xf_put_u32(struct xf_put *p, uint32_t v)
{
    xf_put_le(p, v, 4);
}

static inline void xf_put_u64(struct xf_put *p, uint64_t v)
{
    xf_put_le(p, v, 8);
}

static inline void xf_get_bytes(struct xf_get *g, void *dst, size_t n)
{
    if (g->failed || n > g->size - g->pos) {
        g->failed = true;
        memset(dst, 0, n);
        return;
    }
    memcpy(dst, g->buf + g->pos, n);
    g->pos += n;
}

static inline uint64_t xf_get_le(struct xf_get *g, unsigned n)
{
    uint8_t b[8];
    uint64_t v = 0;

    xf_get_bytes(g, b, n);
    for (unsigned i = 0; i < n; i++) {
        v |= (uint64_t)b[i] << (8 * i);
    }
    return v;
}

static inline uint8_t xf_get_u8(struct xf_get *g)
{
    return (uint8_t)xf_get_le(g, 1);
}

static inline uint16_t xf_get_u16(struct xf_get *g)
{
    return (uint16_t)xf_get_le(g, 2);
}

static inline uint32_t xf_get_u32(struct xf_get *g)
{
    return (uint32_t)xf_get_le(g, 4);
}

static inline uint64_t xf_get_u64(struct xf_get *g)
{
    return xf_get_le(g, 8);
}

/* Points into the buffer and steps over n bytes; NULL when they are not there. */
static inline const uint8_t *xf_get_view(struct xf_get *g, size_t n)
{
    const uint8_t *at;

    if (g->failed || n > g->size - g->pos) {
        g->failed = true;
        return NULL;
    }
    at = g->buf + g->pos;
    g->pos += n;
    return at;
}

/* A value that no reader would take fails the cursor. */
static inline void xf_put_check(struct xf_put *p, bool ok)
{
    if (!ok) {
        p->failed = true;
        p->invalid = true;
    }
}

static inline void xf_get_check(struct xf_get *g, bool ok)
{
    if (!ok) {
        g->failed = true;
    }
}

/* Everything read, and nothing over. */
static inline bool xf_get_done(const struct xf_get *g)
{
    return !g->failed && g->pos == g->size;
}

#endif
