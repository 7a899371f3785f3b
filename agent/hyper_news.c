/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the hypervisor's driver tells: ends of operations, and copies that come and go by themselves. */
#include "config.h"

#include <string.h>

#include "agent.h"
#include "attempt.h"
#include "clock_qb.h"
#include "log_qb.h"
#include "matrix.h"
#include "requests.h"
#include "text.h"

static void done(void *arg, uint64_t cookie, bool ok, enum xf_reason reason, const char *text)
{
    struct xf_agent *agent = arg;
    struct xf_domain *dom;
    enum xf_op op;

    if (!xf_op_cookie_take(agent, cookie, &dom, &op)) {
        xf_log(LOG_ERR, "the hypervisor's driver ended an operation that was not begun");
        return;
    }
    if (op == XF_OP_DESTROY && dom->destroying) {
        xf_request_destroyed(dom, ok, text);
        return;
    }
    if (op == XF_OP_NONE) {
        if (!ok) {
            xf_domain_log(dom, LOG_WARNING, "cannot be renamed: %s", text);
        }
        return;
    }
    if (!ok) {
        xf_text_copy(dom->refusal, sizeof(dom->refusal), text);
    }
    xf_domain_op_done(dom, op, ok, reason);
    if (!ok) {
        xf_domain_log(dom, LOG_ERR, "%s failed: %s%s%s", xf_op_name(op), xf_reason_sentence(reason),
                      text[0] != '\0' ? ": " : "", text);
    }
}

static void gone(struct xf_domain *dom)
{
    struct xf_event event = { .type = XF_EV_VANISHED };

    if (dom->destroying || dom->core.op == XF_OP_DESTROY) {
        return; /* asked for; the operation's end tells */
    }
    if (dom->core.state == XF_ST_HOME) {
        xf_domain_log(dom, LOG_NOTICE, "has ended");
    } else if (xf_core_holds(&dom->core)) {
        xf_domain_log(dom, LOG_ERR, "its copy here vanished");
    }
    dom->agent->hello_wanted = true;
    xf_domain_event(dom, &event);
}

/* Somebody started it with the hypervisor's own tools, or rebooted it. */
static void appeared(struct xf_agent *agent, struct xf_domain *dom, const struct xf_dom_info *info)
{
    struct xf_event event = { .type = XF_EV_APPEARED };

    if (info->copy != XF_COPY_RUNNING || info->variant != XF_VARIANT_PLAIN ||
        (dom != NULL && dom->core.state != XF_ST_IDLE)) {
        return; /* a part of something that somebody else has in hand, or of what we do */
    }
    dom = dom != NULL ? dom : xf_domain_get(agent, &info->uuid);
    xf_domain_learn(dom, info->name, info->memory_mib);
    xf_domain_log(dom, LOG_NOTICE, "runs here, started by others");
    agent->hello_wanted = true;
    xf_domain_event(dom, &event);
}

static void changed(void *arg, const struct xf_dom_info *info, bool is_gone)
{
    struct xf_agent *agent = arg;
    struct xf_domain *dom = xf_domain_find(agent, &info->uuid);

    if (dom != NULL) {
        dom->away = info->foreign && !is_gone && info->variant == XF_VARIANT_MIGRATEDAWAY;
    }
    if (info->foreign) {
        return;
    }
    if (is_gone) {
        if (dom != NULL) {
            gone(dom);
        }
        return;
    }
    if (dom == NULL || !xf_core_holds(&dom->core)) {
        appeared(agent, dom, info);
        return;
    }
    xf_domain_learn(dom, info->name, info->memory_mib);
    xf_matrix_news(dom, xf_now_ms());
}

static void translated(void *arg, uint64_t cookie, enum xf_reason reason, const char *text)
{
    xf_request_translated(arg, cookie, reason, text);
}

static void addresses(void *arg, const struct xf_uuid *uuid, const struct xf_addresses *told)
{
    struct xf_domain *dom = xf_domain_find(arg, uuid);

    if (dom != NULL && dom->attempt != NULL && dom->attempt->source) {
        dom->attempt->addresses_told = *told;
    }
}

const struct xf_hyper_events xf_agent_hyper_events = {
    .done = done,
    .changed = changed,
    .translated = translated,
    .addresses = addresses,
};
