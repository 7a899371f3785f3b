/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "hyper_bed.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hyper_remote.h"
#include "text.h"
#include "unit.h"

#define IMAGE_MAX (256u << 20)

/* ---- what the driver tells ---- */

static void on_done(void *arg, uint64_t cookie, bool ok, enum xf_reason reason, const char *text)
{
    struct bed_host *host = arg;

    host->cookie = cookie;
    host->ok = ok;
    host->reason = reason;
    (void)snprintf(host->text, sizeof(host->text), "%s", text);
    host->n_done++;
    qb_loop_stop(host->bed->loop);
}

static void on_changed(void *arg, const struct xf_dom_info *info, bool gone)
{
    struct bed_host *host = arg;

    host->last = *info;
    host->n_changed++;
    host->n_gone += gone ? 1 : 0;
    qb_loop_stop(host->bed->loop);
}

static void on_translated(void *arg, uint64_t cookie, enum xf_reason reason, const char *text)
{
    struct bed_host *host = arg;

    host->cookie = cookie;
    host->reason = reason;
    assert_true(xf_text_copy(host->translated, sizeof(host->translated), text));
    host->n_translated++;
    qb_loop_stop(host->bed->loop);
}

static const struct xf_hyper_events events = { .done = on_done,
                                               .changed = on_changed,
                                               .translated = on_translated };

/* ---- up and down ---- */

static void open_host(struct bed *bed, struct bed_host *host, char letter)
{
    char path[64];
    struct xf_host_facts facts;

    *host = (struct bed_host){ .bed = bed };
    (void)snprintf(path, sizeof(path), "%s.XXXXXX", bed->kind->dir);
    if (bed->remote) {
        /* Of this process: the hosts are another machine's, or this one's. */
        (void)snprintf(path, sizeof(path), "%s.%c%d", bed->kind->dir, letter, (int)getpid());
        (void)snprintf(host->dir, sizeof(host->dir), "%c:%.60s", letter, path);
    } else {
        assert_non_null(mkdtemp(path));
        (void)snprintf(host->dir, sizeof(host->dir), "%s", path);
    }
    assert_int_equal(
        bed->ops->open(bed->loop, host->dir, bed->kind->limit_mib, &events, host, &host->hyper), 0);
    assert_int_equal(bed->ops->facts(host->hyper, &facts), 0);
    host->free_mib = facts.memory_free_mib;
    if (bed->kind->whole) {
        assert_int_equal(facts.memory_free_mib, facts.memory_total_mib);
    }
}

void bed_configure(struct bed *bed, const char *extra)
{
    char text[2048];

    (void)snprintf(text, sizeof(text), "%s%s", bed->kind->text, extra);
    assert_int_equal(bed_translate(&bed->a, text), XF_REASON_OK);
    (void)strcpy(bed->config, bed->a.translated);
}

