/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "policy.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "mono.h"
#include "precopy.h"
#include "text.h"

#define TARGET_MS     300u
#define MAX_MS        1000u
/* While something is waited for: how often the job is told that this is no standstill, and the rule
 * asked what the guest has done meanwhile. */
#define WAIT_SLICE_MS 50u
/* libxl gives the target's hotplug scripts 40 s. Tests have no time for so much. */
#ifndef PREPARED_WAIT_US
#define PREPARED_WAIT_US (45u * 1000000ull)
#endif
/* Another move's pause on the same link is over long before. */
#define SWITCH_WAIT_US (60u * 1000000ull)
/* A slow link may hold more than this in its buffers; then the pause holds the rest of it. */
#define ARRIVE_MS      1000u
/* For a thread to come back from a call that has just timed out. */
#define CAP_MARGIN_MS  50u

struct xf_policy {
    struct xf_job *job;
    struct xf_encoder *enc;
    struct xf_precopy rule;
    bool switch_wanted;
    uint64_t switch_wanted_us;
    _Atomic bool peer_prepared;
    bool peer_awaited; /* it is prepared, or was waited for in vain */
    _Atomic bool over; /* nobody hears the verdict that is waited for */
    _Atomic uint64_t stop_us;
    _Atomic uint64_t suspended_us;
    uint64_t sent_us;
    uint32_t predicted_us; /* when it stopped; 0: not known */
    uint32_t rounds;
    _Atomic int cap_percent;  /* in force */
    _Atomic bool cap_over;    /* nobody slows the guest any more */
    pthread_mutex_t cap_lock; /* held while the hypervisor is asked; of the next */
    bool cap_used;
    pthread_mutex_t lock;  /* of what follows */
    struct xf_round round; /* the present one, as known at its top */
    uint64_t top_us;
    struct xf_encoder_counts top;
};

struct xf_policy *xf_policy_new(struct xf_job *job, struct xf_encoder *enc, uint64_t pages)
{
    const struct xf_move_options *o = &job->params.options;
    uint32_t target_ms = o->downtime_target_ms ? o->downtime_target_ms : TARGET_MS;
    uint32_t max_ms = o->downtime_max_ms ? o->downtime_max_ms : MAX_MS;
    struct xf_precopy_limits limits = {
        .target_us = target_ms < UINT32_MAX / 1000u ? target_ms * 1000u : UINT32_MAX - 1,
        .max_us = max_ms < UINT32_MAX / 1000u ? max_ms * 1000u : UINT32_MAX - 1,
        .fixed_us = job->params.fixed_cost_us,
        .max_time_us = o->max_time_s * 1000000ull,
        .pages_total = pages,
        .slow_allowed = o->slow_allowed,
        .force = o->force,
        .cold = o->cold,
    };
    struct xf_policy *policy = calloc(1, sizeof(*policy));

    if (!policy) {
        return NULL;
    }
    policy->job = job;
    policy->enc = enc;
    policy->cap_percent = 100;
    policy->round.cap_percent = 100;
    pthread_mutex_init(&policy->cap_lock, NULL);
    pthread_mutex_init(&policy->lock, NULL);
    xf_precopy_init(&policy->rule, &limits);
    return policy;
}

void xf_policy_free(struct xf_policy *policy)
{
    if (policy) {
        pthread_mutex_destroy(&policy->cap_lock);
        pthread_mutex_destroy(&policy->lock);
        free(policy);
    }
}

static void begin_round(struct xf_policy *policy, uint32_t number, uint64_t pages_dirty,
                        enum xf_verdict verdict)
{
    pthread_mutex_lock(&policy->lock);
    policy->round = (struct xf_round){
        .number = number,
        .pages_dirty = pages_dirty,
        .verdict = (uint8_t)verdict,
        .predicted_pause_us = policy->predicted_us,
        .cap_percent = (uint8_t)policy->cap_percent,
    };
    policy->top = xf_encoder_counts(policy->enc);
    policy->top_us = xf_mono_us();
    policy->rounds = number + 1;
    pthread_mutex_unlock(&policy->lock);
}

