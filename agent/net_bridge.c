/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel says of one bridge, for the layer-2 probe. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/if.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>

#include "net_link.h"
#include "net_request.h"

/* A byte that the kernel nests: IFLA_LINKINFO { data { type } }; 0 when it is not there. */
static uint8_t link_number(const struct rtattr *attr, int left, uint16_t data, uint16_t type)
{
    const uint8_t *number = NULL;

    if (xf_net_attr_enter(&attr, &left, IFLA_LINKINFO) && xf_net_attr_enter(&attr, &left, data)) {
        number = xf_net_attr_find(attr, left, type, sizeof(*number));
    }
    return number == NULL ? 0 : *number;
}

static bool has_carrier(const struct ifinfomsg *info, const struct rtattr *attrs, int left)
{
    const uint8_t *carrier = xf_net_attr_find(attrs, left, IFLA_CARRIER, sizeof(*carrier));

    return (info->ifi_flags & IFF_UP) != 0 && carrier != NULL && *carrier != 0;
}

static void take_bridge(void *arg, const struct nlmsghdr *message)
{
    struct xf_net_bridge *bridge = arg;
    struct xf_bridge_facts *facts = &bridge->facts;
    const struct ifinfomsg *info = xf_net_message_data(message);
    const struct rtattr *attrs;
    const uint32_t *mtu;
    const uint8_t *mac;
    bool foreign;
    int left;

    if (message->nlmsg_type != RTM_NEWLINK || message->nlmsg_len < NLMSG_LENGTH(sizeof(*info))) {
        return;
    }
    attrs = xf_net_attr_first(message, sizeof(*info), &left);
    foreign = xf_net_attr_is_kind(attrs, left, IFLA_INFO_KIND, "openvswitch");
    mtu = xf_net_attr_find(attrs, left, IFLA_MTU, sizeof(*mtu));
    mac = xf_net_attr_find(attrs, left, IFLA_ADDRESS, XF_MAC_SIZE);
    if ((!foreign && !xf_net_attr_is_kind(attrs, left, IFLA_INFO_KIND, "bridge")) || mtu == NULL ||
        mac == NULL) {
        return;
    }
    bridge->ifindex = info->ifi_index;
    memcpy(bridge->mac, mac, XF_MAC_SIZE);
    facts->there = true;
    facts->mtu = (uint16_t)(*mtu < XF_PROBE_MTU_MAX ? *mtu : XF_PROBE_MTU_MAX);
    facts->carrier = has_carrier(info, attrs, left);
    facts->port = foreign ? XF_PORT_FORWARDING : XF_PORT_NONE;
    facts->vlan_filtering =
        !foreign && link_number(attrs, left, IFLA_INFO_DATA, IFLA_BR_VLAN_FILTERING) != 0;
}

/* The kernel's BR_STATE_BLOCKING is the highest of its numbers, and not the best. */
static uint8_t port_state(uint32_t state)
{
    static const uint8_t states[] = {
        [BR_STATE_DISABLED] = XF_PORT_DISABLED, [BR_STATE_LISTENING] = XF_PORT_LISTENING,
        [BR_STATE_LEARNING] = XF_PORT_LEARNING, [BR_STATE_FORWARDING] = XF_PORT_FORWARDING,
        [BR_STATE_BLOCKING] = XF_PORT_BLOCKING,
    };

    return state < sizeof(states) ? states[state] : XF_PORT_DISABLED;
}

struct uplink_query {
    struct xf_net_bridge *bridge;
    bool carrier; /* of any */
};

static void take_uplink(void *arg, const struct nlmsghdr *message)
{
    struct uplink_query *query = arg;
    struct xf_net_bridge *bridge = query->bridge;
    const struct ifinfomsg *info = xf_net_message_data(message);
    const struct rtattr *attrs;
    const uint32_t *master;
    const char *name;
    uint8_t state;
    int left;

    if (message->nlmsg_type != RTM_NEWLINK || message->nlmsg_len < NLMSG_LENGTH(sizeof(*info))) {
        return;
    }
    attrs = xf_net_attr_first(message, sizeof(*info), &left);
    master = xf_net_attr_find(attrs, left, IFLA_MASTER, sizeof(*master));
    if (master == NULL || *master != (uint32_t)bridge->ifindex ||
        xf_net_attr_is_guest(attrs, left)) {
        return;
    }
    name = xf_net_attr_find(attrs, left, IFLA_IFNAME, 1);
    if (name != NULL && bridge->outside.n < XF_NET_OUTSIDE_MAX) {
        (void)snprintf(bridge->port[bridge->outside.n], sizeof(bridge->port[0]), "%s", name);
        bridge->outside.ifindex[bridge->outside.n++] = info->ifi_index;
    }
    query->carrier = query->carrier || has_carrier(info, attrs, left);
    if (xf_net_attr_is_kind(attrs, left, IFLA_INFO_SLAVE_KIND, "bridge")) {
        state = port_state(link_number(attrs, left, IFLA_INFO_SLAVE_DATA, IFLA_BRPORT_STATE));
        bridge->facts.port = state > bridge->facts.port ? state : bridge->facts.port;
    }
}

