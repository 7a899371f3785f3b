/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is configured (cmap's nodelist.node.*) and what the cluster sets for all (xenferry.*). */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster_impl.h"
#include "log_qb.h"

#define NODES    "nodelist.node."
#define SETTINGS "xenferry."

/* "" when there is none. */
static void get_text(cmap_handle_t cmap, const char *key, char *buf, size_t size)
{
    char *text = NULL;

    buf[0] = '\0';
    if (cmap_get_string(cmap, key, &text) == CS_OK) {
        snprintf(buf, size, "%s", text);
        free(text);
    }
}

static bool get_node(cmap_handle_t cmap, uint32_t position, struct xf_group_node *ret_node)
{
    char key[CMAP_KEYNAME_MAXLEN + 1];

    snprintf(key, sizeof(key), NODES "%u.nodeid", position);
    if (cmap_get_uint32(cmap, key, &ret_node->node.id) != CS_OK || ret_node->node.id == 0) {
        return false;
    }
    snprintf(key, sizeof(key), NODES "%u.ring0_addr", position);
    get_text(cmap, key, ret_node->address, sizeof(ret_node->address));
    snprintf(key, sizeof(key), NODES "%u.name", position);
    get_text(cmap, key, ret_node->name, sizeof(ret_node->name));
    if (ret_node->name[0] == '\0') {
        memcpy(ret_node->name, ret_node->address, sizeof(ret_node->name));
    }
    return true;
}

static int read_nodes(struct xf_group *group)
{
    char key[CMAP_KEYNAME_MAXLEN + 1];
    cmap_iter_handle_t iter;
    uint32_t position;
    size_t n = 0;
    int end;

    if (cmap_iter_init(group->cmap, NODES, &iter) != CS_OK) {
        return -EIO;
    }
    while (cmap_iter_next(group->cmap, iter, key, NULL, NULL) == CS_OK) {
        end = 0;
        if (sscanf(key, NODES "%u.nodeid%n", &position, &end) != 1 || end == 0 ||
            key[end] != '\0') {
            continue;
        }
        if (n == XF_NODES_MAX) {
            xf_log(LOG_ERR, "more than %d nodes are configured; the rest takes no part",
                   XF_NODES_MAX);
            break;
        }
        n += get_node(group->cmap, position, &group->nodes[n]) ? 1 : 0;
    }
    cmap_iter_finalize(group->cmap, iter);
    group->n_nodes = n;
    return 0;
}

static bool value_text(cmap_handle_t cmap, const char *key, char *buf, size_t size)
{
    uint64_t bits = 0;
    size_t len = sizeof(bits);
    cmap_value_types_t type;

    if (cmap_get(cmap, key, NULL, &len, &type) != CS_OK) {
        return false;
    }
    if (type == CMAP_VALUETYPE_STRING) {
        get_text(cmap, key, buf, size);
        return true;
    }
    len = sizeof(bits);
    if (type == CMAP_VALUETYPE_FLOAT || type == CMAP_VALUETYPE_DOUBLE ||
        type == CMAP_VALUETYPE_BINARY || cmap_get(cmap, key, &bits, &len, &type) != CS_OK) {
        return false;
    }
    snprintf(buf, size, "%llu", (unsigned long long)bits);
    return true;
}

static int read_settings(struct xf_group *group)
{
    char key[CMAP_KEYNAME_MAXLEN + 1], value[512];
    cmap_iter_handle_t iter;

    if (cmap_iter_init(group->cmap, SETTINGS, &iter) != CS_OK) {
        return -EIO;
    }
    while (cmap_iter_next(group->cmap, iter, key, NULL, NULL) == CS_OK) {
        if (value_text(group->cmap, key, value, sizeof(value))) {
            group->events->setting(group->arg, key + strlen(SETTINGS), value);
        }
    }
    cmap_iter_finalize(group->cmap, iter);
    return 0;
}

int xf_group_read_cmap(struct xf_group *group)
{
    int rc = read_nodes(group);

    return rc == 0 ? read_settings(group) : rc;
}

static void on_change(cmap_handle_t cmap, cmap_track_handle_t track, int32_t event, const char *key,
                      struct cmap_notify_value new_value, struct cmap_notify_value old_value,
                      void *arg)
{
    struct xf_group *group = arg;

    (void)cmap;
    (void)track;
    (void)event;
    (void)key;
    (void)new_value;
    (void)old_value;
    group->reread = true; /* one change comes as several; they are read together */
}

int xf_group_track_cmap(struct xf_group *group)
{
    int32_t what = CMAP_TRACK_ADD | CMAP_TRACK_DELETE | CMAP_TRACK_MODIFY | CMAP_TRACK_PREFIX;
    cmap_track_handle_t track;

    if (cmap_track_add(group->cmap, NODES, what, on_change, group, &track) != CS_OK ||
        cmap_track_add(group->cmap, SETTINGS, what, on_change, group, &track) != CS_OK) {
        return -EIO;
    }
    return 0;
}
