/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a device is called by itself, by its server and by the kernel: parsers for xenferry-look. All
 * take anything; nothing that many devices carry (zeros, blanks) comes out as an identity. Volumes
 * and tables are in volume.h, files and mounts in mounts.h.
 */
#ifndef XF_DEVICE_H
#define XF_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "disk.h"

#define XF_NAMES_MAX     12u
#define XF_LVM_UUID_SIZE 39u /* 32 letters in 7 groups, with NUL */
#define XF_SERVER_SIZE   80u
#define XF_EXPORT_SIZE   96u
#define XF_OWN_NAMES_MAX 64u
#define XF_NBD_PORT      10809u
#define XF_NBD_ARGV_MAX  64u
#define XF_DEV_NAME_SIZE 64u

struct xf_names {
    uint32_t n;
    struct {
        uint8_t kind; /* enum xf_ident_kind */
        char value[XF_IDENT_SIZE];
    } of[XF_NAMES_MAX];
};

/*
 * Page 83h as the device sent it: what it calls the logical unit. 0 with what is worth something, which
 * may be nothing; -EBADMSG for what is no such page, and ret_names is untouched.
 */
int xf_vpd83_parse(const uint8_t *page, size_t size, struct xf_names *ret_names);
/* Page 80h: the serial number without the blanks around it. -ENODATA: it is hollow. */
int xf_vpd80_parse(const uint8_t *page, size_t size, char *ret_serial, size_t serial_size);
/* The kernel's wwid of a SCSI disk or NVMe namespace, a dm uuid's part behind "mpath-". */
int xf_wwid_parse(const char *wwid, struct xf_names *ret_names);
int xf_mpath_wwid_parse(const char *wwid, struct xf_names *ret_names);
/* All zeros, all f or blank, whatever lies between: many devices carry it. */
bool xf_name_hollow(const char *name);
/* Copies without the blanks around it; what is no text becomes "". */
void xf_name_trim(char *dst, size_t size, const char *src);

enum xf_dm_uuid_kind {
    XF_DM_UUID_OTHER,
    XF_DM_UUID_LVM,
    XF_DM_UUID_MPATH,
    XF_DM_UUID_PART, /* kpartx's: rest is the uuid of the map below */
};
struct xf_dm_uuid {
    enum xf_dm_uuid_kind kind;
    char vg[XF_LVM_UUID_SIZE], lv[XF_LVM_UUID_SIZE];
    char layer[32];   /* LVM: "" or "real", "cow", "tpool" …: no volume that people see */
    uint32_t part;    /* of PART */
    const char *rest; /* in the text that was parsed */
};
void xf_dm_uuid_parse(const char *uuid, struct xf_dm_uuid *ret_uuid);
/* "vg--a-lv" is the volume "lv" of "vg-a", as device-mapper names it. */
int xf_dm_lv_names(const char *name, char *ret_vg, size_t vg_size, char *ret_lv, size_t lv_size);

struct xf_scsi_path {
    char session[32]; /* "session3"; "" when no iSCSI session carries it */
    uint64_t lun;
};
/* Of the sysfs path of a SCSI disk: …/session3/target3:0:0/3:0:0:1/block/sdb. */
int xf_scsi_path_parse(const char *path, struct xf_scsi_path *ret_path);

struct xf_nbd {
    char server[XF_SERVER_SIZE]; /* or the path of a socket */
    bool is_socket;
    uint32_t port;
    char export_name[XF_EXPORT_SIZE];
};
/*
 * args: NUL-separated, as /proc/PID/cmdline has them. device: "nbd0". -ESRCH when it is no nbd-client
 * of that device (the process id may be another's by now), -EINVAL for what cannot be understood.
 */
int xf_nbd_cmdline_parse(const char *args, size_t size, const char *device, struct xf_nbd *ret_nbd);
/* "server:port/export" */
void xf_nbd_text(const struct xf_nbd *nbd, char *buf, size_t size);

/* A host's own names and addresses, addresses as inet_ntop() writes them. */
struct xf_own_names {
    uint32_t n;
    char of[XF_OWN_NAMES_MAX][XF_SERVER_SIZE];
};
/* Is that server this very host? Loopback always is. */
bool xf_server_is_own(const char *server, const struct xf_own_names *own);

/* qemu's text of a disk that has no path here; "rbd:pool/image:id=…" gives "pool/image". */
bool xf_is_network_text(const char *path);
int xf_rbd_parse(const char *path, char *buf, size_t size);

/* The beginning of an image: does it stand on another file (qcow2, differencing VHD)? */
bool xf_image_backed(const uint8_t *head, size_t size);

#endif
