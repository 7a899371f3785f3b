/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the stories of moverpair.c play: two directories with a guest each, and both agents. */
#ifndef XF_TEST_MOVERSTAGE_H
#define XF_TEST_MOVERSTAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "moverlib.h"
#include "page.h"
#include "reason.h"

#define STAGE_PAGES      3000u  /* of the guest */
#define STAGE_TIMEOUT_MS 1500u  /* the movers' own; stories about stalls wait for it */
#define STAGE_WAIT_MS    10000u /* ours: longer than anything may take */

/* One stage per process. */
struct moverstage {
    char base[256];
    char program[512];
    char dir_s[300];
    char dir_d[300];
    struct moverlib_side s;
    struct moverlib_side d;
    struct xf_link_msg first; /* what both are told; stories change it before starting them */
    bool failed;
};

#define STAGE_CHECK(condition) moverstage_check((condition), __FILE__, __LINE__, #condition)
void moverstage_check(bool holds, const char *file, int line, const char *text);

/* self: argv[0]; mover_fake stands beside it. */
bool moverstage_open(const char *self);
void moverstage_reset(void);
void moverstage_close(void);
struct moverstage *moverstage(void);

bool moverstage_exists(const char *dir, const char *name);
uint32_t moverstage_cap(const char *dir);
bool moverstage_guests_equal(void);
bool moverstage_logs_equal(void);
int moverstage_dial(uint16_t port);

void moverstage_start_dest(void);
void moverstage_start_source(void);
void moverstage_start_both(void);
bool moverstage_fails_with(struct moverlib_side *side, enum xf_reason reason);
/* Both processes are gone by themselves, and nothing was built on the other side. */
void moverstage_both_ended_here(void);
/* Permits the switch-over when it is asked for. */
void moverstage_until_want_end(void);
/* Grants the end, and sees the guest arrive. */
void moverstage_arrive(void);
/* The same, and every page of it. */
void moverstage_finish(void);

#endif
