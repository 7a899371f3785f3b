/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What commands ask for, here or forwarded from another node, and how they are answered.
 *
 *   requests.c         who asks, answers in parts, the table of verbs, forwarding
 *   requests_move.c    move, cancel, resolve
 *   requests_domain.c  create, destroy, confirm-off
 *   requests_peer.c    what this agent asks of another
 *   requests_check.c   check, matrix
 *   requests_show.c    what only looks
 */
#ifndef XF_REQUESTS_H
#define XF_REQUESTS_H

#include <jansson.h>

#include "agent.h"
#include "ctl.h"

struct xf_ipc_conn;
struct xf_ipc_events;

/* One request that is not answered to its end. */
struct xf_asker {
    struct xf_asker *next;
    struct xf_agent *agent;
    struct xf_ipc_conn *conn; /* here; NULL: elsewhere, or gone */
    struct xf_node node;      /* elsewhere: where, and what it is called there */
    uint64_t request;
    bool watching;
    uint64_t told; /* the last event that it was sent */
    bool accepted; /* a move's first event was sent */
};

/* The last word: frees asker. body may be NULL and is taken; long ones go out in parts. */
void xf_answer(struct xf_asker *asker, enum xf_reason reason, const char *text, json_t *body);
/* One event of several; body stays the caller's. */
void xf_answer_event(struct xf_asker *asker, json_t *body);

extern const struct xf_ipc_events xf_request_ipc_events;
void xf_request_received(struct xf_agent *agent, struct xf_node from, const struct xf_frame *frame);
void xf_reply_received(struct xf_agent *agent, struct xf_node from, const struct xf_frame *frame);
/* Nodes have left: nobody waits for them, and they wait for nothing. */
void xf_request_nodes_left(struct xf_agent *agent);
void xf_request_watchers(struct xf_agent *agent, json_t *event);
void xf_requests_free(struct xf_agent *agent);

/* requests_domain.c */
void xf_request_created(struct xf_domain *dom, enum xf_reason reason);
/* The driver has read a configuration, or says what is wrong with it. */
void xf_request_translated(struct xf_agent *agent, uint64_t cookie, enum xf_reason reason,
                           const char *text);
void xf_request_creations_free(struct xf_agent *agent);
void xf_request_destroyed(struct xf_domain *dom, bool ok, const char *text);
/* Does another domain of that name exist, here or anywhere? */
bool xf_request_name_taken(struct xf_agent *agent, const struct xf_domain *dom, const char *name,
                           bool only_here);

/* One handler a verb; each answers asker in the end. */
typedef void (*xf_request_fn)(struct xf_asker *asker, const struct xf_ctl_request *request);
void xf_request_nodes(struct xf_asker *asker, const struct xf_ctl_request *request);
void xf_request_domains(struct xf_asker *asker, const struct xf_ctl_request *request);
void xf_request_status(struct xf_asker *asker, const struct xf_ctl_request *request);
void xf_request_watch(struct xf_asker *asker, const struct xf_ctl_request *request);
void xf_request_history(struct xf_asker *asker, const struct xf_ctl_request *request);
void xf_request_report(struct xf_asker *asker, const struct xf_ctl_request *request);
void xf_request_debug(struct xf_asker *asker, const struct xf_ctl_request *request);
void xf_request_metrics(struct xf_asker *asker, const struct xf_ctl_request *request);
void xf_request_create(struct xf_asker *asker, const struct xf_ctl_request *request);
void xf_request_destroy(struct xf_asker *asker, const struct xf_ctl_request *request);
void xf_request_confirm_off(struct xf_asker *asker, const struct xf_ctl_request *request);
void xf_request_move(struct xf_asker *asker, const struct xf_ctl_request *request);
void xf_request_cancel(struct xf_asker *asker, const struct xf_ctl_request *request);
void xf_request_resolve(struct xf_asker *asker, const struct xf_ctl_request *request);
void xf_request_check(struct xf_asker *asker, const struct xf_ctl_request *request);
void xf_request_matrix(struct xf_asker *asker, const struct xf_ctl_request *request);
/* requests_check.c: ROWs of all members that answer in time, once, in order; both borrowed. */
typedef void (*xf_rows_done_fn)(void *arg, json_t *rows, json_t *silent);
void xf_rows_gather(struct xf_agent *agent, bool now, uint32_t timeout_ms, xf_rows_done_fn done,
                    void *arg);
/* visits.c: for other agents' checks only */
void xf_request_visit(struct xf_asker *asker, const struct xf_ctl_request *request);
void xf_request_probe(struct xf_asker *asker, const struct xf_ctl_request *request);

/* DOMAIN of docs/control.md */
json_t *xf_request_domain_json(const struct xf_domain *dom);
/* "1" means yes. */
bool xf_request_flag(const struct xf_ctl_request *request, const char *key);

/* requests_peer.c: a request of this agent's own, to another. */
struct xf_question;
/* Once, from the loop. body: the answer's, borrowed, may be NULL. A time-out reads PEER_SILENT. */
typedef void (*xf_question_done_fn)(void *arg, enum xf_reason reason, const char *text,
                                    json_t *body);
struct xf_question *xf_question_ask(struct xf_agent *agent, struct xf_node node,
                                    const struct xf_ctl_request *request, uint32_t timeout_ms,
                                    xf_question_done_fn done, void *arg);
/* done will not come. Takes NULL. */
void xf_question_forget(struct xf_question *question);
/* False: the reply belongs to none. */
bool xf_question_answered(struct xf_agent *agent, struct xf_node from,
                          const struct xf_frame *frame);
void xf_questions_nodes_left(struct xf_agent *agent);
void xf_questions_free(struct xf_agent *agent);

/* requests_foreign.c: what another toolstack's migration left on this host. */
void xf_foreign_list(struct xf_agent *agent, json_t *list);
/* False: there is nothing of that name. */
bool xf_foreign_resolve(struct xf_asker *asker, const char *name, bool yes);

#endif
