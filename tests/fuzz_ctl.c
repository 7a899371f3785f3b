/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "ctl.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A request that decodes encodes back to the same bytes; a reply too, but for an unknown reason. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t buf[XF_CTL_SIZE_MAX];
    struct xf_ctl_request request;
    struct xf_ctl_reply reply, again;

    if (xf_ctl_decode_request(data, size, &request) == 0) {
        int len = xf_ctl_encode_request(&request, buf, sizeof(buf));

        assert(len >= 0 && (size_t)len == size && memcmp(buf, data, size) == 0);
        for (uint32_t i = 0; i < request.n_args; i++) {
            assert(xf_ctl_value(&request, request.arg[i].key) == request.arg[i].value);
        }
    }
    if (xf_ctl_decode_reply(data, size, &reply) == 0) {
        int len = xf_ctl_encode_reply(&reply, buf, sizeof(buf));

        assert(len >= 0 && (size_t)len == size);
        assert(xf_ctl_decode_reply(buf, size, &again) == 0);
        assert(again.reason == reply.reason && again.more == reply.more);
        assert(strcmp(again.text, reply.text) == 0 && strcmp(again.body, reply.body) == 0);
    }
    return 0;
}
