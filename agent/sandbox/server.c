/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "server.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "files.h"
#include "machine.h"
#include "restore.h"
#include "save.h"

#define CONNS_MAX          16u
/* For a save to notice that its mover died; it is a matter of microseconds. */
#define RESUME_PATIENCE_MS 2000u

struct server;

struct conn {
    int fd;
    bool watches;
};

struct server {
    struct xf_machine *m;
    const char *dir;
    int listener;
    int wake;
    int report;
    struct conn conn[CONNS_MAX];
    unsigned n_conns;
    uint32_t told; /* copy and variant that watchers were told */

    bool saving;
    struct xf_save save;
    int save_fd;   /* connection of the save's client; -1: gone */
    uint32_t cap;  /* percent, by CAP */
    uint32_t slow; /* percent, by SLOW; 100: none */

    bool resume_waits; /* for the end of a save */
    int resume_fd;
    uint64_t resume_cookie;
    uint64_t resume_until_ms;

    int restore;
    atomic_bool restored;
    enum xf_reason restore_reason;
    char restore_text[XF_SANDBOX_TEXT_SIZE];
};

static uint64_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void xf_server_report(int report, enum xf_reason reason, const char *text)
{
    char buf[1 + XF_SANDBOX_TEXT_SIZE];
    int n = snprintf(buf, sizeof(buf), "%c%s", (int)reason, text);
    ssize_t written;

    if (report < 0) {
        return;
    }
    /* snprintf() counts the leading byte also when it is 0. A starter that is gone misses it. */
    written = write(report, buf, (size_t)n < sizeof(buf) ? (size_t)n : sizeof(buf) - 1);
    (void)written;
    (void)close(report);
}

static _Noreturn void leave(const struct server *s)
{
    /* H11: who finds no name may take it that nothing of this domain runs here. */
    xf_machine_end(s->m);
    xf_files_remove(s->dir, &s->m->status->uuid);
    /* Sockets and lock go with the process, after its last thread: then the copy is gone. */
    _exit(0);
}

/* Names go before the starter hears of it, so that it may try again at once. */
static _Noreturn void give_up(const struct server *s, enum xf_reason reason, const char *text)
{
    xf_files_remove(s->dir, &s->m->status->uuid);
    xf_server_report(s->report, reason, text);
    _exit(1);
}

/* ---- answers ---- */

static void reply(int fd, uint64_t cookie, enum xf_reason reason, const char *text)
{
    struct xf_sandbox_msg msg = { .type = XF_SANDBOX_REPLY, .cookie = cookie, .reason = reason };

    (void)snprintf(msg.text, sizeof(msg.text), "%s", text);
    /* A client that does not read its answers loses them: the connections do not block. */
    (void)xf_sandbox_send(fd, &msg);
}

static uint32_t present(const struct server *s)
{
    return atomic_load(&s->m->status->copy) << 8 | atomic_load(&s->m->status->variant);
}

/* Watchers hear after the one who asked: it is the one that waits. */
static void tell_watchers(struct server *s)
{
    struct xf_sandbox_msg msg = { .type = XF_SANDBOX_STATE };

    if (present(s) == s->told) {
        return;
    }
    s->told = present(s);
    for (unsigned i = 0; i < s->n_conns; i++) {
        if (s->conn[i].watches) {
            (void)xf_sandbox_send(s->conn[i].fd, &msg);
        }
    }
}

static void reply_stat(const struct server *s, int fd, uint64_t cookie)
{
    struct xf_machine *m = s->m;
    struct xf_sandbox_msg msg = { .type = XF_SANDBOX_REPLY, .cookie = cookie };

    for (size_t w = 0; w < m->dirty_words; w++) {
        msg.stat.pages_dirty += (unsigned)__builtin_popcountll(atomic_load(&m->dirty[w]));
    }
    msg.stat.counter = atomic_load(&m->state->counter);
    msg.stat.corrupt = atomic_load(&m->state->corrupt);
    msg.stat.disk_seq = atomic_load(&m->state->disk_seq[m->first_disk]);
    msg.stat.disk_errors = atomic_load(&m->disk_errors);
    msg.stat.pages_written = atomic_load(&m->pages_written);
    msg.stat.instance = m->instance;
    msg.stat.check_left = atomic_load(&m->check_left);
    (void)xf_sandbox_send(fd, &msg);
}

/* ---- requests ---- */

static void set_cap(struct server *s, uint32_t cap, uint32_t slow)
{
    s->cap = cap;
    s->slow = slow;
    atomic_store(&s->m->status->cap_percent, cap < slow ? cap : slow);
}

static void end_save(struct server *s)
{
    xf_save_finish(&s->save);
    s->saving = false;
    s->save_fd = -1;
    set_cap(s, s->cap, 100);
}

