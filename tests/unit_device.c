/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "device.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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
    assert_true(xf_name_hollow("00:00.00\t0-\r"));
    assert_true(xf_name_hollow("Ff:fF.ff"));
    assert_false(xf_name_hollow("0f"));
    assert_false(xf_name_hollow("FA"));
    assert_false(xf_name_hollow("00000000-0000-0000-0000-000000000001"));
}

static void names_of_any_length_that_registries_give_are_read(void **state)
{
    static const uint8_t eui[16] = { 0, 0x25, 0x38, 0x5b, 0x71, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 };
    static const uint8_t uuid[18] = { 0x20, 0, 1, 2, 3 };
    static const uint8_t naa6[16] = { 0x60, 1 }, naa5[16] = { 0x50, 1 };

    (void)state;
    check_name(2, eui, 12, XF_IDENT_EUI, "eui.0025385b7100000102030405");
    check_name(2, eui, 16, XF_IDENT_EUI, "eui.0025385b710000010203040506070809");
    check_name(2, eui, 10, XF_IDENT_EUI, NULL);
    check_name(10, uuid, 18, XF_IDENT_UUID, NULL); /* of another version than is known */
    check_name(10, "\x10\0abcdefghijklmno", 17, XF_IDENT_UUID, NULL);
    check_name(3, naa6, 8, XF_IDENT_NAA, NULL);
    check_name(3, naa5, 16, XF_IDENT_NAA, NULL);
    check_name(3, eui, 16, XF_IDENT_NAA, NULL);
    check_name(3, "", 0, XF_IDENT_NAA, NULL);
    check_name(1, "VENDORX1", 8, XF_IDENT_T10, NULL);
    check_name(1, "VENDOR\0 1", 9, XF_IDENT_T10, NULL);
    check_name(1,
               "VENDOR  \xff"
               "1",
               10, XF_IDENT_T10, NULL);
    check_name(1, "VENDOR  1\0 \0", 12, XF_IDENT_T10, "VENDOR  1");
}

static void a_name_that_does_not_fit_is_none(void **state)
{
    char text[XF_IDENT_SIZE + 20], dst[8];
    struct xf_names names;
    uint8_t page[256];

    (void)state;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    check_name(1, text, XF_IDENT_SIZE - 1, XF_IDENT_T10, text + 20);
    check_name(1, text, XF_IDENT_SIZE, XF_IDENT_T10, NULL);
    assert_int_equal(xf_wwid_parse(text, &names), -ENODATA);
    xf_name_trim(dst, sizeof(dst), "1234567");
    assert_string_equal(dst, "1234567");
    xf_name_trim(dst, sizeof(dst), "12345678");
    assert_string_equal(dst, "");
    xf_name_trim(dst, sizeof(dst), "\t\r\n 1 2\r\t\n ");
    assert_string_equal(dst, "1 2");
    xf_name_trim(dst, sizeof(dst), "1\x01");
    assert_string_equal(dst, "");
    xf_name_trim(dst, sizeof(dst), "1\xff");
    assert_string_equal(dst, "");
    /* More names than there is room for. */
    memset(page, 0, sizeof(page));
    page[1] = 0x83;
    page[3] = 20 * 12;
    for (uint32_t i = 0; i < 20; i++) {
        uint8_t *at = page + 4 + i * 12;

        at[1] = 3;
        at[3] = 8;
        at[4] = 0x50;
        at[11] = (uint8_t)(i + 1);
    }
    memset(&names, 0x5a, sizeof(names));
    assert_int_equal(xf_vpd83_parse(page, 4 + 20 * 12, &names), 0);
    assert_int_equal(names.n, XF_NAMES_MAX);
    assert_string_equal(names.of[0].value, "naa.5000000000000001");
    assert_string_equal(names.of[XF_NAMES_MAX - 1].value, "naa.500000000000000c");
    page[1] = 0x80;
    assert_int_equal(xf_vpd83_parse(page, 4 + 20 * 12, &names), -EBADMSG);
}

