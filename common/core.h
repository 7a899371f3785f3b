/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * READ FIRST. The hand-over protocol of one domain, as one node sees it.
 *
 * xf_step() is a pure function of a record and an event: it changes the record and says what is to
 * be done. struct xf_core is plain data without pointers, so it can be copied, compared, hashed,
 * journalled and printed; time and chance come in as events. The agent (agent/agent.c) carries the
 * actions out in their order and brings every completion back as an event. tests/explore.c does the
 * same in a simulated world, exhaustively. The rules H1..H14 are in docs/protocol.md.
 *
 *   core.c          dispatch, state table, the verbs of a step
 *   core_group.c    messages, views, fencing (H7, H13, H14)
 *   core_start.c    starting the domain (H11)
 *   core_source.c   the node the domain leaves (H1, H3, H4)
 *   core_dest.c     the node the domain goes to (H2, H5)
 *   core_vote.c     the tie-break (H6)
 *   core_recover.c  a restarted agent (H9)
 */
#ifndef XF_CORE_H
#define XF_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "ids.h"
#include "reason.h"

/* X(symbol, name, allowed next states) */
#define XF_STATES(X)                                                                               \
    X(IDLE, "idle", B(STARTING) | B(HOME) | B(D_PREPARE))                                          \
    X(STARTING, "starting", B(IDLE) | B(HOME))                                                     \
    X(HOME, "home", B(IDLE) | B(S_MARK))                                                           \
    X(S_MARK, "s-mark", B(HOME) | B(S_INTENT) | B(IDLE))                                           \
    X(S_INTENT, "s-intent", B(HOME) | B(S_COPY) | B(IDLE))                                         \
    X(S_COPY, "s-copy", B(S_SUSP) | B(S_RESUME) | B(IDLE))                                         \
    X(S_SUSP, "s-susp", B(S_END) | B(S_RESUME) | B(IDLE))                                          \
    X(S_END, "s-end", B(S_COMMIT) | B(S_RESUME) | B(S_DROP) | B(S_WON) | B(IDLE))                  \
    X(S_WON, "s-won", B(S_RESUME) | B(IDLE))                                                       \
    X(S_COMMIT, "s-commit", B(S_RESUME) | B(S_DROP) | B(IDLE))                                     \
    X(S_RESUME, "s-resume", B(HOME) | B(IDLE))                                                     \
    X(S_DROP, "s-drop", B(IDLE))                                                                   \
    X(D_PREPARE, "d-prepare", B(D_MARK) | B(D_DROP) | B(IDLE))                                     \
    X(D_MARK, "d-mark", B(D_RECV) | B(D_DROP) | B(IDLE))                                           \
    X(D_RECV, "d-recv", B(D_READY) | B(D_DROP))                                                    \
    X(D_READY, "d-ready", B(D_UNPAUSE) | B(D_WON) | B(D_DROP))                                     \
    X(D_WON, "d-won", B(D_UNPAUSE) | B(D_DROP))                                                    \
    X(D_UNPAUSE, "d-unpause", B(HOME) | B(D_DROP))                                                 \
    X(D_DROP, "d-drop", B(IDLE))

enum xf_state {
#define X(sym, name, next) XF_ST_##sym,
    XF_STATES(X)
#undef X
        XF_N_STATES,
};

/* How the migration in .id ended here; kept until a higher id replaces it (H13). */
#define XF_OUTCOMES(X)                                                                             \
    X(NONE, "none")     /* under way, or never a party */                                          \
    X(KEPT, "kept")     /* S: resumed, or never suspended */                                       \
    X(GAVE, "gave")     /* S: copy destroyed, D has it */                                          \
    X(RAN, "ran")       /* D: unpaused here */                                                     \
    X(NEVER, "never")   /* D: never ran and never will, copy destroyed before COMMIT */            \
    X(UNDONE, "undone") /* D: the same after COMMIT, or after winning GO */                        \
    X(LOST, "lost")     /* the copy went with the node's memory: NO COPY */

enum xf_outcome {
#define X(sym, name) XF_OUT_##sym,
    XF_OUTCOMES(X)
#undef X
        XF_N_OUTCOMES,
};

