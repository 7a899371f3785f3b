/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "page.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_chunk(const uint8_t *body, size_t size, uint16_t version)
{
    static uint8_t buf[XF_PAGE_HEAD_SIZE(XF_PAGE_CHUNK_MAX)];
    struct xf_page_entry entry[XF_PAGE_CHUNK_MAX];
    struct xf_put p = { .buf = buf, .size = sizeof(buf) };
    const uint8_t *content;
    size_t sum = 0;
    uint32_t n;

    if (xf_page_get_chunk(body, size, version, 1u << 20, entry, &n, &content) == 0) {
        xf_page_put_chunk(&p, entry, n);
        assert(!p.failed && p.len == XF_PAGE_HEAD_SIZE(n));
        assert(memcmp(buf + XF_DATA_HEAD_SIZE, body, p.len - XF_DATA_HEAD_SIZE) == 0);
        for (uint32_t i = 0; i < n; i++) {
            sum += xf_page_content_size(&entry[i]);
            assert(version >= XF_DATA_LZ4 || entry[i].kind != XF_PAGE_LZ4);
        }
        assert(content + sum == body + size);
    }
}

static void try_holes(const uint8_t *body, size_t size)
{
    static uint8_t buf[XF_DATA_HEAD_SIZE + XF_HOLES_MAX * XF_HOLES_RUN_SIZE];
    static uint64_t entry[XF_HOLES_MAX];
    static struct xf_page_run run[XF_HOLES_MAX], again[XF_HOLES_MAX];
    struct xf_put p = { .buf = buf, .size = sizeof(buf) };
    uint32_t n, count;

    if (xf_page_get_holes(body, size, 1u << 20, run, &n) < 0) {
        return;
    }
    xf_page_put_holes(&p, run, n);
    assert(!p.failed && p.len == XF_DATA_HEAD_SIZE + size);
    assert(memcmp(buf + XF_DATA_HEAD_SIZE, body, size) == 0);
    count = xf_page_run_entries(run, n, entry);
    assert(count >= n && count <= XF_HOLES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        assert(xf_stream_pfn(entry[i]) < 1u << 20 && !xf_stream_has_content(entry[i]));
    }
    assert(xf_page_runs(entry, count, again) <= n);
}

/* Whatever a peer may send as a frame: what is taken would be written as the same bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct xf_data_hello hello;
    struct xf_data_failed failed;
    struct xf_data_end end;
    struct xf_data_frame frame;
    const uint8_t *body = data + XF_DATA_HEAD_SIZE;

    if (size < XF_DATA_HEAD_SIZE || xf_data_get_frame(data, &frame) < 0) {
        return 0;
    }
    size -= XF_DATA_HEAD_SIZE;
    if (frame.kind == XF_DATA_PAGES) {
        for (uint16_t version = XF_DATA_MIN; version <= XF_DATA_MAX; version++) {
            try_chunk(body, size, version);
        }
    } else if (frame.kind == XF_DATA_HOLES) {
        try_holes(body, size);
    } else if (frame.kind == XF_DATA_HELLO && xf_data_get_hello(body, size, &hello) == 0) {
        assert(hello.pages >= 1 && hello.pages <= XF_PAGES_MAX);
    } else if (frame.kind == XF_DATA_END && xf_data_get_end(body, size, &end) == 0) {
        assert(end.tail + end.tail_size == body + size);
    } else if (frame.kind == XF_DATA_FAILED && xf_data_get_failed(body, size, &failed) == 0) {
        assert(memchr(failed.text, 0, sizeof(failed.text)) != NULL);
    }
    return 0;
}
