/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads settings.h's table out of an ini file; libinih takes lines apart, the meaning is here. */
#include "config.h"

#include "settings.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct row {
    const char *key;
    enum xf_setting_type type;
    uint64_t min;
    uint64_t max;
    const char *def;
    const char *sentence;
    size_t offset;
} rows[] = {
#define X(sym, k, t, lo, hi, d, s)                                                                 \
    { .key = k,                                                                                    \
      .type = XF_SETTING_##t,                                                                      \
      .min = lo,                                                                                   \
      .max = hi,                                                                                   \
      .def = d,                                                                                    \
      .sentence = s,                                                                               \
      .offset = offsetof(struct xf_settings, sym) },
    XF_SETTINGS(X)
#undef X
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static char *text_field(struct xf_settings *settings, const struct row *row)
{
    return (char *)settings + row->offset;
}

static int set_text(char *field, const struct row *row, const char *value, char *err,
                    size_t err_size)
{
    size_t len = strlen(value);

    if (len < row->min || len > row->max) {
        snprintf(err, err_size,
                 "%s: the value has %zu characters; %" PRIu64 " to %" PRIu64 " are allowed",
                 row->key, len, row->min, row->max);
        return -EINVAL;
    }
    memcpy(field, value, len + 1);
    return 0;
}

/* The sentence of a CHOICE begins with what may be chosen: "a|b|c: what it is for". */
static int check_choice(const struct row *row, const char *value, char *err, size_t err_size)
{
    size_t all = strcspn(row->sentence, ":");
    size_t len = strlen(value);

    for (size_t at = 0; at < all;) {
        size_t n = strcspn(row->sentence + at, "|:");

        if (n == len && memcmp(row->sentence + at, value, n) == 0) {
            return 0;
        }
        at += n + 1;
    }
    snprintf(err, err_size, "%s: \"%.40s\" is none of %.*s", row->key, value, (int)all,
             row->sentence);
    return -EINVAL;
}

static int check_address(const struct row *row, const char *value, char *err, size_t err_size)
{
    struct in6_addr addr;

    if (value[0] == '\0' || inet_pton(AF_INET, value, &addr) == 1 ||
        inet_pton(AF_INET6, value, &addr) == 1) {
        return 0;
    }
    snprintf(err, err_size, "%s: \"%.60s\" is no numeric IPv4 or IPv6 address", row->key, value);
    return -EINVAL;
}

static int set_number(uint64_t *field, const struct row *row, const char *value, char *err,
                      size_t err_size)
{
    size_t len = strspn(value, "0123456789");
    uint64_t number = 0;
    bool fits = len > 0 && len <= 19 && value[len] == '\0';

    if (fits) {
        number = strtoull(value, NULL, 10);
        fits = number >= row->min && number <= row->max;
    }
    if (!fits) {
        snprintf(err, err_size, "%s: \"%.40s\" is no number from %" PRIu64 " to %" PRIu64, row->key,
                 value, row->min, row->max);
        return -EINVAL;
    }
    *field = number;
    return 0;
}

static int set_switch(bool *field, const struct row *row, const char *value, char *err,
                      size_t err_size)
{
    bool on = strcmp(value, "yes") == 0 || strcmp(value, "on") == 0 || strcmp(value, "1") == 0;
    bool off = strcmp(value, "no") == 0 || strcmp(value, "off") == 0 || strcmp(value, "0") == 0;

    if (!on && !off) {
        snprintf(err, err_size, "%s: \"%.40s\" is neither yes nor no", row->key, value);
        return -EINVAL;
    }
    *field = on;
    return 0;
}

static int set_row(struct xf_settings *settings, const struct row *row, const char *value,
                   char *err, size_t err_size)
{
    char *field = text_field(settings, row);
    int rc = 0;

    switch (row->type) {
    case XF_SETTING_CHOICE:
        rc = check_choice(row, value, err, err_size);
        break;
    case XF_SETTING_ADDRESS:
        rc = check_address(row, value, err, err_size);
        break;
    case XF_SETTING_NUMBER:
        return set_number((uint64_t *)(void *)field, row, value, err, err_size);
    case XF_SETTING_SWITCH:
        return set_switch((bool *)(void *)field, row, value, err, err_size);
    case XF_SETTING_TEXT:
        break;
    }
    return rc == 0 ? set_text(field, row, value, err, err_size) : rc;
}

void xf_settings_init(struct xf_settings *settings)
{
    char err[256];

    memset(settings, 0, sizeof(*settings));
    for (size_t i = 0; i < N_ROWS; i++) {
        if (set_row(settings, &rows[i], rows[i].def, err, sizeof(err)) != 0) {
            abort();
        }
    }
}

int xf_settings_set(struct xf_settings *settings, const char *key, const char *value, char *err,
                    size_t err_size)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        if (strcmp(rows[i].key, key) == 0) {
            return set_row(settings, &rows[i], value, err, err_size);
        }
    }
    snprintf(err, err_size, "there is no setting \"%.40s\"", key);
    return -EINVAL;
}

