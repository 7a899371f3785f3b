/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of domains: every one that was ever heard of has a record and keeps it. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "attempt.h"
#include "log_qb.h"
#include "matrix.h"
#include "mover_proc.h"
#include "preflight.h"
#include "requests.h"
#include "store_file.h"
#include "store_notes.h"
#include "text.h"

#define SCAN_MAX   4096u
/*
 * The rules cannot lead to two copies; what is done behind their back, or by `resolve`, can. A move
 * by the hypervisor's own tools looks like it until the old host has taken its copy down.
 */
#define DOUBLED_MS 15000u

struct xf_domain *xf_domain_find(struct xf_agent *agent, const struct xf_uuid *uuid)
{
    for (struct xf_domain *dom = agent->domains; dom != NULL; dom = dom->next) {
        if (xf_uuid_eq(&dom->uuid, uuid)) {
            return dom;
        }
    }
    return NULL;
}

struct xf_domain *xf_domain_named(struct xf_agent *agent, const char *name)
{
    struct xf_domain *found = NULL;

    for (struct xf_domain *dom = agent->domains; dom != NULL; dom = dom->next) {
        if (strcmp(dom->uuid_text, name) == 0) {
            return dom;
        }
        if (strcmp(dom->name, name) == 0 && (found == NULL || xf_domain_holder(dom).id != 0)) {
            found = dom;
        }
    }
    return found;
}

static struct xf_domain *make(struct xf_agent *agent, const struct xf_uuid *uuid)
{
    struct xf_domain *dom = calloc(1, sizeof(*dom));
    struct xf_domain **at = &agent->domains;

    if (dom == NULL) {
        abort();
    }
    dom->agent = agent;
    dom->number = ++agent->next_domain;
    dom->uuid = *uuid;
    xf_uuid_text(uuid, dom->uuid_text);
    xf_core_init(&dom->core);
    dom->notes = xf_notes_line(agent->notes, uuid);
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = dom;
    return dom;
}

struct xf_domain *xf_domain_get(struct xf_agent *agent, const struct xf_uuid *uuid)
{
    struct xf_domain *dom = xf_domain_find(agent, uuid);
    struct xf_event event = { .type = XF_EV_BOOT };

    if (dom != NULL) {
        return dom;
    }
    dom = make(agent, uuid);
    event.boot = agent->cluster.boot;
    event.record.epoch_max = agent->epoch_floor;
    xf_domain_event(dom, &event);
    event = (struct xf_event){
        .type = XF_EV_VIEW,
        .members = agent->members,
        .seen = agent->seen,
        .quorate = agent->quorate,
    };
    xf_domain_event(dom, &event);
    for (uint8_t i = 0; i < XF_NODES_MAX; i++) {
        const struct xf_peer *peer = &agent->peer[i];

        if (peer->off) {
            event = (struct xf_event){
                .type = XF_EV_FENCED, .slot = { i }, .boot = peer->off_boot, .ok = true
            };
            xf_domain_event(dom, &event);
        } else if (peer->member && peer->greeted) {
            /* Its HELLO did not list this domain. */
            event = (struct xf_event){
                .type = XF_EV_MSG,
                .msg = { .type = XF_MSG_HELLO, .from = peer->node, .boot = peer->boot },
            };
            xf_domain_event(dom, &event);
        }
    }
    return dom;
}

/* ---- at the start (H9) ---- */