static void a_serial_number_is_a_text(void **state)
{
    uint8_t page[4 + XF_IDENT_SIZE] = { 0, 0x80, 0, XF_IDENT_SIZE };
    char serial[XF_IDENT_SIZE];

    (void)state;
    memset(page + 4, 'x', XF_IDENT_SIZE);
    assert_int_equal(xf_vpd80_parse(page, sizeof(page), serial, sizeof(serial)), -EBADMSG);
    page[3]--;
    assert_int_equal(xf_vpd80_parse(page, sizeof(page), serial, sizeof(serial)), 0);
    assert_int_equal(strlen(serial), XF_IDENT_SIZE - 1);
    page[6] = '\0';
    assert_int_equal(xf_vpd80_parse(page, sizeof(page), serial, sizeof(serial)), -EBADMSG);
    page[3] = 4;
    page[7] = '\0';
    page[4] = 'A';
    assert_int_equal(xf_vpd80_parse(page, sizeof(page), serial, sizeof(serial)), 0);
    assert_string_equal(serial, "Ax");
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

#define TEN_DIGITS "6123456789"
#define HUNDRED_DIGITS                                                                             \
    TEN_DIGITS TEN_DIGITS TEN_DIGITS TEN_DIGITS TEN_DIGITS TEN_DIGITS TEN_DIGITS TEN_DIGITS        \
        TEN_DIGITS TEN_DIGITS

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
        { "36001405a0102030405060708090a0bff00", true, XF_IDENT_NAA, NULL }, /* one too many */
        { "350014380010203041122334455667788", true, XF_IDENT_NAA, NULL },
        { "3" HUNDRED_DIGITS, true, XF_IDENT_NAA, NULL },
        { "20025385b7100000102030405", true, XF_IDENT_EUI, "eui.0025385b7100000102030405" },
        { "20025385b710000010203040506070809", true, XF_IDENT_EUI,
          "eui.0025385b710000010203040506070809" },
        { "20025385b71", true, XF_IDENT_EUI, NULL },
        { "nvme.0000-00000000", false, XF_IDENT_SERIAL, NULL },
        { "nope.01020304-0506-0708-090a-0B0C0D0E0F10", false, XF_IDENT_UUID, NULL },
        { "uuix.01020304-0506-0708-090a-0B0C0D0E0F10", false, XF_IDENT_UUID, NULL },
        { "na", false, XF_IDENT_NAA, NULL },
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
    xf_dm_uuid_parse("LVM-Fn4cWpAbCdEfGhIjKlMnOpQrStZyXwVuq1w2e3r4t5y6u7i8o9p0a1s2d3f4g5h6-"
                     "abcdefghijklmnopqrstuvwxyz012345",
                     &uuid);
    assert_int_equal(uuid.kind, XF_DM_UUID_LVM);
    assert_string_equal(uuid.layer, "?bcdefghijklmnopqrstuvwxyz01234"); /* cut, and still a layer */
    xf_dm_uuid_parse("LVM-Fn4cWpAbCdEfGhIjKlMnOpQrStZyXwVuq1w2e3r4t5y6u7i8o9p0a1s2d3f4g5h67",
                     &uuid);
    assert_int_equal(uuid.kind, XF_DM_UUID_OTHER);
    xf_dm_uuid_parse("LVX-Fn4cWpAbCdEfGhIjKlMnOpQrStZyXwVuq1w2e3r4t5y6u7i8o9p0a1s2d3f4g5h6", &uuid);
    assert_int_equal(uuid.kind, XF_DM_UUID_OTHER);
    xf_dm_uuid_parse("LVM-Fn4cWpAbCdEfGhIjKlMnOpQrStZyXw\001uq1w2e3r4t5y6u7i8o9p0a1s2d3f4g5h6",
                     &uuid);
    assert_int_equal(uuid.kind, XF_DM_UUID_OTHER);
    xf_dm_uuid_parse("LVM-Fn4cWpAbCdEfGhIjKlMnOpQrStZyXwVuq1w2e3r4t5y6u7i8o9p0a1s2d3f4g5h6\0cow",
                     &uuid);
    assert_int_equal(uuid.kind, XF_DM_UUID_LVM);
    assert_string_equal(uuid.layer, "");
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
    xf_dm_uuid_parse("part9999-x", &uuid);
    assert_int_equal(uuid.kind, XF_DM_UUID_PART);
    assert_int_equal(uuid.part, 9999);
    xf_dm_uuid_parse("part00000000000000000000000000001-x", &uuid);
    assert_int_equal(uuid.kind, XF_DM_UUID_OTHER);
    xf_dm_uuid_parse("part12", &uuid);
    assert_int_equal(uuid.kind, XF_DM_UUID_OTHER);
    xf_dm_uuid_parse("-part12", &uuid);
    assert_int_equal(uuid.kind, XF_DM_UUID_OTHER);
    xf_dm_uuid_parse("trap12-x", &uuid);
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
    assert_int_equal(xf_scsi_path_parse("/session/0:0:9:8", &path), 0);
    assert_string_equal(path.session, "");
    assert_int_equal(path.lun, 8);
    assert_int_equal(xf_scsi_path_parse("/session123456789012345678901234/0:0:0:2", &path), 0);
    assert_string_equal(path.session, "session123456789012345678901234");
    assert_int_equal(xf_scsi_path_parse("/session1234567890123456789012345/0:0:0:2", &path), 0);
    assert_string_equal(path.session, "");
    assert_int_equal(xf_scsi_path_parse("/session123/session4/0:0:0:2", &path), 0);
    assert_string_equal(path.session, "session4");
    assert_int_equal(xf_scsi_path_parse("/sessiom7/0:0:0:2", &path), 0);
    assert_string_equal(path.session, "");
    assert_int_equal(xf_scsi_path_parse("/x/1:2:3:", &path), -EINVAL);
    assert_int_equal(xf_scsi_path_parse("/x/1:2:3", &path), -EINVAL);
    assert_int_equal(xf_scsi_path_parse("/x/1:2:3:4:5", &path), -EINVAL);
    assert_int_equal(xf_scsi_path_parse("/x/1:a:3:4", &path), -EINVAL);
    assert_int_equal(xf_scsi_path_parse("/x/1:/:3:4", &path), -EINVAL);
    assert_int_equal(xf_scsi_path_parse("/x/1:-:3:4", &path), -EINVAL);
    assert_int_equal(xf_scsi_path_parse("/x/1:2:3:18446744073709551615", &path), 0);
    assert_int_equal(xf_scsi_path_parse("/x/1:2:3:18446744073709551616", &path), -EINVAL);
    assert_int_equal(xf_scsi_path_parse("/x/1:2:3:000000000000000000001", &path), -EINVAL);
    assert_int_equal(xf_scsi_path_parse("", &path), -EINVAL);
}

