/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "attempt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "clock_qb.h"
#include "log_qb.h"
#include "mover_proc.h"
#include "net_announce.h"
#include "report.h"
#include "requests.h"
#include "slots.h"
#include "text.h"

#define PROGRESS_MS     1000u
/*
 * After unpausing the guest's devices connect anew, for which they need this host's processors
 * more than the domain needs its name.
 */
#define RENAME_AFTER_MS 1000u
/* Corosync and the group are there within seconds of the agent's start, or are in trouble. */
#define GROUP_WAIT_MS   15000u
/* S tells within two seconds, if it can; one that cannot may be in the view for long. */
#define SOURCE_WAIT_MS  10000u
/* A destination without a free slot is asked again this much later. */
#define REQUEUE_MS      1000u

struct xf_attempt *xf_attempt_new(struct xf_domain *dom, bool source)
{
    struct xf_attempt *at = calloc(1, sizeof(*at));

    if (at == NULL) {
        abort();
    }
    if (dom->attempt != NULL && dom->attempt->ended && dom->attempt->report_at_ms != UINT64_MAX) {
        dom->attempt->report_at_ms = 0; /* it waits for the network no longer */
        xf_attempt_end(dom, dom->attempt->end_reason);
    }
    xf_attempt_free(dom);
    at->source = source;
    at->started_ms = xf_now_ms();
    xf_now_iso(at->started, sizeof(at->started));
    at->order = ++dom->agent->next_order;
    dom->attempt = at;
    dom->refusal[0] = '\0';
    return at;
}

void xf_attempt_free(struct xf_domain *dom)
{
    struct xf_attempt *at = dom->attempt;

    if (at == NULL) {
        return;
    }
    xf_attempt_net_stop(at);
    xf_check_stop(at->check);
    if (at->waiter != NULL) {
        xf_answer(at->waiter, XF_REASON_INTERNAL, "", NULL);
    }
    free(at->config);
    free(at);
    dom->attempt = NULL;
}

bool xf_attempt_is_waiting(const struct xf_domain *dom)
{
    return dom->attempt != NULL && (dom->attempt->queued || dom->attempt->check != NULL);
}

enum xf_reason xf_attempt_configure(struct xf_domain *dom)
{
    struct xf_agent *agent = dom->agent;
    struct xf_attempt *at = dom->attempt;
    char err[200];
    int rc;

    free(at->config);
    at->config = calloc(1, XF_CONFIG_SIZE_MAX);
    if (at->config == NULL) {
        abort();
    }
    rc = agent->hyper_ops->config(agent->hyper, &dom->uuid, at->config, XF_CONFIG_SIZE_MAX);
    if (rc == -EAGAIN) {
        return XF_REASON_BUSY;
    }
    if (rc == -EMSGSIZE || (rc == 0 && !xf_text_utf8_ok(at->config))) {
        return XF_REASON_CONFIG; /* it travels as JSON, in one message */
    }
    if (rc != 0) {
        return XF_REASON_HYPERVISOR;
    }
    at->needs_known = agent->hyper_ops->needs(at->config, &at->needs, err, sizeof(err)) == 0;
    return XF_REASON_OK;
}

/* ---- the mover's words ---- */

void xf_attempt_note(struct xf_attempt *at, const char *text)
{
    if (at->n_notes < XF_ATTEMPT_NOTES_MAX && text[0] != '\0') {
        xf_text_copy(at->notes[at->n_notes++], sizeof(at->notes[0]), text);
    }
}

static void grant_switch(struct xf_domain *dom, uint64_t now_ms)
{
    struct xf_attempt *at = dom->attempt;

    /* Not to one that was killed: the slot would be taken for nothing. */
    if (dom->mover != NULL && dom->after_mover == XF_AFTER_NOTHING &&
        xf_slots_may_switch(dom, now_ms)) {
        at->wants_switch = false;
        at->switched_ms = now_ms;
        xf_mover_tell(dom->mover, XF_LINK_SWITCH);
        xf_report_progress(dom, true);
    }
}

