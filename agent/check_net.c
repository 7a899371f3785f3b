/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "check_net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <qb/qbutil.h>

#include "check_json.h"
#include "requests.h"
#include "text.h"

_Static_assert(XF_NET_PROBE_BRIDGES_MAX >= XF_VIFS_MAX, "every vif's bridge fits");

/* An answer takes two waits and a word over the group, to hosts that may have a lot to do. */
#define ANSWER_MS  8000u
#define AGAIN_MS   250u
#define ROUNDS_MAX (XF_PROBE_ROUNDS_MAX - 1u) /* the first opens the bridges */
/* Of a round in which a host was late, the next has so many times the time. */
#define WAIT_MORE  4u

struct bridge {
    struct xf_probe_result result;
    uint32_t n_sizes; /* of this round; 0: its search is over */
    uint16_t size[XF_PROBE_SIZES_MAX];
};

struct xf_check_net {
    struct xf_agent *agent;
    struct xf_node target;
    bool background;
    bool target_known; /* its facts have come */
    bool asked;        /* it may have opened its bridges */
    bool late;         /* this round proved no loss on one of them */
    uint8_t round;
    uint32_t wait_ms;
    uint32_t frames;
    uint32_t n;
    struct bridge bridge[XF_VIFS_MAX];
    struct xf_net_probe_setup setup;
    struct xf_net_probe *probe;
    struct xf_question *question;
    qb_loop_timer_handle timer;
    enum xf_finding_id failed; /* XF_N_FINDINGS: it did not */
    char why[XF_DETAIL_SIZE];
    enum xf_reason reason;
    xf_check_net_done_fn done;
    void *arg;
};

static struct xf_net_probe_bridge *bridge_named(struct xf_net_probe_bridge *list, uint32_t *n,
                                                const char *name)
{
    for (uint32_t i = 0; i < *n; i++) {
        if (strncmp(list[i].name, name, sizeof(list[i].name)) == 0) {
            return &list[i];
        }
    }
    memset(&list[*n], 0, sizeof(list[*n]));
    xf_text_copy(list[*n].name, sizeof(list[*n].name), name);
    return &list[(*n)++];
}

uint32_t xf_check_net_bridges(const struct xf_dom_needs *needs,
                              struct xf_net_probe_bridge ret_bridge[static XF_VIFS_MAX])
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < needs->n_vifs; i++) {
        const char *name = needs->vif[i].bridge;
        struct xf_net_probe_bridge *b;

        /* A longer name is no interface's; PREPARE refuses it. */
        if (name[0] == '\0' || strlen(name) >= sizeof(ret_bridge[0].name)) {
            continue;
        }
        b = bridge_named(ret_bridge, &n, name);
        memcpy(b->mac[b->n_macs], needs->vif[i].mac, 6);
        b->ipv4[b->n_macs++] = needs->vif[i].ipv4;
    }
    return n;
}

static void left(void *arg, enum xf_reason reason, const char *text, json_t *body)
{
    (void)arg;
    (void)reason;
    (void)text;
    (void)body;
}

/* Or the target, which has room for a few, would keep its end until it is sure that no more comes. */
static void leave(const struct xf_check_net *net)
{
    char session[XF_HEX_SIZE(XF_PROBE_NONCE_SIZE)];
    const struct xf_ctl_request request = {
        .verb = "probe",
        .n_args = 3,
        .arg = { { "session", session }, { "round", "0" }, { "over", "1" } },
    };

    xf_hex_of(net->setup.nonce, sizeof(net->setup.nonce), session);
    (void)xf_question_ask(net->agent, net->target, &request, ANSWER_MS, left, NULL);
}

static void free_net(struct xf_check_net *net)
{
    (void)qb_loop_timer_del(net->agent->loop, net->timer);
    xf_question_forget(net->question);
    if (net->asked) {
        leave(net);
    }
    xf_net_probe_close(net->probe);
    free(net);
}

static void take_who(struct xf_probe_result *r, bool mac, bool ip, const char *who)
{
    if ((mac && !r->mac_taken) || (ip && !r->ip_taken)) {
        xf_text_copy(r->who, sizeof(r->who), who);
    }
    r->mac_taken = r->mac_taken || mac;
    r->ip_taken = r->ip_taken || ip;
}

static void judge(struct xf_check_net *net, struct xf_findings *findings, json_t *list)
{
    char subject[32], who[32];
    bool mac, ip;

    for (uint32_t i = 0; i < net->n; i++) {
        struct xf_probe_result *r = &net->bridge[i].result;

        if (net->failed != XF_N_FINDINGS) {
            snprintf(subject, sizeof(subject), "bridge %s", net->setup.bridge[i].name);
            xf_findings_add(findings, net->failed, subject, net->why);
        } else {
            xf_net_probe_taken(net->probe, i, &mac, &ip, who);
            take_who(r, mac, ip, who);
            xf_probe_judge(r, findings);
        }
        json_array_append_new(list, xf_bridge_evidence(r));
    }
}

