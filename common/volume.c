/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "volume.h"

#include <errno.h>
#include <string.h>

#include "mounts.h"
#include "text.h"

static const struct target_row {
    const char *name;
    uint32_t traits;
} targets[] = {
    { "linear", 0 },
    { "striped", 0 },
    { "crypt", 0 },
    { "multipath", 0 },
    { "snapshot", XF_TRAIT_SNAPSHOT },
    { "snapshot-origin", XF_TRAIT_SNAPSHOT },
    { "snapshot-merge", XF_TRAIT_SNAPSHOT },
    { "thin", XF_TRAIT_THIN },
    { "thin-pool", XF_TRAIT_THIN },
    { "cache", XF_TRAIT_CACHE },
    { "writecache", XF_TRAIT_CACHE },
    { "ebs", XF_TRAIT_CACHE },
    { "raid", XF_TRAIT_RAID },
    { "mirror", XF_TRAIT_RAID },
};

static const struct target_row *find_target(const struct xf_line *name)
{
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        if (xf_word_is(name, targets[i].name)) {
            return &targets[i];
        }
    }
    return NULL;
}

static int dev_letter(struct xf_dm_table *table, uint32_t major, uint32_t minor)
{
    uint32_t i = 0;

    while (i < table->n_devs && (table->dev[i].major != major || table->dev[i].minor != minor)) {
        i++;
    }
    if (i == XF_TABLE_DEVS_MAX) {
        return -ENOSPC;
    }
    if (i == table->n_devs) {
        table->dev[i].major = major;
        table->dev[i].minor = minor;
        table->n_devs++;
    }
    return (int)i;
}

/*
 * The rest of a line: its devices as letters, all else as it stands. Of crypt the second word is the
 * key, or where it is kept; nobody's business.
 */
static bool add_arguments(struct xf_dm_table *table, struct xf_line rest, bool crypt,
                          struct xf_text *extents)
{
    struct xf_line word;

    for (size_t i = 0; xf_word_next(&rest, &word); i++) {
        uint32_t major, minor;

        if (crypt && i == 1) {
            continue;
        }
        xf_text_char(extents, ' ');
        if (xf_word_dev(&word, &major, &minor) == 0) {
            int letter = dev_letter(table, major, minor);

            if (letter < 0) {
                return false;
            }
            xf_text_char(extents, (char)('a' + letter));
        } else {
            xf_text_mem(extents, word.at, word.len);
        }
    }
    return true;
}

static bool only_linear(struct xf_dm_table *table, uint64_t size, struct xf_line rest)
{
    struct xf_line word;

    table->size = size;
    return xf_word_next(&rest, &word) && xf_word_next(&rest, &word) &&
           xf_word_u64(&word, &table->start) == 0 && !xf_word_next(&rest, &word);
}

static int parse_target(struct xf_dm_table *table, struct xf_line rest, struct xf_text *extents)
{
    const struct target_row *target;
    struct xf_line start, size, name, word, words;
    uint64_t from, sectors;

    if (!xf_word_next(&rest, &start) || xf_word_u64(&start, &from) < 0 ||
        !xf_word_next(&rest, &size) || xf_word_u64(&size, &sectors) < 0 ||
        !xf_word_next(&rest, &name)) {
        return -EINVAL;
    }
    target = find_target(&name);
    table->traits |= target != NULL ? target->traits : (uint32_t)XF_TRAIT_UNKNOWN;
    if (target == NULL && table->odd[0] == '\0' &&
        !xf_word_copy(&name, table->odd, sizeof(table->odd))) {
        xf_text_copy(table->odd, sizeof(table->odd), "?");
    }
    table->multipath = table->multipath || xf_word_is(&name, "multipath");
    for (words = rest; xf_word_next(&words, &word);) {
        if (table->multipath && xf_word_is(&word, "queue_if_no_path")) {
            table->traits |= XF_TRAIT_QUEUES;
        }
    }
    table->one_linear =
        table->n_targets == 0 && xf_word_is(&name, "linear") && only_linear(table, sectors, rest);
    xf_text_str(extents, table->n_targets > 0 ? "; " : "");
    xf_text_u64(extents, from);
    xf_text_char(extents, '+');
    xf_text_u64(extents, sectors);
    xf_text_char(extents, ' ');
    xf_text_mem(extents, name.at, name.len);
    if (!add_arguments(table, rest, xf_word_is(&name, "crypt"), extents)) {
        extents->truncated = true;
    }
    table->n_targets++;
    return 0;
}

int xf_dm_table_parse(const char *text, struct xf_dm_table *ret_table)
{
    static const struct xf_dm_table none;
    struct xf_text extents;
    struct xf_line line;

    *ret_table = none;
    xf_text_init(&extents, ret_table->extents, sizeof(ret_table->extents));
    while (xf_line_next(&text, &line)) {
        if (parse_target(ret_table, line, &extents) < 0) {
            return -EINVAL;
        }
    }
    if (ret_table->n_targets == 0) {
        return -EINVAL;
    }
    if (extents.truncated || !xf_text_name_ok(ret_table->extents, sizeof(ret_table->extents))) {
        ret_table->extents[0] = '\0';
        ret_table->traits |= XF_TRAIT_UNKNOWN;
    }
    return 0;
}

