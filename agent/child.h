/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program of ours that does for the agent what blocks: started with a SOCK_SEQPACKET link on its
 * descriptor 3, heard in the loop, reaped when it dies.
 */
#ifndef XF_CHILD_H
#define XF_CHILD_H

#include <stddef.h>
#include <sys/types.h>

#include <qb/qbloop.h>

#define XF_CHILD_FD 3

struct xf_child; /* freed by itself once .dead was told */

struct xf_child_events {
    /* One packet; buf is the caller's of xf_child_start(). */
    void (*packet)(void *arg, size_t size);
    /* It is reaped; everything it said was told before. The child must not be used any more. */
    void (*dead)(void *arg);
};

/*
 * program: its name in the directory of helper programs (XENFERRY_LIBEXECDIR in the environment
 * overrides it). argv ends with NULL. buf belongs to the child until it is dead. 0 or negative
 * errno, logged.
 */
int xf_child_start(qb_loop_t *loop, const char *program, char *const argv[], void *buf, size_t size,
                   const struct xf_child_events *events, void *arg, struct xf_child **ret_child);
/* 0 or negative errno; never waits, allocates nothing. */
int xf_child_send(struct xf_child *child, const void *packet, size_t size);
/* Waits for packets without the loop, for the start of the agent: one is told, or -ETIMEDOUT. */
int xf_child_await(struct xf_child *child, int timeout_ms);
/* .dead follows from the loop. */
void xf_child_kill(struct xf_child *child);
/* Killed, reaped and freed now; .dead is not told. Takes NULL. */
void xf_child_abandon(struct xf_child *child);
/* Left to live on by itself and freed now; .dead is not told. */
void xf_child_leave(struct xf_child *child);
pid_t xf_child_pid(const struct xf_child *child);

#endif
