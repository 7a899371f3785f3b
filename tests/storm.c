/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Long random lives of the shipped core: 3 to 8 nodes, several domains, moves and starts at once,
 * faults at any time that hit all domains of a node together. After each spell everything is healed
 * and must come to rest with exactly one running copy of each domain, or none whose host died.
 *
 *   storm [--runs N] [--seed S]       a seed replays its run: storm --runs 1 --seed S
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define DOMAINS   3
#define SPELLS    3
#define STEPS     400
#define BOOTS_MAX 24 /* incarnations of a node are kept in a 32-bit mask */

static struct world dom[DOMAINS];
static uint64_t rng;
static unsigned long moves;
static unsigned long faults;

static uint32_t chance(uint32_t below)
{
    rng ^= rng << 13; /* xorshift64 */
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return (uint32_t)((rng >> 16) % below);
}

/* One step of each domain's list of this kind and node, as its own operations in flight allow. */
static const char *everywhere(enum w_step_kind kind, unsigned node, unsigned arg)
{
    for (unsigned d = 0; d < DOMAINS; d++) {
        struct w_step s = { .kind = (uint8_t)kind, .node = (uint8_t)node, .arg = (uint8_t)arg };
        const char *bad;

        if (kind == W_STEP_AGENT_CRASH) {
            s.arg = dom[d].node[node].core.op != XF_OP_NONE && chance(2);
        } else if (kind == W_STEP_NODE_CRASH) {
            s.arg = (uint8_t)chance(2);
        }
        bad = world_apply(&dom[d], &s);
        if (bad != NULL) {
            return bad;
        }
    }
    return NULL;
}

static const char *some_fault(void)
{
    const struct world *w = &dom[0];
    unsigned i = chance(w->n);
    const struct w_node *x = &w->node[i];

    faults++;
    switch (chance(6)) {
    case 0:
        return x->agent ? everywhere(W_STEP_AGENT_CRASH, i, 0) : NULL;
    case 1:
        return x->up && x->boot < BOOTS_MAX ? everywhere(W_STEP_NODE_CRASH, i, 0) : NULL;
    case 2:
        return everywhere(W_STEP_PARTITION, 0, chance(1u << w->n) & ~1u);
    case 3:
        return everywhere(W_STEP_HEAL, 0, 0);
    case 4:
        if (!x->up) {
            return everywhere(W_STEP_REBOOT, i, 0);
        }
        return x->agent ? NULL : everywhere(W_STEP_RESTART, i, 0);
    default:
        if (!x->up) {
            return everywhere(W_STEP_FENCE, i, 0);
        }
        return NULL;
    }
}

/* Mostly what happens by itself, sometimes an operator, a time-out or a failure. */
static const char *some_step(struct world *w, bool calm)
{
    struct w_step list[W_STEPS_MAX];
    struct w_step pick[W_STEPS_MAX];
    unsigned n;
    unsigned n_pick = 0;

    w->faults = 1;
    w->moves = w->starts = calm ? 0 : 1;
    n = world_steps(w, list);
    for (unsigned k = 0; k < n; k++) {
        bool wanted = list[k].protocol && list[k].kind != W_STEP_FENCE_TOLD;

        if (!calm && !wanted) {
            switch (list[k].kind) {
            case W_STEP_MOVE:
            case W_STEP_START:
                wanted = chance(4) == 0;
                break;
            case W_STEP_ANSWER:
            case W_STEP_OP_FAIL:
            case W_STEP_CANCEL:
            case W_STEP_BREAK:
                wanted = chance(16) == 0;
                break;
            case W_STEP_FENCE_TOLD:
                wanted = true;
                break;
            default:
                break;
            }
        }
        if (wanted) {
            pick[n_pick++] = list[k];
        }
    }
    if (n_pick == 0) {
        return "";
    }
    n = chance(n_pick);
    moves += pick[n].kind == W_STEP_MOVE;
    w->flags &= (uint8_t) ~(W_F_CANCEL | W_F_MOVED);
    return world_apply(w, &pick[n]);
}

