/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The core's slow operations. Each ends in one XF_EV_OP, from the loop. RESUME and DESTROY first see
 * to it that no mover of the domain lives (H3), one of an earlier agent included.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "attempt.h"
#include "clock_qb.h"
#include "log_qb.h"
#include "mover_proc.h"
#include "net_announce.h"
#include "preflight.h"
#include "report.h"
#include "requests.h"
#include "slots.h"
#include "text.h"

/* A killed mover is gone when its memory is freed: seconds at most, unless the kernel has it stuck. */
#define STRAY_WAIT_MS 10000u

/* What a cookie given to a driver stands for. Few are open at a time. */
struct xf_op_cookie {
    struct xf_op_cookie *next;
    uint64_t cookie;
    struct xf_domain *dom;
    enum xf_op op;
};

uint64_t xf_op_cookie_new(struct xf_domain *dom, enum xf_op op)
{
    struct xf_agent *agent = dom->agent;
    struct xf_op_cookie *c = calloc(1, sizeof(*c));

    if (c == NULL) {
        abort();
    }
    c->cookie = ++agent->next_cookie;
    c->dom = dom;
    c->op = op;
    c->next = agent->cookies;
    agent->cookies = c;
    return c->cookie;
}

static bool take_cookie(struct xf_agent *agent, uint64_t cookie, struct xf_op_cookie *ret_cookie)
{
    for (struct xf_op_cookie **at = &agent->cookies; *at != NULL; at = &(*at)->next) {
        if ((*at)->cookie == cookie) {
            struct xf_op_cookie *c = *at;

            *ret_cookie = *c;
            *at = c->next;
            free(c);
            return true;
        }
    }
    return false;
}

void xf_op_cookies_free(struct xf_agent *agent)
{
    while (agent->cookies != NULL) {
        struct xf_op_cookie *c = agent->cookies;

        agent->cookies = c->next;
        free(c);
    }
}

/* UNPAUSE allocates nothing (H12): its cookie is made of the domain's number. */
#define UNPAUSE_COOKIE (UINT64_C(1) << 63)

bool xf_op_cookie_take(struct xf_agent *agent, uint64_t cookie, struct xf_domain **ret_dom,
                       enum xf_op *ret_op)
{
    struct xf_op_cookie c;

    if ((cookie & UNPAUSE_COOKIE) != 0) {
        for (struct xf_domain *dom = agent->domains; dom != NULL; dom = dom->next) {
            if (dom->number == (cookie & ~UNPAUSE_COOKIE)) {
                *ret_dom = dom;
                *ret_op = XF_OP_UNPAUSE;
                return true;
            }
        }
        return false;
    }
    if (!take_cookie(agent, cookie, &c)) {
        return false;
    }
    *ret_dom = c.dom;
    *ret_op = c.op;
    return true;
}

void xf_op_persisted(struct xf_agent *agent, uint64_t cookie, bool ok)
{
    struct xf_op_cookie c;

    if (take_cookie(agent, cookie, &c)) {
        xf_domain_op_done(c.dom, XF_OP_PERSIST, ok, ok ? XF_REASON_OK : XF_REASON_JOURNAL);
    }
}

/* ---- the mover ---- */

static void mover_message(void *arg, const struct xf_link_msg *msg)
{
    struct xf_domain *dom = arg;

    if (dom->after_mover == XF_AFTER_START) {
        return; /* an earlier migration's: nothing that this one may take for its own */
    }
    xf_attempt_mover(dom, msg);
    if (dom->after_mover != XF_AFTER_NOTHING) {
        return; /* it was killed; its last words are figures for the report at most */
    }
    switch ((enum xf_link_type)msg->type) {
    case XF_LINK_LISTENING:
        xf_domain_op_done(dom, XF_OP_PREPARE, true, XF_REASON_OK);
        return;
    case XF_LINK_SUSPENDED:
        xf_domain_mover_event(dom, XF_MOVER_SUSPENDED, XF_REASON_OK);
        return;
    case XF_LINK_WANT_END:
        xf_domain_mover_event(dom, XF_MOVER_END, XF_REASON_OK);
        return;
    case XF_LINK_COMPLETE:
        xf_domain_mover_event(dom, XF_MOVER_COMPLETE, XF_REASON_OK);
        return;
    case XF_LINK_FAILED:
        if (dom->core.op == XF_OP_PREPARE) {
            xf_text_copy(dom->refusal, sizeof(dom->refusal), msg->text);
            xf_op_release(dom);
            xf_domain_op_done(dom, XF_OP_PREPARE, false, (enum xf_reason)msg->reason);
        } else {
            xf_domain_mover_event(dom, XF_MOVER_FAILED, (enum xf_reason)msg->reason);
        }
        return;
    case XF_LINK_CONNECTED:
    case XF_LINK_ROUND:
    case XF_LINK_WANT_SWITCH:
    case XF_LINK_FINISHED:
    case XF_LINK_NOTE:
    case XF_LINK_TROUBLE:
        return;
    case XF_LINK_SEND:
    case XF_LINK_RECEIVE:
    case XF_LINK_SWITCH:
    case XF_LINK_GRANT:
    case XF_LINK_CANCEL:
    case XF_N_LINKS:
        break;
    }
    xf_domain_log(dom, LOG_ERR, "the mover sent what only an agent sends; it is ended");
    xf_mover_kill(dom->mover);
}

