/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The node that the domain leaves. It coordinates, and from END on it is bound: H3 before, H4 after.
 */
#include "config.h"

#include <assert.h>

#include "core_impl.h"

/* ---- decisions ---- */

/*
 * The guest goes on here. note: NONE before END (H3), STAYED after it (H4). ABORT goes out at once:
 * the note makes the decision outlive this agent.
 */
void xf_src_resume(struct xf_ctx *c, enum xf_note note, enum xf_reason reason)
{
    c->core->reason = (uint16_t)reason;
    if (c->core->note != note) {
        xf_store_note(c, note);
    }
    xf_move_to(c, XF_ST_S_RESUME);
    xf_send(c, XF_MSG_ABORT);
    xf_arm(c, XF_TIMER_NONE);
    xf_start_wanted_op(c);
}

/* The domain is the other node's, or has moved on: this copy is stale or about to be. */
void xf_src_drop(struct xf_ctx *c, enum xf_reason reason)
{
    c->core->reason = (uint16_t)reason;
    xf_move_to(c, XF_ST_S_DROP);
    xf_arm(c, XF_TIMER_NONE);
    xf_start_wanted_op(c);
}

/* H6: the winner marks STAYED first, then acts. */
void xf_src_won(struct xf_ctx *c)
{
    xf_move_to(c, XF_ST_S_WON);
    xf_arm(c, XF_TIMER_NONE);
    xf_start_wanted_op(c);
}

static void commit(struct xf_ctx *c)
{
    struct xf_core *core = c->core;

    xf_store_note(c, XF_NOTE_COMMIT); /* H4: noted before it is sent */
    xf_move_to(c, XF_ST_S_COMMIT);
    core->promised = core->refused = 0; /* from here on it neither asks nor uses promises */
    core->asked = false;
    xf_send(c, XF_MSG_COMMIT);
    xf_arm(c, XF_TIMER_ANSWER);
}

/*
 * READY, or D asking GO, which says the same: D holds the whole image and waits. What had arrived
 * with that word is taken in first: an agent that stood still finds it together with the news that
 * D's node has left, and to commit to a dead node is to lose the domain (H4).
 */
static void decide(struct xf_ctx *c)
{
    if (c->core->cancelled) {
        xf_send(c, XF_MSG_ABORT);
    } else {
        c->core->ready = true;
    }
}

void xf_src_heard(struct xf_ctx *c)
{
    if (c->core->ready) {
        commit(c);
    }
}

/* ---- events ---- */

void xf_src_move(struct xf_ctx *c)
{
    struct xf_core *core = c->core;
    struct xf_slot to = c->ev->slot;
    enum xf_reason refused = XF_REASON_OK;

    if (core->state == XF_ST_IDLE || core->state == XF_ST_STARTING) {
        refused = XF_REASON_NOT_RUNNING;
    } else if (core->state != XF_ST_HOME || core->op != XF_OP_NONE) {
        refused = XF_REASON_BUSY;
    } else if (!core->quorate) {
        refused = XF_REASON_NO_QUORUM; /* H7 */
    } else if ((c->cluster->configured & xf_bit(to)) == 0) {
        refused = XF_REASON_UNKNOWN_NODE;
    } else if (to.i == c->cluster->self.i) {
        refused = XF_REASON_SAME_NODE;
    } else if ((core->members & core->greeted & xf_bit(to)) == 0) {
        refused = XF_REASON_NODE_OFFLINE;
    }
    if (refused != XF_REASON_OK) {
        xf_report(c, refused);
        return;
    }
    core->epoch_max++; /* H13: one above all heard, marked before INTENT is sent */
    core->id = (struct xf_migid){ core->epoch_max, c->cluster->node[c->cluster->self.i],
                                  c->cluster->boot };
    core->src = c->cluster->self;
    core->dst = to;
    core->dst_boot = c->ev->boot; /* as its HELLO said: which incarnation a fencing must be of */
    core->outcome = XF_OUT_NONE;
    core->marks = 0;
    core->reason = XF_REASON_OK;
    core->promise = XF_PROMISE_NONE;
    core->promise_kept = core->peer_fenced = core->asked = core->cancelled = false;
    core->promised = core->refused = core->reported = 0;
    xf_store_note(c, XF_NOTE_NONE);
    xf_move_to(c, XF_ST_S_MARK);
    xf_start_wanted_op(c);
}

