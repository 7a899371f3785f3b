/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attempt.h"
#include "clock_qb.h"
#include "fate.h"
#include "history.h"
#include "log_qb.h"
#include "precopy.h"
#include "requests.h"
#include "store_writer.h"
#include "text.h"

/* Reports that the fixed cost is the median of. */
#define LEARN_FROM          9u
/*
 * Before the first move. What makes a pause slow, processes, xenstore, the disk of the journal, makes
 * the preparation slow as well: on emulated Xen hosts it took 580 ms and the fixed cost was 560 to
 * 1250 ms. A guess alone must not forbid a move.
 */
#define FIXED_COST_LEAST_US 20000u
#define FIXED_COST_PACE     2u
/* Of a commit: two messages, each within a rotation of Corosync's token. More is a fault. */
#define COMMIT_MAX_MS       100.0
#define PAGES_PER_MIB       256u

static json_t *ms_of(uint64_t us)
{
    return json_real((double)us / 1000.0);
}

static json_t *number(uint64_t v)
{
    return json_integer((json_int_t)v);
}

const char *xf_report_text(const json_t *report, const char *key)
{
    const char *text = json_string_value(json_object_get(report, key));

    return text != NULL ? text : "";
}

json_t *xf_report_event(const char *event, json_t *object)
{
    json_t *e = json_pack("{s:s}", "event", event);

    json_object_update(e, object);
    return e;
}

/* ---- MIGRATION ---- */

const char *xf_report_state(const struct xf_domain *dom)
{
    const struct xf_attempt *at = dom->attempt;

    if (at != NULL && at->check != NULL) {
        return "checking";
    }
    if (at != NULL && at->queued) {
        return "queued";
    }
    if (xf_core_in_doubt(&dom->core)) {
        return "in-doubt";
    }
    switch ((enum xf_state)dom->core.state) {
    case XF_ST_S_COPY:
        return at != NULL && at->switched_ms != 0 ? "switching" : "copying";
    case XF_ST_D_RECV:
        return "copying";
    case XF_ST_S_SUSP:
    case XF_ST_S_END:
    case XF_ST_D_READY:
        return "switching";
    case XF_ST_S_COMMIT:
    case XF_ST_D_WON:
    case XF_ST_D_UNPAUSE:
        return "committed";
    case XF_ST_S_WON:
    case XF_ST_S_RESUME:
        return "resuming";
    case XF_ST_S_DROP:
    case XF_ST_D_DROP:
        return "dropping";
    case XF_ST_IDLE:
    case XF_ST_HOME:
    case XF_ST_STARTING:
    case XF_ST_S_MARK:
    case XF_ST_S_INTENT:
    case XF_ST_D_PREPARE:
    case XF_ST_D_MARK:
    case XF_N_STATES:
        break;
    }
    return "preparing";
}

static void missing_text(const struct xf_domain *dom, char *buf, size_t size)
{
    const struct xf_agent *agent = dom->agent;
    const struct xf_core *core = &dom->core;
    struct xf_slot peer = core->src.i == agent->cluster.self.i ? core->dst : core->src;
    unsigned have = (unsigned)__builtin_popcount(core->promised) + 1;

    buf[0] = '\0';
    if (dom->attempt != NULL && dom->attempt->queued) {
        snprintf(buf, size, "a free slot");
    } else if (core->state == XF_ST_S_COMMIT && xf_core_in_doubt(core)) {
        snprintf(buf, size, "a word from %s, or that it is confirmed off",
                 xf_peer_slot_name(agent, peer));
    } else if (xf_core_in_doubt(core)) {
        snprintf(buf, size, "a word from %s, or %u votes of %u nodes (%u so far%s)%s",
                 xf_peer_slot_name(agent, peer), agent->cluster.n_nodes / 2u + 1u,
                 agent->cluster.n_nodes, have, core->quorate ? "" : ", and no quorum here",
                 2 * have == agent->cluster.n_nodes ? ", or that it is confirmed off" : "");
    }
}

