/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "reason.h"

#include <ctype.h>
#include <string.h>

#include "unit.h"

static void every_reason_has_a_name_of_its_own_that_finds_it(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < XF_N_REASONS; i++) {
        assert_int_equal(xf_reason_parse(xf_reason_name(i)), i);
    }
    assert_int_equal(xf_reason_parse("no such reason"), XF_N_REASONS);
    assert_int_equal(xf_reason_parse(""), XF_N_REASONS);
}

static void exit_codes_tell_reasons_apart_below_those_of_the_shell(void **state)
{
    bool used[126] = { false };

    (void)state;
    for (uint32_t i = 0; i < XF_N_REASONS; i++) {
        int code = xf_reason_exit(i);

        assert_in_range(code, 0, 125);
        assert_true(code == 0 || !used[code]);
        used[code] = true;
    }
    assert_int_equal(xf_reason_exit(XF_REASON_OK), 0);
}

static void sentences_fit_into_a_sentence(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < XF_N_REASONS; i++) {
        const char *sentence = xf_reason_sentence(i);
        size_t len = strlen(sentence);

        assert_true(len > 0);
        assert_false(isupper((unsigned char)sentence[0]) && !isupper((unsigned char)sentence[1]));
        assert_int_not_equal(sentence[len - 1], '.');
        assert_non_null(xf_reason_hint(i));
        assert_in_range(xf_reason_ocf(i), 0, 9);
    }
}

static void a_number_without_a_row_reads_as_internal(void **state)
{
    (void)state;
    assert_string_equal(xf_reason_name(XF_N_REASONS), "internal");
    assert_string_equal(xf_reason_name(UINT32_MAX), "internal");
    assert_int_equal(xf_reason_exit(UINT32_MAX), xf_reason_exit(XF_REASON_INTERNAL));
    assert_int_equal(xf_reason_ocf(UINT32_MAX), xf_reason_ocf(XF_REASON_INTERNAL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason_has_a_name_of_its_own_that_finds_it),
        cmocka_unit_test(exit_codes_tell_reasons_apart_below_those_of_the_shell),
        cmocka_unit_test(sentences_fit_into_a_sentence),
        cmocka_unit_test(a_number_without_a_row_reads_as_internal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
