/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "hyper_sandbox.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "domcfg.h"
#include "sandbox/host_cpu.h"
#include "text.h"

_Static_assert(XF_DOMCFG_VIFS_MAX <= XF_VIFS_MAX && XF_DOMCFG_DISKS_MAX <= XF_DISKS_MAX,
               "needs() holds what a configuration can ask for");

/* ---- answers that wait for the loop ---- */

struct xf_sandbox_late {
    struct xf_sandbox_late *next;
    struct xf_hyper *hyper;
    qb_loop_timer_handle timer;
    uint64_t cookie;
    enum xf_reason reason;
    char text[XF_SANDBOX_TEXT_SIZE];
};

static void unlink_late(struct xf_sandbox_late *late)
{
    struct xf_sandbox_late **at = &late->hyper->late;

    while (*at != late) {
        at = &(*at)->next;
    }
    *at = late->next;
}

static void answer(void *data)
{
    struct xf_sandbox_late *late = data;
    struct xf_hyper *hyper = late->hyper;

    unlink_late(late);
    hyper->events.done(hyper->arg, late->cookie, late->reason == XF_REASON_OK, late->reason,
                       late->text);
    free(late);
}

/* A timer, not a job of the loop's: with nothing else to do libqb lets those wait for 50 ms. */
void xf_sandbox_answer_late(struct xf_hyper *hyper, uint64_t cookie, enum xf_reason reason,
                            const char *text)
{
    struct xf_sandbox_late *late = calloc(1, sizeof(*late));
    int rc;

    assert(late != NULL);
    *late = (struct xf_sandbox_late){
        .next = hyper->late, .hyper = hyper, .cookie = cookie, .reason = reason
    };
    if (text == NULL) {
        text = reason == XF_REASON_OK ? "" : xf_reason_sentence(reason);
    }
    (void)xf_text_copy(late->text, sizeof(late->text), text);
    hyper->late = late;
    rc = qb_loop_timer_add(hyper->loop, QB_LOOP_HIGH, 0, late, answer, &late->timer);
    assert(rc == 0);
}

void xf_sandbox_answers_drop(struct xf_hyper *hyper)
{
    while (hyper->late != NULL) {
        struct xf_sandbox_late *late = hyper->late;

        (void)qb_loop_timer_del(hyper->loop, late->timer);
        unlink_late(late);
        free(late);
    }
}

/* ---- memory ---- */

/* Domains' memory and what is put aside for others; a reservation ends where its domain begins. */
static uint64_t taken_mib(const struct xf_hyper *hyper)
{
    uint64_t taken = 0;

    for (const struct xf_sandbox_domain *d = hyper->domains; d != NULL; d = d->next) {
        taken += d->status.memory_mib;
    }
    for (uint32_t i = 0; i < hyper->reserves.n; i++) {
        const struct xf_sandbox_domain *d = hyper->domains;

        while (d != NULL && !xf_uuid_eq(&d->status.uuid, &hyper->reserves.of[i].uuid)) {
            d = d->next;
        }
        taken += d == NULL ? hyper->reserves.of[i].memory_mib : 0;
    }
    return taken;
}

static int sandbox_facts(struct xf_hyper *hyper, struct xf_host_facts *ret_facts)
{
    struct xf_host_facts facts = { .version = "sandbox 1", .logs_pv = true, .logs_hvm = true };
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    struct sysinfo si;
    uint64_t taken;

    facts.cpus = cpus > 0 ? (uint32_t)cpus : 1;
    facts.memory_total_mib = hyper->memory_limit_mib;
    if (facts.memory_total_mib == 0) {
        if (sysinfo(&si) < 0) {
            return -errno;
        }
        facts.memory_total_mib = (uint64_t)si.totalram * si.mem_unit >> 20;
    }
    xf_sandbox_domains_look(hyper);
    taken = taken_mib(hyper);
    facts.memory_free_mib = taken < facts.memory_total_mib ? facts.memory_total_mib - taken : 0;
    *ret_facts = facts;
    return 0;
}

