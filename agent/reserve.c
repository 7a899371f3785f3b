/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "reserve.h"

bool xf_reserve_put(struct xf_reserves *reserves, const struct xf_uuid *uuid, uint32_t memory_mib)
{
    xf_reserve_drop(reserves, uuid);
    if (reserves->n == XF_RESERVES_MAX) {
        return false;
    }
    reserves->of[reserves->n].uuid = *uuid;
    reserves->of[reserves->n].memory_mib = memory_mib;
    reserves->n++;
    return true;
}

void xf_reserve_drop(struct xf_reserves *reserves, const struct xf_uuid *uuid)
{
    for (uint32_t i = 0; i < reserves->n; i++) {
        if (xf_uuid_eq(&reserves->of[i].uuid, uuid)) {
            reserves->of[i] = reserves->of[--reserves->n];
            return;
        }
    }
}
