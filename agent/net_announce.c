/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "net_announce.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <linux/if_packet.h>

#include <qb/qblog.h>

#include "drivers.h"
#include "net_link.h"

_Static_assert(XF_ADDRESSES_VIFS == XF_VIFS_MAX, "one entry for each vif of a domain");

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

struct announced_vif {
    struct xf_net_ports outside; /* where the bridge must not expect the MAC any longer */
    struct xf_net_ports targets; /* where frames go out: the same, or the bridge when it has none */
    size_t n_frames;
    struct xf_announcement frame[XF_ANNOUNCES_MAX];
};

struct xf_announce {
    qb_loop_t *loop;
    int fd;    /* sends on every interface, hears nothing */
    int timer; /* timerfd */
    bool busy;
    uint32_t burst; /* the next one */
    uint64_t fired_ns;
    int error; /* of the first send that failed, or 0 */
    char name[XF_NAME_SIZE];
    struct xf_addresses addresses;
    struct announced_vif vif[XF_ADDRESSES_VIFS];
    struct xf_net_link link;
};

void xf_addresses_of_config(const struct xf_dom_needs *needs, struct xf_addresses *ret_addresses)
{
    memset(ret_addresses, 0, sizeof(*ret_addresses));
    for (uint32_t i = 0; i < needs->n_vifs; i++) {
        struct xf_vif_addresses *vif = &ret_addresses->vif[ret_addresses->n_vifs++];
        struct xf_heard heard = { .has_ipv4 = true, .ipv4 = needs->vif[i].ipv4 };

        memcpy(vif->mac, needs->vif[i].mac, XF_MAC_SIZE);
        memcpy(heard.mac, vif->mac, XF_MAC_SIZE);
        (void)xf_addresses_learn(vif, &heard);
    }
}

/* ---- sending ---- */

static void send_frames(struct xf_announce *announce, const struct announced_vif *vif, int ifindex,
                        bool neighbours)
{
    struct sockaddr_ll to = {
        .sll_family = AF_PACKET,
        .sll_ifindex = ifindex,
        .sll_halen = XF_MAC_SIZE,
    };
    struct mmsghdr messages[XF_ANNOUNCES_MAX];
    struct iovec iov[XF_ANNOUNCES_MAX];
    unsigned n = 0;

    memset(messages, 0, sizeof(messages));
    for (size_t i = 0; i < vif->n_frames; i++) {
        const struct xf_announcement *frame = &vif->frame[i];

        if (frame->neighbour && !neighbours) {
            continue;
        }
        /* An iovec is for both directions; sending leaves the frame alone. */
        iov[n].iov_base = (void *)(uintptr_t)frame->b;
        iov[n].iov_len = frame->size;
        messages[n].msg_hdr.msg_name = &to;
        messages[n].msg_hdr.msg_namelen = sizeof(to);
        messages[n].msg_hdr.msg_iov = &iov[n];
        messages[n].msg_hdr.msg_iovlen = 1;
        n++;
    }
    for (unsigned sent = 0; sent < n;) {
        int r = sendmmsg(announce->fd, messages + sent, n - sent, MSG_DONTWAIT);

        if (r <= 0) {
            /* What did not go out now goes out with the next burst. */
            announce->error = announce->error != 0 ? announce->error : errno;
            return;
        }
        sent += (unsigned)r;
    }
}

static void send_burst(struct xf_announce *announce, bool neighbours)
{
    for (uint32_t i = 0; i < announce->addresses.n_vifs; i++) {
        const struct announced_vif *vif = &announce->vif[i];

        for (size_t k = 0; k < vif->targets.n; k++) {
            send_frames(announce, vif, vif->targets.ifindex[k], neighbours);
        }
    }
    /*
     * Our own bridge learned the MAC behind an uplink while the domain was elsewhere, and would
     * drop what arrives there for it. Made to forget, it floods until the domain's first frame.
     */
    for (uint32_t i = 0; i < announce->addresses.n_vifs; i++) {
        const struct announced_vif *vif = &announce->vif[i];

        for (size_t k = 0; k < vif->outside.n; k++) {
            xf_net_forget(&announce->link, vif->outside.ifindex[k], announce->addresses.vif[i].mac);
        }
    }
}

