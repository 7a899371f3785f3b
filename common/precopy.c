/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "precopy.h"

#include <string.h>

/* An entry and its page: what a page takes until a round has shown something else. */
#define RAW_PAGE_BYTES   4104.0
/* A round of fewer pages says more about latency than about speed. */
#define SAMPLE_PAGES     64u
/* Rounds of mostly zero pages do not show what the wire can do. */
#define DENSE_PAGE_BYTES 1024.0
/* One burst must not be taken for what each short interval brings. */
#define RISE_MAX         16.0
/* More rounds do not pay when they could save at most this share of the pause. */
#define SMALL_SHARE      8u

static const uint8_t cap_steps[] = { 75, 50, 25, 10 };

void xf_precopy_init(struct xf_precopy *p, const struct xf_precopy_limits *limits)
{
    memset(p, 0, sizeof(*p));
    p->limits = *limits;
    if (p->limits.target_us > p->limits.max_us) {
        p->limits.target_us = p->limits.max_us;
    }
    p->cap_percent = 100;
    p->page_bytes = RAW_PAGE_BYTES;
}

static uint32_t clamp_us(double us)
{
    return us < (double)(XF_PRECOPY_UNKNOWN - 1) ? (uint32_t)us : XF_PRECOPY_UNKNOWN - 1;
}

static double send_at_us(const struct xf_precopy *p, double pages, double page_us)
{
    double by_time = pages * page_us;
    double by_wire = p->wire_bytes_us > 0 ? pages * p->page_bytes / p->wire_bytes_us : 0;

    return by_time > by_wire ? by_time : by_wire;
}

/* What the rule goes by: the last round is believed. */
static double send_us(const struct xf_precopy *p, double pages)
{
    return send_at_us(p, pages, p->page_us);
}

/*
 * What it will most likely take. Whatever a round waits for besides its pages, such as a thread to
 * wake, is added to its time, never taken from it, and is most of a small round's: of the last two
 * the faster is nearer to the truth. (126 pages took 400 ms where the last 422 then took 55 ms.)
 */
static double likely_send_us(const struct xf_precopy *p, double pages)
{
    bool before = p->page_before_us > 0 && p->page_before_us < p->page_us;

    return send_at_us(p, pages, before ? p->page_before_us : p->page_us);
}

/* The pause that would send so many pages. */
static double pause_of_us(const struct xf_precopy *p, uint64_t pages)
{
    return (double)p->limits.fixed_us + send_us(p, (double)pages);
}

/*
 * Is the first clearly less than the second? Where the fixed cost is most of a pause, fewer pages
 * save little of it; as long as none has been short enough, though, the pages are all that counts.
 */
static bool is_less(const struct xf_precopy *p, uint64_t pages, uint64_t than)
{
    bool enough = pause_of_us(p, p->pages_least) <= (double)p->limits.max_us;
    double fixed = enough ? (double)p->limits.fixed_us : 0;

    return (fixed + send_us(p, (double)pages)) * 100 <
           (fixed + send_us(p, (double)than)) * XF_PRECOPY_SHRINK_PERCENT;
}

/*
 * How many pages get dirty in the next interval. What is written again does not count twice, so a
 * shorter interval brings no more pages than a longer one, and a longer one no faster. By how much
 * faster a shorter one does, two rounds show.
 */
static double guess_pages(const struct xf_precopy *p, double interval_us)
{
    double guess = p->rate * interval_us;
    double most = (double)p->limits.pages_total;

    if (interval_us <= (double)p->interval_us) {
        most = (double)p->pages;
        guess = p->rise > 0 ? guess * p->rise : most;
    }
    return guess < most ? guess : most;
}

static uint32_t predict_us(const struct xf_precopy *p, double interval_us)
{
    if (p->interval_us == 0) {
        return XF_PRECOPY_UNKNOWN;
    }
    return clamp_us((double)p->limits.fixed_us + send_us(p, guess_pages(p, interval_us)));
}

static uint32_t likely_us(const struct xf_precopy *p, double interval_us)
{
    if (p->interval_us == 0) {
        return XF_PRECOPY_UNKNOWN;
    }
    return clamp_us((double)p->limits.fixed_us + likely_send_us(p, guess_pages(p, interval_us)));
}

