/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "cluster_corosync.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <corosync/votequorum.h>

#include "clock_qb.h"
#include "cluster_impl.h"
#include "log_qb.h"

#define GROUP_NAME     "xenferry"
#define BACKOFF_MIN_MS 200u
#define BACKOFF_MAX_MS 5000u

static const struct cpg_name group_name = {
    .length = sizeof(GROUP_NAME) - 1,
    .value = GROUP_NAME,
};

/* ---- views ---- */

static void tell_view(struct xf_group *group)
{
    group->events->view(group->arg, &group->view);
    group->view.n_left = 0;
}

static bool is_in(const struct xf_node *list, size_t n, uint32_t id)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i].id == id) {
            return true;
        }
    }
    return false;
}

static size_t node_list(const struct cpg_address *from, size_t n_from, struct xf_node *ret_list)
{
    size_t n = 0;

    for (size_t i = 0; i < n_from && n < XF_NODES_MAX; i++) {
        if (!is_in(ret_list, n, from[i].nodeid)) {
            ret_list[n++].id = from[i].nodeid;
        }
    }
    return n;
}

static struct xf_group *of_cpg(cpg_handle_t handle)
{
    void *context = NULL;

    return cpg_context_get(handle, &context) == CS_OK ? context : NULL;
}

static void on_confchg(cpg_handle_t handle, const struct cpg_name *name,
                       const struct cpg_address *members, size_t n_members,
                       const struct cpg_address *left, size_t n_left,
                       const struct cpg_address *joined, size_t n_joined)
{
    struct xf_group *group = of_cpg(handle);
    struct xf_group_view *view;

    (void)name;
    (void)joined;
    (void)n_joined;
    if (group == NULL || group->lost) {
        return;
    }
    view = &group->view;
    view->n_members = node_list(members, n_members, view->members);
    view->n_left = node_list(left, n_left, view->left);
    group->present = is_in(view->members, view->n_members, group->self.id);
    if (!group->present) {
        view->n_members = 0;
    }
    tell_view(group);
}

static void on_deliver(cpg_handle_t handle, const struct cpg_name *name, uint32_t nodeid,
                       uint32_t pid, void *bytes, size_t size)
{
    struct xf_group *group = of_cpg(handle);

    (void)name;
    if (group == NULL) {
        return;
    }
    if (nodeid == group->self.id && pid == group->pid && group->n_in_flight > 0) {
        group->n_in_flight--;
    }
    if (!group->lost && group->present) {
        group->events->frame(group->arg, (struct xf_node){ nodeid }, bytes, size);
    }
}

static struct xf_group *of_quorum(quorum_handle_t handle)
{
    const void *context = NULL;
    struct xf_group *group = NULL;

    if (quorum_context_get(handle, &context) == CS_OK) {
        /* libquorum's context is const, what it points to is not. */
        memcpy(&group, &context, sizeof(group));
    }
    return group;
}

static void on_quorum(quorum_handle_t handle, uint32_t quorate, struct quorum_ring_id ring,
                      uint32_t n_members, const uint32_t *members)
{
    struct xf_group *group = of_quorum(handle);

    (void)ring;
    (void)n_members;
    (void)members;
    if (group != NULL && group->view.quorate != (quorate != 0)) {
        group->view.quorate = quorate != 0;
        if (group->present) {
            tell_view(group);
        }
    }
}

static void on_nodelist(quorum_handle_t handle, struct quorum_ring_id ring, uint32_t n_members,
                        const uint32_t *members, uint32_t n_joined, const uint32_t *joined,
                        uint32_t n_left, const uint32_t *left)
{
    struct xf_group *group = of_quorum(handle);
    struct xf_group_view *view;

    (void)ring;
    (void)n_joined;
    (void)joined;
    (void)n_left;
    (void)left;
    if (group == NULL) {
        return;
    }
    view = &group->view;
    view->n_seen = 0;
    for (uint32_t i = 0; i < n_members && view->n_seen < XF_NODES_MAX; i++) {
        view->seen[view->n_seen++].id = members[i];
    }
    if (group->present) {
        tell_view(group);
    }
}

/* ---- sending ---- */

static void drop_queue(struct xf_group *group)
{
    while (group->first != NULL) {
        struct xf_outgoing *out = group->first;

        group->first = out->next;
        free(out);
    }
    group->last = &group->first;
    group->queued_size = 0;
}

static void be_lost(struct xf_group *group, const char *why)
{
    if (!group->lost) {
        xf_log(LOG_ERR, "the group is lost: %s", why);
        group->lost = true;
        group->next_try_ms = xf_now_ms() + group->backoff_ms;
    }
}

static cs_error_t multicast(struct xf_group *group, const uint8_t *bytes, size_t size)
{
    union {
        const void *from;
        void *to;
    } body = { .from = bytes }; /* struct iovec knows no const */
    struct iovec iov = { .iov_base = body.to, .iov_len = size };

    return cpg_mcast_joined(group->cpg, CPG_TYPE_AGREED, &iov, 1);
}

