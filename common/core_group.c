/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the group brings: messages and who they are for, views, reports of fencing (H7, H13, H14).
 */
#include "config.h"

#include <assert.h>

#include "core_impl.h"

/* ---- H13: a higher id replaces what this node knows ---- */

static void adopt(struct xf_ctx *c, const struct xf_migid *id, struct xf_node src,
                  struct xf_node dst)
{
    struct xf_core *core = c->core;

    core->id = *id;
    core->epoch_max = core->epoch_max > id->epoch ? core->epoch_max : id->epoch;
    core->src = xf_cluster_slot(c->cluster, src);
    core->dst = xf_cluster_slot(c->cluster, dst);
    core->dst_boot = (struct xf_boot){ 0 };
    core->outcome = XF_OUT_NONE;
    core->marks = 0;
    core->promise = XF_PROMISE_NONE;
    core->promise_kept = false;
    core->promised = core->refused = core->reported = 0;
    core->asked = core->cancelled = core->peer_fenced = false;
    if (core->state == XF_ST_IDLE || core->state == XF_ST_HOME) {
        core->note = XF_NOTE_NONE;
    }
}

/*
 * Called for every message about an id above mine, but for START, which proves nothing ran. Nor does
 * a start's id supersede what is here: no copy was left when the domain was started (H11), so mine
 * is of a later life. It comes from a node that was confirmed off, whatever epoch that one took.
 */
static void newer_id(struct xf_ctx *c, const struct xf_migid *id, struct xf_node src,
                     struct xf_node dst, bool sender_runs)
{
    struct xf_core *core = c->core;

    if (src.id == dst.id && core->id.epoch != 0) {
        xf_learn_epoch(c, id->epoch);
        return;
    }
    switch ((enum xf_state)core->state) {
    case XF_ST_IDLE:
    case XF_ST_S_DROP:
    case XF_ST_D_DROP:
        adopt(c, id, src, dst);
        return;
    case XF_ST_HOME:
        if (sender_runs) {
            xf_impossible(c);
            return;
        }
        /* The domain runs here and others remember an id that this node's journal lost. */
        adopt(c, id, src, dst);
        core->outcome = xf_is_src(c) ? XF_OUT_KEPT : xf_is_dst(c) ? XF_OUT_RAN : XF_OUT_NONE;
        return;
    case XF_ST_STARTING:
        xf_learn_epoch(c, id->epoch);
        return;
    case XF_ST_S_END:
    case XF_ST_S_COMMIT:
        /* Superseded: the domain has run elsewhere since this copy froze. */
        xf_src_drop(c, XF_REASON_SUPERSEDED);
        adopt(c, id, src, dst);
        return;
    case XF_ST_D_PREPARE:
    case XF_ST_D_MARK:
    case XF_ST_D_RECV:
    case XF_ST_D_READY:
        xf_dst_drop(c, XF_NOTE_NEVER, XF_REASON_SUPERSEDED);
        adopt(c, id, src, dst);
        return;
    case XF_ST_S_MARK:
    case XF_ST_S_INTENT:
    case XF_ST_S_COPY:
    case XF_ST_S_SUSP:
    case XF_ST_S_WON:
    case XF_ST_S_RESUME:
    case XF_ST_D_WON:
    case XF_ST_D_UNPAUSE:
        xf_impossible(c);
        return;
    case XF_N_STATES:
        break;
    }
    assert(false);
}

