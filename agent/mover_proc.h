/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mover processes as the agent sees them: started, spoken to, and surely dead. Its death is one
 * more event. One that an earlier agent started is known by the lock that it holds for its life.
 */
#ifndef XF_MOVER_PROC_H
#define XF_MOVER_PROC_H

#include <qb/qbloop.h>
#include <stdbool.h>

#include "link.h"

struct xf_mover;

/* Both from the loop, never from inside a call. */
struct xf_mover_events {
    void (*message)(void *arg, const struct xf_link_msg *msg);
    void (*dead)(void *arg); /* reaped; the object goes with it */
};

/*
 * program: the hypervisor's mover. first: what it is told at once, SEND or RECEIVE with its
 * parameters. 0 or negative errno.
 */
int xf_mover_start(qb_loop_t *loop, const char *program, const struct xf_link_msg *first,
                   const struct xf_mover_events *events, void *arg, struct xf_mover **ret_mover);
/* A message without parameters: SWITCH, GRANT, CANCEL. */
void xf_mover_tell(struct xf_mover *mover, enum xf_link_type type);
/* events->dead follows. */
void xf_mover_kill(struct xf_mover *mover);
/* Kills it and forgets it, for an agent that ends. Takes NULL. */
void xf_mover_abandon(struct xf_mover *mover);

/*
 * Is a mover of this domain alive that this agent did not start? Kills it if so, by the pid that
 * it wrote into its lock file; to be asked again until false.
 */
bool xf_mover_stray_alive(const char *rundir, const struct xf_uuid *uuid);

#endif
