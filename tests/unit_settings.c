/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration file: what is taken, and what is refused with which line. */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "settings.h"

static int parse(const char *text, struct xf_settings *ret_settings, char err[static 600])
{
    err[0] = '\0';
    xf_settings_init(ret_settings);
    return xf_settings_parse(ret_settings, "file", text, strlen(text), err, 600);
}

static void defaults_stand_where_the_file_is_silent(void **state)
{
    struct xf_settings s;
    char err[600];

    (void)state;
    assert_int_equal(parse("", &s, err), 0);
    assert_string_equal(s.hypervisor, "sandbox");
    assert_int_equal(s.downtime_target_ms, 300);
    assert_int_equal(s.slots_outgoing, 2);
    assert_false(s.debug_trace);
}

static void values_are_taken_with_and_without_the_section(void **state)
{
    struct xf_settings s;
    char err[600];

    (void)state;
    assert_int_equal(parse("# comment\nslots-outgoing = 7\n[xenferry]\nslots-incoming=3\n"
                           "migration-address = 10.1.2.3\ndebug-trace = yes\n"
                           "log-level: debug\n",
                           &s, err),
                     0);
    assert_int_equal(s.slots_outgoing, 7);
    assert_int_equal(s.slots_incoming, 3);
    assert_string_equal(s.migration_address, "10.1.2.3");
    assert_string_equal(s.log_level, "debug");
    assert_true(s.debug_trace);
}

static void refused(const char *text, const char *where, const char *what)
{
    struct xf_settings s;
    char err[600];

    assert_int_equal(parse(text, &s, err), -EINVAL);
    if (strncmp(err, where, strlen(where)) != 0 || strstr(err, what) == NULL) {
        fail_msg("\"%s\" begins not with \"%s\" or lacks \"%s\"", err, where, what);
    }
}

static void errors_name_file_line_and_key(void **state)
{
    (void)state;
    refused("\n\nslots-outgoing = 0\n", "file:3: ", "slots-outgoing");
    refused("slots-outgoing = 65\n", "file:1: ", "1 to 64");
    refused("slots-outgoing = 2x\n", "file:1: ", "slots-outgoing");
    refused("slots-outgoing = -1\n", "file:1: ", "slots-outgoing");
    refused("bandwidth-kibps = 99999999999999999999999\n", "file:1: ", "bandwidth-kibps");
    refused("\nno-such = 1\n", "file:2: ", "no-such");
    refused("[other]\nlog-level = info\n", "file:2: ", "[other]");
    refused("log-level = info\nnonsense\n", "file:2: ", "KEY = VALUE");
    refused("log-level = inf\n", "file:1: ", "error|warning");
    refused("hypervisor = \n", "file:1: ", "hypervisor");
    refused("migration-address = host.example\n", "file:1: ", "numeric");
    refused("debug-trace = maybe\n", "file:1: ", "neither yes nor no");
}

static void the_first_error_is_told(void **state)
{
    (void)state;
    refused("retry-ms = 1\nslots-outgoing = 0\n", "file:1: ", "retry-ms");
    refused("nonsense\nslots-outgoing = 0\n", "file:1: ", "KEY = VALUE");
}

static void a_line_too_long_is_refused_not_split(void **state)
{
    char text[1000] = "secret-file = /";

    (void)state;
    memset(text + strlen(text), 'a', 600);
    refused(text, "file:1: ", "too long");
}

static void every_default_is_within_its_own_bounds(void **state)
{
    struct xf_settings s, again;
    char value[XF_SETTING_SIZE], err[600];

    (void)state;
    xf_settings_init(&s);
    again = s;
    for (size_t i = 0; xf_settings_key(i) != NULL; i++) {
        const char *text = xf_settings_text(&s, i, value, sizeof(value));

        assert_int_equal(xf_settings_set(&again, xf_settings_key(i), text, err, sizeof(err)), 0);
    }
    assert_memory_equal(&s, &again, sizeof(s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_stand_where_the_file_is_silent),
        cmocka_unit_test(values_are_taken_with_and_without_the_section),
        cmocka_unit_test(errors_name_file_line_and_key),
        cmocka_unit_test(the_first_error_is_told),
        cmocka_unit_test(a_line_too_long_is_refused_not_split),
        cmocka_unit_test(every_default_is_within_its_own_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
