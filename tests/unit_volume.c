/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "volume.h"

#include <errno.h>
#include <string.h>

#include "mounts.h"
#include "unit.h"

static struct xf_line line_of(const char *text)
{
    return (struct xf_line){ text, strlen(text) };
}

static void a_mount_is_read_with_what_its_names_hide(void **state)
{
    struct xf_line line = line_of("45 22 0:47 /a\\040b /mnt/c\\011d\\134e rw,relatime shared:3 "
                                  "master:1 - nfs4 filer:/x ro,vers=4.2,clientaddr=192.0.2.9,"
                                  "addr=192.0.2.30");
    struct xf_mount mount;

    (void)state;
    assert_int_equal(xf_mount_parse(&line, &mount), 0);
    assert_int_equal(mount.major, 0);
    assert_int_equal(mount.minor, 47);
    assert_string_equal(mount.root, "/a b");
    assert_string_equal(mount.point, "/mnt/c\td\\e");
    assert_string_equal(mount.type, "nfs4");
    assert_string_equal(mount.source, "filer:/x");
    assert_string_equal(mount.address, "192.0.2.30");
    assert_true(mount.read_only);
    line = line_of("45 22 8:1 / /x rw - ext4 /dev/sda1 rw,errors=remount-ro");
    assert_int_equal(xf_mount_parse(&line, &mount), 0);
    assert_false(mount.read_only);
    assert_string_equal(mount.address, "");
    line = line_of("45 22 8:1 / /x ro,nosuid - ext4 /dev/sda1 rw");
    assert_int_equal(xf_mount_parse(&line, &mount), 0);
    assert_true(mount.read_only);
    line = line_of("45 22 8:1 / /x rw,relatime ext4 /dev/sda1 rw");
    assert_int_equal(xf_mount_parse(&line, &mount), -EINVAL);
    line = line_of("45 22 8x1 / /x rw - ext4 /dev/sda1 rw");
    assert_int_equal(xf_mount_parse(&line, &mount), -EINVAL);
}

static void a_file_is_in_the_longest_and_latest_mount(void **state)
{
    static const char mounts[] = "1 0 8:1 / / rw - ext4 /dev/a rw\n"
                                 "2 1 0:5 / /srv rw - nfs s:/x rw\n"
                                 "3 1 0:6 / /srv rw - ocfs2 /dev/b rw\n"
                                 "4 1 0:7 / /srv/vm2 rw - tmpfs t rw\n";
    struct xf_mount mount;

    (void)state;
    assert_int_equal(xf_mount_find(mounts, "/srv/vm/a.img", &mount), 0);
    assert_int_equal(mount.minor, 6);
    assert_int_equal(xf_mount_find(mounts, "/srv/vm2/a.img", &mount), 0);
    assert_int_equal(mount.minor, 7);
    assert_int_equal(xf_mount_find(mounts, "/srvx/a.img", &mount), 0);
    assert_int_equal(mount.minor, 1);
    assert_int_equal(xf_mount_find("", "/srv", &mount), -ENOENT);
    assert_int_equal(xf_mount_find("2 1 0:5 / /srv rw - nfs s:/x rw", "/other", &mount), -ENOENT);
}

static void nfs_text(const char *source, const char *root, const char *point, const char *address,
                     const char *path, const char *expected)
{
    struct xf_mount mount = { 0 };
    char text[XF_IDENT_SIZE];

    strcpy(mount.source, source);
    strcpy(mount.root, root);
    strcpy(mount.point, point);
    strcpy(mount.address, address);
    assert_int_equal(xf_nfs_text(&mount, path, text, sizeof(text)), expected != NULL ? 0 : -EINVAL);
    if (expected != NULL) {
        assert_string_equal(text, expected);
    }
}

