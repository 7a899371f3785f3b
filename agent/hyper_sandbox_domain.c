/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "hyper_sandbox.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/files.h"
#include "text.h"

/* A process that does not go by itself within that time hangs, and is killed. */
#define KILL_AFTER_NS (2000ull * 1000 * 1000)
/* Of 100 us: a hundred times what it takes, and no more than the loop can bear. */
#define SHOW_SLICES   20u

/* ---- the table ---- */

/* Also before the loop told so: a process of the same domain may have begun meanwhile. */
static bool has_ended(const struct xf_sandbox_domain *d)
{
    struct pollfd fd = { .fd = d->pidfd, .events = POLLIN };

    return poll(&fd, 1, 0) > 0;
}

static struct xf_sandbox_domain *known(const struct xf_hyper *hyper, const struct xf_uuid *uuid)
{
    struct xf_sandbox_domain *d = hyper->domains;

    while (d != NULL && (!xf_uuid_eq(&d->status.uuid, uuid) || has_ended(d))) {
        d = d->next;
    }
    return d;
}

static void unlink_domain(struct xf_sandbox_domain *d)
{
    struct xf_sandbox_domain **at = &d->hyper->domains;

    while (*at != d) {
        at = &(*at)->next;
    }
    *at = d->next;
}

static void disconnect(struct xf_sandbox_domain *d)
{
    if (d->sock >= 0) {
        (void)qb_loop_poll_del(d->hyper->loop, d->sock);
        (void)close(d->sock);
        d->sock = -1;
    }
}

/* Gives the driver's part back; the process is not touched. */
static void forget(struct xf_sandbox_domain *d)
{
    disconnect(d);
    (void)qb_loop_poll_del(d->hyper->loop, d->pidfd);
    (void)close(d->pidfd);
    if (d->kill_timer != 0) {
        (void)qb_loop_timer_del(d->hyper->loop, d->kill_timer);
    }
    unlink_domain(d);
    free(d);
}

static void info_of(const struct xf_sandbox_status *status, struct xf_dom_info *ret_info)
{
    *ret_info = (struct xf_dom_info){
        .uuid = status->uuid,
        .variant = (uint8_t)status->variant,
        .copy = (uint8_t)status->copy,
        .domid = { status->pid },
        .memory_mib = status->memory_mib,
        .vcpus = status->vcpus,
        .cap_percent = status->cap_percent,
    };
    (void)xf_text_copy(ret_info->name, sizeof(ret_info->name), status->name);
}

bool xf_sandbox_domain_info(struct xf_sandbox_domain *d, struct xf_dom_info *ret_info)
{
    struct xf_sandbox_status status;

    /* Of another process: the one after it. */
    if (xf_sandbox_status(d->hyper->dir, &d->status.uuid, &status) < 0 ||
        status.pid != d->status.pid) {
        return false;
    }
    d->status = status;
    info_of(&status, ret_info);
    return true;
}

/* ---- what processes tell ---- */

static void end_op(struct xf_sandbox_domain *d, const struct xf_sandbox_msg *msg)
{
    struct xf_hyper *hyper = d->hyper;
    enum xf_reason reason =
        msg->reason < XF_N_REASONS ? (enum xf_reason)msg->reason : XF_REASON_INTERNAL;

    for (unsigned i = 0; i < XF_SANDBOX_OPS_MAX; i++) {
        if (d->op[i].used && !d->op[i].destroys && d->op[i].cookie == msg->cookie) {
            d->op[i].used = false;
            hyper->events.done(hyper->arg, msg->cookie, reason == XF_REASON_OK, reason,
                               reason == XF_REASON_OK || msg->text[0] != '\0'
                                   ? msg->text
                                   : xf_reason_sentence(reason));
            return;
        }
    }
}

static void tell_change(struct xf_sandbox_domain *d)
{
    struct xf_hyper *hyper = d->hyper;
    uint32_t copy = d->status.copy, variant = d->status.variant;
    struct xf_dom_info info;

    if (xf_sandbox_domain_info(d, &info) && (info.copy != copy || info.variant != variant)) {
        hyper->events.changed(hyper->arg, &info, false);
    }
}

