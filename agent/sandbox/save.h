/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing the machine's image, in a thread of its own; at most one at a time. */
#ifndef XF_SANDBOX_SAVE_H
#define XF_SANDBOX_SAVE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "precopy.h"
#include "stream.h"

struct xf_machine;

struct xf_save {
    struct xf_machine *m;
    pthread_t thread;
    int out;  /* where the stream goes */
    int sock; /* the client's connection, a duplicate */
    int wake; /* eventfd: written at the end, and when the machine suspended */
    uint64_t cookie;
    bool cold;
    bool pipe;      /* out is one: pages need not be copied into it */
    uint64_t *bits; /* pages of the present round */
    uint64_t entry[XF_STREAM_BATCH_MAX];
    uint32_t n_entries;
    uint64_t total_written;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool aborted; /* the client is gone */
    bool answered;
    enum xf_verdict verdict;
    bool ended;
};

/* Takes out and sock. 0 or negative errno; then both are closed. */
int xf_save_start(struct xf_save *save, struct xf_machine *m, int out, int sock, int wake,
                  uint64_t cookie, bool cold);
void xf_save_answer(struct xf_save *save, enum xf_verdict verdict);
/* Ends it at its next step; a guest not yet suspended runs on. */
void xf_save_abort(struct xf_save *save);
bool xf_save_ended(struct xf_save *save);
/* After it ended: gives everything back. */
void xf_save_finish(struct xf_save *save);

#endif
