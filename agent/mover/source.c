/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * S, in three threads:
 *
 *   save     the hypervisor's save() writes into a pipe and asks the policy
 *   worker   connects, encodes from the pipe to the peer, and sends the end when granted
 *   main     hears the agent and the peer, watches that something moves, and reports
 *
 * Whatever fails stops all of them, leaves the guest as it is, and ends the process.
 */
#include "config.h"

#include "roles.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "encoder.h"
#include "job.h"
#include "mono.h"
#include "policy.h"

/* The kernel gives unprivileged users no larger pipes. */
#define PIPE_SIZE      (1 << 20)
#define TICK_MS        50
#define TELL_US        1000000u
/* The peer, if it lives, reports first what holds it up. */
#define PEER_MARGIN_MS 1000u
/* What the worker gets to say good-bye in, and the peer's last words to arrive. */
#define FAREWELL_MS    300

struct source {
    struct xf_job *job;
    struct xf_encoder *enc;
    struct xf_policy *policy;
    uint64_t pages;
    uint16_t version; /* of the data path */
    int pipe_rd;
    int pipe_wr;
    pthread_t worker;
    pthread_t save;
    int save_rc;
    enum xf_reason save_reason;
    struct xf_channel *ch; /* set once, before .connected */
    _Atomic bool connected;
    _Atomic bool end_sent;    /* or about to be: from here on D may say BUILT */
    _Atomic bool worker_done; /* worker sends nothing more */
    bool built;               /* main's: D has answered the end */
    uint64_t heard_us;        /* main's: when the peer last spoke */
    uint8_t frame[XF_DATA_HEAD_SIZE + 2 + XF_DATA_TEXT_MAX];
    size_t frame_size;
};

static void *save_main(void *arg)
{
    struct source *s = arg;
    struct xf_job *job = s->job;
    bool cold = job->params.options.cold;

    if (cold) {
        xf_policy_cold(s->policy);
    }
    s->save_rc = job->hyper->save(job->dir, &job->params.uuid, s->pipe_wr, cold, &xf_policy_events,
                                  s->policy, &s->save_reason);
    close(s->pipe_wr);
    return NULL;
}

static int open_channel(struct source *s)
{
    struct xf_job *job = s->job;
    struct xf_channel_config config = {
        .address = job->params.address,
        .port = job->params.port,
        .identity = job->identity,
        .psk = job->params.psk,
        .psk_size = sizeof(job->params.psk),
        .rate_kibps = job->params.options.bandwidth_kibps,
        .stop_fd = job->stop_fd,
        .sending_us = &job->progress_us,
    };
    int rc;

    xf_job_phase(job, XF_PHASE_CONNECT);
    rc = xf_channel_connect(&config, &s->ch);
    explicit_bzero(job->params.psk, sizeof(job->params.psk));
    if (rc < 0) {
        xf_job_fail_channel(job, rc, "connecting");
    }
    return rc;
}

static int peer_failed(struct source *s, const uint8_t *body, size_t size)
{
    struct xf_data_failed failed;

    if (xf_data_get_failed(body, size, &failed) < 0) {
        xf_job_fail(s->job, XF_REASON_STREAM, "the target's answer is malformed");
    } else {
        xf_job_fail(s->job, failed.reason < XF_N_REASONS ? failed.reason : XF_REASON_INTERNAL,
                    "the target says: %s", failed.text);
    }
    return -ECANCELED;
}

/* S speaks first; D answers with what it can, or why not. */
static int greet(struct source *s)
{
    uint8_t buf[XF_DATA_HEAD_SIZE + 16];
    uint8_t body[2 + XF_DATA_TEXT_MAX];
    struct xf_put p = { .buf = buf, .size = sizeof(buf) };
    struct xf_data_hello hello = { .version_min = XF_DATA_MIN,
                                   .version_max = XF_DATA_MAX,
                                   .pages = s->pages };
    struct xf_data_frame frame;
    int rc;

    /* D may have to wait for its hypervisor, and says if that takes too long. */
    xf_job_phase(s->job, XF_PHASE_PEER);
    xf_data_put_frame(&p, XF_DATA_HELLO, 16);
    xf_data_put_hello(&p, &hello);
    rc = xf_channel_send(s->ch, buf, p.len);
    rc = rc < 0 ? rc : xf_channel_flush(s->ch);
    rc = rc < 0 ? rc : xf_channel_recv(s->ch, buf, XF_DATA_HEAD_SIZE);
    if (rc == 0 && (xf_data_get_frame(buf, &frame) < 0 || frame.size > sizeof(body))) {
        rc = -EBADMSG;
    }
    rc = rc < 0 ? rc : xf_channel_recv(s->ch, body, frame.size);
    if (rc < 0) {
        xf_job_fail_channel(s->job, rc, "greeting");
        return rc;
    }
    if (frame.kind == XF_DATA_FAILED) {
        return peer_failed(s, body, frame.size);
    }
    if (frame.kind != XF_DATA_HELLO || xf_data_get_hello(body, frame.size, &hello) < 0 ||
        !xf_data_version(hello.version_min, hello.version_max, &s->version)) {
        xf_job_fail(s->job, XF_REASON_PROTOCOL, "the target's mover speaks no data format of ours");
        return -ECANCELED;
    }
    return 0;
}

