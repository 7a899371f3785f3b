/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <stddef.h>
#include <string.h>

#include "mover/hypers.h"
#include "xen_mover.h"

const struct xf_mover_hyper_ops *xf_mover_hyper_find(const char *name)
{
    return name == NULL || strcmp(name, xf_mover_xen.name) == 0 ? &xf_mover_xen : NULL;
}
