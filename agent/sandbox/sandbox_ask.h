/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --ask: a hand's way to a running sandbox domain, for tests and for looking at one. */
#ifndef XF_SANDBOX_ASK_H
#define XF_SANDBOX_ASK_H

struct xf_uuid;

/* Exit code: a reason. */
int xf_sandbox_ask_main(const char *dir, const struct xf_uuid *uuid, const char *request);

#endif
