/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "diskmsg.h"

#include <errno.h>
#include <string.h>

#include "blocks.h"
#include "disks.h"
#include "sample.h"
#include "unit.h"

static struct xf_disk disk, again;
static struct xf_look look, look_again;
static uint8_t buf[XF_DISKMSG_SIZE_MAX + 1];

/* Where things are in the encoding of disk_of(…, "/d"): docs/wire.md. */
enum {
    AT_VERSION = 0,
    AT_WHAT = 1,
    AT_PATH = 2,
    AT_KIND = 5,
    AT_FLAGS = 6,
    AT_TRAITS = 9,
    AT_WORDS = 21,
    AT_BASES = 22,
    AT_IDENTS = 23,
};

static int encode(void)
{
    return xf_disk_encode(&disk, buf, sizeof(buf));
}

static void draw_disk(struct sample *s)
{
    uint64_t at = 0;

    memset(&disk, 0, sizeof(disk));
    sample_name(s, disk.path, sizeof(disk.path));
    sample_name(s, disk.words, sizeof(disk.words));
    disk.kind = (uint8_t)sample_below(s, XF_N_DISK_KINDS);
    disk.late = sample_bool(s);
    disk.error = (uint16_t)sample_u32(s);
    disk.traits = sample_below(s, 1u << XF_N_TRAITS);
    disk.size_bytes = sample_u64(s);
    disk.n_bases = sample_below(s, XF_BASES_MAX + 1);
    disk.n_idents = sample_below(s, XF_IDENTS_MAX + 1);
    for (uint32_t i = 0; i < disk.n_idents; i++) {
        disk.ident[i].kind = (uint8_t)sample_below(s, XF_N_IDENTS);
        disk.ident[i].base = (uint8_t)sample_below(s, disk.n_bases + 1);
        sample_name(s, disk.ident[i].value, XF_IDENT_SIZE);
        disk.ident[i].value[0] = 'v';
    }
    disk.n_samples = sample_below(s, XF_SAMPLES_MAX + 1);
    for (uint32_t i = 0; i < disk.n_samples; i++) {
        at += 1 + sample_u32(s);
        disk.sample[i].offset = at;
        disk.sample[i].size = 1 + sample_below(s, XF_BLOCK_SIZE);
        disk.sample[i].blank = sample_bool(s);
        sample_bytes(s, disk.sample[i].digest, XF_DIGEST_SIZE);
    }
}

static void every_disk_comes_back_as_it_went(void **state)
{
    struct sample s = { 1 };

    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        int len;

        draw_disk(&s);
        len = encode();
        assert_true(len > 0);
        memset(&again, 0, sizeof(again));
        assert_int_equal(xf_disk_decode(buf, (size_t)len, &again), 0);
        assert_memory_equal(&disk, &again, sizeof(disk));
    }
}

static void the_largest_disk_fits_and_less_room_does_not_do(void **state)
{
    int len;

    (void)state;
    disk = disk_of(XF_DISK_BLOCK, "/d");
    memset(disk.path, 'p', sizeof(disk.path) - 1);
    memset(disk.words, 'w', sizeof(disk.words) - 1);
    disk.n_idents = XF_IDENTS_MAX;
    for (uint32_t i = 0; i < XF_IDENTS_MAX; i++) {
        memset(disk.ident[i].value, 'v', XF_IDENT_SIZE - 1);
    }
    len = encode();
    assert_in_range(len, 13000, XF_DISKMSG_SIZE_MAX);
    for (int size = 0; size < len; size += 1 + len / 50) {
        assert_int_equal(xf_disk_encode(&disk, buf, (size_t)size), -EMSGSIZE);
    }
}

static void cut_off_or_with_something_over_it_is_none(void **state)
{
    int len;

    (void)state;
    disk = disk_lv("vg lv", "naa.1", NULL);
    len = encode();
    memset(&again, 7, sizeof(again));
    for (int size = 0; size < len; size++) {
        assert_int_equal(xf_disk_decode(buf, (size_t)size, &again), -EBADMSG);
    }
    assert_int_equal(xf_disk_decode(buf, (size_t)len + 1, &again), -EBADMSG);
    assert_int_equal(again.n_idents, 0x07070707); /* nothing was set */
    assert_int_equal(xf_disk_decode(buf, (size_t)len, &again), 0);
}

