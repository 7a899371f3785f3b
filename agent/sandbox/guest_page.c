/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "guest_page.h"

#include "stream.h"

#define LANES 4u /* independent chains, so that the CPU works on several words at once */
#define HEAD  4u /* words: magic, pfn, generation, checksum */
#define WORDS (XF_PAGE_SIZE / sizeof(uint64_t))
_Static_assert((WORDS - HEAD) % LANES == 0, "the body is whole rows of lanes");

#define PAGE_MAGIC 0x656761502d46582dull
#define PRIME      0x9e3779b97f4a7c15ull /* 2^64 / golden ratio, as in splitmix64 */

static uint64_t mix(uint64_t x)
{
    x += PRIME;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

static uint64_t checksum(const uint64_t *w)
{
    uint64_t h[LANES] = { w[0], w[1], w[2], PRIME };

    for (unsigned i = HEAD; i < WORDS; i += LANES) {
        for (unsigned k = 0; k < LANES; k++) {
            h[k] = (h[k] ^ w[i + k]) * PRIME;
            h[k] ^= h[k] >> 29;
        }
    }
    return mix(h[0] ^ mix(h[1] ^ mix(h[2] ^ mix(h[3]))));
}

void xf_guest_page_fill(void *page, uint64_t pfn, uint32_t generation)
{
    uint64_t *w = page;
    uint64_t x[LANES];

    for (unsigned k = 0; k < LANES; k++) {
        x[k] = mix(pfn * LANES + k) ^ mix(generation);
        x[k] |= 1; /* xorshift stands still at 0 */
    }
    w[0] = PAGE_MAGIC;
    w[1] = pfn;
    w[2] = generation;
    for (unsigned i = HEAD; i < WORDS; i += LANES) {
        for (unsigned k = 0; k < LANES; k++) {
            x[k] ^= x[k] << 13;
            x[k] ^= x[k] >> 7;
            x[k] ^= x[k] << 17;
            w[i + k] = x[k];
        }
    }
    w[3] = checksum(w);
}

bool xf_guest_page_good(const void *page, uint64_t pfn, uint32_t generation)
{
    const uint64_t *w = page;

    if (generation == 0) {
        return w[0] == 0 && w[1] == 0 && w[2] == 0 && w[3] == 0;
    }
    return w[0] == PAGE_MAGIC && w[1] == pfn && w[2] == generation && w[3] == checksum(w);
}
