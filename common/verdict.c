/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rules S12 to S26 of docs/storage-proof.md; which disk it is, identity.c tells. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "identity.h"
#include "text.h"

#define SIDE_SIZE 116u /* two of them, a kind's name and the words between fit into a detail */

#define WHERE                                                                                      \
    (XF_TRAIT_FILE_LOCAL | XF_TRAIT_FILE_UNION | XF_TRAIT_FILE_NETWORK | XF_TRAIT_FILE_CLUSTER)

struct judge {
    const struct xf_disk *before;
    const struct xf_disk *after;
    const struct xf_disk *target;
    bool writable;
    struct xf_findings *findings;
    uint32_t here; /* traits that either look at the source found */
    uint32_t there;
    char subject[XF_SUBJECT_SIZE];
    char detail[XF_DETAIL_SIZE];
    struct xf_text text; /* writes .detail */
};

/* Begins a detail; add() ends it. */
static struct xf_text *begin(struct judge *j)
{
    xf_text_init(&j->text, j->detail, sizeof(j->detail));
    return &j->text;
}

static void add(struct judge *j, enum xf_finding_id id)
{
    xf_findings_add(j->findings, id, j->subject, j->detail);
}

static void say(struct judge *j, enum xf_finding_id id, const char *detail)
{
    xf_text_str(begin(j), detail);
    add(j, id);
}

static void say_side(struct judge *j, enum xf_finding_id id, const char *detail, const char *side)
{
    struct xf_text *text = begin(j);

    xf_text_str(text, detail);
    xf_text_str(text, side);
    add(j, id);
}

static void put_numbers(struct judge *j, uint64_t here, const char *between, uint64_t there,
                        const char *end)
{
    struct xf_text *text = begin(j);

    xf_text_u64(text, here);
    xf_text_str(text, between);
    xf_text_u64(text, there);
    xf_text_str(text, end);
}

/* "snapshot, thin here" */
static void put_traits(struct xf_text *text, uint32_t traits, const char *side)
{
    const char *between = text->len > 0 ? "; " : "";

    for (uint32_t bit = 0; bit < XF_N_TRAITS; bit++) {
        if ((traits >> bit & 1) != 0) {
            xf_text_str(text, between);
            xf_text_str(text, xf_trait_name(bit));
            between = ", ";
        }
    }
    xf_text_str(text, traits != 0 ? side : "");
}

static void put_words(struct xf_text *text, const struct xf_disk *disk)
{
    if (disk->words[0] != '\0') {
        xf_text_str(text, ": ");
        xf_text_str(text, disk->words);
    }
}

/* One of those traits on either host. */
static void either(struct judge *j, enum xf_finding_id id, uint32_t traits)
{
    struct xf_text *text = begin(j);

    put_traits(text, j->here & traits, " here");
    put_traits(text, j->there & traits, " there");
    if (text->len > 0) {
        add(j, id);
    }
}

/* S12: a secondary of DRBD cannot be opened before it becomes primary. What it is, its name says. */
static bool asleep(const struct xf_disk *disk)
{
    return (disk->traits & (XF_TRAIT_DRBD | XF_TRAIT_DRBD_PRIMARY)) == XF_TRAIT_DRBD &&
           (disk->error == EMEDIUMTYPE || disk->error == EROFS);
}

static void say_absent(struct judge *j, const struct xf_disk *disk)
{
    bool inactive = (disk->traits & XF_TRAIT_LV_INACTIVE) != 0;

    if (disk == j->target) {
        say(j, XF_FIND_DISK_MISSING, inactive ? "the volume is not active there" : "");
    } else {
        say(j, XF_FIND_DISK_UNKNOWN,
            inactive ? "the volume is not active here" : "the source itself does not see it");
    }
}

