/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Carries out what the core asks for, in its order. Between the delivery of COMMIT and the sending
 * of RUNNING nothing here allocates, opens, resolves, forks or syncs, and nothing is logged (H12).
 */
#include "config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "attempt.h"
#include "blackbox.h"
#include "clock_qb.h"
#include "log_qb.h"
#include "mover_proc.h"
#include "requests.h"
#include "store_notes.h"
#include "store_writer.h"

static void note(struct xf_domain *dom, const struct xf_act *act)
{
    if (dom->notes != NULL) {
        xf_notes_store(dom->notes, &dom->core.id, (enum xf_note)act->note);
    }
}

static void persist(struct xf_domain *dom, const struct xf_act *act)
{
    uint64_t cookie = act->reply ? xf_op_cookie_new(dom, XF_OP_PERSIST) : 0;

    xf_store_persist(dom->agent->store, cookie, &dom->uuid, &act->record);
}

static void send_text(struct xf_agent *agent, json_t *body)
{
    char *text = json_dumps(body, JSON_COMPACT);

    if (text == NULL) {
        abort(); /* no memory: what is no UTF-8 was refused where it came in */
    }
    xf_agent_send(agent, text, strlen(text));
    free(text);
    json_decref(body);
}

/* Who hears of a copy for the first time needs its name, too. */
static json_t *copy_payload(const struct xf_domain *dom)
{
    return json_pack("{s:s,s:I}", "name", dom->name, "memory_mib", (json_int_t)dom->memory_mib);
}

static void send_running(struct xf_domain *dom)
{
    uint8_t buf[4];
    size_t size = 0;
    uint64_t began;

    if (dom->attempt != NULL) {
        began = dom->attempt->unpause_began_us;
        dom->attempt->unpause_us = began != 0 ? (uint32_t)(xf_now_us() - began) : 0;
        size = xf_attempt_time_payload(dom->attempt->unpause_us, buf);
    }
    xf_agent_send(dom->agent, buf, size);
}

/*
 * Why D gave up, for people at the other end, where otherwise only a connection broke. When the
 * hypervisor has taken down what it could not build, its mover may not have had the time to say so.
 */
static void send_words(struct xf_agent *agent, const struct xf_attempt *at,
                       const struct xf_msg *msg)
{
    const char *words = "";

    if (at != NULL && !at->source && xf_migid_cmp(&at->id, &msg->id) == 0) {
        words =
            at->failure[0] == '\0' && msg->reason == XF_REASON_RESTORE ? at->trouble : at->failure;
    }
    xf_agent_send(agent, words, strlen(words));
}

static void send_message(struct xf_domain *dom, const struct xf_act *act)
{
    struct xf_agent *agent = dom->agent;
    struct xf_attempt *at = dom->attempt;
    struct xf_frame *f = &agent->frame_out;
    uint8_t buf[XF_ATTEMPT_READY_SIZE];

    f->kind = XF_FRAME_DOMAIN;
    f->version = 0;
    f->uuid = dom->uuid;
    f->msg = act->msg;
    switch ((enum xf_msg_type)act->msg.type) {
    case XF_MSG_RUNNING:
        send_running(dom);
        return;
    case XF_MSG_READY:
        xf_agent_send(agent, buf, at != NULL ? xf_attempt_ready_payload(dom, buf, sizeof(buf)) : 0);
        return;
    case XF_MSG_INTENT:
        send_text(agent, xf_attempt_intent(dom));
        return;
    case XF_MSG_OFFER:
        send_text(agent, json_pack("{s:s,s:i}", "address", at != NULL ? at->address : "", "port",
                                   at != NULL ? at->port : 0));
        return;
    case XF_MSG_COPY:
    case XF_MSG_START:
        send_text(agent, copy_payload(dom));
        return;
    case XF_MSG_REFUSE:
        /* The answer to a START carries no reasons of PREPARE. */
        xf_agent_send(agent, dom->refusal,
                      act->msg.src.id != act->msg.dst.id ? strlen(dom->refusal) : 0);
        return;
    case XF_MSG_ABORTED:
    case XF_MSG_UNDO:
        send_words(agent, at, &act->msg);
        return;
    case XF_MSG_NONE:
    case XF_MSG_HELLO:
    case XF_MSG_COMMIT:
    case XF_MSG_ABORT:
    case XF_MSG_NOCOPY:
    case XF_MSG_ASK:
    case XF_MSG_PROMISE:
    case XF_MSG_SUPERSEDED:
    case XF_MSG_DONE:
    case XF_MSG_CLEAR:
    case XF_N_MSGS:
        break;
    }
    xf_agent_send(agent, NULL, 0);
}

