/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "announce.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "text.h"

/* IEEE 802 and IANA numbers. */
enum {
    ETHERTYPE_IPV4 = 0x0800,
    ETHERTYPE_ARP = 0x0806,
    ETHERTYPE_RARP = 0x8035,
    ETHERTYPE_VLAN = 0x8100,
    ETHERTYPE_IPV6 = 0x86dd,
    ARP_ETHERNET = 1,
    ARP_REQUEST = 1,
    ARP_REPLY = 2,
    RARP_REQUEST = 3, /* RFC 903 */
    PROTOCOL_ICMPV6 = 58,
    ND_ROUTER_SOLICIT = 133, /* RFC 4861, 4 */
    ND_ROUTER_ADVERT = 134,
    ND_NEIGHBOUR_SOLICIT = 135,
    ND_NEIGHBOUR_ADVERT = 136,
    ND_OPTION_TARGET = 2,
    ND_HOPS = 255, /* RFC 4861, 7.1: proves that no router passed it on */
};

enum {
    ETHERNET_SIZE = 14,
    ETHERNET_MIN = 60, /* 64 with the checksum that the card adds */
    ARP_SIZE = 28,
    IPV4_SIZE = 20,
    IPV6_SIZE = 40,
    ADVERT_SIZE = 24,
    ADVERT_OPTION_SIZE = 8,
    VLAN_MASK = 0x0fff,
    VLAN_LAST = 4094, /* 4095 is reserved */
};

#define ND_ROUTER_FLAG   0x80u
#define ND_OVERRIDE_FLAG 0x20u

const struct xf_announce_burst xf_announce_schedule[XF_ANNOUNCE_BURSTS] = {
    { .at_ms = 0, .neighbours = true },     { .at_ms = 50, .neighbours = false },
    { .at_ms = 150, .neighbours = false },  { .at_ms = 250, .neighbours = false },
    { .at_ms = 350, .neighbours = false },  { .at_ms = 450, .neighbours = false },
    { .at_ms = 1450, .neighbours = true },  { .at_ms = 2450, .neighbours = true },
    { .at_ms = 3450, .neighbours = false },
};

static const uint8_t broadcast[XF_MAC_SIZE] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

/* ---- what may be announced at all ---- */

static bool mac_usable(const uint8_t mac[XF_MAC_SIZE])
{
    static const uint8_t zero[XF_MAC_SIZE];

    return (mac[0] & 1) == 0 && memcmp(mac, zero, XF_MAC_SIZE) != 0;
}

/* One host's address: not "this network", loopback, multicast, reserved or broadcast (RFC 6890). */
static bool ipv4_usable(uint32_t address)
{
    uint32_t net = address >> 24;

    return net != 0 && net != 127 && net < 224;
}

/* Not multicast, and not in ::/96 (unspecified, loopback, IPv4-compatible). */
static bool ipv6_usable(const uint8_t address[XF_IPV6_SIZE])
{
    static const uint8_t zero[12];

    return address[0] != 0xff && memcmp(address, zero, sizeof(zero)) != 0;
}

/* ---- building ---- */

static void put_be16(struct xf_put *p, uint32_t v)
{
    xf_put_u8(p, (uint8_t)(v >> 8));
    xf_put_u8(p, (uint8_t)v);
}

static void put_be32(struct xf_put *p, uint32_t v)
{
    put_be16(p, v >> 16);
    put_be16(p, v & 0xffffu);
}

static struct xf_put begin(struct xf_announcement *frame, const uint8_t *dst, const uint8_t *mac,
                           uint16_t vlan, uint16_t type)
{
    struct xf_put p = { .buf = frame->b, .size = sizeof(frame->b) };

    assert(vlan <= VLAN_LAST);
    memset(frame, 0, sizeof(*frame));
    xf_put_bytes(&p, dst, XF_MAC_SIZE);
    xf_put_bytes(&p, mac, XF_MAC_SIZE);
    if (vlan != XF_VLAN_NONE) {
        put_be16(&p, ETHERTYPE_VLAN);
        put_be16(&p, vlan);
    }
    put_be16(&p, type);
    return p;
}

