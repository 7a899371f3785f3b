/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "encoder.h"

#include <assert.h>
#include <errno.h>
#include <lz4.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "hash.h"
#include "mono.h"
#include "pack.h"
#include "stream.h"

/* Bodies of other records pass in pieces of this size. */
#define PIECE_MAX (64u << 10)
/* Entries stand right before their pages, so that a chunk leaves as one run of bytes. */
#define HEAD_ROOM XF_PAGE_SIZE
/* The END record; more has no place behind it. */
#define TAIL_MAX  64u
/* So many pages in a row without content go by themselves; fewer need not cut a chunk in two. */
#define HOLES_MIN (XF_PAGE_CHUNK_MAX + 1u)
/* A page that saves less is not worth unpacking. */
#define LZ4_WORTH (XF_PAGE_SIZE / 8u * 7u)

static_assert(XF_PAGE_HEAD_SIZE(XF_PAGE_CHUNK_MAX) <= HEAD_ROOM, "entries of a full chunk fit");
static_assert(LZ4_WORTH <= XF_PAGE_LZ4_MAX, "what is worth it may be sent");
static_assert(XF_STREAM_PAGES_HEAD_MAX <= PIECE_MAX, "any header fits");
static_assert(XF_HOLES_MAX * XF_HOLES_RUN_SIZE <= PIECE_MAX, "so do all holes of a record");
static_assert(HEAD_ROOM + XF_PAGE_CHUNK_MAX * XF_PAGE_SIZE <= XF_CHANNEL_SEND_MAX,
              "so does a chunk");

struct xf_encoder {
    struct xf_job *job;
    struct xf_channel *ch;
    int fd;
    uint16_t version;
    uint64_t pages;
    struct xf_pack pack;
    struct xf_hash_table *known; /* what the peer has */
    struct xf_page_hash zeros;   /* of a page of zeros, which most of a guest may be */
    struct xf_digest *digest;
    struct xf_stream stream;
    uint8_t *chunk; /* HEAD_ROOM, then pages */
    uint8_t frame[XF_DATA_HEAD_SIZE + PIECE_MAX + XF_STREAM_PAGES_HEAD_MAX];
    uint8_t hold[PIECE_MAX + XF_STREAM_PAGES_HEAD_MAX]; /* read, and not yet known what it is */
    size_t hold_size;
    uint8_t tail[TAIL_MAX];
    size_t tail_size;
    bool in_tail;
    int ask_fd;     /* somebody wants a MARK sent */
    bool idle;      /* behind job->lock */
    bool caught_up; /* behind job->lock: the last MARK was answered */
    _Atomic uint64_t n_sent;
    _Atomic uint64_t n_zero;
    _Atomic uint64_t n_same;
    _Atomic uint64_t n_none;
    _Atomic uint64_t none_us;
    uint64_t record_us; /* when the last record was done with */
    _Atomic uint64_t n_stream;
};

struct xf_encoder *xf_encoder_new(struct xf_job *job, struct xf_channel *channel, int pipe_fd,
                                  uint16_t version, uint64_t pages)
{
    struct xf_encoder *enc = calloc(1, sizeof(*enc));

    if (!enc) {
        return NULL;
    }
    enc->job = job;
    enc->ch = channel;
    enc->fd = pipe_fd;
    enc->version = version;
    enc->pages = pages;
    enc->ask_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    enc->known = xf_hash_table_new(pages);
    enc->digest = xf_digest_new();
    enc->chunk = aligned_alloc(XF_PAGE_SIZE, HEAD_ROOM + XF_PAGE_CHUNK_MAX * XF_PAGE_SIZE);
    if (enc->ask_fd < 0 || !enc->known || !enc->digest || !enc->chunk) {
        xf_encoder_free(enc);
        return NULL;
    }
    /* Touched now, not in the guest's pause. */
    memset(enc->chunk, 0, HEAD_ROOM + XF_PAGE_CHUNK_MAX * XF_PAGE_SIZE);
    enc->zeros = xf_page_hash(enc->chunk);
    xf_stream_init(&enc->stream);
    return enc;
}