static void note_verdict(struct xf_policy *policy, const struct xf_precopy_output *out)
{
    pthread_mutex_lock(&policy->lock);
    policy->round.verdict = (uint8_t)out->verdict;
    policy->round.cap_percent = (uint8_t)policy->cap_percent;
    policy->round.dirty_rate_kibps = out->dirty_rate_pages_s * (XF_PAGE_SIZE / 1024u);
    policy->round.predicted_pause_us =
        out->likely_pause_us == XF_PRECOPY_UNKNOWN ? 0 : out->likely_pause_us;
    pthread_mutex_unlock(&policy->lock);
}

void xf_policy_tell(struct xf_policy *policy)
{
    struct xf_encoder_counts now = xf_encoder_counts(policy->enc);
    struct xf_round round;
    uint64_t none;

    pthread_mutex_lock(&policy->lock);
    round = policy->round;
    /* The first round goes over all page numbers, of which the guest need not have many. */
    none = now.pages_none - policy->top.pages_none;
    round.pages_dirty -= none < round.pages_dirty ? none : round.pages_dirty;
    round.pages_sent = now.pages_sent - policy->top.pages_sent;
    round.pages_zero = now.pages_zero - policy->top.pages_zero;
    round.pages_same = now.pages_same - policy->top.pages_same;
    round.bytes_wire = now.bytes_wire - policy->top.bytes_wire;
    round.duration_us = policy->top_us ? xf_mono_us() - policy->top_us : 0;
    pthread_mutex_unlock(&policy->lock);
    xf_job_say_round(policy->job, &round);
}

static void slow_guest(struct xf_policy *policy, uint8_t percent)
{
    struct xf_job *job = policy->job;

    pthread_mutex_lock(&policy->cap_lock);
    if (!policy->cap_over && policy->cap_percent != percent) {
        /* Also when it fails: the hypervisor may have done it and only not said so. */
        policy->cap_used = true;
        if (job->hyper->cap(job->dir, &job->params.uuid, percent) == 0) {
            policy->cap_percent = percent;
        } else {
            /* Nothing is won by asking again; the rule goes on without it. */
            policy->rule.limits.slow_allowed = false;
        }
    }
    pthread_mutex_unlock(&policy->cap_lock);
}

void xf_policy_lift_cap(struct xf_policy *policy)
{
    struct xf_job *job = policy->job;
    uint64_t end_us = xf_mono_us() + (XF_CAP_MS + CAP_MARGIN_MS) * 1000u;
    struct timespec end = { .tv_sec = (time_t)(end_us / 1000000u),
                            .tv_nsec = (long)(end_us % 1000000u) * 1000 };

    policy->cap_over = true;
    /* One that is being set now must be over first, or it would come after the lifting. */
    if (pthread_mutex_clocklock(&policy->cap_lock, CLOCK_MONOTONIC, &end) != 0) {
        return;
    }
    if (policy->cap_used && job->hyper->cap(job->dir, &job->params.uuid, 100) == 0) {
        policy->cap_used = false;
        policy->cap_percent = 100;
    }
    pthread_mutex_unlock(&policy->cap_lock);
}

static bool is_over(struct xf_policy *policy)
{
    return policy->over || xf_job_stopped(policy->job);
}

/*
 * The target attaches devices while memory comes. A guest that stopped before they are there would
 * wait for them in its pause, and rounds until then would send its working set again and again: so
 * it runs on, and what it has got dirty is sent once. A target as slow as that is not waited for
 * again.
 */
static void await_peer_prepared(struct xf_policy *policy)
{
    uint64_t end_us = xf_mono_us() + PREPARED_WAIT_US;

    while (!xf_job_await(policy->job, &policy->peer_prepared, WAIT_SLICE_MS) && !is_over(policy) &&
           xf_mono_us() < end_us) {
        xf_job_progress(policy->job); /* the save stream stands still for a reason */
    }
    policy->peer_awaited = true;
}

static bool may_switch(struct xf_policy *policy, uint32_t wait_ms)
{
    if (!policy->switch_wanted) {
        policy->switch_wanted = true;
        policy->switch_wanted_us = xf_mono_us();
        xf_job_say(policy->job, XF_LINK_WANT_SWITCH);
    }
    if (xf_job_await(policy->job, &policy->job->may_switch, wait_ms)) {
        return true;
    }
    if (xf_mono_us() - policy->switch_wanted_us > SWITCH_WAIT_US) {
        xf_job_fail(policy->job, XF_REASON_NO_SLOT, "the link was never free for the switch-over");
    }
    return false;
}

