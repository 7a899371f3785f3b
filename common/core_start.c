/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * H11: starting the domain on one node, once nobody else can hold a copy of it.
 */
#include "config.h"

#include <assert.h>

#include "core_impl.h"

static enum xf_reason start_blocked(const struct xf_ctx *c)
{
    const struct xf_core *core = c->core;
    uint32_t others = c->cluster->configured & ~xf_bit(c->cluster->self);

    if (!core->quorate) {
        return XF_REASON_NO_QUORUM; /* H7 */
    }
    if ((core->holders & others & core->members) != 0) {
        return XF_REASON_HOLDS_COPY;
    }
    /* Also for what an absent node was last heard to hold: the hint that helps is how to prove it off. */
    if ((others & ~core->greeted & ~core->off) != 0) {
        return XF_REASON_NODE_UNKNOWN_STATE;
    }
    return XF_REASON_OK;
}

void xf_start_failed(struct xf_ctx *c, enum xf_reason reason)
{
    c->core->promised = 0;
    xf_move_to(c, XF_ST_IDLE);
    xf_send_copy(c);
    xf_arm(c, XF_TIMER_NONE);
    xf_report(c, reason);
}

/* See XF_EPOCH_LEAP: the clock counts where it goes with what was heard, else the leap does. */
static uint32_t leap(const struct xf_ctx *c)
{
    uint64_t s = c->ev->boot.v / 1000000u;
    uint64_t clock = s > XF_EPOCH_CLOCK0 ? s - XF_EPOCH_CLOCK0 : 0;
    uint64_t heard = c->core->epoch_max;

    if (clock == 0 || clock > XF_EPOCH_MAX / 2 || heard > clock + XF_EPOCH_DRIFT) {
        return (uint32_t)(heard + XF_EPOCH_LEAP);
    }
    return (uint32_t)(clock > heard ? clock : heard + 1);
}

void xf_start(struct xf_ctx *c)
{
    struct xf_core *core = c->core;
    uint32_t others = c->cluster->configured & ~xf_bit(c->cluster->self);
    enum xf_reason blocked = start_blocked(c);

    if (core->state == XF_ST_HOME) {
        blocked = XF_REASON_EXISTS;
    } else if (core->state != XF_ST_IDLE || core->op != XF_OP_NONE) {
        blocked = XF_REASON_BUSY;
    } else if (core->epoch_max >= XF_EPOCH_MAX - XF_EPOCH_LEAP) {
        blocked = XF_REASON_INTERNAL;
    }
    if (blocked != XF_REASON_OK) {
        xf_report(c, blocked);
        return;
    }
    /* A start takes a new epoch, above whatever an absent node may remember. */
    core->epoch_max = (others & ~core->greeted) != 0 ? leap(c) : core->epoch_max + 1;
    core->reason = XF_REASON_OK;
    core->promised = 0;
    xf_move_to(c, XF_ST_STARTING);
    xf_persist(c, 0, true);
}

static struct xf_migid pending_start(const struct xf_ctx *c)
{
    return (struct xf_migid){ c->core->epoch_max, xf_node_of(c, c->cluster->self),
                              c->cluster->boot };
}

/*
 * One's own START coming back proves nothing (CPG has no safe delivery), so every node that is not
 * confirmed off must have answered CLEAR before the domain is created.
 */
static void start_if_clear(struct xf_ctx *c)
{
    struct xf_core *core = c->core;
    uint32_t others = c->cluster->configured & ~xf_bit(c->cluster->self);

    if ((others & ~core->promised & ~core->off) != 0 || !core->quorate) {
        return;
    }
    core->id = pending_start(c);
    core->src = core->dst = c->cluster->self;
    core->dst_boot = c->cluster->boot;
    core->outcome = XF_OUT_NONE;
    core->promise = XF_PROMISE_NONE;
    core->promise_kept = core->peer_fenced = false;
    core->promised = core->reported = 0;
    core->marks = 0;
    xf_store_note(c, XF_NOTE_NONE);
    xf_persist(c, XF_MARK_BEGUN, false);
    core->op = XF_OP_CREATE;
    xf_add_act(c, XF_ACT_OP)->op = XF_OP_CREATE;
    xf_arm(c, XF_TIMER_NONE);
}

static void answer_start(struct xf_ctx *c, const struct xf_msg *m, bool clear)
{
    struct xf_msg r = xf_blank_msg(c, clear ? XF_MSG_CLEAR : XF_MSG_REFUSE);

    r.id = m->id;
    r.src = m->src;
    r.dst = m->dst;
    r.reason = clear ? XF_REASON_OK : XF_REASON_HOLDS_COPY;
    xf_send_msg(c, &r);
}

/* Somebody else wants to start it. Of two at once, the lower node id goes on and the other yields. */
void xf_start_heard(struct xf_ctx *c, const struct xf_msg *m)
{
    struct xf_core *core = c->core;
    bool mine_first = xf_node_of(c, c->cluster->self).id < m->from.id;

    if (m->id.epoch > core->epoch_max) {
        /* The next start must be above this one, whoever forgets it: journalled, not only heard. */
        core->epoch_max = m->id.epoch;
        xf_persist(c, 0, false);
    }
    if (core->state == XF_ST_STARTING && core->op != XF_OP_CREATE && !mine_first) {
        xf_start_failed(c, XF_REASON_STARTING);
    }
    answer_start(c, m, core->state == XF_ST_IDLE);
}

void xf_start_answered(struct xf_ctx *c, const struct xf_msg *m)
{
    struct xf_core *core = c->core;
    struct xf_migid pending = pending_start(c);

    if (core->state != XF_ST_STARTING || core->op != XF_OP_NONE ||
        xf_migid_cmp(&m->id, &pending) != 0) {
        return; /* to an attempt given up */
    }
    if (m->type == XF_MSG_REFUSE) {
        xf_start_failed(c, (enum xf_reason)m->reason);
        return;
    }
    core->promised |= xf_bit(xf_cluster_slot(c->cluster, m->from));
    start_if_clear(c);
}

void xf_start_op(struct xf_ctx *c, enum xf_op op)
{
    enum xf_reason blocked = start_blocked(c);
    struct xf_msg m;

    if (op == XF_OP_PERSIST) {
        if (!c->ev->ok || blocked != XF_REASON_OK) {
            xf_start_failed(c, c->ev->ok ? blocked : XF_REASON_JOURNAL);
            return;
        }
        m = xf_blank_msg(c, XF_MSG_START);
        m.id = pending_start(c);
        m.src = m.dst = m.from;
        xf_send_msg(c, &m);
        xf_arm(c, XF_TIMER_ANSWER);
        start_if_clear(c); /* nobody else is there to ask */
        return;
    }
    if (op != XF_OP_CREATE) {
        return;
    }
    if (!c->ev->ok) {
        xf_start_failed(c, (enum xf_reason)c->ev->reason);
        return;
    }
    xf_move_to(c, XF_ST_HOME);
    xf_send_copy(c);
    xf_report(c, XF_REASON_OK);
}
