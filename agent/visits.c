/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "visits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <qb/qbutil.h>

#include "attempt.h"
#include "check_json.h"
#include "clock_qb.h"
#include "disk.h"
#include "looks.h"
#include "net_probe.h"
#include "requests.h"
#include "slots.h"
#include "text.h"

/* Each visit has a few processes; whoever waits for a move is asked to come again. */
#define VISITS_MAX            8u
#define VISITS_BACKGROUND_MAX 2u
#define PROBES_MAX            8u
/* A source asks for the next round at once. */
#define PROBE_KEPT_MS         10000u

struct xf_visit {
    struct xf_visit *next;
    struct xf_agent *agent;
    struct xf_asker *asker;
    struct xf_looks *looks;
    struct xf_dom_needs needs;
    struct xf_uuid uuid;
};

struct xf_visit_probe {
    struct xf_visit_probe *next;
    struct xf_agent *agent;
    struct xf_asker *asker; /* of the round that is being heard; NULL: none */
    struct xf_node from;
    struct xf_net_probe_setup setup;
    struct xf_net_probe *probe;
    qb_loop_timer_handle timer; /* of the round's end, else of its own */
    uint8_t round;
    uint32_t n_sizes[XF_NET_PROBE_BRIDGES_MAX];
    uint16_t size[XF_NET_PROBE_BRIDGES_MAX][XF_PROBE_SIZES_MAX];
};

bool xf_visits_pause(const struct xf_agent *agent)
{
    for (const struct xf_domain *dom = agent->domains; dom != NULL; dom = dom->next) {
        const struct xf_attempt *at = dom->attempt;

        switch ((enum xf_state)dom->core.state) {
        case XF_ST_S_SUSP:
        case XF_ST_S_END:
        case XF_ST_S_COMMIT:
        case XF_ST_D_READY:
        case XF_ST_D_UNPAUSE:
            return true;
        case XF_ST_S_COPY:
            if (at != NULL && at->switched_ms != 0 && !at->ended) {
                return true;
            }
            break;
        case XF_ST_D_RECV:
            /* Whether the source has suspended it by now only the source knows. */
            if (dom->progress != NULL) {
                const char *state = json_string_value(json_object_get(dom->progress, "state"));

                if (state != NULL && strcmp(state, "switching") == 0) {
                    return true;
                }
            }
            break;
        case XF_ST_IDLE:
        case XF_ST_STARTING:
        case XF_ST_HOME:
        case XF_ST_S_MARK:
        case XF_ST_S_INTENT:
        case XF_ST_S_WON:
        case XF_ST_S_RESUME:
        case XF_ST_S_DROP:
        case XF_ST_D_PREPARE:
        case XF_ST_D_MARK:
        case XF_ST_D_WON:
        case XF_ST_D_DROP:
        case XF_N_STATES:
            break;
        }
    }
    return false;
}

/* ---- disks and host ---- */

static void free_visit(struct xf_visit *visit)
{
    struct xf_visit **at = &visit->agent->visits;

    while (*at != visit) {
        at = &(*at)->next;
    }
    *at = visit->next;
    xf_looks_stop(visit->looks);
    free(visit);
}

static struct xf_host host_of(const struct xf_visit *visit)
{
    struct xf_agent *agent = visit->agent;
    const struct xf_domain *dom = xf_domain_find(agent, &visit->uuid);
    uint32_t incoming = xf_slots_incoming(agent, NULL);
    uint32_t slots = (uint32_t)agent->settings.slots_incoming;
    struct xf_host_facts facts = { .memory_free_mib = 0 };
    struct xf_host host = {
        .wall_ms = (int64_t)(xf_wall_us() / 1000u),
        .slots_free = slots > incoming ? slots - incoming : 0,
        .name_taken = visit->needs.name[0] != '\0' &&
                      xf_request_name_taken(agent, dom, visit->needs.name, true),
        .uuid_taken = dom != NULL && (dom->copies[agent->cluster.self.i] != XF_COPY_NONE ||
                                      xf_core_holds(&dom->core)),
    };

    if (agent->hyper_ops->facts(agent->hyper, &facts) == 0) {
        xf_text_copy(host.hypervisor, sizeof(host.hypervisor), facts.version);
        host.memory_free_mib = facts.memory_free_mib;
    }
    (void)agent->hyper_ops->cpu(agent->hyper, visit->needs.pv, &host.cpu);
    return host;
}

