/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ceph's block devices, mapped by the kernel. */
#include "config.h"

#include "look.h"

#include <stdio.h>
#include <string.h>

static bool is(struct xf_sight *sight, const struct xf_seen *seen)
{
    return xf_see_named(seen, "rbd") && !xf_see_has(sight, seen, "partition");
}

static bool attr(struct xf_sight *sight, const struct xf_seen *seen, const char *name, char *buf,
                 size_t size)
{
    char path[128], raw[256];

    snprintf(path, sizeof(path), "/sys/bus/rbd/devices/%.40s/%s", seen->name + strlen("rbd"), name);
    if (xf_tree_text(sight->tree, path, raw, sizeof(raw)) < 0) {
        return false;
    }
    xf_name_trim(buf, size, raw);
    return buf[0] != '\0';
}

static void describe(struct xf_sight *sight, struct xf_seen *seen)
{
    char fsid[64], pool[96], image[96], space[96], snap[96], text[512];

    if (!attr(sight, seen, "cluster_fsid", fsid, sizeof(fsid)) ||
        !attr(sight, seen, "pool", pool, sizeof(pool)) ||
        !attr(sight, seen, "name", image, sizeof(image))) {
        xf_see_unknown(sight, "%s does not tell its image", seen->name);
        return;
    }
    if (!attr(sight, seen, "pool_ns", space, sizeof(space))) {
        space[0] = '\0';
    }
    if (!attr(sight, seen, "current_snap", snap, sizeof(snap)) || strcmp(snap, "-") == 0) {
        snap[0] = '\0';
    }
    snprintf(text, sizeof(text), "%s %s/%s%s%s%s%s", fsid, pool, space, space[0] != '\0' ? "/" : "",
             image, snap[0] != '\0' ? "@" : "", snap);
    xf_see_name(sight, seen, XF_IDENT_RBD, text);
}

const struct xf_kind_ops xf_kind_rbd = { .name = "rbd", .is = is, .describe = describe };
