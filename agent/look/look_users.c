/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who else uses the disk on this host. At the source its domain does; at the target everybody is a
 * stranger (look.coming).
 */
#include "config.h"

#include "look.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct user {
    struct xf_sight *sight;
    const struct xf_seen *seen;
};

static void used(struct xf_sight *sight, const char *by, const char *name)
{
    xf_see_trait(sight, XF_TRAIT_USED);
    xf_see_words(sight, "used by %s%s%s", by, name[0] != '\0' ? " " : "", name);
}

/* Is that path the disk, by its number and not by its name? */
static bool is_same(const struct user *user, const char *path)
{
    const struct xf_seen *seen = user->seen;
    struct xf_tree_stat st;

    if (path[0] != '/' || xf_tree_stat(user->sight->tree, path, &st) < 0) {
        return false;
    }
    return st.major == seen->major && st.minor == seen->minor &&
           (seen->is_file ? st.type == XF_TREE_FILE && st.inode == seen->st.inode
                          : st.type == XF_TREE_BLOCK);
}

static void mounts(struct user *user)
{
    static char text[1 << 20];
    const char *at = text;
    struct xf_mount mount;
    struct xf_line line;

    if (xf_tree_text(user->sight->tree, "/proc/self/mountinfo", text, sizeof(text)) < 0) {
        xf_see_unknown(user->sight, "mounts cannot be read");
        return;
    }
    while (xf_line_next(&at, &line)) {
        if (xf_mount_parse(&line, &mount) < 0) {
            continue;
        }
        /* By number; btrfs has numbers that no device has, and is known by its source. */
        if ((!user->seen->is_file && mount.major == user->seen->major &&
             mount.minor == user->seen->minor) ||
            (!user->seen->is_file && mount.major == 0 && is_same(user, mount.source))) {
            used(user->sight, "mount", mount.point);
            return;
        }
    }
}

static void swaps(struct user *user)
{
    static char text[65536];
    char path[XF_MOUNT_PATH_SIZE];
    const char *at = text;
    struct xf_line line;

    if (xf_tree_text(user->sight->tree, "/proc/swaps", text, sizeof(text)) < 0) {
        return; /* a kernel without swap */
    }
    while (xf_line_next(&at, &line)) {
        if (xf_swap_parse(&line, path, sizeof(path)) == 0 && is_same(user, path)) {
            used(user->sight, "swap", "");
            return;
        }
    }
}

static bool each_holder(void *arg, const char *name)
{
    struct user *user = arg;

    used(user->sight, "device", name);
    return false;
}

static void holders(struct user *user)
{
    char path[XF_SYS_PATH_SIZE + 16];

    snprintf(path, sizeof(path), "%s/holders", user->seen->sys);
    xf_tree_list(user->sight->tree, path, each_holder, user);
}

/* A whole disk is used when one of its partitions is. */
static bool each_part(void *arg, const char *name)
{
    struct user *user = arg;
    struct xf_seen part = { .above = NULL };
    struct user of_part = { user->sight, &part };
    char attr[XF_DEV_NAME_SIZE + 16], dev[32];
    struct xf_line word;

    snprintf(attr, sizeof(attr), "%.60s/partition", name);
    if (!xf_see_has(user->sight, user->seen, attr)) {
        return true;
    }
    snprintf(attr, sizeof(attr), "%.60s/dev", name);
    if (!xf_see_attr(user->sight, user->seen, attr, dev, sizeof(dev))) {
        return true;
    }
    word = (struct xf_line){ dev, strlen(dev) };
    if (xf_word_dev(&word, &part.major, &part.minor) < 0 ||
        (size_t)snprintf(part.sys, sizeof(part.sys), "%s/%s", user->seen->sys, name) >=
            sizeof(part.sys)) {
        return true;
    }
    mounts(&of_part);
    swaps(&of_part);
    holders(&of_part);
    return true;
}

/*
 * Locks of the file. At the source the domain's own device model may hold them; locks of an open file
 * description do not tell whose they are.
 */
static bool stranger(const struct user *user, const struct xf_lock *lock)
{
    char path[64], comm[64];

    if (user->sight->look->coming) {
        return true;
    }
    if (lock->open_file || lock->pid == 0) {
        return false;
    }
    snprintf(path, sizeof(path), "/proc/%llu/comm", (unsigned long long)lock->pid);
    return xf_tree_text(user->sight->tree, path, comm, sizeof(comm)) < 0 ||
           strncmp(comm, "qemu", 4) != 0;
}

static void locks(struct user *user)
{
    static char text[1 << 20];
    const char *at = text;
    struct xf_lock lock;
    struct xf_line line;

    if (xf_tree_text(user->sight->tree, "/proc/locks", text, sizeof(text)) < 0) {
        return;
    }
    while (xf_line_next(&at, &line)) {
        if (xf_lock_parse(&line, &lock) == 0 && lock.inode == user->seen->st.inode &&
            lock.major == user->seen->major && lock.minor == user->seen->minor &&
            stranger(user, &lock)) {
            xf_see_trait(user->sight, XF_TRAIT_FILE_LOCKED);
            return;
        }
    }
}

static bool each_loop(void *arg, const char *name)
{
    struct user *user = arg;
    struct xf_sight *sight = user->sight;
    char path[160], raw[XF_MOUNT_PATH_SIZE], file[XF_MOUNT_PATH_SIZE];

    if (strncmp(name, "loop", 4) != 0) {
        return true;
    }
    for (const struct xf_seen *at = user->seen; at != NULL; at = at->above) {
        if (!at->is_file && strcmp(at->name, name) == 0) {
            return true; /* the way that we came */
        }
    }
    snprintf(path, sizeof(path), "/sys/block/%.60s/loop/backing_file", name);
    if (xf_tree_text(sight->tree, path, raw, sizeof(raw)) < 0) {
        return true;
    }
    xf_name_trim(file, sizeof(file), raw);
    if (!is_same(user, file)) {
        return true;
    }
    if (sight->look->coming || user->seen->above != NULL) {
        used(sight, "loop device", name);
        return true;
    }
    /* The domain's own: xl attaches a file so. */
    xf_see_trait(sight, XF_TRAIT_LOOP);
    snprintf(path, sizeof(path), "/sys/block/%.60s/loop/dio", name);
    if (xf_tree_text(sight->tree, path, raw, sizeof(raw)) < 0 || raw[0] != '1') {
        xf_see_trait(sight, XF_TRAIT_LOOP_CACHED);
    }
    return true;
}

void xf_look_loops_of(struct xf_sight *sight, const struct xf_seen *file)
{
    struct user user = { sight, file };

    xf_tree_list(sight->tree, "/sys/block", each_loop, &user);
    locks(&user);
}

/* The kernel lets nobody in who wants it alone while a filesystem, a map or another has it so. */
static void claim(struct xf_sight *sight)
{
    int fd = open(sight->look->path, O_RDONLY | O_EXCL | O_CLOEXEC | O_NOCTTY);

    if (fd >= 0) {
        close(fd);
    } else if (errno == EBUSY && (sight->disk->traits & XF_TRAIT_USED) == 0) {
        used(sight, "something that holds it exclusively", "");
    }
}

void xf_look_users(struct xf_sight *sight, const struct xf_seen *seen)
{
    struct user user = { sight, seen };

    swaps(&user);
    if (seen->is_file) {
        return;
    }
    mounts(&user);
    holders(&user);
    xf_tree_list(sight->tree, seen->sys, each_part, &user);
    if (sight->tree->root == NULL && sight->look->coming && !sight->closed) {
        claim(sight);
    }
}
