/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "sandbox_ask.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sandbox_client.h"
#include "core.h"
#include "drivers.h"
#include "text.h"

static const struct {
    const char *name;
    enum xf_sandbox_type type;
} requests[] = {
    { "stat", XF_SANDBOX_STAT },       { "pause", XF_SANDBOX_PAUSE },
    { "unpause", XF_SANDBOX_UNPAUSE }, { "resume", XF_SANDBOX_RESUME },
    { "destroy", XF_SANDBOX_DESTROY }, { "cap=", XF_SANDBOX_CAP },
};

static bool parse(const char *text, struct xf_sandbox_msg *msg)
{
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        size_t len = strlen(requests[i].name);
        uint64_t v = 0;

        if (strncmp(text, requests[i].name, len) != 0) {
            continue;
        }
        if (requests[i].type == XF_SANDBOX_CAP ? xf_u64_parse(text + len, 1, 100, &v) < 0
                                               : text[len] != '\0') {
            continue;
        }
        msg->type = requests[i].type;
        msg->arg = (uint32_t)v;
        return true;
    }
    return false;
}

static void print_stat(const struct xf_sandbox_status *status, const struct xf_sandbox_stat *stat)
{
    static const char *const copies[XF_N_COPIES] = {
        [XF_COPY_NONE] = "none",
        [XF_COPY_RUNNING] = "running",
        [XF_COPY_SUSPENDED] = "suspended",
        [XF_COPY_PAUSED] = "paused",
    };

    printf("name=%s\ncopy=%s\npid=%" PRIu32 "\ncap=%" PRIu32 "\n", status->name,
           status->copy < XF_N_COPIES ? copies[status->copy] : "unknown", status->pid,
           status->cap_percent);
    printf("counter=%" PRIu64 "\ncorrupt=%" PRIu64 "\ncheck_left=%" PRIu64 "\ndisk_seq=%" PRIu64
           "\ndisk_errors=%" PRIu64 "\n",
           stat->counter, stat->corrupt, stat->check_left, stat->disk_seq, stat->disk_errors);
    printf("pages=%" PRIu64 "\npages_written=%" PRIu64 "\npages_dirty=%" PRIu64
           "\ninstance=%016" PRIx64 "\n",
           status->n_pages, stat->pages_written, stat->pages_dirty, stat->instance);
}

static enum xf_verdict never_asked(void *arg, uint32_t round, uint64_t written, int64_t dirty)
{
    (void)arg;
    (void)round;
    (void)written;
    (void)dirty;
    return XF_VERDICT_ABORT;
}

static void ignore(void *arg)
{
    (void)arg;
}

/* The image, on standard output; the domain is suspended from then on. */
static int save(const char *dir, const struct xf_uuid *uuid)
{
    const struct xf_save_events events = { .policy = never_asked, .suspended = ignore };
    enum xf_reason reason = XF_REASON_OK;

    if (xf_mover_sandbox.save(dir, uuid, STDOUT_FILENO, true, &events, NULL, &reason) < 0) {
        fprintf(stderr, "%s\n", xf_reason_sentence(reason));
    }
    return (int)reason;
}

int xf_sandbox_ask_main(const char *dir, const struct xf_uuid *uuid, const char *request)
{
    struct xf_sandbox_msg msg = { .cookie = 1 }, answer;
    struct xf_sandbox_status status;
    int sock, rc;

    if (strcmp(request, "save") == 0) {
        return save(dir, uuid);
    }
    if (!parse(request, &msg)) {
        fprintf(stderr, "\"%s\" is not a request; see xenferry-sandbox(8)\n", request);
        return XF_REASON_USAGE;
    }
    sock = xf_sandbox_connect(dir, uuid, 0);
    if (sock < 0) {
        fprintf(stderr, "%s: %s\n", dir, strerror(-sock));
        return XF_REASON_UNKNOWN_DOMAIN;
    }
    rc = xf_sandbox_call(sock, &msg, -1, &answer);
    (void)close(sock);
    if (rc < 0) {
        if (msg.type == XF_SANDBOX_DESTROY && rc == -EPIPE) {
            return XF_REASON_OK;
        }
        fprintf(stderr, "%s\n", strerror(-rc));
        return XF_REASON_HYPERVISOR;
    }
    if (answer.reason != XF_REASON_OK) {
        fprintf(stderr, "%s\n",
                answer.text[0] != '\0' ? answer.text : xf_reason_sentence(answer.reason));
        return (int)answer.reason;
    }
    if (msg.type == XF_SANDBOX_STAT && xf_sandbox_status(dir, uuid, &status) == 0) {
        print_stat(&status, &answer.stat);
    }
    return XF_REASON_OK;
}
