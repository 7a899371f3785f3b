/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can happen next in a world, and whether it has come to its end. */
#include "config.h"

#include <assert.h>

#include "world.h"

struct lister {
    const struct world *w;
    struct w_step *list;
    unsigned n;
};

static void offer(struct lister *l, enum w_step_kind kind, unsigned node, unsigned arg,
                  bool protocol, unsigned cost)
{
    if (l->w->faults < cost || (cost != 0 && l->w->only != 0 && !(l->w->only & world_bit(kind)))) {
        return;
    }
    assert(l->n < W_STEPS_MAX);
    l->list[l->n++] =
        (struct w_step){ (uint8_t)kind, (uint8_t)node, (uint8_t)arg, protocol, (uint8_t)cost };
}

static bool may_connect(const struct world *w, unsigned src)
{
    return w->node[src].agent && w->node[src].core.state == XF_ST_S_INTENT;
}

/* What node i's mover may do next, when the data connection is one of its own. */
static void list_mover(struct lister *l, unsigned i)
{
    const struct world *w = l->w;
    bool src = w->chan_id != 0 && world_chan_party(w, false) == i;
    bool dst = w->chan_id != 0 && world_chan_party(w, true) == i;
    uint8_t state = w->node[i].core.state;
    bool sends = src && (state == XF_ST_S_COPY || state == XF_ST_S_SUSP);
    bool receives = dst && state == XF_ST_D_RECV;

    if (sends && w->chan == W_CHAN_OPEN) {
        if (state == XF_ST_S_COPY) {
            offer(l, W_STEP_SUSPEND, i, 0, true, 0);
        }
        /* A mover may ask too early; the core must not listen (H1). */
        offer(l, W_STEP_END, i, 0, true, 0);
    }
    if (receives && w->chan == W_CHAN_END) {
        offer(l, W_STEP_COMPLETE, i, 0, true, 0);
    }
    if ((sends || receives) && w->chan == W_CHAN_BROKEN) {
        offer(l, W_STEP_MOVER_FAILED, i, 0, true, 0);
    }
    /* Nobody connects any more: the accepting mover's deadline. */
    if (receives && w->chan == W_CHAN_NONE && !may_connect(w, world_chan_party(w, false))) {
        offer(l, W_STEP_MOVER_FAILED, i, 0, true, 0);
    }
}

static void list_agent(struct lister *l, unsigned i)
{
    const struct world *w = l->w;
    const struct w_node *x = &w->node[i];
    const struct xf_core *core = &x->core;

    if (x->n_queue != 0) {
        offer(l, W_STEP_DELIVER, i, 0, true, 0);
    }
    if (core->ready) {
        offer(l, W_STEP_HEARD, i, 0, true, 0);
    }
    if (core->op != XF_OP_NONE) {
        offer(l, W_STEP_OP_OK, i, core->op, true, 0);
        if (core->op == XF_OP_UNPAUSE || core->op == XF_OP_PERSIST) {
            offer(l, W_STEP_OP_FAIL, i, core->op, false, 1);
        }
    }
    list_mover(l, i);
    if (core->timer == XF_TIMER_RETRY) {
        offer(l, W_STEP_RETRY, i, 0, true, 0);
    } else if (core->timer == XF_TIMER_ANSWER) {
        offer(l, W_STEP_ANSWER, i, 0, false, 1);
    }
    for (unsigned j = 0; j < w->n; j++) {
        if (j != i && w->node[j].fenced != 0) {
            offer(l, W_STEP_FENCE_TOLD, i, j, true, 0);
        }
    }
    if (core->state == XF_ST_HOME && w->moves != 0) {
        /* All others are alike, so the first migration always goes to W_D. */
        unsigned to = i == W_D ? W_S : W_D;

        if (core->greeted & world_bit(to)) {
            offer(l, W_STEP_MOVE, i, to, false, 0);
        }
    }
    if (w->starts != 0 && core->state == XF_ST_IDLE && core->op == XF_OP_NONE) {
        offer(l, W_STEP_START, i, 0, false, 0);
    }
    if (core->state >= XF_ST_S_MARK && core->state <= XF_ST_S_END && !(w->flags & W_F_CANCEL)) {
        offer(l, W_STEP_CANCEL, i, 0, false, 1);
    }
}

