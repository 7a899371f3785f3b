/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which node could take which domain of this node, by the last checks; and checks all the time, in
 * the background, in the order and within the budget of common/rota.h.
 */
#ifndef XF_MATRIX_H
#define XF_MATRIX_H

#include <jansson.h>

#include "agent.h"
#include "finding.h"

void xf_matrix_tick(struct xf_agent *agent, uint64_t now_ms);
/* A check was made, whoever asked for it. */
void xf_matrix_learn(struct xf_domain *dom, struct xf_slot target, enum xf_reason reason,
                     const struct xf_findings *findings, const json_t *evidence, uint32_t took_ms);
/* The hypervisor has news of a domain here: with another configuration its pairs have changed. */
void xf_matrix_news(struct xf_domain *dom, uint64_t now_ms);
/* Every pair is checked now, a few at a time. */
void xf_matrix_want_all(struct xf_agent *agent);
/* ROWs of docs/control.md, of this node's domains. */
json_t *xf_matrix_rows(struct xf_agent *agent);
/* The domain is here no longer. */
void xf_matrix_drop(struct xf_domain *dom);
void xf_matrix_free(struct xf_agent *agent);

#endif
