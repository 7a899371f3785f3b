/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's CPU: a workload that dirties memory at a rate, and a walk over all memory that
 * compares every page with its checksum and with the table of versions.
 */
#include "config.h"

#include "machine.h"

#include <time.h>

#include "guest_page.h"

#define NS_PER_S         1000000000ull
#define TICK_NS          2000000ull  /* short against every pause that is measured */
#define IDLE_TICK_NS     10000000ull /* 100 Hz: an idle guest costs its host next to nothing */
#define BURST            256u        /* pages between two looks at the gate: about 100 us */
#define CREDIT_NS        20000000ull /* what was missed beyond this is not made up for */
#define CHECK_PER_S      2000u       /* pages: 8 MB/s, one part in a thousand of a core */
#define CHECK_SOON_PER_S 100000u     /* after a restore: 1 GiB in 2.6 s, a tenth of a core */

struct cpu {
    struct xf_machine *m;
    uint64_t tick_ns;
    uint64_t last_ns;
    uint64_t credit;       /* bytes of workload, times NS_PER_S */
    uint64_t check_credit; /* pages, times NS_PER_S */
    uint64_t window;       /* pages of the workload */
};

static uint64_t now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

void xf_guest_write(struct xf_machine *m, uint64_t pfn)
{
    uint32_t *generation = &m->generation[pfn];
    uint64_t table_pfn = (uint64_t)((uint8_t *)generation - m->mem) / XF_PAGE_SIZE;

    *generation += 1;
    if (*generation == 0) {
        *generation = 1; /* 0 means never written */
        m->state->writes -= UINT32_MAX;
    }
    m->state->writes += 1;
    xf_guest_page_fill(m->mem + pfn * XF_PAGE_SIZE, pfn, *generation);
    xf_machine_mark(m, pfn);
    xf_machine_mark(m, table_pfn);
    atomic_fetch_add_explicit(&m->pages_written, 1, memory_order_relaxed);
}

static uint64_t draw(struct xf_guest_state *s)
{
    s->rng ^= s->rng << 13;
    s->rng ^= s->rng >> 7;
    s->rng ^= s->rng << 17;
    return s->rng * 0x2545f4914f6cdd1dull; /* xorshift64* */
}

/* 0 .. n-1, n > 0, without the bias of the low bits. */
static uint64_t draw_below(struct xf_guest_state *s, uint64_t n)
{
    return (draw(s) >> 32) * n >> 32;
}

/* Each doubling of rank is as likely as the one before it: frequency falls as 1/rank. */
static uint64_t draw_zipf(struct xf_guest_state *s, uint64_t n)
{
    unsigned octaves = 64u - (unsigned)__builtin_clzll(n);
    uint64_t low, high;

    low = UINT64_C(1) << draw_below(s, octaves);
    high = 2 * low - 1 < n ? 2 * low - 1 : n;
    return low - 1 + draw_below(s, high - low + 1);
}

static uint64_t draw_page(const struct cpu *cpu)
{
    struct xf_guest_state *s = cpu->m->state;
    uint64_t hot = cpu->window / 10 > 0 ? cpu->window / 10 : 1;

    switch (cpu->m->cfg.pattern) {
    case XF_PATTERN_HOTSPOT:
        if (draw_below(s, 10) != 0) {
            return s->first_data + draw_below(s, hot);
        }
        break;
    case XF_PATTERN_ZIPF:
        return s->first_data + draw_zipf(s, cpu->window);
    case XF_PATTERN_IDLE:
    case XF_PATTERN_UNIFORM:
    case XF_N_PATTERNS:
        break;
    }
    return s->first_data + draw_below(s, cpu->window);
}

static bool is_good(const struct xf_machine *m, uint64_t pfn)
{
    return xf_guest_page_good(m->mem + pfn * XF_PAGE_SIZE, pfn, m->generation[pfn]);
}

/* A damaged page is counted once: the guest notes it and writes the page anew. */
static void check_page(struct xf_machine *m, uint64_t pfn)
{
    if (!is_good(m, pfn)) {
        atomic_fetch_add(&m->state->corrupt, 1);
        xf_guest_write(m, pfn);
    }
}

