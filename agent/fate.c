/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "fate.h"

#include <stdio.h>
#include <string.h>

#include "history.h"
#include "reason.h"
#include "report.h"
#include "text.h"

static const char *told_by_source(const struct xf_attempt *at)
{
    switch ((enum xf_outcome)at->end_outcome) {
    case XF_OUT_RAN:
        return "moved";
    case XF_OUT_GAVE:
        return at->end_reason == XF_REASON_OK || at->end_reason == XF_REASON_SUPERSEDED ||
                       at->end_reason == XF_REASON_IN_DOUBT
                   ? "moved"
                   : "lost";
    case XF_OUT_LOST:
        return "lost";
    case XF_OUT_NONE:
    case XF_OUT_KEPT:
    case XF_OUT_NEVER:
    case XF_OUT_UNDONE:
    case XF_N_OUTCOMES:
        break;
    }
    return "kept";
}

static const struct xf_peer *peer_at(const struct xf_agent *agent, struct xf_slot slot)
{
    return slot.i < XF_NODES_MAX ? &agent->peer[slot.i] : NULL;
}

const char *xf_fate_result(const struct xf_agent *agent, const struct xf_attempt *at,
                           char *ret_text, size_t size)
{
    const char *result = told_by_source(at);
    const struct xf_peer *target = peer_at(agent, at->dst);
    const struct xf_peer *source = peer_at(agent, xf_cluster_slot(&agent->cluster, at->id.src));

    ret_text[0] = '\0';
    if (at->source && target != NULL && at->end_reason == XF_REASON_NODE_LOST) {
        snprintf(ret_text, size, target->off ? "%s is confirmed off" : "%s has booted anew",
                 target->name);
    }
    if (at->source || source == NULL || strcmp(result, "kept") != 0) {
        return result;
    }
    if (source->off) {
        snprintf(ret_text, size, "%s, which had the domain, is confirmed off", source->name);
        return "lost";
    }
    snprintf(ret_text, size,
             source->member ? "%s has not told what became of the domain there"
                            : "%s has left the group, and nobody knows what became of the domain "
                              "there",
             source->name);
    return "unknown";
}

static void amend(struct xf_agent *agent, json_t *report, const char *result, const char *detail)
{
    enum xf_reason reason = xf_reason_parse(xf_report_text(report, "reason"));
    char text[512];

    snprintf(text, sizeof(text), "%s: %.400s",
             xf_reason_sentence(reason < XF_N_REASONS ? reason : XF_REASON_PEER_LEFT), detail);
    json_object_set_new(report, "result", json_string(result));
    json_object_set_new(report, "text", json_string(text));
    xf_report_amend(agent, report);
}

void xf_fate_confirmed_off(struct xf_agent *agent, const struct xf_peer *source)
{
    char detail[256];
    json_t *report;

    snprintf(detail, sizeof(detail), "%s, which had the domain, is confirmed off", source->name);
    for (uint32_t i = 0; (report = xf_history_unknown(agent->history, &i)) != NULL; i++) {
        if (strcmp(xf_report_text(report, "source"), source->name) == 0) {
            amend(agent, report, "lost", detail);
        }
        json_decref(report);
    }
}

void xf_fate_returned(struct xf_agent *agent, const struct xf_peer *source, bool anew)
{
    uint8_t slot = xf_cluster_slot(&agent->cluster, source->node).i;
    char lost[256], kept[256];
    json_t *report;

    snprintf(lost, sizeof(lost), "%s, which had the domain, has booted anew", source->name);
    snprintf(kept, sizeof(kept), "%s is back, and the domain runs there", source->name);
    for (uint32_t i = 0; (report = xf_history_unknown(agent->history, &i)) != NULL; i++) {
        struct xf_uuid uuid;
        const struct xf_domain *dom = xf_uuid_parse(xf_report_text(report, "uuid"), &uuid) == 0
                                          ? xf_domain_find(agent, &uuid)
                                          : NULL;

        if (strcmp(xf_report_text(report, "source"), source->name) != 0) {
            /* another's */
        } else if (anew) {
            amend(agent, report, "lost", lost);
        } else if (dom != NULL && dom->copies[slot] == XF_COPY_RUNNING) {
            amend(agent, report, "kept", kept);
        }
        json_decref(report);
    }
}
