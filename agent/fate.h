/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What became of a domain whose source fell silent amid a move. The target then speaks for both, but
 * knows only that nothing runs at its own end: its report says "unknown". Whoever keeps such a report
 * amends it when there is more to know: the source is confirmed off, is back, or tells itself.
 */
#ifndef XF_FATE_H
#define XF_FATE_H

#include "agent.h"
#include "attempt.h"

/*
 * Of an attempt that ended here: the report's result ("moved", "kept", "lost", "unknown"). ret_text
 * gets what is known of the other node, "" if the result says it all.
 */
const char *xf_fate_result(const struct xf_agent *agent, const struct xf_attempt *at,
                           char *ret_text, size_t size);
/* The node had a domain that was to move away from it, and is confirmed off. */
void xf_fate_confirmed_off(struct xf_agent *agent, const struct xf_peer *source);
/* The node has told what it holds, for the first time since it was away: it is asked, too. */
void xf_fate_returned(struct xf_agent *agent, const struct xf_peer *source);

#endif
