/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Verbs that only look: nodes, domains, status, watch, history, report, debug, metrics. */
#include "config.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attempt.h"
#include "blackbox.h"
#include "clock_qb.h"
#include "history.h"
#include "report.h"
#include "requests.h"
#include "slots.h"
#include "text.h"

/* `nodes` waits so long for what others know; without it the list is still worth having. */
#define ROWS_MS 1000u

static json_t *number(uint64_t v)
{
    return json_integer((json_int_t)v);
}

static bool is_of(const json_t *object, const char *key, const char *value)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL && strcmp(text, value) == 0;
}

/* ---- nodes ---- */

static const char *peer_state(const struct xf_peer *peer)
{
    if (peer->incompatible) {
        return "incompatible";
    }
    if (peer->member && peer->greeted) {
        return "online";
    }
    return peer->off ? "off" : "offline";
}

static uint32_t domains_of(struct xf_agent *agent, struct xf_node node)
{
    uint32_t n = 0;

    for (const struct xf_domain *dom = agent->domains; dom != NULL; dom = dom->next) {
        n += xf_domain_holder(dom).id == node.id ? 1 : 0;
    }
    return n;
}

/* Kinds of guests, by xl's names for them. */
static json_t *live_json(const struct xf_host_facts *facts)
{
    json_t *kinds = json_array();

    if (facts->logs_pv) {
        json_array_append_new(kinds, json_string("pv"));
    }
    if (facts->logs_hvm) {
        json_array_append_new(kinds, json_string("pvh"));
        json_array_append_new(kinds, json_string("hvm"));
    }
    return kinds;
}

/* Of the domains that run elsewhere, by their last checks; null: there is none. */
static json_t *takes_json(const char *name, json_t *rows)
{
    json_t *row, *cell;
    size_t r, c;
    int accepted = 0, known = 0;

    json_array_foreach(rows, r, row)
    {
        json_array_foreach(json_object_get(row, "cells"), c, cell)
        {
            if (is_of(cell, "node", name) && !is_of(cell, "verdict", "unknown") &&
                json_is_true(json_object_get(cell, "online"))) {
                known++;
                accepted += is_of(cell, "verdict", "refuse") ? 0 : 1;
            }
        }
    }
    return known > 0 ? json_pack("{s:i,s:i}", "accepted", accepted, "known", known) : json_null();
}

static json_t *node_json(struct xf_agent *agent, uint8_t i, json_t *rows)
{
    struct xf_peer *peer = &agent->peer[i];
    bool self = i == agent->cluster.self.i;
    uint32_t out, in;
    struct xf_host_facts facts;
    json_t *node;
    bool known = self && agent->hyper_ops->facts(agent->hyper, &facts) == 0;

    if (known) {
        peer->memory_total_mib = facts.memory_total_mib;
        peer->memory_free_mib = facts.memory_free_mib;
    }
    xf_slots_count(agent, (struct xf_slot){ i }, &out, &in);
    node = json_pack("{s:s,s:o,s:s,s:b,s:[i,i],s:s,s:o,s:o,s:o,s:o,s:o,s:o}", "name", peer->name,
                     "id", number(peer->node.id), "state", peer_state(peer), "self", self,
                     "version", peer->version_min, peer->version_max, "hypervisor",
                     peer->hypervisor, "memory_total_mib", number(peer->memory_total_mib),
                     "memory_free_mib", number(peer->memory_free_mib), "cpus", number(peer->cpus),
                     "domains", number(domains_of(agent, peer->node)), "moves_out", number(out),
                     "moves_in", number(in));
    json_object_set_new(node, "takes", takes_json(peer->name, rows));
    /* HELLO does not carry these. */
    json_object_set_new(node, "scheduler", known ? json_string(facts.scheduler) : json_null());
    json_object_set_new(node, "live", known ? live_json(&facts) : json_null());
    return node;
}