void xf_encoder_free(struct xf_encoder *enc)
{
    if (enc) {
        xf_hash_table_free(enc->known);
        xf_digest_free(enc->digest);
        free(enc->chunk);
        if (enc->ask_fd >= 0) {
            close(enc->ask_fd);
        }
        free(enc);
    }
}

static void add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static int lost(struct xf_encoder *enc, int rc)
{
    xf_job_fail_channel(enc->job, rc, "sending");
    return -ECANCELED;
}

static int malformed(struct xf_encoder *enc, const char *why)
{
    xf_job_fail(enc->job, XF_REASON_STREAM, "the hypervisor's save stream: %s", why);
    return -ECANCELED;
}

/* In one piece: a frame that was cut by being stopped would swallow the farewell. */
static int send_frame(struct xf_encoder *enc, enum xf_data_kind kind, const void *body, size_t size)
{
    struct xf_put p = { .buf = enc->frame, .size = sizeof(enc->frame) };

    xf_data_put_frame(&p, kind, (uint32_t)size);
    xf_put_bytes(&p, body, size);
    assert(!p.failed);
    return xf_channel_send(enc->ch, enc->frame, p.len);
}

int xf_encoder_send_alive(struct xf_encoder *enc)
{
    int rc = send_frame(enc, XF_DATA_ALIVE, "", 0);

    return rc < 0 ? rc : xf_channel_flush(enc->ch);
}

int xf_encoder_send_failed(struct xf_encoder *enc, enum xf_reason reason, const char *text)
{
    uint8_t body[2 + XF_DATA_TEXT_MAX];
    struct xf_put p = { .buf = body, .size = sizeof(body) };
    int rc;

    xf_data_put_failed(&p, (uint16_t)reason, text);
    rc = send_frame(enc, XF_DATA_FAILED, body, p.len);
    return rc < 0 ? rc : xf_channel_flush(enc->ch);
}

static void set_idle(struct xf_encoder *enc, bool idle)
{
    pthread_mutex_lock(&enc->job->lock);
    enc->idle = idle;
    if (idle) {
        pthread_cond_broadcast(&enc->job->changed);
    }
    pthread_mutex_unlock(&enc->job->lock);
}

void xf_encoder_caught_up(struct xf_encoder *enc)
{
    pthread_mutex_lock(&enc->job->lock);
    enc->caught_up = true;
    pthread_cond_broadcast(&enc->job->changed);
    pthread_mutex_unlock(&enc->job->lock);
}

bool xf_encoder_wait_arrived(struct xf_encoder *enc, uint32_t limit_ms)
{
    uint64_t one = 1;
    uint64_t end_us = xf_mono_us() + limit_ms * 1000ull;
    struct timespec end = { .tv_sec = (time_t)(end_us / 1000000u),
                            .tv_nsec = (long)(end_us % 1000000u) * 1000 };
    bool stopped;

    pthread_mutex_lock(&enc->job->lock);
    enc->caught_up = false;
    pthread_mutex_unlock(&enc->job->lock);
    if (write(enc->ask_fd, &one, sizeof(one)) < 0) {
        return !xf_job_stopped(enc->job);
    }
    pthread_mutex_lock(&enc->job->lock);
    while (!enc->caught_up && !enc->job->stopped &&
           pthread_cond_timedwait(&enc->job->changed, &enc->job->lock, &end) == 0) {
    }
    stopped = enc->job->stopped;
    pthread_mutex_unlock(&enc->job->lock);
    return !stopped;
}

