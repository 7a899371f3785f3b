/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Walks every world that the shipped core can get into, breadth first, within bounds on nodes and
 * faults, and prints the shortest bad path if there is one.
 *
 *   explore NODES FAULTS [--from-idle] [--starts N] [--only FAULT,...] [--max WORLDS]
 *           [--mutant K] [--show-blocked]
 *
 * A world is known by a 64-bit fingerprint (XXH3); with w worlds the chance that one was taken for
 * another is below w*w/2^65, printed. Worlds waiting to be expanded are kept whole.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "world.h"

#ifdef XF_MUTANTS
int xf_mutant;
#endif

struct known {
    uint32_t parent;
    struct w_step step;
};

static uint64_t *table; /* fingerprints, open addressing; 0 = free */
static uint64_t table_size;
static struct known *known;
static uint32_t n_known;
static uint32_t max_known = 40000000;
static struct world *waiting; /* ring of worlds to expand, in the order of known[] */
static uint64_t ring_size;
static uint64_t expanded;

static void *need(void *p)
{
    if (p == NULL) {
        printf("Bail out! out of memory\n");
        exit(99);
    }
    return p;
}

static uint32_t swap_mask(uint32_t m)
{
    return (m & ~12u) | ((m >> 1) & 4u) | ((m << 1) & 8u);
}

static uint8_t swap_slot(uint8_t s)
{
    return s == 2 ? 3 : s == 3 ? 2 : s;
}

static void swap_node(struct w_node *x)
{
    struct xf_core *c = &x->core;

    c->members = swap_mask(c->members);
    c->greeted = swap_mask(c->greeted);
    c->holders = swap_mask(c->holders);
    c->off = swap_mask(c->off);
    c->promised = swap_mask(c->promised);
    c->refused = swap_mask(c->refused);
    c->reported = swap_mask(c->reported);
    c->src.i = swap_slot(c->src.i);
    c->dst.i = swap_slot(c->dst.i);
    c->id.src.id = c->id.src.id != 0 ? swap_slot((uint8_t)(c->id.src.id - 1)) + 1u : 0;
    c->seen = swap_mask(c->seen);
    for (unsigned k = 0; k < x->n_queue; k++) {
        struct w_msg *m = &x->queue[k];

        if (m->type == W_VIEW) {
            m->members = (uint8_t)swap_mask(m->members);
            m->seen = (uint8_t)swap_mask(m->seen);
        } else {
            m->from = swap_slot(m->from);
        }
    }
}

/* With four nodes the two observers are interchangeable: a world and its mirror are one. */
static uint64_t fingerprint(const struct world *w)
{
    uint64_t h = XXH3_64bits(w, world_size(w));

    if (w->n == 4) {
        struct world m = *w;
        uint64_t h2;

        m.node[2] = w->node[3];
        m.node[3] = w->node[2];
        m.part = (uint8_t)swap_mask(m.part);
        for (unsigned i = 0; i < 4; i++) {
            swap_node(&m.node[i]);
        }
        for (unsigned i = 1; i < m.n_ids; i++) {
            m.id[i].src = swap_slot(m.id[i].src);
            m.id[i].dst = swap_slot(m.id[i].dst);
        }
        h2 = XXH3_64bits(&m, world_size(&m));
        h = h2 < h ? h2 : h;
    }
    return h != 0 ? h : 1;
}

static void grow_table(void)
{
    uint64_t *old = table;
    uint64_t old_size = table_size;

    table_size = old_size != 0 ? old_size * 2 : 1u << 16;
    table = need(calloc(table_size, sizeof(*table)));
    for (uint64_t i = 0; i < old_size; i++) {
        if (old[i] != 0) {
            uint64_t at = old[i] & (table_size - 1);

            while (table[at] != 0) {
                at = (at + 1) & (table_size - 1);
            }
            table[at] = old[i];
        }
    }
    free(old);
}

static bool is_new(uint64_t fp)
{
    uint64_t at;

    if (table_size == 0 || (uint64_t)n_known * 2 >= table_size) {
        grow_table();
    }
    for (at = fp & (table_size - 1); table[at] != 0; at = (at + 1) & (table_size - 1)) {
        if (table[at] == fp) {
            return false;
        }
    }
    table[at] = fp;
    return true;
}

static void grow_ring(void)
{
    uint64_t size = ring_size != 0 ? ring_size * 2 : 1024;
    struct world *ring = need(malloc(size * sizeof(*ring)));

    for (uint64_t i = expanded; i < n_known; i++) {
        ring[i % size] = waiting[i % ring_size];
    }
    free(waiting);
    waiting = ring;
    ring_size = size;
}

