/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "units.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

int xf_units_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value)
{
    uint64_t value = 0;

    if (*text == '\0') {
        return -EINVAL;
    }
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') {
            return -EINVAL;
        }
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value)) {
            return -EINVAL;
        }
    }
    if (value < min || value > max) {
        return -EINVAL;
    }
    *ret_value = value;
    return 0;
}

/*
 * "12" or "12.345" as thousandths; stops at the first other character. Written out because strtod()
 * takes hex, infinity and the locale's comma.
 */
static int parse_thousandths(const char *text, uint64_t *ret_value, const char **ret_end)
{
    const char *p = text;
    uint64_t value = 0;
    unsigned decimals = 0;

    while (*p >= '0' && *p <= '9') {
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value)) {
            return -EINVAL;
        }
        p++;
    }
    if (p == text || __builtin_mul_overflow(value, 1000u, &value)) {
        return -EINVAL;
    }
    if (*p == '.') {
        uint64_t place = 100;

        for (p++; *p >= '0' && *p <= '9'; p++, decimals++) {
            if (__builtin_add_overflow(value, place * (uint64_t)(*p - '0'), &value)) {
                return -EINVAL;
            }
            place /= 10;
        }
        if (decimals == 0) {
            return -EINVAL;
        }
    }
    *ret_value = value;
    *ret_end = p;
    return 0;
}

int xf_units_parse_rate(const char *text, uint64_t *ret_kibps)
{
    uint64_t thousandths;
    uint64_t factor = 1;
    uint64_t bytes;
    const char *end;

    if (parse_thousandths(text, &thousandths, &end) < 0) {
        return -EINVAL;
    }
    switch (*end) {
    case 'K':
    case 'k':
        factor = UINT64_C(1) << 10;
        end++;
        break;
    case 'M':
    case 'm':
        factor = UINT64_C(1) << 20;
        end++;
        break;
    case 'G':
    case 'g':
        factor = UINT64_C(1) << 30;
        end++;
        break;
    case '\0':
        break;
    default:
        return -EINVAL;
    }
    if (*end != '\0' || __builtin_mul_overflow(thousandths, factor, &bytes)) {
        return -EINVAL;
    }
    bytes = bytes / 1000 + (bytes % 1000 != 0);
    if (bytes == 0) {
        return -EINVAL;
    }
    *ret_kibps = bytes / 1024 + (bytes % 1024 != 0);
    return 0;
}

int xf_units_parse_seconds(const char *text, int *ret_ms)
{
    uint64_t ms;
    const char *end;

    if (parse_thousandths(text, &ms, &end) < 0 || *end != '\0' || ms == 0 || ms > INT_MAX) {
        return -EINVAL;
    }
    *ret_ms = (int)ms;
    return 0;
}

void xf_units_bytes(char *buf, size_t size, double bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
    size_t u = 0;

    /* 1023.95 would print as "1024.0": the next unit's turn. */
    while (bytes >= 1023.95 && u + 1 < sizeof(units) / sizeof(units[0])) {
        bytes /= 1024;
        u++;
    }
    snprintf(buf, size, u == 0 || bytes > 99999 ? "%.0f %s" : "%.1f %s", bytes, units[u]);
}

void xf_units_rate(char *buf, size_t size, double kibps)
{
    char bytes[XF_UNITS_SIZE];

    xf_units_bytes(bytes, sizeof(bytes), kibps * 1024);
    snprintf(buf, size, "%s/s", bytes);
}

void xf_units_time(char *buf, size_t size, double ms)
{
    if (ms < 9.95) {
        snprintf(buf, size, "%.1f ms", ms);
    } else if (ms < 999.5) {
        snprintf(buf, size, "%.0f ms", ms);
    } else if (ms < 59950) {
        snprintf(buf, size, "%.1f s", ms / 1000);
    } else if (ms < 3599500) {
        unsigned s = (unsigned)(ms / 1000 + 0.5);

        snprintf(buf, size, "%u min %02u s", s / 60, s % 60);
    } else if (ms < 1e15) {
        unsigned long long m = (unsigned long long)(ms / 60000 + 0.5);

        snprintf(buf, size, "%llu h %02llu min", m / 60, m % 60);
    } else {
        snprintf(buf, size, "%.3g s", ms / 1000);
    }
}