static void mover_is_gone(struct xf_domain *dom);

static void mover_dead(void *arg)
{
    struct xf_domain *dom = arg;
    bool finished = dom->attempt != NULL && dom->attempt->finished;

    dom->mover = NULL;
    if (dom->after_mover != XF_AFTER_NOTHING) {
        mover_is_gone(dom);
    } else if (dom->core.op == XF_OP_PREPARE) {
        xf_text_copy(dom->refusal, sizeof(dom->refusal), "the mover process ended early");
        xf_op_release(dom);
        xf_domain_op_done(dom, XF_OP_PREPARE, false, XF_REASON_MOVER);
    } else if (!finished && xf_core_busy(&dom->core)) {
        if (dom->attempt != NULL && dom->attempt->failure[0] == '\0') {
            snprintf(dom->attempt->failure, sizeof(dom->attempt->failure),
                     "the mover process on %s ended early", xf_peer_self(dom->agent)->name);
        }
        xf_domain_mover_event(dom, XF_MOVER_FAILED, XF_REASON_MOVER);
    }
}

static const struct xf_mover_events mover_events = {
    .message = mover_message,
    .dead = mover_dead,
};

static void mover_failed_to_start(struct xf_domain *dom)
{
    struct xf_event event = { .type = XF_EV_MOVER,
                              .mover = XF_MOVER_FAILED,
                              .reason = XF_REASON_MOVER };

    if (dom->core.op == XF_OP_PREPARE) {
        xf_text_copy(dom->refusal, sizeof(dom->refusal), "the mover process cannot be started");
        xf_op_release(dom);
        event =
            (struct xf_event){ .type = XF_EV_OP, .op = XF_OP_PREPARE, .reason = XF_REASON_MOVER };
    }
    xf_domain_event_later(dom, &event);
}

static void drop_first(struct xf_domain *dom)
{
    if (dom->mover_first != NULL) {
        explicit_bzero(dom->mover_first, sizeof(*dom->mover_first)); /* it holds the key */
        free(dom->mover_first);
        dom->mover_first = NULL;
    }
}

static void start_mover(struct xf_domain *dom)
{
    int rc;

    if (dom->mover_first == NULL) {
        return;
    }
    if (dom->attempt != NULL) {
        /* An earlier migration's mover may have said its last words since this one was asked for. */
        dom->attempt->finished = false;
        dom->attempt->failure[0] = '\0';
    }
    rc = xf_mover_start(dom->agent->loop, dom->agent->hyper_ops->mover, dom->mover_first,
                        &mover_events, dom, &dom->mover);
    drop_first(dom);
    if (rc != 0) {
        xf_domain_log(dom, LOG_ERR, "the mover cannot be started: %s", strerror(-rc));
        mover_failed_to_start(dom);
    }
}

static void driver_op(struct xf_domain *dom, enum xf_op op)
{
    const struct xf_hyper_ops *ops = dom->agent->hyper_ops;
    struct xf_hyper *hyper = dom->agent->hyper;
    uint64_t cookie = xf_op_cookie_new(dom, op);

    if (op == XF_OP_RESUME) {
        ops->resume(hyper, cookie, &dom->uuid);
    } else {
        ops->destroy(hyper, cookie, &dom->uuid);
    }
}

/* No mover of this domain lives: what waited for that. */
static void mover_is_gone(struct xf_domain *dom)
{
    enum xf_after_mover after = dom->after_mover;

    if (xf_mover_stray_alive(XF_RUNDIR, &dom->uuid)) {
        return; /* xf_op_tick() asks again */
    }
    dom->after_mover = XF_AFTER_NOTHING;
    switch (after) {
    case XF_AFTER_RESUME:
        driver_op(dom, XF_OP_RESUME);
        return;
    case XF_AFTER_DESTROY:
        driver_op(dom, XF_OP_DESTROY);
        return;
    case XF_AFTER_START:
        start_mover(dom);
        return;
    case XF_AFTER_NOTHING:
        return;
    }
}