/* The bridge's own VLAN is among what its family of rtnetlink tells of all of them. */
static void take_vlan(void *arg, const struct nlmsghdr *message)
{
    struct xf_net_bridge *bridge = arg;
    const struct ifinfomsg *info = xf_net_message_data(message);
    const struct rtattr *attr;
    int left;

    if (message->nlmsg_type != RTM_NEWLINK || message->nlmsg_len < NLMSG_LENGTH(sizeof(*info)) ||
        info->ifi_index != bridge->ifindex) {
        return;
    }
    attr = xf_net_attr_first(message, sizeof(*info), &left);
    if (!xf_net_attr_enter(&attr, &left, IFLA_AF_SPEC)) {
        return;
    }
    for (; RTA_OK(attr, left); attr = xf_net_attr_next(attr, &left)) {
        const struct bridge_vlan_info *vlan = xf_net_attr_data(attr);

        if ((attr->rta_type & NLA_TYPE_MASK) == IFLA_BRIDGE_VLAN_INFO &&
            RTA_PAYLOAD(attr) >= sizeof(*vlan) && (vlan->flags & BRIDGE_VLAN_INFO_PVID) != 0) {
            bridge->facts.pvid = vlan->vid;
        }
    }
}

static void take_address(void *arg, const struct nlmsghdr *message)
{
    struct xf_net_bridge *bridge = arg;
    const struct ifaddrmsg *info = xf_net_message_data(message);
    const struct rtattr *attrs;
    const uint32_t *address;
    int left;

    if (message->nlmsg_type != RTM_NEWADDR || message->nlmsg_len < NLMSG_LENGTH(sizeof(*info)) ||
        info->ifa_index != (uint32_t)bridge->ifindex || bridge->facts.ipv4 != 0) {
        return;
    }
    attrs = xf_net_attr_first(message, sizeof(*info), &left);
    address = xf_net_attr_find(attrs, left, IFA_LOCAL, sizeof(*address));
    if (address != NULL) {
        bridge->facts.ipv4 = ntohl(*address);
        bridge->facts.prefix = info->ifa_prefixlen;
    }
}

static int ask_bridge(struct xf_net_link *link, const char *name, struct xf_net_bridge *bridge)
{
    struct xf_net_request request;
    int rc;

    xf_net_request(&request, RTM_GETLINK, 0, sizeof(request.body.link));
    xf_net_request_add(&request, IFLA_IFNAME, name, (uint16_t)(strlen(name) + 1));
    rc = xf_net_request_ask(link, &request, take_bridge, bridge);
    return rc == -ENODEV ? 0 : rc;
}

static int ask_uplinks(struct xf_net_link *link, struct xf_net_bridge *bridge)
{
    struct uplink_query query = { .bridge = bridge };
    struct xf_net_request request;
    uint32_t master = (uint32_t)bridge->ifindex;
    int rc;

    xf_net_request(&request, RTM_GETLINK, NLM_F_DUMP, sizeof(request.body.link));
    xf_net_request_add(&request, IFLA_MASTER, &master, sizeof(master));
    rc = xf_net_request_ask(link, &request, take_uplink, &query);
    bridge->facts.carrier = bridge->facts.carrier && query.carrier;
    return rc;
}

static int ask_vlan(struct xf_net_link *link, struct xf_net_bridge *bridge)
{
    struct xf_net_request request;
    uint32_t mask = RTEXT_FILTER_BRVLAN_COMPRESSED;

    xf_net_request(&request, RTM_GETLINK, NLM_F_DUMP, sizeof(request.body.link));
    request.body.link.ifi_family = AF_BRIDGE;
    xf_net_request_add(&request, IFLA_EXT_MASK, &mask, sizeof(mask));
    return xf_net_request_ask(link, &request, take_vlan, bridge);
}

static int ask_address(struct xf_net_link *link, struct xf_net_bridge *bridge)
{
    struct xf_net_request request;

    xf_net_request(&request, RTM_GETADDR, NLM_F_DUMP, sizeof(request.body.address));
    request.body.address.ifa_family = AF_INET;
    request.body.address.ifa_index = (uint32_t)bridge->ifindex;
    return xf_net_request_ask(link, &request, take_address, bridge);
}

static int ask_all(struct xf_net_link *link, const char *name, struct xf_net_bridge *bridge)
{
    int rc = ask_bridge(link, name, bridge);

    if (rc < 0 || !bridge->facts.there) {
        return rc;
    }
    /* Open vSwitch's ports are its own business. */
    rc = bridge->facts.port == XF_PORT_NONE ? ask_uplinks(link, bridge) : 0;
    if (rc == 0 && bridge->facts.vlan_filtering) {
        rc = ask_vlan(link, bridge);
    }
    return rc == 0 ? ask_address(link, bridge) : rc;
}

int xf_net_bridge(struct xf_net_link *link, const char *name, struct xf_net_bridge *ret_bridge)
{
    int rc = -EINTR;

    if (name[0] == '\0' || strlen(name) >= sizeof(ret_bridge->facts.name)) {
        return -EINVAL;
    }
    for (int i = 0; i < XF_NET_DUMP_TRIES && rc == -EINTR; i++) {
        memset(ret_bridge, 0, sizeof(*ret_bridge));
        (void)snprintf(ret_bridge->facts.name, sizeof(ret_bridge->facts.name), "%s", name);
        rc = ask_all(link, name, ret_bridge);
    }
    return rc == -EINTR ? 0 : rc;
}
