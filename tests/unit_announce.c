/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/announce.c: the frames byte by byte, and what may be learned from a domain's own. */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "announce.h"
#include "text.h"

static const uint8_t mac[6] = { 0x00, 0x16, 0x3e, 0x12, 0x34, 0x56 };
static const uint8_t ll[16] = { 0xfe, 0x80, [8] = 0x02, 0x16, 0x3e, 0xff, 0xfe, 0x12, 0x34, 0x56 };
#define ADDRESS UINT32_C(0x0a000207) /* 10.0.2.7 */

/* The frame is these bytes and zeros up to Ethernet's minimum. */
static void assert_frame(const struct xf_announcement *frame, const uint8_t *bytes, size_t size)
{
    static const uint8_t zero[XF_ANNOUNCE_SIZE];
    size_t whole = size < 60 ? 60 : size;

    assert_int_equal(frame->size, whole);
    assert_memory_equal(frame->b, bytes, size);
    assert_memory_equal(frame->b + size, zero, whole - size);
}

/* ---- building ---- */

static void rarp_asks_for_its_own_address(void **state)
{
    static const uint8_t want[] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x16, 0x3e, 0x12, 0x34, 0x56, 0x80, 0x35,
        0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x03, 0x00, 0x16, 0x3e, 0x12, 0x34, 0x56,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x16, 0x3e, 0x12, 0x34, 0x56, 0x00, 0x00, 0x00, 0x00,
    };
    struct xf_announcement frame;

    (void)state;
    xf_announce_rarp(mac, XF_VLAN_NONE, &frame);
    assert_frame(&frame, want, sizeof(want));
    assert_false(frame.neighbour);
}

static void arp_request_names_the_address_as_sender_and_target(void **state)
{
    static const uint8_t want[] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x16, 0x3e, 0x12, 0x34, 0x56, 0x08, 0x06,
        0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01, 0x00, 0x16, 0x3e, 0x12, 0x34, 0x56,
        0x0a, 0x00, 0x02, 0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0a, 0x00, 0x02, 0x07,
    };
    struct xf_announcement frame;

    (void)state;
    xf_announce_arp_request(mac, XF_VLAN_NONE, ADDRESS, &frame);
    assert_frame(&frame, want, sizeof(want));
}

static void arp_reply_names_the_mac_twice(void **state)
{
    static const uint8_t want[] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x16, 0x3e, 0x12, 0x34, 0x56, 0x08, 0x06,
        0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x02, 0x00, 0x16, 0x3e, 0x12, 0x34, 0x56,
        0x0a, 0x00, 0x02, 0x07, 0x00, 0x16, 0x3e, 0x12, 0x34, 0x56, 0x0a, 0x00, 0x02, 0x07,
    };
    struct xf_announcement frame;

    (void)state;
    xf_announce_arp_reply(mac, XF_VLAN_NONE, ADDRESS, &frame);
    assert_frame(&frame, want, sizeof(want));
}

static void tag_stands_before_the_type(void **state)
{
    static const uint8_t want[] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x16, 0x3e, 0x12, 0x34, 0x56,
        0x81, 0x00, 0x0f, 0xfe, 0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 0x06, 0x04,
        0x00, 0x01, 0x00, 0x16, 0x3e, 0x12, 0x34, 0x56, 0x0a, 0x00, 0x02, 0x07,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0a, 0x00, 0x02, 0x07,
    };
    struct xf_announcement frame;

    (void)state;
    xf_announce_arp_request(mac, 4094, ADDRESS, &frame);
    assert_frame(&frame, want, sizeof(want));
}

