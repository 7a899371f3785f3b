/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules S1 to S11 of docs/storage-proof.md, one by one; unit_identity_random.c has them all at once. */
#include "config.h"

#include "identity.h"

#include <string.h>

#include "disks.h"
#include "unit.h"

#define X "naa.6001405aaaa"
#define Y "naa.6001405bbbb"
#define Z "naa.6001405cccc"
#define V "vg1 lv1"

/* Both ways round; which kind decided comes back too. */
static enum xf_match match(const struct xf_disk *a, const struct xf_disk *b,
                           enum xf_ident_kind *ret_kind)
{
    enum xf_ident_kind other;
    enum xf_match result = xf_identity_match(a, b, ret_kind);

    assert_int_equal(xf_identity_match(b, a, &other), result);
    assert_int_equal(other, *ret_kind);
    assert_int_equal(xf_identity_match(a, b, NULL), result);
    return result;
}

static void expect(const struct xf_disk *a, const struct xf_disk *b, enum xf_match result,
                   enum xf_ident_kind kind)
{
    enum xf_ident_kind found;

    assert_int_equal(match(a, b, &found), result);
    assert_int_equal(found, kind);
}

static struct xf_disk bare(void)
{
    return disk_of(XF_DISK_BLOCK, "/dev/sdb");
}

static void a_device_is_known_by_its_own_name_whatever_the_host_calls_it(void **state)
{
    struct xf_disk a = disk_lun("/dev/sdb", X), b = disk_lun("/dev/sdq", X);

    (void)state;
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_NAA);
    b = disk_lun("/dev/sdb", Y);
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_NAA);
}

static void nothing_that_both_know_is_unknown(void **state)
{
    struct xf_disk a = disk_lun("/dev/sdb", X), b = bare(), c = bare();

    (void)state;
    expect(&a, &b, XF_MATCH_UNKNOWN, XF_N_IDENTS);
    expect(&b, &c, XF_MATCH_UNKNOWN, XF_N_IDENTS);
    disk_add(&b, XF_IDENT_EUI, 0, "eui.1");
    expect(&a, &b, XF_MATCH_UNKNOWN, XF_N_IDENTS);
}

static void disks_of_different_kinds_do_not_match_nor_do_absent_ones(void **state)
{
    struct xf_disk a = disk_lun("/dev/sdb", X), b = a;

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
    disk_add(&a, XF_IDENT_NAA, 0, X);
    disk_add(&b, XF_IDENT_NAA, 0, X);
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
        struct xf_disk a = disk_lun("/dev/sdb", X), b = a;

        disk_add(&a, kinds[i], 0, "one");
        disk_add(&b, kinds[i], 0, "another");
        expect(&a, &b, XF_MATCH_CONTRADICTION, kinds[i]);
    }
}

static void the_strongest_that_contradicts_is_named(void **state)
{
    struct xf_disk a = disk_lun("/dev/sdb", X), b = disk_lun("/dev/sdb", Y);

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
    struct xf_disk a = disk_lun("/dev/sdb", X), b = a;

    (void)state;
    disk_add(&a, XF_IDENT_NAA, 0, Y);
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_NAA);
    disk_add(&b, XF_IDENT_NAA, 0, Y);
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
    struct xf_disk a = disk_lun("/dev/sdb", X), b = a;

    (void)state;
    b.traits |= XF_TRAIT_SELF_SERVED;
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_NAA);
}

/* S5, S8 */
static void a_volume_is_the_same_if_its_disks_are(void **state)
{
    struct xf_disk a = disk_lv(V, X, Y), b = disk_lv(V, X, Y);

    (void)state;
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_LV);
    b = disk_lv(V, Y, X); /* in another order */
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_LV);
    b = disk_lv("vg1 lv2", X, Y);
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_LV);
}

