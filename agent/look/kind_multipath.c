/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Multipath maps: the device that the paths lead to, and whether they do. */
#include "config.h"

#include "look.h"

#include <stdio.h>
#include <string.h>

#include "volume.h"

struct paths {
    struct xf_sight *sight;
    struct xf_seen *seen;
    uint32_t running, down;
};

static bool map_uuid(struct xf_sight *sight, const struct xf_seen *seen, char *buf, size_t size)
{
    struct xf_dm_uuid uuid;

    if (seen->is_file || !xf_see_attr(sight, seen, "dm/uuid", buf, size)) {
        return false;
    }
    xf_dm_uuid_parse(buf, &uuid);
    return uuid.kind == XF_DM_UUID_MPATH;
}

static bool is(struct xf_sight *sight, const struct xf_seen *seen)
{
    char uuid[XF_IDENT_SIZE];

    return map_uuid(sight, seen, uuid, sizeof(uuid));
}

static bool each_path(void *arg, const char *name)
{
    struct paths *paths = arg;
    char attr[XF_DEV_NAME_SIZE + 32], text[32];
    uint32_t major, minor;
    struct xf_line word;

    snprintf(attr, sizeof(attr), "slaves/%.60s/dev", name);
    if (!xf_see_attr(paths->sight, paths->seen, attr, text, sizeof(text))) {
        return true;
    }
    word = (struct xf_line){ text, strlen(text) };
    if (xf_word_dev(&word, &major, &minor) == 0) {
        xf_see_path(paths->sight, paths->seen, major, minor);
    }
    snprintf(attr, sizeof(attr), "slaves/%.60s/device/state", name);
    if (xf_see_attr(paths->sight, paths->seen, attr, text, sizeof(text))) {
        bool up = strcmp(text, "running") == 0 || strcmp(text, "live") == 0;

        paths->running += up;
        paths->down += !up;
        if (!up) {
            xf_see_words(paths->sight, "path %s is %s", name, text);
        }
    }
    return true;
}

/* By the kernel's map where it can be read: it knows of a path that the device itself does not. */
static void path_states(struct xf_sight *sight, struct xf_seen *seen, const struct paths *paths)
{
    static char text[16384];
    static struct xf_dm_table table;
    uint32_t active = paths->running, failed = paths->down, in_use, given_up;

    if (xf_dm_text(sight->tree, seen->major, seen->minor, true, text, sizeof(text)) == 0 &&
        xf_mpath_status_parse(text, &in_use, &given_up) == 0) {
        active = in_use < active || active == 0 ? in_use : active;
        failed = given_up > failed ? given_up : failed;
        if (given_up > 0) {
            xf_see_words(sight, "%s: %u of %u paths are down", seen->name, given_up,
                         in_use + given_up);
        }
    }
    if (xf_dm_text(sight->tree, seen->major, seen->minor, false, text, sizeof(text)) == 0 &&
        xf_dm_table_parse(text, &table) == 0) {
        xf_see_trait(sight, table.traits & XF_TRAIT_QUEUES);
    }
    if (active == 0) {
        xf_see_trait(sight, XF_TRAIT_PATH_NONE);
        xf_see_words(sight, "%s has no path", seen->name);
    } else if (failed > 0) {
        xf_see_trait(sight, XF_TRAIT_PATH_DOWN);
    }
}

static void describe(struct xf_sight *sight, struct xf_seen *seen)
{
    struct paths paths = { .sight = sight, .seen = seen };
    char uuid[XF_IDENT_SIZE], slaves[XF_SYS_PATH_SIZE + 16];
    struct xf_names names = { 0 };

    if (!map_uuid(sight, seen, uuid, sizeof(uuid))) {
        return;
    }
    xf_see_name(sight, seen, XF_IDENT_MPATH, uuid);
    if (xf_mpath_wwid_parse(uuid + strlen("mpath-"), &names) == 0) {
        xf_see_names(sight, seen, &names);
    }
    snprintf(slaves, sizeof(slaves), "%s/slaves", seen->sys);
    xf_tree_list(sight->tree, slaves, each_path, &paths);
    path_states(sight, seen, &paths);
}

const struct xf_kind_ops xf_kind_multipath = { .name = "multipath",
                                               .is = is,
                                               .describe = describe };
