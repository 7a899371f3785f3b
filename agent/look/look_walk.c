/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the disk down to the devices that it stands on. Names of the disk itself are of base 0; the
 * names of a device at the bottom, and of all that lies between it and the disk, are of its base.
 */
#include "config.h"

#include "look.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

#define DEPTH_MAX 12u

/* Those that hold describe it, all of them; the last one is for what none knows. */
static const struct xf_kind_ops *const kinds[] = {
    &xf_kind_file,   &xf_kind_part, &xf_kind_multipath, &xf_kind_dm,    &xf_kind_md,
    &xf_kind_bcache, &xf_kind_loop, &xf_kind_drbd,      &xf_kind_nbd,   &xf_kind_gnbd,
    &xf_kind_rbd,    &xf_kind_nvme, &xf_kind_scsi,      &xf_kind_iscsi,
};

void xf_see_trait(struct xf_sight *sight, uint32_t traits)
{
    sight->disk->traits |= traits;
}

static void __attribute__((format(printf, 2, 0)))
add_words(struct xf_sight *sight, const char *format, va_list args)
{
    char *words = sight->disk->words;
    size_t len = strlen(words);

    if (len > 0 && len + 2 < XF_WORDS_SIZE) {
        memcpy(words + len, "; ", 3);
        len += 2;
    }
    vsnprintf(words + len, XF_WORDS_SIZE - len, format, args);
    xf_text_utf8_mend(words);
    for (char *c = words; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            *c = '?';
        }
    }
}

void xf_see_words(struct xf_sight *sight, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add_words(sight, format, args);
    va_end(args);
}

void xf_see_unknown(struct xf_sight *sight, const char *format, ...)
{
    va_list args;

    xf_see_trait(sight, XF_TRAIT_UNKNOWN);
    va_start(args, format);
    add_words(sight, format, args);
    va_end(args);
}

void xf_see_name(struct xf_sight *sight, struct xf_seen *seen, enum xf_ident_kind kind,
                 const char *value)
{
    uint32_t n = seen->n_names;

    for (uint32_t i = 0; i < n; i++) {
        if (seen->names[i].kind == kind && strcmp(seen->names[i].value, value) == 0) {
            return;
        }
    }
    if (n == XF_SEEN_NAMES_MAX ||
        !xf_text_copy(seen->names[n].value, sizeof(seen->names[n].value), value)) {
        xf_see_unknown(sight, "%s has too many or too long names", seen->name);
        return;
    }
    seen->names[n].kind = kind;
    seen->n_names++;
}

void xf_see_names(struct xf_sight *sight, struct xf_seen *seen, const struct xf_names *names)
{
    for (uint32_t i = 0; i < names->n; i++) {
        xf_see_name(sight, seen, (enum xf_ident_kind)names->of[i].kind, names->of[i].value);
    }
}

bool xf_see_attr(struct xf_sight *sight, const struct xf_seen *seen, const char *name, char *buf,
                 size_t size)
{
    char path[XF_SYS_PATH_SIZE + 64], raw[1024];

    snprintf(path, sizeof(path), "%s/%s", seen->sys, name);
    if (xf_tree_text(sight->tree, path, raw, sizeof(raw)) < 0) {
        return false;
    }
    xf_name_trim(buf, size, raw);
    return buf[0] != '\0';
}

bool xf_see_number(struct xf_sight *sight, const struct xf_seen *seen, const char *name,
                   uint64_t *ret_v)
{
    char buf[32];

    return xf_see_attr(sight, seen, name, buf, sizeof(buf)) &&
           xf_u64_parse(buf, 0, UINT64_MAX, ret_v) == 0;
}

bool xf_see_has(struct xf_sight *sight, const struct xf_seen *seen, const char *name)
{
    char path[XF_SYS_PATH_SIZE + 64];

    snprintf(path, sizeof(path), "%s/%s", seen->sys, name);
    return xf_tree_has(sight->tree, path);
}

