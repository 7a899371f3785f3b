/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules S21 to S26 of docs/storage-proof.md: files, and what was read. */
#include "config.h"

#include "judging.h"
#include "sample.h"

static void change(struct sample *s, struct xf_disk *disk)
{
    switch (sample_u64(s) >> 20 & 3) {
    case 0:
        disk->traits |= 1u << (sample_u64(s) >> 20) % XF_N_TRAITS;
        break;
    case 1:
        disk->sample[(sample_u64(s) >> 20) % XF_SAMPLES_MAX].digest[4] ^= 1;
        break;
    case 2:
        disk->error = (uint16_t)(sample_u64(s) >> 20);
        break;
    default:
        disk->size_bytes ^= 4096;
        break;
    }
}

/* S21 */
static void a_file_on_a_hosts_own_filesystem_is_local_whatever_was_seen(void **state)
{
    (void)state;
    same(disk_nfs("srv:/e", "5"));
    before.traits = after.traits = XF_TRAIT_FILE_LOCAL | XF_TRAIT_NONCE;
    only(XF_FIND_DISK_LOCAL, "local here");
    same(disk_nfs("srv:/e", "5"));
    target.traits |= XF_TRAIT_FILE_UNION;
    only(XF_FIND_DISK_LOCAL, "union there");
    same(disk_of(XF_DISK_FILE, "/a"));
    before.traits = after.traits = target.traits = XF_TRAIT_FILE_LOCAL;
    only(XF_FIND_DISK_LOCAL, "local here; local there");
}

static void what_a_host_serves_itself_is_local(void **state)
{
    (void)state;
    same(disk_of(XF_DISK_BLOCK, "/dev/nbd0"));
    disk_add(&before, XF_IDENT_NBD, 0, "127.0.0.1:10809/a");
    after = target = before;
    nothing();
    before.traits = XF_TRAIT_SELF_SERVED;
    only(XF_FIND_DISK_LOCAL, "self-served here");
    target.traits = XF_TRAIT_SELF_SERVED;
    only(XF_FIND_DISK_LOCAL, "self-served here; self-served there");
    disk_fill(&target, 9);
    judge();
    said(1, XF_FIND_DISK_CONTENT, "16 of 16 blocks, first at byte 0");
}

static void a_file_whose_filesystem_is_of_no_known_kind_is_unknown(void **state)
{
    (void)state;
    same(disk_nfs("srv:/e", "5"));
    target.traits = XF_TRAIT_NONCE;
    only(XF_FIND_DISK_UNKNOWN, "on a filesystem of unknown kind there");
    before.traits = after.traits = XF_TRAIT_NONCE;
    target.traits |= XF_TRAIT_FILE_NETWORK;
    only(XF_FIND_DISK_UNKNOWN, "on a filesystem of unknown kind here");
    same(disk_of(XF_DISK_BLOCK, "/dev/loop0")); /* a loop device is in a file too */
    disk_add(&before, XF_IDENT_LOOP, 0, "0 0");
    disk_add(&before, XF_IDENT_NAA, 1, LUN_X);
    after = target = before;
    nothing();
    disk_add(&before, XF_IDENT_INODE, 1, "5");
    judge();
    said(0, XF_FIND_DISK_UNKNOWN, "on a filesystem of unknown kind here");
    same(disk_of(XF_DISK_FILE, "/a"));
    judge();
    said(0, XF_FIND_DISK_UNKNOWN, "on a filesystem of unknown kind here");
    said(1, XF_FIND_DISK_UNKNOWN, "on a filesystem of unknown kind there");
}

/* S22 */
static void a_nonce_that_the_target_does_not_see_refuses(void **state)
{
    (void)state;
    same(disk_nfs("srv:/e", "5"));
    target.traits = XF_TRAIT_FILE_NETWORK;
    only(XF_FIND_DISK_NONCE, "");
    after.traits = XF_TRAIT_FILE_NETWORK; /* gone by then */
    only(XF_FIND_DISK_NONCE, "");
    target.late = true; /* it had no time to look */
    only(XF_FIND_DISK_HANGS, "there");
}

/* S23 */
static void a_shared_filesystem_without_a_nonce_is_weak(void **state)
{
    static const uint32_t where[] = { XF_TRAIT_FILE_NETWORK, XF_TRAIT_FILE_CLUSTER };

    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        same(disk_nfs("srv:/e", "5"));
        before.traits = after.traits = target.traits = where[i];
        only(XF_FIND_DISK_WEAK, "no file was written beside it");
        before.traits |= XF_TRAIT_NONCE_REFUSED;
        only(XF_FIND_DISK_WEAK,
             "no file could be written beside it: its folder is not writable here");
        target.traits |= XF_TRAIT_NONCE; /* whose? */
        only(XF_FIND_DISK_WEAK,
             "no file could be written beside it: its folder is not writable here");
    }
}

/* S24 */
static void a_clone_that_was_written_to_since_is_found_by_its_content(void **state)
{
    (void)state;
    same_lun();
    target.sample[5].digest[1] ^= 1;
    judge();
    assert_int_equal(found.n, 1);
    assert_int_equal(found.of[0].id, XF_FIND_DISK_CONTENT);
    target = before;
    target.sample[1].digest[1] ^= 1;
    target.sample[15].digest[1] ^= 1;
    only(XF_FIND_DISK_CONTENT, "2 of 16 blocks, first at byte 4096");
    same(disk_of(XF_DISK_BLOCK, "/dev/sdb")); /* and is not weak besides */
    target.sample[1].digest[1] ^= 1;
    only(XF_FIND_DISK_CONTENT, "1 of 16 blocks, first at byte 4096");
}

