/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In its order: the configuration; looks here, which leave nonces beside files; the target's visit,
 * and beside both the probe of the bridges (check_net.c); looks here again, which take the nonces
 * away; the verdicts. At its deadline what is not known counts as unproven.
 */
#include "config.h"

#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <qb/qbutil.h>

#include "check_json.h"
#include "check_net.h"
#include "clock_qb.h"
#include "disk.h"
#include "identity.h"
#include "log_qb.h"
#include "looks.h"
#include "requests.h"
#include "text.h"
#include "visits.h"

/* A target with checks enough is asked again so much later; so is a driver that still reads. */
#define AGAIN_MS    250u
/* So many run at a time: a node that is emptied asks for a hundred at once. As many as a target takes. */
#define RUNNING_MAX 8u
#define TURN_MS     100u

struct xf_check {
    struct xf_check *next;
    struct xf_domain *dom;
    struct xf_slot target;
    struct xf_check_options options;
    bool begun; /* its turn has come */
    uint64_t started_ms;
    qb_loop_timer_handle deadline;
    qb_loop_timer_handle again;
    void (*then)(struct xf_check *check); /* what is done again */
    char config[XF_CONFIG_SIZE_MAX];
    struct xf_dom_needs needs;
    uint8_t salt[XF_SALT_SIZE];
    char nonce[XF_NONCE_SIZE];
    bool nonce_out; /* files of it may exist */

    struct xf_looks *looks;
    struct xf_question *visit;
    struct xf_check_net *net;
    bool storage_over;
    bool net_over;

    int64_t asked_ms;
    int64_t answered_ms;
    bool host_known;
    struct xf_host there;
    char unproven[XF_DETAIL_SIZE]; /* why the target did not take part; "": it did */

    bool have_before;
    bool have_after;
    bool have_there;
    struct xf_disk *before;
    struct xf_disk *after;
    struct xf_disk *target_disk;

    struct xf_findings findings;
    json_t *evidence;
    xf_check_done_fn done;
    void *arg;
};

static int64_t wall_ms(void)
{
    return (int64_t)(xf_wall_us() / 1000u);
}

static struct xf_node target_node(const struct xf_check *check)
{
    return check->dom->agent->cluster.node[check->target.i];
}

static uint32_t disk_timeout_ms(const struct xf_check *check)
{
    return (uint32_t)check->dom->agent->settings.check_disk_timeout_ms;
}

/* ---- its end ---- */

static void removed(void *arg, const struct xf_disk *disk, uint32_t n)
{
    (void)arg;
    (void)disk;
    (void)n;
}

static void make_looks(const struct xf_check *check, enum xf_nonce_task task, struct xf_look *look)
{
    for (uint32_t i = 0; i < check->needs.n_disks; i++) {
        look[i] = (struct xf_look){ .writable = check->needs.disk[i].writable,
                                    .nonce_task = (uint8_t)task };
        xf_text_copy(look[i].path, sizeof(look[i].path), check->needs.disk[i].path);
        memcpy(look[i].salt, check->salt, sizeof(look[i].salt));
        memcpy(look[i].nonce, check->nonce, sizeof(look[i].nonce));
    }
}

/* By looks that nobody waits for: the check itself may be over. */
static void remove_nonces(struct xf_check *check)
{
    struct xf_look look[XF_DISKS_MAX];
    struct xf_looks *unused;

    if (check->nonce_out) {
        make_looks(check, XF_NONCE_REMOVE, look);
        (void)xf_looks_start(check->dom->agent->loop, &check->dom->agent->looks_hanging, look,
                             check->needs.n_disks, disk_timeout_ms(check), removed, NULL, &unused);
        check->nonce_out = false;
    }
}

static void free_check(struct xf_check *check)
{
    struct xf_agent *agent = check->dom->agent;
    struct xf_check **at = &agent->checks;

    while (*at != check) {
        at = &(*at)->next;
    }
    *at = check->next;
    (void)qb_loop_timer_del(agent->loop, check->deadline);
    (void)qb_loop_timer_del(agent->loop, check->again);
    xf_looks_stop(check->looks);
    xf_question_forget(check->visit);
    xf_check_net_stop(check->net);
    remove_nonces(check);
    json_decref(check->evidence);
    free(check->before);
    free(check->after);
    free(check->target_disk);
    free(check);
}

static void end(struct xf_check *check, enum xf_reason reason)
{
    xf_check_done_fn done = check->done;

    if (done != NULL) {
        check->done = NULL;
        done(check->arg, reason, &check->findings, check->evidence,
             (uint32_t)(xf_now_ms() - check->started_ms));
    }
    free_check(check);
}

