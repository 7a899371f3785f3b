/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "job.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "mono.h"
#include "text.h"

/* The agent sends the first message with the start of the process. */
#define FIRST_MESSAGE_MS 10000
/* A mover that was just killed lets go of its lock at once. */
#define LOCK_MS          2000u

static int read_first(struct xf_job *job, struct xf_link_msg *msg)
{
    struct pollfd p = { .fd = job->link_fd, .events = POLLIN };
    ssize_t n;

    if (poll(&p, 1, FIRST_MESSAGE_MS) != 1) {
        return -ETIMEDOUT;
    }
    n = recv(job->link_fd, job->out_buf, sizeof(job->out_buf), 0);
    if (n <= 0) {
        return n < 0 ? -errno : -EPIPE;
    }
    if (xf_link_decode(job->out_buf, (size_t)n, msg) < 0 ||
        (msg->type != XF_LINK_SEND && msg->type != XF_LINK_RECEIVE)) {
        return -EPROTO;
    }
    return 0;
}

static void write_identity(struct xf_job *job)
{
    char uuid[XF_UUID_TEXT_SIZE];

    xf_uuid_text(&job->params.uuid, uuid);
    snprintf(job->identity, sizeof(job->identity), "%s:%u@%u/%016llx", uuid, job->params.id.epoch,
             job->params.id.src.id, (unsigned long long)job->params.id.boot.v);
}

int xf_job_begin(struct xf_job *job, const struct xf_mover_hyper_ops *hyper, const char *dir,
                 enum xf_link_type *ret_type)
{
    pthread_condattr_t attr;
    int rc;

    job->hyper = hyper;
    job->dir = dir;
    job->link_fd = XF_LINK_FD;
    job->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (job->stop_fd < 0) {
        return -errno;
    }
    pthread_mutex_init(&job->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&job->changed, &attr);
    rc = read_first(job, &job->out);
    if (rc < 0) {
        return rc;
    }
    job->params = job->out.params;
    *ret_type = (enum xf_link_type)job->out.type;
    explicit_bzero(&job->out, sizeof(job->out));
    explicit_bzero(job->out_buf, sizeof(job->out_buf));
    job->timeout_ms =
        job->params.progress_timeout_ms ? job->params.progress_timeout_ms : XF_PROGRESS_TIMEOUT_MS;
    job->start_us = xf_mono_us();
    xf_job_progress(job);
    write_identity(job);
    return 0;
}

bool xf_job_lock(struct xf_job *job)
{
    uint64_t end_us = xf_mono_us() + LOCK_MS * 1000u;
    char uuid[XF_UUID_TEXT_SIZE];
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    char path[512];
    int fd;

    xf_uuid_text(&job->params.uuid, uuid);
    snprintf(path, sizeof(path), "%s/mover-%s.lock", job->dir, uuid);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        xf_job_fail(job, XF_REASON_MOVER, "cannot open %.150s: %s", path, strerror(errno));
        return false;
    }
    while (fcntl(fd, F_SETLK, &lock) < 0) {
        if ((errno != EAGAIN && errno != EACCES) || xf_mono_us() > end_us) {
            xf_job_fail(job, XF_REASON_MOVER, "another mover of this domain is still alive here");
            close(fd);
            return false;
        }
        xf_wait_fd(-1, 0, job->stop_fd, 10);
    }
    return true; /* fd stays open: closing it would let go of the lock */
}

