/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent: one thread, one loop that never blocks. For every domain it drives xf_step(): event in,
 * actions out, in their order.
 *
 *   main.c       options, signals, start and end        settings.c  the configuration
 *   agent.c      what the group tells goes to peers, domains and requests
 *   peers.c      the nodes                              hello.c     HELLO out and in
 *   domains.c    the table of domains                   step.c      events to the core
 *   perform.c    the core's actions on the world        ops.c       its slow operations
 *   hyper_news.c what the hypervisor tells
 *   attempt.c    one migration besides the protocol     slots.c     how many at a time, the queue
 *   check.c      the proof before a move               visits.c  what the target does for it
 *   looks.c      looks at disks, in processes          matrix.c  checks all the time
 *   report.c     what is told about a migration         requests*.c what commands ask for
 */
#ifndef XF_AGENT_H
#define XF_AGENT_H

#include <jansson.h>
#include <qb/qbloop.h>
#include <stdbool.h>
#include <stdint.h>

#include "core.h"
#include "drivers.h"
#include "secret.h"
#include "settings.h"
#include "wire.h"

struct xf_asker;
struct xf_attempt;
struct xf_blackbox;
struct xf_check;
struct xf_creation;
struct xf_forward;
struct xf_group;
struct xf_history;
struct xf_ipc;
struct xf_later;
struct xf_looker;
struct xf_matrix;
struct xf_matrix_row;
struct xf_mover;
struct xf_notes;
struct xf_notes_line;
struct xf_op_cookie;
struct xf_preflight;
struct xf_question;
struct xf_store;
struct xf_store_file;
struct xf_ticker;
struct xf_visit;
struct xf_visit_probe;

/* What is known of a node, by slot. A slot belongs to its node for the agent's life. */
struct xf_peer {
    struct xf_node node; /* id 0: free */
    char name[XF_NAME_SIZE];
    char address[XF_NAME_SIZE];
    bool configured;
    bool member;
    bool seen;           /* in Corosync's membership, with or without its agent */
    bool greeted;        /* its whole HELLO of this view was received */
    bool incompatible;   /* no protocol version in common */
    bool off;            /* confirmed off and not seen since */
    bool off_heard;      /* told so by a peer while this node had no quorum */
    struct xf_boot boot; /* last heard; 0: never */
    struct xf_boot off_boot;
    uint16_t version_min;
    uint16_t version_max;
    uint32_t hello_seq; /* expected next */
    uint64_t memory_total_mib;
    uint64_t memory_free_mib;
    uint32_t cpus;
    char hypervisor[XF_NAME_SIZE];
    uint64_t bad_frames;
    uint64_t bad_logged_ms;
};

/* What waits for the mover of a domain to be surely dead. */
enum xf_after_mover {
    XF_AFTER_NOTHING,
    XF_AFTER_RESUME,
    XF_AFTER_DESTROY,
    XF_AFTER_START, /* of the next mover */
};

struct xf_domain {
    struct xf_domain *next;
    struct xf_agent *agent;
    uint64_t number; /* of this agent's life */
    struct xf_uuid uuid;
    char uuid_text[XF_UUID_TEXT_SIZE];
    char name[XF_NAME_SIZE]; /* "" until somebody told */
    uint32_t memory_mib;
    struct xf_core core;
    struct xf_notes_line *notes;
    uint8_t copies[XF_NODES_MAX]; /* enum xf_copy: what each node was last heard to hold */
    uint32_t listed;              /* by slot: stood in the HELLO that is being received */
    uint64_t timer_at_ms;         /* 0: disarmed */
    uint64_t doubled_ms; /* since when it seems to run here and elsewhere; 0: it does not */
    bool doubled_told;
    bool away; /* its copy here is what xl's own migration has left behind */
    bool stepping;

    struct xf_attempt *attempt; /* NULL: not a party, or an earlier agent's */
    struct xf_mover *mover;
    struct xf_link_msg *mover_first; /* what the next mover is told, while it waits for the last */
    enum xf_after_mover after_mover;
    uint64_t stray_until_ms;
    uint64_t rename_at_ms; /* an arrived domain gets its own name; 0: it has it */
    struct xf_preflight *preflight;

    struct xf_asker *creator;
    struct xf_asker *destroyer;
    char *create_config;
    bool destroying;             /* for an operator: the driver is at it */
    char refusal[2048];          /* why PREPARE or a request failed, for people */
    enum xf_reason step_refusal; /* of the REPORT in the step that a request caused */

    struct xf_matrix_row *row; /* while it runs here: its checks against other nodes */

    json_t *progress; /* last heard of its migration, run by another node; or NULL */
    struct xf_node progress_from;
    uint64_t progress_ms; /* when it came */
};

struct xf_agent {
    qb_loop_t *loop;
    struct xf_ticker *ticker;
    uint64_t started_ms;
    bool failed;                             /* the loop was stopped by an error */
    void (*on_tick)(struct xf_agent *agent); /* main's: the watchdog */
    struct xf_settings settings;
    struct xf_secret secret;
    char secret_error[300]; /* why there is none */

    struct xf_cluster cluster;
    struct xf_peer peer[XF_NODES_MAX];
    uint32_t members;
    uint32_t seen;
    bool quorate;
    bool booted; /* every record has seen EV_BOOT */

    const struct xf_hyper_ops *hyper_ops;
    struct xf_hyper *hyper;
    struct xf_group *group;
    struct xf_store *store;
    struct xf_store_file *journal; /* until the records are booted */
    uint32_t epoch_floor;
    struct xf_notes *notes;
    struct xf_blackbox *blackbox;
    struct xf_history *history;
    struct xf_ipc *ipc;

