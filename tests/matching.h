/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Claims of what two hosts' disks are to each other. */
#ifndef XF_MATCHING_H
#define XF_MATCHING_H

#include "disks.h"
#include "identity.h"
#include "unit.h"

#define LUN_X "naa.6001405aaaa"
#define LUN_Y "naa.6001405bbbb"
#define LUN_Z "naa.6001405cccc"
#define VOL   "vg1 lv1"

/* Both ways round; which kind decided comes back too. */
static inline enum xf_match match(const struct xf_disk *a, const struct xf_disk *b,
                                  enum xf_ident_kind *ret_kind)
{
    enum xf_ident_kind other;
    enum xf_match result = xf_identity_match(a, b, ret_kind);

    assert_int_equal(xf_identity_match(b, a, &other), result);
    assert_int_equal(other, *ret_kind);
    assert_int_equal(xf_identity_match(a, b, NULL), result);
    return result;
}

static inline void expect(const struct xf_disk *a, const struct xf_disk *b, enum xf_match result,
                          enum xf_ident_kind kind)
{
    enum xf_ident_kind found;

    assert_int_equal(match(a, b, &found), result);
    assert_int_equal(found, kind);
}

static inline struct xf_disk bare(void)
{
    return disk_of(XF_DISK_BLOCK, "/dev/sdb");
}

#endif
