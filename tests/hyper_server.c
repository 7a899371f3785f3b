/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Has a hypervisor's driver, and does with it what the other end of its standard input and output
 * asks for: the conformance tests, which may be on another machine (hyper_remote.h). Built once for
 * each driver: HYPER and MOVER are its two tables.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hyper_wire.h"
#include "log_qb.h"
#include "text.h"
#include "xen/xen_mover.h"

#define FOREVER (-1)

static const struct xf_hyper_ops *const ops = &HYPER;
static const struct xf_mover_hyper_ops *const mover = &MOVER;
static pthread_mutex_t out_lock = PTHREAD_MUTEX_INITIALIZER; /* threads tell side by side */
static char in_tail[HW_TAIL_MAX + 1];

static void say(struct hw_msg *msg, const void *tail, size_t size)
{
    (void)pthread_mutex_lock(&out_lock);
    if (hw_send(STDOUT_FILENO, msg, tail, size) != 0) {
        _exit(1); /* nobody is there any more */
    }
    (void)pthread_mutex_unlock(&out_lock);
}

static void say_text(enum hw_type type, const char *text)
{
    struct hw_msg msg = { .type = type };

    say(&msg, text, strlen(text));
}

/* ---- the agent's side ---- */

static qb_loop_t *loop;
static struct xf_hyper *hyper;
static bool inside; /* one of the driver's operations */

static void on_done(void *arg, uint64_t cookie, bool ok, enum xf_reason reason, const char *text)
{
    struct hw_msg msg = {
        .type = HW_DONE, .cookie = cookie, .flag = ok, .reason = (uint32_t)reason
    };

    (void)arg;
    if (inside) {
        fprintf(stderr, "the driver ends an operation from inside it\n");
        _exit(3);
    }
    say(&msg, text, strlen(text));
}

static void on_changed(void *arg, const struct xf_dom_info *info, bool gone)
{
    struct hw_msg msg = { .type = HW_CHANGED, .info = *info, .flag = gone };

    (void)arg;
    say(&msg, NULL, 0);
}

static void on_translated(void *arg, uint64_t cookie, enum xf_reason reason, const char *text)
{
    struct hw_msg msg = { .type = HW_TRANSLATED, .cookie = cookie, .reason = (uint32_t)reason };

    (void)arg;
    say(&msg, text, strlen(text));
}

static const struct xf_hyper_events events = { .done = on_done,
                                               .changed = on_changed,
                                               .translated = on_translated };

static void reply(int rc, const void *tail, size_t size)
{
    struct hw_msg msg = { .type = HW_REPLY, .rc = rc };

    say(&msg, tail, size);
}

static void look(const struct hw_msg *msg)
{
    static char buf[HW_TAIL_MAX];
    struct hw_msg answer = { .type = HW_REPLY };
    struct xf_dom_needs needs;
    char err[256] = "";
    size_t n = 0;

    switch (msg->type) {
    case HW_FACTS:
        answer.rc = ops->facts(hyper, &answer.facts);
        break;
    case HW_CPU:
        answer.rc = ops->cpu(hyper, msg->flag, &answer.cpu);
        break;
    case HW_GUEST:
        answer.rc = ops->guest(hyper, &msg->uuid, &answer.guest);
        break;
    case HW_SCAN:
        answer.rc = ops->scan(hyper, (struct xf_dom_info *)(void *)buf, msg->number, &n);
        n *= sizeof(struct xf_dom_info);
        break;
    case HW_CONFIG:
        answer.rc = ops->config(hyper, &msg->uuid, buf, msg->number);
        n = answer.rc == 0 ? strlen(buf) : 0;
        break;
    default:
        answer.rc = ops->needs(in_tail, &needs, err, sizeof(err));
        n = answer.rc == 0 ? sizeof(needs) : strlen(err);
        memcpy(buf, answer.rc == 0 ? (const void *)&needs : err, n);
        break;
    }
    say(&answer, buf, n);
}

static void act(const struct hw_msg *msg)
{
    inside = true;
    switch (msg->type) {
    case HW_TRANSLATE:
        ops->translate(hyper, msg->cookie, in_tail);
        break;
    case HW_CREATE:
        ops->create(hyper, msg->cookie, &msg->uuid, in_tail);
        break;
    case HW_DESTROY:
        ops->destroy(hyper, msg->cookie, &msg->uuid);
        break;
    case HW_RESUME:
        ops->resume(hyper, msg->cookie, &msg->uuid);
        break;
    case HW_UNPAUSE:
        ops->unpause(hyper, msg->cookie, &msg->uuid);
        break;
    case HW_RENAME:
        ops->rename(hyper, msg->cookie, &msg->uuid, (enum xf_variant)msg->number);
        break;
    default:
        ops->release(hyper, &msg->uuid);
        break;
    }
    inside = false;
    reply(0, NULL, 0);
}

static int32_t on_request(int32_t fd, int32_t revents, void *data)
{
    struct hw_msg msg;

    (void)revents;
    (void)data;
    if (hw_recv(fd, &msg, in_tail, FOREVER) != 0) {
        qb_loop_stop(loop);
        return -1;
    }
    if (msg.type == HW_FACTS || msg.type == HW_CPU || msg.type == HW_GUEST || msg.type == HW_SCAN ||
        msg.type == HW_CONFIG || msg.type == HW_NEEDS) {
        look(&msg);
    } else if (msg.type == HW_RESERVE) {
        reply(ops->reserve(hyper, &msg.uuid, msg.number), NULL, 0);
    } else {
        act(&msg);
    }
    return 0;
}

