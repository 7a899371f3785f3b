/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "net_probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/poll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "net_link.h"
#include "text.h"

#define NS_PER_MS      UINT64_C(1000000)

/* Each size is sent so often, as is each ARP probe (RFC 5227's PROBE_NUM), all of it in this time. */
#define REPEATS        3u
#define SPREAD_NS      (40 * NS_PER_MS)
#define TICK_NS        (4 * NS_PER_MS)
/* What the interface did not take by then is lost: the answer is asked for soon after. */
#define GIVE_UP_NS     (52 * NS_PER_MS)
#define SEND_AT_ONCE   16u
#define READ_AT_ONCE   64
/* The frames of one round, and what else came. */
#define CATCH_UP_TURNS 2u
/* Largest frames in flight: the kernel counts them whole, although the filter cuts them. */
#define PROBE_BUFFER   (4 << 20)
#define DOMAIN_MACS    8u
#define PACKET_BYTES   ((uint32_t)sizeof(((struct xf_net_packet *)0)->buf))

struct probed_bridge {
    struct xf_net_probe *probe;
    uint8_t number;
    struct xf_net_bridge net;
    int fd; /* hears what arrives for the bridge; -1: closed */
    int outside_fd[XF_NET_OUTSIDE_MAX];
    /* What is being sent. */
    uint64_t start_ns;
    uint16_t size[XF_PROBE_SIZES_MAX];
    uint32_t n_sizes;
    uint32_t next; /* of REPEATS * n_sizes */
    uint8_t round;
    uint32_t n_asked; /* ARP probes of each address so far */
    /* What was heard. */
    uint16_t heard[XF_PROBE_ROUNDS_MAX][XF_PROBE_SIZES_MAX];
    uint32_t n_heard[XF_PROBE_ROUNDS_MAX];
    bool peer_known;
    uint8_t peer[XF_MAC_SIZE];
    char mac_user[32]; /* "": nobody else */
    char ip_user[32];
};

struct xf_net_probe {
    qb_loop_t *loop;
    struct xf_net_probe_setup setup;
    uint64_t open_ns;
    int fd; /* sends on every interface, hears nothing */
    int timer;
    struct probed_bridge bridge[XF_NET_PROBE_BRIDGES_MAX];
    struct xf_net_link link;
    uint8_t frame[ETH_HLEN + XF_PROBE_MTU_MAX];
};

static const struct xf_net_probe_bridge *setup_of(const struct probed_bridge *bridge)
{
    return &bridge->probe->setup.bridge[bridge->number];
}