static void take_round(struct xf_attempt *at, const struct xf_round *round)
{
    bool again = at->n_rounds > 0 && at->rounds[at->n_rounds - 1].number == round->number;

    /* A long round is told several times, each time with more of it done. */
    if (!again && at->n_rounds < XF_ATTEMPT_ROUNDS_MAX) {
        at->n_rounds++;
    }
    at->rounds[at->n_rounds - 1] = *round;
}

void xf_attempt_mover(struct xf_domain *dom, const struct xf_link_msg *msg)
{
    struct xf_attempt *at = dom->attempt;
    uint64_t now_us = xf_now_us();

    if (at == NULL) {
        return;
    }
    switch ((enum xf_link_type)msg->type) {
    case XF_LINK_LISTENING:
        at->port = msg->port;
        return;
    case XF_LINK_ROUND:
        take_round(at, &msg->round);
        return;
    case XF_LINK_WANT_SWITCH:
        at->wants_switch = true;
        grant_switch(dom, now_us / 1000u);
        return;
    case XF_LINK_SUSPENDED:
        at->suspended_us = now_us;
        /* A better figure comes with the totals, if the mover lives to send them. */
        if (at->switched_ms != 0 && at->totals.suspend_us == 0) {
            at->totals.suspend_us = now_us - at->switched_ms * 1000u;
        }
        return;
    case XF_LINK_WANT_END:
        at->want_end_us = now_us;
        return;
    case XF_LINK_COMPLETE:
        at->build_us =
            msg->totals.build_us < UINT32_MAX ? (uint32_t)msg->totals.build_us : UINT32_MAX;
        at->totals = msg->totals;
        at->finished = true;
        return;
    case XF_LINK_FINISHED:
        at->totals = msg->totals;
        at->finished = true;
        return;
    case XF_LINK_FAILED:
        at->finished = true;
        xf_text_copy(at->failure, sizeof(at->failure), msg->text);
        return;
    case XF_LINK_NOTE:
        xf_attempt_note(at, msg->text);
        return;
    case XF_LINK_TROUBLE:
        xf_text_copy(at->trouble, sizeof(at->trouble), msg->text);
        return;
    case XF_LINK_CONNECTED:
    case XF_LINK_SEND:
    case XF_LINK_RECEIVE:
    case XF_LINK_SWITCH:
    case XF_LINK_GRANT:
    case XF_LINK_CANCEL:
    case XF_N_LINKS:
        return;
    }
}

/* ---- as it goes on ---- */

/* A party tells where it stands; D only when S is not there to do so. */
static bool tells(const struct xf_domain *dom)
{
    const struct xf_core *core = &dom->core;

    if (!xf_core_busy(core) || core->state == XF_ST_STARTING) {
        return false;
    }
    return core->src.i == dom->agent->cluster.self.i ||
           (core->src.i < XF_NODES_MAX && !dom->agent->peer[core->src.i].member);
}

static void log_doubt(struct xf_domain *dom)
{
    json_t *m = xf_report_migration(dom);

    xf_domain_log(dom, LOG_NOTICE, "in doubt; missing: %s",
                  json_string_value(json_object_get(m, "missing")));
    json_decref(m);
}

static void announce_arrival(struct xf_domain *dom)
{
    struct xf_agent *agent = dom->agent;

    if (dom->attempt != NULL && dom->attempt->announce != NULL) {
        xf_announce_fire(dom->attempt->announce);
    }
    dom->rename_at_ms = xf_now_ms() + RENAME_AFTER_MS;
    xf_domain_log(dom, LOG_NOTICE, "runs here, arrived from %s",
                  xf_peer_slot_name(agent, dom->core.src));
    xf_op_release(dom);
}

