/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A simulated world for the shipped core: nodes with memory and a disk, agents, copies, a group in
 * agreed order that partitions lose messages of, one data connection, fencing. Plain data: the
 * explorer copies and hashes worlds, storm and stories play one at a time.
 *
 * The world carries actions out and checks, independently of what the core believes:
 *   (a) never two runnable copies           (b) the last valid copy is not destroyed while needed
 *   (c) no stale copy ever runs             (d) nothing runs from an incomplete image
 * ((e), that only the runnable copy writes, follows from (a) and (c) here; the cluster lab sees it on disks.)
 */
#ifndef XF_WORLD_H
#define XF_WORLD_H

#include <stddef.h>

#include "core.h"

#ifndef W_NODES
#define W_NODES 4
#endif
#ifndef W_QUEUE
#define W_QUEUE 24
#endif
#ifndef W_IDS
#define W_IDS 6 /* different migration ids in one run */
#endif

enum { W_S, W_D }; /* slots of the first migration's parties */

/* A queued message, or W_VIEW. Ids are places in the world's table, so that worlds stay small. */
struct w_msg {
    uint8_t type;
    uint8_t from;
    union {
        uint8_t id;
        uint8_t members; /* W_VIEW: the view as it was when it came about */
    };
    union {
        uint8_t newer;
        uint8_t seen;
    };
    union {
        uint8_t quorate;
        uint8_t copy;
    };
    union {
        uint8_t between; /* who was there in all the views folded into this one */
        uint8_t promise;
    };
    uint8_t stayed;
    uint8_t went;
    uint16_t epoch_max; /* a start may leap */
    uint8_t boot;
    uint8_t zero; /* worlds are compared as bytes: no padding */
};
#define W_VIEW 0 /* = XF_MSG_NONE */

struct w_rec {
    uint16_t epoch_max;
    uint8_t id;
    uint8_t marks;
    uint8_t promise;
    uint8_t own_boot;
    uint8_t dst_boot;
    uint8_t zero;
};

enum w_copy { COPY_NONE, COPY_RUN, COPY_SUSP, COPY_INC, COPY_OK };

struct w_node {
    struct xf_core core;
    struct w_rec disk;
    struct w_rec lazy;  /* handed to the journal, not yet on the disk */
    struct w_rec asked; /* the same, and the core waits for it (XF_OP_PERSIST) */
    uint8_t has_lazy;
    uint8_t copy; /* enum w_copy */
    uint8_t stale;
    uint8_t note;
    uint8_t note_id;
    uint8_t up;
    uint8_t agent;
    uint8_t boot;
    uint32_t fenced; /* mask of incarnations (1 << boot) confirmed off */
    uint8_t n_queue;
    struct w_msg queue[W_QUEUE];
};

struct w_id {
    uint16_t epoch;
    uint8_t src;
    uint8_t dst;
    uint8_t boot;
    uint8_t dst_boot; /* when the id came up */
    uint8_t said;     /* enum w_said */
    uint8_t zero;
};

enum w_said { W_SAID_COMMIT = 1 << 0, W_SAID_ABORT = 1 << 1, W_SAID_UNDO = 1 << 2 };

enum w_chan { W_CHAN_NONE, W_CHAN_OPEN, W_CHAN_END, W_CHAN_DONE, W_CHAN_BROKEN };

enum w_flag {
    W_F_CANCEL = 1 << 0,
    W_F_MOVED = 1 << 1, /* the guest went on from D, or shut down there */
    W_F_OVERFLOW = 1 << 2,
    W_F_OP_FAILED = 1 << 3, /* then only a time-out may bring things on again */
    W_F_GONE = 1 << 4,      /* the last valid copy went in a way that is nobody's fault here */
};

/* Small things first: a world of n nodes is its first world_size(n) bytes. */
struct world {
    struct w_id id[W_IDS];
    uint8_t n_ids;
    uint8_t n;
    uint8_t faults;  /* left to spend */
    uint8_t part;    /* mask of one side */
    uint8_t chan;    /* enum w_chan */
    uint8_t chan_id; /* migration that the connection belongs to */
    uint8_t flags;
    uint8_t hellos; /* HELLOs are played (more worlds) */
    uint8_t starts; /* starts that may still be tried */
    uint8_t moves;  /* moves that may still be asked for */
    uint32_t only;  /* faults that are played: 1 << enum w_step_kind; 0: all */
    struct w_node node[W_NODES];
};

