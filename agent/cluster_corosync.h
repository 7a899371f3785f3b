/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agents' group: Corosync's CPG for messages in agreed order, quorum for its verdict, cmap for
 * the configured nodes and settings. Reconnects by itself; whoever uses it sees views come and go.
 */
#ifndef XF_CLUSTER_COROSYNC_H
#define XF_CLUSTER_COROSYNC_H

#include <qb/qbloop.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ids.h"

struct xf_group;

struct xf_group_node {
    struct xf_node node;
    char name[XF_NAME_SIZE];
    char address[XF_NAME_SIZE]; /* its first ring's, "" when the configuration names none */
};

struct xf_group_view {
    size_t n_members;
    struct xf_node members[XF_NODES_MAX]; /* agents in the group; none when Corosync is lost */
    size_t n_seen;
    struct xf_node seen[XF_NODES_MAX]; /* nodes in Corosync's membership, with or without agent */
    size_t n_left;
    struct xf_node left[XF_NODES_MAX]; /* that have gone, even if they are back by now */
    bool quorate;
};

struct xf_group_events {
    /* Corosync is there: own node, configured nodes and settings are known. Then xf_group_join(). */
    void (*connected)(void *arg, struct xf_node self, const struct xf_group_node *nodes, size_t n);
    void (*nodes)(void *arg, const struct xf_group_node *nodes, size_t n); /* have changed */
    void (*setting)(void *arg, const char *key, const char *value);
    /* On every change of any of it. */
    void (*view)(void *arg, const struct xf_group_view *view);
    void (*frame)(void *arg, struct xf_node from, const uint8_t *bytes, size_t size);
    /* After views and frames: Corosync had no more to tell at that moment. */
    void (*heard)(void *arg);
};

struct xf_group *xf_group_open(qb_loop_t *loop, const struct xf_group_events *events, void *arg);
/* Leaves the group. Takes NULL. */
void xf_group_close(struct xf_group *group);
void xf_group_join(struct xf_group *group);
/*
 * To the group, oneself included, in agreed order. Does not fail: while Corosync holds it back, or
 * has yet to deliver what was sent before, it is queued, without a group it is dropped, and a queue
 * that overflows drops the group (each new view repeats what matters, H14).
 */
void xf_group_send(struct xf_group *group, const uint8_t *bytes, size_t size);
/* To be called from time to time: connects, joins and sends what had to wait. */
void xf_group_tick(struct xf_group *group);

#endif
