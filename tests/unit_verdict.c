/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules S12 to S20 of docs/storage-proof.md; unit_verdict_content.c has the others. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "judging.h"

static void the_same_disk_is_nothing_to_speak_of(void **state)
{
    (void)state;
    same_lun();
    nothing();
    same(disk_lv("vg lv", LUN_X, LUN_Y));
    nothing();
    same(disk_nfs("srv:/e", "5 1"));
    nothing();
    same(disk_drbd());
    nothing();
    same(disk_of(XF_DISK_NETWORK, "rbd:pool/guest"));
    disk_add(&before, XF_IDENT_RBD, 0, "fsid pool//guest@");
    after = target = before;
    nothing();
}

static void a_renamed_device_is_the_same_and_swapped_luns_are_not(void **state)
{
    (void)state;
    same_lun();
    target = disk_lun("/dev/sdx", LUN_X);
    nothing();
    target = disk_lun("/dev/sdb", LUN_Y);
    only(XF_FIND_DISK_OTHER, "naa: " LUN_X " here, " LUN_Y " there");
}

/* S13 */
static void what_the_source_does_not_see_is_unknown(void **state)
{
    (void)state;
    same_lun();
    before.kind = after.kind = XF_DISK_ABSENT;
    only(XF_FIND_DISK_UNKNOWN, "the source itself does not see it");
    before.traits = after.traits = XF_TRAIT_LV_INACTIVE;
    only(XF_FIND_DISK_UNKNOWN, "the volume is not active here");
    same_lun();
    after.kind = XF_DISK_ABSENT;
    only(XF_FIND_DISK_UNKNOWN, "the source itself does not see it");
    same_lun();
    before.kind = XF_DISK_ABSENT;
    only(XF_FIND_DISK_UNKNOWN, "the source itself does not see it");
}

static void what_the_target_does_not_see_is_missing(void **state)
{
    (void)state;
    same_lun();
    memset(&target, 0, sizeof(target));
    only(XF_FIND_DISK_MISSING, "");
    target.traits = XF_TRAIT_LV_INACTIVE;
    only(XF_FIND_DISK_MISSING, "the volume is not active there");
    same_lun();
    target.traits = XF_TRAIT_LV_INACTIVE;
    only(XF_FIND_DISK_MISSING, "the volume is not active there");
}

static void a_look_that_did_not_end_says_so_and_nothing_of_content(void **state)
{
    (void)state;
    same_lun();
    target.late = true;
    target.n_samples = 0;
    only(XF_FIND_DISK_HANGS, "there");
    memset(&target, 0, sizeof(target));
    target.late = true;
    strcpy(target.words, "no path");
    only(XF_FIND_DISK_HANGS, "there: no path");
    same_lun();
    before.late = true;
    before.n_samples = 0;
    only(XF_FIND_DISK_HANGS, "here");
    same_lun();
    after.late = true;
    after.n_samples = 0;
    only(XF_FIND_DISK_HANGS, "here");
}

static void an_error_is_told_with_its_number(void **state)
{
    (void)state;
    same_lun();
    target.error = EIO;
    target.n_samples = 0;
    strcpy(target.words, "open");
    only(XF_FIND_DISK_UNREADABLE, "error 5 there: open");
    memset(&target, 0, sizeof(target));
    target.error = EACCES;
    only(XF_FIND_DISK_UNREADABLE, "error 13 there");
    same_lun();
    before.error = EIO;
    only(XF_FIND_DISK_UNREADABLE, "error 5 here");
    same_lun();
    after.error = EROFS;
    only(XF_FIND_DISK_UNREADABLE, "error 30 here");
    same_lun();
    target.error = EMEDIUMTYPE; /* no DRBD */
    only(XF_FIND_DISK_UNREADABLE, "error 124 there");
}

static void what_could_not_be_understood_refuses(void **state)
{
    (void)state;
    same_lun();
    target.traits = XF_TRAIT_UNKNOWN;
    strcpy(target.words, "dm target zzz");
    only(XF_FIND_DISK_UNKNOWN, "there: dm target zzz");
    memset(&target, 0, sizeof(target)); /* a look that died */
    target.traits = XF_TRAIT_UNKNOWN;
    only(XF_FIND_DISK_UNKNOWN, "there");
    same_lun();
    before.traits = XF_TRAIT_UNKNOWN;
    only(XF_FIND_DISK_UNKNOWN, "here");
    same_lun();
    after.traits = XF_TRAIT_UNKNOWN;
    only(XF_FIND_DISK_UNKNOWN, "here");
}

