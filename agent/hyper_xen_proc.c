/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xenferry-xen as the agent's driver sees it: the watcher, and one process for each operation. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock_qb.h"
#include "hyper_xen.h"
#include "log_qb.h"

#define PROGRAM       "xenferry-xen"
/* libxl reads all domains' names and configurations from a xenstored that may have to page in. */
#define FIRST_LOOK_MS 30000u
/* Looks are counted from 1. */
#define EVERY_LOOK    (UINT64_MAX - 1)
#define NO_LOOK       UINT64_MAX
#define RESTART_NS    (1000ull * 1000000ull)

/* ---- jobs ---- */

static void unlink_job(struct xf_xen_job *job)
{
    struct xf_xen_job **at = &job->hyper->jobs;

    while (*at != job) {
        at = &(*at)->next;
    }
    *at = job->next;
}

static void end_addresses(const struct xf_xen_job *job)
{
    if (job->reason == XF_REASON_OK) {
        job->hyper->events.addresses(job->hyper->arg, &job->msg.uuid, &job->msg.addresses);
    } else {
        xf_log(LOG_INFO, "which addresses a domain tells of itself cannot be read: %s", job->text);
    }
}

static void end_job(struct xf_xen_job *job)
{
    struct xf_hyper *hyper = job->hyper;

    unlink_job(job);
    if (job->type == XF_XEN_ADDRESSES) {
        end_addresses(job);
    } else if (job->type == XF_XEN_TRANSLATE) {
        hyper->events.translated(hyper->arg, job->cookie, job->reason,
                                 job->reason == XF_REASON_OK ? job->msg.config : job->text);
    } else {
        hyper->events.done(hyper->arg, job->cookie, job->reason == XF_REASON_OK, job->reason,
                           job->text);
    }
    free(job);
}

/* Jobs whose effect the watcher's last look has shown; all of them when there is no watcher. */
static void end_jobs(struct xf_hyper *hyper, uint64_t look)
{
    struct xf_xen_job *job = hyper->jobs;

    while (job != NULL) {
        struct xf_xen_job *next = job->next;

        if (job->child == NULL && job->look <= look) {
            end_job(job);
            next = hyper->jobs; /* what was told may have begun or ended others */
        }
        job = next;
    }
}

static void ask_look(struct xf_hyper *hyper)
{
    hyper->looks++;
    memset(&hyper->out, 0, offsetof(struct xf_xen_msg, config));
    hyper->out.type = XF_XEN_LOOK;
    hyper->out.cookie = hyper->looks;
    if (hyper->watcher != NULL) {
        /* If it cannot be sent the watcher is dying, and what waits for the look ends with it. */
        (void)xf_child_send(hyper->watcher, &hyper->out, xf_xen_msg_size(&hyper->out));
    }
}

static void job_heard(void *arg, size_t size)
{
    struct xf_xen_job *job = arg;

    if (!xf_xen_msg_ok(&job->msg, size) || job->msg.type != XF_XEN_DONE) {
        xf_log(LOG_ERR, PROGRAM " talks nonsense; it is ended");
        xf_child_kill(job->child);
        return;
    }
    job->answered = true;
    job->reason =
        job->msg.reason < XF_N_REASONS ? (enum xf_reason)job->msg.reason : XF_REASON_INTERNAL;
    xf_text_copy(job->text, sizeof(job->text), job->msg.text);
}

static void job_dead(void *arg)
{
    struct xf_xen_job *job = arg;
    struct xf_hyper *hyper = job->hyper;

    job->child = NULL;
    if (!job->answered) {
        job->reason = XF_REASON_HYPERVISOR;
        xf_text_copy(job->text, sizeof(job->text), PROGRAM " ended early; see the log");
    }
    if (job->type == XF_XEN_TRANSLATE || job->type == XF_XEN_ADDRESSES) {
        end_job(job);
        return;
    }
    ask_look(hyper);
    job->look = hyper->looks;
    if (hyper->watcher == NULL) {
        end_jobs(hyper, EVERY_LOOK);
    }
}

static const struct xf_child_events job_events = { .packet = job_heard, .dead = job_dead };

/* It could not even be started: told from the loop all the same. */
static void job_failed(void *data)
{
    struct xf_xen_job *job = data;

    end_job(job);
}

static struct xf_xen_job *new_job(struct xf_hyper *hyper, uint64_t cookie, enum xf_xen_type type,
                                  const struct xf_uuid *uuid)
{
    struct xf_xen_job *job = calloc(1, sizeof(*job));

    if (job == NULL) {
        abort();
    }
    job->hyper = hyper;
    job->type = type;
    job->cookie = cookie;
    job->next = hyper->jobs;
    hyper->jobs = job;
    job->msg.type = type;
    job->msg.uuid = *uuid;
    return job;
}

