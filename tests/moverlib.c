/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "moverlib.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint8_t buf[XF_LINK_SIZE_MAX];

uint64_t moverlib_now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

static void die(const char *what)
{
    perror(what);
    exit(99);
}

static void run_mover(const struct moverlib_side *side, int fd)
{
    char path[256];

    if (side->netns) {
        int ns;

        snprintf(path, sizeof(path), "/run/netns/%s", side->netns);
        ns = open(path, O_RDONLY | O_CLOEXEC);
        if (ns < 0 || setns(ns, CLONE_NEWNET) < 0) {
            die(path);
        }
    }
    if (side->fault) {
        setenv("XF_FAKE_FAULT", side->fault, 1);
    } else {
        unsetenv("XF_FAKE_FAULT");
    }
    if (fd == XF_LINK_FD) {
        fcntl(fd, F_SETFD, 0);
    } else if (dup2(fd, XF_LINK_FD) < 0) {
        die("dup2");
    }
    execl(side->program, side->program, "-d", side->dir, (char *)NULL);
    die(side->program);
}

static void send_msg(struct moverlib_side *side, const struct xf_link_msg *msg)
{
    int size = xf_link_encode(msg, buf, sizeof(buf));

    if (size < 0 || send(side->fd, buf, (size_t)size, MSG_NOSIGNAL) != size) {
        printf("# cannot tell the mover %d: %s\n", msg->type, strerror(errno));
    }
}

void moverlib_start(struct moverlib_side *side, const struct xf_link_msg *first)
{
    int sv[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0) {
        die("socketpair");
    }
    fflush(NULL);
    side->pid = fork();
    if (side->pid < 0) {
        die("fork");
    }
    if (side->pid == 0) {
        run_mover(side, sv[1]);
    }
    close(sv[1]);
    side->fd = sv[0];
    side->rounds = 0;
    memset(&side->sum, 0, sizeof(side->sum));
    memset(&side->last, 0, sizeof(side->last));
    send_msg(side, first);
}

void moverlib_tell(struct moverlib_side *side, enum xf_link_type type)
{
    static struct xf_link_msg msg;

    msg.type = (uint8_t)type;
    send_msg(side, &msg);
}

/* The same number again replaces what was said of a round. */
static void count_round(struct moverlib_side *side)
{
    const struct xf_round *r = &side->msg.round;
    const struct xf_round *old = &side->last;
    struct xf_round none = { 0 };

    if (side->rounds == 0 || r->number != old->number) {
        old = &none;
        side->rounds++;
    }
    side->sum.pages_dirty += r->pages_dirty - old->pages_dirty;
    side->sum.pages_sent += r->pages_sent - old->pages_sent;
    side->sum.pages_zero += r->pages_zero - old->pages_zero;
    side->sum.pages_same += r->pages_same - old->pages_same;
    side->sum.bytes_wire += r->bytes_wire - old->bytes_wire;
    side->last = *r;
}

bool moverlib_expect(struct moverlib_side *side, enum xf_link_type type, uint32_t timeout_ms)
{
    uint64_t end_ms = moverlib_now_ms() + timeout_ms;

    while (moverlib_now_ms() < end_ms) {
        struct pollfd p = { .fd = side->fd, .events = POLLIN };
        ssize_t n;

        if (poll(&p, 1, (int)(end_ms - moverlib_now_ms())) <= 0) {
            continue;
        }
        n = recv(side->fd, buf, sizeof(buf), 0);
        if (n <= 0) {
            memset(&side->msg, 0, sizeof(side->msg));
            return false;
        }
        if (xf_link_decode(buf, (size_t)n, &side->msg) < 0) {
            printf("# the mover's message cannot be decoded\n");
            return false;
        }
        if (side->msg.type == XF_LINK_ROUND) {
            count_round(side);
        }
        if (side->msg.type == type) {
            return true;
        }
        if (side->msg.type != XF_LINK_ROUND && side->msg.type != XF_LINK_CONNECTED &&
            side->msg.type != XF_LINK_WANT_SWITCH) {
            return false;
        }
    }
    memset(&side->msg, 0, sizeof(side->msg));
    return false;
}

bool moverlib_end(struct moverlib_side *side, uint32_t timeout_ms)
{
    uint64_t end_ms = moverlib_now_ms() + timeout_ms;
    struct rusage usage = { 0 };
    bool by_itself = true;

    while (wait4(side->pid, NULL, WNOHANG, &usage) == 0) {
        if (moverlib_now_ms() >= end_ms) {
            by_itself = false;
            kill(side->pid, SIGKILL);
            wait4(side->pid, NULL, 0, &usage);
            break;
        }
        usleep(1000);
    }
    close(side->fd);
    side->fd = -1;
    side->user_s = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6;
    side->system_s = (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
    return by_itself;
}

bool moverlib_own_network(void)
{
    struct ifreq lo = { .ifr_name = "lo" };
    int fd;
    int r;

    if (unshare(geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) < 0) {
        return false;
    }
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    lo.ifr_flags = IFF_UP | IFF_RUNNING;
    r = ioctl(fd, SIOCSIFFLAGS, &lo);
    close(fd);
    return r == 0;
}