static uint64_t since_start_us(const struct xf_policy *policy)
{
    return xf_mono_us() - policy->job->start_us;
}

/* The rule says stop. Rounds that only pass the time would cost bytes and processors. */
static enum xf_verdict await_permission(struct xf_policy *policy)
{
    while (!may_switch(policy, WAIT_SLICE_MS)) {
        if (is_over(policy)) {
            /* Whoever does not hear it any more has words of its own for why. */
            return xf_job_stopped(policy->job) ? XF_VERDICT_ABORT : XF_VERDICT_GO_ON;
        }
        if (!xf_precopy_may_wait(&policy->rule, since_start_us(policy))) {
            return XF_VERDICT_GO_ON;
        }
        xf_job_progress(policy->job);
    }
    return xf_precopy_holds(&policy->rule, since_start_us(policy)) ? XF_VERDICT_STOP
                                                                   : XF_VERDICT_GO_ON;
}

static struct xf_precopy_output step(struct xf_policy *policy, int64_t pages_dirty)
{
    struct xf_encoder_counts counts = xf_encoder_counts(policy->enc);
    struct xf_precopy_input in = {
        .pages = pages_dirty,
        .now_us = since_start_us(policy),
        .pages_sent = counts.pages_sent + counts.pages_same,
        .bytes_wire = counts.bytes_wire,
        .none_us = counts.none_us,
    };
    struct xf_precopy_output out;

    xf_precopy_step(&policy->rule, &in, &out);
    return out;
}

/* The hypervisor's bound counts all page numbers; how many pages there are, the first round shows. */
static void learn_size(struct xf_policy *policy, uint32_t round, uint64_t pages_dirty)
{
    uint64_t *total = &policy->rule.limits.pages_total;

    if (round == 1) {
        uint64_t none = xf_encoder_counts(policy->enc).pages_none;

        *total -= none < *total ? none : *total;
    }
    /* A guest may have got more since. */
    if (round > 0 && pages_dirty > *total) {
        *total = pages_dirty;
    }
}

static void give_up(struct xf_policy *policy, const struct xf_precopy_output *out, uint32_t round,
                    int64_t pages_dirty)
{
    const struct xf_precopy_limits *limits = &policy->rule.limits;

    if (limits->fixed_us > limits->max_us) {
        /* No round could change that. */
        xf_job_fail(policy->job, out->reason,
                    "besides all pages a pause here takes %u ms, as earlier moves have shown",
                    limits->fixed_us / 1000u);
    } else {
        xf_job_fail(policy->job, out->reason,
                    "round %u: %lld pages are dirty, the pause would be %u ms", round,
                    (long long)pages_dirty, out->predicted_pause_us / 1000u);
    }
}

/*
 * The rule's STOP is carried out after the round, not before it: the hypervisor would send the
 * round live either way, but so the rule sees once more how long that took, and the pause is timed
 * from the moment of suspending.
 */
static enum xf_verdict before_send(struct xf_policy *policy, uint32_t round, int64_t pages_dirty)
{
    struct xf_precopy_output out;

    begin_round(policy, round, (uint64_t)pages_dirty, XF_VERDICT_GO_ON);
    learn_size(policy, round, (uint64_t)pages_dirty);
    out = step(policy, pages_dirty);
    if (out.verdict == XF_VERDICT_ABORT) {
        note_verdict(policy, &out);
        give_up(policy, &out, round, pages_dirty);
        return XF_VERDICT_ABORT;
    }
    if (out.verdict == XF_VERDICT_SLOW) {
        slow_guest(policy, out.cap_percent);
    }
    note_verdict(policy, &out);
    if (out.verdict == XF_VERDICT_STOP) {
        (void)may_switch(policy, 0); /* permission may come while the round is sent */
    }
    return XF_VERDICT_GO_ON;
}

static enum xf_verdict after_send(struct xf_policy *policy)
{
    struct xf_precopy_output out;

