/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * D, in three threads:
 *
 *   restore  the hypervisor's restore() builds NAME--incoming from a pipe
 *   worker   waits for the peer and decodes into the pipe
 *   main     hears the agent, shows the peer that it is there, watches, and reports
 *
 * restore() starts before the peer is there: whatever memory it needs, it takes before the transfer
 * and not in it.
 */
#include "config.h"

#include "roles.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "channel.h"
#include "decoder.h"
#include "job.h"
#include "mono.h"
#include "text.h"

#define PIPE_SIZE       (1 << 20)
#define TICK_MS         50
#define FAREWELL_MS     300
/* How long the source may be kept waiting for the hypervisor to get the domain's memory. */
#define MEMORY_MS       1500u
#define MEMORY_SLICE_MS 5

struct dest {
    struct xf_job *job;
    struct xf_decoder *dec;
    int listen_fd;
    uint16_t port;
    uint64_t pages; /* of the domain being restored; 0: not known */
    int pipe_rd;
    int pipe_wr;
    int wake_fd; /* built: main has something to say */
    pthread_t worker;
    pthread_t restore;
    int restore_rc;
    struct xf_channel *ch;  /* set once, before .connected */
    _Atomic bool connected; /* from here on main sends */
    _Atomic bool built;
    _Atomic bool prepared;
    _Atomic bool worker_done;
};

static int send_frame(struct dest *d, enum xf_data_kind kind, const void *body, size_t size)
{
    uint8_t buf[XF_DATA_HEAD_SIZE + 2 + XF_DATA_TEXT_MAX];
    struct xf_put p = { .buf = buf, .size = sizeof(buf) };
    int rc;

    xf_data_put_frame(&p, kind, (uint32_t)size);
    xf_put_bytes(&p, body, size);
    rc = xf_channel_send(d->ch, buf, p.len);
    return rc < 0 ? rc : xf_channel_flush(d->ch);
}

static int send_failed(struct dest *d, enum xf_reason reason, const char *text)
{
    uint8_t body[2 + XF_DATA_TEXT_MAX];
    struct xf_put p = { .buf = body, .size = sizeof(body) };

    xf_data_put_failed(&p, (uint16_t)reason, text);
    return send_frame(d, XF_DATA_FAILED, body, p.len);
}

static void restore_note(void *arg, const char *text)
{
    struct dest *d = arg;

    xf_job_say_text(d->job, XF_LINK_NOTE, text);
}

static void restore_why(void *arg, const char *text)
{
    struct dest *d = arg;

    xf_text_copy(d->job->why, sizeof(d->job->why), text);
}

static void restore_trouble(void *arg, const char *text)
{
    struct dest *d = arg;

    xf_job_say_text(d->job, XF_LINK_TROUBLE, text);
}

static void restore_prepared(void *arg)
{
    struct dest *d = arg;

    d->prepared = true;
    (void)eventfd_write(d->wake_fd, 1);
}

static const struct xf_restore_events restore_events = { .note = restore_note,
                                                         .why = restore_why,
                                                         .trouble = restore_trouble,
                                                         .prepared = restore_prepared };

static void *restore_main(void *arg)
{
    struct dest *d = arg;
    struct xf_job *job = d->job;
    enum xf_reason reason = XF_REASON_RESTORE;

    d->restore_rc = job->hyper->restore(job->dir, &job->params.uuid, job->params.config, d->pipe_rd,
                                        &restore_events, d, &reason);
    close(d->pipe_rd);
    if (d->restore_rc < 0) {
        xf_job_fail(job, reason != XF_REASON_OK ? reason : XF_REASON_RESTORE,
                    "the hypervisor could not build the domain: %s",
                    xf_job_why(job, d->restore_rc));
    }
    return NULL;
}

/* Memory that is taken now is not taken while pages wait for it. False: not there in time. */
static bool wait_memory(struct dest *d, uint32_t timeout_ms)
{
    struct xf_job *job = d->job;
    uint64_t end_us = xf_mono_us() + timeout_ms * 1000ull;

    while (d->pages == 0) {
        int rc = job->hyper->pages(job->dir, &job->params.uuid, &d->pages);

        if (rc == -ENOTSUP) {
            d->pages = XF_PAGES_MAX;
        }
        if (rc == 0 || rc == -ENOTSUP) {
            break;
        }
        d->pages = 0;
        if (xf_mono_us() >= end_us || xf_wait_fd(-1, 0, job->stop_fd, MEMORY_SLICE_MS) < 0) {
            break;
        }
    }
    return d->pages > 0;
}

