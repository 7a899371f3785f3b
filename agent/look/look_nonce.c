/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file beside the image, made on one host and sought on the other: the same folder, then, whatever
 * the mounts are called. Made and removed by the agent's orders only.
 */
#include "config.h"

#include "look.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PREFIX      ".xenferry-check-"
#define OLD_S       3600 /* no check takes so long */
#define OLD_MAX     8
#define SEEK_TRIES  6
#define SEEK_GAP_MS 100 /* NFS clients look at a folder again when it was opened anew */

static int open_folder(const char *image)
{
    char folder[XF_MOUNT_PATH_SIZE];
    const char *slash = strrchr(image, '/');
    int fd;

    snprintf(folder, sizeof(folder), "%.*s/", slash != NULL ? (int)(slash - image) : 0, image);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static bool is_nonce(const char *text)
{
    size_t len = strlen(text);

    return len == XF_NONCE_SIZE - 1 && strspn(text, "0123456789abcdef") == len;
}

/* Ours only: by name, by size, by owner, with no other name. */
static bool left_behind(int folder, const char *name, time_t now)
{
    struct stat st;

    return strncmp(name, PREFIX, strlen(PREFIX)) == 0 && is_nonce(name + strlen(PREFIX)) &&
           fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
           st.st_uid == geteuid() && st.st_nlink == 1 && st.st_size <= XF_NONCE_SIZE &&
           now - st.st_mtime > OLD_S;
}

/* At most so many at once, so that one look does not sweep a whole folder. */
static void sweep(int folder)
{
    int copy = fcntl(folder, F_DUPFD_CLOEXEC, 0);
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    time_t now = time(NULL);
    struct dirent *entry;
    int n = 0;

    if (dir == NULL) {
        if (copy >= 0) {
            close(copy);
        }
        return;
    }
    while (n < OLD_MAX && (entry = readdir(dir)) != NULL) {
        if (left_behind(folder, entry->d_name, now)) {
            unlinkat(folder, entry->d_name, 0);
            n++;
        }
    }
    closedir(dir);
}

static int make(int folder, const char *name, const char *nonce)
{
    size_t len = strlen(nonce);
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int rc = 0;

    if (fd < 0) {
        return -errno;
    }
    if (write(fd, nonce, len) != (ssize_t)len || fsync(fd) < 0) {
        rc = errno != 0 ? -errno : -EIO;
    }
    if (close(fd) < 0 && rc == 0) {
        rc = -errno;
    }
    if (rc == 0 && fsync(folder) < 0 && errno != EINVAL) {
        rc = -errno;
    }
    if (rc < 0) {
        unlinkat(folder, name, 0);
    }
    return rc;
}

static bool holds(int folder, const char *name, const char *nonce)
{
    char text[XF_NONCE_SIZE + 1];
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ssize_t n;

    if (fd < 0) {
        return false;
    }
    n = read(fd, text, sizeof(text));
    close(fd);
    return n == XF_NONCE_SIZE - 1 && memcmp(text, nonce, XF_NONCE_SIZE - 1) == 0;
}

static bool seek(const char *image, const char *name, const char *nonce)
{
    for (int i = 0; i < SEEK_TRIES; i++) {
        struct timespec gap = { 0, SEEK_GAP_MS * 1000000L };
        int folder = open_folder(image);
        bool found = folder >= 0 && holds(folder, name, nonce);

        if (folder >= 0) {
            close(folder);
        }
        if (found) {
            return true;
        }
        if (i + 1 < SEEK_TRIES) {
            nanosleep(&gap, NULL);
        }
    }
    return false;
}

static void in_folder(struct xf_sight *sight, const char *name)
{
    const struct xf_look *look = sight->look;
    int folder = open_folder(sight->image);
    int rc = folder;

    if (folder >= 0 && look->nonce_task == XF_NONCE_MAKE) {
        sweep(folder);
        rc = make(folder, name, look->nonce);
    } else if (folder >= 0) {
        rc = unlinkat(folder, name, 0) < 0 && errno != ENOENT ? -errno : 0;
    }
    if (folder >= 0) {
        close(folder);
    }
    if (look->nonce_task == XF_NONCE_MAKE) {
        xf_see_trait(sight, rc < 0 ? XF_TRAIT_NONCE_REFUSED : XF_TRAIT_NONCE);
    }
    if (rc < 0) {
        xf_see_words(sight, "the file beside it: %s", strerror(-rc));
    }
}

void xf_look_nonce(struct xf_sight *sight)
{
    const struct xf_look *look = sight->look;
    char name[sizeof(PREFIX) + XF_NONCE_SIZE];

    if (look->nonce_task == XF_NONCE_NONE || sight->image[0] == '\0') {
        return;
    }
    if (!is_nonce(look->nonce)) {
        xf_see_unknown(sight, "the agent's nonce is none");
        return;
    }
    snprintf(name, sizeof(name), PREFIX "%s", look->nonce);
    switch ((enum xf_nonce_task)look->nonce_task) {
    case XF_NONCE_MAKE:
    case XF_NONCE_REMOVE:
        in_folder(sight, name);
        break;
    case XF_NONCE_SEEK:
        if (seek(sight->image, name, look->nonce)) {
            xf_see_trait(sight, XF_TRAIT_NONCE);
        }
        break;
    case XF_NONCE_NONE:
    case XF_N_NONCE_TASKS:
        break;
    }
}
