/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal on disk (common/journal.h has its bytes). Blocking: only the writer process
 * (store_writer.c) and a starting agent call this.
 *
 * Two files of equal size, journal and journal.spare, are allocated when they are made, so that a
 * full disk hurts neither an append nor a compaction: that writes the spare and exchanges the names.
 * The header stands in block 0, entry i with seq i + 1 in block i + 1 of XF_JOURNAL_ENTRY_SIZE
 * bytes each, so that no entry straddles two sectors.
 */
#ifndef XF_STORE_FILE_H
#define XF_STORE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal.h"

#define XF_STORE_SIZE_MIN (1u << 20)
#define XF_STORE_SIZE_MAX (1u << 28)

struct xf_store_file {
    int dir_fd;
    int lock_fd;
    int fd;
    int spare_fd; /* -1: could not be made; tried again at the next compaction */
    uint64_t generation;
    uint32_t epoch_floor;
    uint32_t capacity; /* entries */
    uint32_t used;
    bool torn;         /* the last entry was torn and has been dropped */
    uint32_t n_latest; /* one per domain, in the order of first appearance */
    uint32_t latest_max;
    struct xf_journal_entry *latest;
};

/*
 * Waits at most lock_wait_ms for an earlier agent's writer to finish. Makes what is missing.
 * 0, or negative errno with a sentence in err: -EBUSY locked, -EBADMSG damaged.
 */
int xf_store_file_open(const char *dir, uint32_t lock_wait_ms, struct xf_store_file *ret_file,
                       char *err, size_t err_size);
void xf_store_file_close(struct xf_store_file *file);
/* On disk when it returns 0. After an error the entry is not part of the journal. */
int xf_store_file_append(struct xf_store_file *file, const struct xf_uuid *uuid,
                         const struct xf_record *record);

#endif
