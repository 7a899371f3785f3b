/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "page.h"

#include <errno.h>

/* An entry: pfn in bits 51..0 and type in 63..60, as in libxc's; kind in the bits libxc keeps zero. */
#define KIND_SHIFT 52
#define KIND_MASK  0xffu

void xf_data_put_frame(struct xf_put *p, enum xf_data_kind kind, uint32_t size)
{
    xf_put_u8(p, (uint8_t)kind);
    xf_put_u8(p, 0);
    xf_put_u16(p, 0);
    xf_put_u32(p, size);
}

static bool known_kind(uint8_t kind)
{
    switch (kind) {
#define X(sym, number) case number:
        XF_DATA_FRAMES(X)
#undef X
        return true;
    default: /* a number from a peer, not an enum of ours */
        return false;
    }
}

int xf_data_get_frame(const uint8_t *buf, struct xf_data_frame *ret_frame)
{
    struct xf_get g = { .buf = buf, .size = XF_DATA_HEAD_SIZE };
    struct xf_data_frame frame;
    uint8_t zero;
    uint16_t zeros;

    frame.kind = xf_get_u8(&g);
    zero = xf_get_u8(&g);
    zeros = xf_get_u16(&g);
    frame.size = xf_get_u32(&g);
    if (!known_kind(frame.kind) || zero || zeros || frame.size > XF_DATA_SIZE_MAX) {
        return -EBADMSG;
    }
    *ret_frame = frame;
    return 0;
}

void xf_data_put_hello(struct xf_put *p, const struct xf_data_hello *hello)
{
    xf_put_u32(p, XF_DATA_MAGIC);
    xf_put_u16(p, hello->version_min);
    xf_put_u16(p, hello->version_max);
    xf_put_u64(p, hello->pages);
}

int xf_data_get_hello(const uint8_t *body, size_t size, struct xf_data_hello *ret_hello)
{
    struct xf_get g = { .buf = body, .size = size };
    struct xf_data_hello hello;
    uint32_t magic = xf_get_u32(&g);

    hello.version_min = xf_get_u16(&g);
    hello.version_max = xf_get_u16(&g);
    hello.pages = xf_get_u64(&g);
    /* A later version may say more after this, so that a peer that is too new can still be named. */
    if (g.failed || magic != XF_DATA_MAGIC || hello.version_min > hello.version_max ||
        hello.pages == 0 || hello.pages > XF_PAGES_MAX) {
        return -EBADMSG;
    }
    *ret_hello = hello;
    return 0;
}

bool xf_data_version(uint16_t min, uint16_t max, uint16_t *ret_version)
{
    uint16_t best = max < XF_DATA_MAX ? max : XF_DATA_MAX;

    if (best < min || best < XF_DATA_MIN) {
        return false;
    }
    *ret_version = best;
    return true;
}

void xf_data_put_end(struct xf_put *p, const struct xf_data_end *end)
{
    xf_put_bytes(p, end->digest, sizeof(end->digest));
    xf_put_u64(p, end->bytes_stream);
    xf_put_u64(p, end->pages);
}

int xf_data_get_end(const uint8_t *body, size_t size, struct xf_data_end *ret_end)
{
    struct xf_get g = { .buf = body, .size = size };
    struct xf_data_end end;

    xf_get_bytes(&g, end.digest, sizeof(end.digest));
    end.bytes_stream = xf_get_u64(&g);
    end.pages = xf_get_u64(&g);
    if (g.failed) {
        return -EBADMSG;
    }
    end.tail_size = (uint32_t)(size - g.pos);
    end.tail = xf_get_view(&g, end.tail_size);
    *ret_end = end;
    return 0;
}

void xf_data_put_failed(struct xf_put *p, uint16_t reason, const char *text)
{
    xf_put_u16(p, reason);
    xf_put_bytes(p, text, strnlen(text, XF_DATA_TEXT_MAX));
}

int xf_data_get_failed(const uint8_t *body, size_t size, struct xf_data_failed *ret_failed)
{
    struct xf_get g = { .buf = body, .size = size };
    struct xf_data_failed failed = { 0 };
    size_t len;

    failed.reason = xf_get_u16(&g);
    if (g.failed || size - g.pos > XF_DATA_TEXT_MAX) {
        return -EBADMSG;
    }
    len = size - g.pos;
    xf_get_bytes(&g, failed.text, len);
    for (size_t i = 0; i < len; i++) {
        if (failed.text[i] < ' ' || failed.text[i] > '~') {
            failed.text[i] = '?';
        }
    }
    *ret_failed = failed;
    return 0;
}

void xf_page_put_chunk(struct xf_put *p, const struct xf_page_entry *entry, uint32_t n)
{
    size_t content = 0;

    for (uint32_t i = 0; i < n; i++) {
        content += xf_page_content_size(&entry[i]);
    }
    xf_data_put_frame(p, XF_DATA_PAGES, (uint32_t)(8u + 8u * n + content));
    xf_put_u32(p, n);
    xf_put_u32(p, 0);
    for (uint32_t i = 0; i < n; i++) {
        xf_put_u64(p, xf_page_stream_entry(&entry[i]) | (uint64_t)entry[i].kind << KIND_SHIFT);
    }
}

static bool known_page(uint8_t kind, uint16_t version)
{
    return kind <= XF_PAGE_RAW || (kind == XF_PAGE_LZ4 && version >= XF_DATA_LZ4);
}

static int get_entry(uint64_t word, uint16_t version, uint64_t pages,
                     struct xf_page_entry *ret_entry)
{
    struct xf_page_entry entry = {
        .pfn = xf_stream_pfn(word),
        .type = (uint8_t)xf_stream_page_type(word),
        .kind = (uint8_t)(word >> KIND_SHIFT & KIND_MASK),
    };

