/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "store_writer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock_qb.h"
#include "history.h"
#include "log_qb.h"
#include "wire.h"

#define RETRY_MS     1000u
#define STOP_WAIT_MS 2000u

enum kind { KIND_RECORD = 1, KIND_HISTORY };

/* Both ends are one program image: the structure itself goes over the socket. */
struct request {
    uint32_t kind;
    uint32_t text_size;
    uint64_t number;
    struct xf_uuid uuid;
    struct xf_record record;
};

struct answer {
    uint64_t number;
    int32_t rc;
};

/* Handed over and not answered, in order. */
struct job {
    struct job *next;
    uint64_t cookie;
    uint64_t retry_at_ms; /* 0: first time */
    bool sent;
    struct request request;
    char text[];
};

struct xf_store {
    qb_loop_t *loop;
    char dir[256];
    uint32_t history_max;
    xf_store_done_fn done;
    void *arg;
    int fd; /* -1: no writer */
    int lock_fd;
    pid_t pid;
    uint64_t number;
    uint64_t restart_at_ms;
    bool history_failed;
    struct job *first;
    struct job **last;
};

/* ---- the writer ---- */

static int handle(struct xf_store_file *file, const char *dir, uint32_t history_max,
                  const struct request *q, const char *text)
{
    if (q->kind == KIND_RECORD) {
        return xf_store_file_append(file, &q->uuid, &q->record);
    }
    return xf_history_append(dir, text, history_max);
}

static _Noreturn void writer_main(int fd, struct xf_store_file *file, const char *dir,
                                  uint32_t history_max)
{
    static uint8_t buf[sizeof(struct request) + XF_FRAME_SIZE_MAX + 1];
    struct request q;
    ssize_t n;

    signal(SIGINT, SIG_IGN); /* a terminal's ^C is for the agent; the end of the socket is mine */
    signal(SIGTERM, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit is an error to report, not a death */
    for (;;) {
        struct answer a;

        n = recv(fd, buf, sizeof(buf) - 1, 0);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < (ssize_t)sizeof(q)) {
            _exit(0);
        }
        buf[n] = '\0';
        memcpy(&q, buf, sizeof(q));
        a.number = q.number;
        a.rc = handle(file, dir, history_max, &q, (const char *)buf + sizeof(q));
        if (send(fd, &a, sizeof(a), MSG_NOSIGNAL) < 0) {
            /* The agent is gone. What it handed over is written all the same. */
            continue;
        }
    }
}

static void close_others(const int *keep, size_t n_keep)
{
    int from = 3;

    for (;;) {
        int next = INT32_MAX;

        for (size_t i = 0; i < n_keep; i++) {
            if (keep[i] >= from && keep[i] < next) {
                next = keep[i];
            }
        }
        if (next == INT32_MAX) {
            break;
        }
        if (next > from) {
            close_range((unsigned)from, (unsigned)next - 1, 0);
        }
        from = next + 1;
    }
    close_range((unsigned)from, ~0u, 0);
}

/* ---- the agent's side ---- */

static int32_t on_readable(int32_t fd, int32_t revents, void *data);
static void flush(struct xf_store *store);

static int spawn(struct xf_store *store, struct xf_store_file *file)
{
    int sv[2];
    sigset_t none;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) != 0) {
        return -errno;
    }
    pid = fork();
    if (pid == 0) {
        int keep[] = { sv[1], file->fd, file->spare_fd, file->lock_fd, file->dir_fd };

        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        close_others(keep, sizeof(keep) / sizeof(keep[0]));
        writer_main(sv[1], file, store->dir, store->history_max);
    }
    close(sv[1]);
    if (pid < 0) {
        int rc = -errno;

        close(sv[0]);
        return rc;
    }
    fcntl(sv[0], F_SETFL, O_NONBLOCK);
    store->fd = sv[0];
    store->pid = pid;
    return qb_loop_poll_add(store->loop, QB_LOOP_HIGH, store->fd, POLLIN, store, on_readable);
}

