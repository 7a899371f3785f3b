/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bytes.h"

#define AUTHKEY "/etc/corosync/authkey"

static int read_all(int fd, struct xf_secret *secret)
{
    size_t size = 0;
    ssize_t n = 1;

    while (n > 0 && size < sizeof(secret->bytes)) {
        n = read(fd, secret->bytes + size, sizeof(secret->bytes) - size);
        size += n > 0 ? (size_t)n : 0;
    }
    secret->size = size;
    return n < 0 ? -errno : 0;
}

int xf_secret_load(const char *path, struct xf_secret *ret_secret, const char **ret_path, char *err,
                   size_t err_size)
{
    struct xf_secret secret = { .size = 0 };
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    int rc;

    if (fd < 0 && errno == ENOENT) {
        path = AUTHKEY;
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0) {
        rc = -errno;
        snprintf(err, err_size, "%s: %s", path, strerror(errno));
        return rc;
    }
    rc = fstat(fd, &st) == 0 ? read_all(fd, &secret) : -errno;
    close(fd);
    if (rc != 0) {
        snprintf(err, err_size, "%s: %s", path, strerror(-rc));
    } else if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0) {
        rc = -EPERM;
        snprintf(err, err_size, "%s: others than its owner may read it: chmod 600 %s", path, path);
    } else if (secret.size < XF_SECRET_MIN) {
        rc = -EINVAL;
        snprintf(err, err_size, "%s: %zu bytes; a secret has at least %u", path, secret.size,
                 XF_SECRET_MIN);
    } else {
        *ret_secret = secret;
        *ret_path = path;
    }
    gnutls_memset(&secret, 0, sizeof(secret));
    return rc;
}

int xf_secret_derive(const struct xf_secret *secret, const struct xf_uuid *uuid,
                     const struct xf_migid *id, struct xf_node src, struct xf_node dst,
                     uint8_t ret_psk[static XF_PSK_SIZE])
{
    static const uint8_t label[] = "xenferry data 1";
    gnutls_datum_t ikm, salt, prk_datum, info_datum;
    uint8_t key[XF_SECRET_MAX], prk[32], info[128];
    struct xf_put put = { .buf = info, .size = sizeof(info) };
    int r;

    if (secret->size < XF_SECRET_MIN) {
        return -ENOKEY;
    }
    xf_put_bytes(&put, label, sizeof(label) - 1);
    xf_put_bytes(&put, uuid->b, sizeof(uuid->b));
    xf_put_u32(&put, id->epoch);
    xf_put_u32(&put, id->src.id);
    xf_put_u64(&put, id->boot.v);
    xf_put_u32(&put, src.id);
    xf_put_u32(&put, dst.id);
    memcpy(key, secret->bytes, secret->size);
    ikm = (gnutls_datum_t){ .data = key, .size = (unsigned)secret->size };
    salt = (gnutls_datum_t){ .data = NULL, .size = 0 };
    r = gnutls_hkdf_extract(GNUTLS_MAC_SHA256, &ikm, &salt, prk);
    if (r == 0) {
        prk_datum = (gnutls_datum_t){ .data = prk, .size = sizeof(prk) };
        info_datum = (gnutls_datum_t){ .data = info, .size = (unsigned)put.len };
        r = gnutls_hkdf_expand(GNUTLS_MAC_SHA256, &prk_datum, &info_datum, ret_psk, XF_PSK_SIZE);
    }
    gnutls_memset(key, 0, sizeof(key));
    gnutls_memset(prk, 0, sizeof(prk));
    return r == 0 ? 0 : -EIO;
}