    if (entry.pfn >= pages || !known_page(entry.kind, version) ||
        (entry.kind == XF_PAGE_NONE) == xf_stream_has_content(word)) {
        return -EBADMSG;
    }
    *ret_entry = entry;
    return 0;
}

/* Steps over a page's content, of which a compressed one brings its size. */
static int get_content(struct xf_get *g, struct xf_page_entry *entry)
{
    if (entry->kind == XF_PAGE_LZ4) {
        entry->size = xf_get_u16(g);
        if (entry->size == 0 || entry->size > XF_PAGE_LZ4_MAX) {
            return -EBADMSG;
        }
        (void)xf_get_view(g, entry->size);
    } else {
        (void)xf_get_view(g, xf_page_content_size(entry));
    }
    return g->failed ? -EBADMSG : 0;
}

int xf_page_get_chunk(const uint8_t *body, size_t size, uint16_t version, uint64_t pages,
                      struct xf_page_entry *ret_entry, uint32_t *ret_n, const uint8_t **ret_content)
{
    struct xf_get g = { .buf = body, .size = size };
    uint32_t n = xf_get_u32(&g);
    uint32_t zero = xf_get_u32(&g);
    size_t content;

    if (g.failed || zero || n == 0 || n > XF_PAGE_CHUNK_MAX) {
        return -EBADMSG;
    }
    for (uint32_t i = 0; i < n; i++) {
        int rc = get_entry(xf_get_u64(&g), version, pages, &ret_entry[i]);

        if (g.failed || rc < 0) {
            return -EBADMSG;
        }
    }
    content = g.pos;
    for (uint32_t i = 0; i < n; i++) {
        if (get_content(&g, &ret_entry[i]) < 0) {
            return -EBADMSG;
        }
    }
    if (g.pos != size) {
        return -EBADMSG;
    }
    *ret_n = n;
    *ret_content = body + content;
    return 0;
}

void xf_page_put_run(struct xf_put *p, const struct xf_page_run *run)
{
    xf_put_u64(p, run->pfn | (uint64_t)run->type << XF_STREAM_TYPE_SHIFT);
    xf_put_u32(p, run->count);
}

void xf_page_put_holes(struct xf_put *p, const struct xf_page_run *run, uint32_t n)
{
    xf_data_put_frame(p, XF_DATA_HOLES, XF_HOLES_RUN_SIZE * n);
    for (uint32_t i = 0; i < n; i++) {
        xf_page_put_run(p, &run[i]);
    }
}

/* left: how many pages it may still have. */
static int get_run(struct xf_get *g, uint64_t pages, uint32_t left, struct xf_page_run *ret_run)
{
    uint64_t entry = xf_get_u64(g);
    struct xf_page_run run = {
        .pfn = xf_stream_pfn(entry),
        .count = xf_get_u32(g),
        .type = (uint8_t)xf_stream_page_type(entry),
    };

    if (g->failed || (entry & ~XF_STREAM_PFN_MASK & ~(0xfull << XF_STREAM_TYPE_SHIFT)) != 0 ||
        xf_stream_has_content(entry) || run.count == 0 || run.count > left || run.pfn >= pages ||
        run.count > pages - run.pfn) {
        return -EBADMSG;
    }
    *ret_run = run;
    return 0;
}

int xf_page_get_holes(const uint8_t *body, size_t size, uint64_t pages, struct xf_page_run *ret_run,
                      uint32_t *ret_n)
{
    struct xf_get g = { .buf = body, .size = size };
    uint32_t left = XF_HOLES_MAX;
    uint32_t n = 0;

    /* Each run takes one page of the bound at least, so there is room for them all. */
    while (g.pos < size) {
        if (get_run(&g, pages, left, &ret_run[n]) < 0) {
            return -EBADMSG;
        }
        left -= ret_run[n].count;
        n++;
        if (left == 0 && g.pos < size) {
            return -EBADMSG;
        }
    }
    *ret_n = n;
    return n > 0 ? 0 : -EBADMSG;
}

uint32_t xf_page_runs(const uint64_t *entry, uint32_t n, struct xf_page_run *ret_run)
{
    uint32_t n_runs = 0;

    for (uint32_t i = 0; i < n; i++) {
        /* Types stand in the highest bits: the next page of the same type is the next number. */
        if (i > 0 && entry[i] == entry[i - 1] + 1) {
            ret_run[n_runs - 1].count++;
        } else {
            ret_run[n_runs++] = (struct xf_page_run){
                .pfn = xf_stream_pfn(entry[i]),
                .count = 1,
                .type = (uint8_t)xf_stream_page_type(entry[i]),
            };
        }
    }
    return n_runs;
}

uint32_t xf_page_run_entries(const struct xf_page_run *run, uint32_t n, uint64_t *ret_entry)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < run[i].count; k++) {
            ret_entry[count++] = (run[i].pfn + k) | (uint64_t)run[i].type << XF_STREAM_TYPE_SHIFT;
        }
    }
    return count;
}

bool xf_page_is_zero(const uint8_t page[static XF_PAGE_SIZE])
{
    /* Most pages that are not zero show it at once; the rest is read in lines, without branches. */
    for (size_t at = 0; at < XF_PAGE_SIZE; at += 64) {
        uint64_t w[8];

        memcpy(w, page + at, sizeof(w));
        if ((w[0] | w[1] | w[2] | w[3] | w[4] | w[5] | w[6] | w[7]) != 0) {
            return false;
        }
    }
    return true;
}