/* The checksum was computed apart from this code, over pseudo header and message (RFC 4443). */
static void advertisement_goes_to_all_nodes_with_override(void **state)
{
    static const uint8_t want[] = {
        0x33, 0x33, 0x00, 0x00, 0x00, 0x01, 0x00, 0x16, 0x3e, 0x12, 0x34, 0x56, 0x86, 0xdd, 0x60,
        0x00, 0x00, 0x00, 0x00, 0x20, 0x3a, 0xff, 0xfe, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x02, 0x16, 0x3e, 0xff, 0xfe, 0x12, 0x34, 0x56, 0xff, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x88, 0x00, 0x00, 0x23, 0x20, 0x00,
        0x00, 0x00, 0xfe, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x16, 0x3e, 0xff, 0xfe,
        0x12, 0x34, 0x56, 0x02, 0x01, 0x00, 0x16, 0x3e, 0x12, 0x34, 0x56,
    };
    struct xf_announcement frame;

    (void)state;
    xf_announce_neighbour(mac, XF_VLAN_NONE, ll, false, &frame);
    assert_frame(&frame, want, sizeof(want));
    assert_true(frame.neighbour);
}

/* A receiver's check: the sum over everything, checksum included, is all ones. */
static void advertisement_checks_out_at_its_receiver(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 512; i++) {
        uint8_t address[16];
        struct xf_announcement frame;
        uint16_t vlan = i % 2 == 0 ? XF_VLAN_NONE : (uint16_t)i;
        const uint8_t *ip;
        uint32_t sum = 32 + 58;

        memcpy(address, ll, sizeof(address));
        address[14] = (uint8_t)(i * 37);
        address[15] = (uint8_t)i;
        xf_announce_neighbour(mac, vlan, address, i % 3 == 0, &frame);
        ip = frame.b + (vlan == XF_VLAN_NONE ? 14 : 18);
        for (unsigned k = 8; k < 72; k += 2) {
            sum += (uint32_t)ip[k] << 8 | ip[k + 1];
        }
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        assert_int_equal(sum, 0xffff);
        assert_int_equal(ip[44], i % 3 == 0 ? 0xa0 : 0x20);
    }
}

static struct xf_vif_addresses make_vif(void)
{
    struct xf_vif_addresses vif = { .role = XF_IPV6_ROLE_UNKNOWN };

    memcpy(vif.mac, mac, sizeof(mac));
    return vif;
}

static void a_vif_without_addresses_sends_rarp_alone(void **state)
{
    struct xf_announcement frames[XF_ANNOUNCES_MAX];
    struct xf_vif_addresses vif = make_vif();

    (void)state;
    assert_int_equal(xf_announce_build(&vif, frames), 1);
    assert_int_equal(frames[0].b[12], 0x80);
    assert_int_equal(frames[0].b[13], 0x35);
}

static void a_full_vif_fits(void **state)
{
    struct xf_announcement frames[XF_ANNOUNCES_MAX];
    struct xf_vif_addresses vif = make_vif();
    size_t n_neighbours = 0;
    size_t n;

    (void)state;
    for (uint16_t i = 0; i < 2 * XF_LEARN_MAX; i++) {
        struct xf_heard heard = { .role = XF_IPV6_ROLE_HOST, .vlan = (uint16_t)(i + 1) };

        memcpy(heard.mac, mac, sizeof(mac));
        memcpy(heard.ipv6, ll, sizeof(ll));
        heard.has_ipv4 = i % 2 == 0;
        heard.has_ipv6 = !heard.has_ipv4;
        heard.ipv4 = ADDRESS + i;
        heard.ipv6[15] = (uint8_t)i;
        assert_true(xf_addresses_learn(&vif, &heard));
    }
    n = xf_announce_build(&vif, frames);
    assert_int_equal(n, XF_ANNOUNCES_MAX);
    for (size_t i = 0; i < n; i++) {
        n_neighbours += frames[i].neighbour;
    }
    assert_int_equal(n_neighbours, XF_LEARN_MAX);
}