static bool is_domains(const struct xf_net_probe *probe, const uint8_t *mac)
{
    for (uint32_t i = 0; i < probe->setup.n; i++) {
        for (uint32_t k = 0; k < probe->setup.bridge[i].n_macs; k++) {
            if (memcmp(probe->setup.bridge[i].mac[k], mac, XF_MAC_SIZE) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* ---- sending ---- */

static int send_frame(struct probed_bridge *bridge, const uint8_t *frame, size_t size)
{
    struct sockaddr_ll to = {
        .sll_family = AF_PACKET,
        .sll_ifindex = bridge->net.ifindex,
        .sll_halen = XF_MAC_SIZE,
    };

    return sendto(bridge->probe->fd, frame, size, MSG_DONTWAIT, (const struct sockaddr *)&to,
                  sizeof(to)) < 0
               ? -errno
               : 0;
}

/* false: the interface takes no more at the moment. A frame too large for it is lost as any other. */
static bool may_go_on(struct probed_bridge *bridge, int rc)
{
    if (rc == -EAGAIN || rc == -ENOBUFS) {
        return false;
    }
    if (rc == -ENETDOWN) {
        bridge->net.facts.carrier = false;
    } else if (rc < 0 && rc != -EMSGSIZE && bridge->net.facts.error == 0) {
        bridge->net.facts.error = (uint16_t)-rc;
    }
    return true;
}

/* The first goes to everybody, for the other host's address is not known yet. */
static void address_frame(const struct probed_bridge *bridge, struct xf_probe_frame *frame)
{
    bool known = bridge->peer_known && memcmp(bridge->peer, bridge->net.mac, XF_MAC_SIZE) != 0;

    memcpy(frame->from, bridge->net.mac, XF_MAC_SIZE);
    memset(frame->to, 0xff, XF_MAC_SIZE);
    if (known && bridge->round > 0) {
        memcpy(frame->to, bridge->peer, XF_MAC_SIZE);
    }
}

static bool send_size(struct probed_bridge *bridge, uint16_t size)
{
    struct xf_net_probe *probe = bridge->probe;
    struct xf_probe_frame frame = {
        .sender = probe->setup.self,
        .by_target = probe->setup.by_target,
        .bridge = bridge->number,
        .round = bridge->round,
        .mtu = size,
    };
    int whole;

    address_frame(bridge, &frame);
    memcpy(frame.nonce, probe->setup.nonce, sizeof(frame.nonce));
    whole = xf_probe_encode(&frame, probe->frame, sizeof(probe->frame));
    return whole < 0 || may_go_on(bridge, send_frame(bridge, probe->frame, (size_t)whole));
}

static void send_sizes(struct probed_bridge *bridge, uint64_t now)
{
    uint32_t total = REPEATS * bridge->n_sizes;

    for (uint32_t i = 0; i < SEND_AT_ONCE && bridge->next < total; i++) {
        /* The smallest last (xf_probe_search_next()). */
        uint32_t at = bridge->n_sizes - 1 - bridge->next % bridge->n_sizes;

        if (bridge->start_ns + SPREAD_NS * bridge->next / total > now ||
            !send_size(bridge, bridge->size[at])) {
            break;
        }
        bridge->next++;
    }
    if (now >= bridge->start_ns + GIVE_UP_NS) {
        bridge->next = total;
    }
}

/* Who has the domain's addresses? */
static void ask_round(struct probed_bridge *bridge, uint64_t now)
{
    const struct xf_net_probe_bridge *setup = setup_of(bridge);
    uint8_t frame[XF_PROBE_ARP_SIZE];

    if (bridge->n_asked >= REPEATS ||
        bridge->probe->open_ns + SPREAD_NS * bridge->n_asked / REPEATS > now) {
        return;
    }
    for (uint32_t i = 0; i < setup->n_macs; i++) {
        if (setup->ipv4[i] != 0) {
            xf_probe_arp(bridge->net.mac, setup->ipv4[i], frame);
            (void)may_go_on(bridge, send_frame(bridge, frame, sizeof(frame)));
        }
    }
    bridge->n_asked++;
}

/* ---- who else ---- */

static void name_mac_user(struct probed_bridge *bridge, const uint8_t *mac, const char *where)
{
    char text[XF_MAC_TEXT_SIZE];

    xf_mac_text(mac, text);
    (void)snprintf(bridge->mac_user, sizeof(bridge->mac_user), "%s %.13s", text, where);
}

/* Does the domain's MAC live behind one of the target's guests? */
static void look_for_macs(struct probed_bridge *bridge)
{
    const struct xf_net_probe_bridge *setup = setup_of(bridge);
    struct xf_net_link *link = &bridge->probe->link;

    if (!bridge->probe->setup.by_target) {
        return;
    }
    for (uint32_t i = 0; i < setup->n_macs && bridge->mac_user[0] == '\0'; i++) {
        struct xf_net_ports ports;

        if (xf_net_whereabouts(link, bridge->net.ifindex, setup->mac[i], &ports) < 0) {
            continue;
        }
        for (size_t k = 0; k < ports.n; k++) {
            if (xf_net_is_guest(link, ports.ifindex[k])) {
                name_mac_user(bridge, setup->mac[i], "at a guest");
            }
        }
    }
}

/* ---- hearing ---- */

static void note_size(struct probed_bridge *bridge, uint8_t round, uint16_t size)
{
    uint32_t n = bridge->n_heard[round];

    for (uint32_t i = 0; i < n; i++) {
        if (bridge->heard[round][i] == size) {
            return;
        }
    }
    if (n < XF_PROBE_SIZES_MAX) {
        bridge->heard[round][n] = size;
        bridge->n_heard[round]++;
    }
}

static void take_probe(struct probed_bridge *bridge, const struct xf_net_packet *packet)
{
    const struct xf_net_probe_setup *setup = &bridge->probe->setup;
    struct xf_probe_frame frame;

    if (xf_probe_decode(packet->buf, packet->size, packet->whole, &frame) < 0) {
        return;
    }
    /* Of another check; our own, thrown back; of another bridge that is wired to this one. */
    if (memcmp(frame.nonce, setup->nonce, sizeof(frame.nonce)) != 0 ||
        frame.by_target == setup->by_target || frame.sender.id == setup->self.id ||
        frame.bridge != bridge->number || frame.round >= XF_PROBE_ROUNDS_MAX) {
        return;
    }
    note_size(bridge, frame.round, frame.mtu);
    memcpy(bridge->peer, frame.from, sizeof(bridge->peer));
    bridge->peer_known = true;
}

static void take_arp(struct probed_bridge *bridge, const struct xf_net_packet *packet)
{
    const struct xf_net_probe_bridge *setup = setup_of(bridge);
    uint8_t mac[XF_MAC_SIZE];
    uint32_t address;

    if (xf_probe_arp_sender(packet->buf, packet->size, &address, mac) < 0 ||
        is_domains(bridge->probe, mac)) {
        return;
    }
    for (uint32_t i = 0; i < setup->n_macs; i++) {
        if (setup->ipv4[i] == address) {
            xf_mac_text(mac, bridge->ip_user);
        }
    }
}

static int32_t bridge_heard(int32_t fd, int32_t revents, void *data)
{
    struct probed_bridge *bridge = data;
    struct xf_net_packet packet;

    (void)revents;
    for (int i = 0; i < READ_AT_ONCE && xf_net_receive(fd, &packet) == 0; i++) {
        /* Tagged, it is of another network than the bridge's untagged guests are on. */
        if (packet.size != 0 && packet.vlan == XF_VLAN_NONE) {
            take_probe(bridge, &packet);
            take_arp(bridge, &packet);
        }
    }
    return 0;
}

/* At the source: the domain is here, and yet a frame of its MAC comes from outside. */
static int32_t outside_heard(int32_t fd, int32_t revents, void *data)
{
    struct probed_bridge *bridge = data;
    struct xf_net_packet packet;

    (void)revents;
    for (int i = 0; i < READ_AT_ONCE && xf_net_receive(fd, &packet) == 0; i++) {
        for (size_t k = 0; k < bridge->net.outside.n; k++) {
            if (packet.size >= ETH_HLEN && bridge->outside_fd[k] == fd) {
                name_mac_user(bridge, packet.buf + XF_MAC_SIZE, bridge->net.port[k]);
            }
        }
    }
    return 0;
}

/* ---- the loop ---- */

static void arm(struct xf_net_probe *probe, bool on)
{
    struct itimerspec when = { .it_value = { 0, 0 } };

    if (on) {
        when.it_value.tv_nsec = (long)TICK_NS;
        when.it_interval.tv_nsec = (long)TICK_NS;
    }
    (void)timerfd_settime(probe->timer, 0, &when, NULL);
}

static int32_t timer_ran_out(int32_t fd, int32_t revents, void *data)
{
    struct xf_net_probe *probe = data;
    uint64_t now = xf_net_now_ns();
    bool busy = false;
    uint64_t times;

    (void)revents;
    if (read(fd, &times, sizeof(times)) < 0) {
        return 0;
    }
    for (uint32_t i = 0; i < probe->setup.n; i++) {
        struct probed_bridge *bridge = &probe->bridge[i];
        bool sending = bridge->next < REPEATS * bridge->n_sizes;

        if (bridge->fd < 0) {
            continue;
        }
        ask_round(bridge, now);
        send_sizes(bridge, now);
        if (sending && bridge->next == REPEATS * bridge->n_sizes) {
            look_for_macs(bridge);
        }
        busy = busy || bridge->n_asked < REPEATS || bridge->next < REPEATS * bridge->n_sizes;
    }
    if (!busy) {
        arm(probe, false);
    }
    return 0;
}

/* ---- opening ---- */

/* A program for the kernel, written front to back; jumps to its end are set when it is there. */
struct program {
    struct sock_filter code[XF_NET_FILTER_MAX];
    uint16_t n;
};

static void put_code(struct program *p, uint16_t code, uint32_t k, uint8_t yes, uint8_t no)
{
    p->code[p->n++] = (struct sock_filter)BPF_JUMP(code, k, yes, no);
}

/* Probe frames of this check, and ARP from one of the domain's addresses. */
static void write_bridge_filter(const struct probed_bridge *bridge, struct program *p)
{
    const struct xf_net_probe_bridge *setup = setup_of(bridge);
    const uint8_t *nonce = bridge->probe->setup.nonce;
    uint32_t high =
        (uint32_t)nonce[0] << 24 | (uint32_t)nonce[1] << 16 | (uint32_t)nonce[2] << 8 | nonce[3];

    put_code(p, BPF_LD | BPF_H | BPF_ABS, 2 * XF_MAC_SIZE, 0, 0);
    put_code(p, BPF_JMP | BPF_JEQ | BPF_K, XF_PROBE_ETHERTYPE, 0, 4);
    put_code(p, BPF_LD | BPF_W | BPF_ABS, XF_PROBE_NONCE_AT, 0, 0);
    put_code(p, BPF_JMP | BPF_JEQ | BPF_K, high, 1, 0);
    put_code(p, BPF_RET | BPF_K, 0, 0, 0);
    put_code(p, BPF_RET | BPF_K, PACKET_BYTES, 0, 0);
    put_code(p, BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 1, 0);
    put_code(p, BPF_RET | BPF_K, 0, 0, 0);
    put_code(p, BPF_LD | BPF_W | BPF_ABS, ETH_HLEN + 14, 0, 0); /* the sender's address */
    for (uint32_t i = 0; i < setup->n_macs; i++) {
        if (setup->ipv4[i] != 0) {
            put_code(p, BPF_JMP | BPF_JEQ | BPF_K, setup->ipv4[i], 0, 1);
            put_code(p, BPF_RET | BPF_K, PACKET_BYTES, 0, 0);
        }
    }
    put_code(p, BPF_RET | BPF_K, 0, 0, 0);
}

/* Frames from one of the domain's MACs. */
static void write_outside_filter(const struct probed_bridge *bridge, struct program *p)
{
    const struct xf_net_probe_bridge *setup = setup_of(bridge);

    for (uint32_t i = 0; i < setup->n_macs; i++) {
        const uint8_t *m = setup->mac[i];
        uint32_t high = (uint32_t)m[0] << 24 | (uint32_t)m[1] << 16 | (uint32_t)m[2] << 8 | m[3];

        put_code(p, BPF_LD | BPF_W | BPF_ABS, XF_MAC_SIZE, 0, 0);
        put_code(p, BPF_JMP | BPF_JEQ | BPF_K, high, 0, 3);
        put_code(p, BPF_LD | BPF_H | BPF_ABS, XF_MAC_SIZE + 4, 0, 0);
        put_code(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)m[4] << 8 | m[5], 0, 1);
        put_code(p, BPF_RET | BPF_K, PACKET_BYTES, 0, 0);
    }
    put_code(p, BPF_RET | BPF_K, 0, 0, 0);
}

_Static_assert(5 * DOMAIN_MACS + 1 <= XF_NET_FILTER_MAX, "the filter of all MACs fits");

static int listen_at(struct probed_bridge *bridge, int ifindex, const struct program *p,
                     qb_loop_poll_dispatch_fn heard, int *ret_fd)
{
    int buffer = PROBE_BUFFER;
    int fd = xf_net_listen(ifindex, p->code, p->n, buffer);
    int rc;

    if (fd < 0) {
        return fd;
    }
    /* Beyond what any user may have; where it is refused, the ordinary must do. */
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
    rc = qb_loop_poll_add(bridge->probe->loop, QB_LOOP_MED, fd, POLLIN, bridge, heard);
    if (rc < 0) {
        (void)close(fd);
        return rc;
    }
    *ret_fd = fd;
    return 0;
}

static int listen_outside(struct probed_bridge *bridge)
{
    struct program p = { .n = 0 };
    int rc = 0;

    /* At the target it is the domain itself that comes from there. */
    if (bridge->probe->setup.by_target) {
        return 0;
    }
    write_outside_filter(bridge, &p);
    for (size_t i = 0; rc == 0 && i < bridge->net.outside.n; i++) {
        rc = listen_at(bridge, bridge->net.outside.ifindex[i], &p, outside_heard,
                       &bridge->outside_fd[i]);
    }
    return rc;
}

/* What is wrong with one bridge is said in its facts. */
static void open_bridge(struct xf_net_probe *probe, uint32_t i)
{
    struct probed_bridge *bridge = &probe->bridge[i];
    const struct xf_net_probe_bridge *setup = &probe->setup.bridge[i];
    struct program p = { .n = 0 };
    int rc = xf_net_bridge(&probe->link, setup->name, &bridge->net);

    if (rc == 0 && !bridge->net.facts.there) {
        return;
    }
    if (rc == 0) {
        rc = probe->fd < 0 ? probe->fd : 0;
    }
    if (rc == 0) {
        write_bridge_filter(bridge, &p);
        rc = listen_at(bridge, bridge->net.ifindex, &p, bridge_heard, &bridge->fd);
    }
    if (rc == 0) {
        rc = listen_outside(bridge);
    }
    if (rc < 0) {
        bridge->net.facts.error = (uint16_t)-rc;
        return;
    }
    look_for_macs(bridge);
    ask_round(bridge, probe->open_ns);
}

static int open_timer(struct xf_net_probe *probe)
{
    int rc;

    probe->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (probe->timer < 0) {
        return -errno;
    }
    rc = qb_loop_poll_add(probe->loop, QB_LOOP_HIGH, probe->timer, POLLIN, probe, timer_ran_out);
    if (rc < 0) {
        (void)close(probe->timer);
        probe->timer = -1;
        return rc;
    }
    arm(probe, true);
    return 0;
}

int xf_net_probe_open(qb_loop_t *loop, const struct xf_net_probe_setup *setup,
                      struct xf_net_probe **ret_probe)
{
    struct xf_net_probe *probe;
    int rc;

    if (setup->n > XF_NET_PROBE_BRIDGES_MAX) {
        return -EINVAL;
    }
    probe = calloc(1, sizeof(*probe));
    if (probe == NULL) {
        return -ENOMEM;
    }
    probe->loop = loop;
    probe->setup = *setup;
    probe->open_ns = xf_net_now_ns();
    probe->timer = -1;
    for (uint32_t i = 0; i < setup->n; i++) {
        struct probed_bridge *bridge = &probe->bridge[i];

        bridge->probe = probe;
        bridge->number = (uint8_t)i;
        bridge->fd = -1;
        memset(bridge->outside_fd, 0xff, sizeof(bridge->outside_fd)); /* every one -1 */
        probe->setup.bridge[i].n_macs =
            setup->bridge[i].n_macs < DOMAIN_MACS ? setup->bridge[i].n_macs : DOMAIN_MACS;
    }
    probe->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    probe->fd = probe->fd < 0 ? -errno : probe->fd;
    rc = xf_net_link_open(&probe->link);
    if (rc == 0) {
        rc = open_timer(probe);
    }
    if (rc < 0) {
        xf_net_probe_close(probe);
        return rc;
    }
    for (uint32_t i = 0; i < setup->n; i++) {
        open_bridge(probe, i);
    }
    *ret_probe = probe;
    return 0;
}

static void close_in_loop(struct xf_net_probe *probe, int fd)
{
    if (fd >= 0) {
        (void)qb_loop_poll_del(probe->loop, fd);
        (void)close(fd);
    }
}

void xf_net_probe_close(struct xf_net_probe *probe)
{
    if (probe == NULL) {
        return;
    }
    for (uint32_t i = 0; i < probe->setup.n; i++) {
        close_in_loop(probe, probe->bridge[i].fd);
        for (size_t k = 0; k < XF_NET_OUTSIDE_MAX; k++) {
            close_in_loop(probe, probe->bridge[i].outside_fd[k]);
        }
    }
    close_in_loop(probe, probe->timer);
    if (probe->fd >= 0) {
        (void)close(probe->fd);
    }
    xf_net_link_close(&probe->link);
    free(probe);
}

/* ---- what the check asks ---- */

void xf_net_probe_facts(const struct xf_net_probe *probe, uint32_t bridge,
                        struct xf_bridge_facts *ret_facts)
{
    memset(ret_facts, 0, sizeof(*ret_facts));
    if (bridge < probe->setup.n) {
        *ret_facts = probe->bridge[bridge].net.facts;
    }
}

uint32_t xf_net_probe_send(struct xf_net_probe *probe, uint32_t bridge, uint8_t round,
                           const uint16_t *size, uint32_t n)
{
    struct probed_bridge *b;

    if (bridge >= probe->setup.n || n == 0 || n > XF_PROBE_SIZES_MAX ||
        probe->bridge[bridge].fd < 0) {
        return 0;
    }
    b = &probe->bridge[bridge];
    memcpy(b->size, size, n * sizeof(size[0]));
    b->n_sizes = n;
    b->next = 0;
    b->round = round;
    b->start_ns = xf_net_now_ns();
    send_sizes(b, b->start_ns);
    arm(probe, true);
    return REPEATS * n;
}

void xf_net_probe_catch_up(struct xf_net_probe *probe)
{
    for (uint32_t i = 0; i < probe->setup.n; i++) {
        struct probed_bridge *bridge = &probe->bridge[i];

        for (uint32_t turn = 0; bridge->fd >= 0 && turn < CATCH_UP_TURNS; turn++) {
            (void)bridge_heard(bridge->fd, POLLIN, bridge);
        }
    }
}

void xf_net_probe_heard(const struct xf_net_probe *probe, uint32_t bridge, uint8_t round,
                        const uint16_t *size, uint32_t n, bool *ret_heard)
{
    for (uint32_t i = 0; i < n; i++) {
        ret_heard[i] = false;
        if (bridge >= probe->setup.n || round >= XF_PROBE_ROUNDS_MAX) {
            continue;
        }
        for (uint32_t k = 0; k < probe->bridge[bridge].n_heard[round]; k++) {
            ret_heard[i] = ret_heard[i] || probe->bridge[bridge].heard[round][k] == size[i];
        }
    }
}

void xf_net_probe_taken(const struct xf_net_probe *probe, uint32_t bridge, bool *ret_mac,
                        bool *ret_ip, char ret_who[static 32])
{
    static const char nobody[1];
    const char *mac_user = bridge < probe->setup.n ? probe->bridge[bridge].mac_user : nobody;
    const char *ip_user = bridge < probe->setup.n ? probe->bridge[bridge].ip_user : nobody;

    *ret_mac = mac_user[0] != '\0';
    *ret_ip = ip_user[0] != '\0';
    (void)xf_text_copy(ret_who, 32, *ret_ip ? ip_user : mac_user);
}
