/* SPDX-License-Identifier: GPL-2.0-or-later */
/* D: data path in, save stream out. Trusts nothing the peer says before it is checked. */
#ifndef XF_MOVER_DECODER_H
#define XF_MOVER_DECODER_H

#include <stdint.h>

#include "channel.h"
#include "job.h"

struct xf_decoder;

/* pipe_fd: the writing end, not blocking; closed when the stream has ended. NULL: no memory. */
struct xf_decoder *xf_decoder_new(struct xf_job *job, struct xf_channel *channel, int pipe_fd,
                                  uint16_t version, uint64_t pages, int wake_fd);
/* A MARK has come since the last call, and with it all before it. Its coming writes to wake_fd. */
bool xf_decoder_take_mark(struct xf_decoder *dec);
void xf_decoder_free(struct xf_decoder *dec);

/* 0: the whole stream with an equal digest is in the pipe; -ECANCELED: stopped or failed. */
int xf_decoder_run(struct xf_decoder *dec);
/* After that. Page numbers without content are no pages here. */
uint64_t xf_decoder_pages(const struct xf_decoder *dec);
uint64_t xf_decoder_bytes_stream(const struct xf_decoder *dec);
uint64_t xf_decoder_bytes_wire(const struct xf_decoder *dec);

#endif
