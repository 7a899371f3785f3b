/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What core*.c share and nobody else includes: the step under way, and the few verbs that change a
 * record or add an action.
 */
#ifndef XF_CORE_IMPL_H
#define XF_CORE_IMPL_H

#include "core.h"

/* Far above any real count of moves; a peer that claims more is not believed. */
#define XF_EPOCH_MAX    (UINT32_C(1) << 30)
/*
 * A node that is off may have journalled epochs that nobody else remembers: INTENTs that were heard
 * and forgotten in a reboot, or never heard. A start without it leaps over them, or its old id would
 * supersede the domain when it returns. What others hear they journal at least in these strides,
 * and every start before they clear it, so the leap is longer than all that can be forgotten.
 */
#define XF_EPOCH_STRIDE 64u
#define XF_EPOCH_LEAP   256u
/*
 * Starts that no survivor heard of may have leapt likewise, where an operator let a minority be a
 * quorum. So such a start also takes no epoch below the seconds since then, which moves, of a second
 * or more each, do not outrun. 2026-01-01; enough until 2060.
 */
#define XF_EPOCH_CLOCK0 UINT64_C(1767225600)
/* Clocks of one cluster differ by less, and a second sees fewer starts and moves. */
#define XF_EPOCH_DRIFT  4096u

struct xf_ctx {
    struct xf_core *core;
    const struct xf_cluster *cluster;
    const struct xf_event *ev;
    struct xf_actions *out;
};

static inline uint32_t xf_bit(struct xf_slot slot)
{
    return slot.i < XF_NODES_MAX ? UINT32_C(1) << slot.i : 0;
}

/* ---- who am I in .id; a start has one party, which is both and neither ---- */

static inline bool xf_is_migration(const struct xf_core *core)
{
    return core->id.epoch != 0 && core->src.i != core->dst.i;
}

static inline bool xf_is_src(const struct xf_ctx *c)
{
    return xf_is_migration(c->core) && c->core->src.i == c->cluster->self.i;
}

static inline bool xf_is_dst(const struct xf_ctx *c)
{
    return xf_is_migration(c->core) && c->core->dst.i == c->cluster->self.i;
}

static inline struct xf_slot xf_peer(const struct xf_ctx *c)
{
    return xf_is_src(c) ? c->core->dst : c->core->src;
}

static inline bool xf_peer_present(const struct xf_ctx *c)
{
    return (c->core->members & xf_bit(xf_peer(c))) != 0;
}

/* ---- verbs ---- */

void xf_impossible(struct xf_ctx *c);
void xf_move_to(struct xf_ctx *c, enum xf_state to);
void xf_store_note(struct xf_ctx *c, enum xf_note note);
/* Journals the record with these marks added; reply: it is the operation under way until it ends. */
void xf_persist(struct xf_ctx *c, uint8_t add_marks, bool reply);
void xf_send(struct xf_ctx *c, enum xf_msg_type type);
struct xf_msg xf_blank_msg(const struct xf_ctx *c, enum xf_msg_type type);
void xf_send_msg(struct xf_ctx *c, const struct xf_msg *msg);
void xf_act(struct xf_ctx *c, enum xf_act_kind kind);
void xf_arm(struct xf_ctx *c, enum xf_timer timer);
void xf_report(struct xf_ctx *c, enum xf_reason reason);
/* Starts the operation that the state asks for, unless one is in flight: then its end does. */
void xf_start_wanted_op(struct xf_ctx *c);
enum xf_op xf_wanted_op(const struct xf_core *core);

struct xf_act *xf_add_act(struct xf_ctx *c, enum xf_act_kind kind);
struct xf_node xf_node_of(const struct xf_ctx *c, struct xf_slot slot);
enum xf_copy xf_copy_of(const struct xf_core *core);
/* The attempt ended without a copy here. Sending and reporting are the caller's. */
void xf_close(struct xf_ctx *c, enum xf_outcome outcome);
void xf_send_copy(struct xf_ctx *c);
/* An epoch was heard of. */
void xf_learn_epoch(struct xf_ctx *c, uint32_t epoch);

/* core_start.c */
void xf_start(struct xf_ctx *c);
void xf_start_heard(struct xf_ctx *c, const struct xf_msg *m);
void xf_start_answered(struct xf_ctx *c, const struct xf_msg *m);
void xf_start_op(struct xf_ctx *c, enum xf_op op);
void xf_start_failed(struct xf_ctx *c, enum xf_reason reason);

/* core_group.c */
void xf_hear(struct xf_ctx *c);
void xf_new_view(struct xf_ctx *c);
void xf_fenced(struct xf_ctx *c);
void xf_repeat_state(struct xf_ctx *c);

/* core_source.c */
void xf_src_move(struct xf_ctx *c);
void xf_src_cancel(struct xf_ctx *c);
void xf_src_mover(struct xf_ctx *c);
void xf_src_msg(struct xf_ctx *c, const struct xf_msg *m);
void xf_src_op(struct xf_ctx *c, enum xf_op op);
void xf_src_view(struct xf_ctx *c);
void xf_src_heard(struct xf_ctx *c);
void xf_src_timer(struct xf_ctx *c);
void xf_src_resume(struct xf_ctx *c, enum xf_note note, enum xf_reason reason);
void xf_src_drop(struct xf_ctx *c, enum xf_reason reason);
void xf_src_won(struct xf_ctx *c);

/* core_dest.c */
void xf_dst_intent(struct xf_ctx *c, const struct xf_msg *m);
void xf_dst_mover(struct xf_ctx *c);
void xf_dst_msg(struct xf_ctx *c, const struct xf_msg *m);
void xf_dst_op(struct xf_ctx *c, enum xf_op op);
void xf_dst_view(struct xf_ctx *c);
void xf_dst_timer(struct xf_ctx *c);
void xf_dst_unpause(struct xf_ctx *c);
void xf_dst_drop(struct xf_ctx *c, enum xf_note note, enum xf_reason reason);
void xf_dst_won(struct xf_ctx *c);

/* core_vote.c */
void xf_vote_ask(struct xf_ctx *c);
void xf_vote_answer(struct xf_ctx *c, const struct xf_msg *m);
void xf_vote_count(struct xf_ctx *c, const struct xf_msg *m);
/* Did I win, or can I no longer (the other party being fenced)? Acts on it. */
void xf_vote_decide(struct xf_ctx *c);
void xf_vote_persisted(struct xf_ctx *c, bool ok);
void xf_vote_forget_if_reported(struct xf_ctx *c);

/* core_recover.c */
void xf_recover(struct xf_ctx *c);

#endif
