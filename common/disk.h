/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a host knows of one disk of a domain: plain data, made by xenferry-look (agent/look/),
 * sent by diskmsg.c, compared by identity.c. A disk may stand on others (a volume on its physical
 * volumes, a partition on its parent, a loop device on a file): those are its bases.
 */
#ifndef XF_DISK_H
#define XF_DISK_H

#include <stdbool.h>
#include <stdint.h>

#define XF_DISK_PATH_SIZE 256u
#define XF_IDENT_SIZE     200u
#define XF_IDENTS_MAX     64u
#define XF_BASES_MAX      16u
#define XF_SAMPLES_MAX    16u
#define XF_DIGEST_SIZE    32u
#define XF_SALT_SIZE      16u
#define XF_NONCE_SIZE     33u /* 32 hexadecimal digits and NUL */
#define XF_WORDS_SIZE     160u

enum xf_strength {
    XF_STRENGTH_WEAK, /* copied along with the content: says nothing against a clone */
    XF_STRENGTH_MADE, /* given by a layer above the device (volume, partition): a clone of the device has it too */
    XF_STRENGTH_DEVICE, /* given by the device or its server: no other device has it */
};

/*
 * X(symbol, name, strength, many)
 * many: a disk may have several at once of which each host sees some (portals, paths): two sets that
 * share one agree, two that share none contradict. Otherwise two values that differ contradict.
 */
#define XF_IDENTS(X)                                                                               \
    X(NAA, "naa", DEVICE, false)   /* VPD 83h, logical unit: "naa.6001405…", lower case */       \
    X(EUI, "eui", DEVICE, false)   /* VPD 83h or NVMe: "eui.0025…" */                            \
    X(UUID, "uuid", DEVICE, false) /* NVMe's or VPD 83h's uuid */                                  \
    X(T10, "t10", DEVICE, false)   /* VPD 83h: "VENDOR  identifier" */                             \
    X(SERIAL, "serial", DEVICE,                                                                    \
      false) /* VPD 80h with vendor and model, where nothing better is there */                    \
    X(ISCSI, "iscsi", DEVICE, true)        /* "IQN,lun N" */                                       \
    X(NBD, "nbd", DEVICE, false)           /* "server:port/export" */                              \
    X(GNBD, "gnbd", DEVICE, false)         /* "server/name" */                                     \
    X(RBD, "rbd", DEVICE, false)           /* "cluster-fsid pool/namespace/image@snap id" */       \
    X(DRBD, "drbd", DEVICE, false)         /* "resource/volume" and the peers' names */            \
    X(NFS, "nfs", DEVICE, false)           /* "server:/export" of the filesystem of a file */      \
    X(SHAREDFS, "sharedfs", DEVICE, false) /* "ocfs2 cluster uuid": a cluster's filesystem */      \
    X(LV, "lv", MADE, false)               /* "vg-uuid lv-uuid" */                                 \
    X(MPATH, "mpath", MADE, false)         /* device-mapper's uuid of a multipath map */           \
    X(DM, "dm", MADE, false)               /* device-mapper's uuid of another map */               \
    X(PARTUUID, "partuuid", MADE, false)                                                           \
    X(PARTNO, "partno", MADE, false) /* "number start sectors" */                                  \
    X(INODE, "inode", MADE, false)   /* of a file, "inode generation" where known */               \
    X(LOOP, "loop", MADE, false)     /* "offset sizelimit" */                                      \
    X(FSUUID, "fsuuid", WEAK, false) /* "type uuid" */                                             \
    X(LABEL, "label", WEAK, false)

enum xf_ident_kind {
#define X(sym, name, strength, many) XF_IDENT_##sym,
    XF_IDENTS(X)
#undef X
        XF_N_IDENTS,
};

struct xf_ident {
    uint8_t kind; /* enum xf_ident_kind */
    uint8_t base; /* 0: of the disk itself; n: of its base number n - 1 */
    char value[XF_IDENT_SIZE];
};

enum xf_disk_kind {
    XF_DISK_ABSENT, /* no such path: nothing else is known */
    XF_DISK_BLOCK,
    XF_DISK_FILE,
    XF_DISK_NETWORK, /* no path on the host at all: "rbd:pool/image" */
    XF_N_DISK_KINDS,
};

