/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "decoder.h"

#include <assert.h>
#include <errno.h>
#include <lz4.h>
#include <stdlib.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>

#include "feed.h"
#include "hash.h"

/* A record's head, and at worst each page apart. */
#define IOV_MAX_CHUNK (1u + XF_PAGE_CHUNK_MAX)
/* A record's head of its own for each body, lent with its pages. */
#define HEAD_SIZE     XF_PAGE_SIZE
#define BODY_SIZE     XF_DATA_SIZE_MAX
/* Pages of a body that came compressed. */
#define PLAIN_SIZE    ((size_t)XF_PAGE_CHUNK_MAX * XF_PAGE_SIZE)
#define SLOT_SIZE     (HEAD_SIZE + BODY_SIZE + PLAIN_SIZE)
/*
 * Full chunks take 252 KiB each, so with a pipe of 1 MiB the oldest of six is always taken. Fewer
 * pages than this are copied instead: they would hold a body that the pipe may keep for long.
 */
#define N_BODIES      6u
#define LEND_MIN      16u
/* Entries of a whole record, which lie apart from the bodies: they are always copied. */
#define RECORD_SIZE   XF_STREAM_PAGES_HEAD_MAX

static_assert(XF_STREAM_RECORD_SIZE + XF_STREAM_PAGES_SIZE + 8u * XF_PAGE_CHUNK_MAX <= HEAD_SIZE,
              "a record's head fits");

struct xf_decoder {
    int wake_fd; /* for whoever answers marks */
    _Atomic bool marked;
    struct xf_job *job;
    struct xf_channel *ch;
    struct xf_feed feed;
    uint16_t version;
    uint64_t pages;
    struct xf_hash_table *known; /* what was written */
    struct xf_page_hash zeros;   /* of a page of zeros */
    struct xf_digest *digest;
    uint8_t *bodies;              /* N_BODIES of SLOT_SIZE */
    uint64_t lent_upto[N_BODIES]; /* may be used again once the feed is taken up to here */
    unsigned at;                  /* the one in use */
    uint8_t *head;
    uint8_t *body;
    uint8_t *plain; /* where the next compressed page is unpacked */
    uint64_t n_pages;
    uint64_t n_none; /* of these: page numbers without content */
    uint64_t bytes_wire;
    uint8_t record[RECORD_SIZE];
};

static const uint8_t zero_page[XF_PAGE_SIZE] __attribute__((aligned(4096)));

static void use_body(struct xf_decoder *dec, unsigned at)
{
    dec->at = at;
    dec->head = dec->bodies + at * SLOT_SIZE;
    dec->body = dec->head + HEAD_SIZE;
    dec->plain = dec->body + BODY_SIZE;
}

struct xf_decoder *xf_decoder_new(struct xf_job *job, struct xf_channel *channel, int pipe_fd,
                                  uint16_t version, uint64_t pages, int wake_fd)
{
    struct xf_decoder *dec = calloc(1, sizeof(*dec));

    if (!dec) {
        return NULL;
    }
    dec->job = job;
    dec->ch = channel;
    dec->feed = (struct xf_feed){ .job = job, .fd = pipe_fd };
    dec->wake_fd = wake_fd;
    dec->version = version;
    dec->pages = pages;
    dec->known = xf_hash_table_new(pages);
    dec->digest = xf_digest_new();
    dec->bodies = aligned_alloc(XF_PAGE_SIZE, N_BODIES * SLOT_SIZE);
    if (!dec->known || !dec->digest || !dec->bodies) {
        xf_decoder_free(dec);
        return NULL;
    }
    memset(dec->bodies, 0, N_BODIES * SLOT_SIZE);
    dec->zeros = xf_page_hash(zero_page);
    use_body(dec, 0);
    return dec;
}

void xf_decoder_free(struct xf_decoder *dec)
{
    if (dec) {
        xf_feed_close(&dec->feed);
        xf_hash_table_free(dec->known);
        xf_digest_free(dec->digest);
        free(dec->bodies);
        free(dec);
    }
}

static int malformed(struct xf_decoder *dec, const char *why)
{
    xf_job_fail(dec->job, XF_REASON_STREAM, "what the source sends: %s", why);
    return -ECANCELED;
}

static int receive(struct xf_decoder *dec, void *buf, size_t size)
{
    int rc = xf_channel_recv(dec->ch, buf, size);

    if (rc < 0) {
        xf_job_fail_channel(dec->job, rc, "receiving");
        return -ECANCELED;
    }
    dec->bytes_wire += size;
    return 0;
}

static int put_bytes(struct xf_decoder *dec, const uint8_t *bytes, size_t size)
{
    struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = size };

    xf_digest_bytes(dec->digest, bytes, size);
    return size > 0 ? xf_feed_copy(&dec->feed, &iov, 1) : 0;
}