static void state_changed(struct xf_domain *dom, const struct xf_core *before)
{
    struct xf_attempt *at = dom->attempt;
    enum xf_state now = (enum xf_state)dom->core.state;

    dom->agent->hello_wanted = dom->agent->hello_wanted || xf_core_busy(before);
    if (now == XF_ST_HOME && before->state == XF_ST_D_UNPAUSE) {
        announce_arrival(dom);
    } else if (now == XF_ST_S_INTENT) {
        xf_domain_log(dom, LOG_NOTICE, "begins to move to %s",
                      xf_peer_slot_name(dom->agent, dom->core.dst));
    } else if (now == XF_ST_S_COMMIT && at != NULL) {
        at->commit_us = xf_now_us();
        if (at->watch != NULL) {
            xf_watch_start(at->watch);
        }
    } else if (now == XF_ST_S_RESUME && before->state != XF_ST_IDLE) {
        xf_domain_log(dom, LOG_WARNING, "is kept here: %s", xf_reason_sentence(dom->core.reason));
    } else if (now == XF_ST_S_WON || now == XF_ST_D_WON) {
        xf_domain_log(dom, LOG_NOTICE, "is decided for this node, by promises or by an operator");
    }
    if (!tells(dom)) {
        return;
    }
    /* In the pause the group carries the protocol alone; who watches here sees it all the same. */
    xf_report_progress(dom, now != XF_ST_S_SUSP && now != XF_ST_S_END && now != XF_ST_S_COMMIT);
    if (at != NULL) {
        at->progress_ms = xf_now_ms();
    }
}

void xf_attempt_stepped(struct xf_domain *dom, const struct xf_core *before)
{
    struct xf_attempt *at = dom->attempt;
    bool doubt = xf_core_in_doubt(&dom->core);

    if (dom->core.state == XF_ST_D_UNPAUSE) {
        return; /* H12: until RUNNING is sent there is nothing more urgent */
    }
    if (dom->core.state != before->state) {
        state_changed(dom, before);
    }
    if (doubt && !xf_core_in_doubt(before)) {
        log_doubt(dom);
        xf_report_progress(dom, true);
    }
    /* Another migration, or none, is what the record is about now. */
    if (at != NULL && !at->source && !at->ended && !xf_core_busy(&dom->core) &&
        xf_core_busy(before)) {
        xf_attempt_end(dom, (enum xf_reason)dom->core.reason);
    }
}

static void check_limit(struct xf_domain *dom, uint64_t now_ms)
{
    struct xf_attempt *at = dom->attempt;
    struct xf_event event = { .type = XF_EV_CANCEL, .reason = XF_REASON_MAX_TIME };

    if (at->max_time_s == 0 || at->limit_hit ||
        now_ms < at->started_ms + at->max_time_s * UINT64_C(1000)) {
        return;
    }
    at->limit_hit = true;
    if (xf_attempt_is_waiting(dom)) {
        xf_attempt_refuse(dom, XF_REASON_MAX_TIME, "");
    } else if (dom->core.state == XF_ST_S_MARK || dom->core.state == XF_ST_S_INTENT ||
               dom->core.state == XF_ST_S_COPY) {
        xf_domain_event(dom, &event); /* once it is paused, going on is the shorter way */
    }
}

void xf_attempt_tick(struct xf_domain *dom, uint64_t now_ms)
{
    struct xf_attempt *at = dom->attempt;

    if (at == NULL) {
        return;
    }
    if (at->ended && now_ms >= at->report_at_ms) {
        xf_attempt_end(dom, at->end_reason);
        return;
    }
    if (at->ended) {
        if (at->report_at_ms == UINT64_MAX && !xf_announce_busy(at->announce)) {
            xf_attempt_free(dom);
        }
        return;
    }
    if (at->wants_switch) {
        grant_switch(dom, now_ms);
    }
    if (now_ms >= at->progress_ms + PROGRESS_MS && (xf_attempt_is_waiting(dom) || tells(dom))) {
        at->progress_ms = now_ms;
        xf_report_progress(dom, true);
    }
    if (at->source) {
        check_limit(dom, now_ms);
    }
}

/* ---- the end ---- */

void xf_attempt_refuse(struct xf_domain *dom, enum xf_reason reason, const char *text)
{
    struct xf_attempt *at = dom->attempt;

    if (at->waiter != NULL) {
        xf_answer(at->waiter, reason, text, NULL);
        at->waiter = NULL;
    }
    xf_attempt_free(dom);
}

static bool requeue(struct xf_domain *dom)
{
    struct xf_attempt *at = dom->attempt;

    if (!at->source || !at->may_queue || at->end_reason != XF_REASON_NO_SLOT) {
        return false;
    }
    at->ended = false;
    at->queued = true;
    at->id = (struct xf_migid){ 0 };
    at->end_reason = XF_REASON_OK;
    dom->refusal[0] = '\0';
    dom->agent->slots_at_ms = xf_now_ms() + REQUEUE_MS;
    return true;
}