/* With .lock held. */
static void stop_everybody(struct xf_job *job)
{
    uint64_t one = 1;

    job->stopped = true;
    pthread_cond_broadcast(&job->changed);
    while (write(job->stop_fd, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
}

void xf_job_fail(struct xf_job *job, enum xf_reason reason, const char *fmt, ...)
{
    va_list ap;

    pthread_mutex_lock(&job->lock);
    if (!job->stopped && !job->reported) {
        job->reason = reason;
        va_start(ap, fmt);
        vsnprintf(job->text, sizeof(job->text), fmt, ap);
        va_end(ap);
        stop_everybody(job);
    }
    pthread_mutex_unlock(&job->lock);
}

void xf_job_fail_channel(struct xf_job *job, int rc, const char *doing)
{
    switch (rc) {
    case -ECANCELED: /* whoever stopped us gave the reason */
        break;
    case -EACCES:
        xf_job_fail(job, XF_REASON_AUTH, "the two nodes do not share the same secret");
        break;
    case -EPROTO:
        xf_job_fail(job, XF_REASON_AUTH, "the peer did not prove that it knows the key");
        break;
    case -EBADMSG:
        xf_job_fail(job, XF_REASON_CONNECTION, "the data connection was damaged while %s", doing);
        break;
    case -ETIMEDOUT:
        xf_job_fail(job, XF_REASON_STALLED, "no answer in time while %s", doing);
        break;
    default:
        xf_job_fail(job, XF_REASON_CONNECTION, "the data connection broke while %s: %s", doing,
                    strerror(-rc));
        break;
    }
}

bool xf_job_stopped(struct xf_job *job)
{
    bool stopped;

    pthread_mutex_lock(&job->lock);
    stopped = job->stopped;
    pthread_mutex_unlock(&job->lock);
    return stopped;
}

void xf_job_progress(struct xf_job *job)
{
    atomic_store_explicit(&job->progress_us, xf_mono_us(), memory_order_relaxed);
}

uint64_t xf_job_silence_ms(struct xf_job *job)
{
    uint64_t then = atomic_load_explicit(&job->progress_us, memory_order_relaxed);
    uint64_t now = xf_mono_us();

    return now > then ? (now - then) / 1000u : 0;
}

/* With .lock held. */
static bool send_out(struct xf_job *job)
{
    int size = xf_link_encode(&job->out, job->out_buf, sizeof(job->out_buf));

    /* A round is news of the moment: an agent that does not read must not hold up the pause. */
    int flags = MSG_NOSIGNAL | (job->out.type == XF_LINK_ROUND ? MSG_DONTWAIT : 0);

    if (size <= 0) {
        return false;
    }
    while (send(job->link_fd, job->out_buf, (size_t)size, flags) < 0) {
        if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

static struct xf_link_msg *begin_out(struct xf_job *job, enum xf_link_type type)
{
    pthread_mutex_lock(&job->lock);
    if (job->stopped || job->reported) {
        pthread_mutex_unlock(&job->lock);
        return NULL;
    }
    job->out.type = (uint8_t)type;
    return &job->out;
}

static void end_out(struct xf_job *job)
{
    (void)send_out(job);
    pthread_mutex_unlock(&job->lock);
}

void xf_job_say(struct xf_job *job, enum xf_link_type type)
{
    if (begin_out(job, type)) {
        end_out(job);
    }
}

const char *xf_job_why(const struct xf_job *job, int rc)
{
    return job->why[0] != '\0' ? job->why : strerror(-rc);
}

void xf_job_say_text(struct xf_job *job, enum xf_link_type type, const char *text)
{
    struct xf_link_msg *msg = begin_out(job, type);

    if (msg) {
        (void)xf_text_copy(msg->text, sizeof(msg->text), text);
        end_out(job);
    }
}

void xf_job_say_port(struct xf_job *job, uint16_t port)
{
    struct xf_link_msg *msg = begin_out(job, XF_LINK_LISTENING);

    if (msg) {
        msg->port = port;
        end_out(job);
    }
}

void xf_job_say_round(struct xf_job *job, const struct xf_round *round)
{
    struct xf_link_msg *msg = begin_out(job, XF_LINK_ROUND);

    if (msg) {
        msg->round = *round;
        end_out(job);
    }
}

bool xf_job_say_totals(struct xf_job *job, enum xf_link_type type,
                       const struct xf_link_totals *totals)
{
    struct xf_link_msg *msg = begin_out(job, type);
    bool said = false;

    if (msg) {
        msg->totals = *totals;
        said = send_out(job);
        job->reported = said;
        pthread_mutex_unlock(&job->lock);
        if (!said) {
            xf_job_fail(job, XF_REASON_INTERNAL, "the agent does not take the result");
        }
    }
    return said;
}

void xf_job_say_failure(struct xf_job *job)
{
    pthread_mutex_lock(&job->lock);
    if (job->stopped && !job->reported) {
        job->reported = true;
        job->out.type = XF_LINK_FAILED;
        job->out.reason = (uint16_t)job->reason;
        snprintf(job->out.text, sizeof(job->out.text), "%s", job->text);
        (void)send_out(job);
    }
    pthread_mutex_unlock(&job->lock);
}

static void obey(struct xf_job *job, uint8_t type)
{
    pthread_mutex_lock(&job->lock);
    if (type == XF_LINK_SWITCH) {
        job->may_switch = true;
        pthread_cond_broadcast(&job->changed);
    } else if (type == XF_LINK_GRANT && job->wants_end && !job->stopped) {
        job->granted = true;
        pthread_cond_broadcast(&job->changed);
    } else if (type == XF_LINK_CANCEL && !job->granted && !job->stopped && !job->reported) {
        /* Under one lock with GRANT: either the end is never sent, or cancelling comes too late. */
        job->reason = XF_REASON_CANCELLED;
        snprintf(job->text, sizeof(job->text), "cancelled");
        stop_everybody(job);
    }
    pthread_mutex_unlock(&job->lock);
}

void xf_job_hear(struct xf_job *job)
{
    static uint8_t buf[XF_LINK_SIZE_MAX]; /* one thread hears */
    static struct xf_link_msg msg;
    ssize_t n = recv(job->link_fd, buf, sizeof(buf), MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        /* Without its agent nobody may decide anything; the kernel kills us a moment later. */
        _exit(1);
    }
    if (xf_link_decode(buf, (size_t)n, &msg) < 0) {
        xf_job_fail(job, XF_REASON_INTERNAL, "the agent's message could not be read");
        return;
    }
    obey(job, msg.type);
}

/* With .lock held: see xf_job_await(). */
static bool await(struct xf_job *job, const _Atomic bool *flag, uint32_t timeout_ms)
{
    uint64_t end_us = xf_mono_us() + timeout_ms * 1000ull;
    struct timespec ts = { .tv_sec = (time_t)(end_us / 1000000u),
                           .tv_nsec = (long)(end_us % 1000000u) * 1000 };

    while (!*flag && !job->stopped && xf_mono_us() < end_us) {
        pthread_cond_timedwait(&job->changed, &job->lock, &ts);
    }
    return *flag && !job->stopped;
}

bool xf_job_await(struct xf_job *job, const _Atomic bool *flag, uint32_t timeout_ms)
{
    bool is_so;

    pthread_mutex_lock(&job->lock);
    is_so = await(job, flag, timeout_ms);
    pthread_mutex_unlock(&job->lock);
    return is_so;
}

void xf_job_announce(struct xf_job *job, _Atomic bool *flag)
{
    pthread_mutex_lock(&job->lock);
    *flag = true;
    pthread_cond_broadcast(&job->changed);
    pthread_mutex_unlock(&job->lock);
}

int xf_job_await_grant(struct xf_job *job, uint32_t timeout_ms)
{
    bool granted;
    int rc;

    pthread_mutex_lock(&job->lock);
    if (!job->wants_end && !job->stopped) {
        job->wants_end = true;
        job->out.type = XF_LINK_WANT_END;
        (void)send_out(job);
    }
    granted = await(job, &job->granted, timeout_ms);
    rc = job->stopped ? -ECANCELED : granted ? 1 : 0;
    pthread_mutex_unlock(&job->lock);
    return rc;
}