/* ---- verdicts ---- */

static void judge_disks(struct xf_check *check)
{
    json_t *list = json_array();
    uint32_t reads = 0;
    char subject[XF_SUBJECT_SIZE];

    for (uint32_t i = 0; i < check->needs.n_disks; i++) {
        const struct xf_disk *before = check->have_before ? &check->before[i] : NULL;
        const struct xf_disk *after = check->have_after ? &check->after[i] : NULL;
        const struct xf_disk *there = check->have_there ? &check->target_disk[i] : NULL;

        /* Without the second look nothing tells what changed meanwhile from what differs. */
        if (before != NULL && after != NULL && there != NULL) {
            xf_disk_judge(before, after, there, check->needs.disk[i].writable, &check->findings);
        } else if (check->unproven[0] == '\0') {
            snprintf(subject, sizeof(subject), "disk %s", check->needs.disk[i].path);
            xf_findings_add(&check->findings, XF_FIND_DISK_UNKNOWN, subject,
                            "the check's time was over before");
        }
        if (before != NULL) {
            reads += before->n_samples + (after != NULL ? after->n_samples : 0);
            reads += there != NULL ? there->n_samples : 0;
            json_array_append_new(list,
                                  xf_disk_evidence(before, after != NULL ? after : before, there));
        }
    }
    json_object_set_new(check->evidence, "disks", list);
    json_object_set_new(check->evidence, "reads", json_integer(reads));
}

static void judge_host(struct xf_check *check)
{
    struct xf_agent *agent = check->dom->agent;
    struct xf_host here = { .slots_free = 1, .wall_ms = check->answered_ms };
    struct xf_guest guest = { .memory_mib = 0 };
    struct xf_host_facts facts = { .cpus = 0 };

    if (check->unproven[0] != '\0' || !check->host_known) {
        xf_findings_add(&check->findings, XF_FIND_PEER, "",
                        check->unproven[0] != '\0' ? check->unproven : "it did not answer in time");
        return;
    }
    if (agent->hyper_ops->facts(agent->hyper, &facts) == 0) {
        xf_text_copy(here.hypervisor, sizeof(here.hypervisor), facts.version);
        here.memory_free_mib = facts.memory_free_mib;
    }
    (void)agent->hyper_ops->cpu(agent->hyper, check->needs.pv, &here.cpu);
    (void)agent->hyper_ops->guest(agent->hyper, &check->dom->uuid, &guest);
    guest.memory_mib =
        check->dom->memory_mib != 0 ? check->dom->memory_mib : check->needs.memory_mib;
    guest.logged = check->needs.pv ? facts.logs_pv : facts.logs_hvm;
    guest.cold = check->options.cold;
    xf_host_judge(&here, &check->there, &guest, check->asked_ms, check->answered_ms,
                  &check->findings);
    json_object_set_new(check->evidence, "host",
                        json_pack("{s:o,s:o}", "here", xf_host_to_json(&here), "there",
                                  xf_host_to_json(&check->there)));
}

static void finish_if_over(struct xf_check *check)
{
    if (!check->storage_over || !check->net_over) {
        return;
    }
    judge_disks(check);
    judge_host(check);
    end(check, XF_REASON_OK);
}

static void storage_over(struct xf_check *check)
{
    check->storage_over = true;
    finish_if_over(check);
}

/* ---- the network ---- */

static void probed(void *arg, enum xf_reason reason, const struct xf_findings *findings,
                   json_t *bridges, uint32_t frames)
{
    struct xf_check *check = arg;

    check->net = NULL;
    if (reason != XF_REASON_OK) {
        end(check, reason);
        return;
    }
    for (uint32_t i = 0; i < findings->n; i++) {
        xf_findings_add(&check->findings, (enum xf_finding_id)findings->of[i].id,
                        findings->of[i].subject, findings->of[i].detail);
    }
    check->findings.n_lost += findings->n_lost;
    json_object_set(check->evidence, "bridges", bridges);
    json_object_set_new(check->evidence, "frames", json_integer(frames));
    check->net_over = true;
    finish_if_over(check);
}

/* ---- disks and host ---- */

static struct xf_disk *copy_disks(const struct xf_disk *disk, uint32_t n)
{
    struct xf_disk *copy = calloc(n > 0 ? n : 1, sizeof(*copy));

    if (copy == NULL) {
        abort();
    }
    memcpy(copy, disk, n * sizeof(*copy));
    return copy;
}

