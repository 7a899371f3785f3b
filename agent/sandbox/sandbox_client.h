/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the agent's and the mover's drivers share: finding a sandbox process and starting one. */
#ifndef XF_SANDBOX_CLIENT_H
#define XF_SANDBOX_CLIENT_H

#include <sys/types.h>

#include "control.h"
#include "reason.h"

/* A connection; flags: SOCK_NONBLOCK or 0. Descriptor, -ENOENT when there is no such process. */
int xf_sandbox_connect(const char *dir, const struct xf_uuid *uuid, int flags);
/*
 * Sends msg and waits for its REPLY, passing over other packets; at most timeout_ms, -1: for ever.
 * 0, -ETIMEDOUT, or negative errno.
 */
int xf_sandbox_call(int sock, const struct xf_sandbox_msg *msg, int timeout_ms,
                    struct xf_sandbox_msg *ret_reply);
/*
 * As the process left it last. -ENOENT when no living process has this domain, -EAGAIN when one is
 * about to say that it has.
 */
int xf_sandbox_status(const char *dir, const struct xf_uuid *uuid,
                      struct xf_sandbox_status *ret_status);

struct xf_sandbox_start {
    const char *dir;
    const struct xf_uuid *uuid;
    const char *name;
    const char *config; /* text */
    int restore;        /* descriptor, or -1 */
};

/*
 * Starts a process that ends when the domain runs (or is restored), with a reason as its exit code
 * and a sentence readable from *ret_text. A caller that closes that, or dies, before the domain runs
 * (or is seen) gets none. 0 or negative errno.
 */
int xf_sandbox_spawn(const struct xf_sandbox_start *start, pid_t *ret_pid, int *ret_text);
/* Of its exit status, and the sentence it left; closes text_fd. */
enum xf_reason xf_sandbox_spawn_result(int status, int text_fd, char *text, size_t size);

#endif