    /* Until then the measured time would be that of filling the pipe. */
    if (!xf_encoder_wait_idle(policy->enc) || !xf_encoder_wait_arrived(policy->enc, ARRIVE_MS)) {
        return XF_VERDICT_ABORT;
    }
    out = step(policy, -1);
    if (out.verdict == XF_VERDICT_STOP) {
        out.verdict = await_permission(policy);
    }
    if (out.verdict == XF_VERDICT_STOP || policy->round.verdict != XF_VERDICT_SLOW) {
        note_verdict(policy, &out);
    }
    if (out.verdict == XF_VERDICT_STOP) {
        policy->predicted_us = policy->round.predicted_pause_us;
        policy->stop_us = xf_mono_us();
    } else {
        /* While stopping, the message can wait for the guest's pause to be over. */
        xf_policy_tell(policy);
        if (out.verdict == XF_VERDICT_GO_ON && !policy->peer_awaited) {
            await_peer_prepared(policy);
        }
    }
    return out.verdict;
}

static enum xf_verdict policy_asked(void *arg, uint32_t round, uint64_t total_written,
                                    int64_t pages_dirty)
{
    struct xf_policy *policy = arg;

    (void)total_written; /* the encoder counts what really left */
    xf_job_progress(policy->job);
    if (xf_job_stopped(policy->job)) {
        return XF_VERDICT_ABORT;
    }
    return pages_dirty >= 0 ? before_send(policy, round, pages_dirty) : after_send(policy);
}

static void policy_suspended(void *arg)
{
    struct xf_policy *policy = arg;

    policy->suspended_us = xf_mono_us();
    xf_job_progress(policy->job);
    xf_job_say(policy->job, XF_LINK_SUSPENDED);
    if (policy->rounds > 0) {
        xf_policy_tell(policy);
    }
    begin_round(policy, policy->rounds, 0, XF_VERDICT_STOP);
}

/* The hypervisor's helper may have died while its question was thought about. */
static void policy_over(void *arg)
{
    struct xf_policy *policy = arg;

    policy->over = true;
}

void xf_policy_peer_prepared(struct xf_policy *policy)
{
    xf_job_announce(policy->job, &policy->peer_prepared);
}

static void policy_note(void *arg, const char *text)
{
    struct xf_policy *policy = arg;

    xf_job_say_text(policy->job, XF_LINK_NOTE, text);
}

static void policy_why(void *arg, const char *text)
{
    struct xf_policy *policy = arg;

    xf_text_copy(policy->job->why, sizeof(policy->job->why), text);
}

const struct xf_save_events xf_policy_events = {
    .policy = policy_asked,
    .suspended = policy_suspended,
    .over = policy_over,
    .note = policy_note,
    .why = policy_why,
};

void xf_policy_cold(struct xf_policy *policy)
{
    policy->stop_us = xf_mono_us();
}

void xf_policy_sent(struct xf_policy *policy)
{
    struct xf_encoder_counts now = xf_encoder_counts(policy->enc);

    policy->sent_us = xf_mono_us();
    pthread_mutex_lock(&policy->lock);
    /* Nobody says how many pages the last round has, but it sent them all. */
    policy->round.pages_dirty = now.pages_sent + now.pages_same + now.pages_none -
                                policy->top.pages_sent - policy->top.pages_same -
                                policy->top.pages_none;
    pthread_mutex_unlock(&policy->lock);
}

uint64_t xf_policy_stop_us(const struct xf_policy *policy)
{
    return policy->stop_us;
}

uint64_t xf_policy_suspended_us(const struct xf_policy *policy)
{
    return policy->suspended_us;
}

void xf_policy_totals(struct xf_policy *policy, struct xf_link_totals *totals)
{
    totals->rounds = policy->rounds;
    totals->predicted_pause_us = policy->predicted_us;
    /* A hypervisor that goes by a rule of its own does not say when that said stop. */
    totals->suspend_us = policy->stop_us > 0 && policy->suspended_us > policy->stop_us
                             ? policy->suspended_us - policy->stop_us
                             : 0;
    totals->last_pages_us =
        policy->sent_us > policy->suspended_us ? policy->sent_us - policy->suspended_us : 0;
}
