/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Worlds and steps, for people. */
#include "config.h"

#include <stdio.h>

#include "world.h"

static const char *who(const struct world *w, unsigned i)
{
    static const char *const names[] = { "S", "D", "O1", "O2", "O3", "O4", "O5", "O6" };

    return i < w->n ? names[i] : "?";
}

void world_print_step(const struct world *w, const struct w_step *s)
{
    static const char *const text[] = {
#define X(sym, t) t,
        W_STEPS(X)
#undef X
    };
    const struct w_node *x = &w->node[s->node];

    printf("#   %s %s", who(w, s->node), text[s->kind]);
    switch (s->kind) {
    case W_STEP_DELIVER:
        if (x->queue[0].type == W_VIEW) {
            printf(" a new view");
        } else {
            printf(" %s%s from %s", xf_msg_name(x->queue[0].type),
                   x->queue[0].promise == XF_PROMISE_STAY ? "(stay)"
                   : x->queue[0].promise == XF_PROMISE_GO ? "(go)"
                                                          : "",
                   who(w, x->queue[0].from));
        }
        break;
    case W_STEP_OP_OK:
    case W_STEP_OP_FAIL:
        printf(" %s", xf_op_name(s->arg));
        break;
    case W_STEP_FENCE_TOLD:
    case W_STEP_MOVE:
    case W_STEP_GUEST_LEAVES:
        printf(" %s", who(w, s->arg));
        break;
    case W_STEP_PARTITION:
        for (unsigned i = 0; i < w->n; i++) {
            if (s->arg & world_bit(i)) {
                printf(" %s", who(w, i));
            }
        }
        break;
    case W_STEP_AGENT_CRASH:
    case W_STEP_NODE_CRASH:
        printf(" %s", s->arg ? "yes" : "no");
        break;
    default:
        break;
    }
    printf("\n");
}

void world_print(const struct world *w)
{
    static const char *const copies[] = { "-", "RUN", "suspended", "incomplete", "paused" };

    for (unsigned i = 0; i < w->n; i++) {
        const struct w_node *x = &w->node[i];

        printf("#     %-2s %-10s%s %s%s%s note %s disk marks %x promise %u op %s queue %u\n",
               who(w, i), x->agent ? xf_state_name(x->core.state) : "(no agent)",
               x->core.outcome ? xf_outcome_name(x->core.outcome) : "", copies[x->copy],
               x->stale ? "(stale)" : "", x->up ? "" : " DOWN", xf_note_name(x->note),
               x->disk.marks, x->disk.promise, xf_op_name(x->core.op), x->n_queue);
    }
}
