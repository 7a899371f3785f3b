/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Address hand-over, the pure half: the frames that tell a network where a domain lives now, and
 * what a domain's own frames tell about its addresses. agent/net_*.c sends and receives them.
 *
 * A move changes no address, only the port behind which the MAC is found. So the broadcast itself
 * is the message to switches (RARP carries nothing else), and ARP and neighbour advertisements also
 * reach those who keep both in one table, such as layer-3 switches.
 */
#ifndef XF_ANNOUNCE_H
#define XF_ANNOUNCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

#define XF_MAC_SIZE       6u
#define XF_IPV6_SIZE      16u
#define XF_LEARN_MAX      8u  /* addresses of each family that are kept of one vif */
#define XF_TOLD_MAX       4u  /* of them, IPv4 alone, in a guest's own words */
#define XF_ADDRESSES_VIFS 8u  /* as XF_VIFS_MAX in agent/drivers.h, asserted there */
#define XF_VLAN_NONE      0u  /* 802.1Q: VID 0 is "no VLAN, priority only" */
#define XF_ANNOUNCE_SIZE  96u /* tag, IPv6 header and advertisement with its option: 90 bytes */
/* Of one vif: RARP in each VLAN, two forms of ARP, one advertisement. */
#define XF_ANNOUNCES_MAX  (2u * XF_LEARN_MAX + 1u + 3u * XF_LEARN_MAX)
/* Bytes of a whole struct xf_addresses at most. */
#define XF_ADDRESSES_SIZE                                                                          \
    (1u + XF_ADDRESSES_VIFS *                                                                      \
              (XF_MAC_SIZE + 3u + XF_LEARN_MAX * 6u + XF_LEARN_MAX * (XF_IPV6_SIZE + 2u)))

/*
 * Does the domain forward IPv6 packets? An advertisement must repeat it: neighbours drop a router
 * whose advertisement says that it is none (RFC 4861, 7.2.5). So while unknown, none is sent.
 */
enum xf_ipv6_role {
    XF_IPV6_ROLE_UNKNOWN,
    XF_IPV6_ROLE_HOST,
    XF_IPV6_ROLE_ROUTER,
    XF_N_IPV6_ROLES,
};

struct xf_ipv4_heard {
    uint32_t address; /* host order */
    uint16_t vlan;    /* tagged by the domain itself, or XF_VLAN_NONE */
};

struct xf_ipv6_heard {
    uint8_t address[XF_IPV6_SIZE];
    uint16_t vlan;
};

struct xf_vif_addresses {
    uint8_t mac[XF_MAC_SIZE];
    uint8_t role; /* enum xf_ipv6_role */
    uint8_t n_ipv4;
    uint8_t n_ipv6;
    struct xf_ipv4_heard ipv4[XF_LEARN_MAX];
    struct xf_ipv6_heard ipv6[XF_LEARN_MAX];
};

/* All that is known of a domain's addresses: learned where it runs, announced where it arrives. */
struct xf_addresses {
    uint32_t n_vifs;
    struct xf_vif_addresses vif[XF_ADDRESSES_VIFS];
};

/* A frame ready to be sent, at least as long as Ethernet's minimum without its checksum. */
struct xf_announcement {
    uint16_t size;
    bool neighbour; /* a neighbour advertisement: sent in fewer bursts */
    uint8_t b[XF_ANNOUNCE_SIZE];
};

/*
 * When bursts go out, counted from the moment the domain runs. Dense at first as QEMU's
 * self-announcement is (50 ms, then steps of 100 ms): a switch whose port is still coming up misses
 * the first one, and that costs the guest the time until the next. Then RFC 4861's tail of seconds
 * (RetransTimer), long enough for link aggregation and for RFC 5227's second announcement
 * (ANNOUNCE_INTERVAL, 2 s). Advertisements MUST be RetransTimer apart and MAY be
 * MAX_NEIGHBOR_ADVERTISEMENT = 3 (RFC 4861 7.2.6), so the dense part has one of them.
 */
#define XF_ANNOUNCE_BURSTS 9u
struct xf_announce_burst {
    uint32_t at_ms;
    bool neighbours;
};
extern const struct xf_announce_burst xf_announce_schedule[XF_ANNOUNCE_BURSTS];

/* One announcement each. vlan: XF_VLAN_NONE or 1..4094. */
void xf_announce_rarp(const uint8_t mac[static XF_MAC_SIZE], uint16_t vlan,
                      struct xf_announcement *ret_frame);
void xf_announce_arp_request(const uint8_t mac[static XF_MAC_SIZE], uint16_t vlan, uint32_t address,
                             struct xf_announcement *ret_frame);
void xf_announce_arp_reply(const uint8_t mac[static XF_MAC_SIZE], uint16_t vlan, uint32_t address,
                           struct xf_announcement *ret_frame);
void xf_announce_neighbour(const uint8_t mac[static XF_MAC_SIZE], uint16_t vlan,
                           const uint8_t address[static XF_IPV6_SIZE], bool router,
                           struct xf_announcement *ret_frame);

/*
 * Every frame of one vif: RARP untagged and in each VLAN heard, ARP in both forms, advertisements
 * when the role is known. Returns how many, at most XF_ANNOUNCES_MAX.
 */
size_t xf_announce_build(const struct xf_vif_addresses *vif,
                         struct xf_announcement ret_frames[static XF_ANNOUNCES_MAX]);

/* What one frame from a domain tells. */
struct xf_heard {
    uint8_t mac[XF_MAC_SIZE]; /* of the frame's sender */
    uint8_t role;             /* enum xf_ipv6_role, as far as this frame tells */
    bool has_ipv4;
    bool has_ipv6;
    uint16_t vlan;
    uint32_t ipv4;
    uint8_t ipv6[XF_IPV6_SIZE];
};

/*
 * Reads a frame from its destination MAC on, possibly cut short; vlan is the tag that the kernel
 * has taken off already, or XF_VLAN_NONE. 0; -ENOENT when it tells no address; -EBADMSG when it is
 * cut before it could. Checksums are not looked at: in a domain's frames they may not be filled in
 * yet.
 */
int xf_announce_parse(const uint8_t *buf, size_t size, uint16_t vlan, struct xf_heard *ret_heard);

/* True when it was new. A frame from another MAC, or one too many, is left out. */
bool xf_addresses_learn(struct xf_vif_addresses *vif, const struct xf_heard *heard);
/*
 * What a guest wrote of an address of that vif's, untrusted: only "10.0.0.7" as it stands counts, and
 * no more than XF_TOLD_MAX. True when it was new.
 */
bool xf_addresses_told(struct xf_vif_addresses *vif, const char *text, size_t size);
/* Takes over what `more` knows of the same MACs; its other vifs are left out. */
void xf_addresses_merge(struct xf_addresses *addresses, const struct xf_addresses *more);

/* For a payload; XF_ADDRESSES_SIZE bytes are always enough. Bytes written, or -EMSGSIZE. */
int xf_addresses_encode(const struct xf_addresses *addresses, uint8_t *buf, size_t size);
/* 0 or -EBADMSG; what decodes is safe to announce. */
int xf_addresses_decode(const uint8_t *buf, size_t size, struct xf_addresses *ret_addresses);

#endif
