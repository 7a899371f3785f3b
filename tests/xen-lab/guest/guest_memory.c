/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Dirties memory at a steady rate. Each page's first and last word say which page it is and how
 * often it was written; a page that does not say what is known of it was lost or mixed up on a
 * move. Pages outside the window are never written after the start and are checked all the same.
 * Between these words every other page is noise, which nothing can compress, and the rest is empty.
 */
#include "guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PAGE_WORDS 512u
#define PAGES_MIN  8192u
#define STEP_MS    5
#define IDLE_MS    50 /* a guest that dirties nothing costs an emulated host next to nothing */
#define LOOKS_MS   2  /* one page is looked at for so many milliseconds passed */

struct memory {
    struct guest *guest;
    uint64_t *page; /* all of them, one behind the other */
    uint32_t *age;  /* how often each was written */
    uint64_t count;
};

static uint64_t stamp(uint64_t i, uint32_t age)
{
    return (i + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ age;
}

static void put(struct memory *m, uint64_t i)
{
    uint64_t *page = m->page + i * PAGE_WORDS;

    m->age[i]++;
    page[0] = stamp(i, m->age[i]);
    page[PAGE_WORDS - 1] = ~page[0];
}

static void check(struct memory *m, uint64_t i)
{
    const volatile uint64_t *page = m->page + i * PAGE_WORDS;
    uint64_t want = stamp(i, m->age[i]);

    if (page[0] != want || page[PAGE_WORDS - 1] != ~want) {
        atomic_fetch_add(&m->guest->corrupt, 1);
        printf("guest: page %llu is not what was written\n", (unsigned long long)i);
        put(m, i); /* told once */
    }
}

uint64_t guest_memory_free_kib(void)
{
    unsigned long long free_kib = 0;
    char line[128];
    FILE *file = fopen("/proc/meminfo", "re");

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "MemFree: %llu kB", &free_kib) == 1) {
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return free_kib;
}

/*
 * A quarter of what is free, in a small guest more, but no more than two thirds: the rest is the
 * kernel's, which writes to rings and caches, and has about 256 pages less after each move.
 */
static uint64_t pages_to_take(void)
{
    uint64_t pages = guest_memory_free_kib() / 4;
    uint64_t most = pages * 2 / 3;
    uint64_t wanted = pages / 4 > PAGES_MIN ? pages / 4 : PAGES_MIN;

    return wanted < most ? wanted : most;
}

static void fill_noise(uint64_t *page, uint64_t seed)
{
    uint64_t noise = stamp(seed, 0);

    for (unsigned i = 1; i < PAGE_WORDS - 1; i++) {
        noise ^= noise << 13; /* Marsaglia's xorshift64 */
        noise ^= noise >> 7;
        noise ^= noise << 17;
        page[i] = noise;
    }
}

static int take(struct memory *m)
{
    m->count = pages_to_take();
    m->page = mmap(NULL, m->count * PAGE_WORDS * sizeof(*m->page), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    m->age = calloc(m->count, sizeof(*m->age));
    if (m->page == MAP_FAILED || m->age == NULL || m->count == 0) {
        return -1;
    }
    for (uint64_t i = 0; i < m->count; i++) {
        put(m, i);
        if (i % 2 == 0) {
            fill_noise(m->page + i * PAGE_WORDS, i);
        }
    }
    return 0;
}

void *guest_memory_run(void *arg)
{
    struct memory m = { .guest = arg };
    uint64_t at = 0, looked = 0;
    double before = guest_now(), owed = 0;

    if (take(&m) != 0) {
        printf("guest: no memory to dirty\n");
        atomic_fetch_add(&m.guest->corrupt, 1);
        return NULL;
    }
    printf("guest: %llu pages are watched\n", (unsigned long long)m.count);
    for (;;) {
        uint64_t window = atomic_load(&m.guest->window);
        long step_ms = atomic_load(&m.guest->rate) > 0 ? STEP_MS : IDLE_MS;
        double now, passed;

        guest_pause_ms(step_ms);
        now = guest_now();
        passed = now - before < 0.1 ? now - before : 0.1; /* a pause is not made up for */
        before = now;
        owed += passed * (double)atomic_load(&m.guest->rate);
        window = window == 0 || window > m.count ? m.count : window;
        for (; owed >= 1; owed--) {
            at = (at + 1) % window;
            check(&m, at);
            put(&m, at);
            atomic_fetch_add(&m.guest->dirtied, 1);
        }
        for (long i = 0; i < step_ms / LOOKS_MS; i++) {
            looked = (looked + 1) % m.count;
            check(&m, looked);
        }
    }
}