static void boot_one(struct xf_domain *dom, const struct xf_record *record)
{
    struct xf_agent *agent = dom->agent;
    struct xf_event event = { .type = XF_EV_BOOT, .boot = agent->cluster.boot };
    struct xf_migid noted;
    enum xf_note note = XF_NOTE_NONE;

    if (record != NULL) {
        event.record = *record;
    }
    if (event.record.epoch_max < agent->epoch_floor) {
        event.record.epoch_max = agent->epoch_floor;
    }
    if (dom->notes != NULL) {
        note = xf_notes_read(dom->notes, &noted);
        if (note != XF_NOTE_NONE && xf_migid_cmp(&noted, &event.record.id) == 0) {
            event.note = (uint8_t)note;
        }
    }
    event.copy = dom->copies[agent->cluster.self.i];
    xf_domain_event(dom, &event);
    if (dom->core.state != XF_ST_IDLE && dom->core.state != XF_ST_HOME) {
        xf_domain_log(dom, LOG_NOTICE, "found in the middle of a migration: %s",
                      xf_state_name(dom->core.state));
        xf_attempt_adopt(dom);
    }
}

static const struct xf_record *journalled(const struct xf_store_file *file,
                                          const struct xf_uuid *uuid)
{
    for (uint32_t i = 0; i < file->n_latest; i++) {
        if (xf_uuid_eq(&file->latest[i].uuid, uuid)) {
            return &file->latest[i].record;
        }
    }
    return NULL;
}

static void take_found(struct xf_agent *agent, const struct xf_dom_info *info)
{
    struct xf_domain *dom = xf_domain_find(agent, &info->uuid);

    if (info->foreign) {
        xf_log(LOG_WARNING, "a copy of %s here belongs to a migration of xl's; it is left alone",
               info->name);
        return;
    }
    if (dom == NULL) {
        dom = make(agent, &info->uuid);
    }
    xf_domain_learn(dom, info->name, info->memory_mib);
    dom->copies[agent->cluster.self.i] = info->copy;
    if (info->copy == XF_COPY_RUNNING && info->variant != XF_VARIANT_PLAIN) {
        /* The last agent ended between unpausing and renaming. */
        agent->hyper_ops->rename(agent->hyper, xf_op_cookie_new(dom, XF_OP_NONE), &dom->uuid,
                                 XF_VARIANT_PLAIN);
    }
}

int xf_domains_boot(struct xf_agent *agent)
{
    const struct xf_store_file *file = agent->journal;
    struct xf_dom_info *list = calloc(SCAN_MAX, sizeof(*list));
    struct xf_noted noted;
    size_t n = 0;
    int rc;

    if (list == NULL) {
        abort();
    }
    rc = agent->hyper_ops->scan(agent->hyper, list, SCAN_MAX, &n);
    if (rc != 0) {
        free(list);
        return rc;
    }
    for (size_t i = 0; i < n; i++) {
        take_found(agent, &list[i]);
    }
    free(list);
    for (uint32_t i = 0; i < file->n_latest; i++) {
        if (xf_domain_find(agent, &file->latest[i].uuid) == NULL) {
            make(agent, &file->latest[i].uuid);
        }
    }
    for (uint32_t i = 0; i < XF_NOTES_LINES; i++) {
        if (xf_notes_get(agent->notes, i, &noted) && xf_domain_find(agent, &noted.uuid) == NULL) {
            make(agent, &noted.uuid);
        }
    }
    for (struct xf_domain *dom = agent->domains; dom != NULL; dom = dom->next) {
        boot_one(dom, journalled(file, &dom->uuid));
    }
    return 0;
}

void xf_domains_free(struct xf_agent *agent)
{
    while (agent->domains != NULL) {
        struct xf_domain *dom = agent->domains;

        agent->domains = dom->next;
        xf_mover_abandon(dom->mover);
        xf_preflight_stop(dom->preflight);
        xf_attempt_free(dom);
        xf_matrix_drop(dom);
        json_decref(dom->progress);
        free(dom->mover_first);
        free(dom->create_config);
        free(dom);
    }
}

/* ---- what is known of one ---- */

void xf_domain_learn(struct xf_domain *dom, const char *name, uint32_t memory_mib)
{
    if (name[0] != '\0') {
        xf_text_copy(dom->name, sizeof(dom->name), name);
    }
    if (memory_mib != 0) {
        dom->memory_mib = memory_mib;
    }
}

