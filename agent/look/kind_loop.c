/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loop devices: which piece of which file, and whether the page cache lies between. */
#include "config.h"

#include "look.h"

#include <stdio.h>
#include <string.h>

static bool is(struct xf_sight *sight, const struct xf_seen *seen)
{
    return xf_see_named(seen, "loop") && !xf_see_has(sight, seen, "partition");
}

static void describe(struct xf_sight *sight, struct xf_seen *seen)
{
    char file[XF_MOUNT_PATH_SIZE], text[XF_IDENT_SIZE];
    uint64_t offset, limit, direct;
    struct xf_tree_stat st;

    xf_see_trait(sight, XF_TRAIT_LOOP);
    if (!xf_see_attr(sight, seen, "loop/backing_file", file, sizeof(file)) ||
        !xf_see_number(sight, seen, "loop/offset", &offset) ||
        !xf_see_number(sight, seen, "loop/sizelimit", &limit)) {
        xf_see_unknown(sight, "%s is not attached to a file that can be seen", seen->name);
        return;
    }
    if (!xf_see_number(sight, seen, "loop/dio", &direct) || direct == 0) {
        xf_see_trait(sight, XF_TRAIT_LOOP_CACHED);
    }
    snprintf(text, sizeof(text), "%llu %llu", (unsigned long long)offset,
             (unsigned long long)limit);
    xf_see_name(sight, seen, XF_IDENT_LOOP, text);
    if (xf_tree_stat(sight->tree, file, &st) == 0 && st.type == XF_TREE_BLOCK) {
        xf_see_dev(sight, seen, st.major, st.minor);
    } else {
        xf_see_file(sight, seen, file);
    }
}

const struct xf_kind_ops xf_kind_loop = { .name = "loop", .is = is, .describe = describe };
