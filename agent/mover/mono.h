/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Time, and waiting that can be ended from outside. */
#ifndef XF_MOVER_MONO_H
#define XF_MOVER_MONO_H

#include <stdint.h>

uint64_t xf_mono_us(void);
/*
 * Waits until fd (-1: nothing) shows events: 1, the time is over: 0 (also now and then for no
 * reason), stop_fd is readable: -ECANCELED. timeout_ms -1: for ever.
 */
int xf_wait_fd(int fd, short events, int stop_fd, int timeout_ms);

#endif
