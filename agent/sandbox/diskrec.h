/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a sandbox guest writes to its disk. In a file records are appended, so their place is the
 * order of arrival and two writers show as interleaved sequence numbers; on a block device record
 * seq has the block seq modulo the number of blocks of XF_DISKREC_BLOCK bytes.
 */
#ifndef XF_DISKREC_H
#define XF_DISKREC_H

#include <stddef.h>
#include <stdint.h>

#define XF_DISKREC_MAGIC 0x315345525f444658ull /* "XFD_RES1" in a little-endian dump */
#define XF_DISKREC_BLOCK 4096u

/* Little-endian, no holes. */
struct xf_diskrec {
    uint64_t magic;
    uint64_t seq;      /* from 1, one more each time */
    uint64_t instance; /* of the process that ran the guest */
    uint64_t time_ns;  /* CLOCK_REALTIME of its host */
    char node[24];     /* its host's name, cut, ended by NUL */
    uint32_t reserved; /* zero */
    uint32_t crc;      /* of all before it */
};
_Static_assert(sizeof(struct xf_diskrec) == 64, "a record divides every block");

/* CRC-32C, bit by bit: 60 bytes a record need no table. */
static inline uint32_t xf_diskrec_crc(const struct xf_diskrec *rec)
{
    const unsigned char *p = (const unsigned char *)rec;
    uint32_t crc = 0xffffffffu;

    for (size_t i = 0; i < offsetof(struct xf_diskrec, crc); i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++) {
            crc = (crc >> 1) ^ (0x82f63b78u & (0u - (crc & 1u)));
        }
    }
    return crc ^ 0xffffffffu;
}

#endif
