/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Agents and nodes die and return, steps are applied, worlds begin. */
#include "config.h"

#include <assert.h>
#include <string.h>

#include "world_impl.h"

/* ---- agents and nodes die and return ---- */

static void agent_down(struct world *w, unsigned i)
{
    struct w_node *x = &w->node[i];

    x->agent = 0;
    memset(x->queue, 0, sizeof(x->queue));
    x->n_queue = 0;
    world_flush_lazy(x); /* the writer process ends what it was given; a restart waits for that */
    memset(&x->asked, 0, sizeof(x->asked));
    xf_core_init(&x->core);
    /* Movers die with their agent. */
    if (w->chan_id != 0 && world_chan_party(w, false) == i && w->chan <= W_CHAN_OPEN) {
        w->chan = W_CHAN_BROKEN;
    }
    if (w->chan_id != 0 && world_chan_party(w, true) == i && w->chan < W_CHAN_DONE) {
        w->chan = W_CHAN_BROKEN;
    }
}

static void node_down(struct world *w, unsigned i, bool journal_done)
{
    struct w_node *x = &w->node[i];

    if (!journal_done) {
        memset(&x->lazy, 0, sizeof(x->lazy));
        x->has_lazy = 0;
    }
    agent_down(w, i);
    x->up = 0;
    if (world_valid(x)) {
        x->copy = COPY_NONE;
        w->flags |= world_any_valid(w) ? 0 : W_F_GONE;
    }
    x->copy = COPY_NONE;
    x->stale = 0;
    x->note = 0;
    x->note_id = 0;
}

static void agent_up(struct world *w, unsigned i)
{
    static const uint8_t shown[] = { [COPY_NONE] = XF_COPY_NONE,
                                     [COPY_RUN] = XF_COPY_RUNNING,
                                     [COPY_SUSP] = XF_COPY_SUSPENDED,
                                     [COPY_INC] = XF_COPY_PAUSED,
                                     [COPY_OK] = XF_COPY_PAUSED };
    struct w_node *x = &w->node[i];
    struct xf_event ev = { .type = XF_EV_BOOT,
                           .copy = shown[x->copy],
                           .note = x->note_id == x->disk.id ? x->note : XF_NOTE_NONE,
                           .record = world_unpack_record(w, &x->disk) };

    x->agent = 1;
    world_feed(w, i, &ev);
    world_push_view(w, i);
}

static void partition(struct world *w, unsigned part)
{
    w->part = (uint8_t)part;
    for (unsigned i = 0; i < w->n; i++) {
        struct w_node *x = &w->node[i];
        uint8_t kept = 0;

        for (uint8_t k = 0; k < x->n_queue; k++) {
            const struct w_msg *m = &x->queue[k];
            bool same = !!(part & world_bit(m->from)) == !!(part & world_bit(i));

            if (m->type == W_VIEW || same) {
                x->queue[kept++] = *m;
            }
        }
        memset(&x->queue[kept], 0, (size_t)(x->n_queue - kept) * sizeof(x->queue[0]));
        x->n_queue = kept;
    }
}

/*
 * The guest moves on from W_D to another node, without a fault: the shipped cores play the whole
 * second migration between the two at once; everybody else hears of it in his own time.
 */
static void guest_leaves(struct world *w, unsigned to)
{
    struct xf_event move = { .type = XF_EV_MOVE,
                             .slot = { (uint8_t)to },
                             .boot = { w->node[to].boot } };
    unsigned pair[2] = { W_D, to };

    w->node[W_D].core.greeted |= world_bit(to);
    world_feed(w, W_D, &move);
    for (unsigned round = 0; round < 64 && world_bad == NULL; round++) {
        for (unsigned k = 0; k < 2; k++) {
            unsigned i = pair[k];

            while (w->node[i].core.op != XF_OP_NONE) {
                world_op_ended(w, i, true);
            }
            while (w->node[i].n_queue != 0) {
                world_deliver(w, i);
            }
        }
        if (w->node[W_D].core.state == XF_ST_S_COPY && w->chan == W_CHAN_OPEN) {
            w->node[W_D].copy = COPY_SUSP;
            world_feed_mover(w, W_D, XF_MOVER_SUSPENDED);
            world_feed_mover(w, W_D, XF_MOVER_END);
        } else if (w->node[to].core.state == XF_ST_D_RECV && w->chan == W_CHAN_END) {
            w->chan = W_CHAN_DONE;
            w->node[to].copy = COPY_OK;
            world_feed_mover(w, to, XF_MOVER_COMPLETE);
        }
    }
    w->flags |= W_F_MOVED;
}

