/* SPDX-License-Identifier: GPL-2.0-or-later */
/* create, destroy, confirm-off. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "attempt.h"
#include "clock_qb.h"
#include "log_qb.h"
#include "preflight.h"
#include "requests.h"
#include "text.h"

static const struct xf_uuid no_uuid;

bool xf_request_name_taken(struct xf_agent *agent, const struct xf_domain *dom, const char *name,
                           bool only_here)
{
    for (const struct xf_domain *d = agent->domains; d != NULL; d = d->next) {
        bool held = only_here ? d->copies[agent->cluster.self.i] != XF_COPY_NONE
                              : xf_domain_holder(d).id != 0;

        if (d != dom && held && strcmp(d->name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- create ---- */

static void new_uuid(struct xf_uuid *ret_uuid)
{
    if (getrandom(ret_uuid->b, sizeof(ret_uuid->b), 0) != (ssize_t)sizeof(ret_uuid->b)) {
        abort();
    }
    ret_uuid->b[6] = (uint8_t)((ret_uuid->b[6] & 0x0fu) | 0x40u); /* RFC 4122: version 4 */
    ret_uuid->b[8] = (uint8_t)((ret_uuid->b[8] & 0x3fu) | 0x80u); /* and its variant */
}

static void end_create(struct xf_domain *dom, enum xf_reason reason, const char *text)
{
    struct xf_asker *asker = dom->creator;

    dom->creator = NULL;
    free(dom->create_config);
    dom->create_config = NULL;
    xf_answer(asker, reason, text,
              reason == XF_REASON_OK ? json_pack("{s:o}", "domain", xf_request_domain_json(dom))
                                     : NULL);
}

void xf_request_created(struct xf_domain *dom, enum xf_reason reason)
{
    if (reason == XF_REASON_OK) {
        xf_domain_log(dom, LOG_NOTICE, "started here");
    } else {
        xf_domain_log(dom, LOG_WARNING, "not started: %s", xf_reason_sentence(reason));
    }
    dom->agent->hello_wanted = true;
    end_create(dom, reason, dom->refusal);
}

static void create_checked(void *arg, enum xf_reason reason, const char *text)
{
    struct xf_domain *dom = arg;
    struct xf_event event = { .type = XF_EV_START, .boot = { xf_wall_us() } };

    dom->preflight = NULL;
    if (reason != XF_REASON_OK) {
        end_create(dom, reason, text);
        return;
    }
    xf_domain_event(dom, &event);
    if (dom->creator != NULL && dom->core.state != XF_ST_STARTING) {
        end_create(dom, dom->step_refusal != XF_REASON_OK ? dom->step_refusal : XF_REASON_INTERNAL,
                   "");
    }
}

/*
 * The uuid asked for, else the configuration's, else that of a domain of this name that is known
 * and held nowhere (a start that is tried again is no new domain), else a new one.
 */
static bool choose_uuid(struct xf_agent *agent, const char *text, const struct xf_dom_needs *needs,
                        struct xf_uuid *ret_uuid)
{
    const struct xf_domain *known = xf_domain_named(agent, needs->name);

    if (text[0] != '\0') {
        return xf_uuid_parse(text, ret_uuid) == 0 && !xf_uuid_eq(ret_uuid, &no_uuid);
    }
    if (!xf_uuid_eq(&needs->uuid, &no_uuid)) {
        *ret_uuid = needs->uuid;
    } else if (known != NULL && xf_domain_holder(known).id == 0) {
        *ret_uuid = known->uuid;
    } else {
        new_uuid(ret_uuid);
    }
    return true;
}

