/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host that is looked at: this one, or one that was recorded in a folder (tests/record-tree):
 *   sys/ proc/ dev/    as there
 *   stat               "b MAJOR:MINOR PATH" and "f MAJOR:MINOR INODE SIZE PATH", one a line
 *   tool/NAME          what a tool or the kernel answered
 */
#ifndef XF_LOOK_TREE_H
#define XF_LOOK_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct xf_tree {
    const char *root; /* NULL: this host */
};

enum xf_tree_type {
    XF_TREE_OTHER,
    XF_TREE_BLOCK,
    XF_TREE_FILE,
};

struct xf_tree_stat {
    enum xf_tree_type type;
    uint32_t major, minor; /* of a device its own, of a file its filesystem's */
    uint64_t inode;
    uint64_t size;
};

/* All 0 or negative errno; paths begin with a slash. */
int xf_tree_stat(const struct xf_tree *tree, const char *path, struct xf_tree_stat *ret_stat);
/* Text, ended by NUL; -EFBIG when it does not fit. */
int xf_tree_text(const struct xf_tree *tree, const char *path, char *buf, size_t size);
/* Bytes read, as many as fit. */
int xf_tree_bytes(const struct xf_tree *tree, const char *path, void *buf, size_t size);
bool xf_tree_has(const struct xf_tree *tree, const char *path);
/* Without links. */
int xf_tree_real(const struct xf_tree *tree, const char *path, char *buf, size_t size);
/* Each name in a folder, sorted; stops when fn returns false. */
int xf_tree_list(const struct xf_tree *tree, const char *path,
                 bool (*fn)(void *arg, const char *name), void *arg);
/*
 * What a tool prints; argv[0] is its name, sought in the system's folders. -ENOENT: it is not
 * installed; -EIO: it failed.
 */
int xf_tree_tool(const struct xf_tree *tree, const char *name, const char *const argv[], char *buf,
                 size_t size);
/* Of a recorded host what is kept under that name in tool/. */
int xf_tree_kept(const struct xf_tree *tree, const char *name, char *buf, size_t size);

#endif
