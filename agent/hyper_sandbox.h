/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent's driver of the sandbox hypervisor, inside: hyper_sandbox.c has the table of
 * operations, hyper_sandbox_domain.c one connection per domain, hyper_sandbox_create.c the start
 * of new ones.
 */
#ifndef XF_HYPER_SANDBOX_H
#define XF_HYPER_SANDBOX_H

#include "drivers.h"
#include "reserve.h"
#include "sandbox/sandbox_client.h"

#define XF_SANDBOX_OPS_MAX 8 /* of one domain at a time; the core asks for one */

struct xf_sandbox_domain {
    struct xf_sandbox_domain *next;
    struct xf_hyper *hyper;
    struct xf_sandbox_status status; /* as read last */
    int sock;                        /* -1: not listening yet */
    int pidfd;                       /* readable when the process, with all its threads, is gone */
    qb_loop_timer_handle kill_timer;
    bool destroying;
    bool announced; /* changed() told of it, or the first scan shows it */
    struct {
        bool used;
        bool destroys;
        uint64_t cookie;
    } op[XF_SANDBOX_OPS_MAX];
};

struct xf_sandbox_late; /* an answer that must not come from inside the operation */
struct xf_sandbox_create;

struct xf_hyper {
    qb_loop_t *loop;
    char dir[XF_SANDBOX_PATH_SIZE];
    uint64_t memory_limit_mib;
    struct xf_hyper_events events;
    void *arg;
    int inotify;
    struct xf_sandbox_domain *domains;
    struct xf_sandbox_create *creates;
    struct xf_sandbox_late *late; /* newest first */
    struct xf_reserves reserves;
};

/* Ends an operation from the loop, soon. text may be NULL: the reason's own sentence. */
void xf_sandbox_answer_late(struct xf_hyper *hyper, uint64_t cookie, enum xf_reason reason,
                            const char *text);
void xf_sandbox_answers_drop(struct xf_hyper *hyper);

/* Watches the directory and finds what is there. 0 or negative errno. */
int xf_sandbox_domains_open(struct xf_hyper *hyper);
void xf_sandbox_domains_close(struct xf_hyper *hyper);
/* Takes up every living process not known yet. */
void xf_sandbox_domains_look(struct xf_hyper *hyper);
/* NULL when no living process has it. Looks for itself when it is not known yet. */
struct xf_sandbox_domain *xf_sandbox_domain_find(struct xf_hyper *hyper,
                                                 const struct xf_uuid *uuid);
/* Reads the status page anew; false when it cannot be read. */
bool xf_sandbox_domain_info(struct xf_sandbox_domain *domain, struct xf_dom_info *ret_info);
/* Sends a request whose reply ends the operation. */
void xf_sandbox_domain_ask(struct xf_hyper *hyper, uint64_t cookie, const struct xf_uuid *uuid,
                           enum xf_sandbox_type type, uint32_t arg);
void xf_sandbox_domain_destroy(struct xf_hyper *hyper, uint64_t cookie, const struct xf_uuid *uuid);

void xf_sandbox_create(struct xf_hyper *hyper, uint64_t cookie, const struct xf_uuid *uuid,
                       const char *config);
/* Forgets starts under way: domains that do not run yet never will. */
void xf_sandbox_creates_drop(struct xf_hyper *hyper);

#endif
