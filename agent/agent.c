/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the group tells, and what has its time. */
#include "config.h"

#include "agent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "attempt.h"
#include "check.h"
#include "clock_qb.h"
#include "cluster_corosync.h"
#include "history.h"
#include "ipc_qb.h"
#include "log_qb.h"
#include "matrix.h"
#include "report.h"
#include "requests.h"
#include "slots.h"
#include "store_file.h"
#include "store_notes.h"
#include "store_writer.h"
#include "text.h"
#include "visits.h"

#define SLOTS_MS         200u
#define HELLO_MS         1000u
#define BAD_FRAME_LOG_MS 60000u
#define PROGRESS_KEPT_MS 5000u /* it comes once a second */
/* Records are never forgotten (H13); a peer that invents domains without end is not believed. */
#define DOMAINS_MAX      16384u

void xf_agent_send(struct xf_agent *agent, const void *payload, size_t payload_size)
{
    struct xf_frame *f = &agent->frame_out;
    int size;

    f->payload = payload;
    f->payload_size = (uint32_t)payload_size;
    size = xf_wire_encode(f, agent->bytes_out, sizeof(agent->bytes_out));
    if (size < 0) {
        xf_log(LOG_ERR, "a frame of kind %u cannot be encoded", f->kind);
        return;
    }
    xf_group_send(agent->group, agent->bytes_out, (size_t)size);
}

/* ---- nodes ---- */

static void take_nodes(struct xf_agent *agent, const struct xf_group_node *nodes, size_t n)
{
    uint32_t configured = 0;
    uint8_t count = 0;

    for (size_t i = 0; i < n; i++) {
        struct xf_slot slot = xf_peer_slot(agent, nodes[i].node);

        if (slot.i != XF_SLOT_NONE && (configured & (UINT32_C(1) << slot.i)) == 0) {
            struct xf_peer *peer = &agent->peer[slot.i];

            configured |= UINT32_C(1) << slot.i;
            count++;
            xf_text_copy(peer->name, sizeof(peer->name), nodes[i].name);
            xf_text_copy(peer->address, sizeof(peer->address), nodes[i].address);
        }
    }
    for (uint8_t i = 0; i < XF_NODES_MAX; i++) {
        agent->peer[i].configured = (configured & (UINT32_C(1) << i)) != 0;
    }
    agent->cluster.configured = configured;
    agent->cluster.n_nodes = count;
}

static void on_nodes(void *arg, const struct xf_group_node *nodes, size_t n)
{
    struct xf_agent *agent = arg;

    take_nodes(agent, nodes, n);
    xf_log(LOG_NOTICE, "%u nodes are configured", agent->cluster.n_nodes);
}

static void on_setting(void *arg, const char *key, const char *value)
{
    struct xf_agent *agent = arg;
    char err[256];

    if (xf_settings_set(&agent->settings, key, value, err, sizeof(err)) != 0) {
        xf_log(LOG_ERR, "Corosync's cmap: xenferry.%s: %s", key, err);
    } else if (strcmp(key, "log-level") == 0) {
        xf_log_level(agent->settings.log_level);
    }
}

/* H9: every record is in its place before anybody hears of this agent. */
static int boot(struct xf_agent *agent)
{
    const struct xf_settings *set = &agent->settings;
    struct xf_store_file *journal = agent->journal;
    int rc = agent->hyper_ops->open(agent->loop, XF_RUNDIR, set->memory_limit_mib,
                                    &xf_agent_hyper_events, agent, &agent->hyper);

    if (rc != 0) {
        xf_log(LOG_ERR, "the hypervisor %s cannot be used: %s", agent->hyper_ops->name,
               strerror(-rc));
        return rc;
    }
    agent->epoch_floor = journal->epoch_floor;
    rc = xf_domains_boot(agent);
    if (rc != 0) {
        xf_log(LOG_ERR, "the domains here cannot be listed: %s", strerror(-rc));
        return rc;
    }
    free(journal->latest);
    free(journal);
    agent->journal = NULL;
    agent->booted = true;
    return 0;
}

