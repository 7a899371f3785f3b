/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "hyper_xen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log_qb.h"

/* ---- what the watcher told ---- */

static struct xf_xen_domain *find_domid(struct xf_hyper *hyper, struct xf_domid domid)
{
    for (struct xf_xen_domain *d = hyper->domains; d != NULL; d = d->next) {
        if (d->info.domid.v == domid.v) {
            return d;
        }
    }
    return NULL;
}

/* Of two with one uuid (a domain that is being rebooted) the newer one counts. */
struct xf_xen_domain *xf_xen_domain_find(struct xf_hyper *hyper, const struct xf_uuid *uuid)
{
    for (struct xf_xen_domain *d = hyper->domains; d != NULL; d = d->next) {
        if (xf_uuid_eq(&d->info.uuid, uuid)) {
            return d;
        }
    }
    return NULL;
}

static void tell(struct xf_hyper *hyper, const struct xf_dom_info *info, bool gone)
{
    if (!hyper->quiet) {
        hyper->events.changed(hyper->arg, info, gone);
    }
}

void xf_xen_domain_seen(struct xf_hyper *hyper, const struct xf_xen_msg *msg)
{
    struct xf_xen_domain *d = find_domid(hyper, msg->dom.domid);

    if (d == NULL) {
        d = calloc(1, sizeof(*d));
        if (d == NULL) {
            abort();
        }
        d->next = hyper->domains;
        hyper->domains = d;
    }
    d->guest_told = d->guest_told && xf_uuid_eq(&d->info.uuid, &msg->dom.uuid);
    d->info = msg->dom;
    d->doubted = false;
    if (msg->config_size > 0) {
        free(d->config);
        d->config = strdup(msg->config);
        if (d->config == NULL) {
            abort();
        }
    }
    tell(hyper, &d->info, false);
}

/* Nobody is told: it is no change of the domain's. */
void xf_xen_guest_seen(struct xf_hyper *hyper, const struct xf_xen_msg *msg)
{
    struct xf_xen_domain *d = find_domid(hyper, msg->dom.domid);

    if (d != NULL && xf_uuid_eq(&d->info.uuid, &msg->dom.uuid)) {
        d->guest = msg->guest;
        d->guest_told = true;
    }
}

static void drop(struct xf_hyper *hyper, struct xf_xen_domain *domain)
{
    struct xf_xen_domain **at = &hyper->domains;

    while (*at != domain) {
        at = &(*at)->next;
    }
    *at = domain->next;
    free(domain->config);
    free(domain);
}

void xf_xen_domain_gone(struct xf_hyper *hyper, const struct xf_dom_info *info)
{
    struct xf_xen_domain *d = find_domid(hyper, info->domid);
    struct xf_dom_info last;

    if (d == NULL) {
        return;
    }
    last = d->info;
    drop(hyper, d);
    /* What was asked for is told as that operation's end. */
    if (xf_xen_domain_find(hyper, &last.uuid) == NULL && !xf_xen_destroying(hyper, &last.uuid)) {
        tell(hyper, &last, true);
    }
}

void xf_xen_domains_doubt(struct xf_hyper *hyper)
{
    for (struct xf_xen_domain *d = hyper->domains; d != NULL; d = d->next) {
        d->doubted = true;
    }
}

void xf_xen_domains_unseen(struct xf_hyper *hyper)
{
    struct xf_xen_domain *d = hyper->domains;

    while (d != NULL) {
        struct xf_xen_domain *next = d->next;

        if (d->doubted) {
            struct xf_dom_info info = d->info;

            xf_xen_domain_gone(hyper, &info);
        }
        d = next;
    }
}

/* ---- looking ---- */

static int xen_facts(struct xf_hyper *hyper, struct xf_host_facts *ret_facts)
{
    struct xf_host_facts facts = hyper->facts;
    uint64_t reserved = 0;

    for (uint32_t i = 0; i < hyper->reserves.n; i++) {
        const struct xf_xen_domain *d = xf_xen_domain_find(hyper, &hyper->reserves.of[i].uuid);
        uint32_t has = d != NULL ? d->info.memory_mib : 0; /* is no longer free either */

        if (hyper->reserves.of[i].memory_mib > has) {
            reserved += hyper->reserves.of[i].memory_mib - has;
        }
    }
    facts.memory_free_mib = facts.memory_free_mib > reserved ? facts.memory_free_mib - reserved : 0;
    *ret_facts = facts;
    return 0;
}

static int xen_cpu(struct xf_hyper *hyper, bool pv, struct xf_cpu *ret_cpu)
{
    *ret_cpu = hyper->cpu[pv ? 1 : 0];
    return 0;
}

static int xen_scan(struct xf_hyper *hyper, struct xf_dom_info *ret_list, size_t max, size_t *ret_n)
{
    size_t n = 0;

    for (const struct xf_xen_domain *d = hyper->domains; d != NULL && n < max; d = d->next) {
        ret_list[n++] = d->info;
    }
    *ret_n = n;
    return 0;
}

static int xen_config(struct xf_hyper *hyper, const struct xf_uuid *uuid, char *buf, size_t size)
{
    const struct xf_xen_domain *d = xf_xen_domain_find(hyper, uuid);

    if (d == NULL || d->config == NULL) {
        return d == NULL ? -ENOENT : -EAGAIN;
    }
    return d->config[0] != '\0' && xf_text_copy(buf, size, d->config) ? 0 : -EMSGSIZE;
}

