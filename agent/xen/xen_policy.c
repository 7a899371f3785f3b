/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "xen_policy.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <xenguest.h>

#include "preload/policy_proto.h"
#include "xen_mark.h"

/* Without our rule nobody tells of the suspend: it is looked for. */
#define LOOK_MS 5

static void tell_suspended(struct xf_xen_policy *p)
{
    if (!p->suspended) {
        p->suspended = true;
        p->events->suspended(p->arg);
    }
}

static int32_t ask(struct xf_xen_policy *p, const struct xf_policy_msg *msg)
{
    switch (p->events->policy(p->arg, msg->round, msg->total_written, msg->pages_dirty)) {
    case XF_VERDICT_STOP:
        return XGS_POLICY_STOP_AND_COPY;
    case XF_VERDICT_ABORT:
        p->aborted = true;
        return XGS_POLICY_ABORT;
    case XF_VERDICT_GO_ON:
    case XF_VERDICT_SLOW:
    case XF_N_VERDICTS:
        break;
    }
    return XGS_POLICY_CONTINUE_PRECOPY;
}

/* False: the helper is gone, or talks nonsense, which ends it. */
static bool hear(struct xf_xen_policy *p)
{
    struct xf_policy_msg msg;
    int32_t answer = 0;
    ssize_t n = recv(p->fd, &msg, sizeof(msg), MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return true;
    }
    if (n != (ssize_t)sizeof(msg)) {
        return false;
    }
    switch (msg.say) {
    case XF_POLICY_TAKEN:
        p->taken = true;
        return true;
    case XF_POLICY_ASK:
        answer = ask(p, &msg);
        break;
    case XF_POLICY_SUSPENDING:
        xf_xen_mark(p->dir, XF_XEN_SUSPENDING, &p->uuid);
        break;
    case XF_POLICY_SUSPENDED:
        tell_suspended(p);
        return true;
    default:
        return false;
    }
    return send(p->fd, &answer, sizeof(answer), MSG_NOSIGNAL) == (ssize_t)sizeof(answer);
}

static void look(struct xf_xen_policy *p)
{
    xc_domaininfo_t info;

    if (xc_domain_getinfolist(p->xen->xc, p->domid, 1, &info) == 1 && info.domain == p->domid &&
        xf_xen_suspended(&info)) {
        tell_suspended(p);
    }
}

static void *policy_main(void *arg)
{
    struct xf_xen_policy *p = arg;
    struct pollfd fds[2] = { { .fd = p->fd, .events = POLLIN },
                             { .fd = p->stop_fd, .events = POLLIN } };
    bool heard = true;

    while (fds[1].revents == 0) {
        bool blind = !p->taken && !p->suspended;

        if (poll(fds, 2, blind ? LOOK_MS : -1) < 0 && errno != EINTR) {
            break;
        }
        if (heard && fds[0].revents != 0) {
            heard = hear(p);
            fds[0].fd = heard ? p->fd : -1;
        }
        if (blind) {
            look(p);
        }
    }
    return NULL;
}

int xf_xen_policy_start(struct xf_xen_policy *p)
{
    char fd_text[16];
    int sv[2];

    p->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (p->stop_fd < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) != 0) {
        return -errno;
    }
    p->fd = sv[0];
    p->helper_fd = sv[1];
    (void)fcntl(p->helper_fd, F_SETFD, 0); /* libxl's fork hands it down */
    snprintf(fd_text, sizeof(fd_text), "%d", p->helper_fd);
    if (setenv(XF_POLICY_ENV, fd_text, 1) != 0 ||
        setenv(XF_POLICY_LIB_ENV, XF_LIBEXECDIR "/xenferry-policy.so", 1) != 0 ||
        setenv("LIBXL_SAVE_HELPER", XF_LIBEXECDIR "/xenferry-save-helper", 1) != 0) {
        return -ENOMEM;
    }
    return -pthread_create(&p->thread, NULL, policy_main, p);
}

void xf_xen_policy_stop(struct xf_xen_policy *p)
{
    (void)eventfd_write(p->stop_fd, 1);
    p->events->over(p->arg);
    pthread_join(p->thread, NULL);
    close(p->stop_fd);
    close(p->fd);
    close(p->helper_fd);
}
