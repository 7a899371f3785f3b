/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "net_announce.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/poll.h>
#include <unistd.h>

#include "drivers.h"
#include "net_link.h"

/* Only frames of one MAC queue here, and a copy that runs elsewhere may send many at once. */
#define WATCH_BUFFER  65536
/* Frames read before the loop gets to other things. */
#define WATCH_AT_ONCE 64

struct watched_vif {
    struct xf_watch *watch;
    uint8_t mac[XF_MAC_SIZE];
    int bridge;
    struct xf_net_ports outside;
    int fd[XF_NET_OUTSIDE_MAX]; /* one for each of .outside; -1: closed */
    uint64_t seen_ns;           /* 0: not yet */
    bool arrived;               /* seen, and the bridge does not contradict */
    bool fdb_moved;
};

struct xf_watch {
    qb_loop_t *loop;
    xf_watch_seen_fn seen;
    void *arg;
    uint64_t start_ns; /* 0: not started */
    bool reported;
    uint32_t n_vifs;
    struct watched_vif vif[XF_ADDRESSES_VIFS];
    struct xf_net_link link;
};

/* Does the bridge now expect the MAC outside? If it tells nothing, the frame's arrival stands. */
static void look_up(struct watched_vif *vif)
{
    struct xf_net_ports ports;
    bool outside = false;

    if (xf_net_whereabouts(&vif->watch->link, vif->bridge, vif->mac, &ports) < 0) {
        ports.n = 0;
    }
    for (size_t i = 0; i < ports.n; i++) {
        for (size_t k = 0; k < vif->outside.n; k++) {
            outside = outside || ports.ifindex[i] == vif->outside.ifindex[k];
        }
    }
    vif->fdb_moved = outside;
    vif->arrived = outside || ports.n == 0;
}

/* True when a frame of this MAC has arrived since the start. */
static bool drain_socket(struct watched_vif *vif, int fd)
{
    struct xf_net_packet packet;
    bool heard = false;

    for (int i = 0; i < WATCH_AT_ONCE && xf_net_receive(fd, &packet) == 0; i++) {
        uint64_t start = vif->watch->start_ns;

        if (packet.size == 0 || start == 0 || packet.at_ns < start) {
            continue;
        }
        heard = true;
        if (vif->seen_ns == 0 || packet.at_ns < vif->seen_ns) {
            vif->seen_ns = packet.at_ns;
        }
    }
    return heard;
}

static bool all_arrived(const struct xf_watch *watch, struct xf_watch_result *ret_result)
{
    struct xf_watch_result result = { .first_ns = UINT64_MAX, .fdb_moved = true };

    for (uint32_t i = 0; i < watch->n_vifs; i++) {
        const struct watched_vif *vif = &watch->vif[i];

        if (!vif->arrived) {
            return false;
        }
        result.n_vifs++;
        result.at_ns = vif->seen_ns > result.at_ns ? vif->seen_ns : result.at_ns;
        result.first_ns = vif->seen_ns < result.first_ns ? vif->seen_ns : result.first_ns;
        result.fdb_moved = result.fdb_moved && vif->fdb_moved;
    }
    *ret_result = result;
    return true;
}

static int32_t frame_arrived(int32_t fd, int32_t revents, void *data)
{
    struct watched_vif *vif = data;
    struct xf_watch *watch = vif->watch;
    struct xf_watch_result result;

    (void)revents;
    /* After the report the sockets are only kept empty, until xf_watch_stop(). */
    if (!drain_socket(vif, fd) || vif->arrived || watch->reported) {
        return 0;
    }
    look_up(vif);
    if (!all_arrived(watch, &result)) {
        return 0;
    }
    watch->reported = true;
    watch->seen(watch->arg, &result);
    /* Not touched from here on: the callback may have stopped it. */
    return 0;
}

static int listen_for(struct watched_vif *vif, size_t i)
{
    const uint8_t *m = vif->mac;
    uint32_t high = (uint32_t)m[0] << 24 | (uint32_t)m[1] << 16 | (uint32_t)m[2] << 8 | m[3];
    uint32_t low = (uint32_t)m[4] << 8 | m[5];
    const struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, XF_MAC_SIZE),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, high, 0, 3),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, XF_MAC_SIZE + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, low, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, sizeof(((struct xf_net_packet *)0)->buf)),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    int fd = xf_net_listen(vif->outside.ifindex[i], filter, sizeof(filter) / sizeof(filter[0]),
                           WATCH_BUFFER);
    int rc;

    if (fd < 0) {
        return fd;
    }
    rc = qb_loop_poll_add(vif->watch->loop, QB_LOOP_MED, fd, POLLIN, vif, frame_arrived);
    if (rc < 0) {
        (void)close(fd);
        return rc;
    }
    vif->fd[i] = fd;
    return 0;
}

/* A vif whose bridge leads nowhere cannot be seen arriving, and is not waited for. */
static int add_vif(struct xf_watch *watch, const uint8_t *mac, const char *bridge)
{
    struct watched_vif *vif = &watch->vif[watch->n_vifs];
    int rc;

    vif->watch = watch;
    memcpy(vif->mac, mac, XF_MAC_SIZE);
    vif->bridge = (int)if_nametoindex(bridge);
    if (vif->bridge == 0) {
        return -ENODEV;
    }
    rc = xf_net_outside(&watch->link, vif->bridge, &vif->outside);
    if (rc < 0 || vif->outside.n == 0) {
        return rc;
    }
    for (size_t i = 0; i < vif->outside.n; i++) {
        vif->fd[i] = -1;
    }
    watch->n_vifs++;
    for (size_t i = 0; rc == 0 && i < vif->outside.n; i++) {
        rc = listen_for(vif, i);
    }
    return rc;
}

int xf_watch_prepare(qb_loop_t *loop, const struct xf_dom_needs *needs, xf_watch_seen_fn seen,
                     void *arg, struct xf_watch **ret_watch)
{
    struct xf_watch *watch = calloc(1, sizeof(*watch));
    int rc;

    if (watch == NULL) {
        return -ENOMEM;
    }
    watch->loop = loop;
    watch->seen = seen;
    watch->arg = arg;
    rc = xf_net_link_open(&watch->link);
    for (uint32_t i = 0; rc == 0 && i < needs->n_vifs; i++) {
        rc = add_vif(watch, needs->vif[i].mac, needs->vif[i].bridge);
    }
    if (rc == 0 && watch->n_vifs == 0) {
        rc = -ENOENT;
    }
    if (rc < 0) {
        xf_watch_stop(watch);
        return rc;
    }
    *ret_watch = watch;
    return 0;
}

void xf_watch_start(struct xf_watch *watch)
{
    watch->start_ns = xf_net_now_ns();
}

void xf_watch_stop(struct xf_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    for (uint32_t i = 0; i < watch->n_vifs; i++) {
        struct watched_vif *vif = &watch->vif[i];

        for (size_t k = 0; k < vif->outside.n; k++) {
            if (vif->fd[k] >= 0) {
                (void)qb_loop_poll_del(watch->loop, vif->fd[k]);
                (void)close(vif->fd[k]);
            }
        }
    }
    xf_net_link_close(&watch->link);
    free(watch);
}
