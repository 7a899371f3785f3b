/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reader of a domain's disk. A guest appends records numbered by a counter in its memory
 * (agent/sandbox/diskrec.h), so the place in the file is the order of arrival. One copy at a time
 * means: numbers rise by one, and an instance that was followed by another never writes again.
 */
#include "config.h"

#include "judge.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/diskrec.h"

#define FINDINGS_MAX 20u /* told one by one; all are counted */

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

int xf_judge_disk(const char *path, uint64_t first)
{
    struct reading r = { .record = first };
    struct xf_diskrec rec;
    FILE *file = fopen(path, "rbe");
    size_t n;

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
    printf("{\"event\":\"summary\",\"records\":%" PRIu64 ",\"findings\":%" PRIu64
           ",\"writers\":%zu,\"seq\":%" PRIu64 ",\"time_ns\":%" PRIu64 ",\"instance\":\"%016" PRIx64
           "\",\"node\":\"%s\"}\n",
           r.record, r.findings, r.writers.n, r.seq, r.last.time_ns, r.last.instance, r.last.node);
    free(r.writers.instance);
    fclose(file);
    return r.findings == 0 ? 0 : 1;
}
