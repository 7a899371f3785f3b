/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "net_announce.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <linux/if_ether.h>

#include "drivers.h"
#include "net_link.h"

/*
 * A busy domain sends a million frames a second and we want eight addresses: the sockets are not in
 * the loop but looked at four times a second, and what does not fit into a small queue by then is
 * dropped by the kernel before it is copied.
 */
#define LEARN_INTERVAL_NS 250000000L
#define LEARN_BUFFER      32768
/* Of each socket at a time; about what LEARN_BUFFER holds. */
#define LEARN_AT_ONCE     64

/* Two queues, so that a stream of IPv4 packets does not keep out the one ARP answer. */
enum learn_kind {
    LEARN_NEIGHBOUR, /* ARP, and ICMPv6 133..136 */
    LEARN_IPV4,
    LEARN_N_KINDS,
};

struct learned_vif {
    int bridge;
    bool at_port; /* found behind its own port; until then only its broadcasts are heard */
    int fd[LEARN_N_KINDS];
};

struct xf_learn {
    qb_loop_t *loop;
    int timer;
    struct xf_addresses addresses;
    struct learned_vif vif[XF_ADDRESSES_VIFS];
    struct xf_net_link link;
};

static int listen_kind(int ifindex, const uint8_t *m, enum learn_kind kind)
{
    uint32_t high = (uint32_t)m[0] << 24 | (uint32_t)m[1] << 16 | (uint32_t)m[2] << 8 | m[3];
    uint32_t low = (uint32_t)m[4] << 8 | m[5];
    uint32_t type = kind == LEARN_IPV4 ? ETH_P_IP : ETH_P_ARP;
    /* LEARN_IPV4 has one type only: asked for it a second time, no frame is left. */
    uint32_t other = kind == LEARN_IPV4 ? ETH_P_IP : ETH_P_IPV6;
    const struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, XF_MAC_SIZE),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, high, 0, 11),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, XF_MAC_SIZE + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, low, 0, 9),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 2 * XF_MAC_SIZE),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, type, 6, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, other, 0, 6),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, ETH_HLEN + 6), /* next header */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 58, 0, 4),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, ETH_HLEN + 40), /* ICMPv6 type */
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 133, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 136, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, sizeof(((struct xf_net_packet *)0)->buf)),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };

    return xf_net_listen(ifindex, filter, sizeof(filter) / sizeof(filter[0]), LEARN_BUFFER);
}

static void drain_kind(int fd, struct xf_vif_addresses *vif)
{
    struct xf_net_packet packet;

    for (int i = 0; i < LEARN_AT_ONCE && xf_net_receive(fd, &packet) == 0; i++) {
        struct xf_heard heard;

        if (xf_announce_parse(packet.buf, packet.size, packet.vlan, &heard) == 0) {
            (void)xf_addresses_learn(vif, &heard);
        }
    }
}

/* The domain's own port hears all that it says; the bridge shows which one that is. */
static void find_port(struct xf_learn *learn, uint32_t i)
{
    struct learned_vif *vif = &learn->vif[i];
    struct xf_net_ports ports;

    if (xf_net_whereabouts(&learn->link, vif->bridge, learn->addresses.vif[i].mac, &ports) < 0) {
        return;
    }
    for (size_t k = 0; k < ports.n && !vif->at_port; k++) {
        if (!xf_net_is_guest(&learn->link, ports.ifindex[k])) {
            continue;
        }
        vif->at_port = true;
        for (int kind = 0; kind < LEARN_N_KINDS; kind++) {
            if (xf_net_listen_move(vif->fd[kind], ports.ifindex[k]) < 0) {
                vif->at_port = false;
            }
        }
    }
}

static void drain_all(struct xf_learn *learn)
{
    for (uint32_t i = 0; i < learn->addresses.n_vifs; i++) {
        for (int kind = 0; kind < LEARN_N_KINDS; kind++) {
            drain_kind(learn->vif[i].fd[kind], &learn->addresses.vif[i]);
        }
    }
}

static void look(struct xf_learn *learn)
{
    drain_all(learn);
    for (uint32_t i = 0; i < learn->addresses.n_vifs; i++) {
        if (!learn->vif[i].at_port) {
            find_port(learn, i);
        }
    }
}

static int32_t timer_ran_out(int32_t fd, int32_t revents, void *data)
{
    uint64_t times;

    (void)revents;
    if (read(fd, &times, sizeof(times)) > 0) {
        look(data);
    }
    return 0;
}

static int start_timer(struct xf_learn *learn)
{
    static const struct itimerspec every = {
        .it_value = { 0, LEARN_INTERVAL_NS },
        .it_interval = { 0, LEARN_INTERVAL_NS },
    };
    int rc;

    learn->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (learn->timer < 0) {
        return -errno;
    }
    (void)timerfd_settime(learn->timer, 0, &every, NULL);
    rc = qb_loop_poll_add(learn->loop, QB_LOOP_LOW, learn->timer, POLLIN, learn, timer_ran_out);
    if (rc < 0) {
        (void)close(learn->timer);
        learn->timer = -1;
    }
    return rc;
}

static int listen_to(struct learned_vif *vif, const uint8_t *mac, const char *bridge)
{
    vif->bridge = (int)if_nametoindex(bridge);
    if (vif->bridge == 0) {
        return -ENODEV;
    }
    for (int kind = 0; kind < LEARN_N_KINDS; kind++) {
        vif->fd[kind] = listen_kind(vif->bridge, mac, (enum learn_kind)kind);
        if (vif->fd[kind] < 0) {
            return vif->fd[kind];
        }
    }
    return 0;
}

int xf_learn_start(qb_loop_t *loop, const struct xf_dom_needs *needs, struct xf_learn **ret_learn)
{
    struct xf_learn *learn = calloc(1, sizeof(*learn));
    int rc;

    if (learn == NULL) {
        return -ENOMEM;
    }
    learn->loop = loop;
    learn->timer = -1;
    xf_addresses_of_config(needs, &learn->addresses);
    for (uint32_t i = 0; i < XF_ADDRESSES_VIFS; i++) {
        memset(learn->vif[i].fd, 0xff, sizeof(learn->vif[i].fd)); /* every one -1 */
    }
    rc = xf_net_link_open(&learn->link);
    for (uint32_t i = 0; rc == 0 && i < needs->n_vifs; i++) {
        rc = listen_to(&learn->vif[i], needs->vif[i].mac, needs->vif[i].bridge);
    }
    if (rc == 0) {
        rc = start_timer(learn);
    }
    if (rc < 0) {
        xf_learn_stop(learn);
        return rc;
    }
    look(learn);
    *ret_learn = learn;
    return 0;
}

void xf_learn_get(struct xf_learn *learn, struct xf_addresses *ret_addresses)
{
    drain_all(learn);
    *ret_addresses = learn->addresses;
}

void xf_learn_stop(struct xf_learn *learn)
{
    if (learn == NULL) {
        return;
    }
    if (learn->timer >= 0) {
        (void)qb_loop_poll_del(learn->loop, learn->timer);
        (void)close(learn->timer);
    }
    for (uint32_t i = 0; i < learn->addresses.n_vifs; i++) {
        for (int kind = 0; kind < LEARN_N_KINDS; kind++) {
            if (learn->vif[i].fd[kind] >= 0) {
                (void)close(learn->vif[i].fd[kind]);
            }
        }
    }
    xf_net_link_close(&learn->link);
    free(learn);
}
