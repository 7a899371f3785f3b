/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "probe.h"

#include <errno.h>
#include <string.h>

#include "bytes.h"
#include "text.h"

enum {
    ETHERNET_SIZE = 14,
    ETHERTYPE_AT = 12,
    ETHERTYPE_ARP = 0x0806,
    ETHERTYPE_IPV4 = 0x0800,
    ARP_ETHERNET = 1,
    ARP_REQUEST = 1,
    ARP_SIZE = 28,
    PROBE_VERSION = 1,
    PROBE_BY_TARGET = 1, /* the only flag */
};

static const uint8_t probe_magic[4] = { 'X', 'F', 'L', '2' };

static void put_be16(struct xf_put *p, uint16_t v)
{
    xf_put_u8(p, (uint8_t)(v >> 8));
    xf_put_u8(p, (uint8_t)v);
}

static void put_be32(struct xf_put *p, uint32_t v)
{
    put_be16(p, (uint16_t)(v >> 16));
    put_be16(p, (uint16_t)v);
}

static uint16_t be16(const uint8_t *b)
{
    return (uint16_t)(b[0] << 8 | b[1]);
}

/* ---- frames ---- */

int xf_probe_encode(const struct xf_probe_frame *frame, uint8_t *buf, size_t size)
{
    size_t whole = ETHERNET_SIZE + (size_t)frame->mtu;
    struct xf_put p = { .buf = buf, .size = size };

    if (frame->mtu < XF_PROBE_MTU_MIN || frame->sender.id == 0) {
        return -EINVAL;
    }
    if (size < whole) {
        return -EMSGSIZE;
    }
    xf_put_bytes(&p, frame->to, sizeof(frame->to));
    xf_put_bytes(&p, frame->from, sizeof(frame->from));
    put_be16(&p, XF_PROBE_ETHERTYPE);
    xf_put_bytes(&p, probe_magic, sizeof(probe_magic));
    xf_put_u8(&p, PROBE_VERSION);
    xf_put_u8(&p, frame->by_target ? PROBE_BY_TARGET : 0);
    xf_put_u8(&p, frame->bridge);
    xf_put_u8(&p, frame->round);
    xf_put_bytes(&p, frame->nonce, sizeof(frame->nonce));
    xf_put_u32(&p, frame->sender.id);
    xf_put_u16(&p, frame->mtu);
    memset(buf + p.len, 0, whole - p.len);
    return (int)whole;
}

int xf_probe_decode(const uint8_t *buf, size_t size, size_t whole, struct xf_probe_frame *ret_frame)
{
    struct xf_get g = { .buf = buf, .size = size };
    struct xf_probe_frame frame;
    uint8_t magic[sizeof(probe_magic)];
    uint8_t flags;

    if (size < XF_PROBE_HEADER_SIZE || be16(buf + ETHERTYPE_AT) != XF_PROBE_ETHERTYPE) {
        return -EBADMSG;
    }
    memset(&frame, 0, sizeof(frame));
    xf_get_bytes(&g, frame.to, sizeof(frame.to));
    xf_get_bytes(&g, frame.from, sizeof(frame.from));
    (void)xf_get_view(&g, ETHERNET_SIZE - ETHERTYPE_AT);
    xf_get_bytes(&g, magic, sizeof(magic));
    xf_get_check(&g, memcmp(magic, probe_magic, sizeof(magic)) == 0);
    xf_get_check(&g, xf_get_u8(&g) == PROBE_VERSION);
    flags = xf_get_u8(&g);
    xf_get_check(&g, flags <= PROBE_BY_TARGET);
    frame.by_target = flags == PROBE_BY_TARGET;
    frame.bridge = xf_get_u8(&g);
    frame.round = xf_get_u8(&g);
    xf_get_bytes(&g, frame.nonce, sizeof(frame.nonce));
    frame.sender.id = xf_get_u32(&g);
    xf_get_check(&g, frame.sender.id != 0);
    frame.mtu = xf_get_u16(&g);
    xf_get_check(&g, frame.mtu >= XF_PROBE_MTU_MIN);
    /* Cut off, it does not prove its size. What was padded on the way does. */
    xf_get_check(&g, whole >= ETHERNET_SIZE + (size_t)frame.mtu);
    if (g.failed) {
        return -EBADMSG;
    }
    *ret_frame = frame;
    return 0;
}

