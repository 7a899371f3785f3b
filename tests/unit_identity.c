/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules S1 to S11 of docs/storage-proof.md, one by one, and unit_identity_bases.c; unit_identity_random.c has them all at once. */
#include "config.h"

#include "identity.h"

#include <string.h>

#include "matching.h"

static void a_device_is_known_by_its_own_name_whatever_the_host_calls_it(void **state)
{
    struct xf_disk a = disk_lun("/dev/sdb", LUN_X), b = disk_lun("/dev/sdq", LUN_X);

    (void)state;
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_NAA);
    b = disk_lun("/dev/sdb", LUN_Y);
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_NAA);
}

static void nothing_that_both_know_is_unknown(void **state)
{
    struct xf_disk a = disk_lun("/dev/sdb", LUN_X), b = bare(), c = bare();

    (void)state;
    expect(&a, &b, XF_MATCH_UNKNOWN, XF_N_IDENTS);
    expect(&b, &c, XF_MATCH_UNKNOWN, XF_N_IDENTS);
    disk_add(&b, XF_IDENT_EUI, 0, "eui.1");
    expect(&a, &b, XF_MATCH_UNKNOWN, XF_N_IDENTS);
}

static void disks_of_different_kinds_do_not_match_nor_do_absent_ones(void **state)
{
    struct xf_disk a = disk_lun("/dev/sdb", LUN_X), b = a;

    (void)state;
    b.kind = XF_DISK_NETWORK;
    expect(&a, &b, XF_MATCH_UNKNOWN, XF_N_IDENTS);
    a.kind = b.kind = XF_DISK_ABSENT;
    expect(&a, &b, XF_MATCH_UNKNOWN, XF_N_IDENTS);
}

static void the_strongest_that_both_know_decides(void **state)
{
    struct xf_disk a = bare(), b = bare();

    (void)state;
    disk_add(&a, XF_IDENT_LABEL, 0, "data");
    disk_add(&b, XF_IDENT_LABEL, 0, "data");
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_LABEL);
    disk_add(&a, XF_IDENT_FSUUID, 0, "ext4 1");
    disk_add(&b, XF_IDENT_FSUUID, 0, "ext4 1");
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_FSUUID);
    disk_add(&a, XF_IDENT_SERIAL, 0, "QEMU disk 1");
    disk_add(&b, XF_IDENT_SERIAL, 0, "QEMU disk 1");
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_SERIAL);
    disk_add(&a, XF_IDENT_NAA, 0, LUN_X);
    disk_add(&b, XF_IDENT_NAA, 0, LUN_X);
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_NAA);
}

static void one_that_contradicts_refuses_beside_any_that_agree(void **state)
{
    static const enum xf_ident_kind kinds[] = {
        XF_IDENT_EUI,   XF_IDENT_UUID,  XF_IDENT_T10,      XF_IDENT_SERIAL, XF_IDENT_ISCSI,
        XF_IDENT_NBD,   XF_IDENT_GNBD,  XF_IDENT_RBD,      XF_IDENT_DRBD,   XF_IDENT_LV,
        XF_IDENT_DM,    XF_IDENT_MPATH, XF_IDENT_PARTUUID, XF_IDENT_PARTNO, XF_IDENT_LOOP,
        XF_IDENT_INODE, XF_IDENT_NFS,   XF_IDENT_SHAREDFS, XF_IDENT_FSUUID, XF_IDENT_LABEL,
    };

    (void)state;
    for (uint32_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct xf_disk a = disk_lun("/dev/sdb", LUN_X), b = a;

        disk_add(&a, kinds[i], 0, "one");
        disk_add(&b, kinds[i], 0, "another");
        expect(&a, &b, XF_MATCH_CONTRADICTION, kinds[i]);
    }
}

static void the_strongest_that_contradicts_is_named(void **state)
{
    struct xf_disk a = disk_lun("/dev/sdb", LUN_X), b = disk_lun("/dev/sdb", LUN_Y);

    (void)state;
    disk_add(&a, XF_IDENT_LABEL, 0, "one");
    disk_add(&b, XF_IDENT_LABEL, 0, "another");
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_NAA);
}

/* S2 */
static void of_several_portals_one_in_common_is_enough(void **state)
{
    struct xf_disk a = bare(), b = bare();

    (void)state;
    disk_add(&a, XF_IDENT_ISCSI, 0, "iqn.a,lun 1");
    disk_add(&a, XF_IDENT_ISCSI, 0, "iqn.b,lun 1");
    disk_add(&b, XF_IDENT_ISCSI, 0, "iqn.c,lun 1");
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_ISCSI);
    disk_add(&b, XF_IDENT_ISCSI, 0, "iqn.b,lun 1");
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_ISCSI);
}

static void of_names_of_which_there_is_one_a_second_contradicts(void **state)
{
    struct xf_disk a = disk_lun("/dev/sdb", LUN_X), b = a;

    (void)state;
    disk_add(&a, XF_IDENT_NAA, 0, LUN_Y);
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_NAA);
    disk_add(&b, XF_IDENT_NAA, 0, LUN_Y);
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_NAA);
}