bool xf_encoder_wait_idle(struct xf_encoder *enc)
{
    bool stopped = false;
    bool idle = false;

    while (!idle && !stopped) {
        int waiting = 1;
        struct timespec ts;

        /* In this order: bytes that are gone from the pipe were taken by one who was not idle. */
        if (ioctl(enc->fd, FIONREAD, &waiting) < 0) {
            return false;
        }
        pthread_mutex_lock(&enc->job->lock);
        idle = enc->idle && waiting == 0;
        stopped = enc->job->stopped;
        if (!idle && !stopped) {
            clock_gettime(CLOCK_MONOTONIC, &ts);
            ts.tv_nsec += 1000000;
            ts.tv_sec += ts.tv_nsec / 1000000000;
            ts.tv_nsec %= 1000000000;
            pthread_cond_timedwait(&enc->job->changed, &enc->job->lock, &ts);
        }
        pthread_mutex_unlock(&enc->job->lock);
    }
    return !stopped;
}

/* 1: the pipe has something, or has ended; 0: a MARK or a sign of life is due; or -ECANCELED. */
static int wait_work(struct xf_encoder *enc)
{
    struct pollfd p[3] = { { .fd = enc->fd, .events = POLLIN },
                           { .fd = enc->job->stop_fd, .events = POLLIN },
                           { .fd = enc->ask_fd, .events = POLLIN } };

    if (poll(p, 3, XF_ALIVE_MS) < 0 && errno != EINTR) {
        return -ECANCELED;
    }
    if (p[1].revents) {
        return -ECANCELED;
    }
    return p[0].revents ? 1 : 0;
}

/* The pipe is empty: nothing may lie about here meanwhile. */
static int wait_input(struct xf_encoder *enc)
{
    int rc = xf_channel_flush(enc->ch);

    if (rc < 0) {
        return lost(enc, rc);
    }
    set_idle(enc, true);
    xf_job_phase(enc->job, XF_PHASE_PRODUCER);
    while ((rc = wait_work(enc)) == 0) {
        uint64_t moved = atomic_load_explicit(&enc->job->progress_us, memory_order_relaxed);
        uint64_t asked;

        rc = send_frame(enc,
                        read(enc->ask_fd, &asked, sizeof(asked)) > 0 ? XF_DATA_MARK : XF_DATA_ALIVE,
                        "", 0);
        rc = rc < 0 ? rc : xf_channel_flush(enc->ch);
        if (rc < 0) {
            return lost(enc, rc);
        }
        /* This is a sign of life for the peer, but no progress of the hypervisor's. */
        atomic_store_explicit(&enc->job->progress_us, moved, memory_order_relaxed);
    }
    xf_job_phase(enc->job, XF_PHASE_PEER);
    set_idle(enc, false);
    return rc < 0 ? -ECANCELED : 0;
}

/* Exactly size bytes of the pipe: 1; 0 at its end; or -ECANCELED. */
static int fill(struct xf_encoder *enc, uint8_t *buf, size_t size)
{
    size_t got = 0;

    while (got < size) {
        ssize_t n = read(enc->fd, buf + got, size - got);

        if (n > 0) {
            got += (size_t)n;
            xf_job_progress(enc->job);
        } else if (n == 0) {
            return 0;
        } else if (errno == EAGAIN) {
            int rc = wait_input(enc);

            if (rc < 0) {
                return rc;
            }
        } else if (errno != EINTR) {
            return malformed(enc, strerror(errno));
        }
    }
    add(&enc->n_stream, size);
    return 1;
}

/*
 * How the page goes. Only pages of type 0 can be SAME: the same content under another type would
 * have to be told, and a type without content says that what came before counts no more.
 */
static uint8_t choose(struct xf_encoder *enc, const struct xf_page_entry *entry,
                      const uint8_t *page, struct xf_page_hash *ret_hash)
{
    const bool zero = page && xf_page_is_zero(page);

    *ret_hash = zero ? enc->zeros : page ? xf_page_hash(page) : (struct xf_page_hash){ 0 };
    if (entry->type != 0) {
        xf_hash_table_forget(enc->known, entry->pfn, 1);
    } else if (xf_page_hash_eq(xf_hash_table_get(enc->known, entry->pfn), *ret_hash)) {
        return XF_PAGE_SAME;
    } else {
        xf_hash_table_set(enc->known, entry->pfn, *ret_hash);
    }
    return !page ? XF_PAGE_NONE : zero ? XF_PAGE_ZERO : XF_PAGE_RAW;
}