static void looked_again(void *arg, const struct xf_disk *disk, uint32_t n)
{
    struct xf_check *check = arg;

    check->looks = NULL;
    check->nonce_out = false;
    for (uint32_t i = 0; i < n; i++) {
        check->nonce_out = check->nonce_out || disk[i].late;
    }
    check->after = copy_disks(disk, n);
    check->have_after = true;
    storage_over(check);
}

static void start_looks(struct xf_check *check, enum xf_nonce_task task, xf_looks_done_fn done)
{
    struct xf_look look[XF_DISKS_MAX];

    make_looks(check, task, look);
    for (uint32_t i = 0; task == XF_NONCE_REMOVE && i < check->needs.n_disks; i++) {
        look[i].size_bytes = check->before[i].size_bytes; /* the same blocks again */
    }
    (void)xf_looks_start(check->dom->agent->loop, &check->dom->agent->looks_hanging, look,
                         check->needs.n_disks, disk_timeout_ms(check), done, check, &check->looks);
}

static bool take_visit(struct xf_check *check, const json_t *body)
{
    const json_t *disks = json_object_get(body, "disks");

    if (json_array_size(disks) != check->needs.n_disks ||
        !xf_host_of_json(json_object_get(body, "host"), &check->there)) {
        return false;
    }
    check->target_disk = calloc(check->needs.n_disks + 1, sizeof(*check->target_disk));
    if (check->target_disk == NULL) {
        abort();
    }
    for (uint32_t i = 0; i < check->needs.n_disks; i++) {
        if (!xf_disk_of_hex(json_array_get(disks, i), &check->target_disk[i]) ||
            strcmp(check->target_disk[i].path, check->needs.disk[i].path) != 0) {
            return false;
        }
    }
    check->have_there = check->host_known = true;
    return true;
}

static void ask_visit(struct xf_check *check);

static void on_again(void *data)
{
    struct xf_check *check = data;

    check->then(check);
}

static void again(struct xf_check *check, uint32_t ms, void (*then)(struct xf_check *check))
{
    check->then = then;
    if (qb_loop_timer_add(check->dom->agent->loop, QB_LOOP_MED, ms * QB_TIME_NS_IN_MSEC + 1, check,
                          on_again, &check->again) != 0) {
        abort();
    }
}

static void visited(void *arg, enum xf_reason reason, const char *text, json_t *body)
{
    struct xf_check *check = arg;

    check->visit = NULL;
    check->answered_ms = wall_ms();
    if (reason == XF_REASON_BUSY && !check->options.background) {
        again(check, AGAIN_MS, ask_visit);
        return;
    }
    if (reason == XF_REASON_BUSY || reason == XF_REASON_PEER_LEFT ||
        reason == XF_REASON_NODE_OFFLINE) {
        end(check, reason == XF_REASON_BUSY ? reason : XF_REASON_PEER_LEFT);
        return;
    }
    if (reason == XF_REASON_USAGE) {
        xf_text_copy(check->unproven, sizeof(check->unproven), "its agent knows no check");
    } else if (reason != XF_REASON_OK) {
        snprintf(check->unproven, sizeof(check->unproven), "%s%s%.150s", xf_reason_sentence(reason),
                 text[0] != '\0' ? ": " : "", text);
    } else if (!take_visit(check, body)) {
        xf_text_copy(check->unproven, sizeof(check->unproven), "its answer cannot be read");
    }
    start_looks(check, XF_NONCE_REMOVE, looked_again);
}

static void put_sizes(const struct xf_check *check, char *buf, size_t size)
{
    struct xf_text text;

    xf_text_init(&text, buf, size);
    for (uint32_t i = 0; i < check->needs.n_disks; i++) {
        xf_text_str(&text, i > 0 ? "," : "");
        xf_text_u64(&text, check->before[i].size_bytes);
    }
}

static void ask_visit(struct xf_check *check)
{
    char salt[XF_HEX_SIZE(XF_SALT_SIZE)], sizes[XF_DISKS_MAX * 21 + 1];
    uint64_t spent_ms = xf_now_ms() - check->started_ms;
    uint64_t all_ms = check->dom->agent->settings.check_timeout_ms;
    const struct xf_ctl_request request = {
        .verb = "visit",
        .n_args = 7,
        .arg = { { "uuid", check->dom->uuid_text },
                 { "name", check->dom->name },
                 { "config", check->config },
                 { "salt", salt },
                 { "nonce", check->nonce },
                 { "sizes", sizes },
                 { "background", check->options.background ? "1" : "0" } },
    };

    xf_hex_of(check->salt, sizeof(check->salt), salt);
    put_sizes(check, sizes, sizeof(sizes));
    check->asked_ms = wall_ms();
    check->visit =
        xf_question_ask(check->dom->agent, target_node(check), &request,
                        (uint32_t)(all_ms > spent_ms ? all_ms - spent_ms : 1), visited, check);
}