void xf_probe_arp(const uint8_t from[static 6], uint32_t address,
                  uint8_t ret_frame[static XF_PROBE_ARP_SIZE])
{
    static const uint8_t everybody[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    static const uint8_t unknown[6];
    struct xf_put p = { .buf = ret_frame, .size = XF_PROBE_ARP_SIZE };

    xf_put_bytes(&p, everybody, sizeof(everybody));
    xf_put_bytes(&p, from, 6);
    put_be16(&p, ETHERTYPE_ARP);
    put_be16(&p, ARP_ETHERNET);
    put_be16(&p, ETHERTYPE_IPV4);
    xf_put_u8(&p, 6);
    xf_put_u8(&p, 4);
    put_be16(&p, ARP_REQUEST);
    xf_put_bytes(&p, from, 6);
    put_be32(&p, 0);
    xf_put_bytes(&p, unknown, sizeof(unknown));
    put_be32(&p, address);
    memset(ret_frame + p.len, 0, XF_PROBE_ARP_SIZE - p.len);
}

int xf_probe_arp_sender(const uint8_t *buf, size_t size, uint32_t *ret_address,
                        uint8_t ret_mac[static 6])
{
    const uint8_t *arp;
    uint32_t address;

    if (size < ETHERNET_SIZE + ARP_SIZE || be16(buf + ETHERTYPE_AT) != ETHERTYPE_ARP) {
        return -EBADMSG;
    }
    arp = buf + ETHERNET_SIZE;
    if (be16(arp) != ARP_ETHERNET || be16(arp + 2) != ETHERTYPE_IPV4 || arp[4] != 6 ||
        arp[5] != 4) {
        return -EBADMSG;
    }
    address = (uint32_t)be16(arp + 14) << 16 | be16(arp + 16);
    /* None: it is somebody's probe. */
    if (address == 0) {
        return -EBADMSG;
    }
    *ret_address = address;
    memcpy(ret_mac, arp + 8, 6);
    return 0;
}

/* ---- the search for the largest that passes ---- */

/* So often it is tried whether anything passes at all. */
#define FIRST_TRIES 2u
/* So often the limit must have been lost before it is believed. */
#define LOST_TWICE  2u
/* Into so many a round divides what is open: one of its sizes is the smallest. */
#define PARTS       (XF_PROBE_SIZES_MAX - 1u)

void xf_probe_search_init(struct xf_probe_search *search, uint16_t mtu_a, uint16_t mtu_b)
{
    uint16_t full = mtu_a < mtu_b ? mtu_a : mtu_b;

    memset(search, 0, sizeof(*search));
    search->full = full < XF_PROBE_MTU_MIN ? 0 : full;
    search->lost = search->full + 1u;
}

/* Nothing passed yet: is it the smallest and the full one that pass? */
static uint32_t first_sizes(const struct xf_probe_search *search, uint16_t *ret_size)
{
    uint32_t n = 0;

    if (search->round >= FIRST_TRIES) {
        return 0;
    }
    ret_size[n++] = XF_PROBE_MTU_MIN;
    if (search->full > XF_PROBE_MTU_MIN) {
        ret_size[n++] = search->full;
    }
    return n;
}

/* Side by side: the one that passed must do so again, or else the round proves nothing. */
static uint32_t last_sizes(const struct xf_probe_search *search, uint16_t top, uint16_t *ret_size)
{
    uint32_t n = 0;

    if (search->n_lost >= LOST_TWICE) {
        return 0;
    }
    ret_size[n++] = XF_PROBE_MTU_MIN;
    if (search->passed > XF_PROBE_MTU_MIN) {
        ret_size[n++] = search->passed;
    }
    ret_size[n++] = top;
    if (top < search->full) {
        ret_size[n++] = search->full;
    }
    return n;
}

uint32_t xf_probe_search_next(const struct xf_probe_search *search,
                              uint16_t ret_size[static XF_PROBE_SIZES_MAX])
{
    uint16_t top = (uint16_t)(search->lost <= search->full ? search->lost : search->full);
    uint32_t between;
    uint32_t n = 0;

    /* Also where the full size is 0, for it is unknown. */
    if (search->round >= XF_PROBE_ROUNDS_MAX || search->passed >= search->full) {
        return 0;
    }
    if (search->passed == 0) {
        return first_sizes(search, ret_size);
    }
    between = top - search->passed - 1u;
    if (between == 0) {
        return last_sizes(search, top, ret_size);
    }
    ret_size[n++] = XF_PROBE_MTU_MIN;
    /* The limit itself is tried again each time: by chance it may have been lost. */
    if (between < PARTS) {
        for (uint32_t i = 1; i <= between; i++) {
            ret_size[n++] = (uint16_t)(search->passed + i);
        }
    } else {
        for (uint32_t i = 1; i < PARTS; i++) {
            ret_size[n++] = (uint16_t)(search->passed + (between + 1u) * i / PARTS);
        }
    }
    ret_size[n++] = top;
    return n;
}

/* The largest that passed, of this round and those before. false: the round proves nothing. */
static bool learn_passed(struct xf_probe_search *search, const uint16_t *size, const bool *heard,
                         uint32_t n)
{
    uint16_t passed = search->passed;
    bool repeated = true;

    for (uint32_t i = 0; i < n; i++) {
        if (heard[i] && size[i] > passed && size[i] <= search->full) {
            passed = size[i];
        }
        repeated = repeated && (heard[i] || size[i] != search->passed);
    }
    repeated = repeated || passed > search->passed;
    search->passed = passed;
    return repeated;
}

/*
 * The smallest is sent last: what was sent before it and is not there when it is will not come. When
 * it is not there either, all that is known is that a host was slow, or the network.
 */
static bool heard_smallest(const uint16_t *size, const bool *heard, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (size[i] == XF_PROBE_MTU_MIN && heard[i]) {
            return true;
        }
    }
    return false;
}