int xf_mpath_status_parse(const char *status, uint32_t *ret_active, uint32_t *ret_failed)
{
    uint32_t active = 0, failed = 0;
    struct xf_line line, word;

    while (xf_line_next(&status, &line)) {
        uint32_t major, minor;

        while (xf_word_next(&line, &word)) {
            if (xf_word_dev(&word, &major, &minor) == 0 && xf_word_next(&line, &word)) {
                active += xf_word_is(&word, "A");
                failed += xf_word_is(&word, "F");
            }
        }
    }
    if (active == 0 && failed == 0) {
        return -ENODATA;
    }
    *ret_active = active;
    *ret_failed = failed;
    return 0;
}

static bool field_next(struct xf_line *rest, struct xf_line *ret_field)
{
    const char *bar;

    if (rest->at == NULL) {
        return false;
    }
    bar = memchr(rest->at, '|', rest->len);
    ret_field->at = rest->at;
    ret_field->len = bar != NULL ? (size_t)(bar - rest->at) : rest->len;
    if (bar == NULL) {
        rest->at = NULL;
        rest->len = 0;
    } else {
        rest->len -= ret_field->len + 1;
        rest->at = bar + 1;
    }
    return true;
}

static bool word_begins(const struct xf_line *word, const char *with)
{
    size_t len = strlen(with);

    return word->len >= len && memcmp(word->at, with, len) == 0;
}

static void segment_type(const struct xf_line *type, struct xf_lvs *lvs)
{
    if (word_begins(type, "thin")) {
        lvs->traits |= XF_TRAIT_THIN;
    } else if (word_begins(type, "cache") || word_begins(type, "writecache")) {
        lvs->traits |= XF_TRAIT_CACHE;
    } else if (word_begins(type, "raid") || xf_word_is(type, "mirror")) {
        lvs->traits |= XF_TRAIT_RAID;
    } else if (word_begins(type, "snapshot")) {
        lvs->traits |= XF_TRAIT_SNAPSHOT;
    } else if (!xf_word_is(type, "linear") && !xf_word_is(type, "striped")) {
        lvs->traits |= XF_TRAIT_UNKNOWN;
        if (!xf_word_copy(type, lvs->odd, sizeof(lvs->odd)) || lvs->odd[0] == '\0') {
            xf_text_copy(lvs->odd, sizeof(lvs->odd), "?");
        }
    }
}

/* lvs(8), lv_attr: the first letter is the volume's type, the fifth its state. */
static void attributes(const struct xf_line *attr, struct xf_lvs *lvs)
{
    char type = attr->len > 0 ? attr->at[0] : '?';

    if (attr->len < 6) {
        lvs->traits |= XF_TRAIT_UNKNOWN;
        return;
    }
    lvs->traits |= strchr("sSoO", type) != NULL ? XF_TRAIT_SNAPSHOT : 0;
    lvs->traits |= strchr("mMrR", type) != NULL ? XF_TRAIT_RAID : 0;
    lvs->traits |= strchr("Vt", type) != NULL ? XF_TRAIT_THIN : 0;
    lvs->traits |= strchr("Cg", type) != NULL ? XF_TRAIT_CACHE : 0;
    lvs->traits |= attr->at[4] != 'a' ? XF_TRAIT_LV_INACTIVE : 0;
}

static bool lvs_line(struct xf_line line, struct xf_lvs *lvs)
{
    struct xf_line field[7] = { 0 };
    size_t n = 0;
    bool clustered;

    while (line.len > 0 && (*line.at == ' ' || *line.at == '\t')) {
        line.at++;
        line.len--;
    }
    while (n < 7 && field_next(&line, &field[n])) {
        n++;
    }
    if (n < 7 || field[0].len != 38 || !xf_word_copy(&field[0], lvs->vg, sizeof(lvs->vg)) ||
        !xf_word_copy(&field[1], lvs->lv, sizeof(lvs->lv))) {
        return false;
    }
    attributes(&field[2], lvs);
    segment_type(&field[3], lvs);
    clustered = word_begins(&field[6], "clustered");
    if (clustered) {
        lvs->traits |= XF_TRAIT_VG_CLUSTERED;
        /* Of a volume that no cluster guards lvs says so always. */
        lvs->traits |=
            xf_word_is(&field[4], "active exclusively") || xf_word_is(&field[4], "local exclusive")
                ? XF_TRAIT_LV_EXCLUSIVE
                : 0;
    }
    if (xf_word_is(&field[5], "dlm") || xf_word_is(&field[5], "sanlock") ||
        xf_word_is(&field[5], "idm")) {
        lvs->traits |= XF_TRAIT_VG_SHARED;
    }
    return true;
}

int xf_lvs_parse(const char *report, struct xf_lvs *ret_lvs)
{
    struct xf_lvs lvs = { 0 };
    bool found = false;
    struct xf_line line;

    while (xf_line_next(&report, &line)) {
        found = lvs_line(line, &lvs) || found; /* one line for each segment */
    }
    if (!found) {
        return -ENODATA;
    }
    *ret_lvs = lvs;
    return 0;
}

int xf_lvmlock_parse(const char *info, const char *lv_uuid, bool *ret_exclusive)
{
    struct xf_line line, lk, type, mode, word;

    while (xf_line_next(&info, &line)) {
        /* "LK LV ex LVUUID" */
        if (!xf_word_next(&line, &lk) || !xf_word_is(&lk, "LK") || !xf_word_next(&line, &type) ||
            !xf_word_is(&type, "LV") || !xf_word_next(&line, &mode)) {
            continue;
        }
        while (xf_word_next(&line, &word)) {
            if (xf_word_is(&word, lv_uuid)) {
                *ret_exclusive = xf_word_is(&mode, "ex");
                return 0;
            }
        }
    }
    return -ENOENT;
}