static void a_file_of_a_server_is_the_same_wherever_it_is_mounted(void **state)
{
    (void)state;
    nfs_text("s:/exp", "/", "/mnt", "", "/mnt/vm/a.img", "s:/exp/vm/a.img");
    nfs_text("s:/exp/vm", "/", "/vm", "", "/vm/a.img", "s:/exp/vm/a.img");
    nfs_text("s:/exp", "/vm", "/vm", "", "/vm/a.img", "s:/exp/vm/a.img");
    nfs_text("s:/", "/", "/mnt", "", "/mnt/a.img", "s:/a.img");
    nfs_text("s:/exp", "/", "/", "", "/a.img", "s:/exp/a.img");
    nfs_text("s:/exp/", "/", "/mnt", "192.0.2.3", "/mnt/a.img", "192.0.2.3:/exp/a.img");
    nfs_text("[2001:db8::3]:/exp", "/", "/mnt", "", "/mnt/a", "2001:db8::3:/exp/a");
    nfs_text("none", "/", "/mnt", "", "/mnt/a", NULL);
    nfs_text(":/exp", "/", "/mnt", "", "/mnt/a", NULL);
    nfs_text("s:/exp", "/", "/mnt", "", "/other/a", NULL);
}

static void filesystems_are_shared_or_not(void **state)
{
    (void)state;
    assert_int_equal(xf_fs_class("ext4"), XF_FS_LOCAL);
    assert_int_equal(xf_fs_class("tmpfs"), XF_FS_LOCAL);
    assert_int_equal(xf_fs_class("overlay"), XF_FS_UNION);
    assert_int_equal(xf_fs_class("nfs4"), XF_FS_NFS);
    assert_int_equal(xf_fs_class("ocfs2"), XF_FS_CLUSTER);
    assert_int_equal(xf_fs_class("gfs2"), XF_FS_CLUSTER);
    assert_int_equal(xf_fs_class("fuse.glusterfs"), XF_FS_NETWORK);
    assert_int_equal(xf_fs_class("fuse.sshfs"), XF_FS_UNKNOWN);
    assert_int_equal(xf_fs_class(""), XF_FS_UNKNOWN);
}

static void swaps_and_locks_name_what_they_hold(void **state)
{
    struct xf_line title = line_of("Filename\t\t\tType\t\tSize"),
                   swap = line_of("/swap\\040file file 1");
    struct xf_line posix = line_of("1: POSIX  ADVISORY  WRITE 812 fd:0a:262151 0 EOF");
    struct xf_line open_file = line_of("2: OFDLCK ADVISORY  READ -1 00:2f:77 100 101");
    struct xf_line waits = line_of("2: -> POSIX  ADVISORY  WRITE 9 fd:0a:262151 0 EOF");
    struct xf_line lease = line_of("3: LEASE  ACTIVE    READ  812 fd:0a:262151 0 EOF");
    struct xf_lock lock;
    char path[32];

    (void)state;
    assert_int_equal(xf_swap_parse(&title, path, sizeof(path)), -EINVAL);
    assert_int_equal(xf_swap_parse(&swap, path, sizeof(path)), 0);
    assert_string_equal(path, "/swap file");
    assert_int_equal(xf_lock_parse(&posix, &lock), 0);
    assert_int_equal(lock.pid, 812);
    assert_int_equal(lock.major, 0xfd);
    assert_int_equal(lock.minor, 10);
    assert_int_equal(lock.inode, 262151);
    assert_false(lock.open_file);
    assert_int_equal(xf_lock_parse(&open_file, &lock), 0);
    assert_true(lock.open_file);
    assert_int_equal(lock.pid, 0);
    assert_int_equal(lock.minor, 0x2f);
    assert_int_equal(xf_lock_parse(&waits, &lock), -EINVAL);
    assert_int_equal(xf_lock_parse(&lease, &lock), -EINVAL);
}

static void a_table_names_its_devices_in_its_own_order(void **state)
{
    struct xf_dm_table a, b, other;

    (void)state;
    assert_int_equal(
        xf_dm_table_parse("0 10 linear 8:32 7\n10 5 linear 8:16 9\n15 5 linear 8:32 99\n", &a), 0);
    assert_string_equal(a.extents, "0+10 linear a 7; 10+5 linear b 9; 15+5 linear a 99");
    assert_int_equal(a.n_devs, 2);
    assert_int_equal(a.dev[0].minor, 32);
    assert_int_equal(a.dev[1].minor, 16);
    assert_int_equal(a.traits, 0);
    assert_false(a.one_linear);
    /* other numbers on another host, and the same table */
    assert_int_equal(
        xf_dm_table_parse("0 10 linear 8:64 7\n10 5 linear 253:1 9\n15 5 linear 8:64 99", &b), 0);
    assert_string_equal(a.extents, b.extents);
    assert_int_equal(
        xf_dm_table_parse("0 10 linear 8:64 7\n10 5 linear 253:1 8\n15 5 linear 8:64 99", &other),
        0);
    assert_string_not_equal(a.extents, other.extents);
    assert_int_equal(xf_dm_table_parse("0 10 linear 8:16 2048", &a), 0);
    assert_true(a.one_linear);
    assert_int_equal(a.start, 2048);
    assert_int_equal(a.size, 10);
    assert_int_equal(xf_dm_table_parse("", &a), -EINVAL);
    assert_int_equal(xf_dm_table_parse("x 10 linear 8:16 0", &a), -EINVAL);
    assert_int_equal(xf_dm_table_parse("0 10", &a), -EINVAL);
}