static void a_device_here_and_a_file_there_are_not_compared(void **state)
{
    (void)state;
    same_lun();
    target = disk_nfs("srv:/e", "5");
    target.traits = XF_TRAIT_FILE_LOCAL;
    target.size_bytes = 1;
    judge();
    said(0, XF_FIND_DISK_LOCAL, "local there");
    said(1, XF_FIND_DISK_KIND, "");
    assert_int_equal(found.n, 2);
    target.late = true;
    judge();
    said(0, XF_FIND_DISK_HANGS, "there");
    said(1, XF_FIND_DISK_LOCAL, "local there");
    said(2, XF_FIND_DISK_KIND, "");
}

/* S14 */
static void another_disk_is_told_with_what_both_call_it(void **state)
{
    (void)state;
    same(disk_lv("vg lv", LUN_X, LUN_Y));
    target = disk_lv("vg lv", LUN_X, "naa.z");
    only(XF_FIND_DISK_OTHER, "naa: " LUN_Y " here, naa.z there");
    target = disk_lv("vg lv", LUN_X, NULL);
    only(XF_FIND_DISK_OTHER, "2 disks under it here, 1 there");
    target = disk_lv("vg lw", LUN_X, LUN_Y);
    only(XF_FIND_DISK_OTHER, "lv: vg lv here, vg lw there");
    same_lun();
    disk_add(&before, XF_IDENT_NAA, 0, "naa.z");
    after = before;
    target = disk_lun("/dev/sdb", LUN_Y);
    disk_add(&target, XF_IDENT_LABEL, 0, LUN_X); /* the same word, of another kind */
    only(XF_FIND_DISK_OTHER, "naa: " LUN_X ", naa.z here, " LUN_Y " there");
    same(disk_map("/dev/mapper/a", LUN_X, 1)); /* torn here already */
    disk_add(&before, XF_IDENT_NAA, 2, LUN_Y);
    only(XF_FIND_DISK_OTHER, "naa: " LUN_Y " here, " LUN_X " there");
    after = target = before;
    only(XF_FIND_DISK_OTHER, "naa: " LUN_X ", " LUN_Y " here, " LUN_X ", " LUN_Y " there");
    before = disk_lun("/dev/sdb", LUN_X);
    after = before;
    only(XF_FIND_DISK_OTHER, "naa: " LUN_X " here, " LUN_Y " there");
}

static void who_has_no_name_of_a_kind_is_told_to_have_none(void **state)
{
    (void)state;
    same_lun();
    target = disk_map("/dev/mapper/b", LUN_X, 2);
    disk_add(&target, XF_IDENT_EUI, 1, "eui.1");
    disk_add(&target, XF_IDENT_EUI, 2, "eui.2");
    only(XF_FIND_DISK_OTHER, "eui: none here, eui.1, eui.2 there");
}

static void long_names_are_cut_so_that_both_are_seen(void **state)
{
    char one[XF_IDENT_SIZE], two[XF_IDENT_SIZE];

    (void)state;
    memset(one, 'a', sizeof(one));
    memset(two, 'b', sizeof(two));
    memcpy(two + 113, "\xc3\xa4", 2); /* the cut falls into a letter */
    one[XF_IDENT_SIZE - 1] = two[XF_IDENT_SIZE - 1] = '\0';
    memcpy(one + 114, "\xc3\xa4", 2);
    same(disk_of(XF_DISK_BLOCK, "/dev/sda1"));
    disk_add(&before, XF_IDENT_PARTUUID, 0, one);
    after = before;
    disk_add(&target, XF_IDENT_PARTUUID, 0, two);
    judge();
    assert_non_null(strstr(found.of[0].detail, "aaaa? here, bbbb"));
    assert_string_equal(found.of[0].detail + strlen(found.of[0].detail) - 8, "\xc3\xa4 there");
}

static void a_disk_that_became_another_meanwhile_is_unknown(void **state)
{
    (void)state;
    same_lun();
    after = disk_lun("/dev/sdb", LUN_Y);
    only(XF_FIND_DISK_UNKNOWN, "it became another one here meanwhile");
    after = before;
    after.kind = XF_DISK_FILE;
    only(XF_FIND_DISK_UNKNOWN, "it became another one here meanwhile");
}