static void on_connected(void *arg, struct xf_node self, const struct xf_group_node *nodes,
                         size_t n)
{
    struct xf_agent *agent = arg;

    if (agent->booted && self.id != agent->cluster.node[agent->cluster.self.i].id) {
        xf_log(LOG_ERR, "this node's id changed to %u; the agent ends", self.id);
        agent->failed = true;
        qb_loop_stop(agent->loop);
        return;
    }
    agent->cluster.self = xf_peer_slot(agent, self);
    take_nodes(agent, nodes, n);
    xf_peer_self(agent)->boot = agent->cluster.boot;
    xf_peer_self(agent)->version_min = XF_WIRE_MIN;
    xf_peer_self(agent)->version_max = XF_WIRE_MAX;
    if (!agent->booted && boot(agent) != 0) {
        agent->failed = true;
        qb_loop_stop(agent->loop);
        return;
    }
    xf_group_join(agent->group);
}

/* ---- views ---- */

static uint32_t mask_of(struct xf_agent *agent, const struct xf_node *nodes, size_t n)
{
    uint32_t mask = 0;

    for (size_t i = 0; i < n; i++) {
        struct xf_slot slot = xf_peer_slot(agent, nodes[i]);

        mask |= slot.i != XF_SLOT_NONE ? UINT32_C(1) << slot.i : 0;
    }
    return mask;
}

/* A party tells once a second until its part has ended; the other may have ended it before. */
static void forget_old_progress(struct xf_domain *dom, uint64_t now_ms)
{
    if (dom->progress != NULL && now_ms >= dom->progress_ms + PROGRESS_KEPT_MS) {
        json_decref(dom->progress);
        dom->progress = NULL;
        dom->agent->slots_at_ms = 0;
    }
}

static void forget_progress_of_absent(struct xf_agent *agent)
{
    for (struct xf_domain *dom = agent->domains; dom != NULL; dom = dom->next) {
        const struct xf_peer *peer = xf_peer_of(agent, dom->progress_from);

        if (dom->progress != NULL && (peer == NULL || !peer->member)) {
            json_decref(dom->progress);
            dom->progress = NULL;
        }
    }
}

static void apply_view(struct xf_agent *agent, uint32_t members, uint32_t seen, bool quorate)
{
    struct xf_event event = {
        .type = XF_EV_VIEW, .members = members, .seen = seen, .quorate = quorate
    };
    bool changed = members != agent->members;

    agent->members = members;
    agent->seen = seen;
    agent->quorate = quorate;
    for (uint8_t i = 0; i < XF_NODES_MAX; i++) {
        struct xf_peer *peer = &agent->peer[i];

        peer->member = (members & (UINT32_C(1) << i)) != 0;
        peer->greeted = peer->greeted && !changed;
        peer->seen = ((members | seen) & (UINT32_C(1) << i)) != 0;
        peer->off = peer->off && !peer->seen;
        peer->off_heard = peer->off_heard && !peer->seen;
        if (!peer->member) {
            peer->incompatible = false;
            peer->hello_seq = UINT32_MAX;
        }
    }
    for (struct xf_domain *dom = agent->domains; dom != NULL; dom = dom->next) {
        xf_domain_event(dom, &event);
    }
    forget_progress_of_absent(agent);
    xf_request_nodes_left(agent);
}

