/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What hosts say of disks, as tests make it up. */
#ifndef XF_DISKS_H
#define XF_DISKS_H

#include <assert.h>
#include <string.h>

#include "blocks.h"
#include "disk.h"

#define GIB (UINT64_C(1) << 30)

/* Blocks that hold what content says. */
static inline void disk_fill(struct xf_disk *disk, uint8_t content)
{
    uint8_t salt[XF_SALT_SIZE] = { 7 };
    uint64_t offset[XF_SAMPLES_MAX];

    disk->n_samples = xf_blocks_plan(disk->size_bytes, salt, offset);
    for (uint32_t i = 0; i < disk->n_samples; i++) {
        struct xf_sample *sample = &disk->sample[i];

        sample->offset = offset[i];
        sample->size = XF_BLOCK_SIZE;
        sample->blank = content == 0;
        memset(sample->digest, content, sizeof(sample->digest));
        sample->digest[0] = (uint8_t)i;
    }
}

static inline struct xf_disk disk_of(uint8_t kind, const char *path)
{
    struct xf_disk disk = { .kind = kind };

    memcpy(disk.path, path, strlen(path));
    if (kind == XF_DISK_BLOCK || kind == XF_DISK_FILE) {
        disk.size_bytes = GIB;
        disk_fill(&disk, 1);
    }
    return disk;
}

static inline void disk_add(struct xf_disk *disk, enum xf_ident_kind kind, uint8_t base,
                            const char *value)
{
    bool added = xf_disk_add(disk, kind, base, value);

    assert(added);
    disk->n_bases = base > disk->n_bases ? base : disk->n_bases;
}

/* A LUN with a name of its own. */
static inline struct xf_disk disk_lun(const char *path, const char *naa)
{
    struct xf_disk disk = disk_of(XF_DISK_BLOCK, path);

    disk_add(&disk, XF_IDENT_NAA, 0, naa);
    return disk;
}

/* A multipath map of so many paths. */
static inline struct xf_disk disk_map(const char *path, const char *naa, uint8_t n_paths)
{
    struct xf_disk disk = disk_of(XF_DISK_BLOCK, path);
    char uuid[XF_IDENT_SIZE] = "mpath-";

    strcat(uuid, naa);
    disk_add(&disk, XF_IDENT_MPATH, 0, uuid);
    for (uint8_t i = 1; i <= n_paths; i++) {
        disk_add(&disk, XF_IDENT_NAA, i, naa);
    }
    return disk;
}

/* A logical volume on one or two LUNs. */
static inline struct xf_disk disk_lv(const char *lv, const char *naa1, const char *naa2)
{
    struct xf_disk disk = disk_of(XF_DISK_BLOCK, "/dev/vg/guest");

    disk_add(&disk, XF_IDENT_LV, 0, lv);
    disk_add(&disk, XF_IDENT_NAA, 1, naa1);
    if (naa2 != NULL) {
        disk_add(&disk, XF_IDENT_NAA, 2, naa2);
    }
    return disk;
}

/* An image on NFS beside which the source wrote a nonce that the target saw. */
static inline struct xf_disk disk_nfs(const char *export, const char *inode)
{
    struct xf_disk disk = disk_of(XF_DISK_FILE, "/srv/guest.img");

    disk.traits = XF_TRAIT_FILE_NETWORK | XF_TRAIT_NONCE;
    disk_add(&disk, XF_IDENT_NFS, 0, export);
    disk_add(&disk, XF_IDENT_INODE, 0, inode);
    return disk;
}

static inline struct xf_disk disk_drbd(void)
{
    struct xf_disk disk = disk_of(XF_DISK_BLOCK, "/dev/drbd0");

    disk.traits = XF_TRAIT_DRBD | XF_TRAIT_DRBD_PRIMARY | XF_TRAIT_DRBD_CONNECTED |
                  XF_TRAIT_DRBD_UPTODATE | XF_TRAIT_DRBD_TWO_PRIMARIES;
    disk_add(&disk, XF_IDENT_DRBD, 0, "guest/0 n1 n2");
    return disk;
}

#endif