/* True: gone out, or never will. */
static bool try_send(struct xf_group *group, const uint8_t *bytes, size_t size)
{
    cs_error_t r = CS_ERR_TRY_AGAIN;

    if (group->n_in_flight < XF_GROUP_FLIGHT_MAX) {
        r = multicast(group, bytes, size);
    }
    if (r == CS_ERR_TRY_AGAIN) {
        return false;
    }
    if (r == CS_OK) {
        group->n_in_flight++;
    } else {
        be_lost(group, "a message could not be sent");
    }
    return true;
}

static void flush(struct xf_group *group)
{
    while (group->first != NULL && !group->lost) {
        struct xf_outgoing *out = group->first;

        if (!try_send(group, out->bytes, out->size)) {
            return;
        }
        group->first = out->next;
        group->queued_size -= out->size;
        if (group->first == NULL) {
            group->last = &group->first;
        }
        free(out);
    }
}

void xf_group_send(struct xf_group *group, const uint8_t *bytes, size_t size)
{
    struct xf_outgoing *out;

    if (!group->present || group->lost || (group->first == NULL && try_send(group, bytes, size))) {
        return;
    }
    if (group->queued_size + size > XF_GROUP_QUEUE_MAX) {
        be_lost(group, "Corosync takes no messages");
        return;
    }
    out = malloc(sizeof(*out) + size);
    if (out == NULL) {
        abort();
    }
    out->next = NULL;
    out->size = size;
    memcpy(out->bytes, bytes, size);
    *group->last = out;
    group->last = &out->next;
    group->queued_size += size;
}

/* ---- connecting ---- */

static void disconnect(struct xf_group *group)
{
    int fds[] = { group->cpg_fd, group->quorum_fd, group->cmap_fd };
    bool was_present = group->present;

    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (fds[i] >= 0) {
            qb_loop_poll_del(group->loop, fds[i]);
        }
    }
    group->cpg_fd = group->quorum_fd = group->cmap_fd = -1;
    if (group->cpg != 0) {
        cpg_finalize(group->cpg);
    }
    if (group->quorum != 0) {
        quorum_finalize(group->quorum);
    }
    if (group->cmap != 0) {
        cmap_finalize(group->cmap);
    }
    group->cpg = 0;
    group->quorum = 0;
    group->cmap = 0;
    group->connected = group->joined = group->present = group->lost = group->reread = false;
    memset(&group->view, 0, sizeof(group->view));
    group->n_in_flight = 0;
    drop_queue(group);
    if (was_present) {
        tell_view(group);
    }
}

static void after_dispatch(struct xf_group *group)
{
    if (group->lost) {
        disconnect(group);
        return;
    }
    if (group->reread) {
        group->reread = false;
        if (xf_group_read_cmap(group) != 0) {
            be_lost(group, "cmap cannot be read");
            disconnect(group);
            return;
        }
        group->events->nodes(group->arg, group->nodes, group->n_nodes);
    }
    flush(group);
}

