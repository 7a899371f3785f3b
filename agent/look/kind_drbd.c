/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DRBD: replicated by the hosts themselves; what is below it belongs to each of them. */
#include "config.h"

#include "look.h"

#include <string.h>

#include "volume.h"

static bool is(struct xf_sight *sight, const struct xf_seen *seen)
{
    (void)sight;
    return xf_see_named(seen, "drbd") && !xf_see_has(sight, seen, "partition");
}

static void describe(struct xf_sight *sight, struct xf_seen *seen)
{
    static const char *const show[] = { "drbdsetup", "show", NULL };
    static const char *const status[] = { "drbdsetup", "status", "--verbose", NULL };
    static char text[65536];
    struct xf_drbd drbd = { 0 };
    char name[XF_IDENT_SIZE];
    bool known = false, named;

    named = xf_tree_tool(sight->tree, "drbdsetup-show", show, text, sizeof(text)) == 0 &&
            xf_drbd_show_parse(text, seen->minor, &drbd) == 0;
    if (named && drbd.n_addresses >= 2 && xf_drbd_text(&drbd, name, sizeof(name)) == 0) {
        xf_see_name(sight, seen, XF_IDENT_DRBD, name);
    } else {
        xf_see_unknown(sight, "drbdsetup does not tell whose %s is", seen->name);
    }
    known = xf_tree_text(sight->tree, "/proc/drbd", text, sizeof(text)) == 0 &&
            xf_drbd_proc_parse(text, seen->minor, &drbd) == 0;
    if (!known && named) {
        known = xf_tree_tool(sight->tree, "drbdsetup-status", status, text, sizeof(text)) == 0 &&
                xf_drbd_status_parse(text, &drbd) == 0;
    }
    if (!known) {
        xf_see_unknown(sight, "the state of %s is not known", seen->name);
    } else if (drbd.state[0] != '\0') {
        xf_see_words(sight, "%s: %s", seen->name, drbd.state);
    }
    xf_see_trait(sight, XF_TRAIT_DRBD | drbd.traits);
    sight->closed = sight->closed || (drbd.traits & XF_TRAIT_DRBD_PRIMARY) == 0;
}

const struct xf_kind_ops xf_kind_drbd = { .name = "drbd", .is = is, .describe = describe };
