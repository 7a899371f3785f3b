/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "device.h"

#include <errno.h>
#include <string.h>

#include "unit.h"

/* A page 83h of one designator. */
static size_t page83(uint8_t *page, uint8_t code_set, uint8_t type, const void *data, uint8_t size)
{
    memset(page, 0, 8);
    page[1] = 0x83;
    page[3] = (uint8_t)(size + 4);
    page[4] = code_set;
    page[5] = type;
    page[7] = size;
    memcpy(page + 8, data, size);
    return (size_t)size + 8;
}

static void check_name(uint8_t type, const void *data, uint8_t size, enum xf_ident_kind kind,
                       const char *value)
{
    struct xf_names names;
    uint8_t page[256];

    assert_int_equal(xf_vpd83_parse(page, page83(page, 1, type, data, size), &names), 0);
    if (value == NULL) {
        assert_int_equal(names.n, 0);
        return;
    }
    assert_int_equal(names.n, 1);
    assert_int_equal(names.of[0].kind, kind);
    assert_string_equal(names.of[0].value, value);
}

static void a_logical_unit_has_the_names_of_its_page(void **state)
{
    static const uint8_t naa6[] = {
        0x60, 0x01, 0x40, 0x5a, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0xff
    };
    static const uint8_t naa5[] = { 0x50, 0x01, 0x43, 0x80, 1, 2, 3, 4 };
    static const uint8_t eui[] = { 0, 0x25, 0x38, 0x5b, 0x71, 0, 0, 1 };
    static const uint8_t uuid[] = {
        0x10, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16
    };

    (void)state;
    check_name(3, naa6, sizeof(naa6), XF_IDENT_NAA, "naa.6001405a0102030405060708090a0bff");
    check_name(3, naa5, sizeof(naa5), XF_IDENT_NAA, "naa.5001438001020304");
    check_name(2, eui, sizeof(eui), XF_IDENT_EUI, "eui.0025385b71000001");
    check_name(10, uuid, sizeof(uuid), XF_IDENT_UUID, "01020304-0506-0708-090a-0b0c0d0e0f10");
    check_name(1, "LIO-ORG disk1:77\0", 17, XF_IDENT_T10, "LIO-ORG disk1:77");
}