static void arm(struct xf_announce *announce)
{
    struct itimerspec when = { .it_value = { 0, 0 } };

    announce->busy = announce->burst < XF_ANNOUNCE_BURSTS;
    if (announce->busy) {
        uint64_t at = announce->fired_ns + xf_announce_schedule[announce->burst].at_ms * NS_PER_MS;

        when.it_value.tv_sec = (time_t)(at / NS_PER_S);
        when.it_value.tv_nsec = (long)(at % NS_PER_S);
    }
    (void)timerfd_settime(announce->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

/* Sends what is due by now as one burst: a loop that was late has nothing to catch up with. */
static void send_due(struct xf_announce *announce)
{
    uint64_t now = xf_net_now_ns();
    bool neighbours = false;
    bool due = false;

    while (announce->burst < XF_ANNOUNCE_BURSTS &&
           announce->fired_ns + xf_announce_schedule[announce->burst].at_ms * NS_PER_MS <= now) {
        neighbours = neighbours || xf_announce_schedule[announce->burst].neighbours;
        due = true;
        announce->burst++;
    }
    if (due) {
        send_burst(announce, neighbours);
    }
    arm(announce);
}

static int32_t timer_ran_out(int32_t fd, int32_t revents, void *data)
{
    struct xf_announce *announce = data;
    uint64_t times;

    (void)revents;
    if (read(fd, &times, sizeof(times)) < 0 || !announce->busy) {
        return 0;
    }
    send_due(announce);
    if (!announce->busy && announce->error != 0) {
        qb_log(LOG_WARNING, "%s: announcements were not all sent: %s", announce->name,
               strerror(announce->error));
    }
    return 0;
}

void xf_announce_fire(struct xf_announce *announce)
{
    announce->fired_ns = xf_net_now_ns();
    announce->burst = 0;
    announce->error = 0;
    send_due(announce);
}

bool xf_announce_busy(const struct xf_announce *announce)
{
    return announce->busy;
}

/* ---- preparing ---- */

static void build_frames(struct xf_announce *announce)
{
    for (uint32_t i = 0; i < announce->addresses.n_vifs; i++) {
        struct announced_vif *vif = &announce->vif[i];

        vif->n_frames = xf_announce_build(&announce->addresses.vif[i], vif->frame);
    }
}

void xf_announce_learned(struct xf_announce *announce, const struct xf_addresses *learned)
{
    xf_addresses_merge(&announce->addresses, learned);
    build_frames(announce);
}

static int find_targets(struct xf_announce *announce, const struct xf_dom_needs *needs)
{
    for (uint32_t i = 0; i < needs->n_vifs; i++) {
        struct announced_vif *vif = &announce->vif[i];
        unsigned bridge = if_nametoindex(needs->vif[i].bridge);
        int rc;

        if (bridge == 0) {
            return -ENODEV;
        }
        rc = xf_net_outside(&announce->link, (int)bridge, &vif->outside);
        if (rc < 0) {
            return rc;
        }
        vif->targets = vif->outside;
        if (vif->targets.n == 0) {
            /* Another kind of switch than Linux's, or one without an uplink: its own interface. */
            vif->targets.ifindex[vif->targets.n++] = (int)bridge;
        }
    }
    return 0;
}

static int open_all(struct xf_announce *announce)
{
    int rc = xf_net_link_open(&announce->link);

    if (rc < 0) {
        return rc;
    }
    announce->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (announce->fd < 0) {
        return -errno;
    }
    announce->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (announce->timer < 0) {
        return -errno;
    }
    rc = qb_loop_poll_add(announce->loop, QB_LOOP_MED, announce->timer, POLLIN, announce,
                          timer_ran_out);
    if (rc < 0) {
        (void)close(announce->timer);
        announce->timer = -1;
    }
    return rc;
}

int xf_announce_prepare(qb_loop_t *loop, const struct xf_dom_needs *needs,
                        const struct xf_addresses *learned, struct xf_announce **ret_announce)
{
    struct xf_announce *announce = calloc(1, sizeof(*announce));
    int rc;

    if (announce == NULL) {
        return -ENOMEM;
    }
    announce->loop = loop;
    announce->fd = -1;
    announce->timer = -1;
    announce->link.fd = -1;
    memcpy(announce->name, needs->name, sizeof(announce->name));
    xf_addresses_of_config(needs, &announce->addresses);
    if (learned != NULL) {
        xf_addresses_merge(&announce->addresses, learned);
    }
    build_frames(announce);
    rc = open_all(announce);
    if (rc == 0) {
        rc = find_targets(announce, needs);
    }
    if (rc < 0) {
        xf_announce_free(announce);
        return rc;
    }
    *ret_announce = announce;
    return 0;
}

void xf_announce_free(struct xf_announce *announce)
{
    if (announce == NULL) {
        return;
    }
    if (announce->timer >= 0) {
        (void)qb_loop_poll_del(announce->loop, announce->timer);
        (void)close(announce->timer);
    }
    if (announce->fd >= 0) {
        (void)close(announce->fd);
    }
    xf_net_link_close(&announce->link);
    free(announce);
}
