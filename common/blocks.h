/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The proof by I/O: which blocks of a disk both hosts read, and what their digests say. Some are
 * where labels and superblocks live and hold still; the others are drawn by the check's salt, so that
 * a clone which was written to since is found sooner or later.
 */
#ifndef XF_BLOCKS_H
#define XF_BLOCKS_H

#include <stdint.h>

#include "disk.h"

#define XF_BLOCK_SIZE 4096u /* also where the device's own are smaller; O_DIRECT's alignment */

/* Offsets, ascending, each once, each with a whole block inside of size_bytes. Returns how many. */
uint32_t xf_blocks_plan(uint64_t size_bytes, const uint8_t salt[static XF_SALT_SIZE],
                        uint64_t ret_offset[static XF_SAMPLES_MAX]);

struct xf_blocks_verdict {
    uint32_t n_equal;  /* held still on the source and are equal on the target, not blank */
    uint32_t n_blank;  /* equal, but blank */
    uint32_t n_live;   /* changed on the source between its two looks */
    uint32_t n_differ; /* held still, and differ */
    uint64_t first_differing;
    uint32_t n_missing; /* read at the first look, and not at one of the others */
};

/* before, after: the source's two looks; between them the target's. */
struct xf_blocks_verdict xf_blocks_compare(const struct xf_disk *before,
                                           const struct xf_disk *after,
                                           const struct xf_disk *target);

#endif
