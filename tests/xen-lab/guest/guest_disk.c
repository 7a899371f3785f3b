/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A numbered record to the disk every 100 ms; record seq has the block seq modulo the number of
 * blocks. The block is read before it is written: when it does not hold the record of the round
 * before, somebody else writes to this disk.
 */
#define _GNU_SOURCE
#include "guest.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "diskrec.h"

#define INTERVAL_MS 100

struct disk {
    struct guest *guest;
    int fd;
    uint64_t blocks;
    uint64_t tried_ns; /* of the record that was written last, or should have been */
    void *block;
};

/* The record of a block; seq 0 when it holds none. False when it cannot be read. */
static bool look(struct disk *d, uint64_t at, struct xf_diskrec *ret_rec)
{
    struct xf_diskrec rec;

    if (pread(d->fd, d->block, XF_DISKREC_BLOCK, (off_t)(at * XF_DISKREC_BLOCK)) !=
        (ssize_t)XF_DISKREC_BLOCK) {
        return false;
    }
    memcpy(&rec, d->block, sizeof(rec));
    if (rec.magic != XF_DISKREC_MAGIC || rec.crc != xf_diskrec_crc(&rec)) {
        memset(&rec, 0, sizeof(rec));
    }
    *ret_rec = rec;
    return true;
}

/* The highest number on the disk: a guest that starts again goes on from there. */
static uint64_t last_seq(struct disk *d)
{
    struct xf_diskrec rec = { 0 };
    uint64_t base, low = 0, high = d->blocks;

    if (!look(d, 0, &rec)) {
        return 0;
    }
    base = rec.seq; /* 0 before the first round is over: record 0 does not exist */
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;

        if (look(d, middle, &rec) && rec.seq == base + middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return base + low;
}

static void put(struct disk *d, uint64_t seq)
{
    struct xf_diskrec rec = { .magic = XF_DISKREC_MAGIC, .seq = seq, .node = "guest" };
    struct xf_diskrec before;
    struct timespec now;
    uint64_t expected = seq > d->blocks ? seq - d->blocks : 0;

    if (!look(d, seq % d->blocks, &before)) {
        atomic_fetch_add(&d->guest->disk_errors, 1);
        return;
    }
    /*
     * One that was written but not acknowledged is our own: this very one. Another copy of this
     * guest, from the same image, would write the same number at another time.
     */
    if (before.seq != expected &&
        (before.seq != seq || before.instance != d->guest->instance ||
         before.time_ns != d->tried_ns)) {
        atomic_fetch_add(&d->guest->disk_foreign, 1);
    }
    clock_gettime(CLOCK_REALTIME, &now);
    rec.instance = d->guest->instance;
    rec.time_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    rec.crc = xf_diskrec_crc(&rec);
    d->tried_ns = rec.time_ns;
    memset(d->block, 0, XF_DISKREC_BLOCK);
    memcpy(d->block, &rec, sizeof(rec));
    if (pwrite(d->fd, d->block, XF_DISKREC_BLOCK, (off_t)(seq % d->blocks * XF_DISKREC_BLOCK)) !=
        (ssize_t)XF_DISKREC_BLOCK) {
        atomic_fetch_add(&d->guest->disk_errors, 1);
        return;
    }
    atomic_store(&d->guest->disk_seq, seq);
}

void *guest_disk_run(void *arg)
{
    struct disk d = { .guest = arg };
    uint64_t size = 0;

    d.fd = open("/dev/xvda", O_RDWR | O_DIRECT | O_DSYNC | O_CLOEXEC);
    if (d.fd < 0) {
        printf("guest: no disk\n");
        return NULL;
    }
    d.block = aligned_alloc(XF_DISKREC_BLOCK, XF_DISKREC_BLOCK);
    if (d.block == NULL || ioctl(d.fd, BLKGETSIZE64, &size) != 0 || size < XF_DISKREC_BLOCK) {
        printf("guest: the disk cannot be used\n");
        atomic_fetch_add(&d.guest->disk_errors, 1);
        return NULL;
    }
    d.blocks = size / XF_DISKREC_BLOCK;
    atomic_store(&d.guest->disk_seq, last_seq(&d));
    printf("guest: disk of %llu blocks, last record %llu\n", (unsigned long long)d.blocks,
           (unsigned long long)atomic_load(&d.guest->disk_seq));
    for (;;) {
        put(&d, atomic_load(&d.guest->disk_seq) + 1);
        guest_pause_ms(INTERVAL_MS);
    }
}
