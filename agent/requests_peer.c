/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this agent itself asks of another: a request over the group and its answer, put together. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <qb/qbutil.h>

#include "requests.h"

/* Far above what a target says of sixteen disks, or a node of its domains. */
#define BODY_SIZE_MAX (4u << 20)

struct xf_question {
    struct xf_question *next;
    struct xf_agent *agent;
    struct xf_node node;
    uint64_t request;
    qb_loop_timer_handle timer;
    enum xf_reason fate; /* what the timer tells */
    char *body;          /* so far */
    size_t body_len;
    xf_question_done_fn done;
    void *arg;
};

static void forget(struct xf_question *q)
{
    struct xf_question **at = &q->agent->questions;

    while (*at != q) {
        at = &(*at)->next;
    }
    *at = q->next;
    (void)qb_loop_timer_del(q->agent->loop, q->timer);
    free(q->body);
    free(q);
}

static void answer(struct xf_question *q, enum xf_reason reason, const char *text)
{
    xf_question_done_fn done = q->done;
    void *arg = q->arg;
    json_t *body = q->body_len > 0 ? json_loadb(q->body, q->body_len, 0, NULL) : NULL;

    forget(q);
    done(arg, reason, text, body);
    json_decref(body);
}

static void on_timer(void *data)
{
    struct xf_question *q = data;

    q->body_len = 0; /* half an answer is none */
    answer(q, q->fate, "");
}

struct xf_question *xf_question_ask(struct xf_agent *agent, struct xf_node node,
                                    const struct xf_ctl_request *request, uint32_t timeout_ms,
                                    xf_question_done_fn done, void *arg)
{
    struct xf_question *q = calloc(1, sizeof(*q));
    const struct xf_peer *peer = xf_peer_of(agent, node);
    uint8_t buf[XF_CTL_SIZE_MAX];
    int size = xf_ctl_encode_request(request, buf, sizeof(buf));

    if (q == NULL) {
        abort();
    }
    q->agent = agent;
    q->node = node;
    q->request = ++agent->next_request;
    q->done = done;
    q->arg = arg;
    q->fate = XF_REASON_PEER_SILENT;
    q->next = agent->questions;
    agent->questions = q;
    if (size < 0 || peer == NULL || !peer->member || peer->incompatible) {
        q->fate = size < 0 ? XF_REASON_INTERNAL : XF_REASON_NODE_OFFLINE;
        timeout_ms = 0;
    }
    if (qb_loop_timer_add(agent->loop, QB_LOOP_MED, timeout_ms * QB_TIME_NS_IN_MSEC + 1, q,
                          on_timer, &q->timer) != 0) {
        abort();
    }
    if (timeout_ms > 0) {
        agent->frame_out.kind = XF_FRAME_REQUEST;
        agent->frame_out.version = 0;
        agent->frame_out.to = node;
        agent->frame_out.request = q->request;
        xf_agent_send(agent, buf, (size_t)size);
    }
    return q;
}

void xf_question_forget(struct xf_question *question)
{
    if (question != NULL) {
        forget(question);
    }
}

bool xf_question_answered(struct xf_agent *agent, struct xf_node from, const struct xf_frame *frame)
{
    struct xf_question *q = agent->questions;
    struct xf_ctl_reply reply;
    size_t n;

    while (q != NULL && (q->request != frame->request || q->node.id != from.id)) {
        q = q->next;
    }
    if (q == NULL) {
        return false;
    }
    if (xf_ctl_decode_reply(frame->payload, frame->payload_size, &reply) != 0) {
        return true; /* its time-out comes */
    }
    n = strlen(reply.body);
    if (n > BODY_SIZE_MAX - q->body_len) {
        q->body_len = 0;
        answer(q, XF_REASON_INTERNAL, "the answer is too long");
        return true;
    }
    q->body = realloc(q->body, q->body_len + n + 1);
    if (q->body == NULL) {
        abort();
    }
    memcpy(q->body + q->body_len, reply.body, n + 1);
    q->body_len += n;
    if (!reply.more) {
        answer(q, (enum xf_reason)reply.reason, reply.text);
    }
    return true;
}

void xf_questions_nodes_left(struct xf_agent *agent)
{
    struct xf_question *q = agent->questions;

    while (q != NULL) {
        const struct xf_peer *peer = xf_peer_of(agent, q->node);

        if (peer != NULL && peer->member) {
            q = q->next;
        } else {
            q->body_len = 0;
            answer(q, XF_REASON_PEER_LEFT, "");
            q = agent->questions; /* whoever is told may ask or forget others */
        }
    }
}

void xf_questions_free(struct xf_agent *agent)
{
    while (agent->questions != NULL) {
        agent->questions->body_len = 0;
        answer(agent->questions, XF_REASON_AGENT_RESTARTED, "");
    }
}