json_t *xf_report_migration(struct xf_domain *dom)
{
    const struct xf_agent *agent = dom->agent;
    const struct xf_attempt *at = dom->attempt;
    const struct xf_round none = { .cap_percent = 100 };
    const struct xf_round *r =
        at != NULL && at->n_rounds > 0 ? &at->rounds[at->n_rounds - 1] : &none;
    bool waiting = xf_attempt_is_waiting(dom);
    char id[XF_NAME_SIZE + 16], missing[256];
    uint64_t bytes = 0, sent = 0;

    for (uint32_t i = 0; at != NULL && i < at->n_rounds; i++) {
        bytes += at->rounds[i].bytes_wire;
        sent += at->rounds[i].pages_sent;
    }
    xf_migid_text(agent, &dom->core.id, id, sizeof(id));
    missing_text(dom, missing, sizeof(missing));
    return json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:I,s:o}", "domain",
        xf_domain_shown(dom), "uuid", dom->uuid_text, "migration", waiting ? "" : id, "source",
        xf_peer_slot_name(agent, waiting ? agent->cluster.self : dom->core.src), "destination",
        xf_peer_slot_name(agent, waiting ? at->dst : dom->core.dst), "state", xf_report_state(dom),
        "missing", missing, "round", (json_int_t)r->number, "pages_total",
        number((uint64_t)dom->memory_mib * PAGES_PER_MIB), "pages_sent", number(sent),
        "pages_dirty", number(r->pages_dirty), "bytes_wire", number(bytes), "rate_kibps",
        number(r->duration_us > 0 ? r->bytes_wire * 1000000u / r->duration_us / 1024u : 0),
        "dirty_rate_kibps", number(r->dirty_rate_kibps), "predicted_pause_ms",
        ms_of(r->predicted_pause_us), "cap_percent", (json_int_t)r->cap_percent, "elapsed_ms",
        number(at != NULL ? xf_now_ms() - at->started_ms : 0));
}

/* ---- REPORT ---- */

static const char *verdict_name(uint8_t verdict)
{
    switch ((enum xf_verdict)verdict) {
    case XF_VERDICT_STOP:
        return "stop";
    case XF_VERDICT_SLOW:
        return "slow";
    case XF_VERDICT_ABORT:
        return "abort";
    case XF_VERDICT_GO_ON:
    case XF_N_VERDICTS:
        break;
    }
    return "go-on";
}

static json_t *round_json(const struct xf_round *r)
{
    return json_pack("{s:I,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:s,s:I}", "round",
                     (json_int_t)r->number, "pages_dirty", number(r->pages_dirty), "pages_sent",
                     number(r->pages_sent), "pages_zero", number(r->pages_zero), "pages_same",
                     number(r->pages_same), "bytes_wire", number(r->bytes_wire), "duration_ms",
                     ms_of(r->duration_us), "dirty_rate_kibps", number(r->dirty_rate_kibps),
                     "predicted_pause_ms", ms_of(r->predicted_pause_us), "verdict",
                     verdict_name(r->verdict), "cap_percent", (json_int_t)r->cap_percent);
}

static json_t *span(uint64_t from_us, uint64_t to_us)
{
    return from_us != 0 && to_us >= from_us ? ms_of(to_us - from_us) : json_null();
}

/* Only what was seen: a phase without both its ends is null. */
static json_t *pause_json(const struct xf_attempt *at)
{
    uint64_t suspend_us = at->totals.suspend_us;
    uint64_t began_us = at->suspended_us > suspend_us ? at->suspended_us - suspend_us : 0;
    uint64_t answer_us = at->running_us > at->commit_us ? at->running_us - at->commit_us : 0;
    uint64_t seen_us = at->seen_us > at->running_us ? at->seen_us : at->running_us;
    bool timed = at->suspended_us != 0 && suspend_us != 0;
    bool ran = at->running_us != 0 && at->commit_us != 0;

    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "total_ms", span(began_us, at->running_us),
                     "suspend_ms", timed ? ms_of(suspend_us) : json_null(), "last_pages_ms",
                     span(at->suspended_us, at->want_end_us), "build_ms",
                     at->ready_us != 0 ? ms_of(at->build_us) : json_null(), "commit_ms",
                     ran ? ms_of(answer_us > at->unpause_us ? answer_us - at->unpause_us : 0)
                         : json_null(),
                     "unpause_ms", ran ? ms_of(at->unpause_us) : json_null(), "network_ms",
                     ran && at->seen_us != 0 ? ms_of(seen_us - at->running_us) : json_null());
}

/*
 * Why it ended so: the words of this node's mover, of the target's, and what is known of the other
 * node.
 */