static void no_advertisement_while_the_role_is_unknown(void **state)
{
    struct xf_announcement frames[XF_ANNOUNCES_MAX];
    struct xf_vif_addresses vif = make_vif();
    struct xf_heard heard = { .has_ipv6 = true };

    (void)state;
    memcpy(heard.mac, mac, sizeof(mac));
    memcpy(heard.ipv6, ll, sizeof(ll));
    assert_true(xf_addresses_learn(&vif, &heard));
    assert_int_equal(xf_announce_build(&vif, frames), 1);
    heard.role = XF_IPV6_ROLE_ROUTER;
    assert_true(xf_addresses_learn(&vif, &heard));
    assert_int_equal(xf_announce_build(&vif, frames), 2);
    assert_int_equal(frames[1].b[14 + 40 + 4], 0xa0);
    /* One frame that says "host" does not take the router out of its neighbours' tables. */
    heard.role = XF_IPV6_ROLE_HOST;
    assert_false(xf_addresses_learn(&vif, &heard));
    assert_int_equal(xf_announce_build(&vif, frames), 2);
    assert_int_equal(frames[1].b[14 + 40 + 4], 0xa0);
}

static void advertisements_are_a_second_apart_and_three(void **state)
{
    uint32_t last = 0;
    unsigned n = 0;

    (void)state;
    assert_int_equal(xf_announce_schedule[0].at_ms, 0);
    for (unsigned i = 0; i < XF_ANNOUNCE_BURSTS; i++) {
        if (i > 0) {
            assert_true(xf_announce_schedule[i].at_ms > xf_announce_schedule[i - 1].at_ms);
        }
        if (xf_announce_schedule[i].neighbours) {
            assert_true(n == 0 || xf_announce_schedule[i].at_ms - last >= 1000);
            last = xf_announce_schedule[i].at_ms;
            n++;
        }
    }
    assert_true(n >= 1 && n <= 3);
}

/* ---- reading ---- */

/* A frame from the domain with this type and body; returns its size. */
static size_t make_frame(uint8_t buf[static 128], uint16_t type, const uint8_t *body, size_t size)
{
    memset(buf, 0xff, 6);
    memcpy(buf + 6, mac, 6);
    buf[12] = (uint8_t)(type >> 8);
    buf[13] = (uint8_t)type;
    memcpy(buf + 14, body, size);
    return 14 + size;
}

static const uint8_t arp_body[28] = {
    0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01, 0x00, 0x16, 0x3e, 0x12, 0x34, 0x56,
    0x0a, 0x00, 0x02, 0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0a, 0x00, 0x02, 0x01,
};

static void arp_tells_its_senders_address(void **state)
{
    uint8_t buf[128];
    size_t size = make_frame(buf, 0x0806, arp_body, sizeof(arp_body));
    struct xf_heard heard;

    (void)state;
    assert_int_equal(xf_announce_parse(buf, size, XF_VLAN_NONE, &heard), 0);
    assert_true(heard.has_ipv4);
    assert_int_equal(heard.ipv4, ADDRESS);
    assert_memory_equal(heard.mac, mac, 6);
    assert_int_equal(heard.vlan, XF_VLAN_NONE);
    assert_int_equal(xf_announce_parse(buf, size, 77, &heard), 0);
    assert_int_equal(heard.vlan, 77);
}

static void a_tag_left_in_the_frame_is_read(void **state)
{
    uint8_t body[4 + sizeof(arp_body)] = { 0xe0, 0x4d, 0x08, 0x06 }; /* priority 7, VLAN 77 */
    uint8_t buf[128];
    struct xf_heard heard;
    size_t size;

    (void)state;
    memcpy(body + 4, arp_body, sizeof(arp_body));
    size = make_frame(buf, 0x8100, body, sizeof(body));
    assert_int_equal(xf_announce_parse(buf, size, XF_VLAN_NONE, &heard), 0);
    assert_int_equal(heard.vlan, 77);
    assert_int_equal(heard.ipv4, ADDRESS);
    /* Two tags: such a network is not ours to announce in. */
    assert_int_equal(xf_announce_parse(buf, size, 5, &heard), -ENOENT);
}

static void a_probe_tells_nothing(void **state)
{
    uint8_t body[28];
    uint8_t buf[128];
    struct xf_heard heard;

    (void)state;
    memcpy(body, arp_body, sizeof(body));
    memset(body + 14, 0, 4);
    assert_int_equal(xf_announce_parse(buf, make_frame(buf, 0x0806, body, 28), 0, &heard), -ENOENT);
}

