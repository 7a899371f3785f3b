/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "journal.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Chance does not hit a checksum: a second try is made with the right one (CRC-32C, RFC 3720 B.4). */
static void seal(uint8_t *buf, size_t size)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < size - 4; i++) {
        crc ^= buf[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78 : 0);
        }
    }
    crc = ~crc;
    for (size_t i = 0; i < 4; i++) {
        buf[size - 4 + i] = (uint8_t)(crc >> (8 * i));
    }
}

static void entry_encodes_back(const uint8_t buf[static XF_JOURNAL_ENTRY_SIZE])
{
    struct xf_journal_entry entry;
    uint8_t again[XF_JOURNAL_ENTRY_SIZE];

    if (xf_journal_decode_entry(buf, &entry) == 0) {
        xf_journal_encode_entry(&entry, again);
        assert(memcmp(again, buf, sizeof(again)) == 0);
    }
}

static void header_encodes_back(const uint8_t buf[static XF_JOURNAL_HEADER_SIZE])
{
    struct xf_journal_header header;
    uint8_t again[XF_JOURNAL_HEADER_SIZE];

    if (xf_journal_decode_header(buf, &header) == 0) {
        xf_journal_encode_header(&header, again);
        assert(memcmp(again, buf, sizeof(again)) == 0);
    }
}

/* A header, or what follows one: both sizes are tried on whatever comes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t buf[XF_JOURNAL_ENTRY_SIZE];

    if (size >= XF_JOURNAL_HEADER_SIZE) {
        memcpy(buf, data, XF_JOURNAL_HEADER_SIZE);
        header_encodes_back(buf);
        seal(buf, XF_JOURNAL_HEADER_SIZE);
        header_encodes_back(buf);
    }
    if (size >= XF_JOURNAL_ENTRY_SIZE) {
        memcpy(buf, data, XF_JOURNAL_ENTRY_SIZE);
        entry_encodes_back(buf);
        seal(buf, XF_JOURNAL_ENTRY_SIZE);
        entry_encodes_back(buf);
    }
    return 0;
}
