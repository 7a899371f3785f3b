/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * S: save stream in, data path out. Passes everything through but pages, which become entries
 * (common/page.h), and keeps the end of the stream back (H3).
 */
#ifndef XF_MOVER_ENCODER_H
#define XF_MOVER_ENCODER_H

#include <stdbool.h>
#include <stdint.h>

#include "channel.h"
#include "job.h"

struct xf_encoder;

/* Since the beginning. */
struct xf_encoder_counts {
    uint64_t pages_sent; /* that D writes into the guest */
    uint64_t pages_zero; /* of these */
    uint64_t pages_same; /* besides these: D has them */
    uint64_t pages_none; /* besides these: page numbers without content */
    uint64_t none_us;    /* that whole records of these took, with waiting for them */
    uint64_t bytes_wire;
    uint64_t bytes_stream;
};

/* pipe_fd: the reading end, not blocking. version: of the data path. NULL: no memory. */
struct xf_encoder *xf_encoder_new(struct xf_job *job, struct xf_channel *channel, int pipe_fd,
                                  uint16_t version, uint64_t pages);
void xf_encoder_free(struct xf_encoder *enc);

/*
 * Until the writing end is closed. 0: a whole stream, of which all but the end is flushed;
 * -ENODATA: it ended too early (the hypervisor knows why); -ECANCELED: stopped or failed.
 */
int xf_encoder_run(struct xf_encoder *enc);
/* Only when granted (H3). */
int xf_encoder_send_end(struct xf_encoder *enc);
/* Sender's thread. */
int xf_encoder_send_alive(struct xf_encoder *enc);
int xf_encoder_send_failed(struct xf_encoder *enc, enum xf_reason reason, const char *text);

/* Any thread. Waits until all that was written into the pipe is sent; false: stopped before. */
bool xf_encoder_wait_idle(struct xf_encoder *enc);
/*
 * The encoder being idle: until the peer has decoded everything sent, or the limit has passed. What
 * lies in the sockets' buffers would otherwise be waited for in the guest's pause. False when stopped.
 */
bool xf_encoder_wait_arrived(struct xf_encoder *enc, uint32_t limit_ms);
/* The peer answered; from any thread. */
void xf_encoder_caught_up(struct xf_encoder *enc);
struct xf_encoder_counts xf_encoder_counts(const struct xf_encoder *enc);

#endif