/* Nothing was sent to D but words: back home at once. */
static void give_up_early(struct xf_ctx *c, enum xf_reason reason)
{
    struct xf_core *core = c->core;
    bool told = core->state == XF_ST_S_INTENT;

    core->outcome = XF_OUT_KEPT;
    core->reason = (uint16_t)reason;
    core->cancelled = false;
    xf_move_to(c, XF_ST_HOME);
    xf_persist(c, XF_MARK_ENDED, false);
    if (told) {
        xf_send(c, XF_MSG_ABORT);
    }
    xf_arm(c, XF_TIMER_NONE);
    xf_report(c, reason);
}

void xf_src_cancel(struct xf_ctx *c)
{
    struct xf_core *core = c->core;
    enum xf_reason reason = (enum xf_reason)c->ev->reason;

    switch ((enum xf_state)core->state) {
    case XF_ST_S_MARK:
        core->cancelled = true;
        core->reason = (uint16_t)reason;
        return;
    case XF_ST_S_INTENT:
        give_up_early(c, reason);
        return;
    case XF_ST_S_COPY:
    case XF_ST_S_SUSP:
        xf_src_resume(c, XF_NOTE_NONE, reason);
        return;
    case XF_ST_S_END:
        core->cancelled = true;
        core->ready = false;
        core->reason = (uint16_t)reason;
        xf_send(c, XF_MSG_ABORT);
        return;
    case XF_ST_S_RESUME:
        return; /* is being undone already */
    case XF_ST_S_WON:
        return; /* it stays in any case */
    case XF_ST_IDLE:
    case XF_ST_STARTING:
    case XF_ST_HOME:
        xf_report(c, XF_REASON_USAGE);
        return;
    case XF_ST_S_COMMIT:
    case XF_ST_S_DROP:
    case XF_ST_D_PREPARE:
    case XF_ST_D_MARK:
    case XF_ST_D_RECV:
    case XF_ST_D_READY:
    case XF_ST_D_WON:
    case XF_ST_D_UNPAUSE:
    case XF_ST_D_DROP:
        xf_report(c, XF_REASON_TOO_LATE);
        return;
    case XF_N_STATES:
        break;
    }
    assert(false);
}

void xf_src_mover(struct xf_ctx *c)
{
    struct xf_core *core = c->core;

    switch ((enum xf_mover_ev)c->ev->mover) {
    case XF_MOVER_SUSPENDED:
        if (core->state == XF_ST_S_COPY) {
            xf_move_to(c, XF_ST_S_SUSP);
        }
        return;
    case XF_MOVER_END:
        if (core->state == XF_ST_S_SUSP) {
            xf_store_note(c, XF_NOTE_END); /* H3: the end leaves only after this */
            xf_move_to(c, XF_ST_S_END);
            xf_act(c, XF_ACT_GRANT);
            xf_arm(c, XF_TIMER_ANSWER);
        }
        return;
    case XF_MOVER_FAILED:
        if (core->state == XF_ST_S_COPY || core->state == XF_ST_S_SUSP) {
            xf_src_resume(c, XF_NOTE_NONE, (enum xf_reason)c->ev->reason); /* H3 */
        }
        return; /* after END the mover's fate says nothing: only D's word counts (H4) */
    case XF_MOVER_COMPLETE:
    case XF_N_MOVER_EVS:
        break;
    }
    xf_impossible(c);
}

static void on_offer(struct xf_ctx *c)
{
    xf_move_to(c, XF_ST_S_COPY);
    xf_act(c, XF_ACT_MOVER);
    xf_arm(c, XF_TIMER_NONE);
}

/* D ran, or its unpausing is certain: this copy may go. */
static void on_running(struct xf_ctx *c)
{
    switch (c->core->state) {
    case XF_ST_S_END:
    case XF_ST_S_COMMIT:
        xf_src_drop(c, XF_REASON_OK);
        return;
    case XF_ST_S_WON: /* D ran by GO and I won STAY: promises would have been given twice */
    case XF_ST_S_RESUME:
        xf_impossible(c);
        return;
    default:
        return;
    }
}

