/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What cluster_*.c share and nobody else includes. */
#ifndef XF_CLUSTER_IMPL_H
#define XF_CLUSTER_IMPL_H

#include <corosync/cmap.h>
#include <corosync/cpg.h>
#include <corosync/quorum.h>

#include "cluster_corosync.h"

/* Bytes. More than an agent sends in minutes: a group that takes so little has stopped. */
#define XF_GROUP_QUEUE_MAX  (16u << 20)
/*
 * Messages given to Corosync that it has not delivered back. With each, libqb writes a byte into a
 * socket, and spins for as long as that is full: a Corosync that stands still would stop this agent
 * with it, from some 270 on.
 */
#define XF_GROUP_FLIGHT_MAX 64u

struct xf_outgoing {
    struct xf_outgoing *next;
    size_t size;
    uint8_t bytes[];
};

struct xf_group {
    qb_loop_t *loop;
    const struct xf_group_events *events;
    void *arg;

    bool connected; /* all three handles are open */
    bool wanted;    /* xf_group_join() was called */
    bool joined;    /* cpg_join() succeeded */
    bool present;   /* a view had this agent in it */
    bool lost;      /* to be closed when the stack is unwound */
    bool reread;    /* cmap said that something changed */
    struct xf_group_view view;
    uint64_t next_try_ms;
    uint64_t backoff_ms;
    bool absence_told; /* that Corosync does not answer, since it last did */

    struct xf_node self;
    uint32_t pid;
    cpg_handle_t cpg;
    quorum_handle_t quorum;
    cmap_handle_t cmap;
    int cpg_fd;
    int quorum_fd;
    int cmap_fd;

    size_t n_nodes;
    struct xf_group_node nodes[XF_NODES_MAX];

    unsigned n_in_flight;
    size_t queued_size;
    struct xf_outgoing *first;
    struct xf_outgoing **last;
};

/* cluster_nodes.c: reads cmap into .nodes and tells settings. 0 or -EIO. */
int xf_group_read_cmap(struct xf_group *group);
int xf_group_track_cmap(struct xf_group *group);

#endif
