/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tells one story: a world played step by step as its file says, every event and action printed in
 * trace form. tests/stories.sh compares with tests/golden/.
 *
 *   nodes N            first line; the move has come to its transfer (S in s-copy, D in d-recv)
 *   idle N             or: nothing has begun
 *   quiet              everything that happens by itself, in a fixed order, to its end
 *   STEP NODE [ARG]    one step, as in enum w_step_kind, lower case: "suspend S", "partition S",
 *                      "deliver D", "op_ok D", "agent_crash S", "fence_told S D"
 *   expect NODE STATE  the record of NODE is in that state
 *   expect copy NODE   the one running copy is there; "expect copy none": nowhere
 */
#include "config.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace.h"
#include "world.h"

static struct world w;
static unsigned line_number;

static const char *const node_names[W_NODES] = { "S", "D", "O1", "O2" };

static void fail(const char *what, const char *detail)
{
    fflush(stdout);
    fprintf(stderr, "line %u: %s %s\n", line_number, what, detail);
    exit(1);
}

static void tell(const struct world *world, unsigned node, const struct xf_event *ev,
                 const struct xf_actions *acts)
{
    char line[XF_TRACE_LINE_SIZE];

    xf_trace_event(ev, line, sizeof(line));
    printf("%-2s < %s\n", node_names[node], line);
    for (uint32_t i = 0; i < acts->n; i++) {
        xf_trace_act(&acts->a[i], line, sizeof(line));
        printf("%-2s   > %s\n", node_names[node], line);
    }
    xf_trace_core(&world->node[node].core, line, sizeof(line));
    printf("%-2s   = %s\n", node_names[node], line);
}

static unsigned node_named(const char *name)
{
    for (unsigned i = 0; i < w.n; i++) {
        if (name != NULL && strcmp(name, node_names[i]) == 0) {
            return i;
        }
    }
    fail("no such node:", name != NULL ? name : "(none)");
    return 0;
}

static int kind_named(const char *name)
{
    static const char *const kinds[] = {
#define X(sym, text) #sym,
        W_STEPS(X)
#undef X
    };

    for (int k = 0; k < W_N_STEPS; k++) {
        size_t i = 0;

        while (kinds[k][i] != '\0' && tolower((unsigned char)kinds[k][i]) == name[i]) {
            i++;
        }
        if (kinds[k][i] == '\0' && name[i] == '\0') {
            return k;
        }
    }
    fail("no such step:", name);
    return 0;
}

/* The step must be one that the world offers just now. */
static void play(enum w_step_kind kind, unsigned node, int arg)
{
    struct w_step list[W_STEPS_MAX];
    unsigned n;

    w.faults = 1;
    n = world_steps(&w, list);
    for (unsigned k = 0; k < n; k++) {
        const char *bad;

        if (list[k].kind != kind || (list[k].node != node && kind != W_STEP_PARTITION) ||
            (arg >= 0 && list[k].arg != arg)) {
            continue;
        }
        bad = world_apply(&w, &list[k]);
        if (bad != NULL) {
            fail("the world objects:", bad);
        }
        return;
    }
    fail("that cannot happen now", "");
}

static void play_quiet(void)
{
    struct w_step list[W_STEPS_MAX];

    for (unsigned guard = 0; guard < 1000; guard++) {
        const struct w_step *pick = NULL;
        unsigned n;

        w.faults = 0;
        n = world_steps(&w, list);
        for (unsigned k = 0; k < n && pick == NULL; k++) {
            if (list[k].protocol && list[k].kind != W_STEP_FENCE_TOLD &&
                list[k].kind != W_STEP_RETRY) {
                pick = &list[k];
            }
        }
        if (pick == NULL) {
            return;
        }
        if (world_apply(&w, pick) != NULL) {
            fail("the world objects", "");
        }
    }
    fail("never quiet", "");
}

static void expect(const char *a, const char *b)
{
    unsigned running = 0;
    unsigned where = 0;

    if (a == NULL || b == NULL) {
        fail("expect what?", "");
    }
    if (strcmp(a, "copy") != 0) {
        unsigned i = node_named(a);

        if (strcmp(xf_state_name(w.node[i].core.state), b) != 0) {
            fail("is in state", xf_state_name(w.node[i].core.state));
        }
        return;
    }
    for (unsigned i = 0; i < w.n; i++) {
        if (w.node[i].copy == COPY_RUN) {
            running++;
            where = i;
        }
    }
    if (strcmp(b, "none") == 0 ? running != 0 : running != 1 || where != node_named(b)) {
        fail("runs elsewhere:", running ? node_names[where] : "nowhere");
    }
}

static void command(char *line)
{
    char *save = NULL;
    char *word = strtok_r(line, " \n", &save);
    char *a = strtok_r(NULL, " \n", &save);
    char *b = strtok_r(NULL, " \n", &save);

    if (word == NULL || word[0] == '#') {
        return;
    }
    printf("-- %s%s%s%s%s\n", word, a ? " " : "", a ? a : "", b ? " " : "", b ? b : "");
    if (strcmp(word, "nodes") == 0 || strcmp(word, "idle") == 0) {
        world_trace = NULL;
        if (word[0] == 'n') {
            world_init_transfer(&w, (unsigned)atoi(a != NULL ? a : "0"), 0);
        } else {
            world_init(&w, (unsigned)atoi(a != NULL ? a : "0"), 0);
            w.moves = w.starts = 4;
        }
        world_trace = tell;
    } else if (strcmp(word, "quiet") == 0) {
        play_quiet();
    } else if (strcmp(word, "expect") == 0) {
        expect(a, b);
    } else if (strcmp(word, "appear") == 0) {
        world_appear(&w, node_named(a != NULL ? a : ""));
    } else {
        enum w_step_kind kind = (enum w_step_kind)kind_named(word);
        unsigned node = a != NULL ? node_named(a) : 0;
        int arg = b != NULL ? (isdigit((unsigned char)b[0]) ? atoi(b) : (int)node_named(b)) : -1;

        if (kind == W_STEP_PARTITION) { /* the side without S is what the world names */
            unsigned mask = (unsigned)((1u << w.n) - 1) & ~(1u << node);

            arg = (int)(node == W_S ? mask : 1u << node);
        }
        play(kind, node, arg);
    }
}

int main(int argc, char *argv[])
{
    char line[256];
    FILE *f = argc == 2 ? fopen(argv[1], "re") : NULL;

    if (f == NULL) {
        fprintf(stderr, "usage: story FILE\n");
        return 2;
    }
    while (fgets(line, sizeof(line), f) != NULL) {
        line_number++;
        command(line);
    }
    fclose(f);
    return 0;
}
