/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The proof by I/O: digests of the blocks that both hosts read, past the page cache. */
#include "config.h"

#include "look.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <gnutls/crypto.h>

#include "blocks.h"

/* Filesystems that know no O_DIRECT refuse it; then what the cache has is dropped first. */
static int open_disk(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC | O_NOCTTY);

    if (fd < 0 && errno == EINVAL) {
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd >= 0) {
            (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        }
    }
    return fd < 0 ? -errno : fd;
}

/* Could the domain write to it from here? Nothing is written. */
static void try_to_write(struct xf_sight *sight)
{
    int fd = open(sight->look->path, O_RDWR | O_CLOEXEC | O_NOCTTY);

    if (fd >= 0) {
        close(fd);
    } else if (errno == EROFS || errno == EACCES || errno == EPERM) {
        xf_see_trait(sight, XF_TRAIT_READONLY);
    } else {
        xf_see_words(sight, "opening it for writing: %s", strerror(errno));
        sight->disk->error = (uint16_t)errno;
    }
}

/* The whole block, 0 where the disk ends before it, or -errno. */
static int read_block(int fd, uint64_t offset, uint8_t *block)
{
    size_t len = 0;

    while (len < XF_BLOCK_SIZE) {
        ssize_t n = pread(fd, block + len, XF_BLOCK_SIZE - len, (off_t)(offset + len));

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        if (n == 0) {
            return 0;
        }
        len += (size_t)n;
    }
    return (int)len;
}

static bool is_blank(const uint8_t *block)
{
    return memcmp(block, block + 1, XF_BLOCK_SIZE - 1) == 0;
}

static int digest(const uint8_t *salt, const uint8_t *block, uint8_t *ret_digest)
{
    gnutls_hash_hd_t hash;

    if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) < 0) {
        return -EIO;
    }
    if (gnutls_hash(hash, salt, XF_SALT_SIZE) < 0 || gnutls_hash(hash, block, XF_BLOCK_SIZE) < 0) {
        gnutls_hash_deinit(hash, ret_digest);
        return -EIO;
    }
    gnutls_hash_deinit(hash, ret_digest);
    return 0;
}

static int read_samples(struct xf_sight *sight, int fd)
{
    static _Alignas(XF_BLOCK_SIZE) uint8_t block[XF_BLOCK_SIZE];
    uint64_t offset[XF_SAMPLES_MAX];
    struct xf_disk *disk = sight->disk;
    uint64_t size = sight->look->size_bytes != 0 ? sight->look->size_bytes : disk->size_bytes;
    uint32_t n = xf_blocks_plan(size, sight->look->salt, offset);

    for (uint32_t i = 0; i < n && i < XF_SAMPLES_MAX; i++) {
        struct xf_sample sample = { .offset = offset[i], .size = XF_BLOCK_SIZE };
        int rc;

        /* Where this host's disk is smaller there is nothing to read; that the sizes differ is told. */
        if (offset[i] > disk->size_bytes || disk->size_bytes - offset[i] < XF_BLOCK_SIZE) {
            continue;
        }
        rc = read_block(fd, offset[i], block);
        if (rc <= 0) {
            return rc < 0 ? rc : -EIO;
        }
        if (offset[i] == 0 && disk->kind == XF_DISK_FILE && xf_image_backed(block, sizeof(block))) {
            xf_see_trait(sight, XF_TRAIT_BACKED);
        }
        sample.blank = is_blank(block);
        rc = digest(sight->look->salt, block, sample.digest);
        if (rc < 0) {
            return rc;
        }
        disk->sample[disk->n_samples++] = sample;
    }
    return 0;
}

void xf_look_read(struct xf_sight *sight)
{
    int fd, rc;

    if (sight->closed) {
        return;
    }
    fd = open_disk(sight->look->path);
    if (fd < 0) {
        sight->disk->error = (uint16_t)-fd;
        return;
    }
    rc = read_samples(sight, fd);
    close(fd);
    if (rc < 0) {
        sight->disk->error = (uint16_t)-rc;
        return;
    }
    if (sight->look->writable) {
        try_to_write(sight);
    }
}