static void when_mover_is_gone(struct xf_domain *dom, enum xf_after_mover what)
{
    if (what != XF_AFTER_START) {
        drop_first(dom); /* a mover that still waited for the last one is not wanted any more */
    }
    dom->after_mover = what;
    dom->stray_until_ms = xf_now_ms() + STRAY_WAIT_MS;
    if (dom->mover != NULL) {
        xf_mover_kill(dom->mover);
        return;
    }
    mover_is_gone(dom);
}

static void rename_arrived(struct xf_domain *dom, uint64_t now_ms)
{
    struct xf_agent *agent = dom->agent;

    if (dom->rename_at_ms != 0 && now_ms >= dom->rename_at_ms) {
        dom->rename_at_ms = 0;
        agent->hyper_ops->rename(agent->hyper, xf_op_cookie_new(dom, XF_OP_NONE), &dom->uuid,
                                 XF_VARIANT_PLAIN);
    }
}

void xf_op_tick(struct xf_domain *dom, uint64_t now_ms)
{
    rename_arrived(dom, now_ms);
    enum xf_after_mover after = dom->after_mover;

    if (after == XF_AFTER_NOTHING) {
        return;
    }
    if (dom->mover == NULL) {
        mover_is_gone(dom);
    }
    if (dom->after_mover == XF_AFTER_NOTHING || now_ms < dom->stray_until_ms) {
        return;
    }
    xf_domain_log(dom, LOG_ERR, "its mover does not die");
    dom->after_mover = XF_AFTER_NOTHING;
    if (after == XF_AFTER_START) {
        drop_first(dom);
        mover_failed_to_start(dom);
    } else if (after == XF_AFTER_RESUME) {
        xf_domain_op_done(dom, XF_OP_RESUME, false, XF_REASON_MOVER);
    } else {
        xf_domain_op_done(dom, XF_OP_DESTROY, false, XF_REASON_MOVER);
    }
}

/* What either end's mover is told. False: there is no key. */
static bool new_first(struct xf_domain *dom, enum xf_link_type type)
{
    struct xf_agent *agent = dom->agent;
    struct xf_attempt *at = dom->attempt;
    struct xf_link_msg *m = calloc(1, sizeof(*m));
    const struct xf_core *core = &dom->core;
    size_t size;

    if (m == NULL) {
        abort();
    }
    m->type = (uint8_t)type;
    m->params.uuid = dom->uuid;
    m->params.id = core->id;
    xf_text_copy(m->params.name, sizeof(m->params.name), dom->name);
    xf_text_copy(m->params.address, sizeof(m->params.address), at->address);
    m->params.port = type == XF_LINK_SEND ? at->port : 0;
    m->params.options = at->options;
    m->params.progress_timeout_ms = (uint32_t)agent->settings.progress_timeout_ms;
    m->params.fixed_cost_us = xf_report_fixed_cost_us(agent, at);
    size = at->config != NULL ? strlen(at->config) : 0;
    if (size < sizeof(m->params.config)) {
        memcpy(m->params.config, at->config != NULL ? at->config : "", size);
        m->params.config_size = (uint32_t)size;
    }
    drop_first(dom);
    dom->mover_first = m;
    return xf_secret_derive(&agent->secret, &dom->uuid, &core->id, agent->cluster.node[core->src.i],
                            agent->cluster.node[core->dst.i], m->params.psk) == 0;
}

void xf_op_mover(struct xf_domain *dom)
{
    struct xf_event event = { .type = XF_EV_MOVER,
                              .mover = XF_MOVER_FAILED,
                              .reason = XF_REASON_AUTH };

    if (dom->attempt == NULL) {
        event.reason = XF_REASON_AGENT_RESTARTED;
        xf_domain_event_later(dom, &event);
        return;
    }
    if (!new_first(dom, XF_LINK_SEND)) {
        xf_text_copy(dom->attempt->failure, sizeof(dom->attempt->failure),
                     dom->agent->secret_error);
        xf_domain_event_later(dom, &event);
        return;
    }
    xf_attempt_net_source(dom);
    when_mover_is_gone(dom, XF_AFTER_START);
}

/* ---- PREPARE ---- */

static void prepare_failed_later(struct xf_domain *dom, enum xf_reason reason, const char *text)
{
    struct xf_event event = {
        .type = XF_EV_OP,
        .op = XF_OP_PREPARE,
        .reason = (uint16_t)reason,
    };

    xf_text_copy(dom->refusal, sizeof(dom->refusal), text);
    xf_op_release(dom);
    xf_domain_event_later(dom, &event);
}

