/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Claims of what a check says of a disk, and that it says nothing beside it. */
#ifndef XF_JUDGING_H
#define XF_JUDGING_H

#include <string.h>

#include "disks.h"
#include "identity.h"
#include "unit.h"

#define LUN_X "naa.6001405aaaa"
#define LUN_Y "naa.6001405bbbb"

static struct xf_disk before, after, target;
static struct xf_findings found;

static inline void same(struct xf_disk disk)
{
    before = after = target = disk;
}

static inline void same_lun(void)
{
    same(disk_lun("/dev/sdb", LUN_X));
}

static inline void judge_as(bool writable)
{
    memset(&found, 0, sizeof(found));
    xf_disk_judge(&before, &after, &target, writable, &found);
}

static inline void judge(void)
{
    judge_as(true);
}

/* The n-th finding is that one. */
static inline void said(uint32_t n, enum xf_finding_id id, const char *detail)
{
    assert_true(n < found.n);
    assert_string_equal(xf_finding_name(found.of[n].id), xf_finding_name(id));
    assert_string_equal(found.of[n].detail, detail);
    assert_string_equal(found.of[n].subject + strlen("disk "), before.path);
    assert_memory_equal(found.of[n].subject, "disk ", strlen("disk "));
}

static inline void only(enum xf_finding_id id, const char *detail)
{
    judge();
    said(0, id, detail);
    assert_int_equal(found.n, 1);
}

static inline void nothing(void)
{
    judge();
    assert_int_equal(found.n, 0);
}

#endif
