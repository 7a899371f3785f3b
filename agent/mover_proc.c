/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "mover_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "child.h"
#include "log_qb.h"
#include "text.h"

_Static_assert(XF_CHILD_FD == XF_LINK_FD, "where the mover looks for its link");

struct xf_mover {
    struct xf_child *child;
    const struct xf_mover_events *events;
    void *arg;
    /* Large and of one use: kept off the stack. */
    uint8_t buf[XF_LINK_SIZE_MAX];
    uint8_t out[XF_LINK_SIZE_MAX];
    struct xf_link_msg heard; /* an answer may be told while this is looked at */
    struct xf_link_msg told;
};

static void heard(void *arg, size_t size)
{
    struct xf_mover *m = arg;

    if (xf_link_decode(m->buf, size, &m->heard) != 0) {
        xf_log(LOG_ERR, "the mover with pid %d talks nonsense; it is ended",
               (int)xf_child_pid(m->child));
        xf_child_kill(m->child);
        return;
    }
    m->events->message(m->arg, &m->heard);
}

static void died(void *arg)
{
    struct xf_mover *m = arg;
    const struct xf_mover_events *events = m->events;
    void *to = m->arg;

    free(m);
    events->dead(to);
}

static const struct xf_child_events child_events = { .packet = heard, .dead = died };

int xf_mover_start(qb_loop_t *loop, const char *program, const struct xf_link_msg *first,
                   const struct xf_mover_events *events, void *arg, struct xf_mover **ret_mover)
{
    struct xf_mover *m = calloc(1, sizeof(*m));
    char name[64];
    char *argv[] = { name, NULL };
    int rc;

    if (m == NULL) {
        abort();
    }
    m->events = events;
    m->arg = arg;
    xf_text_copy(name, sizeof(name), program);
    rc = xf_child_start(loop, program, argv, m->buf, sizeof(m->buf), &child_events, m, &m->child);
    if (rc == 0) {
        int size = xf_link_encode(first, m->out, sizeof(m->out));

        rc = size < 0 ? size : xf_child_send(m->child, m->out, (size_t)size);
        explicit_bzero(m->out, sizeof(m->out)); /* it held the key */
        if (rc != 0) {
            xf_child_abandon(m->child);
        }
    }
    if (rc != 0) {
        free(m);
        return rc;
    }
    *ret_mover = m;
    return 0;
}

void xf_mover_tell(struct xf_mover *mover, enum xf_link_type type)
{
    struct xf_link_msg *msg = &mover->told;
    int size;
    int rc;

    memset(msg, 0, sizeof(*msg));
    msg->type = (uint8_t)type;
    size = xf_link_encode(msg, mover->out, sizeof(mover->out));
    rc = size > 0 ? xf_child_send(mover->child, mover->out, (size_t)size) : size;
    /* A mover that cannot be told is dead or stuck: its death or its deadline says so. */
    if (rc < 0 && rc != -EPIPE) {
        xf_log(LOG_WARNING, "the mover with pid %d cannot be told: %s",
               (int)xf_child_pid(mover->child), strerror(-rc));
    }
}

void xf_mover_kill(struct xf_mover *mover)
{
    xf_child_kill(mover->child);
}

void xf_mover_abandon(struct xf_mover *mover)
{
    if (mover != NULL) {
        xf_child_abandon(mover->child);
        free(mover);
    }
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