/* After a send: what it says about wire and pages. */
static void learn_send(struct xf_precopy *p, const struct xf_precopy_input *in)
{
    double us = (double)(in->now_us - p->top_us) - (double)(in->none_us - p->none_before);
    uint64_t pages = in->pages_sent - p->sent_before;
    uint64_t bytes = in->bytes_wire - p->bytes_before;

    if (us <= 0 || pages < SAMPLE_PAGES) {
        return;
    }
    p->page_before_us = p->page_us;
    p->page_us = us / (double)pages;
    if (p->round > 0) {
        /* In the first round most pages may be zero; those that the guest dirties are not. */
        p->page_bytes = (double)bytes / (double)pages;
    }
    if (bytes >= XF_PRECOPY_SAMPLE_BYTES &&
        (p->wire_bytes_us <= 0 || (double)bytes / (double)pages >= DENSE_PAGE_BYTES)) {
        double rate = (double)bytes / us;

        /* Half old, half new: one slow round is not yet a slow link. */
        p->wire_bytes_us = p->wire_bytes_us > 0 ? (p->wire_bytes_us + rate) / 2 : rate;
    }
}

/* Before a send: what the fresh count says about the guest. */
static void learn_dirty(struct xf_precopy *p, const struct xf_precopy_input *in)
{
    if (p->begun) {
        double before = p->rate;

        p->interval_us = in->now_us > p->top_us ? in->now_us - p->top_us : 1;
        p->rate = (double)in->pages / (double)p->interval_us;
        if (in->now_us - p->answered_us > (p->answered_us - p->top_us) / SMALL_SHARE) {
            /* It was waited: how slow the guest looked over that long says nothing of its rise. */
            p->rise = 0;
        } else if (p->round > 0) {
            double rise = before > 0 ? p->rate / before : 1.0;
            double kept = p->rise > 0 ? (1.0 + p->rise) / 2 : 1.0;

            rise = rise > kept ? rise : kept;
            p->rise = rise < RISE_MAX ? rise : RISE_MAX;
        }
        p->round++;
        p->rounds++;
    }
    p->pages = (uint64_t)in->pages;
    if (p->round <= 1 || is_less(p, p->pages, p->pages_least)) {
        p->pages_least = p->pages;
        p->stale = 0;
    } else if (p->stale < UINT8_MAX) {
        p->stale++;
    }
    p->begun = true;
    p->top_us = in->now_us;
    p->sent_before = in->pages_sent;
    p->bytes_before = in->bytes_wire;
    p->none_before = in->none_us;
}

static bool is_small(const struct xf_precopy *p, uint32_t pause_us)
{
    uint32_t sending = pause_us > p->limits.fixed_us ? pause_us - p->limits.fixed_us : 0;

    return p->pages <= XF_PRECOPY_SMALL_PAGES || sending <= p->limits.fixed_us / SMALL_SHARE;
}

/* The last round brought nothing, and at the measured rate the next will bring nothing either. */
static bool is_level(const struct xf_precopy *p, double sending_us)
{
    return p->stale > 0 && !is_less(p, p->pages_least, p->pages) &&
           p->rate * sending_us * 100 >= (double)p->pages * XF_PRECOPY_SHRINK_PERCENT;
}

static void stop(struct xf_precopy *p, uint32_t bound_us, struct xf_precopy_output *out)
{
    p->bound_us = bound_us;
    out->verdict = XF_VERDICT_STOP;
}

static void slow_down(struct xf_precopy *p, struct xf_precopy_output *out)
{
    for (size_t i = 0; i < sizeof(cap_steps); i++) {
        if (cap_steps[i] < p->cap_percent) {
            p->cap_percent = cap_steps[i];
            break;
        }
    }
    p->stale = 0;
    p->pages_least = p->pages;
    out->verdict = XF_VERDICT_SLOW;
}

static void give_up(struct xf_precopy *p, enum xf_reason reason, struct xf_precopy_output *out)
{
    p->cap_percent = 100;
    out->verdict = XF_VERDICT_ABORT;
    out->reason = reason;
}

/* Going on as before does not help any more. */
static void decide_stuck(struct xf_precopy *p, uint32_t pause_us, bool late,
                         struct xf_precopy_output *out)
{
    const struct xf_precopy_limits *l = &p->limits;
    bool last = late || p->rounds >= XF_PRECOPY_ROUNDS_MAX || p->stale >= 2 * XF_PRECOPY_PATIENCE;
    double best = pause_of_us(p, p->pages_least);
    bool low = !is_less(p, p->pages_least, p->pages);

    if (l->slow_allowed && p->cap_percent > cap_steps[sizeof(cap_steps) - 1] && !late &&
        p->rounds < XF_PRECOPY_ROUNDS_MAX) {
        slow_down(p, out);
    } else if (pause_us <= l->max_us && (low || last)) {
        stop(p, l->max_us, out);
    } else if (!last && best <= (double)l->max_us) {
        /* It has been low enough before; a better moment may come again. */
        out->verdict = XF_VERDICT_GO_ON;
    } else if (l->force) {
        stop(p, XF_PRECOPY_UNKNOWN, out);
    } else {
        give_up(p, late ? XF_REASON_MAX_TIME : XF_REASON_NOT_CONVERGING, out);
    }
}