static void create_domain(struct xf_asker *asker, const struct xf_dom_needs *needs,
                          const struct xf_uuid *uuid, const char *config)
{
    struct xf_agent *agent = asker->agent;
    struct xf_domain *dom = xf_domain_find(agent, uuid);
    enum xf_reason reason = XF_REASON_OK;
    struct xf_host_facts facts;
    char text[256] = "";

    if (xf_request_name_taken(agent, dom, needs->name, false)) {
        xf_answer(asker, XF_REASON_EXISTS, needs->name, NULL);
        return;
    }
    dom = xf_domain_get(agent, uuid); /* only now: a record stays for good */
    if (dom->creator != NULL || xf_core_busy(&dom->core)) {
        xf_answer(asker, XF_REASON_BUSY, "", NULL);
        return;
    }
    if (dom->core.state == XF_ST_HOME) {
        xf_answer(asker, XF_REASON_EXISTS, needs->name, NULL);
        return;
    }
    if (agent->hyper_ops->facts(agent->hyper, &facts) == 0 &&
        facts.memory_free_mib < needs->memory_mib) {
        reason = XF_REASON_NO_MEMORY;
        snprintf(text, sizeof(text), "%s has %llu MiB free, the domain needs %u",
                 xf_peer_self(agent)->name, (unsigned long long)facts.memory_free_mib,
                 needs->memory_mib);
    }
    xf_domain_learn(dom, needs->name, needs->memory_mib);
    dom->refusal[0] = '\0';
    dom->creator = asker;
    free(dom->create_config);
    dom->create_config = strdup(config);
    if (dom->create_config == NULL) {
        abort();
    }
    dom->preflight = xf_preflight_start(agent->loop, needs, reason, text, create_checked, dom);
    if (dom->preflight == NULL) {
        end_create(dom, XF_REASON_INTERNAL, "no process can be started");
    }
}

/* A request whose configuration is being read by the hypervisor's driver. */
struct xf_creation {
    struct xf_creation *next;
    struct xf_asker *asker;
    uint64_t cookie;
    char uuid[XF_UUID_TEXT_SIZE]; /* as asked for, or "" */
};

void xf_request_create(struct xf_asker *asker, const struct xf_ctl_request *request)
{
    struct xf_agent *agent = asker->agent;
    const char *config = xf_ctl_value(request, "config");
    const char *node = xf_ctl_value(request, "node");
    const char *uuid = xf_ctl_value(request, "uuid");
    struct xf_creation *creation;

    if (node != NULL && xf_peer_named(agent, node) != xf_peer_self(agent)) {
        xf_answer(asker, XF_REASON_UNKNOWN_NODE, node, NULL);
        return;
    }
    if (config == NULL || strlen(config) >= XF_CONFIG_SIZE_MAX) {
        xf_answer(asker, XF_REASON_USAGE,
                  config == NULL ? "a configuration is needed" : "the configuration is too long",
                  NULL);
        return;
    }
    creation = calloc(1, sizeof(*creation));
    if (creation == NULL) {
        abort();
    }
    if (uuid != NULL && !xf_text_copy(creation->uuid, sizeof(creation->uuid), uuid)) {
        creation->uuid[0] = '?'; /* too long is no uuid either */
    }
    creation->asker = asker;
    creation->cookie = ++agent->next_cookie;
    creation->next = agent->creations;
    agent->creations = creation;
    agent->hyper_ops->translate(agent->hyper, creation->cookie, config);
}

static void create_translated(struct xf_asker *asker, const char *uuid_text, const char *config)
{
    struct xf_agent *agent = asker->agent;
    struct xf_dom_needs needs;
    struct xf_uuid uuid;
    char err[256] = "";

    memset(&needs, 0, sizeof(needs));
    if (agent->hyper_ops->needs(config, &needs, err, sizeof(err)) != 0) {
        xf_answer(asker, XF_REASON_CONFIG, err, NULL);
        return;
    }
    if (needs.name[0] == '\0' || !choose_uuid(agent, uuid_text, &needs, &uuid)) {
        xf_answer(asker, XF_REASON_CONFIG,
                  needs.name[0] == '\0' ? "it names no name" : "uuid is no uuid", NULL);
        return;
    }
    create_domain(asker, &needs, &uuid, config);
}

void xf_request_translated(struct xf_agent *agent, uint64_t cookie, enum xf_reason reason,
                           const char *text)
{
    struct xf_creation **at = &agent->creations;
    struct xf_creation *creation;

    while (*at != NULL && (*at)->cookie != cookie) {
        at = &(*at)->next;
    }
    creation = *at;
    if (creation == NULL) {
        xf_log(LOG_ERR, "the hypervisor's driver read a configuration that nobody gave it");
        return;
    }
    *at = creation->next;
    if (reason == XF_REASON_OK) {
        create_translated(creation->asker, creation->uuid, text);
    } else {
        xf_answer(creation->asker, reason, text, NULL);
    }
    free(creation);
}

