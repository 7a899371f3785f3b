/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "finding.h"

#include <string.h>

#include "unit.h"

static struct xf_findings findings;

static void clear(void)
{
    memset(&findings, 0, sizeof(findings));
}

static void every_finding_has_a_name_of_its_own_and_is_found_by_it(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < XF_N_FINDINGS; i++) {
        assert_int_equal(xf_finding_parse(xf_finding_name(i)), i);
        assert_true(xf_finding_sentence(i)[0] != '\0');
        assert_non_null(xf_finding_hint(i));
        assert_true(xf_finding_severity(i) < XF_N_SEVERITIES);
        assert_true(xf_finding_severity(i) != XF_REFUSE || xf_finding_reason(i) != XF_REASON_OK);
    }
    assert_int_equal(xf_finding_parse("disk"), XF_N_FINDINGS);
    assert_string_equal(xf_finding_name(XF_FIND_DISK_CONTENT), "disk-content");
    assert_string_equal(xf_finding_hint(XF_FIND_DISK_PATH), "multipath -ll");
    assert_int_equal(xf_finding_severity(XF_FIND_DISK_LIVE), XF_INFO);
    assert_int_equal(xf_finding_reason(XF_FIND_MEMORY), XF_REASON_NO_MEMORY);
    assert_string_equal(xf_finding_sentence(XF_FIND_DISK_SIZE), "its size differs");
}

static void a_finding_of_a_later_version_refuses(void **state)
{
    (void)state;
    for (uint32_t i = XF_N_FINDINGS; i < XF_N_FINDINGS + 300; i++) {
        assert_string_equal(xf_finding_name(i), "unknown");
        assert_int_equal(xf_finding_severity(i), XF_REFUSE);
        assert_int_equal(xf_finding_reason(i), XF_REASON_PEER_REFUSED);
        assert_true(xf_finding_sentence(i)[0] != '\0');
        assert_string_equal(xf_finding_hint(i), "");
    }
}

static void severities_have_names(void **state)
{
    (void)state;
    assert_string_equal(xf_severity_name(XF_INFO), "info");
    assert_string_equal(xf_severity_name(XF_WARN), "warn");
    assert_string_equal(xf_severity_name(XF_REFUSE), "refuse");
    assert_string_equal(xf_severity_name(XF_N_SEVERITIES), "refuse");
}

static void the_same_twice_is_one(void **state)
{
    (void)state;
    clear();
    xf_findings_add(&findings, XF_FIND_MTU, "bridge br0", "1500");
    xf_findings_add(&findings, XF_FIND_MTU, "bridge br0", "1500");
    assert_int_equal(findings.n, 1);
    xf_findings_add(&findings, XF_FIND_ONE_WAY, "bridge br0", "1500");
    xf_findings_add(&findings, XF_FIND_MTU, "bridge br1", "1500");
    xf_findings_add(&findings, XF_FIND_MTU, "bridge br0", "9000");
    assert_int_equal(findings.n, 4);
    assert_string_equal(findings.of[2].subject, "bridge br1");
    assert_string_equal(findings.of[3].detail, "9000");
    assert_int_equal(findings.of[1].id, XF_FIND_ONE_WAY);
}

static void what_is_too_long_is_cut_and_still_one(void **state)
{
    char word[XF_SUBJECT_SIZE + 10];

    (void)state;
    clear();
    memset(word, 'x', sizeof(word));
    word[sizeof(word) - 1] = '\0';
    xf_findings_add(&findings, XF_FIND_MTU, word, word);
    xf_findings_add(&findings, XF_FIND_MTU, word, word);
    assert_int_equal(findings.n, 1);
    assert_int_equal(strlen(findings.of[0].subject), XF_SUBJECT_SIZE - 1);
    assert_int_equal(strlen(findings.of[0].detail), XF_DETAIL_SIZE - 1);
}

static void no_letter_is_cut_in_half(void **state)
{
    char word[XF_SUBJECT_SIZE + 10], buf[30];

    (void)state;
    clear();
    memset(word, 'x', sizeof(word));
    memcpy(word + XF_SUBJECT_SIZE - 2, "\xc3\xa4", 2);
    memcpy(word + XF_DETAIL_SIZE - 2, "\xc3\xa4", 2);
    word[sizeof(word) - 1] = '\0';
    xf_findings_add(&findings, XF_FIND_MTU, word, word);
    assert_string_equal(findings.of[0].subject + XF_SUBJECT_SIZE - 3, "x?");
    assert_string_equal(findings.of[0].detail + XF_DETAIL_SIZE - 3, "x?");
    assert_memory_equal(findings.of[0].subject + XF_DETAIL_SIZE - 2, "\xc3\xa4", 2);
    clear();
    xf_findings_add(&findings, XF_FIND_MTU, "bridge \xc3\xa4", "");
    xf_findings_text(&findings, XF_INFO, buf, 9);
    assert_string_equal(buf, "bridge ?");
}

