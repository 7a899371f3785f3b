/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "guest_answer.h"

#include <stdbool.h>
#include <string.h>

#define ETH_SIZE         14u
#define ETHERTYPE_IPV4   0x0800u
#define ETHERTYPE_ARP    0x0806u
#define ARP_SIZE         28u
#define IP_SIZE          20u
#define IP_PROTOCOL_ICMP 1u
#define IP_PROTOCOL_UDP  17u
#define UDP_SIZE         8u
#define ICMP_SIZE        8u
#define LINE_SIZE        256u

static uint32_t get16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
    return get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v & 0xffffu);
}

static uint32_t sum16(uint32_t sum, const uint8_t *p, size_t size)
{
    for (; size > 1; size -= 2, p += 2) {
        sum += get16(p);
    }
    if (size == 1) {
        sum += (uint32_t)p[0] << 8;
    }
    return sum;
}

static uint32_t fold(uint32_t sum)
{
    while (sum > 0xffff) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return ~sum & 0xffff;
}

static void put_eth(uint8_t *reply, const uint8_t *frame, const struct xf_domcfg_vif *vif)
{
    memcpy(reply, frame + 6, 6);
    memcpy(reply + 6, vif->mac, 6);
    memcpy(reply + 12, frame + 12, 2);
}

static size_t answer_arp(const struct xf_domcfg_vif *vif, const uint8_t *frame, size_t size,
                         uint8_t *reply)
{
    static const uint8_t request[8] = { 0, 1, 8, 0, 6, 4, 0, 1 };
    const uint8_t *arp = frame + ETH_SIZE;
    uint8_t *out = reply + ETH_SIZE;

    if (size < ETH_SIZE + ARP_SIZE || memcmp(arp, request, sizeof(request)) != 0 ||
        get32(arp + 24) != vif->ipv4) {
        return 0;
    }
    put_eth(reply, frame, vif);
    memcpy(out, request, sizeof(request));
    out[7] = 2; /* reply */
    memcpy(out + 8, vif->mac, 6);
    put32(out + 14, vif->ipv4);
    memcpy(out + 18, arp + 8, 10); /* the asker's MAC and address */
    return ETH_SIZE + ARP_SIZE;
}

static void put_ip(uint8_t *out, const uint8_t *ip, const struct xf_domcfg_vif *vif, size_t size)
{
    memset(out, 0, IP_SIZE);
    out[0] = 0x45;
    put16(out + 2, (uint32_t)size);
    put16(out + 6, 0x4000); /* do not fragment */
    out[8] = 64;
    out[9] = ip[9];
    put32(out + 12, vif->ipv4);
    memcpy(out + 16, ip + 12, 4);
    put16(out + 10, fold(sum16(0, out, IP_SIZE)));
}

static size_t answer_icmp(const uint8_t *icmp, size_t size, uint8_t *out)
{
    if (size < ICMP_SIZE || icmp[0] != 8 || icmp[1] != 0) {
        return 0;
    }
    memcpy(out, icmp, size);
    out[0] = 0; /* echo reply */
    put16(out + 2, 0);
    put16(out + 2, fold(sum16(0, out, size)));
    return size;
}

static size_t answer_udp(const struct xf_domcfg_vif *vif, const struct xf_guest_says *says,
                         const uint8_t *ip, const uint8_t *udp, size_t size, uint8_t *out)
{
    uint8_t pseudo[12];
    size_t room = says->mtu - IP_SIZE - UDP_SIZE;
    size_t payload, line;
    uint32_t sum;

    if (size < UDP_SIZE || get16(udp + 2) != vif->port || get16(udp + 4) < UDP_SIZE ||
        get16(udp + 4) > size) {
        return 0;
    }
    payload = get16(udp + 4) - UDP_SIZE;
    line = says->line(says->arg, (char *)out + UDP_SIZE, LINE_SIZE);
    payload = payload < room - line ? payload : room - line;
    memcpy(out + UDP_SIZE + line, udp + UDP_SIZE, payload);
    size = UDP_SIZE + line + payload;
    memcpy(out, udp + 2, 2);
    memcpy(out + 2, udp, 2);
    put16(out + 4, (uint32_t)size);
    put16(out + 6, 0);
    put32(pseudo, vif->ipv4);
    memcpy(pseudo + 4, ip + 12, 4);
    put16(pseudo + 8, IP_PROTOCOL_UDP);
    put16(pseudo + 10, (uint32_t)size);
    sum = fold(sum16(sum16(0, pseudo, sizeof(pseudo)), out, size));
    put16(out + 6, sum != 0 ? sum : 0xffff); /* 0 would say that there is no checksum */
    return size;
}

static size_t answer_ip(const struct xf_domcfg_vif *vif, const struct xf_guest_says *says,
                        const uint8_t *frame, size_t size, uint8_t *reply)
{
    const uint8_t *ip = frame + ETH_SIZE;
    uint8_t *out = reply + ETH_SIZE + IP_SIZE;
    size_t head, n = 0;

    size -= ETH_SIZE;
    if (size < IP_SIZE || ip[0] >> 4 != 4) {
        return 0;
    }
    head = (ip[0] & 15u) * 4u;
    /* No fragments; a frame may be longer than the packet in it (padding), never shorter. */
    if (head < IP_SIZE || get16(ip + 2) < head || get16(ip + 2) > size ||
        (get16(ip + 6) & 0x3fff) != 0 || get32(ip + 16) != vif->ipv4) {
        return 0;
    }
    size = get16(ip + 2) - head;
    if (size + IP_SIZE > says->mtu) {
        return 0;
    }
    if (ip[9] == IP_PROTOCOL_ICMP) {
        n = answer_icmp(ip + head, size, out);
    } else if (ip[9] == IP_PROTOCOL_UDP) {
        n = answer_udp(vif, says, ip, ip + head, size, out);
    }
    if (n == 0) {
        return 0;
    }
    put_eth(reply, frame, vif);
    put_ip(reply + ETH_SIZE, ip, vif, IP_SIZE + n);
    return ETH_SIZE + IP_SIZE + n;
}

size_t xf_guest_answer(const struct xf_domcfg_vif *vif, const struct xf_guest_says *says,
                       const uint8_t *frame, size_t size, uint8_t *reply)
{
    static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    bool mine, all;

    if (size < ETH_SIZE || size > XF_ETHER_SIZE_MAX) {
        return 0;
    }
    mine = memcmp(frame, vif->mac, 6) == 0;
    all = memcmp(frame, broadcast, 6) == 0;
    if ((!mine && !all) || (frame[6] & 1) != 0) {
        return 0;
    }
    if (get16(frame + 12) == ETHERTYPE_ARP) {
        return answer_arp(vif, frame, size, reply);
    }
    if (get16(frame + 12) == ETHERTYPE_IPV4 && mine) {
        return answer_ip(vif, says, frame, size, reply);
    }
    return 0;
}