static bool add(const struct world *w, uint32_t parent, const struct w_step *step)
{
    static uint32_t known_size;

    if (!is_new(fingerprint(w))) {
        return true;
    }
    if (n_known == max_known) {
        return false;
    }
    if (n_known == known_size) {
        known_size = known_size != 0 ? known_size * 2 : 1024;
        known = need(realloc(known, known_size * sizeof(*known)));
    }
    if (ring_size == 0 || n_known - expanded >= ring_size) {
        grow_ring();
    }
    known[n_known] = (struct known){ parent, *step };
    waiting[n_known % ring_size] = *w;
    n_known++;
    return true;
}

/* Plays the way to a known world again, from the first, printing it. */
static void print_path(const struct world *first, uint32_t to, const struct w_step *last)
{
    struct world w = *first;
    uint32_t length = 0;
    uint32_t *path;

    for (uint32_t i = to; i != 0; i = known[i].parent) {
        length++;
    }
    path = need(malloc((length + 1) * sizeof(*path)));
    for (uint32_t i = to, k = length; i != 0; i = known[i].parent) {
        path[--k] = i;
    }
    for (uint32_t k = 0; k < length; k++) {
        world_print_step(&w, &known[path[k]].step);
        world_apply(&w, &known[path[k]].step);
    }
    world_print(&w);
    if (last != NULL) {
        world_print_step(&w, last);
        world_apply(&w, last);
        world_print(&w);
    }
    free(path);
}

/* A party with a frozen copy in a connected majority that must wait for somebody unfenced. */
static bool blocked(const struct world *w)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct xf_core *core = &w->node[i].core;

        if (w->node[i].agent && core->quorate && xf_core_in_doubt(core)) {
            return true;
        }
    }
    return false;
}

/* An assertion of the core failed: the way to it is what matters. Not async-safe, and need not be. */
static const struct world *began_with;
static uint32_t came_from;
static struct w_step under_way;

static void on_abort(int sig)
{
    static bool again;

    (void)sig;
    if (!again) {
        again = true;
        print_path(began_with, came_from, NULL);
        printf("#   then node %u step kind %u arg %u\n", under_way.node, under_way.kind,
               under_way.arg);
        printf("not ok - an assertion of the core failed\n");
        fflush(stdout);
    }
    _Exit(1);
}

/* Steps that were not taken because a queue or the table of ids was full: none may be missing. */
static uint32_t n_dropped;

static bool partly;

static int finish(const char *what, uint32_t n_blocked, bool limited)
{
    double chance = (double)n_known * (double)n_known / 36893488147419103232.0;

    printf("# worlds %u%s, waiting for an absent unfenced party in %u of the quiet ones, "
           "fingerprint clash < %.1e\n",
           n_known, limited ? " (limit reached)" : "", n_blocked, chance);
    if (n_dropped > 0) {
        printf("# %u steps did not fit the world\n", n_dropped);
        what =
            strncmp(what, "ok", 2) == 0 ? "not ok - worlds are too small for these bounds" : what;
    }
    printf("%s\n", what);
    return strncmp(what, "ok", 2) == 0 ? 0 : 1;
}

/*
 * From a quiet, healed world: let the answer timers run out, everything that follows happen, and
 * again, a few times. A journal that failed once, say, is asked again only then.
 */
static bool settles_in_time(const struct world *from)
{
    struct world w = *from;
    struct w_step list[W_STEPS_MAX];

    w.faults = 1; /* a time-out costs one; given back below */
    for (unsigned i = 0; i < 2000 && !world_settled(&w); i++) {
        unsigned n = world_steps(&w, list);
        const struct w_step *pick = NULL;

        for (unsigned pass = 0; pass < 2 && pick == NULL; pass++) {
            for (unsigned k = 0; k < n && pick == NULL; k++) {
                const struct w_step *s = &list[(k + i) % n];
                bool wanted = pass == 0 ? s->protocol && s->kind != W_STEP_FENCE_TOLD
                                        : s->kind == W_STEP_ANSWER;

                pick = wanted ? s : NULL;
            }
        }
        if (pick == NULL || world_apply(&w, pick) != NULL) {
            return false;
        }
        w.faults = 1;
    }
    return world_settled(&w);
}