static void on_view(void *arg, const struct xf_group_view *view)
{
    struct xf_agent *agent = arg;
    uint32_t mask = mask_of(agent, view->members, view->n_members);
    uint32_t seen = mask_of(agent, view->seen, view->n_seen);
    uint32_t gone = mask_of(agent, view->left, view->n_left);
    bool same_members = mask == agent->members && gone == 0;
    bool quorate = view->quorate;

    if ((gone & mask & agent->members) != 0) {
        /* Gone and back at once: an agent that was restarted is another one. */
        apply_view(agent, agent->members & ~gone, seen, quorate);
    }
    if (!same_members || quorate != agent->quorate) {
        xf_log(LOG_NOTICE, "%d of %u agents are in the group, %s", __builtin_popcount(mask),
               agent->cluster.n_nodes, quorate ? "quorate" : "not quorate");
    }
    apply_view(agent, mask, seen, quorate);
    if (mask != 0 && !same_members) {
        xf_hello_send(agent);
    }
    for (uint8_t i = 0; quorate && i < XF_NODES_MAX; i++) {
        if (agent->peer[i].off_heard) {
            xf_peer_confirm_off(agent, &agent->peer[i], agent->peer[i].off_boot);
        }
    }
}

/* ---- frames ---- */

static void bad_frame(struct xf_peer *peer, const char *what)
{
    uint64_t now = xf_now_ms();

    peer->bad_frames++;
    if (peer->bad_logged_ms == 0 || now >= peer->bad_logged_ms + BAD_FRAME_LOG_MS) {
        peer->bad_logged_ms = now;
        xf_log(LOG_WARNING, "%s sent %s; dropped (%llu so far)", peer->name, what,
               (unsigned long long)peer->bad_frames);
    }
}

static void be_incompatible(struct xf_peer *peer, const struct xf_frame *f)
{
    if (f->kind == XF_FRAME_HELLO) {
        peer->version_min = f->hello.version_min;
        peer->version_max = f->hello.version_max;
    }
    if (!peer->incompatible) {
        xf_log(LOG_WARNING,
               "%s speaks protocol versions %u to %u, this agent %u to %u: it takes "
               "no part",
               peer->name, peer->version_min, peer->version_max, XF_WIRE_MIN, XF_WIRE_MAX);
    }
    peer->incompatible = true;
}

/* What a message says of who holds what, for those who only look. */
static void note_copies(struct xf_domain *dom, struct xf_slot from, const struct xf_msg *m)
{
    struct xf_slot src = xf_cluster_slot(&dom->agent->cluster, m->src);

    if (from.i == dom->agent->cluster.self.i) {
        return; /* the record itself knows */
    }
    switch ((enum xf_msg_type)m->type) {
    case XF_MSG_HELLO:
    case XF_MSG_COPY:
        dom->copies[from.i] = m->copy;
        return;
    case XF_MSG_START:
    case XF_MSG_OFFER:
    case XF_MSG_READY:
        dom->copies[from.i] = XF_COPY_PAUSED;
        return;
    case XF_MSG_RUNNING:
    case XF_MSG_INTENT:
        dom->copies[from.i] = XF_COPY_RUNNING;
        return;
    case XF_MSG_COMMIT:
        dom->copies[from.i] = XF_COPY_SUSPENDED;
        return;
    case XF_MSG_REFUSE:
        if (m->src.id == m->dst.id) {
            return; /* the answer to a START: another holds it */
        }
        dom->copies[from.i] = XF_COPY_NONE;
        return;
    case XF_MSG_CLEAR:
    case XF_MSG_ABORTED:
    case XF_MSG_UNDO:
    case XF_MSG_NOCOPY:
        dom->copies[from.i] = XF_COPY_NONE;
        return;
    case XF_MSG_DONE:
        if (src.i == from.i) {
            dom->copies[from.i] = XF_COPY_NONE;
        }
        return;
    case XF_MSG_NONE:
    case XF_MSG_ABORT:
    case XF_MSG_ASK:
    case XF_MSG_PROMISE:
    case XF_MSG_SUPERSEDED:
    case XF_N_MSGS:
        return;
    }
}

static struct xf_domain *domain_for(struct xf_agent *agent, const struct xf_uuid *uuid)
{
    struct xf_domain *dom = xf_domain_find(agent, uuid);

