/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "restore.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "context.h"
#include "machine.h"

#define PIPE_SIZE       (1 << 20)
/* More pieces than that in a record: one readv() is cheaper than a splice() each. */
#define SPLICE_RUNS_MAX 64u

struct restore {
    struct xf_machine *m;
    int in;
    bool pipe;
    struct xf_stream stream;
    uint8_t buf[XF_STREAM_PAGES_HEAD_MAX];
    uint8_t context[XF_CONTEXT_SIZE];
    uint32_t context_size;
    char *text;
    size_t size;
};

static int refuse(struct restore *r, const char *what)
{
    (void)snprintf(r->text, r->size, "%s", what);
    return -EBADMSG;
}

static void wait_readable(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    (void)poll(&p, 1, -1);
}

/* Reads all of iov, which it changes. 0, -EPIPE at an early end, or negative errno. */
static int get(int in, struct iovec *iov, size_t n)
{
    while (n > 0) {
        ssize_t done = readv(in, iov, (int)n);

        if (done == 0) {
            return -EPIPE;
        }
        if (done < 0) {
            if (errno == EAGAIN) {
                wait_readable(in);
            } else if (errno != EINTR) {
                return -errno;
            }
            done = 0;
        }
        while (n > 0 && (size_t)done >= iov->iov_len) {
            done -= (ssize_t)iov->iov_len;
            iov++;
            n--;
        }
        if (n > 0) {
            iov->iov_base = (uint8_t *)iov->iov_base + done;
            iov->iov_len -= (size_t)done;
        }
    }
    return 0;
}

/*
 * Moves a run from the pipe into the memory's file. Measured against reading into the mapping: no
 * page fault and no zeroing of a page that is overwritten as a whole.
 */
static int get_run(struct restore *r, struct iovec run)
{
    off_t at = (uint8_t *)run.iov_base - r->m->mem;

    while (run.iov_len > 0) {
        ssize_t n = splice(r->in, NULL, r->m->mem_fd, &at, run.iov_len, 0);

        if (n == 0) {
            return -EPIPE;
        }
        if (n < 0 && errno == EAGAIN) {
            wait_readable(r->in);
        } else if (n < 0 && errno != EINTR) {
            return -errno;
        }
        run.iov_len -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static int get_pages(struct restore *r, struct iovec *iov, size_t n)
{
    if (!r->pipe || n > SPLICE_RUNS_MAX) {
        return get(r->in, iov, n);
    }
    for (size_t i = 0; i < n; i++) {
        int rc = get_run(r, iov[i]);

        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* The content of a PAGE_DATA record, straight to where it belongs. */
static int take_pages(struct restore *r)
{
    struct xf_stream *s = &r->stream;
    struct iovec iov[XF_STREAM_BATCH_MAX];
    size_t n = 0;
    int rc;

    for (uint32_t i = 0; i < s->count; i++) {
        uint64_t pfn = xf_stream_pfn(s->entry[i]);
        uint8_t *page;

        if (pfn >= r->m->n_pages) {
            return refuse(r, "the stream holds a page beyond the domain's memory");
        }
        if (!xf_stream_has_content(s->entry[i])) {
            continue;
        }
        page = r->m->mem + pfn * XF_PAGE_SIZE;
        if (n > 0 && (uint8_t *)iov[n - 1].iov_base + iov[n - 1].iov_len == page) {
            iov[n - 1].iov_len += XF_PAGE_SIZE;
        } else {
            iov[n++] = (struct iovec){ .iov_base = page, .iov_len = XF_PAGE_SIZE };
        }
    }
    rc = get_pages(r, iov, n);
    if (rc == 0) {
        xf_stream_took(s, s->body_left);
    }
    return rc;
}

static int take_piece(struct restore *r)
{
    struct xf_stream *s = &r->stream;

    if (s->type != XF_STREAM_HVM_CONTEXT) {
        return 0;
    }
    if (s->length != XF_CONTEXT_SIZE) {
        return refuse(r, "the stream's CPU state is not a sandbox's");
    }
    memcpy(r->context + r->context_size, s->piece, s->piece_size);
    r->context_size += (uint32_t)s->piece_size;
    return 0;
}

static int take_record(struct restore *r)
{
    uint32_t type = r->stream.type;

    if (type == XF_STREAM_HVM_CONTEXT) {
        r->context_size = 0;
    } else if (type != XF_STREAM_END && type != XF_STREAM_STATIC_DATA_END &&
               (type & XF_STREAM_OPTIONAL) == 0) {
        (void)snprintf(r->text, r->size, "the stream holds a record of type 0x%x", type);
        return -EBADMSG;
    }
    return 0;
}

/* Whatever the last feed completed. 0, or negative errno. */
static int take_item(struct restore *r, int item)
{
    switch (item) {
    case XF_STREAM_OUTER:
        return refuse(r, "the stream is not a sandbox domain's");
    case XF_STREAM_DOMAIN:
        return r->stream.domain == XF_STREAM_X86_HVM && r->stream.xen_major == 0
                   ? 0
                   : refuse(r, "the stream is not a sandbox domain's");
    case XF_STREAM_RECORD:
        return take_record(r);
    case XF_STREAM_PAGES:
        return take_pages(r);
    case XF_STREAM_PIECE:
        return take_piece(r);
    case -EBADMSG:
        return refuse(r, "the stream is malformed");
    default:
        return 0;
    }
}

static int receive(struct restore *r)
{
    while (!xf_stream_ended(&r->stream)) {
        size_t want = xf_stream_want(&r->stream);
        struct iovec iov = { .iov_base = r->buf };
        size_t used;
        int rc;

        iov.iov_len = want < sizeof(r->buf) ? want : sizeof(r->buf);
        want = iov.iov_len;
        rc = get(r->in, &iov, want > 0 ? 1 : 0);
        if (rc < 0) {
            return rc;
        }
        /* Never more than wanted, so all of it belongs to one item. */
        rc = take_item(r, xf_stream_feed(&r->stream, r->buf, want, &used));
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static int judge(struct restore *r)
{
    struct xf_context context;

    if (xf_context_get(r->context, r->context_size, &context) < 0) {
        return refuse(r, "the stream brought no CPU state");
    }
    if (!xf_machine_holds_guest(r->m)) {
        return refuse(r, "the memory received holds no guest of this configuration");
    }
    if (!xf_context_fits(&context, r->m)) {
        return refuse(r, "memory and CPU state are not of the same moment");
    }
    if (r->m->cfg.fail_restore) {
        return refuse(r, "the configuration says fail-restore");
    }
    return 0;
}

enum xf_reason xf_restore(struct xf_machine *m, int in, char *text, size_t size)
{
    struct restore r = { .m = m, .in = in, .text = text, .size = size };
    int rc;

    r.pipe = fcntl(in, F_SETPIPE_SZ, PIPE_SIZE) >= 0 || fcntl(in, F_GETPIPE_SZ) >= 0;
    xf_stream_init(&r.stream);
    rc = receive(&r);
    if (rc == -EBADMSG) {
        return XF_REASON_STREAM;
    }
    if (rc < 0) {
        (void)snprintf(text, size, "%s", rc == -EPIPE ? "the stream ended early" : strerror(-rc));
        return XF_REASON_STREAM;
    }
    if (judge(&r) < 0) {
        return XF_REASON_RESTORE;
    }
    atomic_store(&m->check_left, m->n_pages);
    xf_machine_tell_cpu(m);
    return XF_REASON_OK;
}