static void what_many_devices_carry_is_no_name(void **state)
{
    static const uint8_t zeros[18] = { 0 };
    static const uint8_t naa6[16] = { 0x60 };
    static const uint8_t ones[16] = { 0x6f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    static const uint8_t naa2[] = { 0x20, 0x11, 0x22, 0x33, 1, 2, 3, 4 };
    static const uint8_t naa3[] = { 0x33, 0x11, 0x22, 0x33, 1, 2, 3, 4 };
    static const uint8_t uuid[18] = { 0x10 };
    uint8_t page80[] = { 0, 0x80, 0, 4, '0', '0', '0', '0' };
    char serial[32] = "kept";

    (void)state;
    check_name(3, zeros, 8, XF_IDENT_NAA, NULL);
    check_name(3, naa6, 16, XF_IDENT_NAA, NULL);
    check_name(3, ones, 16, XF_IDENT_NAA, NULL);
    check_name(3, naa2, 8, XF_IDENT_NAA, NULL); /* a vendor's own: not unique in the world */
    check_name(3, naa3, 8, XF_IDENT_NAA, NULL); /* an administrator's own */
    check_name(2, zeros, 8, XF_IDENT_EUI, NULL);
    check_name(10, uuid, 18, XF_IDENT_UUID, NULL);
    check_name(1, "VENDOR  ", 8, XF_IDENT_T10, NULL);
    check_name(1, "VENDOR  0000", 12, XF_IDENT_T10, NULL);
    check_name(1, "VENDOR  a\nb", 11, XF_IDENT_T10, NULL);
    assert_int_equal(xf_vpd80_parse(page80, sizeof(page80), serial, sizeof(serial)), -ENODATA);
    memset(page80 + 4, ' ', 4);
    assert_int_equal(xf_vpd80_parse(page80, sizeof(page80), serial, sizeof(serial)), -ENODATA);
    assert_string_equal(serial, "kept");
    assert_true(xf_name_hollow("00000000-0000-0000-0000-000000000000"));
    assert_true(xf_name_hollow("FFFF ffff"));
    assert_true(xf_name_hollow(""));
    assert_false(xf_name_hollow("00000000-0000-0000-0000-000000000001"));
}

static void names_of_ports_and_targets_are_not_the_units(void **state)
{
    static const uint8_t naa[] = { 0x50, 0x01, 0x43, 0x80, 1, 2, 3, 4 };
    struct xf_names names;
    uint8_t page[64];
    size_t size = page83(page, 1, 0x13, naa, sizeof(naa)); /* association: target port */

    (void)state;
    assert_int_equal(xf_vpd83_parse(page, size, &names), 0);
    assert_int_equal(names.n, 0);
    page83(page, 1, 0x23, naa, sizeof(naa)); /* target device */
    assert_int_equal(xf_vpd83_parse(page, size, &names), 0);
    assert_int_equal(names.n, 0);
}

static void a_page_that_is_cut_gives_what_is_whole(void **state)
{
    static const uint8_t naa[] = { 0x50, 0x01, 0x43, 0x80, 1, 2, 3, 4 };
    struct xf_names names = { .n = 7 };
    uint8_t page[64], serial_page[] = { 0, 0x80, 0, 99, ' ', 'S', '1', ' ', 0 };
    size_t size = page83(page, 1, 3, naa, sizeof(naa));
    char serial[32];

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(xf_vpd83_parse(page, i, &names), -EBADMSG);
    }
    assert_int_equal(names.n, 7);
    for (size_t i = 4; i < size; i++) {
        assert_int_equal(xf_vpd83_parse(page, i, &names), 0);
        assert_int_equal(names.n, 0);
    }
    assert_int_equal(xf_vpd80_parse(page, size, serial, sizeof(serial)), -EBADMSG);
    assert_int_equal(xf_vpd80_parse(serial_page, sizeof(serial_page), serial, sizeof(serial)), 0);
    assert_string_equal(serial, "S1");
    assert_int_equal(xf_vpd80_parse(serial_page, sizeof(serial_page), serial, 2), -ENODATA);
}