bool xf_see_named(const struct xf_seen *seen, const char *prefix)
{
    return !seen->is_file && strncmp(seen->name, prefix, strlen(prefix)) == 0;
}

void xf_see_server(struct xf_sight *sight, const char *server)
{
    if (xf_own_is(sight->tree, server)) {
        xf_see_trait(sight, XF_TRAIT_SELF_SERVED);
        xf_see_words(sight, "%s is this very host", server);
    }
}

/* Its number, from 1; 0: no room. */
static uint8_t base_of(struct xf_sight *sight, const struct xf_seen *seen)
{
    uint32_t n = sight->disk->n_bases;

    for (uint32_t i = 0; i < n; i++) {
        if (sight->base[i].is_file == seen->is_file && sight->base[i].major == seen->major &&
            sight->base[i].minor == seen->minor && sight->base[i].inode == seen->st.inode) {
            return (uint8_t)(i + 1);
        }
    }
    if (n == XF_BASES_MAX) {
        return 0;
    }
    sight->base[n].is_file = seen->is_file;
    sight->base[n].major = seen->major;
    sight->base[n].minor = seen->minor;
    sight->base[n].inode = seen->st.inode;
    return (uint8_t)++sight->disk->n_bases;
}

static void give_names(struct xf_sight *sight, const struct xf_seen *seen, uint8_t base)
{
    for (uint32_t i = 0; i < seen->n_names; i++) {
        if (!xf_disk_add(sight->disk, seen->names[i].kind, base, seen->names[i].value)) {
            xf_see_words(sight, "a name of %s is none", seen->name);
        }
    }
}

static void describe(struct xf_sight *sight, struct xf_seen *seen)
{
    bool known = false;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i]->is(sight, seen)) {
            kinds[i]->describe(sight, seen);
            known = true;
        }
    }
    if (!known) {
        xf_kind_plain.describe(sight, seen);
    }
    if (seen->above == NULL) {
        give_names(sight, seen, 0);
    } else if (seen->n_below == 0) {
        uint8_t base = base_of(sight, seen);

        if (base == 0) {
            xf_see_unknown(sight, "it stands on too many devices");
            return;
        }
        for (const struct xf_seen *at = seen; at->above != NULL; at = at->above) {
            give_names(sight, at, base);
        }
    }
}

/* Fills in what sysfs calls a device. */
static bool find_device(struct xf_sight *sight, struct xf_seen *seen)
{
    char path[64];
    const char *slash;

    snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", seen->major, seen->minor);
    if (xf_tree_real(sight->tree, path, seen->sys, sizeof(seen->sys)) < 0) {
        xf_see_unknown(sight, "no device %u:%u in sysfs", seen->major, seen->minor);
        return false;
    }
    slash = strrchr(seen->sys, '/');
    return xf_text_copy(seen->name, sizeof(seen->name), slash != NULL ? slash + 1 : seen->sys);
}

static bool deeper(struct xf_sight *sight, struct xf_seen *seen)
{
    seen->n_below++;
    if (seen->depth + 1 >= DEPTH_MAX) {
        xf_see_unknown(sight, "too many layers");
        return false;
    }
    return true;
}

void xf_see_dev(struct xf_sight *sight, struct xf_seen *seen, uint32_t major, uint32_t minor)
{
    struct xf_seen below = {
        .above = seen, .depth = seen->depth + 1, .major = major, .minor = minor
    };

    if (deeper(sight, seen) && find_device(sight, &below)) {
        describe(sight, &below);
    }
}

