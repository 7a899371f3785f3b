/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the guest says on the network: ARP for its address, ICMP echo, and a UDP echo whose answer
 * begins with a line of text about the guest. It never speaks unasked: announcing a domain's
 * address is the agent's work.
 */
#ifndef XF_SANDBOX_GUEST_ANSWER_H
#define XF_SANDBOX_GUEST_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "domcfg.h"

#define XF_ETHER_SIZE_MAX 9234u /* jumbo frame with its header and a VLAN tag */

struct xf_guest_says {
    size_t mtu;
    /* Called only when a UDP answer is due: writes the line and returns its length. */
    size_t (*line)(void *arg, char *buf, size_t size);
    void *arg;
};

/* Length of the answer in reply (XF_ETHER_SIZE_MAX bytes), or 0: nothing to say. Trusts no byte. */
size_t xf_guest_answer(const struct xf_domcfg_vif *vif, const struct xf_guest_says *says,
                       const uint8_t *frame, size_t size, uint8_t *reply);

#endif