/* Encoded anew with one byte changed. */
static int decode_with(size_t at, uint8_t value)
{
    int len = encode();

    assert_true(len > 0);
    buf[at] = value;
    memset(&again, 0, sizeof(again));
    return xf_disk_decode(buf, (size_t)len, &again);
}

static void another_version_or_a_look_is_no_disk(void **state)
{
    (void)state;
    disk = disk_of(XF_DISK_BLOCK, "/d");
    assert_int_equal(decode_with(AT_VERSION, 1), 0);
    assert_int_equal(decode_with(AT_VERSION, 0), -EBADMSG);
    assert_int_equal(decode_with(AT_VERSION, 2), -EBADMSG);
    assert_int_equal(decode_with(AT_WHAT, 1), -EBADMSG);
    assert_int_equal(decode_with(AT_WHAT, 3), -EBADMSG);
    assert_int_equal(decode_with(AT_KIND, XF_N_DISK_KINDS), -EBADMSG);
    assert_int_equal(decode_with(AT_PATH + 1, '\n'), -EBADMSG);
    assert_int_equal(decode_with(AT_PATH + 1, 0xff), -EBADMSG);
}

/* What a later version has to say and this one does not understand. */
static void news_of_a_later_version_leave_the_disk_unknown(void **state)
{
    (void)state;
    disk = disk_of(XF_DISK_BLOCK, "/d");
    disk.late = true;
    disk.traits = XF_TRAIT_READONLY;
    disk_add(&disk, XF_IDENT_NAA, 0, "naa.1");
    disk_add(&disk, XF_IDENT_EUI, 0, "eui.1");
    assert_int_equal(decode_with(AT_FLAGS, 1), 0);
    assert_int_equal(again.traits, XF_TRAIT_READONLY);
    assert_int_equal(decode_with(AT_FLAGS, 3), 0);
    assert_true(again.late);
    assert_int_equal(again.traits, XF_TRAIT_READONLY | XF_TRAIT_UNKNOWN);
    assert_int_equal(decode_with(AT_FLAGS, 2), 0);
    assert_false(again.late);
    assert_int_equal(decode_with(AT_TRAITS + 3, 0x80), 0);
    assert_int_equal(again.traits, XF_TRAIT_READONLY | XF_TRAIT_UNKNOWN);
    assert_int_equal(decode_with(AT_TRAITS + 3, 1u << (XF_N_TRAITS - 24)), 0);
    assert_int_equal(again.traits, XF_TRAIT_READONLY | XF_TRAIT_UNKNOWN);
    assert_int_equal(decode_with(AT_IDENTS + 1, XF_N_IDENTS), 0);
    assert_int_equal(again.traits, XF_TRAIT_READONLY | XF_TRAIT_UNKNOWN);
    assert_int_equal(again.n_idents, 1);
    assert_string_equal(again.ident[0].value, "eui.1");
    assert_int_equal(decode_with(AT_IDENTS + 9, 255), 0);
    assert_int_equal(again.n_idents, 1);
    assert_string_equal(again.ident[0].value, "naa.1");
    assert_string_equal(again.ident[1].value, "");
    assert_int_equal(again.n_samples, XF_SAMPLES_MAX);
    disk.n_idents = 0;
    assert_int_equal(decode_with(AT_IDENTS + 2 + 12, 2), 0);
    assert_int_equal(again.traits, XF_TRAIT_READONLY | XF_TRAIT_UNKNOWN);
    assert_false(again.sample[0].blank);
}

