/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One host's end of the layer-2 probe of one check: raw sockets on the bridges of a domain's vifs,
 * which send probe frames and note which of the other host's arrive. The round's order, from the
 * source: open here, open there; then for each round the source sends, asks the target to send and
 * to say what it has heard, waits XF_NET_PROBE_WAIT_MS, and learns (common/probe.h).
 * Allocates and opens in open() only; nothing blocks. Needs CAP_NET_RAW.
 */
#ifndef XF_NET_PROBE_H
#define XF_NET_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include <qb/qbloop.h>

#include "probe.h"

/* Frames of one round have arrived by then, or are lost. */
#define XF_NET_PROBE_WAIT_MS     60u
/* Of hosts that have a lot to do: rounds that proved no loss are given more, up to this. */
#define XF_NET_PROBE_WAIT_MAX_MS 960u
#define XF_NET_PROBE_BRIDGES_MAX 8u

struct xf_net_probe;

struct xf_net_probe_bridge {
    char name[16];
    /* Of the domain's vifs there; up to XF_VIFS_MAX. */
    uint32_t n_macs;
    uint8_t mac[8][6];
    uint32_t ipv4[8]; /* host order; 0: unknown */
};

struct xf_net_probe_setup {
    struct xf_node self;
    bool by_target;
    uint8_t nonce[XF_PROBE_NONCE_SIZE];
    uint32_t n;
    struct xf_net_probe_bridge bridge[XF_NET_PROBE_BRIDGES_MAX];
};

/* A bridge that is not there is no error: its facts say so. 0 or negative errno. */
int xf_net_probe_open(qb_loop_t *loop, const struct xf_net_probe_setup *setup,
                      struct xf_net_probe **ret_probe);
void xf_net_probe_facts(const struct xf_net_probe *probe, uint32_t bridge,
                        struct xf_bridge_facts *ret_facts);
/* Sends each size a few times, spread over less than XF_NET_PROBE_WAIT_MS from the loop. Returns how many frames in all. */
uint32_t xf_net_probe_send(struct xf_net_probe *probe, uint32_t bridge, uint8_t round,
                           const uint16_t *size, uint32_t n);
/*
 * Takes what has arrived and is yet to be read: a host that has a lot to do gets to its sockets and
 * to the other host's answer in any order. Before heard() and taken().
 */
void xf_net_probe_catch_up(struct xf_net_probe *probe);
/* heard[i]: size[i] of that round has arrived from the other host. */
void xf_net_probe_heard(const struct xf_net_probe *probe, uint32_t bridge, uint8_t round,
                        const uint16_t *size, uint32_t n, bool *ret_heard);
/*
 * Since open(): does another station use one of the domain's MACs or answer for one of its
 * addresses? At the source: the MAC arrives from outside. At the target: it lives behind a guest's
 * port. who: its MAC as text and where.
 */
void xf_net_probe_taken(const struct xf_net_probe *probe, uint32_t bridge, bool *ret_mac,
                        bool *ret_ip, char ret_who[static 32]);
void xf_net_probe_close(struct xf_net_probe *probe); /* takes NULL */

#endif
