/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "disk.h"

#include <string.h>

#include "unit.h"

static void every_identity_has_a_name_of_its_own_and_a_strength(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < XF_N_IDENTS; i++) {
        assert_true(xf_ident_name(i)[0] != '\0');
        for (uint32_t k = 0; k < i; k++) {
            assert_string_not_equal(xf_ident_name(i), xf_ident_name(k));
        }
    }
    assert_int_equal(xf_ident_strength(XF_IDENT_NAA), XF_STRENGTH_DEVICE);
    assert_int_equal(xf_ident_strength(XF_IDENT_LV), XF_STRENGTH_MADE);
    assert_int_equal(xf_ident_strength(XF_IDENT_FSUUID), XF_STRENGTH_WEAK);
    assert_true(xf_ident_many(XF_IDENT_ISCSI));
    assert_false(xf_ident_many(XF_IDENT_NAA));
}

static void an_identity_of_a_later_version_is_worth_nothing(void **state)
{
    (void)state;
    for (uint32_t i = XF_N_IDENTS; i < 300; i++) {
        assert_string_equal(xf_ident_name(i), "");
        assert_int_equal(xf_ident_strength(i), XF_STRENGTH_WEAK);
        assert_false(xf_ident_many(i));
    }
}

static void every_trait_has_a_name(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < XF_N_TRAITS; i++) {
        assert_true(xf_trait_name(i)[0] != '\0');
    }
    assert_string_equal(xf_trait_name(XF_TRAIT_BIT_READONLY), "read-only");
    assert_string_equal(xf_trait_name(XF_TRAIT_BIT_UNKNOWN), "unknown");
    assert_string_equal(xf_trait_name(XF_N_TRAITS), "");
}

static void an_identity_is_added_once(void **state)
{
    struct xf_disk disk = { 0 };

    (void)state;
    assert_true(xf_disk_add(&disk, XF_IDENT_NAA, 1, "naa.6001"));
    assert_true(xf_disk_add(&disk, XF_IDENT_NAA, 1, "naa.6001"));
    assert_int_equal(disk.n_idents, 1);
    assert_true(xf_disk_add(&disk, XF_IDENT_NAA, 2, "naa.6001"));
    assert_true(xf_disk_add(&disk, XF_IDENT_EUI, 1, "naa.6001"));
    assert_true(xf_disk_add(&disk, XF_IDENT_NAA, 1, "naa.6002"));
    assert_int_equal(disk.n_idents, 4);
    assert_int_equal(disk.traits, 0);
    assert_int_equal(disk.ident[1].base, 2);
    assert_int_equal(disk.ident[2].kind, XF_IDENT_EUI);
    assert_string_equal(disk.ident[3].value, "naa.6002");
}

static void refused(enum xf_ident_kind kind, uint8_t base, const char *value)
{
    struct xf_disk disk = { 0 };

    assert_false(xf_disk_add(&disk, kind, base, value));
    assert_int_equal(disk.n_idents, 0);
    assert_int_equal(disk.traits, XF_TRAIT_UNKNOWN);
}

static void an_identity_that_is_none_leaves_the_disk_unknown(void **state)
{
    char long_value[XF_IDENT_SIZE + 1];
    struct xf_disk disk = { 0 };

    (void)state;
    memset(long_value, 'x', sizeof(long_value));
    long_value[XF_IDENT_SIZE] = '\0';
    refused(XF_IDENT_NAA, 0, "");
    refused(XF_IDENT_NAA, 0, long_value);
    refused(XF_IDENT_NAA, 0, "a\nb");
    refused(XF_IDENT_NAA, 0, "a\xff");
    refused(XF_IDENT_NAA, XF_BASES_MAX + 1, "a");
    refused(XF_N_IDENTS, 0, "a");
    assert_true(xf_disk_add(&disk, XF_IDENT_NAA, XF_BASES_MAX, long_value + 1));
    assert_int_equal(strlen(disk.ident[0].value), XF_IDENT_SIZE - 1);
}

static void one_too_many_leaves_the_disk_unknown(void **state)
{
    static struct xf_disk disk;
    char value[2] = "";

    (void)state;
    for (uint32_t i = 0; i < XF_IDENTS_MAX; i++) {
        value[0] = (char)('0' + i);
        assert_true(xf_disk_add(&disk, XF_IDENT_ISCSI, 0, value));
    }
    assert_true(xf_disk_add(&disk, XF_IDENT_ISCSI, 0, "0"));
    assert_int_equal(disk.traits, 0);
    assert_false(xf_disk_add(&disk, XF_IDENT_ISCSI, 1, "0"));
    assert_int_equal(disk.traits, XF_TRAIT_UNKNOWN);
    assert_int_equal(disk.n_idents, XF_IDENTS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_identity_has_a_name_of_its_own_and_a_strength),
        cmocka_unit_test(an_identity_of_a_later_version_is_worth_nothing),
        cmocka_unit_test(every_trait_has_a_name),
        cmocka_unit_test(an_identity_is_added_once),
        cmocka_unit_test(an_identity_that_is_none_leaves_the_disk_unknown),
        cmocka_unit_test(one_too_many_leaves_the_disk_unknown),
    };

    return cmocka_run_group_tests_name("disk", tests, NULL, NULL);
}