/* ABORTED or UNDO: D never ran and never will. */
static void on_never(struct xf_ctx *c, const struct xf_msg *m)
{
    struct xf_core *core = c->core;
    enum xf_reason reason =
        m->reason != XF_REASON_OK ? (enum xf_reason)m->reason : XF_REASON_PEER_REFUSED;

    if (core->cancelled && core->reason != XF_REASON_OK) {
        reason = (enum xf_reason)core->reason;
    }
    switch (core->state) {
    case XF_ST_S_INTENT:
        give_up_early(c, reason);
        return;
    case XF_ST_S_COPY:
    case XF_ST_S_SUSP:
        xf_src_resume(c, XF_NOTE_NONE, reason);
        return;
    case XF_ST_S_END:
    case XF_ST_S_COMMIT:
        xf_src_resume(c, XF_NOTE_STAYED, reason);
        return;
    default:
        return;
    }
}

/* D holds no copy; it may have run only if it won GO (then .went), or if COMMIT was sent. */
static void on_nocopy(struct xf_ctx *c, const struct xf_msg *m)
{
    switch (c->core->state) {
    case XF_ST_S_INTENT:
        give_up_early(c, XF_REASON_PEER_LEFT);
        return;
    case XF_ST_S_COPY:
    case XF_ST_S_SUSP:
        xf_src_resume(c, XF_NOTE_NONE, XF_REASON_PEER_LEFT);
        return;
    case XF_ST_S_END:
        if (m->went) {
            xf_src_drop(c, XF_REASON_NODE_LOST);
        } else {
            xf_src_resume(c, XF_NOTE_STAYED, XF_REASON_PEER_LEFT);
        }
        return;
    case XF_ST_S_COMMIT:
        xf_src_drop(c, XF_REASON_NODE_LOST); /* H4: rebooted without NEVER */
        return;
    default:
        return;
    }
}

/* D waits for a word. */
static void on_waiting(struct xf_ctx *c)
{
    struct xf_core *core = c->core;

    switch (core->state) {
    case XF_ST_S_END:
        decide(c);
        return;
    case XF_ST_S_COMMIT:
        xf_send(c, XF_MSG_COMMIT); /* repeated: the first one may have been lost with a view */
        return;
    case XF_ST_S_COPY:
    case XF_ST_S_SUSP:
        xf_impossible(c); /* READY before END */
        return;
    case XF_ST_S_RESUME:
    case XF_ST_HOME:
    case XF_ST_IDLE:
        xf_repeat_state(c);
        return;
    default:
        return;
    }
}

void xf_src_msg(struct xf_ctx *c, const struct xf_msg *m)
{
    switch ((enum xf_msg_type)m->type) {
    case XF_MSG_OFFER:
        if (c->core->state == XF_ST_S_INTENT) {
            on_offer(c);
        } else if (c->core->state == XF_ST_HOME || c->core->state == XF_ST_IDLE) {
            xf_repeat_state(c); /* given up meanwhile: free D's reservation */
        }
        return;
    case XF_MSG_REFUSE:
        if (c->core->state == XF_ST_S_INTENT) {
            give_up_early(c, m->reason == XF_REASON_OK ? XF_REASON_PEER_REFUSED
                                                       : (enum xf_reason)m->reason);
        }
        return;
    case XF_MSG_READY:
        on_waiting(c);
        return;
    case XF_MSG_ASK:
        on_waiting(c); /* H6: a party answers with its state */
        return;
    case XF_MSG_RUNNING:
        on_running(c);
        return;
    case XF_MSG_ABORTED:
    case XF_MSG_UNDO:
        on_never(c, m);
        return;
    case XF_MSG_NOCOPY:
        on_nocopy(c, m);
        return;
    case XF_MSG_PROMISE:
        if (c->core->state == XF_ST_S_END) {
            xf_vote_count(c, m);
        }
        return;
    case XF_MSG_NONE:
    case XF_MSG_HELLO:
    case XF_MSG_COPY:
    case XF_MSG_START:
    case XF_MSG_INTENT:
    case XF_MSG_COMMIT:
    case XF_MSG_ABORT:
    case XF_MSG_SUPERSEDED:
    case XF_MSG_DONE:
    case XF_MSG_CLEAR:
    case XF_N_MSGS:
        break;
    }
    xf_impossible(c); /* D never says these about a migration to D */
}

