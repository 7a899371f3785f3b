/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hypervisor for the mover's stories (moverpair.c): the guest is a file that both can look at,
 * and it misbehaves as the environment says. Linked into tests/mover_fake, which else is the mover.
 *
 *   XF_FAKE_PAGES   of the guest
 *   XF_FAKE_HOLES   page numbers behind these where no page is
 *   XF_FAKE_DIRTY   pages that get dirty in each round of pre-copy
 *   XF_FAKE_LOG     DIR/log gets the stream in a form that can be compared (mover_log.h)
 *   XF_FAKE_FAULT   what goes wrong; the names are those in this file
 *
 * DIR/guest is the memory, DIR/cap the last scheduler cap, DIR/suspended exists while suspended,
 * DIR/built once a restore has read a whole stream.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "drivers.h"
#include "mover/hypers.h"
#include "mover_log.h"
#include "stream.h"

#define BATCH      1024u
#define TYPE_L1TAB 1u /* a page table of a PV guest */
#define TYPE_XTAB  0xfu
/* Pages that come and go do so in blocks of this: longer than a chunk, and in no step with one. */
#define BLOCK      150u

struct guest {
    uint8_t *memory;
    uint64_t n_pages; /* that may have memory */
    uint64_t n_all;   /* with the page numbers behind them, which have none */
    uint64_t written;
    uint32_t round;
    bool balloon;
    struct mover_log *log;
};

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 10) : otherwise;
}

static bool fault(const char *name)
{
    const char *text = getenv("XF_FAKE_FAULT");

    return text && strcmp(text, name) == 0;
}

static void mark(const char *dir, const char *name, const char *text)
{
    char path[512];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0) {
        if (write(fd, text, strlen(text)) < 0) {
            perror(path);
        }
        close(fd);
    }
}

static int open_guest(const char *dir, uint64_t n_pages, struct guest *ret_guest)
{
    char path[512];
    void *memory;
    int fd;

    snprintf(path, sizeof(path), "%s/guest", dir);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)(n_pages * XF_PAGE_SIZE)) < 0) {
        return -errno;
    }
    memory = mmap(NULL, n_pages * XF_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (memory == MAP_FAILED) {
        return -errno;
    }
    *ret_guest = (struct guest){ .memory = memory,
                                 .n_pages = n_pages,
                                 .n_all = n_pages + number("XF_FAKE_HOLES", 0),
                                 .balloon = fault("balloon") };
    if (getenv("XF_FAKE_LOG")) {
        snprintf(path, sizeof(path), "%s/log", dir);
        ret_guest->log = mover_log_open(path, ret_guest->n_all);
    }
    return 0;
}

static int write_all(struct guest *g, int fd, const void *buf, size_t size)
{
    const uint8_t *at = buf;

    mover_log_bytes(g->log, buf, size);
    while (size > 0) {
        ssize_t n = write(fd, at, size);

        if (n < 0) {
            return -errno;
        }
        at += n;
        size -= (size_t)n;
        g->written += (uint64_t)n;
    }
    return 0;
}

/*
 * Every 97th page is a page table, every 101st one is not there. With a balloon a third of the
 * blocks is not there either, another third in each round, without content in one way or another.
 */
static uint64_t entry_of(const struct guest *g, uint64_t pfn)
{
    uint64_t type = pfn % 101 == 100 ? TYPE_XTAB : pfn % 97 == 96 ? TYPE_L1TAB : 0;

    if (pfn >= g->n_pages) {
        type = TYPE_XTAB;
    } else if (g->balloon && (pfn / BLOCK + g->round) % 3 == 0) {
        type = TYPE_XTAB - pfn / BLOCK % 2 - (pfn % BLOCK > BLOCK / 2 ? 1 : 0);
    }
    return pfn | type << XF_STREAM_TYPE_SHIFT;
}

static int write_batch(struct guest *g, int fd, const uint64_t *entry, uint32_t n)
{
    uint8_t head[XF_STREAM_PAGES_HEAD_MAX];
    struct xf_put p = { .buf = head, .size = sizeof(head) };
    int rc;

    xf_stream_put_pages(&p, entry, n);
    rc = write_all(g, fd, head, p.len);
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        if (xf_stream_has_content(entry[i])) {
            rc = write_all(g, fd, g->memory + xf_stream_pfn(entry[i]) * XF_PAGE_SIZE, XF_PAGE_SIZE);
        }
    }
    return rc;
}

/* The n pages from pfn on, wrapping around. */
static int write_pages(struct guest *g, int fd, uint64_t pfn, uint64_t n)
{
    uint64_t entry[BATCH];
    int rc = 0;

    while (n > 0 && rc == 0) {
        uint32_t part = n < BATCH ? (uint32_t)n : BATCH;

        for (uint32_t i = 0; i < part; i++) {
            entry[i] = entry_of(g, (pfn + i) % g->n_all);
        }
        rc = write_batch(g, fd, entry, part);
        pfn += part;
        n -= part;
    }
    return rc;
}

