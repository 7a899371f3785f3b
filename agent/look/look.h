/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenferry-look: everything that this host knows of one disk, in one process that may hang with it.
 *
 *   look_main.c    asked by the agent or by people        look_walk.c   from the disk down to its devices
 *   look_tree.c    the host, or a recorded one            look_users.c  who else uses it
 *   look_blocks.c  the proof by I/O                       look_nonce.c  the file beside an image
 *   look_super.c   superblocks and partition tables       look_own.c    what this host is called
 *   kind_*.c       one kind of storage each
 */
#ifndef XF_LOOK_LOOK_H
#define XF_LOOK_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device.h"
#include "disk.h"
#include "look_tree.h"
#include "mounts.h"

#define XF_SEEN_NAMES_MAX 12u
#define XF_SYS_PATH_SIZE  512u

/* One thing on the way from the disk down: a device or a file. */
struct xf_seen {
    struct xf_seen *above; /* NULL: it is the disk itself */
    bool is_file;
    bool is_path; /* one of several to the same device, looked at for its names only */
    uint32_t depth;
    uint32_t n_below; /* what it stands on, visited already */
    uint32_t major, minor;
    struct xf_tree_stat st;        /* of a file */
    char name[XF_DEV_NAME_SIZE];   /* the kernel's: "sdb1" */
    char sys[XF_SYS_PATH_SIZE];    /* /sys/devices/… */
    char path[XF_MOUNT_PATH_SIZE]; /* of a file, resolved */
    uint32_t n_names;
    struct {
        enum xf_ident_kind kind;
        char value[XF_IDENT_SIZE];
    } names[XF_SEEN_NAMES_MAX];
};

struct xf_sight {
    const struct xf_tree *tree;
    const struct xf_look *look;
    struct xf_disk *disk;
    struct {
        bool is_file;
        uint32_t major, minor;
        uint64_t inode;
    } base[XF_BASES_MAX];
    char image[XF_MOUNT_PATH_SIZE]; /* the first file on the way: where a nonce belongs; or "" */
    bool image_read_only;
    bool closed; /* must not be opened: a DRBD device that is not primary */
};

struct xf_kind_ops {
    const char *name;
    bool (*is)(struct xf_sight *sight, const struct xf_seen *seen);
    /* Names, traits, and what it stands on (xf_see_dev(), xf_see_file()); none: it is a base. */
    void (*describe)(struct xf_sight *sight, struct xf_seen *seen);
};

/* All end with a kind whose name is NULL. */
extern const struct xf_kind_ops xf_kind_bcache, xf_kind_dm, xf_kind_drbd, xf_kind_file,
    xf_kind_gnbd, xf_kind_iscsi, xf_kind_loop, xf_kind_md, xf_kind_multipath, xf_kind_nbd,
    xf_kind_nvme, xf_kind_part, xf_kind_plain, xf_kind_rbd, xf_kind_scsi;

/* look_walk.c */
void xf_look_at(const struct xf_tree *tree, const struct xf_look *look, struct xf_disk *ret_disk);
void xf_see_name(struct xf_sight *sight, struct xf_seen *seen, enum xf_ident_kind kind,
                 const char *value);
void xf_see_names(struct xf_sight *sight, struct xf_seen *seen, const struct xf_names *names);
void xf_see_trait(struct xf_sight *sight, uint32_t traits);
/* For people; joined by "; ", cut to fit. */
void xf_see_words(struct xf_sight *sight, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same, and XF_TRAIT_UNKNOWN. */
void xf_see_unknown(struct xf_sight *sight, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* What seen stands on. */
void xf_see_dev(struct xf_sight *sight, struct xf_seen *seen, uint32_t major, uint32_t minor);
void xf_see_file(struct xf_sight *sight, struct xf_seen *seen, const char *path);
/* Every device in the folder slaves/ of it. */
void xf_see_slaves(struct xf_sight *sight, struct xf_seen *seen);
/* A path of several to the device seen: its names become seen's. Returns false: no such device. */
bool xf_see_path(struct xf_sight *sight, struct xf_seen *seen, uint32_t major, uint32_t minor);
/* An attribute in sysfs, without its line end. False: it is not there. */
bool xf_see_attr(struct xf_sight *sight, const struct xf_seen *seen, const char *name, char *buf,
                 size_t size);
/* The same as a number. */
bool xf_see_number(struct xf_sight *sight, const struct xf_seen *seen, const char *name,
                   uint64_t *ret_v);
bool xf_see_has(struct xf_sight *sight, const struct xf_seen *seen, const char *name);
bool xf_see_named(const struct xf_seen *seen, const char *prefix);
/* A server's disk: SELF_SERVED where that is this host. */
void xf_see_server(struct xf_sight *sight, const char *server);

/* look_dm.c: the kernel's table and status of a map as text; -errno. */
int xf_dm_text(const struct xf_tree *tree, uint32_t major, uint32_t minor, bool status, char *buf,
               size_t size);

/* kind_dm.c: is that the path of a volume that LVM knows of but that is not active here? */
bool xf_dm_is_inactive(struct xf_sight *sight, const char *path);

/* look_users.c */
void xf_look_users(struct xf_sight *sight, const struct xf_seen *seen);
void xf_look_loops_of(struct xf_sight *sight, const struct xf_seen *file);

/* look_blocks.c */
void xf_look_read(struct xf_sight *sight);

/* look_nonce.c */
void xf_look_nonce(struct xf_sight *sight);

/* look_super.c */
struct xf_super {
    char type[32], uuid[64], label[128];
};
/* key: how a recorded host calls it. -ENODATA: nothing known there. */
int xf_super_probe(const struct xf_tree *tree, const char *path, const char *key,
                   struct xf_super *ret_super);
int xf_super_part(const struct xf_tree *tree, const char *path, const char *key, uint32_t part,
                  char *ret_uuid, size_t size);

/* look_own.c */
bool xf_own_is(const struct xf_tree *tree, const char *server);
/* An address in the one spelling that all hosts use; another name in lower case. */
void xf_own_plain(const char *server, char *buf, size_t size);

/* look_print.c */
void xf_look_print(const struct xf_disk *disk);

#endif
