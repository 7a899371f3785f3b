/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "hyper_remote.h"

#include <errno.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hyper_wire.h"
#include "text.h"

#define ANSWER_MS 60000 /* what is immediate, of a host that may be an emulated one */
#define MOVER_MS  180000

extern char **environ;

/* ---- a server ---- */

static int start_server(const char *dir, pid_t *ret_pid)
{
    const char *command = getenv(dir[0] == 'a' ? "XENFERRY_BED_A" : "XENFERRY_BED_B");
    char line[1024];
    char *argv[] = { (char[]){ "sh" }, (char[]){ "-c" }, line, NULL };
    posix_spawn_file_actions_t files;
    int sv[2];
    int r;

    if (command == NULL || !xf_text_copy(line, sizeof(line), command) ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) != 0) {
        return -ENOENT;
    }
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, sv[1], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, sv[1], STDOUT_FILENO);
    r = posix_spawn(ret_pid, "/bin/sh", &files, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    close(sv[1]);
    if (r != 0) {
        close(sv[0]);
        return -r;
    }
    return sv[0];
}

static void end_server(int fd, pid_t pid)
{
    close(fd);
    (void)waitpid(pid, NULL, 0);
}

static const char *path_of(const char *dir)
{
    return dir + 2;
}

/* ---- the agent's side ---- */

struct news {
    struct news *next;
    struct hw_msg msg;
    char tail[];
};

struct xf_hyper {
    qb_loop_t *loop;
    struct xf_hyper_events events;
    void *arg;
    int fd;
    pid_t pid;
    bool dead;
    struct news *first, **last; /* came while an answer was waited for: told from the loop */
    qb_loop_timer_handle telling;
    char tail[HW_TAIL_MAX + 1];
};

static struct xf_hyper *any; /* who is asked what needs no handle */

static void tell(struct xf_hyper *hyper, const struct hw_msg *msg, const char *tail)
{
    switch (msg->type) {
    case HW_DONE:
        hyper->events.done(hyper->arg, msg->cookie, msg->flag, (enum xf_reason)msg->reason, tail);
        break;
    case HW_CHANGED:
        if (hyper->events.changed != NULL) {
            hyper->events.changed(hyper->arg, &msg->info, msg->flag);
        }
        break;
    case HW_TRANSLATED:
        hyper->events.translated(hyper->arg, msg->cookie, (enum xf_reason)msg->reason, tail);
        break;
    default:
        break;
    }
}

static void tell_news(void *data)
{
    struct xf_hyper *hyper = data;

    while (hyper->first != NULL) {
        struct news *news = hyper->first;

        hyper->first = news->next;
        if (hyper->first == NULL) {
            hyper->last = &hyper->first;
        }
        tell(hyper, &news->msg, news->tail);
        free(news);
    }
}

static void keep_news(struct xf_hyper *hyper, const struct hw_msg *msg)
{
    struct news *news = malloc(sizeof(*news) + msg->size + 1);

    if (news == NULL) {
        abort();
    }
    news->next = NULL;
    news->msg = *msg;
    memcpy(news->tail, hyper->tail, msg->size + 1);
    if (!qb_loop_timer_is_running(hyper->loop, hyper->telling)) {
        /* Not a job: libqb does not free one that is taken back. */
        (void)qb_loop_timer_add(hyper->loop, QB_LOOP_HIGH, 0, hyper, tell_news, &hyper->telling);
    }
    *hyper->last = news;
    hyper->last = &news->next;
}

static int32_t on_news(int32_t fd, int32_t revents, void *data)
{
    struct xf_hyper *hyper = data;
    struct hw_msg msg;
    int rc = hw_recv(fd, &msg, hyper->tail, ANSWER_MS);

    (void)revents;
    if (rc != 0) {
        fprintf(stderr, "the driver's server is gone: %s\n", strerror(-rc));
        hyper->dead = true;
        return -1;
    }
    /* What came before it is told before it. */
    tell_news(hyper);
    tell(hyper, &msg, hyper->tail);
    return 0;
}

/* The answer's tail is hyper->tail. */
static int ask(struct xf_hyper *hyper, struct hw_msg *msg, const void *tail, size_t size)
{
    int rc = hyper->dead ? -EPIPE : hw_send(hyper->fd, msg, tail, size);

    while (rc == 0) {
        rc = hw_recv(hyper->fd, msg, hyper->tail, ANSWER_MS);
        if (rc == 0 && msg->type == HW_REPLY) {
            return msg->rc;
        }
        if (rc == 0) {
            keep_news(hyper, msg);
        }
    }
    fprintf(stderr, "the driver's server does not answer: %s\n", strerror(-rc));
    return rc;
}

