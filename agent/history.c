/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define NAME      "history.jsonl"
#define OLD       NAME ".1"
#define PATH_SIZE 512

/* Kept as text: a tenth of what the parsed object takes, and rarely looked at. */
struct kept {
    char *line;
    char *key; /* uuid and migration */
    bool unknown;
};

struct xf_history {
    uint32_t max;
    uint32_t n;
    uint32_t head; /* where the next one goes */
    struct kept *ring;
};

static const char *field(const json_t *report, const char *key)
{
    const char *text = json_string_value(json_object_get(report, key));

    return text != NULL ? text : "";
}

/* Of the i-th newest; i < n. */
static struct kept *kept_at(const struct xf_history *history, uint32_t i)
{
    return &history->ring[(history->head + history->max - 1 - i) % history->max];
}

static char *key_of(const char *uuid, const char *migration)
{
    char *key = NULL;

    if (asprintf(&key, "%s %s", uuid, migration) < 0) {
        abort();
    }
    return key;
}

static struct kept *find(const struct xf_history *history, const char *key)
{
    for (uint32_t i = 0; i < history->n; i++) {
        if (strcmp(kept_at(history, i)->key, key) == 0) {
            return kept_at(history, i);
        }
    }
    return NULL;
}

bool xf_history_add(struct xf_history *history, const json_t *report)
{
    char *key = key_of(field(report, "uuid"), field(report, "migration"));
    bool unknown = strcmp(field(report, "result"), "unknown") == 0;
    struct kept *slot = find(history, key);

    if (slot != NULL && (unknown || !slot->unknown)) {
        free(key);
        return false;
    }
    if (slot == NULL) {
        slot = &history->ring[history->head];
        history->head = (history->head + 1) % history->max;
        history->n += history->n < history->max ? 1 : 0;
    }
    free(slot->line);
    free(slot->key);
    slot->key = key;
    slot->unknown = unknown;
    slot->line = json_dumps(report, JSON_COMPACT | JSON_REAL_PRECISION(9));
    if (slot->line == NULL) {
        abort();
    }
    return true;
}

json_t *xf_history_get(const struct xf_history *history, uint32_t i)
{
    return i < history->n ? json_loads(kept_at(history, i)->line, 0, NULL) : NULL;
}

json_t *xf_history_unknown(const struct xf_history *history, uint32_t *i)
{
    while (*i < history->n && !kept_at(history, *i)->unknown) {
        (*i)++;
    }
    return xf_history_get(history, *i);
}

json_t *xf_history_find(const struct xf_history *history, const char *uuid, const char *migration)
{
    char *key = key_of(uuid, migration);
    const struct kept *slot = find(history, key);

    free(key);
    return slot != NULL ? json_loads(slot->line, 0, NULL) : NULL;
}

static void read_file(struct xf_history *history, const char *dir, const char *name)
{
    char path[PATH_SIZE];
    char *line = NULL;
    size_t size = 0;
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "re");
    while (f != NULL && getline(&line, &size, f) > 0) {
        json_t *report = json_loads(line, 0, NULL);

        if (json_is_object(report)) {
            xf_history_add(history, report);
        }
        json_decref(report);
    }
    if (f != NULL) {
        fclose(f);
    }
    free(line);
}

struct xf_history *xf_history_open(const char *dir, uint32_t max)
{
    struct xf_history *history = calloc(1, sizeof(*history));

    if (history == NULL) {
        abort();
    }
    history->max = max;
    history->ring = calloc(max, sizeof(*history->ring));
    if (history->ring == NULL) {
        abort();
    }
    read_file(history, dir, OLD);
    read_file(history, dir, NAME);
    return history;
}

void xf_history_close(struct xf_history *history)
{
    if (history == NULL) {
        return;
    }
    for (uint32_t i = 0; i < history->max; i++) {
        free(history->ring[i].line);
        free(history->ring[i].key);
    }
    free(history->ring);
    free(history);
}

static uint32_t count_lines(int fd)
{
    char buf[16384];
    uint32_t lines = 0;
    off_t at = 0;
    ssize_t n;

    while ((n = pread(fd, buf, sizeof(buf), at)) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            lines += buf[i] == '\n' ? 1 : 0;
        }
        at += n;
    }
    return lines;
}

int xf_history_append(const char *dir, const char *line, uint32_t max)
{
    struct iovec iov[2];
    char path[PATH_SIZE], old[PATH_SIZE];
    struct stat st;
    size_t len = strlen(line);
    int fd, rc = 0;

    snprintf(path, sizeof(path), "%s/" NAME, dir);
    snprintf(old, sizeof(old), "%s/" OLD, dir);
    fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (fd >= 0 && count_lines(fd) >= max) {
        close(fd);
        if (rename(path, old) != 0) {
            return -errno;
        }
        fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    }
    if (fd < 0 || fstat(fd, &st) != 0) {
        rc = -errno;
        if (fd >= 0) {
            close(fd);
        }
        return rc;
    }
    iov[0] = (struct iovec){ .iov_base = strdup(line), .iov_len = len };
    iov[1] = (struct iovec){ .iov_base = (char[]){ '\n' }, .iov_len = 1 };
    if (iov[0].iov_base == NULL) {
        abort();
    }
    if (writev(fd, iov, 2) != (ssize_t)len + 1) {
        rc = errno != 0 ? -errno : -ENOSPC;
        /* Half a line would spoil the next one. */
        if (ftruncate(fd, st.st_size) != 0) {
            rc = -errno;
        }
    }
    free(iov[0].iov_base);
    close(fd);
    return rc;
}
