/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What DOMAIN frames carry besides the protocol's own message: docs/wire.md. */
#include "config.h"

#include "attempt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "clock_qb.h"
#include "text.h"

json_t *xf_attempt_intent(struct xf_domain *dom)
{
    struct xf_attempt *at = dom->attempt;

    if (at != NULL) {
        at->intent_us = xf_now_us();
    }
    return json_pack("{s:s,s:I,s:s,s:b,s:I}", "name", dom->name, "memory_mib",
                     (json_int_t)dom->memory_mib, "config",
                     at != NULL && at->config != NULL ? at->config : "", "cold",
                     at != NULL && at->options.cold, "max_time_s",
                     (json_int_t)(at != NULL ? at->max_time_s : 0));
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

/* D: an INTENT to here. What it carries is judged by PREPARE. */
static void take_intent(struct xf_domain *dom, const struct xf_msg *msg, const json_t *body)
{
    struct xf_agent *agent = dom->agent;
    struct xf_attempt *at;
    const char *config = text_of(body, "config");
    char err[200] = "";

    if (msg->dst.id != agent->cluster.node[agent->cluster.self.i].id ||
        msg->from.id != msg->src.id || xf_core_holds(&dom->core)) {
        return;
    }
    at = xf_attempt_new(dom, false);
    at->id = msg->id;
    at->dst = agent->cluster.self;
    at->options.cold = json_is_true(json_object_get(body, "cold"));
    xf_text_copy(at->address, sizeof(at->address),
                 agent->settings.migration_address[0] != '\0' ? agent->settings.migration_address
                                                              : xf_peer_self(agent)->address);
    at->config = strdup(config);
    if (at->config == NULL) {
        abort();
    }
    if (strlen(config) >= XF_CONFIG_SIZE_MAX) {
        xf_text_copy(at->failure, sizeof(at->failure), "its configuration is too long");
    } else if (agent->hyper_ops->needs(config, &at->needs, err, sizeof(err)) != 0) {
        snprintf(at->failure, sizeof(at->failure), "its configuration: %.200s", err);
    } else {
        at->needs_known = true;
        if (at->needs.name[0] == '\0') {
            xf_text_copy(at->needs.name, sizeof(at->needs.name), text_of(body, "name"));
        }
    }
}

static void take_offer(struct xf_domain *dom, const json_t *body)
{
    struct xf_attempt *at = dom->attempt;
    json_int_t port = json_integer_value(json_object_get(body, "port"));

    if (at != NULL && at->source && port > 0 && port <= UINT16_MAX) {
        xf_text_copy(at->address, sizeof(at->address), text_of(body, "address"));
        at->port = (uint16_t)port;
        at->prepared_us = at->intent_us != 0 ? xf_now_us() - at->intent_us : 0;
    }
}

static uint32_t take_time(const uint8_t *payload, uint32_t size)
{
    struct xf_get get = { .buf = payload, .size = size };

    return size >= 4 ? xf_get_u32(&get) : 0;
}

size_t xf_attempt_time_payload(uint32_t us, uint8_t buf[static 4])
{
    struct xf_put put = { .buf = buf, .size = 4 };

    xf_put_u32(&put, us);
    return put.len;
}

/* What D's mover remarked comes behind the time, each remark ended by NUL. */
static void take_notes(struct xf_attempt *at, const uint8_t *payload, uint32_t size)
{
    const char *p = (const char *)payload + 4;
    const char *end = (const char *)payload + size;

    while (p < end) {
        size_t len = strnlen(p, (size_t)(end - p));

        if (p + len == end || !xf_text_name_ok(p, len + 1)) {
            return; /* not as it should be: no remark is worth a quarrel */
        }
        xf_attempt_note(at, p);
        p += len + 1;
    }
}

size_t xf_attempt_ready_payload(const struct xf_domain *dom, uint8_t *buf, size_t size)
{
    const struct xf_attempt *at = dom->attempt;
    size_t at_size = xf_attempt_time_payload(at != NULL ? at->build_us : 0, buf);

    for (uint32_t i = 0; at != NULL && i < at->n_notes; i++) {
        size_t len = strlen(at->notes[i]) + 1;

        if (len <= size - at_size) {
            memcpy(buf + at_size, at->notes[i], len);
            at_size += len;
        }
    }
    return at_size;
}

/* D's mover said why it gave up. */
static void take_words(struct xf_attempt *at, const struct xf_msg *msg, const uint8_t *payload,
                       uint32_t size)
{
    snprintf(at->peer_words, sizeof(at->peer_words), "%.*s", (int)size, (const char *)payload);
    xf_text_utf8_mend(at->peer_words);
    if (!xf_text_name_ok(at->peer_words, strlen(at->peer_words) + 1)) {
        at->peer_words[0] = '\0'; /* not as it should be */
    }
    at->peer_reason = (enum xf_reason)msg->reason;
}

static void take_json(struct xf_domain *dom, const struct xf_msg *msg, const uint8_t *payload,
                      uint32_t size)
{
    json_t *body = json_loadb((const char *)payload, size, 0, NULL);
    json_int_t memory = json_integer_value(json_object_get(body, "memory_mib"));

    if (msg->type == XF_MSG_OFFER) {
        take_offer(dom, body);
    } else if (msg->copy != XF_COPY_NONE || msg->type != XF_MSG_COPY || dom->name[0] == '\0') {
        const char *name = text_of(body, "name");

        if (strlen(name) < XF_NAME_SIZE && xf_text_name_ok(name, strlen(name) + 1)) {
            xf_domain_learn(dom, name, memory > 0 && memory < UINT32_MAX ? (uint32_t)memory : 0);
        }
        if (msg->type == XF_MSG_INTENT) {
            take_intent(dom, msg, body);
        }
    }
    json_decref(body);
}

/* Called before the core sees the message. */
void xf_attempt_take_payload(struct xf_domain *dom, const struct xf_msg *msg,
                             const uint8_t *payload, uint32_t size)
{
    struct xf_attempt *at = dom->attempt;
    bool mine = at != NULL && at->source && xf_migid_cmp(&msg->id, &dom->core.id) == 0;

    switch ((enum xf_msg_type)msg->type) {
    case XF_MSG_INTENT:
    case XF_MSG_OFFER:
    case XF_MSG_COPY:
    case XF_MSG_START:
        take_json(dom, msg, payload, size);
        return;
    case XF_MSG_REFUSE:
        if (mine) {
            snprintf(dom->refusal, sizeof(dom->refusal), "%.*s", (int)size, (const char *)payload);
        }
        return;
    case XF_MSG_READY:
        if (mine && at->ready_us == 0) {
            at->ready_us = xf_now_us();
            at->build_us = take_time(payload, size);
            if (size > 4) {
                take_notes(at, payload, size);
            }
        }
        return;
    case XF_MSG_RUNNING:
        if (mine && at->running_us == 0) {
            at->running_us = xf_now_us();
            at->unpause_us = take_time(payload, size);
        }
        return;
    case XF_MSG_ABORTED:
    case XF_MSG_UNDO:
        if (mine && size > 0) {
            take_words(at, msg, payload, size);
        }
        return;
    case XF_MSG_NONE:
    case XF_MSG_HELLO:
    case XF_MSG_COMMIT:
    case XF_MSG_ABORT:
    case XF_MSG_NOCOPY:
    case XF_MSG_ASK:
    case XF_MSG_PROMISE:
    case XF_MSG_SUPERSEDED:
    case XF_MSG_DONE:
    case XF_MSG_CLEAR:
    case XF_N_MSGS:
        return;
    }
}