static struct xf_node holder_among(const struct xf_domain *dom, bool members)
{
    /* Who runs it; else who has it suspended, which is where it last ran; else who builds it. */
    static const uint8_t order[] = { XF_COPY_RUNNING, XF_COPY_SUSPENDED, XF_COPY_PAUSED };

    for (size_t o = 0; o < sizeof(order); o++) {
        for (uint8_t i = 0; i < XF_NODES_MAX; i++) {
            if (dom->copies[i] == order[o] && dom->agent->peer[i].node.id != 0 &&
                dom->agent->peer[i].member == members) {
                return dom->agent->peer[i].node;
            }
        }
    }
    return (struct xf_node){ 0 };
}

/* A running copy on another node that is there; NULL: none. */
static const struct xf_peer *second_copy(const struct xf_domain *dom)
{
    const struct xf_agent *agent = dom->agent;

    for (uint8_t i = 0; i < XF_NODES_MAX; i++) {
        if (i != agent->cluster.self.i && dom->copies[i] == XF_COPY_RUNNING &&
            agent->peer[i].member) {
            return &agent->peer[i];
        }
    }
    return NULL;
}

/* Until the domain runs elsewhere this host answers for the copy, so that none is started (H11). */
static void give_up_left(struct xf_domain *dom)
{
    const struct xf_peer *peer = second_copy(dom);
    struct xf_event event = { .type = XF_EV_VANISHED };

    if (!dom->away || dom->core.state != XF_ST_HOME || peer == NULL) {
        return;
    }
    xf_domain_log(dom, LOG_NOTICE, "was moved to %s by others, who have left their copy here",
                  peer->name);
    dom->agent->hello_wanted = true;
    xf_domain_event(dom, &event);
}

void xf_domain_watch_copies(struct xf_domain *dom, uint64_t now_ms)
{
    bool runs_here = dom->copies[dom->agent->cluster.self.i] == XF_COPY_RUNNING && !dom->away;
    const struct xf_peer *peer = runs_here ? second_copy(dom) : NULL;

    give_up_left(dom);
    if (peer == NULL) {
        dom->doubled_ms = 0;
        dom->doubled_told = false;
    } else if (dom->doubled_ms == 0) {
        dom->doubled_ms = now_ms;
    } else if (!dom->doubled_told && now_ms >= dom->doubled_ms + DOUBLED_MS) {
        dom->doubled_told = true;
        xf_domain_log(dom, LOG_ERR,
                      "seems to run here and on %s: look at both, and destroy the stale copy at once",
                      peer->name);
    }
}

/* What an absent node was last heard to hold counts only where no present one holds anything. */
struct xf_node xf_domain_holder(const struct xf_domain *dom)
{
    struct xf_node node = holder_among(dom, true);

    return node.id != 0 ? node : holder_among(dom, false);
}

const char *xf_domain_shown(const struct xf_domain *dom)
{
    return dom->name[0] != '\0' ? dom->name : dom->uuid_text;
}

void xf_migid_text(const struct xf_agent *agent, const struct xf_migid *id, char *buf, size_t size)
{
    snprintf(buf, size, "%u@%s", id->epoch, xf_peer_name(agent, id->src));
}

void xf_domain_log(const struct xf_domain *dom, int priority, const char *fmt, ...)
{
    char prefix[2 * XF_NAME_SIZE + 32], id[XF_NAME_SIZE + 16] = "";
    va_list ap;

    if (dom->core.id.epoch != 0) {
        xf_migid_text(dom->agent, &dom->core.id, id, sizeof(id));
    }
    snprintf(prefix, sizeof(prefix), "%s%s%s: ", xf_domain_shown(dom), id[0] != '\0' ? " " : "",
             id);
    va_start(ap, fmt);
    xf_vlog(priority, prefix, fmt, ap);
    va_end(ap);
}