static int ask_text(struct xf_hyper *hyper, struct hw_msg *msg, const char *text)
{
    return ask(hyper, msg, text, strlen(text));
}

static void remote_close(struct xf_hyper *hyper)
{
    if (hyper == NULL) {
        return;
    }
    if (qb_loop_timer_is_running(hyper->loop, hyper->telling)) {
        (void)qb_loop_timer_del(hyper->loop, hyper->telling);
    }
    (void)qb_loop_poll_del(hyper->loop, hyper->fd);
    end_server(hyper->fd, hyper->pid);
    while (hyper->first != NULL) {
        struct news *news = hyper->first;

        hyper->first = news->next;
        free(news);
    }
    any = any == hyper ? NULL : any;
    free(hyper);
}

static int remote_open(qb_loop_t *loop, const char *dir, uint64_t memory_limit_mib,
                       const struct xf_hyper_events *events, void *arg, struct xf_hyper **ret_hyper)
{
    struct xf_hyper *hyper = calloc(1, sizeof(*hyper));
    struct hw_msg msg = { .type = HW_OPEN, .number = (uint32_t)memory_limit_mib };
    int rc;

    if (hyper == NULL) {
        abort();
    }
    hyper->loop = loop;
    hyper->events = *events;
    hyper->arg = arg;
    hyper->last = &hyper->first;
    hyper->fd = start_server(dir, &hyper->pid);
    if (hyper->fd < 0) {
        rc = hyper->fd;
        free(hyper);
        return rc;
    }
    rc = qb_loop_poll_add(loop, QB_LOOP_HIGH, hyper->fd, POLLIN, hyper, on_news);
    rc = rc != 0 ? rc : ask_text(hyper, &msg, path_of(dir));
    if (rc != 0) {
        remote_close(hyper);
        return rc;
    }
    any = any != NULL ? any : hyper;
    *ret_hyper = hyper;
    return 0;
}

static int remote_facts(struct xf_hyper *hyper, struct xf_host_facts *ret_facts)
{
    struct hw_msg msg = { .type = HW_FACTS };
    int rc = ask(hyper, &msg, NULL, 0);

    *ret_facts = msg.facts;
    return rc;
}

static int remote_cpu(struct xf_hyper *hyper, bool pv, struct xf_cpu *ret_cpu)
{
    struct hw_msg msg = { .type = HW_CPU, .flag = pv };
    int rc = ask(hyper, &msg, NULL, 0);

    *ret_cpu = msg.cpu;
    return rc;
}

static int remote_guest(struct xf_hyper *hyper, const struct xf_uuid *uuid,
                        struct xf_guest *ret_guest)
{
    struct hw_msg msg = { .type = HW_GUEST, .uuid = *uuid };
    int rc = ask(hyper, &msg, NULL, 0);

    *ret_guest = msg.guest;
    return rc;
}

static int remote_scan(struct xf_hyper *hyper, struct xf_dom_info *ret_list, size_t max,
                       size_t *ret_n)
{
    struct hw_msg msg = { .type = HW_SCAN, .number = (uint32_t)max };
    int rc = ask(hyper, &msg, NULL, 0);

    if (rc == 0) {
        *ret_n = msg.size / sizeof(*ret_list);
        memcpy(ret_list, hyper->tail, *ret_n * sizeof(*ret_list));
    }
    return rc;
}

static int remote_config(struct xf_hyper *hyper, const struct xf_uuid *uuid, char *buf, size_t size)
{
    struct hw_msg msg = { .type = HW_CONFIG, .uuid = *uuid, .number = (uint32_t)size };
    int rc = ask(hyper, &msg, NULL, 0);

    return rc != 0 ? rc : xf_text_copy(buf, size, hyper->tail) ? 0 : -EPROTO;
}

static int remote_needs(const char *config, struct xf_dom_needs *ret_needs, char *err,
                        size_t err_size)
{
    struct hw_msg msg = { .type = HW_NEEDS };
    int rc = any != NULL ? ask_text(any, &msg, config) : -ENOTCONN;

    if (rc == 0) {
        memcpy(ret_needs, any->tail, sizeof(*ret_needs));
    } else {
        (void)xf_text_copy(err, err_size, any != NULL ? any->tail : "");
    }
    return rc;
}

