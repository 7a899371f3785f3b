/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "slots.h"

#include <string.h>

#include "attempt.h"
#include "clock_qb.h"
#include "report.h"

static bool is_source(const struct xf_domain *dom)
{
    switch ((enum xf_state)dom->core.state) {
    case XF_ST_S_MARK:
    case XF_ST_S_INTENT:
    case XF_ST_S_COPY:
    case XF_ST_S_SUSP:
    case XF_ST_S_END:
    case XF_ST_S_WON:
    case XF_ST_S_COMMIT:
    case XF_ST_S_RESUME:
    case XF_ST_S_DROP:
        return true;
    case XF_ST_IDLE:
    case XF_ST_STARTING:
    case XF_ST_HOME:
    case XF_ST_D_PREPARE:
    case XF_ST_D_MARK:
    case XF_ST_D_RECV:
    case XF_ST_D_READY:
    case XF_ST_D_WON:
    case XF_ST_D_UNPAUSE:
    case XF_ST_D_DROP:
    case XF_N_STATES:
        break;
    }
    return false;
}

static bool is_destination(const struct xf_domain *dom)
{
    return xf_core_busy(&dom->core) && dom->core.state != XF_ST_STARTING && !is_source(dom);
}

/* Who waits for a slot, or is being checked, takes none. */
static bool is_queued(const struct xf_domain *dom)
{
    const char *state = json_string_value(json_object_get(dom->progress, "state"));

    return state != NULL && (strcmp(state, "queued") == 0 || strcmp(state, "checking") == 0);
}

static bool names(const struct xf_domain *dom, const char *key, const char *node)
{
    const char *text = json_string_value(json_object_get(dom->progress, key));

    return text != NULL && strcmp(text, node) == 0;
}

/* From this node's own records where it is a party, else from what the sources tell. */
static void parties(const struct xf_domain *dom, struct xf_slot node, bool *ret_out, bool *ret_in)
{
    const struct xf_agent *agent = dom->agent;
    const char *name = xf_peer_slot_name(agent, node);

    *ret_out = *ret_in = false;
    if (is_source(dom) || is_destination(dom)) {
        *ret_out = dom->core.src.i == node.i;
        *ret_in = dom->core.dst.i == node.i;
    } else if (dom->progress != NULL && !is_queued(dom)) {
        *ret_out = names(dom, "source", name);
        *ret_in = names(dom, "destination", name);
    }
}

void xf_slots_count(struct xf_agent *agent, struct xf_slot node, uint32_t *ret_out,
                    uint32_t *ret_in)
{
    bool out, in;

    *ret_out = *ret_in = 0;
    for (struct xf_domain *dom = agent->domains; dom != NULL; dom = dom->next) {
        parties(dom, node, &out, &in);
        *ret_out += out ? 1 : 0;
        *ret_in += in ? 1 : 0;
    }
}

uint32_t xf_slots_incoming(struct xf_agent *agent, const struct xf_domain *dom)
{
    uint32_t n = 0;

    for (struct xf_domain *d = agent->domains; d != NULL; d = d->next) {
        n += d != dom && is_destination(d) ? 1 : 0;
    }
    return n;
}

static uint32_t moving(struct xf_agent *agent)
{
    uint32_t n = 0;

    for (struct xf_domain *dom = agent->domains; dom != NULL; dom = dom->next) {
        n += is_source(dom) || is_destination(dom) || (dom->progress != NULL && !is_queued(dom))
                 ? 1
                 : 0;
    }
    return n;
}

static bool has_slot(struct xf_agent *agent, struct xf_slot dst)
{
    const struct xf_settings *set = &agent->settings;
    uint32_t out, in, unused;

    xf_slots_count(agent, agent->cluster.self, &out, &unused);
    xf_slots_count(agent, dst, &unused, &in);
    return out < set->slots_outgoing && in < set->slots_incoming &&
           (set->slots_cluster == 0 || moving(agent) < set->slots_cluster);
}

/* Else libxenguest would be the one to find out, with the target at work already. */
static bool can_move(const struct xf_domain *dom)
{
    const struct xf_agent *agent = dom->agent;
    const struct xf_attempt *at = dom->attempt;
    struct xf_host_facts facts;

    if (at->options.cold || !at->needs_known ||
        agent->hyper_ops->facts(agent->hyper, &facts) != 0) {
        return true;
    }
    return at->needs.pv ? facts.logs_pv : facts.logs_hvm;
}

enum xf_reason xf_slots_admit(struct xf_domain *dom)
{
    struct xf_attempt *at = dom->attempt;
    struct xf_event event = { .type = XF_EV_MOVE,
                              .slot = at->dst,
                              .boot = dom->agent->peer[at->dst.i].boot };
    enum xf_reason reason;

    if (dom->notes == NULL) {
        return XF_REASON_INTERNAL; /* without notes a restarted agent could not tell END from COMMIT (H8) */
    }
    if (!has_slot(dom->agent, at->dst)) {
        at->queued = at->may_queue;
        return at->may_queue ? XF_REASON_QUEUED : XF_REASON_NO_SLOT;
    }
    reason = xf_attempt_configure(dom);
    if (reason == XF_REASON_BUSY && at->may_queue) {
        at->queued = true; /* the hypervisor's driver is still reading it */
        return XF_REASON_QUEUED;
    }
    if (reason != XF_REASON_OK) {
        return reason;
    }
    if (!can_move(dom)) {
        return XF_REASON_NOT_LOGGED;
    }
    at->queued = false;
    xf_domain_event(dom, &event);
    if (dom->core.state != XF_ST_S_MARK) {
        return dom->step_refusal != XF_REASON_OK ? dom->step_refusal : XF_REASON_INTERNAL;
    }
    at->id = dom->core.id;
    return XF_REASON_OK;
}

static struct xf_domain *next_queued(struct xf_agent *agent, uint64_t after)
{
    struct xf_domain *found = NULL;

    for (struct xf_domain *dom = agent->domains; dom != NULL; dom = dom->next) {
        if (dom->attempt != NULL && dom->attempt->queued && dom->attempt->order > after &&
            (found == NULL || dom->attempt->order < found->attempt->order)) {
            found = dom;
        }
    }
    return found;
}

void xf_slots_run(struct xf_agent *agent)
{
    struct xf_domain *dom = next_queued(agent, 0);

    while (dom != NULL) {
        uint64_t order = dom->attempt->order;
        enum xf_reason reason = xf_slots_admit(dom);

        if (reason != XF_REASON_OK && reason != XF_REASON_QUEUED) {
            xf_attempt_refuse(dom, reason, "");
        }
        dom = next_queued(agent, order);
    }
}

/* From the permission until RUNNING or the way back; bounded, for one in doubt may take days. */
static bool switching(const struct xf_domain *dom, uint64_t now_ms)
{
    const struct xf_attempt *at = dom->attempt;

    if (at != NULL && at->source) {
        return at->switched_ms != 0 && !at->ended && now_ms < at->switched_ms + XF_SWITCH_WAIT_MS;
    }
    return names(dom, "state", "switching");
}

bool xf_slots_may_switch(struct xf_domain *dom, uint64_t now_ms)
{
    bool out, in;

    for (struct xf_domain *d = dom->agent->domains; d != NULL; d = d->next) {
        if (d == dom || !switching(d, now_ms)) {
            continue;
        }
        parties(d, dom->agent->cluster.self, &out, &in);
        if (out || in) {
            return false;
        }
        parties(d, dom->core.dst, &out, &in);
        if (out || in) {
            return false;
        }
    }
    return true;
}
