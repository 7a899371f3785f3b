/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "moverrun.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "moverstage.h"

/* Most of a story is waiting for a deadline: so many are told at once, each worker on its own stage. */
#define WORKERS 6

enum verdict { NOT_RUN, SKIPPED, PASSED, FAILED };

struct telling {
    const struct moverstory *stories;
    size_t n;
    const char *program;
    const char *only; /* NULL: all */
    volatile uint8_t *verdicts;
};

static int work(const struct telling *telling, unsigned worker)
{
    if (!moverstage_open(telling->program)) {
        perror(telling->program);
        return 99;
    }
    for (size_t i = worker; i < telling->n; i += WORKERS) {
        if (telling->only != NULL && strcmp(telling->only, telling->stories[i].name) != 0) {
            telling->verdicts[i] = SKIPPED;
            continue;
        }
        moverstage()->failed = false;
        moverstage_reset();
        telling->stories[i].run();
        telling->verdicts[i] = moverstage()->failed ? FAILED : PASSED;
    }
    moverstage_close();
    return 0;
}

int moverrun(int argc, char **argv, const struct moverstory *stories, size_t n)
{
    struct telling telling = {
        .stories = stories, .n = n, .program = argv[0], .only = argc > 1 ? argv[1] : NULL
    };
    bool any_failed = false;

    telling.verdicts = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (telling.verdicts == MAP_FAILED) {
        return 99;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!moverlib_own_network()) {
        printf("1..0 # SKIP no network namespace of our own: %s\n", strerror(errno));
        return 0;
    }
    for (unsigned k = 0; k < WORKERS; k++) {
        if (fork() == 0) {
            exit(work(&telling, k));
        }
    }
    while (wait(NULL) > 0 || errno == EINTR) {
    }
    printf("1..%zu\n", n);
    for (size_t i = 0; i < n; i++) {
        bool good = telling.verdicts[i] == PASSED || telling.verdicts[i] == SKIPPED;

        printf("%s %zu - %s%s\n", good ? "ok" : "not ok", i + 1, stories[i].name,
               telling.verdicts[i] == SKIPPED ? " # SKIP not asked for" : "");
        any_failed = any_failed || !good;
    }
    return any_failed ? 1 : 0;
}
