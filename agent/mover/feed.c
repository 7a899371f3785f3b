/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "feed.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "mono.h"

/* restore() returns with the reason a moment after it stopped reading. */
#define REASON_MS      1000
/* Rarely waited for: the ring of lent pages is larger than the pipe. */
#define TAKEN_SLICE_MS 1

static void skip(struct iovec **iov, int *n, size_t done)
{
    while (*n > 0 && done >= (*iov)->iov_len) {
        done -= (*iov)->iov_len;
        (*iov)++;
        (*n)--;
    }
    if (*n > 0) {
        (*iov)->iov_base = (uint8_t *)(*iov)->iov_base + done;
        (*iov)->iov_len -= done;
    }
}

/* The pipe is full, or broken. */
static int wait_room(struct xf_feed *feed, int error)
{
    struct xf_job *job = feed->job;
    int rc;

    if (error == EINTR) {
        return 0;
    }
    if (error == EAGAIN) {
        xf_job_phase(job, XF_PHASE_CONSUMER);
        rc = xf_wait_fd(feed->fd, POLLOUT, job->stop_fd, -1);
        xf_job_phase(job, XF_PHASE_PEER);
        return rc < 0 ? -ECANCELED : 0;
    }
    if (error == EPIPE) {
        xf_wait_fd(-1, 0, job->stop_fd, REASON_MS);
        xf_job_fail(job, XF_REASON_RESTORE, "the hypervisor stopped reading");
    } else {
        xf_job_fail(job, XF_REASON_INTERNAL, "pipe: %s", strerror(error));
    }
    return -ECANCELED;
}

static int put(struct xf_feed *feed, struct iovec *iov, int n, bool lend)
{
    while (n > 0) {
        ssize_t done =
            lend ? vmsplice(feed->fd, iov, (size_t)n, SPLICE_F_NONBLOCK) : writev(feed->fd, iov, n);

        if (done >= 0) {
            xf_job_progress(feed->job);
            feed->n_bytes += (uint64_t)done;
            skip(&iov, &n, (size_t)done);
        } else if (wait_room(feed, errno) < 0) {
            return -ECANCELED;
        }
    }
    return 0;
}

int xf_feed_copy(struct xf_feed *feed, struct iovec *iov, int n)
{
    return put(feed, iov, n, false);
}

int xf_feed_lend(struct xf_feed *feed, struct iovec *iov, int n)
{
    return put(feed, iov, n, true);
}

int xf_feed_await(struct xf_feed *feed, uint64_t upto)
{
    struct xf_job *job = feed->job;
    int waiting;

    for (;;) {
        if (ioctl(feed->fd, FIONREAD, &waiting) < 0) {
            xf_job_fail(job, XF_REASON_INTERNAL, "pipe: %s", strerror(errno));
            return -ECANCELED;
        }
        if (feed->n_bytes - (uint64_t)waiting >= upto) {
            return 0;
        }
        xf_job_phase(job, XF_PHASE_CONSUMER);
        if (xf_wait_fd(-1, 0, job->stop_fd, TAKEN_SLICE_MS) < 0) {
            return -ECANCELED;
        }
        xf_job_phase(job, XF_PHASE_PEER);
    }
}

void xf_feed_close(struct xf_feed *feed)
{
    if (feed->fd >= 0) {
        close(feed->fd);
        feed->fd = -1;
    }
}