static void start(struct xf_hyper *hyper, enum hw_type type, uint64_t cookie,
                  const struct xf_uuid *uuid, uint32_t number, const char *text)
{
    struct hw_msg msg = { .type = type, .cookie = cookie, .number = number };

    msg.uuid = uuid != NULL ? *uuid : msg.uuid;
    (void)ask_text(hyper, &msg, text);
}

static void remote_translate(struct xf_hyper *hyper, uint64_t cookie, const char *text)
{
    start(hyper, HW_TRANSLATE, cookie, NULL, 0, text);
}

static void remote_create(struct xf_hyper *hyper, uint64_t cookie, const struct xf_uuid *uuid,
                          const char *config)
{
    start(hyper, HW_CREATE, cookie, uuid, 0, config);
}

static void remote_destroy(struct xf_hyper *hyper, uint64_t cookie, const struct xf_uuid *uuid)
{
    start(hyper, HW_DESTROY, cookie, uuid, 0, "");
}

static void remote_resume(struct xf_hyper *hyper, uint64_t cookie, const struct xf_uuid *uuid)
{
    start(hyper, HW_RESUME, cookie, uuid, 0, "");
}

static void remote_unpause(struct xf_hyper *hyper, uint64_t cookie, const struct xf_uuid *uuid)
{
    start(hyper, HW_UNPAUSE, cookie, uuid, 0, "");
}

static void remote_rename(struct xf_hyper *hyper, uint64_t cookie, const struct xf_uuid *uuid,
                          enum xf_variant variant)
{
    start(hyper, HW_RENAME, cookie, uuid, (uint32_t)variant, "");
}

/* Nothing is told: the tests' guests write none. */
static void remote_addresses(struct xf_hyper *hyper, const struct xf_uuid *uuid,
                             const struct xf_dom_needs *needs)
{
    (void)hyper;
    (void)uuid;
    (void)needs;
}

static int remote_reserve(struct xf_hyper *hyper, const struct xf_uuid *uuid, uint32_t memory_mib)
{
    struct hw_msg msg = { .type = HW_RESERVE, .uuid = *uuid, .number = memory_mib };

    return ask(hyper, &msg, NULL, 0);
}

static void remote_release(struct xf_hyper *hyper, const struct xf_uuid *uuid)
{
    struct hw_msg msg = { .type = HW_RELEASE, .uuid = *uuid };

    (void)ask(hyper, &msg, NULL, 0);
}

const struct xf_hyper_ops xf_hyper_remote = {
    .name = "remote",
    .mover = "",
    .open = remote_open,
    .close = remote_close,
    .facts = remote_facts,
    .cpu = remote_cpu,
    .guest = remote_guest,
    .scan = remote_scan,
    .config = remote_config,
    .translate = remote_translate,
    .needs = remote_needs,
    .create = remote_create,
    .destroy = remote_destroy,
    .resume = remote_resume,
    .unpause = remote_unpause,
    .rename = remote_rename,
    .addresses = remote_addresses,
    .reserve = remote_reserve,
    .release = remote_release,
};

/* ---- the mover's side ---- */

struct job {
    int fd;
    pid_t pid;
    struct hw_msg msg; /* asked, then what the server said last */
    char tail[HW_TAIL_MAX + 1];
};

static struct job *begin(const char *dir, const struct hw_msg *msg, const char *config)
{
    struct job *job = calloc(1, sizeof(*job));
    size_t dir_size = strlen(path_of(dir));

    if (job == NULL) {
        abort();
    }
    job->msg = *msg;
    memcpy(job->tail, path_of(dir), dir_size);
    (void)xf_text_copy(job->tail + dir_size + 1, sizeof(job->tail) - dir_size - 1, config);
    job->fd = start_server(dir, &job->pid);
    if (job->fd < 0 || hw_send(job->fd, &job->msg, job->tail, dir_size + 1 + strlen(config)) != 0) {
        fprintf(stderr, "no server for %s\n", dir);
        abort();
    }
    return job;
}

/* Its next word; END with an error if there is none. */
static uint32_t hear(struct job *job)
{
    int rc = hw_recv(job->fd, &job->msg, job->tail, MOVER_MS);

    if (rc != 0) {
        job->msg = (struct hw_msg){ .type = HW_END, .rc = rc, .reason = XF_REASON_INTERNAL };
        fprintf(stderr, "the mover's server: %s\n", strerror(-rc));
    }
    return job->msg.type;
}