static void looked(void *arg, const struct xf_disk *disk, uint32_t n)
{
    struct xf_visit *visit = arg;
    struct xf_host host = host_of(visit);
    json_t *disks = json_array();

    visit->looks = NULL;
    for (uint32_t i = 0; i < n; i++) {
        json_array_append_new(disks, xf_disk_to_hex(&disk[i]));
    }
    xf_answer(visit->asker, XF_REASON_OK, "",
              json_pack("{s:o,s:o}", "disks", disks, "host", xf_host_to_json(&host)));
    free_visit(visit);
}

/* "N,N,…", one for each disk. */
static bool take_sizes(const char *text, struct xf_look *look, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        char *end;

        if (*text < '0' || *text > '9') {
            return false;
        }
        look[i].size_bytes = strtoull(text, &end, 10);
        text = end;
        if (i + 1 < n && *text++ != ',') {
            return false;
        }
    }
    return *text == '\0';
}

/* False: answered. */
static bool read_visit(struct xf_visit *visit, const struct xf_ctl_request *request,
                       struct xf_look *look)
{
    const char *config = xf_ctl_value(request, "config");
    const char *uuid = xf_ctl_value(request, "uuid");
    const char *name = xf_ctl_value(request, "name");
    const char *nonce = xf_ctl_value(request, "nonce");
    const char *sizes = xf_ctl_value(request, "sizes");
    uint8_t salt[XF_SALT_SIZE];
    char err[200] = "";

    if (config == NULL || uuid == NULL || name == NULL || nonce == NULL || sizes == NULL ||
        xf_uuid_parse(uuid, &visit->uuid) != 0 || strlen(config) >= XF_CONFIG_SIZE_MAX ||
        strlen(nonce) != XF_NONCE_SIZE - 1 ||
        !xf_hex_take(xf_ctl_value(request, "salt"), salt, sizeof(salt))) {
        xf_answer(visit->asker, XF_REASON_CONFIG, "the question cannot be read", NULL);
        return false;
    }
    if (visit->agent->hyper_ops->needs(config, &visit->needs, err, sizeof(err)) != 0) {
        xf_answer(visit->asker, XF_REASON_CONFIG, err, NULL);
        return false;
    }
    if (visit->needs.name[0] == '\0') {
        xf_text_copy(visit->needs.name, sizeof(visit->needs.name), name);
    }
    for (uint32_t i = 0; i < visit->needs.n_disks; i++) {
        look[i] = (struct xf_look){ .writable = visit->needs.disk[i].writable,
                                    .coming = true,
                                    .nonce_task = XF_NONCE_SEEK };
        xf_text_copy(look[i].path, sizeof(look[i].path), visit->needs.disk[i].path);
        memcpy(look[i].salt, salt, sizeof(salt));
        memcpy(look[i].nonce, nonce, XF_NONCE_SIZE);
    }
    if (!take_sizes(sizes, look, visit->needs.n_disks)) {
        xf_answer(visit->asker, XF_REASON_CONFIG, "this host counts other disks of it", NULL);
        return false;
    }
    return true;
}

static bool busy_for(const struct xf_agent *agent, const struct xf_ctl_request *request)
{
    bool background = xf_request_flag(request, "background");
    uint32_t n = 0;

    for (const struct xf_visit *v = agent->visits; v != NULL; v = v->next) {
        n++;
    }
    return n >= (background ? VISITS_BACKGROUND_MAX : VISITS_MAX) ||
           (background && xf_visits_pause(agent));
}

void xf_request_visit(struct xf_asker *asker, const struct xf_ctl_request *request)
{
    struct xf_agent *agent = asker->agent;
    struct xf_look look[XF_DISKS_MAX];
    struct xf_visit *visit;

    if (asker->conn != NULL) {
        xf_answer(asker, XF_REASON_USAGE, "only agents ask for this", NULL);
        return;
    }
    if (busy_for(agent, request)) {
        xf_answer(asker, XF_REASON_BUSY, "the target has checks enough", NULL);
        return;
    }
    visit = calloc(1, sizeof(*visit));
    if (visit == NULL) {
        abort();
    }
    visit->agent = agent;
    visit->asker = asker;
    visit->next = agent->visits;
    agent->visits = visit;
    if (!read_visit(visit, request, look)) {
        free_visit(visit);
        return;
    }
    if (xf_looks_start(agent->loop, &agent->looks_hanging, look, visit->needs.n_disks,
                       (uint32_t)agent->settings.check_disk_timeout_ms, looked, visit,
                       &visit->looks) != 0) {
        xf_answer(asker, XF_REASON_INTERNAL, "no process can be started", NULL);
        free_visit(visit);
    }
}