static void detail_of(const struct xf_domain *dom, const char *fate, char *buf, size_t size)
{
    const struct xf_attempt *at = dom->attempt;
    const char *own = at->failure[0] != '\0' ? at->failure : dom->refusal;
    bool peer_knows = at->peer_words[0] != '\0' && at->peer_reason == at->end_reason &&
                      at->peer_reason != XF_REASON_CONNECTION;
    size_t len;

    buf[0] = '\0';
    if (at->end_reason == XF_REASON_OK) {
        return;
    }
    /* What broke here because the target gave up says nothing beside the target's own word. */
    snprintf(buf, size, "%s", peer_knows ? "" : own);
    len = strlen(buf);
    /* That the connection broke, both ends say. */
    if (at->peer_words[0] != '\0' && (len == 0 || at->peer_reason != XF_REASON_CONNECTION)) {
        snprintf(buf + len, size - len, "%son %s: %s", len > 0 ? "; " : "",
                 xf_peer_slot_name(dom->agent, at->dst), at->peer_words);
        len = strlen(buf);
    }
    if (fate[0] != '\0') {
        snprintf(buf + len, size - len, "%s%s", len > 0 ? "; " : "", fate);
    }
    xf_text_utf8_mend(buf); /* it may be cut within a letter */
}

/* Takes the reference. An agent that was restarted amid the move has not seen its beginning. */
static json_t *since_begun(const struct xf_attempt *at, json_t *value)
{
    if (!at->adopted) {
        return value;
    }
    json_decref(value);
    return json_null();
}

json_t *xf_report_end(struct xf_domain *dom)
{
    const struct xf_agent *agent = dom->agent;
    const struct xf_attempt *at = dom->attempt;
    const struct xf_link_totals *t = &at->totals;
    json_t *rounds = json_array();
    json_t *notes = json_array();
    char id[XF_NAME_SIZE + 16], fate[256], detail[XF_REPORT_DETAIL_SIZE];
    char text[XF_REPORT_TEXT_SIZE];
    const char *result = xf_fate_result(agent, at, fate, sizeof(fate));
    uint64_t bytes = 0, pause_us = t->predicted_pause_us;

    for (uint32_t i = 0; i < at->n_rounds; i++) {
        json_array_append_new(rounds, round_json(&at->rounds[i]));
        bytes += at->rounds[i].bytes_wire;
    }
    for (uint32_t i = 0; i < at->n_remarks; i++) {
        json_array_append_new(notes, json_string(at->remarks[i]));
    }
    for (uint32_t i = 0; i < at->n_notes; i++) {
        json_array_append_new(notes, json_string(at->notes[i]));
    }
    if (pause_us == 0 && at->n_rounds > 0) {
        pause_us = at->rounds[at->n_rounds - 1].predicted_pause_us;
    }
    detail_of(dom, fate, detail, sizeof(detail));
    snprintf(text, sizeof(text), "%s%s%s", xf_reason_sentence(at->end_reason),
             detail[0] != '\0' ? ": " : "", detail);
    xf_migid_text(agent, &at->id, id, sizeof(id));
    return json_pack(
        "{s:s,s:s,s:s,s:s,s:I,s:s,s:s,s:s,s:s,s:b,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}",
        "domain", xf_domain_shown(dom), "uuid", dom->uuid_text, "migration", id, "source",
        xf_peer_name(agent, at->id.src), "source_boot", (json_int_t)at->id.boot.v, "destination",
        xf_peer_slot_name(agent, at->dst), "result", result, "reason",
        xf_reason_name(at->end_reason), "text", text, "cold", at->options.cold, "started",
        since_begun(at, json_string(at->started)), "duration_ms",
        since_begun(at, number(at->ended_ms - at->started_ms)), "check_ms",
        at->check_ms != 0 ? number(at->check_ms) : json_null(), "bytes_wire",
        since_begun(at, number(t->bytes_wire != 0 ? t->bytes_wire : bytes)), "bytes_stream",
        since_begun(at, number(t->bytes_stream)), "pages_total",
        number(t->pages_total != 0 ? t->pages_total : (uint64_t)dom->memory_mib * PAGES_PER_MIB),
        "rounds", rounds, "predicted_pause_ms", ms_of(pause_us), "pause", pause_json(at), "notes",
        notes);
}

/* ---- telling ---- */

