/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bytes of the data path between two movers, inside TLS: frames, and the entries that stand for
 * the pages of one chunk. docs/data-path.md lists them. The movers' encoder and decoder
 * (agent/mover/) read pipes and hash; this knows only layouts and bounds.
 */
#ifndef XF_PAGE_H
#define XF_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "stream.h"

#define XF_DATA_MAGIC     0x31444658u /* "XFD1" */
#define XF_DATA_MIN       1u          /* versions of this format that we speak */
#define XF_DATA_MAX       2u
#define XF_DATA_LZ4       2u /* the first with compressed pages */

/* A chunk of this many raw pages with its entries and header just fits 16 full TLS records. */
#define XF_PAGE_CHUNK_MAX 63u
/* What one HOLES frame speaks of at most: one record of the save stream. */
#define XF_HOLES_MAX      XF_STREAM_BATCH_MAX
/* 4 TiB of guest. Bounds the table that a peer can make us map. */
#define XF_PAGES_MAX      (1ull << 30)

#define XF_DATA_HEAD_SIZE 8u
#define XF_DATA_SIZE_MAX  (512u << 10) /* body of one frame */
#define XF_DATA_TEXT_MAX  200u
#define XF_DIGEST_SIZE    16u
/* Bytes of a compressed page: with their size before them they are fewer than a raw one's. */
#define XF_PAGE_LZ4_MAX   (XF_PAGE_SIZE - 3u)

/* X(symbol, number). S: source, D: destination. */
#define XF_DATA_FRAMES(X)                                                                          \
    X(HELLO, 1)     /* S, then D: magic, versions, pages */                                        \
    X(STREAM, 2)    /* S: bytes of the save stream as they are */                                  \
    X(PAGES, 3)     /* S: count, entries, content */                                               \
    X(END, 4)       /* S: digest, totals, the last bytes of the stream (H3) */                     \
    X(BUILT, 5)     /* D: digest equal and domain built */                                         \
    X(FAILED, 6)    /* either: reason, text */                                                     \
    X(ALIVE, 7)     /* either: nothing to say, but here */                                         \
    X(MARK, 8)      /* S: say when everything before this has arrived */                           \
    X(CAUGHT_UP, 9) /* D: it has */                                                                \
    X(PREPARED, 11) /* D: all is done that can be done before the last page */                     \
    X(HOLES, 10)    /* S: runs of pages without content */

enum xf_data_kind {
#define X(sym, number) XF_DATA_##sym = (number),
    XF_DATA_FRAMES(X)
#undef X
};

struct xf_data_frame {
    uint8_t kind;  /* enum xf_data_kind */
    uint32_t size; /* of the body, <= XF_DATA_SIZE_MAX */
};

/* What stands for a page. Numbers are the wire's; a version 1 peer knows those below DELTA only. */
enum xf_page_kind {
    XF_PAGE_NONE = 0,  /* its type has no content (broken, unallocated) */
    XF_PAGE_ZERO = 1,  /* all bytes zero */
    XF_PAGE_SAME = 2,  /* what was sent before for this pfn; nothing follows */
    XF_PAGE_RAW = 3,   /* 4096 bytes follow */
    XF_PAGE_DELTA = 4, /* kept for: difference to what was sent before */
    XF_PAGE_DUP = 5,   /* kept for: equals another pfn */
    XF_PAGE_LZ4 = 6,   /* a size (u16) and so many bytes follow: one LZ4 block */
    XF_PAGE_ZSTD = 7,  /* kept for: compressed */
};

struct xf_page_entry {
    uint64_t pfn;
    uint8_t type;  /* libxc's, 0..15 */
    uint8_t kind;  /* enum xf_page_kind */
    uint16_t size; /* of LZ4: bytes of the block */
};

/* Pages that follow each other and have no content, all of one type. */
struct xf_page_run {
    uint64_t pfn; /* the first */
    uint32_t count;
    uint8_t type;
};

struct xf_data_hello {
    uint16_t version_min;
    uint16_t version_max;
    uint64_t pages; /* bound of every pfn; 1..XF_PAGES_MAX */
};

