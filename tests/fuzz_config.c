/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is refused is refused with file and line; what is taken reads the same when set again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct xf_settings settings, again;
    char value[XF_SETTING_SIZE], err[600] = "";

    xf_settings_init(&settings);
    again = settings;
    if (xf_settings_parse(&settings, "file", (const char *)data, size, err, sizeof(err)) != 0) {
        assert(strncmp(err, "file:", 5) == 0 && err[5] >= '1' && err[5] <= '9');
        return 0;
    }
    for (size_t i = 0; xf_settings_key(i) != NULL; i++) {
        const char *text = xf_settings_text(&settings, i, value, sizeof(value));

        assert(xf_settings_set(&again, xf_settings_key(i), text, err, sizeof(err)) == 0);
    }
    return 0;
}