/* What the group hears about who holds what, for H11 and for dropping promises (H13). */
static void observe(struct xf_ctx *c, const struct xf_msg *m)
{
    struct xf_core *core = c->core;
    uint32_t from = xf_bit(xf_cluster_slot(c->cluster, m->from));
    uint32_t src = xf_bit(xf_cluster_slot(c->cluster, m->src));
    uint32_t dst = xf_bit(xf_cluster_slot(c->cluster, m->dst));
    bool current = xf_migid_cmp(&m->id, &core->id) == 0;
    uint32_t settled = 0;

    switch ((enum xf_msg_type)m->type) {
    case XF_MSG_HELLO:
        core->greeted |= from;
        core->off &= ~from;
        __attribute__((fallthrough)); /* a HELLO says all that a COPY says */
    case XF_MSG_COPY:
        core->holders = m->copy == XF_COPY_NONE ? core->holders & ~from : core->holders | from;
        settled = m->stayed ? from : 0;
        break;
    case XF_MSG_ABORT:
        settled = m->stayed ? from : 0; /* resumed already, not only about to */
        break;
    case XF_MSG_START:
        core->holders |= from;
        break;
    case XF_MSG_INTENT:
        core->holders |= src | dst;
        break;
    case XF_MSG_RUNNING:
        core->holders |= dst;
        settled = dst;
        break;
    case XF_MSG_REFUSE:
    case XF_MSG_ABORTED:
    case XF_MSG_UNDO:
    case XF_MSG_NOCOPY:
        core->holders &= ~from;
        settled = from;
        break;
    case XF_MSG_DONE:
        core->holders &= ~src;
        settled = src;
        break;
    case XF_MSG_NONE:
    case XF_MSG_OFFER:
    case XF_MSG_READY:
    case XF_MSG_COMMIT:
    case XF_MSG_ASK:
    case XF_MSG_PROMISE:
    case XF_MSG_SUPERSEDED:
    case XF_MSG_CLEAR:
    case XF_N_MSGS:
        break;
    }
    if (current && xf_is_migration(core)) {
        core->reported |= settled & (xf_bit(core->src) | xf_bit(core->dst));
    }
}

void xf_hear(struct xf_ctx *c)
{
    struct xf_core *core = c->core;
    const struct xf_msg *m = &c->ev->msg;
    struct xf_slot from = xf_cluster_slot(c->cluster, m->from);
    bool own = from.i == c->cluster->self.i;
    bool starting = core->state == XF_ST_STARTING;
    int order;

    if (from.i == XF_SLOT_NONE || m->id.epoch > XF_EPOCH_MAX || m->epoch_max > XF_EPOCH_MAX ||
        m->newer.epoch > XF_EPOCH_MAX) {
        return; /* not a configured node, or not believable */
    }
    if (own) {
        return; /* my own words tell me nothing: CPG has no safe delivery */
    }
    if (m->type == XF_MSG_START) {
        observe(c, m);
        xf_start_heard(c, m);
        return;
    }
    if (m->type == XF_MSG_CLEAR || (m->type == XF_MSG_REFUSE && m->src.id == m->dst.id)) {
        xf_start_answered(c, m);
        return;
    }
    xf_learn_epoch(c, m->epoch_max);
    if (m->type == XF_MSG_SUPERSEDED) {
        if (xf_migid_cmp(&m->id, &core->id) == 0 && xf_migid_cmp(&m->newer, &core->id) > 0 &&
            core->state != XF_ST_HOME) {
            newer_id(c, &m->newer, m->src, m->dst, false);
        }
        return;
    }
    order = xf_migid_cmp(&m->id, &core->id);
    if (order > 0) {
        newer_id(c, &m->id, m->src, m->dst, m->type == XF_MSG_INTENT || m->copy == XF_COPY_RUNNING);
        if (c->out->impossible) {
            return;
        }
    }
    observe(c, m);
    if (order < 0) {
        /* An older ASK, or the state of a copy frozen long ago: superseded (H13). */
        if (m->type == XF_MSG_ASK || m->type == XF_MSG_READY || m->type == XF_MSG_COMMIT) {
            struct xf_msg r = xf_blank_msg(c, XF_MSG_SUPERSEDED);

            r.newer = core->id;
            r.id = m->id;
            xf_send_msg(c, &r);
        }
        return;
    }
    if (m->type == XF_MSG_INTENT) {
        xf_dst_intent(c, m);
    } else if (m->type == XF_MSG_HELLO || m->type == XF_MSG_COPY || starting) {
        xf_vote_forget_if_reported(c);
    } else if (m->type == XF_MSG_ASK && !xf_is_src(c) && !xf_is_dst(c)) {
        xf_vote_answer(c, m);
    } else if (xf_is_src(c) && (from.i == core->dst.i || m->type == XF_MSG_PROMISE)) {
        xf_src_msg(c, m);
    } else if (xf_is_dst(c) && (from.i == core->src.i || m->type == XF_MSG_PROMISE)) {
        xf_dst_msg(c, m);
    } else {
        xf_vote_forget_if_reported(c);
    }
}

/* ---- views, fencing ---- */

