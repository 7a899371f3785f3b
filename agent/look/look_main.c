/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenferry-look: describes one disk. The agent sends what to look at as one packet on descriptor 3,
 * and gets the whole answer as one packet, or none: it ends a look that takes too long. People name the
 * disk on the command line instead.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "diskmsg.h"
#include "look.h"
#include "text.h"

#define AGENT_FD 3 /* agent/child.h */

static void usage(FILE *to)
{
    fputs("usage: xenferry-look [--root TREE] [--salt HEX] [--size BYTES] [--write] [--coming]\n"
          "                     [--make NONCE | --seek NONCE | --remove NONCE] PATH\n"
          "       xenferry-look --help | --version\n"
          "Without arguments it is started by xenferryd; see xenferry-look(8).\n",
          to);
}

/* As the mover's: it must not outlive the agent, which may have died already. */
static int die_with_agent(void)
{
    struct ucred agent;
    socklen_t size = sizeof(agent);

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
        getsockopt(AGENT_FD, SOL_SOCKET, SO_PEERCRED, &agent, &size) < 0) {
        return -errno;
    }
    return getppid() == agent.pid ? 0 : -ESRCH;
}

static int serve(void)
{
    static const struct xf_tree host;
    static struct xf_disk disk;
    static uint8_t packet[XF_DISKMSG_SIZE_MAX];
    struct xf_look look;
    ssize_t n;
    int rc = die_with_agent();

    if (rc < 0 || fcntl(AGENT_FD, F_SETFD, FD_CLOEXEC) < 0) {
        fprintf(stderr, "xenferry-look: no agent on descriptor %d\n", AGENT_FD);
        return 2;
    }
    do {
        n = recv(AGENT_FD, packet, sizeof(packet), 0);
    } while (n < 0 && errno == EINTR);
    if (n < 0 || xf_look_decode(packet, (size_t)n, &look) < 0) {
        return 2;
    }
    xf_look_at(&host, &look, &disk);
    rc = xf_disk_encode(&disk, packet, sizeof(packet));
    if (rc < 0) {
        return 1;
    }
    return send(AGENT_FD, packet, (size_t)rc, MSG_NOSIGNAL) == rc ? 0 : 1;
}

static int parse_salt(const char *hex, uint8_t salt[static XF_SALT_SIZE])
{
    if (strlen(hex) != 2 * (size_t)XF_SALT_SIZE) {
        return -EINVAL;
    }
    for (size_t i = 0; i < XF_SALT_SIZE; i++) {
        char two[3] = { hex[2 * i], hex[2 * i + 1], '\0' };
        uint64_t v;

        if (xf_hex_parse(two, &v) < 0) {
            return -EINVAL;
        }
        salt[i] = (uint8_t)v;
    }
    return 0;
}

enum { OPT_ROOT = 256, OPT_SALT, OPT_SIZE, OPT_WRITE, OPT_COMING, OPT_MAKE, OPT_SEEK, OPT_REMOVE };

static const struct option options[] = {
    { "root", required_argument, NULL, OPT_ROOT },
    { "salt", required_argument, NULL, OPT_SALT },
    { "size", required_argument, NULL, OPT_SIZE },
    { "write", no_argument, NULL, OPT_WRITE },
    { "coming", no_argument, NULL, OPT_COMING },
    { "make", required_argument, NULL, OPT_MAKE },
    { "seek", required_argument, NULL, OPT_SEEK },
    { "help", no_argument, NULL, 'h' },
    { "remove", required_argument, NULL, OPT_REMOVE },
    { "version", no_argument, NULL, 'V' },
    { NULL, 0, NULL, 0 },
};

static int set_nonce(struct xf_look *look, enum xf_nonce_task task, const char *nonce)
{
    look->nonce_task = (uint8_t)task;
    return xf_text_copy(look->nonce, sizeof(look->nonce), nonce) ? 0 : -EINVAL;
}

/* 0, -EINVAL, or 1: there is nothing more to do. */
static int read_option(int option, struct xf_tree *tree, struct xf_look *look)
{
    switch (option) {
    case OPT_ROOT:
        tree->root = optarg;
        return 0;
    case OPT_SALT:
        return parse_salt(optarg, look->salt);
    case OPT_SIZE:
        return xf_u64_parse(optarg, 0, UINT64_MAX, &look->size_bytes);
    case OPT_WRITE:
        look->writable = true;
        return 0;
    case OPT_COMING:
        look->coming = true;
        return 0;
    case OPT_MAKE:
        return set_nonce(look, XF_NONCE_MAKE, optarg);
    case OPT_SEEK:
        return set_nonce(look, XF_NONCE_SEEK, optarg);
    case OPT_REMOVE:
        return set_nonce(look, XF_NONCE_REMOVE, optarg);
    case 'V':
        puts("xenferry-look " PACKAGE_VERSION);
        return 1;
    case 'h':
        usage(stdout);
        return 1;
    default:
        return -EINVAL;
    }
}

int main(int argc, char **argv)
{
    static struct xf_disk disk;
    struct xf_tree tree = { 0 };
    struct xf_look look = { 0 };
    int option, rc;

    if (argc <= 1) {
        return serve();
    }
    while ((option = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
        rc = read_option(option, &tree, &look);
        if (rc > 0) {
            return 0;
        }
        if (rc < 0) {
            usage(stderr);
            return 2;
        }
    }
    if (optind + 1 != argc || !xf_text_copy(look.path, sizeof(look.path), argv[optind])) {
        usage(stderr);
        return 2;
    }
    xf_look_at(&tree, &look, &disk);
    xf_look_print(&disk);
    return disk.kind == XF_DISK_ABSENT || disk.error != 0 ? 1 : 0;
}
