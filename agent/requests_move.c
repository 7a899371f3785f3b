/* SPDX-License-Identifier: GPL-2.0-or-later */
/* move, cancel, resolve: on the node that holds the domain. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "attempt.h"
#include "check.h"
#include "check_json.h"
#include "log_qb.h"
#include "matrix.h"
#include "report.h"
#include "requests.h"
#include "slots.h"
#include "text.h"

#define MS_MAX      3600000u
#define SECONDS_MAX (365u * 86400u)

static const char not_sendable[] = "it is not UTF-8, or too long";

/* The domain that a request names, if it is here; else answered. */
static struct xf_domain *domain_of(struct xf_asker *asker, const struct xf_ctl_request *request)
{
    const char *name = xf_ctl_value(request, "domain");
    struct xf_domain *dom = name != NULL ? xf_domain_named(asker->agent, name) : NULL;

    if (dom == NULL || (xf_domain_holder(dom).id == 0 && !xf_core_busy(&dom->core))) {
        xf_answer(asker, name == NULL ? XF_REASON_USAGE : XF_REASON_UNKNOWN_DOMAIN,
                  name == NULL ? "a domain must be named" : name, NULL);
        return NULL;
    }
    return dom;
}

/* ---- move ---- */

struct limit {
    const char *key;
    uint64_t min;
    uint64_t max;
    uint64_t *value;
};

/* False: answered. */
static bool read_options(struct xf_asker *asker, const struct xf_ctl_request *request,
                         struct xf_attempt *at)
{
    const struct xf_settings *set = &asker->agent->settings;
    uint64_t target = set->downtime_target_ms, max = set->downtime_max_ms;
    uint64_t bandwidth = set->bandwidth_kibps, seconds = 0;
    const struct limit limits[] = {
        { "downtime-target", 1, MS_MAX, &target },
        { "downtime-max", 1, MS_MAX, &max },
        { "bandwidth", 0, UINT32_MAX, &bandwidth },
        { "max-time", 0, SECONDS_MAX, &seconds },
    };

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        const char *value = xf_ctl_value(request, limits[i].key);

        if (value != NULL && value[0] != '\0' &&
            xf_u64_parse(value, limits[i].min, limits[i].max, limits[i].value) != 0) {
            xf_answer(asker, XF_REASON_USAGE, limits[i].key, NULL);
            return false;
        }
    }
    at->options = (struct xf_move_options){
        .cold = xf_request_flag(request, "cold"),
        .force = xf_request_flag(request, "force"),
        .slow_allowed = xf_request_flag(request, "slow"),
        .downtime_target_ms = (uint32_t)target,
        .downtime_max_ms = (uint32_t)(max > target ? max : target),
        .max_time_s = (uint32_t)seconds,
        .bandwidth_kibps = bandwidth,
    };
    at->max_time_s = (uint32_t)seconds;
    return true;
}

/* What can be said before the protocol is asked, of the domain and of the target. */
static enum xf_reason check_now(const struct xf_domain *dom, const struct xf_peer *to)
{
    const struct xf_agent *agent = dom->agent;

    if (xf_core_busy(&dom->core) || dom->destroyer != NULL || dom->destroying) {
        return XF_REASON_BUSY;
    }
    if (dom->core.state != XF_ST_HOME) {
        return XF_REASON_NOT_RUNNING;
    }
    if (to->node.id == agent->cluster.node[agent->cluster.self.i].id) {
        return XF_REASON_SAME_NODE;
    }
    if (!agent->quorate) {
        return XF_REASON_NO_QUORUM;
    }
    if (to->incompatible) {
        return XF_REASON_PROTOCOL;
    }
    if (!to->member || !to->greeted) {
        return XF_REASON_NODE_OFFLINE;
    }
    if (agent->secret.size == 0) {
        return XF_REASON_AUTH;
    }
    return XF_REASON_OK;
}

static enum xf_reason check_move(const struct xf_domain *dom, const struct xf_peer *to)
{
    if (to == NULL) {
        return XF_REASON_UNKNOWN_NODE;
    }
    if (dom->attempt != NULL && dom->attempt->source && !dom->attempt->ended) {
        return XF_REASON_BUSY;
    }
    return check_now(dom, to);
}

static json_t *accepted_json(const struct xf_domain *dom)
{
    char id[XF_NAME_SIZE + 16];

    if (dom->attempt->queued) {
        return json_pack("{s:s,s:n,s:s}", "event", "accepted", "migration", "state", "queued");
    }
    xf_migid_text(dom->agent, &dom->core.id, id, sizeof(id));
    return json_pack("{s:s,s:s}", "event", "accepted", "migration", id);
}

