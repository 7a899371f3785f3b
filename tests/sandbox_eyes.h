/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a sandbox guest knows of itself: the eyes of every test that moves one. */
#ifndef XF_TEST_SANDBOX_EYES_H
#define XF_TEST_SANDBOX_EYES_H

#include "hyper_bed.h"
#include "sandbox/control.h"

struct xf_sandbox_stat eyes_stat(const struct bed_host *host);
/* Once the guest there has looked at all its memory since it was restored; at most 10 s. */
struct xf_sandbox_stat eyes_checked(struct bed_host *host);

#endif