static void send_json(struct xf_agent *agent, struct xf_domain *dom, enum xf_frame_kind kind,
                      const struct xf_migid *id, const json_t *body)
{
    char *text = json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(9));
    struct xf_frame *f = &agent->frame_out;

    f->kind = (uint8_t)kind;
    f->version = 0;
    f->uuid = dom->uuid;
    f->id = *id;
    if (strlen(text) <= XF_PAYLOAD_MAX) {
        xf_agent_send(agent, text, strlen(text));
    }
    free(text);
}

void xf_report_progress(struct xf_domain *dom, bool to_group)
{
    struct xf_attempt *at = dom->attempt;
    json_t *body = xf_report_migration(dom);
    json_t *event = xf_report_event("progress", body);
    json_t *addresses = at != NULL && to_group ? xf_attempt_net_addresses(at) : NULL;

    xf_request_watchers(dom->agent, event);
    if (at != NULL && at->waiter != NULL && at->waits) {
        xf_answer_event(at->waiter, event);
    }
    json_decref(event);
    if (addresses != NULL) {
        json_object_set_new(body, "addresses", addresses);
    }
    if (to_group) {
        send_json(dom->agent, dom, XF_FRAME_PROGRESS, &dom->core.id, body);
    }
    json_decref(body);
}

/* False: the other party told it already. */
static bool keep(struct xf_agent *agent, json_t *report)
{
    char *line;

    if (!xf_history_add(agent->history, report)) {
        return false;
    }
    line = json_dumps(report, JSON_COMPACT | JSON_REAL_PRECISION(9));
    xf_store_history(agent->store, line);
    free(line);
    return true;
}

/* And who watches here is told, if it is news. */
static bool keep_and_tell(struct xf_agent *agent, json_t *report)
{
    json_t *event;

    if (!keep(agent, report)) {
        return false;
    }
    event = xf_report_event("ended", report);
    xf_request_watchers(agent, event);
    json_decref(event);
    return true;
}

void xf_report_amend(struct xf_agent *agent, json_t *report)
{
    if (keep_and_tell(agent, report)) {
        xf_log(LOG_NOTICE, "%s: %s: %s", xf_report_text(report, "domain"),
               xf_report_text(report, "result"), xf_report_text(report, "text"));
    }
}

void xf_report_publish(struct xf_domain *dom, json_t *report)
{
    struct xf_attempt *at = dom->attempt;
    json_t *event = xf_report_event("ended", report);
    char detail[XF_REPORT_DETAIL_SIZE];

    xf_domain_log(dom, at->end_reason == XF_REASON_OK ? LOG_NOTICE : LOG_WARNING, "%s: %s",
                  xf_report_text(report, "result"), xf_report_text(report, "text"));
    send_json(dom->agent, dom, XF_FRAME_REPORT, &at->id, report);
    (void)keep(dom->agent, report);
    xf_request_watchers(dom->agent, event);
    if (at->waiter != NULL) {
        detail_of(dom, "", detail, sizeof(detail));
        xf_answer(at->waiter, at->end_reason, detail, event);
        at->waiter = NULL;
        event = NULL;
    }
    json_decref(event);
    json_decref(report);
}

static json_t *load(const struct xf_frame *frame)
{
    json_t *body = json_loadb((const char *)frame->payload, frame->payload_size, 0, NULL);

    if (!json_is_object(body)) {
        json_decref(body);
        return NULL;
    }
    return body;
}

/* The target speaks for a source that it took for gone, or for mute: this one knows better. */
static void answer_unknown(struct xf_domain *dom, const struct xf_frame *frame,
                           const json_t *report)
{
    const struct xf_agent *agent = dom->agent;
    json_t *known;

    if (strcmp(xf_report_text(report, "result"), "unknown") != 0 ||
        frame->id.src.id != agent->cluster.node[agent->cluster.self.i].id) {
        return;
    }
    known = xf_history_find(agent->history, xf_report_text(report, "uuid"),
                            xf_report_text(report, "migration"));
    if (known != NULL) {
        send_json(dom->agent, dom, XF_FRAME_REPORT, &frame->id, known);
    }
    json_decref(known);
}