/* S15 */
static void sizes_must_be_equal(void **state)
{
    (void)state;
    same_lun();
    target.size_bytes += 512;
    only(XF_FIND_DISK_SIZE, "1073741824 bytes here, 1073742336 there");
    target.size_bytes -= 1024;
    only(XF_FIND_DISK_SIZE, "1073741824 bytes here, 1073741312 there");
}

static void an_image_that_grows_may_be_seen_in_between(void **state)
{
    (void)state;
    same(disk_nfs("srv:/e", "5"));
    after.size_bytes += 8192;
    nothing();
    target.size_bytes += 8192;
    nothing();
    target.size_bytes += 1;
    only(XF_FIND_DISK_SIZE, "1073741824 bytes here, 1073750017 there");
    before.size_bytes += 8192;
    after.size_bytes -= 8192; /* or shrinks */
    target.size_bytes = before.size_bytes;
    nothing();
    target.size_bytes = after.size_bytes;
    nothing();
    target.size_bytes -= 1;
    only(XF_FIND_DISK_SIZE, "1073750016 bytes here, 1073741823 there");
}

/* S16 */
static void a_target_that_may_only_read_is_enough_for_a_domain_that_does(void **state)
{
    (void)state;
    same_lun();
    target.traits = XF_TRAIT_READONLY;
    only(XF_FIND_DISK_READONLY, "");
    judge_as(false);
    assert_int_equal(found.n, 0);
    same_lun();
    before.traits = after.traits = XF_TRAIT_READONLY;
    nothing();
}

static void a_disk_in_use_on_the_target_is_told_with_its_user(void **state)
{
    (void)state;
    same_lun();
    before.traits = after.traits = XF_TRAIT_USED; /* by the domain */
    nothing();
    target.traits = XF_TRAIT_USED;
    strcpy(target.words, "mounted on /mnt");
    only(XF_FIND_DISK_USED, "mounted on /mnt");
}

/* S17 */
static void what_one_host_alone_may_have_active_refuses_on_either(void **state)
{
    static const uint32_t alone[] = { XF_TRAIT_SNAPSHOT, XF_TRAIT_THIN, XF_TRAIT_CACHE,
                                      XF_TRAIT_RAID };
    static const char *const names[] = { "snapshot", "thin", "cache", "raid" };

    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        char detail[40] = "";

        same_lun();
        before.traits = alone[i];
        strcat(strcpy(detail, names[i]), " here");
        only(XF_FIND_DISK_ALONE, detail);
        before.traits = 0;
        after.traits = alone[i];
        only(XF_FIND_DISK_ALONE, detail);
        after.traits = 0;
        target.traits = alone[i];
        strcat(strcpy(detail, names[i]), " there");
        only(XF_FIND_DISK_ALONE, detail);
    }
    before.traits = XF_TRAIT_SNAPSHOT | XF_TRAIT_THIN;
    only(XF_FIND_DISK_ALONE, "snapshot, thin here; raid there");
}

static void an_exclusive_volume_is_locked_on_either(void **state)
{
    (void)state;
    same(disk_lv("vg lv", LUN_X, NULL));
    before.traits = XF_TRAIT_VG_SHARED | XF_TRAIT_LV_EXCLUSIVE;
    only(XF_FIND_DISK_LOCKED, "lv-exclusive here");
    before.traits = XF_TRAIT_VG_SHARED;
    nothing();
    target.traits = XF_TRAIT_LV_EXCLUSIVE | XF_TRAIT_VG_CLUSTERED;
    only(XF_FIND_DISK_LOCKED, "lv-exclusive there");
}

static void a_lock_on_a_file_counts_where_the_domain_does_not_run(void **state)
{
    (void)state;
    same(disk_nfs("srv:/e", "5"));
    before.traits |= XF_TRAIT_FILE_LOCKED;
    nothing();
    target.traits |= XF_TRAIT_FILE_LOCKED;
    only(XF_FIND_DISK_LOCKED, "somebody holds a lock on the file there");
}

