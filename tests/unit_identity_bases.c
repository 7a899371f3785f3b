/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules S5, S6, S8 and S9 of docs/storage-proof.md: volumes, parts and paths. */
#include "config.h"

#include "matching.h"

/* S5, S8 */
static void a_volume_is_the_same_if_its_disks_are(void **state)
{
    struct xf_disk a = disk_lv(VOL, LUN_X, LUN_Y), b = disk_lv(VOL, LUN_X, LUN_Y);

    (void)state;
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_LV);
    b = disk_lv(VOL, LUN_Y, LUN_X); /* in another order */
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_LV);
    b = disk_lv("vg1 lv2", LUN_X, LUN_Y);
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_LV);
}

static void a_volume_whose_second_disk_differs_is_another(void **state)
{
    struct xf_disk a = disk_lv(VOL, LUN_X, LUN_Y), b = disk_lv(VOL, LUN_X, LUN_Z);

    (void)state;
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_NAA);
    b = disk_lv(VOL, LUN_X, NULL);
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_N_IDENTS);
}

static void a_cloned_volume_is_another(void **state)
{
    struct xf_disk a = disk_lv(VOL, LUN_X, NULL), b = disk_lv(VOL, LUN_Y, NULL);

    (void)state;
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_NAA);
}

static void one_base_that_agrees_does_not_excuse_one_that_is_unknown(void **state)
{
    struct xf_disk a = disk_lv(VOL, LUN_X, LUN_Y), b = disk_lv(VOL, LUN_X, NULL);

    (void)state;
    b.n_bases = 2;
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_LV);
    a = b;
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_LV);
}

static void two_bases_are_not_both_the_same_one(void **state)
{
    struct xf_disk a = disk_lv(VOL, LUN_X, LUN_Y), b = disk_lv(VOL, LUN_X, NULL);

    (void)state;
    disk_add(&b, XF_IDENT_NAA, 2, LUN_X); /* two paths: one disk */
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_N_IDENTS);
    a = disk_lv(VOL, LUN_X, NULL);
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_LV);
}

static void a_volume_whose_bases_nobody_knows_is_weak(void **state)
{
    struct xf_disk a = bare(), b = bare(), c = disk_lv(VOL, LUN_X, NULL);

    (void)state;
    disk_add(&a, XF_IDENT_LV, 0, VOL);
    disk_add(&b, XF_IDENT_LV, 0, VOL);
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
    disk_add(&a, XF_IDENT_LV, 0, VOL);
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
    disk_add(&a, XF_IDENT_NAA, 1, LUN_X);
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
    struct xf_disk a = bare(), b, lun = disk_lun("/dev/sdb", LUN_X);

    (void)state;
    disk_add(&a, XF_IDENT_NAA, 1, LUN_X);
    b = a;
    expect(&a, &b, XF_MATCH_UNKNOWN, XF_N_IDENTS);
    expect(&a, &lun, XF_MATCH_UNKNOWN, XF_N_IDENTS);
    lun = disk_lun("/dev/sdb", LUN_Y);
    expect(&a, &lun, XF_MATCH_CONTRADICTION, XF_IDENT_NAA);
}

static void a_part_with_its_disks_name_must_be_the_same_part(void **state)
{
    struct xf_disk a = disk_lun("/dev/sdb1", LUN_X), b = a;

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
    struct xf_disk a = disk_lv(VOL, LUN_X, NULL), b = a;

    (void)state;
    disk_add(&a, XF_IDENT_PARTNO, 1, "1 2048 4096");
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_LV);
    disk_add(&b, XF_IDENT_PARTNO, 1, "2 8192 4096");
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_PARTNO);
}

static void two_parts_of_one_disk_are_two_bases(void **state)
{
    struct xf_disk a = disk_lv(VOL, LUN_X, LUN_X), b;

    (void)state;
    disk_add(&a, XF_IDENT_PARTNO, 1, "1 2048 4096");
    disk_add(&a, XF_IDENT_PARTNO, 2, "2 8192 4096");
    b = disk_lv(VOL, LUN_X, LUN_X);
    disk_add(&b, XF_IDENT_PARTNO, 2, "1 2048 4096");
    disk_add(&b, XF_IDENT_PARTNO, 1, "2 8192 4096");
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_LV);
    b = disk_lv(VOL, LUN_X, NULL);
    disk_add(&b, XF_IDENT_PARTNO, 1, "1 2048 4096");
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_N_IDENTS);
    a = disk_lv(VOL, LUN_X, LUN_X); /* one part is known, the other is not: still two */
    disk_add(&a, XF_IDENT_PARTNO, 1, "1 2048 4096");
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_N_IDENTS);
    a = disk_lv(VOL, LUN_X, LUN_X);
    disk_add(&a, XF_IDENT_PARTNO, 2, "1 2048 4096");
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_N_IDENTS);
}

