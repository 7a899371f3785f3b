/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disks and looks <-> bytes (docs/wire.md), between agent and xenferry-look and, in hexadecimal,
 * between agents. Decoding checks everything once; reserved bits and unknown kinds of identity from
 * a later version read as XF_TRAIT_UNKNOWN, never as agreement.
 */
#ifndef XF_DISKMSG_H
#define XF_DISKMSG_H

#include <stddef.h>
#include <stdint.h>

#include "disk.h"

#define XF_DISKMSG_SIZE_MAX 16384u
#define XF_LOOKMSG_SIZE_MAX 512u

/* Bytes written; -EMSGSIZE; -EINVAL for what decode would refuse. */
int xf_disk_encode(const struct xf_disk *disk, uint8_t *buf, size_t size);
int xf_look_encode(const struct xf_look *look, uint8_t *buf, size_t size);
/* 0, or -EBADMSG and nothing set. */
int xf_disk_decode(const uint8_t *buf, size_t size, struct xf_disk *ret_disk);
int xf_look_decode(const uint8_t *buf, size_t size, struct xf_look *ret_look);

#endif