/* S3 */
static void who_serves_itself_proves_nothing_by_the_servers_name(void **state)
{
    static const enum xf_ident_kind served[] = { XF_IDENT_NBD, XF_IDENT_GNBD };

    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        struct xf_disk a = bare(), b = bare();

        disk_add(&a, served[i], 0, "127.0.0.1:10809/a");
        disk_add(&b, served[i], 0, "127.0.0.1:10809/a");
        expect(&a, &b, XF_MATCH_STRONG, served[i]);
        a.traits = XF_TRAIT_SELF_SERVED;
        expect(&a, &b, XF_MATCH_UNKNOWN, XF_N_IDENTS);
        b = bare();
        disk_add(&b, served[i], 0, "n1:10809/a"); /* the same server, as another host calls it */
        expect(&a, &b, XF_MATCH_UNKNOWN, XF_N_IDENTS);
    }
}

static void who_serves_itself_an_nfs_export_proves_nothing_by_its_files(void **state)
{
    struct xf_disk a = disk_nfs("localhost:/srv", "5 6"), b = a;

    (void)state;
    b.traits |= XF_TRAIT_SELF_SERVED;
    expect(&a, &b, XF_MATCH_UNKNOWN, XF_N_IDENTS);
}

static void being_served_by_itself_does_not_spoil_a_devices_own_name(void **state)
{
    struct xf_disk a = disk_lun("/dev/sdb", LUN_X), b = a;

    (void)state;
    b.traits |= XF_TRAIT_SELF_SERVED;
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_NAA);
}

/* S7 */
static void a_file_is_known_by_its_number_in_its_filesystem(void **state)
{
    struct xf_disk a = disk_nfs("srv:/export", "5 6"), b = a;

    (void)state;
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_NFS);
    b = disk_nfs("srv:/export", "7 6");
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_INODE);
    b = disk_nfs("other:/export", "5 6");
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_NFS);
}

static void a_files_number_alone_is_nothing(void **state)
{
    struct xf_disk a = disk_of(XF_DISK_FILE, "/a"), b;

    (void)state;
    disk_add(&a, XF_IDENT_INODE, 0, "5");
    b = a;
    expect(&a, &b, XF_MATCH_UNKNOWN, XF_N_IDENTS);
    disk_add(&a, XF_IDENT_NAA, 1, LUN_X); /* nor with what a local filesystem stands on */
    disk_add(&b, XF_IDENT_NAA, 1, LUN_X);
    expect(&a, &b, XF_MATCH_UNKNOWN, XF_N_IDENTS);
    disk_add(&a, XF_IDENT_LOOP, 0, "0 0");
    disk_add(&b, XF_IDENT_LOOP, 0, "0 0");
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_LOOP);
    a.ident[0].kind = XF_IDENT_PARTNO; /* known to one is enough to be a file */
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_LOOP);
}

static void a_files_filesystem_alone_is_weak(void **state)
{
    static const enum xf_ident_kind kinds[] = { XF_IDENT_NFS, XF_IDENT_SHAREDFS };

    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        struct xf_disk a = disk_of(XF_DISK_FILE, "/a"), b;

        disk_add(&a, kinds[i], 0, "where");
        b = a;
        expect(&a, &b, XF_MATCH_WEAK, kinds[i]);
        disk_add(&a, XF_IDENT_INODE, 0, "5");
        expect(&a, &b, XF_MATCH_WEAK, kinds[i]);
        disk_add(&b, XF_IDENT_INODE, 0, "5");
        expect(&a, &b, XF_MATCH_STRONG, kinds[i]);
    }
}

static void equal_filesystem_uuids_on_two_luns_are_two_files(void **state)
{
    struct xf_disk a = disk_of(XF_DISK_FILE, "/a"), b;

    (void)state;
    disk_add(&a, XF_IDENT_SHAREDFS, 0, "ocfs2 c 1");
    disk_add(&a, XF_IDENT_INODE, 0, "5");
    b = a;
    disk_add(&a, XF_IDENT_NAA, 1, LUN_X);
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_SHAREDFS);
    disk_add(&b, XF_IDENT_NAA, 1, LUN_Y);
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_NAA);
    b.ident[2] = a.ident[2];
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_SHAREDFS);
    b.ident[2].kind = XF_IDENT_EUI; /* which device it is there cannot be told */
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_SHAREDFS);
}

static void a_file_is_not_its_device(void **state)
{
    struct xf_disk a = disk_of(XF_DISK_FILE, "/a"), b;

    (void)state;
    disk_add(&a, XF_IDENT_NAA, 0, LUN_X);
    b = a;
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_NAA);
}

static struct xf_disk loop_over(const char *part, const char *export, const char *inode)
{
    struct xf_disk disk = disk_of(XF_DISK_BLOCK, "/dev/loop0");