/* ---- steps ---- */

static void apply_crash(struct world *w, const struct w_step *s)
{
    unsigned i = s->node;
    struct views old = world_views_now(w);

    if (s->kind == W_STEP_AGENT_CRASH) {
        if (s->arg) {
            world_perform(w, i);
        }
        agent_down(w, i);
    } else {
        if (s->arg && w->node[i].core.op == XF_OP_PERSIST) {
            world_perform(w, i);
        }
        node_down(w, i, s->arg != 0);
    }
    world_tell_views(w, &old);
}

static void apply_environment(struct world *w, const struct w_step *s)
{
    struct views old = world_views_now(w);
    unsigned i = s->node;

    switch (s->kind) {
    case W_STEP_RESTART:
        agent_up(w, i);
        break;
    case W_STEP_REBOOT:
        w->node[i].up = 1;
        w->node[i].boot++;
        agent_up(w, i);
        break;
    case W_STEP_HEAL:
        partition(w, 0);
        break;
    case W_STEP_PARTITION:
        partition(w, s->arg);
        break;
    case W_STEP_FENCE:
        if (w->node[i].up) {
            node_down(w, i, true);
        }
        w->node[i].fenced |= world_bit(w->node[i].boot & 31);
        break;
    default:
        assert(false);
    }
    world_tell_views(w, &old);
}

static void apply_agent(struct world *w, const struct w_step *s)
{
    unsigned i = s->node;
    struct xf_event ev = { .type = XF_EV_TIMER };

    switch (s->kind) {
    case W_STEP_RETRY:
    case W_STEP_ANSWER:
        break;
    case W_STEP_FENCE_TOLD:
        for (unsigned b = 1; b < 32; b++) {
            if (w->node[s->arg].fenced & world_bit(b)) {
                bool still = !w->node[s->arg].up && w->node[s->arg].boot == b;

                ev = (struct xf_event){
                    .type = XF_EV_FENCED, .ok = still, .slot = { s->arg }, .boot = { b }
                };
                world_feed(w, i, &ev);
            }
        }
        return;
    case W_STEP_MOVE:
        ev = (struct xf_event){ .type = XF_EV_MOVE,
                                .slot = { s->arg },
                                .boot = { w->node[s->arg].boot } };
        w->moves--;
        break;
    case W_STEP_START:
        ev = (struct xf_event){ .type = XF_EV_START };
        w->starts--;
        break;
    case W_STEP_CANCEL:
        ev = (struct xf_event){ .type = XF_EV_CANCEL, .reason = XF_REASON_CANCELLED };
        w->flags |= W_F_CANCEL;
        break;
    case W_STEP_GUEST_ENDS:
        ev = (struct xf_event){ .type = XF_EV_VANISHED };
        w->node[i].copy = COPY_NONE;
        w->flags |= W_F_MOVED | W_F_GONE;
        break;
    default:
        assert(false);
    }
    world_feed(w, i, &ev);
}

void world_appear(struct world *w, unsigned node)
{
    struct xf_event ev = { .type = XF_EV_APPEARED };

    w->node[node].copy = COPY_RUN;
    w->flags &= (uint8_t)~W_F_GONE;
    world_feed(w, node, &ev);
}

