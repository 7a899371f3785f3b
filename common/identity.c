/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rules S1 to S11 of docs/storage-proof.md; what follows from a match for a move is in verdict.c. */
#include "config.h"

#include "identity.h"

#include <string.h>

/* A set of groups of identities: bit 0 is the disk's own, bit n its base n - 1's. */
typedef uint32_t groups_t;

#define OWN ((groups_t)1)

/* What two sets of groups say of each other: the strongest kind of each sort, or XF_N_IDENTS. */
struct agreement {
    enum xf_ident_kind differs;
    enum xf_ident_kind device;
    enum xf_ident_kind made;
    enum xf_ident_kind weak;
};

struct result {
    enum xf_match match;
    enum xf_ident_kind kind;
};

static bool in(const struct xf_disk *disk, uint32_t i, groups_t groups, uint32_t kind)
{
    return disk->ident[i].kind == kind && (groups >> disk->ident[i].base & 1) != 0;
}

static bool knows(const struct xf_disk *disk, groups_t groups, uint32_t kind)
{
    for (uint32_t i = 0; i < disk->n_idents; i++) {
        if (in(disk, i, groups, kind)) {
            return true;
        }
    }
    return false;
}

static bool has(const struct xf_disk *disk, groups_t groups, uint32_t kind, const char *value)
{
    for (uint32_t i = 0; i < disk->n_idents; i++) {
        if (in(disk, i, groups, kind) && strcmp(disk->ident[i].value, value) == 0) {
            return true;
        }
    }
    return false;
}

/* How many of a's values b has, all of them or at least one. */
static bool within(const struct xf_disk *a, groups_t of_a, const struct xf_disk *b, groups_t of_b,
                   uint32_t kind, bool one_is_enough)
{
    for (uint32_t i = 0; i < a->n_idents; i++) {
        if (in(a, i, of_a, kind) && has(b, of_b, kind, a->ident[i].value) == one_is_enough) {
            return one_is_enough;
        }
    }
    return !one_is_enough;
}

/* S2: of several at once one in common is enough; otherwise both must name the same. */
static bool agree(const struct xf_disk *a, groups_t of_a, const struct xf_disk *b, groups_t of_b,
                  uint32_t kind)
{
    if (xf_ident_many(kind)) {
        return within(a, of_a, b, of_b, kind, true);
    }
    return within(a, of_a, b, of_b, kind, false) && within(b, of_b, a, of_a, kind, false);
}

/* S3: who is served by itself names a server that is another one on every host. */
static bool worthless(const struct xf_disk *a, const struct xf_disk *b, uint32_t kind)
{
    bool served = kind == XF_IDENT_NBD || kind == XF_IDENT_GNBD || kind == XF_IDENT_NFS;

    return served && ((a->traits | b->traits) & XF_TRAIT_SELF_SERVED) != 0;
}

static void note(enum xf_ident_kind *kind, uint32_t found)
{
    *kind = *kind == XF_N_IDENTS ? (enum xf_ident_kind)found : *kind;
}

static bool is_shared_filesystem(uint32_t kind)
{
    return kind == XF_IDENT_NFS || kind == XF_IDENT_SHAREDFS;
}

/*
 * S7: a file is proven only by its number together with a filesystem that hosts share. No device
 * under that, and no part of it, stands for either.
 */
static void judge_file(struct agreement *all, bool same_file)
{
    if (same_file) {
        note(&all->made, XF_IDENT_INODE);
        return;
    }
    all->weak = all->made != XF_N_IDENTS ? all->made : all->weak;
    all->weak = all->device != XF_N_IDENTS ? all->device : all->weak;
    all->device = all->made = XF_N_IDENTS;
}

static struct agreement compare(const struct xf_disk *a, groups_t of_a, const struct xf_disk *b,
                                groups_t of_b)
{
    struct agreement all = { XF_N_IDENTS, XF_N_IDENTS, XF_N_IDENTS, XF_N_IDENTS };
    bool same_inode = false, same_filesystem = false, file = false;

    for (uint32_t kind = 0; kind < XF_N_IDENTS; kind++) {
        file = file || ((kind == XF_IDENT_INODE || is_shared_filesystem(kind)) &&
                        (knows(a, of_a, kind) || knows(b, of_b, kind)));
        if (worthless(a, b, kind) || !knows(a, of_a, kind) || !knows(b, of_b, kind)) {
            continue;
        }
        if (!agree(a, of_a, b, of_b, kind)) {
            note(&all.differs, kind);
        } else if (xf_ident_strength(kind) == XF_STRENGTH_DEVICE) {
            note(&all.device, kind);
            same_filesystem = same_filesystem || is_shared_filesystem(kind);
        } else if (kind == XF_IDENT_INODE) {
            same_inode = true;
        } else if (xf_ident_strength(kind) == XF_STRENGTH_WEAK || kind == XF_IDENT_MPATH ||
                   kind == XF_IDENT_DM) {
            /* S5, S6: a map's own name says neither what is under it nor which part of that. */
            note(&all.weak, kind);
        } else {
            note(&all.made, kind);
        }
    }
    if (file) {
        judge_file(&all, same_inode && same_filesystem);
    }
    return all;
}