/* ---- the probe ---- */

static void free_probe(struct xf_visit_probe *p)
{
    struct xf_visit_probe **at = &p->agent->visit_probes;

    while (*at != p) {
        at = &(*at)->next;
    }
    *at = p->next;
    (void)qb_loop_timer_del(p->agent->loop, p->timer);
    xf_net_probe_close(p->probe);
    free(p);
}

static void on_timer(void *data);

static void set_timer(struct xf_visit_probe *p, uint32_t ms)
{
    (void)qb_loop_timer_del(p->agent->loop, p->timer);
    if (qb_loop_timer_add(p->agent->loop, QB_LOOP_MED, ms * QB_TIME_NS_IN_MSEC, p, on_timer,
                          &p->timer) != 0) {
        abort();
    }
}

static json_t *bridge_answer(const struct xf_visit_probe *p, uint32_t i)
{
    bool heard[XF_PROBE_SIZES_MAX];
    struct xf_bridge_facts facts;
    json_t *list = json_array();
    char who[32] = "";
    bool mac, ip;
    json_t *b;

    xf_net_probe_facts(p->probe, i, &facts);
    b = xf_bridge_to_json(&facts);
    xf_net_probe_heard(p->probe, i, p->round, p->size[i], p->n_sizes[i], heard);
    for (uint32_t s = 0; s < p->n_sizes[i]; s++) {
        json_array_append_new(list, json_boolean(heard[s]));
    }
    json_object_set_new(b, "heard", list);
    xf_net_probe_taken(p->probe, i, &mac, &ip, who);
    json_object_set_new(b, "mac_taken", json_boolean(mac));
    json_object_set_new(b, "ip_taken", json_boolean(ip));
    json_object_set_new(b, "who", json_string(who));
    return b;
}

/* The round's end, or that of a session which its source has left alone. */
static void on_timer(void *data)
{
    struct xf_visit_probe *p = data;
    struct xf_asker *asker = p->asker;
    json_t *list;

    if (asker == NULL) {
        free_probe(p);
        return;
    }
    xf_net_probe_catch_up(p->probe);
    list = json_array();
    for (uint32_t i = 0; i < p->setup.n; i++) {
        json_array_append_new(list, bridge_answer(p, i));
    }
    p->asker = NULL;
    set_timer(p, PROBE_KEPT_MS);
    xf_answer(asker, XF_REASON_OK, "", json_pack("{s:o}", "bridges", list));
}

static bool read_bridge(struct xf_visit_probe *p, uint32_t i, const json_t *json)
{
    struct xf_net_probe_bridge *b = &p->setup.bridge[i];
    const char *name = json_string_value(json_object_get(json, "name"));
    const json_t *macs = json_object_get(json, "macs");
    const json_t *ips = json_object_get(json, "ips");
    const json_t *sizes = json_object_get(json, "sizes");

    b->n_macs = (uint32_t)json_array_size(macs);
    p->n_sizes[i] = (uint32_t)json_array_size(sizes);
    if (name == NULL || name[0] == '\0' || json_array_size(macs) > XF_VIFS_MAX ||
        json_array_size(ips) != json_array_size(macs) ||
        json_array_size(sizes) > XF_PROBE_SIZES_MAX ||
        !xf_text_copy(b->name, sizeof(b->name), name)) {
        return false;
    }
    for (uint32_t m = 0; m < b->n_macs; m++) {
        const char *mac = json_string_value(json_array_get(macs, m));
        json_int_t ip = json_integer_value(json_array_get(ips, m));

        if (mac == NULL || xf_mac_parse(mac, b->mac[m]) != 0 || ip < 0 || ip > UINT32_MAX) {
            return false;
        }
        b->ipv4[m] = (uint32_t)ip;
    }
    for (uint32_t s = 0; s < p->n_sizes[i]; s++) {
        json_int_t size = json_integer_value(json_array_get(sizes, s));

        if (size < (json_int_t)XF_PROBE_MTU_MIN || size > (json_int_t)XF_PROBE_MTU_MAX) {
            return false;
        }
        p->size[i][s] = (uint16_t)size;
    }
    return true;
}

static bool read_bridges(struct xf_visit_probe *p, const char *text)
{
    json_t *list = text != NULL ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    size_t n = json_array_size(list);
    bool good = n > 0 && n <= XF_NET_PROBE_BRIDGES_MAX && (p->setup.n == 0 || p->setup.n == n);

    p->setup.n = good ? (uint32_t)n : p->setup.n;
    for (uint32_t i = 0; good && i < n; i++) {
        good = read_bridge(p, i, json_array_get(list, i));
    }
    json_decref(list);
    return good;
}