/* Looks before it writes: or the workload would wipe out what a move damaged, unseen. */
static void rewrite_page(struct xf_machine *m, uint64_t pfn)
{
    if (!is_good(m, pfn)) {
        atomic_fetch_add(&m->state->corrupt, 1);
    }
    xf_guest_write(m, pfn);
}

/* A page of the table that was lost together with its pages shows in the sum only. */
static void check_table(struct xf_machine *m)
{
    uint64_t sum = 0;

    for (uint64_t pfn = m->state->first_data; pfn < m->n_pages; pfn++) {
        sum += m->generation[pfn];
    }
    if (sum != m->state->writes) {
        atomic_fetch_add(&m->state->corrupt, 1);
        m->state->writes = sum;
    }
}

/* The walk, at low rate; faster on its first round after a restore. */
static void check_some(struct cpu *cpu, uint64_t elapsed_ns)
{
    struct xf_machine *m = cpu->m;
    struct xf_guest_state *s = m->state;
    uint64_t soon = atomic_load(&m->check_left);
    uint64_t n;

    if (soon == m->n_pages) {
        check_table(m);
        s->cursor = s->first_data;
        soon -= s->first_data;
    }
    cpu->check_credit += elapsed_ns * (soon > 0 ? CHECK_SOON_PER_S : CHECK_PER_S);
    n = cpu->check_credit / NS_PER_S;
    cpu->check_credit %= NS_PER_S;
    for (; n > 0; n--) {
        if (s->cursor >= m->n_pages) {
            s->cursor = s->first_data;
        }
        /* Pages never written are only looked at once received: looking would allocate them. */
        if (soon > 0 || m->generation[s->cursor] != 0) {
            check_page(m, s->cursor);
        }
        s->cursor++;
        soon -= soon > 0 ? 1 : 0;
    }
    atomic_store(&m->check_left, soon);
}

/* One stay inside the gate. True while there is more to write at once. */
static bool work(struct cpu *cpu)
{
    struct xf_machine *m = cpu->m;
    const uint64_t page_cost = XF_PAGE_SIZE * NS_PER_S;
    const uint64_t rate = m->cfg.rate_mbps * UINT64_C(1000000);
    uint64_t now = now_ns();
    uint64_t elapsed = now - cpu->last_ns < CREDIT_NS ? now - cpu->last_ns : CREDIT_NS;
    uint32_t n = 0;

    cpu->last_ns = now;
    if (m->cfg.pattern != XF_PATTERN_IDLE && cpu->window > 0) {
        uint32_t cap = atomic_load(&m->status->cap_percent);

        /* At most 2 * 10^7 ns * 10^11 bytes/s, twice: fits. */
        cpu->credit += elapsed * (rate / 100 * cap);
        cpu->credit = cpu->credit < rate * CREDIT_NS ? cpu->credit : rate * CREDIT_NS;
    }
    for (; n < BURST && cpu->credit >= page_cost; n++) {
        cpu->credit -= page_cost;
        rewrite_page(m, draw_page(cpu));
    }
    check_some(cpu, elapsed);
    m->state->ticks++;
    xf_machine_mark(m, 0);
    return cpu->credit >= page_cost;
}

void *xf_guest_cpu_run(void *machine)
{
    struct xf_machine *m = machine;
    struct cpu cpu = { .m = m };
    bool laid_out = false;

    for (;;) {
        bool more;

        if (xf_gate_enter(&m->gate[XF_GUEST_CPU])) {
            cpu.last_ns = now_ns(); /* a guest that stood still has nothing to make up for */
        }
        if (!laid_out) {
            uint64_t data = m->n_pages - m->state->first_data;

            cpu.window = (uint64_t)m->cfg.window_mib << (20 - XF_PAGE_SHIFT);
            if (cpu.window == 0 || cpu.window > data) {
                cpu.window = data;
            }
            cpu.tick_ns =
                m->cfg.pattern == XF_PATTERN_IDLE || m->cfg.rate_mbps == 0 ? IDLE_TICK_NS : TICK_NS;
            laid_out = true;
        }
        more = work(&cpu);
        xf_gate_leave(&m->gate[XF_GUEST_CPU]);
        if (!more) {
            struct timespec t = { .tv_nsec = (long)cpu.tick_ns };

            (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
        }
    }
    return NULL;
}
