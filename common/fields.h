/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fields that several codecs share (wire.c, journal.c, link.c, ctl.c), on top of the cursors of
 * bytes.h: a reader that meets a value out of its range fails the cursor.
 */
#ifndef XF_FIELDS_H
#define XF_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "ids.h"

void xf_put_uuid(struct xf_put *p, const struct xf_uuid *uuid);
void xf_put_node(struct xf_put *p, struct xf_node node);
void xf_put_boot(struct xf_put *p, struct xf_boot boot);
void xf_put_migid(struct xf_put *p, const struct xf_migid *id);
/* One byte of length, then the bytes. A name that is not one (text.h) fails the cursor. */
void xf_put_name(struct xf_put *p, const char *name, size_t size);
void xf_put_zeros(struct xf_put *p, size_t n);
/* How an encoder ends: bytes written, -EINVAL for a value that may not be sent, or -EMSGSIZE. */
int xf_put_result(const struct xf_put *p);

void xf_get_uuid(struct xf_get *g, struct xf_uuid *ret_uuid);
struct xf_node xf_get_node(struct xf_get *g);
struct xf_boot xf_get_boot(struct xf_get *g);
void xf_get_migid(struct xf_get *g, struct xf_migid *ret_id);
void xf_get_name(struct xf_get *g, char *ret_name, size_t size);
/* Reserved bytes must be zero, so that they can come to mean something in a later version. */
void xf_get_zeros(struct xf_get *g, size_t n);
/* One byte, min <= value < end. */
uint8_t xf_get_enum(struct xf_get *g, uint32_t min, uint32_t end);
/* One byte in which no other bits than these are set. */
uint8_t xf_get_bits(struct xf_get *g, uint32_t known);

#endif