static void arm(struct xf_domain *dom, const struct xf_act *act)
{
    const struct xf_settings *set = &dom->agent->settings;

    switch ((enum xf_timer)act->timer) {
    case XF_TIMER_ANSWER:
        dom->timer_at_ms = xf_now_ms() + set->answer_timeout_ms;
        return;
    case XF_TIMER_RETRY:
        dom->timer_at_ms = xf_now_ms() + set->retry_ms;
        return;
    case XF_TIMER_NONE:
    case XF_N_TIMERS:
        dom->timer_at_ms = 0;
        return;
    }
}

static void report(struct xf_domain *dom, const struct xf_act *act, const struct xf_core *before)
{
    enum xf_reason reason = (enum xf_reason)act->reason;

    dom->step_refusal = reason;
    if (dom->creator != NULL && dom->core.state != XF_ST_STARTING) {
        xf_request_created(dom, reason);
        return;
    }
    if (xf_core_busy(&dom->core)) {
        if (xf_core_busy(before) && reason != XF_REASON_OK && reason != XF_REASON_TOO_LATE) {
            xf_domain_log(dom, LOG_WARNING, "%s; it is tried again", xf_reason_sentence(reason));
        }
        return;
    }
    if (xf_core_busy(before) && before->state != XF_ST_STARTING) {
        xf_attempt_end(dom, reason);
    }
}

static void one(struct xf_domain *dom, const struct xf_act *act, const struct xf_core *before)
{
    switch ((enum xf_act_kind)act->kind) {
    case XF_ACT_NOTE:
        note(dom, act);
        return;
    case XF_ACT_PERSIST:
        persist(dom, act);
        return;
    case XF_ACT_SEND:
        send_message(dom, act);
        return;
    case XF_ACT_GRANT:
        if (dom->mover != NULL) {
            xf_mover_tell(dom->mover, XF_LINK_GRANT);
        }
        return;
    case XF_ACT_MOVER:
        xf_op_mover(dom);
        return;
    case XF_ACT_OP:
        xf_op_start(dom, (enum xf_op)act->op);
        return;
    case XF_ACT_TIMER:
        arm(dom, act);
        return;
    case XF_ACT_REPORT:
        report(dom, act, before);
        return;
    case XF_N_ACTS:
        break;
    }
    assert(false);
}

/*
 * A record that nobody waits for is handed to the writer last: it is on disk "soon afterwards" (H8)
 * either way, and RUNNING leaves first (H12).
 */
void xf_perform(struct xf_domain *dom, const struct xf_actions *actions,
                const struct xf_core *before)
{
    dom->step_refusal = XF_REASON_OK;
    for (uint32_t i = 0; i < actions->n; i++) {
        const struct xf_act *act = &actions->a[i];

        xf_blackbox_act(dom->agent->blackbox, &dom->uuid, act);
        if (act->kind != XF_ACT_PERSIST || act->reply) {
            one(dom, act, before);
        }
    }
    for (uint32_t i = 0; i < actions->n; i++) {
        if (actions->a[i].kind == XF_ACT_PERSIST && !actions->a[i].reply) {
            persist(dom, &actions->a[i]);
        }
    }
}
