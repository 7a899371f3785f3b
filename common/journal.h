/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The durable record <-> bytes. The journal is a preallocated file of fixed-size entries written in
 * turn; each holds the whole record of one domain, so the last entry of a uuid is what counts.
 * Pure: the file is agent/store_file.c's.
 */
#ifndef XF_JOURNAL_H
#define XF_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "core.h"

#define XF_JOURNAL_MIN 1
#define XF_JOURNAL_MAX 1
#define XF_JOURNAL_HEADER_SIZE 64u
#define XF_JOURNAL_ENTRY_SIZE 128u

struct xf_journal_header {
    uint16_t version;
    uint64_t generation; /* one more at each compaction */
    uint32_t epoch_floor; /* no epoch at or below this may be used anew for any domain */
};

struct xf_journal_entry {
    uint64_t seq; /* from 1, without gaps */
    struct xf_uuid uuid;
    struct xf_record record;
};

/* The encoders assert that the values are in range. */
void xf_journal_encode_header(const struct xf_journal_header *header,
                              uint8_t buf[static XF_JOURNAL_HEADER_SIZE]);
/* 0; -EPROTO not a journal; -EPROTONOSUPPORT; -EBADMSG checksum. */
int xf_journal_decode_header(const uint8_t buf[static XF_JOURNAL_HEADER_SIZE],
                             struct xf_journal_header *ret_header);
void xf_journal_encode_entry(const struct xf_journal_entry *entry,
                             uint8_t buf[static XF_JOURNAL_ENTRY_SIZE]);
/* 0; -ENODATA the slot was never written (all zero); -EBADMSG torn or damaged. */
int xf_journal_decode_entry(const uint8_t buf[static XF_JOURNAL_ENTRY_SIZE],
                            struct xf_journal_entry *ret_entry);

#endif