static int xen_guest(struct xf_hyper *hyper, const struct xf_uuid *uuid, struct xf_guest *ret_guest)
{
    const struct xf_xen_domain *d = xf_xen_domain_find(hyper, uuid);
    struct xf_dom_needs needs;
    struct xf_guest guest;
    char err[128];

    if (d == NULL || d->config == NULL || !d->guest_told) {
        return d == NULL ? -ENOENT : -EAGAIN;
    }
    if (xf_xen_needs(d->config, &needs, err, sizeof(err)) != 0) {
        return -EINVAL;
    }
    guest = d->guest;
    guest.n_passthrough = needs.n_passthrough;
    guest.vnuma = needs.vnuma;
    *ret_guest = guest;
    return 0;
}

/* ---- doing ---- */

static void xen_translate(struct xf_hyper *hyper, uint64_t cookie, const char *text)
{
    static const struct xf_uuid none;

    xf_xen_job_start(hyper, cookie, XF_XEN_TRANSLATE, &none, XF_VARIANT_PLAIN, text);
}

static void xen_create(struct xf_hyper *hyper, uint64_t cookie, const struct xf_uuid *uuid,
                       const char *config)
{
    xf_xen_job_start(hyper, cookie, XF_XEN_CREATE, uuid, XF_VARIANT_PLAIN, config);
}

static void xen_destroy(struct xf_hyper *hyper, uint64_t cookie, const struct xf_uuid *uuid)
{
    xf_xen_job_start(hyper, cookie, XF_XEN_DESTROY, uuid, XF_VARIANT_PLAIN, NULL);
}

static void xen_resume(struct xf_hyper *hyper, uint64_t cookie, const struct xf_uuid *uuid)
{
    xf_xen_job_start(hyper, cookie, XF_XEN_RESUME, uuid, XF_VARIANT_PLAIN, NULL);
}

static void xen_rename(struct xf_hyper *hyper, uint64_t cookie, const struct xf_uuid *uuid,
                       enum xf_variant variant)
{
    xf_xen_job_start(hyper, cookie, XF_XEN_RENAME, uuid, variant, NULL);
}

/*
 * A vif whose configuration names addresses is held to them by its script, as the guest's own frames
 * are: what it says of others is not announced past that.
 */
static void xen_addresses(struct xf_hyper *hyper, const struct xf_uuid *uuid,
                          const struct xf_dom_needs *needs)
{
    const struct xf_xen_domain *d = xf_xen_domain_find(hyper, uuid);
    uint32_t devid[XF_ADDRESSES_VIFS];
    struct xf_addresses ask = { 0 };

    for (uint32_t i = 0; i < needs->n_vifs; i++) {
        if (!needs->vif[i].addressed) {
            devid[ask.n_vifs] = needs->vif[i].devid;
            memcpy(ask.vif[ask.n_vifs++].mac, needs->vif[i].mac, XF_MAC_SIZE);
        }
    }
    if (d != NULL && ask.n_vifs > 0) {
        xf_xen_addresses_start(hyper, &d->info, &ask, devid);
    }
}

static int xen_reserve(struct xf_hyper *hyper, const struct xf_uuid *uuid, uint32_t memory_mib)
{
    struct xf_host_facts facts;

    xf_reserve_drop(&hyper->reserves, uuid);
    (void)xen_facts(hyper, &facts);
    return memory_mib <= facts.memory_free_mib && xf_reserve_put(&hyper->reserves, uuid, memory_mib)
               ? 0
               : -ENOMEM;
}

static void xen_release(struct xf_hyper *hyper, const struct xf_uuid *uuid)
{
    xf_reserve_drop(&hyper->reserves, uuid);
}

static void xen_close(struct xf_hyper *hyper)
{
    if (hyper != NULL) {
        hyper->closing = true;
        xf_xen_jobs_close(hyper);
        xf_xen_watcher_close(hyper);
        while (hyper->domains != NULL) {
            drop(hyper, hyper->domains);
        }
        free(hyper);
    }
}

static int xen_open(qb_loop_t *loop, const char *dir, uint64_t memory_limit_mib,
                    const struct xf_hyper_events *events, void *arg, struct xf_hyper **ret_hyper)
{
    struct xf_hyper *hyper = calloc(1, sizeof(*hyper));
    int rc;

    if (hyper == NULL) {
        abort();
    }
    hyper->loop = loop;
    hyper->memory_limit_mib = memory_limit_mib;
    hyper->events = *events;
    hyper->arg = arg;
    hyper->quiet = true;
    if (!xf_text_copy(hyper->dir, sizeof(hyper->dir), dir)) {
        free(hyper);
        return -ENAMETOOLONG;
    }
    rc = xf_xen_watcher_open(hyper);
    if (rc != 0) {
        xf_log(LOG_ERR, "Xen cannot be used: %s", hyper->failure);
        xen_close(hyper);
        return rc;
    }
    hyper->quiet = false;
    *ret_hyper = hyper;
    return 0;
}

const struct xf_hyper_ops xf_hyper_xen = {
    .name = "xen",
    .mover = "xenferry-mover-xen",
    .open = xen_open,
    .close = xen_close,
    .facts = xen_facts,
    .cpu = xen_cpu,
    .guest = xen_guest,
    .scan = xen_scan,
    .config = xen_config,
    .translate = xen_translate,
    .needs = xf_xen_needs,
    .create = xen_create,
    .destroy = xen_destroy,
    .resume = xen_resume,
    .unpause = xf_xen_unpause,
    .rename = xen_rename,
    .addresses = xen_addresses,
    .reserve = xen_reserve,
    .release = xen_release,
};