/* S18 */
static void a_path_that_is_down_warns_and_none_refuses(void **state)
{
    (void)state;
    same_lun();
    target.traits = XF_TRAIT_PATH_DOWN | XF_TRAIT_QUEUES;
    only(XF_FIND_DISK_PATH, "path-down there");
    target.traits = XF_TRAIT_PATH_NONE;
    only(XF_FIND_DISK_UNREADABLE, "path-none there");
    target.traits = 0;
    after.traits = XF_TRAIT_PATH_DOWN;
    only(XF_FIND_DISK_PATH, "path-down here");
}

static void a_backing_file_is_told(void **state)
{
    (void)state;
    same(disk_nfs("srv:/e", "5"));
    target.traits |= XF_TRAIT_BACKED;
    only(XF_FIND_DISK_BACKED, "backed there");
}

/* S19 */
static void a_cached_loop_device_refuses_who_writes(void **state)
{
    (void)state;
    same(disk_of(XF_DISK_BLOCK, "/dev/loop0"));
    disk_add(&before, XF_IDENT_LOOP, 0, "0 0");
    disk_add(&before, XF_IDENT_NFS, 1, "srv:/e");
    disk_add(&before, XF_IDENT_INODE, 1, "5");
    before.traits = XF_TRAIT_LOOP | XF_TRAIT_FILE_NETWORK | XF_TRAIT_NONCE;
    after = target = before;
    nothing(); /* direct */
    before.traits |= XF_TRAIT_LOOP_CACHED;
    only(XF_FIND_DISK_CACHED, "loop-cached here");
    judge_as(false);
    assert_int_equal(found.n, 0);
    target.traits |= XF_TRAIT_LOOP_CACHED;
    only(XF_FIND_DISK_CACHED, "loop-cached here; loop-cached there");
}

/* S20 */
static void drbd_must_be_able_to_serve_both(void **state)
{
    static const struct {
        uint32_t trait;
        const char *words;
    } needs[] = {
        { XF_TRAIT_DRBD_CONNECTED, "not connected" },
        { XF_TRAIT_DRBD_UPTODATE, "not up to date" },
        { XF_TRAIT_DRBD_TWO_PRIMARIES, "two primaries are not allowed" },
    };

    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        char detail[60];

        same(disk_drbd());
        target.traits &= ~needs[i].trait;
        disk_fill(&target, 9); /* out of date: not another disk */
        strcat(strcpy(detail, needs[i].words), " there");
        only(XF_FIND_DISK_DRBD, detail);
        same(disk_drbd());
        before.traits &= ~needs[i].trait;
        disk_fill(&target, 9);
        strcat(strcpy(detail, needs[i].words), " here");
        only(XF_FIND_DISK_DRBD, detail);
        same(disk_drbd());
        after.traits &= ~needs[i].trait;
        only(XF_FIND_DISK_DRBD, detail);
    }
}

static void drbd_on_one_host_is_drbd(void **state)
{
    (void)state;
    same(disk_drbd());
    target.traits = 0;
    judge();
    said(0, XF_FIND_DISK_DRBD, "no DRBD device there");
    assert_int_equal(found.n, 4);
    same(disk_drbd());
    before.traits = after.traits = 0;
    judge();
    said(0, XF_FIND_DISK_DRBD, "no DRBD device here");
    assert_int_equal(found.n, 4);
    same(disk_drbd());
    target.ident[0].value[0] = 'x';
    only(XF_FIND_DISK_OTHER, "drbd: guest/0 n1 n2 here, xuest/0 n1 n2 there");
}

/* S12 */
static void a_secondary_is_neither_read_only_nor_unreadable(void **state)
{
    static const uint16_t errors[] = { EMEDIUMTYPE, EROFS };

    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        same(disk_drbd());
        target.traits &= ~(uint32_t)XF_TRAIT_DRBD_PRIMARY;
        target.traits |= XF_TRAIT_READONLY;
        target.error = errors[i];
        target.n_samples = 0;
        only(XF_FIND_DISK_DRBD, "it is secondary on the target: drbdadm primary guest there");
        target.n_idents = 0; /* what it is, nothing else says */
        judge();
        said(0, XF_FIND_DISK_DRBD, "it is secondary on the target: drbdadm primary there");
        said(1, XF_FIND_DISK_UNKNOWN, "nothing that both know, and 0 equal blocks");
        assert_int_equal(found.n, 2);
        target = before;
        target.error = errors[i]; /* a primary can be opened */
        judge();
        said(0, XF_FIND_DISK_UNREADABLE, i == 0 ? "error 124 there" : "error 30 there");
        same(disk_drbd());
        before.traits &= ~(uint32_t)XF_TRAIT_DRBD_PRIMARY;
        before.error = errors[i]; /* the source is no secondary */
        judge();
        said(0, XF_FIND_DISK_UNREADABLE, i == 0 ? "error 124 here" : "error 30 here");
    }
    same(disk_drbd());
    target.traits &= ~(uint32_t)XF_TRAIT_DRBD_PRIMARY;
    target.error = EIO;
    judge();
    said(0, XF_FIND_DISK_UNREADABLE, "error 5 there");
    said(1, XF_FIND_DISK_DRBD, "it is secondary on the target: drbdadm primary guest there");
    assert_int_equal(found.n, 2);
}

