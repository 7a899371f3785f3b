/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SCSI disks: what the logical unit calls itself in its vital product data. */
#include "config.h"

#include "look.h"

#include <stdio.h>
#include <string.h>

static bool is(struct xf_sight *sight, const struct xf_seen *seen)
{
    return !seen->is_file && xf_see_has(sight, seen, "device/vendor") &&
           xf_see_has(sight, seen, "device/model") && !xf_see_named(seen, "nvme");
}

/* Vendor and model make the serial number one that others do not have. */
static void serial(struct xf_sight *sight, struct xf_seen *seen)
{
    char path[XF_SYS_PATH_SIZE + 32], vendor[32], model[64], number[96], text[XF_IDENT_SIZE];
    uint8_t page[512];
    int n;

    snprintf(path, sizeof(path), "%s/device/vpd_pg80", seen->sys);
    n = xf_tree_bytes(sight->tree, path, page, sizeof(page));
    if (n > 0 && xf_vpd80_parse(page, (size_t)n, number, sizeof(number)) == 0 &&
        xf_see_attr(sight, seen, "device/vendor", vendor, sizeof(vendor)) &&
        xf_see_attr(sight, seen, "device/model", model, sizeof(model))) {
        snprintf(text, sizeof(text), "%s %s %s", vendor, model, number);
        xf_see_name(sight, seen, XF_IDENT_SERIAL, text);
    }
}

static void state(struct xf_sight *sight, const struct xf_seen *seen)
{
    char text[32];

    if (!seen->is_path && xf_see_attr(sight, seen, "device/state", text, sizeof(text)) &&
        strcmp(text, "running") != 0) {
        xf_see_trait(sight, XF_TRAIT_PATH_NONE);
        xf_see_words(sight, "%s is %s", seen->name, text);
    }
}

static void describe(struct xf_sight *sight, struct xf_seen *seen)
{
    char path[XF_SYS_PATH_SIZE + 32], wwid[XF_IDENT_SIZE];
    struct xf_names names = { 0 };
    uint8_t page[4096];
    int n;

    snprintf(path, sizeof(path), "%s/device/vpd_pg83", seen->sys);
    n = xf_tree_bytes(sight->tree, path, page, sizeof(page));
    if ((n <= 0 || xf_vpd83_parse(page, (size_t)n, &names) < 0) &&
        xf_see_attr(sight, seen, "device/wwid", wwid, sizeof(wwid))) {
        (void)xf_wwid_parse(wwid, &names);
    }
    xf_see_names(sight, seen, &names);
    if (names.n == 0) {
        serial(sight, seen);
    }
    state(sight, seen);
}

const struct xf_kind_ops xf_kind_scsi = { .name = "scsi", .is = is, .describe = describe };
