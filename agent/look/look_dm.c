/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's tables of device-mapper, without libdevmapper: one ioctl. */
#include "config.h"

#include "look.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/dm-ioctl.h>

#include "text.h"

/* The answer's targets, a line each; every offset in it is held to its size. */
static int as_text(const char *answer, size_t size, char *buf, size_t buf_size)
{
    const struct dm_ioctl *head = (const void *)answer;
    size_t at = head->data_start;
    struct xf_text text;

    xf_text_init(&text, buf, buf_size);
    for (uint32_t i = 0; i < head->target_count; i++) {
        struct dm_target_spec spec;
        size_t left;

        if (at > size || size - at < sizeof(spec)) {
            return -EBADMSG;
        }
        memcpy(&spec, answer + at, sizeof(spec));
        left = size - at - sizeof(spec);
        xf_text_u64(&text, spec.sector_start);
        xf_text_char(&text, ' ');
        xf_text_u64(&text, spec.length);
        xf_text_char(&text, ' ');
        xf_text_mem(&text, spec.target_type, strnlen(spec.target_type, sizeof(spec.target_type)));
        xf_text_char(&text, ' ');
        xf_text_mem(&text, answer + at + sizeof(spec), strnlen(answer + at + sizeof(spec), left));
        xf_text_char(&text, '\n');
        at = head->data_start + spec.next;
    }
    return text.truncated ? -EFBIG : 0;
}

int xf_dm_text(const struct xf_tree *tree, uint32_t major, uint32_t minor, bool status, char *buf,
               size_t size)
{
    static _Alignas(struct dm_ioctl) char answer[65536];
    struct dm_ioctl *io = (void *)answer;
    char name[64];
    int fd, rc;

    if (tree->root != NULL) {
        snprintf(name, sizeof(name), "dm-%s-%u:%u", status ? "status" : "table", major, minor);
        return xf_tree_kept(tree, name, buf, size);
    }
    fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    *io = (struct dm_ioctl){
        .version = { DM_VERSION_MAJOR, 0, 0 },
        .data_size = sizeof(answer),
        .data_start = sizeof(*io),
        .dev = makedev(major, minor),
        /* It must not flush what is on its way to a thin pool, which may take long. */
        .flags = (status ? 0 : DM_STATUS_TABLE_FLAG) | DM_NOFLUSH_FLAG,
    };
    rc = ioctl(fd, DM_TABLE_STATUS, io) < 0 ? -errno : 0;
    close(fd);
    if (rc == 0 && (io->flags & DM_BUFFER_FULL_FLAG) != 0) {
        rc = -EFBIG;
    }
    return rc < 0 ? rc : as_text(answer, sizeof(answer), buf, size);
}