static void the_kernels_and_multipaths_names_agree_with_the_devices(void **state)
{
    static const struct {
        const char *wwid;
        bool mpath;
        enum xf_ident_kind kind;
        const char *value; /* NULL: none */
    } cases[] = {
        { "naa.6001405A0102030405060708090A0BFF\n", false, XF_IDENT_NAA,
          "naa.6001405a0102030405060708090a0bff" },
        { "36001405a0102030405060708090a0bff", true, XF_IDENT_NAA,
          "naa.6001405a0102030405060708090a0bff" },
        { "32000112233445566", true, XF_IDENT_NAA, NULL },
        { "36000000000000000000000000000000f0", true, XF_IDENT_NAA, NULL },
        { "36", true, XF_IDENT_NAA, NULL },
        { "20025385b71000001", true, XF_IDENT_EUI, "eui.0025385b71000001" },
        { "eui.0025385b71000001", true, XF_IDENT_EUI, "eui.0025385b71000001" },
        { "eui.0000000000000000", false, XF_IDENT_EUI, NULL },
        { "uuid.01020304-0506-0708-090a-0B0C0D0E0F10", false, XF_IDENT_UUID,
          "01020304-0506-0708-090a-0b0c0d0e0f10" },
        { "uuid.00000000-0000-0000-0000-000000000000", false, XF_IDENT_UUID, NULL },
        { "nvme.1af4-73657269616c-51454d55-00000001", false, XF_IDENT_SERIAL,
          "nvme.1af4-73657269616c-51454d55-00000001" },
        { "t10.LIO-ORG disk1:77   ", false, XF_IDENT_T10, "LIO-ORG disk1:77" },
        { "SQEMU_QEMU_HARDDISK_1", true, XF_IDENT_T10, NULL },
        { "", true, XF_IDENT_T10, NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct xf_names names = { .n = 9 };
        int rc = cases[i].mpath ? xf_mpath_wwid_parse(cases[i].wwid, &names)
                                : xf_wwid_parse(cases[i].wwid, &names);

        if (cases[i].value == NULL) {
            assert_int_equal(rc, -ENODATA);
            assert_int_equal(names.n, 9);
            continue;
        }
        assert_int_equal(rc, 0);
        assert_int_equal(names.n, 1);
        assert_int_equal(names.of[0].kind, cases[i].kind);
        assert_string_equal(names.of[0].value, cases[i].value);
    }
}

static void a_maps_uuid_says_who_made_it(void **state)
{
    struct xf_dm_uuid uuid;

    (void)state;
    xf_dm_uuid_parse("LVM-Fn4cWpAbCdEfGhIjKlMnOpQrStZyXwVuq1w2e3r4t5y6u7i8o9p0a1s2d3f4g5h6", &uuid);
    assert_int_equal(uuid.kind, XF_DM_UUID_LVM);
    assert_string_equal(uuid.vg, "Fn4cWp-AbCd-EfGh-IjKl-MnOp-QrSt-ZyXwVu");
    assert_string_equal(uuid.lv, "q1w2e3-r4t5-y6u7-i8o9-p0a1-s2d3-f4g5h6");
    assert_string_equal(uuid.layer, "");
    xf_dm_uuid_parse("LVM-Fn4cWpAbCdEfGhIjKlMnOpQrStZyXwVuq1w2e3r4t5y6u7i8o9p0a1s2d3f4g5h6-real",
                     &uuid);
    assert_string_equal(uuid.layer, "real");
    xf_dm_uuid_parse("LVM-short", &uuid);
    assert_int_equal(uuid.kind, XF_DM_UUID_OTHER);
    xf_dm_uuid_parse("part12-mpath-36001405", &uuid);
    assert_int_equal(uuid.kind, XF_DM_UUID_PART);
    assert_int_equal(uuid.part, 12);
    assert_string_equal(uuid.rest, "mpath-36001405");
    xf_dm_uuid_parse("mpath-36001405", &uuid);
    assert_int_equal(uuid.kind, XF_DM_UUID_MPATH);
    assert_string_equal(uuid.rest, "36001405");
    xf_dm_uuid_parse("part-mpath-3", &uuid);
    assert_int_equal(uuid.kind, XF_DM_UUID_OTHER);
    xf_dm_uuid_parse("part123456-x", &uuid);
    assert_int_equal(uuid.kind, XF_DM_UUID_OTHER);
    xf_dm_uuid_parse("", &uuid);
    assert_int_equal(uuid.kind, XF_DM_UUID_OTHER);
}

static void a_volumes_map_has_its_dashes_doubled(void **state)
{
    char vg[16], lv[16];

    (void)state;
    assert_int_equal(xf_dm_lv_names("vg--a-lv--1", vg, sizeof(vg), lv, sizeof(lv)), 0);
    assert_string_equal(vg, "vg-a");
    assert_string_equal(lv, "lv-1");
    assert_int_equal(xf_dm_lv_names("vg-lv-real", vg, sizeof(vg), lv, sizeof(lv)), -EINVAL);
    assert_int_equal(xf_dm_lv_names("vg", vg, sizeof(vg), lv, sizeof(lv)), -EINVAL);
    assert_int_equal(xf_dm_lv_names("-lv", vg, sizeof(vg), lv, sizeof(lv)), -EINVAL);
    assert_int_equal(xf_dm_lv_names("vg-waytoolongforthis", vg, sizeof(vg), lv, sizeof(lv)),
                     -EINVAL);
}

static void an_iscsi_disk_is_known_by_its_place_in_sysfs(void **state)
{
    struct xf_scsi_path path;

    (void)state;
    assert_int_equal(
        xf_scsi_path_parse("/sys/devices/platform/host3/session12/target3:0:0/3:0:0:41/block/sdb",
                           &path),
        0);
    assert_string_equal(path.session, "session12");
    assert_int_equal(path.lun, 41);
    assert_int_equal(
        xf_scsi_path_parse("/sys/devices/pci/host0/target0:0:0/0:0:0:2/block/sda", &path), 0);
    assert_string_equal(path.session, "");
    assert_int_equal(path.lun, 2);
    assert_int_equal(xf_scsi_path_parse("/sys/devices/virtual/block/dm-0", &path), -EINVAL);
    assert_int_equal(xf_scsi_path_parse("/x/1:2:3:", &path), -EINVAL);
    assert_int_equal(xf_scsi_path_parse("", &path), -EINVAL);
}

#define ARGS(text) text, sizeof(text)

static void every_spelling_of_nbd_client_is_read(void **state)
{
    static const struct {
        const char *args;
        size_t size;
        const char *name; /* NULL: -EINVAL */
    } cases[] = {
        { ARGS("nbd-client\0san\0"
               "2000\0/dev/nbd3"),
          "san:2000/" },
        { ARGS("/usr/sbin/nbd-client\0san\0/dev/nbd3\0-N\0web"), "san:10809/web" },
        { ARGS("nbd-client\0-Nweb\0san\0/dev/nbd3"), "san:10809/web" },
        { ARGS("nbd-client\0-name\0web\0san\0/dev/nbd3"), "san:10809/web" },
        { ARGS("nbd-client\0--name=web\0san\0/dev/nbd3\0-p\0-t\0"
               "30"),
          "san:10809/web" },
        { ARGS("nbd-client\0-b\0"
               "4096\0-persist\0-swap\0san\0"
               "10810\0/dev/nbd3\0-name=web"),
          "san:10810/web" },
        { ARGS("nbd-client\0bs=4096\0timeout=5\0san\0/dev/nbd3\0-n"), "san:10809/" },
        { ARGS("nbd-client\0fe80::1\0/dev/nbd3\0-C\0"
               "4"),
          "[fe80::1]:10809/" },
        { ARGS("nbd-client\0-unix\0/run/nbd.sock\0/dev/nbd3\0-N\0web"), "unix:/run/nbd.sock/web" },
        { ARGS("nbd-client\0san\0/dev/nbd3\0--unheard-of"), NULL },
        { ARGS("nbd-client\0san\0/dev/nbd3\0-N"), NULL },
        { ARGS("nbd-client\0san\0"
               "99999\0/dev/nbd3"),
          NULL },
        { ARGS("nbd-client\0/dev/nbd3"), NULL },
        { ARGS("nbd-client\0a\0"
               "1\0"
               "2\0/dev/nbd3"),
          NULL },
        { ARGS("nbd-client\0\0/dev/nbd3"), NULL },
        { ARGS("nbd-client\0s\xe9n\0/dev/nbd3"), NULL },
    };
    char text[XF_IDENT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct xf_nbd nbd;
        int rc = xf_nbd_cmdline_parse(cases[i].args, cases[i].size, "nbd3", &nbd);

        assert_int_equal(rc, cases[i].name != NULL ? 0 : -EINVAL);
        if (cases[i].name != NULL) {
            xf_nbd_text(&nbd, text, sizeof(text));
            assert_string_equal(text, cases[i].name);
        }
    }
}

static void another_process_or_device_is_no_client_of_this_one(void **state)
{
    struct xf_nbd nbd;

    (void)state;
    assert_int_equal(xf_nbd_cmdline_parse(ARGS("nbd-client\0san\0/dev/nbd4"), "nbd3", &nbd),
                     -ESRCH);
    assert_int_equal(xf_nbd_cmdline_parse(ARGS("bash\0san\0/dev/nbd3"), "nbd3", &nbd), -ESRCH);
    assert_int_equal(xf_nbd_cmdline_parse("", 0, "nbd3", &nbd), -ESRCH);
    assert_int_equal(xf_nbd_cmdline_parse("nbd-client", 10, "nbd3", &nbd), -EINVAL); /* no end */
}

static void a_hosts_own_names_are_found_in_every_spelling(void **state)
{
    static const struct xf_own_names own = {
        .n = 4, .of = { "node1.example.com", "192.0.2.1", "2001:db8::1", "short" }
    };
    static const char *const ours[] = { "127.0.0.1",
                                        "127.9.9.9",
                                        "localhost",
                                        "LOCALHOST",
                                        "localhost.localdomain",
                                        "::1",
                                        "[::1]",
                                        "::ffff:127.0.0.1",
                                        "0.0.0.0",
                                        "/run/socket",
                                        "node1.example.com",
                                        "Node1",
                                        "node1.example.com.",
                                        "192.0.2.1",
                                        "[2001:db8::1]",
                                        "2001:DB8::1",
                                        "short.example.org",
                                        "" };
    static const char *const others[] = { "node2",   "node1.example.org", "192.0.2.10",
                                          "192.0.2", "2001:db8::2",       "local",
                                          "node11" };

    (void)state;
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        assert_true(xf_server_is_own(ours[i], &own));
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_false(xf_server_is_own(others[i], &own));
    }
}

