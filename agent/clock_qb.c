/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "clock_qb.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

struct xf_ticker {
    qb_loop_t *loop;
    int fd;
    uint64_t due_us;
    uint64_t late_max_us;
    void (*tick)(void *arg);
    void *arg;
};

uint64_t xf_now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

uint64_t xf_wall_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

uint64_t xf_now_ms(void)
{
    return xf_now_us() / 1000u;
}

void xf_now_iso(char *buf, size_t size)
{
    time_t now = time(NULL);
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(buf, size, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static int32_t on_tick(int32_t fd, int32_t revents, void *data)
{
    struct xf_ticker *t = data;
    uint64_t n = 0;
    uint64_t now = xf_now_us();

    (void)revents;
    if (read(fd, &n, sizeof(n)) != (ssize_t)sizeof(n)) {
        return 0;
    }
    if (now > t->due_us && now - t->due_us > t->late_max_us) {
        t->late_max_us = now - t->due_us;
    }
    t->due_us += n * XF_TICK_MS * 1000u;
    t->tick(t->arg);
    return 0;
}

struct xf_ticker *xf_ticker_open(qb_loop_t *loop, void (*tick)(void *arg), void *arg)
{
    struct xf_ticker *t = calloc(1, sizeof(*t));
    struct itimerspec spec = {
        .it_interval = { .tv_nsec = XF_TICK_MS * 1000000L },
        .it_value = { .tv_nsec = XF_TICK_MS * 1000000L },
    };

    if (t == NULL) {
        abort();
    }
    t->loop = loop;
    t->tick = tick;
    t->arg = arg;
    t->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    t->due_us = xf_now_us() + XF_TICK_MS * 1000u;
    if (t->fd < 0 || timerfd_settime(t->fd, 0, &spec, NULL) != 0 ||
        qb_loop_poll_add(loop, QB_LOOP_MED, t->fd, POLLIN, t, on_tick) != 0) {
        if (t->fd >= 0) {
            close(t->fd);
        }
        free(t);
        return NULL;
    }
    return t;
}

void xf_ticker_close(struct xf_ticker *ticker)
{
    if (ticker == NULL) {
        return;
    }
    qb_loop_poll_del(ticker->loop, ticker->fd);
    close(ticker->fd);
    free(ticker);
}

uint64_t xf_ticker_late_max_us(const struct xf_ticker *ticker)
{
    return ticker->late_max_us;
}
