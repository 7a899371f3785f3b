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

struct xf_group_events {
    /* Corosync is there: own node, configured nodes and settings are known. Then xf_group_join(). */
    void (*connected)(void *arg, struct xf_node self, const struct xf_group_node *nodes, size_t n);
    void (*nodes)(void *arg, const struct xf_group_node *nodes, size_t n); /* have changed */
    void (*setting)(void *arg, const char *key, const char *value);
    /*
     * members: the agents now, none when Corosync is lost. left: those of the members that had
     * been gone in between.
     */
    void (*view)(void *arg, const struct xf_node *members, size_t n_members,
                 const struct xf_node *left, size_t n_left, bool quorate);
    void (*frame)(void *arg, struct xf_node from, const uint8_t *bytes, size_t size);
};

struct xf_group *xf_group_open(qb_loop_t *loop, const struct xf_group_events *events, void *arg);
/* Leaves the group. Takes NULL. */
void xf_group_close(struct xf_group *group);
void xf_group_join(struct xf_group *group);
/*
 * To the group, oneself included, in agreed order. Does not fail: while Corosync holds it back it
 * is queued, without a group it is dropped, and a queue that overflows drops the group (each new
 * view repeats what matters, H14).
 */
void xf_group_send(struct xf_group *group, const uint8_t *bytes, size_t size);
/* To be called from time to time: connects, joins and sends what had to wait. */
void xf_group_tick(struct xf_group *group);

#endif