static void a_volume_whose_second_disk_differs_is_another(void **state)
{
    struct xf_disk a = disk_lv(V, X, Y), b = disk_lv(V, X, Z);

    (void)state;
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_NAA);
    b = disk_lv(V, X, NULL);
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_N_IDENTS);
}

static void a_cloned_volume_is_another(void **state)
{
    struct xf_disk a = disk_lv(V, X, NULL), b = disk_lv(V, Y, NULL);

    (void)state;
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_NAA);
}

static void one_base_that_agrees_does_not_excuse_one_that_is_unknown(void **state)
{
    struct xf_disk a = disk_lv(V, X, Y), b = disk_lv(V, X, NULL);

    (void)state;
    b.n_bases = 2;
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_LV);
    a = b;
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_LV);
}

static void two_bases_are_not_both_the_same_one(void **state)
{
    struct xf_disk a = disk_lv(V, X, Y), b = disk_lv(V, X, NULL);

    (void)state;
    disk_add(&b, XF_IDENT_NAA, 2, X); /* two paths: one disk */
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_N_IDENTS);
    a = disk_lv(V, X, NULL);
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_LV);
}

static void a_volume_whose_bases_nobody_knows_is_weak(void **state)
{
    struct xf_disk a = bare(), b = bare(), c = disk_lv(V, X, NULL);

    (void)state;
    disk_add(&a, XF_IDENT_LV, 0, V);
    disk_add(&b, XF_IDENT_LV, 0, V);
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_LV);
    expect(&a, &c, XF_MATCH_WEAK, XF_IDENT_LV);
    disk_add(&b, XF_IDENT_PARTUUID, 0, "p");
    disk_add(&a, XF_IDENT_PARTUUID, 0, "p");
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_LV);
}

static void every_made_name_counts_on_bases_that_agree_and_only_there(void **state)
{
    static const enum xf_ident_kind made[] = { XF_IDENT_LV, XF_IDENT_PARTUUID, XF_IDENT_PARTNO,
                                               XF_IDENT_LOOP };

    (void)state;
    for (uint32_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
        struct xf_disk a = bare(), b;

        disk_add(&a, made[i], 0, "1");
        b = a;
        expect(&a, &b, XF_MATCH_WEAK, made[i]);
        disk_add(&a, XF_IDENT_UUID, 1, "u");
        expect(&a, &b, XF_MATCH_WEAK, made[i]);
        disk_add(&b, XF_IDENT_UUID, 1, "u");
        expect(&a, &b, XF_MATCH_STRONG, made[i]);
    }
}

static void a_base_known_weakly_does_not_make_a_volume_strong(void **state)
{
    struct xf_disk a = bare(), b;

    (void)state;
    disk_add(&a, XF_IDENT_LV, 0, V);
    disk_add(&a, XF_IDENT_FSUUID, 1, "LVM2 pv");
    b = a;
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_LV);
}

/* S6 */
static void a_map_by_hand_does_not_say_which_part_of_its_disk_it_is(void **state)
{
    struct xf_disk a = bare(), b;

    (void)state;
    disk_add(&a, XF_IDENT_DM, 0, "linear1");
    disk_add(&a, XF_IDENT_NAA, 1, X);
    b = a;
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_DM);
    disk_add(&a, XF_IDENT_PARTNO, 0, "0 2048 4096");
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_DM);
    disk_add(&b, XF_IDENT_PARTNO, 0, "0 2048 4096");
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_PARTNO);
    a.ident[2].value[0] = '1'; /* over other extents */
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_PARTNO);
}

static void a_map_without_any_name_is_no_path_of_its_disk(void **state)
{
    struct xf_disk a = bare(), b, lun = disk_lun("/dev/sdb", X);

    (void)state;
    disk_add(&a, XF_IDENT_NAA, 1, X);
    b = a;
    expect(&a, &b, XF_MATCH_UNKNOWN, XF_N_IDENTS);
    expect(&a, &lun, XF_MATCH_UNKNOWN, XF_N_IDENTS);
    lun = disk_lun("/dev/sdb", Y);
    expect(&a, &lun, XF_MATCH_CONTRADICTION, XF_IDENT_NAA);
}

