/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "mover_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log_qb.h"
#include "text.h"

#define PROGRAM "xenferry-mover"

extern char **environ;

struct xf_mover {
    qb_loop_t *loop;
    pid_t pid;
    int pid_fd;
    int fd;
    bool dead; /* reaped; freed when the stack is unwound */
    const struct xf_mover_events *events;
    void *arg;
    /* Large and of one use: kept off the stack. */
    uint8_t buf[XF_LINK_SIZE_MAX];
    struct xf_link_msg heard; /* an answer may be told while this is looked at */
    struct xf_link_msg told;
};

static void receive_all(struct xf_mover *m)
{
    ssize_t n;

    while (m->fd >= 0) {
        n = recv(m->fd, m->buf, sizeof(m->buf), MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n <= 0) {
            qb_loop_poll_del(m->loop, m->fd);
            close(m->fd);
            m->fd = -1;
            return;
        }
        if (xf_link_decode(m->buf, (size_t)n, &m->heard) != 0) {
            xf_log(LOG_ERR, "the mover with pid %d talks nonsense; it is ended", (int)m->pid);
            kill(m->pid, SIGKILL);
            continue;
        }
        m->events->message(m->arg, &m->heard);
    }
}

static int32_t on_message(int32_t fd, int32_t revents, void *data)
{
    (void)fd;
    (void)revents;
    receive_all(data);
    return 0;
}

static void destroy(struct xf_mover *m)
{
    if (m->fd >= 0) {
        qb_loop_poll_del(m->loop, m->fd);
        close(m->fd);
    }
    if (m->pid_fd >= 0) {
        qb_loop_poll_del(m->loop, m->pid_fd);
        close(m->pid_fd);
    }
    free(m);
}

static int32_t on_death(int32_t fd, int32_t revents, void *data)
{
    struct xf_mover *m = data;
    const struct xf_mover_events *events = m->events;
    void *arg = m->arg;

    (void)fd;
    (void)revents;
    if (waitpid(m->pid, NULL, WNOHANG) == 0) {
        return 0;
    }
    receive_all(m); /* its last words come before its death */
    destroy(m);
    events->dead(arg);
    return 0;
}

static const char *program_path(char *buf, size_t size)
{
    const char *dir = secure_getenv("XENFERRY_LIBEXECDIR");

    snprintf(buf, size, "%s/" PROGRAM, dir != NULL ? dir : XF_LIBEXECDIR);
    return buf;
}

/* posix_spawn() holds the loop only until the exec, as vfork() does. */
static int spawn(int fd, pid_t *ret_pid)
{
    char path[512];
    char *argv[] = { (char[]){ PROGRAM }, NULL };
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    int r;

    sigemptyset(&none);
    sigfillset(&all);
    if (posix_spawn_file_actions_init(&files) != 0 || posix_spawnattr_init(&attr) != 0) {
        abort();
    }
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_adddup2(&files, fd, XF_LINK_FD);
    r = posix_spawn(ret_pid, program_path(path, sizeof(path)), &files, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    if (r != 0) {
        xf_log(LOG_ERR, "%s cannot be started: %s", path, strerror(r));
    }
    return -r;
}

static int attach(struct xf_mover *m, const struct xf_link_msg *first)
{
    int size;

    m->pid_fd = pidfd_open(m->pid, 0);
    if (m->pid_fd < 0) {
        return -errno;
    }
    size = xf_link_encode(first, m->buf, sizeof(m->buf));
    if (size < 0) {
        return size;
    }
    if (send(m->fd, m->buf, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL) != size) {
        return -errno;
    }
    if (qb_loop_poll_add(m->loop, QB_LOOP_HIGH, m->fd, POLLIN, m, on_message) != 0 ||
        qb_loop_poll_add(m->loop, QB_LOOP_MED, m->pid_fd, POLLIN, m, on_death) != 0) {
        return -ENOMEM;
    }
    return 0;
}

int xf_mover_start(qb_loop_t *loop, const struct xf_link_msg *first,
                   const struct xf_mover_events *events, void *arg, struct xf_mover **ret_mover)
{
    struct xf_mover *m = calloc(1, sizeof(*m));
    int sv[2];
    int rc;

    if (m == NULL) {
        abort();
    }
    m->loop = loop;
    m->events = events;
    m->arg = arg;
    m->pid_fd = -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) != 0) {
        rc = -errno;
        free(m);
        return rc;
    }
    m->fd = sv[0];
    fcntl(m->fd, F_SETFL, O_NONBLOCK);
    rc = spawn(sv[1], &m->pid);
    close(sv[1]);
    if (rc == 0) {
        rc = attach(m, first);
        if (rc != 0) {
            kill(m->pid, SIGKILL);
            waitpid(m->pid, NULL, 0);
        }
    }
    if (rc != 0) {
        destroy(m);
        return rc;
    }
    *ret_mover = m;
    return 0;
}

void xf_mover_tell(struct xf_mover *mover, enum xf_link_type type)
{
    struct xf_link_msg *msg = &mover->told;
    int size;

    memset(msg, 0, sizeof(*msg));
    msg->type = (uint8_t)type;
    size = xf_link_encode(msg, mover->buf, sizeof(mover->buf));
    /* A mover that cannot be told is dead or stuck: its death or its deadline says so. */
    if (size > 0 && mover->fd >= 0 &&
        send(mover->fd, mover->buf, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        xf_log(LOG_WARNING, "the mover with pid %d cannot be told: %s", (int)mover->pid,
               strerror(errno));
    }
}

void xf_mover_kill(struct xf_mover *mover)
{
    kill(mover->pid, SIGKILL);
}

void xf_mover_abandon(struct xf_mover *mover)
{
    if (mover == NULL) {
        return;
    }
    kill(mover->pid, SIGKILL);
    waitpid(mover->pid, NULL, 0);
    destroy(mover);
}

/* Who holds the mover's lock: its pid as seen from here (0: not to be seen), or -1: nobody. */
static pid_t lock_owner(int fd)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    if (fcntl(fd, F_GETLK, &lock) != 0) {
        return 0;
    }
    return lock.l_type == F_UNLCK ? -1 : lock.l_pid;
}

/* The owner is still the same once its pidfd is held: so that is no other process of its number. */
static void kill_owner(int fd, pid_t owner)
{
    int pid_fd = owner > 0 ? pidfd_open(owner, 0) : -1;

    if (pid_fd >= 0) {
        if (lock_owner(fd) == owner) {
            pidfd_send_signal(pid_fd, SIGKILL, NULL, 0);
        }
        close(pid_fd);
    }
}

bool xf_mover_stray_alive(const char *rundir, const struct xf_uuid *uuid)
{
    char path[512], text[XF_UUID_TEXT_SIZE];
    pid_t owner;
    int fd;

    xf_uuid_text(uuid, text);
    snprintf(path, sizeof(path), "%s/mover-%s.lock", rundir, text);
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return false; /* never made */
    }
    owner = lock_owner(fd);
    if (owner >= 0) {
        kill_owner(fd, owner);
    }
    close(fd);
    return owner >= 0;
}
