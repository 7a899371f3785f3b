/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "hash.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xxhash.h>
#if defined(__x86_64__)
/* The library is built for the oldest processor; this picks the widest vectors at run time. */
#include <xxh_x86dispatch.h>
#endif

/* What one page adds to the digest: entry and hash. */
#define PAGE_SHARE 24u
/* Hashes that share a page of the table: whether it was ever written is known beside it. */
#define TABLE_PART 256u

struct xf_hash_table {
    uint64_t pages;
    struct xf_page_hash *hash;
    bool *used; /* by part */
};

struct xf_digest {
    XXH3_state_t *state;
};

struct xf_page_hash xf_page_hash(const uint8_t page[static XF_PAGE_SIZE])
{
    XXH128_hash_t h = XXH3_128bits(page, XF_PAGE_SIZE);

    /* Nothing real may look like "never sent". */
    if (h.low64 == 0 && h.high64 == 0) {
        h.low64 = 1;
    }
    return (struct xf_page_hash){ .lo = h.low64, .hi = h.high64 };
}

struct xf_digest *xf_digest_new(void)
{
    struct xf_digest *digest = malloc(sizeof(*digest));

    if (digest) {
        digest->state = XXH3_createState();
        if (!digest->state) {
            free(digest);
            return NULL;
        }
        XXH3_128bits_reset(digest->state);
    }
    return digest;
}

void xf_digest_free(struct xf_digest *digest)
{
    if (digest) {
        XXH3_freeState(digest->state);
        free(digest);
    }
}

void xf_digest_bytes(struct xf_digest *digest, const void *bytes, size_t size)
{
    XXH3_128bits_update(digest->state, bytes, size);
}

void xf_digest_pages(struct xf_digest *digest, const struct xf_page_entry *entry,
                     const struct xf_page_hash *hash, uint32_t n)
{
    uint8_t buf[PAGE_SHARE * XF_PAGE_CHUNK_MAX];
    struct xf_put p = { .buf = buf, .size = sizeof(buf) };

    for (uint32_t i = 0; i < n; i++) {
        xf_put_u64(&p, xf_page_stream_entry(&entry[i]));
        xf_put_u64(&p, hash[i].lo);
        xf_put_u64(&p, hash[i].hi);
    }
    assert(!p.failed);
    XXH3_128bits_update(digest->state, buf, p.len);
}

void xf_digest_holes(struct xf_digest *digest, const struct xf_page_run *run, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint8_t buf[XF_HOLES_RUN_SIZE];
        struct xf_put p = { .buf = buf, .size = sizeof(buf) };

        xf_page_put_run(&p, &run[i]);
        assert(!p.failed);
        XXH3_128bits_update(digest->state, buf, p.len);
    }
}

void xf_digest_end(const struct xf_digest *digest, uint8_t ret_digest[static XF_DIGEST_SIZE])
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(digest->state));
    memcpy(ret_digest, canonical.digest, XF_DIGEST_SIZE);
}

struct xf_hash_table *xf_hash_table_new(uint64_t pages)
{
    struct xf_hash_table *table = calloc(1, sizeof(*table));
    void *hash = mmap(NULL, pages * sizeof(struct xf_page_hash), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    bool *used = calloc(pages / TABLE_PART + 1, sizeof(*used));

    if (!table || hash == MAP_FAILED || !used) {
        free(table);
        free(used);
        if (hash != MAP_FAILED) {
            munmap(hash, pages * sizeof(struct xf_page_hash));
        }
        return NULL;
    }
    *table = (struct xf_hash_table){ .pages = pages, .hash = hash, .used = used };
    return table;
}

void xf_hash_table_free(struct xf_hash_table *table)
{
    if (table) {
        munmap(table->hash, table->pages * sizeof(*table->hash));
        free(table->used);
        free(table);
    }
}

struct xf_page_hash xf_hash_table_get(const struct xf_hash_table *table, uint64_t pfn)
{
    return table->used[pfn / TABLE_PART] ? table->hash[pfn] : (struct xf_page_hash){ 0 };
}

void xf_hash_table_set(struct xf_hash_table *table, uint64_t pfn, struct xf_page_hash hash)
{
    table->hash[pfn] = hash;
    table->used[pfn / TABLE_PART] = true;
}

void xf_hash_table_forget(struct xf_hash_table *table, uint64_t pfn, uint64_t n)
{
    while (n > 0) {
        uint64_t part = TABLE_PART - pfn % TABLE_PART;

        part = part < n ? part : n;
        /* Zeros need not be written over zeros: that would take the memory. */
        if (table->used[pfn / TABLE_PART]) {
            memset(&table->hash[pfn], 0, part * sizeof(*table->hash));
        }
        pfn += part;
        n -= part;
    }
}