/* What goes for each page. */
static void choose_chunk(struct xf_encoder *enc, const uint64_t *word, uint32_t n,
                         struct xf_page_entry *entry)
{
    struct xf_page_hash hash[XF_PAGE_CHUNK_MAX];
    const uint8_t *at = enc->chunk + HEAD_ROOM;
    uint64_t n_zero = 0, n_same = 0, n_none = 0;

    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *page = xf_stream_has_content(word[i]) ? at : NULL;

        entry[i] = (struct xf_page_entry){ .pfn = xf_stream_pfn(word[i]),
                                           .type = (uint8_t)xf_stream_page_type(word[i]) };
        entry[i].kind = choose(enc, &entry[i], page, &hash[i]);
        n_zero += entry[i].kind == XF_PAGE_ZERO;
        n_same += entry[i].kind == XF_PAGE_SAME;
        n_none += entry[i].kind == XF_PAGE_NONE;
        at += page ? XF_PAGE_SIZE : 0;
    }
    xf_digest_pages(enc->digest, entry, hash, n);
    add(&enc->n_sent, n - n_same - n_none);
    add(&enc->n_zero, n_zero);
    add(&enc->n_same, n_same);
    add(&enc->n_none, n_none);
}

/* Puts what goes of a page where the content goes on, which may be where the page itself is. */
static size_t put_page(struct xf_page_entry *entry, uint8_t *to, const uint8_t *page, bool pack)
{
    char block[LZ4_WORTH];
    struct xf_put p = { .buf = to, .size = XF_PAGE_SIZE };
    int size = pack ? LZ4_compress_default((const char *)page, block, XF_PAGE_SIZE, LZ4_WORTH) : 0;

    if (size <= 0) {
        if (to != page) {
            memmove(to, page, XF_PAGE_SIZE);
        }
        return XF_PAGE_SIZE;
    }
    entry->kind = XF_PAGE_LZ4;
    entry->size = (uint16_t)size;
    xf_put_u16(&p, entry->size);
    xf_put_bytes(&p, block, (size_t)size);
    assert(!p.failed);
    return p.len;
}

/* Moves the content together. Its size, and what that took and saved. */
static size_t put_content(struct xf_encoder *enc, struct xf_page_entry *entry, uint32_t n,
                          struct xf_pack_sample *ret_sample)
{
    const uint64_t start_us = xf_mono_us();
    const bool pack = enc->version >= XF_DATA_LZ4 && xf_pack_wanted(&enc->pack);
    const uint8_t *from = enc->chunk + HEAD_ROOM;
    uint8_t *to = enc->chunk + HEAD_ROOM;

    *ret_sample = (struct xf_pack_sample){ .tried = false };
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *page = from;

        from += entry[i].kind == XF_PAGE_NONE ? 0 : XF_PAGE_SIZE;
        if (entry[i].kind == XF_PAGE_RAW) {
            size_t size = put_page(&entry[i], to, page, pack);

            to += size;
            ret_sample->tried = pack;
            ret_sample->bytes_saved += XF_PAGE_SIZE - size;
        }
    }
    ret_sample->pack_us = xf_mono_us() - start_us;
    return (size_t)(to - enc->chunk) - HEAD_ROOM;
}

