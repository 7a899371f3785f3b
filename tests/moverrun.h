/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tells stories that play on a moverstage, several at once, and what came of them in TAP. */
#ifndef XF_TEST_MOVERRUN_H
#define XF_TEST_MOVERRUN_H

#include <stddef.h>

struct moverstory {
    const char *name;
    void (*run)(void);
};

/* argv: the program, and the one story to be told instead of all. What main() returns. */
int moverrun(int argc, char **argv, const struct moverstory *stories, size_t n);

#endif