static void dirty_pages(struct guest *g, uint64_t pfn, uint64_t n, uint32_t round)
{
    for (uint64_t i = 0; i < n; i++) {
        uint64_t at = (pfn + i) % g->n_all;
        uint64_t word = at * 2654435761u + round;

        /* Every third is written with what it holds: dirty, and yet the same. */
        if (i % 3 != 0 && at < g->n_pages) {
            memcpy(g->memory + at * XF_PAGE_SIZE + (word % 500) * 8, &word, sizeof(word));
        }
    }
}

static int write_begin(struct guest *g, int fd)
{
    uint8_t buf[256];
    struct xf_put p = { .buf = buf, .size = sizeof(buf) };

    xf_stream_put_image(&p);
    xf_stream_put_domain(&p, XF_STREAM_X86_PV, 4, 17);
    xf_stream_put_record(&p, XF_STREAM_STATIC_DATA_END, 0);
    return write_all(g, fd, buf, p.len);
}

/* A record with a body that needs padding, and the end. */
static int write_end(struct guest *g, int fd)
{
    uint8_t buf[128];
    struct xf_put p = { .buf = buf, .size = sizeof(buf) };

    xf_stream_put_record(&p, XF_STREAM_TOOLSTACK, 13);
    xf_put_bytes(&p, "of odd length\0\0\0", 16);
    if (!fault("no-end")) {
        xf_stream_put_record(&p, XF_STREAM_END, 0);
    }
    if (fault("after-end")) {
        xf_put_u64(&p, 0);
    }
    return write_all(g, fd, buf, p.len);
}

static int write_odd(struct guest *g, int fd)
{
    if (fault("bad-pfn")) {
        uint64_t entry = g->n_pages;
        uint8_t head[64];
        struct xf_put p = { .buf = head, .size = sizeof(head) };

        xf_stream_put_pages(&p, &entry, 1);
        return write_all(g, fd, head, p.len);
    }
    return fault("garbage") ? write_all(g, fd, "\xff\xff\xff\xff\xff\xff\xff\xff", 8) : 0;
}

/* As libxenguest does it: asks before and after each send. */
static int live_rounds(struct guest *g, int fd, const struct xf_save_events *events, void *arg,
                       uint64_t *ret_pfn, uint64_t *ret_n)
{
    uint64_t n_dirty = number("XF_FAKE_DIRTY", 16);
    uint64_t pfn = 0;
    uint64_t n = g->n_all;

    for (uint32_t round = 0;; round++) {
        enum xf_verdict verdict = events->policy(arg, round, g->written, (int64_t)n);
        int rc;

        if (verdict == XF_VERDICT_ABORT) {
            return -ECANCELED;
        }
        rc = write_pages(g, fd, pfn, n);
        if (rc < 0) {
            return rc;
        }
        if (fault("slow-rounds")) {
            usleep(20000);
        }
        pfn = (pfn + n) % g->n_all;
        n = n_dirty < g->n_all ? n_dirty : g->n_all;
        dirty_pages(g, pfn, n, round);
        g->round = round + 1;
        if (verdict == XF_VERDICT_GO_ON) {
            verdict = events->policy(arg, round, g->written, -1);
        }
        if (verdict == XF_VERDICT_ABORT) {
            return -ECANCELED;
        }
        if (verdict == XF_VERDICT_STOP) {
            *ret_pfn = pfn;
            *ret_n = n;
            return 0;
        }
    }
}

static int fake_save(const char *dir, const struct xf_uuid *uuid, int fd, bool cold,
                     const struct xf_save_events *events, void *arg, enum xf_reason *ret_reason)
{
    uint64_t pfn = 0;
    uint64_t n;
    struct guest g;
    int rc = open_guest(dir, number("XF_FAKE_PAGES", 1024), &g);

    (void)uuid;
    *ret_reason = XF_REASON_HYPERVISOR;
    n = rc < 0 ? 0 : g.n_all;
    rc = rc < 0 ? rc : write_begin(&g, fd);
    rc = rc < 0 ? rc : write_odd(&g, fd);
    if (rc == 0 && !cold && !fault("own-rule")) {
        rc = live_rounds(&g, fd, events, arg, &pfn, &n);
    }
    if (rc == 0 && fault("no-suspend")) {
        pause(); /* a guest that does not listen */
    }
    if (rc == 0 && fault("fail-suspend")) {
        *ret_reason = XF_REASON_NOT_SUSPENDED;
        rc = -ETIME;
    }
    if (rc < 0) {
        return rc;
    }
    mark(dir, "suspended", "");
    events->suspended(arg);
    rc = write_pages(&g, fd, pfn, n);
    if (rc == 0 && fault("hang-save")) {
        pause();
    }
    rc = rc < 0 ? rc : fault("fail-save") ? -EIO : write_end(&g, fd);
    mover_log_close(g.log);
    return rc;
}

