/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many domains may move at a time, and the queue of those that wait for a slot. */
#ifndef XF_SLOTS_H
#define XF_SLOTS_H

#include "agent.h"

/* Domains coming to this node, dom left out. */
uint32_t xf_slots_incoming(struct xf_agent *agent, const struct xf_domain *dom);
void xf_slots_count(struct xf_agent *agent, struct xf_slot node, uint32_t *ret_out,
                    uint32_t *ret_in);
/* The attempt gets a slot and starts now, or waits if it may, or is refused. */
enum xf_reason xf_slots_admit(struct xf_domain *dom);
/* Admits who waits, in the order of acceptance. */
void xf_slots_run(struct xf_agent *agent);
/* May this attempt's guest be suspended now? One switch-over at a time on any node. */
bool xf_slots_may_switch(struct xf_domain *dom, uint64_t now_ms);

#endif
