/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "fate.h"
#include "log_qb.h"

struct xf_peer *xf_peer_of(struct xf_agent *agent, struct xf_node node)
{
    struct xf_slot slot = xf_cluster_slot(&agent->cluster, node);

    return slot.i < XF_NODES_MAX ? &agent->peer[slot.i] : NULL;
}

struct xf_peer *xf_peer_self(struct xf_agent *agent)
{
    return &agent->peer[agent->cluster.self.i];
}

struct xf_slot xf_peer_slot(struct xf_agent *agent, struct xf_node node)
{
    struct xf_slot slot = xf_cluster_slot(&agent->cluster, node);

    for (uint8_t i = 0; slot.i == XF_SLOT_NONE && i < XF_NODES_MAX; i++) {
        if (agent->peer[i].node.id == 0) {
            agent->peer[i].node = node;
            agent->cluster.node[i] = node;
            slot.i = i;
        }
    }
    if (slot.i == XF_SLOT_NONE) {
        xf_log(LOG_ERR, "node %u takes no part: %d nodes have been seen since the start", node.id,
               XF_NODES_MAX);
    }
    return slot;
}

struct xf_peer *xf_peer_named(struct xf_agent *agent, const char *name)
{
    for (uint8_t i = 0; i < XF_NODES_MAX; i++) {
        if (agent->peer[i].configured && strcmp(agent->peer[i].name, name) == 0) {
            return &agent->peer[i];
        }
    }
    return NULL;
}

const char *xf_peer_slot_name(const struct xf_agent *agent, struct xf_slot slot)
{
    if (slot.i >= XF_NODES_MAX || agent->peer[slot.i].name[0] == '\0') {
        return "?";
    }
    return agent->peer[slot.i].name;
}

const char *xf_peer_name(const struct xf_agent *agent, struct xf_node node)
{
    return xf_peer_slot_name(agent, xf_cluster_slot(&agent->cluster, node));
}

struct xf_boot xf_peer_latest_boot(const struct xf_agent *agent, const struct xf_peer *peer)
{
    struct xf_boot latest = peer->boot;

    for (const struct xf_domain *dom = agent->domains; dom != NULL; dom = dom->next) {
        const struct xf_core *core = &dom->core;

        if (core->id.src.id == peer->node.id && core->id.boot.v > latest.v) {
            latest = core->id.boot;
        }
        if (core->dst.i < XF_NODES_MAX && &agent->peer[core->dst.i] == peer &&
            core->dst_boot.v > latest.v) {
            latest = core->dst_boot;
        }
    }
    return latest;
}

/* H7: believed only by a quorate node; until then it is kept in mind. */
void xf_peer_confirm_off(struct xf_agent *agent, struct xf_peer *peer, struct xf_boot boot)
{
    struct xf_event event = {
        .type = XF_EV_FENCED,
        .slot = xf_cluster_slot(&agent->cluster, peer->node),
        .boot = boot,
        .ok = !peer->seen,
    };

    if (peer->seen && (boot.v == 0 || boot.v >= peer->boot.v)) {
        return; /* it is here: what is said is of an earlier life, or wrong */
    }
    if (!agent->quorate) {
        peer->off_heard = !peer->seen;
        peer->off_boot = boot;
        return;
    }
    peer->off_heard = false;
    if (!peer->seen) {
        if (!peer->off) {
            xf_log(LOG_NOTICE, "node %s is confirmed off", peer->name);
        }
        peer->off = true;
        peer->off_boot = boot;
    }
    for (struct xf_domain *dom = agent->domains; dom != NULL; dom = dom->next) {
        if (!peer->seen) {
            dom->copies[event.slot.i] = XF_COPY_NONE;
        }
        xf_domain_event(dom, &event);
    }
    if (peer->off) {
        xf_fate_confirmed_off(agent, peer);
    }
}