static void counts_have_bounds(void **state)
{
    (void)state;
    disk = disk_of(XF_DISK_BLOCK, "/d");
    assert_int_equal(decode_with(AT_BASES, XF_BASES_MAX), 0);
    assert_int_equal(decode_with(AT_BASES, XF_BASES_MAX + 1), -EBADMSG);
    assert_int_equal(decode_with(AT_IDENTS, XF_IDENTS_MAX + 1), -EBADMSG);
    assert_int_equal(decode_with(AT_IDENTS, 255), -EBADMSG);
    assert_int_equal(decode_with(AT_IDENTS + 1, XF_SAMPLES_MAX + 1), -EBADMSG);
    assert_int_equal(decode_with(AT_IDENTS + 1, 255), -EBADMSG);
    /* One more of each than fits, with all that belongs to it. */
    memset(buf, 0, sizeof(buf));
    encode();
    buf[AT_IDENTS] = XF_IDENTS_MAX + 1;
    for (uint32_t i = 0; i <= XF_IDENTS_MAX; i++) {
        memcpy(&buf[AT_IDENTS + 1 + 4 * i], "\0\0\1v", 4);
    }
    buf[AT_IDENTS + 1 + 4 * (XF_IDENTS_MAX + 1)] = 0;
    assert_int_equal(xf_disk_decode(buf, AT_IDENTS + 2 + 4 * (XF_IDENTS_MAX + 1), &again),
                     -EBADMSG);
    buf[AT_IDENTS] = XF_IDENTS_MAX;
    buf[AT_IDENTS + 1 + 4 * XF_IDENTS_MAX] = 0;
    assert_int_equal(xf_disk_decode(buf, AT_IDENTS + 2 + 4 * XF_IDENTS_MAX, &again), 0);
}

static void an_identity_needs_a_value_and_a_base_that_is_there(void **state)
{
    (void)state;
    disk = disk_of(XF_DISK_BLOCK, "/d");
    disk_add(&disk, XF_IDENT_NAA, 0, "n");
    assert_int_equal(decode_with(AT_IDENTS + 2, 0), 0);
    assert_int_equal(decode_with(AT_IDENTS + 2, 1), -EBADMSG);
    assert_int_equal(decode_with(AT_IDENTS + 4, '\x7f'), -EBADMSG);
    assert_int_equal(decode_with(AT_IDENTS + 4, 0x80), -EBADMSG);
    encode();
    memcpy(&buf[AT_IDENTS + 1], "\0\0\0\0", 4);
    assert_int_equal(xf_disk_decode(buf, AT_IDENTS + 5, &again), -EBADMSG);
    buf[AT_IDENTS] = 0;
    buf[AT_IDENTS + 1] = 0;
    assert_int_equal(xf_disk_decode(buf, AT_IDENTS + 2, &again), 0);
}

/* Neither way. */
static void refused(void)
{
    assert_int_equal(encode(), -EINVAL);
}

static void what_would_not_be_read_is_not_written(void **state)
{
    struct xf_disk fine;

    (void)state;
    disk = disk_lun("/d", "naa.1");
    fine = disk;
    assert_true(encode() > 0);
    disk.kind = XF_N_DISK_KINDS;
    refused();
    disk = fine;
    disk.traits = 1u << XF_N_TRAITS;
    refused();
    disk.traits = (1u << XF_N_TRAITS) - 1;
    assert_true(encode() > 0);
    disk = fine;
    disk.n_bases = XF_BASES_MAX + 1;
    refused();
    disk = fine;
    disk.n_idents = XF_IDENTS_MAX + 2;
    refused();
    disk = fine;
    disk.n_samples = XF_SAMPLES_MAX + 2;
    refused();
    disk = fine;
    disk.ident[0].kind = XF_N_IDENTS;
    refused();
    disk = fine;
    disk.ident[0].base = 1;
    refused();
    disk = fine;
    disk.ident[0].value[0] = '\0';
    refused();
    disk = fine;
    disk.ident[0].value[0] = '\t';
    refused();
    disk = fine;
    disk.path[0] = '\xe4';
    refused();
    disk = fine;
    memset(disk.path, 'x', sizeof(disk.path));
    refused();
}

