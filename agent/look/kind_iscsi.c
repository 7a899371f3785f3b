/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SCSI disks that an iSCSI session carries: the target's name and the number of the unit. */
#include "config.h"

#include "look.h"

#include <stdio.h>
#include <string.h>

static bool device_path(struct xf_sight *sight, const struct xf_seen *seen,
                        struct xf_scsi_path *ret_path)
{
    (void)sight;
    return !seen->is_file && xf_scsi_path_parse(seen->sys, ret_path) == 0 &&
           ret_path->session[0] != '\0';
}

static bool is(struct xf_sight *sight, const struct xf_seen *seen)
{
    struct xf_scsi_path path;

    return device_path(sight, seen, &path) && !xf_see_has(sight, seen, "partition");
}

/* Served by this host itself? Then another host has a target of that name, too. */
static bool self_served(struct xf_sight *sight, const char *session)
{
    char path[128], raw[96], address[96];

    snprintf(path, sizeof(path), "/sys/class/iscsi_connection/connection%.24s:0/persistent_address",
             session + strlen("session"));
    if (xf_tree_text(sight->tree, path, raw, sizeof(raw)) < 0) {
        return false;
    }
    xf_name_trim(address, sizeof(address), raw);
    return address[0] != '\0' && xf_own_is(sight->tree, address);
}

static void describe(struct xf_sight *sight, struct xf_seen *seen)
{
    struct xf_scsi_path scsi;
    char path[128], raw[XF_IDENT_SIZE], target[XF_IDENT_SIZE], text[XF_IDENT_SIZE + 32];

    if (!device_path(sight, seen, &scsi)) {
        return;
    }
    snprintf(path, sizeof(path), "/sys/class/iscsi_session/%s/targetname", scsi.session);
    if (xf_tree_text(sight->tree, path, raw, sizeof(raw)) < 0) {
        return;
    }
    xf_name_trim(target, sizeof(target), raw);
    if (target[0] != '\0' && !self_served(sight, scsi.session)) {
        snprintf(text, sizeof(text), "%s,lun %llu", target, (unsigned long long)scsi.lun);
        xf_see_name(sight, seen, XF_IDENT_ISCSI, text);
    }
}

const struct xf_kind_ops xf_kind_iscsi = { .name = "iscsi", .is = is, .describe = describe };
