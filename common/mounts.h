/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files and who uses disks, out of /proc: mounts (proc(5), mountinfo), swaps, locks; what a kind of
 * filesystem means for a disk in it. Parsers for xenferry-look; they take anything.
 */
#ifndef XF_MOUNTS_H
#define XF_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "disk.h"

#define XF_MOUNT_PATH_SIZE 512u

/* Of text, ended by NUL: one line after the other, without its end. False: there is none left. */
struct xf_line {
    const char *at;
    size_t len;
};
bool xf_line_next(const char **text, struct xf_line *ret_line);
/* Of a line: one word after the other, split at blanks. */
bool xf_word_next(struct xf_line *rest, struct xf_line *ret_word);
bool xf_word_is(const struct xf_line *word, const char *text);
/* False when it does not fit or is no text. */
bool xf_word_copy(const struct xf_line *word, char *buf, size_t size);
int xf_word_u64(const struct xf_line *word, uint64_t *ret_v);
/* "253:4" */
int xf_word_dev(const struct xf_line *word, uint32_t *ret_major, uint32_t *ret_minor);

struct xf_mount {
    uint32_t major, minor;          /* of st_dev; btrfs has numbers of its own there */
    char root[XF_MOUNT_PATH_SIZE];  /* what of the filesystem is mounted */
    char point[XF_MOUNT_PATH_SIZE]; /* where */
    char type[32];
    char source[XF_MOUNT_PATH_SIZE];
    bool read_only;
    char address[64]; /* addr= of network filesystems; may be "" */
};
/* 0 or -EINVAL. */
int xf_mount_parse(const struct xf_line *line, struct xf_mount *ret_mount);
/* The mount that a file of that (resolved) path is in. -ENOENT when there is none. */
int xf_mount_find(const char *mountinfo, const char *path, struct xf_mount *ret_mount);
/*
 * "server:/export/folder/file" wherever it is mounted, with the address that the mount really has.
 * -EINVAL when the source is none, -EMSGSIZE.
 */
int xf_nfs_text(const struct xf_mount *mount, const char *path, char *buf, size_t size);
/* The server of it. */
int xf_nfs_server(const struct xf_mount *mount, char *buf, size_t size);

enum xf_fs_class {
    XF_FS_UNKNOWN,
    XF_FS_LOCAL,
    XF_FS_UNION,
    XF_FS_NFS,
    XF_FS_NETWORK, /* another one that hosts share: known by its content and the nonce only */
    XF_FS_CLUSTER,
};
enum xf_fs_class xf_fs_class(const char *type);

/* Of a line of /proc/swaps the file or device; -EINVAL for the title too. */
int xf_swap_parse(const struct xf_line *line, char *ret_path, size_t size);

struct xf_lock {
    bool open_file; /* of an open file description: belongs to no process */
    uint64_t pid;   /* 0 when it is unknown */
    uint32_t major, minor;
    uint64_t inode;
};
/* Of a line of /proc/locks; -EINVAL also for one that only waits, and for leases. */
int xf_lock_parse(const struct xf_line *line, struct xf_lock *ret_lock);

#endif
