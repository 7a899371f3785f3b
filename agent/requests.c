/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "requests.h"

#include <stdlib.h>
#include <string.h>

#include "ipc_qb.h"
#include "log_qb.h"
#include "text.h"

/* Precision that shows a microsecond in a number of milliseconds. */
#define DUMP_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(9))

/* A request that was sent on to another node. */
struct xf_forward {
    struct xf_forward *next;
    struct xf_asker *asker;
    struct xf_node node;
    uint64_t request;
};

static const struct {
    const char *verb;
    xf_request_fn run;
    bool to_holder; /* done by the node that holds the domain */
    bool to_party;  /* but by this node if it takes part in the migration itself */
    bool to_node;   /* done by the node named */
} verbs[] = {
    { .verb = "nodes", .run = xf_request_nodes },
    { .verb = "domains", .run = xf_request_domains },
    { .verb = "status", .run = xf_request_status },
    { .verb = "watch", .run = xf_request_watch },
    { .verb = "history", .run = xf_request_history },
    { .verb = "report", .run = xf_request_report },
    { .verb = "debug", .run = xf_request_debug },
    { .verb = "metrics", .run = xf_request_metrics },
    { .verb = "create", .run = xf_request_create, .to_node = true },
    { .verb = "destroy", .run = xf_request_destroy, .to_holder = true },
    { .verb = "confirm-off", .run = xf_request_confirm_off },
    { .verb = "move", .run = xf_request_move, .to_holder = true },
    { .verb = "check", .run = xf_request_check, .to_holder = true },
    { .verb = "matrix", .run = xf_request_matrix },
    { .verb = "visit", .run = xf_request_visit },
    { .verb = "probe", .run = xf_request_probe },
    { .verb = "cancel", .run = xf_request_cancel, .to_holder = true },
    { .verb = "resolve", .run = xf_request_resolve, .to_holder = true, .to_party = true },
};
#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

/* ---- answers ---- */

static void send_reply(struct xf_asker *asker, const struct xf_ctl_reply *reply)
{
    struct xf_agent *agent = asker->agent;
    uint8_t buf[XF_CTL_SIZE_MAX];
    int size = xf_ctl_encode_reply(reply, buf, sizeof(buf));

    if (size < 0) {
        xf_log(LOG_ERR, "an answer could not be encoded");
        return;
    }
    if (asker->conn != NULL) {
        xf_ipc_send(asker->conn, buf, (size_t)size);
    } else if (asker->node.id != 0) {
        agent->frame_out.kind = XF_FRAME_REPLY;
        agent->frame_out.version = 0;
        agent->frame_out.to = asker->node;
        agent->frame_out.request = asker->request;
        agent->frame_out.more = reply->more;
        xf_agent_send(agent, buf, (size_t)size);
    }
}

static void free_asker(struct xf_asker *asker)
{
    for (struct xf_asker **at = &asker->agent->askers; *at != NULL; at = &(*at)->next) {
        if (*at == asker) {
            *at = asker->next;
            break;
        }
    }
    free(asker);
}

/* Splits between bytes: parts are put together before anybody parses them. */
static void send_parts(struct xf_asker *asker, enum xf_reason reason, const char *text, char *body)
{
    size_t left = strlen(body);
    size_t most = XF_CTL_BODY_MAX - 1 - strlen(text);

    do {
        size_t n = left < most ? left : most;
        char cut = body[n];
        struct xf_ctl_reply reply = {
            .reason = (uint16_t)reason,
            .more = left > n,
            .text = text,
            .body = body,
        };

        body[n] = '\0';
        send_reply(asker, &reply);
        body[n] = cut;
        body += n;
        left -= n;
    } while (left > 0);
}

void xf_answer(struct xf_asker *asker, enum xf_reason reason, const char *text, json_t *body)
{
    char *dump = body != NULL ? json_dumps(body, DUMP_FLAGS) : NULL;
    char none[] = "", short_text[1024];

    xf_text_copy(short_text, sizeof(short_text), text);
    xf_text_utf8_mend(short_text);
    send_parts(asker, reason, short_text, dump != NULL ? dump : none);
    free(dump);
    json_decref(body);
    free_asker(asker);
}

