/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "save.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "context.h"
#include "machine.h"

#define PIPE_SIZE     (1 << 20) /* what an unprivileged process may ask for; 256 pages at once */
#define TELL_SLICE_MS 20

/* ---- bytes out ---- */

static bool is_aborted(struct xf_save *save)
{
    bool aborted;

    pthread_mutex_lock(&save->lock);
    aborted = save->aborted;
    pthread_mutex_unlock(&save->lock);
    return aborted;
}

/*
 * The connection does not block, but a client that is busy must not lose what the save tells. 0, or
 * negative errno: the client is gone. last: it is the end, which is noted before anybody can have
 * heard of it.
 */
static int tell(struct xf_save *save, const struct xf_sandbox_msg *msg, bool last)
{
    int rc;

    for (;;) {
        struct pollfd p = { .fd = save->sock, .events = POLLOUT };

        pthread_mutex_lock(&save->lock);
        rc = save->aborted ? -EPIPE : xf_sandbox_send(save->sock, msg);
        save->ended = save->ended || (last && rc != -EAGAIN);
        pthread_mutex_unlock(&save->lock);
        if (rc != -EAGAIN) {
            return rc;
        }
        (void)poll(&p, 1, TELL_SLICE_MS); /* to see an abort, too */
    }
}

static int wait_writable(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };

    return poll(&p, 1, -1) < 0 && errno != EINTR ? -errno : 0;
}

/*
 * Writes all of iov, which it changes. by_reference: the pages themselves go into the pipe, and
 * what its reader gets may be newer than now. That is right for guest pages: one written after its
 * dirty bit was taken is marked again and sent again, and a suspended guest writes nothing.
 */
