/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Network block devices: what the client was told that attached it. */
#include "config.h"

#include "look.h"

#include <stdio.h>

#include "text.h"

static bool is(struct xf_sight *sight, const struct xf_seen *seen)
{
    return xf_see_named(seen, "nbd") && !xf_see_has(sight, seen, "partition");
}

static void describe(struct xf_sight *sight, struct xf_seen *seen)
{
    char path[64], args[4096], text[XF_IDENT_SIZE], server[XF_SERVER_SIZE];
    struct xf_nbd nbd;
    uint64_t pid;
    int n;

    if (!xf_see_number(sight, seen, "pid", &pid)) {
        xf_see_unknown(sight, "%s is not attached", seen->name);
        return;
    }
    snprintf(path, sizeof(path), "/proc/%llu/cmdline", (unsigned long long)pid);
    n = xf_tree_bytes(sight->tree, path, args, sizeof(args));
    if (n <= 0 || (size_t)n == sizeof(args) ||
        xf_nbd_cmdline_parse(args, (size_t)n, seen->name, &nbd) < 0) {
        /* Attached by netlink: no process is left to be asked. */
        xf_see_words(sight, "no client tells whose %s is", seen->name);
        return;
    }
    if (!nbd.is_socket) {
        xf_own_plain(nbd.server, server, sizeof(server));
        xf_text_copy(nbd.server, sizeof(nbd.server), server);
    }
    xf_nbd_text(&nbd, text, sizeof(text));
    xf_see_name(sight, seen, XF_IDENT_NBD, text);
    xf_see_server(sight, nbd.server);
}

const struct xf_kind_ops xf_kind_nbd = { .name = "nbd", .is = is, .describe = describe };
