/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "blackbox.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock_qb.h"
#include "text.h"
#include "trace.h"

enum kind { KIND_EVENT, KIND_ACT, KIND_CORE };

struct entry {
    uint64_t at_us;
    struct xf_uuid uuid;
    enum kind kind;
    union {
        struct xf_event event;
        struct xf_act act;
        struct xf_core core;
    };
};

struct xf_blackbox {
    uint64_t n; /* since the start */
    struct entry ring[XF_BLACKBOX_ENTRIES];
};

struct xf_blackbox *xf_blackbox_open(void)
{
    struct xf_blackbox *box = malloc(sizeof(*box));

    if (box == NULL) {
        abort();
    }
    explicit_bzero(box, sizeof(*box)); /* touches every page; memset() would become calloc() */
    return box;
}

void xf_blackbox_close(struct xf_blackbox *box)
{
    free(box);
}

static struct entry *next(struct xf_blackbox *box, const struct xf_uuid *uuid, enum kind kind)
{
    struct entry *e = &box->ring[box->n++ % XF_BLACKBOX_ENTRIES];

    e->at_us = xf_now_us();
    e->uuid = *uuid;
    e->kind = kind;
    return e;
}

void xf_blackbox_event(struct xf_blackbox *box, const struct xf_uuid *uuid,
                       const struct xf_event *event)
{
    next(box, uuid, KIND_EVENT)->event = *event;
}

void xf_blackbox_act(struct xf_blackbox *box, const struct xf_uuid *uuid, const struct xf_act *act)
{
    next(box, uuid, KIND_ACT)->act = *act;
}

void xf_blackbox_core(struct xf_blackbox *box, const struct xf_uuid *uuid,
                      const struct xf_core *core)
{
    next(box, uuid, KIND_CORE)->core = *core;
}

uint32_t xf_blackbox_count(const struct xf_blackbox *box)
{
    return box->n < XF_BLACKBOX_ENTRIES ? (uint32_t)box->n : XF_BLACKBOX_ENTRIES;
}

size_t xf_blackbox_line(const struct xf_blackbox *box, uint32_t i, char *buf, size_t size)
{
    static const char *const labels[] = {
        [KIND_EVENT] = "event", [KIND_ACT] = "act", [KIND_CORE] = "core"
    };
    uint64_t first = box->n - xf_blackbox_count(box);
    const struct entry *e = &box->ring[(first + i) % XF_BLACKBOX_ENTRIES];
    char line[XF_TRACE_LINE_SIZE];
    char uuid[XF_UUID_TEXT_SIZE];
    int len;

    xf_uuid_text(&e->uuid, uuid);
    switch (e->kind) {
    case KIND_EVENT:
        xf_trace_event(&e->event, line, sizeof(line));
        break;
    case KIND_ACT:
        xf_trace_act(&e->act, line, sizeof(line));
        break;
    case KIND_CORE:
        xf_trace_core(&e->core, line, sizeof(line));
        break;
    }
    len = snprintf(buf, size, "%" PRIu64 ".%06" PRIu64 " %.8s %s %s", e->at_us / 1000000u,
                   e->at_us % 1000000u, uuid, labels[e->kind], line);
    return len < 0 ? 0 : (size_t)len;
}

pid_t xf_blackbox_dump(const struct xf_blackbox *box, const char *path)
{
    char line[XF_BLACKBOX_LINE_SIZE];
    pid_t pid = fork();
    FILE *f;

    if (pid != 0) {
        return pid;
    }
    f = fopen(path, "we");
    for (uint32_t i = 0; f != NULL && i < xf_blackbox_count(box); i++) {
        xf_blackbox_line(box, i, line, sizeof(line));
        fprintf(f, "%s\n", line);
    }
    _exit(f != NULL && fclose(f) == 0 ? 0 : 1);
}
