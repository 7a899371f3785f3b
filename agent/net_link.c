/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "net_link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "net_request.h"

/* ---- interfaces ---- */

struct port_query {
    int bridge;
    bool guest; /* of the last interface seen */
    struct xf_net_ports ports;
};

static void add_port(struct xf_net_ports *ports, int ifindex)
{
    if (ports->n < XF_NET_OUTSIDE_MAX) {
        ports->ifindex[ports->n++] = ifindex;
    }
}

static void take_link(void *arg, const struct nlmsghdr *message)
{
    struct port_query *query = arg;
    const struct ifinfomsg *info = xf_net_message_data(message);
    const struct rtattr *attrs;
    const uint32_t *master;
    int left;

    if (message->nlmsg_type != RTM_NEWLINK ||
        message->nlmsg_len < NLMSG_LENGTH(sizeof(struct ifinfomsg))) {
        return;
    }
    attrs = xf_net_attr_first(message, sizeof(*info), &left);
    master = xf_net_attr_find(attrs, left, IFLA_MASTER, sizeof(*master));
    query->guest = xf_net_attr_is_guest(attrs, left);
    if (!query->guest && master != NULL && *master == (uint32_t)query->bridge) {
        add_port(&query->ports, info->ifi_index);
    }
}

int xf_net_outside(struct xf_net_link *link, int bridge, struct xf_net_ports *ret_ports)
{
    struct port_query query;
    struct xf_net_request request;
    uint32_t master = (uint32_t)bridge;
    int rc = -EINTR;

    for (int i = 0; i < XF_NET_DUMP_TRIES && rc == -EINTR; i++) {
        query = (struct port_query){ .bridge = bridge };
        xf_net_request(&request, RTM_GETLINK, NLM_F_DUMP, sizeof(request.body.link));
        xf_net_request_add(&request, IFLA_MASTER, &master, sizeof(master));
        rc = xf_net_request_ask(link, &request, take_link, &query);
    }
    if (rc < 0 && rc != -EINTR) {
        return rc;
    }
    *ret_ports = query.ports;
    return 0;
}

bool xf_net_is_guest(struct xf_net_link *link, int ifindex)
{
    struct port_query query = { .guest = false };
    struct xf_net_request request;

    xf_net_request(&request, RTM_GETLINK, 0, sizeof(request.body.link));
    request.body.link.ifi_index = ifindex;
    return xf_net_request_ask(link, &request, take_link, &query) == 0 && query.guest;
}

/* ---- the forwarding table ---- */

struct fdb_query {
    int bridge;
    const uint8_t *mac;
    struct xf_net_ports ports;
};

static void take_neighbour(void *arg, const struct nlmsghdr *message)
{
    struct fdb_query *query = arg;
    const struct ndmsg *entry = xf_net_message_data(message);
    const struct rtattr *attrs;
    const uint32_t *master;
    const uint8_t *mac;
    int left;

    if (message->nlmsg_type != RTM_NEWNEIGH || message->nlmsg_len < NLMSG_LENGTH(sizeof(*entry))) {
        return;
    }
    attrs = xf_net_attr_first(message, sizeof(*entry), &left);
    mac = xf_net_attr_find(attrs, left, NDA_LLADDR, XF_MAC_SIZE);
    /* Entries of a port's own filter have no master; permanent ones are the host's own MACs. */
    master = xf_net_attr_find(attrs, left, NDA_MASTER, sizeof(*master));
    if (master != NULL && *master == (uint32_t)query->bridge && mac != NULL &&
        memcmp(mac, query->mac, XF_MAC_SIZE) == 0 && (entry->ndm_state & NUD_PERMANENT) == 0) {
        add_port(&query->ports, entry->ndm_ifindex);
    }
}

int xf_net_whereabouts(struct xf_net_link *link, int bridge, const uint8_t mac[static XF_MAC_SIZE],
                       struct xf_net_ports *ret_ports)
{
    struct fdb_query query;
    struct xf_net_request request;
    uint32_t master = (uint32_t)bridge;
    int rc = -EINTR;

    for (int i = 0; i < XF_NET_DUMP_TRIES && rc == -EINTR; i++) {
        query = (struct fdb_query){ .bridge = bridge, .mac = mac };
        xf_net_request(&request, RTM_GETNEIGH, NLM_F_DUMP, sizeof(request.body.neighbour));
        request.body.neighbour.ndm_family = AF_BRIDGE;
        xf_net_request_add(&request, NDA_MASTER, &master, sizeof(master));
        rc = xf_net_request_ask(link, &request, take_neighbour, &query);
    }
    if (rc < 0 && rc != -EINTR) {
        return rc;
    }
    *ret_ports = query.ports;
    return 0;
}

void xf_net_forget(struct xf_net_link *link, int port, const uint8_t mac[static XF_MAC_SIZE])
{
    struct xf_net_request request;

    xf_net_request(&request, RTM_DELNEIGH, 0, sizeof(request.body.neighbour));
    request.body.neighbour.ndm_family = AF_BRIDGE;
    request.body.neighbour.ndm_ifindex = port;
    request.body.neighbour.ndm_flags = NTF_MASTER;
    xf_net_request_add(&request, NDA_LLADDR, mac, XF_MAC_SIZE);
    /* That there is no such entry is as good an answer as any. */
    (void)xf_net_request_send(link, &request);
}