static void samples_ascend_and_are_of_a_block_at_most(void **state)
{
    struct xf_disk fine;
    int len;

    (void)state;
    disk = disk_of(XF_DISK_BLOCK, "/d");
    fine = disk;
    disk.sample[1].offset = disk.sample[0].offset;
    refused();
    disk = fine;
    disk.sample[0].size = 0;
    refused();
    disk.sample[0].size = 1;
    assert_true(encode() > 0);
    disk.sample[0].size = XF_BLOCK_SIZE + 1;
    refused();
    disk = fine;
    disk.sample[15].offset = UINT64_MAX - XF_BLOCK_SIZE;
    assert_true(encode() > 0);
    disk.sample[15].offset++;
    refused();
    disk = fine;
    len = encode();
    buf[AT_IDENTS + 2 + 45] = 0; /* the second's offset */
    buf[AT_IDENTS + 2 + 46] = 0;
    assert_int_equal(xf_disk_decode(buf, (size_t)len, &again), -EBADMSG);
}

static void words_are_never_refused(void **state)
{
    int len;

    (void)state;
    disk = disk_of(XF_DISK_ABSENT, "/d");
    strcpy(disk.words, "a\nb\x7f\xff"
                       "c");
    len = encode();
    assert_int_equal(xf_disk_decode(buf, (size_t)len, &again), 0);
    assert_string_equal(again.words, "a b ?c");
    memset(disk.words, 'w', sizeof(disk.words));
    len = encode();
    assert_int_equal(xf_disk_decode(buf, (size_t)len, &again), 0);
    assert_int_equal(strlen(again.words), XF_WORDS_SIZE - 1);
    strcpy(disk.words, "w");
    len = encode();
    buf[AT_WORDS + 1] = 0x80;
    assert_int_equal(xf_disk_decode(buf, (size_t)len, &again), -EBADMSG);
}

static void draw_look(struct sample *s)
{
    memset(&look, 0, sizeof(look));
    sample_name(s, look.path, sizeof(look.path));
    look.path[0] = '/';
    look.writable = sample_bool(s);
    look.coming = sample_bool(s);
    sample_bytes(s, look.salt, sizeof(look.salt));
    look.size_bytes = sample_u64(s);
    look.nonce_task = (uint8_t)sample_below(s, XF_N_NONCE_TASKS);
    for (uint32_t i = 0; look.nonce_task != XF_NONCE_NONE && i < XF_NONCE_SIZE - 1; i++) {
        look.nonce[i] = "0123456789abcdef"[sample_below(s, 16)];
    }
}

static int encode_look(void)
{
    return xf_look_encode(&look, buf, sizeof(buf));
}

static void every_look_comes_back_as_it_went(void **state)
{
    struct sample s = { 2 };

    (void)state;
    for (uint32_t i = 0; i < 200; i++) {
        int len;

        draw_look(&s);
        len = encode_look();
        assert_in_range(len, 1, XF_LOOKMSG_SIZE_MAX);
        assert_int_equal(xf_look_decode(buf, (size_t)len, &look_again), 0);
        assert_memory_equal(&look, &look_again, sizeof(look));
        assert_int_equal(xf_look_decode(buf, (size_t)len - 1, &look_again), -EBADMSG);
        assert_int_equal(xf_look_decode(buf, (size_t)len + 1, &look_again), -EBADMSG);
        assert_int_equal(xf_look_encode(&look, buf, (size_t)len - 1), -EMSGSIZE);
    }
}

static struct xf_look plain_look(void)
{
    struct xf_look plain = { .path = "/d", .nonce_task = XF_NONCE_MAKE };

    memset(plain.nonce, 'a', XF_NONCE_SIZE - 1);
    return plain;
}