const char *world_apply(struct world *w, const struct w_step *s)
{
    unsigned i = s->node;

    world_bad = NULL;
    w->faults = (uint8_t)(w->faults - s->cost);
    switch ((enum w_step_kind)s->kind) {
    case W_STEP_DELIVER:
        world_deliver(w, i);
        break;
    case W_STEP_OP_OK:
    case W_STEP_OP_FAIL:
        world_op_ended(w, i, s->kind == W_STEP_OP_OK);
        break;
    case W_STEP_HEARD:
        world_heard(w, i);
        break;
    case W_STEP_SUSPEND:
        w->node[i].copy = COPY_SUSP;
        world_feed_mover(w, i, XF_MOVER_SUSPENDED);
        break;
    case W_STEP_END:
        world_feed_mover(w, i, XF_MOVER_END);
        break;
    case W_STEP_COMPLETE:
        w->chan = W_CHAN_DONE;
        w->node[i].copy = COPY_OK;
        world_feed_mover(w, i, XF_MOVER_COMPLETE);
        break;
    case W_STEP_MOVER_FAILED:
        world_feed_mover(w, i, XF_MOVER_FAILED);
        break;
    case W_STEP_BREAK:
        w->chan = W_CHAN_BROKEN;
        break;
    case W_STEP_AGENT_CRASH:
    case W_STEP_NODE_CRASH:
        apply_crash(w, s);
        break;
    case W_STEP_RESTART:
    case W_STEP_REBOOT:
    case W_STEP_HEAL:
    case W_STEP_PARTITION:
    case W_STEP_FENCE:
        apply_environment(w, s);
        break;
    case W_STEP_FENCE_TOLD:
    case W_STEP_RETRY:
    case W_STEP_ANSWER:
    case W_STEP_MOVE:
    case W_STEP_START:
    case W_STEP_CANCEL:
    case W_STEP_GUEST_ENDS:
        apply_agent(w, s);
        break;
    case W_STEP_GUEST_LEAVES:
        guest_leaves(w, s->arg);
        break;
    case W_N_STEPS:
        assert(false);
    }
    return world_bad;
}

/* ---- beginnings ---- */

void world_init(struct world *w, unsigned n, unsigned faults)
{
    assert(n <= W_NODES);
    memset(w, 0, sizeof(*w));
    w->n = (uint8_t)n;
    w->faults = (uint8_t)faults;
    w->n_ids = 1;
    w->hellos = 1;
    w->node[W_S].copy = COPY_RUN;
    for (unsigned i = 0; i < n; i++) {
        w->node[i].up = 1;
        w->node[i].boot = 1;
    }
    world_bad = NULL;
    for (unsigned i = 0; i < n; i++) {
        struct views old = world_views_now(w);

        agent_up(w, i);
        world_tell_views(w, &old);
    }
    assert(world_bad == NULL);
}

/* Everything that happens by itself, to its end, in a fixed order. */
static void run_quiet(struct world *w)
{
    for (bool moved = true; moved;) {
        moved = false;
        for (unsigned i = 0; i < w->n; i++) {
            if (w->node[i].core.op != XF_OP_NONE) {
                world_op_ended(w, i, true);
                moved = true;
            }
            if (w->node[i].n_queue != 0) {
                world_deliver(w, i);
                moved = true;
            }
        }
    }
}

void world_init_transfer(struct world *w, unsigned n, unsigned faults)
{
    struct xf_event move = { .type = XF_EV_MOVE, .slot = { W_D }, .boot = { 1 } };

    world_init(w, n, faults);
    run_quiet(w);
    world_feed(w, W_S, &move);
    run_quiet(w);
    assert(w->node[W_S].core.state == XF_ST_S_COPY && w->node[W_D].core.state == XF_ST_D_RECV);
    w->hellos = 0;
    for (unsigned i = 0; i < n; i++) {
        w->node[i].core.greeted = w->node[i].core.holders = w->node[i].core.off = 0;
    }
}