static void a_part_with_its_disks_name_must_be_the_same_part(void **state)
{
    struct xf_disk a = disk_lun("/dev/sdb1", X), b = a;

    (void)state;
    disk_add(&a, XF_IDENT_PARTNO, 0, "1 2048 4096");
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_NAA);
    disk_add(&b, XF_IDENT_PARTUUID, 0, "u");
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_NAA);
    disk_add(&b, XF_IDENT_PARTNO, 0, "1 2048 4096");
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_NAA);
}

static void a_volume_on_parts_needs_the_same_parts(void **state)
{
    struct xf_disk a = disk_lv(V, X, NULL), b = a;

    (void)state;
    disk_add(&a, XF_IDENT_PARTNO, 1, "1 2048 4096");
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_LV);
    disk_add(&b, XF_IDENT_PARTNO, 1, "2 8192 4096");
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_PARTNO);
}

static void two_parts_of_one_disk_are_two_bases(void **state)
{
    struct xf_disk a = disk_lv(V, X, X), b;

    (void)state;
    disk_add(&a, XF_IDENT_PARTNO, 1, "1 2048 4096");
    disk_add(&a, XF_IDENT_PARTNO, 2, "2 8192 4096");
    b = disk_lv(V, X, X);
    disk_add(&b, XF_IDENT_PARTNO, 2, "1 2048 4096");
    disk_add(&b, XF_IDENT_PARTNO, 1, "2 8192 4096");
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_LV);
    b = disk_lv(V, X, NULL);
    disk_add(&b, XF_IDENT_PARTNO, 1, "1 2048 4096");
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_N_IDENTS);
    a = disk_lv(V, X, X); /* one part is known, the other is not: still two */
    disk_add(&a, XF_IDENT_PARTNO, 1, "1 2048 4096");
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_N_IDENTS);
    a = disk_lv(V, X, X);
    disk_add(&a, XF_IDENT_PARTNO, 2, "1 2048 4096");
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_N_IDENTS);
}

/* S6: the same device whether all its paths make one map, or one is used alone. */
static void a_multipath_map_is_its_own_path_on_the_other_host(void **state)
{
    struct xf_disk map = disk_map("/dev/mapper/a", X, 2), path = disk_lun("/dev/sdb", X);
    struct xf_disk named = disk_map("/dev/mapper/a", X, 0), more = disk_map("/dev/mapper/b", X, 4);

    (void)state;
    disk_add(&named, XF_IDENT_NAA, 0, X);
    expect(&map, &path, XF_MATCH_STRONG, XF_IDENT_NAA);
    expect(&named, &path, XF_MATCH_STRONG, XF_IDENT_NAA);
    expect(&named, &map, XF_MATCH_STRONG, XF_IDENT_NAA);
    expect(&map, &more, XF_MATCH_STRONG, XF_IDENT_NAA);
    path = disk_lun("/dev/sdb", Y);
    expect(&map, &path, XF_MATCH_CONTRADICTION, XF_IDENT_NAA);
    expect(&named, &path, XF_MATCH_CONTRADICTION, XF_IDENT_NAA);
}

static void a_multipath_maps_name_alone_is_weak(void **state)
{
    struct xf_disk a = disk_map("/dev/mapper/a", X, 0), b = a;

    (void)state;
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_MPATH);
}