void xf_report_ask(struct xf_agent *agent, const struct xf_peer *source, const json_t *report)
{
    struct xf_migid id = { .src = source->node, .boot = source->boot };
    struct xf_uuid uuid;

    id.epoch = (uint32_t)strtoul(xf_report_text(report, "migration"), NULL, 10);
    if (xf_uuid_parse(xf_report_text(report, "uuid"), &uuid) == 0 && id.epoch != 0) {
        send_json(agent, xf_domain_get(agent, &uuid), XF_FRAME_REPORT, &id, report);
    }
}

void xf_report_received(struct xf_agent *agent, struct xf_node from, const struct xf_frame *frame)
{
    struct xf_domain *dom = xf_domain_get(agent, &frame->uuid);
    json_t *report = load(frame);

    if (from.id == agent->cluster.node[agent->cluster.self.i].id || report == NULL) {
        json_decref(report);
        return;
    }
    json_decref(dom->progress);
    dom->progress = NULL;
    agent->slots_at_ms = 0;
    if (dom->attempt != NULL && !dom->attempt->source &&
        xf_migid_cmp(&frame->id, &dom->attempt->id) == 0) {
        dom->attempt->told = true;
    }
    if (!keep_and_tell(agent, report)) {
        answer_unknown(dom, frame, report);
    }
    json_decref(report);
}

void xf_progress_received(struct xf_agent *agent, struct xf_node from, const struct xf_frame *frame)
{
    struct xf_domain *dom = xf_domain_get(agent, &frame->uuid);
    json_t *body = load(frame);
    const char *addresses;
    json_t *event;

    if (from.id == agent->cluster.node[agent->cluster.self.i].id || body == NULL) {
        json_decref(body);
        return;
    }
    addresses = json_string_value(json_object_get(body, "addresses"));
    if (addresses != NULL && dom->attempt != NULL && !dom->attempt->source &&
        xf_migid_cmp(&frame->id, &dom->core.id) == 0) {
        xf_attempt_net_learned(dom->attempt, addresses);
    }
    json_object_del(body, "addresses");
    event = xf_report_event("progress", body);
    xf_request_watchers(agent, event);
    json_decref(event);
    json_decref(dom->progress);
    dom->progress = body;
    dom->progress_from = from;
    dom->progress_ms = xf_now_ms();
}

/* ---- learning ---- */

static int by_size(const void *a, const void *b)
{
    double d = *(const double *)a - *(const double *)b;

    return d < 0 ? -1 : d > 0 ? 1 : 0;
}

static double phase_ms(const json_t *pause, const char *key)
{
    double ms = json_number_value(json_object_get(pause, key)); /* 0 for null */

    return ms > 0 ? ms : 0;
}

/*
 * The phases, not total_ms: that also holds the waiting of a tie-break, which says nothing of the
 * next move and would have the stop rule refuse it.
 */
static double fixed_ms(const json_t *pause)
{
    double commit = phase_ms(pause, "commit_ms");

    return phase_ms(pause, "suspend_ms") + phase_ms(pause, "build_ms") +
           phase_ms(pause, "unpause_ms") + (commit < COMMIT_MAX_MS ? commit : COMMIT_MAX_MS);
}

static uint32_t guess_fixed_cost_us(const struct xf_attempt *at)
{
    uint64_t guess = at->prepared_us * FIXED_COST_PACE;
    uint64_t most = (uint64_t)at->options.downtime_max_ms * 1000u / 2;

    guess = guess < most ? guess : most;
    return guess > FIXED_COST_LEAST_US ? (uint32_t)guess : FIXED_COST_LEAST_US;
}

uint32_t xf_report_fixed_cost_us(const struct xf_agent *agent, const struct xf_attempt *at)
{
    double cost[LEARN_FROM];
    uint32_t n = 0;
    json_t *report;

    for (uint32_t i = 0; n < LEARN_FROM && (report = xf_history_get(agent->history, i)) != NULL;
         i++) {
        json_t *pause = json_object_get(report, "pause");

        if (json_is_number(json_object_get(pause, "total_ms"))) {
            cost[n++] = fixed_ms(pause);
        }
        json_decref(report);
    }
    if (n == 0) {
        return guess_fixed_cost_us(at);
    }
    qsort(cost, n, sizeof(cost[0]), by_size);
    return cost[n / 2] > 0 && cost[n / 2] < 60000.0 ? (uint32_t)(cost[n / 2] * 1000.0)
                                                    : guess_fixed_cost_us(at);
}
