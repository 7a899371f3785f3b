/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory put aside for domains that are expected. */
#ifndef XF_RESERVE_H
#define XF_RESERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "ids.h"

#define XF_RESERVES_MAX 64

struct xf_reserves {
    uint32_t n;
    struct {
        struct xf_uuid uuid;
        uint32_t memory_mib;
    } of[XF_RESERVES_MAX];
};

/* False when the table is full. One of the same uuid is replaced. */
bool xf_reserve_put(struct xf_reserves *reserves, const struct xf_uuid *uuid, uint32_t memory_mib);
void xf_reserve_drop(struct xf_reserves *reserves, const struct xf_uuid *uuid);

#endif