static void end(struct xf_check_net *net)
{
    struct xf_findings *findings = calloc(1, sizeof(*findings));
    json_t *list = json_array();

    if (findings == NULL) {
        abort();
    }
    judge(net, findings, list);
    net->done(net->arg, net->reason, findings, list, net->frames);
    json_decref(list);
    free(findings);
    free_net(net);
}

static void fail(struct xf_check_net *net, enum xf_finding_id id, const char *why)
{
    if (net->failed == XF_N_FINDINGS) {
        net->failed = id;
        xf_text_copy(net->why, sizeof(net->why), why);
    }
}

/* ---- the rounds ---- */

static void ask(struct xf_check_net *net);

static void on_timer(void *data)
{
    ask(data);
}

static void in_a_moment(struct xf_check_net *net, uint64_t ns)
{
    if (qb_loop_timer_add(net->agent->loop, QB_LOOP_MED, ns, net, on_timer, &net->timer) != 0) {
        abort();
    }
}

static bool take_facts(struct xf_check_net *net, uint32_t i, const json_t *b)
{
    struct xf_probe_result *r = &net->bridge[i].result;

    if (!xf_bridge_of_json(b, &r->target) || strcmp(r->target.name, r->source.name) != 0) {
        return false;
    }
    xf_probe_search_init(&r->search, r->source.mtu, r->target.mtu);
    return true;
}

static bool take_heard(struct xf_check_net *net, uint32_t i, const json_t *b)
{
    struct bridge *bridge = &net->bridge[i];
    const json_t *there = json_object_get(b, "heard");
    bool here[XF_PROBE_SIZES_MAX], both[XF_PROBE_SIZES_MAX];
    const char *who = json_string_value(json_object_get(b, "who"));

    if (json_array_size(there) != bridge->n_sizes) {
        return false;
    }
    xf_net_probe_heard(net->probe, i, net->round, bridge->size, bridge->n_sizes, here);
    for (uint32_t s = 0; s < bridge->n_sizes; s++) {
        bool target = json_is_true(json_array_get(there, s));

        bridge->result.source_heard = bridge->result.source_heard || here[s];
        bridge->result.target_heard = bridge->result.target_heard || target;
        both[s] = here[s] && target;
    }
    take_who(&bridge->result, json_is_true(json_object_get(b, "mac_taken")),
             json_is_true(json_object_get(b, "ip_taken")), who != NULL ? who : "");
    if (bridge->n_sizes > 0) {
        xf_probe_search_learn(&bridge->result.search, bridge->size, both, bridge->n_sizes);
        net->late = net->late || bridge->result.search.late;
    }
    return true;
}

static bool take_answer(struct xf_check_net *net, const json_t *body)
{
    const json_t *list = json_object_get(body, "bridges");

    if (json_array_size(list) != net->n) {
        return false;
    }
    xf_net_probe_catch_up(net->probe);
    for (uint32_t i = 0; i < net->n; i++) {
        const json_t *b = json_array_get(list, i);

        if (!(net->round == 0 ? take_facts(net, i, b) : take_heard(net, i, b))) {
            return false;
        }
    }
    net->target_known = true;
    return true;
}

/* False: every search is over. */
static bool next_sizes(struct xf_check_net *net)
{
    bool any = false;

    for (uint32_t i = 0; i < net->n; i++) {
        struct bridge *b = &net->bridge[i];

        b->n_sizes = 0;
        if (b->result.source.there && b->result.target.there && b->result.source.error == 0 &&
            b->result.target.error == 0) {
            b->n_sizes = xf_probe_search_next(&b->result.search, b->size);
        }
        any = any || b->n_sizes > 0;
    }
    return any;
}

static void answered(void *arg, enum xf_reason reason, const char *text, json_t *body)
{
    struct xf_check_net *net = arg;
    bool again = reason == XF_REASON_OK;

    net->question = NULL;
    if (reason == XF_REASON_BUSY && !net->background) {
        in_a_moment(net, AGAIN_MS * QB_TIME_NS_IN_MSEC);
        return;
    }
    if (reason == XF_REASON_BUSY || reason == XF_REASON_PEER_LEFT ||
        reason == XF_REASON_NODE_OFFLINE) {
        net->reason = reason == XF_REASON_BUSY ? reason : XF_REASON_PEER_LEFT;
        again = false;
    }
    if (reason == XF_REASON_USAGE) {
        fail(net, XF_FIND_PEER, "its agent knows no check");
    } else if (!again) {
        fail(net, XF_FIND_NET_UNPROVEN, text[0] != '\0' ? text : xf_reason_sentence(reason));
    } else if (!take_answer(net, body)) {
        fail(net, XF_FIND_NET_UNPROVEN, "the target's answer cannot be read");
        again = false;
    }
    if (!again || net->round == ROUNDS_MAX || !next_sizes(net)) {
        end(net);
        return;
    }
    if (net->late && net->wait_ms < XF_NET_PROBE_WAIT_MAX_MS) {
        net->wait_ms *= WAIT_MORE;
    }
    net->late = false;
    net->round++;
    ask(net);
}