void xf_see_file(struct xf_sight *sight, struct xf_seen *seen, const char *path)
{
    struct xf_seen below = { .above = seen, .depth = seen->depth + 1, .is_file = true };

    if (!deeper(sight, seen)) {
        return;
    }
    if (xf_tree_stat(sight->tree, path, &below.st) < 0 || below.st.type != XF_TREE_FILE ||
        !xf_text_copy(below.path, sizeof(below.path), path)) {
        xf_see_unknown(sight, "its file %s is not to be seen", path);
        return;
    }
    below.major = below.st.major;
    below.minor = below.st.minor;
    xf_text_copy(below.name, sizeof(below.name), "file");
    describe(sight, &below);
}

struct slaves {
    struct xf_sight *sight;
    struct xf_seen *seen;
};

static bool each_slave(void *arg, const char *name)
{
    struct slaves *slaves = arg;
    char attr[XF_DEV_NAME_SIZE + 16], dev[32];
    uint32_t major, minor;
    struct xf_line word;

    snprintf(attr, sizeof(attr), "slaves/%.60s/dev", name);
    if (xf_see_attr(slaves->sight, slaves->seen, attr, dev, sizeof(dev))) {
        word = (struct xf_line){ dev, strlen(dev) };
        if (xf_word_dev(&word, &major, &minor) == 0) {
            xf_see_dev(slaves->sight, slaves->seen, major, minor);
            return true;
        }
    }
    xf_see_unknown(slaves->sight, "what %s stands on cannot be read", slaves->seen->name);
    return true;
}

void xf_see_slaves(struct xf_sight *sight, struct xf_seen *seen)
{
    struct slaves slaves = { sight, seen };
    char path[XF_SYS_PATH_SIZE + 16];

    snprintf(path, sizeof(path), "%s/slaves", seen->sys);
    xf_tree_list(sight->tree, path, each_slave, &slaves);
    if (seen->n_below == 0) {
        xf_see_unknown(sight, "what %s stands on cannot be seen", seen->name);
    }
}

bool xf_see_path(struct xf_sight *sight, struct xf_seen *seen, uint32_t major, uint32_t minor)
{
    struct xf_seen path = { .above = seen, .is_path = true, .major = major, .minor = minor };

    if (!find_device(sight, &path)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i] != &xf_kind_multipath && kinds[i]->is(sight, &path)) {
            kinds[i]->describe(sight, &path);
        }
    }
    for (uint32_t i = 0; i < path.n_names; i++) {
        xf_see_name(sight, seen, path.names[i].kind, path.names[i].value);
    }
    return true;
}

static void look_at_superblock(struct xf_sight *sight, const struct xf_seen *seen)
{
    char key[32], text[XF_IDENT_SIZE];
    struct xf_super super;

    if (seen->is_file) {
        snprintf(key, sizeof(key), "%llu", (unsigned long long)seen->st.inode);
    } else {
        snprintf(key, sizeof(key), "%u:%u", seen->major, seen->minor);
    }
    if (sight->closed || xf_super_probe(sight->tree, sight->look->path, key, &super) < 0) {
        return;
    }
    if (super.uuid[0] != '\0' && !xf_name_hollow(super.uuid)) {
        snprintf(text, sizeof(text), "%s %s", super.type, super.uuid);
        xf_disk_add(sight->disk, XF_IDENT_FSUUID, 0, text);
    }
    if (super.label[0] != '\0') {
        xf_disk_add(sight->disk, XF_IDENT_LABEL, 0, super.label);
    }
}

/*
 * "pool/image" is one image only together with its cluster, and that only where nothing in the text
 * leads to another one.
 */
static bool ceph_cluster(struct xf_sight *sight, char *buf, size_t size)
{
    static char text[65536];
    const char *at = text, *path = sight->look->path;
    struct xf_line line, word;

    if (strstr(path, ":conf=") != NULL || strstr(path, ":mon_host=") != NULL ||
        strstr(path, ":cluster=") != NULL ||
        xf_tree_text(sight->tree, "/etc/ceph/ceph.conf", text, sizeof(text)) < 0) {
        return false;
    }
    while (xf_line_next(&at, &line)) {
        if (xf_word_next(&line, &word) && xf_word_is(&word, "fsid") && xf_word_next(&line, &word) &&
            xf_word_is(&word, "=") && xf_word_next(&line, &word)) {
            return xf_word_copy(&word, buf, size) && !xf_name_hollow(buf);
        }
    }
    return false;
}

