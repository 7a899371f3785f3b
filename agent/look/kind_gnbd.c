/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GNBD, of the old cluster suites: its class in sysfs has the server and the export's name. */
#include "config.h"

#include "look.h"

#include <stdio.h>
#include <string.h>

static bool is(struct xf_sight *sight, const struct xf_seen *seen)
{
    return xf_see_named(seen, "gnbd") && !xf_see_has(sight, seen, "partition");
}

static bool attr(struct xf_sight *sight, const struct xf_seen *seen, const char *name, char *buf,
                 size_t size)
{
    char path[128], raw[256];

    snprintf(path, sizeof(path), "/sys/class/gnbd/%.40s/%s", seen->name, name);
    if (xf_tree_text(sight->tree, path, raw, sizeof(raw)) < 0) {
        return false;
    }
    xf_name_trim(buf, size, raw);
    return buf[0] != '\0';
}

/* "server/port" in hexadecimal for the port, as its driver prints it; the port is no part of it. */
static void describe(struct xf_sight *sight, struct xf_seen *seen)
{
    char name[96], raw[XF_SERVER_SIZE], server[XF_SERVER_SIZE], text[XF_IDENT_SIZE];
    char *slash;

    if (!attr(sight, seen, "name", name, sizeof(name)) ||
        !attr(sight, seen, "server", raw, sizeof(raw))) {
        xf_see_unknown(sight, "%s does not tell its server", seen->name);
        return;
    }
    slash = strchr(raw, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    xf_own_plain(raw, server, sizeof(server));
    snprintf(text, sizeof(text), "%s/%s", server, name);
    xf_see_name(sight, seen, XF_IDENT_GNBD, text);
    xf_see_server(sight, server);
}

const struct xf_kind_ops xf_kind_gnbd = { .name = "gnbd", .is = is, .describe = describe };