static void add_page(struct iovec *iov, int *n, const uint8_t *page)
{
    struct iovec *last = &iov[*n - 1];

    /* Pages that lie side by side leave as one; the record's head stays by itself. */
    if (*n > 1 && (const uint8_t *)last->iov_base + last->iov_len == page) {
        last->iov_len += XF_PAGE_SIZE;
    } else {
        iov[*n] = (struct iovec){ .iov_base = (void *)(uintptr_t)page, .iov_len = XF_PAGE_SIZE };
        (*n)++;
    }
}

static int unpack(struct xf_decoder *dec, const struct xf_page_entry *entry,
                  const uint8_t **content, const uint8_t **ret_page)
{
    const char *block = (const char *)*content + XF_PAGE_LZ4_HEAD;

    if (LZ4_decompress_safe(block, (char *)dec->plain, entry->size, XF_PAGE_SIZE) !=
        (int)XF_PAGE_SIZE) {
        return malformed(dec, "a compressed page is no page");
    }
    *ret_page = dec->plain;
    dec->plain += XF_PAGE_SIZE;
    *content += xf_page_content_size(entry);
    return 0;
}

/* What the page holds according to what was decoded, not to what the peer says. */
static int decode_page(struct xf_decoder *dec, const struct xf_page_entry *entry,
                       const uint8_t **content, const uint8_t **ret_page,
                       struct xf_page_hash *ret_hash)
{
    *ret_page = NULL;
    switch ((enum xf_page_kind)entry->kind) {
    case XF_PAGE_NONE:
        *ret_hash = (struct xf_page_hash){ 0 };
        break;
    case XF_PAGE_SAME:
        *ret_hash = xf_hash_table_get(dec->known, entry->pfn);
        if (!xf_page_hash_known(*ret_hash)) {
            return malformed(dec, "a page is called unchanged that was never sent");
        }
        return 0;
    case XF_PAGE_ZERO:
        *ret_page = zero_page;
        *ret_hash = dec->zeros;
        break;
    case XF_PAGE_RAW:
        *ret_page = *content;
        *ret_hash = xf_page_hash(*content);
        *content += XF_PAGE_SIZE;
        break;
    case XF_PAGE_LZ4:
        if (unpack(dec, entry, content, ret_page) < 0) {
            return -ECANCELED;
        }
        *ret_hash = xf_page_hash(*ret_page);
        break;
    case XF_PAGE_DELTA:
    case XF_PAGE_DUP:
    case XF_PAGE_ZSTD:
        return malformed(dec, "a page in a form of a later version");
    }
    if (entry->type == 0) {
        xf_hash_table_set(dec->known, entry->pfn, *ret_hash);
    } else {
        xf_hash_table_forget(dec->known, entry->pfn, 1);
    }
    return 0;
}

/* The body belongs to the pipe until the hypervisor has taken it; the next one is the oldest. */
static int lend(struct xf_decoder *dec, struct iovec *iov, int n)
{
    int rc = xf_feed_lend(&dec->feed, iov, n);

    if (rc < 0) {
        return rc;
    }
    dec->lent_upto[dec->at] = dec->feed.n_bytes;
    use_body(dec, (dec->at + 1) % N_BODIES);
    return xf_feed_await(&dec->feed, dec->lent_upto[dec->at]);
}

static int decode_chunk(struct xf_decoder *dec, size_t size)
{
    struct xf_page_entry entry[XF_PAGE_CHUNK_MAX];
    struct xf_page_hash hash[XF_PAGE_CHUNK_MAX];
    struct iovec iov[IOV_MAX_CHUNK];
    uint64_t word[XF_PAGE_CHUNK_MAX];
    struct xf_put p = { .buf = dec->head, .size = HEAD_SIZE };
    const uint8_t *content;
    uint32_t n_entries;
    uint32_t n_words = 0;
    uint32_t n_content = 0;
    int n_iov = 1;

    if (xf_page_get_chunk(dec->body, size, dec->version, dec->pages, entry, &n_entries, &content) <
        0) {
        return malformed(dec, "a chunk of pages is malformed");
    }
    use_body(dec, dec->at);
    for (uint32_t i = 0; i < n_entries; i++) {
        const uint8_t *page;

        if (decode_page(dec, &entry[i], &content, &page, &hash[i]) < 0) {
            return -ECANCELED;
        }
        if (entry[i].kind != XF_PAGE_SAME) {
            word[n_words++] = xf_page_stream_entry(&entry[i]);
        }
        if (page) {
            add_page(iov, &n_iov, page);
            n_content++;
        }
        dec->n_none += entry[i].kind == XF_PAGE_NONE;
    }
    xf_digest_pages(dec->digest, entry, hash, n_entries);
    dec->n_pages += n_entries;
    if (n_words == 0) {
        return 0;
    }
    xf_stream_put_pages(&p, word, n_words);
    iov[0] = (struct iovec){ .iov_base = dec->head, .iov_len = p.len };
    if (n_content < LEND_MIN) {
        return xf_feed_copy(&dec->feed, iov, n_iov);
    }
    return lend(dec, iov, n_iov);
}

