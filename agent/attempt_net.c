/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The address hand-over of one attempt: net_announce.h's three objects at their moments. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "attempt.h"
#include "clock_qb.h"
#include "log_qb.h"
#include "net_announce.h"
#include "text.h"

static void seen(void *arg, const struct xf_watch_result *result)
{
    struct xf_domain *dom = arg;
    struct xf_attempt *at = dom->attempt;
    struct xf_frame *f = &dom->agent->frame_out;

    if (at == NULL) {
        return;
    }
    at->seen_us = result->at_ns / 1000u;
    f->kind = XF_FRAME_SEEN;
    f->version = 0;
    f->uuid = dom->uuid;
    f->id = at->id;
    xf_agent_send(dom->agent, NULL, 0);
    xf_domain_log(dom, LOG_INFO, "its MAC was seen from outside%s",
                  result->fdb_moved ? "; the bridge forwards it there" : "");
    if (at->ended && at->report_at_ms != UINT64_MAX) {
        at->report_at_ms = 0; /* the report waited for this alone; the tick sends it */
    }
}

void xf_attempt_net_source(struct xf_domain *dom)
{
    struct xf_attempt *at = dom->attempt;
    int rc;

    if (!at->needs_known || at->needs.n_vifs == 0 || at->learn != NULL || at->watch != NULL) {
        return;
    }
    dom->agent->hyper_ops->addresses(dom->agent->hyper, &dom->uuid, &at->needs);
    rc = xf_learn_start(dom->agent->loop, &at->needs, &at->learn);
    if (rc != 0) {
        xf_domain_log(dom, LOG_WARNING, "its addresses cannot be learned: %s", strerror(-rc));
    }
    rc = xf_watch_prepare(dom->agent->loop, &at->needs, seen, dom, &at->watch);
    if (rc != 0) {
        xf_domain_log(dom, LOG_INFO, "its move cannot be seen on the network here: %s",
                      strerror(-rc));
    }
}

void xf_attempt_net_dest(struct xf_domain *dom)
{
    struct xf_attempt *at = dom->attempt;
    int rc;

    if (!at->needs_known || at->needs.n_vifs == 0 || at->announce != NULL) {
        return;
    }
    rc = xf_announce_prepare(dom->agent->loop, &at->needs, NULL, &at->announce);
    if (rc != 0) {
        xf_domain_log(dom, LOG_WARNING, "its arrival cannot be announced: %s", strerror(-rc));
    }
}

void xf_attempt_net_stop(struct xf_attempt *at)
{
    xf_learn_stop(at->learn);
    xf_watch_stop(at->watch);
    xf_announce_free(at->announce);
    at->learn = NULL;
    at->watch = NULL;
    at->announce = NULL;
}

static char digit(unsigned v)
{
    return "0123456789abcdef"[v & 15u];
}

json_t *xf_attempt_net_addresses(struct xf_attempt *at)
{
    uint8_t bytes[XF_ADDRESSES_SIZE];
    char hex[2 * XF_ADDRESSES_SIZE + 1];
    struct xf_addresses now;
    int size;

    memcpy(&now, &at->addresses_told, sizeof(now)); /* compared as a whole */
    if (at->learn != NULL) {
        xf_learn_get(at->learn, &now);
        /* Behind what was heard: where there is no room for all, that is true for certain. */
        xf_addresses_merge(&now, &at->addresses_told);
    }
    if (memcmp(&now, &at->addresses_sent, sizeof(now)) == 0) {
        return NULL;
    }
    size = xf_addresses_encode(&now, bytes, sizeof(bytes));
    if (size < 0) {
        return NULL;
    }
    at->addresses_sent = now;
    for (int i = 0; i < size; i++) {
        hex[2 * i] = digit(bytes[i] >> 4);
        hex[2 * i + 1] = digit(bytes[i]);
    }
    return json_stringn(hex, 2 * (size_t)size);
}

void xf_attempt_net_learned(struct xf_attempt *at, const char *hex)
{
    size_t n = strlen(hex) / 2;
    uint8_t bytes[XF_ADDRESSES_SIZE];
    struct xf_addresses addresses;
    char pair[3] = "";
    uint64_t v;

    if (at->announce == NULL || n > sizeof(bytes) || strlen(hex) % 2 != 0) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(pair, hex + 2 * i, 2);
        if (xf_hex_parse(pair, &v) != 0) {
            return;
        }
        bytes[i] = (uint8_t)v;
    }
    if (xf_addresses_decode(bytes, n, &addresses) == 0) {
        xf_announce_learned(at->announce, &addresses);
    }
}