/* Slots are in the order of appearance; people look for nodes by their number. */
static const struct xf_peer *next_peer(const struct xf_agent *agent, uint32_t after_id)
{
    const struct xf_peer *found = NULL;

    for (uint8_t i = 0; i < XF_NODES_MAX; i++) {
        const struct xf_peer *peer = &agent->peer[i];

        if (peer->configured && peer->node.id > after_id &&
            (found == NULL || peer->node.id < found->node.id)) {
            found = peer;
        }
    }
    return found;
}

static void list_nodes(void *arg, json_t *rows, json_t *silent)
{
    struct xf_asker *asker = arg;
    struct xf_agent *agent = asker->agent;
    json_t *list = json_array();

    (void)silent; /* their domains are not counted */
    for (const struct xf_peer *peer = next_peer(agent, 0); peer != NULL;
         peer = next_peer(agent, peer->node.id)) {
        json_array_append_new(list, node_json(agent, (uint8_t)(peer - agent->peer), rows));
    }
    xf_answer(asker, XF_REASON_OK, "",
              json_pack("{s:o,s:b,s:s}", "nodes", list, "quorate", agent->quorate, "self",
                        xf_peer_self(agent)->name));
}

void xf_request_nodes(struct xf_asker *asker, const struct xf_ctl_request *request)
{
    (void)request;
    xf_rows_gather(asker->agent, false, ROWS_MS, list_nodes, asker);
}

/* ---- domains ---- */

json_t *xf_request_domain_json(const struct xf_domain *dom)
{
    static const char *const states[XF_N_COPIES] = {
        [XF_COPY_NONE] = "none",
        [XF_COPY_RUNNING] = "running",
        [XF_COPY_SUSPENDED] = "suspended",
        [XF_COPY_PAUSED] = "paused",
    };
    const struct xf_agent *agent = dom->agent;
    struct xf_node node = xf_domain_holder(dom);
    struct xf_slot slot = xf_cluster_slot(&agent->cluster, node);
    uint8_t copy = slot.i < XF_NODES_MAX ? dom->copies[slot.i] : XF_COPY_NONE;
    bool moving = (xf_core_busy(&dom->core) && dom->core.state != XF_ST_STARTING) ||
                  (dom->progress != NULL && dom->core.state != XF_ST_HOME);

    return json_pack("{s:s,s:s,s:s,s:s,s:o,s:o,s:b}", "name", xf_domain_shown(dom), "uuid",
                     dom->uuid_text, "node", xf_peer_slot_name(agent, slot), "state",
                     states[copy < XF_N_COPIES ? copy : XF_COPY_NONE], "memory_mib",
                     number(dom->memory_mib), "epoch", number(dom->core.epoch_max), "moving",
                     moving);
}

void xf_request_domains(struct xf_asker *asker, const struct xf_ctl_request *request)
{
    json_t *list = json_array();

    (void)request;
    for (const struct xf_domain *dom = asker->agent->domains; dom != NULL; dom = dom->next) {
        if (xf_domain_holder(dom).id != 0) {
            json_array_append_new(list, xf_request_domain_json(dom));
        }
    }
    xf_foreign_list(asker->agent, list);
    xf_answer(asker, XF_REASON_OK, "", json_pack("{s:o}", "domains", list));
}

/* ---- status, watch ---- */

/* Who is a party knows best; others have what the source last told. */
static json_t *migration_of(struct xf_domain *dom)
{
    const struct xf_core *core = &dom->core;
    bool source = core->src.i == dom->agent->cluster.self.i;

    if (xf_attempt_is_waiting(dom)) {
        return xf_report_migration(dom);
    }
    if (xf_core_busy(core) && core->state != XF_ST_STARTING &&
        (source || dom->progress == NULL || xf_core_in_doubt(core))) {
        return xf_report_migration(dom);
    }
    return dom->progress != NULL ? json_incref(dom->progress) : NULL;
}