    if (dom == NULL && agent->next_domain < DOMAINS_MAX) {
        dom = xf_domain_get(agent, uuid);
    }
    return dom;
}

static void on_domain_frame(struct xf_agent *agent, struct xf_peer *peer, const struct xf_frame *f)
{
    struct xf_domain *dom = domain_for(agent, &f->uuid);
    struct xf_event event = { .type = XF_EV_MSG, .msg = f->msg };

    if (dom == NULL) {
        return;
    }
    event.msg.from = peer->node;
    note_copies(dom, xf_cluster_slot(&agent->cluster, peer->node), &event.msg);
    if (f->payload_size > 0) {
        xf_attempt_take_payload(dom, &event.msg, f->payload, f->payload_size);
    }
    xf_domain_event(dom, &event);
}

static void on_fenced_frame(struct xf_agent *agent, const struct xf_frame *f)
{
    struct xf_peer *off = xf_peer_of(agent, f->to);

    if (off != NULL) {
        xf_peer_confirm_off(agent, off, f->boot);
    }
}

static void dispatch(struct xf_agent *agent, struct xf_peer *peer, const struct xf_frame *f)
{
    bool to_me = f->to.id == agent->cluster.node[agent->cluster.self.i].id;

    switch ((enum xf_frame_kind)f->kind) {
    case XF_FRAME_HELLO:
        peer->incompatible = false;
        xf_hello_receive(agent, peer, f);
        return;
    case XF_FRAME_DOMAIN:
        on_domain_frame(agent, peer, f);
        return;
    case XF_FRAME_FENCED:
        on_fenced_frame(agent, f);
        return;
    case XF_FRAME_PROGRESS:
        if (domain_for(agent, &f->uuid) != NULL) {
            xf_progress_received(agent, peer->node, f);
        }
        return;
    case XF_FRAME_REPORT:
        if (domain_for(agent, &f->uuid) != NULL) {
            xf_report_received(agent, peer->node, f);
        }
        return;
    case XF_FRAME_REQUEST:
        if (to_me) {
            xf_request_received(agent, peer->node, f);
        }
        return;
    case XF_FRAME_REPLY:
        if (to_me) {
            xf_reply_received(agent, peer->node, f);
        }
        return;
    case XF_FRAME_SEEN:
        return; /* a word for the log of the node that saw it */
    case XF_N_FRAME_KINDS:
        return;
    }
}

static void on_frame(void *arg, struct xf_node from, const uint8_t *bytes, size_t size)
{
    struct xf_agent *agent = arg;
    struct xf_peer *peer = xf_peer_of(agent, from);
    int rc;

    if (peer == NULL || !peer->configured) {
        return;
    }
    rc = xf_wire_decode(bytes, size, &agent->frame_in);
    if (rc == -EPROTONOSUPPORT) {
        be_incompatible(peer, &agent->frame_in);
        return;
    }
    if (rc != 0) {
        bad_frame(peer, rc == -EPROTO ? "what is no frame of xenferry" : "a malformed frame");
        return;
    }
    if (peer->incompatible && agent->frame_in.kind != XF_FRAME_HELLO) {
        return;
    }
    agent->frame_in.from = from;
    dispatch(agent, peer, &agent->frame_in);
}

static void on_heard(void *arg)
{
    struct xf_agent *agent = arg;
    struct xf_event event = { .type = XF_EV_HEARD };

    for (struct xf_domain *dom = agent->domains; dom != NULL; dom = dom->next) {
        if (dom->core.ready) {
            xf_domain_event(dom, &event);
        }
    }
}

static const struct xf_group_events group_events = {
    .connected = on_connected,
    .nodes = on_nodes,
    .setting = on_setting,
    .view = on_view,
    .frame = on_frame,
    .heard = on_heard,
};

/* ---- time ---- */

