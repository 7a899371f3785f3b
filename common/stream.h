/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The libxc migration stream, version 3, little-endian (Xen: docs/specs/libxc-migration-stream):
 *
 *   image header (24) | domain header (16) | record: type u32, length u32, body, zeros to 8 …
 *
 * alone, as the sandbox writes it, or inside a libxl stream, version 2 (docs/specs/
 * libxl-migration-stream):
 *
 *   outer header (16) | outer record LIBXC_CONTEXT (empty) | the libxc stream to its END |
 *   outer records, same layout, to an END of their own
 *
 * An incremental parser that copies nothing but headers, and what is needed to write the same.
 * Used by the sandbox hypervisor to save and restore and by the mover's encoder and decoder.
 *
 * Reading, bytes as they come:
 *
 *   xf_stream_init(&s);
 *   do {
 *       item = xf_stream_feed(&s, buf, size, &used);   // enum xf_stream_item or -EBADMSG
 *       ... XF_STREAM_PIECE: body bytes are s.piece, s.piece_size, inside buf
 *       buf += used; size -= used;
 *   } while (item > XF_STREAM_MORE);                   // also with size 0: a body may be empty
 *
 * A reader that puts pages where they belong without a copy asks xf_stream_want() how much to read,
 * feeds exactly that, and after XF_STREAM_PAGES reads the pages itself and calls xf_stream_took().
 */
#ifndef XF_STREAM_H
#define XF_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

#define XF_STREAM_OUTER_SIZE  16u
#define XF_STREAM_IMAGE_SIZE  24u
#define XF_STREAM_DOMAIN_SIZE 16u
#define XF_STREAM_RECORD_SIZE 8u
#define XF_STREAM_PAGES_SIZE  8u /* count and reserved, before the pfns */
#define XF_STREAM_VERSION     3u
#define XF_PAGE_SHIFT         12u
#define XF_PAGE_SIZE          4096u
/* libxenguest's MAX_BATCH_SIZE: what one PAGE_DATA record holds at most. */
#define XF_STREAM_BATCH_MAX   1024u
/* libxenguest's REC_LENGTH_MAX. */
#define XF_STREAM_LENGTH_MAX  (128u << 20)
/* Record header, count, and a full batch of pfns. */
#define XF_STREAM_PAGES_HEAD_MAX                                                                   \
    (XF_STREAM_RECORD_SIZE + XF_STREAM_PAGES_SIZE + 8u * XF_STREAM_BATCH_MAX)

enum xf_stream_domain {
    XF_STREAM_X86_PV = 1,
    XF_STREAM_X86_HVM = 2, /* PVH too */
};

/* X(symbol, number): numbers of the specification. */
#define XF_STREAM_RECORDS(X)                                                                       \
    X(END, 0x00)                                                                                   \
    X(PAGE_DATA, 0x01)                                                                             \
    X(X86_PV_INFO, 0x02)                                                                           \
    X(X86_PV_P2M_FRAMES, 0x03)                                                                     \
    X(X86_PV_VCPU_BASIC, 0x04)                                                                     \
    X(X86_PV_VCPU_EXTENDED, 0x05)                                                                  \
    X(X86_PV_VCPU_XSAVE, 0x06)                                                                     \
    X(SHARED_INFO, 0x07)                                                                           \
    X(X86_TSC_INFO, 0x08)                                                                          \
    X(HVM_CONTEXT, 0x09)                                                                           \
    X(HVM_PARAMS, 0x0a)                                                                            \
    X(TOOLSTACK, 0x0b)                                                                             \
    X(X86_PV_VCPU_MSRS, 0x0c)                                                                      \
    X(VERIFY, 0x0d)                                                                                \
    X(CHECKPOINT, 0x0e)                                                                            \
    X(CHECKPOINT_DIRTY_PFN_LIST, 0x0f)                                                             \
    X(STATIC_DATA_END, 0x10)                                                                       \
    X(X86_CPUID_POLICY, 0x11)                                                                      \
    X(X86_MSR_POLICY, 0x12)

enum xf_stream_record {
#define X(sym, number) XF_STREAM_##sym = (number),
    XF_STREAM_RECORDS(X)
#undef X
};
/* X(symbol, number): the outer records; checkpointed streams have more and are not ours. */
#define XF_STREAM_OUTER_RECORDS(X)                                                                 \
    X(OUTER_END, 0x00)                                                                             \
    X(OUTER_LIBXC_CONTEXT, 0x01)                                                                   \
    X(OUTER_EMULATOR_XENSTORE_DATA, 0x02)                                                          \
    X(OUTER_EMULATOR_CONTEXT, 0x03)

