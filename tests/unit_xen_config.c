/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hyper_xen.h"
#include "unit.h"

static struct xf_dom_needs needs;
static char err[128];

/* As libxl prints it, with what is of no interest here left in. */
#define HEAD                                                                                       \
    "{\"c_info\":{\"type\":\"pvh\",\"name\":\"g1\","                                               \
    "\"uuid\":\"52d7ce6c-b942-4655-9299-8cf6e5ed8d56\",\"run_hotplug_scripts\":\"True\"},"         \
    "\"b_info\":{\"max_vcpus\":1,\"avail_vcpus\":[0],\"max_memkb\":65536,\"target_memkb\":65536,"  \
    "\"kernel\":\"/lab/vmlinux\",\"type.pvh\":{}}"

static int read_config(const char *rest)
{
    static char config[8192];

    snprintf(config, sizeof(config), HEAD "%s}", rest);
    memset(&needs, 0, sizeof(needs));
    err[0] = '\0';
    return xf_xen_needs(config, &needs, err, sizeof(err));
}

static void what_a_domain_asks_of_a_host_is_read(void **state)
{
    (void)state;
    assert_int_equal(
        read_config(
            ",\"disks\":[{\"pdev_path\":\"/dev/vg/a\",\"vdev\":\"xvda\",\"backend\":\"phy\","
            "\"format\":\"raw\",\"readwrite\":1},{\"vdev\":\"hdc\",\"is_cdrom\":1},"
            "{\"pdev_path\":\"/srv/b.iso\",\"vdev\":\"xvdb\",\"readwrite\":0}],"
            "\"nics\":[{\"devid\":0,\"mac\":\"00:16:3e:79:00:01\",\"bridge\":\"xenbr0\","
            "\"ip\":\"10.0.0.7\"},{\"devid\":1,\"mac\":\"00:16:3e:79:00:02\","
            "\"bridge\":\"dmz\"}]"),
        0);
    assert_string_equal(needs.name, "g1");
    assert_int_equal(needs.uuid.b[0], 0x52);
    assert_int_equal(needs.memory_mib, 64);
    assert_int_equal(needs.n_disks, 2);
    assert_string_equal(needs.disk[0].path, "/dev/vg/a");
    assert_true(needs.disk[0].writable);
    assert_string_equal(needs.disk[1].path, "/srv/b.iso");
    assert_false(needs.disk[1].writable);
    assert_int_equal(needs.n_vifs, 2);
    assert_int_equal(needs.vif[0].mac[5], 1);
    assert_int_equal(needs.vif[0].ipv4, 0x0a000007);
    assert_string_equal(needs.vif[1].bridge, "dmz");
    assert_int_equal(needs.vif[1].ipv4, 0);
    assert_true(needs.vif[0].addressed);
    assert_false(needs.vif[1].addressed);
}

static void addresses_that_cannot_be_used_are_known_to_be_named(void **state)
{
    static const char *const named[] = { "10.0.0.7 10.0.0.8", "10.0.0.0/24", "fe80::1" };
    char nics[256];

    (void)state;
    for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
        snprintf(nics, sizeof(nics), ",\"nics\":[{\"ip\":\"%s\"}]", named[i]);
        assert_int_equal(read_config(nics), 0);
        assert_int_equal(needs.vif[0].ipv4, 0);
        assert_true(needs.vif[0].addressed);
    }
    assert_int_equal(read_config(",\"nics\":[{\"ip\":\"\"}]"), 0);
    assert_false(needs.vif[0].addressed);
}

static void a_vif_has_the_number_that_it_was_given_or_its_place(void **state)
{
    (void)state;
    assert_int_equal(read_config(",\"nics\":[{\"devid\":3},{\"devid\":0},{},{\"devid\":-1},"
                                 "{\"devid\":4294967296},{\"devid\":\"7\"}]"),
                     0);
    assert_int_equal(needs.n_vifs, 6);
    assert_int_equal(needs.vif[0].devid, 3);
    for (uint32_t i = 2; i < 6; i++) {
        assert_int_equal(needs.vif[i].devid, i);
    }
    assert_int_equal(needs.vif[1].devid, 0);
}

static void a_domain_without_devices_asks_for_none(void **state)
{
    (void)state;
    assert_int_equal(read_config(""), 0);
    assert_int_equal(needs.n_disks, 0);
    assert_int_equal(needs.n_vifs, 0);
}

/* Of one whose configuration begins with that type. */
static bool is_pv(const char *type)
{
    char config[256];

    snprintf(config, sizeof(config),
             "{\"c_info\":{%s\"name\":\"g1\"},\"b_info\":{\"max_memkb\":65536}}", type);
    assert_int_equal(xf_xen_needs(config, &needs, err, sizeof(err)), 0);
    return needs.pv;
}

static void a_pv_guest_is_told_from_the_others(void **state)
{
    (void)state;
    assert_true(is_pv("\"type\":\"pv\","));
    assert_false(is_pv("\"type\":\"pvh\","));
    assert_false(is_pv("\"type\":\"hvm\","));
    assert_false(is_pv("\"type\":\"p\","));
    assert_false(is_pv("\"type\":1,"));
    assert_false(is_pv(""));
}

/* Of an HVM guest with that at its end and in its b_info and b_info.type.hvm. */
static uint32_t passed_through(const char *rest, const char *b_info, const char *hvm)
{
    char config[512];

    snprintf(config, sizeof(config),
             "{\"c_info\":{\"type\":\"hvm\",\"name\":\"g1\"},\"b_info\":{\"max_memkb\":65536%s,"
             "\"type.hvm\":{\"bios\":\"seabios\"%s}}%s}",
             b_info, hvm, rest);
    assert_int_equal(xf_xen_needs(config, &needs, err, sizeof(err)), 0);
    return needs.n_passthrough;
}