static void finish(const struct xf_put *p, struct xf_announcement *frame)
{
    assert(!p->failed);
    frame->size = (uint16_t)(p->len < ETHERNET_MIN ? ETHERNET_MIN : p->len);
}

static void build_arp(const uint8_t *mac, uint16_t vlan, uint16_t type, uint16_t op,
                      uint32_t address, const uint8_t *target, struct xf_announcement *ret_frame)
{
    struct xf_put p = begin(ret_frame, broadcast, mac, vlan, type);

    put_be16(&p, ARP_ETHERNET);
    put_be16(&p, ETHERTYPE_IPV4);
    xf_put_u8(&p, XF_MAC_SIZE);
    xf_put_u8(&p, sizeof(address));
    put_be16(&p, op);
    xf_put_bytes(&p, mac, XF_MAC_SIZE);
    put_be32(&p, address);
    xf_put_bytes(&p, target, XF_MAC_SIZE);
    put_be32(&p, address);
    finish(&p, ret_frame);
}

/* RFC 903 asks for one's own address and names one's own MAC twice; nobody needs to answer. */
void xf_announce_rarp(const uint8_t mac[static XF_MAC_SIZE], uint16_t vlan,
                      struct xf_announcement *ret_frame)
{
    build_arp(mac, vlan, ETHERTYPE_RARP, RARP_REQUEST, 0, mac, ret_frame);
}

/* RFC 5227, 3: the form that an announcement should have; the target's MAC is not used. */
void xf_announce_arp_request(const uint8_t mac[static XF_MAC_SIZE], uint16_t vlan, uint32_t address,
                             struct xf_announcement *ret_frame)
{
    static const uint8_t zero[XF_MAC_SIZE];

    build_arp(mac, vlan, ETHERTYPE_ARP, ARP_REQUEST, address, zero, ret_frame);
}

/* For those who only take replies. RFC 5944, 4.6: the target's MAC is the one to be remembered. */
void xf_announce_arp_reply(const uint8_t mac[static XF_MAC_SIZE], uint16_t vlan, uint32_t address,
                           struct xf_announcement *ret_frame)
{
    build_arp(mac, vlan, ETHERTYPE_ARP, ARP_REPLY, address, mac, ret_frame);
}

static uint32_t sum_be16(uint32_t sum, const uint8_t *b, size_t size)
{
    assert(size % 2 == 0);
    for (size_t i = 0; i < size; i += 2) {
        sum += (uint32_t)b[i] << 8 | b[i + 1];
    }
    return sum;
}

