/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "rota.h"

#define MINUTE_MS 60000
/* A quarter of a minute's budget may be saved up; three quarters come in a minute: together one. */
#define SAVED_IN  4
/* Of a second, doubling beyond this exceeds a day. */
#define DOUBLINGS 17u

static int64_t most_of(uint32_t budget)
{
    return (int64_t)budget * MINUTE_MS / SAVED_IN;
}

static int64_t filled(int64_t left, uint32_t budget, uint64_t passed_ms)
{
    int64_t most = most_of(budget);
    int64_t rate = (int64_t)budget * (SAVED_IN - 1) / SAVED_IN; /* 60000ths a millisecond */
    int64_t missing = left < most ? most - left : 0;

    rate = rate > 0 ? rate : 1;
    if (passed_ms > (uint64_t)(missing / rate)) {
        return most;
    }
    return left + rate * (int64_t)passed_ms;
}

static void fill(struct xf_rota *rota, const struct xf_rota_plan *plan, uint64_t now_ms)
{
    uint64_t passed_ms = now_ms > rota->at_ms ? now_ms - rota->at_ms : 0;

    if (!rota->begun) {
        rota->begun = true;
        rota->frames_left = most_of(plan->frames);
        rota->reads_left = most_of(plan->reads);
        passed_ms = 0;
    }
    rota->frames_left = filled(rota->frames_left, plan->frames, passed_ms);
    rota->reads_left = filled(rota->reads_left, plan->reads, passed_ms);
    rota->at_ms = now_ms;
}

/* A check that costs more than can be saved up begins when all is, and leaves a debt. */
static bool can_pay(int64_t left, uint32_t budget, uint32_t cost)
{
    int64_t most = most_of(budget);
    int64_t price = (int64_t)cost * MINUTE_MS;

    return left >= (price < most ? price : most);
}

/* first, doubled so often, but at most most. */
static uint64_t doubled_ms(uint64_t first, uint32_t times, uint64_t most)
{
    uint64_t wait = first << (times < DOUBLINGS ? times : DOUBLINGS);

    return wait < most ? wait : most;
}

static uint64_t wait_ms(const struct xf_rota_pair *p, uint64_t interval_ms)
{
    if (p->hangs > 0) {
        return doubled_ms(interval_ms, p->hangs,
                          interval_ms > XF_ROTA_HANGS_MS ? interval_ms : XF_ROTA_HANGS_MS);
    }
    return p->failures > 0 ? doubled_ms(XF_ROTA_RETRY_MS, p->failures - 1, interval_ms)
                           : interval_ms;
}

/* When its turn comes. */
static uint64_t due_ms(const struct xf_rota_pair *p, uint64_t interval_ms)
{
    uint64_t due = p->tried_ms == 0 ? 1 : p->tried_ms + wait_ms(p, interval_ms);
    uint64_t soon = p->changed_ms + XF_ROTA_SETTLE_MS;

    if (p->changed_ms == 0) {
        return due;
    }
    if (p->tried_ms == 0) {
        return soon; /* it is new */
    }
    return soon < due ? soon : due;
}

/* New, or another than it was: it does not wait for its place in the interval. */
static bool is_urgent(const struct xf_rota_pair *p)
{
    return p->changed_ms != 0 || p->tried_ms == 0;
}

uint32_t xf_rota_next(struct xf_rota *rota, const struct xf_rota_plan *plan,
                      const struct xf_rota_pair *pair, uint32_t n, uint64_t now_ms)
{
    bool early = now_ms < rota->next_ms;
    uint32_t found = XF_ROTA_NONE;
    uint64_t found_due = 0;

    fill(rota, plan, now_ms);
    if (plan->interval_ms == 0) {
        return XF_ROTA_NONE;
    }
    /* The longest due goes first: so none starves, whatever changes meanwhile. */
    for (uint32_t i = 0; i < n; i++) {
        uint64_t due = due_ms(&pair[i], plan->interval_ms);

        if (!pair[i].barred && due <= now_ms && (!early || is_urgent(&pair[i])) &&
            (found == XF_ROTA_NONE || due < found_due)) {
            found = i;
            found_due = due;
        }
    }
    if (found == XF_ROTA_NONE || !can_pay(rota->frames_left, plan->frames, pair[found].frames) ||
        !can_pay(rota->reads_left, plan->reads, pair[found].reads)) {
        return XF_ROTA_NONE; /* the one whose turn it is waits; a cheaper one must not overtake it */
    }
    xf_rota_settle(rota, pair[found].frames, pair[found].reads);
    if (!early) {
        /* Twice as fast as all pairs need, so that what was missed is made up for. */
        rota->next_ms = now_ms + plan->interval_ms / (2 * (uint64_t)n);
    }
    return found;
}

void xf_rota_settle(struct xf_rota *rota, int64_t frames, int64_t reads)
{
    rota->frames_left -= frames * MINUTE_MS;
    rota->reads_left -= reads * MINUTE_MS;
}
