/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "mono.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

uint64_t xf_mono_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

int xf_wait_fd(int fd, short events, int stop_fd, int timeout_ms)
{
    struct pollfd p[2] = { { .fd = stop_fd, .events = POLLIN }, { .fd = fd, .events = events } };
    int n = poll(p, 2, timeout_ms);

    if (n < 0) {
        return errno == EINTR ? 0 : -errno;
    }
    if (p[0].revents) {
        return -ECANCELED;
    }
    return p[1].revents ? 1 : 0;
}