static inline size_t world_size(const struct world *w)
{
    return offsetof(struct world, node) + w->n * sizeof(w->node[0]);
}

/* X(symbol, text) */
#define W_STEPS(X)                                                                                 \
    X(DELIVER, "receives")                                                                         \
    X(HEARD, "has heard all that had arrived")                                                     \
    X(FENCE_TOLD, "hears that a node was fenced:")                                                 \
    X(OP_OK, "completes")                                                                          \
    X(OP_FAIL, "FAILS to")                                                                         \
    X(SUSPEND, "suspends the guest")                                                               \
    X(END, "has sent all but the end of the stream")                                               \
    X(COMPLETE, "has the whole image")                                                             \
    X(MOVER_FAILED, "sees its mover fail")                                                         \
    X(RETRY, "tries again")                                                                        \
    X(ANSWER, "waited too long for an answer")                                                     \
    X(MOVE, "is told to move the domain to")                                                       \
    X(START, "is told to start the domain")                                                        \
    X(RESTART, "agent restarts")                                                                   \
    X(REBOOT, "reboots")                                                                           \
    X(HEAL, "network heals")                                                                       \
    X(FENCE, "is FENCED, confirmed")                                                               \
    X(PARTITION, "network PARTITIONS, one side:")                                                  \
    X(AGENT_CRASH, "AGENT CRASHES, operation in flight done:")                                     \
    X(NODE_CRASH, "NODE CRASHES, journal writes in flight done:")                                  \
    X(BREAK, "data connection BREAKS")                                                             \
    X(CANCEL, "operator cancels at")                                                               \
    X(GUEST_LEAVES, "guest moves on to")                                                           \
    X(GUEST_ENDS, "guest shuts down at")

enum w_step_kind {
#define X(sym, text) W_STEP_##sym,
    W_STEPS(X)
#undef X
        W_N_STEPS,
};

struct w_step {
    uint8_t kind;
    uint8_t node;
    uint8_t arg;
    uint8_t protocol; /* happens by itself, without a fault or an operator */
    uint8_t cost;     /* faults it spends */
};
#define W_STEPS_MAX (128 + (1 << W_NODES))

/* Every node knows of the domain; it runs on W_S; nothing under way. */
void world_init(struct world *w, unsigned n, unsigned faults);
/* The first migration is at its transfer: S in S_COPY, D in D_RECV. */
void world_init_transfer(struct world *w, unsigned n, unsigned faults);
unsigned world_steps(const struct world *w, struct w_step list[static W_STEPS_MAX]);
/* NULL, or what went wrong: a sentence of (a)..(d), an invariant, or an event the core called impossible. */
/* Not a step that is walked: the domain is started at a node by other means than ours. */
void world_appear(struct world *w, unsigned node);
const char *world_apply(struct world *w, const struct w_step *step);

/* Every dead node fenced or up, no partition, every agent up, a majority there. */
bool world_healed(const struct world *w);
/* Exactly one running copy and no frozen one, or none left and the host that ran it died. */
bool world_settled(const struct world *w);
/* What the world's own files share. */
unsigned world_bit(unsigned i);
unsigned world_side(const struct world *w, unsigned i);   /* nodes up on the same side as i */
unsigned world_agents(const struct world *w, unsigned i); /* of these, with an agent */
bool world_quorate(const struct world *w, unsigned i);
bool world_is_fenced(const struct w_node *x); /* the incarnation that was there last is */
uint8_t world_chan_party(const struct world *w, bool dst);
struct xf_migid world_id(const struct world *w, unsigned place);

/* One line each, for people. */
void world_print_step(const struct world *before, const struct w_step *step);
void world_print(const struct world *w);

/* Called for every event fed and its actions, when set: traces. NULL by default. */
extern void (*world_trace)(const struct world *w, unsigned node, const struct xf_event *ev,
                           const struct xf_actions *acts);

#endif