static void layers_that_one_host_alone_may_have_are_told(void **state)
{
    static const struct {
        const char *table;
        uint32_t traits;
    } cases[] = {
        { "0 8 snapshot 253:1 253:2 P 8", XF_TRAIT_SNAPSHOT },
        { "0 8 snapshot-origin 253:1", XF_TRAIT_SNAPSHOT },
        { "0 8 thin 253:1 3", XF_TRAIT_THIN },
        { "0 8 thin-pool 253:1 253:2 128 0", XF_TRAIT_THIN },
        { "0 8 cache 253:1 253:2 253:3 128 1 writeback smq 0", XF_TRAIT_CACHE },
        { "0 8 writecache s 253:1 253:2 4096 0", XF_TRAIT_CACHE },
        { "0 8 raid raid1 3 0 region_size 1024 2 253:1 253:2 253:3 253:4", XF_TRAIT_RAID },
        { "0 8 mirror core 1 1024 2 253:1 0 253:2 0", XF_TRAIT_RAID },
        { "0 8 linear 8:1 0\n8 8 error", XF_TRAIT_UNKNOWN },
        { "0 8 vdo V4 8:1", XF_TRAIT_UNKNOWN },
        { "0 8 multipath 1 queue_if_no_path 0 1 1 round-robin 0 1 1 8:16 1", XF_TRAIT_QUEUES },
        { "0 8 striped 2 128 8:16 0 8:32 0", 0 },
    };
    struct xf_dm_table table;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(xf_dm_table_parse(cases[i].table, &table), 0);
        assert_int_equal(table.traits, cases[i].traits);
    }
}

static void a_key_does_not_leave_its_table(void **state)
{
    struct xf_dm_table table;

    (void)state;
    assert_int_equal(xf_dm_table_parse("0 8 crypt aes-xts-plain64 00c0ffee 0 8:16 32768", &table),
                     0);
    assert_string_equal(table.extents, "0+8 crypt aes-xts-plain64 0 a 32768");
}

static void a_table_with_too_many_devices_is_unknown(void **state)
{
    struct xf_dm_table table;
    char text[1024] = "0 8 striped 20 128", *at = text + strlen(text);

    (void)state;
    for (int i = 0; i < 20; i++) {
        strcpy(at, " 8:100 0");
        at[4] = (char)('0' + i / 10);
        at[5] = (char)('0' + i % 10);
        at += strlen(at);
    }
    assert_int_equal(xf_dm_table_parse(text, &table), 0);
    assert_true((table.traits & XF_TRAIT_UNKNOWN) != 0);
    assert_string_equal(table.extents, "");
}

static void paths_are_counted_as_the_kernel_uses_them(void **state)
{
    uint32_t active = 9, failed = 9;

    (void)state;
    assert_int_equal(xf_mpath_status_parse("0 8 multipath 2 0 0 0 2 1 A 0 1 2 8:16 A 0 0 1 E 0 1 2 "
                                           "8:32 F 3 0 1",
                                           &active, &failed),
                     0);
    assert_int_equal(active, 1);
    assert_int_equal(failed, 1);
    assert_int_equal(xf_mpath_status_parse("0 8 linear", &active, &failed), -ENODATA);
}

#define VG "Fn4cWp-AbCd-EfGh-IjKl-MnOp-QrSt-ZyXwVu"
#define LV "q1w2e3-r4t5-y6u7-i8o9-p0a1-s2d3-f4g5h6"