/* S13: a look that did not end, or not well, is evidence of nothing. Returns: it did. */
static bool looked(struct judge *j, const struct xf_disk *disk, const char *side)
{
    bool error = disk->error != 0 && !(disk == j->target && asleep(disk));
    struct xf_text *text;

    if ((disk->traits & XF_TRAIT_UNKNOWN) != 0) {
        text = begin(j);
        xf_text_str(text, side);
        put_words(text, disk);
        add(j, XF_FIND_DISK_UNKNOWN);
    }
    if (disk->late) {
        text = begin(j);
        xf_text_str(text, side);
        put_words(text, disk);
        add(j, XF_FIND_DISK_HANGS);
    }
    if (error) {
        text = begin(j);
        xf_text_str(text, "error ");
        xf_text_u64(text, disk->error);
        xf_text_char(text, ' ');
        xf_text_str(text, side);
        put_words(text, disk);
        add(j, XF_FIND_DISK_UNREADABLE);
    }
    if (disk->kind == XF_DISK_ABSENT && !disk->late && !error &&
        (disk->traits & XF_TRAIT_UNKNOWN) == 0) {
        say_absent(j, disk);
    }
    return disk->kind != XF_DISK_ABSENT && !disk->late && !error;
}

/* What the other does not have of one kind; all of them where that is nothing. */
static void put_values(struct xf_text *text, const struct xf_disk *disk,
                       const struct xf_disk *other, uint32_t kind, bool only_own)
{
    for (uint32_t i = 0; i < disk->n_idents; i++) {
        bool own = disk->ident[i].kind == kind;

        for (uint32_t k = 0; own && only_own && k < other->n_idents; k++) {
            own = other->ident[k].kind != kind ||
                  strcmp(other->ident[k].value, disk->ident[i].value) != 0;
        }
        if (own) {
            xf_text_str(text, text->len > 0 ? ", " : "");
            xf_text_str(text, disk->ident[i].value);
        }
    }
    if (text->len == 0 && only_own) {
        put_values(text, disk, other, kind, false);
    }
}

static void put_side(struct xf_text *text, const struct xf_disk *disk, const struct xf_disk *other,
                     uint32_t kind, const char *side)
{
    char values[SIDE_SIZE];
    struct xf_text list;

    xf_text_init(&list, values, sizeof(values));
    put_values(&list, disk, other, kind, true);
    xf_text_str(text, list.len > 0 ? values : "none");
    xf_text_str(text, side);
}

/* S14 */
static void say_other(struct judge *j, enum xf_ident_kind kind)
{
    struct xf_text *text;

    if (kind == XF_N_IDENTS) {
        put_numbers(j, j->before->n_bases, " disks under it here, ", j->target->n_bases, " there");
    } else {
        text = begin(j);
        xf_text_str(text, xf_ident_name(kind));
        xf_text_str(text, ": ");
        put_side(text, j->before, j->target, kind, " here, ");
        put_side(text, j->target, j->before, kind, " there");
    }
    add(j, XF_FIND_DISK_OTHER);
}

/* S15: an image may grow while it is looked at; the target's look lies between the source's. */
static void judge_size(struct judge *j)
{
    uint64_t before = j->before->size_bytes, after = j->after->size_bytes;
    uint64_t there = j->target->size_bytes;

    if (there < (before < after ? before : after) || there > (before < after ? after : before)) {
        put_numbers(j, before, " bytes here, ", there, " there");
        add(j, XF_FIND_DISK_SIZE);
    }
}

/* S16 to S19: what follows from what one host alone says. */
static void judge_access(struct judge *j)
{
    struct xf_text *text;

    if (j->writable && (j->there & XF_TRAIT_READONLY) != 0 && !asleep(j->target)) {
        say(j, XF_FIND_DISK_READONLY, "");
    }
    if ((j->there & XF_TRAIT_USED) != 0) {
        text = begin(j);
        xf_text_str(text, j->target->words);
        add(j, XF_FIND_DISK_USED);
    }
    if ((j->there & XF_TRAIT_LV_INACTIVE) != 0) {
        say(j, XF_FIND_DISK_MISSING, "the volume is not active there");
    }
    either(j, XF_FIND_DISK_ALONE,
           XF_TRAIT_SNAPSHOT | XF_TRAIT_THIN | XF_TRAIT_CACHE | XF_TRAIT_RAID);
    either(j, XF_FIND_DISK_LOCKED, XF_TRAIT_LV_EXCLUSIVE);
    if ((j->there & XF_TRAIT_FILE_LOCKED) != 0) {
        say(j, XF_FIND_DISK_LOCKED, "somebody holds a lock on the file there");
    }
    either(j, XF_FIND_DISK_UNREADABLE, XF_TRAIT_PATH_NONE);
    either(j, XF_FIND_DISK_PATH, XF_TRAIT_PATH_DOWN);
    either(j, XF_FIND_DISK_BACKED, XF_TRAIT_BACKED);
    if (j->writable) {
        either(j, XF_FIND_DISK_CACHED, XF_TRAIT_LOOP_CACHED);
    }
}

