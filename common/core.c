/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core_impl.h"

static const struct {
    const char *name;
    uint32_t next;
} states[XF_N_STATES] = {
#define B(sym)             (UINT32_C(1) << XF_ST_##sym)
#define X(sym, label, nxt) [XF_ST_##sym] = { .name = label, .next = nxt },
    XF_STATES(X)
#undef X
#undef B
};

#define NAME_TABLE(table, list) static const char *const table[] = { list(X) }
#define X(sym, label)           label,
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

struct xf_node xf_node_of(const struct xf_ctx *c, struct xf_slot slot)
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
    c->core->ready = false;
}

/* Behind the last action of its kind or of an earlier one: that is the promised order. */
struct xf_act *xf_add_act(struct xf_ctx *c, enum xf_act_kind kind)
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
    xf_add_act(c, kind);
}

void xf_store_note(struct xf_ctx *c, enum xf_note note)
{
    c->core->note = (uint8_t)note;
    xf_add_act(c, XF_ACT_NOTE)->note = (uint8_t)note;
}

void xf_persist(struct xf_ctx *c, uint8_t add_marks, bool reply)
{
    const struct xf_core *core = c->core;
    struct xf_act *a = xf_add_act(c, XF_ACT_PERSIST);

    a->reply = reply;
    a->record = (struct xf_record){
        .id = core->id,
        .src = xf_node_of(c, core->src),
        .dst = xf_node_of(c, core->dst),
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
        .from = xf_node_of(c, c->cluster->self),
        .src = xf_node_of(c, c->core->src),
        .dst = xf_node_of(c, c->core->dst),
        .boot = type == XF_MSG_INTENT ? c->core->dst_boot : c->cluster->boot,
        .id = c->core->id,
        .epoch_max = c->core->epoch_max,
        .reason = c->core->reason,
    };
}

void xf_send_msg(struct xf_ctx *c, const struct xf_msg *msg)
{
    xf_add_act(c, XF_ACT_SEND)->msg = *msg;
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
        xf_add_act(c, XF_ACT_TIMER)->timer = (uint8_t)timer;
    }
}

void xf_report(struct xf_ctx *c, enum xf_reason reason)
{
    xf_add_act(c, XF_ACT_REPORT)->reason = (uint16_t)reason;
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
    xf_add_act(c, XF_ACT_OP)->op = (uint8_t)op;
}

/* ---- what onlookers may ask ---- */

enum xf_copy xf_copy_of(const struct xf_core *core)
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

    m.copy = (uint8_t)xf_copy_of(core);
    return m;
}

void xf_send_copy(struct xf_ctx *c)
{
    struct xf_msg m = xf_core_hello(c->core, c->cluster);

    m.type = XF_MSG_COPY;
    m.stayed = c->core->outcome == XF_OUT_KEPT;
    xf_send_msg(c, &m);
}

void xf_learn_epoch(struct xf_ctx *c, uint32_t epoch)
{
    struct xf_core *core = c->core;
    bool stride = epoch / XF_EPOCH_STRIDE > core->epoch_max / XF_EPOCH_STRIDE;

    if (epoch <= core->epoch_max) {
        return;
    }
    core->epoch_max = epoch;
    /* A party journals its own marks soon, and nothing in a pause (H8). */
    if (stride && !xf_core_busy(core)) {
        xf_persist(c, 0, false);
    }
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
        xf_start_op(c, op);
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
    if (core->state >= XF_ST_S_MARK && core->state <= XF_ST_S_DROP) {
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
            xf_start_failed(c, XF_REASON_PEER_SILENT);
        }
    } else if (xf_is_src(c)) {
        xf_src_timer(c);
    } else if (xf_is_dst(c)) {
        xf_dst_timer(c);
    }
}

/*
 * Somebody started the domain with the hypervisor's own tools. No rule could stop that; but now
 * that it runs, the others are told, so that at least nobody starts a second one (H11).
 */
static void on_appeared(struct xf_ctx *c)
{
    if (c->core->state == XF_ST_IDLE) {
        xf_move_to(c, XF_ST_HOME);
        xf_send_copy(c);
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
        xf_new_view(&c);
        break;
    case XF_EV_MSG:
        xf_hear(&c);
        break;
    case XF_EV_FENCED:
        xf_fenced(&c);
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
        xf_start(&c);
        break;
    case XF_EV_VANISHED:
        on_vanished(&c);
        break;
    case XF_EV_RESOLVE:
        on_resolve(&c);
        break;
    case XF_EV_APPEARED:
        on_appeared(&c);
        break;
    case XF_EV_HEARD:
        xf_src_heard(&c);
        break;
    case XF_N_EVENTS:
        return -EINVAL;
    }
    return 0;
}