static void arp_for_another_mac_tells_nothing(void **state)
{
    uint8_t body[28];
    uint8_t buf[128];
    struct xf_heard heard;

    (void)state;
    memcpy(body, arp_body, sizeof(body));
    body[13] ^= 1;
    assert_int_equal(xf_announce_parse(buf, make_frame(buf, 0x0806, body, 28), 0, &heard), -ENOENT);
}

static void an_address_that_no_host_has_is_left_out(void **state)
{
    static const uint8_t bad[][4] = {
        { 0, 1, 2, 3 },   { 127, 0, 0, 1 },       { 224, 0, 0, 1 },
        { 240, 0, 0, 1 }, { 255, 255, 255, 255 },
    };
    uint8_t body[28];
    uint8_t buf[128];
    struct xf_heard heard;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        memcpy(body, arp_body, sizeof(body));
        memcpy(body + 14, bad[i], 4);
        assert_int_equal(xf_announce_parse(buf, make_frame(buf, 0x0806, body, 28), 0, &heard),
                         -ENOENT);
    }
}

static void ipv4_counts_only_before_its_first_router(void **state)
{
    uint8_t body[20] = { 0x45, 0, 0, 20, [8] = 64, 17, 0, 0, 10, 0, 2, 7, 10, 0, 2, 1 };
    uint8_t buf[128];
    struct xf_heard heard;
    size_t size = make_frame(buf, 0x0800, body, sizeof(body));

    (void)state;
    assert_int_equal(xf_announce_parse(buf, size, 0, &heard), 0);
    assert_int_equal(heard.ipv4, ADDRESS);
    buf[14 + 8] = 63;
    assert_int_equal(xf_announce_parse(buf, size, 0, &heard), -ENOENT);
    buf[14 + 8] = 128;
    assert_int_equal(xf_announce_parse(buf, size, 0, &heard), 0);
    buf[14] = 0x65;
    assert_int_equal(xf_announce_parse(buf, size, 0, &heard), -ENOENT);
}

/* An ICMPv6 frame of this type from this source, target and flags as given. */
static size_t make_nd(uint8_t buf[static 128], uint8_t type, const uint8_t *source,
                      const uint8_t *target, uint8_t flags)
{
    uint8_t body[64] = { 0x60, [5] = 24, 58, 255 };

    memcpy(body + 8, source, 16);
    memcpy(body + 24, ll, 16);
    body[40] = type;
    body[44] = flags;
    memcpy(body + 48, target, 16);
    return make_frame(buf, 0x86dd, body, sizeof(body));
}

static void neighbour_discovery_tells_address_and_role(void **state)
{
    static const uint8_t none[16];
    static const uint8_t global[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 7 };
    static const struct {
        uint8_t type;
        const uint8_t *source;
        uint8_t flags;
        int rc;
        const uint8_t *address;
        uint8_t role;
    } rows[] = {
        { 133, ll, 0, 0, ll, XF_IPV6_ROLE_HOST },
        { 133, none, 0, 0, NULL, XF_IPV6_ROLE_HOST },
        { 134, ll, 0, 0, ll, XF_IPV6_ROLE_ROUTER },
        { 135, ll, 0, 0, ll, XF_IPV6_ROLE_UNKNOWN },
        { 135, none, 0, -ENOENT, NULL, 0 }, /* duplicate address detection */
        { 136, ll, 0x60, 0, global, XF_IPV6_ROLE_HOST },
        { 136, ll, 0xa0, 0, global, XF_IPV6_ROLE_ROUTER },
        { 136, ll, 0x40, 0, NULL, XF_IPV6_ROLE_HOST }, /* no override: anycast or a proxy */
        { 137, ll, 0, -ENOENT, NULL, 0 },
        { 128, ll, 0, -ENOENT, NULL, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t buf[128];
        size_t size = make_nd(buf, rows[i].type, rows[i].source, global, rows[i].flags);
        struct xf_heard heard;

        assert_int_equal(xf_announce_parse(buf, size, 0, &heard), rows[i].rc);
        if (rows[i].rc != 0) {
            continue;
        }
        assert_int_equal(heard.role, rows[i].role);
        assert_int_equal(heard.has_ipv6, rows[i].address != NULL);
        if (rows[i].address != NULL) {
            assert_memory_equal(heard.ipv6, rows[i].address, 16);
        }
    }
}

static void discovery_from_beyond_a_router_tells_nothing(void **state)
{
    uint8_t buf[128];
    size_t size = make_nd(buf, 136, ll, ll, 0x20);
    struct xf_heard heard;

    (void)state;
    assert_int_equal(xf_announce_parse(buf, size, 0, &heard), 0);
    buf[14 + 7] = 254;
    assert_int_equal(xf_announce_parse(buf, size, 0, &heard), -ENOENT);
}

static void every_cut_is_refused(void **state)
{
    uint8_t buf[128];
    struct xf_heard heard;
    size_t size = make_frame(buf, 0x0806, arp_body, sizeof(arp_body));

    (void)state;
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(xf_announce_parse(buf, i, 0, &heard), -EBADMSG);
    }
    size = make_nd(buf, 136, ll, ll, 0x20);
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(xf_announce_parse(buf, i, 0, &heard), -EBADMSG);
    }
}