static void drop_job(struct xf_store *store, struct job **at)
{
    struct job *job = *at;

    *at = job->next;
    if (store->last == &job->next) {
        store->last = at;
    }
    free(job);
}

/* Has a later record of the same domain been handed over? */
static bool superseded(const struct job *job)
{
    for (const struct job *j = job->next; j != NULL; j = j->next) {
        if (j->request.kind == KIND_RECORD && xf_uuid_eq(&j->request.uuid, &job->request.uuid)) {
            return true;
        }
    }
    return false;
}

static void end_job(struct xf_store *store, struct job **at, int rc)
{
    struct job *job = *at;
    uint64_t cookie = job->cookie;

    if (rc == 0) {
        if (job->request.kind == KIND_HISTORY) {
            store->history_failed = false;
        }
    } else if (job->request.kind == KIND_HISTORY) {
        if (!store->history_failed) {
            xf_log(LOG_WARNING, "the history cannot be written: %s; moves go on", strerror(-rc));
        }
        store->history_failed = true;
    } else {
        xf_log(LOG_ERR, "the journal cannot be written: %s", strerror(-rc));
        if (cookie == 0 && !superseded(job)) {
            job->sent = false;
            job->retry_at_ms = xf_now_ms() + RETRY_MS;
            return;
        }
    }
    drop_job(store, at);
    if (cookie != 0) {
        store->done(store->arg, cookie, rc == 0);
    }
}

static void take_answer(struct xf_store *store, const struct answer *a)
{
    for (struct job **at = &store->first; *at != NULL; at = &(*at)->next) {
        if ((*at)->sent && (*at)->request.number == a->number) {
            end_job(store, at, a->rc);
            return;
        }
    }
}

static void writer_died(struct xf_store *store)
{
    xf_log(LOG_ERR, "the journal's writer process ended; it is started again");
    qb_loop_poll_del(store->loop, store->fd);
    close(store->fd);
    store->fd = -1;
    store->restart_at_ms = xf_now_ms() + RETRY_MS;
    kill(store->pid, SIGKILL);
    for (bool again = true; again;) {
        again = false;
        for (struct job **at = &store->first; *at != NULL; at = &(*at)->next) {
            if ((*at)->sent) {
                (*at)->sent = false;
                if ((*at)->cookie != 0) {
                    end_job(store, at, -EPIPE);
                    again = true;
                    break;
                }
            }
        }
    }
}

static int32_t on_readable(int32_t fd, int32_t revents, void *data)
{
    struct xf_store *store = data;
    struct answer a;
    ssize_t n;

    for (;;) {
        n = recv(fd, &a, sizeof(a), MSG_DONTWAIT);
        if (n != (ssize_t)sizeof(a)) {
            break;
        }
        take_answer(store, &a);
    }
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        writer_died(store);
        return 0;
    }
    if ((revents & POLLOUT) != 0) {
        qb_loop_poll_mod(store->loop, QB_LOOP_HIGH, store->fd, POLLIN, store, on_readable);
    }
    flush(store);
    return 0;
}

