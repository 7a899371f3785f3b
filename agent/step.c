/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events to the core, one at a time, and its actions to perform.c. */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent.h"
#include "attempt.h"
#include "blackbox.h"
#include "log_qb.h"
#include "trace.h"

struct xf_later {
    struct xf_later *next;
    struct xf_domain *dom;
    struct xf_event event;
};

static int32_t run_later(int32_t fd, int32_t revents, void *data)
{
    struct xf_agent *agent = data;
    struct xf_later *list = agent->later;
    uint64_t n;

    (void)revents;
    if (read(fd, &n, sizeof(n)) != (ssize_t)sizeof(n)) {
        return 0;
    }
    /* What these events cause comes after them, in another round of the loop. */
    agent->later = NULL;
    agent->later_last = &agent->later;
    while (list != NULL) {
        struct xf_later *l = list;

        list = l->next;
        xf_domain_event(l->dom, &l->event);
        free(l);
    }
    return 0;
}

/* Not a job of the loop's: with nothing else to do libqb lets those wait for 50 ms. */
int xf_later_open(struct xf_agent *agent)
{
    agent->later_last = &agent->later;
    agent->later_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (agent->later_fd < 0) {
        return -errno;
    }
    return qb_loop_poll_add(agent->loop, QB_LOOP_HIGH, agent->later_fd, POLLIN, agent, run_later);
}

void xf_domain_event_later(struct xf_domain *dom, const struct xf_event *event)
{
    struct xf_agent *agent = dom->agent;
    struct xf_later *l = malloc(sizeof(*l));
    uint64_t one = 1;

    if (l == NULL) {
        abort();
    }
    l->next = NULL;
    l->dom = dom;
    l->event = *event;
    *agent->later_last = l;
    agent->later_last = &l->next;
    if (write(agent->later_fd, &one, sizeof(one)) != (ssize_t)sizeof(one)) {
        abort();
    }
}

void xf_later_free(struct xf_agent *agent)
{
    while (agent->later != NULL) {
        struct xf_later *l = agent->later;

        agent->later = l->next;
        free(l);
    }
    agent->later_last = &agent->later;
    qb_loop_poll_del(agent->loop, agent->later_fd);
    close(agent->later_fd);
}

static void trace_all(struct xf_domain *dom, const struct xf_event *event,
                      const struct xf_actions *actions)
{
    char line[XF_TRACE_LINE_SIZE];

    xf_trace_event(event, line, sizeof(line));
    xf_domain_log(dom, LOG_DEBUG, "event %s", line);
    for (uint32_t i = 0; i < actions->n; i++) {
        xf_trace_act(&actions->a[i], line, sizeof(line));
        xf_domain_log(dom, LOG_DEBUG, "act %s", line);
    }
    xf_trace_core(&dom->core, line, sizeof(line));
    xf_domain_log(dom, LOG_DEBUG, "core %s", line);
}

void xf_domain_event(struct xf_domain *dom, const struct xf_event *event)
{
    struct xf_agent *agent = dom->agent;
    struct xf_core before = dom->core;
    struct xf_actions actions;
    char line[XF_TRACE_LINE_SIZE];
    int rc;

    if (dom->stepping) {
        xf_domain_event_later(dom, event);
        return;
    }
    dom->stepping = true;
    xf_blackbox_event(agent->blackbox, &dom->uuid, event);
    rc = xf_step(&dom->core, &agent->cluster, event, &actions);
    if (rc == 0) {
        if (memcmp(&before, &dom->core, sizeof(before)) != 0) {
            xf_blackbox_core(agent->blackbox, &dom->uuid, &dom->core);
        }
        dom->copies[agent->cluster.self.i] = xf_core_hello(&dom->core, &agent->cluster).copy;
        xf_perform(dom, &actions, &before);
    }
    dom->stepping = false;
    if (rc != 0 || actions.impossible) {
        xf_trace_event(event, line, sizeof(line));
        xf_domain_log(dom, LOG_ERR, "%s contradicts the protocol and is ignored: %s",
                      rc != 0 ? "an event out of range" : "an event", line);
    }
    if (rc == 0 && agent->settings.debug_trace) {
        trace_all(dom, event, &actions);
    }
    if (rc == 0) {
        xf_attempt_stepped(dom, &before);
    }
}

void xf_domain_op_done(struct xf_domain *dom, enum xf_op op, bool ok, enum xf_reason reason)
{
    struct xf_event event = {
        .type = XF_EV_OP,
        .op = (uint8_t)op,
        .ok = ok,
        .reason = (uint16_t)reason,
    };

    if (dom->core.op == op) {
        xf_domain_event(dom, &event);
    }
}

void xf_domain_mover_event(struct xf_domain *dom, enum xf_mover_ev ev, enum xf_reason reason)
{
    struct xf_event event = {
        .type = XF_EV_MOVER,
        .mover = (uint8_t)ev,
        .reason = (uint16_t)reason,
    };

    xf_domain_event_later(dom, &event);
}