static void our_own_frames_are_read_back(void **state)
{
    struct xf_announcement frame;
    struct xf_heard heard;

    (void)state;
    xf_announce_arp_reply(mac, 9, ADDRESS, &frame);
    assert_int_equal(xf_announce_parse(frame.b, frame.size, 0, &heard), 0);
    assert_int_equal(heard.ipv4, ADDRESS);
    assert_int_equal(heard.vlan, 9);
    xf_announce_neighbour(mac, 0, ll, true, &frame);
    assert_int_equal(xf_announce_parse(frame.b, frame.size, 0, &heard), 0);
    assert_memory_equal(heard.ipv6, ll, 16);
    assert_int_equal(heard.role, XF_IPV6_ROLE_ROUTER);
    xf_announce_rarp(mac, 0, &frame);
    assert_int_equal(xf_announce_parse(frame.b, frame.size, 0, &heard), -ENOENT);
}

/* ---- what is known ---- */

static void the_ninth_address_and_another_mac_are_left_out(void **state)
{
    struct xf_vif_addresses vif = make_vif();
    struct xf_heard heard = { .has_ipv4 = true };

    (void)state;
    memcpy(heard.mac, mac, sizeof(mac));
    for (uint32_t i = 0; i < XF_LEARN_MAX; i++) {
        heard.ipv4 = ADDRESS + i;
        assert_true(xf_addresses_learn(&vif, &heard));
        assert_false(xf_addresses_learn(&vif, &heard));
    }
    heard.ipv4 = ADDRESS + XF_LEARN_MAX;
    assert_false(xf_addresses_learn(&vif, &heard));
    assert_int_equal(vif.n_ipv4, XF_LEARN_MAX);

    vif = make_vif();
    heard.mac[5] ^= 1;
    assert_false(xf_addresses_learn(&vif, &heard));
    assert_int_equal(vif.n_ipv4, 0);
}

static bool tells(struct xf_vif_addresses *vif, const char *text)
{
    return xf_addresses_told(vif, text, strlen(text));
}

static void what_a_guest_writes_counts_if_it_is_a_plain_address(void **state)
{
    struct xf_vif_addresses vif = make_vif();

    (void)state;
    assert_true(tells(&vif, "10.0.0.7"));
    assert_false(tells(&vif, "10.0.0.7"));
    assert_true(tells(&vif, "223.255.255.254")); /* as long as one can be */
    assert_int_equal(vif.n_ipv4, 2);
    assert_int_equal(vif.ipv4[0].address, 0x0a000007);
    assert_int_equal(vif.ipv4[0].vlan, XF_VLAN_NONE);
    assert_int_equal(vif.ipv4[1].address, 0xdffffffe);
    assert_int_equal(vif.n_ipv6, 0);
    assert_int_equal(vif.role, XF_IPV6_ROLE_UNKNOWN);
}