void bed_up(struct bed *bed, const char *extra)
{
    char here[4096], libexec[4096 + 32];

    memset(bed, 0, sizeof(*bed));
    bed->kind = bed_kind();
    bed->remote = getenv("XENFERRY_BED_A") != NULL;
    bed->ops = bed->remote ? &xf_hyper_remote : bed->kind->ops;
    bed->mover = bed->remote ? &xf_mover_remote : bed->kind->mover;
    if (bed->ops == NULL) {
        fail_msg("hosts of kind %s are reached through XENFERRY_BED_A and _B", bed->kind->name);
    }
    bed->next_cookie = 1000;
    assert_non_null(getcwd(here, sizeof(here)));
    (void)snprintf(libexec, sizeof(libexec), "%s/agent/sandbox", here);
    assert_int_equal(setenv("XENFERRY_LIBEXECDIR", libexec, 1), 0);
    assert_int_equal(xf_uuid_parse("01234567-89ab-cdef-0123-456789abcdef", &bed->uuid), 0);
    bed->loop = qb_loop_create();
    assert_non_null(bed->loop);
    open_host(bed, &bed->a, 'a');
    open_host(bed, &bed->b, 'b');
    bed_configure(bed, extra);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void close_host(struct bed_host *host)
{
    (void)bed_do(host, BED_DESTROY);
    host->bed->ops->close(host->hyper);
    if (host->bed->remote) {
        (void)hyper_remote_remove(host->dir);
    } else {
        (void)nftw(host->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    }
}

void bed_down(struct bed *bed)
{
    close_host(&bed->a);
    close_host(&bed->b);
    qb_loop_destroy(bed->loop);
    bed->loop = NULL;
}

/* ---- time ---- */

static void on_timeout(void *data)
{
    *(bool *)data = true;
}

static void on_tick(void *data)
{
    qb_loop_stop(data);
}

static void run_for(struct bed *bed, uint64_t ns, const unsigned *counter, unsigned before,
                    bool *ret_timeout)
{
    qb_loop_timer_handle timer;

    *ret_timeout = false;
    assert_int_equal(
        qb_loop_timer_add(bed->loop, QB_LOOP_HIGH, ns, ret_timeout, on_timeout, &timer), 0);
    while (!*ret_timeout && (counter == NULL || *counter == before)) {
        qb_loop_timer_handle tick;

        /* A loop stops when a callback says so; this one looks once more every few ms. */
        assert_int_equal(
            qb_loop_timer_add(bed->loop, QB_LOOP_LOW, 2000000, bed->loop, on_tick, &tick), 0);
        qb_loop_run(bed->loop);
        (void)qb_loop_timer_del(bed->loop, tick);
    }
    if (!*ret_timeout) {
        (void)qb_loop_timer_del(bed->loop, timer);
    }
}

void bed_wait(struct bed *bed, const unsigned *counter, unsigned before)
{
    bool timeout = false;

    run_for(bed, bed->kind->wait_ms * 1000000ull, counter, before, &timeout);
    if (timeout) {
        fail_msg("the driver told nothing for %u ms", bed->kind->wait_ms);
    }
}

void bed_idle(struct bed *bed, unsigned ms)
{
    bool timeout = false;

    run_for(bed, ms * 1000000ull, NULL, 0, &timeout);
}

void bed_look(struct bed *bed)
{
    if (bed->kind->look_ms > 0) {
        bed_idle(bed, bed->kind->look_ms);
    }
}

void bed_settle(struct bed *bed)
{
    bed_idle(bed, bed->kind->settle_ms);
}

/* ---- operations ---- */

static enum xf_reason ended(struct bed_host *host, unsigned before)
{
    /* Never from inside the operation, and once. */
    assert_int_equal(host->n_done, before);
    bed_wait(host->bed, &host->n_done, before);
    assert_int_equal(host->n_done, before + 1);
    assert_int_equal(host->cookie, host->bed->next_cookie);
    assert_int_equal(host->ok, host->reason == XF_REASON_OK);
    return host->reason;
}

enum xf_reason bed_do(struct bed_host *host, enum bed_op op)
{
    struct bed *bed = host->bed;
    uint64_t cookie = ++bed->next_cookie;
    unsigned before = host->n_done;

    switch (op) {
    case BED_CREATE:
        bed->booted = false;
        bed->ops->create(host->hyper, cookie, &bed->uuid, bed->config);
        break;
    case BED_DESTROY:
        bed->ops->destroy(host->hyper, cookie, &bed->uuid);
        break;
    case BED_RESUME:
        bed->ops->resume(host->hyper, cookie, &bed->uuid);
        break;
    case BED_UNPAUSE:
        bed->ops->unpause(host->hyper, cookie, &bed->uuid);
        break;
    }
    return ended(host, before);
}

enum xf_reason bed_rename(struct bed_host *host, enum xf_variant variant)
{
    unsigned before = host->n_done;

    host->bed->ops->rename(host->hyper, ++host->bed->next_cookie, &host->bed->uuid, variant);
    return ended(host, before);
}

enum xf_reason bed_translate(struct bed_host *host, const char *text)
{
    unsigned before = host->n_translated;

    /* It may be told from inside. */
    host->bed->ops->translate(host->hyper, ++host->bed->next_cookie, text);
    if (host->n_translated == before) {
        bed_wait(host->bed, &host->n_translated, before);
    }
    assert_int_equal(host->n_translated, before + 1);
    assert_int_equal(host->cookie, host->bed->next_cookie);
    return host->reason;
}

int bed_config(struct bed_host *host, char *buf, size_t size)
{
    struct bed *bed = host->bed;
    int rc = bed->ops->config(host->hyper, &bed->uuid, buf, size);

    for (unsigned ms = 0; rc == -EAGAIN && !bed->kind->config_kept && ms < bed->kind->wait_ms;
         ms += 100) {
        bed_idle(bed, 100);
        rc = bed->ops->config(host->hyper, &bed->uuid, buf, size);
    }
    return rc;
}

int bed_guest(struct bed_host *host, struct xf_guest *ret_guest)
{
    struct bed *bed = host->bed;
    int rc = bed->ops->guest(host->hyper, &bed->uuid, ret_guest);

    for (unsigned ms = 0; rc == -EAGAIN && !bed->kind->config_kept && ms < bed->kind->wait_ms;
         ms += 100) {
        bed_idle(bed, 100);
        rc = bed->ops->guest(host->hyper, &bed->uuid, ret_guest);
    }
    return rc;
}

void bed_free_is(struct bed_host *host, uint32_t less_mib)
{
    struct xf_host_facts facts;
    uint64_t most = host->free_mib - less_mib;

    assert_int_equal(host->bed->ops->facts(host->hyper, &facts), 0);
    assert_in_range(facts.memory_free_mib, most - host->bed->kind->overhead_mib, most);
}

enum xf_copy bed_copy(struct bed_host *host, struct xf_dom_info *ret_info)
{
    struct xf_dom_info list[4];
    size_t n = 0;

    assert_int_equal(host->bed->ops->scan(host->hyper, list, 4, &n), 0);
    assert_true(n <= 1);
    if (n == 0) {
        return XF_COPY_NONE;
    }
    assert_true(xf_uuid_eq(&list[0].uuid, &host->bed->uuid));
    if (ret_info != NULL) {
        *ret_info = list[0];
    }
    return (enum xf_copy)list[0].copy;
}

/* ---- images ---- */

static enum xf_verdict on_policy(void *arg, uint32_t round, uint64_t written, int64_t dirty)
{
    struct bed_image *image = arg;
    const struct timespec t = { .tv_nsec = 20000000 };

    assert_true(image->n_asked < BED_ROUNDS_MAX);
    image->asked[image->n_asked].round = round;
    image->asked[image->n_asked].dirty = dirty;
    image->asked[image->n_asked].written = written;
    image->n_asked++;
    if (image->n_asked == 1 && image->slow_to > 0) {
        assert_int_equal(
            image->bed->mover->cap(image->bed->a.dir, &image->bed->uuid, image->slow_to), 0);
    }
    if (image->dawdle) {
        (void)nanosleep(&t, NULL);
    }
    if (image->n_asked == image->abort_at) {
        return XF_VERDICT_ABORT;
    }
    return image->n_asked == image->stop_at ? XF_VERDICT_STOP : XF_VERDICT_GO_ON;
}

static void on_suspended(void *arg)
{
    ((struct bed_image *)arg)->n_suspended++;
}

static void on_note(void *arg, const char *text)
{
    (void)arg;
    print_message("# note: %s\n", text);
}

static void on_over(void *arg)
{
    (void)arg;
}

static void on_why(void *arg, const char *text)
{
    (void)arg;
    print_message("# why: %s\n", text);
}

struct drain {
    int fd;
    struct bed_image *image;
};

static void *drain_run(void *arg)
{
    struct drain *drain = arg;
    ssize_t n;

    do {
        n = read(drain->fd, drain->image->bytes + drain->image->size,
                 IMAGE_MAX - drain->image->size);
        drain->image->size += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    return NULL;
}

void bed_save(struct bed *bed, bool cold, struct bed_image *image)
{
    const struct xf_save_events save_events = {
        .policy = on_policy,
        .suspended = on_suspended,
        .over = on_over,
        .note = on_note,
        .why = on_why,
    };
    struct drain drain = { .image = image };
    pthread_t thread;
    int fds[2];

    if (!bed->booted && bed->kind->boot_ms > 0) {
        bed_idle(bed, bed->kind->boot_ms);
    }
    bed->booted = true;
    image->bytes = malloc(IMAGE_MAX);
    assert_non_null(image->bytes);
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    drain.fd = fds[0];
    assert_int_equal(pthread_create(&thread, NULL, drain_run, &drain), 0);
    image->bed = bed;
    image->reason = XF_REASON_OK;
    image->rc =
        bed->mover->save(bed->a.dir, &bed->uuid, fds[1], cold, &save_events, image, &image->reason);
    (void)close(fds[1]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void)close(fds[0]);
    bed_look(bed);
}

struct feed {
    int fd;
    const struct bed_image *image;
};

static void *feed_run(void *arg)
{
    struct feed *feed = arg;
    size_t at = 0;

    while (at < feed->image->size) {
        ssize_t n = write(feed->fd, feed->image->bytes + at, feed->image->size - at);

        if (n < 0) {
            break; /* the restore gave up */
        }
        at += (size_t)n;
    }
    (void)close(feed->fd);
    return NULL;
}

static void ignore_note(void *arg, const char *text)
{
    (void)arg;
    (void)text;
}

static void ignore_prepared(void *arg)
{
    (void)arg;
}

const struct xf_restore_events bed_restore_events = { .note = ignore_note,
                                                      .why = ignore_note,
                                                      .prepared = ignore_prepared };

int bed_restore(struct bed *bed, const struct bed_image *image, enum xf_reason *ret_reason)
{
    struct feed feed = { .image = image };
    pthread_t thread;
    int fds[2], rc;

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    feed.fd = fds[1];
    assert_int_equal(pthread_create(&thread, NULL, feed_run, &feed), 0);
    *ret_reason = XF_REASON_OK;
    rc = bed->mover->restore(bed->b.dir, &bed->uuid, bed->config, fds[0], &bed_restore_events, NULL,
                             ret_reason);
    (void)close(fds[0]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    bed_look(bed);
    return rc;
}

void bed_image_free(struct bed_image *image)
{
    free(image->bytes);
    image->bytes = NULL;
}

void bed_moved(struct bed *bed)
{
    struct bed_image image = { .stop_at = 3 };
    enum xf_reason reason;

    assert_int_equal(bed_do(&bed->a, BED_CREATE), XF_REASON_OK);
    bed_save(bed, false, &image);
    assert_int_equal(image.rc, 0);
    assert_int_equal(bed_restore(bed, &image, &reason), 0);
    assert_int_equal(reason, XF_REASON_OK);
    bed_image_free(&image);
}
