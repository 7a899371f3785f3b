/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "hypers.h"

#include <stddef.h>
#include <string.h>

#include "drivers.h"

static const struct xf_mover_hyper_ops *const hypervisors[] = {
    &xf_mover_sandbox,
};

const struct xf_mover_hyper_ops *xf_mover_hyper_find(const char *name)
{
    for (size_t i = 0; i < sizeof(hypervisors) / sizeof(hypervisors[0]); i++) {
        if (!name || strcmp(hypervisors[i]->name, name) == 0) {
            return hypervisors[i];
        }
    }
    return NULL;
}