static void texts_of_qemu_are_no_paths(void **state)
{
    char text[32];

    (void)state;
    assert_true(xf_is_network_text("rbd:pool/image"));
    assert_true(xf_is_network_text("nbd:host:10809"));
    assert_true(xf_is_network_text("json:{}"));
    assert_false(xf_is_network_text("/dev/rbd0"));
    assert_false(xf_is_network_text("rbd"));
    assert_int_equal(xf_rbd_parse("rbd:pool/image@snap:id=admin", text, sizeof(text)), 0);
    assert_string_equal(text, "pool/image@snap");
    assert_int_equal(xf_rbd_parse("rbd:pool/a\\:b", text, sizeof(text)), 0);
    assert_string_equal(text, "pool/a:b");
    assert_int_equal(xf_rbd_parse("rbd:image", text, sizeof(text)), -EINVAL);
    assert_int_equal(xf_rbd_parse("rbd:/image", text, sizeof(text)), -EINVAL);
    assert_int_equal(xf_rbd_parse("rbd:pool/", text, sizeof(text)), -EINVAL);
    assert_int_equal(xf_rbd_parse("nbd:pool/x", text, sizeof(text)), -EINVAL);
    assert_int_equal(xf_rbd_parse("rbd:pool/image", text, 4), -EINVAL);
}

