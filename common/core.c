/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core_impl.h"

/* Far above any real count of moves; a peer that claims more is not believed. */
#define EPOCH_MAX (UINT32_C(1) << 30)

static const struct {
    const char *name;
    uint32_t next;
} states[XF_N_STATES] = {
#define B(sym) (UINT32_C(1) << XF_ST_##sym)
#define X(sym, label, nxt) [XF_ST_##sym] = { .name = label, .next = nxt },
    XF_STATES(X)
#undef X
#undef B
};

#define NAME_TABLE(table, list) static const char *const table[] = { list(X) }
#define X(sym, label) label,
NAME_TABLE(outcome_names, XF_OUTCOMES);
NAME_TABLE(note_names, XF_NOTES);
NAME_TABLE(msg_names, XF_MSGS);
NAME_TABLE(op_names, XF_OPS);
NAME_TABLE(event_names, XF_EVENTS);
NAME_TABLE(act_names, XF_ACTS);
#undef X

const char *xf_state_name(uint32_t state)
{
    return state < XF_N_STATES ? states[state].name : "?";
}

const char *xf_outcome_name(uint32_t outcome)
{
    return outcome < XF_N_OUTCOMES ? outcome_names[outcome] : "?";
}

const char *xf_note_name(uint32_t note)
{
    return note < XF_N_NOTES ? note_names[note] : "?";
}

const char *xf_msg_name(uint32_t type)
{
    return type < XF_N_MSGS ? msg_names[type] : "?";
}

const char *xf_op_name(uint32_t op)
{
    return op < XF_N_OPS ? op_names[op] : "?";
}

const char *xf_event_name(uint32_t type)
{
    return type < XF_N_EVENTS ? event_names[type] : "?";
}

const char *xf_act_name(uint32_t kind)
{
    return kind < XF_N_ACTS ? act_names[kind] : "?";
}

struct xf_slot xf_cluster_slot(const struct xf_cluster *cluster, struct xf_node node)
{
    if (node.id != 0) {
        for (uint8_t i = 0; i < XF_NODES_MAX; i++) {
            if (cluster->node[i].id == node.id) {
                return (struct xf_slot){ i };
            }
        }
    }
    return (struct xf_slot){ XF_SLOT_NONE };
}

static struct xf_node node_of(const struct xf_ctx *c, struct xf_slot slot)
{
    return slot.i < XF_NODES_MAX ? c->cluster->node[slot.i] : (struct xf_node){ 0 };
}

/* ---- verbs ---- */

void xf_impossible(struct xf_ctx *c)
{
    c->out->impossible = true;
}

void xf_move_to(struct xf_ctx *c, enum xf_state to)
{
    assert((states[c->core->state].next & (UINT32_C(1) << to)) != 0);
    c->core->state = (uint8_t)to;
}

/* Behind the last action of its kind or of an earlier one: that is the promised order. */
static struct xf_act *add_act(struct xf_ctx *c, enum xf_act_kind kind)
{
    struct xf_actions *out = c->out;
    uint32_t at = out->n;

    assert(out->n < XF_ACTS_MAX);
    while (at > 0 && out->a[at - 1].kind > kind) {
        out->a[at] = out->a[at - 1];
        at--;
    }
    out->n++;
    memset(&out->a[at], 0, sizeof(out->a[at]));
    out->a[at].kind = (uint8_t)kind;
    return &out->a[at];
}

void xf_act(struct xf_ctx *c, enum xf_act_kind kind)
{
    add_act(c, kind);
}

void xf_store_note(struct xf_ctx *c, enum xf_note note)
{
    c->core->note = (uint8_t)note;
    add_act(c, XF_ACT_NOTE)->note = (uint8_t)note;
}