static void looked(void *arg, const struct xf_disk *disk, uint32_t n)
{
    struct xf_check *check = arg;

    check->looks = NULL;
    check->before = copy_disks(disk, n);
    check->have_before = true;
    ask_visit(check);
}

/* ---- its beginning ---- */

static void on_deadline(void *data)
{
    struct xf_check *check = data;

    xf_looks_stop(check->looks);
    check->looks = NULL;
    xf_question_forget(check->visit);
    check->visit = NULL;
    check->storage_over = true;
    if (!check->net_over && check->net != NULL) {
        xf_check_net_cut(check->net); /* tells probed(), which ends the check */
    } else if (check->net_over) {
        finish_if_over(check);
    } else {
        end(check, XF_REASON_HYPERVISOR); /* the driver still reads the configuration */
    }
}

static void begin(struct xf_check *check)
{
    struct xf_agent *agent = check->dom->agent;
    struct xf_guest guest;
    char err[200] = "";
    int rc = agent->hyper_ops->config(agent->hyper, &check->dom->uuid, check->config,
                                      sizeof(check->config));

    if (rc == -EAGAIN ||
        agent->hyper_ops->guest(agent->hyper, &check->dom->uuid, &guest) == -EAGAIN) {
        again(check, AGAIN_MS, begin);
        return;
    }
    if (rc == 0 && !xf_text_utf8_ok(check->config)) {
        rc = -EMSGSIZE; /* nor could it travel with a move */
    }
    if (rc != 0 || agent->hyper_ops->needs(check->config, &check->needs, err, sizeof(err)) != 0) {
        end(check, rc == -EMSGSIZE || rc == 0 ? XF_REASON_CONFIG : XF_REASON_HYPERVISOR);
        return;
    }
    check->net = xf_check_net_start(agent, target_node(check), &check->needs,
                                    check->options.background, probed, check);
    check->nonce_out = check->needs.n_disks > 0;
    start_looks(check, XF_NONCE_MAKE, looked);
}

/* Its time begins with its turn: who waits for others is not late. */
static void await_turn(struct xf_check *check)
{
    struct xf_agent *agent = check->dom->agent;
    uint32_t running = 0;

    for (const struct xf_check *other = agent->checks; other != NULL; other = other->next) {
        running += other->begun ? 1 : 0;
    }
    if (running >= RUNNING_MAX) {
        again(check, TURN_MS, await_turn);
        return;
    }
    check->begun = true;
    check->started_ms = xf_now_ms();
    if (qb_loop_timer_add(agent->loop, QB_LOOP_MED,
                          agent->settings.check_timeout_ms * QB_TIME_NS_IN_MSEC, check, on_deadline,
                          &check->deadline) != 0) {
        abort();
    }
    begin(check);
}

static void draw(void *bytes, size_t size)
{
    if (getrandom(bytes, size, 0) != (ssize_t)size) {
        abort();
    }
}

struct xf_check *xf_check_start(struct xf_domain *dom, struct xf_slot target,
                                const struct xf_check_options *options, xf_check_done_fn done,
                                void *arg)
{
    struct xf_check *check = calloc(1, sizeof(*check));
    uint8_t nonce[(XF_NONCE_SIZE - 1) / 2];

    if (check == NULL) {
        abort();
    }
    check->dom = dom;
    check->target = target;
    check->options = *options;
    check->done = done;
    check->arg = arg;
    check->started_ms = xf_now_ms();
    check->evidence = json_object();
    draw(check->salt, sizeof(check->salt));
    draw(nonce, sizeof(nonce));
    xf_hex_of(nonce, sizeof(nonce), check->nonce);
    check->next = dom->agent->checks;
    dom->agent->checks = check;
    again(check, 0, await_turn);
    return check;
}

void xf_check_stop(struct xf_check *check)
{
    if (check != NULL) {
        check->done = NULL;
        free_check(check);
    }
}

void xf_checks_end(struct xf_agent *agent)
{
    while (agent->checks != NULL) {
        end(agent->checks, XF_REASON_AGENT_RESTARTED);
    }
}
