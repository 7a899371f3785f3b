/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "mover_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream.h"

struct mover_log {
    FILE *f;
    uint64_t n_pages;
    uint8_t **last; /* what came for a page; NULL: nothing that still counts */
    struct xf_stream s;
    uint32_t at; /* the entry whose content comes next */
    uint8_t page[XF_PAGE_SIZE];
    size_t page_size;
};

struct mover_log *mover_log_open(const char *path, uint64_t pages)
{
    struct mover_log *log = calloc(1, sizeof(*log));

    if (!log) {
        return NULL;
    }
    log->n_pages = pages;
    log->last = calloc(pages, sizeof(*log->last));
    log->f = fopen(path, "we");
    if (!log->last || !log->f) {
        mover_log_close(log);
        return NULL;
    }
    xf_stream_init(&log->s);
    return log;
}

static void forget(struct mover_log *log, uint64_t pfn)
{
    free(log->last[pfn]);
    log->last[pfn] = NULL;
}

static void put_hole(struct mover_log *log, uint64_t entry)
{
    forget(log, xf_stream_pfn(entry));
    fwrite(&entry, sizeof(entry), 1, log->f);
}

static void put_page(struct mover_log *log, uint64_t entry)
{
    uint8_t **last = &log->last[xf_stream_pfn(entry)];

    if (xf_stream_page_type(entry) != 0) {
        forget(log, xf_stream_pfn(entry));
    } else if (*last && memcmp(*last, log->page, XF_PAGE_SIZE) == 0) {
        return;
    } else {
        *last = *last ? *last : malloc(XF_PAGE_SIZE);
        if (!*last) {
            abort();
        }
        memcpy(*last, log->page, XF_PAGE_SIZE);
    }
    fwrite(&entry, sizeof(entry), 1, log->f);
    fwrite(log->page, sizeof(log->page), 1, log->f);
}

static void put_holes_here(struct mover_log *log)
{
    while (log->at < log->s.count && !xf_stream_has_content(log->s.entry[log->at])) {
        put_hole(log, log->s.entry[log->at++]);
    }
}

static void take_piece(struct mover_log *log)
{
    const uint8_t *from = log->s.piece;
    size_t size = log->s.piece_size;

    if (log->s.type != XF_STREAM_PAGE_DATA) {
        fwrite(from, size, 1, log->f);
        return;
    }
    while (size > 0) {
        size_t n = XF_PAGE_SIZE - log->page_size;

        n = n < size ? n : size;
        memcpy(log->page + log->page_size, from, n);
        log->page_size += n;
        from += n;
        size -= n;
        if (log->page_size == XF_PAGE_SIZE) {
            log->page_size = 0;
            put_page(log, log->s.entry[log->at++]);
            put_holes_here(log);
        }
    }
}

static void take_item(struct mover_log *log, int item)
{
    if (item < 0) {
        fputs("malformed", log->f);
    } else if (item == XF_STREAM_PAGES) {
        for (uint32_t i = 0; i < log->s.count; i++) {
            if (xf_stream_pfn(log->s.entry[i]) >= log->n_pages) {
                abort();
            }
        }
        log->at = 0;
        put_holes_here(log);
    } else if (item == XF_STREAM_RECORD) {
        fwrite(&log->s.type, sizeof(log->s.type), 1, log->f);
        fwrite(&log->s.length, sizeof(log->s.length), 1, log->f);
    } else if (item == XF_STREAM_DOMAIN) {
        fwrite(&log->s.domain, sizeof(log->s.domain), 1, log->f);
    } else if (item == XF_STREAM_PIECE) {
        take_piece(log);
    }
}

void mover_log_bytes(struct mover_log *log, const void *buf, size_t size)
{
    const uint8_t *at = buf;
    int item;

    if (!log) {
        return;
    }
    do {
        size_t used;

        item = xf_stream_feed(&log->s, at, size, &used);
        take_item(log, item);
        at += used;
        size -= used;
    } while (item > XF_STREAM_MORE);
}

void mover_log_close(struct mover_log *log)
{
    if (!log) {
        return;
    }
    for (uint64_t i = 0; log->last && i < log->n_pages; i++) {
        free(log->last[i]);
    }
    free(log->last);
    if (log->f && fclose(log->f) != 0) {
        abort();
    }
    free(log);
}
