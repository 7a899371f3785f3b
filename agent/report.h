/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is told about a migration: while it runs, and when it ended. docs/control.md has the shapes. */
#ifndef XF_REPORT_H
#define XF_REPORT_H

#include <jansson.h>

#include "agent.h"

/* Why a move ended so: words of PREPARE, of both movers, and of what is known of the source. */
#define XF_REPORT_DETAIL_SIZE 3072u
#define XF_REPORT_TEXT_SIZE   (XF_REPORT_DETAIL_SIZE + 128u) /* and the reason's sentence */

/* MIGRATION of a domain whose record here is a party. */
json_t *xf_report_migration(struct xf_domain *dom);
/* REPORT of the attempt that ended. */
json_t *xf_report_end(struct xf_domain *dom);
/* To everybody here who watches or waits, and to the other nodes if asked. */
void xf_report_progress(struct xf_domain *dom, bool to_group);
/* Sends the report to all nodes, keeps it, and tells who waits for it. Takes the reference. */
void xf_report_publish(struct xf_domain *dom, json_t *report);
/* A report that is kept and is known better now; tells who watches here. */
void xf_report_amend(struct xf_agent *agent, json_t *report);
/* The report of the target, told again: the source answers with its own. */
void xf_report_ask(struct xf_agent *agent, const struct xf_peer *source, const json_t *report);
/* One from another node. */
void xf_report_received(struct xf_agent *agent, struct xf_node from, const struct xf_frame *frame);
void xf_progress_received(struct xf_agent *agent, struct xf_node from,
                          const struct xf_frame *frame);
/* The word for where a migration stands. */
const char *xf_report_state(const struct xf_domain *dom);
/* The pause besides its last pages: as the last moves had it, or guessed from how this one began. */
uint32_t xf_report_fixed_cost_us(const struct xf_agent *agent, const struct xf_attempt *at);
/* A text field, "" if there is none. */
const char *xf_report_text(const json_t *report, const char *key);
/* The same object with "event" in front. */
json_t *xf_report_event(const char *event, json_t *object);

#endif
