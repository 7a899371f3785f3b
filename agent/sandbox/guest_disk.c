/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's disks: a numbered record to each writable one at every interval. */
#include "config.h"

#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "diskrec.h"

static int open_disk(struct xf_machine *m, uint32_t i)
{
    const struct xf_domcfg_disk *disk = &m->cfg.disk[i];
    struct stat st;
    struct statfs fs;
    int flags = O_CLOEXEC | (disk->readonly ? O_RDONLY : O_RDWR);

    if (stat(disk->path, &st) < 0) {
        return -errno;
    }
    if (S_ISBLK(st.st_mode)) {
        uint64_t size = 0;
        int fd = open(disk->path, flags | O_DIRECT | O_DSYNC);

        if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size) < 0) {
            return -errno;
        }
        m->disk_is_block[i] = true;
        m->disk_blocks[i] = size / XF_DISKREC_BLOCK;
        return m->disk_blocks[i] > 0 ? fd : -ENOSPC;
    }
    if (!S_ISREG(st.st_mode)) {
        return -EINVAL;
    }
    /* An NFS client may keep writes to itself; the next host must see them once we suspended. */
    if (statfs(disk->path, &fs) == 0 && fs.f_type == NFS_SUPER_MAGIC) {
        flags |= O_DSYNC;
    }
    m->disk[i] = open(disk->path, flags | (disk->readonly ? 0 : O_APPEND));
    return m->disk[i] < 0 ? -errno : m->disk[i];
}

int xf_guest_disk_open(struct xf_machine *m, enum xf_reason *ret_reason, char *text, size_t size)
{
    bool writable_found = false;

    for (uint32_t i = 0; i < m->cfg.n_disks; i++) {
        m->disk[i] = open_disk(m, i);
        if (m->disk[i] < 0) {
            *ret_reason = XF_REASON_NO_DISK;
            (void)snprintf(text, size, "disk %s: %s", m->cfg.disk[i].path, strerror(-m->disk[i]));
            return -1;
        }
        if (!m->cfg.disk[i].readonly && !writable_found) {
            m->first_disk = i;
            writable_found = true;
        }
    }
    return 0;
}

static bool append(int fd, const struct xf_diskrec *rec)
{
    ssize_t n = write(fd, rec, sizeof(*rec));
    struct stat st;

    if (n == (ssize_t)sizeof(*rec)) {
        return true;
    }
    /* A part of a record that a full disk took is taken back, or all that follow would be torn. */
    if (n > 0 && fstat(fd, &st) == 0) {
        int r = ftruncate(fd, st.st_size - st.st_size % (off_t)sizeof(*rec));

        (void)r;
    }
    return false;
}

static bool put_block(struct xf_machine *m, uint32_t i, const struct xf_diskrec *rec, void *block)
{
    uint64_t at = rec->seq % m->disk_blocks[i] * XF_DISKREC_BLOCK;

    memset(block, 0, XF_DISKREC_BLOCK);
    memcpy(block, rec, sizeof(*rec));
    return pwrite(m->disk[i], block, XF_DISKREC_BLOCK, (off_t)at) == (ssize_t)XF_DISKREC_BLOCK;
}

/* A failed record keeps its number and is tried again at the next interval: guests retry, too. */
static void write_record(struct xf_machine *m, uint32_t i, void *block)
{
    struct xf_diskrec rec = { .magic = XF_DISKREC_MAGIC, .instance = m->instance };
    struct timespec now;
    bool written;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    rec.seq = atomic_load(&m->state->disk_seq[i]) + 1;
    rec.time_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    memcpy(rec.node, m->node, sizeof(rec.node) - 1);
    rec.crc = xf_diskrec_crc(&rec);
    written = m->disk_is_block[i] ? put_block(m, i, &rec, block) : append(m->disk[i], &rec);
    if (!written) {
        atomic_fetch_add(&m->disk_errors, 1);
        return;
    }
    atomic_store(&m->state->disk_seq[i], rec.seq);
    xf_machine_mark(m, 0);
}

void *xf_guest_disk_run(void *machine)
{
    struct xf_machine *m = machine;
    const struct timespec interval = { .tv_sec = m->cfg.disk_interval_ms / 1000,
                                       .tv_nsec = m->cfg.disk_interval_ms % 1000 * 1000000L };
    void *block = aligned_alloc(XF_DISKREC_BLOCK, XF_DISKREC_BLOCK);

    while (m->cfg.n_disks > 0 && block != NULL) {
        (void)xf_gate_enter(&m->gate[XF_GUEST_DISK]);
        for (uint32_t i = 0; i < m->cfg.n_disks; i++) {
            if (!m->cfg.disk[i].readonly) {
                write_record(m, i, block);
            }
        }
        xf_gate_leave(&m->gate[XF_GUEST_DISK]);
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &interval, NULL);
    }
    free(block);
    return NULL;
}