/* The proof is made, or waived: begins, or waits for a slot. */
static void admit(struct xf_domain *dom)
{
    struct xf_asker *asker = dom->attempt->waiter;
    enum xf_reason reason = check_now(dom, &dom->agent->peer[dom->attempt->dst.i]);
    json_t *accepted;

    dom->attempt->waiter = NULL; /* that it is accepted is told before how it goes on */
    if (reason == XF_REASON_OK) {
        reason = xf_slots_admit(dom);
    }
    if (reason != XF_REASON_OK && reason != XF_REASON_QUEUED) {
        dom->attempt->waiter = asker;
        xf_attempt_refuse(dom, reason,
                          reason == XF_REASON_CONFIG ? not_sendable
                          : reason == XF_REASON_AUTH ? dom->agent->secret_error
                                                     : "");
        return;
    }
    accepted = accepted_json(dom);
    if (!dom->attempt->waits) {
        xf_answer(asker, reason, "", accepted);
        return;
    }
    xf_answer_event(asker, accepted);
    json_decref(accepted);
    dom->attempt->waiter = asker;
}

static void remark(struct xf_domain *dom, const char *subject, const char *sentence,
                   const char *detail)
{
    struct xf_attempt *at = dom->attempt;
    char text[sizeof(at->remarks[0]) * 3];

    snprintf(text, sizeof(text), "%s%s%s%s%s%s", subject, subject[0] != '\0' ? ": " : "", sentence,
             detail[0] != '\0' ? " (" : "", detail, detail[0] != '\0' ? ")" : "");
    xf_text_utf8_mend(text);
    xf_domain_log(dom, LOG_WARNING, "goes on all the same: %s", text);
    if (at->n_remarks < XF_ATTEMPT_REMARKS_MAX) {
        char *kept = at->remarks[at->n_remarks++];

        snprintf(kept, sizeof(at->remarks[0]), "%.*s", (int)sizeof(at->remarks[0]) - 1, text);
        xf_text_utf8_mend(kept); /* it may be cut within a letter */
    }
}

/* What refuses comes first: a report has not room for everything. */
static void take_remarks(struct xf_domain *dom, const struct xf_findings *findings)
{
    static const enum xf_severity order[] = { XF_REFUSE, XF_WARN };

    for (size_t s = 0; s < sizeof(order) / sizeof(order[0]); s++) {
        for (uint32_t i = 0; i < findings->n; i++) {
            const struct xf_finding *f = &findings->of[i];

            if (xf_finding_severity(f->id) == order[s]) {
                remark(dom, f->subject, xf_finding_sentence(f->id), f->detail);
            }
        }
    }
}

/* findings: of a check that was made; they say more than the reason's sentence does. NULL: none. */
static void refuse(struct xf_domain *dom, enum xf_reason reason, const char *text,
                   const struct xf_findings *findings)
{
    struct xf_asker *asker = dom->attempt->waiter;
    bool found = findings != NULL && text[0] != '\0';

    xf_domain_log(dom, LOG_WARNING, "does not move to %s: %s%s%s",
                  xf_peer_slot_name(dom->agent, dom->attempt->dst),
                  found ? "" : xf_reason_sentence(reason), found || text[0] == '\0' ? "" : ": ",
                  text);
    dom->attempt->waiter = NULL;
    xf_answer(asker, reason, text,
              json_pack("{s:s,s:s,s:o}", "event", "refused", "reason", xf_reason_name(reason),
                        "findings", findings != NULL ? xf_findings_json(findings) : json_array()));
    xf_attempt_free(dom);
}

static void move_checked(void *arg, enum xf_reason reason, const struct xf_findings *findings,
                         json_t *evidence, uint32_t took_ms)
{
    struct xf_domain *dom = arg;
    struct xf_attempt *at = dom->attempt;
    bool made = reason == XF_REASON_OK;
    char text[1000] = "";

    at->check = NULL;
    xf_matrix_learn(dom, at->dst, reason, findings, evidence, took_ms);
    at->check_ms = took_ms;
    if (reason == XF_REASON_BUSY) {
        reason = XF_REASON_PEER_REFUSED;
        xf_text_copy(text, sizeof(text), "it has checks enough");
    } else if (reason == XF_REASON_CONFIG) {
        xf_text_copy(text, sizeof(text), not_sendable);
    } else if (reason == XF_REASON_HYPERVISOR) {
        xf_text_copy(text, sizeof(text), "the domain's configuration could not be read in time");
    }
    if (made) {
        reason = xf_findings_reason(findings);
        xf_findings_text(findings, XF_REFUSE, text, sizeof(text));
    } else if (at->unproven && reason != XF_REASON_AGENT_RESTARTED) {
        remark(dom, "", "the check could not be made", xf_reason_sentence(reason));
    }
    if (reason != XF_REASON_OK && (!at->unproven || reason == XF_REASON_AGENT_RESTARTED)) {
        refuse(dom, reason, text, made ? findings : NULL);
        return;
    }
    take_remarks(dom, findings);
    admit(dom);
}

