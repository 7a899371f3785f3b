/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The layer-2 probe: frames of EtherType 88B5h (IEEE 802, local experimental) that two hosts send to
 * each other on a bridge, what each of them heard, the search for the largest that passes, and the
 * verdict. Pure; agent/net_probe.c has the sockets. docs/layer2-proof.md has the bytes and the rules.
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
#define XF_PROBE_NONCE_AT    22u /* where it lies in the frame */
#define XF_PROBE_HEADER_SIZE 64u /* Ethernet header, ours, without padding */
#define XF_PROBE_MTU_MIN     68u /* RFC 791's */
#define XF_PROBE_MTU_MAX     65535u
#define XF_PROBE_SIZES_MAX   16u /* sizes that one round tries */
#define XF_PROBE_ROUNDS_MAX  16u /* 8 are enough for 65535 bytes; frames get lost by chance, too */
#define XF_PROBE_ARP_SIZE    60u /* Ethernet's minimum without its checksum */

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

/* Bytes written: 14 + frame->mtu; -EMSGSIZE, -EINVAL. */
int xf_probe_encode(const struct xf_probe_frame *frame, uint8_t *buf, size_t size);
/* buf: the first bytes of a frame that had `whole` when it arrived. 0; -EBADMSG: not one, or cut off on the way. */
int xf_probe_decode(const uint8_t *buf, size_t size, size_t whole,
                    struct xf_probe_frame *ret_frame);

/* Asks who has the address, for no address of its own (RFC 5227, 2.1.1), so that nobody learns it. */
void xf_probe_arp(const uint8_t from[static 6], uint32_t address,
                  uint8_t ret_frame[static XF_PROBE_ARP_SIZE]);
/* An ARP frame's sender: its address and MAC. 0; -EBADMSG: it is none, or names no address. */
int xf_probe_arp_sender(const uint8_t *buf, size_t size, uint32_t *ret_address,
                        uint8_t ret_mac[static 6]);

/* Which sizes a round tries: the first the smallest and the full one, later ones narrow down. */
struct xf_probe_search {
    uint16_t full;   /* the smaller of both bridges' MTU; 0: unknown */
    uint16_t passed; /* largest that was heard; 0: none */
    uint32_t lost;   /* smallest that was not; full + 1: none */
    uint8_t n_lost;  /* rounds in which it was not */
    uint8_t round;
    bool late; /* the last round proved no loss: its frames may be on their way still */
};
void xf_probe_search_init(struct xf_probe_search *search, uint16_t mtu_a, uint16_t mtu_b);
/*
 * Sizes of the next round, ascending; 0: the search is over. The smallest is always among them and
 * has to be sent last: none before it can then come after it.
 */
uint32_t xf_probe_search_next(const struct xf_probe_search *search,
                              uint16_t ret_size[static XF_PROBE_SIZES_MAX]);
/*
 * heard[i]: size[i] was heard in both directions. Frames get lost by chance too: a size counts as
 * lost only if no larger one passed and the smallest, which was sent last, was heard; and the search
 * ends only when the limit was lost in two rounds. After a round that is .late the next one is to be
 * given more time.
 */
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