/* H8: one store to a page under /run. Survives the agent, dies with the node, as copies do. */
#define XF_NOTES(X)                                                                                \
    X(NONE, "none")                                                                                \
    X(END, "end")           /* S: the end of the stream may have left */                           \
    X(COMMIT, "commit")     /* S: gave the domain up */                                            \
    X(STAYED, "stayed")     /* S: resumes */                                                       \
    X(DONE, "done")         /* S: copy destroyed */                                                \
    X(COMPLETE, "complete") /* D: whole image here */                                              \
    X(RUN, "run")           /* D: unpauses */                                                      \
    X(NEVER, "never")       /* D: destroys, before COMMIT */                                       \
    X(UNDO, "undo")         /* D: destroys, after COMMIT */

enum xf_note {
#define X(sym, name) XF_NOTE_##sym,
    XF_NOTES(X)
#undef X
        XF_N_NOTES,
};

/* H8: an fsynced journal entry about .id. Bits, because one record gathers them. */
enum xf_mark {
    XF_MARK_BEGUN = 1 << 0, /* party to this migration; for a start: its epoch is taken */
    XF_MARK_ENDED = 1 << 1,
    XF_MARK_STAYED = 1 << 2, /* S won STAY */
    XF_MARK_WENT = 1 << 3,   /* D won GO */
    XF_MARK_RUN = 1 << 4,    /* D unpaused (soon afterwards) */
    XF_MARK_NEVER = 1 << 5,  /* D destroyed (soon afterwards) */
};

/* What an observer promises, and what is asked for (H6). */
enum xf_promise {
    XF_PROMISE_NONE,
    XF_PROMISE_STAY,
    XF_PROMISE_GO,
};

/* The durable record: what the journal keeps for each domain (H13). */
struct xf_record {
    struct xf_migid id;
    struct xf_node src; /* parties of .id; both equal for a start */
    struct xf_node dst;
    struct xf_boot dst_boot; /* 0 until known */
    struct xf_boot own_boot; /* boot id of the node that wrote it */
    uint8_t marks;           /* enum xf_mark */
    uint8_t promise;         /* enum xf_promise, this node's as an observer */
    uint32_t epoch_max;      /* highest epoch heard of for this domain */
};

/* What the hypervisor shows of this domain on this node (all name variants). */
enum xf_copy {
    XF_COPY_NONE,
    XF_COPY_RUNNING,
    XF_COPY_SUSPENDED, /* S: frozen after suspend */
    XF_COPY_PAUSED,    /* D: built or being built, never ran */
    XF_N_COPIES,
};

/* X(symbol, name). Number on the wire = position: rows are only appended. */
#define XF_MSGS(X)                                                                                 \
    X(NONE, "none")                                                                                \
    X(HELLO, "hello")   /* .copy .id .epoch_max .boot: per domain part of a HELLO */               \
    X(COPY, "copy")     /* the same, sent on a change between HELLOs */                            \
    X(START, "start")   /* H11: the sender wants to create the domain; all must answer */          \
    X(INTENT, "intent") /* .boot = D's, as its HELLO said */                                       \
    X(OFFER, "offer")                                                                              \
    X(REFUSE, "refuse") /* .reason */                                                              \
    X(READY, "ready")                                                                              \
    X(COMMIT, "commit")                                                                            \
    X(RUNNING, "running")                                                                          \
    X(ABORT, "abort")           /* .reason */                                                      \
    X(ABORTED, "aborted")       /* .reason */                                                      \
    X(UNDO, "undo")             /* .reason */                                                      \
    X(NOCOPY, "nocopy")         /* .stayed .went */                                                \
    X(ASK, "ask")               /* .promise = what the sender asks for */                          \
    X(PROMISE, "promise")       /* .promise = what the sender has promised */                      \
    X(SUPERSEDED, "superseded") /* .newer: an id above .id exists */                               \
    X(DONE, "done")                                                                                \
    X(CLEAR, "clear") /* to a START: I hold no copy of it and start none */

enum xf_msg_type {
#define X(sym, name) XF_MSG_##sym,
    XF_MSGS(X)
#undef X
        XF_N_MSGS,
};

/* One message about one domain. The domain's uuid travels beside it (wire.h). */
struct xf_msg {
    uint8_t type; /* enum xf_msg_type */
    uint8_t copy; /* enum xf_copy */
    uint8_t promise;
    bool stayed;
    bool went;
    uint16_t reason;
    uint32_t epoch_max;
    struct xf_node from; /* set by the group layer on receipt, never taken from the bytes */
    struct xf_node src;  /* parties of .id */
    struct xf_node dst;
    struct xf_boot boot;
    struct xf_migid id;
    struct xf_migid newer; /* SUPERSEDED only */
};

