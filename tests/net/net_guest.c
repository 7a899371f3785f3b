/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ends of the wire for tests/net/handover.py:
 *
 *   net_guest guest BRIDGE TAP MAC IPV4   a domain behind a tap: answers ARP and ping while alive.
 *                                         Lines of stdin: live, quiet, shout, advertise
 *   net_guest ping IPV4 COUNT PAUSE_MS    "answers N" and, if any, "first NS" since the start
 *   net_guest count IFACE MAC             every frame of this MAC: "frame NS TYPE", till stdin ends
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>

#include "announce.h"

struct guest {
    int tap;
    bool alive;
    uint8_t mac[6];
    uint32_t address;
};

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static bool read_mac(const char *text, uint8_t *m)
{
    return sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &m[0], &m[1], &m[2], &m[3], &m[4],
                  &m[5]) == 6;
}

static uint16_t sum_of(const uint8_t *b, size_t size)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < size; i++) {
        sum += (uint32_t)b[i] << (i % 2 == 0 ? 8 : 0);
    }
    while (sum > 0xffff) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

/* ---- the domain ---- */

static int open_tap(const char *bridge, const char *name)
{
    struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    (void)snprintf(request.ifr_name, IFNAMSIZ, "%s", name);
    if (fd < 0 || s < 0 || ioctl(fd, TUNSETIFF, &request) < 0) {
        return -1;
    }
    request.ifr_flags = IFF_UP;
    if (ioctl(s, SIOCSIFFLAGS, &request) < 0) {
        return -1;
    }
    request.ifr_ifindex = (int)if_nametoindex(name);
    (void)snprintf(request.ifr_name, IFNAMSIZ, "%s", bridge);
    if (ioctl(s, SIOCBRADDIF, &request) < 0) {
        return -1;
    }
    (void)close(s);
    return fd;
}

static void answer_arp(struct guest *guest, uint8_t *frame)
{
    uint8_t asker[10];

    if (frame[21] != 1 || memcmp(frame + 38, &(uint32_t){ htonl(guest->address) }, 4) != 0) {
        return;
    }
    memcpy(asker, frame + 22, 10);
    memcpy(frame, asker, 6);
    memcpy(frame + 6, guest->mac, 6);
    frame[21] = 2;
    memcpy(frame + 28, frame + 38, 4);
    memcpy(frame + 22, guest->mac, 6);
    memcpy(frame + 32, asker, 10);
    (void)!write(guest->tap, frame, 42);
}

static void answer_ping(struct guest *guest, uint8_t *frame, size_t size)
{
    uint8_t other[6];
    uint16_t sum;

    if (memcmp(frame, guest->mac, 6) != 0 || frame[14] != 0x45 || frame[23] != IPPROTO_ICMP ||
        frame[34] != 8) {
        return;
    }
    memcpy(other, frame + 6, 6);
    memcpy(frame, other, 6);
    memcpy(frame + 6, guest->mac, 6);
    memcpy(other, frame + 26, 4);
    memcpy(frame + 26, frame + 30, 4);
    memcpy(frame + 30, other, 4);
    frame[22] = 64;
    frame[24] = frame[25] = 0;
    sum = sum_of(frame + 14, 20);
    frame[24] = (uint8_t)(sum >> 8);
    frame[25] = (uint8_t)sum;
    frame[34] = 0;
    frame[36] = frame[37] = 0;
    sum = sum_of(frame + 34, size - 34);
    frame[36] = (uint8_t)(sum >> 8);
    frame[37] = (uint8_t)sum;
    (void)!write(guest->tap, frame, size);
}

static void hear(struct guest *guest)
{
    uint8_t frame[2048];
    ssize_t got;

    while ((got = read(guest->tap, frame, sizeof(frame))) > 0) {
        if (!guest->alive || got < 42) {
            continue;
        }
        if (frame[12] == 0x08 && frame[13] == 0x06) {
            answer_arp(guest, frame);
        } else if (frame[12] == 0x08 && frame[13] == 0x00) {
            answer_ping(guest, frame, (size_t)got);
        }
    }
}

static void obey(struct guest *guest, const char *line)
{
    static const uint8_t address[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 7 };
    struct xf_announcement frame;

    if (strcmp(line, "live") == 0 || strcmp(line, "quiet") == 0) {
        guest->alive = line[0] == 'l';
    } else if (strcmp(line, "shout") == 0) {
        xf_announce_arp_request(guest->mac, XF_VLAN_NONE, guest->address, &frame);
        (void)!write(guest->tap, frame.b, frame.size);
    } else if (strcmp(line, "advertise") == 0) {
        xf_announce_neighbour(guest->mac, XF_VLAN_NONE, address, false, &frame);
        (void)!write(guest->tap, frame.b, frame.size);
    }
    printf("did %s\n", line);
    (void)fflush(stdout);
}

