/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * common/probe.c: any frame that arrives on a bridge. What reads as a probe frame says that it is
 * at least as long as it claims, and is written as it was read.
 */
#include "config.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_frame(const uint8_t *data, size_t size, size_t whole)
{
    static uint8_t again[14 + XF_PROBE_MTU_MAX];
    struct xf_probe_frame frame;

    if (xf_probe_decode(data, size, whole, &frame) == 0) {
        int written = xf_probe_encode(&frame, again, sizeof(again));

        assert(size >= XF_PROBE_HEADER_SIZE && written > 0 && (size_t)written <= whole);
        /* Up to the padding, which may hold anything. */
        assert(memcmp(again, data, 44) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t mac[6];
    uint32_t address;

    try_frame(data, size, size);
    try_frame(data, size < 128 ? size : 128, size);
    try_frame(data, size, 14 + XF_PROBE_MTU_MAX);
    if (xf_probe_arp_sender(data, size, &address, mac) == 0) {
        assert(size >= 42 && address != 0 && memcmp(mac, data + 22, sizeof(mac)) == 0);
    }
    return 0;
}