static void sandbox_release(struct xf_hyper *hyper, const struct xf_uuid *uuid)
{
    xf_reserve_drop(&hyper->reserves, uuid);
}

static int sandbox_reserve(struct xf_hyper *hyper, const struct xf_uuid *uuid, uint32_t memory_mib)
{
    struct xf_host_facts facts;
    int rc;

    xf_reserve_drop(&hyper->reserves, uuid);
    rc = sandbox_facts(hyper, &facts);
    if (rc < 0) {
        return rc;
    }
    return memory_mib <= facts.memory_free_mib && xf_reserve_put(&hyper->reserves, uuid, memory_mib)
               ? 0
               : -ENOMEM;
}

/* ---- looking ---- */

static int sandbox_scan(struct xf_hyper *hyper, struct xf_dom_info *ret_list, size_t max,
                        size_t *ret_n)
{
    size_t n = 0;

    xf_sandbox_domains_look(hyper);
    for (struct xf_sandbox_domain *d = hyper->domains; d != NULL && n < max; d = d->next) {
        /* A new domain that does not run yet is no copy; a process just dead is none any more. */
        if (xf_sandbox_domain_info(d, &ret_list[n]) && ret_list[n].copy != XF_COPY_NONE) {
            n++;
        }
    }
    *ret_n = n;
    return 0;
}

static int sandbox_config(struct xf_hyper *hyper, const struct xf_uuid *uuid, char *buf,
                          size_t size)
{
    char path[XF_SANDBOX_PATH_SIZE];
    size_t at = 0;
    int fd, rc = 0;

    if (xf_sandbox_domain_find(hyper, uuid) == NULL) {
        return -ENOENT;
    }
    if (xf_sandbox_path(hyper->dir, uuid, XF_SANDBOX_CFG, path) < 0) {
        return -ENAMETOOLONG;
    }
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    while (at < size) {
        ssize_t n = read(fd, buf + at, size - at);

        if (n == 0) {
            break;
        }
        if (n < 0 && errno != EINTR) {
            rc = -errno;
            break;
        }
        at += n > 0 ? (size_t)n : 0;
    }
    (void)close(fd);
    if (rc < 0 || at == size) {
        return rc < 0 ? rc : -EMSGSIZE;
    }
    buf[at] = '\0';
    return 0;
}

static int sandbox_cpu(struct xf_hyper *hyper, bool pv, struct xf_cpu *ret_cpu)
{
    (void)pv; /* one kind only */
    xf_sandbox_host_cpu(hyper->dir, ret_cpu);
    return 0;
}

/* Any guest suspends; that fail-suspend keeps one from it is no word of the guest's. */
static int sandbox_guest(struct xf_hyper *hyper, const struct xf_uuid *uuid,
                         struct xf_guest *ret_guest)
{
    struct xf_sandbox_domain *d = xf_sandbox_domain_find(hyper, uuid);
    struct xf_dom_info info;

    if (d == NULL || !xf_sandbox_domain_info(d, &info)) {
        return -ENOENT;
    }
    if (d->status.has_cpu == 0) {
        return -EAGAIN;
    }
    *ret_guest =
        (struct xf_guest){ .cpu = d->status.cpu, .suspend_known = true, .can_suspend = true };
    return 0;
}

/* Its configuration is its own: nothing to translate. */
static void sandbox_translate(struct xf_hyper *hyper, uint64_t cookie, const char *text)
{
    hyper->events.translated(hyper->arg, cookie, XF_REASON_OK, text);
}

