/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cluster's secret, and the key of one data connection derived from it. */
#ifndef XF_SECRET_H
#define XF_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "core.h"

#define XF_SECRET_MIN 16u /* bytes: 128 bits is the strength that TLS then gives */
#define XF_SECRET_MAX 4096u
#define XF_PSK_SIZE   32u

struct xf_secret {
    size_t size; /* 0: none */
    uint8_t bytes[XF_SECRET_MAX];
};

/*
 * Reads path or, when that does not exist, Corosync's authkey. 0, or negative errno with a
 * sentence in err. ret_path: which one it was.
 */
int xf_secret_load(const char *path, struct xf_secret *ret_secret, const char **ret_path, char *err,
                   size_t err_size);
/*
 * HKDF-SHA256 (RFC 5869) with an info of "xenferry data 1", uuid, migration id and both node ids:
 * no two migrations share a key, and either end's view of who takes part is proven by it.
 * 0 or negative errno.
 */
int xf_secret_derive(const struct xf_secret *secret, const struct xf_uuid *uuid,
                     const struct xf_migid *id, struct xf_node src, struct xf_node dst,
                     uint8_t ret_psk[static XF_PSK_SIZE]);

#endif
