/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "matrix.h"

#include <stdlib.h>
#include <string.h>

#include "attempt.h"
#include "check.h"
#include "clock_qb.h"
#include "log_qb.h"
#include "rota.h"
#include "visits.h"

#define TICK_MS        250u
#define WANTED_MAX     4u /* checks at a time that somebody waits for */
#define BACKGROUND_MAX 1u
#define KEPT_MAX       12u /* ids of findings */
/* A check's cost before the first: two sizes on one bridge, three looks at one disk. */
#define FRAMES_GUESS   16u
#define READS_GUESS    48u

struct cell {
    struct xf_domain *dom;
    struct xf_slot target;
    struct xf_boot boot; /* the target's, when it was checked */
    struct xf_rota_pair pair;
    uint64_t checked_ms; /* 0: never */
    enum xf_reason reason;
    enum xf_severity severity;
    uint32_t took_ms;
    uint32_t n;
    uint8_t id[KEPT_MAX];
    bool wanted;
    bool background;
    bool away; /* the target was not there: it will be news when it is */
    struct xf_check *check;
};

struct xf_matrix_row {
    uint64_t config; /* its digest; 0: not known yet */
    struct cell cell[XF_NODES_MAX];
};

struct xf_matrix {
    struct xf_rota rota;
    uint64_t tick_ms;
    uint32_t room;
    struct xf_rota_pair *pair; /* of one tick */
    struct cell **cell;
};

static struct xf_matrix *matrix_of(struct xf_agent *agent)
{
    if (agent->matrix == NULL) {
        agent->matrix = calloc(1, sizeof(*agent->matrix));
        if (agent->matrix == NULL) {
            abort();
        }
    }
    return agent->matrix;
}

void xf_matrix_drop(struct xf_domain *dom)
{
    if (dom->row != NULL) {
        for (uint8_t i = 0; i < XF_NODES_MAX; i++) {
            xf_check_stop(dom->row->cell[i].check);
        }
        free(dom->row);
        dom->row = NULL;
    }
}

