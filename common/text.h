/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text in buffers of fixed size, and small things to and from text. common/ has no stdio; the
 * agent uses these too where both must agree on a spelling.
 */
#ifndef XF_TEXT_H
#define XF_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ids.h"

#define XF_MAC_TEXT_SIZE 18
#define XF_IPV4_TEXT_SIZE 16
#define XF_U64_TEXT_SIZE 21

/* Always ended by NUL. What does not fit is cut off and .truncated stays set. */
struct xf_text {
    char *buf;
    size_t size;
    size_t len;
    bool truncated;
};

/* size >= 1. */
void xf_text_init(struct xf_text *text, char *buf, size_t size);
void xf_text_char(struct xf_text *text, char c);
void xf_text_str(struct xf_text *text, const char *str);
void xf_text_mem(struct xf_text *text, const char *mem, size_t size);
void xf_text_u64(struct xf_text *text, uint64_t v);
void xf_text_i64(struct xf_text *text, int64_t v);
/* Lower case, without 0x, at least that many digits. */
void xf_text_hex(struct xf_text *text, uint64_t v, unsigned digits_min);
/* Copies as much of src as fits; false if that was not all. dst is always ended by NUL. */
bool xf_text_copy(char *dst, size_t size, const char *src);

/* UTF-8 as RFC 3629 has it? JSON takes nothing else. */
bool xf_text_utf8_ok(const char *str);
/* Makes it so: a byte that belongs to no letter, as where text was cut off, becomes '?'. */
void xf_text_utf8_mend(char *str);

/* Is this a name as peers may send it: ended by NUL within size, no control character? May be "". */
bool xf_text_name_ok(const char *name, size_t size);

/* Is one of the lines of text[size] exactly that? The last one need not be ended. */
bool xf_text_has_line(const char *text, size_t size, const char *line);

/*
 * All parsers take the whole text or nothing: 0, or -EINVAL; numbers outside the bounds -ERANGE.
 * Decimal digits only: no sign, no space, no 0x.
 */
int xf_u64_parse(const char *str, uint64_t min, uint64_t max, uint64_t *ret_v);
/* Up to 16 digits of either case. */
int xf_hex_parse(const char *str, uint64_t *ret_v);

int xf_uuid_parse(const char *str, struct xf_uuid *ret_uuid);
void xf_uuid_text(const struct xf_uuid *uuid, char buf[static XF_UUID_TEXT_SIZE]);
int xf_mac_parse(const char *str, uint8_t ret_mac[static 6]);
void xf_mac_text(const uint8_t mac[static 6], char buf[static XF_MAC_TEXT_SIZE]);
/* Host order; four decimal numbers, none with a leading zero (inet_aton would read octal). */
int xf_ipv4_parse(const char *str, uint32_t *ret_ipv4);
void xf_ipv4_text(uint32_t ipv4, char buf[static XF_IPV4_TEXT_SIZE]);

#endif
