/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Superblocks and partition tables, by libblkid's low-level probing: no cache of it, no udev. */
#include "config.h"

#include "look.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <blkid/blkid.h>

/* "TYPE=ext4" in lines, for hosts that were recorded. */
static void kept_value(const char *text, const char *name, char *buf, size_t size)
{
    size_t len = strlen(name);
    struct xf_line line;

    buf[0] = '\0';
    while (xf_line_next(&text, &line)) {
        if (line.len > len && memcmp(line.at, name, len) == 0 && line.at[len] == '=') {
            line = (struct xf_line){ line.at + len + 1, line.len - len - 1 };
            (void)xf_word_copy(&line, buf, size);
        }
    }
}

static int kept(const struct xf_tree *tree, const char *key, char *buf, size_t size)
{
    char name[64];

    snprintf(name, sizeof(name), "blkid-%s", key);
    return xf_tree_kept(tree, name, buf, size);
}

/* What another host wrote since must be seen: the pages that are cached are dropped first. */
static blkid_probe probe_of(const char *path, int *ret_fd)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    blkid_probe probe;

    if (fd < 0) {
        return NULL;
    }
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    probe = blkid_new_probe();
    if (probe == NULL || blkid_probe_set_device(probe, fd, 0, 0) != 0) {
        blkid_free_probe(probe);
        close(fd);
        return NULL;
    }
    *ret_fd = fd;
    return probe;
}

static void probe_value(blkid_probe probe, const char *name, char *buf, size_t size)
{
    const char *value;

    buf[0] = '\0';
    if (blkid_probe_lookup_value(probe, name, &value, NULL) == 0) {
        xf_name_trim(buf, size, value);
    }
}

int xf_super_probe(const struct xf_tree *tree, const char *path, const char *key,
                   struct xf_super *ret_super)
{
    blkid_probe probe;
    char text[1024];
    int fd, rc;

    if (tree->root != NULL) {
        if (kept(tree, key, text, sizeof(text)) < 0) {
            return -ENODATA;
        }
        kept_value(text, "TYPE", ret_super->type, sizeof(ret_super->type));
        kept_value(text, "UUID", ret_super->uuid, sizeof(ret_super->uuid));
        kept_value(text, "LABEL", ret_super->label, sizeof(ret_super->label));
        return ret_super->type[0] != '\0' ? 0 : -ENODATA;
    }
    probe = probe_of(path, &fd);
    if (probe == NULL) {
        return -ENODATA;
    }
    blkid_probe_enable_superblocks(probe, 1);
    blkid_probe_set_superblocks_flags(probe,
                                      BLKID_SUBLKS_TYPE | BLKID_SUBLKS_UUID | BLKID_SUBLKS_LABEL);
    rc = blkid_do_safeprobe(probe); /* two superblocks at once are none */
    if (rc == 0) {
        probe_value(probe, "TYPE", ret_super->type, sizeof(ret_super->type));
        probe_value(probe, "UUID", ret_super->uuid, sizeof(ret_super->uuid));
        probe_value(probe, "LABEL", ret_super->label, sizeof(ret_super->label));
    }
    blkid_free_probe(probe);
    close(fd);
    return rc == 0 && ret_super->type[0] != '\0' ? 0 : -ENODATA;
}

static int part_uuid(blkid_probe probe, uint32_t number, char *ret_uuid, size_t size)
{
    blkid_partlist list;
    blkid_partition part;
    const char *uuid;

    blkid_probe_enable_partitions(probe, 1);
    list = blkid_probe_get_partitions(probe);
    part = list != NULL ? blkid_partlist_get_partition_by_partno(list, (int)number) : NULL;
    uuid = part != NULL ? blkid_partition_get_uuid(part) : NULL;
    if (uuid == NULL || xf_name_hollow(uuid)) {
        return -ENODATA;
    }
    xf_name_trim(ret_uuid, size, uuid);
    return ret_uuid[0] != '\0' ? 0 : -ENODATA;
}

int xf_super_part(const struct xf_tree *tree, const char *path, const char *key, uint32_t part,
                  char *ret_uuid, size_t size)
{
    blkid_probe probe;
    char text[1024], name[32];
    int fd, rc;

    if (tree->root != NULL) {
        if (kept(tree, key, text, sizeof(text)) < 0) {
            return -ENODATA;
        }
        snprintf(name, sizeof(name), "PART_%u", part);
        kept_value(text, name, ret_uuid, size);
        return ret_uuid[0] != '\0' ? 0 : -ENODATA;
    }
    probe = probe_of(path, &fd);
    if (probe == NULL) {
        return -ENODATA;
    }
    rc = part_uuid(probe, part, ret_uuid, size);
    blkid_free_probe(probe);
    close(fd);
    return rc;
}