    struct xf_domain *domains;
    struct xf_later *later; /* events that arose inside a step */
    struct xf_later **later_last;
    int later_fd;
    uint64_t next_domain;
    uint64_t next_cookie;
    uint64_t next_order;
    struct xf_op_cookie *cookies;

    struct xf_asker *askers;
    struct xf_creation *creations;
    struct xf_forward *forwards;
    struct xf_question *questions;
    struct xf_check *checks;
    struct xf_matrix *matrix;
    struct xf_looker *looks_hanging;
    struct xf_visit *visits;
    struct xf_visit_probe *visit_probes;
    uint64_t next_request;
    uint64_t next_event; /* for those who watch */
    bool hello_wanted; /* facts have changed since the last HELLO */
    uint64_t hello_at_ms;
    uint64_t slots_at_ms;
    pid_t dump_pid;

    struct xf_frame frame_in; /* large: one of each for the agent's life */
    struct xf_frame frame_out;
    uint8_t bytes_out[XF_FRAME_SIZE_MAX];
};

/* agent.c */
/* 0 or negative errno, logged. */
int xf_agent_start(struct xf_agent *agent);
void xf_agent_stop(struct xf_agent *agent);
void xf_agent_tick(struct xf_agent *agent);
/* Encodes agent->frame_out, with this payload, and sends it. Allocates nothing while the group takes it (H12). */
void xf_agent_send(struct xf_agent *agent, const void *payload, size_t payload_size);

/* peers.c */
struct xf_slot xf_peer_slot(struct xf_agent *agent, struct xf_node node); /* makes one if need be */
struct xf_peer *xf_peer_of(struct xf_agent *agent, struct xf_node node);  /* or NULL */
struct xf_peer *xf_peer_self(struct xf_agent *agent);
struct xf_peer *xf_peer_named(struct xf_agent *agent, const char *name);
/* "?" when there is no such node. */
const char *xf_peer_name(const struct xf_agent *agent, struct xf_node node);
const char *xf_peer_slot_name(const struct xf_agent *agent, struct xf_slot slot);
/* The latest incarnation of it that this agent has heard of, also in the records of domains. */
struct xf_boot xf_peer_latest_boot(const struct xf_agent *agent, const struct xf_peer *peer);
void xf_peer_confirm_off(struct xf_agent *agent, struct xf_peer *peer, struct xf_boot boot);

/* hello.c */
void xf_hello_send(struct xf_agent *agent);
void xf_hello_receive(struct xf_agent *agent, struct xf_peer *peer, const struct xf_frame *frame);

/* domains.c */
struct xf_domain *xf_domain_find(struct xf_agent *agent, const struct xf_uuid *uuid);
/* By name or by uuid text; of several of one name the one that is held. */
struct xf_domain *xf_domain_named(struct xf_agent *agent, const char *name);
/* Found or made; a new one has seen what a record must have seen to be up to date. */
struct xf_domain *xf_domain_get(struct xf_agent *agent, const struct xf_uuid *uuid);
/* At the start, with what the journal, the notes and the hypervisor know. */
int xf_domains_boot(struct xf_agent *agent);
void xf_domains_free(struct xf_agent *agent);
void xf_domain_learn(struct xf_domain *dom, const char *name, uint32_t memory_mib);
/* Logs, once, that it has been running here and elsewhere for longer than any move takes. */
void xf_domain_watch_copies(struct xf_domain *dom, uint64_t now_ms);
/* The node that runs it or else holds it; id 0: none. */
struct xf_node xf_domain_holder(const struct xf_domain *dom);
const char *xf_domain_shown(const struct xf_domain *dom); /* its name, or else its uuid */
void xf_domain_log(const struct xf_domain *dom, int priority, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* "7@n1" */
void xf_migid_text(const struct xf_agent *agent, const struct xf_migid *id, char *buf, size_t size);

/* step.c */
/*
 * Steps the record and carries its actions out. Inside a step of the same domain it waits until that
 * is over.
 */
void xf_domain_event(struct xf_domain *dom, const struct xf_event *event);
/* The same from the loop, for what must not happen inside the caller. */
void xf_domain_event_later(struct xf_domain *dom, const struct xf_event *event);
void xf_domain_op_done(struct xf_domain *dom, enum xf_op op, bool ok, enum xf_reason reason);
void xf_domain_mover_event(struct xf_domain *dom, enum xf_mover_ev ev, enum xf_reason reason);
int xf_later_open(struct xf_agent *agent); /* 0 or negative errno */
void xf_later_free(struct xf_agent *agent);

/* perform.c */
void xf_perform(struct xf_domain *dom, const struct xf_actions *actions,
                const struct xf_core *before);

/* ops.c */
void xf_op_start(struct xf_domain *dom, enum xf_op op);
void xf_op_mover(struct xf_domain *dom); /* XF_ACT_MOVER */
void xf_op_persisted(struct xf_agent *agent, uint64_t cookie, bool ok);
/* What a driver's completion belongs to; XF_OP_NONE: not the core's. */
uint64_t xf_op_cookie_new(struct xf_domain *dom, enum xf_op op);
bool xf_op_cookie_take(struct xf_agent *agent, uint64_t cookie, struct xf_domain **ret_dom,
                       enum xf_op *ret_op);
void xf_op_cookies_free(struct xf_agent *agent);
void xf_op_tick(struct xf_domain *dom, uint64_t now_ms);
void xf_op_release(struct xf_domain *dom); /* what a finished or undone arrival still holds */

/* hyper_news.c: what the driver tells */
extern const struct xf_hyper_events xf_agent_hyper_events;

#endif
