/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's network interfaces: taps in the node's bridges. */
#include "config.h"

#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/sockios.h>

#include "guest_answer.h"

/* Header, line and a byte of payload must fit into an answer. */
#define MTU_MIN 576u

/* No router solicitations, no multicast reports: the tap speaks for the guest only. */
static void silence_ipv6(const char *name)
{
    char path[64 + IFNAMSIZ];
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        /* A kernel without IPv6 has no such file; one that refuses is only noisier. */
        ssize_t n = write(fd, "1", 1);

        (void)n;
        (void)close(fd);
    }
}

/* Creates a tap of the next free name. Descriptor or negative errno. */
static int make_tap(char ret_name[static IFNAMSIZ])
{
    struct ifreq req = { .ifr_flags = IFF_TAP | IFF_NO_PI };
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        return -errno;
    }
    memcpy(req.ifr_name, "xf%d", sizeof("xf%d"));
    if (ioctl(fd, TUNSETIFF, &req) < 0) {
        int rc = -errno;

        (void)close(fd);
        return rc;
    }
    memcpy(ret_name, req.ifr_name, IFNAMSIZ);
    return fd;
}

/* Puts the tap into the bridge and switches it on. 0 or negative errno. */
static int join(int sock, const char *name, const char *bridge, size_t *ret_mtu)
{
    /* As Xen's scripts do: so high that a bridge never takes it for its own. */
    static const uint8_t host_mac[6] = { 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff };
    struct ifreq req = { .ifr_ifindex = 0 };

    (void)snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
    req.ifr_hwaddr.sa_family = ARPHRD_ETHER;
    memcpy(req.ifr_hwaddr.sa_data, host_mac, sizeof(host_mac));
    if (ioctl(sock, SIOCSIFHWADDR, &req) < 0) {
        return -errno;
    }
    (void)snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", bridge);
    if (ioctl(sock, SIOCGIFMTU, &req) < 0) {
        return -errno;
    }
    *ret_mtu = (size_t)req.ifr_mtu;
    (void)snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
    if (ioctl(sock, SIOCSIFMTU, &req) < 0) {
        return -errno;
    }
    (void)snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", bridge);
    req.ifr_ifindex = (int)if_nametoindex(name);
    if (ioctl(sock, SIOCBRADDIF, &req) < 0) {
        return -errno;
    }
    (void)snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
    req.ifr_flags = IFF_UP;
    return ioctl(sock, SIOCSIFFLAGS, &req) < 0 ? -errno : 0;
}

int xf_guest_net_open(struct xf_machine *m, enum xf_reason *ret_reason, char *text, size_t size)
{
    int sock = m->cfg.n_vifs > 0 ? socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;

    for (uint32_t i = 0; i < m->cfg.n_vifs; i++) {
        const char *bridge = m->cfg.vif[i].bridge;
        char name[IFNAMSIZ];
        int rc;

        if (if_nametoindex(bridge) == 0) {
            *ret_reason = XF_REASON_NO_BRIDGE;
            (void)snprintf(text, size, "there is no bridge \"%s\" here", bridge);
            return -1;
        }
        m->tap[i] = make_tap(name);
        rc = m->tap[i];
        if (rc >= 0) {
            silence_ipv6(name);
            rc = join(sock, name, bridge, &m->mtu[i]);
        }
        if (rc < 0) {
            *ret_reason = XF_REASON_HYPERVISOR;
            (void)snprintf(text, size, "a tap in bridge \"%s\": %s", bridge, strerror(-rc));
            return -1;
        }
        m->mtu[i] = m->mtu[i] < MTU_MIN ? MTU_MIN : m->mtu[i];
        if (m->mtu[i] > XF_ETHER_SIZE_MAX - 18) {
            m->mtu[i] = XF_ETHER_SIZE_MAX - 18; /* what an answer's buffer holds */
        }
    }
    if (sock >= 0) {
        (void)close(sock);
    }
    return 0;
}

/* Counts the answer; what it says was in memory, and marked, before it leaves. */
static size_t line(void *arg, char *buf, size_t size)
{
    struct xf_machine *m = arg;
    uint64_t counter = atomic_fetch_add(&m->state->counter, 1) + 1;
    int n;

    xf_machine_mark(m, 0);
    n = snprintf(buf, size,
                 "xf1 counter=%llu corrupt=%llu instance=%016llx node=%s disk_seq=%llu\n",
                 (unsigned long long)counter, (unsigned long long)atomic_load(&m->state->corrupt),
                 (unsigned long long)m->instance, m->node,
                 (unsigned long long)atomic_load(&m->state->disk_seq[m->first_disk]));
    return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

/* Takes what is there; at most so much that the other interfaces get their turn. */
static void serve(struct xf_machine *m, uint32_t i)
{
    static uint8_t frame[XF_ETHER_SIZE_MAX], reply[XF_ETHER_SIZE_MAX];
    struct xf_guest_says says = { .mtu = m->mtu[i], .line = line, .arg = m };

    for (unsigned k = 0; k < 64; k++) {
        ssize_t n = read(m->tap[i], frame, sizeof(frame));
        size_t size;

        if (n <= 0) {
            return;
        }
        /* Nobody is at home: lost, as with any interface whose driver does not run. */
        if (!xf_gate_try_enter(&m->gate[XF_GUEST_NET])) {
            continue;
        }
        size = xf_guest_answer(&m->cfg.vif[i], &says, frame, (size_t)n, reply);
        if (size > 0) {
            /* A full queue or a bridge that is down loses the answer, as networks do. */
            n = write(m->tap[i], reply, size);
        }
        xf_gate_leave(&m->gate[XF_GUEST_NET]);
    }
}

void *xf_guest_net_run(void *machine)
{
    struct xf_machine *m = machine;
    struct pollfd fds[XF_DOMCFG_VIFS_MAX];

    for (uint32_t i = 0; i < m->cfg.n_vifs; i++) {
        fds[i] = (struct pollfd){ .fd = m->tap[i], .events = POLLIN };
    }
    while (m->cfg.n_vifs > 0) {
        if (poll(fds, m->cfg.n_vifs, -1) < 0 && errno != EINTR) {
            break;
        }
        for (uint32_t i = 0; i < m->cfg.n_vifs; i++) {
            if ((fds[i].revents & POLLIN) != 0) {
                serve(m, i);
            } else if ((fds[i].revents & (POLLERR | POLLNVAL)) != 0) {
                fds[i].fd = -1; /* the tap was deleted under us */
            }
        }
    }
    return NULL;
}
