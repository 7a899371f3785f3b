/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between a guest's thread and whoever stops the guest: the thread does one piece of the guest's
 * work between enter and leave; shut() returns when it is outside and stays outside.
 */
#ifndef XF_SANDBOX_GATE_H
#define XF_SANDBOX_GATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct xf_gate {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    atomic_bool open;
};

void xf_gate_init(struct xf_gate *gate);
/* Waits until open. True when it had to wait. */
bool xf_gate_enter(struct xf_gate *gate);
/* False, and outside, when shut. */
bool xf_gate_try_enter(struct xf_gate *gate);
void xf_gate_leave(struct xf_gate *gate);
void xf_gate_open(struct xf_gate *gate);
void xf_gate_shut(struct xf_gate *gate);

#endif
