/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * S: between the hypervisor's pre-copy loop and the stop rule (common/precopy.h). Measures rounds,
 * asks the agent before the guest is suspended, moves the scheduler's cap.
 */
#ifndef XF_MOVER_POLICY_H
#define XF_MOVER_POLICY_H

#include <stdint.h>

#include "drivers.h"
#include "encoder.h"
#include "job.h"

struct xf_policy;

struct xf_policy *xf_policy_new(struct xf_job *job, struct xf_encoder *enc, uint64_t pages);
/* The peer has done what it can before the last page. */
void xf_policy_peer_prepared(struct xf_policy *policy);
void xf_policy_free(struct xf_policy *policy);

/* For save(); arg is the policy. */
extern const struct xf_save_events xf_policy_events;

/* Just before save() of a cold move: from here on the guest is being suspended. */
void xf_policy_cold(struct xf_policy *policy);
/* All is sent: ends the last round. */
void xf_policy_sent(struct xf_policy *policy);
/* Tells the agent how the present round stands; from any thread. */
void xf_policy_tell(struct xf_policy *policy);
/*
 * The guest gets its speed back, if it was ever slowed, and is not slowed again. From any thread;
 * takes no longer than two calls of the hypervisor's cap() may.
 */
void xf_policy_lift_cap(struct xf_policy *policy);

/* Has suspending been asked for, and when (0: not)? From any thread. */
uint64_t xf_policy_stop_us(const struct xf_policy *policy);
uint64_t xf_policy_suspended_us(const struct xf_policy *policy);
/* Fills in rounds, prediction and the phases of the pause. */
void xf_policy_totals(struct xf_policy *policy, struct xf_link_totals *totals);

#endif
