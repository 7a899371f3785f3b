/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a target does for another agent's check: looks at the disks, says what the host can take,
 * answers the probe of its bridges. Peers ask for it, with the verbs visit and probe.
 */
#ifndef XF_VISITS_H
#define XF_VISITS_H

#include "agent.h"

void xf_visits_free(struct xf_agent *agent);
/* Is a guest of this node, or one that comes here, in its pause? Nothing in the background then. */
bool xf_visits_pause(const struct xf_agent *agent);

#endif
