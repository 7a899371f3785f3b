/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * H6: where the other party is gone and the answer unknown, the observers' durable promises break
 * the tie. Used by S in S_END and by D in D_READY, nowhere else.
 */
#include "config.h"

#include <assert.h>

#include "core_impl.h"

static unsigned count(uint32_t mask)
{
    return (unsigned)__builtin_popcount(mask);
}

/* V votes of N configured nodes; exactly half needs the other party confirmed fenced. */
static bool wins(unsigned v, unsigned n, bool peer_fenced)
{
    return 2 * v > n || (2 * v == n && peer_fenced);
}

static enum xf_promise wanted(const struct xf_ctx *c)
{
    return xf_is_src(c) ? XF_PROMISE_STAY : XF_PROMISE_GO;
}

void xf_vote_decide(struct xf_ctx *c)
{
    const struct xf_core *core = c->core;
    unsigned n = c->cluster->n_nodes;
    bool src = core->state == XF_ST_S_END;
    bool hopeless;

    if (!core->asked && core->promised == 0) {
        return; /* my own vote counts only once I asked */
    }
    if (wins(count(core->promised) + 1, n, core->peer_fenced && core->quorate)) {
        if (src) {
            xf_src_won(c);
        } else {
            xf_dst_won(c);
        }
        return;
    }
    /* At best all observers that are not against me, and myself: the other party is dead. */
    hopeless = core->refused != 0 && !wins(n - 1 - count(core->refused), n, true);
    if (core->peer_fenced && core->quorate && core->asked && hopeless) {
        if (src) {
            xf_src_drop(c, XF_REASON_TIE_BREAK);
        } else {
            xf_dst_drop(c, XF_NOTE_NEVER, XF_REASON_TIE_BREAK);
        }
    }
}

void xf_vote_ask(struct xf_ctx *c)
{
    struct xf_core *core = c->core;

    assert(core->state == XF_ST_S_END || core->state == XF_ST_D_READY);
    if (core->quorate && !core->asked) { /* H7 */
        struct xf_msg m = xf_blank_msg(c, XF_MSG_ASK);

        core->asked = true;
        m.promise = (uint8_t)wanted(c);
        xf_send_msg(c, &m);
    }
    xf_vote_decide(c);
}

/* As an observer: durably, once per id, to the first ASK delivered. */
void xf_vote_answer(struct xf_ctx *c, const struct xf_msg *m)
{
    struct xf_core *core = c->core;
    struct xf_slot from = xf_cluster_slot(c->cluster, m->from);

    if (!xf_is_migration(core) || (from.i != core->src.i && from.i != core->dst.i) ||
        m->promise == XF_PROMISE_NONE) {
        return;
    }
    if (core->promise != XF_PROMISE_NONE && core->promise_kept) {
        struct xf_msg r = xf_blank_msg(c, XF_MSG_PROMISE);

        r.promise = core->promise;
        xf_send_msg(c, &r);
        return;
    }
    if (core->promise != XF_PROMISE_NONE || core->op != XF_OP_NONE) {
        return; /* the journal is busy: the answer comes when it is done, or to the next ASK */
    }
    core->promise = m->promise;
    xf_persist(c, 0, true);
}

void xf_vote_persisted(struct xf_ctx *c, bool ok)
{
    struct xf_core *core = c->core;
    struct xf_msg r;

    if (core->promise == XF_PROMISE_NONE || core->promise_kept) {
        return; /* replaced by a higher id meanwhile */
    }
    if (!ok) {
        core->promise = XF_PROMISE_NONE;
        return;
    }
    core->promise_kept = true;
    r = xf_blank_msg(c, XF_MSG_PROMISE);
    r.promise = core->promise;
    xf_send_msg(c, &r);
}

void xf_vote_count(struct xf_ctx *c, const struct xf_msg *m)
{
    struct xf_core *core = c->core;
    struct xf_slot from = xf_cluster_slot(c->cluster, m->from);

    if (from.i == core->src.i || from.i == core->dst.i || m->promise == XF_PROMISE_NONE) {
        return; /* only observers promise */
    }
    if (m->promise == wanted(c)) {
        core->promised |= xf_bit(from);
    } else {
        core->refused |= xf_bit(from);
    }
    xf_vote_decide(c);
}

/* H13: a promise is dropped only once both parties reported no frozen copy, or were fenced. */
void xf_vote_forget_if_reported(struct xf_ctx *c)
{
    struct xf_core *core = c->core;
    uint32_t parties = xf_bit(core->src) | xf_bit(core->dst);

    if (core->promise == XF_PROMISE_NONE || !core->promise_kept ||
        (core->reported & parties) != parties) {
        return;
    }
    core->promise = XF_PROMISE_NONE;
    core->promise_kept = false;
    xf_persist(c, 0, false);
}