/* Takes one packet. False when there is none. */
static bool take_packet(struct xf_sandbox_domain *d)
{
    struct xf_sandbox_msg msg;
    int fd = -1;
    int rc = d->sock >= 0 ? xf_sandbox_receive(d->sock, &msg, &fd) : -EAGAIN;

    if (fd >= 0) {
        (void)close(fd);
    }
    if (rc == -EAGAIN) {
        return false;
    }
    if (rc < 0) {
        disconnect(d); /* its death is told by the pidfd */
        return false;
    }
    if (msg.type == XF_SANDBOX_REPLY) {
        end_op(d, &msg);
    } else if (msg.type == XF_SANDBOX_STATE) {
        tell_change(d);
    }
    return true;
}

static int32_t on_packet(int32_t fd, int32_t revents, void *data)
{
    (void)fd;
    (void)revents;
    /* One at a time: a callback may do anything but free this domain, the loop comes back. */
    (void)take_packet(data);
    return 0;
}

/* The process is gone, with all its threads, sockets and taps. */
static int32_t on_death(int32_t fd, int32_t revents, void *data)
{
    struct xf_sandbox_domain *d = data;
    struct xf_hyper *hyper = d->hyper;
    struct xf_sandbox_domain last;
    struct xf_dom_info info;

    (void)fd;
    (void)revents;
    while (take_packet(d)) {
        /* What it said before it died counts. */
    }
    last = *d;
    info_of(&last.status, &info);
    forget(d);
    xf_files_clean(hyper->dir, &last.status.uuid);
    for (unsigned i = 0; i < XF_SANDBOX_OPS_MAX; i++) {
        if (last.op[i].used) {
            hyper->events.done(hyper->arg, last.op[i].cookie, last.op[i].destroys,
                               last.op[i].destroys ? XF_REASON_OK : XF_REASON_HYPERVISOR,
                               last.op[i].destroys ? "" : "the domain's process died");
        }
    }
    if (!last.destroying && xf_sandbox_domain_find(hyper, &last.status.uuid) == NULL) {
        hyper->events.changed(hyper->arg, &info, true);
    }
    return 0;
}

/* ---- finding them ---- */

static void connect_domain(struct xf_sandbox_domain *d)
{
    struct xf_sandbox_msg watch = { .type = XF_SANDBOX_WATCH };

    d->sock = xf_sandbox_connect(d->hyper->dir, &d->status.uuid, SOCK_NONBLOCK);
    if (d->sock < 0) {
        d->sock = -1; /* not listening yet: its name will appear */
        return;
    }
    if (qb_loop_poll_add(d->hyper->loop, QB_LOOP_HIGH, d->sock, POLLIN, d, on_packet) < 0 ||
        xf_sandbox_send(d->sock, &watch) < 0) {
        disconnect(d);
    }
}

/* The living process of that domain. Its pidfd, -ENOENT, or -EAGAIN: it has not shown itself. */
static int try_open(const struct xf_hyper *hyper, const struct xf_uuid *uuid,
                    struct xf_sandbox_status *ret_status)
{
    struct xf_sandbox_status before;
    int rc = xf_sandbox_status(hyper->dir, uuid, &before);
    int pidfd;

    if (rc < 0) {
        return rc;
    }
    pidfd = pidfd_open((pid_t)before.pid, 0);
    /* Still locked by the same after that: so the number was its own, not one used again. */
    rc = xf_sandbox_status(hyper->dir, uuid, ret_status);
    if (rc == 0 && pidfd >= 0 && ret_status->pid == before.pid) {
        return pidfd;
    }
    if (pidfd >= 0) {
        (void)close(pidfd);
    }
    return rc < 0 ? rc : -EAGAIN;
}

/*
 * A process that has taken its lock shows itself within microseconds; until then it can be neither
 * counted nor destroyed. H11: not to be mistaken for none.
 */
static int open_process(const struct xf_hyper *hyper, const struct xf_uuid *uuid,
                        struct xf_sandbox_status *ret_status)
{
    const struct timespec slice = { .tv_nsec = 100000 };
    int pidfd = try_open(hyper, uuid, ret_status);

    for (unsigned i = 0; pidfd == -EAGAIN && i < SHOW_SLICES; i++) {
        (void)nanosleep(&slice, NULL);
        pidfd = try_open(hyper, uuid, ret_status);
    }
    return pidfd;
}