static void what_is_the_hosts_own_is_counted(void **state)
{
    (void)state;
    assert_int_equal(passed_through("", "", ""), 0);
    assert_int_equal(passed_through(",\"pcidevs\":[{\"dev\":3,\"bus\":1},{\"dev\":4}]", "", ""), 2);
    assert_int_equal(passed_through(",\"dtdevs\":[{\"path\":\"/a\"}]", "", ""), 1);
    assert_int_equal(
        passed_through(",\"usbdevs\":[{\"ctrl\":0,\"type.hostdev\":{\"hostbus\":1}}]", "", ""), 1);
    assert_int_equal(passed_through("", ",\"ioports\":[{\"first\":1016,\"number\":8}]", ""), 1);
    assert_int_equal(passed_through("", ",\"irqs\":[4,5]", ""), 2);
    assert_int_equal(passed_through("", ",\"iomem\":[{\"start\":1,\"number\":1}]", ""), 1);
    assert_int_equal(passed_through("", "", ",\"usbdevice\":\"host:1d6b:0002\""), 1);
    assert_int_equal(passed_through("", "", ",\"usbdevice\":\"tablet\""), 0);
    assert_int_equal(
        passed_through("", "", ",\"usbdevice_list\":[\"tablet\",\"host:1.2\",\"host:1.3\"]"), 2);
    assert_int_equal(passed_through(",\"pcidevs\":[]", ",\"irqs\":7", ",\"usbdevice_list\":[1]"),
                     0);
    assert_int_equal(passed_through(",\"pcidevs\":[{}]", ",\"irqs\":[4]", ""), 2);
}

static void a_virtual_numa_layout_is_told(void **state)
{
    (void)state;
    (void)passed_through("", "", "");
    assert_false(needs.vnuma);
    (void)passed_through("", ",\"vnuma_nodes\":[]", "");
    assert_false(needs.vnuma);
    (void)passed_through("", ",\"vnuma_nodes\":[{\"memkb\":32768,\"pnode\":0}]", "");
    assert_true(needs.vnuma);
}

static void assert_refused(const char *config, const char *word)
{
    err[0] = '\0';
    assert_int_equal(xf_xen_needs(config, &needs, err, sizeof(err)), -EINVAL);
    if (strstr(err, word) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", err, word);
    }
}

static void what_makes_no_sense_is_refused_with_its_key(void **state)
{
    (void)state;
    assert_refused("", "line");
    assert_refused("name = \"g1\"\n", "line 1");
    assert_refused("[]", "not an object");
    assert_refused("{\"c_info\":{\"name\":\"a\"}}", "max_memkb");
    assert_refused("{\"c_info\":{\"name\":\"a\",\"uuid\":\"nonsense\"}}", "c_info.uuid");
    assert_refused("{\"c_info\":{\"name\":\"a\\u0007\"}}", "c_info.name");
    assert_refused("{\"c_info\":{\"name\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                   "aaaaaaaaaaaaaaa\"}}",
                   "63 bytes");
    assert_refused("{\"c_info\":{\"name\":\"a\"},\"b_info\":{\"max_memkb\":-4}}", "max_memkb");
    assert_refused("{\"c_info\":{\"name\":\"a\"},\"b_info\":{\"max_memkb\":9007199254740993}}",
                   "max_memkb");
    assert_refused("{\"c_info\":{\"name\":\"a\"},\"b_info\":{\"max_memkb\":\"many\"}}",
                   "max_memkb");
    assert_refused("{\"c_info\":{\"name\":\"a\"},\"c_info\":{\"name\":\"b\"}}", "duplicate");
}

static void devices_beyond_the_bounds_are_refused(void **state)
{
    char rest[4096] = ",\"nics\":[{}";

    (void)state;
    for (int i = 0; i < XF_VIFS_MAX; i++) {
        strcat(rest, ",{}");
    }
    strcat(rest, "]");
    assert_int_equal(read_config(rest), -EINVAL);
    assert_non_null(strstr(err, "nics"));
    strcpy(rest, ",\"disks\":[{\"pdev_path\":\"/d\"}");
    for (int i = 0; i < XF_DISKS_MAX; i++) {
        strcat(rest, ",{\"pdev_path\":\"/d\"}");
    }
    strcat(rest, "]");
    assert_int_equal(read_config(rest), -EINVAL);
    assert_non_null(strstr(err, "disks"));
    assert_int_equal(read_config(",\"nics\":[{\"mac\":\"zz\"}]"), -EINVAL);
    assert_non_null(strstr(err, "nics.mac"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_domain_asks_of_a_host_is_read),
        cmocka_unit_test(addresses_that_cannot_be_used_are_known_to_be_named),
        cmocka_unit_test(a_vif_has_the_number_that_it_was_given_or_its_place),
        cmocka_unit_test(a_domain_without_devices_asks_for_none),
        cmocka_unit_test(a_pv_guest_is_told_from_the_others),
        cmocka_unit_test(what_is_the_hosts_own_is_counted),
        cmocka_unit_test(a_virtual_numa_layout_is_told),
        cmocka_unit_test(what_makes_no_sense_is_refused_with_its_key),
        cmocka_unit_test(devices_beyond_the_bounds_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