/* It is the name of a file that root makes. */
static void a_nonce_is_32_digits_and_nothing_else(void **state)
{
    static const char bad[] = "/.gG`:~ @F\n";

    (void)state;
    look = plain_look();
    memcpy(look.nonce, "0123456789abcdef", 16);
    assert_true(encode_look() > 0);
    for (uint32_t i = 0; i < sizeof(bad) - 1; i++) {
        look.nonce[i] = bad[i];
        assert_int_equal(encode_look(), -EINVAL);
        look.nonce[i] = '9';
    }
    look.nonce[31] = '\0';
    assert_int_equal(encode_look(), -EINVAL);
    memset(look.nonce, 'a', sizeof(look.nonce));
    assert_int_equal(encode_look(), -EINVAL);
    memset(look.nonce, 0, sizeof(look.nonce));
    assert_int_equal(encode_look(), -EINVAL);
    look.nonce_task = XF_NONCE_NONE;
    assert_true(encode_look() > 0);
    look.nonce[0] = 'a';
    assert_int_equal(encode_look(), -EINVAL);
    look = plain_look();
    look.nonce_task = XF_NONCE_NONE;
    assert_int_equal(encode_look(), -EINVAL);
    look.nonce_task = XF_N_NONCE_TASKS;
    assert_int_equal(encode_look(), -EINVAL);
    look = plain_look();
    look.path[0] = '\0';
    assert_int_equal(encode_look(), -EINVAL);
    strcpy(look.path, "/\xff");
    assert_int_equal(encode_look(), -EINVAL);
}

static void a_look_that_asks_for_more_than_we_know_is_refused(void **state)
{
    int len;

    (void)state;
    look = plain_look();
    len = encode_look();
    memset(&look_again, 7, sizeof(look_again));
    for (uint32_t at = 0; at < 2; at++) {
        for (uint32_t value = 0; value < 4; value++) {
            uint8_t was = buf[at];

            buf[at] = (uint8_t)value;
            assert_int_equal(xf_look_decode(buf, (size_t)len, &look_again),
                             value == 1 ? 0 : -EBADMSG);
            buf[at] = was;
        }
    }
    for (uint32_t flags = 0; flags < 256; flags++) {
        buf[5] = (uint8_t)flags;
        assert_int_equal(xf_look_decode(buf, (size_t)len, &look_again), flags < 4 ? 0 : -EBADMSG);
    }
    buf[5] = 1;
    assert_int_equal(xf_look_decode(buf, (size_t)len, &look_again), 0);
    assert_true(look_again.writable && !look_again.coming);
    memset(&look_again, 7, sizeof(look_again));
    buf[len - 1] = '/';
    assert_int_equal(xf_look_decode(buf, (size_t)len, &look_again), -EBADMSG);
    assert_int_equal(look_again.path[0], 7); /* nothing was set */
    buf[len - 1] = 'a';
    buf[4] = 0xff;
    assert_int_equal(xf_look_decode(buf, (size_t)len, &look_again), -EBADMSG);
}

static void no_message_is_longer_than_its_bound(void **state)
{
    (void)state;
    memset(buf, 0, sizeof(buf));
    assert_int_equal(xf_disk_decode(buf, XF_DISKMSG_SIZE_MAX + 1, &again), -EBADMSG);
    assert_int_equal(xf_look_decode(buf, XF_LOOKMSG_SIZE_MAX + 1, &look_again), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_disk_comes_back_as_it_went),
        cmocka_unit_test(the_largest_disk_fits_and_less_room_does_not_do),
        cmocka_unit_test(cut_off_or_with_something_over_it_is_none),
        cmocka_unit_test(another_version_or_a_look_is_no_disk),
        cmocka_unit_test(news_of_a_later_version_leave_the_disk_unknown),
        cmocka_unit_test(counts_have_bounds),
        cmocka_unit_test(an_identity_needs_a_value_and_a_base_that_is_there),
        cmocka_unit_test(what_would_not_be_read_is_not_written),
        cmocka_unit_test(samples_ascend_and_are_of_a_block_at_most),
        cmocka_unit_test(words_are_never_refused),
        cmocka_unit_test(every_look_comes_back_as_it_went),
        cmocka_unit_test(a_nonce_is_32_digits_and_nothing_else),
        cmocka_unit_test(a_look_that_asks_for_more_than_we_know_is_refused),
        cmocka_unit_test(no_message_is_longer_than_its_bound),
    };

    return cmocka_run_group_tests_name("diskmsg", tests, NULL, NULL);
}