static int be_guest(char *argv[])
{
    struct guest guest = { .alive = false };
    struct in_addr address;

    if (!read_mac(argv[4], guest.mac) || inet_pton(AF_INET, argv[5], &address) != 1) {
        return 2;
    }
    guest.address = ntohl(address.s_addr);
    guest.tap = open_tap(argv[2], argv[3]);
    if (guest.tap < 0) {
        perror(argv[3]);
        return 1;
    }
    printf("ready %" PRIu64 "\n", now_ns());
    (void)fflush(stdout);
    for (;;) {
        struct pollfd fds[2] = { { guest.tap, POLLIN, 0 }, { STDIN_FILENO, POLLIN, 0 } };
        char buf[256];
        char *save = NULL;
        ssize_t got;

        if (poll(fds, 2, -1) < 0) {
            return 1;
        }
        hear(&guest);
        if (fds[1].revents == 0) {
            continue;
        }
        got = read(STDIN_FILENO, buf, sizeof(buf) - 1);
        if (got <= 0) {
            return 0;
        }
        buf[got] = '\0';
        for (char *line = strtok_r(buf, "\n", &save); line != NULL;
             line = strtok_r(NULL, "\n", &save)) {
            obey(&guest, line);
        }
    }
}

/* ---- the client ---- */

/* True when the answer to this very request came within so many milliseconds. */
static bool wait_answer(int s, uint16_t sequence, int pause_ms)
{
    uint64_t end = now_ns() + (uint64_t)pause_ms * UINT64_C(1000000);

    for (uint64_t now = now_ns(); now < end; now = now_ns()) {
        struct pollfd fd = { s, POLLIN, 0 };
        uint8_t buf[256];
        ssize_t got;

        if (poll(&fd, 1, (int)((end - now) / UINT64_C(1000000)) + 1) <= 0) {
            continue;
        }
        got = recv(s, buf, sizeof(buf), 0);
        if (got >= 28 && buf[20] == 0 && (buf[26] << 8 | buf[27]) == sequence) {
            return true;
        }
    }
    return false;
}

static int ping(char *argv[])
{
    struct sockaddr_in to = { .sin_family = AF_INET };
    int s = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
    uint64_t start = now_ns();
    uint64_t first = 0;
    int pause_ms = atoi(argv[4]);
    int answers = 0;

    if (s < 0 || inet_pton(AF_INET, argv[2], &to.sin_addr) != 1) {
        perror(argv[2]);
        return 1;
    }
    for (int i = 1; i <= atoi(argv[3]); i++) {
        uint8_t request[16] = { 8, [6] = (uint8_t)(i >> 8), [7] = (uint8_t)i };
        uint16_t sum = sum_of(request, sizeof(request));

        request[2] = (uint8_t)(sum >> 8);
        request[3] = (uint8_t)sum;
        (void)sendto(s, request, sizeof(request), 0, (const struct sockaddr *)&to, sizeof(to));
        if (wait_answer(s, (uint16_t)i, pause_ms)) {
            answers++;
            first = first == 0 ? now_ns() - start : first;
        }
    }
    printf("answers %d\nfirst %" PRIu64 "\n", answers, first);
    return 0;
}

static int count(char *argv[])
{
    struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
    int s = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    uint8_t mac[6];

    at.sll_ifindex = (int)if_nametoindex(argv[2]);
    if (s < 0 || !read_mac(argv[3], mac) || bind(s, (const struct sockaddr *)&at, sizeof(at)) < 0) {
        perror(argv[2]);
        return 1;
    }
    printf("ready %" PRIu64 "\n", now_ns());
    (void)fflush(stdout);
    for (;;) {
        struct pollfd fds[2] = { { s, POLLIN, 0 }, { STDIN_FILENO, POLLIN, 0 } };
        uint8_t frame[256];
        ssize_t got;

        if (poll(fds, 2, -1) < 0) {
            return 1;
        }
        if (fds[0].revents != 0) {
            got = recv(s, frame, sizeof(frame), 0);
            if (got >= 14 && memcmp(frame + 6, mac, 6) == 0) {
                printf("frame %" PRIu64 " %02x%02x\n", now_ns(), frame[12], frame[13]);
                (void)fflush(stdout);
            }
        } else if (fds[1].revents != 0) {
            return 0;
        }
    }
}

int main(int argc, char *argv[])
{
    if (argc == 6 && strcmp(argv[1], "guest") == 0) {
        return be_guest(argv);
    }
    if (argc == 5 && strcmp(argv[1], "ping") == 0) {
        return ping(argv);
    }
    if (argc == 4 && strcmp(argv[1], "count") == 0) {
        return count(argv);
    }
    fprintf(stderr, "net_guest guest BRIDGE TAP MAC IPV4 | ping IPV4 COUNT PAUSE_MS | "
                    "count IFACE MAC\n");
    return 2;
}