static void check(struct xf_group *group, cs_error_t r, int32_t revents)
{
    if ((r != CS_OK && r != CS_ERR_TRY_AGAIN) || (revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) {
        be_lost(group, "Corosync went away");
    }
}

static int32_t on_quorum_fd(int32_t fd, int32_t revents, void *data)
{
    struct xf_group *group = data;

    (void)fd;
    check(group, quorum_dispatch(group->quorum, CS_DISPATCH_ALL), revents);
    after_dispatch(group);
    return 0;
}

static int32_t on_cpg_fd(int32_t fd, int32_t revents, void *data)
{
    struct xf_group *group = data;

    (void)fd;
    /* A view should be judged by the quorum that belongs to it. */
    check(group, quorum_dispatch(group->quorum, CS_DISPATCH_ALL), 0);
    check(group, cpg_dispatch(group->cpg, CS_DISPATCH_ALL), revents);
    if (!group->lost) {
        group->events->heard(group->arg);
    }
    after_dispatch(group);
    return 0;
}

static int32_t on_cmap_fd(int32_t fd, int32_t revents, void *data)
{
    struct xf_group *group = data;

    (void)fd;
    check(group, cmap_dispatch(group->cmap, CS_DISPATCH_ALL), revents);
    after_dispatch(group);
    return 0;
}

static int open_handles(struct xf_group *group)
{
    cpg_model_v1_data_t cpg_model = {
        .model = CPG_MODEL_V1,
        .cpg_deliver_fn = on_deliver,
        .cpg_confchg_fn = on_confchg,
    };
    quorum_model_v1_data_t quorum_model = {
        .model = QUORUM_MODEL_V1,
        .quorum_notify_fn = on_quorum,
        .nodelist_notify_fn = on_nodelist,
    };
    uint32_t type;
    unsigned id;

    if (cmap_initialize(&group->cmap) != CS_OK) {
        group->cmap = 0;
        return -EIO;
    }
    if (cpg_model_initialize(&group->cpg, CPG_MODEL_V1, (cpg_model_data_t *)&cpg_model, group) !=
        CS_OK) {
        group->cpg = 0;
        return -EIO;
    }
    if (quorum_model_initialize(&group->quorum, QUORUM_MODEL_V1,
                                (quorum_model_data_t *)&quorum_model, &type, group) != CS_OK) {
        group->quorum = 0;
        return -EIO;
    }
    if (type != QUORUM_SET) {
        xf_log(LOG_ERR, "corosync.conf configures no quorum provider; nothing can be moved");
    }
    if (cpg_local_get(group->cpg, &id) != CS_OK || id == 0) {
        return -EIO;
    }
    group->self.id = id;
    if (cpg_fd_get(group->cpg, &group->cpg_fd) != CS_OK ||
        quorum_fd_get(group->quorum, &group->quorum_fd) != CS_OK ||
        cmap_fd_get(group->cmap, &group->cmap_fd) != CS_OK ||
        quorum_trackstart(group->quorum, CS_TRACK_CURRENT | CS_TRACK_CHANGES) != CS_OK) {
        return -EIO;
    }
    return 0;
}

static int poll_handles(struct xf_group *group)
{
    if (qb_loop_poll_add(group->loop, QB_LOOP_HIGH, group->cpg_fd, POLLIN, group, on_cpg_fd) != 0 ||
        qb_loop_poll_add(group->loop, QB_LOOP_HIGH, group->quorum_fd, POLLIN, group,
                         on_quorum_fd) != 0 ||
        qb_loop_poll_add(group->loop, QB_LOOP_LOW, group->cmap_fd, POLLIN, group, on_cmap_fd) !=
            0) {
        return -ENOMEM;
    }
    return 0;
}

/* With two_node both halves of a cut cluster are quorate, which is worth a word in the log. */
static void look_at_votes(const struct xf_group *group)
{
    votequorum_callbacks_t none = { .votequorum_quorum_notify_fn = NULL };
    votequorum_handle_t handle;
    struct votequorum_info info;

    if (votequorum_initialize(&handle, &none) != CS_OK) {
        return;
    }
    if (votequorum_getinfo(handle, group->self.id, &info) == CS_OK) {
        xf_log(LOG_INFO, "votequorum: expected votes %u, quorum %u%s", info.node_expected_votes,
               info.quorum,
               (info.flags & VOTEQUORUM_INFO_TWONODE) != 0
                   ? ", two_node: after a cut only confirmed fencing breaks a tie"
                   : "");
    }
    votequorum_finalize(handle);
}

static void connect_all(struct xf_group *group)
{
    if (open_handles(group) != 0 || xf_group_track_cmap(group) != 0 ||
        xf_group_read_cmap(group) != 0 || poll_handles(group) != 0) {
        disconnect(group);
        if (!group->absence_told) {
            group->absence_told = true;
            xf_log(LOG_WARNING, "Corosync does not answer; nothing is done until it does: "
                                "systemctl status corosync");
        }
        group->next_try_ms = xf_now_ms() + group->backoff_ms;
        group->backoff_ms =
            group->backoff_ms * 2 < BACKOFF_MAX_MS ? group->backoff_ms * 2 : BACKOFF_MAX_MS;
        return;
    }
    group->connected = true;
    group->absence_told = false;
    xf_log(LOG_NOTICE, "connected to Corosync as node %u", group->self.id);
    look_at_votes(group);
    group->events->connected(group->arg, group->self, group->nodes, group->n_nodes);
}

static void try_join(struct xf_group *group)
{
    cs_error_t r = cpg_join(group->cpg, &group_name);

    if (r == CS_OK) {
        group->joined = true;
        group->backoff_ms = BACKOFF_MIN_MS;
    } else if (r != CS_ERR_TRY_AGAIN) {
        be_lost(group, "the group cannot be joined");
    }
}

void xf_group_tick(struct xf_group *group)
{
    if (group->lost) {
        disconnect(group);
        return;
    }
    if (!group->connected) {
        if (xf_now_ms() >= group->next_try_ms) {
            connect_all(group);
        }
        return;
    }
    if (group->wanted && !group->joined) {
        try_join(group);
    }
    flush(group);
}

void xf_group_join(struct xf_group *group)
{
    group->wanted = true;
}

struct xf_group *xf_group_open(qb_loop_t *loop, const struct xf_group_events *events, void *arg)
{
    struct xf_group *group = calloc(1, sizeof(*group));

    if (group == NULL) {
        abort();
    }
    group->loop = loop;
    group->events = events;
    group->arg = arg;
    group->backoff_ms = BACKOFF_MIN_MS;
    group->pid = (uint32_t)getpid(); /* looked up now: H12 */
    group->last = &group->first;
    group->cpg_fd = group->quorum_fd = group->cmap_fd = -1;
    return group;
}

void xf_group_close(struct xf_group *group)
{
    if (group == NULL) {
        return;
    }
    if (group->joined) {
        flush(group);
        cpg_leave(group->cpg, &group_name);
    }
    group->present = false; /* nobody is told any more */
    disconnect(group);
    free(group);
}
