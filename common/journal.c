/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "journal.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "bytes.h"
#include "fields.h"

#define HEADER_MAGIC 0x314e4c4a59524658u /* "XFRYJLN1" */
#define ENTRY_MAGIC  0x454a4658u         /* "XFJE" */
#define CRC_SIZE     4u

#define MARKS_KNOWN                                                                                \
    ((uint32_t)XF_MARK_BEGUN | XF_MARK_ENDED | XF_MARK_STAYED | XF_MARK_WENT | XF_MARK_RUN |       \
     XF_MARK_NEVER)

/*
 * CRC-32C (Castagnoli; RFC 3720 B.4), four bits at a time: finds every burst up to 32 bits and all
 * 1 to 3 bit errors in so short an entry, and needs no table of its own to be built at start.
 */
static uint32_t crc32c(const uint8_t *buf, size_t size)
{
    static const uint32_t nibble[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    uint32_t crc = 0xffffffffu;

    for (size_t i = 0; i < size; i++) {
        crc ^= buf[i];
        crc = crc >> 4 ^ nibble[crc & 15];
        crc = crc >> 4 ^ nibble[crc & 15];
    }
    return ~crc;
}

/* Fills up with zeros and ends in the checksum. */
static void seal(struct xf_put *p)
{
    xf_put_zeros(p, p->size - CRC_SIZE - p->len);
    xf_put_u32(p, crc32c(p->buf, p->size - CRC_SIZE));
    assert(!p->failed && p->len == p->size);
}

static bool sealed(const uint8_t *buf, size_t size)
{
    struct xf_get crc = { .buf = buf + size - CRC_SIZE, .size = CRC_SIZE };

    return xf_get_u32(&crc) == crc32c(buf, size - CRC_SIZE);
}

static bool all_zero(const uint8_t *buf, size_t size)
{
    return buf[0] == 0 && memcmp(buf, buf + 1, size - 1) == 0;
}

void xf_journal_encode_header(const struct xf_journal_header *header,
                              uint8_t buf[static XF_JOURNAL_HEADER_SIZE])
{
    struct xf_put p = { .buf = buf, .size = XF_JOURNAL_HEADER_SIZE };

    assert(header->version >= XF_JOURNAL_MIN && header->version <= XF_JOURNAL_MAX);
    xf_put_u64(&p, HEADER_MAGIC);
    xf_put_u16(&p, header->version);
    xf_put_u16(&p, XF_JOURNAL_ENTRY_SIZE);
    xf_put_u32(&p, header->epoch_floor);
    xf_put_u64(&p, header->generation);
    seal(&p);
}

int xf_journal_decode_header(const uint8_t buf[static XF_JOURNAL_HEADER_SIZE],
                             struct xf_journal_header *ret_header)
{
    struct xf_get g = { .buf = buf, .size = XF_JOURNAL_HEADER_SIZE - CRC_SIZE };
    struct xf_journal_header header;
    uint16_t entry_size;

    if (xf_get_u64(&g) != HEADER_MAGIC) {
        return -EPROTO;
    }
    /* Before the version: the checksum is at the same place in all, and damage must not pass for news. */
    if (!sealed(buf, XF_JOURNAL_HEADER_SIZE)) {
        return -EBADMSG;
    }
    header.version = xf_get_u16(&g);
    if (header.version < XF_JOURNAL_MIN || header.version > XF_JOURNAL_MAX) {
        return -EPROTONOSUPPORT;
    }
    entry_size = xf_get_u16(&g);
    header.epoch_floor = xf_get_u32(&g);
    header.generation = xf_get_u64(&g);
    xf_get_zeros(&g, g.size - g.pos);
    if (!xf_get_done(&g) || entry_size != XF_JOURNAL_ENTRY_SIZE) {
        return -EBADMSG;
    }
    *ret_header = header;
    return 0;
}

void xf_journal_encode_entry(const struct xf_journal_entry *entry,
                             uint8_t buf[static XF_JOURNAL_ENTRY_SIZE])
{
    struct xf_put p = { .buf = buf, .size = XF_JOURNAL_ENTRY_SIZE };
    const struct xf_record *record = &entry->record;

    assert(entry->seq != 0);
    assert((record->marks & ~MARKS_KNOWN) == 0 && record->promise <= XF_PROMISE_GO);
    xf_put_u32(&p, ENTRY_MAGIC);
    xf_put_u8(&p, record->marks);
    xf_put_u8(&p, record->promise);
    xf_put_zeros(&p, 2);
    xf_put_u64(&p, entry->seq);
    xf_put_uuid(&p, &entry->uuid);
    xf_put_migid(&p, &record->id);
    xf_put_node(&p, record->src);
    xf_put_node(&p, record->dst);
    xf_put_boot(&p, record->dst_boot);
    xf_put_boot(&p, record->own_boot);
    xf_put_u32(&p, record->epoch_max);
    seal(&p);
}

int xf_journal_decode_entry(const uint8_t buf[static XF_JOURNAL_ENTRY_SIZE],
                            struct xf_journal_entry *ret_entry)
{
    struct xf_get g = { .buf = buf, .size = XF_JOURNAL_ENTRY_SIZE - CRC_SIZE };
    struct xf_journal_entry entry;
    struct xf_record *record = &entry.record;

    if (all_zero(buf, XF_JOURNAL_ENTRY_SIZE)) {
        return -ENODATA;
    }
    if (!sealed(buf, XF_JOURNAL_ENTRY_SIZE)) {
        return -EBADMSG;
    }
    /* No padding byte may differ between equal entries. */
    memset(&entry, 0, sizeof(entry));
    xf_get_check(&g, xf_get_u32(&g) == ENTRY_MAGIC);
    record->marks = xf_get_bits(&g, MARKS_KNOWN);
    record->promise = xf_get_enum(&g, XF_PROMISE_NONE, XF_PROMISE_GO + 1);
    xf_get_zeros(&g, 2);
    entry.seq = xf_get_u64(&g);
    xf_get_check(&g, entry.seq != 0);
    xf_get_uuid(&g, &entry.uuid);
    xf_get_migid(&g, &record->id);
    record->src = xf_get_node(&g);
    record->dst = xf_get_node(&g);
    record->dst_boot = xf_get_boot(&g);
    record->own_boot = xf_get_boot(&g);
    record->epoch_max = xf_get_u32(&g);
    xf_get_zeros(&g, g.size - g.pos);
    if (!xf_get_done(&g)) {
        return -EBADMSG;
    }
    *ret_entry = entry;
    return 0;
}