/* Takes up the process of that domain, if there is one. */
static struct xf_sandbox_domain *take_up(struct xf_hyper *hyper, const struct xf_uuid *uuid)
{
    struct xf_sandbox_status status;
    struct xf_sandbox_domain *d;
    int pidfd = open_process(hyper, uuid, &status);

    if (pidfd < 0) {
        return NULL;
    }
    d = calloc(1, sizeof(*d));
    assert(d != NULL);
    *d = (struct xf_sandbox_domain){
        .hyper = hyper, .status = status, .sock = -1, .pidfd = pidfd, .next = hyper->domains
    };
    hyper->domains = d;
    if (qb_loop_poll_add(hyper->loop, QB_LOOP_HIGH, pidfd, POLLIN, d, on_death) < 0) {
        hyper->domains = d->next;
        (void)close(pidfd);
        free(d);
        return NULL;
    }
    connect_domain(d);
    return d;
}

struct xf_sandbox_domain *xf_sandbox_domain_find(struct xf_hyper *hyper, const struct xf_uuid *uuid)
{
    struct xf_sandbox_domain *d = known(hyper, uuid);

    if (d == NULL) {
        d = take_up(hyper, uuid);
    }
    if (d != NULL && d->sock < 0) {
        connect_domain(d);
    }
    return d;
}

/* "<uuid><ending>" */
static bool parse_file(const char *name, const char *ending, struct xf_uuid *ret_uuid)
{
    char uuid[XF_UUID_TEXT_SIZE];

    if (strlen(name) != sizeof(uuid) - 1 + strlen(ending) ||
        strcmp(name + sizeof(uuid) - 1, ending) != 0) {
        return false;
    }
    memcpy(uuid, name, sizeof(uuid) - 1);
    uuid[sizeof(uuid) - 1] = '\0';
    return xf_uuid_parse(uuid, ret_uuid) == 0;
}

