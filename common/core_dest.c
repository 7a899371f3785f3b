/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The node that the domain goes to. Once it said READY it waits for a word (H5), and runs only on
 * one of three (H2).
 */
#include "config.h"

#include <assert.h>

#include "core_impl.h"

/* ---- decisions ---- */

/* H2 holds: COMMIT, GO won, or S holds no copy and did not stay. RUN is noted first (H8). */
void xf_dst_unpause(struct xf_ctx *c)
{
    struct xf_core *core = c->core;

    core->promised = core->refused = 0;
    core->asked = false;
    xf_store_note(c, XF_NOTE_RUN);
    xf_move_to(c, XF_ST_D_UNPAUSE);
    xf_start_wanted_op(c); /* H12: before any bookkeeping */
    xf_arm(c, XF_TIMER_NONE);
}

/* note: NEVER, or UNDO after COMMIT or GO. Noted before the copy goes (H5). */
void xf_dst_drop(struct xf_ctx *c, enum xf_note note, enum xf_reason reason)
{
    struct xf_core *core = c->core;

    core->reason = (uint16_t)reason;
    core->promised = core->refused = 0;
    core->asked = false;
    xf_store_note(c, note);
    xf_move_to(c, XF_ST_D_DROP);
    xf_arm(c, XF_TIMER_NONE);
    xf_start_wanted_op(c);
}

/* H6: the winner marks WENT first, then acts. */
void xf_dst_won(struct xf_ctx *c)
{
    xf_move_to(c, XF_ST_D_WON);
    xf_arm(c, XF_TIMER_NONE);
    xf_start_wanted_op(c);
}

/* ---- events ---- */

static void refuse(struct xf_ctx *c, const struct xf_msg *m, enum xf_reason reason)
{
    struct xf_msg r = xf_blank_msg(c, XF_MSG_REFUSE);

    r.id = m->id;
    r.src = m->src;
    r.dst = m->dst;
    r.reason = (uint16_t)reason;
    xf_send_msg(c, &r);
}

void xf_dst_intent(struct xf_ctx *c, const struct xf_msg *m)
{
    struct xf_core *core = c->core;

    if (m->from.id != m->src.id || m->src.id == m->dst.id) {
        return;
    }
    if (xf_migid_cmp(&m->id, &core->id) == 0 && core->state == XF_ST_IDLE) {
        core->dst_boot = m->boot; /* parties and observers alike: whose fencing would count */
    }
    if (xf_cluster_slot(c->cluster, m->dst).i != c->cluster->self.i ||
        m->boot.v != c->cluster->boot.v) {
        return; /* not for me, or for this node before it rebooted */
    }
    if (core->state != XF_ST_IDLE || core->outcome != XF_OUT_NONE || !xf_is_dst(c)) {
        refuse(c, m, XF_REASON_HOLDS_COPY);
        return;
    }
    core->reason = XF_REASON_OK;
    xf_move_to(c, XF_ST_D_PREPARE);
    xf_start_wanted_op(c);
}

void xf_dst_mover(struct xf_ctx *c)
{
    struct xf_core *core = c->core;

    switch ((enum xf_mover_ev)c->ev->mover) {
    case XF_MOVER_COMPLETE:
        if (core->state == XF_ST_D_RECV) {
            xf_store_note(c, XF_NOTE_COMPLETE); /* H5: before READY */
            xf_move_to(c, XF_ST_D_READY);
            xf_send(c, XF_MSG_READY);
            xf_arm(c, XF_TIMER_ANSWER);
        }
        return;
    case XF_MOVER_FAILED:
        if (core->state == XF_ST_D_RECV || core->state == XF_ST_D_MARK) {
            xf_dst_drop(c, XF_NOTE_NEVER, (enum xf_reason)c->ev->reason);
        }
        return; /* after COMPLETE the mover is not needed */
    case XF_MOVER_SUSPENDED:
    case XF_MOVER_END:
    case XF_N_MOVER_EVS:
        break;
    }
    xf_impossible(c);
}

static void on_abort(struct xf_ctx *c, const struct xf_msg *m)
{
    switch (c->core->state) {
    case XF_ST_D_PREPARE:
    case XF_ST_D_MARK:
    case XF_ST_D_RECV:
    case XF_ST_D_READY:
        xf_dst_drop(c, XF_NOTE_NEVER, (enum xf_reason)m->reason);
        return;
    case XF_ST_IDLE:
    case XF_ST_HOME:
        xf_repeat_state(c);
        return;
    default:
        return; /* won GO, or unpausing: an ABORT sent before cannot undo it (H6) */
    }
}

static void on_commit(struct xf_ctx *c)
{
    switch (c->core->state) {
    case XF_ST_D_READY:
        xf_dst_unpause(c); /* H2; H7: obeyed without quorum */
        return;
    case XF_ST_IDLE:
    case XF_ST_HOME:
        xf_repeat_state(c);
        return;
    case XF_ST_D_PREPARE:
    case XF_ST_D_MARK:
    case XF_ST_D_RECV:
        xf_impossible(c); /* COMMIT before READY */
        return;
    default:
        return; /* on its way already, or being undone: the end of it is told */
    }
}

/* S holds no copy. Unless it resumed by STAY, only this one is left. */
static void on_nocopy(struct xf_ctx *c, const struct xf_msg *m)
{
    switch (c->core->state) {
    case XF_ST_D_PREPARE:
    case XF_ST_D_MARK:
    case XF_ST_D_RECV:
        xf_dst_drop(c, XF_NOTE_NEVER, XF_REASON_PEER_LEFT);
        return;
    case XF_ST_D_READY:
        if (m->stayed) {
            xf_dst_drop(c, XF_NOTE_NEVER, XF_REASON_NODE_LOST);
        } else {
            xf_dst_unpause(c); /* H2 */
        }
        return;
    default:
        return;
    }
}

