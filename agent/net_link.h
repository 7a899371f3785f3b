/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What address hand-over asks the kernel: ports of a bridge, behind which one a MAC is found, raw
 * sockets on them. By rtnetlink and not /sys, which may show another network namespace than ours.
 * A request is answered while it is made, so nothing here waits.
 */
#ifndef XF_NET_LINK_H
#define XF_NET_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/filter.h>
#include <sys/types.h>

#include "announce.h"
#include "probe.h"

/* Ports of one bridge that lead outside: one, or a few uplinks side by side. */
#define XF_NET_OUTSIDE_MAX 8u
#define XF_NET_FILTER_MAX  48u /* instructions of our own filters */

struct xf_net_link {
    int fd; /* -1: closed */
    uint32_t seq;
    /* Two pages and more: what the kernel fills at once in a dump (NLMSG_GOODSIZE and above). */
    _Alignas(8) uint8_t buf[32768];
};

/* Interfaces by index; 0 is none. */
struct xf_net_ports {
    size_t n;
    int ifindex[XF_NET_OUTSIDE_MAX];
};

struct xf_net_bridge {
    int ifindex; /* 0: there is none */
    uint8_t mac[XF_MAC_SIZE];
    struct xf_bridge_facts facts;
    struct xf_net_ports outside;
    char port[XF_NET_OUTSIDE_MAX][16]; /* the names of .outside */
};

int xf_net_link_open(struct xf_net_link *link);
void xf_net_link_close(struct xf_net_link *link); /* also when closed */

/* Ports of the bridge that are neither a tap nor a Xen vif. 0 or negative errno. */
int xf_net_outside(struct xf_net_link *link, int bridge, struct xf_net_ports *ret_ports);
/* Is it one of those behind which guests are: a tap or a Xen vif? */
bool xf_net_is_guest(struct xf_net_link *link, int ifindex);
/*
 * What the kernel says of the bridge of that name; facts.error stays 0. A bridge is one of the
 * kernel's or one of Open vSwitch's, whose ports the kernel does not show: it counts as
 * forwarding. 0, also when there is none, or negative errno.
 */
int xf_net_bridge(struct xf_net_link *link, const char *name, struct xf_net_bridge *ret_bridge);
/*
 * Ports behind which the bridge has learned this MAC (one for each VLAN at most). 0, also when
 * there is none, or negative errno.
 */
int xf_net_whereabouts(struct xf_net_link *link, int bridge, const uint8_t mac[static XF_MAC_SIZE],
                       struct xf_net_ports *ret_ports);
/* The bridge no longer expects the MAC behind that port. Best effort; allocates, opens nothing. */
void xf_net_forget(struct xf_net_link *link, int port, const uint8_t mac[static XF_MAC_SIZE]);

/*
 * A socket that hears what arrives at this interface and passes the filter. buffer: bytes that may
 * queue. Negative errno, or the descriptor.
 */
int xf_net_listen(int ifindex, const struct sock_filter *filter, unsigned short length, int buffer);
/* The same socket, at another interface. */
int xf_net_listen_move(int fd, int ifindex);

struct xf_net_packet {
    size_t size;    /* bytes in buf, cut to its size */
    size_t whole;   /* bytes that the frame had */
    uint16_t vlan;  /* taken off by the kernel, or XF_VLAN_NONE */
    uint64_t at_ns; /* CLOCK_MONOTONIC, when the kernel got it */
    uint8_t buf[128];
};

/* 0; -EAGAIN nothing there; or negative errno. */
int xf_net_receive(int fd, struct xf_net_packet *ret_packet);

uint64_t xf_net_now_ns(void); /* CLOCK_MONOTONIC */

#endif