static void destroy_if_home(struct xf_domain *dom)
{
    struct xf_agent *agent = dom->agent;

    if (dom->destroyer == NULL || dom->destroying || xf_core_busy(&dom->core)) {
        return;
    }
    if (dom->core.state == XF_ST_HOME) {
        dom->destroying = true;
        agent->hyper_ops->destroy(agent->hyper, xf_op_cookie_new(dom, XF_OP_DESTROY), &dom->uuid);
    } else {
        xf_answer(dom->destroyer, XF_REASON_NOT_RUNNING, "", NULL);
        dom->destroyer = NULL;
    }
}

static void tick_domain(struct xf_domain *dom, uint64_t now)
{
    struct xf_event event = { .type = XF_EV_TIMER };

    if (dom->timer_at_ms != 0 && now >= dom->timer_at_ms) {
        dom->timer_at_ms = 0;
        xf_domain_event(dom, &event);
    }
    xf_op_tick(dom, now);
    xf_attempt_tick(dom, now);
    forget_old_progress(dom, now);
    xf_domain_watch_copies(dom, now);
    destroy_if_home(dom);
}

void xf_agent_tick(struct xf_agent *agent)
{
    uint64_t now = xf_now_ms();

    xf_group_tick(agent->group);
    xf_store_tick(agent->store);
    if (agent->dump_pid > 0 && waitpid(agent->dump_pid, NULL, WNOHANG) != 0) {
        agent->dump_pid = 0;
    }
    if (!agent->booted) {
        return;
    }
    for (struct xf_domain *dom = agent->domains; dom != NULL; dom = dom->next) {
        tick_domain(dom, now);
    }
    if (now >= agent->slots_at_ms) {
        agent->slots_at_ms = now + SLOTS_MS;
        xf_slots_run(agent);
    }
    xf_matrix_tick(agent, now);
    if (agent->hello_wanted && agent->members != 0 && now >= agent->hello_at_ms + HELLO_MS) {
        xf_hello_send(agent);
    }
}

/* ---- start and end ---- */

static void on_tick(void *arg)
{
    struct xf_agent *agent = arg;

    xf_agent_tick(agent);
    if (agent->on_tick != NULL) {
        agent->on_tick(agent);
    }
}

int xf_agent_start(struct xf_agent *agent)
{
    int rc;

    agent->started_ms = xf_now_ms();
    rc = xf_later_open(agent);
    if (rc != 0) {
        xf_log(LOG_ERR, "events cannot be kept for later: %s", strerror(-rc));
        return rc;
    }
    agent->group = xf_group_open(agent->loop, &group_events, agent);
    agent->ticker = xf_ticker_open(agent->loop, on_tick, agent);
    if (agent->ticker == NULL) {
        xf_log(LOG_ERR, "no timer can be made");
        return -EMFILE;
    }
    rc = xf_ipc_open(agent->loop, &xf_request_ipc_events, agent, &agent->ipc);
    if (rc != 0) {
        xf_log(LOG_ERR, "commands cannot be served: %s", strerror(-rc));
    }
    return rc;
}

/* Leaves the group; domains go on, and what is under way is recovered by the next agent (H9). */
void xf_agent_stop(struct xf_agent *agent)
{
    xf_ipc_close(agent->ipc);
    xf_ticker_close(agent->ticker);
    /* Whoever waits for a move is answered at its domain's end: another node's over the group. */
    xf_checks_end(agent);
    xf_visits_free(agent);
    xf_domains_free(agent);
    xf_matrix_free(agent);
    xf_request_creations_free(agent);
    xf_requests_free(agent);
    xf_group_close(agent->group);
    xf_later_free(agent);
    xf_op_cookies_free(agent);
    if (agent->hyper_ops != NULL && agent->hyper != NULL) {
        agent->hyper_ops->close(agent->hyper);
    }
    xf_store_stop(agent->store);
    xf_notes_close(agent->notes);
    xf_history_close(agent->history);
}