void xf_probe_search_learn(struct xf_probe_search *search, const uint16_t *size, const bool *heard,
                           uint32_t n)
{
    uint32_t lost = search->full + 1u;

    search->round++;
    search->late = !heard_smallest(size, heard, n);
    if (!learn_passed(search, size, heard, n) || search->late) {
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!heard[i] && size[i] > search->passed && size[i] < lost) {
            lost = size[i];
        }
    }
    if (search->lost <= search->passed) {
        /* It had been lost by chance; what is above it is open again. */
        search->lost = search->full + 1u;
        search->n_lost = 0;
    }
    if (lost > search->full) {
        return;
    }
    if (lost < search->lost) {
        search->lost = lost;
        search->n_lost = 1;
    } else if (lost == search->lost && search->n_lost < LOST_TWICE) {
        search->n_lost++;
    }
}

/* ---- the verdict ---- */

struct verdict {
    struct xf_findings *findings;
    char subject[32];
    char detail[160];
    struct xf_text text; /* writes .detail */
};

/* The finding with the detail that was written; the next one starts empty. */
static void say(struct verdict *v, enum xf_finding_id id)
{
    xf_findings_add(v->findings, id, v->subject, v->detail);
    xf_text_init(&v->text, v->detail, sizeof(v->detail));
}

static const char *side_name(bool source, bool target)
{
    return source && target ? "on both hosts" : source ? "on the source" : "on the target";
}

static bool can_send(const struct xf_bridge_facts *facts)
{
    /* A filtering bridge that is in no VLAN itself drops what its host sends. */
    return facts->there && facts->error == 0 && !(facts->vlan_filtering && facts->pvid == 0);
}

static void judge_unproven(struct verdict *v, const struct xf_bridge_facts *facts, const char *host)
{
    if (can_send(facts)) {
        return;
    }
    xf_text_str(&v->text, host);
    if (facts->error != 0) {
        xf_text_str(&v->text, ": error ");
        xf_text_u64(&v->text, facts->error);
    } else if (!facts->there) {
        xf_text_str(&v->text, " has no such bridge");
    } else {
        xf_text_str(&v->text, ": the bridge filters VLANs and is in none itself");
    }
    say(v, XF_FIND_NET_UNPROVEN);
}

static const char *port_name(uint8_t port)
{
    static const char *const names[XF_N_PORTS] = {
        [XF_PORT_NONE] = "missing",      [XF_PORT_DISABLED] = "disabled",
        [XF_PORT_BLOCKING] = "blocking", [XF_PORT_LISTENING] = "listening",
        [XF_PORT_LEARNING] = "learning", [XF_PORT_FORWARDING] = "forwarding",
    };

    return port < XF_N_PORTS ? names[port] : "unknown";
}

static bool explain_port(struct verdict *v, const struct xf_bridge_facts *facts, const char *host)
{
    if (facts->port == XF_PORT_FORWARDING) {
        return false;
    }
    xf_text_str(&v->text, v->text.len > 0 ? ", " : "");
    xf_text_str(&v->text, port_name(facts->port));
    xf_text_str(&v->text, host);
    return true;
}

/* Frames were lost. What the hosts know of their own bridges explains it better than the loss. */
static void judge_loss(struct verdict *v, const struct xf_probe_result *result)
{
    bool source = !result->source.carrier;
    bool target = !result->target.carrier;
    bool explained;

    if (source || target) {
        xf_text_str(&v->text, side_name(source, target));
        say(v, XF_FIND_NO_CARRIER);
        return;
    }
    explained = explain_port(v, &result->source, " on the source");
    explained = explain_port(v, &result->target, " on the target") || explained;
    if (explained) {
        say(v, XF_FIND_NOT_FORWARDING);
    } else if (!result->source_heard && !result->target_heard) {
        say(v, XF_FIND_NOT_SEGMENT);
    } else {
        xf_text_str(&v->text,
                    result->source_heard
                        ? "from the target to the source, not from the source to the target"
                        : "from the source to the target, not from the target to the source");
        say(v, XF_FIND_ONE_WAY);
    }
}