#define ARGS(text) text, sizeof(text)
#define FORTY      "a234567890123456789012345678901234567890"

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
        { ARGS("nbd-client\0-nx\0san\0/dev/nbd3"), NULL }, /* an option of no value with one */
        { ARGS("nbd-client\0--nofork=x\0san\0/dev/nbd3"), NULL },
        { ARGS("nbd-client\0bs=1\0san\0/dev/nbd3"), "san:10809/" },
        { ARGS("nbd-client\0timeout=\0san\0/dev/nbd3"), NULL },
        { ARGS("nbd-client\0bs-9\0/dev/nbd3"), "bs-9:10809/" },
        { ARGS("nbd-client\0timeout-9\0/dev/nbd3"), "timeout-9:10809/" },
        { ARGS("nbd-client\0size=9999\0/dev/nbd3"), "size=9999:10809/" },
        { ARGS("nbd-client\0bs=\0/dev/nbd3"), "bs=:10809/" },
        { ARGS("nbd-client\0a=b\0/dev/nbd3"), "a=b:10809/" },
        { ARGS("nbd-client\0-N\0web\0--\0-san\0/dev/nbd3"), "-san:10809/web" },
        { ARGS("nbd-client\0--\0bs=1\0/dev/nbd3"), "bs=1:10809/" },
        { ARGS("nbd-client\0-\0/dev/nbd3"), "-:10809/" },
        { ARGS("nbd-client\0-unix\0/run/nbd.sock\0"
               "1\0/dev/nbd3"),
          NULL },
        { ARGS("nbd-client\0-unix\0/run/n:d\0/dev/nbd3"), "unix:/run/n:d/" },
        { ARGS("nbd-client\0[fe80::1]\0/dev/nbd3"), "[fe80::1]:10809/" },
        { ARGS("nbd-client\0s\001n\0/dev/nbd3"), NULL },
        { ARGS("nbd-client\0-N\0w\001b\0san\0/dev/nbd3"), NULL },
        { ARGS("nbd-client\0-N\0w\xe9"
               "b\0san\0/dev/nbd3"),
          NULL },
        { ARGS("nbd-client\0" FORTY FORTY "\0/dev/nbd3"), NULL }, /* no room for the server */
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
    assert_int_equal(xf_nbd_cmdline_parse("nbd-client\0san\0/dev/nbd3", 24, "nbd3", &nbd), -EINVAL);
}

