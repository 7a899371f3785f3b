/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "world.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "invariant.h"

void (*world_trace)(const struct world *w, unsigned node, const struct xf_event *ev,
                    const struct xf_actions *acts);

static const char *bad; /* the first thing that went wrong in the step under way */

static void wrong(const char *what)
{
    if (bad == NULL) {
        bad = what;
    }
}

/* ---- what the world is made of ---- */

unsigned world_bit(unsigned i)
{
    return 1u << i;
}

static unsigned everyone(const struct world *w)
{
    return world_bit(w->n) - 1;
}

unsigned world_side(const struct world *w, unsigned i)
{
    unsigned up = 0;

    for (unsigned j = 0; j < w->n; j++) {
        up |= w->node[j].up ? world_bit(j) : 0;
    }
    return ((w->part & world_bit(i)) ? w->part : everyone(w) & ~w->part) & up;
}

unsigned world_agents(const struct world *w, unsigned i)
{
    unsigned m = 0;

    for (unsigned j = 0; j < w->n; j++) {
        m |= w->node[j].agent ? world_bit(j) : 0;
    }
    return m & world_side(w, i);
}

static bool majority(const struct world *w, unsigned mask)
{
    unsigned c = (unsigned)__builtin_popcount(mask);

    return w->n == 2 ? c >= 1 : 2 * c > w->n; /* two_node */
}

bool world_quorate(const struct world *w, unsigned i)
{
    return majority(w, world_side(w, i));
}

/* The incarnation that was there last is confirmed off. */
bool world_is_fenced(const struct w_node *x)
{
    return (x->fenced & world_bit(x->boot & 31)) != 0;
}

static const struct xf_cluster *cluster_of(const struct world *w, unsigned i)
{
    static struct xf_cluster c;

    c.self.i = (uint8_t)i;
    c.n_nodes = w->n;
    c.configured = everyone(w);
    c.boot.v = w->node[i].boot;
    for (unsigned j = 0; j < W_NODES; j++) {
        c.node[j].id = j < w->n ? j + 1 : 0;
    }
    return &c;
}

struct xf_migid world_id(const struct world *w, unsigned at)
{
    const struct w_id *id = &w->id[at];

    return (struct xf_migid){ id->epoch, { id->epoch != 0 ? id->src + 1u : 0 }, { id->boot } };
}

static struct xf_node party(const struct w_id *id, uint8_t slot)
{
    return (struct xf_node){ id->epoch != 0 && slot != XF_SLOT_NONE ? slot + 1u : 0 };
}

static uint8_t id_place(struct world *w, const struct xf_migid *id, struct xf_node src,
                        struct xf_node dst)
{
    if (id->epoch == 0) {
        return 0;
    }
    for (uint8_t i = 1; i < w->n_ids; i++) {
        struct xf_migid known = world_id(w, i);

        if (xf_migid_cmp(&known, id) == 0) {
            return i;
        }
    }
    if (w->n_ids == W_IDS) {
        w->flags |= W_F_OVERFLOW;
        return 0;
    }
    w->id[w->n_ids] = (struct w_id){ .epoch = (uint8_t)id->epoch,
                                     .src = (uint8_t)(src.id - 1),
                                     .dst = (uint8_t)(dst.id - 1),
                                     .boot = (uint8_t)id->boot.v,
                                     .dst_boot = w->node[dst.id - 1].boot };
    return w->n_ids++;
}

static struct w_rec pack_record(struct world *w, const struct xf_record *r)
{
    return (struct w_rec){ .id = id_place(w, &r->id, r->src, r->dst),
                           .marks = r->marks,
                           .promise = r->promise,
                           .epoch_max = (uint8_t)r->epoch_max,
                           .own_boot = (uint8_t)r->own_boot.v,
                           .dst_boot = (uint8_t)r->dst_boot.v };
}

static struct xf_record unpack_record(const struct world *w, const struct w_rec *r)
{
    const struct w_id *id = &w->id[r->id];

    return (struct xf_record){ .id = world_id(w, r->id),
                               .src = party(id, id->src),
                               .dst = party(id, id->dst),
                               .dst_boot = { r->dst_boot },
                               .own_boot = { r->own_boot },
                               .marks = r->marks,
                               .promise = r->promise,
                               .epoch_max = r->epoch_max };
}

/* ---- copies, with their checks ---- */

