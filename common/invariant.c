/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "invariant.h"

#include "core_impl.h"

static bool src_state(uint32_t state)
{
    return state >= XF_ST_S_MARK && state <= XF_ST_S_DROP;
}

static bool dst_state(uint32_t state)
{
    return state >= XF_ST_D_PREPARE && state <= XF_ST_D_DROP;
}

/* The copy behind this state is, or may already be, runnable. */
static bool may_run(uint32_t state)
{
    switch (state) {
    case XF_ST_HOME:
    case XF_ST_S_MARK:
    case XF_ST_S_INTENT:
    case XF_ST_S_COPY:
    case XF_ST_S_RESUME:
    case XF_ST_D_UNPAUSE:
        return true;
    default:
        return false;
    }
}

const char *xf_invariant_core(const struct xf_core *core, const struct xf_cluster *cluster)
{
    const struct xf_ctx c = { .core = (struct xf_core *)(uintptr_t)core, .cluster = cluster };
    uint8_t s = core->state;

    if (s >= XF_N_STATES || core->outcome >= XF_N_OUTCOMES || core->note >= XF_N_NOTES) {
        return "a field is out of range";
    }
    if (core->epoch_max < core->id.epoch) {
        return "the highest epoch heard is below one's own";
    }
    if (src_state(s) && s != XF_ST_S_DROP && !xf_is_src(&c)) {
        return "in a source's state without being the source";
    }
    if (dst_state(s) && s != XF_ST_D_DROP && !xf_is_dst(&c)) {
        return "in a destination's state without being the destination";
    }
    if ((s == XF_ST_S_END || s == XF_ST_S_WON) && core->note != XF_NOTE_END) {
        return "H3: past the end of the stream without the note END";
    }
    if (core->ready && (s != XF_ST_S_END || core->cancelled || !xf_peer_present(&c))) {
        return "H4: COMMIT is due to nobody";
    }
    if (s == XF_ST_S_COMMIT && core->note != XF_NOTE_COMMIT) {
        return "H4: committed without the note COMMIT";
    }
    if (s == XF_ST_S_COMMIT && (core->asked || core->promised != 0 || core->refused != 0)) {
        return "H4: asks or holds promises after COMMIT";
    }
    if ((s == XF_ST_D_READY || s == XF_ST_D_WON) && core->note != XF_NOTE_COMPLETE) {
        return "H5: READY without the note COMPLETE";
    }
    if (s == XF_ST_D_UNPAUSE && core->note != XF_NOTE_RUN) {
        return "H8: unpauses without the note RUN";
    }
    if (s == XF_ST_D_DROP && xf_is_dst(&c) && (core->marks & XF_MARK_BEGUN) != 0 &&
        core->note != XF_NOTE_NEVER && core->note != XF_NOTE_UNDO) {
        return "H5: destroys without the note NEVER";
    }
    if ((core->promised & core->refused) != 0) {
        return "H6: an observer promised both ways";
    }
    if (core->promise != XF_PROMISE_NONE && (xf_is_src(&c) || xf_is_dst(&c))) {
        return "H6: a party promised";
    }
    if (s == XF_ST_IDLE && core->op != XF_OP_NONE && core->op != XF_OP_PERSIST &&
        core->op != XF_OP_RESUME) {
        return "idle with an operation on the domain under way";
    }
    return NULL;
}

const char *xf_invariant_set(const struct xf_core *const *cores, size_t n)
{
    size_t run = 0;

    for (size_t i = 0; i < n; i++) {
        run += may_run(cores[i]->state);
    }
    return run > 1 ? "H1: two records believe that their copy may run" : NULL;
}