/* Bits of xf_disk.traits: what is so on that host, of the disk or of one of its bases. */
#define XF_TRAITS(X)                                                                               \
    X(READONLY, "read-only") /* the device, or the filesystem of the file */                       \
    X(USED, "used") /* mounted, swap, held by a layer that is no base of ours, open exclusively */ \
    X(SNAPSHOT, "snapshot") /* a device-mapper or LVM snapshot, or the origin of one */            \
    X(THIN, "thin")                                                                                \
    X(CACHE, "cache")               /* dm-cache, writecache, bcache */                             \
    X(RAID, "raid")                 /* md, dm-raid, LVM mirror: state in the memory of one host */ \
    X(LOOP, "loop")                 /* a loop device lies between */                               \
    X(LOOP_CACHED, "loop-cached")   /* without direct I/O */                                       \
    X(FILE_LOCAL, "local")          /* on a filesystem that one host alone may mount */            \
    X(FILE_UNION, "union")          /* on overlay and the like: writes may go elsewhere */         \
    X(FILE_NETWORK, "network")      /* NFS and the like */                                         \
    X(FILE_CLUSTER, "cluster")      /* OCFS2, GFS2 */                                              \
    X(FILE_LOCKED, "file-locked")   /* somebody holds a lock on the file */                        \
    X(VG_SHARED, "vg-shared")       /* lvmlockd */                                                 \
    X(VG_CLUSTERED, "vg-clustered") /* clvmd */                                                    \
    X(LV_EXCLUSIVE, "lv-exclusive")                                                                \
    X(LV_INACTIVE, "lv-inactive")                                                                  \
    X(DRBD, "drbd")                                                                                \
    X(DRBD_PRIMARY, "drbd-primary")                                                                \
    X(DRBD_TWO_PRIMARIES, "drbd-two-primaries") /* its configuration allows them */                \
    X(DRBD_CONNECTED, "drbd-connected")                                                            \
    X(DRBD_UPTODATE, "drbd-up-to-date")                                                            \
    X(PATH_DOWN, "path-down")         /* of several: some work */                                  \
    X(PATH_NONE, "path-none")         /* none works */                                             \
    X(QUEUES, "queues")               /* keeps I/O for ever when no path is left */                \
    X(SELF_SERVED, "self-served")     /* NBD, GNBD, NFS from this very host */                     \
    X(BACKED, "backed")               /* qcow2, VHD with a backing file */                         \
    X(NONCE, "nonce")                 /* the nonce file was made, or seen */                       \
    X(NONCE_REFUSED, "nonce-refused") /* it could not be made: the folder is not writable */       \
    X(UNKNOWN, "unknown")             /* a part of it could not be understood: .words say which */

enum xf_trait_bit {
#define X(sym, name) XF_TRAIT_BIT_##sym,
    XF_TRAITS(X)
#undef X
        XF_N_TRAITS,
};
enum xf_trait {
#define X(sym, name) XF_TRAIT_##sym = 1 << XF_TRAIT_BIT_##sym,
    XF_TRAITS(X)
#undef X
};

struct xf_sample {
    uint64_t offset;
    uint32_t size;
    bool blank; /* one byte value throughout: equal on many disks, so it proves nothing */
    uint8_t digest[XF_DIGEST_SIZE]; /* SHA-256 of salt and block */
};

struct xf_disk {
    char path[XF_DISK_PATH_SIZE]; /* as the configuration has it */
    uint8_t kind;                 /* enum xf_disk_kind */
    uint32_t traits;              /* enum xf_trait */
    uint16_t error;               /* errno of opening or reading it; 0: it can be read */
    bool late;                    /* the look was ended by its deadline */
    uint64_t size_bytes;
    uint32_t n_bases;
    uint32_t n_idents;
    struct xf_ident ident[XF_IDENTS_MAX];
    uint32_t n_samples;
    struct xf_sample sample[XF_SAMPLES_MAX];
    char words
        [XF_WORDS_SIZE]; /* for people: what could not be understood, who uses it, which path is down */
};

/* What xenferry-look is told to do. */
enum xf_nonce_task {
    XF_NONCE_NONE,
    XF_NONCE_MAKE, /* beside the image */
    XF_NONCE_SEEK,
    XF_NONCE_REMOVE,
    XF_N_NONCE_TASKS,
};

struct xf_look {
    char path[XF_DISK_PATH_SIZE];
    bool writable; /* the domain writes to it: can it be opened so? */
    bool coming;   /* the target's look: users of the disk are strangers */
    uint8_t salt[XF_SALT_SIZE];
    uint64_t size_bytes; /* target: the source's, so that both read the same blocks; 0: one's own */
    uint8_t nonce_task;  /* enum xf_nonce_task */
    char nonce[XF_NONCE_SIZE];
};

/* "" for a number that is none. */
const char *xf_ident_name(uint32_t kind);
enum xf_strength xf_ident_strength(uint32_t kind);
bool xf_ident_many(uint32_t kind);
const char *xf_trait_name(uint32_t bit);

/* False: no room, or a value that is empty, too long or no text; the disk is then XF_TRAIT_UNKNOWN. */
bool xf_disk_add(struct xf_disk *disk, enum xf_ident_kind kind, uint8_t base, const char *value);

#endif
