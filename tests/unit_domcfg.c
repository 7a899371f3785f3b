/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "domcfg.h"

#include <errno.h>
#include <string.h>

#include "unit.h"

static struct xf_domcfg cfg;
static char err[256];

static int parse(const char *text)
{
    err[0] = '\0';
    return xf_domcfg_parse(text, strlen(text), &cfg, err, sizeof(err));
}

/* Refused, with a sentence that begins with where and what. */
static void assert_refused(const char *text, const char *begin)
{
    assert_int_equal(parse(text), -EINVAL);
    if (strncmp(err, begin, strlen(begin)) != 0) {
        fail_msg("\"%s\" does not begin with \"%s\"", err, begin);
    }
}

#define HEAD "name = vm1\nmemory = 64\n"

static void every_key_is_read(void **state)
{
    (void)state;
    assert_int_equal(parse("# a domain\n"
                           "name = web-1\n"
                           "uuid = 01234567-89ab-cdef-0123-456789abcdef\n"
                           "memory=512   # MiB\n"
                           "\tvcpus = 4\n"
                           "vif = \"mac=00:16:3e:01:02:03,bridge=br0,ip=10.0.0.9/24\"\r\n"
                           "vif = mac=00:16:3e:01:02:04, bridge=br1, ip=10.0.1.9, port=4007\n"
                           "disk = \"path=/srv/a.disk\"\n"
                           "disk = path=/dev/sdb,readonly\n"
                           "workload = \"pattern=zipf,rate=120,window=256\"\n"
                           "disk-interval-ms = 25\n"
                           "fill = 30\n"
                           "seed = 18446744073709551615\n"
                           "suspend-delay-ms = 50\n"
                           "fail-suspend = yes\n"
                           "fail-unpause-once = yes\n"
                           "fail-restore = no"),
                     0);
    assert_string_equal(cfg.name, "web-1");
    assert_int_equal(cfg.uuid.b[0], 0x01);
    assert_int_equal(cfg.uuid.b[15], 0xef);
    assert_int_equal(cfg.memory_mib, 512);
    assert_int_equal(cfg.vcpus, 4);
    assert_int_equal(cfg.n_vifs, 2);
    assert_memory_equal(cfg.vif[0].mac, "\x00\x16\x3e\x01\x02\x03", 6);
    assert_string_equal(cfg.vif[0].bridge, "br0");
    assert_int_equal(cfg.vif[0].ipv4, 0x0a000009);
    assert_int_equal(cfg.vif[0].prefix, 24);
    assert_int_equal(cfg.vif[0].port, 7);
    assert_int_equal(cfg.vif[1].prefix, 32);
    assert_int_equal(cfg.vif[1].port, 4007);
    assert_int_equal(cfg.n_disks, 2);
    assert_string_equal(cfg.disk[0].path, "/srv/a.disk");
    assert_false(cfg.disk[0].readonly);
    assert_true(cfg.disk[1].readonly);
    assert_int_equal(cfg.pattern, XF_PATTERN_ZIPF);
    assert_int_equal(cfg.rate_mbps, 120);
    assert_int_equal(cfg.window_mib, 256);
    assert_int_equal(cfg.disk_interval_ms, 25);
    assert_int_equal(cfg.fill_percent, 30);
    assert_true(cfg.seed == UINT64_MAX);
    assert_int_equal(cfg.suspend_delay_ms, 50);
    assert_true(cfg.fail_suspend);
    assert_true(cfg.fail_unpause_once);
    assert_false(cfg.fail_restore);
}

static void what_is_left_out_has_a_default(void **state)
{
    (void)state;
    assert_int_equal(parse(HEAD), 0);
    assert_int_equal(cfg.vcpus, 1);
    assert_int_equal(cfg.disk_interval_ms, 10);
    assert_int_equal(cfg.pattern, XF_PATTERN_IDLE);
    assert_int_equal(cfg.fill_percent, 0);
    assert_int_equal(cfg.n_vifs + cfg.n_disks, 0);
    assert_int_equal(parse(HEAD "fill = random"), 0);
    assert_int_equal(cfg.fill_percent, 100);
}

static void an_error_names_line_and_key(void **state)
{
    (void)state;
    assert_refused(HEAD "\nmemery = 5\n", "line 4: unknown key \"memery\"");
    assert_refused(HEAD "vcpus\n", "line 3: is not key = value: \"vcpus\"");
    assert_refused(HEAD "vcpus = 0\n", "line 3: vcpus: must be a number from 1 to 128, not \"0\"");
    assert_refused(HEAD "memory = 64\n", "line 3: memory: is given twice");
    assert_refused("name = a\nmemory = 64M\n", "line 2: memory: must be a number");
    assert_refused(HEAD "uuid = 1-2\n", "line 3: uuid: is not a uuid");
    assert_refused(HEAD "workload = pattern=wild\n", "line 3: workload: pattern must be");
    assert_refused(HEAD "workload = speed=1\n", "line 3: workload: knows pattern, rate and window");
    assert_refused(HEAD "fail-restore = true\n", "line 3: fail-restore: must be yes or no");
    assert_refused(HEAD "seed = x\n", "line 3: seed: must be a number");
}

