/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "net_link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

/* An interface that changes while they are listed makes the kernel say so; so often it is tried. */
#define DUMP_TRIES 3

typedef void (*message_fn)(void *arg, const struct nlmsghdr *message);

int xf_net_link_open(struct xf_net_link *link)
{
    static const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
    int on = 1;

    link->seq = 0;
    link->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (link->fd < 0) {
        return -errno;
    }
    /* Makes the kernel list one bridge only; where it is unknown, we sift ourselves. */
    (void)setsockopt(link->fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
    if (connect(link->fd, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0) {
        int rc = -errno;

        xf_net_link_close(link);
        return rc;
    }
    return 0;
}

void xf_net_link_close(struct xf_net_link *link)
{
    if (link->fd >= 0) {
        (void)close(link->fd);
    }
    link->fd = -1;
}

/* ---- requests and answers ---- */

struct request {
    struct nlmsghdr header;
    union {
        struct ifinfomsg link;
        struct ndmsg neighbour;
    } body;
    uint8_t attrs[64];
};

static void start_request(struct request *request, uint16_t type, uint16_t flags, size_t body_size)
{
    memset(request, 0, sizeof(*request));
    request->header.nlmsg_len = (uint32_t)NLMSG_LENGTH(body_size);
    request->header.nlmsg_type = type;
    request->header.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
}

static void add_attr(struct request *request, uint16_t type, const void *data, uint16_t size)
{
    struct rtattr attr = { .rta_len = (uint16_t)RTA_LENGTH(size), .rta_type = type };
    uint8_t *at = (uint8_t *)request + NLMSG_ALIGN(request->header.nlmsg_len);

    memcpy(at, &attr, sizeof(attr));
    memcpy(at + RTA_LENGTH(0), data, size);
    request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) + (uint32_t)RTA_SPACE(size);
}

/* Left over from a request that nobody waited for, such as the error of xf_net_forget(). */
static void drain(struct xf_net_link *link)
{
    while (recv(link->fd, link->buf, sizeof(link->buf), MSG_DONTWAIT) > 0) {
    }
}

static int send_request(struct xf_net_link *link, struct request *request)
{
    drain(link);
    request->header.nlmsg_seq = ++link->seq;
    if (send(link->fd, request, request->header.nlmsg_len, MSG_DONTWAIT) < 0) {
        return -errno;
    }
    return 0;
}

/*
 * The walk through messages and attributes, as functions: the macros of <linux/netlink.h> lose
 * const and want one variable to be signed and unsigned at once. What is left may end up below
 * zero, as the last one need not be padded.
 */
static bool message_ok(const struct nlmsghdr *message, int left)
{
    return left >= (int)sizeof(*message) && message->nlmsg_len >= sizeof(*message) &&
           message->nlmsg_len <= (unsigned)left;
}

static const void *message_data(const struct nlmsghdr *message)
{
    return (const uint8_t *)message + NLMSG_HDRLEN;
}

static const void *attr_data(const struct rtattr *attr)
{
    return (const uint8_t *)attr + RTA_LENGTH(0);
}

static const struct nlmsghdr *next_message(const struct nlmsghdr *message, int *left)
{
    int step = (int)NLMSG_ALIGN(message->nlmsg_len);

    *left -= step;
    return (const struct nlmsghdr *)(const void *)((const uint8_t *)message + step);
}

static const struct rtattr *next_attr(const struct rtattr *attr, int *left)
{
    int step = (int)RTA_ALIGN(attr->rta_len);

    *left -= step;
    return (const struct rtattr *)(const void *)((const uint8_t *)attr + step);
}

/* One datagram of answers: 1 more follow, 0 that was all, or negative errno. */
static int read_answers(struct xf_net_link *link, bool dump, bool *interrupted, message_fn fn,
                        void *arg)
{
    ssize_t got = recv(link->fd, link->buf, sizeof(link->buf), MSG_DONTWAIT | MSG_TRUNC);
    const struct nlmsghdr *message = (const struct nlmsghdr *)link->buf;
    int left = (int)got;

    if (got < 0) {
        return -errno;
    }
    if ((size_t)got > sizeof(link->buf)) {
        return -EMSGSIZE;
    }
    for (; message_ok(message, left); message = next_message(message, &left)) {
        if (message->nlmsg_seq != link->seq) {
            continue;
        }
        *interrupted = *interrupted || (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
        if (message->nlmsg_type == NLMSG_DONE) {
            return 0;
        }
        if (message->nlmsg_type == NLMSG_ERROR) {
            const struct nlmsgerr *error = message_data(message);

            return message->nlmsg_len < NLMSG_LENGTH(sizeof(*error)) ? -EBADMSG : error->error;
        }
        fn(arg, message);
        if (!dump) {
            return 0;
        }
    }
    return 1;
}

/* 0; -EINTR when the list changed while it was read; or negative errno. */
static int ask(struct xf_net_link *link, struct request *request, message_fn fn, void *arg)
{
    bool dump = (request->header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
    bool interrupted = false;
    int rc = send_request(link, request);

    if (rc < 0) {
        return rc;
    }
    do {
        rc = read_answers(link, dump, &interrupted, fn, arg);
    } while (rc > 0);
    return rc == 0 && interrupted ? -EINTR : rc;
}

/* Points at the attribute's data, or NULL when it is missing or shorter than size. */
static const void *find_attr(const struct rtattr *attr, int left, uint16_t type, size_t size)
{
    for (; RTA_OK(attr, left); attr = next_attr(attr, &left)) {
        if ((attr->rta_type & NLA_TYPE_MASK) == type) {
            return RTA_PAYLOAD(attr) >= size ? attr_data(attr) : NULL;
        }
    }
    return NULL;
}

static const struct rtattr *first_attr(const struct nlmsghdr *message, size_t body_size,
                                       int *ret_left)
{
    size_t at = NLMSG_SPACE(body_size);

    *ret_left = message->nlmsg_len < at ? 0 : (int)(message->nlmsg_len - at);
    return (const struct rtattr *)(const void *)((const uint8_t *)message + at);
}

/* ---- interfaces ---- */

struct port_query {
    int bridge;
    bool guest; /* of the last interface seen */
    struct xf_net_ports ports;
};

/* Xen's back ends are called vif<domid>.<number>, whatever tool stack made them. */
static bool is_vif_name(const char *name)
{
    unsigned domid;
    unsigned number;
    int end = 0;

    return sscanf(name, "vif%u.%u%n", &domid, &number, &end) == 2 && name[end] == '\0';
}

static bool is_tap(const struct rtattr *attr, int left)
{
    for (; RTA_OK(attr, left); attr = next_attr(attr, &left)) {
        if ((attr->rta_type & NLA_TYPE_MASK) == IFLA_LINKINFO) {
            const char *kind =
                find_attr(attr_data(attr), (int)RTA_PAYLOAD(attr), IFLA_INFO_KIND, sizeof("tun"));

            return kind != NULL && memcmp(kind, "tun", sizeof("tun")) == 0;
        }
    }
    return false;
}

static void add_port(struct xf_net_ports *ports, int ifindex)
{
    if (ports->n < XF_NET_OUTSIDE_MAX) {
        ports->ifindex[ports->n++] = ifindex;
    }
}

static void take_link(void *arg, const struct nlmsghdr *message)
{
    struct port_query *query = arg;
    const struct ifinfomsg *info = message_data(message);
    const struct rtattr *attrs;
    const uint32_t *master;
    const char *name;
    int left;

    if (message->nlmsg_type != RTM_NEWLINK ||
        message->nlmsg_len < NLMSG_LENGTH(sizeof(struct ifinfomsg))) {
        return;
    }
    attrs = first_attr(message, sizeof(*info), &left);
    master = find_attr(attrs, left, IFLA_MASTER, sizeof(*master));
    name = find_attr(attrs, left, IFLA_IFNAME, 1);
    query->guest = is_tap(attrs, left) || (name != NULL && is_vif_name(name));
    if (!query->guest && master != NULL && *master == (uint32_t)query->bridge) {
        add_port(&query->ports, info->ifi_index);
    }
}

int xf_net_outside(struct xf_net_link *link, int bridge, struct xf_net_ports *ret_ports)
{
    struct port_query query;
    struct request request;
    uint32_t master = (uint32_t)bridge;
    int rc = -EINTR;

    for (int i = 0; i < DUMP_TRIES && rc == -EINTR; i++) {
        query = (struct port_query){ .bridge = bridge };
        start_request(&request, RTM_GETLINK, NLM_F_DUMP, sizeof(request.body.link));
        add_attr(&request, IFLA_MASTER, &master, sizeof(master));
        rc = ask(link, &request, take_link, &query);
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
    struct request request;

    start_request(&request, RTM_GETLINK, 0, sizeof(request.body.link));
    request.body.link.ifi_index = ifindex;
    return ask(link, &request, take_link, &query) == 0 && query.guest;
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
    const struct ndmsg *entry = message_data(message);
    const struct rtattr *attrs;
    const uint32_t *master;
    const uint8_t *mac;
    int left;

    if (message->nlmsg_type != RTM_NEWNEIGH || message->nlmsg_len < NLMSG_LENGTH(sizeof(*entry))) {
        return;
    }
    attrs = first_attr(message, sizeof(*entry), &left);
    mac = find_attr(attrs, left, NDA_LLADDR, XF_MAC_SIZE);
    /* Entries of a port's own filter have no master; permanent ones are the host's own MACs. */
    master = find_attr(attrs, left, NDA_MASTER, sizeof(*master));
    if (master != NULL && *master == (uint32_t)query->bridge && mac != NULL &&
        memcmp(mac, query->mac, XF_MAC_SIZE) == 0 && (entry->ndm_state & NUD_PERMANENT) == 0) {
        add_port(&query->ports, entry->ndm_ifindex);
    }
}

int xf_net_whereabouts(struct xf_net_link *link, int bridge, const uint8_t mac[static XF_MAC_SIZE],
                       struct xf_net_ports *ret_ports)
{
    struct fdb_query query;
    struct request request;
    uint32_t master = (uint32_t)bridge;
    int rc = -EINTR;

    for (int i = 0; i < DUMP_TRIES && rc == -EINTR; i++) {
        query = (struct fdb_query){ .bridge = bridge, .mac = mac };
        start_request(&request, RTM_GETNEIGH, NLM_F_DUMP, sizeof(request.body.neighbour));
        request.body.neighbour.ndm_family = AF_BRIDGE;
        add_attr(&request, NDA_MASTER, &master, sizeof(master));
        rc = ask(link, &request, take_neighbour, &query);
    }
    if (rc < 0 && rc != -EINTR) {
        return rc;
    }
    *ret_ports = query.ports;
    return 0;
}

void xf_net_forget(struct xf_net_link *link, int port, const uint8_t mac[static XF_MAC_SIZE])
{
    struct request request;

    start_request(&request, RTM_DELNEIGH, 0, sizeof(request.body.neighbour));
    request.body.neighbour.ndm_family = AF_BRIDGE;
    request.body.neighbour.ndm_ifindex = port;
    request.body.neighbour.ndm_flags = NTF_MASTER;
    add_attr(&request, NDA_LLADDR, mac, XF_MAC_SIZE);
    /* That there is no such entry is as good an answer as any. */
    (void)send_request(link, &request);
}