static void an_image_with_a_backing_file_is_told(void **state)
{
    uint8_t qcow2[64] = { 'Q', 'F', 'I', 0xfb, 0, 0, 0, 3 };
    uint8_t vhd[64] = { 'c', 'o', 'n', 'e', 'c', 't', 'i', 'x' };

    (void)state;
    assert_false(xf_image_backed(qcow2, sizeof(qcow2)));
    qcow2[15] = 0x70; /* where the name is */
    assert_true(xf_image_backed(qcow2, sizeof(qcow2)));
    assert_false(xf_image_backed(qcow2, 19));
    vhd[63] = 3;
    assert_false(xf_image_backed(vhd, sizeof(vhd)));
    vhd[63] = 4;
    assert_true(xf_image_backed(vhd, sizeof(vhd)));
    assert_false(xf_image_backed(vhd, 63));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_logical_unit_has_the_names_of_its_page),
        cmocka_unit_test(what_many_devices_carry_is_no_name),
        cmocka_unit_test(names_of_ports_and_targets_are_not_the_units),
        cmocka_unit_test(a_page_that_is_cut_gives_what_is_whole),
        cmocka_unit_test(the_kernels_and_multipaths_names_agree_with_the_devices),
        cmocka_unit_test(a_maps_uuid_says_who_made_it),
        cmocka_unit_test(a_volumes_map_has_its_dashes_doubled),
        cmocka_unit_test(an_iscsi_disk_is_known_by_its_place_in_sysfs),
        cmocka_unit_test(every_spelling_of_nbd_client_is_read),
        cmocka_unit_test(another_process_or_device_is_no_client_of_this_one),
        cmocka_unit_test(a_hosts_own_names_are_found_in_every_spelling),
        cmocka_unit_test(texts_of_qemu_are_no_paths),
        cmocka_unit_test(an_image_with_a_backing_file_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