/* A part of something, or made of several: what it stands on does not name it. */
static bool layered(const struct xf_disk *disk, groups_t groups)
{
    for (uint32_t kind = 0; kind < XF_N_IDENTS; kind++) {
        if (xf_ident_strength(kind) == XF_STRENGTH_MADE && kind != XF_IDENT_MPATH &&
            knows(disk, groups, kind)) {
            return true;
        }
    }
    return false;
}

/* S6: the paths of a multipath map are no bases but the same disk again. */
static bool whole(const struct xf_disk *disk)
{
    return disk->kind != XF_DISK_FILE && !layered(disk, OWN) &&
           (disk->n_bases == 0 || knows(disk, OWN, XF_IDENT_MPATH));
}

/* S4: a device's own identity says which device; of a part of it, which part must be known too. */
static struct result result_of(const struct agreement *all, bool a_layered, bool b_layered)
{
    if (all->differs != XF_N_IDENTS) {
        return (struct result){ XF_MATCH_CONTRADICTION, all->differs };
    }
    if (all->device != XF_N_IDENTS && a_layered == b_layered &&
        (!a_layered || all->made != XF_N_IDENTS)) {
        return (struct result){ XF_MATCH_STRONG, all->device };
    }
    if (all->device != XF_N_IDENTS) {
        return (struct result){ XF_MATCH_WEAK, all->device };
    }
    if (all->made != XF_N_IDENTS) {
        return (struct result){ XF_MATCH_WEAK, all->made };
    }
    if (all->weak != XF_N_IDENTS) {
        return (struct result){ XF_MATCH_WEAK, all->weak };
    }
    return (struct result){ XF_MATCH_UNKNOWN, XF_N_IDENTS };
}

static struct result match_groups(const struct xf_disk *a, groups_t of_a, const struct xf_disk *b,
                                  groups_t of_b)
{
    struct agreement all = compare(a, of_a, b, of_b);

    return result_of(&all, layered(a, of_a), layered(b, of_b));
}

struct units {
    uint32_t n;
    groups_t of[XF_BASES_MAX + 1];
};

/* On one host a path names its own portal: only what is one's alone can tell two devices apart. */
static bool same_device(const struct xf_disk *disk, groups_t x, groups_t y)
{
    bool device = false;

    for (uint32_t kind = 0; kind < XF_N_IDENTS; kind++) {
        if (xf_ident_many(kind) || !knows(disk, x, kind) || !knows(disk, y, kind)) {
            continue;
        }
        if (!agree(disk, x, disk, y, kind)) {
            return false;
        }
        device = device || xf_ident_strength(kind) == XF_STRENGTH_DEVICE;
    }
    return device && !layered(disk, x) && !layered(disk, y);
}

/* What the disk stands on, each device once however many paths lead there; itself if it is whole. */
static void find_units(const struct xf_disk *disk, struct units *ret_units)
{
    memset(ret_units, 0, sizeof(*ret_units));
    if (whole(disk)) {
        ret_units->n = 1;
        ret_units->of[0] = ((groups_t)2 << disk->n_bases) - 1;
        return;
    }
    for (uint32_t base = 1; base <= disk->n_bases; base++) {
        uint32_t at = 0;

        while (at < ret_units->n && !same_device(disk, ret_units->of[at], OWN << base)) {
            at++;
        }
        ret_units->of[at] |= OWN << base;
        ret_units->n = at == ret_units->n ? at + 1 : ret_units->n;
    }
}

struct pairs {
    uint32_t n;
    uint32_t edges[XF_BASES_MAX + 1]; /* of a's unit: bits of b's that it may be */
    uint32_t mate[XF_BASES_MAX + 1];  /* of b's unit: which of a's; n: none yet */
};

/* A path that frees a mate for one more (Kuhn). */
static bool seat(struct pairs *pairs, uint32_t unit, uint32_t *seen)
{
    for (uint32_t other = 0; other < pairs->n; other++) {
        uint32_t bit = 1u << other;

        if ((pairs->edges[unit] & bit) == 0 || (*seen & bit) != 0) {
            continue;
        }
        *seen |= bit;
        if (pairs->mate[other] == pairs->n || seat(pairs, pairs->mate[other], seen)) {
            pairs->mate[other] = unit;
            return true;
        }
    }
    return false;
}

