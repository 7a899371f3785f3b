/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What stands between a disk and its devices: tables of device-mapper, LVM's report, DRBD's state.
 * Parsers for xenferry-look; they take anything.
 */
#ifndef XF_VOLUME_H
#define XF_VOLUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "disk.h"

#define XF_TABLE_DEVS_MAX XF_BASES_MAX
#define XF_EXTENTS_SIZE   2048u
#define XF_DRBD_PEERS_MAX 16u
#define XF_DRBD_ADDR_SIZE 64u

/* A table as `dmsetup table` and the kernel print it, one target a line. */
struct xf_dm_table {
    uint32_t n_targets;
    uint32_t n_devs; /* in the order in which the table first names them */
    struct {
        uint32_t major, minor;
    } dev[XF_TABLE_DEVS_MAX];
    uint32_t traits; /* SNAPSHOT, THIN, CACHE, RAID, QUEUES, UNKNOWN */
    bool multipath;
    char odd[32];         /* the target that UNKNOWN is for */
    bool one_linear;      /* nothing but one piece of one device, as a partition is */
    uint64_t start, size; /* of that, in sectors of 512 */
    /*
     * What is mapped where, with the devices as letters in the table's order, so that hosts can
     * compare it; no keys. "" when it did not fit: such a table is UNKNOWN.
     */
    char extents[XF_EXTENTS_SIZE];
};
int xf_dm_table_parse(const char *table, struct xf_dm_table *ret_table);
/* A multipath map's status: how many paths the kernel uses, and how many it has given up. */
int xf_mpath_status_parse(const char *status, uint32_t *ret_active, uint32_t *ret_failed);

/* What lvs is asked for, in that order and with '|' between: XF_LVS_FIELDS. */
#define XF_LVS_FIELDS "vg_uuid,lv_uuid,lv_attr,segtype,lv_active,vg_lock_type,vg_clustered"
struct xf_lvs {
    char vg[40], lv[40];
    uint32_t traits; /* SNAPSHOT, THIN, CACHE, RAID, VG_SHARED, VG_CLUSTERED, LV_*, UNKNOWN */
    char odd[32];    /* a kind of segment that is not known */
};
/* -ENODATA: no line of a volume in it. */
int xf_lvs_parse(const char *report, struct xf_lvs *ret_lvs);
/* `lvmlockctl --info`: -ENOENT, or whether that volume's lock is held exclusively. */
int xf_lvmlock_parse(const char *info, const char *lv_uuid, bool *ret_exclusive);

struct xf_drbd {
    char resource[64];
    uint32_t volume;
    uint32_t traits; /* DRBD_* */
    uint32_t n_addresses;
    char address[XF_DRBD_PEERS_MAX][XF_DRBD_ADDR_SIZE]; /* of all hosts, sorted, each once */
    char state[64];                                     /* for people */
};
/* /proc/drbd of 8.x: PRIMARY, CONNECTED, UPTODATE of that minor. -ENOENT: 9 lists none there. */
int xf_drbd_proc_parse(const char *proc, uint32_t minor, struct xf_drbd *drbd);
/* `drbdsetup show`: the resource that the minor belongs to, its addresses, TWO_PRIMARIES. */
int xf_drbd_show_parse(const char *show, uint32_t minor, struct xf_drbd *drbd);
/* `drbdsetup status --verbose` of 9: as from /proc/drbd, by resource and volume. */
int xf_drbd_status_parse(const char *status, struct xf_drbd *drbd);
/* "resource/volume address address" */
int xf_drbd_text(const struct xf_drbd *drbd, char *buf, size_t size);

#endif