static void judge_mtu(struct verdict *v, const struct xf_probe_result *result)
{
    const struct xf_probe_search *search = &result->search;

    /* Guests send what their own bridge takes. */
    if (result->target.mtu < result->source.mtu) {
        xf_text_str(&v->text, "the bridge takes ");
        xf_text_u64(&v->text, result->source.mtu);
        xf_text_str(&v->text, " bytes on the source, ");
        xf_text_u64(&v->text, result->target.mtu);
        xf_text_str(&v->text, " on the target");
        say(v, XF_FIND_MTU);
    }
    if (search->passed == 0) {
        xf_text_str(&v->text, "no size passed in both directions");
        say(v, XF_FIND_MTU);
    } else if (search->passed < search->full && search->n_lost < LOST_TWICE) {
        xf_text_str(&v->text, "of "); /* L13 */
        xf_text_u64(&v->text, search->round);
        xf_text_str(&v->text, " rounds too few showed which frames get lost: a host is too slow");
        say(v, XF_FIND_NET_UNPROVEN);
    } else if (search->passed < search->full) {
        xf_text_str(&v->text, "frames up to ");
        xf_text_u64(&v->text, search->passed);
        xf_text_str(&v->text, " bytes pass, ");
        xf_text_u64(&v->text, search->full);
        xf_text_str(&v->text, " are lost");
        say(v, XF_FIND_MTU);
    }
}

/* Another station with what is the domain's. */
static void judge_taken(struct verdict *v, const struct xf_probe_result *result)
{
    if (result->ip_taken) {
        xf_text_str(&v->text, result->who);
        say(v, XF_FIND_IP_TAKEN);
    }
    if (result->mac_taken) {
        /* One name only: whoever answers for the address has a MAC of its own. */
        xf_text_str(&v->text, result->ip_taken ? "" : result->who);
        say(v, XF_FIND_MAC_TAKEN);
    }
}

static void write_network(struct verdict *v, const struct xf_bridge_facts *facts)
{
    char address[XF_IPV4_TEXT_SIZE];

    xf_ipv4_text(facts->ipv4, address);
    xf_text_str(&v->text, address);
    xf_text_char(&v->text, '/');
    xf_text_u64(&v->text, facts->prefix);
}

static uint32_t network(const struct xf_bridge_facts *facts)
{
    return facts->prefix >= 32 ? facts->ipv4 : facts->ipv4 & ~(UINT32_MAX >> facts->prefix);
}

static void judge_subnet(struct verdict *v, const struct xf_bridge_facts *source,
                         const struct xf_bridge_facts *target)
{
    if (source->ipv4 == 0 || target->ipv4 == 0 ||
        (source->prefix == target->prefix && network(source) == network(target))) {
        return;
    }
    write_network(v, source);
    xf_text_str(&v->text, " on the source, ");
    write_network(v, target);
    xf_text_str(&v->text, " on the target");
    say(v, XF_FIND_SUBNET);
}

static void judge_vlan(struct verdict *v, const struct xf_bridge_facts *source,
                       const struct xf_bridge_facts *target)
{
    if (source->vlan_filtering != target->vlan_filtering) {
        xf_text_str(&v->text, "only ");
        xf_text_str(&v->text, side_name(source->vlan_filtering, target->vlan_filtering));
        say(v, XF_FIND_VLAN);
    } else if (source->vlan_filtering && source->pvid != target->pvid) {
        xf_text_str(&v->text, "VLAN ");
        xf_text_u64(&v->text, source->pvid);
        xf_text_str(&v->text, " on the source, ");
        xf_text_u64(&v->text, target->pvid);
        xf_text_str(&v->text, " on the target");
        say(v, XF_FIND_VLAN);
    }
}

void xf_probe_judge(const struct xf_probe_result *result, struct xf_findings *findings)
{
    const struct xf_bridge_facts *source = &result->source;
    const struct xf_bridge_facts *target = &result->target;
    struct verdict v = { .findings = findings };
    struct xf_text subject;

    xf_text_init(&v.text, v.detail, sizeof(v.detail));
    xf_text_init(&subject, v.subject, sizeof(v.subject));
    xf_text_str(&subject, "bridge ");
    xf_text_str(&subject, source->name);
    /* Of what is not there nothing else is worth saying. */
    if (!target->there && target->error == 0) {
        say(&v, XF_FIND_NO_BRIDGE);
        return;
    }
    judge_unproven(&v, source, "the source");
    judge_unproven(&v, target, "the target");
    if (can_send(source) && can_send(target)) {
        if (result->source_heard && result->target_heard) {
            judge_mtu(&v, result);
        } else {
            judge_loss(&v, result);
        }
    }
    judge_taken(&v, result);
    judge_subnet(&v, source, target);
    judge_vlan(&v, source, target);
}