/* Of the domain's configuration, FNV-1a: so that another one is noticed. 0: it cannot be had. */
static uint64_t config_digest(const struct xf_domain *dom)
{
    const struct xf_agent *agent = dom->agent;
    char config[XF_CONFIG_SIZE_MAX];
    uint64_t digest = UINT64_C(0xcbf29ce484222325);

    if (agent->hyper_ops->config(agent->hyper, &dom->uuid, config, sizeof(config)) != 0) {
        return 0;
    }
    for (const char *p = config; *p != '\0'; p++) {
        digest = (digest ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
    }
    return digest;
}

void xf_matrix_news(struct xf_domain *dom, uint64_t now_ms)
{
    struct xf_matrix_row *row = dom->row;
    uint64_t config = row != NULL && dom->core.state == XF_ST_HOME ? config_digest(dom) : 0;

    if (config == 0 || config == row->config) {
        return;
    }
    for (uint8_t i = 0; row->config != 0 && i < XF_NODES_MAX; i++) {
        row->cell[i].pair.changed_ms = now_ms;
    }
    row->config = config;
}

static struct xf_matrix_row *row_of(struct xf_domain *dom, uint64_t now_ms)
{
    if (dom->row == NULL) {
        dom->row = calloc(1, sizeof(*dom->row));
        if (dom->row == NULL) {
            abort();
        }
        for (uint8_t i = 0; i < XF_NODES_MAX; i++) {
            dom->row->cell[i] = (struct cell){
                .dom = dom,
                .target = { i },
                .pair = { .changed_ms = now_ms, .frames = FRAMES_GUESS, .reads = READS_GUESS },
            };
        }
    }
    return dom->row;
}

/* ---- checks ---- */

static uint32_t cost_of(const json_t *evidence, const char *key, uint32_t guess)
{
    json_int_t cost = json_integer_value(json_object_get(evidence, key));

    return cost > 0 && cost < UINT32_MAX ? (uint32_t)cost : guess;
}

static bool has_hung(const struct xf_findings *findings)
{
    for (uint32_t i = 0; i < findings->n; i++) {
        if (findings->of[i].id == XF_FIND_DISK_HANGS) {
            return true;
        }
    }
    return false;
}

/* Who asks again and again does not make its turn come more seldom. */
static void count_hangs(struct cell *cell, const struct xf_findings *findings, bool background)
{
    if (!has_hung(findings)) {
        cell->pair.hangs = 0;
    } else if (background || cell->pair.hangs == 0) {
        cell->pair.hangs++;
    }
}

static void keep(struct cell *cell, enum xf_reason reason, const struct xf_findings *findings,
                 const json_t *evidence, uint32_t took_ms, uint64_t now_ms)
{
    cell->wanted = false;
    if (reason != XF_REASON_OK) {
        cell->pair.failures++;
        cell->reason = reason;
        return; /* what was known stays */
    }
    cell->pair.failures = 0;
    cell->pair.frames = cost_of(evidence, "frames", cell->pair.frames);
    cell->pair.reads = cost_of(evidence, "reads", cell->pair.reads);
    cell->checked_ms = now_ms;
    cell->boot = cell->dom->agent->peer[cell->target.i].boot;
    cell->reason = xf_findings_reason(findings);
    cell->severity = xf_findings_worst(findings);
    cell->took_ms = took_ms;
    cell->n = 0;
    for (uint32_t i = 0; i < findings->n && cell->n < KEPT_MAX; i++) {
        uint8_t id = findings->of[i].id;

        if (cell->severity != XF_INFO && xf_finding_severity(id) == cell->severity &&
            memchr(cell->id, id, cell->n) == NULL) {
            cell->id[cell->n++] = id;
        }
    }
}

void xf_matrix_learn(struct xf_domain *dom, struct xf_slot target, enum xf_reason reason,
                     const struct xf_findings *findings, const json_t *evidence, uint32_t took_ms)
{
    uint64_t now_ms = xf_now_ms();

    if (dom->core.state == XF_ST_HOME && target.i < XF_NODES_MAX && reason == XF_REASON_OK) {
        struct cell *cell = &row_of(dom, now_ms)->cell[target.i];

        cell->pair.tried_ms = now_ms;
        if (cell->pair.changed_ms + took_ms <= now_ms) { /* before it began */
            cell->pair.changed_ms = 0;
        }
        count_hangs(cell, findings, false);
        keep(cell, reason, findings, evidence, took_ms, now_ms);
    }
}

static void checked(void *arg, enum xf_reason reason, const struct xf_findings *findings,
                    json_t *evidence, uint32_t took_ms)
{
    struct cell *cell = arg;
    uint32_t frames = cell->pair.frames, reads = cell->pair.reads;
    enum xf_severity before = cell->checked_ms != 0 ? cell->severity : XF_INFO;

    cell->check = NULL;
    if (reason == XF_REASON_OK) {
        count_hangs(cell, findings, cell->background);
    }
    keep(cell, reason, findings, evidence, took_ms, xf_now_ms());
    if (cell->background) {
        xf_rota_settle(&matrix_of(cell->dom->agent)->rota,
                       (int64_t)cell->pair.frames - (int64_t)frames,
                       (int64_t)cell->pair.reads - (int64_t)reads);
    }
    if (reason == XF_REASON_OK && cell->severity == XF_REFUSE && before != XF_REFUSE) {
        char text[512];

        xf_findings_text(findings, XF_REFUSE, text, sizeof(text));
        xf_domain_log(cell->dom, LOG_WARNING, "could not move to %s: %s",
                      xf_peer_slot_name(cell->dom->agent, cell->target), text);
    }
}

static void start(struct cell *cell, bool background, uint64_t now_ms)
{
    const struct xf_check_options options = { .background = background };

    if (cell->dom->row->config == 0) {
        xf_matrix_news(cell->dom, now_ms);
    }
    cell->background = background;
    cell->pair.tried_ms = now_ms;
    cell->pair.changed_ms = 0;
    cell->check = xf_check_start(cell->dom, cell->target, &options, checked, cell);
}

/* ---- whose turn it is ---- */

static bool moves(const struct xf_domain *dom)
{
    return xf_core_busy(&dom->core) || dom->destroyer != NULL || dom->destroying ||
           (dom->attempt != NULL && dom->attempt->source && !dom->attempt->ended);
}

/* False: there is no such pair. */
static bool look_at(struct cell *cell, uint64_t now_ms)
{
    const struct xf_agent *agent = cell->dom->agent;
    const struct xf_peer *peer = &agent->peer[cell->target.i];
    bool there = peer->member && peer->greeted && !peer->incompatible;

    if (!peer->configured || cell->target.i == agent->cluster.self.i) {
        return false;
    }
    if (there && (cell->away || (cell->checked_ms != 0 && cell->boot.v != peer->boot.v)) &&
        cell->pair.changed_ms == 0) {
        cell->pair.changed_ms = now_ms;
        cell->boot = peer->boot;
    }
    cell->away = !there;
    cell->pair.barred = !there || moves(cell->dom) || cell->check != NULL;
    if (!there) {
        cell->wanted = false;
    }
    return true;
}

static void add(struct xf_matrix *m, uint32_t n, struct cell *cell)
{
    if (n == m->room) {
        m->room = m->room > 0 ? 2 * m->room : 64;
        m->pair = realloc(m->pair, m->room * sizeof(*m->pair));
        m->cell = realloc(m->cell, m->room * sizeof(*m->cell));
        if (m->pair == NULL || m->cell == NULL) {
            abort();
        }
    }
    m->pair[n] = cell->pair;
    m->cell[n] = cell;
}

/* Every pair, and how many checks of either kind run. */
static uint32_t gather(struct xf_agent *agent, uint64_t now_ms, uint32_t *ret_wanted,
                       uint32_t *ret_background)
{
    struct xf_matrix *m = matrix_of(agent);
    uint32_t n = 0;

    *ret_wanted = *ret_background = 0;
    for (struct xf_domain *dom = agent->domains; dom != NULL; dom = dom->next) {
        if (dom->core.state != XF_ST_HOME) {
            xf_matrix_drop(dom);
            continue;
        }
        for (uint8_t i = 0; i < XF_NODES_MAX; i++) {
            struct cell *cell = &row_of(dom, now_ms)->cell[i];

            if (!look_at(cell, now_ms)) {
                continue;
            }
            if (cell->check != NULL && moves(dom)) {
                xf_check_stop(cell->check);
                cell->check = NULL;
                cell->wanted = false;
                cell->pair.changed_ms = now_ms; /* so that its turn comes again */
            }
            *ret_wanted += cell->check != NULL && !cell->background ? 1 : 0;
            *ret_background += cell->check != NULL && cell->background ? 1 : 0;
            add(m, n++, cell);
        }
    }
    return n;
}

static void start_wanted(const struct xf_matrix *m, uint32_t n, uint32_t running, uint64_t now_ms)
{
    for (uint32_t i = 0; i < n && running < WANTED_MAX; i++) {
        struct cell *cell = m->cell[i];

        if (cell->wanted && cell->check == NULL && !cell->pair.barred) {
            start(cell, false, now_ms);
            running++;
        } else if (cell->wanted && cell->check == NULL) {
            cell->wanted = false; /* it moves: its own check tells more */
        }
    }
}

void xf_matrix_tick(struct xf_agent *agent, uint64_t now_ms)
{
    struct xf_matrix *m = matrix_of(agent);
    const struct xf_settings *set = &agent->settings;
    const struct xf_rota_plan plan = {
        .interval_ms = set->check_interval_s * 1000u,
        .frames = (uint32_t)set->check_budget_frames,
        .reads = (uint32_t)set->check_budget_reads,
    };
    uint32_t n, wanted, background, next;

    if (now_ms < m->tick_ms + TICK_MS) {
        return;
    }
    m->tick_ms = now_ms;
    n = gather(agent, now_ms, &wanted, &background);
    start_wanted(m, n, wanted, now_ms);
    if (background < BACKGROUND_MAX && agent->quorate && !xf_visits_pause(agent)) {
        for (uint32_t i = 0; i < n; i++) {
            m->pair[i].barred = m->pair[i].barred || m->cell[i]->check != NULL;
        }
        next = xf_rota_next(&m->rota, &plan, m->pair, n, now_ms);
        if (next != XF_ROTA_NONE) {
            start(m->cell[next], true, now_ms);
        }
    }
}

void xf_matrix_want_all(struct xf_agent *agent)
{
    uint64_t now_ms = xf_now_ms();

    for (struct xf_domain *dom = agent->domains; dom != NULL; dom = dom->next) {
        for (uint8_t i = 0; dom->core.state == XF_ST_HOME && i < XF_NODES_MAX; i++) {
            struct cell *cell = &row_of(dom, now_ms)->cell[i];

            cell->wanted = look_at(cell, now_ms) && !cell->away;
        }
    }
}

/* ---- what is told ---- */

static const char *verdict_of(const struct cell *cell)
{
    static const char *const words[XF_N_SEVERITIES] = {
        [XF_INFO] = "ok",
        [XF_WARN] = "warn",
        [XF_REFUSE] = "refuse",
    };

    return cell->checked_ms == 0 ? "unknown" : words[cell->severity];
}

static json_t *cell_json(const struct cell *cell, uint64_t now_ms)
{
    json_t *ids = json_array();
    bool known = cell->checked_ms != 0;

    for (uint32_t i = 0; i < cell->n; i++) {
        json_array_append_new(ids, json_string(xf_finding_name(cell->id[i])));
    }
    return json_pack("{s:s,s:s,s:s,s:o,s:o,s:o,s:i,s:b,s:b}", "node",
                     xf_peer_slot_name(cell->dom->agent, cell->target), "verdict", verdict_of(cell),
                     "reason", xf_reason_name(cell->reason), "findings", ids, "age_s",
                     known ? json_integer((json_int_t)((now_ms - cell->checked_ms) / 1000u))
                           : json_null(),
                     "took_ms", known ? json_integer(cell->took_ms) : json_null(), "failures",
                     (int)cell->pair.failures, "online", !cell->away, "pending",
                     cell->wanted || cell->check != NULL);
}

json_t *xf_matrix_rows(struct xf_agent *agent)
{
    uint64_t now_ms = xf_now_ms();
    json_t *rows = json_array();

    for (struct xf_domain *dom = agent->domains; dom != NULL; dom = dom->next) {
        json_t *cells;

        if (dom->core.state != XF_ST_HOME) {
            continue;
        }
        cells = json_array();
        for (uint8_t i = 0; i < XF_NODES_MAX; i++) {
            struct cell *cell = &row_of(dom, now_ms)->cell[i];

            if (look_at(cell, now_ms)) {
                json_array_append_new(cells, cell_json(cell, now_ms));
            }
        }
        json_array_append_new(rows, json_pack("{s:s,s:s,s:s,s:o}", "domain", xf_domain_shown(dom),
                                              "uuid", dom->uuid_text, "node",
                                              xf_peer_self(agent)->name, "cells", cells));
    }
    return rows;
}

void xf_matrix_free(struct xf_agent *agent)
{
    if (agent->matrix != NULL) {
        free(agent->matrix->pair);
        free(agent->matrix->cell);
        free(agent->matrix);
        agent->matrix = NULL;
    }
}
