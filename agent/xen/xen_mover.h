/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef XF_XEN_MOVER_H
#define XF_XEN_MOVER_H

#include "drivers.h"

extern const struct xf_mover_hyper_ops xf_mover_xen;

#endif
