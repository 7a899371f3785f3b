/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "text.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static const char digits[] = "0123456789abcdef";

void xf_text_init(struct xf_text *text, char *buf, size_t size)
{
    assert(size >= 1);
    *text = (struct xf_text){ .buf = buf, .size = size };
    buf[0] = '\0';
}

void xf_text_mem(struct xf_text *text, const char *mem, size_t size)
{
    size_t room = text->size - 1 - text->len;

    if (size > room) {
        size = room;
        text->truncated = true;
    }
    memcpy(text->buf + text->len, mem, size);
    text->len += size;
    text->buf[text->len] = '\0';
}

void xf_text_char(struct xf_text *text, char c)
{
    xf_text_mem(text, &c, 1);
}

void xf_text_str(struct xf_text *text, const char *str)
{
    xf_text_mem(text, str, strlen(str));
}

void xf_text_u64(struct xf_text *text, uint64_t v)
{
    char buf[XF_U64_TEXT_SIZE];
    size_t at = sizeof(buf);

    do {
        buf[--at] = digits[v % 10];
        v /= 10;
    } while (v != 0);
    xf_text_mem(text, buf + at, sizeof(buf) - at);
}

void xf_text_i64(struct xf_text *text, int64_t v)
{
    if (v < 0) {
        xf_text_char(text, '-');
    }
    /* Negated as unsigned, because INT64_MIN has no positive counterpart. */
    xf_text_u64(text, v < 0 ? -(uint64_t)v : (uint64_t)v);
}

void xf_text_hex(struct xf_text *text, uint64_t v, unsigned digits_min)
{
    char buf[16];
    size_t at = sizeof(buf);

    do {
        buf[--at] = digits[v & 15];
        v >>= 4;
    } while (v != 0 || (sizeof(buf) - at < digits_min && at > 0));
    xf_text_mem(text, buf + at, sizeof(buf) - at);
}

bool xf_text_copy(char *dst, size_t size, const char *src)
{
    struct xf_text text;

    xf_text_init(&text, dst, size);
    xf_text_str(&text, src);
    return !text.truncated;
}

/* Bytes of the letter that begins there; 0: none does. The NUL at the end is no part of any. */
static size_t utf8_letter(const char *str)
{
    const unsigned char *s = (const unsigned char *)str;
    size_t size = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    /* The second byte's bounds keep out forms too long, surrogates and what is beyond U+10FFFF. */
    unsigned char min = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char max = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;

    if (s[0] > 0xf4 || (size > 1 && (s[1] < min || s[1] > max))) {
        return 0;
    }
    for (size_t i = 2; i < size; i++) {
        if (s[i] < 0x80 || s[i] > 0xbf) {
            return 0;
        }
    }
    return size;
}

bool xf_text_utf8_ok(const char *str)
{
    while (*str != '\0') {
        size_t size = utf8_letter(str);

        if (size == 0) {
            return false;
        }
        str += size;
    }
    return true;
}

void xf_text_utf8_mend(char *str)
{
    while (*str != '\0') {
        size_t size = utf8_letter(str);

        if (size == 0) {
            *str = '?';
            size = 1;
        }
        str += size;
    }
}

bool xf_text_name_ok(const char *name, size_t size)
{
    size_t len = strnlen(name, size);

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];

        if (c < ' ' || c == 0x7f) {
            return false;
        }
    }
    return len < size;
}

bool xf_text_has_line(const char *text, size_t size, const char *line)
{
    size_t wanted = strlen(line);

    while (size > 0) {
        const char *end = memchr(text, '\n', size);
        size_t length = end != NULL ? (size_t)(end - text) : size;

        if (length == wanted && memcmp(text, line, wanted) == 0) {
            return true;
        }
        length += end != NULL;
        text += length;
        size -= length;
    }
    return false;
}

/* Reads a run of digits of that base; stops in front of anything else. */
static int parse_number(const char **str, unsigned base, uint64_t max, uint64_t *ret_v)
{
    const char *at = *str;
    uint64_t v = 0;

    for (;; at++) {
        char c = *at >= 'A' && *at <= 'F' ? (char)(*at - 'A' + 'a') : *at;
        const char *digit = c != '\0' ? memchr(digits, c, base) : NULL;

        if (digit == NULL) {
            break;
        }
        /* v * base + digit <= max, written so that nothing overflows */
        if (v > (max - (uint64_t)(digit - digits)) / base) {
            return -ERANGE;
        }
        v = v * base + (uint64_t)(digit - digits);
    }
    if (at == *str) {
        return -EINVAL;
    }
    *str = at;
    *ret_v = v;
    return 0;
}