struct xf_data_end {
    uint8_t digest[XF_DIGEST_SIZE];
    uint64_t bytes_stream;
    uint64_t pages;
    const uint8_t *tail; /* points into the frame */
    uint32_t tail_size;
};

struct xf_data_failed {
    uint16_t reason; /* enum xf_reason */
    char text[XF_DATA_TEXT_MAX + 1];
};

void xf_data_put_frame(struct xf_put *p, enum xf_data_kind kind, uint32_t size);
/* buf holds XF_DATA_HEAD_SIZE bytes. 0, or -EBADMSG for an unknown kind or an impossible size. */
int xf_data_get_frame(const uint8_t *buf, struct xf_data_frame *ret_frame);

void xf_data_put_hello(struct xf_put *p, const struct xf_data_hello *hello);
int xf_data_get_hello(const uint8_t *body, size_t size, struct xf_data_hello *ret_hello);
/* The tail's bytes follow what this writes. */
#define XF_DATA_END_SIZE (XF_DIGEST_SIZE + 16u)
void xf_data_put_end(struct xf_put *p, const struct xf_data_end *end);
int xf_data_get_end(const uint8_t *body, size_t size, struct xf_data_end *ret_end);
void xf_data_put_failed(struct xf_put *p, uint16_t reason, const char *text);
/* Unprintable characters of the text read as '?'. */
int xf_data_get_failed(const uint8_t *body, size_t size, struct xf_data_failed *ret_failed);

/* Can they talk, and in which version? False if the ranges do not meet. */
bool xf_data_version(uint16_t min, uint16_t max, uint16_t *ret_version);

/* Frame, count and entries of a chunk; its content must follow. 1 <= n <= XF_PAGE_CHUNK_MAX. */
#define XF_PAGE_HEAD_SIZE(n) (XF_DATA_HEAD_SIZE + 8u + 8u * (n))
void xf_page_put_chunk(struct xf_put *p, const struct xf_page_entry *entry, uint32_t n);
/*
 * Reads count and entries of a PAGES body and checks all: every pfn < pages, kinds that the version
 * in use knows, NONE just for types without content, and that the content has the size the entries
 * ask for. ret_entry has room for XF_PAGE_CHUNK_MAX. 0 or -EBADMSG.
 */
int xf_page_get_chunk(const uint8_t *body, size_t size, uint16_t version, uint64_t pages,
                      struct xf_page_entry *ret_entry, uint32_t *ret_n,
                      const uint8_t **ret_content);

#define XF_HOLES_RUN_SIZE 12u
/* Frame and runs; 1 <= n, and together they count XF_HOLES_MAX pages at most. */
void xf_page_put_holes(struct xf_put *p, const struct xf_page_run *run, uint32_t n);
/* One run, as in the frame. */
void xf_page_put_run(struct xf_put *p, const struct xf_page_run *run);
/*
 * Reads a HOLES body and checks all: no run is empty, every pfn < pages, types without content, and
 * at most XF_HOLES_MAX pages together. ret_run has room for so many. 0 or -EBADMSG.
 */
int xf_page_get_holes(const uint8_t *body, size_t size, uint64_t pages, struct xf_page_run *ret_run,
                      uint32_t *ret_n);
/* Entries of the save stream to runs, in order, and back; they say how many there are. */
uint32_t xf_page_runs(const uint64_t *entry, uint32_t n, struct xf_page_run *ret_run);
uint32_t xf_page_run_entries(const struct xf_page_run *run, uint32_t n, uint64_t *ret_entry);

#define XF_PAGE_LZ4_HEAD 2u
/* Content bytes that follow for an entry. */
static inline size_t xf_page_content_size(const struct xf_page_entry *entry)
{
    return entry->kind == XF_PAGE_RAW   ? XF_PAGE_SIZE
           : entry->kind == XF_PAGE_LZ4 ? XF_PAGE_LZ4_HEAD + entry->size
                                        : 0;
}

/* As the save stream writes it. */
static inline uint64_t xf_page_stream_entry(const struct xf_page_entry *entry)
{
    return entry->pfn | (uint64_t)entry->type << XF_STREAM_TYPE_SHIFT;
}

bool xf_page_is_zero(const uint8_t page[static XF_PAGE_SIZE]);

#endif
