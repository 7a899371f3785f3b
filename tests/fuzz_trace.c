/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "trace.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A line that parses makes an event whose own line parses to the same event. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char line[XF_TRACE_LINE_SIZE * 2];
    struct xf_event event, again;

    if (size >= sizeof(line)) {
        return 0;
    }
    memcpy(line, data, size);
    line[size] = '\0';
    if (xf_trace_parse_event(line, &event) == 0) {
        size_t len = xf_trace_event(&event, line, XF_TRACE_LINE_SIZE);

        assert(len == strlen(line) && len < XF_TRACE_LINE_SIZE);
        assert(xf_trace_parse_event(line, &again) == 0);
        assert(memcmp(&again, &event, sizeof(event)) == 0);
    }
    return 0;
}