static void arguments_without_an_end_are_not_read_beyond_it(void **state)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *two = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct xf_nbd nbd;

    (void)state;
    assert_true(two != MAP_FAILED);
    assert_int_equal(mprotect(two + page, page, PROT_NONE), 0);
    memcpy(two + page - 10, "nbd-client", 10);
    assert_int_equal(xf_nbd_cmdline_parse(two + page - 10, 10, "nbd3", &nbd), -EINVAL);
    assert_int_equal(munmap(two, 2 * page), 0);
}

static void more_arguments_than_there_is_room_for_are_not_understood(void **state)
{
    char args[11 + 4 + 10 + 3 * XF_NBD_ARGV_MAX] = "nbd-client\0san\0/dev/nbd3";
    size_t size = 25;
    struct xf_nbd nbd;

    (void)state;
    for (uint32_t n = 3; n <= XF_NBD_ARGV_MAX; n++) {
        assert_int_equal(xf_nbd_cmdline_parse(args, size, "nbd3", &nbd), 0);
        memcpy(args + size, "-n", 3);
        size += 3;
    }
    assert_int_equal(xf_nbd_cmdline_parse(args, size, "nbd3", &nbd), -EINVAL);
}

static void a_hosts_own_names_are_found_in_every_spelling(void **state)
{
    static const struct xf_own_names own = { .n = 10,
                                             .of = { "node1.example.com", "192.0.2.1",
                                                     "2001:db8::1", "short", "", "9lives", "0nes",
                                                     "zeta", "fe80::1.2.3.4", "beta.x::1" } };
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
                                        "0",
                                        "::",
                                        "::ffff:0",
                                        "localhost.",
                                        "localhost.x",
                                        "ip6-localhost",
                                        "ip6-loopback",
                                        "ZETA.example.org",
                                        "9lives",
                                        "" };
    static const char *const others[] = { "node2",       "node1.example.org",
                                          "192.0.2.10",  "192.0.2",
                                          "2001:db8::2", "local",
                                          "node11",      "0nes.example.org",
                                          "fe80::1",     "zeta.x::1",
                                          "beta",        "sho",
                                          "shortest",    "192",
                                          "0.2",         "9lives.example.org",
                                          "2001",        "2001:db8::1.x",
                                          "12",          "ip6-x",
                                          ".example.org" };

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
    assert_int_equal(xf_rbd_parse("rbd:pool/a\\", text, sizeof(text)), 0);
    assert_string_equal(text, "pool/a\\");
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
    assert_true(xf_image_backed(qcow2, 20));
    qcow2[15] = 0;
    qcow2[19] = 3; /* how long it is */
    assert_true(xf_image_backed(qcow2, 20));
    qcow2[3] = 0;
    assert_false(xf_image_backed(qcow2, 20));
    vhd[63] = 3;
    assert_false(xf_image_backed(vhd, sizeof(vhd)));
    vhd[63] = 4;
    assert_true(xf_image_backed(vhd, sizeof(vhd)));
    assert_false(xf_image_backed(vhd, 63));
    vhd[0] = 'C';
    assert_false(xf_image_backed(vhd, sizeof(vhd)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_logical_unit_has_the_names_of_its_page),
        cmocka_unit_test(what_many_devices_carry_is_no_name),
        cmocka_unit_test(names_of_any_length_that_registries_give_are_read),
        cmocka_unit_test(a_name_that_does_not_fit_is_none),
        cmocka_unit_test(a_serial_number_is_a_text),
        cmocka_unit_test(names_of_ports_and_targets_are_not_the_units),
        cmocka_unit_test(a_page_that_is_cut_gives_what_is_whole),
        cmocka_unit_test(the_kernels_and_multipaths_names_agree_with_the_devices),
        cmocka_unit_test(a_maps_uuid_says_who_made_it),
        cmocka_unit_test(a_volumes_map_has_its_dashes_doubled),
        cmocka_unit_test(an_iscsi_disk_is_known_by_its_place_in_sysfs),
        cmocka_unit_test(every_spelling_of_nbd_client_is_read),
        cmocka_unit_test(another_process_or_device_is_no_client_of_this_one),
        cmocka_unit_test(arguments_without_an_end_are_not_read_beyond_it),
        cmocka_unit_test(more_arguments_than_there_is_room_for_are_not_understood),
        cmocka_unit_test(a_hosts_own_names_are_found_in_every_spelling),
        cmocka_unit_test(texts_of_qemu_are_no_paths),
        cmocka_unit_test(an_image_with_a_backing_file_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