static void what_a_domain_needs_must_be_there(void **state)
{
    (void)state;
    assert_refused("", "name is missing");
    assert_refused("name = a\n", "memory is missing");
    assert_refused(HEAD "workload = window=65\n", "workload: window is larger");
    assert_refused(HEAD "vif = bridge=br0,ip=10.0.0.1\n", "line 3: vif: needs mac=");
    assert_refused(HEAD "disk = readonly\n", "line 3: disk: needs path=");
}

static void a_bad_vif_or_disk_is_refused(void **state)
{
    (void)state;
    assert_refused(HEAD "vif = mac=01:00:00:00:00:01,bridge=b,ip=10.0.0.1\n", "line 3: vif: mac");
    assert_refused(HEAD "vif = mac=00:16:3e,bridge=b,ip=10.0.0.1\n", "line 3: vif: mac");
    assert_refused(HEAD "vif = bridge=much-too-long-name\n", "line 3: vif: bridge");
    assert_refused(HEAD "vif = bridge=a/b\n", "line 3: vif: bridge");
    assert_refused(HEAD "vif = ip=10.0.0.256\n", "line 3: vif: ip");
    assert_refused(HEAD "vif = ip=10.0.0.1/33\n", "line 3: vif: must be a number from 0 to 32");
    assert_refused(HEAD "vif = port=0\n", "line 3: vif: must be a number");
    assert_refused(HEAD "disk = path=relative\n", "line 3: disk: path must be absolute");
    assert_refused(HEAD "disk = /dev/sda\n", "line 3: disk: knows path= and readonly");
    assert_refused(HEAD "vif = mac=00:16:3e:00:00:01,bridge=b,ip=10.0.0.1\n"
                        "vif = mac=00:16:3e:00:00:01,bridge=b,ip=10.0.0.2\n",
                   "vif: two have the same mac");
}

static void a_name_may_not_lead_elsewhere(void **state)
{
    (void)state;
    assert_refused("memory = 1\nname = a/b\n", "line 2: name: may hold");
    assert_refused("memory = 1\nname = -a\n", "line 2: name: may hold");
    assert_refused("memory = 1\nname = a b\n", "line 2: name: may hold");
    assert_refused("memory = 1\nname =\n", "line 2: name: must have");
    assert_refused("memory = 1\nname = 01234567890123456789012345678901234567890123456789\n",
                   "line 2: name: must have");
}

static void too_many_and_too_long_are_refused(void **state)
{
    char text[2048] = HEAD;

    (void)state;
    for (unsigned i = 0; i < XF_DOMCFG_DISKS_MAX + 1; i++) {
        strcat(text, "disk = path=/d\n");
    }
    assert_refused(text, "line 11: disk: is given too often");
    memset(text, 'x', 600);
    text[600] = '\0';
    assert_refused(text, "line 1: is longer");
    memset(text, 0, sizeof(text));
    strcpy(text, HEAD "disk = path=/");
    memset(text + strlen(text), 'y', 256);
    assert_refused(text, "line 3: disk: path must be absolute and shorter");
}

static void control_characters_and_nul_are_refused(void **state)
{
    (void)state;
    assert_refused(HEAD "disk = path=/a\033[2J\n", "line 3: holds a control character");
    assert_int_equal(xf_domcfg_parse("name = a\0\nmemory = 1", 20, &cfg, err, sizeof(err)),
                     -EINVAL);
}

static void a_short_buffer_for_the_error_is_ended(void **state)
{
    char tiny[8];

    (void)state;
    assert_int_equal(xf_domcfg_parse("nonsense", 8, &cfg, tiny, sizeof(tiny)), -EINVAL);
    assert_string_equal(tiny, "line 1:");
}

static void patterns_have_names(void **state)
{
    (void)state;
    assert_string_equal(xf_pattern_name(XF_PATTERN_IDLE), "idle");
    assert_string_equal(xf_pattern_name(XF_PATTERN_HOTSPOT), "hotspot");
    assert_string_equal(xf_pattern_name(XF_N_PATTERNS), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(what_is_left_out_has_a_default),
        cmocka_unit_test(an_error_names_line_and_key),
        cmocka_unit_test(what_a_domain_needs_must_be_there),
        cmocka_unit_test(a_bad_vif_or_disk_is_refused),
        cmocka_unit_test(a_name_may_not_lead_elsewhere),
        cmocka_unit_test(too_many_and_too_long_are_refused),
        cmocka_unit_test(control_characters_and_nul_are_refused),
        cmocka_unit_test(a_short_buffer_for_the_error_is_ended),
        cmocka_unit_test(patterns_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
