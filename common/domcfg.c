/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "domcfg.h"

#include <errno.h>
#include <string.h>

#include "text.h"

#define LINE_SIZE 512u /* longer than any value with all its parts */

struct parser {
    struct xf_domcfg *cfg;
    unsigned line;
    const char *key;
    uint32_t seen; /* bit by index in the table below */
    char *err;
    size_t err_size;
};

static const char *const pattern_names[XF_N_PATTERNS] = {
    [XF_PATTERN_IDLE] = "idle",
    [XF_PATTERN_UNIFORM] = "uniform",
    [XF_PATTERN_HOTSPOT] = "hotspot",
    [XF_PATTERN_ZIPF] = "zipf",
};

const char *xf_pattern_name(enum xf_pattern pattern)
{
    return pattern < XF_N_PATTERNS ? pattern_names[pattern] : "unknown";
}

/* "line 3: vif: ..."; returns -EINVAL so that a caller can end with it. */
static int refuse(struct parser *p, const char *what, const char *value)
{
    struct xf_text t;

    xf_text_init(&t, p->err, p->err_size);
    if (p->line > 0) {
        xf_text_str(&t, "line ");
        xf_text_u64(&t, p->line);
        xf_text_str(&t, ": ");
    }
    if (p->key != NULL) {
        xf_text_str(&t, p->key);
        xf_text_str(&t, ": ");
    }
    xf_text_str(&t, what);
    if (value != NULL) {
        xf_text_str(&t, " \"");
        xf_text_str(&t, value);
        xf_text_str(&t, "\"");
    }
    return -EINVAL;
}

static int number(struct parser *p, const char *value, uint32_t min, uint32_t max, uint32_t *ret_v)
{
    uint64_t v;

    if (xf_u64_parse(value, min, max, &v) < 0) {
        char buf[2 * XF_U64_TEXT_SIZE + 48];
        struct xf_text t;

        xf_text_init(&t, buf, sizeof(buf));
        xf_text_str(&t, "must be a number from ");
        xf_text_u64(&t, min);
        xf_text_str(&t, " to ");
        xf_text_u64(&t, max);
        xf_text_str(&t, ", not");
        return refuse(p, buf, value);
    }
    *ret_v = (uint32_t)v;
    return 0;
}

static int flag(struct parser *p, const char *value, bool *ret_v)
{
    if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0) {
        return refuse(p, "must be yes or no, not", value);
    }
    *ret_v = value[0] == 'y';
    return 0;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Cuts spaces off both ends, in place. */
static char *trim(char *s)
{
    size_t len;

    while (is_space(*s)) {
        s++;
    }
    len = strlen(s);
    while (len > 0 && is_space(s[len - 1])) {
        s[--len] = '\0';
    }
    return s;
}

/* Cuts s at the first c; what follows it, or NULL when there is none. */
static char *cut(char *s, char c)
{
    for (; *s != '\0'; s++) {
        if (*s == c) {
            *s = '\0';
            return s + 1;
        }
    }
    return NULL;
}

/* The next "name=value" of a list parted by commas, with or without quotes around the list. */
static char *next_part(char **rest, char **ret_value)
{
    char *part = *rest;

    if (part == NULL) {
        return NULL;
    }
    *rest = cut(part, ',');
    *ret_value = cut(part, '=');
    if (*ret_value != NULL) {
        *ret_value = trim(*ret_value);
    }
    return trim(part);
}

_Static_assert(49 + sizeof("--migratedaway") <= XF_NAME_SIZE, "every name variant fits");