static bool one_to_one(struct pairs *pairs)
{
    for (uint32_t i = 0; i < pairs->n; i++) {
        pairs->mate[i] = pairs->n;
    }
    for (uint32_t i = 0; i < pairs->n; i++) {
        uint32_t seen = 0;

        if (!seat(pairs, i, &seen)) {
            return false;
        }
    }
    return true;
}

/* S8: the same only if each stands on one of the other's, and no two on the same. */
static struct result match_units(const struct xf_disk *a, const struct units *of_a,
                                 const struct xf_disk *b, const struct units *of_b)
{
    struct pairs strong = { .n = of_a->n }, possible = { .n = of_a->n };
    struct result worst = { XF_MATCH_CONTRADICTION, XF_N_IDENTS };

    if (of_a->n != of_b->n) {
        return worst;
    }
    for (uint32_t i = 0; i < of_a->n; i++) {
        for (uint32_t j = 0; j < of_b->n; j++) {
            struct result r = match_groups(a, of_a->of[i], b, of_b->of[j]);

            strong.edges[i] |= r.match == XF_MATCH_STRONG ? 1u << j : 0;
            possible.edges[i] |= r.match != XF_MATCH_CONTRADICTION ? 1u << j : 0;
            if (r.match == XF_MATCH_CONTRADICTION && r.kind < worst.kind) {
                worst.kind = r.kind;
            }
        }
    }
    if (one_to_one(&strong)) {
        return (struct result){ XF_MATCH_STRONG, XF_N_IDENTS };
    }
    if (one_to_one(&possible)) {
        return (struct result){ XF_MATCH_UNKNOWN, XF_N_IDENTS };
    }
    return worst;
}

/* Paths of one map that lead to different disks: what the map is cannot be told. */
static enum xf_ident_kind torn(const struct xf_disk *disk)
{
    for (uint32_t kind = 0; kind < XF_N_IDENTS; kind++) {
        for (uint32_t i = 0; !xf_ident_many(kind) && i <= disk->n_bases; i++) {
            for (uint32_t j = i + 1; knows(disk, OWN << i, kind) && j <= disk->n_bases; j++) {
                if (knows(disk, OWN << j, kind) && !agree(disk, OWN << i, disk, OWN << j, kind)) {
                    return (enum xf_ident_kind)kind;
                }
            }
        }
    }
    return XF_N_IDENTS;
}

static struct result match_whole(const struct xf_disk *a, groups_t of_a, const struct xf_disk *b,
                                 groups_t of_b)
{
    enum xf_ident_kind torn_a = torn(a), torn_b = torn(b);

    if (torn_a != XF_N_IDENTS || torn_b != XF_N_IDENTS) {
        return (struct result){ XF_MATCH_CONTRADICTION, torn_a < torn_b ? torn_a : torn_b };
    }
    return match_groups(a, of_a, b, of_b);
}

/*
 * One of them at least is a part of something, or made of it. S9: a part and a whole have no layer in
 * common that they could be proven by.
 */
static struct result match_layers(const struct xf_disk *a, const struct units *of_a,
                                  const struct xf_disk *b, const struct units *of_b)
{
    struct agreement all = compare(a, OWN, b, OWN);
    struct result own = result_of(&all, true, true), bases;

    if (own.match == XF_MATCH_CONTRADICTION || (of_a->n == 0 && of_b->n == 0)) {
        return own; /* S5: what a layer gave is copied with what lies under it */
    }
    if (of_a->n > 0 && of_b->n > 0) {
        bases = match_units(a, of_a, b, of_b);
        if (bases.match == XF_MATCH_CONTRADICTION) {
            return bases;
        }
        if (bases.match == XF_MATCH_STRONG && own.match == XF_MATCH_STRONG) {
            return own;
        }
        if (bases.match == XF_MATCH_STRONG && all.made != XF_N_IDENTS) {
            return (struct result){ XF_MATCH_STRONG, all.made };
        }
    }
    return own.match == XF_MATCH_STRONG ? (struct result){ XF_MATCH_WEAK, own.kind } : own;
}

enum xf_match xf_identity_match(const struct xf_disk *a, const struct xf_disk *b,
                                enum xf_ident_kind *ret_kind)
{
    struct result result = { XF_MATCH_UNKNOWN, XF_N_IDENTS };
    struct units of_a, of_b;

    find_units(a, &of_a);
    find_units(b, &of_b);
    if (a->kind == b->kind && a->kind != XF_DISK_ABSENT) {
        if (whole(a) && whole(b)) {
            result = match_whole(a, of_a.of[0], b, of_b.of[0]);
        } else {
            result = match_layers(a, &of_a, b, &of_b);
        }
    }
    if (ret_kind != NULL) {
        *ret_kind = result.kind;
    }
    return result.match;
}