static struct xf_visit_probe *session_of(struct xf_agent *agent, struct xf_node from,
                                         const uint8_t *nonce, uint32_t *ret_n)
{
    struct xf_visit_probe *found = NULL;

    *ret_n = 0;
    for (struct xf_visit_probe *p = agent->visit_probes; p != NULL; p = p->next) {
        *ret_n += 1;
        if (p->from.id == from.id && memcmp(p->setup.nonce, nonce, sizeof(p->setup.nonce)) == 0) {
            found = p;
        }
    }
    return found;
}

static struct xf_visit_probe *new_session(struct xf_agent *agent, struct xf_node from,
                                          const uint8_t *nonce)
{
    struct xf_visit_probe *p = calloc(1, sizeof(*p));

    if (p == NULL) {
        abort();
    }
    p->agent = agent;
    p->from = from;
    p->setup.self = agent->cluster.node[agent->cluster.self.i];
    p->setup.by_target = true;
    memcpy(p->setup.nonce, nonce, sizeof(p->setup.nonce));
    p->next = agent->visit_probes;
    agent->visit_probes = p;
    return p;
}

/* Its source has heard enough, or was stopped amid a round. Takes NULL. */
static void leave_probe(struct xf_visit_probe *p)
{
    if (p != NULL && p->asker != NULL) {
        xf_answer(p->asker, XF_REASON_CANCELLED, "", NULL);
    }
    if (p != NULL) {
        free_probe(p);
    }
}

void xf_request_probe(struct xf_asker *asker, const struct xf_ctl_request *request)
{
    struct xf_agent *agent = asker->agent;
    const char *round = xf_ctl_value(request, "round");
    uint8_t nonce[XF_PROBE_NONCE_SIZE];
    struct xf_visit_probe *p;
    const char *wait = xf_ctl_value(request, "wait");
    uint64_t number = 0, wait_ms = XF_NET_PROBE_WAIT_MS;
    uint32_t n;
    int rc = 0;

    if (asker->conn != NULL) {
        xf_answer(asker, XF_REASON_USAGE, "only agents ask for this", NULL);
        return;
    }
    if ((wait != NULL &&
         xf_u64_parse(wait, XF_NET_PROBE_WAIT_MS, XF_NET_PROBE_WAIT_MAX_MS, &wait_ms) != 0) ||
        round == NULL || xf_u64_parse(round, 0, UINT8_MAX, &number) != 0 ||
        !xf_hex_take(xf_ctl_value(request, "session"), nonce, sizeof(nonce))) {
        xf_answer(asker, XF_REASON_CONFIG, "the question cannot be read", NULL);
        return;
    }
    p = session_of(agent, asker->node, nonce, &n);
    if (xf_request_flag(request, "over")) {
        leave_probe(p);
        xf_answer(asker, XF_REASON_OK, "", NULL);
        return;
    }
    if (p == NULL &&
        (n >= PROBES_MAX || (xf_request_flag(request, "background") && xf_visits_pause(agent)))) {
        xf_answer(asker, XF_REASON_BUSY, "the target has probes enough", NULL);
        return;
    }
    p = p != NULL ? p : new_session(agent, asker->node, nonce);
    if (p->asker != NULL || !read_bridges(p, xf_ctl_value(request, "bridges"))) {
        xf_answer(asker, XF_REASON_CONFIG, "the question cannot be read", NULL);
        if (p->asker == NULL) {
            free_probe(p);
        }
        return;
    }
    if (p->probe == NULL) {
        rc = xf_net_probe_open(agent->loop, &p->setup, &p->probe);
    }
    if (rc != 0) {
        xf_answer(asker, XF_REASON_INTERNAL, strerror(-rc), NULL);
        free_probe(p);
        return;
    }
    p->asker = asker;
    p->round = (uint8_t)number;
    n = 0;
    for (uint32_t i = 0; i < p->setup.n; i++) {
        n += p->n_sizes[i] > 0 ? xf_net_probe_send(p->probe, i, p->round, p->size[i], p->n_sizes[i])
                               : 0;
    }
    /* The source's frames and this host's have each their time. */
    set_timer(p, n > 0 ? 2 * (uint32_t)wait_ms : 1);
}

void xf_visits_free(struct xf_agent *agent)
{
    while (agent->visits != NULL) {
        free_visit(agent->visits);
    }
    while (agent->visit_probes != NULL) {
        free_probe(agent->visit_probes);
    }
}