/* RFC 4443, 2.3: over source, destination, length, protocol and the message; its field zero. */
static uint16_t checksum(const uint8_t *ipv6, const uint8_t *message, size_t size)
{
    uint32_t sum = sum_be16(0, ipv6 + 8, 2 * XF_IPV6_SIZE);

    sum = sum_be16(sum + (uint32_t)size + PROTOCOL_ICMPV6, message, size);
    while (sum > 0xffffu) {
        sum = (sum & 0xffffu) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

void xf_announce_neighbour(const uint8_t mac[static XF_MAC_SIZE], uint16_t vlan,
                           const uint8_t address[static XF_IPV6_SIZE], bool router,
                           struct xf_announcement *ret_frame)
{
    static const uint8_t all_nodes_mac[XF_MAC_SIZE] = { 0x33, 0x33, 0, 0, 0, 1 };
    static const uint8_t all_nodes[XF_IPV6_SIZE] = { 0xff, 0x02, [15] = 1 };
    struct xf_put p = begin(ret_frame, all_nodes_mac, mac, vlan, ETHERTYPE_IPV6);
    size_t ipv6 = p.len;
    size_t message = ipv6 + IPV6_SIZE;
    uint16_t sum;

    put_be32(&p, 0x60000000u);
    put_be16(&p, ADVERT_SIZE + ADVERT_OPTION_SIZE);
    xf_put_u8(&p, PROTOCOL_ICMPV6);
    xf_put_u8(&p, ND_HOPS);
    xf_put_bytes(&p, address, XF_IPV6_SIZE);
    xf_put_bytes(&p, all_nodes, XF_IPV6_SIZE);
    xf_put_u8(&p, ND_NEIGHBOUR_ADVERT);
    xf_put_u8(&p, 0);
    put_be16(&p, 0);
    put_be32(&p, (router ? ND_ROUTER_FLAG << 24 : 0) | ND_OVERRIDE_FLAG << 24);
    xf_put_bytes(&p, address, XF_IPV6_SIZE);
    xf_put_u8(&p, ND_OPTION_TARGET);
    xf_put_u8(&p, ADVERT_OPTION_SIZE / 8);
    xf_put_bytes(&p, mac, XF_MAC_SIZE);
    finish(&p, ret_frame);

    sum = checksum(ret_frame->b + ipv6, ret_frame->b + message, ADVERT_SIZE + ADVERT_OPTION_SIZE);
    ret_frame->b[message + 2] = (uint8_t)(sum >> 8);
    ret_frame->b[message + 3] = (uint8_t)sum;
    ret_frame->neighbour = true;
}

/* Every VLAN heard, each once; at most one for each address. */
static size_t list_vlans(const struct xf_vif_addresses *vif, uint16_t ret_vlans[2 * XF_LEARN_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < (size_t)vif->n_ipv4 + vif->n_ipv6; i++) {
        uint16_t vlan = i < vif->n_ipv4 ? vif->ipv4[i].vlan : vif->ipv6[i - vif->n_ipv4].vlan;
        bool found = vlan == XF_VLAN_NONE;

        for (size_t k = 0; k < n; k++) {
            found = found || ret_vlans[k] == vlan;
        }
        if (!found) {
            ret_vlans[n++] = vlan;
        }
    }
    return n;
}

size_t xf_announce_build(const struct xf_vif_addresses *vif,
                         struct xf_announcement ret_frames[static XF_ANNOUNCES_MAX])
{
    uint16_t vlans[2 * XF_LEARN_MAX];
    size_t n_vlans;
    size_t n = 0;

    assert(vif->n_ipv4 <= XF_LEARN_MAX && vif->n_ipv6 <= XF_LEARN_MAX);
    n_vlans = list_vlans(vif, vlans);
    xf_announce_rarp(vif->mac, XF_VLAN_NONE, &ret_frames[n++]);
    for (size_t i = 0; i < n_vlans; i++) {
        xf_announce_rarp(vif->mac, vlans[i], &ret_frames[n++]);
    }
    for (size_t i = 0; i < vif->n_ipv4; i++) {
        const struct xf_ipv4_heard *a = &vif->ipv4[i];

        xf_announce_arp_request(vif->mac, a->vlan, a->address, &ret_frames[n++]);
        xf_announce_arp_reply(vif->mac, a->vlan, a->address, &ret_frames[n++]);
    }
    for (size_t i = 0; i < vif->n_ipv6 && vif->role != XF_IPV6_ROLE_UNKNOWN; i++) {
        const struct xf_ipv6_heard *a = &vif->ipv6[i];

        xf_announce_neighbour(vif->mac, a->vlan, a->address, vif->role == XF_IPV6_ROLE_ROUTER,
                              &ret_frames[n++]);
    }
    return n;
}

/* ---- reading ---- */

static uint16_t be16(const uint8_t *b)
{
    return (uint16_t)(b[0] << 8 | b[1]);
}

static uint32_t be32(const uint8_t *b)
{
    return (uint32_t)be16(b) << 16 | be16(b + 2);
}

static int parse_arp(const uint8_t *b, size_t size, struct xf_heard *heard)
{
    if (size < ARP_SIZE) {
        return -EBADMSG;
    }
    if (be16(b) != ARP_ETHERNET || be16(b + 2) != ETHERTYPE_IPV4 || b[4] != XF_MAC_SIZE ||
        b[5] != sizeof(uint32_t)) {
        return -ENOENT;
    }
    /* A probe (RFC 5227) has no sender address: it asks for one that is not in use yet. */
    if (memcmp(b + 8, heard->mac, XF_MAC_SIZE) != 0 || !ipv4_usable(be32(b + 14))) {
        return -ENOENT;
    }
    heard->has_ipv4 = true;
    heard->ipv4 = be32(b + 14);
    return 0;
}

/*
 * A domain that routes sends packets of others under its MAC, and announcing their addresses would
 * take them away. What was passed on lost a hop, so only values that systems start with count.
 */
static bool first_hop(uint8_t hops)
{
    return hops == 32 || hops == 64 || hops == 128 || hops == 255;
}

static int parse_ipv4(const uint8_t *b, size_t size, struct xf_heard *heard)
{
    if (size < IPV4_SIZE) {
        return -EBADMSG;
    }
    if (b[0] >> 4 != 4 || !first_hop(b[8]) || !ipv4_usable(be32(b + 12))) {
        return -ENOENT;
    }
    heard->has_ipv4 = true;
    heard->ipv4 = be32(b + 12);
    return 0;
}

static void hear_ipv6(struct xf_heard *heard, const uint8_t *address)
{
    if (ipv6_usable(address)) {
        heard->has_ipv6 = true;
        memcpy(heard->ipv6, address, XF_IPV6_SIZE);
    }
}

static int parse_nd(const uint8_t *source, const uint8_t *b, size_t size, struct xf_heard *heard)
{
    if (size < 8) {
        return -EBADMSG;
    }
    switch (b[0]) {
    case ND_ROUTER_SOLICIT: /* only hosts send it */
        heard->role = XF_IPV6_ROLE_HOST;
        hear_ipv6(heard, source);
        break;
    case ND_ROUTER_ADVERT:
        heard->role = XF_IPV6_ROLE_ROUTER;
        hear_ipv6(heard, source);
        break;
    case ND_NEIGHBOUR_SOLICIT: /* from ::, the target is only being tried (RFC 4862, 5.4) */
        hear_ipv6(heard, source);
        break;
    case ND_NEIGHBOUR_ADVERT:
        if (size < ADVERT_SIZE) {
            return -EBADMSG;
        }
        heard->role = (b[4] & ND_ROUTER_FLAG) != 0 ? XF_IPV6_ROLE_ROUTER : XF_IPV6_ROLE_HOST;
        /* Without Override it is anycast or somebody else's (RFC 4861, 7.2.4 and 7.2.8). */
        if ((b[4] & ND_OVERRIDE_FLAG) != 0) {
            hear_ipv6(heard, b + 8);
        }
        break;
    default: /* any other number on the wire */
        break;
    }
    return heard->has_ipv6 || heard->role != XF_IPV6_ROLE_UNKNOWN ? 0 : -ENOENT;
}

static int parse_ipv6(const uint8_t *b, size_t size, struct xf_heard *heard)
{
    if (size < IPV6_SIZE) {
        return -EBADMSG;
    }
    if (b[0] >> 4 != 6 || b[6] != PROTOCOL_ICMPV6 || b[7] != ND_HOPS) {
        return -ENOENT;
    }
    if (size < IPV6_SIZE + 8) {
        return -EBADMSG;
    }
    if (b[IPV6_SIZE + 1] != 0) {
        return -ENOENT;
    }
    return parse_nd(b + 8, b + IPV6_SIZE, size - IPV6_SIZE, heard);
}

int xf_announce_parse(const uint8_t *buf, size_t size, uint16_t vlan, struct xf_heard *ret_heard)
{
    struct xf_heard heard = { .vlan = vlan };
    size_t at = ETHERNET_SIZE;
    uint16_t type;
    int rc;

    if (size < ETHERNET_SIZE) {
        return -EBADMSG;
    }
    memcpy(heard.mac, buf + XF_MAC_SIZE, XF_MAC_SIZE);
    type = be16(buf + 12);
    if (type == ETHERTYPE_VLAN && vlan == XF_VLAN_NONE) {
        if (size < ETHERNET_SIZE + 4) {
            return -EBADMSG;
        }
        heard.vlan = be16(buf + 14) & VLAN_MASK;
        type = be16(buf + 16);
        at += 4;
    }
    if (!mac_usable(heard.mac) || heard.vlan > VLAN_LAST) {
        return -ENOENT;
    }
    switch (type) {
    case ETHERTYPE_ARP:
        rc = parse_arp(buf + at, size - at, &heard);
        break;
    case ETHERTYPE_IPV4:
        rc = parse_ipv4(buf + at, size - at, &heard);
        break;
    case ETHERTYPE_IPV6:
        rc = parse_ipv6(buf + at, size - at, &heard);
        break;
    default: /* any other number on the wire */
        rc = -ENOENT;
        break;
    }
    if (rc == 0) {
        *ret_heard = heard;
    }
    return rc;
}

/* ---- what is known of a domain ---- */

static bool add_ipv4(struct xf_vif_addresses *vif, uint32_t address, uint16_t vlan)
{
    for (size_t i = 0; i < vif->n_ipv4; i++) {
        if (vif->ipv4[i].address == address && vif->ipv4[i].vlan == vlan) {
            return false;
        }
    }
    if (vif->n_ipv4 >= XF_LEARN_MAX || !ipv4_usable(address)) {
        return false;
    }
    vif->ipv4[vif->n_ipv4++] = (struct xf_ipv4_heard){ .address = address, .vlan = vlan };
    return true;
}

static bool add_ipv6(struct xf_vif_addresses *vif, const uint8_t *address, uint16_t vlan)
{
    struct xf_ipv6_heard *next;

    for (size_t i = 0; i < vif->n_ipv6; i++) {
        if (memcmp(vif->ipv6[i].address, address, XF_IPV6_SIZE) == 0 && vif->ipv6[i].vlan == vlan) {
            return false;
        }
    }
    if (vif->n_ipv6 >= XF_LEARN_MAX || !ipv6_usable(address)) {
        return false;
    }
    next = &vif->ipv6[vif->n_ipv6++];
    memcpy(next->address, address, XF_IPV6_SIZE);
    next->vlan = vlan;
    return true;
}

/* Once a router, always one: to call it a host would take it out of its neighbours' tables. */
static bool take_role(struct xf_vif_addresses *vif, uint8_t role)
{
    if (role <= vif->role) {
        return false;
    }
    vif->role = role;
    return true;
}

bool xf_addresses_learn(struct xf_vif_addresses *vif, const struct xf_heard *heard)
{
    bool new_role;

    if (memcmp(vif->mac, heard->mac, XF_MAC_SIZE) != 0) {
        return false;
    }
    new_role = take_role(vif, heard->role);
    if (heard->has_ipv4) {
        return add_ipv4(vif, heard->ipv4, heard->vlan) || new_role;
    }
    if (heard->has_ipv6) {
        return add_ipv6(vif, heard->ipv6, heard->vlan) || new_role;
    }
    return new_role;
}

bool xf_addresses_told(struct xf_vif_addresses *vif, const char *text, size_t size)
{
    char plain[XF_IPV4_TEXT_SIZE] = "";
    uint32_t address;

    if (size >= sizeof(plain) || memchr(text, '\0', size) != NULL) {
        return false;
    }
    memcpy(plain, text, size);
    return vif->n_ipv4 < XF_TOLD_MAX && xf_ipv4_parse(plain, &address) == 0 &&
           add_ipv4(vif, address, XF_VLAN_NONE);
}

static void merge_vif(struct xf_vif_addresses *vif, const struct xf_vif_addresses *more)
{
    (void)take_role(vif, more->role);
    for (size_t i = 0; i < more->n_ipv4; i++) {
        (void)add_ipv4(vif, more->ipv4[i].address, more->ipv4[i].vlan);
    }
    for (size_t i = 0; i < more->n_ipv6; i++) {
        (void)add_ipv6(vif, more->ipv6[i].address, more->ipv6[i].vlan);
    }
}

void xf_addresses_merge(struct xf_addresses *addresses, const struct xf_addresses *more)
{
    for (uint32_t i = 0; i < addresses->n_vifs; i++) {
        for (uint32_t k = 0; k < more->n_vifs; k++) {
            if (memcmp(addresses->vif[i].mac, more->vif[k].mac, XF_MAC_SIZE) == 0) {
                merge_vif(&addresses->vif[i], &more->vif[k]);
            }
        }
    }
}

/* ---- bytes ---- */

int xf_addresses_encode(const struct xf_addresses *addresses, uint8_t *buf, size_t size)
{
    struct xf_put p = { .buf = buf, .size = size };

    assert(addresses->n_vifs <= XF_ADDRESSES_VIFS);
    xf_put_u8(&p, (uint8_t)addresses->n_vifs);
    for (uint32_t i = 0; i < addresses->n_vifs; i++) {
        const struct xf_vif_addresses *vif = &addresses->vif[i];

        xf_put_bytes(&p, vif->mac, XF_MAC_SIZE);
        xf_put_u8(&p, vif->role);
        xf_put_u8(&p, vif->n_ipv4);
        xf_put_u8(&p, vif->n_ipv6);
        for (size_t k = 0; k < vif->n_ipv4; k++) {
            xf_put_u32(&p, vif->ipv4[k].address);
            xf_put_u16(&p, vif->ipv4[k].vlan);
        }
        for (size_t k = 0; k < vif->n_ipv6; k++) {
            xf_put_bytes(&p, vif->ipv6[k].address, XF_IPV6_SIZE);
            xf_put_u16(&p, vif->ipv6[k].vlan);
        }
    }
    return p.failed ? -EMSGSIZE : (int)p.len;
}

/* Adding one by one checks each: unusable ones and duplicates are refused there. */
static bool decode_vif(struct xf_get *g, struct xf_vif_addresses *vif)
{
    uint8_t n_ipv4;
    uint8_t n_ipv6;
    bool ok;

    xf_get_bytes(g, vif->mac, XF_MAC_SIZE);
    vif->role = xf_get_u8(g);
    n_ipv4 = xf_get_u8(g);
    n_ipv6 = xf_get_u8(g);
    ok = mac_usable(vif->mac) && vif->role < XF_N_IPV6_ROLES && n_ipv4 <= XF_LEARN_MAX &&
         n_ipv6 <= XF_LEARN_MAX;
    for (uint8_t k = 0; ok && k < n_ipv4; k++) {
        uint32_t address = xf_get_u32(g);
        uint16_t vlan = xf_get_u16(g);

        ok = vlan <= VLAN_LAST && add_ipv4(vif, address, vlan);
    }
    for (uint8_t k = 0; ok && k < n_ipv6; k++) {
        uint8_t address[XF_IPV6_SIZE];
        uint16_t vlan;

        xf_get_bytes(g, address, sizeof(address));
        vlan = xf_get_u16(g);
        ok = vlan <= VLAN_LAST && add_ipv6(vif, address, vlan);
    }
    return ok && !g->failed;
}

int xf_addresses_decode(const uint8_t *buf, size_t size, struct xf_addresses *ret_addresses)
{
    struct xf_get g = { .buf = buf, .size = size };
    struct xf_addresses got = { .n_vifs = 0 };
    uint8_t n = xf_get_u8(&g);

    if (n > XF_ADDRESSES_VIFS) {
        return -EBADMSG;
    }
    for (; got.n_vifs < n; got.n_vifs++) {
        if (!decode_vif(&g, &got.vif[got.n_vifs])) {
            return -EBADMSG;
        }
    }
    if (!xf_get_done(&g)) {
        return -EBADMSG;
    }
    *ret_addresses = got;
    return 0;
}
