/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bcache: what was written may be on one host's cache device only. */
#include "config.h"

#include "look.h"

static bool is(struct xf_sight *sight, const struct xf_seen *seen)
{
    (void)sight;
    return xf_see_named(seen, "bcache");
}

static void describe(struct xf_sight *sight, struct xf_seen *seen)
{
    xf_see_trait(sight, XF_TRAIT_CACHE);
    xf_see_slaves(sight, seen);
}

const struct xf_kind_ops xf_kind_bcache = { .name = "bcache", .is = is, .describe = describe };