static void look_at_network(struct xf_sight *sight)
{
    char image[XF_IDENT_SIZE], fsid[64], text[XF_IDENT_SIZE + 80];

    sight->disk->kind = XF_DISK_NETWORK;
    if (xf_rbd_parse(sight->look->path, image, sizeof(image)) < 0) {
        xf_see_unknown(sight, "only the device model reaches it");
    } else if (!ceph_cluster(sight, fsid, sizeof(fsid))) {
        xf_see_unknown(sight, "which Ceph cluster it is of is not known");
    } else {
        snprintf(text, sizeof(text), "%s %s", fsid, image);
        xf_disk_add(sight->disk, XF_IDENT_RBD, 0, text);
    }
}

/* Not an error: that it is not there is the answer. */
static void look_at_absent(struct xf_sight *sight, int error)
{
    sight->disk->kind = XF_DISK_ABSENT;
    if (error != ENOENT && error != ENOTDIR) {
        sight->disk->error = (uint16_t)error;
        xf_see_words(sight, "%s", strerror(error));
    } else if (xf_dm_is_inactive(sight, sight->look->path)) {
        xf_see_trait(sight, XF_TRAIT_LV_INACTIVE);
    }
}

void xf_look_at(const struct xf_tree *tree, const struct xf_look *look, struct xf_disk *ret_disk)
{
    struct xf_sight sight = { .tree = tree, .look = look, .disk = ret_disk };
    struct xf_seen seen = { 0 };
    uint64_t sectors, read_only;
    int rc;

    *ret_disk = (struct xf_disk){ 0 };
    xf_text_copy(ret_disk->path, sizeof(ret_disk->path), look->path);
    if (xf_is_network_text(look->path)) {
        look_at_network(&sight);
        return;
    }
    rc = xf_tree_stat(tree, look->path, &seen.st);
    if (rc < 0) {
        look_at_absent(&sight, -rc);
        return;
    }
    seen.major = seen.st.major;
    seen.minor = seen.st.minor;
    if (seen.st.type == XF_TREE_BLOCK) {
        ret_disk->kind = XF_DISK_BLOCK;
        if (!find_device(&sight, &seen)) {
            return;
        }
        if (xf_see_number(&sight, &seen, "size", &sectors) && sectors < UINT64_MAX / 512) {
            ret_disk->size_bytes = sectors * 512;
        }
        if (xf_see_number(&sight, &seen, "ro", &read_only) && read_only != 0) {
            xf_see_trait(&sight, XF_TRAIT_READONLY);
        }
    } else if (seen.st.type == XF_TREE_FILE) {
        ret_disk->kind = XF_DISK_FILE;
        ret_disk->size_bytes = seen.st.size;
        seen.is_file = true;
        xf_text_copy(seen.name, sizeof(seen.name), "file");
        if (tree->root != NULL ? !xf_text_copy(seen.path, sizeof(seen.path), look->path)
                               : xf_tree_real(tree, look->path, seen.path, sizeof(seen.path)) < 0) {
            xf_see_unknown(&sight, "its path cannot be resolved");
            return;
        }
    } else {
        ret_disk->kind = XF_DISK_FILE;
        xf_see_unknown(&sight, "it is neither a block device nor a file");
        return;
    }
    describe(&sight, &seen);
    xf_look_users(&sight, &seen);
    look_at_superblock(&sight, &seen);
    if (sight.closed) {
        ret_disk->error = EMEDIUMTYPE; /* what the kernel would say: a secondary of DRBD */
    }
    if (tree->root == NULL) {
        xf_look_read(&sight);
        xf_look_nonce(&sight);
    }
}
