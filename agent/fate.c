/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "fate.h"

#include <stdio.h>
#include <string.h>

#include "history.h"
#include "report.h"
#include "text.h"

#define FATE_SIZE 256u

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
    } else if (at->source && target != NULL && at->end_reason == XF_REASON_PEER_LEFT) {
        snprintf(ret_text, size, "%s", target->name);
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

/* The sentence and what was said of the move itself stay; what was said of the source does not. */
static void amend(struct xf_agent *agent, json_t *report, const struct xf_peer *source,
                  const char *fate)
{
    char text[XF_REPORT_TEXT_SIZE], was[XF_NAME_SIZE + 8];
    char *end;

    xf_text_copy(text, sizeof(text) - FATE_SIZE, xf_report_text(report, "text"));
    snprintf(was, sizeof(was), " %s has ", source->name);
    end = strstr(text, was);
    if (end != NULL) {
        *end = '\0';
    }
    end = text + strlen(text);
    snprintf(end, FATE_SIZE, " %s, which had the domain, %s", source->name, fate);
    json_object_set_new(report, "result", json_string("lost"));
    json_object_set_new(report, "text", json_string(text));
    xf_report_amend(agent, report);
}

/* Its life in which the move began, and the one that it was last heard in. */
static bool same_life(const json_t *report, const struct xf_peer *source)
{
    return (uint64_t)json_integer_value(json_object_get(report, "source_boot")) == source->boot.v;
}

void xf_fate_confirmed_off(struct xf_agent *agent, const struct xf_peer *source)
{
    json_t *report;

    for (uint32_t i = 0; (report = xf_history_unknown(agent->history, &i)) != NULL; i++) {
        if (strcmp(xf_report_text(report, "source"), source->name) == 0) {
            amend(agent, report, source, "is confirmed off");
        }
        json_decref(report);
    }
}

void xf_fate_returned(struct xf_agent *agent, const struct xf_peer *source)
{
    json_t *report;

    for (uint32_t i = 0; (report = xf_history_unknown(agent->history, &i)) != NULL; i++) {
        if (strcmp(xf_report_text(report, "source"), source->name) != 0) {
            /* another's */
        } else if (same_life(report, source)) {
            xf_report_ask(agent, source, report);
        } else {
            amend(agent, report, source, "has booted anew");
        }
        json_decref(report);
    }
}
