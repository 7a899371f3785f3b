/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "device.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "text.h"

enum { /* SPC-4, 7.8.6: designation descriptors */
       VPD_HEADER = 4,
       DESIGNATOR_HEADER = 4,
       DESIGNATOR_T10 = 1,
       DESIGNATOR_EUI = 2,
       DESIGNATOR_NAA = 3,
       DESIGNATOR_UUID = 10,
       T10_VENDOR = 8,
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool has_prefix(const char *text, const char *prefix)
{
    size_t len = strlen(prefix);

    return strnlen(text, len) == len && memcmp(text, prefix, len) == 0;
}

bool xf_name_hollow(const char *name)
{
    bool zeros = true, ones = true;

    for (; *name != '\0'; name++) {
        char c = lower(*name);
        bool between = c == '-' || c == ':' || c == '.' || is_space(c);

        zeros = zeros && (between || c == '0');
        ones = ones && (between || c == 'f');
    }
    return zeros || ones;
}

void xf_name_trim(char *dst, size_t size, const char *src)
{
    struct xf_text text;
    size_t len;

    while (is_space(*src)) {
        src++;
    }
    len = strlen(src);
    while (len > 0 && is_space(src[len - 1])) {
        len--;
    }
    xf_text_init(&text, dst, size);
    xf_text_mem(&text, src, len);
    if (text.truncated || !xf_text_name_ok(dst, size) || !xf_text_utf8_ok(dst)) {
        dst[0] = '\0';
    }
}

static void add_name(struct xf_names *names, enum xf_ident_kind kind, const struct xf_text *value)
{
    if (names->n < XF_NAMES_MAX && !value->truncated) {
        names->of[names->n].kind = (uint8_t)kind;
        xf_text_copy(names->of[names->n].value, XF_IDENT_SIZE, value->buf);
        names->n++;
    }
}

/* prefix and hexadecimal digits, unless what follows the first `skip` of them is hollow. */
static void add_hex(struct xf_names *names, enum xf_ident_kind kind, const char *prefix,
                    size_t skip, const uint8_t *data, size_t size)
{
    char buf[XF_IDENT_SIZE];
    struct xf_text text;
    size_t len = strlen(prefix);

    xf_text_init(&text, buf, sizeof(buf));
    xf_text_str(&text, prefix);
    for (size_t i = 0; i < size; i++) {
        if (kind == XF_IDENT_UUID && (i == 4 || i == 6 || i == 8 || i == 10)) {
            xf_text_char(&text, '-');
        }
        xf_text_hex(&text, data[i], 2);
    }
    if (text.len > len + skip && !xf_name_hollow(buf + len + skip)) {
        add_name(names, kind, &text);
    }
}

/*
 * Of NAA only the kinds that a registry made unique: 5 and 6 (IEEE registered). 2 and 3 are often a
 * target's own invention, the same on many.
 */
static bool naa_unique(char type, size_t bytes)
{
    return (type == '5' && bytes == 8) || (type == '6' && bytes == 16);
}

static void add_naa(struct xf_names *names, const uint8_t *data, size_t size)
{
    if (size > 0 && naa_unique((char)('0' + (data[0] >> 4)), size)) {
        add_hex(names, XF_IDENT_NAA, "naa.", 1, data, size);
    }
}

static void add_t10(struct xf_names *names, const uint8_t *data, size_t size)
{
    char buf[XF_IDENT_SIZE];
    struct xf_text text;

    while (size > 0 && (data[size - 1] == ' ' || data[size - 1] == '\0')) {
        size--;
    }
    if (size <= T10_VENDOR || memchr(data, '\0', size) != NULL) {
        return;
    }
    xf_text_init(&text, buf, sizeof(buf));
    xf_text_mem(&text, (const char *)data, size);
    if (!text.truncated && xf_text_name_ok(buf, sizeof(buf)) && xf_text_utf8_ok(buf) &&
        !xf_name_hollow(buf + T10_VENDOR)) {
        add_name(names, XF_IDENT_T10, &text);
    }
}

static void add_designator(struct xf_names *names, uint32_t type, const uint8_t *data, size_t size)
{
    switch (type) {
    case DESIGNATOR_T10:
        add_t10(names, data, size);
        break;
    case DESIGNATOR_EUI:
        if (size == 8 || size == 12 || size == 16) {
            add_hex(names, XF_IDENT_EUI, "eui.", 0, data, size);
        }
        break;
    case DESIGNATOR_NAA:
        add_naa(names, data, size);
        break;
    case DESIGNATOR_UUID:
        if (size == 18 && data[0] == 0x10) {
            add_hex(names, XF_IDENT_UUID, "", 0, data + 2, 16);
        }
        break;
    default: /* relative ports, groups, MD5: nothing that names a unit */
        break;
    }
}

static bool vpd_body(const uint8_t *page, size_t size, uint8_t code, size_t *ret_size)
{
    size_t body;

    if (size < VPD_HEADER || page[1] != code) {
        return false;
    }
    body = (size_t)page[2] << 8 | page[3];
    *ret_size = body < size - VPD_HEADER ? body : size - VPD_HEADER;
    return true;
}

int xf_vpd83_parse(const uint8_t *page, size_t size, struct xf_names *ret_names)
{
    struct xf_names names = { 0 };
    size_t left;

    if (!vpd_body(page, size, 0x83, &left)) {
        return -EBADMSG;
    }
    page += VPD_HEADER;
    while (left >= DESIGNATOR_HEADER) {
        size_t len = page[3];

        if (len > left - DESIGNATOR_HEADER) {
            break; /* the kernel keeps so much of a page, no more */
        }
        if ((page[1] >> 4 & 3) == 0) { /* of the logical unit, not of a port or target */
            add_designator(&names, page[1] & 0xf, page + DESIGNATOR_HEADER, len);
        }
        page += DESIGNATOR_HEADER + len;
        left -= DESIGNATOR_HEADER + len;
    }
    *ret_names = names;
    return 0;
}

int xf_vpd80_parse(const uint8_t *page, size_t size, char *ret_serial, size_t serial_size)
{
    char raw[XF_IDENT_SIZE], serial[XF_IDENT_SIZE];
    size_t left;

    if (!vpd_body(page, size, 0x80, &left)) {
        return -EBADMSG;
    }
    while (left > 0 && page[VPD_HEADER + left - 1] == '\0') {
        left--;
    }
    if (left >= sizeof(raw) || memchr(page + VPD_HEADER, '\0', left) != NULL) {
        return -EBADMSG;
    }
    memcpy(raw, page + VPD_HEADER, left);
    raw[left] = '\0';
    xf_name_trim(serial, sizeof(serial), raw);
    if (xf_name_hollow(serial) || strlen(serial) >= serial_size) {
        return -ENODATA;
    }
    xf_text_copy(ret_serial, serial_size, serial);
    return 0;
}

/* Hexadecimal digits, an even number of them, as bytes. Returns how many, 0: it is none. */
static size_t hex_bytes(const char *hex, uint8_t *ret_bytes, size_t max)
{
    size_t len = strlen(hex);

    if (len % 2 != 0 || len / 2 > max) {
        return 0;
    }
    for (size_t i = 0; i < len / 2; i++) {
        char two[3] = { hex[2 * i], hex[2 * i + 1], '\0' };
        uint64_t v;

        if (xf_hex_parse(two, &v) < 0) {
            return 0;
        }
        ret_bytes[i] = (uint8_t)v;
    }
    return len / 2;
}

int xf_wwid_parse(const char *wwid, struct xf_names *ret_names)
{
    struct xf_names names = { 0 };
    char clean[XF_IDENT_SIZE], serial[XF_IDENT_SIZE];
    uint8_t bytes[16];
    struct xf_text text;
    struct xf_uuid uuid;

    xf_name_trim(clean, sizeof(clean), wwid);
    if (has_prefix(clean, "naa.")) {
        add_naa(&names, bytes, hex_bytes(clean + 4, bytes, sizeof(bytes)));
    } else if (has_prefix(clean, "eui.")) {
        add_hex(&names, XF_IDENT_EUI, "eui.", 0, bytes, hex_bytes(clean + 4, bytes, sizeof(bytes)));
    } else if (has_prefix(clean, "uuid.") && xf_uuid_parse(clean + 5, &uuid) == 0) {
        add_hex(&names, XF_IDENT_UUID, "", 0, uuid.b, sizeof(uuid.b));
    } else if (has_prefix(clean, "t10.")) {
        add_t10(&names, (const uint8_t *)clean + 4, strlen(clean + 4));
    } else if (has_prefix(clean, "nvme.") && !xf_name_hollow(clean + 5)) {
        xf_text_init(&text, serial, sizeof(serial));
        xf_text_str(&text, clean);
        add_name(&names, XF_IDENT_SERIAL, &text);
    }
    if (names.n == 0) {
        return -ENODATA;
    }
    *ret_names = names;
    return 0;
}

int xf_mpath_wwid_parse(const char *wwid, struct xf_names *ret_names)
{
    struct xf_names names = { 0 };
    uint8_t bytes[16];
    size_t n;

    /* multipathd's, by scsi_id's rules: the designator's type, then its digits. */
    switch (wwid[0]) {
    case '3':
        n = hex_bytes(wwid + 1, bytes, sizeof(bytes));
        add_naa(&names, bytes, n);
        break;
    case '2':
        n = hex_bytes(wwid + 1, bytes, sizeof(bytes));
        if (n == 8 || n == 12 || n == 16) {
            add_hex(&names, XF_IDENT_EUI, "eui.", 0, bytes, n);
        }
        break;
    default:
        return xf_wwid_parse(wwid, ret_names);
    }
    if (names.n == 0) {
        return -ENODATA;
    }
    *ret_names = names;
    return 0;
}

/* LVM writes its uuids in groups of 6-4-4-4-4-4-6; device-mapper's have none. */
static bool lvm_uuid(const char *raw, char ret_uuid[static XF_LVM_UUID_SIZE])
{
    struct xf_text text;

    if (strnlen(raw, 32) < 32) {
        return false;
    }
    xf_text_init(&text, ret_uuid, XF_LVM_UUID_SIZE);
    for (size_t i = 0; i < 32; i++) {
        if (i >= 6 && i <= 26 && (i - 6) % 4 == 0) {
            xf_text_char(&text, '-');
        }
        xf_text_char(&text, raw[i]);
    }
    return !text.truncated && xf_text_name_ok(ret_uuid, XF_LVM_UUID_SIZE);
}

void xf_dm_uuid_parse(const char *uuid, struct xf_dm_uuid *ret_uuid)
{
    struct xf_dm_uuid dm = { .kind = XF_DM_UUID_OTHER, .rest = uuid };
    const char *dash = strchr(uuid, '-');
    char number[8];
    uint64_t part;

    if (has_prefix(uuid, "LVM-") && lvm_uuid(uuid + 4, dm.vg) && lvm_uuid(uuid + 36, dm.lv) &&
        (uuid[68] == '\0' || uuid[68] == '-')) {
        dm.kind = XF_DM_UUID_LVM;
        if (uuid[68] == '-' && !xf_text_copy(dm.layer, sizeof(dm.layer), uuid + 69)) {
            dm.layer[0] = '?';
        }
    } else if (has_prefix(uuid, "mpath-")) {
        dm.kind = XF_DM_UUID_MPATH;
        dm.rest = uuid + 6;
    } else if (has_prefix(uuid, "part") && dash != NULL && dash - uuid > 4 && dash - uuid <= 8) {
        memcpy(number, uuid + 4, (size_t)(dash - uuid - 4));
        number[dash - uuid - 4] = '\0';
        if (xf_u64_parse(number, 1, 9999, &part) == 0) {
            dm.kind = XF_DM_UUID_PART;
            dm.part = (uint32_t)part;
            dm.rest = dash + 1;
        }
    }
    *ret_uuid = dm;
}

int xf_dm_lv_names(const char *name, char *ret_vg, size_t vg_size, char *ret_lv, size_t lv_size)
{
    struct xf_text vg, lv, *to = &vg;

    assert(vg_size > 0 && lv_size > 0);
    xf_text_init(&vg, ret_vg, vg_size);
    xf_text_init(&lv, ret_lv, lv_size);
    for (; *name != '\0'; name++) {
        if (name[0] == '-' && name[1] == '-') {
            name++;
        } else if (name[0] == '-') {
            if (to == &lv) {
                return -EINVAL; /* "-real" and the like */
            }
            to = &lv;
            continue;
        }
        xf_text_char(to, *name);
    }
    return vg.len == 0 || lv.len == 0 || vg.truncated || lv.truncated ? -EINVAL : 0;
}

/* "3:0:0:1" */
static bool hctl(const char *at, size_t len, uint64_t *ret_lun)
{
    char lun[XF_U64_TEXT_SIZE];
    size_t colons = 0, start = 0;

    for (size_t i = 0; i < len; i++) {
        if (at[i] == ':') {
            colons++;
            start = i + 1;
        } else if (at[i] < '0' || at[i] > '9') {
            return false;
        }
    }
    if (colons != 3 || len - start >= sizeof(lun)) {
        return false;
    }
    memcpy(lun, at + start, len - start);
    lun[len - start] = '\0';
    return xf_u64_parse(lun, 0, UINT64_MAX, ret_lun) == 0;
}

int xf_scsi_path_parse(const char *path, struct xf_scsi_path *ret_path)
{
    struct xf_scsi_path scsi = { 0 };
    bool found = false;

    while (*path != '\0') {
        const char *end = strchr(path, '/');
        size_t len = end != NULL ? (size_t)(end - path) : strlen(path);

        if (len > 7 && len < sizeof(scsi.session) && memcmp(path, "session", 7) == 0) {
            memcpy(scsi.session, path, len);
            scsi.session[len] = '\0';
        }
        found = hctl(path, len, &scsi.lun) || found;
        path += end != NULL ? len + 1 : len;
    }
    if (!found) {
        return -EINVAL;
    }
    *ret_path = scsi;
    return 0;
}

bool xf_is_network_text(const char *path)
{
    static const char *const schemes[] = { "rbd:",  "nbd:",   "nbd+", "iscsi:", "gluster",
                                           "http:", "https:", "ftp:", "ftps:",  "sheepdog",
                                           "ssh:",  "nfs:",   "json:" };

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (has_prefix(path, schemes[i])) {
            return true;
        }
    }
    return false;
}