static void lvs_tells_how_a_volume_may_be_used(void **state)
{
    static const struct {
        const char *report;
        uint32_t traits;
    } cases[] = {
        { "  " VG "|" LV "|-wi-a-----|linear|active||\n", 0 },
        { "  " VG "|" LV "|-wi-ao----|striped|active exclusively||\n", 0 }, /* said of all */
        { "  " VG "|" LV "|-wi-------|linear|||\n", XF_TRAIT_LV_INACTIVE },
        { "  " VG "|" LV "|-wi-a-----|linear|active|dlm|\n", XF_TRAIT_VG_SHARED },
        { "  " VG "|" LV "|-wi-a-----|linear|active||clustered\n", XF_TRAIT_VG_CLUSTERED },
        { "  " VG "|" LV "|-wi-a-----|linear|active exclusively||clustered\n",
          XF_TRAIT_VG_CLUSTERED | XF_TRAIT_LV_EXCLUSIVE },
        { "  " VG "|" LV "|owi-a-s---|linear|active||\n", XF_TRAIT_SNAPSHOT },
        { "  " VG "|" LV "|swi-a-s---|linear|active||\n", XF_TRAIT_SNAPSHOT },
        { "  " VG "|" LV "|Vwi-a-tz--|thin|active||\n", XF_TRAIT_THIN },
        { "  " VG "|" LV "|Cwi-a-C---|cache|active||\n", XF_TRAIT_CACHE },
        { "  " VG "|" LV "|rwi-a-r---|raid1|active||\n", XF_TRAIT_RAID },
        { "  " VG "|" LV "|-wi-a-----|linear|active||\n  " VG "|" LV "|-wi-a-----|vdo|active||\n",
          XF_TRAIT_UNKNOWN },
        { "  " VG "|" LV "|-wi|linear|active||\n", XF_TRAIT_UNKNOWN },
    };
    struct xf_lvs lvs;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(xf_lvs_parse(cases[i].report, &lvs), 0);
        assert_int_equal(lvs.traits, cases[i].traits);
        assert_string_equal(lvs.lv, LV);
    }
    assert_int_equal(xf_lvs_parse("", &lvs), -ENODATA);
    assert_int_equal(xf_lvs_parse("  WARNING: locks|are|off|x|y|z|\n", &lvs), -ENODATA);
    assert_int_equal(xf_lvs_parse("  " VG "|" LV "|-wi-a-----|linear|active\n", &lvs), -ENODATA);
}

static void lvmlockd_tells_who_holds_a_volume(void **state)
{
    static const char info[] = "VG vg0 lock_type=dlm x\nLS dlm lvm_vg0\nLK VG un ver 4\n"
                               "LK LV sh other\nLK LV ex " LV "\n";
    bool exclusive = false;

    (void)state;
    assert_int_equal(xf_lvmlock_parse(info, LV, &exclusive), 0);
    assert_true(exclusive);
    assert_int_equal(xf_lvmlock_parse(info, "other", &exclusive), 0);
    assert_false(exclusive);
    assert_int_equal(xf_lvmlock_parse(info, "none", &exclusive), -ENOENT);
}

static const char show[] =
    "# made up\nresource other { _this_host { volume 0 { device minor 1; } } }\n"
    "resource \"web\" {\n"
    "  net { allow-two-primaries\tyes; shared-secret \"a { b\"; }\n"
    "  _remote_host { address ipv4 192.0.2.2:7789; }\n"
    "  _this_host { address ipv4 192.0.2.1:7789; volume 3 {\n"
    "    device minor 10; disk \"/dev/x\"; } }\n}\n";

static void a_drbd_device_has_one_name_on_both_hosts(void **state)
{
    static const char peer[] = "resource web { _this_host { address ipv4 192.0.2.2:7789; volume 3 {"
                               " device minor 4; } } _remote_host { address ipv4 192.0.2.1:7789; }"
                               " net { allow-two-primaries no; } }";
    struct xf_drbd here = { 0 }, there = { 0 };
    char text[XF_IDENT_SIZE];

    (void)state;
    assert_int_equal(xf_drbd_show_parse(show, 10, &here), 0);
    assert_int_equal(here.traits, XF_TRAIT_DRBD_TWO_PRIMARIES);
    assert_int_equal(xf_drbd_text(&here, text, sizeof(text)), 0);
    assert_string_equal(text, "web/3 192.0.2.1:7789 192.0.2.2:7789");
    assert_int_equal(xf_drbd_show_parse(peer, 4, &there), 0);
    assert_int_equal(there.traits, 0);
    assert_int_equal(xf_drbd_text(&there, text, sizeof(text)), 0);
    assert_string_equal(text, "web/3 192.0.2.1:7789 192.0.2.2:7789");
    assert_int_equal(xf_drbd_text(&there, text, 10), -EMSGSIZE);
    assert_int_equal(xf_drbd_show_parse(show, 11, &here), -ENOENT);
    assert_int_equal(xf_drbd_show_parse("", 0, &here), -ENOENT);
}