static void paths_that_lead_to_different_disks_are_no_map(void **state)
{
    struct xf_disk a = disk_map("/dev/mapper/a", X, 2), b, path = disk_lun("/dev/sdb", X);

    (void)state;
    disk_add(&a, XF_IDENT_NAA, 3, Y);
    b = a;
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_NAA);
    expect(&a, &path, XF_MATCH_CONTRADICTION, XF_IDENT_NAA);
    b = disk_map("/dev/mapper/a", X, 2);
    disk_add(&b, XF_IDENT_NAA, 0, Y);
    expect(&b, &b, XF_MATCH_CONTRADICTION, XF_IDENT_NAA);
    disk_add(&path, XF_IDENT_EUI, 0, "eui.1");
    a = disk_map("/dev/mapper/a", X, 2);
    disk_add(&a, XF_IDENT_EUI, 1, "eui.1");
    disk_add(&a, XF_IDENT_EUI, 2, "eui.2");
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_NAA);
    expect(&a, &path, XF_MATCH_CONTRADICTION, XF_IDENT_EUI);
    path = disk_lun("/dev/sdb", X); /* which knows nothing of that */
    expect(&a, &path, XF_MATCH_CONTRADICTION, XF_IDENT_EUI);
}

static void a_maps_paths_come_through_portals_of_their_own(void **state)
{
    struct xf_disk a = disk_map("/dev/mapper/a", X, 2), b = disk_lun("/dev/sdb", X);

    (void)state;
    disk_add(&a, XF_IDENT_ISCSI, 1, "iqn.a,lun 1");
    disk_add(&a, XF_IDENT_ISCSI, 2, "iqn.b,lun 1");
    disk_add(&b, XF_IDENT_ISCSI, 0, "iqn.b,lun 1");
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_NAA);
}

static void a_volume_on_paths_is_the_volume_on_one_of_them(void **state)
{
    struct xf_disk a = disk_lv(V, X, X), b = disk_lv(V, X, NULL);

    (void)state;
    disk_add(&a, XF_IDENT_ISCSI, 1, "iqn.a,lun 1");
    disk_add(&a, XF_IDENT_ISCSI, 2, "iqn.b,lun 1");
    disk_add(&b, XF_IDENT_ISCSI, 1, "iqn.b,lun 1");
    disk_add(&b, XF_IDENT_MPATH, 1, "mpath-" X);
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_LV);
    disk_add(&a, XF_IDENT_SERIAL, 1, "s1"); /* the same name, but not the same device after all */
    disk_add(&a, XF_IDENT_SERIAL, 2, "s2");
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_N_IDENTS);
}

static void bases_that_share_no_more_than_a_weak_name_are_two(void **state)
{
    struct xf_disk a = bare(), b = disk_lv(V, X, NULL);

    (void)state;
    disk_add(&a, XF_IDENT_LV, 0, V);
    disk_add(&a, XF_IDENT_LABEL, 1, "same");
    disk_add(&a, XF_IDENT_LABEL, 2, "same");
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_N_IDENTS);
    b = a;
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_LV);
}

/* The one base that only one name fits to must not be taken by one that fits to both. */
static void bases_are_paired_so_that_all_find_one(void **state)
{
    struct xf_disk a = bare(), b = bare();

    (void)state;
    disk_add(&a, XF_IDENT_LV, 0, V);
    disk_add(&b, XF_IDENT_LV, 0, V);
    disk_add(&a, XF_IDENT_NAA, 1, X);
    disk_add(&a, XF_IDENT_NAA, 2, X);
    disk_add(&a, XF_IDENT_SERIAL, 2, "s");
    disk_add(&a, XF_IDENT_PARTNO, 1, "1");
    disk_add(&a, XF_IDENT_PARTNO, 2, "1");
    disk_add(&b, XF_IDENT_NAA, 1, X);
    disk_add(&b, XF_IDENT_NAA, 2, X);
    disk_add(&b, XF_IDENT_PARTNO, 1, "1");
    disk_add(&b, XF_IDENT_PARTNO, 2, "1");
    disk_add(&b, XF_IDENT_SERIAL, 2, "t"); /* a's second fits b's first only */
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_LV);
    disk_add(&b, XF_IDENT_SERIAL, 1, "t"); /* and now neither */
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_SERIAL);
}

