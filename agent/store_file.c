/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock_qb.h"

#define NAME       "journal"
#define SPARE      "journal.spare"
#define NEW        "journal.new"
#define LOCK       "journal.lock"
#define BLOCK      XF_JOURNAL_ENTRY_SIZE
#define ZEROS_SIZE 65536u

static off_t block_at(uint32_t i)
{
    return (off_t)i * (off_t)BLOCK;
}

static int write_all(int fd, const void *buf, size_t size, off_t at)
{
    const uint8_t *p = buf;

    while (size > 0) {
        ssize_t n = pwrite(fd, p, size, at);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? -errno : -EIO;
        }
        p += n;
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

/* From the given offset to the file's end, over blocks that are the file's own already. */
static int write_zeros(int fd, off_t at, off_t end)
{
    static const uint8_t zeros[ZEROS_SIZE];
    int rc = 0;

    while (rc == 0 && at < end) {
        size_t n = end - at < (off_t)ZEROS_SIZE ? (size_t)(end - at) : ZEROS_SIZE;

        rc = write_all(fd, zeros, n, at);
        at += (off_t)n;
    }
    return rc;
}

static int write_header(int fd, uint64_t generation, uint32_t epoch_floor)
{
    struct xf_journal_header header = {
        .version = XF_JOURNAL_MAX,
        .generation = generation,
        .epoch_floor = epoch_floor,
    };
    uint8_t buf[BLOCK] = { 0 };

    xf_journal_encode_header(&header, buf);
    return write_all(fd, buf, sizeof(buf), 0);
}

/* Allocated and zeroed, not yet synced. Returns the descriptor or negative errno. */
static int make_file(int dir_fd, const char *name, uint32_t size)
{
    int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int rc;

    if (fd < 0) {
        return -errno;
    }
    rc = -posix_fallocate(fd, 0, (off_t)size);
    if (rc == 0) {
        rc = write_zeros(fd, 0, (off_t)size);
    }
    if (rc != 0) {
        close(fd);
        unlinkat(dir_fd, name, 0);
        return rc;
    }
    return fd;
}

/* Under a name of its own until it is whole. */
static int make_journal(int dir_fd, const char *name, uint32_t size)
{
    int fd = make_file(dir_fd, NEW, size);
    int rc;

    if (fd < 0) {
        return fd;
    }
    rc = write_header(fd, 1, 0);
    if (rc == 0 &&
        (fsync(fd) != 0 || renameat(dir_fd, NEW, dir_fd, name) != 0 || fsync(dir_fd) != 0)) {
        rc = -errno;
    }
    if (rc != 0) {
        close(fd);
        unlinkat(dir_fd, NEW, 0);
        return rc;
    }
    return fd;
}

/* ---- the latest entry of each domain ---- */

static void remember(struct xf_store_file *file, const struct xf_journal_entry *entry)
{
    for (uint32_t i = 0; i < file->n_latest; i++) {
        if (xf_uuid_eq(&file->latest[i].uuid, &entry->uuid)) {
            file->latest[i] = *entry;
            return;
        }
    }
    if (file->n_latest == file->latest_max) {
        file->latest_max = file->latest_max == 0 ? 256 : file->latest_max * 2;
        file->latest = reallocarray(file->latest, file->latest_max, sizeof(*file->latest));
        if (file->latest == NULL) {
            abort();
        }
    }
    file->latest[file->n_latest++] = *entry;
}

/* ---- reading ---- */

static int damaged(uint32_t i, const char *what, char *err, size_t err_size)
{
    snprintf(err, err_size,
             "the journal's entry %u at offset %lld %s. Restore the file from a backup; or, if no "
             "move of this node's domains is in doubt, move journal and journal.spare away and "
             "start again",
             i + 1, (long long)block_at(i + 1), what);
    return -EBADMSG;
}

/*
 * Entries are written and synced one at a time, so only the very last one can be torn by a crash,
 * and nothing valid can follow a slot that is not.
 */
static int take_entries(struct xf_store_file *file, const uint8_t *blocks, char *err,
                        size_t err_size)
{
    struct xf_journal_entry entry;
    uint32_t n_bad = 0;
    uint32_t end = file->capacity;

    for (uint32_t i = 0; i < file->capacity; i++) {
        int rc = xf_journal_decode_entry(blocks + (size_t)i * BLOCK, &entry);

        if (rc != 0) {
            end = end < i ? end : i;
            n_bad += rc == -ENODATA ? 0 : 1;
            if (rc != -ENODATA && (n_bad > 1 || end != i)) {
                return damaged(end, "is damaged, and what follows is no unused space", err,
                               err_size);
            }
            continue;
        }
        if (end < i) {
            return damaged(end,
                           n_bad > 0 ? "is damaged, and valid entries follow"
                                     : "is missing, and valid entries follow",
                           err, err_size);
        }
        if (entry.seq != (uint64_t)i + 1) {
            return damaged(i, "is not the one that belongs there", err, err_size);
        }
        remember(file, &entry);
    }
    file->used = end;
    file->torn = n_bad > 0;
    return 0;
}

static int check_size(struct xf_store_file *file, char *err, size_t err_size)
{
    struct stat st;

    if (fstat(file->fd, &st) != 0) {
        return -errno;
    }
    if (st.st_size < (off_t)XF_STORE_SIZE_MIN || st.st_size > (off_t)XF_STORE_SIZE_MAX ||
        (st.st_size & (st.st_size - 1)) != 0) {
        snprintf(err, err_size,
                 "the journal has %lld bytes, which no journal is made with: it was cut. Restore "
                 "the file from a backup",
                 (long long)st.st_size);
        return -EBADMSG;
    }
    file->capacity = (uint32_t)(st.st_size / (off_t)BLOCK) - 1;
    return 0;
}

static int load(struct xf_store_file *file, char *err, size_t err_size)
{
    struct xf_journal_header header;
    size_t size, got = 0;
    uint8_t *buf;
    ssize_t n = 1;
    int rc = check_size(file, err, err_size);

    if (rc != 0) {
        return rc;
    }
    size = ((size_t)file->capacity + 1) * BLOCK;
    buf = malloc(size);
    if (buf == NULL) {
        abort();
    }
    while (got < size && n > 0) {
        n = pread(file->fd, buf + got, size - got, (off_t)got);
        got += n > 0 ? (size_t)n : 0;
    }
    rc = got == size ? xf_journal_decode_header(buf, &header) : -EIO;
    if (rc == -EPROTONOSUPPORT) {
        snprintf(err, err_size, "the journal was written by a newer xenferry");
    } else if (rc != 0) {
        snprintf(err, err_size, "%s",
                 rc == -EIO ? "the journal cannot be read" : "the journal's header is damaged");
    } else {
        file->generation = header.generation;
        file->epoch_floor = header.epoch_floor;
        rc = take_entries(file, buf + BLOCK, err, err_size);
    }
    free(buf);
    return rc;
}

/* ---- writing ---- */

static int append_at(int fd, uint32_t i, const struct xf_uuid *uuid, const struct xf_record *record,
                     struct xf_journal_entry *ret_entry)
{
    uint8_t buf[BLOCK] = { 0 };

    *ret_entry = (struct xf_journal_entry){
        .seq = (uint64_t)i + 1,
        .uuid = *uuid,
        .record = *record,
    };
    xf_journal_encode_entry(ret_entry, buf);
    return write_all(fd, buf, sizeof(buf), block_at(i + 1));
}

static int fill_spare(struct xf_store_file *file, int fd, uint32_t size)
{
    struct xf_journal_entry entry;
    int rc = write_header(fd, file->generation + 1, file->epoch_floor);

    for (uint32_t i = 0; rc == 0 && i < file->n_latest; i++) {
        rc = append_at(fd, i, &file->latest[i].uuid, &file->latest[i].record, &entry);
    }
    if (rc == 0) {
        rc = write_zeros(fd, block_at(file->n_latest + 1), (off_t)size);
    }
    return rc == 0 && fsync(fd) != 0 ? -errno : rc;
}

/* The spare at the size wanted: an existing one keeps its blocks, so that a full disk does not matter. */
static int get_spare(struct xf_store_file *file, uint32_t size)
{
    struct stat st;
    int rc;

    if (file->spare_fd < 0) {
        file->spare_fd = make_file(file->dir_fd, SPARE, size);
        return file->spare_fd < 0 ? file->spare_fd : 0;
    }
    if (fstat(file->spare_fd, &st) != 0) {
        return -errno;
    }
    if (st.st_size != (off_t)size) {
        rc = -posix_fallocate(file->spare_fd, 0, (off_t)size);
        if (rc != 0) {
            return rc;
        }
        return ftruncate(file->spare_fd, (off_t)size) == 0 ? 0 : -errno;
    }
    return 0;
}

static int compact(struct xf_store_file *file)
{
    uint32_t size = (file->capacity + 1) * BLOCK;
    int rc, fd;

    /* Less than half free after compaction would soon compact again: grow. */
    while (file->n_latest > size / BLOCK / 2 && size < XF_STORE_SIZE_MAX) {
        size *= 2;
    }
    if (file->n_latest >= size / BLOCK - 1) {
        return -ENOSPC;
    }
    rc = get_spare(file, size);
    if (rc != 0) {
        return rc;
    }
    rc = fill_spare(file, file->spare_fd, size);
    if (rc != 0) {
        return rc;
    }
    if (renameat2(file->dir_fd, SPARE, file->dir_fd, NAME, RENAME_EXCHANGE) == 0) {
        fd = file->fd;
    } else if (errno == EINVAL && renameat(file->dir_fd, SPARE, file->dir_fd, NAME) == 0) {
        close(file->fd); /* a filesystem without exchange: the next spare is made anew */
        fd = -1;
    } else {
        return -errno;
    }
    file->fd = file->spare_fd;
    file->spare_fd = fd;
    file->generation++;
    file->capacity = size / BLOCK - 1;
    file->used = file->n_latest;
    for (uint32_t i = 0; i < file->n_latest; i++) {
        file->latest[i].seq = (uint64_t)i + 1;
    }
    return fsync(file->dir_fd) == 0 ? 0 : -errno;
}

int xf_store_file_append(struct xf_store_file *file, const struct xf_uuid *uuid,
                         const struct xf_record *record)
{
    struct xf_journal_entry entry;
    int rc = 0;

    if (file->used == file->capacity) {
        rc = compact(file);
    }
    if (rc == 0) {
        rc = append_at(file->fd, file->used, uuid, record, &entry);
    }
    if (rc == 0 && fdatasync(file->fd) != 0) {
        rc = -errno;
    }
    if (rc != 0) {
        return rc;
    }
    file->used++;
    remember(file, &entry);
    return 0;
}

/* ---- opening ---- */

static int take_lock(struct xf_store_file *file, uint32_t wait_ms, char *err, size_t err_size)
{
    uint64_t deadline = xf_now_ms() + wait_ms;

    file->lock_fd = openat(file->dir_fd, LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file->lock_fd < 0) {
        return -errno;
    }
    while (flock(file->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK || xf_now_ms() >= deadline) {
            snprintf(err, err_size, "another agent uses the journal");
            return -EBUSY;
        }
        usleep(10000);
    }
    return 0;
}

static int open_files(struct xf_store_file *file, char *err, size_t err_size)
{
    file->fd = openat(file->dir_fd, NAME, O_RDWR | O_CLOEXEC);
    file->spare_fd = openat(file->dir_fd, SPARE, O_RDWR | O_CLOEXEC);
    if (file->fd < 0 && errno != ENOENT && file->spare_fd < 0) {
        return -errno;
    }
    if (file->fd < 0 && file->spare_fd >= 0) {
        snprintf(err, err_size,
                 "the journal is missing, though journal.spare is there. Restore "
                 "it from a backup; or, if no move of this node's domains is in doubt, remove "
                 "journal.spare and start again");
        return -EBADMSG;
    }
    if (file->fd < 0) {
        file->fd = make_journal(file->dir_fd, NAME, XF_STORE_SIZE_MIN);
        if (file->fd < 0) {
            return file->fd;
        }
    }
    if (file->spare_fd < 0) {
        /* Without it only a compaction on a full disk would fail. */
        file->spare_fd = make_file(file->dir_fd, SPARE, XF_STORE_SIZE_MIN);
    }
    return 0;
}

int xf_store_file_open(const char *dir, uint32_t lock_wait_ms, struct xf_store_file *ret_file,
                       char *err, size_t err_size)
{
    struct xf_store_file file = { .dir_fd = -1, .lock_fd = -1, .fd = -1, .spare_fd = -1 };
    int rc = 0;

    err[0] = '\0';
    if (mkdir(dir, 0750) != 0 && errno != EEXIST) {
        rc = -errno;
    }
    if (rc == 0) {
        file.dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        rc = file.dir_fd < 0 ? -errno : take_lock(&file, lock_wait_ms, err, err_size);
    }
    if (rc == 0) {
        rc = open_files(&file, err, err_size);
    }
    if (rc == 0) {
        rc = load(&file, err, err_size);
    }
    if (rc != 0) {
        if (err[0] == '\0') {
            snprintf(err, err_size, "%s: %s", dir, strerror(-rc));
        }
        xf_store_file_close(&file);
        return rc;
    }
    *ret_file = file;
    return 0;
}

void xf_store_file_close(struct xf_store_file *file)
{
    int fds[] = { file->fd, file->spare_fd, file->lock_fd, file->dir_fd };

    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    free(file->latest);
    *file = (struct xf_store_file){ .dir_fd = -1, .lock_fd = -1, .fd = -1, .spare_fd = -1 };
}
