/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenferry-mover: the data path of one migration on one side. The agent starts it with their link
 * on descriptor 3 and speaks first (common/link.h). Everything that blocks is done here, so that
 * the agent never does; that this process dies is one more event to the agent.
 *
 *   job.c       what was asked, what is allowed, why it ended
 *   source.c    S: connects, saves, encodes        dest.c      D: listens, decodes, restores
 *   policy.c    S: the stop rule's feet on the ground
 *   encoder.c   save stream -> frames              decoder.c   frames -> save stream
 *   channel.c   TLS over TCP, in large batches     channel_open.c   who may connect
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hypers.h"
#include "job.h"
#include "roles.h"

/*
 * A mover must not outlive its agent: nobody would hold it back from sending the end (H3). The
 * agent may have died before the kernel was told; then our parent is no longer who made the link.
 */
static int die_with_agent(void)
{
    struct ucred agent;
    socklen_t size = sizeof(agent);

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
        getsockopt(XF_LINK_FD, SOL_SOCKET, SO_PEERCRED, &agent, &size) < 0) {
        return -errno;
    }
    return getppid() == agent.pid ? 0 : -ESRCH;
}

static void usage(FILE *to)
{
    fputs("usage: xenferry-mover [-d DIR] [-H HYPERVISOR] [-V] [-h]\n"
          "Started by xenferryd with their link on descriptor 3; see xenferry-mover(8).\n",
          to);
}

int main(int argc, char **argv)
{
    static struct xf_job job;
    const struct xf_mover_hyper_ops *hyper = xf_mover_hyper_find(NULL);
    const char *dir = XF_RUNDIR;
    enum xf_link_type role;
    int option;
    int rc;

    while ((option = getopt(argc, argv, "d:H:Vh")) != -1) {
        switch (option) {
        case 'd':
            dir = optarg;
            break;
        case 'H':
            hyper = xf_mover_hyper_find(optarg);
            if (!hyper) {
                fprintf(stderr, "xenferry-mover: no hypervisor is called %s\n", optarg);
                return 2;
            }
            break;
        case 'V':
            puts("xenferry-mover " PACKAGE_VERSION);
            return 0;
        case 'h':
            usage(stdout);
            return 0;
        default:
            usage(stderr);
            return 2;
        }
    }
    rc = die_with_agent();
    if (rc == 0) {
        signal(SIGPIPE,
               SIG_IGN); /* a pipe that nobody reads is an error to report, not to die of */
        rc = xf_job_begin(&job, hyper, dir, &role);
    }
    if (rc < 0) {
        fprintf(stderr, "xenferry-mover: no agent on descriptor %u: %s\n", XF_LINK_FD,
                strerror(-rc));
        return 2;
    }
    rc = role == XF_LINK_SEND ? xf_source_run(&job) : xf_dest_run(&job);
    /* Threads may still be in the hypervisor's hands: nothing is torn down under them. */
    _exit(rc);
}