/* S20: nobody makes it primary when the domain comes; the domain could not open it. */
static void say_secondary(struct judge *j)
{
    struct xf_text *text = begin(j);
    uint32_t i = 0;

    while (i < j->target->n_idents && j->target->ident[i].kind != XF_IDENT_DRBD) {
        i++;
    }
    xf_text_str(text, "it is secondary on the target: drbdadm primary ");
    if (i < j->target->n_idents) {
        const char *value = j->target->ident[i].value; /* "resource/volume address …" */
        const char *slash = strchr(value, '/');

        xf_text_mem(text, value, slash != NULL ? (size_t)(slash - value) : strlen(value));
        xf_text_char(text, ' ');
    }
    xf_text_str(text, "there");
    add(j, XF_FIND_DISK_DRBD);
}

/* S20: DRBD is one disk as long as both ends are connected and up to date. Returns: it is, or none. */
static bool judge_drbd(struct judge *j)
{
    static const struct {
        uint32_t trait;
        const char *without;
    } needs[] = {
        { XF_TRAIT_DRBD, "no DRBD device" },
        { XF_TRAIT_DRBD_CONNECTED, "not connected" },
        { XF_TRAIT_DRBD_UPTODATE, "not up to date" },
        { XF_TRAIT_DRBD_TWO_PRIMARIES, "two primaries are not allowed" },
    };
    uint32_t here = j->before->traits & j->after->traits;
    bool fine = true;

    if (((j->here | j->there) & XF_TRAIT_DRBD) == 0) {
        return true;
    }
    for (uint32_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
        if ((here & needs[i].trait) == 0) {
            say_side(j, XF_FIND_DISK_DRBD, needs[i].without, " here");
            fine = false;
        }
        if ((j->there & needs[i].trait) == 0) {
            say_side(j, XF_FIND_DISK_DRBD, needs[i].without, " there");
            fine = false;
        }
    }
    if (fine && (j->there & XF_TRAIT_DRBD_PRIMARY) == 0) {
        say_secondary(j);
    }
    return fine;
}

static bool in_file(const struct xf_disk *disk)
{
    for (uint32_t i = 0; i < disk->n_idents; i++) {
        if (disk->ident[i].kind == XF_IDENT_INODE) {
            return true;
        }
    }
    return disk->kind == XF_DISK_FILE;
}

/* S21 to S23: files. Returns: it is no file, or of a filesystem that both hosts may mount. */
static bool judge_file(struct judge *j, bool whole)
{
    uint32_t alone = XF_TRAIT_FILE_LOCAL | XF_TRAIT_FILE_UNION | XF_TRAIT_SELF_SERVED;
    bool shared = ((j->here | j->there) & alone) == 0;

    either(j, XF_FIND_DISK_LOCAL, alone);
    if (in_file(j->before) && (j->here & WHERE) == 0) {
        say(j, XF_FIND_DISK_UNKNOWN, "on a filesystem of unknown kind here");
    }
    if (in_file(j->target) && (j->there & WHERE) == 0) {
        say(j, XF_FIND_DISK_UNKNOWN, "on a filesystem of unknown kind there");
    }
    if (!whole) {
        return shared;
    }
    if ((j->before->traits & XF_TRAIT_NONCE) != 0) {
        if ((j->there & XF_TRAIT_NONCE) == 0) {
            say(j, XF_FIND_DISK_NONCE, "");
        }
    } else if (((j->here | j->there) & (XF_TRAIT_FILE_NETWORK | XF_TRAIT_FILE_CLUSTER)) != 0) {
        say(j, XF_FIND_DISK_WEAK,
            (j->here & XF_TRAIT_NONCE_REFUSED) != 0
                ? "no file could be written beside it: its folder is not writable here"
                : "no file was written beside it");
    }
    return shared;
}

