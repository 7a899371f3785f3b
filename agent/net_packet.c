/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "net_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#define NS_PER_S UINT64_C(1000000000)

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t xf_net_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

int xf_net_listen_move(int fd, int ifindex)
{
    /* Every protocol: a bridge takes frames from its ports before any other listener gets them. */
    struct sockaddr_ll at = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ETH_P_ALL),
        .sll_ifindex = ifindex,
    };

    return bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0 ? -errno : 0;
}

static int set_options(int fd, const struct sock_fprog *program, int buffer)
{
    int on = 1;

    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, program, sizeof(*program)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) < 0) {
        return -errno;
    }
    /* Linux 4.20; before it, xf_net_receive() drops them. */
    (void)setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
    return 0;
}

int xf_net_listen(int ifindex, const struct sock_filter *filter, unsigned short length, int buffer)
{
    /* The kernel only reads the program; its type does not say so. */
    struct sock_filter code[XF_NET_FILTER_MAX];
    struct sock_fprog program = { .len = length, .filter = code };
    int fd;
    int rc;

    if (length > XF_NET_FILTER_MAX) {
        return -EINVAL;
    }
    memcpy(code, filter, length * sizeof(code[0]));
    /* Protocol 0: deaf until bound, so that nothing gets in before the filter is there. */
    fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    rc = set_options(fd, &program, buffer);
    if (rc == 0) {
        rc = xf_net_listen_move(fd, ifindex);
    }
    if (rc < 0) {
        (void)close(fd);
        return rc;
    }
    return fd;
}

static void take_control(struct msghdr *message, struct xf_net_packet *packet)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA) {
            struct tpacket_auxdata aux;

            memcpy(&aux, CMSG_DATA(c), sizeof(aux));
            packet->vlan = (aux.tp_status & TP_STATUS_VLAN_VALID) != 0 ? aux.tp_vlan_tci & 0x0fff
                                                                       : XF_VLAN_NONE;
            packet->whole = aux.tp_len;
        } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec stamp;
            uint64_t age;

            /* The stamp is of the wall clock; only its distance from now is used. */
            memcpy(&stamp, CMSG_DATA(c), sizeof(stamp));
            age = clock_ns(CLOCK_REALTIME) -
                  ((uint64_t)stamp.tv_sec * NS_PER_S + (uint64_t)stamp.tv_nsec);
            packet->at_ns -= age < NS_PER_S ? age : 0;
        }
    }
}

int xf_net_receive(int fd, struct xf_net_packet *ret_packet)
{
    _Alignas(struct cmsghdr) uint8_t control[256];
    struct sockaddr_ll from;
    struct iovec iov = { .iov_base = ret_packet->buf, .iov_len = sizeof(ret_packet->buf) };
    struct msghdr message = {
        .msg_name = &from,
        .msg_namelen = sizeof(from),
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = sizeof(control),
    };
    ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT);

    if (got < 0) {
        return -errno;
    }
    ret_packet->size = from.sll_pkttype == PACKET_OUTGOING ? 0 : (size_t)got;
    ret_packet->whole = ret_packet->size;
    ret_packet->vlan = XF_VLAN_NONE;
    ret_packet->at_ns = xf_net_now_ns();
    take_control(&message, ret_packet);
    return 0;
}
