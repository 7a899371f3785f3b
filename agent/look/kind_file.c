/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files: what kind of filesystem they are in, and which one. */
#include "config.h"

#include "look.h"

#include <stdio.h>
#include <string.h>

#include "text.h"

static bool is(struct xf_sight *sight, const struct xf_seen *seen)
{
    (void)sight;
    return seen->is_file;
}

static void in_nfs(struct xf_sight *sight, struct xf_seen *seen, const struct xf_mount *found)
{
    struct xf_mount mount = *found;
    char text[XF_IDENT_SIZE], server[XF_SERVER_SIZE];

    if (xf_nfs_server(&mount, server, sizeof(server)) < 0) {
        xf_see_unknown(sight, "the server of %s is not known", mount.point);
        return;
    }
    xf_own_plain(server, mount.address, sizeof(mount.address));
    if (xf_nfs_text(&mount, seen->path, text, sizeof(text)) < 0) {
        xf_see_unknown(sight, "the name of the file on its server is too long");
        return;
    }
    xf_see_name(sight, seen, XF_IDENT_NFS, text);
    xf_see_server(sight, server);
}

static bool first_name(void *arg, const char *name)
{
    xf_text_copy(arg, XF_DEV_NAME_SIZE, name);
    return false;
}

/* The uuid is its own: it was made with the filesystem, on a device that is looked at, too. */
static void in_cluster(struct xf_sight *sight, struct xf_seen *seen, const struct xf_mount *mount)
{
    char cluster[XF_DEV_NAME_SIZE] = "-", key[32], text[2 * XF_IDENT_SIZE];
    struct xf_super super;
    struct xf_tree_stat st;

    if (xf_tree_stat(sight->tree, mount->source, &st) < 0 || st.type != XF_TREE_BLOCK) {
        xf_see_unknown(sight, "the device of %s is not known", mount->point);
        return;
    }
    if (strcmp(mount->type, "ocfs2") == 0) {
        xf_tree_list(sight->tree, "/sys/kernel/config/cluster", first_name, cluster);
    }
    snprintf(key, sizeof(key), "%u:%u", st.major, st.minor);
    if (xf_super_probe(sight->tree, mount->source, key, &super) == 0 && super.uuid[0] != '\0' &&
        !xf_name_hollow(super.uuid)) {
        /* GFS2 keeps "cluster:name" where others have a label. */
        snprintf(text, sizeof(text), "%s %s %s", mount->type,
                 strcmp(mount->type, "ocfs2") == 0 ? cluster
                 : super.label[0] != '\0'          ? super.label
                                                   : "-",
                 super.uuid);
        xf_see_name(sight, seen, XF_IDENT_SHAREDFS, text);
    }
    xf_see_dev(sight, seen, st.major, st.minor);
}

static void by_class(struct xf_sight *sight, struct xf_seen *seen, const struct xf_mount *mount)
{
    switch (xf_fs_class(mount->type)) {
    case XF_FS_LOCAL:
        xf_see_trait(sight, XF_TRAIT_FILE_LOCAL);
        xf_see_words(sight, "in %s on %s", mount->type, mount->point);
        break;
    case XF_FS_UNION:
        xf_see_trait(sight, XF_TRAIT_FILE_UNION);
        xf_see_words(sight, "in %s on %s", mount->type, mount->point);
        break;
    case XF_FS_NFS:
        xf_see_trait(sight, XF_TRAIT_FILE_NETWORK);
        in_nfs(sight, seen, mount);
        break;
    case XF_FS_NETWORK: /* no name of it says enough; the file beside it does */
        xf_see_trait(sight, XF_TRAIT_FILE_NETWORK);
        break;
    case XF_FS_CLUSTER:
        xf_see_trait(sight, XF_TRAIT_FILE_CLUSTER);
        in_cluster(sight, seen, mount);
        break;
    case XF_FS_UNKNOWN:
        xf_see_unknown(sight, "in %s on %s, which is not known", mount->type, mount->point);
        break;
    }
}

static void describe(struct xf_sight *sight, struct xf_seen *seen)
{
    static char mountinfo[1 << 20];
    struct xf_mount mount;
    char text[32];

    if (xf_tree_text(sight->tree, "/proc/self/mountinfo", mountinfo, sizeof(mountinfo)) < 0 ||
        xf_mount_find(mountinfo, seen->path, &mount) < 0) {
        xf_see_unknown(sight, "the mount of %s is not found", seen->path);
        return;
    }
    snprintf(text, sizeof(text), "%llu", (unsigned long long)seen->st.inode);
    /* CIFS, FUSE and the like number files as each host pleases. */
    if (xf_fs_class(mount.type) != XF_FS_NETWORK && xf_fs_class(mount.type) != XF_FS_UNKNOWN) {
        xf_see_name(sight, seen, XF_IDENT_INODE, text);
    }
    if (mount.read_only) {
        xf_see_trait(sight, XF_TRAIT_READONLY);
    }
    if (sight->image[0] == '\0') {
        xf_text_copy(sight->image, sizeof(sight->image), seen->path);
        sight->image_read_only = mount.read_only;
    }
    xf_look_loops_of(sight, seen);
    by_class(sight, seen, &mount);
}

const struct xf_kind_ops xf_kind_file = { .name = "file", .is = is, .describe = describe };
