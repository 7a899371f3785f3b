/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The layer-2 probe: frames of EtherType 88B5h (IEEE 802, local experimental) that two hosts send to
 * each other on a bridge, what each of them heard, the search for the largest that passes, and the
 * verdict. Pure; agent/net_probe.c has the sockets. docs/preflight.md has the bytes.
 */
#ifndef XF_PROBE_H
#define XF_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "finding.h"
#include "ids.h"

#define XF_PROBE_ETHERTYPE   0x88B5u
#define XF_PROBE_NONCE_SIZE  16u
#define XF_PROBE_HEADER_SIZE 64u /* Ethernet header, ours, without padding */
#define XF_PROBE_MTU_MIN     68u /* RFC 791's */
#define XF_PROBE_MTU_MAX     65535u
#define XF_PROBE_SIZES_MAX   16u /* sizes that one round tries */

struct xf_probe_frame {
    uint8_t to[6];
    uint8_t from[6];
    uint8_t nonce[XF_PROBE_NONCE_SIZE]; /* of the check: a frame of another is none of ours */
    struct xf_node sender;
    bool by_target; /* direction: what the source sent must not count as heard by the source */
    uint8_t bridge; /* its number in the check */
    uint8_t round;
    uint16_t mtu; /* bytes behind the Ethernet header, this frame's own size */
};

/* Bytes written: 14 + frame->mtu, or 60 at least; -EMSGSIZE, -EINVAL. */
int xf_probe_encode(const struct xf_probe_frame *frame, uint8_t *buf, size_t size);
/* 0; -EBADMSG: not one, or cut off on the way. */
int xf_probe_decode(const uint8_t *buf, size_t size, struct xf_probe_frame *ret_frame);

/* Which sizes a round tries: the first the smallest and the full one, later ones narrow down. */
struct xf_probe_search {
    uint16_t full;   /* the smaller of both bridges' MTU */
    uint16_t passed; /* largest that was heard; 0: none */
    uint16_t lost;   /* smallest that was not; full + 1: none */
    uint8_t round;
};
void xf_probe_search_init(struct xf_probe_search *search, uint16_t mtu_a, uint16_t mtu_b);
/* Sizes of the next round, ascending; 0: the search is over. */
uint32_t xf_probe_search_next(const struct xf_probe_search *search,
                              uint16_t ret_size[static XF_PROBE_SIZES_MAX]);
/* heard[i]: size[i] was heard in both directions. Frames get lost by chance too: a size counts as lost only if no larger one passed. */
void xf_probe_search_learn(struct xf_probe_search *search, const uint16_t *size, const bool *heard,
                           uint32_t n);

enum xf_port_state { /* the kernel's BR_STATE_*, of the bridge's uplink ports: the best of them */
                     XF_PORT_NONE,
                     XF_PORT_DISABLED,
                     XF_PORT_BLOCKING,
                     XF_PORT_LISTENING,
                     XF_PORT_LEARNING,
                     XF_PORT_FORWARDING,
                     XF_N_PORTS,
};

/* What one host says of one bridge. */
struct xf_bridge_facts {
    char name[16];
    bool there; /* an interface of that name that can carry vifs */
    bool carrier;
    uint16_t mtu;
    uint8_t port; /* enum xf_port_state */
    bool vlan_filtering;
    uint16_t pvid; /* of the bridge itself; 0: none */
    uint32_t ipv4; /* host order; 0: none */
    uint8_t prefix;
    uint16_t error; /* errno of opening the probe's socket */
};

/* What was heard on one bridge at the end. */
struct xf_probe_result {
    struct xf_bridge_facts source;
    struct xf_bridge_facts target;
    bool source_heard; /* any of the target's frames */
    bool target_heard; /* any of the source's */
    struct xf_probe_search search;
    bool
        mac_taken; /* the domain's MAC came in from outside at the source, or lives at the target */
    bool ip_taken;
    char who[32]; /* by whom: a MAC's text */
};

void xf_probe_judge(const struct xf_probe_result *result, struct xf_findings *findings);

#endif
