/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "boot_number.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock_qb.h"
#include "text.h"

#define BOOT_ID   "/proc/sys/kernel/random/boot_id"
#define LINE_SIZE 128

static int read_line(const char *path, char buf[static LINE_SIZE])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, buf, LINE_SIZE - 1) : -1;
    int rc = n < 0 ? -errno : 0;

    if (fd >= 0) {
        close(fd);
    }
    buf[n > 0 ? n : 0] = '\0';
    buf[strcspn(buf, "\n")] = '\0';
    return rc;
}

/* "BOOT_ID NUMBER", as an earlier agent of this boot left it. */
static bool take_kept(const char *path, const char *boot_id, struct xf_boot *ret_boot)
{
    char line[LINE_SIZE];
    size_t len = strlen(boot_id);

    return read_line(path, line) == 0 && strncmp(line, boot_id, len) == 0 && line[len] == ' ' &&
           xf_u64_parse(line + len + 1, 1, UINT64_MAX, &ret_boot->v) == 0;
}

/* Whole or not at all: an agent that is killed here leaves the old file. */
static int keep(const char *path, const char *boot_id, struct xf_boot boot)
{
    char fresh[300], line[LINE_SIZE];
    int len = snprintf(line, sizeof(line), "%s %llu\n", boot_id, (unsigned long long)boot.v);
    int fd, rc = 0;

    snprintf(fresh, sizeof(fresh), "%s.new", path);
    fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) {
        return -errno;
    }
    if (write(fd, line, (size_t)len) != (ssize_t)len) {
        rc = errno != 0 ? -errno : -EIO;
    }
    close(fd);
    return rc == 0 && rename(fresh, path) != 0 ? -errno : rc;
}

int xf_boot_number(const char *rundir, struct xf_boot above, struct xf_boot *ret_boot, char *err,
                   size_t err_size)
{
    char path[256], boot_id[LINE_SIZE];
    struct xf_boot boot = { 0 };
    int rc = read_line(BOOT_ID, boot_id);

    if (rc != 0 || boot_id[0] == '\0') {
        snprintf(err, err_size, "%s: %s", BOOT_ID, rc != 0 ? strerror(-rc) : "it is empty");
        return rc != 0 ? rc : -ENODATA;
    }
    snprintf(path, sizeof(path), "%s/boot", rundir);
    if (take_kept(path, boot_id, &boot)) {
        *ret_boot = boot;
        return 0;
    }
    boot.v = xf_wall_us();
    boot.v = boot.v > above.v ? boot.v : above.v + 1;
    rc = keep(path, boot_id, boot);
    if (rc != 0) {
        snprintf(err, err_size, "%s: %s", path, strerror(-rc));
        return rc;
    }
    *ret_boot = boot;
    return 0;
}
