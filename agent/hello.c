/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HELLO: who I am and every domain that I hold or remember. In several frames when there are many;
 * what a node did not list in all of them, it does not hold.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "clock_qb.h"
#include "fate.h"
#include "log_qb.h"
#include "text.h"

/* Of the longest names this many fit into one frame with room to spare. */
#define DOMAINS_PER_FRAME 256u

/* ---- out ---- */

static void put_facts(struct xf_agent *agent, struct xf_hello *h)
{
    struct xf_peer *self = xf_peer_self(agent);
    struct xf_host_facts facts = { .cpus = 0 };

    if (agent->hyper_ops->facts(agent->hyper, &facts) == 0) {
        xf_text_copy(self->hypervisor, sizeof(self->hypervisor), facts.version);
        self->memory_total_mib = facts.memory_total_mib;
        self->memory_free_mib = facts.memory_free_mib;
        self->cpus = facts.cpus;
    }
    h->version_min = XF_WIRE_MIN;
    h->version_max = XF_WIRE_MAX;
    h->boot = agent->cluster.boot;
    h->memory_total_mib = self->memory_total_mib;
    h->memory_free_mib = self->memory_free_mib;
    h->cpus = self->cpus;
    xf_text_copy(h->node_name, sizeof(h->node_name), self->name);
    xf_text_copy(h->hypervisor, sizeof(h->hypervisor), self->hypervisor);
    for (uint8_t i = 0; i < XF_NODES_MAX; i++) {
        if (agent->peer[i].off) {
            h->off[h->n_off] = agent->peer[i].node;
            h->off_boot[h->n_off++] = agent->peer[i].off_boot;
        }
    }
}

static void put_domain(struct xf_agent *agent, const struct xf_domain *dom,
                       struct xf_hello_domain *d)
{
    struct xf_msg m = xf_core_hello(&dom->core, &agent->cluster);

    *d = (struct xf_hello_domain){
        .uuid = dom->uuid,
        .memory_mib = dom->memory_mib,
        .copy = m.copy,
        .state = dom->core.state,
        .epoch_max = m.epoch_max,
        .id = m.id,
        .src = m.src,
        .dst = m.dst,
    };
    xf_text_copy(d->name, sizeof(d->name), dom->name);
}

/* Copied into the frame first, so that a part that does not fit is an error of ours alone. */
static void send_part(struct xf_agent *agent, uint32_t seq, bool more)
{
    struct xf_frame *f = &agent->frame_out;

    f->hello.seq = seq;
    f->hello.more = more;
    xf_agent_send(agent, NULL, 0);
    f->hello.n_domains = 0;
}

void xf_hello_send(struct xf_agent *agent)
{
    struct xf_frame *f = &agent->frame_out;
    uint32_t seq = 0;

    agent->hello_wanted = false;
    agent->hello_at_ms = xf_now_ms();
    memset(f, 0, sizeof(*f));
    f->kind = XF_FRAME_HELLO;
    put_facts(agent, &f->hello);
    for (struct xf_domain *dom = agent->domains; dom != NULL; dom = dom->next) {
        if (dom->core.state == XF_ST_IDLE && dom->core.id.epoch == 0 && dom->core.epoch_max == 0) {
            continue; /* nothing is remembered of it: the same as not listing it */
        }
        if (f->hello.n_domains == DOMAINS_PER_FRAME) {
            send_part(agent, seq++, true);
        }
        put_domain(agent, dom, &f->hello.domain[f->hello.n_domains++]);
    }
    send_part(agent, seq, false);
}

/* ---- in ---- */

static void take_facts(struct xf_peer *peer, const struct xf_hello *h)
{
    peer->boot = h->boot;
    peer->version_min = h->version_min;
    peer->version_max = h->version_max;
    peer->memory_total_mib = h->memory_total_mib;
    peer->memory_free_mib = h->memory_free_mib;
    peer->cpus = h->cpus;
    xf_text_copy(peer->hypervisor, sizeof(peer->hypervisor), h->hypervisor);
    if (peer->name[0] == '\0') {
        xf_text_copy(peer->name, sizeof(peer->name), h->node_name);
    }
}

static struct xf_event event_from(const struct xf_peer *peer, const struct xf_hello *h)
{
    return (struct xf_event){
        .type = XF_EV_MSG,
        .msg = {
            .type = XF_MSG_HELLO,
            .from = peer->node,
            .boot = h->boot,
        },
    };
}

static void take_domain(struct xf_agent *agent, struct xf_peer *peer, uint32_t bit,
                        const struct xf_hello *h, const struct xf_hello_domain *d)
{
    struct xf_domain *dom = xf_domain_get(agent, &d->uuid);
    struct xf_event event = event_from(peer, h);

    event.msg.copy = d->copy;
    event.msg.epoch_max = d->epoch_max;
    event.msg.id = d->id;
    event.msg.src = d->src;
    event.msg.dst = d->dst;
    if (d->copy != XF_COPY_NONE || dom->name[0] == '\0') {
        xf_domain_learn(dom, d->name, d->memory_mib);
    }
    dom->listed |= bit;
    dom->copies[xf_cluster_slot(&agent->cluster, peer->node).i] = d->copy;
    xf_domain_event(dom, &event);
}

static void take_off_list(struct xf_agent *agent, const struct xf_hello *h)
{
    for (uint32_t i = 0; i < h->n_off; i++) {
        struct xf_peer *off = xf_peer_of(agent, h->off[i]);

        if (off != NULL && !off->off) {
            xf_peer_confirm_off(agent, off, h->off_boot[i]);
        }
    }
}

void xf_hello_receive(struct xf_agent *agent, struct xf_peer *peer, const struct xf_frame *frame)
{
    struct xf_slot slot = xf_cluster_slot(&agent->cluster, peer->node);
    const struct xf_hello *h = &frame->hello;
    uint32_t bit = UINT32_C(1) << slot.i;
    struct xf_event absent = event_from(peer, h);
    bool first;

    if (h->seq == 0) {
        for (struct xf_domain *dom = agent->domains; dom != NULL; dom = dom->next) {
            dom->listed &= ~bit;
        }
    } else if (h->seq != peer->hello_seq) {
        return; /* the rest of one whose beginning was before this view: another follows */
    }
    peer->hello_seq = h->seq + 1;
    take_facts(peer, h);
    take_off_list(agent, h);
    for (uint32_t i = 0; i < h->n_domains; i++) {
        take_domain(agent, peer, bit, h, &h->domain[i]);
    }
    if (h->more) {
        return;
    }
    peer->hello_seq = UINT32_MAX;
    first = !peer->greeted;
    peer->greeted = true;
    for (struct xf_domain *dom = agent->domains; dom != NULL; dom = dom->next) {
        if ((dom->listed & bit) == 0) {
            dom->copies[slot.i] = XF_COPY_NONE;
            xf_domain_event(dom, &absent);
        }
    }
    if (first) {
        xf_fate_returned(agent, peer);
    }
}
