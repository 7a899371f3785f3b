/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "mounts.h"

#include <errno.h>
#include <string.h>

#include "text.h"

bool xf_line_next(const char **text, struct xf_line *ret_line)
{
    const char *end;

    if (**text == '\0') {
        return false;
    }
    end = strchr(*text, '\n');
    ret_line->at = *text;
    ret_line->len = end != NULL ? (size_t)(end - *text) : strlen(*text);
    *text += ret_line->len + (end != NULL);
    return true;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool xf_word_next(struct xf_line *rest, struct xf_line *ret_word)
{
    while (rest->len > 0 && blank(*rest->at)) {
        rest->at++;
        rest->len--;
    }
    ret_word->at = rest->at;
    while (rest->len > 0 && !blank(*rest->at)) {
        rest->at++;
        rest->len--;
    }
    ret_word->len = (size_t)(rest->at - ret_word->at);
    return ret_word->len > 0;
}

bool xf_word_is(const struct xf_line *word, const char *text)
{
    return word->len == strlen(text) && memcmp(word->at, text, word->len) == 0;
}

bool xf_word_copy(const struct xf_line *word, char *buf, size_t size)
{
    struct xf_text text;

    xf_text_init(&text, buf, size);
    xf_text_mem(&text, word->at, word->len);
    if (text.truncated || memchr(word->at, '\0', word->len) != NULL ||
        !xf_text_name_ok(buf, size) || !xf_text_utf8_ok(buf)) {
        buf[0] = '\0';
        return false;
    }
    return true;
}

int xf_word_u64(const struct xf_line *word, uint64_t *ret_v)
{
    char buf[XF_U64_TEXT_SIZE];

    return xf_word_copy(word, buf, sizeof(buf)) ? xf_u64_parse(buf, 0, UINT64_MAX, ret_v) : -EINVAL;
}

int xf_word_dev(const struct xf_line *word, uint32_t *ret_major, uint32_t *ret_minor)
{
    const char *colon = memchr(word->at, ':', word->len);
    struct xf_line part = *word;
    uint64_t major, minor;

    if (colon == NULL) {
        return -EINVAL;
    }
    part.len = (size_t)(colon - word->at);
    if (xf_word_u64(&part, &major) < 0) {
        return -EINVAL;
    }
    part = (struct xf_line){ colon + 1, word->len - part.len - 1 };
    if (xf_word_u64(&part, &minor) < 0 || major > UINT32_MAX || minor > UINT32_MAX) {
        return -EINVAL;
    }
    *ret_major = (uint32_t)major;
    *ret_minor = (uint32_t)minor;
    return 0;
}

/* The kernel writes blanks, line ends and backslashes in three octal digits. */
static bool copy_escaped(const struct xf_line *word, char *buf, size_t size)
{
    size_t len = 0;

    for (size_t i = 0; i < word->len; i++) {
        char c = word->at[i];

        if (c == '\\' && word->len - i > 3) {
            unsigned v = 0;
            size_t k = 1;

            while (k <= 3 && word->at[i + k] >= '0' && word->at[i + k] <= '7') {
                v = v * 8 + (unsigned)(word->at[i + k] - '0');
                k++;
            }
            if (k == 4 && v > 0 && v < 256) {
                c = (char)(unsigned char)v;
                i += 3;
            }
        }
        if (c == '\0' || len + 1 >= size) {
            return false;
        }
        buf[len++] = c;
    }
    buf[len] = '\0';
    return len > 0;
}

/* The value of an option "name=value" in a list with commas; false: it is not there. */
static bool option_value(const struct xf_line *list, const char *name, char *buf, size_t size)
{
    size_t len = strlen(name);
    struct xf_line rest = *list;

    while (rest.len > 0) {
        const char *comma = memchr(rest.at, ',', rest.len);
        struct xf_line one = { rest.at, comma != NULL ? (size_t)(comma - rest.at) : rest.len };

        if (one.len > len && one.at[len] == '=' && memcmp(one.at, name, len) == 0) {
            one = (struct xf_line){ one.at + len + 1, one.len - len - 1 };
            return xf_word_copy(&one, buf, size);
        }
        rest.at += one.len + (comma != NULL);
        rest.len -= one.len + (comma != NULL);
    }
    return false;
}

static bool has_option(const struct xf_line *list, const char *name)
{
    size_t len = strlen(name);

    return list->len >= len && memcmp(list->at, name, len) == 0 &&
           (list->len == len || list->at[len] == ',');
}

int xf_mount_parse(const struct xf_line *line, struct xf_mount *ret_mount)
{
    struct xf_line rest = *line, word, options, super = { "", 0 };
    struct xf_mount mount = { 0 };

    if (!xf_word_next(&rest, &word) || !xf_word_next(&rest, &word) || !xf_word_next(&rest, &word) ||
        xf_word_dev(&word, &mount.major, &mount.minor) < 0 || !xf_word_next(&rest, &word) ||
        !copy_escaped(&word, mount.root, sizeof(mount.root)) || !xf_word_next(&rest, &word) ||
        !copy_escaped(&word, mount.point, sizeof(mount.point)) || !xf_word_next(&rest, &options)) {
        return -EINVAL;
    }
    do { /* any number of optional fields, until a lone dash */
        if (!xf_word_next(&rest, &word)) {
            return -EINVAL;
        }
    } while (!xf_word_is(&word, "-"));
    if (!xf_word_next(&rest, &word) || !copy_escaped(&word, mount.type, sizeof(mount.type)) ||
        !xf_word_next(&rest, &word) || !copy_escaped(&word, mount.source, sizeof(mount.source))) {
        return -EINVAL;
    }
    (void)xf_word_next(&rest, &super);
    /* The first option of each is ro or rw. */
    mount.read_only = has_option(&options, "ro") || has_option(&super, "ro");
    if (!option_value(&super, "addr", mount.address, sizeof(mount.address))) {
        mount.address[0] = '\0';
    }
    *ret_mount = mount;
    return 0;
}

/* How much of the path is the mount point; 0: it is not below it. */
static size_t mount_holds(const char *point, const char *path)
{
    size_t len = strlen(point);

    if (strcmp(point, "/") == 0) {
        return path[0] == '/' ? 1 : 0;
    }
    return strnlen(path, len) == len && memcmp(path, point, len) == 0 &&
                   (path[len] == '\0' || path[len] == '/')
               ? len
               : 0;
}

int xf_mount_find(const char *mountinfo, const char *path, struct xf_mount *ret_mount)
{
    size_t longest = 0;
    struct xf_line line;

    while (xf_line_next(&mountinfo, &line)) {
        struct xf_mount mount;
        size_t len;

        if (xf_mount_parse(&line, &mount) == 0) {
            len = mount_holds(mount.point, path);
            if (len > 0 && len >= longest) { /* of two at one point the later one is on top */
                longest = len;
                *ret_mount = mount;
            }
        }
    }
    return longest > 0 ? 0 : -ENOENT;
}

/* "[fe80::1]:/export": where the server ends and the export begins. NULL: it is none. */
static const char *nfs_export(const char *source)
{
    const char *colon;

    if (source[0] == '[') {
        colon = strchr(source, ']');
        return colon != NULL && colon[1] == ':' && colon[2] == '/' ? colon + 2 : NULL;
    }
    colon = strchr(source, ':');
    while (colon != NULL && colon[1] != '/') {
        colon = strchr(colon + 1, ':');
    }
    return colon != NULL && colon != source ? colon + 1 : NULL;
}

int xf_nfs_server(const struct xf_mount *mount, char *buf, size_t size)
{
    const char *export = nfs_export(mount->source);
    struct xf_line server = { mount->source, 0 };

    if (export == NULL) {
        return -EINVAL;
    }
    if (mount->address[0] != '\0') {
        return xf_text_copy(buf, size, mount->address) ? 0 : -EMSGSIZE;
    }
    server.len = (size_t)(export - mount->source) - 1;
    if (server.at[0] == '[') {
        server = (struct xf_line){ server.at + 1, server.len - 2 };
    }
    return xf_word_copy(&server, buf, size) ? 0 : -EMSGSIZE;
}

/* One slash between, and none at the end. */
static void add_path(struct xf_text *text, const char *path)
{
    while (*path != '\0') {
        if (*path == '/') {
            if (path[1] != '/' && path[1] != '\0') {
                xf_text_char(text, '/');
            }
        } else {
            xf_text_char(text, *path);
        }
        path++;
    }
}

int xf_nfs_text(const struct xf_mount *mount, const char *path, char *buf, size_t size)
{
    const char *export = nfs_export(mount->source);
    size_t len = mount_holds(mount->point, path);
    struct xf_text text;
    char server[64];

    if (export == NULL || len == 0) {
        return -EINVAL;
    }
    if (xf_nfs_server(mount, server, sizeof(server)) < 0) {
        return -EMSGSIZE;
    }
    xf_text_init(&text, buf, size);
    xf_text_str(&text, server);
    xf_text_char(&text, ':');
    add_path(&text, export);
    add_path(&text, mount->root);
    if (path[len] != '\0' && path[len] != '/') {
        xf_text_char(&text, '/'); /* below "/" */
    }
    add_path(&text, path + len);
    return text.truncated ? -EMSGSIZE : 0;
}

enum xf_fs_class xf_fs_class(const char *type)
{
    static const struct {
        const char *type;
        enum xf_fs_class class;
    } classes[] = {
        { "ext2", XF_FS_LOCAL },
        { "ext3", XF_FS_LOCAL },
        { "ext4", XF_FS_LOCAL },
        { "xfs", XF_FS_LOCAL },
        { "btrfs", XF_FS_LOCAL },
        { "bcachefs", XF_FS_LOCAL },
        { "f2fs", XF_FS_LOCAL },
        { "jfs", XF_FS_LOCAL },
        { "reiserfs", XF_FS_LOCAL },
        { "vfat", XF_FS_LOCAL },
        { "exfat", XF_FS_LOCAL },
        { "ntfs3", XF_FS_LOCAL },
        { "iso9660", XF_FS_LOCAL },
        { "squashfs", XF_FS_LOCAL },
        { "erofs", XF_FS_LOCAL },
        { "zfs", XF_FS_LOCAL },
        { "tmpfs", XF_FS_LOCAL },
        { "ramfs", XF_FS_LOCAL },
        { "devtmpfs", XF_FS_LOCAL },
        { "rootfs", XF_FS_LOCAL },
        { "overlay", XF_FS_UNION },
        { "overlayfs", XF_FS_UNION },
        { "aufs", XF_FS_UNION },
        { "unionfs", XF_FS_UNION },
        { "fuse.unionfs", XF_FS_UNION },
        { "fuse.unionfs-fuse", XF_FS_UNION },
        { "fuse.mergerfs", XF_FS_UNION },
        { "fuse.fuse-overlayfs", XF_FS_UNION },
        { "nfs", XF_FS_NFS },
        { "nfs4", XF_FS_NFS },
        { "cifs", XF_FS_NETWORK },
        { "smb3", XF_FS_NETWORK },
        { "ceph", XF_FS_NETWORK },
        { "fuse.ceph-fuse", XF_FS_NETWORK },
        { "fuse.glusterfs", XF_FS_NETWORK },
        { "lustre", XF_FS_NETWORK },
        { "ocfs2", XF_FS_CLUSTER },
        { "gfs2", XF_FS_CLUSTER },
        { "gfs", XF_FS_CLUSTER },
    };

    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        if (strcmp(type, classes[i].type) == 0) {
            return classes[i].class;
        }
    }
    return XF_FS_UNKNOWN;
}

