/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "gate.h"

#include <assert.h>

void xf_gate_init(struct xf_gate *gate)
{
    int r = pthread_mutex_init(&gate->lock, NULL);

    assert(r == 0);
    r = pthread_cond_init(&gate->opened, NULL);
    assert(r == 0);
    atomic_init(&gate->open, false);
}

bool xf_gate_enter(struct xf_gate *gate)
{
    bool waited = false;

    pthread_mutex_lock(&gate->lock);
    while (!atomic_load(&gate->open)) {
        waited = true;
        pthread_cond_wait(&gate->opened, &gate->lock);
    }
    return waited;
}

bool xf_gate_try_enter(struct xf_gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    if (!atomic_load(&gate->open)) {
        pthread_mutex_unlock(&gate->lock);
        return false;
    }
    return true;
}

void xf_gate_leave(struct xf_gate *gate)
{
    pthread_mutex_unlock(&gate->lock);
}

void xf_gate_open(struct xf_gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    atomic_store(&gate->open, true);
    pthread_cond_broadcast(&gate->opened);
    pthread_mutex_unlock(&gate->lock);
}

void xf_gate_shut(struct xf_gate *gate)
{
    /*
     * Stored before the lock is taken: a busy thread that leaves and enters again at once would
     * win the lock from us for ever, but so it finds the gate shut and waits.
     */
    atomic_store(&gate->open, false);
    pthread_mutex_lock(&gate->lock);
    pthread_mutex_unlock(&gate->lock);
}