static void a_stale_disk_that_contradicts_is_told_both(void **state)
{
    (void)state;
    same_lun();
    target = disk_lun("/dev/sdb", LUN_Y);
    disk_fill(&target, 2);
    judge();
    said(0, XF_FIND_DISK_OTHER, "naa: " LUN_X " here, " LUN_Y " there");
    said(1, XF_FIND_DISK_CONTENT, "16 of 16 blocks, first at byte 0");
    assert_int_equal(found.n, 2);
}

static void blocks_that_change_meanwhile_are_told_and_not_compared(void **state)
{
    (void)state;
    same_lun();
    after.sample[3].digest[1] ^= 1;
    only(XF_FIND_DISK_LIVE, "1 of 16 blocks");
    assert_int_equal(xf_findings_worst(&found), XF_INFO);
}

static void blocks_that_one_look_did_not_read_refuse(void **state)
{
    (void)state;
    same_lun();
    target.n_samples = 12;
    only(XF_FIND_DISK_UNREADABLE, "4 of 16 blocks were not read again");
    target.n_idents = 0;
    only(XF_FIND_DISK_UNREADABLE, "4 of 16 blocks were not read again");
    before.n_samples = 0;
    target = before;
    only(XF_FIND_DISK_UNREADABLE, "no block was read here");
    before.size_bytes = after.size_bytes = target.size_bytes = XF_BLOCK_SIZE;
    only(XF_FIND_DISK_UNREADABLE, "no block was read here");
    before.size_bytes = after.size_bytes = target.size_bytes = XF_BLOCK_SIZE - 1;
    nothing(); /* nothing to read */
}

/* S25, S26 */
static void without_a_name_of_its_own_equal_content_warns(void **state)
{
    (void)state;
    same(disk_of(XF_DISK_BLOCK, "/dev/nbd0"));
    only(XF_FIND_DISK_WEAK, "nothing that both know, and 16 equal blocks");
    assert_int_equal(xf_findings_worst(&found), XF_WARN);
    disk_add(&before, XF_IDENT_FSUUID, 0, "ext4 1");
    after = target = before;
    only(XF_FIND_DISK_WEAK, "no more than the same fsuuid, and 16 equal blocks");
}

static void without_a_name_of_its_own_a_blank_disk_is_unknown(void **state)
{
    (void)state;
    same(disk_of(XF_DISK_BLOCK, "/dev/nbd0"));
    disk_fill(&before, 0);
    after = target = before;
    only(XF_FIND_DISK_UNKNOWN, "nothing that both know, and 0 equal blocks");
    for (uint32_t i = 0; i < XF_SAMPLES_MAX; i++) {
        before.sample[i].blank = i != 7;
    }
    after = target = before;
    only(XF_FIND_DISK_WEAK, "nothing that both know, and 1 equal block");
}

static void a_network_disk_that_is_not_known_by_its_image_is_unknown(void **state)
{
    (void)state;
    same(disk_of(XF_DISK_NETWORK, "rbd:pool/guest"));
    before.size_bytes = after.size_bytes = target.size_bytes = GIB;
    only(XF_FIND_DISK_UNKNOWN, "nothing that both know, and 0 equal blocks");
}

static void every_reason_is_told_not_the_first(void **state)
{
    (void)state;
    same_lun();
    target = disk_lun("/dev/sdb", LUN_Y);
    target.size_bytes /= 2;
    target.traits = XF_TRAIT_READONLY | XF_TRAIT_USED | XF_TRAIT_SNAPSHOT;
    judge();
    said(0, XF_FIND_DISK_READONLY, "");
    said(1, XF_FIND_DISK_USED, "");
    said(2, XF_FIND_DISK_ALONE, "snapshot there");
    said(3, XF_FIND_DISK_OTHER, "naa: " LUN_X " here, " LUN_Y " there");
    said(4, XF_FIND_DISK_SIZE, "1073741824 bytes here, 536870912 there");
    assert_int_equal(found.n, 5);
}

/* Whatever else is so: two names that differ, and content that differs while it holds still. */
static void nothing_excuses_another_name_or_other_content(void **state)
{
    struct sample s = { 21 };

    (void)state;
    for (uint32_t i = 0; i < 2000; i++) {
        same_lun();
        change(&s, &before);
        change(&s, &after);
        change(&s, &target);
        target.ident[0].value[6] ^= 1;
        judge();
        assert_int_equal(xf_findings_worst(&found), XF_REFUSE);

        same_lun();
        change(&s, &target);
        target.sample[0].digest[9] ^= 1;
        judge();
        assert_int_equal(xf_findings_worst(&found), XF_REFUSE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_on_a_hosts_own_filesystem_is_local_whatever_was_seen),
        cmocka_unit_test(what_a_host_serves_itself_is_local),
        cmocka_unit_test(a_file_whose_filesystem_is_of_no_known_kind_is_unknown),
        cmocka_unit_test(a_nonce_that_the_target_does_not_see_refuses),
        cmocka_unit_test(a_shared_filesystem_without_a_nonce_is_weak),
        cmocka_unit_test(a_clone_that_was_written_to_since_is_found_by_its_content),
        cmocka_unit_test(a_stale_disk_that_contradicts_is_told_both),
        cmocka_unit_test(blocks_that_change_meanwhile_are_told_and_not_compared),
        cmocka_unit_test(blocks_that_one_look_did_not_read_refuse),
        cmocka_unit_test(without_a_name_of_its_own_equal_content_warns),
        cmocka_unit_test(without_a_name_of_its_own_a_blank_disk_is_unknown),
        cmocka_unit_test(a_network_disk_that_is_not_known_by_its_image_is_unknown),
        cmocka_unit_test(every_reason_is_told_not_the_first),
        cmocka_unit_test(nothing_excuses_another_name_or_other_content),
    };

    return cmocka_run_group_tests_name("verdict_content", tests, NULL, NULL);
}
