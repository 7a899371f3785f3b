/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "preflight.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <qb/qbutil.h>

/* Longer than a path fail-over of multipath's default takes, shorter than an operator waits. */
#define DEADLINE_MS 10000u

struct xf_preflight {
    qb_loop_t *loop;
    pid_t pid;
    int fd;
    qb_loop_timer_handle timer;
    enum xf_reason reason;
    char text[XF_PREFLIGHT_TEXT_SIZE];
    char line[512]; /* what the process has said of its current line */
    size_t line_len;
    xf_preflight_done_fn done;
    void *arg;
};

static void find(struct xf_preflight *p, enum xf_reason reason, const char *text)
{
    size_t len = strlen(p->text);

    if (p->reason == XF_REASON_OK) {
        p->reason = reason;
    }
    snprintf(p->text + len, sizeof(p->text) - len, "%s%s", len > 0 ? "; " : "", text);
}

/* ---- in the process ---- */

static void say(int fd, enum xf_reason reason, const char *what, const char *why)
{
    char line[512];
    int len = snprintf(line, sizeof(line), "%d %.300s: %s\n", (int)reason, what, why);

    if (len > 0 && write(fd, line, (size_t)len) != (ssize_t)len) {
        _exit(1);
    }
}

/* Asked of the kernel and not of /sys, which may show another network namespace than ours. */
static bool is_bridge(int sock, const char *name)
{
    struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
    struct ifreq request = { .ifr_data = (char *)&info };

    if (strlen(name) >= sizeof(request.ifr_name)) {
        return false;
    }
    memcpy(request.ifr_name, name, strlen(name) + 1);
    return ioctl(sock, SIOCETHTOOL, &request) == 0 && strcmp(info.driver, "bridge") == 0;
}

static void look_at_bridges(int fd, const struct xf_dom_needs *needs)
{
    char what[XF_NAME_SIZE + 16];
    int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    for (uint32_t i = 0; i < needs->n_vifs; i++) {
        const char *bridge = needs->vif[i].bridge;

        if (bridge[0] != '\0' && !is_bridge(sock, bridge)) {
            snprintf(what, sizeof(what), "bridge %s", bridge);
            say(fd, XF_REASON_NO_BRIDGE, what, "this host has no such bridge");
        }
    }
}

static void look_at_disks(int fd, const struct xf_dom_needs *needs)
{
    char what[sizeof(needs->disk[0].path) + 16];

    for (uint32_t i = 0; i < needs->n_disks; i++) {
        int flags = needs->disk[i].writable ? O_RDWR : O_RDONLY;
        int disk = open(needs->disk[i].path, flags | O_CLOEXEC | O_NONBLOCK);

        if (disk < 0) {
            snprintf(what, sizeof(what), "disk %s", needs->disk[i].path);
            say(fd, XF_REASON_NO_DISK, what, strerror(errno));
        } else {
            close(disk);
        }
    }
}

/* ---- in the agent ---- */

/*
 * Not asked first whether it runs: to libqb one that has expired does not, although its turn in the
 * loop is still to come. Of one that is over it only says so.
 */
static void stop_timer(struct xf_preflight *p)
{
    (void)qb_loop_timer_del(p->loop, p->timer);
}

/* Tells the result once. The object lives on until the process is gone, which may be long after. */
static void tell(struct xf_preflight *p)
{
    xf_preflight_done_fn done = p->done;

    stop_timer(p);
    p->done = NULL;
    if (done != NULL) {
        done(p->arg, p->reason, p->text);
    }
}

static void take_line(struct xf_preflight *p)
{
    char *text;
    unsigned long reason = strtoul(p->line, &text, 10);

    if (*text == ' ' && reason > 0 && reason < XF_N_REASONS) {
        find(p, (enum xf_reason)reason, text + 1);
    }
    p->line_len = 0;
}

static int32_t on_output(int32_t fd, int32_t revents, void *data)
{
    struct xf_preflight *p = data;
    char buf[512];
    ssize_t n = read(fd, buf, sizeof(buf));
    int status = 0;

    (void)revents;
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    for (ssize_t i = 0; i < n; i++) {
        if (buf[i] == '\n') {
            p->line[p->line_len] = '\0';
            take_line(p);
        } else if (p->line_len + 1 < sizeof(p->line)) {
            p->line[p->line_len++] = buf[i];
        }
    }
    if (n <= 0) {
        /* The pipe is closed by exiting, so this wait is for the last instructions only. */
        if (waitpid(p->pid, &status, 0) == p->pid && status != 0) {
            find(p, XF_REASON_INTERNAL, "the check of disks and bridges ended early");
        }
        tell(p);
        qb_loop_poll_del(p->loop, p->fd);
        close(p->fd);
        free(p);
    }
    return 0;
}

static void on_deadline(void *data)
{
    struct xf_preflight *p = data;

    find(p, XF_REASON_NO_DISK, "a disk could not be opened within ten seconds");
    kill(p->pid, SIGKILL);
    tell(p);
}

struct xf_preflight *xf_preflight_start(qb_loop_t *loop, const struct xf_dom_needs *needs,
                                        enum xf_reason known, const char *known_text,
                                        xf_preflight_done_fn done, void *arg)
{
    struct xf_preflight *p = calloc(1, sizeof(*p));
    int fds[2];

    if (p == NULL) {
        abort();
    }
    if (pipe2(fds, O_CLOEXEC) != 0) {
        free(p);
        return NULL;
    }
    p->loop = loop;
    p->done = done;
    p->arg = arg;
    p->fd = fds[0];
    if (known != XF_REASON_OK) {
        find(p, known, known_text);
    }
    p->pid = fork();
    if (p->pid == 0) {
        dup2(fds[1], 3);
        close_range(4, ~0u, 0);
        look_at_bridges(3, needs);
        look_at_disks(3, needs);
        _exit(0);
    }
    close(fds[1]);
    if (p->pid < 0) {
        close(fds[0]);
        free(p);
        return NULL;
    }
    fcntl(p->fd, F_SETFL, O_NONBLOCK);
    qb_loop_poll_add(loop, QB_LOOP_MED, p->fd, POLLIN, p, on_output);
    qb_loop_timer_add(loop, QB_LOOP_MED, DEADLINE_MS * QB_TIME_NS_IN_MSEC, p, on_deadline,
                      &p->timer);
    return p;
}

void xf_preflight_stop(struct xf_preflight *preflight)
{
    if (preflight == NULL) {
        return;
    }
    stop_timer(preflight);
    preflight->done = NULL;
    kill(preflight->pid, SIGKILL);
}
