/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * D: the pipe that the hypervisor restores from. Pages are lent to it rather than copied: whoever
 * lends must leave them as they are until the hypervisor has taken them.
 */
#ifndef XF_MOVER_FEED_H
#define XF_MOVER_FEED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "job.h"

struct xf_feed {
    struct xf_job *job;
    int fd;           /* the writing end, not blocking; -1 once closed */
    uint64_t n_bytes; /* put into it since the beginning */
};

/* iov is used up. 0, or -ECANCELED: stopped or failed. */
int xf_feed_copy(struct xf_feed *feed, struct iovec *iov, int n);
int xf_feed_lend(struct xf_feed *feed, struct iovec *iov, int n);
/* Waits until the first upto bytes are taken. 0 or -ECANCELED. */
int xf_feed_await(struct xf_feed *feed, uint64_t upto);
void xf_feed_close(struct xf_feed *feed);

#endif
