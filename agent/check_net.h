/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The network's part of a check, from the source: probes every bridge of a domain's vifs. */
#ifndef XF_CHECK_NET_H
#define XF_CHECK_NET_H

#include <jansson.h>

#include "agent.h"
#include "finding.h"
#include "net_probe.h"

struct xf_check_net;

/*
 * Once, from the loop; frees itself. reason: XF_REASON_OK, or why it could not be (BUSY, PEER_LEFT).
 * findings and bridges (a list for people) are borrowed. frames: how many both hosts sent.
 */
typedef void (*xf_check_net_done_fn)(void *arg, enum xf_reason reason,
                                     const struct xf_findings *findings, json_t *bridges,
                                     uint32_t frames);

/* Distinct bridges that the needs name. */
uint32_t xf_check_net_bridges(const struct xf_dom_needs *needs,
                              struct xf_net_probe_bridge ret_bridge[static XF_VIFS_MAX]);
struct xf_check_net *xf_check_net_start(struct xf_agent *agent, struct xf_node target,
                                        const struct xf_dom_needs *needs, bool background,
                                        xf_check_net_done_fn done, void *arg);
/* What is not known yet counts as unproven, and done comes now. */
void xf_check_net_cut(struct xf_check_net *net);
void xf_check_net_stop(struct xf_check_net *net); /* done will not come; takes NULL */

#endif