/* Domain operations: slow, asynchronous, at most one at a time; each ends in XF_EV_OP. */
#define XF_OPS(X)                                                                                  \
    X(NONE, "none")                                                                                \
    X(CREATE, "create")   /* start: build and run the domain */                                    \
    X(PREPARE, "prepare") /* D: preflight, reserve memory, start the mover, endpoint known */      \
    X(RESUME, "resume")   /* S: old mover surely dead, then the domain runs (H3, H10) */           \
    X(UNPAUSE, "unpause") /* D: H12 */                                                             \
    X(DESTROY, "destroy") /* mover surely dead, no copy left, reservation freed */                 \
    X(PERSIST, "persist") /* journal write of .record; not a domain's, but as asynchronous */

enum xf_op {
#define X(sym, name) XF_OP_##sym,
    XF_OPS(X)
#undef X
        XF_N_OPS,
};

/* What the mover tells, as far as the protocol cares. */
enum xf_mover_ev {
    XF_MOVER_SUSPENDED, /* S: the guest is suspended */
    XF_MOVER_END,       /* S: everything but the end of the stream is sent; may it be? (H3) */
    XF_MOVER_COMPLETE,  /* D: digest equal, devices attached, domain built and paused */
    XF_MOVER_FAILED,    /* .reason; the process is gone or going */
    XF_N_MOVER_EVS,
};

/* X(symbol, name) */
#define XF_EVENTS(X)                                                                               \
    X(BOOT, "boot")     /* once, first: .copy .note .record .boot .now */                          \
    X(VIEW, "view")     /* .members .seen .quorate: a new membership of the group */               \
    X(MSG, "msg")       /* .msg, also one's own, in agreed order */                                \
    X(FENCED, "fenced") /* .slot .boot: that incarnation is confirmed off; .ok: and still is */    \
    X(OP, "op")         /* .op .ok .reason: an operation ended */                                  \
    X(MOVER, "mover")   /* .mover .reason */                                                       \
    X(TIMER, "timer")   /* the timer asked for by XF_ACT_TIMER ran out */                          \
    X(MOVE, "move")     /* operator: move the domain to .slot, whose HELLO said .boot */           \
    X(CANCEL, "cancel") /* operator or limit: .reason */                                           \
    X(START, "start")   /* operator: create it here; .boot: the clock, as boot ids have it */      \
    X(VANISHED, "vanished") /* the hypervisor says the copy here is gone */                        \
    X(RESOLVE, "resolve")   /* operator takes the risk: .promise STAY or GO */                     \
    X(APPEARED, "appeared") /* the hypervisor shows a running copy that nobody here started */     \
    X(HEARD, "heard")       /* all that had arrived from the group is told */

enum xf_event_type {
#define X(sym, name) XF_EV_##sym,
    XF_EVENTS(X)
#undef X
        XF_N_EVENTS,
};

struct xf_event {
    uint8_t type; /* enum xf_event_type */
    uint8_t copy;
    uint8_t note;
    uint8_t op;
    uint8_t mover; /* enum xf_mover_ev */
    uint8_t promise;
    bool ok;
    bool quorate;
    uint16_t reason;
    struct xf_slot slot;
    uint32_t members; /* mask of slots: agents in the group */
    uint32_t seen;    /* mask: nodes in Corosync's membership, with or without an agent */
    struct xf_boot boot;
    struct xf_record record;
    struct xf_msg msg;
};

/*
 * Actions, carried out in the order of the array. Their kinds come in the order of this table
 * (asserted): memory before disk, disk before the network, the network before the domain.
 */
#define XF_ACTS(X)                                                                                 \
    X(NOTE, "note")       /* .note: one store, cannot fail */                                      \
    X(PERSIST, "persist") /* .record: journal it; ends in XF_EV_OP(PERSIST) only if .reply */      \
    X(SEND, "send")       /* .msg to the group */                                                  \
    X(GRANT, "grant")     /* S: the mover may send the end of the stream */                        \
    X(MOVER, "mover")     /* S: start the mover towards the offered endpoint */                    \
    X(OP, "op")           /* .op */                                                                \
    X(TIMER, "timer")     /* .timer: arm; replaces the one armed; NONE disarms */                  \
    X(REPORT, "report")   /* .reason: this attempt ended here, or a request was refused */

