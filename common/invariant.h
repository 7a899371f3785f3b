/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What must hold of one record after every step, and of any set of records of one domain. */
#ifndef XF_INVARIANT_H
#define XF_INVARIANT_H

#include <stddef.h>

#include "core.h"

/* NULL, or the sentence that does not hold. */
const char *xf_invariant_core(const struct xf_core *core, const struct xf_cluster *cluster);
const char *xf_invariant_set(const struct xf_core *const *cores, size_t n);

#endif
