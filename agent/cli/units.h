/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers as people write and read them: sizes, rates, times. No I/O.
 */
#ifndef XF_UNITS_H
#define XF_UNITS_H

#include <stddef.h>
#include <stdint.h>

#define XF_UNITS_SIZE 32u /* every text written here fits, with its NUL */

/* Decimal digits only, within [min, max]. 0 or -EINVAL. */
int xf_units_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value);
/*
 * Bytes per second, with an optional K, M or G (powers of 1024) and an optional fraction ("1.5M").
 * The answer is in KiB/s, rounded up, never 0: to the agent 0 means no limit. 0 or -EINVAL.
 */
int xf_units_parse_rate(const char *text, uint64_t *ret_kibps);
/* Seconds, with an optional fraction, as milliseconds; at least 1. 0 or -EINVAL. */
int xf_units_parse_seconds(const char *text, int *ret_ms);

void xf_units_bytes(char *buf, size_t size, double bytes);
void xf_units_rate(char *buf, size_t size, double kibps);
void xf_units_time(char *buf, size_t size, double ms);

#endif