void xf_sandbox_domains_look(struct xf_hyper *hyper)
{
    char path[XF_SANDBOX_PATH_SIZE + 16];
    struct xf_text t;
    struct dirent *entry;
    DIR *dir;

    xf_text_init(&t, path, sizeof(path));
    xf_text_str(&t, hyper->dir);
    xf_text_str(&t, "/sandbox");
    dir = opendir(path);
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        struct xf_uuid uuid;

        if (!parse_file(entry->d_name, ".lock", &uuid)) {
            continue;
        }
        if (xf_sandbox_domain_find(hyper, &uuid) == NULL) {
            xf_files_clean(hyper->dir, &uuid);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
}

static void announce(struct xf_sandbox_domain *d)
{
    struct xf_hyper *hyper = d->hyper;
    struct xf_dom_info info;

    if (!d->announced && xf_sandbox_domain_info(d, &info)) {
        d->announced = true;
        hyper->events.changed(hyper->arg, &info, false);
    }
}

/* The kernel dropped events: every domain not told of may have been in them. */
static void announce_all(struct xf_hyper *hyper)
{
    xf_sandbox_domains_look(hyper);
    for (struct xf_sandbox_domain *d = hyper->domains; d != NULL; d = d->next) {
        announce(d);
    }
}

static int32_t on_directory(int32_t fd, int32_t revents, void *data)
{
    char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    struct xf_hyper *hyper = data;
    ssize_t n = read(fd, buf, sizeof(buf));

    (void)revents;
    for (ssize_t at = 0; at < n;) {
        const struct inotify_event *event = (const void *)(buf + at);
        struct xf_uuid uuid;

        if ((event->mask & IN_Q_OVERFLOW) != 0) {
            announce_all(hyper);
        } else if (event->len > 0 && parse_file(event->name, ".sock", &uuid)) {
            struct xf_sandbox_domain *d = xf_sandbox_domain_find(hyper, &uuid);

            if (d != NULL) {
                announce(d);
            }
        }
        at += (ssize_t)(sizeof(*event) + event->len);
    }
    return 0;
}

int xf_sandbox_domains_open(struct xf_hyper *hyper)
{
    char path[XF_SANDBOX_PATH_SIZE + 16];
    struct xf_text t;
    int rc;

    xf_text_init(&t, path, sizeof(path));
    xf_text_str(&t, hyper->dir);
    xf_text_str(&t, "/sandbox");
    if (mkdir(path, 0700) < 0 && errno != EEXIST) {
        return -errno;
    }
    hyper->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    /* A socket gets its name by a move when it listens; watched before looked, so none is missed. */
    if (hyper->inotify < 0 || inotify_add_watch(hyper->inotify, path, IN_MOVED_TO) < 0) {
        return -errno;
    }
    rc = qb_loop_poll_add(hyper->loop, QB_LOOP_HIGH, hyper->inotify, POLLIN, hyper, on_directory);
    if (rc < 0) {
        return rc;
    }
    xf_sandbox_domains_look(hyper);
    for (struct xf_sandbox_domain *d = hyper->domains; d != NULL; d = d->next) {
        d->announced = d->sock >= 0;
    }
    return 0;
}

void xf_sandbox_domains_close(struct xf_hyper *hyper)
{
    while (hyper->domains != NULL) {
        forget(hyper->domains);
    }
    if (hyper->inotify >= 0) {
        (void)qb_loop_poll_del(hyper->loop, hyper->inotify);
        (void)close(hyper->inotify);
    }
}

/* ---- asking them ---- */

static int free_op(const struct xf_sandbox_domain *d)
{
    for (int i = 0; i < XF_SANDBOX_OPS_MAX; i++) {
        if (!d->op[i].used) {
            return i;
        }
    }
    return -1;
}

void xf_sandbox_domain_ask(struct xf_hyper *hyper, uint64_t cookie, const struct xf_uuid *uuid,
                           enum xf_sandbox_type type, uint32_t arg)
{
    struct xf_sandbox_domain *d = xf_sandbox_domain_find(hyper, uuid);
    struct xf_sandbox_msg msg = { .type = type, .cookie = cookie, .arg = arg };
    int i = d != NULL ? free_op(d) : -1;

    if (d == NULL) {
        xf_sandbox_answer_late(hyper, cookie, XF_REASON_NOT_RUNNING, NULL);
        return;
    }
    /* H12: from here on one packet there and one back; slot, socket and buffer are at hand. */
    if (i >= 0 && d->sock >= 0 && xf_sandbox_send(d->sock, &msg) < 0) {
        /* It was closed there, for want of room, say; a process that lives takes another. */
        disconnect(d);
        connect_domain(d);
        i = d->sock >= 0 && xf_sandbox_send(d->sock, &msg) == 0 ? i : -1;
    }
    if (i < 0 || d->sock < 0) {
        xf_sandbox_answer_late(hyper, cookie, XF_REASON_HYPERVISOR,
                               "the domain's process does not take requests");
        return;
    }
    d->op[i].used = true;
    d->op[i].destroys = false;
    d->op[i].cookie = cookie;
}

static void kill_domain(void *data)
{
    struct xf_sandbox_domain *d = data;

    d->kill_timer = 0;
    (void)pidfd_send_signal(d->pidfd, SIGKILL, NULL, 0);
}

void xf_sandbox_domain_destroy(struct xf_hyper *hyper, uint64_t cookie, const struct xf_uuid *uuid)
{
    struct xf_sandbox_domain *d = xf_sandbox_domain_find(hyper, uuid);
    struct xf_sandbox_msg msg = { .type = XF_SANDBOX_DESTROY, .cookie = cookie };
    int i = d != NULL ? free_op(d) : -1;

    if (d == NULL) {
        struct xf_sandbox_status status;

        /* A start that hangs before it shows itself must not be told as gone. */
        xf_sandbox_answer_late(
            hyper, cookie,
            xf_sandbox_status(hyper->dir, uuid, &status) == -EAGAIN ? XF_REASON_BUSY : XF_REASON_OK,
            NULL);
        return;
    }
    if (i < 0) {
        xf_sandbox_answer_late(hyper, cookie, XF_REASON_BUSY, NULL);
        return;
    }
    d->op[i].used = true;
    d->op[i].destroys = true;
    d->op[i].cookie = cookie;
    d->destroying = true;
    if (d->sock < 0 || xf_sandbox_send(d->sock, &msg) < 0 ||
        (d->kill_timer == 0 && qb_loop_timer_add(hyper->loop, QB_LOOP_HIGH, KILL_AFTER_NS, d,
                                                 kill_domain, &d->kill_timer) < 0)) {
        (void)pidfd_send_signal(d->pidfd, SIGKILL, NULL, 0);
    }
}
