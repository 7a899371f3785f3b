/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NVMe namespaces. */
#include "config.h"

#include "look.h"

#include <stdio.h>
#include <string.h>

static bool is(struct xf_sight *sight, const struct xf_seen *seen)
{
    return xf_see_named(seen, "nvme") && !xf_see_has(sight, seen, "partition");
}

/*
 * The kernel's choice (wwid) first: it is the best that the namespace has. Its attribute "uuid" repeats
 * the NGUID where there is none, so that it is not asked for.
 */
static void describe(struct xf_sight *sight, struct xf_seen *seen)
{
    static const char *const also[] = { "nguid", "eui" };
    struct xf_names names = { 0 };
    char text[XF_IDENT_SIZE], wwid[XF_IDENT_SIZE + 8];
    bool has_eui;

    if (xf_see_attr(sight, seen, "wwid", text, sizeof(text))) {
        (void)xf_wwid_parse(text, &names);
    }
    has_eui = names.n > 0 && names.of[0].kind == XF_IDENT_EUI;
    xf_see_names(sight, seen, &names);
    for (size_t i = 0; !has_eui && i < sizeof(also) / sizeof(also[0]); i++) {
        size_t len = 0;

        if (!xf_see_attr(sight, seen, also[i], text, sizeof(text))) {
            continue;
        }
        for (const char *c = text; *c != '\0'; c++) { /* "00 25 38…" or with dashes */
            if (*c != ' ' && *c != '-') {
                text[len++] = *c;
            }
        }
        text[len] = '\0';
        snprintf(wwid, sizeof(wwid), "eui.%s", text);
        if (xf_wwid_parse(wwid, &names) == 0) {
            xf_see_names(sight, seen, &names);
            has_eui = true;
        }
    }
}

const struct xf_kind_ops xf_kind_nvme = { .name = "nvme", .is = is, .describe = describe };