static void flush(struct xf_store *store)
{
    for (struct job *job = store->first; job != NULL && store->fd >= 0; job = job->next) {
        struct iovec iov[2] = {
            { .iov_base = &job->request, .iov_len = sizeof(job->request) },
            { .iov_base = job->text, .iov_len = job->request.text_size },
        };
        struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

        if (job->sent) {
            continue;
        }
        if (job->retry_at_ms > xf_now_ms()) {
            continue;
        }
        if (sendmsg(store->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
            /* Full: goes on when it is writable. Broken: on_readable() hears of it. */
            qb_loop_poll_mod(store->loop, QB_LOOP_HIGH, store->fd, POLLIN | POLLOUT, store,
                             on_readable);
            return;
        }
        job->sent = true;
    }
}

static void hand_over(struct xf_store *store, uint64_t cookie, const struct request *q,
                      const char *text)
{
    struct job *job = calloc(1, sizeof(*job) + q->text_size);

    if (job == NULL) {
        abort();
    }
    job->cookie = cookie;
    job->request = *q;
    job->request.number = ++store->number;
    memcpy(job->text, text, q->text_size);
    *store->last = job;
    store->last = &job->next;
    flush(store);
}

void xf_store_persist(struct xf_store *store, uint64_t cookie, const struct xf_uuid *uuid,
                      const struct xf_record *record)
{
    struct request q = { .kind = KIND_RECORD, .uuid = *uuid, .record = *record };

    /* An earlier one that waits to be tried again would overwrite this one: it is obsolete. */
    for (struct job **at = &store->first; *at != NULL;) {
        if ((*at)->retry_at_ms != 0 && !(*at)->sent && xf_uuid_eq(&(*at)->request.uuid, uuid)) {
            drop_job(store, at);
        } else {
            at = &(*at)->next;
        }
    }
    hand_over(store, cookie, &q, "");
}

void xf_store_history(struct xf_store *store, const char *line)
{
    struct request q = { .kind = KIND_HISTORY, .text_size = (uint32_t)strlen(line) };

    if (q.text_size <= XF_FRAME_SIZE_MAX) {
        hand_over(store, 0, &q, line);
    }
}

static void restart(struct xf_store *store)
{
    struct xf_store_file file;
    char err[512];
    int rc;

    if (waitpid(store->pid, NULL, WNOHANG) == 0) {
        return; /* still in a system call: its lock would be in the way */
    }
    rc = xf_store_file_open(store->dir, 0, &file, err, sizeof(err));
    if (rc == 0) {
        rc = spawn(store, &file);
        /* The lock lives in the writer and here, as long as either does. */
        close(store->lock_fd);
        store->lock_fd = file.lock_fd;
        file.lock_fd = -1;
        xf_store_file_close(&file);
    }
    if (rc != 0) {
        xf_log(LOG_ERR, "the journal's writer cannot be started: %s", err);
        store->restart_at_ms = xf_now_ms() + RETRY_MS;
        return;
    }
    flush(store);
}

void xf_store_tick(struct xf_store *store)
{
    if (store->fd < 0) {
        if (xf_now_ms() >= store->restart_at_ms) {
            restart(store);
        }
        return;
    }
    if (store->first != NULL) {
        flush(store);
    }
}

int xf_store_start(qb_loop_t *loop, const char *dir, uint32_t history_max,
                   struct xf_store_file *file, xf_store_done_fn done, void *arg,
                   struct xf_store **ret_store)
{
    struct xf_store *store = calloc(1, sizeof(*store));
    int rc;

    if (store == NULL) {
        abort();
    }
    store->loop = loop;
    snprintf(store->dir, sizeof(store->dir), "%s", dir);
    store->history_max = history_max;
    store->done = done;
    store->arg = arg;
    store->last = &store->first;
    store->fd = -1;
    rc = spawn(store, file);
    store->lock_fd = file->lock_fd;
    file->lock_fd = -1;
    xf_store_file_close(file);
    if (rc != 0) {
        close(store->lock_fd);
        free(store);
        return rc;
    }
    *ret_store = store;
    return 0;
}

void xf_store_stop(struct xf_store *store)
{
    uint64_t deadline = xf_now_ms() + STOP_WAIT_MS;

    if (store == NULL) {
        return;
    }
    if (store->fd >= 0) {
        flush(store);
        qb_loop_poll_del(store->loop, store->fd);
        shutdown(store->fd, SHUT_WR); /* the writer ends when it has read all */
        while (waitpid(store->pid, NULL, WNOHANG) == 0 && xf_now_ms() < deadline) {
            usleep(5000);
        }
        close(store->fd);
    }
    while (store->first != NULL) {
        drop_job(store, &store->first);
    }
    close(store->lock_fd);
    free(store);
}