void xf_persist(struct xf_ctx *c, uint8_t add_marks, bool reply)
{
    const struct xf_core *core = c->core;
    struct xf_act *a = add_act(c, XF_ACT_PERSIST);

    a->reply = reply;
    a->record = (struct xf_record){
        .id = core->id,
        .src = node_of(c, core->src),
        .dst = node_of(c, core->dst),
        .dst_boot = core->dst_boot,
        .own_boot = c->cluster->boot,
        .marks = core->marks | add_marks,
        .promise = core->promise,
        .epoch_max = core->epoch_max,
    };
    if (reply) {
        assert(core->op == XF_OP_NONE);
        c->core->op = XF_OP_PERSIST;
    } else {
        c->core->marks |= add_marks;
    }
}

struct xf_msg xf_blank_msg(const struct xf_ctx *c, enum xf_msg_type type)
{
    return (struct xf_msg){
        .type = (uint8_t)type,
        .from = node_of(c, c->cluster->self),
        .src = node_of(c, c->core->src),
        .dst = node_of(c, c->core->dst),
        .boot = type == XF_MSG_INTENT ? c->core->dst_boot : c->cluster->boot,
        .id = c->core->id,
        .epoch_max = c->core->epoch_max,
        .reason = c->core->reason,
    };
}

void xf_send_msg(struct xf_ctx *c, const struct xf_msg *msg)
{
    add_act(c, XF_ACT_SEND)->msg = *msg;
}

void xf_send(struct xf_ctx *c, enum xf_msg_type type)
{
    struct xf_msg m = xf_blank_msg(c, type);

    xf_send_msg(c, &m);
}

void xf_arm(struct xf_ctx *c, enum xf_timer timer)
{
    if (c->core->timer != timer || timer != XF_TIMER_NONE) {
        c->core->timer = (uint8_t)timer;
        add_act(c, XF_ACT_TIMER)->timer = (uint8_t)timer;
    }
}

void xf_report(struct xf_ctx *c, enum xf_reason reason)
{
    add_act(c, XF_ACT_REPORT)->reason = (uint16_t)reason;
}

enum xf_op xf_wanted_op(const struct xf_core *core)
{
    switch ((enum xf_state)core->state) {
    case XF_ST_S_RESUME:
        return XF_OP_RESUME;
    case XF_ST_S_DROP:
    case XF_ST_D_DROP:
        return XF_OP_DESTROY;
    case XF_ST_D_PREPARE:
        return XF_OP_PREPARE;
    case XF_ST_D_UNPAUSE:
        return XF_OP_UNPAUSE;
    case XF_ST_S_MARK:
    case XF_ST_S_WON:
    case XF_ST_D_MARK:
    case XF_ST_D_WON:
        return XF_OP_PERSIST;
    case XF_ST_IDLE:
    case XF_ST_STARTING:
    case XF_ST_HOME:
    case XF_ST_S_INTENT:
    case XF_ST_S_COPY:
    case XF_ST_S_SUSP:
    case XF_ST_S_END:
    case XF_ST_S_COMMIT:
    case XF_ST_D_RECV:
    case XF_ST_D_READY:
    case XF_N_STATES:
        break;
    }
    return XF_OP_NONE;
}

/* The mark that a state waits to see journalled. */
static uint8_t wanted_mark(const struct xf_core *core)
{
    switch (core->state) {
    case XF_ST_S_WON:
        return XF_MARK_STAYED;
    case XF_ST_D_WON:
        return XF_MARK_WENT;
    default:
        return XF_MARK_BEGUN;
    }
}

void xf_start_wanted_op(struct xf_ctx *c)
{
    enum xf_op op = xf_wanted_op(c->core);

    if (c->core->op != XF_OP_NONE || op == XF_OP_NONE) {
        return;
    }
    if (op == XF_OP_PERSIST) {
        xf_persist(c, wanted_mark(c->core), true);
        return;
    }
    c->core->op = (uint8_t)op;
    add_act(c, XF_ACT_OP)->op = (uint8_t)op;
}

/* ---- what onlookers may ask ---- */