static int explore(const struct world *first, const char *label, bool show_blocked)
{
    static const struct w_step none;
    struct w_step list[W_STEPS_MAX];
    uint32_t n_blocked = 0;
    bool limited = false;
    char line[256];

    began_with = first;
    signal(SIGABRT, on_abort);
    add(first, 0, &none);
    for (uint32_t i = 0; i < n_known && !limited; i++) {
        struct world w = waiting[i % ring_size];
        unsigned n = world_steps(&w, list);
        unsigned by_itself = 0;

        expanded = i + 1;
        for (unsigned k = 0; k < n; k++) {
            struct world next = w;
            const char *bad;

            came_from = i;
            under_way = list[k];
            bad = world_apply(&next, &list[k]);

            if (bad != NULL) {
                printf("# %s\n", bad);
                print_path(first, i, &list[k]);
                snprintf(line, sizeof(line), "not ok - %s: %s", label, bad);
                return finish(line, n_blocked, false);
            }
            if (next.flags & W_F_OVERFLOW) {
                n_dropped++;
                continue;
            }
            by_itself += list[k].protocol && memcmp(&next, &w, world_size(&w)) != 0;
            if (!add(&next, i, &list[k])) {
                limited = true;
                break;
            }
        }
        if (by_itself == 0 && world_healed(&w) && !world_settled(&w) &&
            !((w.flags & W_F_OP_FAILED) && settles_in_time(&w))) {
            printf("# stuck although everything is healed\n");
            print_path(first, i, NULL);
            snprintf(line, sizeof(line), "not ok - %s: stuck although everything is healed", label);
            return finish(line, n_blocked, false);
        }
        if (by_itself == 0 && blocked(&w)) {
            if (n_blocked++ == 0 && show_blocked) {
                print_path(first, i, NULL);
            }
        }
    }
    if (limited && partly) {
        snprintf(line, sizeof(line), "ok - %s: no bad path in the first %u worlds", label, n_known);
    } else {
        snprintf(line, sizeof(line), "%s - %s: no bad path", limited ? "not ok" : "ok", label);
    }
    return finish(line, n_blocked, limited);
}

/* "partition,timeout,crash,node,fence,break,cancel,fail,guest" -> mask of steps */
static uint32_t faults_named(const char *list)
{
    static const struct {
        const char *name;
        uint32_t steps;
    } names[] = {
        { "partition", 1u << W_STEP_PARTITION },
        { "timeout", 1u << W_STEP_ANSWER },
        { "crash", 1u << W_STEP_AGENT_CRASH },
        { "node", 1u << W_STEP_NODE_CRASH },
        { "fence", 1u << W_STEP_FENCE },
        { "break", 1u << W_STEP_BREAK },
        { "cancel", 1u << W_STEP_CANCEL },
        { "fail", 1u << W_STEP_OP_FAIL },
        { "guest", 1u << W_STEP_GUEST_LEAVES | 1u << W_STEP_GUEST_ENDS },
    };
    uint32_t mask = 0;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        mask |= strstr(list, names[i].name) != NULL ? names[i].steps : 0;
    }
    return mask;
}

int main(int argc, char *argv[])
{
    static struct world first;
    unsigned nodes = argc > 2 ? (unsigned)atoi(argv[1]) : 0;
    unsigned faults = argc > 2 ? (unsigned)atoi(argv[2]) : 0;
    bool from_idle = false;
    bool show = false;
    unsigned starts = 0;
    uint32_t only = 0;
    char label[128];

    if (nodes < 2 || nodes > W_NODES) {
        fprintf(stderr, "usage: explore NODES FAULTS [--from-idle] [--starts N] "
                        "[--only FAULT,...] [--max N] "
                        "[--mutant K] [--show-blocked]\n");
        return 2;
    }
    for (int i = 3; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "0";

        if (strcmp(argv[i], "--from-idle") == 0) {
            from_idle = true;
        } else if (strcmp(argv[i], "--show-blocked") == 0) {
            show = true;
        } else if (strcmp(argv[i], "--starts") == 0) {
            starts = (unsigned)atoi(value);
            i++;
        } else if (strcmp(argv[i], "--only") == 0) {
            only = faults_named(value);
            i++;
        } else if (strcmp(argv[i], "--partly") == 0) {
            partly = true; /* breadth first, so what was walked is all that is so near */
        } else if (strcmp(argv[i], "--max") == 0) {
            max_known = (uint32_t)strtoul(value, NULL, 10);
            i++;
#ifdef XF_MUTANTS
        } else if (strcmp(argv[i], "--mutant") == 0) {
            xf_mutant = atoi(value);
            i++;
#endif
        } else {
            fprintf(stderr, "explore: unknown option %s\n", argv[i]);
            return 2;
        }
    }
    if (from_idle) {
        world_init(&first, nodes, faults);
        first.moves = 1;
    } else {
        world_init_transfer(&first, nodes, faults);
    }
    if (starts != 0) {
        first.starts = (uint8_t)starts;
        first.hellos = 1;
    }
    first.only = only;
    snprintf(label, sizeof(label), "%u nodes, %u faults%s%s", nodes, faults,
             from_idle ? ", from the order to move" : "", starts ? ", with starts" : "");
    printf("1..1\n");
    return explore(&first, label, show);
}
