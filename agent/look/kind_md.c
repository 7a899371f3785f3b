/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Software RAID: what differs between its devices is in the memory of one host. */
#include "config.h"

#include "look.h"

static bool is(struct xf_sight *sight, const struct xf_seen *seen)
{
    return !seen->is_file && xf_see_has(sight, seen, "md/level");
}

static void describe(struct xf_sight *sight, struct xf_seen *seen)
{
    xf_see_trait(sight, XF_TRAIT_RAID);
    xf_see_slaves(sight, seen);
}

const struct xf_kind_ops xf_kind_md = { .name = "md", .is = is, .describe = describe };
