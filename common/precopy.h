/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The stop rule of live pre-copy: pure arithmetic. In come rounds, out comes how to go on.
 * docs/stop-rule.md says why. agent/mover/policy.c feeds it from the hypervisor's loop.
 */
#ifndef XF_PRECOPY_H
#define XF_PRECOPY_H

#include <stdbool.h>
#include <stdint.h>

#include "reason.h"

enum xf_verdict {
    XF_VERDICT_GO_ON,
    XF_VERDICT_STOP,  /* suspend and send the rest */
    XF_VERDICT_SLOW,  /* go on with the guest slowed to .cap_percent */
    XF_VERDICT_ABORT, /* leave the guest running here */
    XF_N_VERDICTS,
};

/* A remainder of so many pages is not worth another round: libxenguest's own rule stops at 50. */
#define XF_PRECOPY_SMALL_PAGES    50u
/* A pause that sends the pages counts as shrinking when it falls below this share of the least. */
#define XF_PRECOPY_SHRINK_PERCENT 96u
/* Rounds in a row that do not shrink before something is done about it. */
#define XF_PRECOPY_PATIENCE       2u
/* Each slowing restarts patience; a shrinking guest may take more rounds than libxenguest's 30. */
#define XF_PRECOPY_ROUNDS_MAX     60u
/* What is sent in a round says something about the wire only from this size on. */
#define XF_PRECOPY_SAMPLE_BYTES   (1u << 20)
/* Whoever waits for permission to stop sends a round once what got dirty meanwhile takes this. */
#define XF_PRECOPY_WAIT_US        500000u
#define XF_PRECOPY_UNKNOWN        UINT32_MAX

struct xf_precopy_limits {
    uint32_t target_us;   /* stop as soon as the predicted pause is within this */
    uint32_t max_us;      /* never stop above this unless forced */
    uint32_t fixed_us;    /* what a pause costs besides the last pages */
    uint64_t max_time_us; /* of the whole pre-copy; 0: none */
    uint64_t pages_total; /* of the guest */
    bool slow_allowed;
    bool force;
    bool cold;
};

/*
 * The hypervisor asks twice a round. Before the send: pages = the fresh dirty count. After it:
 * pages < 0, and the counters hold what the send took.
 */
struct xf_precopy_input {
    int64_t pages;
    uint64_t now_us;
    uint64_t pages_sent; /* since the beginning: pages put on the wire, in whatever form */
    uint64_t bytes_wire; /* since the beginning */
    uint64_t none_us;    /* since the beginning: went to page numbers that have no page */
};

struct xf_precopy_output {
    enum xf_verdict verdict;
    enum xf_reason reason;       /* of ABORT */
    uint8_t cap_percent;         /* to be in force from now on; 100: none, always so with ABORT */
    uint32_t predicted_pause_us; /* if it stopped now; XF_PRECOPY_UNKNOWN before the second round */
    uint32_t likely_pause_us;    /* the same for people: the rule is careful, this is not */
    uint64_t dirty_rate_pages_s; /* over the last round */
};

/* Plain data. Only xf_precopy_init() and xf_precopy_step() write it. */
struct xf_precopy {
    struct xf_precopy_limits limits;
    bool begun;
    uint32_t rounds; /* calls before a send since the last STOP that a send confirmed */
    uint32_t round;  /* the same since the beginning */
    uint8_t cap_percent;
    uint8_t stale;        /* rounds in a row that did not shrink */
    uint32_t bound_us;    /* the call before the send said STOP for up to this; 0: it did not */
    uint32_t answer_us;   /* pause predicted by the call after the send */
    uint64_t answered_us; /* when that was; then there may have been waiting */
    uint64_t top_us;      /* when that call was */
    uint64_t interval_us; /* from the one before it: what its pages took to get dirty; 0: first */
    uint64_t pages;       /* dirty then */
    uint64_t pages_least; /* fewest so far at this cap */
    uint64_t sent_before; /* .pages_sent, .bytes_wire and .none_us then */
    uint64_t bytes_before;
    uint64_t none_before;
    double rate; /* pages dirtied per us, over that interval */
    double rise; /* how much faster they get dirty in shorter intervals, >= 1; 0: not known */
    double wire_bytes_us;  /* 0: not known */
    double page_bytes;     /* wire bytes that a dirty page takes */
    double page_us;        /* time that a page takes, whatever it waits for */
    double page_before_us; /* the same of the round before */
};

void xf_precopy_init(struct xf_precopy *p, const struct xf_precopy_limits *limits);
void xf_precopy_step(struct xf_precopy *p, const struct xf_precopy_input *input,
                     struct xf_precopy_output *ret_output);
/*
 * Between a STOP after a send and the suspending there may be somebody's permission to wait for.
 * May the guest just run meanwhile? Else what it dirties is to be sent by a round. And once there is
 * permission: does the STOP still hold, or is what got dirty worth a round first?
 */
bool xf_precopy_may_wait(const struct xf_precopy *p, uint64_t now_us);
bool xf_precopy_holds(const struct xf_precopy *p, uint64_t now_us);

#endif