static int accept_peer(struct dest *d)
{
    struct xf_job *job = d->job;
    struct xf_channel_config config = {
        .identity = job->identity,
        .psk = job->params.psk,
        .psk_size = sizeof(job->params.psk),
        .stop_fd = job->stop_fd,
        .receiving_us = &job->progress_us,
    };
    int rc = xf_channel_accept(&config, d->listen_fd, job->timeout_ms, &d->ch);

    explicit_bzero(job->params.psk, sizeof(job->params.psk));
    close(d->listen_fd);
    if (rc == -ETIMEDOUT) {
        xf_job_fail(job, XF_REASON_CONNECTION, "the source did not connect within %u ms",
                    job->timeout_ms);
    } else if (rc < 0) {
        xf_job_fail_channel(job, rc, "waiting for the source");
    }
    return rc;
}

static int greet(struct dest *d)
{
    uint8_t buf[64];
    struct xf_put p = { .buf = buf, .size = sizeof(buf) };
    struct xf_data_hello hello = { 0 };
    struct xf_data_frame frame = { 0 };
    uint16_t version;
    int rc = xf_channel_recv(d->ch, buf, XF_DATA_HEAD_SIZE);

    if (rc == 0 && (xf_data_get_frame(buf, &frame) < 0 || frame.kind != XF_DATA_HELLO ||
                    frame.size > sizeof(buf))) {
        rc = -EBADMSG;
    }
    rc = rc < 0 ? rc : xf_channel_recv(d->ch, buf, frame.size);
    if (rc < 0) {
        xf_job_fail_channel(d->job, rc, "greeting");
        return rc;
    }
    if (xf_data_get_hello(buf, frame.size, &hello) < 0 ||
        !xf_data_version(hello.version_min, hello.version_max, &version)) {
        xf_job_fail(d->job, XF_REASON_PROTOCOL, "the source's mover speaks no data format of ours");
        return -EPROTO;
    }
    /* What the peer says of the domain's size is believed up to what the hypervisor has for it. */
    if (!wait_memory(d, d->job->timeout_ms)) {
        xf_job_fail(d->job, XF_REASON_RESTORE, "the hypervisor has no memory for the domain yet");
        return -ENOMEM;
    }
    if (hello.pages > d->pages) {
        xf_job_fail(d->job, XF_REASON_CONFIG, "the domain has %llu pages there and %llu here",
                    (unsigned long long)hello.pages, (unsigned long long)d->pages);
        return -EINVAL;
    }
    d->dec = xf_decoder_new(d->job, d->ch, d->pipe_wr, version, hello.pages, d->wake_fd);
    if (!d->dec) {
        xf_job_fail(d->job, XF_REASON_NO_MEMORY, "no memory for the mover's tables");
        return -ENOMEM;
    }
    hello = (struct xf_data_hello){ .version_min = version,
                                    .version_max = version,
                                    .pages = hello.pages };
    xf_data_put_hello(&p, &hello);
    rc = send_frame(d, XF_DATA_HELLO, buf, p.len);
    if (rc < 0) {
        xf_job_fail_channel(d->job, rc, "greeting");
    }
    return rc;
}

static bool report_complete(struct dest *d, uint64_t last_us)
{
    struct xf_link_totals totals = {
        .bytes_wire = xf_decoder_bytes_wire(d->dec),
        .bytes_stream = xf_decoder_bytes_stream(d->dec),
        .pages_total = xf_decoder_pages(d->dec),
        .duration_us = xf_mono_us() - d->job->start_us,
        .build_us = xf_mono_us() - last_us,
    };

    return xf_job_say_totals(d->job, XF_LINK_COMPLETE, &totals);
}