void xf_answer_event(struct xf_asker *asker, json_t *body)
{
    char *dump = json_dumps(body, DUMP_FLAGS);
    struct xf_ctl_reply reply = { .more = true, .text = "", .body = dump };

    if (strlen(dump) < XF_CTL_BODY_MAX) {
        send_reply(asker, &reply);
    }
    free(dump);
}

/* Who takes no more is let go while it is told, and with it all that its connection asked for. */
static struct xf_asker *untold(struct xf_agent *agent, uint64_t event)
{
    struct xf_asker *asker = agent->askers;

    while (asker != NULL && (!asker->watching || asker->told == event)) {
        asker = asker->next;
    }
    return asker;
}

void xf_request_watchers(struct xf_agent *agent, json_t *event)
{
    uint64_t number = ++agent->next_event;
    struct xf_asker *asker;

    while ((asker = untold(agent, number)) != NULL) {
        asker->told = number;
        xf_answer_event(asker, event);
    }
}

bool xf_request_flag(const struct xf_ctl_request *request, const char *key)
{
    const char *value = xf_ctl_value(request, key);

    return value != NULL && strcmp(value, "1") == 0;
}

/* ---- forwarding ---- */

static void forward(struct xf_asker *asker, const struct xf_peer *peer, const uint8_t *bytes,
                    size_t size)
{
    struct xf_agent *agent = asker->agent;
    struct xf_forward *f;

    if (!peer->member || peer->incompatible) {
        xf_answer(asker, peer->incompatible ? XF_REASON_PROTOCOL : XF_REASON_NODE_OFFLINE,
                  peer->name, NULL);
        return;
    }
    f = calloc(1, sizeof(*f));
    if (f == NULL) {
        abort();
    }
    f->asker = asker;
    f->node = peer->node;
    f->request = ++agent->next_request;
    f->next = agent->forwards;
    agent->forwards = f;
    agent->frame_out.kind = XF_FRAME_REQUEST;
    agent->frame_out.version = 0;
    agent->frame_out.to = peer->node;
    agent->frame_out.request = f->request;
    xf_agent_send(agent, bytes, size);
}

static void end_forward(struct xf_forward **at)
{
    struct xf_forward *f = *at;

    *at = f->next;
    free(f);
}

void xf_reply_received(struct xf_agent *agent, struct xf_node from, const struct xf_frame *frame)
{
    struct xf_ctl_reply reply;

    if (xf_question_answered(agent, from, frame)) {
        return;
    }
    for (struct xf_forward **at = &agent->forwards; *at != NULL; at = &(*at)->next) {
        struct xf_asker *asker = (*at)->asker;

        if ((*at)->request != frame->request || (*at)->node.id != from.id) {
            continue;
        }
        if (xf_ctl_decode_reply(frame->payload, frame->payload_size, &reply) != 0) {
            return;
        }
        if (asker->conn != NULL) {
            xf_ipc_send(asker->conn, frame->payload, frame->payload_size);
        }
        if (!reply.more) {
            end_forward(at);
            free_asker(asker);
        }
        return;
    }
}

static const struct xf_peer *where_to(struct xf_agent *agent, size_t verb,
                                      const struct xf_ctl_request *request)
{
    const char *node = xf_ctl_value(request, "node");
    const char *name = xf_ctl_value(request, "domain");
    const struct xf_domain *dom;
    struct xf_peer *holder;

    if (verbs[verb].to_node && node != NULL) {
        return xf_peer_named(agent, node);
    }
    if (verbs[verb].to_holder && name != NULL) {
        dom = xf_domain_named(agent, name);
        if (dom == NULL || (xf_core_busy(&dom->core) &&
                            (verbs[verb].to_party || dom->core.src.i == agent->cluster.self.i))) {
            return NULL;
        }
        holder = xf_peer_of(agent, xf_domain_holder(dom));
        /* D answers for a domain whose source is gone. */
        return holder != NULL && !holder->member && xf_core_busy(&dom->core) ? NULL : holder;
    }
    return NULL;
}

