/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whose turn it is: checks in the background, of every domain here against every other node, spread
 * over time and within a budget. Pure; agent/matrix.c keeps the pairs.
 */
#ifndef XF_ROTA_H
#define XF_ROTA_H

#include <stdbool.h>
#include <stdint.h>

#define XF_ROTA_NONE      UINT32_MAX
/* A pair that has changed is left to settle for so long: a node that boots, a domain that starts. */
#define XF_ROTA_SETTLE_MS 3000u
/* A check that could not be made is tried again after so long, then twice as long, up to the interval. */
#define XF_ROTA_RETRY_MS  15000u
/* One whose looks at a disk do not end comes half as often each time, but once in so long. */
#define XF_ROTA_HANGS_MS  86400000u

/* One domain and one node. */
struct xf_rota_pair {
    uint64_t tried_ms;   /* when its last check began; 0: never */
    uint64_t changed_ms; /* since when it is another than it was then; 0: it is the same */
    uint32_t failures;   /* checks in a row that could not be made */
    uint32_t hangs;      /* checks in a row in which a look at a disk did not end */
    uint32_t frames;     /* what its check costs */
    uint32_t reads;
    bool barred; /* not now: its domain moves, its node is away */
};

struct xf_rota_plan {
    uint64_t interval_ms; /* 0: off */
    uint32_t frames;      /* a minute */
    uint32_t reads;
};

/* What is left of the budget; all zero at the beginning. */
struct xf_rota {
    bool begun;
    uint64_t at_ms;
    int64_t frames_left; /* in 60000ths */
    int64_t reads_left;
    uint64_t next_ms; /* spread: before, only what is new or has changed */
};

/*
 * The pair whose check begins now and is paid for, or XF_ROTA_NONE. Times are of one clock that does
 * not go back, and not 0. No minute costs more than the budget unless one check alone does, which is
 * then paid for before the next.
 */
uint32_t xf_rota_next(struct xf_rota *rota, const struct xf_rota_plan *plan,
                      const struct xf_rota_pair *pair, uint32_t n, uint64_t now_ms);
/* What it has cost more than it was thought to; may be negative. */
void xf_rota_settle(struct xf_rota *rota, int64_t frames, int64_t reads);

#endif