enum xf_stream_outer_record {
#define X(sym, number) XF_STREAM_##sym = (number),
    XF_STREAM_OUTER_RECORDS(X)
#undef X
};
/* Set in a record's type: a reader that does not know it may skip it. */
#define XF_STREAM_OPTIONAL   0x80000000u

/* An entry of PAGE_DATA: type in bits 63..60, pfn in bits 51..0, the rest zero. */
#define XF_STREAM_PFN_MASK   0x000fffffffffffffull
#define XF_STREAM_TYPE_SHIFT 60

static inline uint64_t xf_stream_pfn(uint64_t entry)
{
    return entry & XF_STREAM_PFN_MASK;
}

static inline unsigned xf_stream_page_type(uint64_t entry)
{
    return (unsigned)(entry >> XF_STREAM_TYPE_SHIFT);
}

/* Does the entry bring a page's content? Broken (0xd), XALLOC (0xe) and XTAB (0xf) do not. */
static inline bool xf_stream_has_content(uint64_t entry)
{
    return xf_stream_page_type(entry) < 0xdu;
}

/* Zeros that follow a body of that length. */
static inline uint32_t xf_stream_padding(uint32_t length)
{
    return (8u - length % 8u) % 8u;
}

enum xf_stream_item {
    XF_STREAM_MORE = 0,     /* everything fed was used and nothing is complete yet */
    XF_STREAM_OUTER,        /* outer header read and good */
    XF_STREAM_OUTER_RECORD, /* header of an outer record: .type .length; body follows */
    XF_STREAM_IMAGE,        /* image header read and good */
    XF_STREAM_DOMAIN,       /* domain header read: .domain .xen_major .xen_minor */
    XF_STREAM_RECORD, /* header of a record other than PAGE_DATA: .type .length; body follows */
    XF_STREAM_PAGES,  /* PAGE_DATA: .length, .count entries in .entry, .n_content pages follow */
    XF_STREAM_PIECE,  /* some bytes of the body: .piece .piece_size; .body_left not yet seen */
    XF_STREAM_CLOSE,  /* the record with its padding is over; the last one ends the stream */
};

struct xf_stream {
    /* what the last item said */
    uint32_t domain;
    uint32_t xen_major;
    uint32_t xen_minor;
    uint32_t type;
    uint32_t length; /* of the whole body, without padding; for PAGE_DATA with count and entries */
    uint32_t count;
    uint32_t n_content;
    uint32_t body_left;
    const uint8_t *piece;
    size_t piece_size;
    uint64_t entry[XF_STREAM_BATCH_MAX];
    /* the parser's own */
    uint8_t state;
    bool wrapped;    /* in a libxl stream */
    bool outside;    /* of the libxc stream: the record is an outer one */
    bool inner_seen; /* it comes once */
    uint32_t hold_size;
    uint8_t hold[8u * XF_STREAM_BATCH_MAX]; /* an unfinished header, at most all the entries */
};

void xf_stream_init(struct xf_stream *s);
/*
 * Uses up to size bytes and says how many in *ret_used. Returns an enum xf_stream_item; an item may
 * come with *ret_used 0 (an empty body closes), so feed until XF_STREAM_MORE, which means that all
 * of size is used. -EBADMSG: not such a stream, or bytes after its end; the parser stays failed.
 */
int xf_stream_feed(struct xf_stream *s, const uint8_t *buf, size_t size, size_t *ret_used);
/*
 * Bytes until the next item is complete: what may be read without reading too far. 0 after END and
 * after an error, and where feeding nothing brings the next item (a body without padding closes).
 */
size_t xf_stream_want(const struct xf_stream *s);
/* n bytes of the body (n <= .body_left, asserted) were read past the parser. */
void xf_stream_took(struct xf_stream *s, uint32_t n);
/* The record whose header was read last ends the stream. */
bool xf_stream_is_last(const struct xf_stream *s);
/* That record was read to its last byte. */
bool xf_stream_ended(const struct xf_stream *s);

/* Writing: headers only; bodies and xf_stream_padding() zeros are the caller's. */
void xf_stream_put_outer(struct xf_put *p);
void xf_stream_put_image(struct xf_put *p);
void xf_stream_put_domain(struct xf_put *p, enum xf_stream_domain domain, uint32_t xen_major,
                          uint32_t xen_minor);
/* The layout of outer records is the same. */
void xf_stream_put_record(struct xf_put *p, uint32_t type, uint32_t length);
/* Record header, count and entries; n_content pages must follow. count <= XF_STREAM_BATCH_MAX. */
void xf_stream_put_pages(struct xf_put *p, const uint64_t *entry, uint32_t count);

#endif
