/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "store_notes.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAGIC 0x3165746f6e666578u /* "xefnote1", little-endian */

/* One cache line each: a note is never half in one. Native byte order: it never leaves the host. */
struct xf_notes_line {
    struct xf_uuid uuid; /* all zero: free */
    uint64_t boot;
    uint32_t epoch;
    uint32_t src;
    uint32_t note; /* stored last, with release order */
    uint32_t spare[7];
};
static_assert(sizeof(struct xf_notes_line) == 64, "one cache line");

struct header {
    uint64_t magic;
    uint64_t boot;
    uint64_t spare[6];
};
static_assert(sizeof(struct header) == 64, "as large as a line");

struct page {
    struct header header;
    struct xf_notes_line line[XF_NOTES_LINES];
};

struct xf_notes {
    struct page *page;
};

static const struct xf_uuid no_uuid;

int xf_notes_open(const char *dir, struct xf_boot boot, struct xf_notes **ret_notes, char *err,
                  size_t err_size)
{
    char path[256];
    struct page *page = MAP_FAILED;
    struct xf_notes *notes;
    int fd, rc = 0;

    snprintf(path, sizeof(path), "%s/notes", dir);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0) {
        rc = -posix_fallocate(fd, 0, (off_t)sizeof(struct page));
        if (rc == 0) {
            page =
                mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
        }
    }
    if (page == MAP_FAILED) {
        rc = rc != 0 ? rc : -errno;
        snprintf(err, err_size, "%s: %s", path, strerror(-rc));
    }
    if (fd >= 0) {
        close(fd);
    }
    if (page == MAP_FAILED) {
        return rc;
    }
    if (page->header.magic != MAGIC || page->header.boot != boot.v) {
        memset(page, 0, sizeof(*page));
        page->header.boot = boot.v;
        __atomic_store_n(&page->header.magic, MAGIC, __ATOMIC_RELEASE);
    }
    /* Writable and present from now on; where it may not be locked, tmpfs without swap does as well. */
    (void)mlock(page, sizeof(*page));
    notes = calloc(1, sizeof(*notes));
    if (notes == NULL) {
        abort();
    }
    notes->page = page;
    *ret_notes = notes;
    return 0;
}

void xf_notes_close(struct xf_notes *notes)
{
    if (notes == NULL) {
        return;
    }
    munmap(notes->page, sizeof(*notes->page));
    free(notes);
}

enum xf_note xf_notes_read(const struct xf_notes_line *line, struct xf_migid *ret_id)
{
    uint32_t note = __atomic_load_n(&line->note, __ATOMIC_ACQUIRE);

    *ret_id = (struct xf_migid){ line->epoch, { line->src }, { line->boot } };
    return note < XF_N_NOTES ? (enum xf_note)note : XF_NOTE_NONE;
}

bool xf_notes_get(const struct xf_notes *notes, uint32_t i, struct xf_noted *ret_noted)
{
    const struct xf_notes_line *line;

    if (i >= XF_NOTES_LINES || xf_uuid_eq(&notes->page->line[i].uuid, &no_uuid)) {
        return false;
    }
    line = &notes->page->line[i];
    ret_noted->uuid = line->uuid;
    ret_noted->note = (uint8_t)xf_notes_read(line, &ret_noted->id);
    return true;
}

struct xf_notes_line *xf_notes_line(struct xf_notes *notes, const struct xf_uuid *uuid)
{
    struct xf_notes_line *free_line = NULL;

    for (uint32_t i = 0; i < XF_NOTES_LINES; i++) {
        struct xf_notes_line *line = &notes->page->line[i];

        if (xf_uuid_eq(&line->uuid, uuid)) {
            return line;
        }
        if (free_line == NULL && xf_uuid_eq(&line->uuid, &no_uuid)) {
            free_line = line;
        }
    }
    if (free_line != NULL) {
        free_line->note = XF_NOTE_NONE;
        free_line->uuid = *uuid;
    }
    return free_line;
}

void xf_notes_store(struct xf_notes_line *line, const struct xf_migid *id, enum xf_note note)
{
    if (line->epoch != id->epoch || line->src != id->src.id || line->boot != id->boot.v) {
        /* A note without its id must never be seen: none, then the new id, then the note. */
        __atomic_store_n(&line->note, XF_NOTE_NONE, __ATOMIC_RELEASE);
        __atomic_store_n(&line->epoch, id->epoch, __ATOMIC_RELEASE);
        __atomic_store_n(&line->src, id->src.id, __ATOMIC_RELEASE);
        __atomic_store_n(&line->boot, id->boot.v, __ATOMIC_RELEASE);
    }
    __atomic_store_n(&line->note, (uint32_t)note, __ATOMIC_RELEASE);
}