enum xf_act_kind {
#define X(sym, name) XF_ACT_##sym,
    XF_ACTS(X)
#undef X
        XF_N_ACTS,
};

enum xf_timer {
    XF_TIMER_NONE,
    XF_TIMER_ANSWER, /* the other party owes an answer: INTENT, READY, COMMIT, ASK */
    XF_TIMER_RETRY,  /* an operation failed and is tried again */
    XF_N_TIMERS,
};

struct xf_act {
    uint8_t kind; /* enum xf_act_kind */
    uint8_t note;
    uint8_t op;
    uint8_t timer;
    bool reply;
    uint16_t reason;
    struct xf_record record;
    struct xf_msg msg;
};

#define XF_ACTS_MAX 8
struct xf_actions {
    uint32_t n;
    bool impossible; /* the event contradicts the protocol: a bug here or in a peer; nothing done */
    struct xf_act a[XF_ACTS_MAX];
};

/* What an agent knows of its cluster; the same for all records of one node. */
struct xf_cluster {
    struct xf_slot self;
    uint8_t n_nodes;                   /* N: configured nodes */
    uint32_t configured;               /* mask */
    struct xf_boot boot;               /* own */
    struct xf_node node[XF_NODES_MAX]; /* by slot; id 0: slot is free */
};

/* One domain at one node. No padding bytes may differ between equal records: always start from xf_core_init(). */
struct xf_core {
    struct xf_migid id; /* the highest id this node acts on or has heard of */
    uint32_t epoch_max; /* >= id.epoch; for the next INTENT or START */
    struct xf_boot dst_boot;
    uint32_t members;   /* in the group now */
    uint32_t seen;      /* in Corosync's membership, with or without an agent */
    uint32_t greeted;   /* of the members: HELLO received in this view */
    uint32_t holders;   /* nodes known to hold a copy or part of one */
    uint32_t off;       /* confirmed off and not seen since (H11) */
    uint32_t promised;  /* S, D: observers that promised what I ask for; start: CLEAR heard */
    uint32_t refused;   /* S, D: observers that promised the other thing */
    uint32_t reported;  /* observer: parties known to hold no frozen copy, by slot (H13) */
    struct xf_slot src; /* parties of .id; XF_SLOT_NONE: none */
    struct xf_slot dst;
    uint8_t state;   /* enum xf_state */
    uint8_t outcome; /* enum xf_outcome */
    uint8_t note;    /* enum xf_note: as last stored */
    uint8_t marks;   /* enum xf_mark: as journalled */
    uint8_t promise; /* enum xf_promise: mine, as an observer */
    uint8_t op;      /* enum xf_op in flight */
    uint8_t timer;   /* enum xf_timer armed */
    bool quorate;
    bool peer_fenced;  /* the other party's incarnation of .id is confirmed off */
    bool asked;        /* ASK sent in this view */
    bool cancelled;    /* S: no COMMIT any more, ABORT sent */
    bool ready;        /* S: D waits for COMMIT, which is due at the next XF_EV_HEARD */
    bool promise_kept; /* my promise is journalled and may be told */
    uint16_t reason;   /* why this attempt is being undone */
};

void xf_core_init(struct xf_core *core);
/* 0, or -EINVAL for an event that cannot be (out of range); the record is then unchanged. */
int xf_step(struct xf_core *core, const struct xf_cluster *cluster, const struct xf_event *event,
            struct xf_actions *ret_actions);

/* Does this record hold a copy, or part of one, that an onlooker would find on this node? */
bool xf_core_holds(const struct xf_core *core);
/* A migration is under way here: neither idle nor home. */
bool xf_core_busy(const struct xf_core *core);
/* H9: "in doubt" as an operator may be told: waiting, and neither proof nor promise in reach. */
bool xf_core_in_doubt(const struct xf_core *core);
/* This node's part in a HELLO about this domain. */
struct xf_msg xf_core_hello(const struct xf_core *core, const struct xf_cluster *cluster);

/* Slot of a node id, or XF_SLOT_NONE. */
struct xf_slot xf_cluster_slot(const struct xf_cluster *cluster, struct xf_node node);

const char *xf_state_name(uint32_t state);
const char *xf_outcome_name(uint32_t outcome);
const char *xf_note_name(uint32_t note);
const char *xf_msg_name(uint32_t type);
const char *xf_op_name(uint32_t op);
const char *xf_event_name(uint32_t type);
const char *xf_act_name(uint32_t kind);

#endif