int xf_u64_parse(const char *str, uint64_t min, uint64_t max, uint64_t *ret_v)
{
    uint64_t v;
    int rc = parse_number(&str, 10, UINT64_MAX, &v);

    if (rc < 0) {
        return rc;
    }
    if (*str != '\0') {
        return -EINVAL;
    }
    if (v < min || v > max) {
        return -ERANGE;
    }
    *ret_v = v;
    return 0;
}

int xf_hex_parse(const char *str, uint64_t *ret_v)
{
    uint64_t v;
    int rc = strlen(str) <= 16 ? parse_number(&str, 16, UINT64_MAX, &v) : -EINVAL;

    if (rc < 0) {
        return rc;
    }
    if (*str != '\0') {
        return -EINVAL;
    }
    *ret_v = v;
    return 0;
}

/* Exactly two hexadecimal digits; steps over them. */
static int parse_octet(const char **str, uint8_t *ret_v)
{
    char two[3] = { 0 };
    const char *at = two;
    uint64_t v;

    for (size_t i = 0; i < 2; i++) {
        two[i] = (*str)[i];
        if (two[i] == '\0') {
            return -EINVAL;
        }
    }
    if (parse_number(&at, 16, 0xff, &v) < 0 || at != two + 2) {
        return -EINVAL;
    }
    *str += 2;
    *ret_v = (uint8_t)v;
    return 0;
}

static bool dash_before(size_t octet)
{
    return octet == 4 || octet == 6 || octet == 8 || octet == 10;
}

int xf_uuid_parse(const char *str, struct xf_uuid *ret_uuid)
{
    struct xf_uuid uuid;

    for (size_t i = 0; i < sizeof(uuid.b); i++) {
        if (dash_before(i) && *str++ != '-') {
            return -EINVAL;
        }
        if (parse_octet(&str, &uuid.b[i]) < 0) {
            return -EINVAL;
        }
    }
    if (*str != '\0') {
        return -EINVAL;
    }
    *ret_uuid = uuid;
    return 0;
}

void xf_uuid_text(const struct xf_uuid *uuid, char buf[static XF_UUID_TEXT_SIZE])
{
    struct xf_text text;

    xf_text_init(&text, buf, XF_UUID_TEXT_SIZE);
    for (size_t i = 0; i < sizeof(uuid->b); i++) {
        if (dash_before(i)) {
            xf_text_char(&text, '-');
        }
        xf_text_hex(&text, uuid->b[i], 2);
    }
}

int xf_mac_parse(const char *str, uint8_t ret_mac[static 6])
{
    uint8_t mac[6];

    for (size_t i = 0; i < sizeof(mac); i++) {
        if (i > 0 && *str++ != ':') {
            return -EINVAL;
        }
        if (parse_octet(&str, &mac[i]) < 0) {
            return -EINVAL;
        }
    }
    if (*str != '\0') {
        return -EINVAL;
    }
    memcpy(ret_mac, mac, sizeof(mac));
    return 0;
}

void xf_mac_text(const uint8_t mac[static 6], char buf[static XF_MAC_TEXT_SIZE])
{
    struct xf_text text;

    xf_text_init(&text, buf, XF_MAC_TEXT_SIZE);
    for (size_t i = 0; i < 6; i++) {
        if (i > 0) {
            xf_text_char(&text, ':');
        }
        xf_text_hex(&text, mac[i], 2);
    }
}

int xf_ipv4_parse(const char *str, uint32_t *ret_ipv4)
{
    uint32_t ipv4 = 0;

    for (size_t i = 0; i < 4; i++) {
        const char *start;
        uint64_t v;

        if (i > 0 && *str++ != '.') {
            return -EINVAL;
        }
        start = str;
        if (parse_number(&str, 10, 255, &v) < 0 || (start[0] == '0' && str - start > 1)) {
            return -EINVAL;
        }
        ipv4 = ipv4 << 8 | (uint32_t)v;
    }
    if (*str != '\0') {
        return -EINVAL;
    }
    *ret_ipv4 = ipv4;
    return 0;
}

void xf_ipv4_text(uint32_t ipv4, char buf[static XF_IPV4_TEXT_SIZE])
{
    struct xf_text text;

    xf_text_init(&text, buf, XF_IPV4_TEXT_SIZE);
    for (unsigned i = 0; i < 4; i++) {
        if (i > 0) {
            xf_text_char(&text, '.');
        }
        xf_text_u64(&text, ipv4 >> (24 - 8 * i) & 0xff);
    }
}
