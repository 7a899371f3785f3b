/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One migration as its mover sees it: what was asked for, what the agent has allowed, why it ended.
 * Shared by the threads of source.c and dest.c; all but the first members are behind .lock.
 */
#ifndef XF_MOVER_JOB_H
#define XF_MOVER_JOB_H

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "drivers.h"
#include "link.h"
#include "page.h"

/* uuid, epoch, source, boot id. GnuTLS takes up to 128 characters. */
#define XF_IDENTITY_SIZE       96
/* Without a setting from the agent. */
#define XF_PROGRESS_TIMEOUT_MS 10000u
/* How often a side that has nothing to say shows that it is there: well within the timeout. */
#define XF_ALIVE_MS            500u

/* What the waiting is for, so that a stall can be told in words. */
enum xf_job_phase {
    XF_PHASE_CONNECT,  /* for the peer */
    XF_PHASE_PRODUCER, /* S: for the hypervisor's save stream */
    XF_PHASE_PEER,     /* for the peer to take or give bytes */
    XF_PHASE_CONSUMER, /* D: for the hypervisor to take bytes */
    XF_PHASE_AGENT,    /* for the agent's permission: has no limit here, cancelling ends it */
    XF_PHASE_BUILD,    /* S: for the peer's answer to the end; D: for restore to return */
};

struct xf_job {
    const struct xf_mover_hyper_ops *hyper;
    const char *dir;
    int link_fd;
    int stop_fd; /* readable: everybody stops */
    struct xf_link_params params;
    uint32_t timeout_ms;
    uint64_t start_us;
    char identity[XF_IDENTITY_SIZE];

    _Atomic uint64_t progress_us; /* when a byte last moved */
    _Atomic int phase;            /* enum xf_job_phase */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopped;
    bool reported; /* the last message is said */
    _Atomic bool may_switch;
    bool wants_end;
    _Atomic bool granted;
    enum xf_reason reason;
    char text[256];
    char why[200]; /* the hypervisor's words, by the thread that is in its hands */
    struct xf_link_msg out;
    uint8_t out_buf[XF_LINK_SIZE_MAX];
};

/* The first message must be SEND or RECEIVE. Negative errno when the agent is gone. */
int xf_job_begin(struct xf_job *job, const struct xf_mover_hyper_ops *hyper, const char *dir,
                 enum xf_link_type *ret_type);
/*
 * A restarted agent must be able to prove that this process is dead (H3), and to end it: a POSIX
 * record lock on a file of the domain's is held for life, and the kernel tells whose it is. False,
 * and failed, if another mover of this domain lives.
 */
bool xf_job_lock(struct xf_job *job);

/* The first failure wins, stops everybody and is what the agent will be told. */
void xf_job_fail(struct xf_job *job, enum xf_reason reason, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for what a channel said; -ECANCELED says nothing new. */
void xf_job_fail_channel(struct xf_job *job, int rc, const char *doing);
bool xf_job_stopped(struct xf_job *job);
void xf_job_progress(struct xf_job *job);
static inline void xf_job_phase(struct xf_job *job, enum xf_job_phase phase)
{
    atomic_store_explicit(&job->phase, (int)phase, memory_order_relaxed);
}
/* Milliseconds since a byte moved. */
uint64_t xf_job_silence_ms(struct xf_job *job);

/* To the agent; nothing more once the job failed. */
void xf_job_say(struct xf_job *job, enum xf_link_type type);
void xf_job_say_port(struct xf_job *job, uint16_t port);
/* What to say of an error of the driver: its words, or else the error's. */
const char *xf_job_why(const struct xf_job *job, int rc);
void xf_job_say_text(struct xf_job *job, enum xf_link_type type, const char *text);
void xf_job_say_round(struct xf_job *job, const struct xf_round *round);
/*
 * The last message of a move that went well. True: it is said, and from here on nothing fails or
 * cancels this job. False: it is not and never will be, because the job has failed.
 */
bool xf_job_say_totals(struct xf_job *job, enum xf_link_type type,
                       const struct xf_link_totals *totals);
/* Says FAILED, if that is so. */
void xf_job_say_failure(struct xf_job *job);

/* Reads what the agent says, without waiting. */
void xf_job_hear(struct xf_job *job);
/* What another thread brings about: is it so within timeout_ms, and the job not stopped? */
bool xf_job_await(struct xf_job *job, const _Atomic bool *flag, uint32_t timeout_ms);
void xf_job_announce(struct xf_job *job, _Atomic bool *flag);
/* Says WANT_END on the first call. 1 granted, 0 not yet, -ECANCELED stopped. */
int xf_job_await_grant(struct xf_job *job, uint32_t timeout_ms);

#endif
