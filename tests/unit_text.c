/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sample.h"
#include "unit.h"

static void numbers_read_as_printf_writes_them(void **state)
{
    static const uint64_t edges[] = { 0, 1, 9, 10, 15, 16, UINT32_MAX, INT64_MAX, UINT64_MAX };
    struct sample s = { 1 };

    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        uint64_t v = i < 9 ? edges[i] : sample_u64(&s) >> sample_below(&s, 64);
        char ours[128], theirs[128];
        struct xf_text text;

        xf_text_init(&text, ours, sizeof(ours));
        xf_text_u64(&text, v);
        xf_text_char(&text, ' ');
        xf_text_i64(&text, (int64_t)v);
        xf_text_char(&text, ' ');
        xf_text_hex(&text, v, 1);
        xf_text_char(&text, ' ');
        xf_text_hex(&text, v, 8);
        snprintf(theirs, sizeof(theirs), "%" PRIu64 " %" PRId64 " %" PRIx64 " %08" PRIx64, v,
                 (int64_t)v, v, v);
        assert_string_equal(ours, theirs);
        assert_int_equal(text.len, strlen(ours));
        assert_false(text.truncated);
    }
}

static void text_that_does_not_fit_is_cut_and_says_so(void **state)
{
    char buf[8];
    struct xf_text text;

    (void)state;
    memset(buf, 'x', sizeof(buf));
    xf_text_init(&text, buf, 6);
    xf_text_str(&text, "abc");
    xf_text_u64(&text, 12);
    assert_false(text.truncated);
    xf_text_char(&text, 'd');
    assert_true(text.truncated);
    assert_string_equal(buf, "abc12");
    assert_int_equal(buf[6], 'x');
    assert_false(xf_text_copy(buf, 3, "abc"));
    assert_string_equal(buf, "ab");
    assert_true(xf_text_copy(buf, 4, "abc"));
    assert_string_equal(buf, "abc");
}

static void a_name_has_an_end_and_no_control_character(void **state)
{
    char full[4] = { 'a', 'b', 'c', 'd' };

    (void)state;
    assert_true(xf_text_name_ok("web 1", 6));
    assert_true(xf_text_name_ok("", 1));
    assert_true(xf_text_name_ok("caf\xc3\xa9", 8));
    assert_false(xf_text_name_ok(full, sizeof(full)));
    assert_false(xf_text_name_ok("a\nb", 8));
    assert_false(xf_text_name_ok("a\x1b[2J", 8));
    assert_false(xf_text_name_ok("a\x7f", 8));
}

static void numbers_out_of_bounds_are_refused(void **state)
{
    uint64_t v = 7;

    (void)state;
    assert_int_equal(xf_u64_parse("18446744073709551615", 0, UINT64_MAX, &v), 0);
    assert_true(v == UINT64_MAX);
    assert_int_equal(xf_u64_parse("18446744073709551616", 0, UINT64_MAX, &v), -ERANGE);
    assert_int_equal(xf_u64_parse("99999999999999999999999", 0, UINT64_MAX, &v), -ERANGE);
    assert_int_equal(xf_u64_parse("9", 10, 20, &v), -ERANGE);
    assert_int_equal(xf_u64_parse("21", 10, 20, &v), -ERANGE);
    assert_true(v == UINT64_MAX);
    assert_int_equal(xf_u64_parse("20", 10, 20, &v), 0);
    assert_int_equal(v, 20);
    assert_int_equal(xf_hex_parse("ffffffffffffffff", &v), 0);
    assert_true(v == UINT64_MAX);
    assert_int_equal(xf_hex_parse("10000000000000000", &v), -EINVAL);
}

static void what_is_not_a_number_is_refused(void **state)
{
    static const char *const bad[] = { "", " 1", "1 ", "-1", "+1", "0x1", "1a", "a", "1.0", "1\n" };
    uint64_t v = 7;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(xf_u64_parse(bad[i], 0, UINT64_MAX, &v), -EINVAL);
    }
    assert_int_equal(xf_hex_parse("", &v), -EINVAL);
    assert_int_equal(xf_hex_parse("g", &v), -EINVAL);
    assert_int_equal(v, 7);
}

static void uuids_come_back_from_their_text(void **state)
{
    struct sample s = { 2 };
    struct xf_uuid uuid, again;
    char text[XF_UUID_TEXT_SIZE];

    (void)state;
    for (int i = 0; i < 100; i++) {
        sample_bytes(&s, uuid.b, sizeof(uuid.b));
        xf_uuid_text(&uuid, text);
        assert_int_equal(xf_uuid_parse(text, &again), 0);
        assert_true(xf_uuid_eq(&uuid, &again));
    }
    assert_int_equal(xf_uuid_parse("00112233-4455-6677-8899-AABBCCDDEEFF", &uuid), 0);
    xf_uuid_text(&uuid, text);
    assert_string_equal(text, "00112233-4455-6677-8899-aabbccddeeff");
}

