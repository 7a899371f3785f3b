/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copies of the domain, with the checks (a) to (d), and the operations that change them. */
#include "config.h"

#include <string.h>

#include "world_impl.h"

/* ---- copies, with their checks ---- */

static unsigned promises(const struct world *w, uint8_t id, unsigned what)
{
    unsigned n = 1; /* the asker itself */

    for (unsigned i = 0; i < w->n; i++) {
        n += w->node[i].disk.id == id && w->node[i].disk.promise == what;
    }
    return n;
}

bool world_valid(const struct w_node *x)
{
    return x->copy != COPY_NONE && x->copy != COPY_INC && !x->stale;
}

bool world_any_valid(const struct world *w)
{
    for (unsigned i = 0; i < w->n; i++) {
        if (world_valid(&w->node[i])) {
            return true;
        }
    }
    return false;
}

void world_run_copy(struct world *w, unsigned i)
{
    struct w_node *x = &w->node[i];

    if (x->copy == COPY_RUN) {
        return;
    }
    if (x->copy == COPY_NONE) {
        world_wrong("a copy that does not exist was told to run");
        return;
    }
    if (x->stale) {
        world_wrong("(c) a stale copy runs");
    }
    if (x->copy == COPY_INC) {
        world_wrong("(d) an incomplete image runs");
    }
    x->copy = COPY_RUN;
    for (unsigned j = 0; j < w->n; j++) {
        if (j != i && w->node[j].copy == COPY_RUN) {
            world_wrong("(a) two runnable copies");
        } else if (j != i && w->node[j].copy != COPY_NONE) {
            w->node[j].stale = 1;
        }
    }
}

static bool died_since(const struct w_node *x, uint8_t boot)
{
    return !x->up || x->boot > boot;
}

/* The title to run had passed, or may have, to the other party of a migration, whose node died since. */
static bool title_had_gone(const struct world *w, unsigned i)
{
    for (uint8_t k = 1; k < w->n_ids; k++) {
        const struct w_id *id = &w->id[k];

        if (id->src == i && died_since(&w->node[id->dst], id->dst_boot) &&
            ((id->said & W_SAID_COMMIT) || 2 * promises(w, k, XF_PROMISE_GO) >= w->n)) {
            return true;
        }
        if (id->dst == i && died_since(&w->node[id->src], id->boot) &&
            ((id->said & (W_SAID_ABORT | W_SAID_UNDO)) ||
             2 * promises(w, k, XF_PROMISE_STAY) >= w->n)) {
            return true;
        }
    }
    return false;
}

void world_destroy_copy(struct world *w, unsigned i)
{
    struct w_node *x = &w->node[i];
    bool was_valid = world_valid(x);

    if (x->copy == COPY_RUN) {
        world_wrong("(b) a running copy was destroyed");
    }
    x->copy = COPY_NONE;
    x->stale = 0;
    if (!was_valid || world_any_valid(w)) {
        return;
    }
    if (!title_had_gone(w, i)) {
        world_wrong("(b) the last valid copy was destroyed");
    }
    w->flags |= W_F_GONE;
}

/* ---- operations ---- */

uint8_t world_chan_party(const struct world *w, bool dst)
{
    const struct w_id *id = &w->id[w->chan_id];

    return dst ? id->dst : id->src;
}

void world_flush_lazy(struct w_node *x)
{
    if (x->has_lazy) {
        x->disk = x->lazy;
        memset(&x->lazy, 0, sizeof(x->lazy));
        x->has_lazy = 0;
    }
}

/* The physical half of an operation; false: it cannot have succeeded. */
bool world_perform(struct world *w, unsigned i)
{
    struct w_node *x = &w->node[i];

    switch ((enum xf_op)x->core.op) {
    case XF_OP_PERSIST:
        world_flush_lazy(x); /* the journal keeps its order */
        x->disk = x->asked;
        memset(&x->asked, 0, sizeof(x->asked));
        return true;
    case XF_OP_RESUME:
        if (w->chan == W_CHAN_OPEN && world_chan_party(w, false) == i) {
            w->chan = W_CHAN_BROKEN;
        }
        world_run_copy(w, i);
        return true;
    case XF_OP_DESTROY:
        if ((w->chan == W_CHAN_OPEN || w->chan == W_CHAN_END) && world_chan_party(w, true) == i) {
            w->chan = W_CHAN_BROKEN;
        }
        world_destroy_copy(w, i);
        return true;
    case XF_OP_UNPAUSE:
        world_run_copy(w, i);
        return true;
    case XF_OP_PREPARE:
        w->chan = W_CHAN_NONE;
        w->chan_id = world_id_place(w, &x->core.id, (struct xf_node){ x->core.src.i + 1u },
                                    (struct xf_node){ x->core.dst.i + 1u });
        x->copy = COPY_INC; /* the mover makes room for it before anything is journalled */
        x->stale = 0;
        return true;
    case XF_OP_CREATE:
        for (unsigned j = 0; j < w->n; j++) {
            if (w->node[j].copy != COPY_NONE) {
                world_wrong("(a/c) the domain was started while another copy of it exists");
            }
        }
        x->copy = COPY_RUN;
        w->flags &= (uint8_t)~W_F_GONE;
        return true;
    case XF_OP_NONE:
    case XF_N_OPS:
        break;
    }
    return false;
}

void world_op_ended(struct world *w, unsigned i, bool ok)
{
    struct xf_event ev = { .type = XF_EV_OP,
                           .op = w->node[i].core.op,
                           .ok = ok,
                           .reason = ok ? XF_REASON_OK : XF_REASON_HYPERVISOR };

    if (ok) {
        world_perform(w, i);
    } else {
        w->flags |= W_F_OP_FAILED;
    }
    if (!ok && ev.op == XF_OP_PERSIST) {
        memset(&w->node[i].asked, 0, sizeof(w->node[i].asked));
    }
    world_feed(w, i, &ev);
}