    disk_add(&disk, XF_IDENT_LOOP, 0, part);
    disk_add(&disk, XF_IDENT_NFS, 1, export);
    disk_add(&disk, XF_IDENT_INODE, 1, inode);
    return disk;
}

static void a_loop_device_is_the_same_part_of_the_same_file(void **state)
{
    struct xf_disk a = loop_over("0 0", "srv:/e", "5"), b = a;

    (void)state;
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_LOOP);
    b = loop_over("4096 0", "srv:/e", "5");
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_LOOP);
    b = loop_over("0 0", "srv:/e", "6");
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_INODE);
    b = a;
    a.n_idents = b.n_idents = 2; /* no number known: any file of that export */
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_LOOP);
}

/* Of OCFS2 a loop device's base has the names of file, filesystem and device in one. */
static void a_files_number_counts_also_beside_its_devices_own_name(void **state)
{
    static const enum xf_ident_kind kinds[] = { XF_IDENT_NFS, XF_IDENT_SHAREDFS };

    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        struct xf_disk a = disk_of(XF_DISK_BLOCK, "/dev/loop0"), b;

        disk_add(&a, XF_IDENT_LOOP, 0, "0 0");
        disk_add(&a, XF_IDENT_INODE, 1, "5");
        disk_add(&a, XF_IDENT_NAA, 1, LUN_X);
        b = a; /* of a filesystem that hosts do not share */
        expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_LOOP);
        disk_add(&a, kinds[i], 1, "where");
        expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_LOOP);
        disk_add(&b, kinds[i], 1, "where");
        expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_LOOP);
        b.ident[1].value[0] = '6';
        expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_INODE);
        b = a;
        b.ident[3].value[0] = 'x';
        expect(&a, &b, XF_MATCH_CONTRADICTION, kinds[i]);
        b = a;
        b.ident[2].value[4] = '5';
        expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_NAA);
    }
}

static void a_part_of_the_device_does_not_stand_for_a_files_number(void **state)
{
    struct xf_disk a = disk_of(XF_DISK_BLOCK, "/dev/loop0"), b;

    (void)state;
    disk_add(&a, XF_IDENT_LOOP, 0, "0 0");
    disk_add(&a, XF_IDENT_PARTUUID, 1, "p");
    disk_add(&a, XF_IDENT_NAA, 1, LUN_X);
    b = a;
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_LOOP); /* over a part, without any file */
    disk_add(&a, XF_IDENT_INODE, 1, "5");
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_LOOP);
    a = b;
    disk_add(&a, XF_IDENT_SHAREDFS, 1, "where");
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_LOOP);
    disk_add(&b, XF_IDENT_SHAREDFS, 1, "where");
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_LOOP);
    disk_add(&a, XF_IDENT_INODE, 1, "5");
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_LOOP);
    disk_add(&b, XF_IDENT_INODE, 1, "5");
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_LOOP);
}

static void a_network_disk_is_known_by_its_image(void **state)
{
    struct xf_disk a = disk_of(XF_DISK_NETWORK, "rbd:pool/guest"), b = a;

    (void)state;
    disk_add(&a, XF_IDENT_RBD, 0, "fsid pool//guest@");
    expect(&a, &b, XF_MATCH_UNKNOWN, XF_N_IDENTS);
    disk_add(&b, XF_IDENT_RBD, 0, "fsid pool//guest@");
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_RBD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_is_known_by_its_own_name_whatever_the_host_calls_it),
        cmocka_unit_test(nothing_that_both_know_is_unknown),
        cmocka_unit_test(disks_of_different_kinds_do_not_match_nor_do_absent_ones),
        cmocka_unit_test(the_strongest_that_both_know_decides),
        cmocka_unit_test(one_that_contradicts_refuses_beside_any_that_agree),
        cmocka_unit_test(the_strongest_that_contradicts_is_named),
        cmocka_unit_test(of_several_portals_one_in_common_is_enough),
        cmocka_unit_test(of_names_of_which_there_is_one_a_second_contradicts),
        cmocka_unit_test(who_serves_itself_proves_nothing_by_the_servers_name),
        cmocka_unit_test(who_serves_itself_an_nfs_export_proves_nothing_by_its_files),
        cmocka_unit_test(being_served_by_itself_does_not_spoil_a_devices_own_name),
        cmocka_unit_test(a_file_is_known_by_its_number_in_its_filesystem),
        cmocka_unit_test(a_file_is_not_its_device),
        cmocka_unit_test(a_files_number_alone_is_nothing),
        cmocka_unit_test(a_files_filesystem_alone_is_weak),
        cmocka_unit_test(equal_filesystem_uuids_on_two_luns_are_two_files),
        cmocka_unit_test(a_loop_device_is_the_same_part_of_the_same_file),
        cmocka_unit_test(a_files_number_counts_also_beside_its_devices_own_name),
        cmocka_unit_test(a_part_of_the_device_does_not_stand_for_a_files_number),
        cmocka_unit_test(a_network_disk_is_known_by_its_image),
    };

    return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