/* S6: the same device whether all its paths make one map, or one is used alone. */
static void a_multipath_map_is_its_own_path_on_the_other_host(void **state)
{
    struct xf_disk map = disk_map("/dev/mapper/a", LUN_X, 2), path = disk_lun("/dev/sdb", LUN_X);
    struct xf_disk named = disk_map("/dev/mapper/a", LUN_X, 0),
                   more = disk_map("/dev/mapper/b", LUN_X, 4);

    (void)state;
    disk_add(&named, XF_IDENT_NAA, 0, LUN_X);
    expect(&map, &path, XF_MATCH_STRONG, XF_IDENT_NAA);
    expect(&named, &path, XF_MATCH_STRONG, XF_IDENT_NAA);
    expect(&named, &map, XF_MATCH_STRONG, XF_IDENT_NAA);
    expect(&map, &more, XF_MATCH_STRONG, XF_IDENT_NAA);
    path = disk_lun("/dev/sdb", LUN_Y);
    expect(&map, &path, XF_MATCH_CONTRADICTION, XF_IDENT_NAA);
    expect(&named, &path, XF_MATCH_CONTRADICTION, XF_IDENT_NAA);
}

static void a_multipath_maps_name_alone_is_weak(void **state)
{
    struct xf_disk a = disk_map("/dev/mapper/a", LUN_X, 0), b = a;

    (void)state;
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_MPATH);
}

static void paths_that_lead_to_different_disks_are_no_map(void **state)
{
    struct xf_disk a = disk_map("/dev/mapper/a", LUN_X, 2), b, path = disk_lun("/dev/sdb", LUN_X);

    (void)state;
    disk_add(&a, XF_IDENT_NAA, 3, LUN_Y);
    b = a;
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_NAA);
    expect(&a, &path, XF_MATCH_CONTRADICTION, XF_IDENT_NAA);
    b = disk_map("/dev/mapper/a", LUN_X, 2);
    disk_add(&b, XF_IDENT_NAA, 0, LUN_Y);
    expect(&b, &b, XF_MATCH_CONTRADICTION, XF_IDENT_NAA);
    disk_add(&path, XF_IDENT_EUI, 0, "eui.1");
    a = disk_map("/dev/mapper/a", LUN_X, 2);
    disk_add(&a, XF_IDENT_EUI, 1, "eui.1");
    disk_add(&a, XF_IDENT_EUI, 2, "eui.2");
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_NAA);
    expect(&a, &path, XF_MATCH_CONTRADICTION, XF_IDENT_EUI);
    path = disk_lun("/dev/sdb", LUN_X); /* which knows nothing of that */
    expect(&a, &path, XF_MATCH_CONTRADICTION, XF_IDENT_EUI);
}

static void a_maps_paths_come_through_portals_of_their_own(void **state)
{
    struct xf_disk a = disk_map("/dev/mapper/a", LUN_X, 2), b = disk_lun("/dev/sdb", LUN_X);

    (void)state;
    disk_add(&a, XF_IDENT_ISCSI, 1, "iqn.a,lun 1");
    disk_add(&a, XF_IDENT_ISCSI, 2, "iqn.b,lun 1");
    disk_add(&b, XF_IDENT_ISCSI, 0, "iqn.b,lun 1");
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_NAA);
}

static void a_volume_on_paths_is_the_volume_on_one_of_them(void **state)
{
    struct xf_disk a = disk_lv(VOL, LUN_X, LUN_X), b = disk_lv(VOL, LUN_X, NULL);

    (void)state;
    disk_add(&a, XF_IDENT_ISCSI, 1, "iqn.a,lun 1");
    disk_add(&a, XF_IDENT_ISCSI, 2, "iqn.b,lun 1");
    disk_add(&b, XF_IDENT_ISCSI, 1, "iqn.b,lun 1");
    disk_add(&b, XF_IDENT_MPATH, 1, "mpath-" LUN_X);
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_LV);
    disk_add(&a, XF_IDENT_SERIAL, 1, "s1"); /* the same name, but not the same device after all */
    disk_add(&a, XF_IDENT_SERIAL, 2, "s2");
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_N_IDENTS);
}

static void bases_that_share_no_more_than_a_weak_name_are_two(void **state)
{
    struct xf_disk a = bare(), b = disk_lv(VOL, LUN_X, NULL);

    (void)state;
    disk_add(&a, XF_IDENT_LV, 0, VOL);
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
    disk_add(&a, XF_IDENT_LV, 0, VOL);
    disk_add(&b, XF_IDENT_LV, 0, VOL);
    disk_add(&a, XF_IDENT_NAA, 1, LUN_X);
    disk_add(&a, XF_IDENT_NAA, 2, LUN_X);
    disk_add(&a, XF_IDENT_SERIAL, 2, "s");
    disk_add(&a, XF_IDENT_PARTNO, 1, "1");
    disk_add(&a, XF_IDENT_PARTNO, 2, "1");
    disk_add(&b, XF_IDENT_NAA, 1, LUN_X);
    disk_add(&b, XF_IDENT_NAA, 2, LUN_X);
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
        disk_add(&a, XF_IDENT_NAA, 1, LUN_X);
        disk_add(&b, XF_IDENT_NAA, 1, LUN_X);
        expect(&a, &b, XF_MATCH_WEAK, others[i]);
    }
}

