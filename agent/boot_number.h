/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The number of this boot of this node (struct xf_boot): larger at every boot. */
#ifndef XF_BOOT_NUMBER_H
#define XF_BOOT_NUMBER_H

#include <stddef.h>

#include "ids.h"

/*
 * The number in rundir if the kernel's boot_id stands beside it; else a new one, above `above` even
 * if the clock went back. 0, or negative errno with a sentence in err.
 */
int xf_boot_number(const char *rundir, struct xf_boot above, struct xf_boot *ret_boot, char *err,
                   size_t err_size);

#endif