static void anything_else_that_a_guest_writes_is_left_out(void **state)
{
    static const char *const others[] = {
        "",
        "10.0.0",
        "10.0.0.7 ",
        " 10.0.0.7",
        "10.0.0.7\n",
        "10.0.0.07",
        "10.0.0.256",
        "10.0.0.7/24",
        "10.0.0.7 10.0.0.8",
        "10.0.0.7,10.0.0.8",
        "fe80::1",
        "::10.0.0.7",
        "0x0a000007",
        "167772167",
        "10.0.0.-7",
        "0.0.0.0",
        "0.1.2.3",
        "127.0.0.1",
        "127.255.255.255",
        "224.0.0.1",
        "239.1.2.3",
        "240.0.0.1",
        "255.255.255.255",
        "10.0.0.7.0000000000000000000",
    };
    static const char with_nul[] = "10.0.0.7";
    static char long_one[4096];
    struct xf_vif_addresses vif = make_vif();

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (tells(&vif, others[i])) {
            fail_msg("\"%s\" counts", others[i]);
        }
    }
    assert_false(xf_addresses_told(&vif, with_nul, sizeof(with_nul)));
    memset(long_one, '1', sizeof(long_one)); /* without an end */
    assert_false(xf_addresses_told(&vif, long_one, sizeof(long_one)));
    assert_int_equal(vif.n_ipv4, 0);
    assert_true(xf_addresses_told(&vif, with_nul, sizeof(with_nul) - 1));
}

static void a_guest_that_writes_many_addresses_leaves_room_for_those_that_are_heard(void **state)
{
    struct xf_vif_addresses vif = make_vif();
    struct xf_heard heard = { .has_ipv4 = true, .ipv4 = ADDRESS };

    (void)state;
    for (uint32_t i = 0; i < 256; i++) {
        char text[XF_IPV4_TEXT_SIZE];

        xf_ipv4_text(0x0a010000 + i, text);
        assert_true(tells(&vif, text) == (i < XF_TOLD_MAX));
    }
    assert_int_equal(vif.n_ipv4, XF_TOLD_MAX);
    assert_true(XF_TOLD_MAX < XF_LEARN_MAX);
    memcpy(heard.mac, mac, sizeof(mac));
    assert_true(xf_addresses_learn(&vif, &heard));
}

static struct xf_addresses make_addresses(void)
{
    struct xf_addresses addresses = { .n_vifs = XF_ADDRESSES_VIFS };

    for (uint32_t i = 0; i < addresses.n_vifs; i++) {
        struct xf_vif_addresses *vif = &addresses.vif[i];

        *vif = make_vif();
        vif->mac[5] = (uint8_t)i;
        vif->role = (uint8_t)(i % XF_N_IPV6_ROLES);
        vif->n_ipv4 = XF_LEARN_MAX;
        vif->n_ipv6 = XF_LEARN_MAX;
        for (uint8_t k = 0; k < XF_LEARN_MAX; k++) {
            vif->ipv4[k].address = ADDRESS + k;
            vif->ipv4[k].vlan = k;
            memcpy(vif->ipv6[k].address, ll, 16);
            vif->ipv6[k].address[15] = k;
            vif->ipv6[k].vlan = (uint16_t)(4094 - k);
        }
    }
    return addresses;
}

static void addresses_come_back_from_their_bytes(void **state)
{
    struct xf_addresses addresses = make_addresses();
    struct xf_addresses got;
    uint8_t buf[XF_ADDRESSES_SIZE];

    (void)state;
    memset(&got, 0xa5, sizeof(got));
    assert_int_equal(xf_addresses_encode(&addresses, buf, sizeof(buf)), XF_ADDRESSES_SIZE);
    assert_int_equal(xf_addresses_decode(buf, sizeof(buf), &got), 0);
    assert_memory_equal(&got, &addresses, sizeof(got));
    for (size_t i = 0; i < sizeof(buf); i++) {
        assert_int_equal(xf_addresses_encode(&addresses, buf, i), -EMSGSIZE);
    }
}