static unsigned promises(const struct world *w, uint8_t id, unsigned what)
{
    unsigned n = 1; /* the asker itself */

    for (unsigned i = 0; i < w->n; i++) {
        n += w->node[i].disk.id == id && w->node[i].disk.promise == what;
    }
    return n;
}

static bool valid(const struct w_node *x)
{
    return x->copy != COPY_NONE && x->copy != COPY_INC && !x->stale;
}

static bool any_valid(const struct world *w)
{
    for (unsigned i = 0; i < w->n; i++) {
        if (valid(&w->node[i])) {
            return true;
        }
    }
    return false;
}

static void run_copy(struct world *w, unsigned i)
{
    struct w_node *x = &w->node[i];

    if (x->copy == COPY_RUN) {
        return;
    }
    if (x->copy == COPY_NONE) {
        wrong("a copy that does not exist was told to run");
        return;
    }
    if (x->stale) {
        wrong("(c) a stale copy runs");
    }
    if (x->copy == COPY_INC) {
        wrong("(d) an incomplete image runs");
    }
    x->copy = COPY_RUN;
    for (unsigned j = 0; j < w->n; j++) {
        if (j != i && w->node[j].copy == COPY_RUN) {
            wrong("(a) two runnable copies");
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

static void destroy_copy(struct world *w, unsigned i)
{
    struct w_node *x = &w->node[i];
    bool was_valid = valid(x);

    if (x->copy == COPY_RUN) {
        wrong("(b) a running copy was destroyed");
    }
    x->copy = COPY_NONE;
    x->stale = 0;
    if (!was_valid || any_valid(w)) {
        return;
    }
    if (!title_had_gone(w, i)) {
        wrong("(b) the last valid copy was destroyed");
    }
    w->flags |= W_F_GONE;
}

/* ---- the group ---- */

static void take(struct world *w, unsigned i, const struct w_msg *m);

/*
 * An idle observer of the first migration, with nothing queued: what it hears besides INTENT and
 * ASK only changes what it knows, so it is told at once instead of at every possible moment.
 */
static bool only_listens(const struct world *w, unsigned i)
{
    const struct w_node *x = &w->node[i];
    struct xf_migid first = world_id(w, 1);

    return !w->hellos && i > W_D && x->n_queue == 0 && x->core.state == XF_ST_IDLE &&
           x->core.op == XF_OP_NONE && xf_migid_cmp(&x->core.id, &first) == 0;
}

static void push(struct world *w, unsigned to, struct w_msg m)
{
    struct w_node *x = &w->node[to];

    if (only_listens(w, to) && m.type != XF_MSG_ASK && (m.type == W_VIEW || m.id == 1)) {
        take(w, to, &m);
        return;
    }
    if (x->n_queue != 0) {
        struct w_msg *last = &x->queue[x->n_queue - 1];

        if (memcmp(last, &m, sizeof(m)) == 0) {
            return; /* the same word twice in a row says nothing new */
        }
        if (!w->hellos && last->type == W_VIEW && m.type == W_VIEW) {
            m.between = last->between & m.members; /* nothing was said in between */
            *last = m;
            return;
        }
    }
    if (x->n_queue == W_QUEUE) {
        w->flags |= W_F_OVERFLOW;
        return;
    }
    x->queue[x->n_queue++] = m;
}

static void push_view(struct world *w, unsigned to)
{
    struct w_msg m;

    memset(&m, 0, sizeof(m));
    m.members = m.between = (uint8_t)world_agents(w, to);
    m.seen = (uint8_t)world_side(w, to);
    m.quorate = world_quorate(w, to);
    push(w, to, m);
}

static void send_all(struct world *w, unsigned from, const struct xf_msg *msg)
{
    struct w_msg m;

    memset(&m, 0, sizeof(m));
    m.type = msg->type;
    m.from = (uint8_t)from;
    m.id = id_place(w, &msg->id, msg->type == XF_MSG_SUPERSEDED ? msg->from : msg->src, msg->dst);
    m.newer = msg->type == XF_MSG_SUPERSEDED ? id_place(w, &msg->newer, msg->src, msg->dst) : 0;
    m.copy = msg->copy;
    m.promise = msg->promise;
    m.stayed = msg->stayed;
    m.went = msg->went;
    m.epoch_max = w->hellos ? (uint8_t)msg->epoch_max : 0;
    m.boot = msg->type == XF_MSG_INTENT || msg->type == XF_MSG_HELLO ? (uint8_t)msg->boot.v : 0;
    if (msg->type == XF_MSG_COMMIT) {
        w->id[m.id].said |= W_SAID_COMMIT;
    }
    if (msg->type == XF_MSG_ABORT) {
        w->id[m.id].said |= W_SAID_ABORT;
    }
    for (unsigned to = 0; to < w->n; to++) {
        if ((world_agents(w, from) & world_bit(to)) != 0 && to != from) {
            push(w, to, m);
        }
    }
}

static void send_hello(struct world *w, unsigned from)
{
    struct xf_msg m;

    /* Where HELLOs are not played, those of a later migration still are: they supersede (H13). */
    if (w->hellos || w->node[from].core.id.epoch > 1) {
        m = xf_core_hello(&w->node[from].core, cluster_of(w, from));
        send_all(w, from, &m);
    }
}

/* What every agent believed of its group before something changed. */
struct views {
    unsigned v[W_NODES];
};

static struct views views_now(const struct world *w)
{
    struct views v;

    for (unsigned i = 0; i < w->n; i++) {
        v.v[i] = world_agents(w, i) | (world_quorate(w, i) ? 1u << 16 : 0);
    }
    return v;
}

static void tell_views(struct world *w, const struct views *old)
{
    struct views now = views_now(w);

    for (unsigned i = 0; i < w->n; i++) {
        if (w->node[i].agent && old->v[i] != now.v[i]) {
            push_view(w, i);
        }
    }
}

/* ---- feeding the core and carrying out its actions ---- */

/* S's mover connects; if D's mover is there, it begins to build the copy. */
static void open_channel(struct world *w, unsigned i)
{
    struct w_node *d = &w->node[w->node[i].core.dst.i];

    if (w->chan == W_CHAN_NONE && d->agent && d->core.state == XF_ST_D_RECV &&
        (world_side(w, i) & world_bit(w->node[i].core.dst.i)) != 0) {
        w->chan = W_CHAN_OPEN;
        d->copy = COPY_INC;
        d->stale = 0;
    } else {
        w->chan = W_CHAN_BROKEN;
    }
}

static void act(struct world *w, unsigned i, const struct xf_act *a)
{
    struct w_node *x = &w->node[i];

    switch ((enum xf_act_kind)a->kind) {
    case XF_ACT_NOTE:
        x->note = a->note;
        x->note_id = id_place(w, &x->core.id, (struct xf_node){ x->core.src.i + 1u },
                              (struct xf_node){ x->core.dst.i + 1u });
        if (a->note == XF_NOTE_UNDO) {
            w->id[x->note_id].said |= W_SAID_UNDO;
        }
        return;
    case XF_ACT_PERSIST:
        if (a->reply) {
            x->asked = pack_record(w, &a->record);
        } else {
            x->lazy = pack_record(w, &a->record);
            x->has_lazy = 1;
        }
        return;
    case XF_ACT_SEND:
        send_all(w, i, &a->msg);
        return;
    case XF_ACT_GRANT:
        if (w->chan == W_CHAN_OPEN) {
            w->chan = W_CHAN_END;
        }
        return;
    case XF_ACT_MOVER:
        open_channel(w, i);
        return;
    case XF_ACT_OP: /* in flight: core.op says so; W_STEP_OP_OK ends it */
    case XF_ACT_TIMER:
    case XF_ACT_REPORT:
        return;
    case XF_N_ACTS:
        break;
    }
    assert(false);
}

static void feed(struct world *w, unsigned i, const struct xf_event *ev)
{
    struct xf_actions acts;
    struct w_node *x = &w->node[i];
    const char *broken;

    if (xf_step(&x->core, cluster_of(w, i), ev, &acts) != 0) {
        wrong("the core refused an event as invalid");
        return;
    }
    if (world_trace != NULL) {
        world_trace(w, i, ev, &acts);
    }
    if (acts.impossible) {
        wrong("the core saw an event that it holds impossible");
    }
    for (uint32_t k = 0; k < acts.n; k++) {
        act(w, i, &acts.a[k]);
    }
    broken = xf_invariant_core(&x->core, cluster_of(w, i));
    if (broken != NULL) {
        wrong(broken);
    }
    /* What only people are told does not make worlds different. */
    x->core.reason = 0;
    if (!w->hellos) {
        x->core.greeted = x->core.holders = x->core.off = 0;
    }
}

static void feed_view(struct world *w, unsigned i, const struct w_msg *m)
{
    struct xf_event ev = {
        .type = XF_EV_VIEW, .members = m->members, .seen = m->seen, .quorate = m->quorate != 0
    };

    feed(w, i, &ev);
}

static void feed_mover(struct world *w, unsigned i, enum xf_mover_ev what)
{
    struct xf_event ev = { .type = XF_EV_MOVER,
                           .mover = (uint8_t)what,
                           .reason = XF_REASON_CONNECTION };

    feed(w, i, &ev);
}

static void take(struct world *w, unsigned i, const struct w_msg *m)
{
    struct xf_event ev = { .type = XF_EV_MSG };
    const struct w_id *about;

    if (m->type == W_VIEW) {
        if (m->between != m->members) {
            struct w_msg before = *m;

            before.members = before.seen = m->between;
            before.quorate = majority(w, m->between);
            feed_view(w, i, &before);
        }
        feed_view(w, i, m);
        send_hello(w, i);
        return;
    }
    about = &w->id[m->type == XF_MSG_SUPERSEDED ? m->newer : m->id];
    ev.msg = (struct xf_msg){ .type = m->type,
                              .copy = m->copy,
                              .promise = m->promise,
                              .stayed = m->stayed,
                              .went = m->went,
                              .epoch_max = m->epoch_max,
                              .from = { m->from + 1u },
                              .src = party(about, about->src),
                              .dst = party(about, about->dst),
                              .boot = { m->boot },
                              .id = world_id(w, m->id),
                              .newer = world_id(w, m->newer) };
    feed(w, i, &ev);
}

static void deliver(struct world *w, unsigned i)
{
    struct w_node *x = &w->node[i];
    struct w_msg m = x->queue[0];

    x->n_queue--;
    memmove(x->queue, x->queue + 1, x->n_queue * sizeof(m));
    memset(&x->queue[x->n_queue], 0, sizeof(m));
    take(w, i, &m);
}

/* ---- operations ---- */

uint8_t world_chan_party(const struct world *w, bool dst)
{
    const struct w_id *id = &w->id[w->chan_id];

    return dst ? id->dst : id->src;
}

static void flush_lazy(struct w_node *x)
{
    if (x->has_lazy) {
        x->disk = x->lazy;
        memset(&x->lazy, 0, sizeof(x->lazy));
        x->has_lazy = 0;
    }
}

/* The physical half of an operation; false: it cannot have succeeded. */
static bool perform(struct world *w, unsigned i)
{
    struct w_node *x = &w->node[i];

    switch ((enum xf_op)x->core.op) {
    case XF_OP_PERSIST:
        flush_lazy(x); /* the journal keeps its order */
        x->disk = x->asked;
        memset(&x->asked, 0, sizeof(x->asked));
        return true;
    case XF_OP_RESUME:
        if (w->chan == W_CHAN_OPEN && world_chan_party(w, false) == i) {
            w->chan = W_CHAN_BROKEN;
        }
        run_copy(w, i);
        return true;
    case XF_OP_DESTROY:
        if ((w->chan == W_CHAN_OPEN || w->chan == W_CHAN_END) && world_chan_party(w, true) == i) {
            w->chan = W_CHAN_BROKEN;
        }
        destroy_copy(w, i);
        return true;
    case XF_OP_UNPAUSE:
        run_copy(w, i);
        return true;
    case XF_OP_PREPARE:
        w->chan = W_CHAN_NONE;
        w->chan_id = id_place(w, &x->core.id, (struct xf_node){ x->core.src.i + 1u },
                              (struct xf_node){ x->core.dst.i + 1u });
        return true;
    case XF_OP_CREATE:
        for (unsigned j = 0; j < w->n; j++) {
            if (w->node[j].copy != COPY_NONE) {
                wrong("(a/c) the domain was started while another copy of it exists");
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

static void op_ended(struct world *w, unsigned i, bool ok)
{
    struct xf_event ev = { .type = XF_EV_OP,
                           .op = w->node[i].core.op,
                           .ok = ok,
                           .reason = ok ? XF_REASON_OK : XF_REASON_HYPERVISOR };

    if (ok) {
        perform(w, i);
    } else {
        w->flags |= W_F_OP_FAILED;
    }
    if (!ok && ev.op == XF_OP_PERSIST) {
        memset(&w->node[i].asked, 0, sizeof(w->node[i].asked));
    }
    feed(w, i, &ev);
}

/* ---- agents and nodes die and return ---- */

static void agent_down(struct world *w, unsigned i)
{
    struct w_node *x = &w->node[i];

    x->agent = 0;
    memset(x->queue, 0, sizeof(x->queue));
    x->n_queue = 0;
    flush_lazy(x); /* the writer process ends what it was given; a restart waits for that */
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
    if (valid(x)) {
        x->copy = COPY_NONE;
        w->flags |= any_valid(w) ? 0 : W_F_GONE;
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
                           .record = unpack_record(w, &x->disk) };

    x->agent = 1;
    feed(w, i, &ev);
    push_view(w, i);
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
    feed(w, W_D, &move);
    for (unsigned round = 0; round < 64 && bad == NULL; round++) {
        for (unsigned k = 0; k < 2; k++) {
            unsigned i = pair[k];

            while (w->node[i].core.op != XF_OP_NONE) {
                op_ended(w, i, true);
            }
            while (w->node[i].n_queue != 0) {
                deliver(w, i);
            }
        }
        if (w->node[W_D].core.state == XF_ST_S_COPY && w->chan == W_CHAN_OPEN) {
            w->node[W_D].copy = COPY_SUSP;
            feed_mover(w, W_D, XF_MOVER_SUSPENDED);
            feed_mover(w, W_D, XF_MOVER_END);
        } else if (w->node[to].core.state == XF_ST_D_RECV && w->chan == W_CHAN_END) {
            w->chan = W_CHAN_DONE;
            w->node[to].copy = COPY_OK;
            feed_mover(w, to, XF_MOVER_COMPLETE);
        }
    }
    w->flags |= W_F_MOVED;
}

/* ---- steps ---- */

static void apply_crash(struct world *w, const struct w_step *s)
{
    unsigned i = s->node;
    struct views old = views_now(w);

    if (s->kind == W_STEP_AGENT_CRASH) {
        if (s->arg) {
            perform(w, i);
        }
        agent_down(w, i);
    } else {
        if (s->arg && w->node[i].core.op == XF_OP_PERSIST) {
            perform(w, i);
        }
        node_down(w, i, s->arg != 0);
    }
    tell_views(w, &old);
}

static void apply_environment(struct world *w, const struct w_step *s)
{
    struct views old = views_now(w);
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
    tell_views(w, &old);
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
                feed(w, i, &ev);
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
    feed(w, i, &ev);
}

const char *world_apply(struct world *w, const struct w_step *s)
{
    unsigned i = s->node;

    bad = NULL;
    w->faults = (uint8_t)(w->faults - s->cost);
    switch ((enum w_step_kind)s->kind) {
    case W_STEP_DELIVER:
        deliver(w, i);
        break;
    case W_STEP_OP_OK:
    case W_STEP_OP_FAIL:
        op_ended(w, i, s->kind == W_STEP_OP_OK);
        break;
    case W_STEP_SUSPEND:
        w->node[i].copy = COPY_SUSP;
        feed_mover(w, i, XF_MOVER_SUSPENDED);
        break;
    case W_STEP_END:
        feed_mover(w, i, XF_MOVER_END);
        break;
    case W_STEP_COMPLETE:
        w->chan = W_CHAN_DONE;
        w->node[i].copy = COPY_OK;
        feed_mover(w, i, XF_MOVER_COMPLETE);
        break;
    case W_STEP_MOVER_FAILED:
        feed_mover(w, i, XF_MOVER_FAILED);
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
    return bad;
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
    bad = NULL;
    for (unsigned i = 0; i < n; i++) {
        struct views old = views_now(w);

        agent_up(w, i);
        tell_views(w, &old);
    }
    assert(bad == NULL);
}

/* Everything that happens by itself, to its end, in a fixed order. */
static void run_quiet(struct world *w)
{
    for (bool moved = true; moved;) {
        moved = false;
        for (unsigned i = 0; i < w->n; i++) {
            if (w->node[i].core.op != XF_OP_NONE) {
                op_ended(w, i, true);
                moved = true;
            }
            if (w->node[i].n_queue != 0) {
                deliver(w, i);
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
    feed(w, W_S, &move);
    run_quiet(w);
    assert(w->node[W_S].core.state == XF_ST_S_COPY && w->node[W_D].core.state == XF_ST_D_RECV);
    w->hellos = 0;
    for (unsigned i = 0; i < n; i++) {
        w->node[i].core.greeted = w->node[i].core.holders = w->node[i].core.off = 0;
    }
}