/* A mover that was killed can lift nothing: what it asked for goes with it, and cannot come late. */
static enum xf_reason slow(struct server *s, uint32_t percent)
{
    if (percent < 100 && (!s->saving || s->save_fd < 0)) {
        return XF_REASON_NOT_RUNNING;
    }
    set_cap(s, s->cap, percent);
    return XF_REASON_OK;
}

static void start_save(struct server *s, const struct conn *conn, const struct xf_sandbox_msg *msg,
                       int fd)
{
    int sock, rc;

    if (s->saving && xf_save_ended(&s->save)) {
        end_save(s); /* its client heard of the end before this thread did */
    }
    if (fd < 0 || s->saving || xf_machine_copy(s->m) != XF_COPY_RUNNING) {
        reply(conn->fd, msg->cookie, s->saving ? XF_REASON_BUSY : XF_REASON_NOT_RUNNING, "");
        if (fd >= 0) {
            (void)close(fd);
        }
        return;
    }
    sock = dup(conn->fd);
    rc = sock < 0 ? -errno
                  : xf_save_start(&s->save, s->m, fd, sock, s->wake, msg->cookie, msg->arg == 1);
    if (rc < 0) {
        if (sock < 0) {
            (void)close(fd); /* or its reader would wait for ever for an end */
        }
        reply(conn->fd, msg->cookie, XF_REASON_INTERNAL, strerror(-rc));
        return;
    }
    s->saving = true;
    s->save_fd = conn->fd;
}

/*
 * An agent resumes once its mover is surely dead (H3), but the save may not have noticed that yet.
 * What it does last decides whether there is anything to resume (H10), so its end is waited for.
 */
static void resume(struct server *s, const struct conn *conn, const struct xf_sandbox_msg *msg)
{
    if (!s->saving) {
        reply(conn->fd, msg->cookie, xf_machine_resume(s->m), "");
        return;
    }
    if (s->resume_waits) {
        reply(conn->fd, msg->cookie, XF_REASON_BUSY, "another resume waits already");
        return;
    }
    s->resume_waits = true;
    s->resume_fd = conn->fd;
    s->resume_cookie = msg->cookie;
    s->resume_until_ms = now_ms() + RESUME_PATIENCE_MS;
}

static void serve(struct server *s, struct conn *conn, const struct xf_sandbox_msg *msg, int fd)
{
    struct xf_sandbox_status *status = s->m->status;
    enum xf_reason reason = XF_REASON_USAGE;

    switch ((enum xf_sandbox_type)msg->type) {
    case XF_SANDBOX_SAVE:
        start_save(s, conn, msg, fd);
        return;
    case XF_SANDBOX_VERDICT:
        if (s->saving && s->save_fd == conn->fd) {
            xf_save_answer(&s->save,
                           msg->arg < XF_N_VERDICTS ? (enum xf_verdict)msg->arg : XF_VERDICT_ABORT);
        }
        return;
    case XF_SANDBOX_DESTROY:
        leave(s);
    case XF_SANDBOX_RESUME:
        resume(s, conn, msg);
        return;
    case XF_SANDBOX_STAT:
        reply_stat(s, conn->fd, msg->cookie);
        return;
    case XF_SANDBOX_WATCH:
        conn->watches = true;
        reason = XF_REASON_OK;
        break;
    case XF_SANDBOX_UNPAUSE:
        reason = xf_machine_unpause(s->m);
        break;
    case XF_SANDBOX_PAUSE:
        reason = xf_machine_pause(s->m);
        break;
    case XF_SANDBOX_RENAME:
        if (msg->arg <= XF_VARIANT_MIGRATEDAWAY) {
            atomic_store(&status->variant, msg->arg);
            reason = XF_REASON_OK;
        }
        break;
    case XF_SANDBOX_CAP:
        if (msg->arg >= 1 && msg->arg <= 100) {
            set_cap(s, msg->arg, s->slow);
            reason = XF_REASON_OK;
        }
        break;
    case XF_SANDBOX_SLOW:
        if (msg->arg >= 1 && msg->arg <= 100) {
            reason = slow(s, msg->arg);
        }
        break;
    case XF_SANDBOX_REPLY:
    case XF_SANDBOX_STATE:
    case XF_SANDBOX_POLICY:
    case XF_SANDBOX_SUSPENDED:
    case XF_N_SANDBOX_TYPES:
        break;
    }
    reply(conn->fd, msg->cookie, reason, "");
}

/* ---- connections ---- */

static void drop(struct server *s, unsigned i)
{
    int fd = s->conn[i].fd;

    if (s->saving && s->save_fd == fd) {
        s->save_fd = -1;
        xf_save_abort(&s->save);
        set_cap(s, s->cap, 100);
    }
    if (s->resume_waits && s->resume_fd == fd) {
        s->resume_waits = false; /* nobody is left who knows whether it is still wanted */
    }
    (void)close(fd);
    s->conn[i] = s->conn[--s->n_conns];
}

