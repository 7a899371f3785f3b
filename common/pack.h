/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Does compressing pages pay? It does as long as the bytes that it saves would take longer to send
 * than it takes itself: pure arithmetic on what the encoder (agent/mover/) measures.
 */
#ifndef XF_PACK_H
#define XF_PACK_H

#include <stdbool.h>
#include <stdint.h>

/* So much fits into the buffers on the way, which shows nothing of how fast the rest will leave. */
#define XF_PACK_FREE_BYTES (4u << 20)
/* Pages that are not tried after it did not pay: so many chunks, twice as many each time. */
#define XF_PACK_PAUSE_MIN  8u
#define XF_PACK_PAUSE_MAX  256u

/* What one chunk took. */
struct xf_pack_sample {
    bool tried;           /* it was compressed where that made pages smaller */
    uint64_t bytes_saved; /* by that */
    uint64_t pack_us;
    uint64_t bytes_sent;
    uint64_t send_us;
};

/* Plain data, all zero at the beginning. */
struct xf_pack {
    uint64_t total; /* sent */
    double bytes;   /* sent lately, and how long that took */
    double send_us;
    double saved; /* by compressing lately, and how long that took */
    double pack_us;
    uint32_t left;  /* chunks until it is tried again */
    uint32_t pause; /* the last one */
};

/* Is the next chunk to be compressed? */
bool xf_pack_wanted(const struct xf_pack *p);
void xf_pack_learn(struct xf_pack *p, const struct xf_pack_sample *sample);

#endif