/* H14: in every new view each party repeats its state, until the other is known to have settled. */
void xf_repeat_state(struct xf_ctx *c)
{
    const struct xf_core *core = c->core;
    bool settled = (core->reported & xf_bit(xf_peer(c))) != 0;
    struct xf_msg m;

    if (!xf_is_src(c) && !xf_is_dst(c)) {
        return;
    }
    switch ((enum xf_state)core->state) {
    case XF_ST_S_COMMIT:
        xf_send(c, XF_MSG_COMMIT);
        return;
    case XF_ST_S_RESUME:
        xf_send(c, XF_MSG_ABORT);
        return;
    case XF_ST_S_END:
        if (core->cancelled) {
            xf_send(c, XF_MSG_ABORT);
        }
        return;
    case XF_ST_D_READY:
        xf_send(c, XF_MSG_READY);
        return;
    case XF_ST_IDLE:
    case XF_ST_HOME:
        break;
    case XF_ST_STARTING:
    case XF_ST_S_MARK:
    case XF_ST_S_INTENT:
    case XF_ST_S_COPY:
    case XF_ST_S_SUSP:
    case XF_ST_S_WON:
    case XF_ST_S_DROP:
    case XF_ST_D_PREPARE:
    case XF_ST_D_MARK:
    case XF_ST_D_RECV:
    case XF_ST_D_WON:
    case XF_ST_D_UNPAUSE:
    case XF_ST_D_DROP:
    case XF_N_STATES:
        return; /* about to say so */
    }
    if (settled) {
        return;
    }
    m = xf_blank_msg(c, XF_MSG_NONE);
    switch ((enum xf_outcome)core->outcome) {
    case XF_OUT_KEPT:
        m.type = core->state == XF_ST_HOME ? XF_MSG_ABORT : XF_MSG_NOCOPY;
        m.stayed = true;
        m.copy = (uint8_t)xf_copy_of(core);
        break;
    case XF_OUT_GAVE:
        m.type = XF_MSG_NOCOPY;
        break;
    case XF_OUT_RAN:
        m.type = XF_MSG_RUNNING;
        break;
    case XF_OUT_NEVER:
        m.type = XF_MSG_ABORTED;
        break;
    case XF_OUT_UNDONE:
        m.type = XF_MSG_UNDO;
        break;
    case XF_OUT_LOST:
        m.type = XF_MSG_NOCOPY;
        m.stayed = (core->marks & XF_MARK_STAYED) != 0;
        m.went = (core->marks & (XF_MARK_WENT | XF_MARK_RUN)) != 0;
        break;
    case XF_OUT_NONE:
    case XF_N_OUTCOMES:
        return;
    }
    xf_send_msg(c, &m);
}

void xf_new_view(struct xf_ctx *c)
{
    struct xf_core *core = c->core;
    bool changed = core->members != c->ev->members;

    core->members = c->ev->members;
    core->quorate = c->ev->quorate;
    core->seen = c->ev->seen | c->ev->members;
    core->off &= ~core->seen; /* up, if only without its agent: not off */
    if (changed) {
        /* Whoever was here before may have changed since: only a HELLO of this view counts (H11). */
        core->greeted = 0;
        core->asked = false;
    }
    if (core->state == XF_ST_STARTING && changed) {
        if (core->op == XF_OP_NONE) {
            xf_start_failed(c, XF_REASON_PEER_LEFT);
        }
        return;
    }
    xf_repeat_state(c); /* H14 */
    if (xf_is_src(c)) {
        xf_src_view(c);
    } else if (xf_is_dst(c)) {
        xf_dst_view(c);
    }
}

void xf_fenced(struct xf_ctx *c)
{
    struct xf_core *core = c->core;
    struct xf_slot slot = c->ev->slot;
    /* Boot ids of one node grow: a later incarnation off means that the earlier one is gone too. */
    bool src = slot.i == core->src.i && c->ev->boot.v >= core->id.boot.v;
    bool dst = slot.i == core->dst.i && core->dst_boot.v != 0 && c->ev->boot.v >= core->dst_boot.v;

    if (!core->quorate) {
        return; /* H7 */
    }
    if (c->ev->ok && (core->seen & xf_bit(slot)) == 0) {
        core->off |= xf_bit(slot);
    }
    if (c->ev->boot.v == 0 || !xf_is_migration(core) || (!src && !dst)) {
        return; /* of an earlier incarnation: says nothing about the copies of .id */
    }
    core->reported |= xf_bit(slot); /* its copy went with its memory */
    if ((xf_is_src(c) && dst) || (xf_is_dst(c) && src)) {
        core->peer_fenced = true;
        if (xf_is_src(c)) {
            xf_src_view(c);
        } else {
            xf_dst_view(c);
        }
        return;
    }
    xf_vote_forget_if_reported(c);
}
