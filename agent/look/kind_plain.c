/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Block devices without a name of their own, and those that cannot be another host's. */
#include "config.h"

#include "look.h"

static bool is(struct xf_sight *sight, const struct xf_seen *seen)
{
    (void)sight;
    (void)seen;
    return true;
}

static void describe(struct xf_sight *sight, struct xf_seen *seen)
{
    /* memory, ZFS volumes, cards and discs in this machine */
    static const char *const local[] = {
        "ram", "zram", "zd", "pmem", "mmcblk", "fd", "sr", "ublk"
    };
    /* given by a hypervisor to this host, without a name */
    static const char *const nameless[] = { "vd", "xvd" };

    for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
        if (xf_see_named(seen, local[i])) {
            xf_see_trait(sight, XF_TRAIT_FILE_LOCAL);
            xf_see_words(sight, "%s is of this host alone", seen->name);
            return;
        }
    }
    for (size_t i = 0; i < sizeof(nameless) / sizeof(nameless[0]); i++) {
        if (xf_see_named(seen, nameless[i])) {
            return;
        }
    }
    xf_see_unknown(sight, "%s is of a kind that is not known", seen->name);
}

const struct xf_kind_ops xf_kind_plain = { .name = "plain", .is = is, .describe = describe };