static char *bridges_text(const struct xf_check_net *net)
{
    json_t *list = json_array();
    char *text;

    for (uint32_t i = 0; i < net->n; i++) {
        const struct xf_net_probe_bridge *b = &net->setup.bridge[i];
        json_t *macs = json_array(), *ips = json_array(), *sizes = json_array();
        char mac[XF_MAC_TEXT_SIZE];

        for (uint32_t m = 0; m < b->n_macs; m++) {
            xf_mac_text(b->mac[m], mac);
            json_array_append_new(macs, json_string(mac));
            json_array_append_new(ips, json_integer(b->ipv4[m]));
        }
        for (uint32_t s = 0; s < net->bridge[i].n_sizes; s++) {
            json_array_append_new(sizes, json_integer(net->bridge[i].size[s]));
        }
        json_array_append_new(list, json_pack("{s:s,s:o,s:o,s:o}", "name", b->name, "macs", macs,
                                              "ips", ips, "sizes", sizes));
    }
    text = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    return text;
}

/* Sends this round's frames and has the target send its own. */
static void ask(struct xf_check_net *net)
{
    char session[XF_HEX_SIZE(XF_PROBE_NONCE_SIZE)], round[8], wait[16];
    char *bridges = bridges_text(net);
    struct xf_ctl_request request = {
        .verb = "probe",
        .n_args = 5,
        .arg = { { "session", session },
                 { "round", round },
                 { "wait", wait },
                 { "bridges", bridges },
                 { "background", net->background ? "1" : "0" } },
    };

    net->asked = true;
    xf_hex_of(net->setup.nonce, sizeof(net->setup.nonce), session);
    snprintf(round, sizeof(round), "%u", net->round);
    snprintf(wait, sizeof(wait), "%u", net->wait_ms);
    net->question = xf_question_ask(net->agent, net->target, &request, ANSWER_MS, answered, net);
    free(bridges);
    for (uint32_t i = 0; i < net->n; i++) {
        const struct bridge *b = &net->bridge[i];

        if (b->n_sizes > 0) {
            /* The target sends as many. */
            net->frames += 2 * xf_net_probe_send(net->probe, i, net->round, b->size, b->n_sizes);
        }
    }
}

static void open_here(struct xf_check_net *net)
{
    int rc = xf_net_probe_open(net->agent->loop, &net->setup, &net->probe);

    if (rc != 0) {
        fail(net, XF_FIND_NET_UNPROVEN, strerror(-rc));
        return;
    }
    for (uint32_t i = 0; i < net->n; i++) {
        xf_net_probe_facts(net->probe, i, &net->bridge[i].result.source);
    }
}

static void on_start(void *data)
{
    struct xf_check_net *net = data;

    if (net->n > 0) {
        open_here(net);
    }
    if (net->n == 0 || net->failed != XF_N_FINDINGS) {
        end(net);
        return;
    }
    ask(net);
}

struct xf_check_net *xf_check_net_start(struct xf_agent *agent, struct xf_node target,
                                        const struct xf_dom_needs *needs, bool background,
                                        xf_check_net_done_fn done, void *arg)
{
    struct xf_check_net *net = calloc(1, sizeof(*net));

    if (net == NULL) {
        abort();
    }
    net->agent = agent;
    net->target = target;
    net->background = background;
    net->wait_ms = XF_NET_PROBE_WAIT_MS;
    net->failed = XF_N_FINDINGS;
    net->done = done;
    net->arg = arg;
    net->setup.self = agent->cluster.node[agent->cluster.self.i];
    net->setup.n = net->n = xf_check_net_bridges(needs, net->setup.bridge);
    for (uint32_t i = 0; i < net->n; i++) {
        memcpy(net->bridge[i].result.source.name, net->setup.bridge[i].name,
               sizeof(net->bridge[i].result.source.name));
    }
    if (getrandom(net->setup.nonce, sizeof(net->setup.nonce), 0) !=
            (ssize_t)sizeof(net->setup.nonce) ||
        qb_loop_timer_add(agent->loop, QB_LOOP_MED, 1, net, on_start, &net->timer) != 0) {
        abort();
    }
    return net;
}

void xf_check_net_cut(struct xf_check_net *net)
{
    fail(net, XF_FIND_NET_UNPROVEN, "the check's time was over before");
    end(net);
}

void xf_check_net_stop(struct xf_check_net *net)
{
    if (net != NULL) {
        free_net(net);
    }
}
