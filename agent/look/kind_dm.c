/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Maps of device-mapper but multipath's, LVM's volumes among them: what is mapped where. */
#include "config.h"

#include "look.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <gnutls/crypto.h>

#include "text.h"
#include "volume.h"

static bool is(struct xf_sight *sight, const struct xf_seen *seen)
{
    return !seen->is_file && xf_see_has(sight, seen, "dm/name") &&
           !xf_kind_multipath.is(sight, seen);
}

/* The map as a name: in words where they fit, else their digest. */
static void table_name(struct xf_sight *sight, struct xf_seen *seen, const char *uuid,
                       const struct xf_dm_table *table)
{
    char name[XF_EXTENTS_SIZE + XF_IDENT_SIZE];
    uint8_t digest[XF_DIGEST_SIZE];
    struct xf_text text;
    size_t len;

    snprintf(name, sizeof(name), "%s: %s", uuid[0] != '\0' ? uuid : "map", table->extents);
    len = strlen(name);
    if (len >= XF_IDENT_SIZE) {
        if (gnutls_hash_fast(GNUTLS_DIG_SHA256, name, len, digest) < 0) {
            xf_see_unknown(sight, "no SHA-256");
            return;
        }
        xf_text_init(&text, name, sizeof(name));
        xf_text_str(&text, "sha256 ");
        for (size_t i = 0; i < sizeof(digest); i++) {
            xf_text_hex(&text, digest[i], 2);
        }
    }
    xf_see_name(sight, seen, XF_IDENT_DM, name);
}

static void exclusive(struct xf_sight *sight, const char *lv)
{
    static const char *const argv[] = { "lvmlockctl", "--info", NULL };
    static char text[65536];
    bool held;

    if (xf_tree_tool(sight->tree, "lvmlockctl", argv, text, sizeof(text)) < 0 ||
        xf_lvmlock_parse(text, lv, &held) < 0) {
        xf_see_unknown(sight, "lvmlockctl does not tell who holds the volume");
    } else if (held) {
        xf_see_trait(sight, XF_TRAIT_LV_EXCLUSIVE);
    }
}

/* volume: "vg/lv". 0, -ENOENT: there is no LVM, or -EIO: it does not tell. */
static int ask_lvs(struct xf_sight *sight, const char *volume, struct xf_lvs *ret_lvs)
{
    static char text[65536];
    const char *argv[] = { "lvs", "--noheadings", "--nosuffix", "--separator", "|",
                           "-o",  XF_LVS_FIELDS,  volume,       NULL };
    int rc = xf_tree_tool(sight->tree, "lvs", argv, text, sizeof(text));

    return rc == 0 ? xf_lvs_parse(text, ret_lvs) : rc;
}

/* The kernel knows the map; only LVM knows how the cluster guards it. */
static void ask_lvm(struct xf_sight *sight, const struct xf_seen *seen)
{
    char name[XF_IDENT_SIZE], vg[XF_IDENT_SIZE], lv[XF_IDENT_SIZE], both[2 * XF_IDENT_SIZE + 8];
    struct xf_lvs lvs;

    if (!xf_see_attr(sight, seen, "dm/name", name, sizeof(name)) ||
        xf_dm_lv_names(name, vg, sizeof(vg), lv, sizeof(lv)) < 0) {
        return; /* a layer that LVM keeps to itself */
    }
    snprintf(both, sizeof(both), "%s/%s", vg, lv);
    if (ask_lvs(sight, both, &lvs) < 0) {
        xf_see_unknown(sight, "lvs does not tell about %s", both);
        return;
    }
    xf_see_trait(sight, lvs.traits);
    if (lvs.odd[0] != '\0') {
        xf_see_words(sight, "segments of %s", lvs.odd);
    }
    if ((lvs.traits & XF_TRAIT_VG_SHARED) != 0) {
        exclusive(sight, lvs.lv);
    }
}

