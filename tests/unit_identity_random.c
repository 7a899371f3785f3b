/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Worlds whose truth is known, and what hosts know of them: no false accept, no false alarm. */
#include "config.h"

#include "identity.h"

#include <string.h>

#include "disks.h"
#include "sample.h"
#include "unit.h"

/* Both ways round. */
static enum xf_match match(const struct xf_disk *a, const struct xf_disk *b)
{
    enum xf_ident_kind kind, other;
    enum xf_match result = xf_identity_match(a, b, &kind);

    assert_int_equal(xf_identity_match(b, a, &other), result);
    assert_int_equal(other, kind);
    return result;
}

/* Of a few devices, and what hosts may have on top of them. */
struct thing {
    uint32_t top;  /* 0: a whole LUN; 1: a volume; 2: a partition */
    uint32_t name; /* of the layer */
    uint32_t n;
    uint32_t lun[4];
};

static void draw_thing(struct sample *s, struct thing *ret_thing)
{
    uint32_t pool[6] = { 0, 1, 2, 3, 4, 5 };

    ret_thing->top = (uint32_t)(sample_u64(s) >> 20) % 3;
    ret_thing->name = (uint32_t)(sample_u64(s) >> 20) % 2;
    ret_thing->n = ret_thing->top == 1 ? 1 + (uint32_t)(sample_u64(s) >> 20) % 4 : 1;
    for (uint32_t i = 0; i < ret_thing->n; i++) {
        uint32_t k = i + (uint32_t)(sample_u64(s) >> 20) % (6 - i);
        uint32_t lun = pool[k];

        pool[k] = pool[i];
        pool[i] = lun;
        ret_thing->lun[i] = lun;
    }
}

static const char *value_of(uint32_t lun, enum xf_ident_kind kind)
{
    static const char *const naa[] = { "naa.60", "naa.61", "naa.62", "naa.63", "naa.64", "naa.65" };
    static const char *const serial[] = { "s 0", "s 1", "s 2", "s 3", "s 4", "s 5" };

    return kind == XF_IDENT_NAA ? naa[lun] : serial[lun];
}

/* As one host sees it: its bases in any order, any number of paths, some names unknown. */
static struct xf_disk seen(struct sample *s, const struct thing *thing, bool whole_truth)
{
    struct xf_disk disk = disk_of(XF_DISK_BLOCK, "/dev/any");
    uint32_t order = (uint32_t)(sample_u64(s) >> 20);
    uint8_t base = thing->top == 0 ? 0 : 1;
    uint32_t paths = 1 + (uint32_t)(sample_u64(s) >> 20) % 3;

    if (thing->top != 0) {
        disk_add(&disk, thing->top == 1 ? XF_IDENT_LV : XF_IDENT_PARTNO, 0,
                 thing->name == 0 ? "one" : "two");
    } else if (paths > 1) {
        disk_add(&disk, XF_IDENT_MPATH, 0, value_of(thing->lun[0], XF_IDENT_NAA));
        base = 1;
    }
    for (uint32_t i = 0; i < thing->n; i++) {
        uint32_t lun = thing->lun[(i + order) % thing->n];

        for (uint32_t k = 0; k < paths; k++) {
            if (whole_truth || sample_u64(s) >> 63 != 0) {
                disk_add(&disk, XF_IDENT_NAA, base, value_of(lun, XF_IDENT_NAA));
            }
            if (whole_truth || sample_u64(s) >> 63 != 0) {
                disk_add(&disk, XF_IDENT_SERIAL, base, value_of(lun, XF_IDENT_SERIAL));
            }
            disk.n_bases = base;
            base++;
        }
    }
    return disk;
}

static bool same_thing(const struct thing *a, const struct thing *b)
{
    uint32_t of_a = 0, of_b = 0;

    for (uint32_t i = 0; i < a->n; i++) {
        of_a |= 1u << a->lun[i];
    }
    for (uint32_t i = 0; i < b->n; i++) {
        of_b |= 1u << b->lun[i];
    }
    return a->top == b->top && of_a == of_b && (a->top == 0 || a->name == b->name);
}

static void who_knows_everything_is_never_wrong(void **state)
{
    struct sample s = { 11 };
    uint32_t same = 0, other = 0;

    (void)state;
    for (uint32_t i = 0; i < 3000; i++) {
        struct thing a, b;
        struct xf_disk here, there;

        draw_thing(&s, &a);
        b = a;
        if (i % 2 == 1) {
            draw_thing(&s, &b);
        }
        here = seen(&s, &a, true);
        there = seen(&s, &b, true);
        if (same_thing(&a, &b)) {
            assert_int_equal(match(&here, &there), XF_MATCH_STRONG);
            same++;
        } else {
            enum xf_match m = match(&here, &there);

            /* a part of a disk and the disk itself: nothing that both know contradicts */
            assert_true(m == XF_MATCH_CONTRADICTION || (m == XF_MATCH_UNKNOWN && a.top != b.top));
            other++;
        }
    }
    assert_true(same > 1000 && other > 1000);
}

static void who_knows_little_is_never_sure_of_what_is_not_so(void **state)
{
    uint32_t n[4] = { 0 };
    struct sample s = { 12 };

    (void)state;
    for (uint32_t i = 0; i < 4000; i++) {
        struct thing a, b;
        struct xf_disk here, there;
        enum xf_match m;

        draw_thing(&s, &a);
        b = a;
        if (i % 2 == 1) {
            draw_thing(&s, &b);
        }
        here = seen(&s, &a, false);
        there = seen(&s, &b, false);
        m = match(&here, &there);
        assert_true(m != XF_MATCH_STRONG || same_thing(&a, &b));
        n[m]++;
    }
    for (uint32_t i = 0; i < 4; i++) {
        assert_true(n[i] > 50);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_knows_everything_is_never_wrong),
        cmocka_unit_test(who_knows_little_is_never_sure_of_what_is_not_so),
    };

    return cmocka_run_group_tests_name("identity_random", tests, NULL, NULL);
}
