/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Address hand-over: three objects, each of one migration.
 *
 *   learn     S, during pre-copy: which addresses does the domain use?       net_learn.c
 *   announce  D: tell the network that the domain's MACs live here now       net_announce.c
 *   watch     S: when does the network believe it?                           net_watch.c
 *
 * In the order of a move:
 *
 *   S  xf_learn_start() with the transfer; xf_learn_get() once the guest is suspended, at the
 *      latest, sent to D as payload (xf_addresses_encode()); xf_learn_stop()
 *   S  xf_watch_prepare() with the transfer; xf_watch_start() when COMMIT is noted
 *   D  xf_announce_prepare() in PREPARE; xf_announce_learned() when S's addresses arrive
 *   D  xf_announce_fire() after RUNNING has been sent
 *   S  the callback; then xf_watch_stop(). D  xf_announce_free()
 *
 * Everything is allocated, opened and put into the loop by the *_prepare and *_start functions, and
 * frames are built there: xf_announce_learned(), xf_announce_fire() and xf_watch_start() allocate
 * and open nothing (H12). No call blocks. Needs CAP_NET_RAW and CAP_NET_ADMIN.
 *
 * A port of the bridge leads outside unless it is a tap or a Xen vif. VLANs that a filtering bridge
 * adds between tap and uplink are not known here.
 */
#ifndef XF_NET_ANNOUNCE_H
#define XF_NET_ANNOUNCE_H

#include <stdbool.h>
#include <stdint.h>

#include <qb/qbloop.h>

#include "announce.h"

struct xf_dom_needs;

/* The domain's MACs, with the addresses that its configuration names. */
void xf_addresses_of_config(const struct xf_dom_needs *needs, struct xf_addresses *ret_addresses);

/* ---- learn ---- */

struct xf_learn;

/* Starts with what the configuration says. 0 or negative errno (a missing bridge: -ENODEV). */
int xf_learn_start(qb_loop_t *loop, const struct xf_dom_needs *needs, struct xf_learn **ret_learn);
/* What is known so far. */
void xf_learn_get(struct xf_learn *learn, struct xf_addresses *ret_addresses);
void xf_learn_stop(struct xf_learn *learn); /* takes NULL */

/* ---- announce ---- */

struct xf_announce;

/* learned may be NULL: then the configuration's addresses only. 0 or negative errno. */
int xf_announce_prepare(qb_loop_t *loop, const struct xf_dom_needs *needs,
                        const struct xf_addresses *learned, struct xf_announce **ret_announce);
/* More addresses, at any time before fire. */
void xf_announce_learned(struct xf_announce *announce, const struct xf_addresses *learned);
/*
 * Sends the first burst before it returns; the others follow from the loop, by
 * xf_announce_schedule. A second call starts the schedule anew.
 */
void xf_announce_fire(struct xf_announce *announce);
/* True from fire until the last burst is sent. */
bool xf_announce_busy(const struct xf_announce *announce);
/*
 * Takes NULL. Stops at once: to be called before the domain leaves this host again, or else two
 * hosts contend for its MAC. Never called for it, the object stays idle after the last burst.
 */
void xf_announce_free(struct xf_announce *announce);

/* ---- watch ---- */

struct xf_watch;

struct xf_watch_result {
    uint64_t at_ns;    /* CLOCK_MONOTONIC: the last of the domain's MACs arrived from outside */
    uint64_t first_ns; /* the same of the first MAC */
    uint32_t n_vifs;   /* MACs that were waited for */
    bool fdb_moved;    /* and the bridge forwards them that way; false: it does not tell */
};

/* Called once, from the loop. xf_watch_stop() may be called from inside. */
typedef void (*xf_watch_seen_fn)(void *arg, const struct xf_watch_result *result);

/* 0; -ENOENT when no vif's bridge has a port that leads outside; or negative errno. */
int xf_watch_prepare(qb_loop_t *loop, const struct xf_dom_needs *needs, xf_watch_seen_fn seen,
                     void *arg, struct xf_watch **ret_watch);
/* From now on frames count. Without it the callback is never called. */
void xf_watch_start(struct xf_watch *watch);
void xf_watch_stop(struct xf_watch *watch); /* takes NULL; frees */

#endif
