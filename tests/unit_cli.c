/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command's pure parts: numbers, tables, the bar. What whole answers look like is in tests/cli.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/bar.h"
#include "cli/field.h"
#include "cli/table.h"
#include "cli/units.h"

static void number_takes_digits_within_its_range_only(void **state)
{
    static const char *const bad[] = { "",
                                       "-1",
                                       "+1",
                                       " 1",
                                       "1 ",
                                       "0x10",
                                       "1.0",
                                       "11",
                                       "1e1",
                                       "18446744073709551616",
                                       "99999999999999999999999" };
    uint64_t value = 77;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_true(xf_units_parse_number(bad[i], 0, 10, &value) < 0);
    }
    assert_int_equal(value, 77);
    assert_int_equal(xf_units_parse_number("10", 0, 10, &value), 0);
    assert_int_equal(value, 10);
    assert_true(xf_units_parse_number("4", 5, 10, &value) < 0);
    assert_int_equal(xf_units_parse_number("18446744073709551615", 0, UINT64_MAX, &value), 0);
    assert_true(value == UINT64_MAX);
}

static void rate_is_bytes_per_second_rounded_up_to_kib(void **state)
{
    static const struct {
        const char *text;
        uint64_t kibps;
    } good[] = {
        { "1", 1 },       { "1024", 1 },      { "1025", 2 },     { "100K", 100 },
        { "1.5M", 1536 }, { "1m", 1024 },     { "2G", 2097152 }, { "0.001K", 1 },
        { "10.25k", 11 }, { "0.5G", 524288 }, { "1.0004K", 1 },
    };
    uint64_t kibps;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(xf_units_parse_rate(good[i].text, &kibps), 0);
        assert_int_equal(kibps, good[i].kibps);
    }
}

static void rate_that_means_nothing_is_refused(void **state)
{
    static const char *const bad[] = { "",
                                       "0",
                                       "0M",
                                       "M",
                                       "1T",
                                       "1MB",
                                       "1.",
                                       ".5M",
                                       "-1M",
                                       "1 M",
                                       "1,5M",
                                       "nan",
                                       "inf",
                                       "0x1",
                                       "1.5.5M",
                                       "99999999999999999G",
                                       "18446744073709551616" };
    uint64_t kibps = 77;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_true(xf_units_parse_rate(bad[i], &kibps) < 0);
    }
    assert_int_equal(kibps, 77);
}

static void seconds_may_have_a_fraction_but_not_be_nothing(void **state)
{
    int ms = 0;

    (void)state;
    assert_int_equal(xf_units_parse_seconds("1.25", &ms), 0);
    assert_int_equal(ms, 1250);
    assert_true(xf_units_parse_seconds("0", &ms) < 0);
    assert_true(xf_units_parse_seconds("0.0001", &ms) < 0);
    assert_true(xf_units_parse_seconds("1s", &ms) < 0);
    assert_true(xf_units_parse_seconds("2147484", &ms) < 0);
}

static void numbers_read_well_at_every_size(void **state)
{
    static const struct {
        void (*write)(char *buf, size_t size, double value);
        double value;
        const char *text;
    } rows[] = {
        { xf_units_bytes, 0, "0 B" },
        { xf_units_bytes, 1023, "1023 B" },
        { xf_units_bytes, 1024, "1.0 KiB" },
        { xf_units_bytes, 1023.96 * 1024, "1.0 MiB" },
        { xf_units_bytes, 1073741824, "1.0 GiB" },
        { xf_units_bytes, 1e18, "888.2 PiB" },
        { xf_units_rate, 0.5, "512 B/s" },
        { xf_units_rate, 2048, "2.0 MiB/s" },
        { xf_units_time, 0, "0.0 ms" },
        { xf_units_time, 9.94, "9.9 ms" },
        { xf_units_time, 9.96, "10 ms" },
        { xf_units_time, 999.6, "1.0 s" },
        { xf_units_time, 59949, "59.9 s" },
        { xf_units_time, 59960, "1 min 00 s" },
        { xf_units_time, 3599499, "59 min 59 s" },
        { xf_units_time, 3599501, "1 h 00 min" },
    };
    char buf[XF_UNITS_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        rows[i].write(buf, sizeof(buf), rows[i].value);
        assert_string_equal(buf, rows[i].text);
    }
    xf_units_bytes(buf, sizeof(buf), 1e308);
    assert_true(strlen(buf) < sizeof(buf));
    xf_units_time(buf, sizeof(buf), 1e308);
    assert_true(strlen(buf) < sizeof(buf));
}

/* What the table prints, to be freed. */
static char *printed(const struct xf_table *table, unsigned indent, bool color)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    xf_table_print(table, out, indent, color);
    fclose(out);
    return text;
}

static void columns_line_up_whatever_is_in_them(void **state)
{
    static const char *const headings[] = { "A", ">NUMBER", "LAST", NULL };
    struct xf_table *table = xf_table_new(headings);
    char *text;

    (void)state;
    xf_table_add(table, "k\xc3\xa4se", XF_PAINT_NONE);
    xf_table_add(table, "1", XF_PAINT_GOOD);
    xf_table_add(table, "x", XF_PAINT_NONE);
    xf_table_add(table, "a\033b", XF_PAINT_NONE);
    xf_table_add(table, "12345678", XF_PAINT_NONE);
    xf_table_add(table, "", XF_PAINT_NONE);
    xf_table_add(table, "half a row is left out", XF_PAINT_NONE);
    text = printed(table, 1, false);
    assert_string_equal(text, " A                         NUMBER  LAST\n"
                              " k\xc3\xa4se                           1  x\n"
                              " a?b                     12345678  \n");
    free(text);
    text = printed(table, 0, true);
    assert_non_null(strstr(text, "       \033[32m1\033[0m  x\n"));
    free(text);
    xf_table_free(table);
}