void xf_src_op(struct xf_ctx *c, enum xf_op op)
{
    struct xf_core *core = c->core;
    bool ok = c->ev->ok;

    switch (op) {
    case XF_OP_PERSIST:
        if (core->state == XF_ST_S_MARK) {
            core->marks |= ok ? XF_MARK_BEGUN : 0;
            if (!ok || core->cancelled) {
                give_up_early(c, ok ? (enum xf_reason)core->reason : XF_REASON_JOURNAL);
                return;
            }
            xf_move_to(c, XF_ST_S_INTENT);
            xf_send(c, XF_MSG_INTENT);
            xf_arm(c, XF_TIMER_ANSWER);
        } else if (ok) {
            core->marks |= XF_MARK_STAYED;
            xf_src_resume(c, XF_NOTE_STAYED, XF_REASON_PEER_LEFT);
        } else {
            xf_arm(c, XF_TIMER_RETRY);
        }
        return;
    case XF_OP_RESUME:
        if (!ok) {
            xf_arm(c, XF_TIMER_RETRY);
            xf_report(c, XF_REASON_RESUME);
            return;
        }
        core->outcome = XF_OUT_KEPT;
        core->promised = core->refused = 0;
        core->asked = core->cancelled = false;
        xf_move_to(c, XF_ST_HOME);
        xf_persist(c, XF_MARK_ENDED, false);
        xf_send_copy(c);
        xf_report(c, (enum xf_reason)core->reason);
        return;
    case XF_OP_DESTROY:
        if (!ok) {
            xf_arm(c, XF_TIMER_RETRY);
            xf_report(c, XF_REASON_DESTROY);
            return;
        }
        if (!xf_is_src(c)) { /* superseded meanwhile: .id is another's */
            xf_close(c, XF_OUT_NONE);
            xf_send_copy(c);
            xf_report(c, (enum xf_reason)core->reason);
            return;
        }
        xf_close(c, XF_OUT_GAVE);
        xf_store_note(c, XF_NOTE_DONE);
        xf_persist(c, XF_MARK_ENDED, false);
        xf_send(c, XF_MSG_DONE);
        xf_report(c, (enum xf_reason)core->reason);
        return;
    case XF_OP_NONE:
    case XF_OP_CREATE:
    case XF_OP_PREPARE:
    case XF_OP_UNPAUSE:
    case XF_N_OPS:
        break;
    }
    xf_impossible(c);
}

/* Called on every view and on a fencing report. */
void xf_src_view(struct xf_ctx *c)
{
    struct xf_core *core = c->core;

    switch (core->state) {
    case XF_ST_S_INTENT:
        if (!xf_peer_present(c)) {
            give_up_early(c, XF_REASON_PEER_LEFT);
        }
        return;
    case XF_ST_S_COPY:
    case XF_ST_S_SUSP:
        if (!xf_peer_present(c)) {
            xf_src_resume(c, XF_NOTE_NONE, XF_REASON_PEER_LEFT); /* H3 */
        }
        return;
    case XF_ST_S_END:
        if (!xf_peer_present(c)) {
            core->ready = false; /* said before it left: in a view with me it says so again (H14) */
            xf_vote_ask(c);      /* H6 */
        }
        return;
    case XF_ST_S_COMMIT:
        if (core->peer_fenced && core->quorate) {
            xf_src_drop(c, XF_REASON_NODE_LOST); /* H4 */
        }
        return;
    default:
        return;
    }
}

void xf_src_timer(struct xf_ctx *c)
{
    switch (c->core->state) {
    case XF_ST_S_INTENT:
        give_up_early(c, XF_REASON_PEER_SILENT);
        return;
    case XF_ST_S_END:
        c->core->asked = false;
        xf_vote_ask(c);
        if (c->core->state == XF_ST_S_END) {
            xf_arm(c, XF_TIMER_ANSWER);
        }
        return;
    case XF_ST_S_COMMIT:
        xf_send(c, XF_MSG_COMMIT); /* for ever: nothing but D's word ends this (H4) */
        xf_arm(c, XF_TIMER_ANSWER);
        return;
    default:
        return;
    }
}