static int serve_agent(const struct hw_msg *msg)
{
    int rc;

    xf_log_open(true, "debug");
    loop = qb_loop_create();
    (void)mkdir(in_tail, 0700); /* another agent of this host may have made it */
    rc = ops->open(loop, in_tail, msg->number, &events, NULL, &hyper);
    reply(rc, NULL, 0);
    if (rc != 0) {
        return 1;
    }
    (void)qb_loop_poll_add(loop, QB_LOOP_MED, STDIN_FILENO, POLLIN, NULL, on_request);
    qb_loop_run(loop);
    ops->close(hyper);
    return 0;
}

/* ---- the mover's side ---- */

static enum xf_verdict on_policy(void *arg, uint32_t round, uint64_t written, int64_t dirty)
{
    struct hw_msg msg = { .type = HW_ASK, .number = round, .pages = written, .dirty = dirty };

    (void)arg;
    say(&msg, NULL, 0);
    if (hw_recv(STDIN_FILENO, &msg, in_tail, FOREVER) != 0 || msg.type != HW_VERDICT) {
        return XF_VERDICT_ABORT;
    }
    return (enum xf_verdict)msg.number;
}

static void on_suspended(void *arg)
{
    (void)arg;
    say_text(HW_SUSPENDED, "");
}

static void on_prepared(void *arg)
{
    (void)arg;
    say_text(HW_PREPARED, "");
}

static void on_note(void *arg, const char *text)
{
    (void)arg;
    say_text(HW_NOTE, text);
}

static void on_over(void *arg)
{
    (void)arg;
}

static void on_why(void *arg, const char *text)
{
    (void)arg;
    say_text(HW_WHY, text);
}

static void *send_image(void *arg)
{
    static char buf[64u << 10];
    int fd = *(int *)arg;
    ssize_t n;

    while ((n = read(fd, buf, sizeof(buf))) > 0) {
        struct hw_msg msg = { .type = HW_DATA };

        say(&msg, buf, (size_t)n);
    }
    return NULL;
}

static int save(const struct hw_msg *msg, enum xf_reason *ret_reason)
{
    const struct xf_save_events save_events = {
        .policy = on_policy,
        .suspended = on_suspended,
        .over = on_over,
        .note = on_note,
        .why = on_why,
    };
    char dir[256];
    pthread_t thread;
    int fds[2], rc;

    if (!xf_text_copy(dir, sizeof(dir), in_tail) || pipe2(fds, O_CLOEXEC) != 0 ||
        pthread_create(&thread, NULL, send_image, &fds[0]) != 0) {
        return -EINVAL;
    }
    rc = mover->save(dir, &msg->uuid, fds[1], msg->number != 0, &save_events, NULL, ret_reason);
    close(fds[1]);
    (void)pthread_join(thread, NULL);
    return rc;
}

/* Reads to the end whatever becomes of the pipe, so that the other end is never stuck. */
static void *take_image(void *arg)
{
    int fd = *(int *)arg;
    static char tail[HW_TAIL_MAX + 1];
    struct hw_msg msg;

    while (hw_recv(STDIN_FILENO, &msg, tail, FOREVER) == 0 && msg.size > 0) {
        for (size_t at = 0; fd >= 0 && at < msg.size;) {
            ssize_t n = write(fd, tail + at, msg.size - at);

            if (n < 0) {
                close(fd);
                fd = -1;
            }
            at += n > 0 ? (size_t)n : 0;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return NULL;
}

static int restore(const struct hw_msg *msg, enum xf_reason *ret_reason)
{
    const struct xf_restore_events restore_events = { .note = on_note,
                                                      .why = on_why,
                                                      .prepared = on_prepared };
    char dir[256], config[XF_CONFIG_SIZE_MAX];
    pthread_t thread;
    int fds[2], rc;

    if (!xf_text_copy(dir, sizeof(dir), in_tail) ||
        !xf_text_copy(config, sizeof(config), in_tail + strlen(in_tail) + 1) ||
        pipe2(fds, O_CLOEXEC) != 0 || pthread_create(&thread, NULL, take_image, &fds[1]) != 0) {
        return -EINVAL;
    }
    rc = mover->restore(dir, &msg->uuid, config, fds[0], &restore_events, NULL, ret_reason);
    close(fds[0]);
    return rc;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* Whatever is asked for: only what a bed makes. */
static int remove_dir(const char *dir)
{
    if (strncmp(dir, "/run/xfbed", 10) != 0 && strncmp(dir, "/tmp/xfbed", 10) != 0) {
        return -EPERM;
    }
    return nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static int serve_mover(const struct hw_msg *msg)
{
    struct hw_msg end = { .type = HW_END };
    enum xf_reason reason = XF_REASON_OK;

    switch (msg->type) {
    case HW_SAVE:
        end.rc = save(msg, &reason);
        break;
    case HW_RESTORE:
        end.rc = restore(msg, &reason);
        break;
    case HW_CAP:
        end.rc = mover->cap(in_tail, &msg->uuid, msg->number);
        break;
    case HW_PAGES:
        end.rc = mover->pages(in_tail, &msg->uuid, &end.pages);
        break;
    case HW_REMOVE:
        end.rc = remove_dir(in_tail);
        break;
    default:
        end.rc = -EPROTO;
        break;
    }
    end.reason = (uint32_t)reason;
    say(&end, NULL, 0);
    _exit(0); /* as a mover does: threads may still be in the hypervisor's hands */
}

int main(void)
{
    struct hw_msg msg;

    (void)signal(SIGPIPE, SIG_IGN);
    if (hw_recv(STDIN_FILENO, &msg, in_tail, FOREVER) != 0) {
        return 2;
    }
    return msg.type == HW_OPEN ? serve_agent(&msg) : serve_mover(&msg);
}