void xf_request_creations_free(struct xf_agent *agent)
{
    while (agent->creations != NULL) {
        struct xf_creation *creation = agent->creations;

        agent->creations = creation->next;
        free(creation); /* its asker is freed with the others */
    }
}

/* ---- destroy ---- */

void xf_request_destroyed(struct xf_domain *dom, bool ok, const char *text)
{
    struct xf_event event = { .type = XF_EV_VANISHED };
    struct xf_asker *asker = dom->destroyer;

    dom->destroying = false;
    dom->destroyer = NULL;
    if (ok) {
        xf_domain_log(dom, LOG_NOTICE, "destroyed by an operator");
        xf_domain_event(dom, &event);
        dom->agent->hello_wanted = true;
    }
    if (asker != NULL) {
        xf_answer(asker, ok ? XF_REASON_OK : XF_REASON_DESTROY, text,
                  ok ? json_pack("{s:s}", "domain", xf_domain_shown(dom)) : NULL);
    }
}

void xf_request_destroy(struct xf_asker *asker, const struct xf_ctl_request *request)
{
    struct xf_agent *agent = asker->agent;
    const char *name = xf_ctl_value(request, "domain");
    struct xf_domain *dom = name != NULL ? xf_domain_named(agent, name) : NULL;
    struct xf_event cancel = { .type = XF_EV_CANCEL, .reason = XF_REASON_CANCELLED };

    if (dom == NULL || (xf_domain_holder(dom).id == 0 && !xf_core_busy(&dom->core))) {
        xf_answer(asker, XF_REASON_UNKNOWN_DOMAIN, name != NULL ? name : "", NULL);
        return;
    }
    if (dom->destroyer != NULL || dom->destroying) {
        xf_answer(asker, XF_REASON_BUSY, "it is being destroyed already", NULL);
        return;
    }
    if (xf_core_busy(&dom->core) && xf_request_flag(request, "force") &&
        dom->core.state != XF_ST_STARTING) {
        xf_domain_event(dom, &cancel);
        if (dom->step_refusal == XF_REASON_TOO_LATE) {
            xf_answer(asker, XF_REASON_TOO_LATE, "", NULL);
            return;
        }
        dom->destroyer = asker; /* once it is home again: xf_agent_tick() */
        return;
    }
    if (xf_core_busy(&dom->core)) {
        xf_answer(asker, XF_REASON_BUSY, "", NULL);
        return;
    }
    if (dom->core.state != XF_ST_HOME) {
        xf_answer(asker, XF_REASON_NOT_RUNNING, "", NULL);
        return;
    }
    if (xf_attempt_is_waiting(dom)) {
        xf_attempt_refuse(dom, XF_REASON_CANCELLED, "the domain is destroyed");
    }
    dom->destroyer = asker;
}

/* ---- confirm-off ---- */

void xf_request_confirm_off(struct xf_asker *asker, const struct xf_ctl_request *request)
{
    struct xf_agent *agent = asker->agent;
    const char *name = xf_ctl_value(request, "node");
    struct xf_peer *peer = name != NULL ? xf_peer_named(agent, name) : NULL;

    if (peer == NULL) {
        xf_answer(asker, XF_REASON_UNKNOWN_NODE, name != NULL ? name : "", NULL);
        return;
    }
    if (peer->seen) {
        xf_answer(asker, XF_REASON_USAGE, "Corosync sees that node: it is not off", NULL);
        return;
    }
    if (!agent->quorate) {
        xf_answer(asker, XF_REASON_NO_QUORUM, "", NULL); /* H7 */
        return;
    }
    agent->frame_out.kind = XF_FRAME_FENCED;
    agent->frame_out.version = 0;
    agent->frame_out.to = peer->node;
    agent->frame_out.boot = xf_peer_latest_boot(agent, peer);
    xf_agent_send(agent, NULL, 0);
    xf_answer(asker, XF_REASON_OK, "", json_pack("{s:s}", "node", peer->name));
}
