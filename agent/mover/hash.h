/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hashes of the data path: XXH3 with 128 bits, per page and over the whole image. They guard
 * against faults, not against an enemy: TLS keeps those out.
 */
#ifndef XF_MOVER_HASH_H
#define XF_MOVER_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "page.h"

struct xf_page_hash {
    uint64_t lo;
    uint64_t hi; /* both 0: never sent */
};

static inline bool xf_page_hash_eq(struct xf_page_hash a, struct xf_page_hash b)
{
    return a.lo == b.lo && a.hi == b.hi;
}

static inline bool xf_page_hash_known(struct xf_page_hash h)
{
    return h.lo != 0 || h.hi != 0;
}

struct xf_page_hash xf_page_hash(const uint8_t page[static XF_PAGE_SIZE]);

/*
 * The digest of an image: the decoded stream without PAGE_DATA headers, whose cut into records is
 * each side's own, each page as its entry and hash, and each run of a HOLES frame. Both ends compute it from what they hold.
 */
struct xf_digest;
struct xf_digest *xf_digest_new(void);
void xf_digest_free(struct xf_digest *digest);
void xf_digest_bytes(struct xf_digest *digest, const void *bytes, size_t size);
/* hash[i] belongs to entry[i]; n <= XF_PAGE_CHUNK_MAX. */
void xf_digest_pages(struct xf_digest *digest, const struct xf_page_entry *entry,
                     const struct xf_page_hash *hash, uint32_t n);
void xf_digest_holes(struct xf_digest *digest, const struct xf_page_run *run, uint32_t n);
void xf_digest_end(const struct xf_digest *digest, uint8_t ret_digest[static XF_DIGEST_SIZE]);

/*
 * One hash per pfn, all unknown. Memory is taken only for pages that are there: a guest may have far
 * more page numbers than pages. Every pfn and count must be within the bound.
 */
struct xf_hash_table;
struct xf_hash_table *xf_hash_table_new(uint64_t pages); /* NULL: not enough memory */
void xf_hash_table_free(struct xf_hash_table *table);    /* takes NULL */
struct xf_page_hash xf_hash_table_get(const struct xf_hash_table *table, uint64_t pfn);
void xf_hash_table_set(struct xf_hash_table *table, uint64_t pfn, struct xf_page_hash hash);
/* What is known of the n pages from pfn on counts no more. */
void xf_hash_table_forget(struct xf_hash_table *table, uint64_t pfn, uint64_t n);

#endif
