/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "link.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A message that decodes encodes back to the same bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct xf_link_msg msg;
    static uint8_t buf[XF_LINK_SIZE_MAX];

    if (xf_link_decode(data, size, &msg) == 0) {
        int len = xf_link_encode(&msg, buf, sizeof(buf));

        assert(len >= 0 && (size_t)len == size && memcmp(buf, data, size) == 0);
    }
    return 0;
}