static void welcome(struct server *s)
{
    int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct ucred cred;
    socklen_t size = sizeof(cred);

    if (fd < 0) {
        return;
    }
    if (s->n_conns == CONNS_MAX || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0 ||
        (cred.uid != 0 && cred.uid != geteuid())) {
        (void)close(fd);
        return;
    }
    s->conn[s->n_conns++] = (struct conn){ .fd = fd };
}

/* False when the connection is over. */
static bool listen_to(struct server *s, struct conn *conn)
{
    struct xf_sandbox_msg msg;
    int fd = -1;
    int rc = xf_sandbox_receive(conn->fd, &msg, &fd);

    if (rc == -EAGAIN) {
        return true;
    }
    if (rc < 0) {
        return false;
    }
    if (fd >= 0 && msg.type != XF_SANDBOX_SAVE) {
        (void)close(fd);
        fd = -1;
    }
    serve(s, conn, &msg, fd);
    return true;
}

/* ---- ends of what runs in other threads ---- */

static void *restore_run(void *arg)
{
    struct server *s = arg;

    s->restore_reason = xf_restore(s->m, s->restore, s->restore_text, sizeof(s->restore_text));
    (void)close(s->restore);
    atomic_store(&s->restored, true);
    (void)eventfd_write(s->wake, 1);
    return NULL;
}

static void end_restore(struct server *s)
{
    s->restore = -1;
    if (s->restore_reason != XF_REASON_OK) {
        /* An incomplete image is never run (H1): nothing of it stays. */
        give_up(s, s->restore_reason, s->restore_text);
    }
    xf_machine_built(s->m);
    xf_server_report(s->report, XF_REASON_OK, "");
    s->report = -1;
}

static void end_resume(struct server *s)
{
    if (s->saving) {
        if (now_ms() < s->resume_until_ms) {
            return;
        }
        reply(s->resume_fd, s->resume_cookie, XF_REASON_BUSY, "a mover still saves this domain");
    } else {
        reply(s->resume_fd, s->resume_cookie, xf_machine_resume(s->m), "");
    }
    s->resume_waits = false;
}

static void start_restore(struct server *s)
{
    pthread_t thread;
    int r;

    if (s->restore < 0) {
        xf_server_report(s->report, XF_REASON_OK, "");
        s->report = -1;
        return;
    }
    r = pthread_create(&thread, NULL, restore_run, s);
    if (r != 0) {
        give_up(s, XF_REASON_INTERNAL, strerror(r));
    }
    (void)pthread_detach(thread);
}

static void step(struct server *s)
{
    struct pollfd fds[2 + CONNS_MAX] = { { .fd = s->listener, .events = POLLIN },
                                         { .fd = s->wake, .events = POLLIN } };
    unsigned n = s->n_conns;
    eventfd_t count;

    for (unsigned i = 0; i < n; i++) {
        fds[2 + i] = (struct pollfd){ .fd = s->conn[i].fd, .events = POLLIN };
    }
    if (poll(fds, 2 + n, s->resume_waits ? 10 : -1) < 0) {
        return;
    }
    /* Downwards: dropping one moves the last, which was already served, into its place. */
    for (unsigned i = n; i-- > 0;) {
        if (fds[2 + i].revents != 0 && !listen_to(s, &s->conn[i])) {
            drop(s, i);
        }
    }
    if ((fds[1].revents & POLLIN) != 0) {
        (void)eventfd_read(s->wake, &count);
        if (s->restore >= 0 && atomic_load(&s->restored)) {
            end_restore(s);
        }
    }
    if (s->saving && xf_save_ended(&s->save)) {
        end_save(s);
    }
    if (s->resume_waits) {
        end_resume(s);
    }
    tell_watchers(s);
    if ((fds[0].revents & POLLIN) != 0) {
        welcome(s);
    }
}

_Noreturn void xf_server_run(const struct xf_server_options *options)
{
    struct server *s = calloc(1, sizeof(*s));

    if (s == NULL) {
        xf_files_remove(options->dir, &options->m->status->uuid);
        xf_server_report(options->report, XF_REASON_NO_MEMORY, strerror(ENOMEM));
        _exit(1);
    }
    s->m = options->m;
    s->dir = options->dir;
    s->listener = options->listener;
    s->restore = options->restore;
    s->report = options->report;
    s->save_fd = -1;
    set_cap(s, 100, 100);
    s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->wake < 0) {
        give_up(s, XF_REASON_INTERNAL, strerror(errno));
    }
    s->told = present(s);
    start_restore(s);
    for (;;) {
        step(s);
    }
}
