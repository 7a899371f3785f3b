/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The secret that all nodes share, from which the key of each data connection is derived.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "cli.h"

#define KEY_SIZE 32 /* as much as the hash that it feeds: HKDF with SHA-256 */

static int write_all(int fd, const uint8_t *bytes, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, bytes, n);

        if (done < 0 && errno != EINTR) {
            return -errno;
        }
        if (done > 0) {
            bytes += done;
            n -= (size_t)done;
        }
    }
    return 0;
}

/*
 * A key under a name of its own first, then in one step under the right one: a reader finds the
 * old key or the new one, never half of it. 0 or negative errno.
 */
static int write_key(const char *path, bool replaces, const uint8_t key[static KEY_SIZE])
{
    char *temporary = NULL;
    int fd;
    int rc;

    if (asprintf(&temporary, "%s.XXXXXX", path) < 0) {
        return -ENOMEM;
    }
    fd = mkostemp(temporary, O_CLOEXEC); /* with mode 0600 */
    if (fd < 0) {
        rc = -errno;
        free(temporary);
        return rc;
    }
    rc = write_all(fd, key, KEY_SIZE);
    if (rc == 0 && fsync(fd) < 0) {
        rc = -errno;
    }
    close(fd);
    /* link() fails when the name is taken, which rename() would not notice. */
    if (rc == 0 && (replaces ? rename(temporary, path) : link(temporary, path)) < 0) {
        rc = -errno;
    }
    if (rc < 0 || !replaces) {
        unlink(temporary);
    }
    free(temporary);
    return rc;
}

static enum xf_reason reason_of(int rc)
{
    switch (-rc) {
    case EACCES:
    case EPERM:
        return XF_REASON_NOT_ALLOWED;
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
        return XF_REASON_USAGE;
    default:
        return XF_REASON_INTERNAL;
    }
}

int xf_cmd_keygen(struct xf_cli *cli, struct xf_given *given)
{
    const char *path = xf_ctl_value(&given->request, "file");
    bool replaces = xf_ctl_value(&given->request, "force") != NULL;
    uint8_t key[KEY_SIZE];
    int rc;

    if (path == NULL) {
        path = XF_SYSCONFDIR "/secret";
    }
    if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key)) {
        return xf_complain(cli, XF_REASON_INTERNAL, "no random numbers: %s", strerror(errno));
    }
    rc = write_key(path, replaces, key);
    explicit_bzero(key, sizeof(key));
    if (rc == -EEXIST) {
        return xf_complain(cli, XF_REASON_USAGE,
                           "%s exists; --force replaces it, then all nodes need the new one", path);
    }
    if (rc < 0) {
        return xf_complain(cli, reason_of(rc), "%s: %s", path, strerror(-rc));
    }
    if (cli->json) {
        json_t *body = json_pack("{s:s, s:i}", "file", path, "bytes", KEY_SIZE);

        xf_print_json(body);
        json_decref(body);
    } else {
        printf("%s: %d random bytes; copy it to every node\n", path, KEY_SIZE);
        xf_flush_stdout();
    }
    return 0;
}