static void control_characters_are_defused(void **state)
{
    char text[] = "a\nb\x7f\xc2\x9b\xc3\xa4\xc2";

    (void)state;
    xf_utf8_make_safe(text);
    assert_string_equal(text, "a?b???\xc3\xa4\xc2");
}

static void missing_fields_read_as_dashes(void **state)
{
    json_t *object = json_loads("{\"t\":5,\"n\":\"5\",\"e\":\"\",\"z\":null,\"p\":0}", 0, NULL);
    char buf[XF_UNITS_SIZE];
    double value = 7;

    (void)state;
    assert_string_equal(xf_field_text(object, "t"), "-");
    assert_string_equal(xf_field_text(object, "e"), "-");
    assert_string_equal(xf_field_text(NULL, "t"), "-");
    assert_string_equal(xf_field_format(object, "n", XF_UNIT_BYTES, buf), "-");
    assert_string_equal(xf_field_format(object, "z", XF_UNIT_MS, buf), "-");
    assert_string_equal(xf_field_format(object, "p", XF_UNIT_PREDICTED_MS, buf), "-");
    assert_string_equal(xf_field_format(object, "p", XF_UNIT_MS, buf), "0.0 ms");
    assert_false(xf_field_number(object, "n", &value));
    assert_true(value == 7);
    assert_null(xf_field_array(object, "t"));
    json_decref(object);
}

static json_t *migration(const char *fields)
{
    char text[512];
    json_t *object;

    snprintf(text, sizeof(text), "{\"domain\":\"web\",\"state\":\"copying\",%s}", fields);
    object = json_loads(text, 0, NULL);
    assert_non_null(object);
    return object;
}

static void percent_is_what_the_target_has(void **state)
{
    static const struct {
        const char *fields;
        int percent;
    } rows[] = {
        { "\"round\":0,\"pages_total\":1000,\"pages_sent\":250,\"pages_dirty\":1000", 25 },
        { "\"round\":0,\"pages_total\":1000,\"pages_sent\":2500,\"pages_dirty\":1000", 100 },
        { "\"round\":2,\"pages_total\":1000,\"pages_sent\":2500,\"pages_dirty\":100", 90 },
        { "\"round\":2,\"pages_total\":1000,\"pages_sent\":2500,\"pages_dirty\":5000", 0 },
        { "\"round\":2,\"pages_total\":0,\"pages_dirty\":0", -1 },
        { "\"round\":2,\"pages_total\":10", -1 },
        { "\"round\":2", -1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *object = migration(rows[i].fields);

        assert_int_equal(xf_bar_percent(object), rows[i].percent);
        json_decref(object);
    }
}

static void bar_fits_every_terminal(void **state)
{
    json_t *object =
        migration("\"round\":3,\"pages_total\":1000,\"pages_dirty\":500,\"rate_kibps\":112640,"
                  "\"dirty_rate_kibps\":20480,\"predicted_pause_ms\":31,\"cap_percent\":50");
    char buf[XF_BAR_SIZE];

    (void)state;
    for (unsigned columns = 1; columns < 300; columns++) {
        xf_bar_render(object, columns, buf, sizeof(buf));
        assert_true(xf_utf8_columns(buf) <= columns);
    }
    xf_bar_render(object, 0, buf, sizeof(buf));
    assert_string_equal(
        buf, "web  round 3   50%  110.0 MiB/s  pause 31 ms  dirty 20.0 MiB/s  slowed to 50%");
    xf_bar_render(object, 79, buf, sizeof(buf));
    assert_string_equal(
        buf, "web  round 3  [######-------]   50%  110.0 MiB/s  pause 31 ms  dirty 20.0 MiB/s");
    xf_bar_render(object, 32, buf, sizeof(buf));
    assert_string_equal(buf, "web  round 3  [#####-----]   50%");
    xf_bar_render(object, 31, buf, sizeof(buf));
    assert_string_equal(buf, "web  round 3   50%");
    json_decref(object);
}

static void waiting_says_what_for(void **state)
{
    json_t *object =
        json_loads("{\"domain\":\"web\",\"state\":\"queued\",\"missing\":\"a slot\"}", 0, NULL);
    char buf[XF_BAR_SIZE];

    (void)state;
    xf_bar_render(object, 80, buf, sizeof(buf));
    assert_string_equal(buf, "web  queued: a slot");
    json_decref(object);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(number_takes_digits_within_its_range_only),
        cmocka_unit_test(rate_is_bytes_per_second_rounded_up_to_kib),
        cmocka_unit_test(rate_that_means_nothing_is_refused),
        cmocka_unit_test(seconds_may_have_a_fraction_but_not_be_nothing),
        cmocka_unit_test(numbers_read_well_at_every_size),
        cmocka_unit_test(columns_line_up_whatever_is_in_them),
        cmocka_unit_test(control_characters_are_defused),
        cmocka_unit_test(missing_fields_read_as_dashes),
        cmocka_unit_test(percent_is_what_the_target_has),
        cmocka_unit_test(bar_fits_every_terminal),
        cmocka_unit_test(waiting_says_what_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
