/* SPDX-License-Identifier: GPL-2.0-or-later */
/* check: on the node that holds the domain; matrix: of all nodes. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "check_json.h"
#include "matrix.h"
#include "requests.h"

/* A member's own rows come from its memory. */
#define ROWS_MS 3000u

/* ---- check ---- */

struct checking {
    struct xf_asker *asker;
    struct xf_domain *dom;
    struct xf_slot target;
};

static const char *verdict_of(const struct xf_findings *findings)
{
    static const char *const words[XF_N_SEVERITIES] = {
        [XF_INFO] = "ok",
        [XF_WARN] = "warn",
        [XF_REFUSE] = "refuse",
    };

    return words[xf_findings_worst(findings)];
}

static void checked(void *arg, enum xf_reason reason, const struct xf_findings *findings,
                    json_t *evidence, uint32_t took_ms)
{
    struct checking *c = arg;
    const struct xf_agent *agent = c->dom->agent;

    xf_matrix_learn(c->dom, c->target, reason, findings, evidence, took_ms);
    if (reason != XF_REASON_OK) {
        xf_answer(c->asker, reason == XF_REASON_BUSY ? XF_REASON_PEER_REFUSED : reason,
                  reason == XF_REASON_BUSY ? "it has checks enough" : "", NULL);
    } else {
        xf_answer(c->asker, XF_REASON_OK, "",
                  json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:o,s:I,s:O}", "domain",
                            xf_domain_shown(c->dom), "uuid", c->dom->uuid_text, "source",
                            xf_peer_self(c->dom->agent)->name, "target",
                            xf_peer_slot_name(agent, c->target), "verdict", verdict_of(findings),
                            "reason", xf_reason_name(xf_findings_reason(findings)), "findings",
                            xf_findings_json(findings), "took_ms", (json_int_t)took_ms, "evidence",
                            evidence));
    }
    free(c);
}

static enum xf_reason can_check(const struct xf_domain *dom, const struct xf_peer *to)
{
    const struct xf_agent *agent = dom->agent;

    if (xf_core_busy(&dom->core)) {
        return XF_REASON_BUSY;
    }
    if (dom->core.state != XF_ST_HOME) {
        return XF_REASON_NOT_RUNNING;
    }
    if (to->node.id == agent->cluster.node[agent->cluster.self.i].id) {
        return XF_REASON_SAME_NODE;
    }
    if (to->incompatible) {
        return XF_REASON_PROTOCOL;
    }
    return to->member && to->greeted ? XF_REASON_OK : XF_REASON_NODE_OFFLINE;
}

void xf_request_check(struct xf_asker *asker, const struct xf_ctl_request *request)
{
    struct xf_agent *agent = asker->agent;
    const char *name = xf_ctl_value(request, "domain");
    const char *to = xf_ctl_value(request, "to");
    struct xf_domain *dom = name != NULL ? xf_domain_named(agent, name) : NULL;
    const struct xf_peer *peer = to != NULL ? xf_peer_named(agent, to) : NULL;
    struct xf_check_options options = { .cold = xf_request_flag(request, "cold") };
    enum xf_reason reason;
    struct checking *c;

    if (name == NULL || to == NULL) {
        xf_answer(asker, XF_REASON_USAGE, "a domain and a node must be named", NULL);
        return;
    }
    if (dom == NULL || xf_domain_holder(dom).id == 0 || peer == NULL) {
        xf_answer(asker,
                  dom == NULL || peer != NULL ? XF_REASON_UNKNOWN_DOMAIN : XF_REASON_UNKNOWN_NODE,
                  dom == NULL || peer != NULL ? name : to, NULL);
        return;
    }
    reason = can_check(dom, peer);
    if (reason != XF_REASON_OK) {
        xf_answer(asker, reason, "", NULL);
        return;
    }
    c = calloc(1, sizeof(*c));
    if (c == NULL) {
        abort();
    }
    c->asker = asker;
    c->dom = dom;
    c->target = xf_cluster_slot(&agent->cluster, peer->node);
    (void)xf_check_start(dom, c->target, &options, checked, c);
}

/* ---- matrix ---- */

struct gathering {
    struct xf_agent *agent;
    uint32_t waiting; /* for so many members */
    json_t *rows;
    json_t *silent;
    xf_rows_done_fn done;
    void *arg;
};

struct member {
    struct gathering *g;
    struct xf_slot slot;
};

typedef int (*order_fn)(const void *a, const void *b);

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

/* As people count: n2 comes before n10. */
static int by_text(const void *a, const void *b)
{
    return strverscmp(json_string_value(*(json_t *const *)a),
                      json_string_value(*(json_t *const *)b));
}

