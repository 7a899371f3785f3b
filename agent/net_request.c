/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "net_request.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/if_link.h>

#include "net_link.h"

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

void xf_net_request(struct xf_net_request *request, uint16_t type, uint16_t flags, size_t body_size)
{
    memset(request, 0, sizeof(*request));
    request->header.nlmsg_len = (uint32_t)NLMSG_LENGTH(body_size);
    request->header.nlmsg_type = type;
    request->header.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
}

void xf_net_request_add(struct xf_net_request *request, uint16_t type, const void *data,
                        uint16_t size)
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

int xf_net_request_send(struct xf_net_link *link, struct xf_net_request *request)
{
    drain(link);
    request->header.nlmsg_seq = ++link->seq;
    if (send(link->fd, request, request->header.nlmsg_len, MSG_DONTWAIT) < 0) {
        return -errno;
    }
    return 0;
}

static bool message_ok(const struct nlmsghdr *message, int left)
{
    return left >= (int)sizeof(*message) && message->nlmsg_len >= sizeof(*message) &&
           message->nlmsg_len <= (unsigned)left;
}

const void *xf_net_message_data(const struct nlmsghdr *message)
{
    return (const uint8_t *)message + NLMSG_HDRLEN;
}

const void *xf_net_attr_data(const struct rtattr *attr)
{
    return (const uint8_t *)attr + RTA_LENGTH(0);
}

static const struct nlmsghdr *next_message(const struct nlmsghdr *message, int *left)
{
    int step = (int)NLMSG_ALIGN(message->nlmsg_len);

    *left -= step;
    return (const struct nlmsghdr *)(const void *)((const uint8_t *)message + step);
}

const struct rtattr *xf_net_attr_next(const struct rtattr *attr, int *left)
{
    int step = (int)RTA_ALIGN(attr->rta_len);

    *left -= step;
    return (const struct rtattr *)(const void *)((const uint8_t *)attr + step);
}

/* One datagram of answers: 1 more follow, 0 that was all, or negative errno. */
static int read_answers(struct xf_net_link *link, bool dump, bool *interrupted,
                        xf_net_message_fn fn, void *arg)
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
            const struct nlmsgerr *error = xf_net_message_data(message);

            return message->nlmsg_len < NLMSG_LENGTH(sizeof(*error)) ? -EBADMSG : error->error;
        }
        fn(arg, message);
        if (!dump) {
            return 0;
        }
    }
    return 1;
}

int xf_net_request_ask(struct xf_net_link *link, struct xf_net_request *request,
                       xf_net_message_fn fn, void *arg)
{
    bool dump = (request->header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
    bool interrupted = false;
    int rc = xf_net_request_send(link, request);

    if (rc < 0) {
        return rc;
    }
    do {
        rc = read_answers(link, dump, &interrupted, fn, arg);
    } while (rc > 0);
    return rc == 0 && interrupted ? -EINTR : rc;
}

const void *xf_net_attr_find(const struct rtattr *attr, int left, uint16_t type, size_t size)
{
    for (; RTA_OK(attr, left); attr = xf_net_attr_next(attr, &left)) {
        if ((attr->rta_type & NLA_TYPE_MASK) == type) {
            return RTA_PAYLOAD(attr) >= size ? xf_net_attr_data(attr) : NULL;
        }
    }
    return NULL;
}

const struct rtattr *xf_net_attr_first(const struct nlmsghdr *message, size_t body_size,
                                       int *ret_left)
{
    size_t at = NLMSG_SPACE(body_size);

    *ret_left = message->nlmsg_len < at ? 0 : (int)(message->nlmsg_len - at);
    return (const struct rtattr *)(const void *)((const uint8_t *)message + at);
}

bool xf_net_attr_enter(const struct rtattr **attr, int *left, uint16_t type)
{
    for (; RTA_OK(*attr, *left); *attr = xf_net_attr_next(*attr, left)) {
        if (((*attr)->rta_type & NLA_TYPE_MASK) == type) {
            *left = (int)RTA_PAYLOAD(*attr);
            *attr = xf_net_attr_data(*attr);
            return true;
        }
    }
    return false;
}

bool xf_net_attr_is_kind(const struct rtattr *attr, int left, uint16_t type, const char *name)
{
    size_t size = strlen(name) + 1;
    const char *kind;

    if (!xf_net_attr_enter(&attr, &left, IFLA_LINKINFO)) {
        return false;
    }
    kind = xf_net_attr_find(attr, left, type, size);
    return kind != NULL && memcmp(kind, name, size) == 0;
}

/* Xen's back ends are called vif<domid>.<number>, whatever tool stack made them. */
static bool is_vif_name(const char *name)
{
    unsigned domid;
    unsigned number;
    int end = 0;

    return sscanf(name, "vif%u.%u%n", &domid, &number, &end) == 2 && name[end] == '\0';
}

bool xf_net_attr_is_guest(const struct rtattr *attr, int left)
{
    const char *name = xf_net_attr_find(attr, left, IFLA_IFNAME, 1);

    return xf_net_attr_is_kind(attr, left, IFLA_INFO_KIND, "tun") ||
           (name != NULL && is_vif_name(name));
}
