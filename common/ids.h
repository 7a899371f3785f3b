/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Identifiers. Each is a type of its own, so that swapping a node id and a domid does not compile.
 *
 * A node has an id (Corosync's, what the wire and the journal carry) and a slot (its bit in the
 * masks of one agent's life, never sent to anyone).
 */
#ifndef XF_IDS_H
#define XF_IDS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define XF_NODES_MAX 32   /* Corosync's own tested limit; one bit each in a uint32_t mask */
#define XF_NAME_SIZE 64   /* a domain's or node's name with its NUL */
#define XF_UUID_TEXT_SIZE 37

struct xf_uuid {
    uint8_t b[16];
};

struct xf_node {
    uint32_t id; /* 0: none */
};

struct xf_slot {
    uint8_t i; /* < XF_NODES_MAX, or XF_SLOT_NONE */
};
#define XF_SLOT_NONE 0xffu

struct xf_boot {
    /*
     * Microseconds of the wall clock when the first agent of this boot started; kept in /run beside
     * the kernel's boot_id. 0: unknown. It must grow from boot to boot of one node: so a fencing
     * of a later incarnation proves that an earlier one is gone, and an older report proves nothing.
     */
    uint64_t v;
};

struct xf_domid {
    uint32_t v;
};

/* One migration (or one start) of the domain whose record holds it. Ordered by epoch, source, boot id. */
struct xf_migid {
    uint32_t epoch; /* 0: no migration yet */
    struct xf_node src;
    struct xf_boot boot;
};

static inline int xf_migid_cmp(const struct xf_migid *a, const struct xf_migid *b)
{
    if (a->epoch != b->epoch) {
        return a->epoch < b->epoch ? -1 : 1;
    }
    if (a->src.id != b->src.id) {
        return a->src.id < b->src.id ? -1 : 1;
    }
    if (a->boot.v != b->boot.v) {
        return a->boot.v < b->boot.v ? -1 : 1;
    }
    return 0;
}

static inline bool xf_uuid_eq(const struct xf_uuid *a, const struct xf_uuid *b)
{
    return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

#endif
