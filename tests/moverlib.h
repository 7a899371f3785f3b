/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plays the agent of a mover, or of two: starts them, speaks with them, sees them die. */
#ifndef XF_TEST_MOVERLIB_H
#define XF_TEST_MOVERLIB_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "link.h"

struct moverlib_side {
    const char *program; /* path of the mover */
    const char *dir;
    const char *netns; /* name, or NULL: ours */
    const char *fault; /* XF_FAKE_FAULT, or NULL */
    pid_t pid;
    int fd;
    double user_s; /* once it has ended: what it took of the processor */
    double system_s;
    uint32_t rounds;     /* ROUND messages so far */
    struct xf_round sum; /* of the last message of each round */
    struct xf_round last;
    struct xf_link_msg msg;
};

uint64_t moverlib_now_ms(void);
/* Starts it and says first, SEND or RECEIVE with .params. */
void moverlib_start(struct moverlib_side *side, const struct xf_link_msg *first);
void moverlib_tell(struct moverlib_side *side, enum xf_link_type type);
/*
 * Waits for a message of that type, passing over ROUND (counted), CONNECTED and, unless it is asked
 * for, WANT_SWITCH. False: another came (in side->msg), the process died, or the time is over.
 */
bool moverlib_expect(struct moverlib_side *side, enum xf_link_type type, uint32_t timeout_ms);
/* Waits until the process has ended by itself; false: it had to be killed. */
bool moverlib_end(struct moverlib_side *side, uint32_t timeout_ms);
/* A network namespace of our own with nothing but its loopback; false: not allowed to. */
bool moverlib_own_network(void);

#endif
