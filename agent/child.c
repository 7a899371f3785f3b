/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log_qb.h"

extern char **environ;

struct xf_child {
    qb_loop_t *loop;
    pid_t pid; /* 0: reaped */
    int pid_fd;
    int fd; /* -1: it has hung up */
    void *buf;
    size_t size;
    const struct xf_child_events *events;
    void *arg;
};

static void hung_up(struct xf_child *child)
{
    qb_loop_poll_del(child->loop, child->fd);
    close(child->fd);
    child->fd = -1;
}

/* 1: a packet was told, 0: there is none, -1: it hung up. */
static int receive(struct xf_child *child)
{
    ssize_t n;

    do {
        n = recv(child->fd, child->buf, child->size, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN) {
        return 0;
    }
    if (n <= 0) {
        hung_up(child);
        return -1;
    }
    child->events->packet(child->arg, (size_t)n);
    return 1;
}

static void receive_all(struct xf_child *child)
{
    while (child->fd >= 0 && receive(child) > 0) {
    }
}

static int32_t on_packet(int32_t fd, int32_t revents, void *data)
{
    (void)fd;
    (void)revents;
    receive_all(data);
    return 0;
}

static void release(struct xf_child *child)
{
    if (child->fd >= 0) {
        hung_up(child);
    }
    if (child->pid_fd >= 0) {
        qb_loop_poll_del(child->loop, child->pid_fd);
        close(child->pid_fd);
    }
    free(child);
}

static int32_t on_death(int32_t fd, int32_t revents, void *data)
{
    struct xf_child *child = data;
    const struct xf_child_events *events = child->events;
    void *arg = child->arg;

    (void)fd;
    (void)revents;
    if (waitpid(child->pid, NULL, WNOHANG) == 0) {
        return 0;
    }
    child->pid = 0; /* may be another's by now, and its last words may be worth a kill */
    receive_all(child); /* they come before its death */
    release(child);
    events->dead(arg);
    return 0;
}

/* posix_spawn() holds the loop only until the exec, as vfork() does. */
static int spawn(int fd, const char *program, char *const argv[], pid_t *ret_pid)
{
    const char *dir = secure_getenv("XENFERRY_LIBEXECDIR");
    char path[512];
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    int r;

    sigemptyset(&none);
    sigfillset(&all);
    if (posix_spawn_file_actions_init(&files) != 0 || posix_spawnattr_init(&attr) != 0) {
        abort();
    }
    snprintf(path, sizeof(path), "%s/%s", dir != NULL ? dir : XF_LIBEXECDIR, program);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_adddup2(&files, fd, XF_CHILD_FD);
    r = posix_spawn(ret_pid, path, &files, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    if (r != 0) {
        xf_log(LOG_ERR, "%s cannot be started: %s", path, strerror(r));
    }
    return -r;
}

static int attach(struct xf_child *child)
{
    child->pid_fd = pidfd_open(child->pid, 0);
    if (child->pid_fd < 0) {
        return -errno;
    }
    if (qb_loop_poll_add(child->loop, QB_LOOP_HIGH, child->fd, POLLIN, child, on_packet) != 0 ||
        qb_loop_poll_add(child->loop, QB_LOOP_MED, child->pid_fd, POLLIN, child, on_death) != 0) {
        return -ENOMEM;
    }
    return 0;
}

int xf_child_start(qb_loop_t *loop, const char *program, char *const argv[], void *buf, size_t size,
                   const struct xf_child_events *events, void *arg, struct xf_child **ret_child)
{
    struct xf_child *child = calloc(1, sizeof(*child));
    int sv[2];
    int rc;

    if (child == NULL) {
        abort();
    }
    *child = (struct xf_child){
        .loop = loop, .pid_fd = -1, .buf = buf, .size = size, .events = events, .arg = arg
    };
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) != 0) {
        rc = -errno;
        free(child);
        return rc;
    }
    child->fd = sv[0];
    fcntl(child->fd, F_SETFL, O_NONBLOCK);
    rc = spawn(sv[1], program, argv, &child->pid);
    close(sv[1]);
    if (rc == 0) {
        rc = attach(child);
        if (rc != 0) {
            kill(child->pid, SIGKILL);
            waitpid(child->pid, NULL, 0);
        }
    }
    if (rc != 0) {
        release(child);
        return rc;
    }
    *ret_child = child;
    return 0;
}

int xf_child_send(struct xf_child *child, const void *packet, size_t size)
{
    ssize_t n = child->fd >= 0 ? send(child->fd, packet, size, MSG_DONTWAIT | MSG_NOSIGNAL)
                               : (errno = EPIPE, -1);

    return n == (ssize_t)size ? 0 : n < 0 ? -errno : -EMSGSIZE;
}

int xf_child_await(struct xf_child *child, int timeout_ms)
{
    struct pollfd p = { .fd = child->fd, .events = POLLIN };

    if (child->fd < 0) {
        return -EPIPE;
    }
    if (poll(&p, 1, timeout_ms) == 0) {
        return -ETIMEDOUT;
    }
    return receive(child) >= 0 ? 0 : -EPIPE;
}

void xf_child_kill(struct xf_child *child)
{
    if (child->pid > 0) {
        kill(child->pid, SIGKILL);
    }
}

void xf_child_abandon(struct xf_child *child)
{
    if (child == NULL) {
        return;
    }
    if (child->pid > 0) {
        kill(child->pid, SIGKILL);
        waitpid(child->pid, NULL, 0);
    }
    release(child);
}

void xf_child_leave(struct xf_child *child)
{
    release(child);
}

pid_t xf_child_pid(const struct xf_child *child)
{
    return child->pid;
}