static void one_that_refuses_is_never_lost_unseen(void **state)
{
    char detail[3] = "";

    (void)state;
    clear();
    for (uint32_t i = 0; i < XF_FINDINGS_MAX; i++) {
        detail[0] = (char)('a' + i % 26);
        detail[1] = (char)('a' + i / 26);
        xf_findings_add(&findings, XF_FIND_SUBNET, "", detail);
    }
    assert_int_equal(findings.n, XF_FINDINGS_MAX);
    xf_findings_add(&findings, XF_FIND_DISK_WEAK, "", "one more");
    assert_int_equal(findings.n_lost, 0);
    assert_int_equal(xf_findings_worst(&findings), XF_INFO);
    assert_int_equal(xf_findings_reason(&findings), XF_REASON_OK);
    xf_findings_add(&findings, XF_FIND_DISK_OTHER, "", "");
    assert_int_equal(findings.n, XF_FINDINGS_MAX);
    assert_int_equal(findings.n_lost, 1);
    assert_int_equal(xf_findings_worst(&findings), XF_REFUSE);
    assert_int_equal(xf_findings_reason(&findings), XF_REASON_PEER_REFUSED);
}

static void the_worst_decides_and_the_first_that_refuses_gives_the_reason(void **state)
{
    (void)state;
    clear();
    assert_int_equal(xf_findings_worst(&findings), XF_INFO);
    assert_int_equal(xf_findings_reason(&findings), XF_REASON_OK);
    xf_findings_add(&findings, XF_FIND_SLOTS, "", "");
    xf_findings_add(&findings, XF_FIND_DISK_WEAK, "", "");
    assert_int_equal(xf_findings_worst(&findings), XF_WARN);
    assert_int_equal(xf_findings_reason(&findings), XF_REASON_OK);
    xf_findings_add(&findings, XF_FIND_MEMORY, "", "");
    xf_findings_add(&findings, XF_FIND_NO_BRIDGE, "bridge br0", "");
    xf_findings_add(&findings, XF_FIND_SLOTS, "again", "");
    assert_int_equal(xf_findings_worst(&findings), XF_REFUSE);
    assert_int_equal(xf_findings_reason(&findings), XF_REASON_NO_MEMORY);
}

static void the_text_has_what_is_severe_enough(void **state)
{
    char buf[400];

    (void)state;
    clear();
    xf_findings_text(&findings, XF_INFO, buf, sizeof(buf));
    assert_string_equal(buf, "");
    xf_findings_add(&findings, XF_FIND_SUBNET, "bridge br0", "");
    xf_findings_add(&findings, XF_FIND_DISK_SIZE, "disk /a", "1 here, 2 there");
    xf_findings_add(&findings, XF_FIND_MEMORY, "", "");
    xf_findings_text(&findings, XF_REFUSE, buf, sizeof(buf));
    assert_string_equal(buf, "disk /a: its size differs (1 here, 2 there); "
                             "the target has too little free memory");
    xf_findings_text(&findings, XF_INFO, buf, sizeof(buf));
    assert_string_equal(buf, "bridge br0: the bridges' own addresses are of different networks; "
                             "disk /a: its size differs (1 here, 2 there); "
                             "the target has too little free memory");
    xf_findings_text(&findings, XF_REFUSE, buf, 8);
    assert_string_equal(buf, "disk /a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_finding_has_a_name_of_its_own_and_is_found_by_it),
        cmocka_unit_test(a_finding_of_a_later_version_refuses),
        cmocka_unit_test(severities_have_names),
        cmocka_unit_test(the_same_twice_is_one),
        cmocka_unit_test(what_is_too_long_is_cut_and_still_one),
        cmocka_unit_test(no_letter_is_cut_in_half),
        cmocka_unit_test(one_that_refuses_is_never_lost_unseen),
        cmocka_unit_test(the_worst_decides_and_the_first_that_refuses_gives_the_reason),
        cmocka_unit_test(the_text_has_what_is_severe_enough),
    };

    return cmocka_run_group_tests_name("finding", tests, NULL, NULL);
}