/* What does not tell parts apart does not help parts to be told. */
static void layers_that_have_no_name_in_common_are_not_proven_by_others(void **state)
{
    static const enum xf_ident_kind others[] = { XF_IDENT_FSUUID, XF_IDENT_LABEL, XF_IDENT_MPATH,
                                                 XF_IDENT_DM };

    (void)state;
    for (uint32_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct xf_disk a = bare(), b = bare();

        disk_add(&a, XF_IDENT_PARTUUID, 0, "u");
        disk_add(&b, XF_IDENT_PARTNO, 0, "1 2048 4096");
        disk_add(&a, others[i], 0, "same");
        disk_add(&b, others[i], 0, "same");
        disk_add(&a, XF_IDENT_NAA, 1, X);
        disk_add(&b, XF_IDENT_NAA, 1, X);
        expect(&a, &b, XF_MATCH_WEAK, others[i]);
    }
}

static void a_volume_that_contradicts_is_another_upon_the_same_bases(void **state)
{
    struct xf_disk a = disk_lv(V, X, NULL), b = a;

    (void)state;
    disk_add(&a, XF_IDENT_FSUUID, 0, "ext4 1");
    disk_add(&b, XF_IDENT_FSUUID, 0, "ext4 2");
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_FSUUID);
}

static void a_layer_is_above_a_map_and_its_bases_are_no_paths(void **state)
{
    struct xf_disk a = disk_lv(V, X, Y), b;

    (void)state;
    disk_add(&a, XF_IDENT_MPATH, 0, "mpath-" X);
    b = a;
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_LV);
}

static void paths_of_which_one_says_more_are_one_device(void **state)
{
    (void)state;
    for (uint8_t more = 1; more <= 2; more++) {
        struct xf_disk a = disk_lv(V, X, X), b = disk_lv(V, X, NULL);

        disk_add(&a, XF_IDENT_SERIAL, more, "s");
        disk_add(&a, XF_IDENT_LABEL, 1, "same");
        disk_add(&a, XF_IDENT_LABEL, 2, "same");
        expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_LV);
    }
}

static void of_bases_that_contradict_the_strongest_is_named(void **state)
{
    struct xf_disk a = disk_lv(V, X, NULL), b = a;

    (void)state;
    disk_add(&a, XF_IDENT_SERIAL, 2, "s");
    disk_add(&b, XF_IDENT_SERIAL, 2, "t");
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_LV); /* crosswise, nothing contradicts */
    disk_add(&a, XF_IDENT_SERIAL, 1, "u");
    disk_add(&b, XF_IDENT_SERIAL, 1, "u");
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_SERIAL);
    a = disk_lv(V, X, Y);
    disk_add(&a, XF_IDENT_SERIAL, 1, "s");
    disk_add(&a, XF_IDENT_SERIAL, 2, "s");
    b = disk_lv(V, Z, NULL);
    disk_add(&b, XF_IDENT_SERIAL, 2, "t");
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_NAA);
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
    disk_add(&a, XF_IDENT_NAA, 1, X); /* nor with what a local filesystem stands on */
    disk_add(&b, XF_IDENT_NAA, 1, X);
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
    disk_add(&a, XF_IDENT_NAA, 1, X);
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_SHAREDFS);
    disk_add(&b, XF_IDENT_NAA, 1, Y);
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
    disk_add(&a, XF_IDENT_NAA, 0, X);
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

