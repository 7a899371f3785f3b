/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copies that another toolstack's migration has left on this host: NAME--incoming, which never ran,
 * and NAME--migratedaway, which is suspended. They are shown, and destroyed when an operator says
 * so and they are surely not the last of their domain.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log_qb.h"
#include "requests.h"
#include "text.h"

#define SCAN_MAX 4096u

static const char *const endings[] = {
    [XF_VARIANT_PLAIN] = "",
    [XF_VARIANT_INCOMING] = "--incoming",
    [XF_VARIANT_MIGRATEDAWAY] = "--migratedaway",
};

static void full_name(const struct xf_dom_info *info, char *buf, size_t size)
{
    snprintf(buf, size, "%s%s", info->name, endings[info->variant]);
}

/* To be freed. */
static struct xf_dom_info *scan(struct xf_agent *agent, size_t *ret_n)
{
    struct xf_dom_info *list = calloc(SCAN_MAX, sizeof(*list));

    if (list == NULL) {
        abort();
    }
    *ret_n = 0;
    (void)agent->hyper_ops->scan(agent->hyper, list, SCAN_MAX, ret_n);
    return list;
}

void xf_foreign_list(struct xf_agent *agent, json_t *list)
{
    char name[XF_NAME_SIZE + 32], uuid[XF_UUID_TEXT_SIZE];
    size_t n;
    struct xf_dom_info *all = scan(agent, &n);

    for (size_t i = 0; i < n; i++) {
        if (all[i].foreign) {
            full_name(&all[i], name, sizeof(name));
            xf_uuid_text(&all[i].uuid, uuid);
            json_array_append_new(
                list,
                json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:b}", "name", name, "uuid", uuid, "node",
                          xf_peer_self(agent)->name, "state",
                          all[i].variant == XF_VARIANT_INCOMING ? "left-incoming" : "left-away",
                          "memory_mib", (json_int_t)all[i].memory_mib, "epoch", (json_int_t)0,
                          "moving", 0));
        }
    }
    free(all);
}

/*
 * Where the domain surely runs: a member that says so in this view; NULL: nowhere that is known. Not
 * here, whatever the record says: it would be what xl left that was meant.
 */
static const char *runs_on(struct xf_agent *agent, const struct xf_uuid *uuid)
{
    const struct xf_domain *dom = xf_domain_find(agent, uuid);

    for (uint8_t i = 0; dom != NULL && i < XF_NODES_MAX; i++) {
        const struct xf_peer *peer = &agent->peer[i];

        if (i != agent->cluster.self.i && peer->member && peer->greeted &&
            dom->copies[i] == XF_COPY_RUNNING) {
            return peer->name;
        }
    }
    return NULL;
}

static void drop(struct xf_asker *asker, const struct xf_dom_info *info, const char *name, bool yes)
{
    struct xf_agent *agent = asker->agent;
    const char *where = runs_on(agent, &info->uuid);
    char text[256];

    if (where == NULL) {
        snprintf(text, sizeof(text),
                 "no agent says that the domain runs, so %s may be the last of it", name);
        xf_answer(asker, XF_REASON_IN_DOUBT, text, NULL);
        return;
    }
    if (yes) {
        struct xf_domain *dom = xf_domain_get(agent, &info->uuid);

        xf_log(LOG_WARNING, "an operator has %s destroyed; the domain runs on %s", name, where);
        agent->hyper_ops->destroy(agent->hyper, xf_op_cookie_new(dom, XF_OP_NONE), &info->uuid);
    }
    snprintf(text, sizeof(text), "the domain runs on %s; what xl left here is destroyed", where);
    xf_answer(asker, XF_REASON_OK, "", json_pack("{s:s,s:s}", "domain", name, "risk", text));
}

bool xf_foreign_resolve(struct xf_asker *asker, const char *name, bool yes)
{
    char full[XF_NAME_SIZE + 32];
    const struct xf_dom_info *found = NULL;
    bool mixed = false;
    size_t n;
    struct xf_dom_info *all = scan(asker->agent, &n);

    for (size_t i = 0; i < n; i++) {
        full_name(&all[i], full, sizeof(full));
        if (all[i].foreign && strcmp(full, name) == 0) {
            found = &all[i];
        }
    }
    for (size_t i = 0; found != NULL && i < n; i++) {
        mixed = mixed || (!all[i].foreign && xf_uuid_eq(&all[i].uuid, &found->uuid));
    }
    if (mixed) {
        xf_answer(asker, XF_REASON_BUSY, "the domain itself is on this host too: xl is at work",
                  NULL);
    } else if (found != NULL) {
        drop(asker, found, name, yes);
    }
    free(all);
    return found != NULL;
}
