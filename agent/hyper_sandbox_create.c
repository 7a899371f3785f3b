/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "hyper_sandbox.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "domcfg.h"

/* The starter, which ends when the domain runs or could not be started. */
struct xf_sandbox_create {
    struct xf_sandbox_create *next;
    struct xf_hyper *hyper;
    struct xf_uuid uuid;
    uint64_t cookie;
    int pidfd;
    int text_fd;
};

static void forget(struct xf_sandbox_create *c)
{
    struct xf_sandbox_create **at = &c->hyper->creates;

    while (*at != c) {
        at = &(*at)->next;
    }
    *at = c->next;
    (void)qb_loop_poll_del(c->hyper->loop, c->pidfd);
    (void)close(c->pidfd);
    if (c->text_fd >= 0) {
        (void)close(c->text_fd);
    }
    free(c);
}

static int32_t on_end(int32_t fd, int32_t revents, void *data)
{
    struct xf_sandbox_create *c = data;
    struct xf_hyper *hyper = c->hyper;
    struct xf_uuid uuid = c->uuid;
    uint64_t cookie = c->cookie;
    char text[XF_SANDBOX_TEXT_SIZE];
    enum xf_reason reason;
    siginfo_t si = { .si_pid = 0 };

    (void)fd;
    (void)revents;
    if (waitid(P_PIDFD, (id_t)c->pidfd, &si, WEXITED | WNOHANG) < 0 || si.si_pid == 0) {
        si.si_code = CLD_KILLED; /* somebody else took its exit code */
    }
    reason = xf_sandbox_spawn_result(si.si_code == CLD_EXITED ? W_EXITCODE(si.si_status, 0) : -1,
                                     c->text_fd, text, sizeof(text));
    c->text_fd = -1;
    forget(c);
    if (reason == XF_REASON_OK && xf_sandbox_domain_find(hyper, &uuid) == NULL) {
        reason = XF_REASON_HYPERVISOR; /* it lived for a moment */
    }
    if (reason != XF_REASON_OK && text[0] == '\0') {
        (void)strncpy(text, xf_reason_sentence(reason), sizeof(text) - 1);
    }
    hyper->events.done(hyper->arg, cookie, reason == XF_REASON_OK, reason, text);
    return 0;
}

void xf_sandbox_create(struct xf_hyper *hyper, uint64_t cookie, const struct xf_uuid *uuid,
                       const char *config)
{
    struct xf_sandbox_start start = {
        .dir = hyper->dir, .uuid = uuid, .config = config, .restore = -1
    };
    struct xf_sandbox_create *c;
    char text[XF_SANDBOX_TEXT_SIZE];
    struct xf_domcfg cfg;
    int rc, text_fd;
    pid_t pid;

    if (xf_domcfg_parse(config, strlen(config), &cfg, text, sizeof(text)) < 0) {
        xf_sandbox_answer_late(hyper, cookie, XF_REASON_CONFIG, text);
        return;
    }
    if (xf_sandbox_domain_find(hyper, uuid) != NULL) {
        xf_sandbox_answer_late(hyper, cookie, XF_REASON_EXISTS, NULL);
        return;
    }
    start.name = cfg.name;
    rc = xf_sandbox_spawn(&start, &pid, &text_fd);
    if (rc < 0) {
        xf_sandbox_answer_late(hyper, cookie, XF_REASON_HYPERVISOR, strerror(-rc));
        return;
    }
    c = calloc(1, sizeof(*c));
    assert(c != NULL);
    *c = (struct xf_sandbox_create){
        .next = hyper->creates, .hyper = hyper, .uuid = *uuid, .cookie = cookie, .text_fd = text_fd
    };
    /* Our child, not waited for yet: its number is its own. */
    c->pidfd = pidfd_open(pid, 0);
    assert(c->pidfd >= 0);
    hyper->creates = c;
    rc = qb_loop_poll_add(hyper->loop, QB_LOOP_MED, c->pidfd, POLLIN, c, on_end);
    assert(rc == 0);
}

void xf_sandbox_creates_drop(struct xf_hyper *hyper)
{
    while (hyper->creates != NULL) {
        forget(hyper->creates);
    }
}
