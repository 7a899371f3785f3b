/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenferry-xen: the agent's hands on Xen. libxl, xenctrl and xenstore block, so the agent calls
 * none of them: it starts this program, with their link on descriptor 3, once to watch and once
 * for every slow operation.
 *
 *   xen_lib.c    what all programs share         xen_watch.c      sees and unpauses
 *   xen_ops.c    create, destroy, resume, rename xen_translate.c  xl's configuration
 *   xen_mark.c   marks in /run                   xen_keep.c        starts keepers
 *   xen_guest.c  what a guest was given, and what it says of itself
 *   xen_save.c xen_restore.c xen_policy.c        the mover's side
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "xen_lib.h"
#include "xen_ops.h"
#include "xen_proto.h"
#include "xen_watch.h"

static void usage(FILE *to)
{
    fputs("usage: xenferry-xen [-d DIR] [-V] [-h] watch|op\n"
          "Started by xenferryd with their link on descriptor 3; see xenferryd(8).\n",
          to);
}

static int answer(const struct xf_xen_msg *msg)
{
    size_t size = xf_xen_msg_size(msg);

    return send(XF_XEN_FD, msg, size, MSG_NOSIGNAL) == (ssize_t)size ? 0 : 1;
}

static int no_xen(struct xf_xen_msg *msg)
{
    msg->type = XF_XEN_DONE;
    msg->reason = XF_REASON_HYPERVISOR;
    msg->config_size = 0;
    (void)answer(msg);
    fprintf(stderr, "xenferry-xen: %s\n", msg->text);
    return 1;
}

/* A watcher is no use to anybody else; an operation that was begun is better ended. */
static int watch(struct xf_xen_msg *msg, const char *dir)
{
    static struct xf_xen *volatile xen; /* for the life of the process: never freed, never lost */
    struct ucred agent;
    socklen_t size = sizeof(agent);

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 ||
        getsockopt(XF_XEN_FD, SOL_SOCKET, SO_PEERCRED, &agent, &size) != 0 ||
        getppid() != agent.pid) {
        return 1;
    }
    xen = xf_xen_open("xenferry-xen", msg->text);
    return xen != NULL ? xf_xen_watch(xen, dir) : no_xen(msg);
}

static int operate(struct xf_xen_msg *msg, const char *dir)
{
    ssize_t n = recv(XF_XEN_FD, msg, sizeof(*msg), 0);
    static struct xf_xen *volatile xen; /* as above */

    if (n <= 0 || !xf_xen_msg_ok(msg, (size_t)n)) {
        fprintf(stderr, "xenferry-xen: no agent on descriptor %d\n", XF_XEN_FD);
        return 2;
    }
    if (msg->type == XF_XEN_TRANSLATE) {
        xf_xen_translate(msg);
        return answer(msg);
    }
    if (msg->type == XF_XEN_ADDRESSES) {
        xf_xen_op_addresses(msg);
        return answer(msg);
    }
    xen = xf_xen_open("xenferry-xen", msg->text);
    if (xen == NULL) {
        return no_xen(msg);
    }
    xf_xen_op(xen, dir, msg);
    return answer(msg);
}

int main(int argc, char **argv)
{
    static struct xf_xen_msg msg;
    const char *dir = XF_RUNDIR;
    int option;

    while ((option = getopt(argc, argv, "d:Vh")) != -1) {
        switch (option) {
        case 'd':
            dir = optarg;
            break;
        case 'V':
            puts("xenferry-xen " PACKAGE_VERSION);
            return 0;
        case 'h':
            usage(stdout);
            return 0;
        default:
            usage(stderr);
            return 2;
        }
    }
    if (optind != argc - 1) {
        usage(stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    /* What we start must not hold our link open. */
    if (fcntl(XF_XEN_FD, F_SETFD, FD_CLOEXEC) != 0) {
        fprintf(stderr, "xenferry-xen: no agent on descriptor %d\n", XF_XEN_FD);
        return 2;
    }
    if (strcmp(argv[optind], "watch") == 0) {
        return watch(&msg, dir);
    }
    if (strcmp(argv[optind], "op") == 0) {
        return operate(&msg, dir);
    }
    usage(stderr);
    return 2;
}
