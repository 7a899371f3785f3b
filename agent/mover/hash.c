/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "hash.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <xxhash.h>
#if defined(__x86_64__)
/* The library is built for the oldest processor; this picks the widest vectors at run time. */
#include <xxh_x86dispatch.h>
#endif

/* What one page adds to the digest: entry and hash. */
#define PAGE_SHARE 24u

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

void xf_digest_end(const struct xf_digest *digest, uint8_t ret_digest[static XF_DIGEST_SIZE])
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(digest->state));
    memcpy(ret_digest, canonical.digest, XF_DIGEST_SIZE);
}

struct xf_page_hash *xf_hash_table_new(uint64_t pages)
{
    void *table = mmap(NULL, pages * sizeof(struct xf_page_hash), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return table == MAP_FAILED ? NULL : table;
}

void xf_hash_table_free(struct xf_page_hash *table, uint64_t pages)
{
    if (table) {
        munmap(table, pages * sizeof(*table));
    }
}