/* Its message is complete, unless rc is not 0. */
static void start_job(struct xf_xen_job *job, int rc)
{
    struct xf_hyper *hyper = job->hyper;
    char *argv[] = { (char[]){ PROGRAM }, (char[]){ "-d" }, hyper->dir, (char[]){ "op" }, NULL };
    qb_loop_timer_handle timer;

    rc = rc != 0 ? rc
                 : xf_child_start(hyper->loop, PROGRAM, argv, &job->msg, sizeof(job->msg),
                                  &job_events, job, &job->child);
    if (rc == 0) {
        rc = xf_child_send(job->child, &job->msg, xf_xen_msg_size(&job->msg));
        if (rc != 0) {
            xf_child_abandon(job->child);
            job->child = NULL;
        }
    }
    if (rc != 0) {
        job->reason = rc == -EMSGSIZE ? XF_REASON_CONFIG : XF_REASON_HYPERVISOR;
        xf_text_copy(job->text, sizeof(job->text), strerror(-rc));
        job->look = NO_LOOK; /* only the timer ends it */
        (void)qb_loop_timer_add(hyper->loop, QB_LOOP_HIGH, 0, job, job_failed, &timer);
    }
}

void xf_xen_job_start(struct xf_hyper *hyper, uint64_t cookie, enum xf_xen_type type,
                      const struct xf_uuid *uuid, enum xf_variant variant, const char *config)
{
    struct xf_xen_job *job = new_job(hyper, cookie, type, uuid);
    int rc = 0;

    job->msg.dom.variant = (uint8_t)variant;
    if (config != NULL) {
        rc = xf_text_copy(job->msg.config, sizeof(job->msg.config), config) ? 0 : -EMSGSIZE;
        job->msg.config_size = (uint32_t)strlen(job->msg.config) + 1;
    }
    start_job(job, rc);
}

void xf_xen_addresses_start(struct xf_hyper *hyper, const struct xf_dom_info *info,
                            const struct xf_addresses *vifs, const uint32_t *devid)
{
    struct xf_xen_job *job = new_job(hyper, 0, XF_XEN_ADDRESSES, &info->uuid);

    job->msg.dom = *info;
    job->msg.addresses = *vifs;
    memcpy(job->msg.devid, devid, vifs->n_vifs * sizeof(*devid));
    start_job(job, 0);
}

bool xf_xen_destroying(const struct xf_hyper *hyper, const struct xf_uuid *uuid)
{
    for (const struct xf_xen_job *job = hyper->jobs; job != NULL; job = job->next) {
        if (job->type == XF_XEN_DESTROY && xf_uuid_eq(&job->msg.uuid, uuid)) {
            return true;
        }
    }
    return false;
}

/* An operation that was begun goes on without us; the next agent finds its effect. */
void xf_xen_jobs_close(struct xf_hyper *hyper)
{
    while (hyper->jobs != NULL) {
        struct xf_xen_job *job = hyper->jobs;

        unlink_job(job);
        if (job->child != NULL) {
            xf_child_leave(job->child);
        }
        free(job);
    }
}

/* ---- the watcher ---- */

static void unpause_done(struct xf_hyper *hyper, const struct xf_xen_msg *msg)
{
    enum xf_reason reason =
        msg->reason < XF_N_REASONS ? (enum xf_reason)msg->reason : XF_REASON_INTERNAL;

    for (size_t i = 0; i < XF_XEN_UNPAUSES_MAX; i++) {
        if (hyper->unpause[i].used && hyper->unpause[i].cookie == msg->cookie) {
            struct xf_xen_domain *d = xf_xen_domain_find(hyper, &hyper->unpause[i].uuid);

            if (d != NULL && reason == XF_REASON_OK && d->info.copy == XF_COPY_PAUSED) {
                d->info.copy = XF_COPY_RUNNING;
            }
            hyper->unpause[i].used = false;
            hyper->events.done(hyper->arg, msg->cookie, reason == XF_REASON_OK, reason, msg->text);
            return;
        }
    }
    if (msg->cookie == 0) {
        xf_text_copy(hyper->failure, sizeof(hyper->failure), msg->text);
    }
}

static void watcher_heard(void *arg, size_t size)
{
    struct xf_hyper *hyper = arg;
    const struct xf_xen_msg *msg = &hyper->in;

    if (!xf_xen_msg_ok(msg, size)) {
        xf_log(LOG_ERR, PROGRAM " talks nonsense; it is ended");
        xf_child_kill(hyper->watcher);
        return;
    }
    switch ((enum xf_xen_type)msg->type) {
    case XF_XEN_FACTS:
        hyper->facts = msg->facts;
        memcpy(hyper->cpu, msg->cpu, sizeof(hyper->cpu));
        if (hyper->memory_limit_mib > 0 &&
            hyper->facts.memory_total_mib > hyper->memory_limit_mib) {
            hyper->facts.memory_total_mib = hyper->memory_limit_mib;
        }
        break;
    case XF_XEN_DOMAIN:
        xf_xen_domain_seen(hyper, msg);
        break;
    case XF_XEN_GUEST:
        xf_xen_guest_seen(hyper, msg);
        break;
    case XF_XEN_GONE:
        xf_xen_domain_gone(hyper, &msg->dom);
        break;
    case XF_XEN_LOOKED:
        hyper->looked = true;
        xf_xen_domains_unseen(hyper);
        end_jobs(hyper, msg->cookie);
        break;
    case XF_XEN_DONE:
        unpause_done(hyper, msg);
        break;
    case XF_XEN_UNPAUSE:
    case XF_XEN_LOOK:
    case XF_XEN_TRANSLATE:
    case XF_XEN_CREATE:
    case XF_XEN_DESTROY:
    case XF_XEN_RESUME:
    case XF_XEN_RENAME:
    case XF_XEN_ADDRESSES:
    case XF_N_XENS:
        break;
    }
}