static void prepared(void *arg, enum xf_reason reason, const char *text)
{
    struct xf_domain *dom = arg;

    dom->preflight = NULL;
    if (dom->core.op != XF_OP_PREPARE) {
        return;
    }
    if (reason != XF_REASON_OK) {
        prepare_failed_later(dom, reason, text);
        return;
    }
    if (dom->attempt == NULL || !new_first(dom, XF_LINK_RECEIVE)) {
        prepare_failed_later(dom, XF_REASON_AUTH, dom->agent->secret_error);
        return;
    }
    xf_attempt_net_dest(dom);
    when_mover_is_gone(dom, XF_AFTER_START); /* done when it listens */
}

static void add_reason(char *text, size_t size, enum xf_reason *reason, enum xf_reason add,
                       const char *sentence)
{
    size_t len = strlen(text);

    *reason = *reason == XF_REASON_OK ? add : *reason;
    snprintf(text + len, size - len, "%s%s", len > 0 ? "; " : "", sentence);
}

static void start_prepare(struct xf_domain *dom)
{
    struct xf_agent *agent = dom->agent;
    struct xf_attempt *at = dom->attempt;
    char text[XF_PREFLIGHT_TEXT_SIZE] = "", line[512];
    enum xf_reason reason = XF_REASON_OK;

    if (at == NULL || !at->needs_known) {
        prepare_failed_later(dom, XF_REASON_CONFIG,
                             at != NULL && at->failure[0] != '\0' ? at->failure
                                                                  : "no configuration came");
        return;
    }
    if (xf_slots_incoming(agent, dom) >= agent->settings.slots_incoming) {
        snprintf(line, sizeof(line), "%s receives %u domains already", xf_peer_self(agent)->name,
                 xf_slots_incoming(agent, dom));
        add_reason(text, sizeof(text), &reason, XF_REASON_NO_SLOT, line);
    }
    if (xf_request_name_taken(agent, dom, at->needs.name, true)) {
        snprintf(line, sizeof(line), "%s has a domain %s already", xf_peer_self(agent)->name,
                 at->needs.name);
        add_reason(text, sizeof(text), &reason, XF_REASON_EXISTS, line);
    }
    if (agent->hyper_ops->reserve(agent->hyper, &dom->uuid, at->needs.memory_mib) != 0) {
        struct xf_host_facts facts = { .memory_free_mib = 0 };

        (void)agent->hyper_ops->facts(agent->hyper, &facts);
        snprintf(line, sizeof(line), "%s has %llu MiB free, the domain needs %u",
                 xf_peer_self(agent)->name, (unsigned long long)facts.memory_free_mib,
                 at->needs.memory_mib);
        add_reason(text, sizeof(text), &reason, XF_REASON_NO_MEMORY, line);
    }
    if (dom->notes == NULL) {
        add_reason(text, sizeof(text), &reason, XF_REASON_INTERNAL,
                   "its notes under /run are full"); /* COMPLETE could not be kept (H5) */
    }
    if (agent->secret.size == 0) {
        add_reason(text, sizeof(text), &reason, XF_REASON_AUTH, agent->secret_error);
    }
    dom->preflight = xf_preflight_start(agent->loop, &at->needs, reason, text, prepared, dom);
    if (dom->preflight == NULL) {
        prepare_failed_later(dom, XF_REASON_INTERNAL, "no process can be started");
    }
}

/* ---- all of them ---- */

void xf_op_release(struct xf_domain *dom)
{
    dom->agent->hyper_ops->release(dom->agent->hyper, &dom->uuid);
}

static void stop_preparing(struct xf_domain *dom)
{
    xf_preflight_stop(dom->preflight);
    dom->preflight = NULL;
    if (dom->attempt != NULL && !dom->attempt->source) {
        xf_attempt_net_stop(dom->attempt);
    }
}

void xf_op_start(struct xf_domain *dom, enum xf_op op)
{
    struct xf_agent *agent = dom->agent;

    switch (op) {
    case XF_OP_CREATE:
        agent->hyper_ops->create(agent->hyper, xf_op_cookie_new(dom, op), &dom->uuid,
                                 dom->create_config != NULL ? dom->create_config : "");
        return;
    case XF_OP_PREPARE:
        dom->refusal[0] = '\0';
        start_prepare(dom);
        return;
    case XF_OP_RESUME:
        when_mover_is_gone(dom, XF_AFTER_RESUME);
        return;
    case XF_OP_UNPAUSE:
        if (dom->attempt != NULL) {
            dom->attempt->unpause_began_us = xf_now_us();
        }
        agent->hyper_ops->unpause(agent->hyper, UNPAUSE_COOKIE | dom->number, &dom->uuid);
        return;
    case XF_OP_DESTROY:
        stop_preparing(dom);
        when_mover_is_gone(dom, XF_AFTER_DESTROY);
        return;
    case XF_OP_NONE:
    case XF_OP_PERSIST:
    case XF_N_OPS:
        break;
    }
    assert(false);
}
