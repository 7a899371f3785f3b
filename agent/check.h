/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The proof before a move, from the node that runs the domain: looks at the disks here, there, and
 * here again; probes the bridges; compares hosts. What the target does for it is in visits.c.
 */
#ifndef XF_CHECK_H
#define XF_CHECK_H

#include <jansson.h>

#include "agent.h"
#include "finding.h"

struct xf_check;

struct xf_check_options {
    bool cold;       /* the move would be */
    bool background; /* nobody waits: a target that has much to do may say BUSY */
};

/*
 * Once, from the loop. reason: XF_REASON_OK when the check was made, whatever it found; else why it
 * could not be (BUSY, PEER_LEFT). evidence: what both hosts know of each disk and bridge, for people
 * (docs/control.md CHECK); borrowed. The check frees itself.
 */
typedef void (*xf_check_done_fn)(void *arg, enum xf_reason reason,
                                 const struct xf_findings *findings, json_t *evidence,
                                 uint32_t took_ms);

struct xf_check *xf_check_start(struct xf_domain *dom, struct xf_slot target,
                                const struct xf_check_options *options, xf_check_done_fn done,
                                void *arg);
/* done will not come. Takes NULL. */
void xf_check_stop(struct xf_check *check);
/* Ends them all, for an agent that stops: AGENT_RESTARTED. */
void xf_checks_end(struct xf_agent *agent);

#endif