static void work(struct dest *d)
{
    uint64_t one = 1;
    uint64_t last_us;
    bool greeted;

    /* Not for ever: S is kept waiting meanwhile; greet() waits for the rest. */
    (void)wait_memory(d, MEMORY_MS);
    xf_job_say_port(d->job, d->port);
    if (accept_peer(d) < 0) {
        return;
    }
    greeted = greet(d) == 0;
    d->connected = true;
    if (!greeted) {
        return;
    }
    xf_job_say(d->job, XF_LINK_CONNECTED);
    if (xf_decoder_run(d->dec) < 0) {
        return;
    }
    last_us = xf_mono_us();
    xf_job_progress(d->job);
    xf_job_phase(d->job, XF_PHASE_BUILD);
    pthread_join(d->restore, NULL);
    /* S may hear of it only if the agent did. */
    if (d->restore_rc == 0 && report_complete(d, last_us)) {
        d->built = true;
        while (write(d->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR) {
        }
    }
}

static void *worker_main(void *arg)
{
    struct dest *d = arg;

    work(d);
    d->worker_done = true;
    return NULL;
}

static void watch(struct dest *d)
{
    struct xf_job *job = d->job;
    unsigned long long silence = xf_job_silence_ms(job);

    if (silence <= job->timeout_ms) {
        return;
    }
    switch ((enum xf_job_phase)atomic_load(&job->phase)) {
    case XF_PHASE_CONNECT: /* has its own limit */
    case XF_PHASE_AGENT:
        break;
    case XF_PHASE_PEER:
    case XF_PHASE_PRODUCER:
        xf_job_fail(job, XF_REASON_STALLED, "nothing came from the source for %llu ms", silence);
        break;
    case XF_PHASE_CONSUMER:
        xf_job_fail(job, XF_REASON_RESTORE, "the hypervisor took nothing for %llu ms", silence);
        break;
    case XF_PHASE_BUILD:
        xf_job_fail(job, XF_REASON_RESTORE, "not built %llu ms after the last byte", silence);
        break;
    }
}

static void report_failed(struct dest *d)
{
    uint64_t end_us = xf_mono_us() + FAREWELL_MS * 1000u;

    xf_job_say_failure(d->job);
    while (!d->worker_done && xf_mono_us() < end_us) {
        usleep(1000);
    }
    if (d->connected) {
        xf_channel_farewell(d->ch, FAREWELL_MS);
        send_failed(d, d->job->reason, d->job->text);
        xf_channel_linger(d->ch, FAREWELL_MS);
    }
}

static bool start(struct dest *d)
{
    struct xf_job *job = d->job;
    struct xf_channel_config config = { .address = job->params.address, .port = job->params.port };
    int fds[2];
    int rc;

    if (!xf_job_lock(job)) {
        return false;
    }
    d->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (d->wake_fd < 0 || pipe2(fds, O_CLOEXEC) < 0) {
        xf_job_fail(job, XF_REASON_INTERNAL, "no descriptors: %s", strerror(errno));
        return false;
    }
    d->pipe_rd = fds[0];
    d->pipe_wr = fds[1];
    fcntl(d->pipe_wr, F_SETFL, O_NONBLOCK);
    fcntl(d->pipe_wr, F_SETPIPE_SZ, PIPE_SIZE); /* smaller is only slower */
    rc = xf_channel_listen(&config, &d->listen_fd, &d->port);
    if (rc < 0) {
        xf_job_fail(job, XF_REASON_CONNECTION, "cannot listen on %s: %s", job->params.address,
                    strerror(-rc));
        return false;
    }
    if (pthread_create(&d->restore, NULL, restore_main, d) != 0) {
        xf_job_fail(job, XF_REASON_INTERNAL, "no thread for the hypervisor's restore");
        return false;
    }
    xf_job_phase(job, XF_PHASE_CONNECT);
    if (pthread_create(&d->worker, NULL, worker_main, d) != 0) {
        xf_job_fail(job, XF_REASON_INTERNAL, "no thread for the data path");
        return false;
    }
    return true;
}

int xf_dest_run(struct xf_job *job)
{
    static struct dest dest;
    struct dest *d = &dest;
    uint64_t alive_us = xf_mono_us();
    bool told_prepared = false;

    d->job = job;
    d->worker_done = !start(d);
    while (!d->built && !xf_job_stopped(job)) {
        struct pollfd p[3] = { { .fd = job->link_fd, .events = POLLIN },
                               { .fd = job->stop_fd, .events = POLLIN },
                               { .fd = d->wake_fd, .events = POLLIN } };

        poll(p, 3, TICK_MS);
        if (p[0].revents) {
            xf_job_hear(job);
        }
        if (p[2].revents) {
            uint64_t n;

            (void)eventfd_read(d->wake_fd, &n);
        }
        watch(d);
        if (d->connected && d->dec && !d->built && !xf_job_stopped(job) &&
            xf_decoder_take_mark(d->dec)) {
            (void)send_frame(d, XF_DATA_CAUGHT_UP, "", 0);
        }
        if (d->connected && d->dec && !d->built && !told_prepared && d->prepared) {
            told_prepared = send_frame(d, XF_DATA_PREPARED, "", 0) == 0;
        }
        /* Not to a peer that was never greeted: to it the next frame is the reason. */
        if (d->connected && !d->built && !xf_job_stopped(job) &&
            xf_mono_us() - alive_us >= XF_ALIVE_MS * 1000u) {
            /* If it cannot be sent, receiving tells soon. */
            (void)send_frame(d, XF_DATA_ALIVE, "", 0);
            alive_us = xf_mono_us();
        }
    }
    if (d->built) {
        xf_channel_farewell(d->ch, FAREWELL_MS);
        send_frame(d, XF_DATA_BUILT, "", 0);
        xf_channel_linger(d->ch, FAREWELL_MS);
        return 0;
    }
    report_failed(d);
    return 1;
}