/* S9 */
static void a_volume_is_not_the_disk_under_it(void **state)
{
    struct xf_disk lv = disk_lv(V, X, NULL), lun = disk_lun("/dev/sdb", X);
    struct xf_disk map = disk_map("/dev/mapper/a", X, 2), anonymous = bare();

    (void)state;
    expect(&lv, &lun, XF_MATCH_UNKNOWN, XF_N_IDENTS);
    expect(&lv, &map, XF_MATCH_UNKNOWN, XF_N_IDENTS);
    expect(&lv, &anonymous, XF_MATCH_UNKNOWN, XF_N_IDENTS);
    lun = disk_lun("/dev/sdb", Y);
    expect(&lv, &lun, XF_MATCH_CONTRADICTION, XF_IDENT_NAA);
    lv = disk_lv(V, X, Y);
    expect(&lv, &lun, XF_MATCH_CONTRADICTION, XF_N_IDENTS);
    lv = bare();
    disk_add(&lv, XF_IDENT_LV, 0, V);
    expect(&lv, &lun, XF_MATCH_UNKNOWN, XF_N_IDENTS);
    disk_add(&lv, XF_IDENT_LABEL, 0, "a");
    disk_add(&lun, XF_IDENT_LABEL, 0, "a");
    expect(&lv, &lun, XF_MATCH_WEAK, XF_IDENT_LABEL);
    lun.ident[1].value[0] = 'b';
    expect(&lv, &lun, XF_MATCH_CONTRADICTION, XF_IDENT_LABEL);
    disk_add(&lv, XF_IDENT_NAA, 1, X); /* lun is Y */
    expect(&lv, &lun, XF_MATCH_CONTRADICTION, XF_IDENT_LABEL);
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
        cmocka_unit_test(a_volume_is_the_same_if_its_disks_are),
        cmocka_unit_test(a_volume_whose_second_disk_differs_is_another),
        cmocka_unit_test(a_cloned_volume_is_another),
        cmocka_unit_test(one_base_that_agrees_does_not_excuse_one_that_is_unknown),
        cmocka_unit_test(two_bases_are_not_both_the_same_one),
        cmocka_unit_test(a_volume_whose_bases_nobody_knows_is_weak),
        cmocka_unit_test(every_made_name_counts_on_bases_that_agree_and_only_there),
        cmocka_unit_test(a_base_known_weakly_does_not_make_a_volume_strong),
        cmocka_unit_test(a_map_by_hand_does_not_say_which_part_of_its_disk_it_is),
        cmocka_unit_test(a_map_without_any_name_is_no_path_of_its_disk),
        cmocka_unit_test(a_part_with_its_disks_name_must_be_the_same_part),
        cmocka_unit_test(a_volume_on_parts_needs_the_same_parts),
        cmocka_unit_test(two_parts_of_one_disk_are_two_bases),
        cmocka_unit_test(a_multipath_map_is_its_own_path_on_the_other_host),
        cmocka_unit_test(a_multipath_maps_name_alone_is_weak),
        cmocka_unit_test(paths_that_lead_to_different_disks_are_no_map),
        cmocka_unit_test(a_maps_paths_come_through_portals_of_their_own),
        cmocka_unit_test(a_volume_on_paths_is_the_volume_on_one_of_them),
        cmocka_unit_test(bases_that_share_no_more_than_a_weak_name_are_two),
        cmocka_unit_test(bases_are_paired_so_that_all_find_one),
        cmocka_unit_test(layers_that_have_no_name_in_common_are_not_proven_by_others),
        cmocka_unit_test(a_volume_that_contradicts_is_another_upon_the_same_bases),
        cmocka_unit_test(a_layer_is_above_a_map_and_its_bases_are_no_paths),
        cmocka_unit_test(paths_of_which_one_says_more_are_one_device),
        cmocka_unit_test(of_bases_that_contradict_the_strongest_is_named),
        cmocka_unit_test(a_file_is_known_by_its_number_in_its_filesystem),
        cmocka_unit_test(a_file_is_not_its_device),
        cmocka_unit_test(a_files_number_alone_is_nothing),
        cmocka_unit_test(a_files_filesystem_alone_is_weak),
        cmocka_unit_test(equal_filesystem_uuids_on_two_luns_are_two_files),
        cmocka_unit_test(a_loop_device_is_the_same_part_of_the_same_file),
        cmocka_unit_test(a_volume_is_not_the_disk_under_it),
        cmocka_unit_test(a_network_disk_is_known_by_its_image),
    };

    return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
