/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mover's side of the sandbox hypervisor; every call blocks. */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox_client.h"
#include "domcfg.h"
#include "drivers.h"

#define SAVE_COOKIE 1u

/* Answers the sandbox until the save ends. 0 or negative errno. */
static int follow(int sock, const struct xf_save_events *events, void *arg,
                  enum xf_reason *ret_reason)
{
    for (;;) {
        struct xf_sandbox_msg in, out = { .type = XF_SANDBOX_VERDICT, .cookie = SAVE_COOKIE };
        int fd = -1, rc = xf_sandbox_receive(sock, &in, &fd);

        if (fd >= 0) {
            (void)close(fd);
        }
        if (rc < 0) {
            *ret_reason = XF_REASON_HYPERVISOR; /* the domain's process is gone */
            return rc;
        }
        if (in.cookie != SAVE_COOKIE) {
            continue;
        }
        if (in.type == XF_SANDBOX_POLICY) {
            out.arg = events->policy(arg, in.arg, in.written, in.dirty);
            rc = xf_sandbox_send(sock, &out);
            if (rc < 0 && rc != -EPIPE) {
                *ret_reason = XF_REASON_HYPERVISOR;
                return rc;
            }
        } else if (in.type == XF_SANDBOX_SUSPENDED) {
            events->suspended(arg);
        } else if (in.type == XF_SANDBOX_REPLY) {
            *ret_reason = in.reason < XF_N_REASONS ? (enum xf_reason)in.reason : XF_REASON_INTERNAL;
            return in.reason == XF_REASON_OK          ? 0
                   : in.reason == XF_REASON_CANCELLED ? -ECANCELED
                                                      : -EIO;
        }
    }
}

static int sandbox_save(const char *dir, const struct xf_uuid *uuid, int fd, bool cold,
                        const struct xf_save_events *events, void *arg, enum xf_reason *ret_reason)
{
    struct xf_sandbox_msg msg = { .type = XF_SANDBOX_SAVE,
                                  .cookie = SAVE_COOKIE,
                                  .arg = cold ? 1 : 0 };
    int sock = xf_sandbox_connect(dir, uuid, 0);
    int rc;

    if (sock < 0) {
        *ret_reason = sock == -ENOENT ? XF_REASON_NOT_RUNNING : XF_REASON_HYPERVISOR;
        return sock;
    }
    *ret_reason = XF_REASON_HYPERVISOR;
    rc = xf_sandbox_send_fd(sock, &msg, fd);
    if (rc == 0) {
        rc = follow(sock, events, arg, ret_reason);
    }
    (void)close(sock);
    return rc;
}

static int sandbox_restore(const char *dir, const struct xf_uuid *uuid, const char *config, int fd,
                           const struct xf_restore_events *events, void *arg,
                           enum xf_reason *ret_reason)
{
    struct xf_sandbox_start start = { .dir = dir, .uuid = uuid, .config = config, .restore = fd };
    char text[XF_SANDBOX_TEXT_SIZE];
    struct xf_domcfg cfg;
    int rc, status, text_fd;
    pid_t pid;

    events->prepared(arg); /* a tap and a file are opened in no time */
    if (xf_domcfg_parse(config, strlen(config), &cfg, text, sizeof(text)) < 0) {
        *ret_reason = XF_REASON_CONFIG;
        return -EINVAL;
    }
    start.name = cfg.name;
    *ret_reason = XF_REASON_INTERNAL;
    rc = xf_sandbox_spawn(&start, &pid, &text_fd);
    if (rc < 0) {
        return rc;
    }
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            rc = -errno;
            (void)close(text_fd);
            return rc;
        }
    }
    *ret_reason = xf_sandbox_spawn_result(status, text_fd, text, sizeof(text));
    return *ret_reason == XF_REASON_OK ? 0 : -EIO;
}

static int sandbox_cap(const char *dir, const struct xf_uuid *uuid, uint32_t percent)
{
    struct xf_sandbox_msg msg = { .type = XF_SANDBOX_SLOW, .cookie = 1, .arg = percent }, reply;
    int sock = xf_sandbox_connect(dir, uuid, SOCK_NONBLOCK);
    int rc;

    if (sock < 0) {
        return sock;
    }
    rc = xf_sandbox_call(sock, &msg, XF_CAP_MS, &reply);
    (void)close(sock);
    if (rc < 0) {
        return rc;
    }
    return reply.reason == XF_REASON_OK            ? 0
           : reply.reason == XF_REASON_NOT_RUNNING ? -ENOENT
                                                   : -EINVAL;
}

static int sandbox_pages(const char *dir, const struct xf_uuid *uuid, uint64_t *ret_pages)
{
    struct xf_sandbox_status status;
    int rc = xf_sandbox_status(dir, uuid, &status);

    if (rc < 0) {
        return rc;
    }
    /* The status page is there first, the memory later. */
    if (status.n_pages == 0) {
        return -EAGAIN;
    }
    *ret_pages = status.n_pages;
    return 0;
}

const struct xf_mover_hyper_ops xf_mover_sandbox = {
    .name = "sandbox",
    .save = sandbox_save,
    .restore = sandbox_restore,
    .cap = sandbox_cap,
    .pages = sandbox_pages,
};