static int by_node(const void *a, const void *b)
{
    return strverscmp(text_of(*(json_t *const *)a, "node"), text_of(*(json_t *const *)b, "node"));
}

static int by_domain(const void *a, const void *b)
{
    const json_t *row_a = *(json_t *const *)a, *row_b = *(json_t *const *)b;
    int order = strverscmp(text_of(row_a, "domain"), text_of(row_b, "domain"));

    return order != 0 ? order : strcmp(text_of(row_a, "uuid"), text_of(row_b, "uuid"));
}

/* Each agent knows nodes and domains in the order of their appearance. */
static void sort(json_t *list, order_fn order)
{
    size_t n = json_array_size(list);
    json_t **item = calloc(n + 1, sizeof(json_t *));

    if (item == NULL) {
        abort();
    }
    for (size_t i = 0; i < n; i++) {
        item[i] = json_incref(json_array_get(list, i));
    }
    qsort(item, n, sizeof(json_t *), order);
    for (size_t i = 0; i < n; i++) {
        json_array_set_new(list, i, item[i]);
    }
    free(item);
}

static void finish(struct gathering *g)
{
    json_t *row;
    size_t r;

    sort(g->silent, by_text);
    sort(g->rows, by_domain);
    json_array_foreach(g->rows, r, row)
    {
        sort(json_object_get(row, "cells"), by_node);
    }
    g->done(g->arg, g->rows, g->silent);
    json_decref(g->rows);
    json_decref(g->silent);
    free(g);
}

static void take_rows(void *arg, enum xf_reason reason, const char *text, json_t *body)
{
    struct member *member = arg;
    struct gathering *g = member->g;
    json_t *rows = json_object_get(body, "rows");

    (void)text;
    if (reason == XF_REASON_OK && json_is_array(rows)) {
        json_array_extend(g->rows, rows);
    } else {
        json_array_append_new(g->silent, json_string(xf_peer_slot_name(g->agent, member->slot)));
    }
    free(member);
    if (--g->waiting == 0) {
        finish(g);
    }
}

static void ask_members(struct gathering *g, const struct xf_ctl_request *request,
                        uint32_t timeout_ms)
{
    for (uint8_t i = 0; i < XF_NODES_MAX; i++) {
        const struct xf_peer *peer = &g->agent->peer[i];
        struct member *member;

        if (!peer->member || peer->incompatible || i == g->agent->cluster.self.i) {
            continue;
        }
        member = calloc(1, sizeof(*member));
        if (member == NULL) {
            abort();
        }
        member->g = g;
        member->slot.i = i;
        g->waiting++;
        (void)xf_question_ask(g->agent, peer->node, request, timeout_ms, take_rows, member);
    }
}

void xf_rows_gather(struct xf_agent *agent, bool now, uint32_t timeout_ms, xf_rows_done_fn done,
                    void *arg)
{
    const struct xf_ctl_request request = {
        .verb = "matrix",
        .n_args = now ? 1 : 0,
        .arg = { { "now", "1" } },
    };
    struct gathering *g = calloc(1, sizeof(*g));

    if (g == NULL) {
        abort();
    }
    g->agent = agent;
    g->rows = xf_matrix_rows(agent);
    g->silent = json_array();
    g->done = done;
    g->arg = arg;
    ask_members(g, &request, timeout_ms);
    if (g->waiting == 0) {
        finish(g);
    }
}

static void gathered(void *arg, json_t *rows, json_t *silent)
{
    struct xf_asker *asker = arg;
    json_t *nodes = json_array();

    for (uint8_t i = 0; i < XF_NODES_MAX; i++) {
        if (asker->agent->peer[i].configured) {
            json_array_append_new(nodes, json_string(asker->agent->peer[i].name));
        }
    }
    sort(nodes, by_text);
    xf_answer(asker, XF_REASON_OK, "",
              json_pack("{s:o,s:O,s:O}", "nodes", nodes, "rows", rows, "silent", silent));
}

void xf_request_matrix(struct xf_asker *asker, const struct xf_ctl_request *request)
{
    struct xf_agent *agent = asker->agent;
    bool now = xf_request_flag(request, "now");

    if (now) {
        xf_matrix_want_all(agent);
    }
    if (asker->conn == NULL) {
        xf_answer(asker, XF_REASON_OK, "", json_pack("{s:o}", "rows", xf_matrix_rows(agent)));
        return;
    }
    xf_rows_gather(agent, now, ROWS_MS, gathered, asker);
}
