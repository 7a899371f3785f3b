/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "reason.h"

#include <string.h>

static const struct {
    const char *name;
    const char *sentence;
    const char *hint;
    int exit;
    int ocf;
} rows[XF_N_REASONS] = {
#define X(sym, n, e, o, s, h)                                                                      \
    [XF_REASON_##sym] = { .name = n, .sentence = s, .hint = h, .exit = e, .ocf = o },
    XF_REASONS(X)
#undef X
};

static uint32_t row(uint32_t reason)
{
    return reason < XF_N_REASONS ? reason : XF_REASON_INTERNAL;
}

const char *xf_reason_name(uint32_t reason)
{
    return rows[row(reason)].name;
}

const char *xf_reason_sentence(uint32_t reason)
{
    return rows[row(reason)].sentence;
}

const char *xf_reason_hint(uint32_t reason)
{
    return rows[row(reason)].hint;
}

int xf_reason_exit(uint32_t reason)
{
    return rows[row(reason)].exit;
}

int xf_reason_ocf(uint32_t reason)
{
    return rows[row(reason)].ocf;
}

enum xf_reason xf_reason_parse(const char *name)
{
    for (uint32_t i = 0; i < XF_N_REASONS; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return (enum xf_reason)i;
        }
    }
    return XF_N_REASONS;
}