static void the_state_of_a_drbd_device_is_its_own(void **state)
{
    static const char proc[] =
        "version: 8.4.11\n\n 1: cs:StandAlone ro:Primary/Unknown "
        "ds:UpToDate/DUnknown   r-----\n"
        "10: cs:Connected ro:Secondary/Primary ds:Inconsistent/UpToDate C r-\n";
    struct xf_drbd drbd = { 0 };

    (void)state;
    assert_int_equal(xf_drbd_proc_parse(proc, 1, &drbd), 0);
    assert_int_equal(drbd.traits, XF_TRAIT_DRBD_PRIMARY | XF_TRAIT_DRBD_UPTODATE);
    assert_string_equal(drbd.state, "StandAlone Primary/Unknown UpToDate/DUnknown");
    drbd = (struct xf_drbd){ 0 };
    assert_int_equal(xf_drbd_proc_parse(proc, 10, &drbd), 0);
    assert_int_equal(drbd.traits, XF_TRAIT_DRBD_CONNECTED);
    assert_int_equal(xf_drbd_proc_parse(proc, 0, &drbd), -ENOENT);
    assert_int_equal(xf_drbd_proc_parse("version: 9.1\n", 0, &drbd), -ENOENT);
}

static uint32_t status_traits(const char *status)
{
    struct xf_drbd drbd = { .resource = "web", .volume = 1 };

    assert_int_equal(xf_drbd_status_parse(status, &drbd), 0);
    return drbd.traits;
}

static void drbd_is_connected_only_with_all_its_peers(void **state)
{
    struct xf_drbd drbd = { .resource = "none" };

    (void)state;
    assert_int_equal(status_traits("db role:Primary\n  volume:1 disk:UpToDate\n\n"
                                   "web role:Secondary\n  volume:0 disk:UpToDate\n"
                                   "  volume:1 disk:UpToDate\n"
                                   "  n2 connection:Connected role:Primary\n"
                                   "    volume:1 peer-disk:UpToDate\n"),
                     XF_TRAIT_DRBD_CONNECTED | XF_TRAIT_DRBD_UPTODATE);
    assert_int_equal(status_traits("web role:Primary\n  volume:0 disk:UpToDate\n"
                                   "  volume:1 disk:Inconsistent\n"
                                   "  n2 connection:Connected role:Secondary\n"
                                   "    volume:1 peer-disk:UpToDate disk:UpToDate\n"
                                   "  n3 connection:Connecting\n"),
                     XF_TRAIT_DRBD_PRIMARY);
    assert_int_equal(status_traits("web role:Primary\n  volume:1 disk:UpToDate\n"),
                     XF_TRAIT_DRBD_PRIMARY | XF_TRAIT_DRBD_UPTODATE);
    assert_int_equal(xf_drbd_status_parse("web role:Primary\n", &drbd), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mount_is_read_with_what_its_names_hide),
        cmocka_unit_test(a_file_is_in_the_longest_and_latest_mount),
        cmocka_unit_test(a_file_of_a_server_is_the_same_wherever_it_is_mounted),
        cmocka_unit_test(filesystems_are_shared_or_not),
        cmocka_unit_test(swaps_and_locks_name_what_they_hold),
        cmocka_unit_test(a_table_names_its_devices_in_its_own_order),
        cmocka_unit_test(layers_that_one_host_alone_may_have_are_told),
        cmocka_unit_test(a_key_does_not_leave_its_table),
        cmocka_unit_test(a_table_with_too_many_devices_is_unknown),
        cmocka_unit_test(paths_are_counted_as_the_kernel_uses_them),
        cmocka_unit_test(lvs_tells_how_a_volume_may_be_used),
        cmocka_unit_test(lvmlockd_tells_who_holds_a_volume),
        cmocka_unit_test(a_drbd_device_has_one_name_on_both_hosts),
        cmocka_unit_test(the_state_of_a_drbd_device_is_its_own),
        cmocka_unit_test(drbd_is_connected_only_with_all_its_peers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
