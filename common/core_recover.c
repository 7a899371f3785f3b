/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * H9: what a restarted agent makes of what it finds: the copy that the hypervisor shows, the note
 * in this boot's memory, the record in the journal.
 */
#include "config.h"

#include "core_impl.h"

static void set_state(struct xf_core *core, enum xf_state state)
{
    core->state =
        (uint8_t)state; /* the one place besides xf_move_to(): there is no earlier state */
}

static void recover_src(struct xf_ctx *c, enum xf_copy copy, enum xf_note note, bool same_boot)
{
    struct xf_core *core = c->core;
    bool ended = (core->marks & XF_MARK_ENDED) != 0;
    bool stayed = (core->marks & XF_MARK_STAYED) != 0;

    if (copy == XF_COPY_RUNNING && ended) {
        core->outcome = XF_OUT_KEPT;
        set_state(core, XF_ST_HOME);
    } else if (copy == XF_COPY_RUNNING || (copy != XF_COPY_NONE && stayed)) {
        /* Never suspended, or resumed: the old mover may still live, so it is ended first (H3). */
        set_state(core, XF_ST_S_RESUME);
    } else if (copy != XF_COPY_NONE) {
        if (note == XF_NOTE_END) {
            set_state(core, XF_ST_S_END);
            xf_arm(c, XF_TIMER_ANSWER);
            return;
        }
        if (note == XF_NOTE_COMMIT) {
            set_state(core, XF_ST_S_COMMIT);
            xf_arm(c, XF_TIMER_ANSWER);
            return;
        }
        /* No note: never reached END (H3). STAYED: decided. */
        set_state(core, note == XF_NOTE_DONE ? XF_ST_S_DROP : XF_ST_S_RESUME);
    } else {
        set_state(core, XF_ST_IDLE);
        if (!same_boot && !ended) {
            core->outcome = XF_OUT_LOST;
        } else if (note == XF_NOTE_END || note == XF_NOTE_COMMIT || note == XF_NOTE_DONE) {
            core->outcome = XF_OUT_GAVE;
        } else {
            core->outcome = stayed || note == XF_NOTE_STAYED || !ended ? XF_OUT_KEPT : XF_OUT_GAVE;
        }
        return;
    }
    core->reason = XF_REASON_AGENT_RESTARTED;
    xf_start_wanted_op(c);
}

static void recover_dst(struct xf_ctx *c, enum xf_copy copy, enum xf_note note, bool same_boot)
{
    struct xf_core *core = c->core;

    if (copy == XF_COPY_RUNNING || copy == XF_COPY_SUSPENDED) {
        core->outcome = XF_OUT_RAN;
        set_state(core, XF_ST_HOME);
        return;
    }
    if (copy == XF_COPY_PAUSED) {
        core->reason = XF_REASON_AGENT_RESTARTED;
        if (note == XF_NOTE_RUN || (note == XF_NOTE_COMPLETE && (core->marks & XF_MARK_WENT))) {
            set_state(core, XF_ST_D_READY);
            xf_dst_unpause(c);
        } else if (note == XF_NOTE_COMPLETE) {
            set_state(core, XF_ST_D_READY);
            xf_arm(c, XF_TIMER_ANSWER);
        } else {
            /* Incomplete, or given up: destroyed (H5 notes it first). */
            set_state(core, XF_ST_D_RECV);
            xf_dst_drop(c, note == XF_NOTE_UNDO ? XF_NOTE_UNDO : XF_NOTE_NEVER,
                        XF_REASON_AGENT_RESTARTED);
        }
        return;
    }
    set_state(core, XF_ST_IDLE);
    if (same_boot && note == XF_NOTE_RUN) {
        core->outcome = XF_OUT_RAN;
    } else if (same_boot && note == XF_NOTE_UNDO) {
        core->outcome = XF_OUT_UNDONE;
    } else if ((core->marks & XF_MARK_NEVER) != 0) {
        core->outcome = XF_OUT_NEVER;
    } else if (same_boot && (core->marks & (XF_MARK_RUN | XF_MARK_WENT)) == 0) {
        core->outcome = XF_OUT_NEVER; /* this boot never ran it, and no copy is left to */
    } else {
        core->outcome = same_boot ? XF_OUT_RAN : XF_OUT_LOST;
    }
}

void xf_recover(struct xf_ctx *c)
{
    struct xf_core *core = c->core;
    const struct xf_record *r = &c->ev->record;
    enum xf_copy copy = (enum xf_copy)c->ev->copy;
    enum xf_note note = (enum xf_note)c->ev->note;
    bool same_boot = r->own_boot.v == c->cluster->boot.v;
    bool begun;
    bool stray;

    xf_core_init(core);
    core->id = r->id;
    core->epoch_max = r->epoch_max > r->id.epoch ? r->epoch_max : r->id.epoch;
    core->src = xf_cluster_slot(c->cluster, r->src);
    core->dst = xf_cluster_slot(c->cluster, r->dst);
    core->dst_boot = r->dst_boot;
    core->marks = r->marks;
    core->promise = r->promise;
    core->promise_kept = r->promise != XF_PROMISE_NONE;
    if (!same_boot) {
        note = XF_NOTE_NONE; /* notes die with the memory they speak of */
    }
    core->note = (uint8_t)note;
    begun = (core->marks & XF_MARK_BEGUN) != 0;
    /* Being built for a move that was not journalled yet: not the copy that .id speaks of. */
    stray = copy == XF_COPY_PAUSED && !(xf_is_dst(c) && begun);
    if (stray) {
        copy = XF_COPY_NONE;
    }
    if (xf_is_src(c) && begun) {
        recover_src(c, copy, note, same_boot);
    } else if (xf_is_dst(c) && begun) {
        recover_dst(c, copy, note, same_boot);
    } else {
        set_state(core, copy == XF_COPY_NONE ? XF_ST_IDLE : XF_ST_HOME);
    }
    if (stray) {
        core->reason = XF_REASON_AGENT_RESTARTED;
        set_state(core, XF_ST_D_DROP);
        xf_start_wanted_op(c);
    }
}