void xf_request_move(struct xf_asker *asker, const struct xf_ctl_request *request)
{
    struct xf_domain *dom = domain_of(asker, request);
    const char *to = xf_ctl_value(request, "to");
    const struct xf_peer *peer;
    struct xf_check_options options;
    enum xf_reason reason;
    struct xf_attempt *at;

    if (dom == NULL) {
        return;
    }
    peer = to != NULL ? xf_peer_named(asker->agent, to) : NULL;
    reason = check_move(dom, peer);
    if (reason != XF_REASON_OK) {
        xf_answer(asker, reason,
                  reason == XF_REASON_AUTH                         ? asker->agent->secret_error
                  : reason == XF_REASON_UNKNOWN_NODE && to != NULL ? to
                                                                   : "",
                  NULL);
        return;
    }
    at = xf_attempt_new(dom, true);
    if (!read_options(asker, request, at)) {
        xf_attempt_free(dom);
        return;
    }
    at->dst = xf_cluster_slot(&asker->agent->cluster, peer->node);
    at->may_queue = xf_ctl_value(request, "queue") == NULL || xf_request_flag(request, "queue");
    at->unproven = xf_request_flag(request, "unproven");
    at->waits = xf_request_flag(request, "wait");
    at->waiter = asker;
    if (at->waits) {
        json_t *checking = json_pack("{s:s}", "event", "checking");

        xf_answer_event(asker, checking);
        json_decref(checking);
    }
    at->progress_ms = at->started_ms; /* a check of less than a second is no news */
    options = (struct xf_check_options){ .cold = at->options.cold };
    at->check = xf_check_start(dom, at->dst, &options, move_checked, dom);
}

/* ---- cancel ---- */

void xf_request_cancel(struct xf_asker *asker, const struct xf_ctl_request *request)
{
    struct xf_domain *dom = domain_of(asker, request);
    struct xf_event event = { .type = XF_EV_CANCEL, .reason = XF_REASON_CANCELLED };

    if (dom == NULL) {
        return;
    }
    if (xf_attempt_is_waiting(dom)) {
        xf_attempt_refuse(dom, XF_REASON_CANCELLED, "");
        dom->step_refusal = XF_REASON_OK;
    } else if (!xf_core_busy(&dom->core) || dom->core.state == XF_ST_STARTING) {
        xf_answer(asker, XF_REASON_USAGE, "no move of this domain is under way", NULL);
        return;
    } else {
        xf_domain_event(dom, &event);
    }
    if (dom->step_refusal == XF_REASON_TOO_LATE) {
        xf_answer(asker, XF_REASON_TOO_LATE, "", NULL);
        return;
    }
    xf_answer(asker, XF_REASON_OK, "", json_pack("{s:s}", "domain", xf_domain_shown(dom)));
}

/* ---- resolve ---- */

static const char *risk_of(const struct xf_domain *dom, bool stay)
{
    bool source = dom->core.src.i == dom->agent->cluster.self.i;

    if (source == stay) {
        return "the copy here goes on. If the other node's copy runs, or is told to run, two "
               "copies write the same disks";
    }
    return "the copy here is destroyed. If the other node does not hold the whole domain, its "
           "memory is lost";
}

void xf_request_resolve(struct xf_asker *asker, const struct xf_ctl_request *request)
{
    const char *decision = xf_ctl_value(request, "decision");
    const char *name = xf_ctl_value(request, "domain");
    struct xf_event event = { .type = XF_EV_RESOLVE };
    struct xf_domain *dom;
    bool stay, go;

    if (decision != NULL && strcmp(decision, "drop") == 0 && name != NULL &&
        xf_foreign_resolve(asker, name, xf_request_flag(request, "yes"))) {
        return;
    }
    dom = domain_of(asker, request);
    if (dom == NULL) {
        return;
    }
    stay = decision != NULL && strcmp(decision, "stay") == 0;
    go = decision != NULL && strcmp(decision, "go") == 0;
    if ((!stay && !go) || !xf_core_in_doubt(&dom->core)) {
        xf_answer(asker, XF_REASON_USAGE,
                  !stay && !go ? "the decision is stay or go; drop is for what xl has left"
                               : "the domain is not in doubt here",
                  NULL);
        return;
    }
    if (xf_request_flag(request, "yes")) {
        xf_domain_log(dom, LOG_WARNING, "an operator decides: %s", stay ? "stay" : "go");
        event.promise = stay ? XF_PROMISE_STAY : XF_PROMISE_GO;
        xf_domain_event(dom, &event);
    }
    xf_answer(asker, XF_REASON_OK, "",
              json_pack("{s:s,s:s}", "domain", xf_domain_shown(dom), "risk", risk_of(dom, stay)));
}