/* ---- the file ---- */

struct reading {
    struct xf_settings *settings;
    const char *text;
    size_t size;
    size_t pos;
    int line;       /* of what the reader handed out last */
    int error_line; /* 0: none yet */
    char error[300];
};

static void keep_first_error(struct reading *r, const char *text)
{
    if (r->error_line == 0) {
        r->error_line = r->line;
        snprintf(r->error, sizeof(r->error), "%s", text);
    }
}

/* What libinih calls instead of fgets(). */
static char *next_line(char *buf, int size, void *stream)
{
    struct reading *r = stream;
    const char *at = r->text + r->pos;
    size_t left = r->size - r->pos;
    const char *nl;
    size_t n;

    if (left == 0) {
        return NULL;
    }
    nl = memchr(at, '\n', left);
    n = nl != NULL ? (size_t)(nl - at) + 1 : left;
    r->line++;
    r->pos += n;
    if (n >= (size_t)size || memchr(at, '\0', n) != NULL) {
        keep_first_error(r, n >= (size_t)size ? "the line is too long" : "the line holds a NUL");
        n = 0;
    }
    memcpy(buf, at, n);
    buf[n] = '\0';
    return buf;
}

static int take_pair(void *user, const char *section, const char *name, const char *value)
{
    struct reading *r = user;
    char err[256];

    if (section[0] != '\0' && strcmp(section, "xenferry") != 0) {
        snprintf(err, sizeof(err), "there is no section [%.40s]; the only one is [xenferry]",
                 section);
        keep_first_error(r, err);
        return 0;
    }
    if (xf_settings_set(r->settings, name, value, err, sizeof(err)) != 0) {
        keep_first_error(r, err);
        return 0;
    }
    return 1;
}

int xf_settings_parse(struct xf_settings *settings, const char *name, const char *text,
                      size_t text_size, char *err, size_t err_size)
{
    struct reading r = { .settings = settings, .text = text, .size = text_size };
    int bad = ini_parse_stream(next_line, &r, take_pair, &r);

    if (bad == 0 && r.error_line == 0) {
        return 0;
    }
    if (r.error_line != 0 && (bad <= 0 || r.error_line <= bad)) {
        snprintf(err, err_size, "%s:%d: %s", name, r.error_line, r.error);
    } else if (bad > 0) {
        snprintf(err, err_size, "%s:%d: neither [xenferry], nor KEY = VALUE, nor a comment", name,
                 bad);
    } else {
        snprintf(err, err_size, "%s: cannot be parsed", name);
    }
    return -EINVAL;
}

int xf_settings_load(struct xf_settings *settings, const char *path, char *err, size_t err_size)
{
    char *text = malloc(XF_SETTINGS_FILE_MAX + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t size = 0;
    ssize_t n = 1;
    int rc = 0;

    if (text == NULL) {
        abort();
    }
    while (fd >= 0 && n > 0 && size <= XF_SETTINGS_FILE_MAX) {
        n = read(fd, text + size, XF_SETTINGS_FILE_MAX + 1 - size);
        size += n > 0 ? (size_t)n : 0;
    }
    if (fd < 0 || n < 0) {
        rc = -errno;
        snprintf(err, err_size, "%s: %s", path, strerror(errno));
    } else if (size > XF_SETTINGS_FILE_MAX) {
        rc = -EINVAL;
        snprintf(err, err_size, "%s: larger than %u bytes", path, XF_SETTINGS_FILE_MAX);
    } else {
        rc = xf_settings_parse(settings, path, text, size, err, err_size);
    }
    if (fd >= 0) {
        close(fd);
    }
    free(text);
    return rc;
}

const char *xf_settings_key(size_t i)
{
    return i < N_ROWS ? rows[i].key : NULL;
}

const char *xf_settings_text(const struct xf_settings *settings, size_t i, char *buf, size_t size)
{
    const char *field = (const char *)settings + rows[i].offset;

    switch (rows[i].type) {
    case XF_SETTING_NUMBER:
        snprintf(buf, size, "%" PRIu64, *(const uint64_t *)(const void *)field);
        return buf;
    case XF_SETTING_SWITCH:
        return *(const bool *)(const void *)field ? "yes" : "no";
    case XF_SETTING_TEXT:
    case XF_SETTING_CHOICE:
    case XF_SETTING_ADDRESS:
        break;
    }
    return field;
}