static void a_volume_that_contradicts_is_another_upon_the_same_bases(void **state)
{
    struct xf_disk a = disk_lv(VOL, LUN_X, NULL), b = a;

    (void)state;
    disk_add(&a, XF_IDENT_FSUUID, 0, "ext4 1");
    disk_add(&b, XF_IDENT_FSUUID, 0, "ext4 2");
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_FSUUID);
}

static void a_layer_is_above_a_map_and_its_bases_are_no_paths(void **state)
{
    struct xf_disk a = disk_lv(VOL, LUN_X, LUN_Y), b;

    (void)state;
    disk_add(&a, XF_IDENT_MPATH, 0, "mpath-" LUN_X);
    b = a;
    expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_LV);
}

static void paths_of_which_one_says_more_are_one_device(void **state)
{
    (void)state;
    for (uint8_t more = 1; more <= 2; more++) {
        struct xf_disk a = disk_lv(VOL, LUN_X, LUN_X), b = disk_lv(VOL, LUN_X, NULL);

        disk_add(&a, XF_IDENT_SERIAL, more, "s");
        disk_add(&a, XF_IDENT_LABEL, 1, "same");
        disk_add(&a, XF_IDENT_LABEL, 2, "same");
        expect(&a, &b, XF_MATCH_STRONG, XF_IDENT_LV);
    }
}

static void of_bases_that_contradict_the_strongest_is_named(void **state)
{
    struct xf_disk a = disk_lv(VOL, LUN_X, NULL), b = a;

    (void)state;
    disk_add(&a, XF_IDENT_SERIAL, 2, "s");
    disk_add(&b, XF_IDENT_SERIAL, 2, "t");
    expect(&a, &b, XF_MATCH_WEAK, XF_IDENT_LV); /* crosswise, nothing contradicts */
    disk_add(&a, XF_IDENT_SERIAL, 1, "u");
    disk_add(&b, XF_IDENT_SERIAL, 1, "u");
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_SERIAL);
    a = disk_lv(VOL, LUN_X, LUN_Y);
    disk_add(&a, XF_IDENT_SERIAL, 1, "s");
    disk_add(&a, XF_IDENT_SERIAL, 2, "s");
    b = disk_lv(VOL, LUN_Z, NULL);
    disk_add(&b, XF_IDENT_SERIAL, 2, "t");
    expect(&a, &b, XF_MATCH_CONTRADICTION, XF_IDENT_NAA);
}

/* S9 */
static void a_volume_is_not_the_disk_under_it(void **state)
{
    struct xf_disk lv = disk_lv(VOL, LUN_X, NULL), lun = disk_lun("/dev/sdb", LUN_X);
    struct xf_disk map = disk_map("/dev/mapper/a", LUN_X, 2), anonymous = bare();

    (void)state;
    expect(&lv, &lun, XF_MATCH_UNKNOWN, XF_N_IDENTS);
    expect(&lv, &map, XF_MATCH_UNKNOWN, XF_N_IDENTS);
    expect(&lv, &anonymous, XF_MATCH_UNKNOWN, XF_N_IDENTS);
    lun = disk_lun("/dev/sdb", LUN_Y);
    expect(&lv, &lun, XF_MATCH_CONTRADICTION, XF_IDENT_NAA);
    lv = disk_lv(VOL, LUN_X, LUN_Y);
    expect(&lv, &lun, XF_MATCH_CONTRADICTION, XF_N_IDENTS);
    lv = bare();
    disk_add(&lv, XF_IDENT_LV, 0, VOL);
    expect(&lv, &lun, XF_MATCH_UNKNOWN, XF_N_IDENTS);
    disk_add(&lv, XF_IDENT_LABEL, 0, "a");
    disk_add(&lun, XF_IDENT_LABEL, 0, "a");
    expect(&lv, &lun, XF_MATCH_WEAK, XF_IDENT_LABEL);
    lun.ident[1].value[0] = 'b';
    expect(&lv, &lun, XF_MATCH_CONTRADICTION, XF_IDENT_LABEL);
    disk_add(&lv, XF_IDENT_NAA, 1, LUN_X); /* lun is LUN_Y */
    expect(&lv, &lun, XF_MATCH_CONTRADICTION, XF_IDENT_LABEL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
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
        cmocka_unit_test(a_volume_is_not_the_disk_under_it),
    };

    return cmocka_run_group_tests_name("identity_bases", tests, NULL, NULL);
}