static void send_unpause(struct xf_hyper *hyper, uint64_t cookie, const struct xf_uuid *uuid)
{
    memset(&hyper->out, 0, offsetof(struct xf_xen_msg, config));
    hyper->out.type = XF_XEN_UNPAUSE;
    hyper->out.cookie = cookie;
    hyper->out.uuid = *uuid;
    if (hyper->watcher != NULL) {
        /* If it cannot be sent the watcher is dead or dying, and the next one is told again. */
        (void)xf_child_send(hyper->watcher, &hyper->out, xf_xen_msg_size(&hyper->out));
    }
}

void xf_xen_unpause(struct xf_hyper *hyper, uint64_t cookie, const struct xf_uuid *uuid)
{
    size_t i = 0;

    while (i < XF_XEN_UNPAUSES_MAX - 1 && hyper->unpause[i].used) {
        i++;
    }
    if (hyper->unpause[i].used) {
        abort(); /* more switch-overs at once than there are slots */
    }
    hyper->unpause[i].used = true;
    hyper->unpause[i].cookie = cookie;
    hyper->unpause[i].uuid = *uuid;
    send_unpause(hyper, cookie, uuid);
}

static int start_watcher(struct xf_hyper *hyper);

static void restart_watcher(void *data)
{
    struct xf_hyper *hyper = data;

    hyper->restart = 0;
    xf_xen_domains_doubt(hyper);
    if (start_watcher(hyper) != 0) {
        (void)qb_loop_timer_add(hyper->loop, QB_LOOP_MED, RESTART_NS, hyper, restart_watcher,
                                &hyper->restart);
        return;
    }
    /*
     * Whether the last one unpaused before it died is not known, and only Xen may say: asked again,
     * it says "done" of what is done.
     */
    for (size_t i = 0; i < XF_XEN_UNPAUSES_MAX; i++) {
        if (hyper->unpause[i].used) {
            send_unpause(hyper, hyper->unpause[i].cookie, &hyper->unpause[i].uuid);
        }
    }
}

static void watcher_dead(void *arg)
{
    struct xf_hyper *hyper = arg;

    hyper->watcher = NULL;
    if (hyper->closing || !hyper->looked) {
        return; /* whoever waits for it in xf_xen_watcher_open() sees it */
    }
    xf_log(LOG_ERR, PROGRAM " that watches the domains ended%s%s; it is started again",
           hyper->failure[0] != '\0' ? ": " : "", hyper->failure);
    hyper->failure[0] = '\0';
    end_jobs(hyper, EVERY_LOOK);
    (void)qb_loop_timer_add(hyper->loop, QB_LOOP_MED, RESTART_NS, hyper, restart_watcher,
                            &hyper->restart);
}

static const struct xf_child_events watcher_events = { .packet = watcher_heard,
                                                       .dead = watcher_dead };

static int start_watcher(struct xf_hyper *hyper)
{
    char *argv[] = { (char[]){ PROGRAM }, (char[]){ "-d" }, hyper->dir, (char[]){ "watch" }, NULL };

    return xf_child_start(hyper->loop, PROGRAM, argv, &hyper->in, sizeof(hyper->in),
                          &watcher_events, hyper, &hyper->watcher);
}

int xf_xen_watcher_open(struct xf_hyper *hyper)
{
    uint64_t end_ms = xf_now_ms() + FIRST_LOOK_MS;
    int rc = start_watcher(hyper);

    if (rc != 0) {
        xf_text_copy(hyper->failure, sizeof(hyper->failure), PROGRAM " cannot be started");
        return rc;
    }
    while (rc == 0 && !hyper->looked && hyper->failure[0] == '\0') {
        uint64_t now_ms = xf_now_ms();

        rc = now_ms < end_ms ? xf_child_await(hyper->watcher, (int)(end_ms - now_ms)) : -ETIMEDOUT;
    }
    if (hyper->looked) {
        return 0;
    }
    if (hyper->failure[0] == '\0') {
        xf_text_copy(hyper->failure, sizeof(hyper->failure),
                     rc == -ETIMEDOUT ? "xenstored or Xen do not answer"
                                      : PROGRAM
                         " does not run: see the log (are Xen's libraries of another "
                         "version?)");
    }
    return rc != 0 ? rc : -ENODEV;
}

void xf_xen_watcher_close(struct xf_hyper *hyper)
{
    if (hyper->restart != 0) {
        (void)qb_loop_timer_del(hyper->loop, hyper->restart);
    }
    xf_child_abandon(hyper->watcher);
    hyper->watcher = NULL;
}
