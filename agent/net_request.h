/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests to rtnetlink and the walk through what it answers: what net_link.c and net_bridge.c are
 * made of. The walk is functions: the macros of <linux/netlink.h> lose const and want one variable
 * to be signed and unsigned at once. What is left may end up below zero, as the last one need not
 * be padded.
 */
#ifndef XF_NET_REQUEST_H
#define XF_NET_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

struct xf_net_link;

/* An interface that changes while they are listed makes the kernel say so; so often it is tried. */
#define XF_NET_DUMP_TRIES 3

typedef void (*xf_net_message_fn)(void *arg, const struct nlmsghdr *message);

struct xf_net_request {
    struct nlmsghdr header;
    union {
        struct ifinfomsg link;
        struct ifaddrmsg address;
        struct ndmsg neighbour;
    } body;
    uint8_t attrs[64];
};

void xf_net_request(struct xf_net_request *request, uint16_t type, uint16_t flags,
                    size_t body_size);
void xf_net_request_add(struct xf_net_request *request, uint16_t type, const void *data,
                        uint16_t size);
/* Nobody waits for the answer. 0 or negative errno. */
int xf_net_request_send(struct xf_net_link *link, struct xf_net_request *request);
/* fn gets each answer. 0; -EINTR when the list changed while it was read; or negative errno. */
int xf_net_request_ask(struct xf_net_link *link, struct xf_net_request *request,
                       xf_net_message_fn fn, void *arg);

const void *xf_net_message_data(const struct nlmsghdr *message);
const struct rtattr *xf_net_attr_first(const struct nlmsghdr *message, size_t body_size,
                                       int *ret_left);
const struct rtattr *xf_net_attr_next(const struct rtattr *attr, int *left);
const void *xf_net_attr_data(const struct rtattr *attr);
/* The attribute's data, or NULL when it is missing or shorter than size. */
const void *xf_net_attr_find(const struct rtattr *attr, int left, uint16_t type, size_t size);
/* Steps down into an attribute that holds others. false: it is not there. */
bool xf_net_attr_enter(const struct rtattr **attr, int *left, uint16_t type);
/* Is the interface of that kind; or, with IFLA_INFO_SLAVE_KIND, a port of one? */
bool xf_net_attr_is_kind(const struct rtattr *attr, int left, uint16_t type, const char *name);
/* Is the interface one of those behind which guests are: a tap or a Xen vif? */
bool xf_net_attr_is_guest(const struct rtattr *attr, int left);

#endif