static int put(struct xf_save *save, struct iovec *iov, size_t n, bool by_reference)
{
    while (n > 0) {
        ssize_t done =
            by_reference ? vmsplice(save->out, iov, n, 0) : writev(save->out, iov, (int)n);

        if (done < 0) {
            int rc = errno == EINTR ? 0 : errno == EAGAIN ? wait_writable(save->out) : -errno;

            if (rc < 0) {
                return rc;
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

static int put_head(struct xf_save *save, const struct xf_put *p)
{
    struct iovec iov = { .iov_base = p->buf, .iov_len = p->len };

    return put(save, &iov, 1, false);
}

/* One PAGE_DATA record of the pages gathered, neighbours in one piece. */
static int flush_batch(struct xf_save *save)
{
    uint8_t head[XF_STREAM_PAGES_HEAD_MAX];
    struct xf_put p = { .buf = head, .size = sizeof(head) };
    struct iovec iov[XF_STREAM_BATCH_MAX];
    size_t n = 0;
    int rc;

    if (save->n_entries == 0) {
        return 0;
    }
    xf_stream_put_pages(&p, save->entry, save->n_entries);
    for (uint32_t i = 0; i < save->n_entries; i++) {
        uint8_t *page = save->m->mem + save->entry[i] * XF_PAGE_SIZE;

        if (n > 0 && (uint8_t *)iov[n - 1].iov_base + iov[n - 1].iov_len == page) {
            iov[n - 1].iov_len += XF_PAGE_SIZE;
        } else {
            iov[n++] = (struct iovec){ .iov_base = page, .iov_len = XF_PAGE_SIZE };
        }
    }
    save->n_entries = 0;
    rc = put_head(save, &p);
    return rc < 0 ? rc : put(save, iov, n, save->pipe);
}

/* Sends every page of save->bits. */
static int send_pages(struct xf_save *save)
{
    for (size_t w = 0; w < save->m->dirty_words; w++) {
        for (uint64_t bits = save->bits[w]; bits != 0; bits &= bits - 1) {
            int rc = 0;

            save->entry[save->n_entries++] = w * 64 + (unsigned)__builtin_ctzll(bits);
            if (save->n_entries == XF_STREAM_BATCH_MAX) {
                rc = is_aborted(save) ? -EPIPE : flush_batch(save);
            }
            if (rc < 0) {
                return rc;
            }
        }
    }
    return flush_batch(save);
}

/* ---- what is dirty ---- */

/* Takes the dirty bits, each before its page is read; how many. */
static uint64_t take_dirty(struct xf_save *save)
{
    uint64_t n = 0;

    for (size_t w = 0; w < save->m->dirty_words; w++) {
        save->bits[w] = atomic_exchange_explicit(&save->m->dirty[w], 0, memory_order_acquire);
        n += (unsigned)__builtin_popcountll(save->bits[w]);
    }
    return n;
}

/* All pages, and none of them dirty from here on. */
static uint64_t take_all(struct xf_save *save)
{
    (void)take_dirty(save);
    for (uint64_t pfn = 0; pfn < save->m->n_pages; pfn++) {
        save->bits[pfn / 64] |= UINT64_C(1) << (pfn % 64);
    }
    return save->m->n_pages;
}

/* ---- rounds ---- */

static enum xf_verdict ask(struct xf_save *save, uint32_t round, int64_t dirty)
{
    struct xf_sandbox_msg msg = { .type = XF_SANDBOX_POLICY,
                                  .cookie = save->cookie,
                                  .arg = round,
                                  .written = save->total_written,
                                  .dirty = dirty };
    enum xf_verdict verdict = XF_VERDICT_ABORT;

    pthread_mutex_lock(&save->lock);
    save->answered = false;
    pthread_mutex_unlock(&save->lock);
    if (tell(save, &msg, false) < 0) {
        return verdict;
    }
    pthread_mutex_lock(&save->lock);
    while (!save->answered && !save->aborted) {
        pthread_cond_wait(&save->changed, &save->lock);
    }
    verdict = save->answered ? save->verdict : XF_VERDICT_ABORT;
    pthread_mutex_unlock(&save->lock);
    return verdict;
}

static bool goes_on(enum xf_verdict verdict)
{
    /* A slowed guest is slowed by the one who said so; the rounds are the same. */
    return verdict == XF_VERDICT_GO_ON || verdict == XF_VERDICT_SLOW;
}

/*
 * The rounds of libxenguest's send_memory_live(): asked before each send with the fresh count and
 * after it with -1; a stop before a send still sends that round live. 0 or negative errno.
 */
static int send_live(struct xf_save *save)
{
    uint64_t dirty = take_all(save);
    enum xf_verdict verdict;

    for (uint32_t round = 0;; dirty = take_dirty(save)) {
        int rc;

        verdict = ask(save, round, (int64_t)dirty);
        round++;
        if (verdict == XF_VERDICT_ABORT) {
            break;
        }
        rc = send_pages(save);
        if (rc < 0) {
            return rc;
        }
        save->total_written += dirty;
        if (!goes_on(verdict)) {
            break;
        }
        verdict = ask(save, round, -1);
        if (!goes_on(verdict)) {
            break;
        }
    }
    return verdict == XF_VERDICT_ABORT ? (is_aborted(save) ? -EPIPE : -ECANCELED) : 0;
}

/* Time that the guest takes to obey; ends early when the client is gone. 0 or -EPIPE. */
static int guest_takes_its_time(struct xf_save *save)
{
    uint32_t ms = save->m->cfg.suspend_delay_ms;
    struct timespec until;
    bool aborted;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    pthread_mutex_lock(&save->lock);
    while (!save->aborted && ms > 0 &&
           pthread_cond_timedwait(&save->changed, &save->lock, &until) != ETIMEDOUT) {
    }
    aborted = save->aborted;
    pthread_mutex_unlock(&save->lock);
    return aborted ? -EPIPE : 0;
}

static int suspend(struct xf_save *save, enum xf_reason *ret_reason)
{
    struct xf_sandbox_msg msg = { .type = XF_SANDBOX_SUSPENDED, .cookie = save->cookie };
    int rc = guest_takes_its_time(save);

    if (rc < 0) {
        return rc;
    }
    *ret_reason = save->m->cfg.fail_suspend ? XF_REASON_NOT_SUSPENDED : xf_machine_suspend(save->m);
    if (*ret_reason != XF_REASON_OK) {
        return -EBUSY;
    }
    (void)eventfd_write(save->wake, 1);
    return tell(save, &msg, false);
}

static int put_start(struct xf_save *save)
{
    uint8_t head[XF_STREAM_IMAGE_SIZE + XF_STREAM_DOMAIN_SIZE + XF_STREAM_RECORD_SIZE];
    struct xf_put p = { .buf = head, .size = sizeof(head) };

    xf_stream_put_image(&p);
    /* The version of Xen is that of the hypervisor; this one is the sandbox, version 0.1. */
    xf_stream_put_domain(&p, XF_STREAM_X86_HVM, 0, XF_SANDBOX_VERSION);
    xf_stream_put_record(&p, XF_STREAM_STATIC_DATA_END, 0);
    return put_head(save, &p);
}

static int put_end(struct xf_save *save)
{
    uint8_t buf[2 * XF_STREAM_RECORD_SIZE + XF_CONTEXT_SIZE];
    struct xf_put p = { .buf = buf, .size = sizeof(buf) };
    struct xf_context context = xf_context_of(save->m);

    xf_stream_put_record(&p, XF_STREAM_HVM_CONTEXT, XF_CONTEXT_SIZE);
    xf_context_put(&p, &context);
    xf_stream_put_record(&p, XF_STREAM_END, 0);
    return put_head(save, &p);
}

static int run(struct xf_save *save, enum xf_reason *ret_reason)
{
    int rc = put_start(save);

    if (rc == 0 && !save->cold) {
        rc = send_live(save);
    }
    if (rc == 0) {
        rc = suspend(save, ret_reason);
    }
    if (rc == 0) {
        save->total_written += save->cold ? take_all(save) : take_dirty(save);
        rc = send_pages(save);
    }
    return rc < 0 ? rc : put_end(save);
}

static void *save_run(void *arg)
{
    struct xf_save *save = arg;
    enum xf_reason reason = XF_REASON_OK;
    struct xf_sandbox_msg msg = { .type = XF_SANDBOX_REPLY, .cookie = save->cookie };
    int rc = run(save, &reason);

    if (rc == -ECANCELED) {
        msg.reason = XF_REASON_CANCELLED;
    } else if (rc < 0) {
        msg.reason = reason != XF_REASON_OK ? reason : XF_REASON_STREAM;
        (void)snprintf(msg.text, sizeof(msg.text), "%s",
                       reason != XF_REASON_OK ? xf_reason_sentence(reason) : strerror(-rc));
    }
    msg.written = save->total_written;
    /* Its reader sees the end of the stream before the client hears that it is written. */
    (void)close(save->out);
    (void)tell(save, &msg, true);
    (void)close(save->sock);
    (void)eventfd_write(save->wake, 1);
    return NULL;
}

/* ---- from the server's thread ---- */

int xf_save_start(struct xf_save *save, struct xf_machine *m, int out, int sock, int wake,
                  uint64_t cookie, bool cold)
{
    struct stat st;
    int r;

    *save = (struct xf_save){
        .m = m, .out = out, .sock = sock, .wake = wake, .cookie = cookie, .cold = cold
    };
    save->pipe = fstat(out, &st) == 0 && S_ISFIFO(st.st_mode);
    if (save->pipe) {
        (void)fcntl(out, F_SETPIPE_SZ, PIPE_SIZE);
    }
    /* The guest is still running: whatever the pause needs is here before it. */
    save->bits = calloc(m->dirty_words, sizeof(*save->bits));
    r = save->bits == NULL ? ENOMEM : pthread_mutex_init(&save->lock, NULL);
    r = r == 0 ? pthread_cond_init(&save->changed, NULL) : r;
    r = r == 0 ? pthread_create(&save->thread, NULL, save_run, save) : r;
    if (r != 0) {
        free(save->bits);
        (void)close(out);
        (void)close(sock);
    }
    return -r;
}

void xf_save_answer(struct xf_save *save, enum xf_verdict verdict)
{
    pthread_mutex_lock(&save->lock);
    save->answered = true;
    save->verdict = verdict;
    pthread_cond_signal(&save->changed);
    pthread_mutex_unlock(&save->lock);
}

void xf_save_abort(struct xf_save *save)
{
    pthread_mutex_lock(&save->lock);
    save->aborted = true;
    pthread_cond_signal(&save->changed);
    pthread_mutex_unlock(&save->lock);
}

bool xf_save_ended(struct xf_save *save)
{
    bool ended;

    pthread_mutex_lock(&save->lock);
    ended = save->ended;
    pthread_mutex_unlock(&save->lock);
    return ended;
}

void xf_save_finish(struct xf_save *save)
{
    (void)pthread_join(save->thread, NULL);
    free(save->bits);
    (void)pthread_mutex_destroy(&save->lock);
    (void)pthread_cond_destroy(&save->changed);
}