/* An attempt whose beginning an earlier agent saw: what the record knows is reported. */
static void make_up(struct xf_domain *dom)
{
    struct xf_attempt *at = xf_attempt_new(dom, dom->core.src.i == dom->agent->cluster.self.i);

    at->id = dom->core.id;
    at->dst = dom->core.dst;
    at->adopted = true;
}

void xf_attempt_adopt(struct xf_domain *dom)
{
    struct xf_attempt *at;

    make_up(dom);
    at = dom->attempt;
    (void)xf_attempt_configure(dom); /* what cannot be had is only needed for announcements */
    if (at->source) {
        xf_attempt_net_source(dom);
        if (dom->core.state == XF_ST_S_COMMIT && at->watch != NULL) {
            xf_watch_start(at->watch);
        }
    } else {
        xf_attempt_net_dest(dom);
    }
}

static bool network_is_awaited(const struct xf_attempt *at, uint64_t now_ms)
{
    return at->watch != NULL && at->running_us != 0 && at->seen_us == 0 &&
           now_ms < at->report_at_ms;
}

/* What a restarted agent undid before it joined is worth a report to all, too. */
static bool reports(const struct xf_domain *dom)
{
    const struct xf_attempt *at = dom->attempt;
    struct xf_slot src = xf_cluster_slot(&dom->agent->cluster, at->id.src);

    if (at->id.epoch == 0) {
        return false;
    }
    /* Where S is gone, D speaks for both. */
    return at->source || (src.i < XF_NODES_MAX && !dom->agent->peer[src.i].member);
}

/* D: whose word is better has not told yet. */
static bool source_owes(const struct xf_attempt *at)
{
    return !at->source && at->id.epoch != 0 && !at->told;
}

/* S's figures are better; it may have died with them, which its view will tell. */
static bool source_is_awaited(const struct xf_domain *dom, uint64_t now_ms)
{
    const struct xf_attempt *at = dom->attempt;

    return source_owes(at) && at->report_at_ms != 0 && !reports(dom) &&
           now_ms < at->ended_ms + SOURCE_WAIT_MS;
}

/* It should have told by now: it hangs, or died and nobody has noticed. A late word changes nothing. */
static bool source_is_silent(const struct xf_attempt *at, uint64_t now_ms)
{
    return source_owes(at) && now_ms >= at->ended_ms + SOURCE_WAIT_MS;
}

static bool group_is_awaited(const struct xf_domain *dom, uint64_t now_ms)
{
    return dom->agent->members == 0 && now_ms < dom->attempt->ended_ms + GROUP_WAIT_MS;
}

/* Called with the core's REPORT, and again while the old host waits to see the MAC. */
void xf_attempt_end(struct xf_domain *dom, enum xf_reason reason)
{
    struct xf_attempt *at = dom->attempt;
    uint64_t now_ms = xf_now_ms();

    if (at == NULL) {
        make_up(dom);
        at = dom->attempt;
    }
    if (!at->ended) {
        at->ended = true;
        at->end_reason = reason;
        at->end_outcome = dom->core.outcome;
        at->ended_ms = now_ms;
        at->report_at_ms = now_ms + XF_NETWORK_WAIT_MS;
        dom->agent->slots_at_ms = 0;
        if (!at->source) {
            xf_op_release(dom);
        }
    }
    if (network_is_awaited(at, now_ms) || source_is_awaited(dom, now_ms) ||
        group_is_awaited(dom, now_ms) || requeue(dom)) {
        return;
    }
    if (reports(dom) || source_is_silent(at, now_ms)) {
        xf_report_publish(dom, xf_report_end(dom));
    } else if (at->end_outcome != XF_OUT_RAN) {
        xf_domain_log(dom, LOG_NOTICE, "does not come: %s", xf_reason_sentence(reason));
    }
    if (at->announce != NULL && at->end_outcome == XF_OUT_RAN) {
        at->report_at_ms = UINT64_MAX; /* kept for the announcements alone */
    } else {
        xf_attempt_free(dom);
    }
}