static int send_chunk(struct xf_encoder *enc, const uint64_t *word, uint32_t n, uint32_t n_content)
{
    struct xf_page_entry entry[XF_PAGE_CHUNK_MAX];
    size_t head = XF_PAGE_HEAD_SIZE(n);
    struct xf_put p = { .buf = enc->chunk + HEAD_ROOM - head, .size = head };
    struct xf_pack_sample sample;
    uint64_t start_us;
    size_t content;
    int rc = fill(enc, enc->chunk + HEAD_ROOM, (size_t)n_content * XF_PAGE_SIZE);

    if (rc <= 0) {
        return rc;
    }
    xf_stream_took(&enc->stream, n_content * XF_PAGE_SIZE);
    choose_chunk(enc, word, n, entry);
    content = put_content(enc, entry, n, &sample);
    sample.bytes_sent = head + content;
    xf_page_put_chunk(&p, entry, n);
    assert(!p.failed && p.len == head);
    start_us = xf_mono_us();
    rc = xf_channel_send(enc->ch, p.buf, sample.bytes_sent);
    sample.send_us = xf_mono_us() - start_us;
    xf_pack_learn(&enc->pack, &sample);
    return rc < 0 ? lost(enc, rc) : 1;
}

static int send_holes(struct xf_encoder *enc, const uint64_t *word, uint32_t n)
{
    struct xf_page_run run[XF_HOLES_MAX];
    struct xf_put p = { .buf = enc->frame, .size = sizeof(enc->frame) };
    uint32_t n_runs = xf_page_runs(word, n, run);
    int rc;

    for (uint32_t i = 0; i < n_runs; i++) {
        xf_hash_table_forget(enc->known, run[i].pfn, run[i].count);
    }
    xf_digest_holes(enc->digest, run, n_runs);
    add(&enc->n_none, n);
    xf_page_put_holes(&p, run, n_runs);
    assert(!p.failed);
    rc = xf_channel_send(enc->ch, enc->frame, p.len);
    return rc < 0 ? lost(enc, rc) : 1;
}

/* How many pages without content follow each other there. */
static uint32_t holes_at(const struct xf_stream *s, uint32_t at)
{
    uint32_t n = 0;

    while (at + n < s->count && !xf_stream_has_content(s->entry[at + n])) {
        n++;
    }
    return n;
}

/* Entries that go as a chunk from there on: up to a long row of holes. */
static uint32_t chunk_at(const struct xf_stream *s, uint32_t at, uint32_t *ret_content)
{
    uint32_t n = 0;

    *ret_content = 0;
    while (n < XF_PAGE_CHUNK_MAX && at + n < s->count) {
        uint32_t holes = holes_at(s, at + n);

        if (holes >= HOLES_MIN) {
            break;
        }
        *ret_content += holes == 0;
        n += holes > 0 ? holes : 1;
    }
    return n < XF_PAGE_CHUNK_MAX ? n : XF_PAGE_CHUNK_MAX;
}

/* What holes take says nothing about how long pages take, and there may be many more of them. */
static void time_record(struct xf_encoder *enc)
{
    uint64_t now = xf_mono_us();

    if (enc->stream.n_content == 0 && enc->record_us > 0) {
        add(&enc->none_us, now - enc->record_us);
    }
    enc->record_us = now;
}

static int send_pages(struct xf_encoder *enc)
{
    const struct xf_stream *s = &enc->stream;
    uint32_t at = 0;

    for (uint32_t i = 0; i < s->count; i++) {
        if (xf_stream_pfn(s->entry[i]) >= enc->pages) {
            return malformed(enc, "a page number is beyond the guest's memory");
        }
    }
    while (at < s->count) {
        uint32_t n = holes_at(s, at);
        uint32_t n_content;
        int rc;

        if (n >= HOLES_MIN || n == s->count) {
            rc = send_holes(enc, s->entry + at, n);
        } else {
            n = chunk_at(s, at, &n_content);
            rc = send_chunk(enc, s->entry + at, n, n_content);
        }
        if (rc <= 0) {
            return rc;
        }
        at += n;
    }
    time_record(enc);
    return 1;
}

/* What was read is something to pass on as it is: now, or with the end. */
static int pass(struct xf_encoder *enc)
{
    size_t size = enc->hold_size;
    int rc = 0;

    enc->hold_size = 0;
    xf_digest_bytes(enc->digest, enc->hold, size);
    if (enc->in_tail) {
        if (size > TAIL_MAX - enc->tail_size) {
            return malformed(enc, "its end is too long");
        }
        memcpy(enc->tail + enc->tail_size, enc->hold, size);
        enc->tail_size += size;
    } else if (size > 0) {
        rc = send_frame(enc, XF_DATA_STREAM, enc->hold, size);
    }
    return rc < 0 ? lost(enc, rc) : 1;
}