int xf_swap_parse(const struct xf_line *line, char *ret_path, size_t size)
{
    struct xf_line rest = *line, word;

    if (!xf_word_next(&rest, &word) || word.at[0] != '/') {
        return -EINVAL;
    }
    return copy_escaped(&word, ret_path, size) ? 0 : -EINVAL;
}

/* "fd:01:262151": numbers in hexadecimal, the inode in decimal. */
static int lock_place(const struct xf_line *word, struct xf_lock *lock)
{
    char buf[48], *minor, *inode;
    uint64_t v[3];

    if (!xf_word_copy(word, buf, sizeof(buf))) {
        return -EINVAL;
    }
    minor = strchr(buf, ':');
    inode = minor != NULL ? strchr(minor + 1, ':') : NULL;
    if (inode == NULL) {
        return -EINVAL;
    }
    *minor++ = '\0';
    *inode++ = '\0';
    if (xf_hex_parse(buf, &v[0]) < 0 || xf_hex_parse(minor, &v[1]) < 0 || v[0] > UINT32_MAX ||
        v[1] > UINT32_MAX || xf_u64_parse(inode, 0, UINT64_MAX, &v[2]) < 0) {
        return -EINVAL;
    }
    lock->major = (uint32_t)v[0];
    lock->minor = (uint32_t)v[1];
    lock->inode = v[2];
    return 0;
}

int xf_lock_parse(const struct xf_line *line, struct xf_lock *ret_lock)
{
    struct xf_line rest = *line, word;
    struct xf_lock lock = { 0 };
    bool lease;

    /* "1: POSIX  ADVISORY  WRITE 812 fd:01:262151 0 EOF", and "1: -> …" of one that waits */
    if (!xf_word_next(&rest, &word) || !xf_word_next(&rest, &word) || xf_word_is(&word, "->")) {
        return -EINVAL;
    }
    lock.open_file = xf_word_is(&word, "OFDLCK");
    lease = xf_word_is(&word, "LEASE") || xf_word_is(&word, "DELEG");
    if (lease || !xf_word_next(&rest, &word) || !xf_word_next(&rest, &word) ||
        !xf_word_next(&rest, &word)) {
        return -EINVAL;
    }
    if (xf_word_u64(&word, &lock.pid) < 0) {
        lock.pid = 0; /* -1 */
    }
    if (!xf_word_next(&rest, &word) || lock_place(&word, &lock) < 0) {
        return -EINVAL;
    }
    *ret_lock = lock;
    return 0;
}