/* A name that may stand in a path, a process list and a socket's name. */
static int set_name(struct parser *p, char *value)
{
    size_t len = strlen(value);

    /* Room for the longest ending that a name variant gets, --migratedaway. */
    if (len == 0 || len > 49) {
        return refuse(p, "must have 1 to 49 characters, not", value);
    }
    for (size_t i = 0; i < len; i++) {
        char c = value[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    (i > 0 && (c == '-' || c == '_' || c == '.' || c == '+'));

        if (!good) {
            return refuse(p, "may hold letters, digits and, not first, - _ . +, not", value);
        }
    }
    (void)xf_text_copy(p->cfg->name, sizeof(p->cfg->name), value);
    return 0;
}

static int set_uuid(struct parser *p, char *value)
{
    if (xf_uuid_parse(value, &p->cfg->uuid) < 0) {
        return refuse(p, "is not a uuid:", value);
    }
    return 0;
}

static int set_memory(struct parser *p, char *value)
{
    return number(p, value, 1, XF_DOMCFG_MEMORY_MAX_MIB, &p->cfg->memory_mib);
}

static int set_vcpus(struct parser *p, char *value)
{
    return number(p, value, 1, 128, &p->cfg->vcpus);
}

/* address/prefix */
static int set_address(struct parser *p, struct xf_domcfg_vif *vif, char *value)
{
    char *prefix = cut(value, '/');
    uint32_t v = 32;

    if (xf_ipv4_parse(value, &vif->ipv4) < 0 || vif->ipv4 == 0) {
        return refuse(p, "ip is not an IPv4 address:", value);
    }
    if (prefix != NULL && number(p, prefix, 0, 32, &v) < 0) {
        return -EINVAL;
    }
    vif->prefix = (uint8_t)v;
    return 0;
}

static int set_vif_part(struct parser *p, struct xf_domcfg_vif *vif, const char *part, char *value)
{
    uint32_t v = 0;

    if (strcmp(part, "mac") == 0) {
        /* Bit 0 of the first byte marks a group address: no interface can have one. */
        if (xf_mac_parse(value, vif->mac) < 0 || (vif->mac[0] & 1) != 0) {
            return refuse(p, "mac is not a station's address:", value);
        }
        return 0;
    }
    if (strcmp(part, "bridge") == 0) {
        if (value[0] == '\0' || strlen(value) >= sizeof(vif->bridge) ||
            memchr(value, '/', strlen(value)) != NULL) {
            return refuse(p, "bridge is not an interface's name:", value);
        }
        (void)xf_text_copy(vif->bridge, sizeof(vif->bridge), value);
        return 0;
    }
    if (strcmp(part, "ip") == 0) {
        return set_address(p, vif, value);
    }
    if (strcmp(part, "port") == 0) {
        int rc = number(p, value, 1, 65535, &v);

        vif->port = (uint16_t)v;
        return rc;
    }
    return refuse(p, "knows mac, bridge, ip and port, not", part);
}

static int set_vif(struct parser *p, char *value)
{
    struct xf_domcfg_vif vif = { .port = 7 };
    char *part, *v;

    if (p->cfg->n_vifs == XF_DOMCFG_VIFS_MAX) {
        return refuse(p, "is given too often", NULL);
    }
    while ((part = next_part(&value, &v)) != NULL) {
        if (v == NULL) {
            return refuse(p, "needs name=value, not", part);
        }
        if (set_vif_part(p, &vif, part, v) < 0) {
            return -EINVAL;
        }
    }
    /* The first byte of a MAC may be 0, all of it not. */
    if (memcmp(vif.mac, (uint8_t[6]){ 0 }, sizeof(vif.mac)) == 0 || vif.bridge[0] == '\0' ||
        vif.ipv4 == 0) {
        return refuse(p, "needs mac=, bridge= and ip=", NULL);
    }
    p->cfg->vif[p->cfg->n_vifs++] = vif;
    return 0;
}

static int set_disk(struct parser *p, char *value)
{
    struct xf_domcfg_disk disk = { .readonly = false };
    char *part, *v;

    if (p->cfg->n_disks == XF_DOMCFG_DISKS_MAX) {
        return refuse(p, "is given too often", NULL);
    }
    while ((part = next_part(&value, &v)) != NULL) {
        if (v == NULL && strcmp(part, "readonly") == 0) {
            disk.readonly = true;
        } else if (v != NULL && strcmp(part, "path") == 0) {
            if (v[0] != '/' || !xf_text_copy(disk.path, sizeof(disk.path), v)) {
                return refuse(p, "path must be absolute and shorter than 256 characters:", v);
            }
        } else {
            return refuse(p, "knows path= and readonly, not", part);
        }
    }
    if (disk.path[0] == '\0') {
        return refuse(p, "needs path=", NULL);
    }
    p->cfg->disk[p->cfg->n_disks++] = disk;
    return 0;
}

static int set_pattern(struct parser *p, const char *value)
{
    for (unsigned i = 0; i < XF_N_PATTERNS; i++) {
        if (strcmp(value, pattern_names[i]) == 0) {
            p->cfg->pattern = (enum xf_pattern)i;
            return 0;
        }
    }
    return refuse(p, "pattern must be idle, uniform, hotspot or zipf, not", value);
}

static int set_workload(struct parser *p, char *value)
{
    char *part, *v;

    while ((part = next_part(&value, &v)) != NULL) {
        int rc;

        if (v == NULL) {
            rc = refuse(p, "needs name=value, not", part);
        } else if (strcmp(part, "pattern") == 0) {
            rc = set_pattern(p, v);
        } else if (strcmp(part, "rate") == 0) {
            rc = number(p, v, 0, 100000, &p->cfg->rate_mbps);
        } else if (strcmp(part, "window") == 0) {
            rc = number(p, v, 0, XF_DOMCFG_MEMORY_MAX_MIB, &p->cfg->window_mib);
        } else {
            rc = refuse(p, "knows pattern, rate and window, not", part);
        }
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static int set_disk_interval(struct parser *p, char *value)
{
    return number(p, value, 1, 60000, &p->cfg->disk_interval_ms);
}

static int set_fill(struct parser *p, char *value)
{
    if (strcmp(value, "random") == 0) {
        p->cfg->fill_percent = 100;
        return 0;
    }
    if (strcmp(value, "zero") == 0) {
        p->cfg->fill_percent = 0;
        return 0;
    }
    return number(p, value, 0, 100, &p->cfg->fill_percent);
}

static int set_seed(struct parser *p, char *value)
{
    if (xf_u64_parse(value, 0, UINT64_MAX, &p->cfg->seed) < 0) {
        return refuse(p, "must be a number, not", value);
    }
    return 0;
}

static int set_suspend_delay(struct parser *p, char *value)
{
    return number(p, value, 0, 600000, &p->cfg->suspend_delay_ms);
}

static int set_fail_suspend(struct parser *p, char *value)
{
    return flag(p, value, &p->cfg->fail_suspend);
}

static int set_fail_unpause(struct parser *p, char *value)
{
    return flag(p, value, &p->cfg->fail_unpause_once);
}

static int set_fail_restore(struct parser *p, char *value)
{
    return flag(p, value, &p->cfg->fail_restore);
}

static const struct {
    const char *key;
    bool repeatable;
    int (*set)(struct parser *p, char *value);
} keys[] = {
    { "name", false, set_name },
    { "uuid", false, set_uuid },
    { "memory", false, set_memory },
    { "vcpus", false, set_vcpus },
    { "vif", true, set_vif },
    { "disk", true, set_disk },
    { "workload", false, set_workload },
    { "disk-interval-ms", false, set_disk_interval },
    { "fill", false, set_fill },
    { "seed", false, set_seed },
    { "suspend-delay-ms", false, set_suspend_delay },
    { "fail-suspend", false, set_fail_suspend },
    { "fail-unpause-once", false, set_fail_unpause },
    { "fail-restore", false, set_fail_restore },
};
#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

/* Quotes around a whole value are taken off. */
static char *unquote(char *value)
{
    size_t len = strlen(value);

    if (len >= 2 && value[0] == '"' && value[len - 1] == '"') {
        value[len - 1] = '\0';
        return trim(value + 1);
    }
    return value;
}

static int take_line(struct parser *p, char *line)
{
    char *value;

    for (const char *c = line; *c != '\0'; c++) {
        /* Messages show values; a terminal shall not obey them. */
        if (((unsigned char)*c < ' ' && !is_space(*c)) || *c == 0x7f) {
            return refuse(p, "holds a control character", NULL);
        }
    }
    (void)cut(line, '#');
    line = trim(line);
    if (line[0] == '\0') {
        return 0;
    }
    value = cut(line, '=');
    if (value == NULL) {
        return refuse(p, "is not key = value:", line);
    }
    line = trim(line);
    value = unquote(trim(value));
    for (size_t i = 0; i < N_KEYS; i++) {
        if (strcmp(line, keys[i].key) == 0) {
            p->key = keys[i].key;
            if ((p->seen & 1u << i) != 0 && !keys[i].repeatable) {
                return refuse(p, "is given twice", NULL);
            }
            p->seen |= 1u << i;
            return keys[i].set(p, value);
        }
    }
    return refuse(p, "unknown key", line);
}

/* What can only be judged when all lines are read. */
static int check(struct parser *p)
{
    const struct xf_domcfg *cfg = p->cfg;

    p->line = 0;
    p->key = NULL;
    if (cfg->name[0] == '\0') {
        return refuse(p, "name is missing", NULL);
    }
    if (cfg->memory_mib == 0) {
        return refuse(p, "memory is missing", NULL);
    }
    if (cfg->window_mib > cfg->memory_mib) {
        return refuse(p, "workload: window is larger than memory", NULL);
    }
    for (uint32_t i = 0; i < cfg->n_vifs; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (memcmp(cfg->vif[i].mac, cfg->vif[k].mac, sizeof(cfg->vif[i].mac)) == 0) {
                return refuse(p, "vif: two have the same mac", NULL);
            }
        }
    }
    return 0;
}

int xf_domcfg_parse(const char *text, size_t size, struct xf_domcfg *ret_cfg, char *err,
                    size_t err_size)
{
    struct xf_domcfg cfg = { .vcpus = 1, .disk_interval_ms = 10 };
    struct parser p = { .cfg = &cfg, .err = err, .err_size = err_size };

    if (size > 0 && memchr(text, '\0', size) != NULL) {
        return refuse(&p, "holds a NUL byte", NULL);
    }
    for (size_t at = 0; at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t len = end != NULL ? (size_t)(end - (text + at)) : size - at;
        char line[LINE_SIZE];

        p.line++;
        p.key = NULL;
        if (len >= sizeof(line)) {
            return refuse(&p, "is longer than 511 characters", NULL);
        }
        memcpy(line, text + at, len);
        line[len] = '\0';
        if (take_line(&p, line) < 0) {
            return -EINVAL;
        }
        at += len + 1;
    }
    if (check(&p) < 0) {
        return -EINVAL;
    }
    *ret_cfg = cfg;
    return 0;
}
