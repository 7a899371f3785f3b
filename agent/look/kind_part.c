/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Partitions: which one it is, where it lies, and on which disk. */
#include "config.h"

#include "look.h"

#include <stdio.h>
#include <string.h>

static bool is(struct xf_sight *sight, const struct xf_seen *seen)
{
    return !seen->is_file && xf_see_has(sight, seen, "partition");
}

/* The disk that it is of. The kernel writes '!' where a device's name has a slash. */
static void parent_file(const struct xf_seen *seen, char *buf, size_t size)
{
    char path[XF_SYS_PATH_SIZE];
    char *slash;

    snprintf(path, sizeof(path), "%s", seen->sys);
    slash = strrchr(path, '/');
    if (slash != NULL) {
        *slash = '\0';
        slash = strrchr(path, '/');
    }
    snprintf(buf, size, "/dev/%.60s", slash != NULL ? slash + 1 : path);
    for (char *c = buf; *c != '\0'; c++) {
        *c = *c == '!' ? '/' : *c;
    }
}

static void describe(struct xf_sight *sight, struct xf_seen *seen)
{
    char dev[32], key[32], text[XF_IDENT_SIZE], parent[XF_DEV_NAME_SIZE + 8];
    uint64_t number, start, size;
    uint32_t major, minor;
    struct xf_line word;

    if (!xf_see_number(sight, seen, "partition", &number) || number == 0 || number > 9999 ||
        !xf_see_number(sight, seen, "start", &start) ||
        !xf_see_number(sight, seen, "size", &size) ||
        !xf_see_attr(sight, seen, "../dev", dev, sizeof(dev))) {
        xf_see_unknown(sight, "where partition %s lies cannot be read", seen->name);
        return;
    }
    snprintf(text, sizeof(text), "%llu %llu %llu", (unsigned long long)number,
             (unsigned long long)start, (unsigned long long)size);
    xf_see_name(sight, seen, XF_IDENT_PARTNO, text);
    word = (struct xf_line){ dev, strlen(dev) };
    if (xf_word_dev(&word, &major, &minor) < 0) {
        xf_see_unknown(sight, "the disk of partition %s is not known", seen->name);
        return;
    }
    parent_file(seen, parent, sizeof(parent));
    snprintf(key, sizeof(key), "%u:%u", major, minor);
    /* A table without an identity of its own numbers its partitions only. */
    if (xf_super_part(sight->tree, parent, key, (uint32_t)number, text, sizeof(text)) == 0 &&
        strncmp(text, "00000000-", 9) != 0) {
        xf_see_name(sight, seen, XF_IDENT_PARTUUID, text);
    }
    xf_see_dev(sight, seen, major, minor);
}

const struct xf_kind_ops xf_kind_part = { .name = "partition", .is = is, .describe = describe };