/* S24, S25. Returns: what was compared is equal. */
static bool judge_content(struct judge *j, const struct xf_blocks_verdict *v)
{
    struct xf_text *text;

    if (v->n_missing > 0) {
        put_numbers(j, v->n_missing, " of ", j->before->n_samples, " blocks were not read again");
        add(j, XF_FIND_DISK_UNREADABLE);
    }
    if (j->before->n_samples == 0 && j->before->kind != XF_DISK_NETWORK &&
        j->before->size_bytes >= XF_BLOCK_SIZE) {
        say(j, XF_FIND_DISK_UNREADABLE, "no block was read here");
    }
    if (v->n_live > 0) {
        put_numbers(j, v->n_live, " of ", j->before->n_samples, " blocks");
        add(j, XF_FIND_DISK_LIVE);
    }
    if (v->n_differ > 0) {
        put_numbers(j, v->n_differ, " of ", j->before->n_samples, " blocks, first at byte ");
        text = &j->text;
        xf_text_u64(text, v->first_differing);
        add(j, XF_FIND_DISK_CONTENT);
    }
    return v->n_missing == 0 && v->n_differ == 0;
}

/* S26: without an identity of its own, a disk is known by content that is not blank, or not at all. */
static void judge_strength(struct judge *j, enum xf_match match, enum xf_ident_kind kind,
                           uint32_t n_equal)
{
    struct xf_text *text;

    if (match == XF_MATCH_STRONG) {
        return;
    }
    text = begin(j);
    xf_text_str(text, match == XF_MATCH_WEAK ? "no more than the same " : "nothing that both know");
    xf_text_str(text, match == XF_MATCH_WEAK ? xf_ident_name(kind) : "");
    xf_text_str(text, ", and ");
    xf_text_u64(text, n_equal);
    xf_text_str(text, n_equal == 1 ? " equal block" : " equal blocks");
    add(j, n_equal > 0 ? XF_FIND_DISK_WEAK : XF_FIND_DISK_UNKNOWN);
}

/* S14: it must be the same before and after, or the target's look is of neither. */
static bool still_same(const struct judge *j)
{
    return j->before->kind == j->after->kind &&
           xf_identity_match(j->before, j->after, NULL) != XF_MATCH_CONTRADICTION;
}

/* The looks are whole, and at the same kind of thing. */
static void judge_same(struct judge *j, bool shared, bool drbd_fine)
{
    enum xf_ident_kind kind;
    enum xf_match match = xf_identity_match(j->before, j->target, &kind);
    struct xf_blocks_verdict v = { 0 };
    bool equal = true;

    if (match == XF_MATCH_CONTRADICTION) {
        say_other(j, kind);
    } else if (!still_same(j)) {
        say(j, XF_FIND_DISK_UNKNOWN, "it became another one here meanwhile");
    }
    judge_size(j);
    if (!drbd_fine) {
        return; /* S20: one that stands alone is out of date, which is not another disk */
    }
    if (!asleep(j->target)) {
        v = xf_blocks_compare(j->before, j->after, j->target);
        equal = judge_content(j, &v);
    }
    if (match != XF_MATCH_CONTRADICTION && equal && shared) {
        judge_strength(j, match, kind, v.n_equal);
    }
}

void xf_disk_judge(const struct xf_disk *before, const struct xf_disk *after,
                   const struct xf_disk *target, bool writable, struct xf_findings *findings)
{
    struct judge j = {
        .before = before,
        .after = after,
        .target = target,
        .writable = writable,
        .findings = findings,
        .here = before->traits | after->traits,
        .there = target->traits,
    };
    bool whole, here, there, shared, drbd_fine;
    struct xf_text text;

    xf_text_init(&text, j.subject, sizeof(j.subject));
    xf_text_str(&text, "disk ");
    xf_text_str(&text, before->path);
    here = looked(&j, before, "here");
    here = looked(&j, after, "here") && here;
    there = looked(&j, target, "there");
    whole = here && there;
    judge_access(&j);
    if (before->kind == XF_DISK_ABSENT || target->kind == XF_DISK_ABSENT) {
        return;
    }
    shared = judge_file(&j, whole);
    drbd_fine = judge_drbd(&j);
    if (before->kind != target->kind) {
        say(&j, XF_FIND_DISK_KIND, "");
    } else if (whole) {
        judge_same(&j, shared, drbd_fine);
    }
}