static void decide(struct xf_precopy *p, uint64_t now_us, struct xf_precopy_output *out)
{
    const struct xf_precopy_limits *l = &p->limits;
    double sending = send_us(p, (double)p->pages);
    uint32_t pause_us = predict_us(p, sending);
    bool late =
        l->max_time_us > 0 && (double)now_us + sending + (double)pause_us > (double)l->max_time_us;

    out->predicted_pause_us = pause_us;
    out->likely_pause_us = likely_us(p, sending);
    if (pause_us == XF_PRECOPY_UNKNOWN) {
        out->verdict = XF_VERDICT_GO_ON;
    } else if (p->rounds > XF_PRECOPY_ROUNDS_MAX) {
        /* Each STOP so far was taken back after its send: that may go on for ever. */
        if (l->force) {
            stop(p, XF_PRECOPY_UNKNOWN, out);
        } else {
            give_up(p, late ? XF_REASON_MAX_TIME : XF_REASON_NOT_CONVERGING, out);
        }
    } else if (pause_us <= l->target_us) {
        stop(p, l->target_us, out);
    } else if (pause_us <= l->max_us &&
               (is_small(p, pause_us) || (!l->slow_allowed && is_level(p, sending)))) {
        stop(p, l->max_us, out);
    } else if (late || p->stale >= XF_PRECOPY_PATIENCE || p->rounds >= XF_PRECOPY_ROUNDS_MAX) {
        decide_stuck(p, pause_us, late, out);
    } else {
        out->verdict = XF_VERDICT_GO_ON;
    }
}

static bool within_bound(const struct xf_precopy *p, uint32_t pause_us)
{
    uint32_t bound = p->bound_us ? p->bound_us : p->limits.target_us;

    return bound == XF_PRECOPY_UNKNOWN || (pause_us != XF_PRECOPY_UNKNOWN && pause_us <= bound);
}

void xf_precopy_step(struct xf_precopy *p, const struct xf_precopy_input *in,
                     struct xf_precopy_output *ret_output)
{
    struct xf_precopy_output out = { .verdict = XF_VERDICT_GO_ON, .reason = XF_REASON_OK };

    if (p->limits.cold) {
        out.verdict = XF_VERDICT_STOP;
        out.predicted_pause_us = XF_PRECOPY_UNKNOWN;
        out.likely_pause_us = XF_PRECOPY_UNKNOWN;
    } else if (in->pages >= 0) {
        learn_dirty(p, in);
        p->bound_us = 0;
        decide(p, in->now_us, &out);
    } else {
        learn_send(p, in);
        out.predicted_pause_us = predict_us(p, (double)(in->now_us - p->top_us));
        out.likely_pause_us = likely_us(p, (double)(in->now_us - p->top_us));
        p->answer_us = out.predicted_pause_us;
        p->answered_us = in->now_us;
        /* The send took what it took: what was a good moment may be one no more, or be one now. */
        if (within_bound(p, out.predicted_pause_us)) {
            out.verdict = XF_VERDICT_STOP;
            /* Whoever is not allowed to stop yet gets fresh patience. */
            p->stale = 0;
            p->rounds = 0;
        }
    }
    out.cap_percent = p->cap_percent;
    out.dirty_rate_pages_s = p->interval_us > 0 ? (uint64_t)(p->rate * 1e6) : 0;
    *ret_output = out;
}

bool xf_precopy_may_wait(const struct xf_precopy *p, uint64_t now_us)
{
    /* The rate over a long interval rises less than in the pause: no factor for that here. */
    double pages = p->rate * (double)(now_us - p->top_us);
    const struct xf_precopy_limits *l = &p->limits;
    double total = (double)l->pages_total;
    uint32_t room_us = l->max_us > l->fixed_us ? l->max_us - l->fixed_us : 0;

    if (p->bound_us == XF_PRECOPY_UNKNOWN || room_us > XF_PRECOPY_WAIT_US) {
        room_us = XF_PRECOPY_WAIT_US;
    }
    /* More than fits into a pause needs rounds, and the rule's eye on whether they get anywhere. */
    return l->cold || send_us(p, pages < total ? pages : total) <= room_us;
}

bool xf_precopy_holds(const struct xf_precopy *p, uint64_t now_us)
{
    double interval_us = (double)(now_us - p->top_us);
    uint32_t pause_us = predict_us(p, interval_us);

    if (p->limits.cold || p->bound_us == XF_PRECOPY_UNKNOWN) {
        return true;
    }
    return within_bound(p, pause_us) && (guess_pages(p, interval_us) <= XF_PRECOPY_SMALL_PAGES ||
                                         pause_us - p->answer_us <= p->answer_us / SMALL_SHARE);
}