void xf_request_status(struct xf_asker *asker, const struct xf_ctl_request *request)
{
    const char *name = xf_ctl_value(request, "domain");
    struct xf_agent *agent = asker->agent;
    const struct xf_domain *only = name != NULL ? xf_domain_named(agent, name) : NULL;
    json_t *list;

    if (name != NULL && only == NULL) {
        xf_answer(asker, XF_REASON_UNKNOWN_DOMAIN, name, NULL);
        return;
    }
    list = json_array();
    for (struct xf_domain *dom = agent->domains; dom != NULL; dom = dom->next) {
        json_t *m = only == NULL || only == dom ? migration_of(dom) : NULL;

        if (m != NULL) {
            json_array_append_new(list, m);
        }
    }
    xf_answer(asker, XF_REASON_OK, "", json_pack("{s:o}", "migrations", list));
}

void xf_request_watch(struct xf_asker *asker, const struct xf_ctl_request *request)
{
    (void)request;
    asker->watching = true;
}

/* ---- history, report ---- */

static bool matches(const json_t *report, const char *domain, const char *migration)
{
    return (domain == NULL || is_of(report, "domain", domain) || is_of(report, "uuid", domain)) &&
           (migration == NULL || is_of(report, "migration", migration));
}

void xf_request_history(struct xf_asker *asker, const struct xf_ctl_request *request)
{
    const char *domain = xf_ctl_value(request, "domain");
    const char *limit_text = xf_ctl_value(request, "limit");
    uint64_t limit = 20;
    json_t *list, *report;

    if (limit_text != NULL && xf_u64_parse(limit_text, 1, UINT32_MAX, &limit) != 0) {
        xf_answer(asker, XF_REASON_USAGE, "limit is no number", NULL);
        return;
    }
    list = json_array();
    for (uint32_t i = 0; json_array_size(list) < limit &&
                         (report = xf_history_get(asker->agent->history, i)) != NULL;
         i++) {
        if (matches(report, domain, NULL)) {
            json_object_del(report, "rounds");
            json_array_append(list, report);
        }
        json_decref(report);
    }
    xf_answer(asker, XF_REASON_OK, "", json_pack("{s:o}", "history", list));
}

void xf_request_report(struct xf_asker *asker, const struct xf_ctl_request *request)
{
    const char *domain = xf_ctl_value(request, "domain");
    const char *migration = xf_ctl_value(request, "migration");
    json_t *report;

    for (uint32_t i = 0; (report = xf_history_get(asker->agent->history, i)) != NULL; i++) {
        if (matches(report, domain, migration)) {
            xf_answer(asker, XF_REASON_OK, "", report);
            return;
        }
        json_decref(report);
    }
    xf_answer(asker, XF_REASON_UNKNOWN_DOMAIN, "there is no report of it", NULL);
}

/* ---- debug, metrics ---- */

void xf_request_debug(struct xf_asker *asker, const struct xf_ctl_request *request)
{
    const struct xf_blackbox *box = asker->agent->blackbox;
    char line[XF_BLACKBOX_LINE_SIZE];
    json_t *list = json_array();

    (void)request;
    for (uint32_t i = 0; i < xf_blackbox_count(box); i++) {
        xf_blackbox_line(box, i, line, sizeof(line));
        json_array_append_new(list, json_string(line));
    }
    xf_answer(asker, XF_REASON_OK, "", json_pack("{s:o}", "trace", list));
}

static uint64_t rss_kib(void)
{
    unsigned long long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    if (f != NULL) {
        if (fscanf(f, "%llu %llu", &size, &resident) != 2) {
            resident = 0;
        }
        fclose(f);
    }
    return resident * (uint64_t)sysconf(_SC_PAGESIZE) / 1024u;
}

static uint64_t open_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    uint64_t n = 0;

    while (dir != NULL && readdir(dir) != NULL) {
        n++;
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return n > 3 ? n - 3 : 0; /* ".", ".." and the directory itself */
}

void xf_request_metrics(struct xf_asker *asker, const struct xf_ctl_request *request)
{
    const struct xf_agent *agent = asker->agent;

    (void)request;
    xf_answer(asker, XF_REASON_OK, "",
              json_pack("{s:o,s:o,s:o,s:o}", "loop_latency_max_us",
                        number(xf_ticker_late_max_us(agent->ticker)), "rss_kib", number(rss_kib()),
                        "fds", number(open_fds()), "uptime_s",
                        number((xf_now_ms() - agent->started_ms) / 1000u)));
}