static enum xf_copy copy_of(const struct xf_core *core)
{
    switch ((enum xf_state)core->state) {
    case XF_ST_HOME:
    case XF_ST_S_MARK:
    case XF_ST_S_INTENT:
    case XF_ST_S_COPY:
        return XF_COPY_RUNNING;
    case XF_ST_S_SUSP:
    case XF_ST_S_END:
    case XF_ST_S_WON:
    case XF_ST_S_COMMIT:
    case XF_ST_S_RESUME:
    case XF_ST_S_DROP:
        return XF_COPY_SUSPENDED;
    case XF_ST_STARTING:
    case XF_ST_D_PREPARE:
    case XF_ST_D_MARK:
    case XF_ST_D_RECV:
    case XF_ST_D_READY:
    case XF_ST_D_WON:
    case XF_ST_D_UNPAUSE:
    case XF_ST_D_DROP:
        return XF_COPY_PAUSED;
    case XF_ST_IDLE:
    case XF_N_STATES:
        break;
    }
    return XF_COPY_NONE;
}

bool xf_core_holds(const struct xf_core *core)
{
    return core->state != XF_ST_IDLE;
}

bool xf_core_busy(const struct xf_core *core)
{
    return core->state != XF_ST_IDLE && core->state != XF_ST_HOME;
}

bool xf_core_in_doubt(const struct xf_core *core)
{
    struct xf_slot peer;

    switch (core->state) {
    case XF_ST_S_END:
    case XF_ST_S_COMMIT:
        peer = core->dst;
        break;
    case XF_ST_D_READY:
        peer = core->src;
        break;
    default:
        return false;
    }
    return (core->members & xf_bit(peer)) == 0;
}

struct xf_msg xf_core_hello(const struct xf_core *core, const struct xf_cluster *cluster)
{
    struct xf_core shown = *core;
    struct xf_ctx c = { .core = &shown, .cluster = cluster };
    struct xf_msg m = xf_blank_msg(&c, XF_MSG_HELLO);

    m.copy = (uint8_t)copy_of(core);
    return m;
}

void xf_send_copy(struct xf_ctx *c)
{
    struct xf_msg m = xf_core_hello(c->core, c->cluster);

    m.type = XF_MSG_COPY;
    m.stayed = c->core->outcome == XF_OUT_KEPT;
    xf_send_msg(c, &m);
}

/* The attempt ended without a copy here. Sending and reporting are the caller's. */
void xf_close(struct xf_ctx *c, enum xf_outcome outcome)
{
    c->core->outcome = (uint8_t)outcome;
    c->core->promised = 0;
    c->core->refused = 0;
    c->core->asked = false;
    c->core->cancelled = false;
    xf_move_to(c, XF_ST_IDLE);
}

/* ---- H11: starting the domain ---- */

static enum xf_reason start_blocked(const struct xf_ctx *c)
{
    const struct xf_core *core = c->core;
    uint32_t others = c->cluster->configured & ~xf_bit(c->cluster->self);

    if (!core->quorate) {
        return XF_REASON_NO_QUORUM; /* H7 */
    }
    if ((core->holders & others & ~core->off) != 0) {
        return XF_REASON_HOLDS_COPY;
    }
    if ((others & ~core->greeted & ~core->off) != 0) {
        return XF_REASON_NODE_UNKNOWN_STATE;
    }
    return XF_REASON_OK;
}

static void start_failed(struct xf_ctx *c, enum xf_reason reason)
{
    c->core->promised = 0;
    xf_move_to(c, XF_ST_IDLE);
    xf_send_copy(c);
    xf_arm(c, XF_TIMER_NONE);
    xf_report(c, reason);
}