/* S20 */
static void a_secondary_is_not_to_be_made_primary_where_drbd_cannot_serve_both(void **state)
{
    (void)state;
    same(disk_drbd());
    target.traits &= ~(uint32_t)XF_TRAIT_DRBD_PRIMARY;
    only(XF_FIND_DISK_DRBD, "it is secondary on the target: drbdadm primary guest there");
    memcpy(target.ident[0].value, "web", 4); /* as no look writes it */
    judge();
    said(0, XF_FIND_DISK_DRBD, "it is secondary on the target: drbdadm primary web there");
    same(disk_drbd());
    target.n_idents = 0;
    disk_add(&target, XF_IDENT_LABEL, 0, "other/0");
    disk_add(&target, XF_IDENT_DRBD, 0, "guest/0 n1 n2");
    target.traits &= ~(uint32_t)XF_TRAIT_DRBD_PRIMARY;
    only(XF_FIND_DISK_DRBD, "it is secondary on the target: drbdadm primary guest there");
    target.traits &= ~(uint32_t)XF_TRAIT_DRBD_CONNECTED;
    only(XF_FIND_DISK_DRBD, "not connected there");
    same(disk_drbd());
    before.traits &= ~(uint32_t)XF_TRAIT_DRBD_PRIMARY; /* the domain has it open */
    nothing();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_disk_is_nothing_to_speak_of),
        cmocka_unit_test(a_renamed_device_is_the_same_and_swapped_luns_are_not),
        cmocka_unit_test(what_the_source_does_not_see_is_unknown),
        cmocka_unit_test(what_the_target_does_not_see_is_missing),
        cmocka_unit_test(a_look_that_did_not_end_says_so_and_nothing_of_content),
        cmocka_unit_test(an_error_is_told_with_its_number),
        cmocka_unit_test(what_could_not_be_understood_refuses),
        cmocka_unit_test(a_device_here_and_a_file_there_are_not_compared),
        cmocka_unit_test(another_disk_is_told_with_what_both_call_it),
        cmocka_unit_test(who_has_no_name_of_a_kind_is_told_to_have_none),
        cmocka_unit_test(long_names_are_cut_so_that_both_are_seen),
        cmocka_unit_test(a_disk_that_became_another_meanwhile_is_unknown),
        cmocka_unit_test(sizes_must_be_equal),
        cmocka_unit_test(an_image_that_grows_may_be_seen_in_between),
        cmocka_unit_test(a_target_that_may_only_read_is_enough_for_a_domain_that_does),
        cmocka_unit_test(a_disk_in_use_on_the_target_is_told_with_its_user),
        cmocka_unit_test(what_one_host_alone_may_have_active_refuses_on_either),
        cmocka_unit_test(an_exclusive_volume_is_locked_on_either),
        cmocka_unit_test(a_lock_on_a_file_counts_where_the_domain_does_not_run),
        cmocka_unit_test(a_path_that_is_down_warns_and_none_refuses),
        cmocka_unit_test(a_backing_file_is_told),
        cmocka_unit_test(a_cached_loop_device_refuses_who_writes),
        cmocka_unit_test(drbd_must_be_able_to_serve_both),
        cmocka_unit_test(drbd_on_one_host_is_drbd),
        cmocka_unit_test(a_secondary_is_neither_read_only_nor_unreadable),
        cmocka_unit_test(a_secondary_is_not_to_be_made_primary_where_drbd_cannot_serve_both),
    };

    return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
