/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One migration as far as the protocol does not care: what was asked for, what was measured, which
 * processes and sockets serve it, who waits for its end. The protocol would end well without it.
 */
#ifndef XF_ATTEMPT_H
#define XF_ATTEMPT_H

#include <jansson.h>

#include "agent.h"
#include "announce.h"
#include "link.h"

/* A report with so many rounds still fits into one part of a reply. */
#define XF_ATTEMPT_ROUNDS_MAX  96u
#define XF_ATTEMPT_NOTES_MAX   4u
#define XF_ATTEMPT_READY_SIZE  (4u + XF_ATTEMPT_NOTES_MAX * 256u)
/* How long a report waits for the old host to see the MAC from outside. */
#define XF_NETWORK_WAIT_MS     1500u
/* One switch-over at a time on a node, but none waits longer than this for another's. */
#define XF_SWITCH_WAIT_MS      10000u

/* Of a check, in a report. */
#define XF_ATTEMPT_REMARKS_MAX 6u

struct xf_announce;
struct xf_check;
struct xf_learn;
struct xf_watch;

struct xf_attempt {
    bool source;
    struct xf_slot dst;
    struct xf_migid id; /* epoch 0 while queued */
    bool queued;
    struct xf_check *check; /* the proof that comes first; NULL: over */
    bool unproven;          /* the operator goes on in spite of it */
    uint32_t check_ms;      /* how long it took */
    uint32_t n_remarks;     /* what it found and let pass */
    char remarks[XF_ATTEMPT_REMARKS_MAX][256];
    bool adopted; /* begun before this agent, which does not know when or what was sent */
    bool may_queue;
    uint64_t order; /* of acceptance */
    struct xf_move_options options;
    uint64_t started_ms;
    char started[32];
    char address[XF_ADDRESS_SIZE]; /* of the offer */
    uint16_t port;
    char *config;
    struct xf_dom_needs needs;
    bool needs_known;
    char failure[256];          /* the mover's words */
    char trouble[256];          /* the hypervisor's last complaint; it may have got over it */
    char peer_words[256];       /* S: what D's mover said when it gave up */
    enum xf_reason peer_reason; /* and D's reason */
    char notes[XF_ATTEMPT_NOTES_MAX][256]; /* its remarks */
    uint32_t n_notes;

    uint32_t n_rounds;
    struct xf_round
        rounds[XF_ATTEMPT_ROUNDS_MAX]; /* the last one is overwritten when there are more */
    struct xf_link_totals totals;
    uint64_t intent_us;   /* all monotonic; 0: not yet */
    uint64_t prepared_us; /* a duration: from INTENT to OFFER */
    uint64_t suspended_us;
    uint64_t want_end_us;
    uint64_t ready_us;
    uint64_t commit_us;
    uint64_t running_us;
    uint64_t seen_us;
    uint64_t unpause_began_us;
    uint32_t build_us;   /* D's, from READY */
    uint32_t unpause_us; /* D's, from RUNNING */
    bool ready_sent;
    bool wants_switch;
    uint64_t switched_ms; /* 0: not yet */
    bool finished;        /* the mover said all that it had to say */

    uint64_t progress_ms; /* when the last one was sent */
    uint8_t shown_state;  /* enum xf_state it was sent in */
    bool shown_doubt;
    uint32_t max_time_s;
    bool limit_hit;
    bool told;  /* D: S has published its report */
    bool ended; /* reported by the core; the report waits for the network */
    enum xf_reason end_reason;
    uint8_t end_outcome;
    uint64_t ended_ms;
    uint64_t report_at_ms;

    struct xf_learn *learn;
    struct xf_watch *watch;
    struct xf_announce *announce;
    struct xf_addresses addresses_told; /* S: by the guest itself */
    struct xf_addresses addresses_sent;

    struct xf_asker *waiter;
    bool waits; /* for the end; else for the beginning only */
};

/* S: accepted or queued. D: INTENT came. Replaces the one that is there. */
struct xf_attempt *xf_attempt_new(struct xf_domain *dom, bool source);
/* One that an earlier agent began: as much of it as the record and the hypervisor know. */
void xf_attempt_adopt(struct xf_domain *dom);
/* S: the protocol knows nothing of it yet: it is being checked, or queued. */
bool xf_attempt_is_waiting(const struct xf_domain *dom);
/* S: the domain's configuration as it is now. XF_REASON_BUSY: ask again. */
enum xf_reason xf_attempt_configure(struct xf_domain *dom);
void xf_attempt_free(struct xf_domain *dom); /* when there is one */

/* attempt_payload.c: payloads of DOMAIN frames, docs/wire.md. */
json_t *xf_attempt_intent(struct xf_domain *dom);
void xf_attempt_take_payload(struct xf_domain *dom, const struct xf_msg *msg,
                             const uint8_t *payload, uint32_t size);
/* READY's payload: how long building took and what D's mover remarked; RUNNING's: one number. */
size_t xf_attempt_ready_payload(const struct xf_domain *dom, uint8_t *buf, size_t size);
size_t xf_attempt_time_payload(uint32_t us, uint8_t buf[static 4]);

/* A remark of a mover; those beyond XF_ATTEMPT_NOTES_MAX are dropped. */
void xf_attempt_note(struct xf_attempt *at, const char *text);
/* What the mover said. */
void xf_attempt_mover(struct xf_domain *dom, const struct xf_link_msg *msg);
/* An event was stepped: what has changed for those who watch? */
void xf_attempt_stepped(struct xf_domain *dom, const struct xf_core *before);
void xf_attempt_tick(struct xf_domain *dom, uint64_t now_ms);
/* The core reported the end. */
void xf_attempt_end(struct xf_domain *dom, enum xf_reason reason);
/* Refused, or cancelled in the queue, before the core knew of it: the waiter is told, nothing else. */
void xf_attempt_refuse(struct xf_domain *dom, enum xf_reason reason, const char *text);

/* attempt_net.c: the address hand-over of one attempt. */
void xf_attempt_net_source(struct xf_domain *dom); /* with the transfer */
void xf_attempt_net_dest(struct xf_domain *dom);   /* in PREPARE */
void xf_attempt_net_stop(struct xf_attempt *at);
/* New addresses since the last call, encoded in hexadecimal; NULL: none. */
json_t *xf_attempt_net_addresses(struct xf_attempt *at);
void xf_attempt_net_learned(struct xf_attempt *at, const char *hex);

#endif