int xf_rbd_parse(const char *path, char *buf, size_t size)
{
    struct xf_text text;
    const char *at = path + 4;

    if (!has_prefix(path, "rbd:")) {
        return -EINVAL;
    }
    xf_text_init(&text, buf, size);
    /* Options follow the first colon; a backslash takes away what the next letter means. */
    for (; *at != '\0' && *at != ':'; at++) {
        if (*at == '\\' && at[1] != '\0') {
            at++;
        }
        xf_text_char(&text, *at);
    }
    return text.truncated || strchr(buf, '/') == NULL || buf[0] == '/' || buf[text.len - 1] == '/'
               ? -EINVAL
               : 0;
}

static uint64_t big_endian(const uint8_t *at, size_t n)
{
    uint64_t v = 0;

    for (size_t i = 0; i < n; i++) {
        v = v << 8 | at[i];
    }
    return v;
}

bool xf_image_backed(const uint8_t *head, size_t size)
{
    enum { VHD_DIFFERENCING = 4 };

    if (size >= 20 && memcmp(head, "QFI\xfb", 4) == 0) {
        return big_endian(head + 8, 8) != 0 || big_endian(head + 16, 4) != 0;
    }
    return size >= 64 && memcmp(head, "conectix", 8) == 0 &&
           big_endian(head + 60, 4) == VHD_DIFFERENCING;
}
