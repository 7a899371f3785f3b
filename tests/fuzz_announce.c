/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * common/announce.c: a domain's frames, what a guest wrote, and a peer's list of addresses. What is accepted can be
 * announced, and what is announced reads back as what was accepted. The first byte chooses.
 */
#include "config.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "announce.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every frame that the addresses give is well-formed and tells one of them. */
static void check_frames(const struct xf_vif_addresses *vif)
{
    struct xf_announcement frames[XF_ANNOUNCES_MAX];
    struct xf_vif_addresses back = { .role = XF_IPV6_ROLE_UNKNOWN };
    size_t n = xf_announce_build(vif, frames);

    assert(n >= 1 && n <= XF_ANNOUNCES_MAX);
    memcpy(back.mac, vif->mac, XF_MAC_SIZE);
    for (size_t i = 0; i < n; i++) {
        struct xf_heard heard;

        assert(frames[i].size >= 60 && frames[i].size <= XF_ANNOUNCE_SIZE);
        if (xf_announce_parse(frames[i].b, frames[i].size, XF_VLAN_NONE, &heard) == 0) {
            (void)xf_addresses_learn(&back, &heard);
        }
    }
    assert(back.n_ipv4 == vif->n_ipv4);
    assert(memcmp(back.ipv4, vif->ipv4, sizeof(back.ipv4)) == 0);
    if (vif->role != XF_IPV6_ROLE_UNKNOWN) {
        assert(back.n_ipv6 == vif->n_ipv6);
        assert(memcmp(back.ipv6, vif->ipv6, sizeof(back.ipv6)) == 0);
    }
}

static void try_frame(const uint8_t *data, size_t size, uint16_t vlan)
{
    struct xf_vif_addresses vif = { .role = XF_IPV6_ROLE_UNKNOWN };
    struct xf_heard heard;

    if (xf_announce_parse(data, size, vlan, &heard) == 0) {
        memcpy(vif.mac, heard.mac, XF_MAC_SIZE);
        assert(xf_addresses_learn(&vif, &heard));
        assert(!xf_addresses_learn(&vif, &heard));
        check_frames(&vif);
    }
}

static void try_addresses(const uint8_t *data, size_t size)
{
    struct xf_addresses addresses;
    uint8_t back[XF_ADDRESSES_SIZE];

    if (xf_addresses_decode(data, size, &addresses) == 0) {
        assert(xf_addresses_encode(&addresses, back, sizeof(back)) == (int)size);
        assert(memcmp(back, data, size) == 0);
        for (uint32_t i = 0; i < addresses.n_vifs; i++) {
            check_frames(&addresses.vif[i]);
        }
    }
}

/* One value for each line. What is taken is the address that it spells. */
static void try_told(const uint8_t *data, size_t size)
{
    struct xf_vif_addresses vif = { .mac = { 2 } };

    while (size > 0) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t one = end != NULL ? (size_t)(end - data) : size;

        if (xf_addresses_told(&vif, (const char *)data, one)) {
            char text[XF_IPV4_TEXT_SIZE];

            xf_ipv4_text(vif.ipv4[vif.n_ipv4 - 1u].address, text);
            assert(strlen(text) == one && memcmp(text, data, one) == 0);
        }
        one += end != NULL ? 1 : 0;
        data += one;
        size -= one;
    }
    assert(vif.n_ipv4 <= XF_TOLD_MAX && vif.n_ipv6 == 0);
    check_frames(&vif);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    if (data[0] == 'a') {
        try_addresses(data + 1, size - 1);
    } else if (data[0] == 't') {
        try_told(data + 1, size - 1);
    } else {
        try_frame(data + 1, size - 1, data[0] == 'v' ? 77 : XF_VLAN_NONE);
    }
    return 0;
}
