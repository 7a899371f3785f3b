/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "domcfg.h"
#include "drivers.h"
#include "text.h"

#define MODE    0600
#define BACKLOG 16

static int try_lock(int fd)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    /* Open-file-description locks belong to the descriptor and so pass through fork(). */
    return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

/* Is fd still what path names? Between open and lock a cleaner may have removed it. */
static bool is_still(int fd, const char *path)
{
    struct stat a, b;

    return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

static int lock_file(const char *path)
{
    for (;;) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, MODE);
        int rc;

        if (fd < 0) {
            return -errno;
        }
        rc = try_lock(fd);
        if (rc == 0 && is_still(fd, path)) {
            return fd;
        }
        (void)close(fd);
        if (rc < 0) {
            return rc == -EAGAIN || rc == -EACCES ? -EEXIST : rc;
        }
    }
}

int xf_files_claim(const char *dir, const struct xf_uuid *uuid, const struct xf_domcfg *cfg,
                   struct xf_sandbox_status **ret_status)
{
    char path[XF_SANDBOX_PATH_SIZE];
    struct xf_sandbox_status *status;
    int fd, rc = xf_sandbox_path(dir, uuid, XF_SANDBOX_LOCK, path);

    if (rc < 0) {
        return rc;
    }
    *strrchr(path, '/') = '\0';
    if (mkdir(path, 0700) < 0 && errno != EEXIST) {
        return -errno;
    }
    (void)xf_sandbox_path(dir, uuid, XF_SANDBOX_LOCK, path);
    fd = lock_file(path);
    if (fd < 0) {
        return fd;
    }
    /* A file left by a dead process: its magic goes first, so that nobody reads a mixture. */
    if (ftruncate(fd, 0) < 0 || ftruncate(fd, sizeof(*status)) < 0) {
        return -errno;
    }
    status = mmap(NULL, sizeof(*status), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (status == MAP_FAILED) {
        return -errno;
    }
    status->version = XF_SANDBOX_VERSION;
    atomic_store(&status->cap_percent, 100);
    status->memory_mib = cfg->memory_mib;
    status->vcpus = cfg->vcpus;
    status->uuid = *uuid;
    (void)xf_text_copy(status->name, sizeof(status->name), cfg->name);
    *ret_status = status;
    return 0; /* the descriptor stays open: it is the lock */
}

static int write_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, text, size);

        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        text += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int xf_files_config(const char *dir, const struct xf_uuid *uuid, const char *text, size_t size)
{
    char path[XF_SANDBOX_PATH_SIZE];
    int fd, rc = xf_sandbox_path(dir, uuid, XF_SANDBOX_CFG, path);

    if (rc < 0) {
        return rc;
    }
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, MODE);
    if (fd < 0) {
        return -errno;
    }
    rc = write_all(fd, text, size);
    return close(fd) < 0 && rc == 0 ? -errno : rc;
}

int xf_files_listen(const char *dir, const struct xf_uuid *uuid)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char path[XF_SANDBOX_PATH_SIZE];
    int sock, rc = xf_sandbox_path(dir, uuid, XF_SANDBOX_SOCK, path);

    if (rc < 0) {
        return rc;
    }
    sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sock < 0) {
        return -errno;
    }
    /* Bound under another name (".sock" -> ".new"), which is as long: connecting to a socket that
     * does not listen yet would be refused as if its process were dead. */
    memcpy(address.sun_path, path, sizeof(address.sun_path));
    (void)snprintf(strrchr(address.sun_path, '.'), sizeof(".new"), ".new");
    (void)unlink(address.sun_path);
    if (bind(sock, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(sock, BACKLOG) < 0 || rename(address.sun_path, path) < 0) {
        rc = -errno;
        (void)close(sock);
        return rc;
    }
    return sock;
}

void xf_files_remove(const char *dir, const struct xf_uuid *uuid)
{
    for (unsigned file = XF_SANDBOX_SOCK; file <= XF_SANDBOX_LOCK; file++) {
        char path[XF_SANDBOX_PATH_SIZE];

        if (xf_sandbox_path(dir, uuid, (enum xf_sandbox_file)file, path) == 0) {
            (void)unlink(path);
        }
    }
}

void xf_files_clean(const char *dir, const struct xf_uuid *uuid)
{
    char path[XF_SANDBOX_PATH_SIZE];
    int fd;

    if (xf_sandbox_path(dir, uuid, XF_SANDBOX_LOCK, path) < 0) {
        return;
    }
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    /* Removed under the lock: a process that starts at this moment finds out and tries again. */
    if (try_lock(fd) == 0 && is_still(fd, path)) {
        xf_files_remove(dir, uuid);
    }
    (void)close(fd);
}