static int read_all(struct guest *g, int fd, void *buf, size_t size)
{
    uint8_t *at = buf;
    size_t left = size;

    while (left > 0) {
        ssize_t n = read(fd, at, left);

        if (n <= 0) {
            return n < 0 ? -errno : -EPIPE;
        }
        at += n;
        left -= (size_t)n;
    }
    mover_log_bytes(g->log, buf, size);
    return 0;
}

static int take_pages(struct guest *g, struct xf_stream *s, int fd)
{
    for (uint32_t i = 0; i < s->count; i++) {
        uint64_t pfn = xf_stream_pfn(s->entry[i]);
        int rc;

        /* Which blocks are there is known to the other side only. */
        if (pfn >= g->n_all || (!g->log && s->entry[i] != entry_of(g, pfn))) {
            return -EBADMSG;
        }
        if (!xf_stream_has_content(s->entry[i])) {
            continue;
        }
        if (pfn >= g->n_pages) {
            return -EBADMSG;
        }
        rc = read_all(g, fd, g->memory + pfn * XF_PAGE_SIZE, XF_PAGE_SIZE);
        if (rc < 0) {
            return rc;
        }
        xf_stream_took(s, XF_PAGE_SIZE);
    }
    return 0;
}

#define LATE_MS 3000u

struct late {
    const struct xf_restore_events *events;
    void *arg;
};

static void *late_main(void *arg)
{
    const struct late *late = arg;

    usleep(LATE_MS * 1000u);
    late->events->prepared(late->arg);
    return NULL;
}

static void prepare(const struct xf_restore_events *events, void *arg)
{
    static struct late late;
    pthread_t thread;

    late = (struct late){ .events = events, .arg = arg };
    if (fault("late-prepared")) {
        pthread_create(&thread, NULL, late_main, &late);
    } else if (!fault("never-prepared")) {
        events->prepared(arg);
    }
}

static int fake_restore(const char *dir, const struct xf_uuid *uuid, const char *config, int fd,
                        const struct xf_restore_events *events, void *arg,
                        enum xf_reason *ret_reason)
{
    static struct xf_stream s;
    static uint8_t buf[XF_STREAM_PAGES_HEAD_MAX];
    struct guest g;
    int rc = open_guest(dir, number("XF_FAKE_PAGES", 1024), &g);

    (void)uuid;
    (void)config;
    prepare(events, arg);
    *ret_reason = XF_REASON_RESTORE;
    xf_stream_init(&s);
    while (rc == 0 && !xf_stream_ended(&s)) {
        size_t want = xf_stream_want(&s);
        size_t used;

        want = want < sizeof(buf) ? want : sizeof(buf);
        rc = read_all(&g, fd, buf, want);
        if (rc == 0) {
            int item = xf_stream_feed(&s, buf, want, &used);

            rc = item == XF_STREAM_PAGES ? take_pages(&g, &s, fd) : item < 0 ? item : 0;
            if (item == XF_STREAM_PAGES && fault("fail-restore")) {
                return -EIO;
            }
            if (item == XF_STREAM_PAGES && fault("hang-restore")) {
                pause();
            }
        }
    }
    if (rc == 0 && fault("hang-build")) {
        pause();
    }
    if (rc == 0) {
        mover_log_close(g.log);
        mark(dir, "built", "");
    }
    return rc;
}

static int fake_cap(const char *dir, const struct xf_uuid *uuid, uint32_t percent)
{
    char text[16];

    (void)uuid;
    if (percent < 100 && fault("slow-cap")) {
        mark(dir, "capping", "");
        usleep(XF_CAP_MS * 1000 / 2);
    }
    snprintf(text, sizeof(text), "%u", percent);
    mark(dir, "cap", text);
    return 0;
}

static int fake_pages(const char *dir, const struct xf_uuid *uuid, uint64_t *ret_pages)
{
    (void)dir;
    (void)uuid;
    if (fault("no-memory")) {
        return -EAGAIN;
    }
    *ret_pages = number("XF_FAKE_PAGES", 1024) + number("XF_FAKE_HOLES", 0);
    return 0;
}

static const struct xf_mover_hyper_ops fake = {
    .name = "fake",
    .save = fake_save,
    .restore = fake_restore,
    .cap = fake_cap,
    .pages = fake_pages,
};

const struct xf_mover_hyper_ops *xf_mover_hyper_find(const char *name)
{
    return !name || strcmp(name, fake.name) == 0 ? &fake : NULL;
}