static int sandbox_needs(const char *config, struct xf_dom_needs *ret_needs, char *err,
                         size_t err_size)
{
    struct xf_dom_needs needs = { .n_vifs = 0 };
    struct xf_domcfg cfg;

    if (xf_domcfg_parse(config, strlen(config), &cfg, err, err_size) < 0) {
        return -EINVAL;
    }
    needs.uuid = cfg.uuid;
    (void)xf_text_copy(needs.name, sizeof(needs.name), cfg.name);
    needs.memory_mib = cfg.memory_mib;
    needs.n_vifs = cfg.n_vifs;
    for (uint32_t i = 0; i < cfg.n_vifs; i++) {
        memcpy(needs.vif[i].mac, cfg.vif[i].mac, sizeof(needs.vif[i].mac));
        (void)xf_text_copy(needs.vif[i].bridge, sizeof(needs.vif[i].bridge), cfg.vif[i].bridge);
        needs.vif[i].ipv4 = cfg.vif[i].ipv4;
    }
    needs.n_disks = cfg.n_disks;
    for (uint32_t i = 0; i < cfg.n_disks; i++) {
        (void)xf_text_copy(needs.disk[i].path, sizeof(needs.disk[i].path), cfg.disk[i].path);
        needs.disk[i].writable = !cfg.disk[i].readonly;
    }
    *ret_needs = needs;
    return 0;
}

/* ---- doing ---- */

static void sandbox_resume(struct xf_hyper *hyper, uint64_t cookie, const struct xf_uuid *uuid)
{
    xf_sandbox_domain_ask(hyper, cookie, uuid, XF_SANDBOX_RESUME, 0);
}

static void sandbox_unpause(struct xf_hyper *hyper, uint64_t cookie, const struct xf_uuid *uuid)
{
    xf_sandbox_domain_ask(hyper, cookie, uuid, XF_SANDBOX_UNPAUSE, 0);
}

static void sandbox_rename(struct xf_hyper *hyper, uint64_t cookie, const struct xf_uuid *uuid,
                           enum xf_variant variant)
{
    xf_sandbox_domain_ask(hyper, cookie, uuid, XF_SANDBOX_RENAME, variant);
}

/* Its guests have no place to write them to. */
static void sandbox_addresses(struct xf_hyper *hyper, const struct xf_uuid *uuid,
                              const struct xf_dom_needs *needs)
{
    (void)hyper;
    (void)uuid;
    (void)needs;
}

static void sandbox_close(struct xf_hyper *hyper)
{
    if (hyper == NULL) {
        return;
    }
    xf_sandbox_creates_drop(hyper);
    xf_sandbox_domains_close(hyper);
    xf_sandbox_answers_drop(hyper);
    free(hyper);
}

static int sandbox_open(qb_loop_t *loop, const char *dir, uint64_t memory_limit_mib,
                        const struct xf_hyper_events *events, void *arg,
                        struct xf_hyper **ret_hyper)
{
    static const struct xf_uuid any;
    char path[XF_SANDBOX_PATH_SIZE];
    struct xf_hyper *hyper;
    int rc;

    if (dir[0] != '/') {
        return -EINVAL;
    }
    if (xf_sandbox_path(dir, &any, XF_SANDBOX_SOCK, path) < 0) {
        return -ENAMETOOLONG;
    }
    hyper = calloc(1, sizeof(*hyper));
    assert(hyper != NULL);
    *hyper = (struct xf_hyper){ .loop = loop,
                                .memory_limit_mib = memory_limit_mib,
                                .events = *events,
                                .arg = arg,
                                .inotify = -1 };
    (void)xf_text_copy(hyper->dir, sizeof(hyper->dir), dir);
    rc = xf_sandbox_domains_open(hyper);
    if (rc < 0) {
        sandbox_close(hyper);
        return rc;
    }
    *ret_hyper = hyper;
    return 0;
}

const struct xf_hyper_ops xf_hyper_sandbox = {
    .name = "sandbox",
    .mover = "xenferry-mover",
    .open = sandbox_open,
    .close = sandbox_close,
    .facts = sandbox_facts,
    .cpu = sandbox_cpu,
    .guest = sandbox_guest,
    .scan = sandbox_scan,
    .config = sandbox_config,
    .translate = sandbox_translate,
    .needs = sandbox_needs,
    .create = xf_sandbox_create,
    .destroy = xf_sandbox_domain_destroy,
    .resume = sandbox_resume,
    .unpause = sandbox_unpause,
    .rename = sandbox_rename,
    .addresses = sandbox_addresses,
    .reserve = sandbox_reserve,
    .release = sandbox_release,
};