/* S asks STAY: it is in doubt, so it is told where I stand (H6). */
static void on_ask(struct xf_ctx *c)
{
    switch (c->core->state) {
    case XF_ST_D_READY:
        xf_send(c, XF_MSG_READY);
        return;
    case XF_ST_IDLE:
    case XF_ST_HOME:
        xf_repeat_state(c);
        return;
    default:
        return;
    }
}

void xf_dst_msg(struct xf_ctx *c, const struct xf_msg *m)
{
    switch ((enum xf_msg_type)m->type) {
    case XF_MSG_COMMIT:
        on_commit(c);
        return;
    case XF_MSG_ABORT:
        on_abort(c, m);
        return;
    case XF_MSG_NOCOPY:
    case XF_MSG_DONE:
        on_nocopy(c, m);
        return;
    case XF_MSG_ASK:
        on_ask(c);
        return;
    case XF_MSG_PROMISE:
        if (c->core->state == XF_ST_D_READY) {
            xf_vote_count(c, m);
        }
        return;
    case XF_MSG_NONE:
    case XF_MSG_HELLO:
    case XF_MSG_COPY:
    case XF_MSG_START:
    case XF_MSG_INTENT:
    case XF_MSG_OFFER:
    case XF_MSG_REFUSE:
    case XF_MSG_READY:
    case XF_MSG_RUNNING:
    case XF_MSG_ABORTED:
    case XF_MSG_UNDO:
    case XF_MSG_SUPERSEDED:
    case XF_MSG_CLEAR:
    case XF_N_MSGS:
        break;
    }
    xf_impossible(c); /* S never says these about a migration from S */
}

static void prepared(struct xf_ctx *c)
{
    if (c->ev->ok) {
        xf_move_to(c, XF_ST_D_MARK);
        xf_start_wanted_op(c);
        return;
    }
    c->core->reason = c->ev->reason;
    xf_close(c, XF_OUT_NEVER);
    xf_send(c, XF_MSG_REFUSE);
    xf_report(c, (enum xf_reason)c->ev->reason);
}

static void unpaused(struct xf_ctx *c)
{
    if (!c->ev->ok) {
        xf_dst_drop(c, XF_NOTE_UNDO, XF_REASON_UNPAUSE); /* H5 */
        return;
    }
    c->core->outcome = XF_OUT_RAN;
    xf_move_to(c, XF_ST_HOME);
    xf_persist(c, XF_MARK_RUN, false);
    xf_send(c, XF_MSG_RUNNING);
    xf_report(c, XF_REASON_OK);
}

static void dropped(struct xf_ctx *c)
{
    struct xf_core *core = c->core;
    bool undo = core->note == XF_NOTE_UNDO;

    if (!c->ev->ok) {
        xf_arm(c, XF_TIMER_RETRY);
        xf_report(c, XF_REASON_DESTROY);
        return;
    }
    if (!xf_is_dst(c) || core->outcome != XF_OUT_NONE) {
        /* Superseded meanwhile, or left from an attempt before it was journalled: .id is another's. */
        xf_close(c, (enum xf_outcome)core->outcome);
        xf_send_copy(c);
    } else {
        xf_close(c, undo ? XF_OUT_UNDONE : XF_OUT_NEVER);
        xf_persist(c, XF_MARK_NEVER, false);
        xf_send(c, undo ? XF_MSG_UNDO : XF_MSG_ABORTED);
    }
    xf_report(c, (enum xf_reason)core->reason);
}

void xf_dst_op(struct xf_ctx *c, enum xf_op op)
{
    struct xf_core *core = c->core;

    switch (op) {
    case XF_OP_PREPARE:
        prepared(c);
        return;
    case XF_OP_PERSIST:
        if (core->state == XF_ST_D_MARK) {
            if (!c->ev->ok) {
                xf_dst_drop(c, XF_NOTE_NEVER, XF_REASON_JOURNAL);
                return;
            }
            core->marks |= XF_MARK_BEGUN;
            xf_move_to(c, XF_ST_D_RECV);
            xf_send(c, XF_MSG_OFFER);
        } else if (c->ev->ok) {
            core->marks |= XF_MARK_WENT;
            xf_dst_unpause(c);
        } else {
            xf_arm(c, XF_TIMER_RETRY);
        }
        return;
    case XF_OP_UNPAUSE:
        unpaused(c);
        return;
    case XF_OP_DESTROY:
        dropped(c);
        return;
    case XF_OP_NONE:
    case XF_OP_CREATE:
    case XF_OP_RESUME:
    case XF_N_OPS:
        break;
    }
    xf_impossible(c);
}

/* Called on every view and on a fencing report. */
void xf_dst_view(struct xf_ctx *c)
{
    switch (c->core->state) {
    case XF_ST_D_PREPARE:
    case XF_ST_D_MARK:
        if (!xf_peer_present(c)) {
            xf_dst_drop(c, XF_NOTE_NEVER, XF_REASON_PEER_LEFT);
        }
        return;
    case XF_ST_D_READY:
        /* In D_RECV the data connection decides: the image may be whole although S just left. */
        if (!xf_peer_present(c)) {
            xf_vote_ask(c); /* H6 */
        }
        return;
    default:
        return;
    }
}

void xf_dst_timer(struct xf_ctx *c)
{
    if (c->core->state == XF_ST_D_READY) {
        /* Never into destroying (H5): repeat, and let the observers help. */
        xf_send(c, XF_MSG_READY);
        c->core->asked = false;
        xf_vote_ask(c);
        if (c->core->state == XF_ST_D_READY) {
            xf_arm(c, XF_TIMER_ANSWER);
        }
    }
}
