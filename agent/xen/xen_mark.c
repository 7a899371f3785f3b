/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "xen_mark.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "text.h"

static void mark_path(const char *dir, const char *mark, const struct xf_uuid *uuid, char *buf)
{
    char text[XF_UUID_TEXT_SIZE];

    xf_uuid_text(uuid, text);
    snprintf(buf, XF_XEN_PATH_SIZE, "%s/%s-%s", dir, mark, text);
}

void xf_xen_mark(const char *dir, const char *mark, const struct xf_uuid *uuid)
{
    char path[XF_XEN_PATH_SIZE];
    int fd;

    mark_path(dir, mark, uuid, path);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
    }
}

void xf_xen_unmark(const char *dir, const char *mark, const struct xf_uuid *uuid)
{
    char path[XF_XEN_PATH_SIZE];

    mark_path(dir, mark, uuid, path);
    (void)unlink(path);
}

bool xf_xen_marked(const char *dir, const char *mark, const struct xf_uuid *uuid)
{
    char path[XF_XEN_PATH_SIZE];

    mark_path(dir, mark, uuid, path);
    return access(path, F_OK) == 0;
}

bool xf_xen_foreign(const char *dir, const struct xf_uuid *uuid, enum xf_variant variant)
{
    return variant == XF_VARIANT_MIGRATEDAWAY ||
           (variant == XF_VARIANT_INCOMING && !xf_xen_marked(dir, XF_XEN_ARRIVING, uuid));
}

void xf_xen_keeper_lock(const char *dir, const struct xf_uuid *uuid, char *buf)
{
    char text[XF_UUID_TEXT_SIZE];

    xf_uuid_text(uuid, text);
    snprintf(buf, XF_XEN_PATH_SIZE, "%s/keeper-%s.lock", dir, text);
}

bool xf_xen_kept(const char *dir, const struct xf_uuid *uuid)
{
    char path[XF_XEN_PATH_SIZE];
    bool kept;
    int fd;

    xf_xen_keeper_lock(dir, uuid, path);
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    kept = flock(fd, LOCK_EX | LOCK_NB) != 0;
    close(fd);
    return kept;
}