static int prepare(struct source *s)
{
    s->enc = xf_encoder_new(s->job, s->ch, s->pipe_rd, s->version, s->pages);
    s->policy = s->enc ? xf_policy_new(s->job, s->enc, s->pages) : NULL;
    if (!s->policy) {
        xf_job_fail(s->job, XF_REASON_NO_MEMORY, "no memory for the mover's tables");
        return -ENOMEM;
    }
    return 0;
}

/* save() has returned, or its pipe has ended early: what does it say? */
static int join_save(struct source *s, int rc)
{
    struct xf_job *job = s->job;

    pthread_join(s->save, NULL);
    if (s->save_rc < 0) {
        xf_job_fail(job, s->save_reason != XF_REASON_OK ? s->save_reason : XF_REASON_HYPERVISOR,
                    "the hypervisor could not save the domain: %s", xf_job_why(job, s->save_rc));
        return -ECANCELED;
    }
    if (rc == -ENODATA) {
        xf_job_fail(job, XF_REASON_STREAM, "the hypervisor's save stream ended too early");
        return -ECANCELED;
    }
    return rc;
}

/* H3: the end leaves only when the agent has noted END. */
static int send_end(struct source *s)
{
    struct xf_job *job = s->job;
    int rc;

    xf_job_phase(job, XF_PHASE_AGENT);
    xf_policy_sent(s->policy);
    while ((rc = xf_job_await_grant(job, XF_ALIVE_MS)) == 0) {
        rc = xf_encoder_send_alive(s->enc);
        if (rc < 0) {
            xf_job_fail_channel(job, rc, "waiting for the agent");
            return rc;
        }
    }
    if (rc > 0) {
        xf_job_progress(job);
        xf_job_phase(job, XF_PHASE_BUILD);
        s->end_sent = true;
        rc = xf_encoder_send_end(s->enc);
    }
    return rc;
}

static void work(struct source *s)
{
    int rc;

    if (open_channel(s) < 0 || greet(s) < 0 || prepare(s) < 0) {
        return;
    }
    s->connected = true;
    xf_job_say(s->job, XF_LINK_CONNECTED);
    if (pthread_create(&s->save, NULL, save_main, s) != 0) {
        xf_job_fail(s->job, XF_REASON_INTERNAL, "no thread for the hypervisor's save");
        return;
    }
    rc = xf_encoder_run(s->enc);
    if (rc == 0 || rc == -ENODATA) {
        rc = join_save(s, rc);
    }
    if (rc == 0) {
        rc = send_end(s);
    }
}

static void *worker_main(void *arg)
{
    struct source *s = arg;

    work(s);
    s->worker_done = true;
    return NULL;
}

/* One of the few things D says. */
static void peer_frame(struct source *s, const struct xf_data_frame *frame)
{
    const uint8_t *body = s->frame + XF_DATA_HEAD_SIZE;

    if (frame->kind == XF_DATA_BUILT && s->end_sent) {
        s->built = true;
    } else if (frame->kind == XF_DATA_FAILED) {
        peer_failed(s, body, frame->size);
    } else if (frame->kind == XF_DATA_CAUGHT_UP) {
        xf_encoder_caught_up(s->enc);
    } else if (frame->kind == XF_DATA_PREPARED) {
        xf_policy_peer_prepared(s->policy);
    } else if (frame->kind != XF_DATA_ALIVE) {
        xf_job_fail(s->job, XF_REASON_STREAM, "the target's answer is malformed");
    }
}

static void hear_peer(struct source *s)
{
    while (!s->built) {
        struct xf_data_frame frame = { 0 };
        size_t want = XF_DATA_HEAD_SIZE;
        ssize_t n;

        if (s->frame_size >= want) {
            if (xf_data_get_frame(s->frame, &frame) < 0 || frame.size > sizeof(s->frame) - want) {
                xf_job_fail(s->job, XF_REASON_STREAM, "the target's answer is malformed");
                return;
            }
            want += frame.size;
        }
        if (s->frame_size == want) {
            peer_frame(s, &frame);
            s->frame_size = 0;
            continue;
        }
        n = xf_channel_try_recv(s->ch, s->frame + s->frame_size, want - s->frame_size);
        if (n < 0) {
            xf_job_fail_channel(s->job, (int)n, "listening to the target");
        }
        if (n <= 0) {
            return;
        }
        s->frame_size += (size_t)n;
        s->heard_us = xf_mono_us();
    }
}

