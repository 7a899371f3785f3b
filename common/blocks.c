/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "blocks.h"

#include <string.h>

/*
 * Where labels hold still while the disk is in use (docs/storage-proof.md). Block 0: partition
 * tables, GPT, LVM's label, ext's, LUKS. 4 KiB: md 1.2, bcache, GPT of 4 KiB sectors. 8 KiB: OCFS2.
 * 64 KiB: GFS2, btrfs. The last: GPT's copy, md 0.90 and 1.0.
 */
static const uint64_t labels[] = { 0, 4096, 8192, 65536 };

struct draw {
    uint64_t state;
};

/* splitmix64 (Steele, Lea, Flood): any seed will do, none is stuck. */
static uint64_t next(struct draw *draw)
{
    uint64_t z = draw->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static struct draw draw_of(const uint8_t salt[static XF_SALT_SIZE])
{
    struct draw draw = { 0 };

    for (uint32_t i = 0; i < XF_SALT_SIZE; i++) {
        draw.state = next(&draw) ^ salt[i];
    }
    return draw;
}

/* Keeps them ascending; false: it is there already. */
static bool insert(uint64_t *offset, uint32_t *n, uint64_t new)
{
    uint32_t at = *n;

    while (at > 0 && offset[at - 1] > new) {
        at--;
    }
    if (at > 0 && offset[at - 1] == new) {
        return false;
    }
    memmove(&offset[at + 1], &offset[at], (*n - at) * sizeof(*offset));
    offset[at] = new;
    (*n)++;
    return true;
}

uint32_t xf_blocks_plan(uint64_t size_bytes, const uint8_t salt[static XF_SALT_SIZE],
                        uint64_t ret_offset[static XF_SAMPLES_MAX])
{
    uint64_t n_blocks = size_bytes / XF_BLOCK_SIZE;
    uint32_t wanted = n_blocks < XF_SAMPLES_MAX ? (uint32_t)n_blocks : XF_SAMPLES_MAX;
    struct draw draw = draw_of(salt);
    uint32_t n = 0;

    if (wanted == 0) {
        return 0;
    }
    for (uint32_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
        if (labels[i] / XF_BLOCK_SIZE < n_blocks) {
            insert(ret_offset, &n, labels[i]);
        }
    }
    insert(ret_offset, &n, (n_blocks - 1) * XF_BLOCK_SIZE);
    while (n < wanted) {
        uint64_t block = next(&draw) % n_blocks;

        /* One that is taken gives its turn to the next: some block is free, since n < wanted. */
        while (!insert(ret_offset, &n, block * XF_BLOCK_SIZE)) {
            block = (block + 1) % n_blocks;
        }
    }
    return n;
}

static const struct xf_sample *find(const struct xf_disk *disk, const struct xf_sample *like)
{
    for (uint32_t i = 0; i < disk->n_samples; i++) {
        if (disk->sample[i].offset == like->offset && disk->sample[i].size == like->size) {
            return &disk->sample[i];
        }
    }
    return NULL;
}

static bool equal(const struct xf_sample *a, const struct xf_sample *b)
{
    return memcmp(a->digest, b->digest, sizeof(a->digest)) == 0;
}

struct xf_blocks_verdict xf_blocks_compare(const struct xf_disk *before,
                                           const struct xf_disk *after,
                                           const struct xf_disk *target)
{
    struct xf_blocks_verdict v = { 0 };

    for (uint32_t i = 0; i < before->n_samples; i++) {
        const struct xf_sample *first = &before->sample[i];
        const struct xf_sample *second = find(after, first);
        const struct xf_sample *there = find(target, first);

        if (second == NULL || there == NULL) {
            v.n_missing++;
        } else if (!equal(first, second)) {
            v.n_live++;
        } else if (!equal(first, there)) {
            v.first_differing = v.n_differ == 0 ? first->offset : v.first_differing;
            v.n_differ++;
        } else if (first->blank || there->blank) {
            v.n_blank++;
        } else {
            v.n_equal++;
        }
    }
    return v;
}
