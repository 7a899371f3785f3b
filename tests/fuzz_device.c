/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * common/device*.c, mounts.c, volume*.c: what a host, its tools and its devices say may be anything.
 * The first byte chooses the parser; what comes out is text that ends, within its bounds.
 */
#include "config.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "device.h"
#include "mounts.h"
#include "text.h"
#include "volume.h"

#define TEXT_MAX 8192u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t size)
{
    assert(xf_text_name_ok(text, size) && xf_text_utf8_ok(text));
}

static void check_names(const struct xf_names *names)
{
    assert(names->n <= XF_NAMES_MAX);
    for (uint32_t i = 0; i < names->n; i++) {
        assert(names->of[i].kind < XF_N_IDENTS);
        assert(!xf_name_hollow(names->of[i].value));
        check_text(names->of[i].value, XF_IDENT_SIZE);
    }
}

static void try_pages(const uint8_t *data, size_t size)
{
    struct xf_names names;
    char serial[64];

    if (xf_vpd83_parse(data, size, &names) == 0) {
        check_names(&names);
    }
    if (xf_vpd80_parse(data, size, serial, sizeof(serial)) == 0) {
        check_text(serial, sizeof(serial));
    }
    (void)xf_image_backed(data, size);
}

static void try_names(const char *text)
{
    struct xf_names names;
    struct xf_dm_uuid uuid;
    struct xf_scsi_path path;
    struct xf_own_names own = { 1, { "node1.example.com" } };
    char a[64], b[64];

    if (xf_wwid_parse(text, &names) == 0) {
        check_names(&names);
    }
    if (xf_mpath_wwid_parse(text, &names) == 0) {
        check_names(&names);
    }
    xf_dm_uuid_parse(text, &uuid);
    assert(memchr(uuid.layer, '\0', sizeof(uuid.layer)) != NULL);
    if (xf_dm_lv_names(text, a, sizeof(a), b, sizeof(b)) == 0) {
        assert(a[0] != '\0' && b[0] != '\0');
    }
    if (xf_scsi_path_parse(text, &path) == 0) {
        assert(memchr(path.session, '\0', sizeof(path.session)) != NULL);
    }
    (void)xf_server_is_own(text, &own);
    (void)xf_is_network_text(text);
    if (xf_rbd_parse(text, a, sizeof(a)) == 0) {
        assert(strchr(a, '/') != NULL);
    }
}

static void try_nbd(const char *text, size_t size)
{
    struct xf_nbd nbd;
    char name[XF_IDENT_SIZE];

    if (xf_nbd_cmdline_parse(text, size, "nbd0", &nbd) == 0) {
        assert(nbd.server[0] != '\0' && nbd.port >= 1 && nbd.port <= 65535);
        xf_nbd_text(&nbd, name, sizeof(name));
        check_text(name, sizeof(name));
    }
}

static void try_mounts(const char *text)
{
    static struct xf_mount mount;
    char name[XF_MOUNT_PATH_SIZE];
    struct xf_line line;
    struct xf_lock lock;
    const char *at = text;

    while (xf_line_next(&at, &line)) {
        if (xf_mount_parse(&line, &mount) == 0) {
            assert(mount.type[0] != '\0' && mount.point[0] != '\0');
            (void)xf_fs_class(mount.type);
        }
        (void)xf_swap_parse(&line, name, sizeof(name));
        (void)xf_lock_parse(&line, &lock);
    }
    if (xf_mount_find(text, "/srv/vm/web.img", &mount) == 0 &&
        xf_nfs_text(&mount, "/srv/vm/web.img", name, XF_IDENT_SIZE) == 0) {
        assert(strlen(name) < XF_IDENT_SIZE);
    }
}

static void try_volumes(const char *text)
{
    static struct xf_dm_table table;
    struct xf_lvs lvs;
    uint32_t active, failed;
    bool exclusive;

    if (xf_dm_table_parse(text, &table) == 0) {
        assert(table.n_targets > 0 && table.n_devs <= XF_TABLE_DEVS_MAX);
        assert(table.extents[0] != '\0' || (table.traits & XF_TRAIT_UNKNOWN) != 0);
        check_text(table.odd, sizeof(table.odd));
    }
    if (xf_mpath_status_parse(text, &active, &failed) == 0) {
        assert(active + failed > 0);
    }
    if (xf_lvs_parse(text, &lvs) == 0) {
        check_text(lvs.vg, sizeof(lvs.vg));
        check_text(lvs.lv, sizeof(lvs.lv));
    }
    (void)xf_lvmlock_parse(text, "uuid", &exclusive);
}

static void try_drbd(const char *text)
{
    static struct xf_drbd drbd;
    char name[XF_IDENT_SIZE];

    memset(&drbd, 0, sizeof(drbd));
    if (xf_drbd_show_parse(text, 0, &drbd) == 0) {
        assert(drbd.n_addresses <= XF_DRBD_PEERS_MAX);
        check_text(drbd.resource, sizeof(drbd.resource));
        if (xf_drbd_text(&drbd, name, sizeof(name)) == 0) {
            check_text(name, sizeof(name));
        }
        (void)xf_drbd_status_parse(text, &drbd);
    }
    (void)xf_drbd_proc_parse(text, 0, &drbd);
    check_text(drbd.state, sizeof(drbd.state));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[TEXT_MAX + 1];

    if (size == 0 || size > TEXT_MAX) {
        return 0;
    }
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    switch (data[0]) {
    case 'p':
        try_pages(data + 1, size - 1);
        break;
    case 'n':
        try_names(text);
        break;
    case 'b':
        try_nbd(text, size - 1);
        break;
    case 'm':
        try_mounts(text);
        break;
    case 'v':
        try_volumes(text);
        break;
    default:
        try_drbd(text);
        break;
    }
    return 0;
}