/* Time passes: fencing is told and answers that are overdue are asked for. */
static const char *time_passes(struct world *w)
{
    struct w_step list[W_STEPS_MAX];
    unsigned n;

    w->faults = 1;
    n = world_steps(w, list);
    for (unsigned k = 0; k < n; k++) {
        if (list[k].kind == W_STEP_ANSWER || list[k].kind == W_STEP_FENCE_TOLD) {
            const char *bad = world_apply(w, &list[k]);

            if (bad != NULL) {
                return bad;
            }
        }
    }
    return NULL;
}

static const char *come_to_rest(struct world *w)
{
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned k = 0; k < 5000; k++) {
            const char *bad = some_step(w, true);

            if (bad != NULL && bad[0] == '\0') {
                break;
            }
            if (bad != NULL) {
                return bad;
            }
        }
        if (world_settled(w)) {
            return NULL;
        }
        time_passes(w);
    }
    return "it does not come to rest although everything is healed";
}

static const char *start_again(struct world *w)
{
    struct w_step start = { .kind = W_STEP_START, .node = (uint8_t)chance(w->n) };
    const char *bad;

    for (unsigned i = 0; i < w->n; i++) {
        if (w->node[i].copy != COPY_NONE) {
            return NULL;
        }
    }
    w->starts = 1;
    bad = world_apply(w, &start);
    return bad != NULL ? bad : come_to_rest(w);
}

static const char *heal(void)
{
    const char *bad = everywhere(W_STEP_HEAL, 0, 0);

    for (unsigned i = 0; i < dom[0].n && bad == NULL; i++) {
        if (!dom[0].node[i].up) {
            bad = everywhere(W_STEP_REBOOT, i, 0);
        } else if (!dom[0].node[i].agent) {
            bad = everywhere(W_STEP_RESTART, i, 0);
        }
    }
    for (unsigned d = 0; d < DOMAINS && bad == NULL; d++) {
        bad = come_to_rest(&dom[d]);
        if (bad == NULL) {
            bad = start_again(&dom[d]);
        }
    }
    return bad;
}

static const char *spell(void)
{
    for (unsigned k = 0; k < STEPS; k++) {
        const char *bad = chance(20) == 0 ? some_fault() : some_step(&dom[chance(DOMAINS)], false);

        if (bad != NULL && bad[0] != '\0') {
            return bad;
        }
    }
    return heal();
}

static const char *run(uint64_t seed)
{
    unsigned n;

    rng = seed * 0x9E3779B97F4A7C15u + 1;
    n = 3 + chance(6);
    for (unsigned d = 0; d < DOMAINS; d++) {
        world_init(&dom[d], n, 0);
    }
    for (unsigned k = 0; k < SPELLS; k++) {
        const char *bad = spell();

        if (bad != NULL) {
            return bad;
        }
    }
    return NULL;
}

int main(int argc, char *argv[])
{
    unsigned long runs = 3000;
    uint64_t seed = 1;

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--runs") == 0) {
            runs = strtoul(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0) {
            seed = strtoull(argv[i + 1], NULL, 10);
        } else {
            fprintf(stderr, "usage: storm [--runs N] [--seed S]\n");
            return 2;
        }
    }
    printf("1..1\n");
    for (unsigned long k = 0; k < runs; k++) {
        const char *bad = run(seed + k);

        if (bad != NULL) {
            for (unsigned d = 0; d < DOMAINS; d++) {
                printf("# domain %u\n", d);
                world_print(&dom[d]);
            }
            printf("not ok 1 - seed %llu: %s\n", (unsigned long long)(seed + k), bad);
            return 1;
        }
    }
    printf("# storm_runs %lu storm_moves %lu storm_faults %lu, seeds %llu..%llu\n", runs, moves,
           faults, (unsigned long long)seed, (unsigned long long)(seed + runs - 1));
    printf("ok 1 - every run came to rest with one copy of each domain\n");
    return 0;
}