static void on_start(struct xf_ctx *c)
{
    struct xf_core *core = c->core;
    enum xf_reason blocked = start_blocked(c);

    if (core->state == XF_ST_HOME) {
        blocked = XF_REASON_EXISTS;
    } else if (core->state != XF_ST_IDLE || core->op != XF_OP_NONE) {
        blocked = XF_REASON_BUSY;
    } else if (core->epoch_max >= EPOCH_MAX) {
        blocked = XF_REASON_INTERNAL;
    }
    if (blocked != XF_REASON_OK) {
        xf_report(c, blocked);
        return;
    }
    core->epoch_max++;
    core->reason = XF_REASON_OK;
    core->promised = 0;
    xf_move_to(c, XF_ST_STARTING);
    xf_persist(c, 0, true); /* a start takes a new epoch */
}

static struct xf_migid pending_start(const struct xf_ctx *c)
{
    return (struct xf_migid){ c->core->epoch_max, node_of(c, c->cluster->self), c->cluster->boot };
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
    add_act(c, XF_ACT_OP)->op = XF_OP_CREATE;
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
static void other_starts(struct xf_ctx *c, const struct xf_msg *m)
{
    struct xf_core *core = c->core;
    bool mine_first = node_of(c, c->cluster->self).id < m->from.id;

    core->epoch_max = core->epoch_max > m->id.epoch ? core->epoch_max : m->id.epoch;
    if (core->state == XF_ST_STARTING && core->op != XF_OP_CREATE && !mine_first) {
        start_failed(c, XF_REASON_STARTING);
    }
    answer_start(c, m, core->state == XF_ST_IDLE);
}

static void start_answered(struct xf_ctx *c, const struct xf_msg *m)
{
    struct xf_core *core = c->core;
    struct xf_migid pending = pending_start(c);

    if (core->state != XF_ST_STARTING || core->op != XF_OP_NONE ||
        xf_migid_cmp(&m->id, &pending) != 0) {
        return; /* to an attempt given up */
    }
    if (m->type == XF_MSG_REFUSE) {
        start_failed(c, (enum xf_reason)m->reason);
        return;
    }
    core->promised |= xf_bit(xf_cluster_slot(c->cluster, m->from));
    start_if_clear(c);
}

static void starting_op(struct xf_ctx *c, enum xf_op op)
{
    enum xf_reason blocked = start_blocked(c);
    struct xf_msg m;

    if (op == XF_OP_PERSIST) {
        if (!c->ev->ok || blocked != XF_REASON_OK) {
            start_failed(c, c->ev->ok ? blocked : XF_REASON_JOURNAL);
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
        start_failed(c, (enum xf_reason)c->ev->reason);
        return;
    }
    xf_move_to(c, XF_ST_HOME);
    xf_send_copy(c);
    xf_report(c, XF_REASON_OK);
}

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

/* Called for every message about an id above mine, but for START, which proves nothing ran. */
static void newer_id(struct xf_ctx *c, const struct xf_migid *id, struct xf_node src,
                     struct xf_node dst, bool sender_runs)
{
    struct xf_core *core = c->core;

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
        core->epoch_max = core->epoch_max > id->epoch ? core->epoch_max : id->epoch;
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

static void on_msg(struct xf_ctx *c)
{
    struct xf_core *core = c->core;
    const struct xf_msg *m = &c->ev->msg;
    struct xf_slot from = xf_cluster_slot(c->cluster, m->from);
    bool own = from.i == c->cluster->self.i;
    bool starting = core->state == XF_ST_STARTING;
    int order;

    if (from.i == XF_SLOT_NONE || m->id.epoch > EPOCH_MAX || m->epoch_max > EPOCH_MAX ||
        m->newer.epoch > EPOCH_MAX) {
        return; /* not a configured node, or not believable */
    }
    if (own) {
        return; /* my own words tell me nothing: CPG has no safe delivery */
    }
    if (m->type == XF_MSG_START) {
        observe(c, m);
        other_starts(c, m);
        return;
    }
    if (m->type == XF_MSG_CLEAR || (m->type == XF_MSG_REFUSE && m->src.id == m->dst.id)) {
        start_answered(c, m);
        return;
    }
    core->epoch_max = core->epoch_max > m->epoch_max ? core->epoch_max : m->epoch_max;
    if (m->type == XF_MSG_SUPERSEDED) {
        if (xf_migid_cmp(&m->id, &core->id) == 0 && xf_migid_cmp(&m->newer, &core->id) > 0 &&
            core->state != XF_ST_HOME) {
            newer_id(c, &m->newer, m->src, m->dst, false);
        }
        return;
    }
    order = xf_migid_cmp(&m->id, &core->id);
    if (order > 0) {
        newer_id(c, &m->id, m->src, m->dst,
                 m->type == XF_MSG_INTENT || m->copy == XF_COPY_RUNNING);
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
        m.copy = (uint8_t)copy_of(core);
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

static void on_view(struct xf_ctx *c)
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
            start_failed(c, XF_REASON_PEER_LEFT);
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

static void on_fenced(struct xf_ctx *c)
{
    struct xf_core *core = c->core;
    struct xf_slot slot = c->ev->slot;
    /* Boot ids of one node grow: a later incarnation off means that the earlier one is gone too. */
    bool src = slot.i == core->src.i && c->ev->boot.v >= core->id.boot.v;
    bool dst = slot.i == core->dst.i && core->dst_boot.v != 0 &&
               c->ev->boot.v >= core->dst_boot.v;

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

/* ---- operations, timers, the rest ---- */

static void on_op(struct xf_ctx *c)
{
    struct xf_core *core = c->core;
    enum xf_op op = (enum xf_op)c->ev->op;

    if (core->op != op) {
        xf_impossible(c);
        return;
    }
    core->op = XF_OP_NONE;
    if (core->state == XF_ST_STARTING) {
        starting_op(c, op);
        return;
    }
    if (op != xf_wanted_op(core)) {
        if (op == XF_OP_PERSIST) {
            xf_vote_persisted(c, c->ev->ok);
        }
        /* Something was decided while this ran; now is its turn. */
        xf_start_wanted_op(c);
        return;
    }
    if (xf_is_src(c) || core->state == XF_ST_S_DROP) {
        xf_src_op(c, op);
    } else {
        xf_dst_op(c, op);
    }
}

static void on_timer(struct xf_ctx *c)
{
    struct xf_core *core = c->core;
    enum xf_timer timer = (enum xf_timer)core->timer;

    core->timer = XF_TIMER_NONE;
    if (timer == XF_TIMER_NONE) {
        return; /* ran out while it was being disarmed */
    }
    if (timer == XF_TIMER_RETRY) {
        xf_start_wanted_op(c);
        return;
    }
    if (core->state == XF_ST_STARTING) {
        if (core->op == XF_OP_NONE) {
            start_failed(c, XF_REASON_PEER_SILENT);
        }
    } else if (xf_is_src(c)) {
        xf_src_timer(c);
    } else if (xf_is_dst(c)) {
        xf_dst_timer(c);
    }
}

static void on_vanished(struct xf_ctx *c)
{
    struct xf_core *core = c->core;

    switch ((enum xf_state)core->state) {
    case XF_ST_HOME:
        xf_move_to(c, XF_ST_IDLE);
        xf_send_copy(c);
        return;
    case XF_ST_S_MARK:
    case XF_ST_S_INTENT:
    case XF_ST_S_COPY:
    case XF_ST_S_SUSP:
    case XF_ST_S_RESUME:
        xf_close(c, XF_OUT_KEPT);
        xf_repeat_state(c);
        xf_arm(c, XF_TIMER_NONE);
        xf_report(c, XF_REASON_NOT_RUNNING);
        return;
    case XF_ST_S_END:
    case XF_ST_S_WON:
    case XF_ST_S_COMMIT:
        xf_close(c, XF_OUT_LOST);
        xf_repeat_state(c);
        xf_arm(c, XF_TIMER_NONE);
        xf_report(c, XF_REASON_NOT_RUNNING);
        return;
    case XF_ST_D_RECV:
    case XF_ST_D_READY:
        xf_dst_drop(c, XF_NOTE_NEVER, XF_REASON_RESTORE);
        return;
    case XF_ST_D_WON:
        xf_dst_drop(c, XF_NOTE_UNDO, XF_REASON_RESTORE);
        return;
    case XF_ST_IDLE:
    case XF_ST_STARTING:
    case XF_ST_S_DROP:
    case XF_ST_D_PREPARE:
    case XF_ST_D_MARK:
    case XF_ST_D_UNPAUSE: /* the end of the operation tells whether it ran */
    case XF_ST_D_DROP:
    case XF_N_STATES:
        return;
    }
    assert(false);
}

static void on_resolve(struct xf_ctx *c)
{
    struct xf_core *core = c->core;
    bool stay = c->ev->promise == XF_PROMISE_STAY;

    if (!xf_core_in_doubt(core)) {
        xf_report(c, XF_REASON_USAGE);
        return;
    }
    switch (core->state) {
    case XF_ST_S_END:
        if (stay) {
            xf_src_won(c);
        } else {
            xf_src_drop(c, XF_REASON_IN_DOUBT);
        }
        return;
    case XF_ST_S_COMMIT:
        if (stay) {
            xf_src_resume(c, XF_NOTE_STAYED, XF_REASON_IN_DOUBT);
        } else {
            xf_src_drop(c, XF_REASON_IN_DOUBT);
        }
        return;
    case XF_ST_D_READY:
        if (stay) {
            xf_dst_drop(c, XF_NOTE_NEVER, XF_REASON_IN_DOUBT);
        } else {
            xf_dst_won(c);
        }
        return;
    default:
        assert(false);
    }
}

static void on_mover(struct xf_ctx *c)
{
    if (xf_is_src(c)) {
        xf_src_mover(c);
    } else if (xf_is_dst(c)) {
        xf_dst_mover(c);
    }
}

void xf_core_init(struct xf_core *core)
{
    memset(core, 0, sizeof(*core));
    core->src.i = core->dst.i = XF_SLOT_NONE;
}

static bool event_valid(const struct xf_event *ev)
{
    return ev->type < XF_N_EVENTS && ev->copy < XF_N_COPIES && ev->note < XF_N_NOTES &&
           ev->op < XF_N_OPS && ev->mover < XF_N_MOVER_EVS && ev->promise <= XF_PROMISE_GO &&
           (ev->type != XF_EV_MSG || (ev->msg.type > XF_MSG_NONE && ev->msg.type < XF_N_MSGS)) &&
           ev->msg.copy < XF_N_COPIES && ev->msg.promise <= XF_PROMISE_GO;
}

int xf_step(struct xf_core *core, const struct xf_cluster *cluster, const struct xf_event *event,
            struct xf_actions *ret_actions)
{
    struct xf_ctx c = { .core = core, .cluster = cluster, .ev = event, .out = ret_actions };

    ret_actions->n = 0;
    ret_actions->impossible = false;
    if (!event_valid(event)) {
        return -EINVAL;
    }
    switch ((enum xf_event_type)event->type) {
    case XF_EV_BOOT:
        xf_recover(&c);
        break;
    case XF_EV_VIEW:
        on_view(&c);
        break;
    case XF_EV_MSG:
        on_msg(&c);
        break;
    case XF_EV_FENCED:
        on_fenced(&c);
        break;
    case XF_EV_OP:
        on_op(&c);
        break;
    case XF_EV_MOVER:
        on_mover(&c);
        break;
    case XF_EV_TIMER:
        on_timer(&c);
        break;
    case XF_EV_MOVE:
        xf_src_move(&c);
        break;
    case XF_EV_CANCEL:
        xf_src_cancel(&c);
        break;
    case XF_EV_START:
        on_start(&c);
        break;
    case XF_EV_VANISHED:
        on_vanished(&c);
        break;
    case XF_EV_RESOLVE:
        on_resolve(&c);
        break;
    case XF_N_EVENTS:
        return -EINVAL;
    }
    return 0;
}