static int finish(struct job *job, enum xf_reason *ret_reason)
{
    int rc = job->msg.rc;

    if (ret_reason != NULL) {
        *ret_reason = (enum xf_reason)job->msg.reason;
    }
    end_server(job->fd, job->pid);
    free(job);
    return rc;
}

static bool put(int fd, const char *buf, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = write(fd, buf + at, size - at);

        if (n < 0) {
            return false;
        }
        at += (size_t)n;
    }
    return true;
}

static int remote_save(const char *dir, const struct xf_uuid *uuid, int fd, bool cold,
                       const struct xf_save_events *events, void *arg, enum xf_reason *ret_reason)
{
    const struct hw_msg msg = { .type = HW_SAVE, .uuid = *uuid, .number = cold };
    struct job *job = begin(dir, &msg, "");
    struct hw_msg answer = { .type = HW_VERDICT };

    while (hear(job) != HW_END) {
        switch (job->msg.type) {
        case HW_ASK:
            answer.number =
                (uint32_t)events->policy(arg, job->msg.number, job->msg.pages, job->msg.dirty);
            (void)hw_send(job->fd, &answer, NULL, 0);
            break;
        case HW_SUSPENDED:
            events->suspended(arg);
            break;
        case HW_NOTE:
            events->note(arg, job->tail);
            break;
        case HW_WHY:
            events->why(arg, job->tail);
            break;
        default:
            (void)put(fd, job->tail, job->msg.size);
            break;
        }
    }
    return finish(job, ret_reason);
}

/* What there is of the image, or its end, handed on. False: nothing more is. */
static bool hand_on(struct job *job, int fd)
{
    struct hw_msg msg = { .type = HW_DATA };
    static _Thread_local char buf[HW_TAIL_MAX];
    ssize_t n = read(fd, buf, sizeof(buf));

    return n >= 0 && hw_send(job->fd, &msg, buf, (size_t)n) == 0 && n > 0;
}

static int remote_restore(const char *dir, const struct xf_uuid *uuid, const char *config, int fd,
                          const struct xf_restore_events *events, void *arg,
                          enum xf_reason *ret_reason)
{
    const struct hw_msg msg = { .type = HW_RESTORE, .uuid = *uuid };
    struct job *job = begin(dir, &msg, config);
    struct pollfd p[2] = { { .fd = job->fd, .events = POLLIN }, { .fd = fd, .events = POLLIN } };

    for (;;) {
        if (poll(p, 2, MOVER_MS) <= 0) {
            job->msg = (struct hw_msg){ .rc = -ETIMEDOUT, .reason = XF_REASON_INTERNAL };
            break;
        }
        if (p[0].revents != 0) {
            uint32_t said = hear(job);

            if (said == HW_END) {
                break;
            } else if (said == HW_NOTE) {
                events->note(arg, job->tail);
            } else if (said == HW_WHY) {
                events->why(arg, job->tail);
            } else if (said == HW_PREPARED) {
                events->prepared(arg);
            }
        } else if (!hand_on(job, fd)) {
            p[1].fd = -1;
        }
    }
    return finish(job, ret_reason);
}

static int remote_cap(const char *dir, const struct xf_uuid *uuid, uint32_t percent)
{
    const struct hw_msg msg = { .type = HW_CAP, .uuid = *uuid, .number = percent };
    struct job *job = begin(dir, &msg, "");

    (void)hear(job);
    return finish(job, NULL);
}

static int remote_pages(const char *dir, const struct xf_uuid *uuid, uint64_t *ret_pages)
{
    const struct hw_msg msg = { .type = HW_PAGES, .uuid = *uuid };
    struct job *job = begin(dir, &msg, "");

    (void)hear(job);
    *ret_pages = job->msg.pages;
    return finish(job, NULL);
}

int hyper_remote_remove(const char *dir)
{
    const struct hw_msg msg = { .type = HW_REMOVE };
    struct job *job = begin(dir, &msg, "");

    (void)hear(job);
    return finish(job, NULL);
}

const struct xf_mover_hyper_ops xf_mover_remote = {
    .name = "remote",
    .save = remote_save,
    .restore = remote_restore,
    .cap = remote_cap,
    .pages = remote_pages,
};