/* ---- requests ---- */

static struct xf_asker *new_asker(struct xf_agent *agent)
{
    struct xf_asker *asker = calloc(1, sizeof(*asker));

    if (asker == NULL) {
        abort();
    }
    asker->agent = agent;
    asker->next = agent->askers;
    agent->askers = asker;
    return asker;
}

static size_t find_verb(const char *verb)
{
    size_t i = 0;

    while (i < N_VERBS && strcmp(verbs[i].verb, verb) != 0) {
        i++;
    }
    return i;
}

static void run(struct xf_asker *asker, const struct xf_ctl_request *request, const uint8_t *bytes,
                size_t size, bool may_forward)
{
    struct xf_agent *agent = asker->agent;
    size_t verb = find_verb(request->verb);
    const struct xf_peer *peer;

    if (verb == N_VERBS) {
        xf_answer(asker, XF_REASON_USAGE, request->verb, NULL);
        return;
    }
    if (!agent->booted && strcmp(request->verb, "debug") != 0 &&
        strcmp(request->verb, "metrics") != 0) {
        xf_answer(asker, XF_REASON_NO_QUORUM, "Corosync does not answer on this node", NULL);
        return;
    }
    peer = may_forward ? where_to(agent, verb, request) : NULL;
    if (peer != NULL && peer != xf_peer_self(agent)) {
        forward(asker, peer, bytes, size);
        return;
    }
    verbs[verb].run(asker, request);
}

static void on_request(void *arg, struct xf_ipc_conn *conn, const struct xf_ctl_request *request,
                       const uint8_t *bytes, size_t size)
{
    struct xf_asker *asker = new_asker(arg);

    asker->conn = conn;
    run(asker, request, bytes, size, true);
}

static void on_closed(void *arg, struct xf_ipc_conn *conn)
{
    struct xf_agent *agent = arg;
    struct xf_asker *next;

    for (struct xf_asker *asker = agent->askers; asker != NULL; asker = next) {
        next = asker->next;
        if (asker->conn == conn) {
            asker->conn = NULL;
            if (asker->watching) {
                free_asker(asker); /* nothing else would ever answer it */
            }
        }
    }
}

const struct xf_ipc_events xf_request_ipc_events = {
    .request = on_request,
    .closed = on_closed,
};

void xf_request_received(struct xf_agent *agent, struct xf_node from, const struct xf_frame *frame)
{
    struct xf_ctl_request request;
    struct xf_asker *asker;

    if (xf_ctl_decode_request(frame->payload, frame->payload_size, &request) != 0) {
        return;
    }
    asker = new_asker(agent);
    asker->node = from;
    asker->request = frame->request;
    run(asker, &request, frame->payload, frame->payload_size, false);
}

void xf_request_nodes_left(struct xf_agent *agent)
{
    struct xf_forward **at = &agent->forwards;

    while (*at != NULL) {
        const struct xf_peer *peer = xf_peer_of(agent, (*at)->node);

        if (peer == NULL || !peer->member) {
            struct xf_asker *asker = (*at)->asker;

            end_forward(at);
            xf_answer(asker, XF_REASON_PEER_LEFT, "what it did is unknown: xenferry status", NULL);
        } else {
            at = &(*at)->next;
        }
    }
    xf_questions_nodes_left(agent);
    for (struct xf_asker *asker = agent->askers; asker != NULL; asker = asker->next) {
        const struct xf_peer *peer = asker->node.id != 0 ? xf_peer_of(agent, asker->node) : NULL;

        if (peer != NULL && !peer->member) {
            asker->node.id = 0;
        }
    }
}

void xf_requests_free(struct xf_agent *agent)
{
    xf_questions_free(agent);
    while (agent->forwards != NULL) {
        end_forward(&agent->forwards);
    }
    while (agent->askers != NULL) {
        free_asker(agent->askers);
    }
}