bool xf_dm_is_inactive(struct xf_sight *sight, const char *path)
{
    static const char maps[] = "/dev/mapper/";
    char vg[XF_IDENT_SIZE], lv[XF_IDENT_SIZE], both[2 * XF_IDENT_SIZE + 8];
    const char *slash;
    struct xf_lvs lvs;

    if (strncmp(path, maps, strlen(maps)) == 0) {
        if (xf_dm_lv_names(path + strlen(maps), vg, sizeof(vg), lv, sizeof(lv)) < 0) {
            return false;
        }
        snprintf(both, sizeof(both), "%s/%s", vg, lv);
    } else {
        slash = strncmp(path, "/dev/", 5) == 0 ? strchr(path + 5, '/') : NULL;
        if (slash == NULL || strchr(slash + 1, '/') != NULL || slash[1] == '\0' ||
            !xf_text_copy(both, sizeof(both), path + 5)) {
            return false;
        }
    }
    return ask_lvs(sight, both, &lvs) == 0 && (lvs.traits & XF_TRAIT_LV_INACTIVE) != 0;
}

static void volume(struct xf_sight *sight, struct xf_seen *seen, const struct xf_dm_uuid *uuid)
{
    char text[2 * XF_LVM_UUID_SIZE];

    snprintf(text, sizeof(text), "%s %s", uuid->vg, uuid->lv);
    xf_see_name(sight, seen, XF_IDENT_LV, text);
    if (uuid->layer[0] == '\0') {
        ask_lvm(sight, seen);
    }
}

static void table_traits(struct xf_sight *sight, struct xf_seen *seen,
                         const struct xf_dm_uuid *uuid, const struct xf_dm_table *table)
{
    char text[64];

    xf_see_trait(sight, table->traits);
    if (table->odd[0] != '\0') {
        xf_see_words(sight, "%s is mapped by %s", seen->name, table->odd);
    }
    if (table->extents[0] == '\0') {
        xf_see_words(sight, "the map of %s is too long", seen->name);
    }
    /* The same partition may be the kernel's own on the other host. */
    if (uuid->kind == XF_DM_UUID_PART && table->one_linear) {
        snprintf(text, sizeof(text), "%u %llu %llu", uuid->part, (unsigned long long)table->start,
                 (unsigned long long)table->size);
        xf_see_name(sight, seen, XF_IDENT_PARTNO, text);
    }
}

static void describe(struct xf_sight *sight, struct xf_seen *seen)
{
    static char text[65536];
    static struct xf_dm_table table; /* used up before anything below is looked at */
    char uuid_text[XF_IDENT_SIZE] = "", suspended[8];
    struct xf_dm_uuid uuid;
    uint32_t n;
    struct {
        uint32_t major, minor;
    } below[XF_TABLE_DEVS_MAX];

    (void)xf_see_attr(sight, seen, "dm/uuid", uuid_text, sizeof(uuid_text));
    xf_dm_uuid_parse(uuid_text, &uuid);
    if (xf_see_attr(sight, seen, "dm/suspended", suspended, sizeof(suspended)) &&
        strcmp(suspended, "0") != 0) {
        xf_see_words(sight, "%s is suspended", seen->name);
    }
    if (uuid.kind == XF_DM_UUID_LVM) {
        volume(sight, seen, &uuid);
    }
    if (xf_dm_text(sight->tree, seen->major, seen->minor, false, text, sizeof(text)) < 0 ||
        xf_dm_table_parse(text, &table) < 0) {
        xf_see_unknown(sight, "the map of %s cannot be read", seen->name);
        xf_see_slaves(sight, seen);
        return;
    }
    table_traits(sight, seen, &uuid, &table);
    if (table.extents[0] != '\0') {
        table_name(sight, seen, uuid_text, &table);
    }
    n = table.n_devs;
    for (uint32_t i = 0; i < n; i++) {
        below[i].major = table.dev[i].major;
        below[i].minor = table.dev[i].minor;
    }
    for (uint32_t i = 0; i < n; i++) {
        xf_see_dev(sight, seen, below[i].major, below[i].minor);
    }
}

const struct xf_kind_ops xf_kind_dm = { .name = "device-mapper", .is = is, .describe = describe };
