/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The process's socket and everything that is asked there; one thread. */
#ifndef XF_SANDBOX_SERVER_H
#define XF_SANDBOX_SERVER_H

#include "reason.h"

struct xf_machine;

struct xf_server_options {
    struct xf_machine *m;
    const char *dir;
    int listener;
    int restore; /* stream to build the machine from; -1: it is a new one */
    int report;  /* pipe: first byte enum xf_reason, then text; written once, then closed */
};

/* Tells the waiting starter how the start went. Takes the descriptor. */
void xf_server_report(int report, enum xf_reason reason, const char *text);
/* Does not return; ends the process when the machine is destroyed or could not be built. */
_Noreturn void xf_server_run(const struct xf_server_options *options);

#endif