static void damaged_uuids_are_refused(void **state)
{
    static const char good[] = "00112233-4455-6677-8899-aabbccddeeff";
    struct xf_uuid uuid;
    char bad[64];

    (void)state;
    for (size_t i = 0; i < sizeof(good) - 1; i++) {
        memcpy(bad, good, sizeof(good));
        bad[i] = '\0';
        assert_int_equal(xf_uuid_parse(bad, &uuid), -EINVAL);
        bad[i] = good[i] == '-' ? '0' : '-';
        assert_int_equal(xf_uuid_parse(bad, &uuid), -EINVAL);
        bad[i] = 'g';
        assert_int_equal(xf_uuid_parse(bad, &uuid), -EINVAL);
    }
    snprintf(bad, sizeof(bad), "%s0", good);
    assert_int_equal(xf_uuid_parse(bad, &uuid), -EINVAL);
}

static void mac_addresses_come_back_from_their_text(void **state)
{
    static const char *const bad[] = {
        "", "00:16:3e:00:00", "00:16:3e:00:00:1", "00:16:3e:00:00:011", "00-16-3e-00-00-01",
        "00:16:3e:00:00:0g", "00:16:3e:00:00:01:02", "0:16:3e:00:00:01:",
    };
    uint8_t mac[6];
    char text[XF_MAC_TEXT_SIZE];

    (void)state;
    assert_int_equal(xf_mac_parse("00:16:3E:a0:00:fF", mac), 0);
    xf_mac_text(mac, text);
    assert_string_equal(text, "00:16:3e:a0:00:ff");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(xf_mac_parse(bad[i], mac), -EINVAL);
    }
}

static void ipv4_addresses_come_back_from_their_text(void **state)
{
    static const char *const bad[] = {
        "", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1..2.3", "1.2.3.", " 1.2.3.4", "1.2.3.4 ",
        "01.2.3.4", "1.2.3.00", "1.2.3.-4", "0x1.2.3.4", "99999999999999999999.1.1.1",
    };
    uint32_t ipv4;
    char text[XF_IPV4_TEXT_SIZE];

    (void)state;
    assert_int_equal(xf_ipv4_parse("192.0.2.255", &ipv4), 0);
    assert_int_equal(ipv4, 0xc00002ff);
    xf_ipv4_text(ipv4, text);
    assert_string_equal(text, "192.0.2.255");
    assert_int_equal(xf_ipv4_parse("0.0.0.0", &ipv4), 0);
    assert_int_equal(ipv4, 0);
    xf_ipv4_text(UINT32_MAX, text);
    assert_string_equal(text, "255.255.255.255");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(xf_ipv4_parse(bad[i], &ipv4), -EINVAL);
    }
}

static void text_that_is_no_utf8_is_told_and_mended(void **state)
{
    static const struct {
        const char *text, *mended;
    } cases[] = {
        { "", "" },
        { "plain\n", "plain\n" },
        { "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x9a\xa2", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x9a\xa2" },
        { "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf", "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf" },
        { "caf\xe9", "caf?" },
        { "\xe9t\xe9", "?t?" },
        { "cut \xc3", "cut ?" },
        { "cut \xe2\x82", "cut ??" },
        { "cut \xf0\x9f\x9a", "cut ???" },
        { "\x80\xbf", "??" },
        { "\xc0\x80", "??" },           /* too long */
        { "\xe0\x9f\xbf", "???" },      /* too long */
        { "\xf0\x8f\xbf\xbf", "????" }, /* too long */
        { "\xed\xa0\x80", "???" },      /* a surrogate */
        { "\xf4\x90\x80\x80", "????" }, /* beyond the last */
        { "\xf5\x80\x80\x80 \xff", "???? ?" },
    };
    char text[32];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(xf_text_utf8_ok(cases[i].text),
                         strcmp(cases[i].text, cases[i].mended) == 0);
        assert_true(xf_text_copy(text, sizeof(text), cases[i].text));
        xf_text_utf8_mend(text);
        assert_string_equal(text, cases[i].mended);
    }
}

static void a_line_is_found_only_as_a_whole(void **state)
{
    static const struct {
        const char *text;
        bool has;
    } cases[] = {
        { "", false },
        { "early", true },
        { "early\n", true },
        { "\n\nearly", true },
        { "a\nearly\nb", true },
        { "early ", false },
        { " early\n", false },
        { "earl\ny", false },
        { "earl", false },
        { "earlyearly", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(xf_text_has_line(cases[i].text, strlen(cases[i].text), "early"),
                         cases[i].has);
    }
    assert_false(xf_text_has_line("earlymore", 4, "early")); /* what is read, may be cut off */
    assert_true(xf_text_has_line("a\0b\nearly\n", 10, "early"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_read_as_printf_writes_them),
        cmocka_unit_test(text_that_does_not_fit_is_cut_and_says_so),
        cmocka_unit_test(a_name_has_an_end_and_no_control_character),
        cmocka_unit_test(text_that_is_no_utf8_is_told_and_mended),
        cmocka_unit_test(a_line_is_found_only_as_a_whole),
        cmocka_unit_test(numbers_out_of_bounds_are_refused),
        cmocka_unit_test(what_is_not_a_number_is_refused),
        cmocka_unit_test(uuids_come_back_from_their_text),
        cmocka_unit_test(damaged_uuids_are_refused),
        cmocka_unit_test(mac_addresses_come_back_from_their_text),
        cmocka_unit_test(ipv4_addresses_come_back_from_their_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