static void malformed_addresses_are_refused(void **state)
{
    /* offset in the bytes of a whole struct, and what is put there */
    static const struct {
        size_t at;
        uint8_t byte;
    } rows[] = {
        { 0, XF_ADDRESSES_VIFS + 1 }, /* too many vifs */
        { 0, 0 },                     /* bytes left over */
        { 1, 0x01 },                  /* multicast MAC */
        { 7, XF_N_IPV6_ROLES },       /* no such role */
        { 8, XF_LEARN_MAX + 1 },      /* too many addresses */
        { 9, XF_LEARN_MAX + 1 },
        { 13, 0xe0 }, /* a multicast group as address */
        { 15, 0x10 }, /* VLAN 4096 + .. */
        { 16, 0x08 }, /* the same address twice: second one's low byte */
    };
    struct xf_addresses addresses = make_addresses();
    struct xf_addresses got;
    uint8_t good[XF_ADDRESSES_SIZE];

    (void)state;
    for (uint8_t k = 0; k < XF_LEARN_MAX; k++) {
        addresses.vif[0].ipv4[k].vlan = 0;
    }
    assert_int_equal(xf_addresses_encode(&addresses, good, sizeof(good)), sizeof(good));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t bad[XF_ADDRESSES_SIZE];

        memcpy(bad, good, sizeof(bad));
        bad[rows[i].at] = rows[i].at == 16 ? good[10] : rows[i].byte;
        assert_int_equal(xf_addresses_decode(bad, sizeof(bad), &got), -EBADMSG);
    }
    for (size_t i = 0; i < sizeof(good); i++) {
        assert_int_equal(xf_addresses_decode(good, i, &got), -EBADMSG);
    }
}

static void merging_adds_to_the_same_mac_only(void **state)
{
    struct xf_addresses mine = { .n_vifs = 1 };
    struct xf_addresses more = make_addresses();

    (void)state;
    mine.vif[0] = make_vif();
    mine.vif[0].mac[5] = 2;
    xf_addresses_merge(&mine, &more);
    assert_int_equal(mine.n_vifs, 1);
    assert_memory_equal(&mine.vif[0], &more.vif[2], sizeof(mine.vif[0]));
    mine.vif[0] = make_vif();
    xf_addresses_merge(&mine, &more);
    assert_int_equal(mine.vif[0].n_ipv4, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rarp_asks_for_its_own_address),
        cmocka_unit_test(arp_request_names_the_address_as_sender_and_target),
        cmocka_unit_test(arp_reply_names_the_mac_twice),
        cmocka_unit_test(tag_stands_before_the_type),
        cmocka_unit_test(advertisement_goes_to_all_nodes_with_override),
        cmocka_unit_test(advertisement_checks_out_at_its_receiver),
        cmocka_unit_test(a_vif_without_addresses_sends_rarp_alone),
        cmocka_unit_test(a_full_vif_fits),
        cmocka_unit_test(no_advertisement_while_the_role_is_unknown),
        cmocka_unit_test(advertisements_are_a_second_apart_and_three),
        cmocka_unit_test(arp_tells_its_senders_address),
        cmocka_unit_test(a_tag_left_in_the_frame_is_read),
        cmocka_unit_test(a_probe_tells_nothing),
        cmocka_unit_test(arp_for_another_mac_tells_nothing),
        cmocka_unit_test(an_address_that_no_host_has_is_left_out),
        cmocka_unit_test(ipv4_counts_only_before_its_first_router),
        cmocka_unit_test(neighbour_discovery_tells_address_and_role),
        cmocka_unit_test(discovery_from_beyond_a_router_tells_nothing),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(our_own_frames_are_read_back),
        cmocka_unit_test(the_ninth_address_and_another_mac_are_left_out),
        cmocka_unit_test(what_a_guest_writes_counts_if_it_is_a_plain_address),
        cmocka_unit_test(anything_else_that_a_guest_writes_is_left_out),
        cmocka_unit_test(a_guest_that_writes_many_addresses_leaves_room_for_those_that_are_heard),
        cmocka_unit_test(addresses_come_back_from_their_bytes),
        cmocka_unit_test(malformed_addresses_are_refused),
        cmocka_unit_test(merging_adds_to_the_same_mac_only),
    };

    return cmocka_run_group_tests_name("announce", tests, NULL, NULL);
}