static void list_environment(struct lister *l)
{
    const struct world *w = l->w;

    for (unsigned i = 0; i < w->n; i++) {
        const struct w_node *x = &w->node[i];
        bool someone = false;

        for (unsigned j = 0; j < w->n; j++) {
            someone |= j != i && w->node[j].up && world_quorate(w, j);
        }
        if (!x->up) {
            offer(l, W_STEP_REBOOT, i, 0, false, 0);
        } else if (!x->agent) {
            offer(l, W_STEP_RESTART, i, 0, false, 0);
        }
        if (someone && (x->up || !world_is_fenced(x))) {
            offer(l, W_STEP_FENCE, i, 0, false, x->up ? 1 : 0);
        }
        if (x->agent) {
            bool op = x->core.op != XF_OP_NONE;

            offer(l, W_STEP_AGENT_CRASH, i, 0, false, 1);
            if (op) {
                offer(l, W_STEP_AGENT_CRASH, i, 1, false, 1);
            }
        }
        if (x->up) {
            bool writing = x->has_lazy || x->core.op == XF_OP_PERSIST;

            offer(l, W_STEP_NODE_CRASH, i, 0, false, 1);
            if (writing) {
                offer(l, W_STEP_NODE_CRASH, i, 1, false, 1);
            }
        }
    }
    if (w->part != 0) {
        offer(l, W_STEP_HEAL, 0, 0, false, 0);
    }
    for (unsigned p = 2; p < world_bit(w->n); p += 2) {
        if (p != w->part) {
            offer(l, W_STEP_PARTITION, 0, p, false, 1);
        }
    }
    if (w->chan == W_CHAN_OPEN || w->chan == W_CHAN_END) {
        offer(l, W_STEP_BREAK, 0, 0, false, 1);
    }
}

static void list_guest(struct lister *l)
{
    const struct world *w = l->w;
    const struct w_node *d = &w->node[W_D];
    bool home = d->agent && d->copy == COPY_RUN && d->core.state == XF_ST_HOME &&
                d->core.op == XF_OP_NONE && !(w->flags & W_F_MOVED);

    if (!home) {
        return;
    }
    if (w->n > 2 && d->core.quorate && (d->core.members & world_agents(w, W_D) & 4u) &&
        w->node[2].core.state == XF_ST_IDLE && w->node[2].core.op == XF_OP_NONE &&
        d->n_queue == 0) {
        offer(l, W_STEP_GUEST_LEAVES, W_D, 2, false, 1);
    }
    offer(l, W_STEP_GUEST_ENDS, W_D, 0, false, 1);
}

unsigned world_steps(const struct world *w, struct w_step list[static W_STEPS_MAX])
{
    struct lister l = { .w = w, .list = list };
    unsigned frozen = 0;
    unsigned running = 0;

    for (unsigned i = 0; i < w->n; i++) {
        frozen += w->node[i].copy > COPY_RUN;
        running += w->node[i].copy == COPY_RUN;
    }
    if (w->flags & W_F_OVERFLOW) {
        return 0;
    }
    if (!w->hellos && frozen == 0 && running <= 1) {
        /* One copy or none, nothing frozen: with no further moves nothing can go wrong any more. */
        return 0;
    }
    for (unsigned i = 0; i < w->n; i++) {
        if (w->node[i].agent) {
            list_agent(&l, i);
        }
    }
    list_environment(&l);
    list_guest(&l);
    return l.n;
}

bool world_healed(const struct world *w)
{
    unsigned up = 0;

    for (unsigned i = 0; i < w->n; i++) {
        const struct w_node *x = &w->node[i];

        if ((!x->up && !world_is_fenced(x)) || x->up != x->agent) {
            return false;
        }
        up += x->up;
    }
    return w->part == 0 && (w->n == 2 ? up >= 1 : 2 * up > w->n);
}

bool world_settled(const struct world *w)
{
    unsigned running = 0;

    for (unsigned i = 0; i < w->n; i++) {
        if (w->node[i].copy > COPY_RUN) {
            return false;
        }
        running += w->node[i].copy == COPY_RUN;
    }
    return running == 1 || (running == 0 && (w->flags & W_F_GONE));
}