/* 1: goes on, 0: the pipe ended, or -ECANCELED. */
static int take(struct xf_encoder *enc, int item)
{
    if (item < 0) {
        return malformed(enc, "neither a libxc stream of version 3 nor a libxl one of version 2");
    }
    switch ((enum xf_stream_item)item) {
    case XF_STREAM_MORE:
        return 1;
    case XF_STREAM_PAGES:
        enc->hold_size = 0;
        return send_pages(enc);
    case XF_STREAM_RECORD:
    case XF_STREAM_OUTER_RECORD:
        enc->in_tail = enc->in_tail || xf_stream_is_last(&enc->stream);
        return pass(enc);
    case XF_STREAM_OUTER:
    case XF_STREAM_IMAGE:
    case XF_STREAM_DOMAIN:
    case XF_STREAM_PIECE:
    case XF_STREAM_CLOSE:
        return pass(enc);
    }
    return malformed(enc, "unknown item");
}

/* Behind the end nothing may come but the end of the pipe. */
static int expect_eof(struct xf_encoder *enc)
{
    uint8_t byte;
    int rc = fill(enc, &byte, 1);

    if (rc > 0) {
        return malformed(enc, "bytes after its end");
    }
    if (rc == 0) {
        rc = xf_channel_flush(enc->ch);
        return rc < 0 ? lost(enc, rc) : 0;
    }
    return rc;
}

int xf_encoder_run(struct xf_encoder *enc)
{
    while (!xf_stream_ended(&enc->stream)) {
        size_t want = xf_stream_want(&enc->stream);
        uint8_t *at = enc->hold + enc->hold_size;
        size_t used;
        int rc;

        want = want < PIECE_MAX ? want : PIECE_MAX;
        rc = fill(enc, at, want);
        if (rc > 0) {
            enc->hold_size += want;
            rc = take(enc, xf_stream_feed(&enc->stream, at, want, &used));
        }
        if (rc <= 0) {
            return rc < 0 ? rc : -ENODATA;
        }
    }
    return expect_eof(enc);
}

int xf_encoder_send_end(struct xf_encoder *enc)
{
    uint8_t body[XF_DATA_END_SIZE + TAIL_MAX];
    struct xf_put p = { .buf = body, .size = sizeof(body) };
    struct xf_encoder_counts counts = xf_encoder_counts(enc);
    struct xf_data_end end = {
        .bytes_stream = counts.bytes_stream,
        .pages = counts.pages_sent + counts.pages_same + counts.pages_none,
    };
    int rc;

    xf_digest_end(enc->digest, end.digest);
    xf_data_put_end(&p, &end);
    xf_put_bytes(&p, enc->tail, enc->tail_size);
    assert(!p.failed);
    rc = send_frame(enc, XF_DATA_END, body, p.len);
    if (rc == 0) {
        rc = xf_channel_flush(enc->ch);
    }
    return rc < 0 ? lost(enc, rc) : 0;
}

struct xf_encoder_counts xf_encoder_counts(const struct xf_encoder *enc)
{
    return (struct xf_encoder_counts){
        .pages_sent = atomic_load_explicit(&enc->n_sent, memory_order_relaxed),
        .pages_zero = atomic_load_explicit(&enc->n_zero, memory_order_relaxed),
        .pages_same = atomic_load_explicit(&enc->n_same, memory_order_relaxed),
        .pages_none = atomic_load_explicit(&enc->n_none, memory_order_relaxed),
        .none_us = atomic_load_explicit(&enc->none_us, memory_order_relaxed),
        .bytes_wire = xf_channel_sent(enc->ch),
        .bytes_stream = atomic_load_explicit(&enc->n_stream, memory_order_relaxed),
    };
}
