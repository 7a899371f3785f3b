/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Time as the agent measures it, and one steady tick that needs no memory to go on (H12). */
#ifndef XF_CLOCK_QB_H
#define XF_CLOCK_QB_H

#include <qb/qbloop.h>
#include <stddef.h>
#include <stdint.h>

#define XF_TICK_MS 50u

uint64_t xf_now_us(void); /* monotonic */
uint64_t xf_now_ms(void);
uint64_t xf_wall_us(void); /* since 1970 */
/* "2024-05-06T07:08:09Z" */
void xf_now_iso(char *buf, size_t size);

struct xf_ticker;
/* Calls every XF_TICK_MS from the loop. NULL: no descriptor left. */
struct xf_ticker *xf_ticker_open(qb_loop_t *loop, void (*tick)(void *arg), void *arg);
void xf_ticker_close(struct xf_ticker *ticker);
/* The longest that the loop kept a tick waiting, since the start. */
uint64_t xf_ticker_late_max_us(const struct xf_ticker *ticker);

#endif
