/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "world_impl.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "invariant.h"

void (*world_trace)(const struct world *w, unsigned node, const struct xf_event *ev,
                    const struct xf_actions *acts);

const char *world_bad;

void world_wrong(const char *what)
{
    if (world_bad == NULL) {
        world_bad = what;
    }
}

/* ---- what the world is made of ---- */

unsigned world_bit(unsigned i)
{
    return 1u << i;
}

unsigned world_everyone(const struct world *w)
{
    return world_bit(w->n) - 1;
}

unsigned world_side(const struct world *w, unsigned i)
{
    unsigned up = 0;

    for (unsigned j = 0; j < w->n; j++) {
        up |= w->node[j].up ? world_bit(j) : 0;
    }
    return ((w->part & world_bit(i)) ? w->part : world_everyone(w) & ~w->part) & up;
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
    c.configured = world_everyone(w);
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

uint8_t world_id_place(struct world *w, const struct xf_migid *id, struct xf_node src,
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
    w->id[w->n_ids] = (struct w_id){ .epoch = (uint16_t)id->epoch,
                                     .src = (uint8_t)(src.id - 1),
                                     .dst = (uint8_t)(dst.id - 1),
                                     .boot = (uint8_t)id->boot.v,
                                     .dst_boot = w->node[dst.id - 1].boot };
    return w->n_ids++;
}

static struct w_rec pack_record(struct world *w, const struct xf_record *r)
{
    return (struct w_rec){ .id = world_id_place(w, &r->id, r->src, r->dst),
                           .marks = r->marks,
                           .promise = r->promise,
                           .epoch_max = (uint16_t)r->epoch_max,
                           .own_boot = (uint8_t)r->own_boot.v,
                           .dst_boot = (uint8_t)r->dst_boot.v };
}

struct xf_record world_unpack_record(const struct world *w, const struct w_rec *r)
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

void world_push_view(struct world *w, unsigned to)
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
    m.id = world_id_place(w, &msg->id, msg->type == XF_MSG_SUPERSEDED ? msg->from : msg->src,
                          msg->dst);
    m.newer =
        msg->type == XF_MSG_SUPERSEDED ? world_id_place(w, &msg->newer, msg->src, msg->dst) : 0;
    m.copy = msg->copy;
    m.promise = msg->promise;
    m.stayed = msg->stayed;
    m.went = msg->went;
    m.epoch_max = w->hellos ? (uint16_t)msg->epoch_max : 0;
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

struct views world_views_now(const struct world *w)
{
    struct views v;

    for (unsigned i = 0; i < w->n; i++) {
        v.v[i] = world_agents(w, i) | (world_quorate(w, i) ? 1u << 16 : 0);
    }
    return v;
}

void world_tell_views(struct world *w, const struct views *old)
{
    struct views now = world_views_now(w);

    for (unsigned i = 0; i < w->n; i++) {
        if (w->node[i].agent && old->v[i] != now.v[i]) {
            world_push_view(w, i);
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
        x->note_id = world_id_place(w, &x->core.id, (struct xf_node){ x->core.src.i + 1u },
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

void world_feed(struct world *w, unsigned i, const struct xf_event *ev)
{
    struct xf_actions acts;
    struct w_node *x = &w->node[i];
    const char *broken;

    if (xf_step(&x->core, cluster_of(w, i), ev, &acts) != 0) {
        world_wrong("the core refused an event as invalid");
        return;
    }
    if (world_trace != NULL) {
        world_trace(w, i, ev, &acts);
    }
    if (acts.impossible) {
        world_wrong("the core saw an event that it holds impossible");
    }
    for (uint32_t k = 0; k < acts.n; k++) {
        act(w, i, &acts.a[k]);
    }
    broken = xf_invariant_core(&x->core, cluster_of(w, i));
    if (broken != NULL) {
        world_wrong(broken);
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

    world_feed(w, i, &ev);
}

void world_feed_mover(struct world *w, unsigned i, enum xf_mover_ev what)
{
    struct xf_event ev = { .type = XF_EV_MOVER,
                           .mover = (uint8_t)what,
                           .reason = XF_REASON_CONNECTION };

    world_feed(w, i, &ev);
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
    world_feed(w, i, &ev);
}

void world_deliver(struct world *w, unsigned i)
{
    struct w_node *x = &w->node[i];
    struct w_msg m = x->queue[0];

    x->n_queue--;
    memmove(x->queue, x->queue + 1, x->n_queue * sizeof(m));
    memset(&x->queue[x->n_queue], 0, sizeof(m));
    take(w, i, &m);
    if (x->core.ready && x->n_queue == 0) {
        world_heard(w, i);
    }
}

void world_heard(struct world *w, unsigned i)
{
    struct xf_event ev = { .type = XF_EV_HEARD };

    world_feed(w, i, &ev);
}
