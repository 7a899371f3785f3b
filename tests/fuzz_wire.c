/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "wire.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A frame that decodes has everything in range: it encodes to as many bytes, which mean the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct xf_frame frame, again;
    static uint8_t buf[XF_FRAME_SIZE_MAX];
    int len;

    if (xf_wire_decode(data, size, &frame) < 0) {
        return 0;
    }
    len = xf_wire_encode(&frame, buf, sizeof(buf));
    assert(len >= 0 && (size_t)len == size);
    assert(xf_wire_decode(buf, size, &again) == 0);
    assert(again.payload_size == frame.payload_size);
    if (frame.payload_size > 0) {
        assert(memcmp(again.payload, frame.payload, frame.payload_size) == 0);
    }
    again.payload = frame.payload;
    assert(memcmp(&again, &frame, sizeof(frame)) == 0);
    return 0;
}