/* Deadlines are by progress: whoever is waited for must show some. */
static void watch(struct source *s)
{
    struct xf_job *job = s->job;
    enum xf_job_phase phase = (enum xf_job_phase)atomic_load(&job->phase);
    uint64_t silence = xf_job_silence_ms(job);
    uint64_t unheard = s->connected ? (xf_mono_us() - s->heard_us) / 1000u : 0;
    uint64_t max_time_us = job->params.options.max_time_s * 1000000ull;
    bool stopping = s->connected && s->policy && xf_policy_stop_us(s->policy) > 0;
    bool suspended = stopping && xf_policy_suspended_us(s->policy) > 0;

    if (max_time_us > 0 && !job->params.options.force && !stopping &&
        xf_mono_us() - job->start_us > max_time_us) {
        xf_job_fail(job, XF_REASON_MAX_TIME, "not done after %u s", job->params.options.max_time_s);
    } else if (unheard > job->timeout_ms + PEER_MARGIN_MS) {
        xf_job_fail(job, XF_REASON_STALLED, "the target's mover says nothing for %llu ms",
                    (unsigned long long)unheard);
    } else if (phase == XF_PHASE_AGENT || phase == XF_PHASE_BUILD || silence <= job->timeout_ms ||
               (phase == XF_PHASE_PEER && silence <= job->timeout_ms + PEER_MARGIN_MS)) {
        return; /* the peer's signs of life cover building */
    } else if (phase == XF_PHASE_PRODUCER && stopping && !suspended) {
        xf_job_fail(job, XF_REASON_NOT_SUSPENDED, "asked %llu ms ago", (unsigned long long)silence);
    } else if (phase == XF_PHASE_PRODUCER) {
        xf_job_fail(job, XF_REASON_HYPERVISOR, "the save stream stands still for %llu ms",
                    (unsigned long long)silence);
    } else {
        xf_job_fail(job, XF_REASON_STALLED, "no byte moved for %llu ms",
                    (unsigned long long)silence);
    }
}

static bool report_finished(struct source *s)
{
    struct xf_encoder_counts counts = xf_encoder_counts(s->enc);
    struct xf_link_totals totals = {
        .bytes_wire = counts.bytes_wire,
        .bytes_stream = counts.bytes_stream,
        .pages_total = counts.pages_sent + counts.pages_same,
        .duration_us = xf_mono_us() - s->job->start_us,
    };

    xf_policy_tell(s->policy);
    xf_policy_totals(s->policy, &totals);
    return xf_job_say_totals(s->job, XF_LINK_FINISHED, &totals);
}

/*
 * The agent is told, then the peer; the rest ends with us. Before that the guest gets its speed
 * back, which has a limit: an agent that knows of the failure may kill us at once.
 */
static void report_failed(struct source *s)
{
    uint64_t end_us;

    if (s->connected) {
        xf_policy_lift_cap(s->policy);
    }
    xf_job_say_failure(s->job);
    end_us = xf_mono_us() + FAREWELL_MS * 1000u;
    while (!s->worker_done && xf_mono_us() < end_us) {
        usleep(1000);
    }
    if (s->worker_done && s->connected) {
        xf_channel_farewell(s->ch, FAREWELL_MS);
        xf_encoder_send_failed(s->enc, s->job->reason, s->job->text);
        xf_channel_linger(s->ch, FAREWELL_MS);
    }
}

int xf_source_run(struct xf_job *job)
{
    static struct source source;
    struct source *s = &source;
    uint64_t told_us = xf_mono_us();
    int fds[2];

    s->job = job;
    s->heard_us = xf_mono_us();
    if (!xf_job_lock(job) || job->hyper->pages(job->dir, &job->params.uuid, &s->pages) < 0 ||
        s->pages == 0 || s->pages > XF_PAGES_MAX || pipe2(fds, O_CLOEXEC) < 0) {
        xf_job_fail(job, XF_REASON_HYPERVISOR, "the domain's memory cannot be looked at");
        xf_job_say_failure(job);
        return 1;
    }
    s->pipe_rd = fds[0];
    s->pipe_wr = fds[1];
    fcntl(s->pipe_rd, F_SETFL, O_NONBLOCK);
    fcntl(s->pipe_wr, F_SETPIPE_SZ, PIPE_SIZE); /* smaller is only slower */
    if (pthread_create(&s->worker, NULL, worker_main, s) != 0) {
        xf_job_fail(job, XF_REASON_INTERNAL, "no thread for the data path");
        s->worker_done = true;
    }
    while (!s->built && !xf_job_stopped(job)) {
        struct pollfd p[3] = { { .fd = job->link_fd, .events = POLLIN },
                               { .fd = job->stop_fd, .events = POLLIN },
                               { .fd = s->connected ? xf_channel_fd(s->ch) : -1,
                                 .events = POLLIN } };

        poll(p, 3, TICK_MS);
        if (p[0].revents) {
            xf_job_hear(job);
        }
        if (s->connected) {
            hear_peer(s);
        } else {
            s->heard_us = xf_mono_us();
        }
        watch(s);
        if (s->connected && !xf_policy_suspended_us(s->policy) &&
            xf_mono_us() - told_us >= TELL_US) {
            xf_policy_tell(s->policy);
            told_us = xf_mono_us();
        }
    }
    if (s->built && report_finished(s)) {
        /* If S must keep the domain after all, nobody else is left who knows of the cap. */
        xf_policy_lift_cap(s->policy);
        return 0;
    }
    report_failed(s);
    return 1;
}