static int decode_holes(struct xf_decoder *dec, size_t size)
{
    struct xf_page_run run[XF_HOLES_MAX];
    uint64_t word[XF_HOLES_MAX];
    struct xf_put p = { .buf = dec->record, .size = sizeof(dec->record) };
    struct iovec iov;
    uint32_t n_runs;
    uint32_t n_words;

    if (xf_page_get_holes(dec->body, size, dec->pages, run, &n_runs) < 0) {
        return malformed(dec, "a list of pages without content is malformed");
    }
    for (uint32_t i = 0; i < n_runs; i++) {
        xf_hash_table_forget(dec->known, run[i].pfn, run[i].count);
    }
    xf_digest_holes(dec->digest, run, n_runs);
    n_words = xf_page_run_entries(run, n_runs, word);
    dec->n_pages += n_words;
    dec->n_none += n_words;
    xf_stream_put_pages(&p, word, n_words);
    assert(!p.failed);
    iov = (struct iovec){ .iov_base = dec->record, .iov_len = p.len };
    return xf_feed_copy(&dec->feed, &iov, 1);
}

/* Nothing of the end reaches the hypervisor before the digest is known to be equal. */
static int decode_end(struct xf_decoder *dec, size_t size)
{
    uint8_t digest[XF_DIGEST_SIZE];
    struct xf_data_end end;
    struct iovec iov;

    if (xf_data_get_end(dec->body, size, &end) < 0 || end.tail_size == 0) {
        return malformed(dec, "its end is malformed");
    }
    xf_digest_bytes(dec->digest, end.tail, end.tail_size);
    xf_digest_end(dec->digest, digest);
    if (memcmp(digest, end.digest, sizeof(digest)) != 0 || end.pages != dec->n_pages) {
        xf_job_fail(dec->job, XF_REASON_DIGEST, "%llu pages received, %llu sent",
                    (unsigned long long)dec->n_pages, (unsigned long long)end.pages);
        return -ECANCELED;
    }
    iov = (struct iovec){ .iov_base = (void *)(uintptr_t)end.tail, .iov_len = end.tail_size };
    if (xf_feed_copy(&dec->feed, &iov, 1) < 0) {
        return -ECANCELED;
    }
    xf_feed_close(&dec->feed);
    return 0;
}

static int heed_failure(struct xf_decoder *dec, size_t size)
{
    struct xf_data_failed failed;

    if (xf_data_get_failed(dec->body, size, &failed) < 0) {
        return malformed(dec, "a failure that cannot be read");
    }
    xf_job_fail(dec->job, failed.reason < XF_N_REASONS ? failed.reason : XF_REASON_INTERNAL,
                "the source says: %s", failed.text);
    return -ECANCELED;
}

/* 1: goes on, 0: that was the end, or -ECANCELED. */
static int decode_frame(struct xf_decoder *dec, const struct xf_data_frame *frame)
{
    int rc = 0;

    switch ((enum xf_data_kind)frame->kind) {
    case XF_DATA_STREAM:
        rc = put_bytes(dec, dec->body, frame->size);
        break;
    case XF_DATA_PAGES:
        rc = decode_chunk(dec, frame->size);
        break;
    case XF_DATA_HOLES:
        rc = decode_holes(dec, frame->size);
        break;
    case XF_DATA_END:
        return decode_end(dec, frame->size);
    case XF_DATA_FAILED:
        rc = heed_failure(dec, frame->size);
        break;
    case XF_DATA_ALIVE:
        break;
    case XF_DATA_MARK:
        dec->marked = true;
        (void)eventfd_write(dec->wake_fd, 1);
        break;
    case XF_DATA_HELLO:
    case XF_DATA_BUILT:
    case XF_DATA_CAUGHT_UP:
    case XF_DATA_PREPARED:
        rc = malformed(dec, "a frame that has no place here");
        break;
    }
    return rc < 0 ? rc : 1;
}

int xf_decoder_run(struct xf_decoder *dec)
{
    int rc = 1;

    xf_job_phase(dec->job, XF_PHASE_PEER);
    while (rc > 0) {
        uint8_t head[XF_DATA_HEAD_SIZE];
        struct xf_data_frame frame;

        if (receive(dec, head, sizeof(head)) < 0) {
            return -ECANCELED;
        }
        if (xf_data_get_frame(head, &frame) < 0) {
            return malformed(dec, "a frame is malformed");
        }
        if (receive(dec, dec->body, frame.size) < 0) {
            return -ECANCELED;
        }
        rc = decode_frame(dec, &frame);
    }
    return rc;
}

uint64_t xf_decoder_pages(const struct xf_decoder *dec)
{
    return dec->n_pages - dec->n_none;
}

uint64_t xf_decoder_bytes_stream(const struct xf_decoder *dec)
{
    return dec->feed.n_bytes;
}

uint64_t xf_decoder_bytes_wire(const struct xf_decoder *dec)
{
    return dec->bytes_wire;
}

bool xf_decoder_take_mark(struct xf_decoder *dec)
{
    return atomic_exchange(&dec->marked, false);
}
