/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reader of a domain's disk. A guest appends records numbered by a counter in its memory
 * (agent/sandbox/diskrec.h), so the place in the file is the order of arrival. One copy at a time
 * means: numbers rise by one, and an instance that was followed by another never writes again.
 *
 * A block device is a ring of blocks and holds the last records only. Each must be in the block that
 * its number gives it; read in the order of their numbers, the same holds for them.
 */
#include "config.h"

#include "judge.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/diskrec.h"

#define FINDINGS_MAX 20u /* told one by one; all are counted */
#define RING_MAX     (64u << 20)
#define LOOKS_MAX    50u

struct writers {
    uint64_t *instance; /* in the order of their first record */
    size_t n;
    size_t room;
};

struct reading {
    uint64_t record; /* its number in the file */
    uint64_t seq;    /* of the record before; 0: none */
    uint64_t findings;
    struct writers writers;
    struct xf_diskrec last;
};

static void find(struct reading *r, const char *what, const struct xf_diskrec *rec)
{
    if (r->findings++ < FINDINGS_MAX) {
        printf("{\"event\":\"%s\",\"record\":%" PRIu64 ",\"seq\":%" PRIu64 ",\"before\":%" PRIu64
               ",\"instance\":\"%016" PRIx64 "\",\"node\":\"%s\",\"was\":\"%s\"}\n",
               what, r->record, rec->seq, r->seq, rec->instance, rec->node, r->last.node);
    }
}

static void add_writer(struct writers *w, uint64_t instance)
{
    if (w->n == w->room) {
        w->room = w->room == 0 ? 64 : w->room * 2;
        w->instance = realloc(w->instance, w->room * sizeof(*w->instance));
        if (w->instance == NULL) {
            perror("judge");
            exit(2);
        }
    }
    w->instance[w->n++] = instance;
}

static bool wrote_before(const struct writers *w, uint64_t instance)
{
    for (size_t i = 0; i < w->n; i++) {
        if (w->instance[i] == instance) {
            return true;
        }
    }
    return false;
}

static bool whole(const struct xf_diskrec *rec)
{
    return rec->magic == XF_DISKREC_MAGIC && rec->crc == xf_diskrec_crc(rec) &&
           memchr(rec->node, '\0', sizeof(rec->node)) != NULL;
}

static void weigh(struct reading *r, const struct xf_diskrec *rec)
{
    static const struct xf_diskrec unreadable = { .node = "?" };
    bool new_writer = r->writers.n == 0 || r->writers.instance[r->writers.n - 1] != rec->instance;

    if (!whole(rec)) {
        find(r, "torn", &unreadable);
        r->seq++; /* the place it takes */
        return;
    }
    if (r->seq != 0 && rec->seq != r->seq + 1) {
        find(r, rec->seq <= r->seq ? "repeated" : "missing", rec);
    }
    if (new_writer) {
        if (wrote_before(&r->writers, rec->instance)) {
            find(r, "returned", rec);
        }
        add_writer(&r->writers, rec->instance);
    }
    r->seq = rec->seq;
    r->last = *rec;
}

static int tell(struct reading *r)
{
    printf("{\"event\":\"summary\",\"records\":%" PRIu64 ",\"findings\":%" PRIu64
           ",\"writers\":%zu,\"seq\":%" PRIu64 ",\"time_ns\":%" PRIu64 ",\"instance\":\"%016" PRIx64
           "\",\"node\":\"%s\"}\n",
           r->record, r->findings, r->writers.n, r->seq, r->last.time_ns, r->last.instance,
           r->last.node);
    free(r->writers.instance);
    return r->findings == 0 ? 0 : 1;
}

/* ---- a ring ---- */

/*
 * All blocks of one moment, while the guest writes: what two readings in a row agree on stood there
 * between them, because no record comes twice. Size or negative errno.
 */
static ssize_t look_at_ring(int fd, uint8_t *now, uint8_t *before, size_t room)
{
    ssize_t size = 0;

    for (unsigned i = 0; i < LOOKS_MAX; i++) {
        ssize_t n;

        memcpy(before, now, (size_t)size);
        /* A cache may hold what another host's writer has long replaced. */
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        n = pread(fd, now, room, 0);
        if (n < 0) {
            return -errno;
        }
        if (i > 0 && n == size && memcmp(now, before, (size_t)n) == 0) {
            return n;
        }
        size = n;
    }
    return -EBUSY;
}

static struct xf_diskrec record_at(const uint8_t *ring, uint64_t block)
{
    struct xf_diskrec rec;

    memcpy(&rec, ring + block * XF_DISKREC_BLOCK, sizeof(rec));
    return rec;
}

static uint64_t highest(const uint8_t *ring, uint64_t n_blocks)
{
    uint64_t seq = 0;

    for (uint64_t i = 0; i < n_blocks; i++) {
        struct xf_diskrec rec = record_at(ring, i);

        if (whole(&rec) && rec.seq > seq) {
            seq = rec.seq;
        }
    }
    return seq;
}

static void weigh_ring(struct reading *r, const uint8_t *ring, uint64_t n_blocks)
{
    uint64_t last = highest(ring, n_blocks);
    uint64_t first = last > n_blocks ? last - n_blocks + 1 : 1;

    for (uint64_t seq = first; seq <= last; seq++) {
        struct xf_diskrec rec = record_at(ring, seq % n_blocks);

        if (whole(&rec) && rec.seq % n_blocks != seq % n_blocks) {
            find(r, "misplaced", &rec);
        }
        r->seq = seq - 1; /* what its place says: one stale record makes no second finding */
        weigh(r, &rec);
        r->record++;
    }
    r->seq = last;
}

static int judge_ring(int fd, const char *path)
{
    uint8_t *now = calloc(2, RING_MAX + XF_DISKREC_BLOCK);
    struct reading r = { .record = 0 };
    ssize_t size = -ENOMEM;

    if (now != NULL) {
        uint8_t *before = now + RING_MAX + XF_DISKREC_BLOCK;

        size = look_at_ring(fd, now, before, RING_MAX + XF_DISKREC_BLOCK);
    }
    if (size > (ssize_t)RING_MAX) {
        size = -EFBIG;
    }
    if (size < 0) {
        fprintf(stderr, "judge: %s: %s\n", path, strerror((int)-size));
        free(now);
        return 2;
    }
    weigh_ring(&r, now, (uint64_t)size / XF_DISKREC_BLOCK);
    free(now);
    return tell(&r);
}

int xf_judge_ring(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int code;

    if (fd < 0) {
        fprintf(stderr, "judge: %s: %s\n", path, strerror(errno));
        return 2;
    }
    code = judge_ring(fd, path);
    (void)close(fd);
    return code;
}

/* ---- a file ---- */

int xf_judge_disk(const char *path, uint64_t first)
{
    struct reading r = { .record = first };
    struct xf_diskrec rec;
    struct stat st;
    FILE *file;
    size_t n;

    if (stat(path, &st) == 0 && S_ISBLK(st.st_mode)) {
        return xf_judge_ring(path);
    }
    file = fopen(path, "rbe");
    if (file == NULL || fseeko(file, (off_t)(first * sizeof(rec)), SEEK_SET) != 0) {
        fprintf(stderr, "judge: %s: %s\n", path, strerror(errno));
        return 2;
    }
    while ((n = fread(&rec, 1, sizeof(rec), file)) == sizeof(rec)) {
        weigh(&r, &rec);
        r.record++;
    }
    if (n != 0) {
        memset(&rec, 0, sizeof(rec));
        find(&r, "torn", &rec);
    }
    fclose(file);
    return tell(&r);
}
