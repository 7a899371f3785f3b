/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "hyper_wire.h"

#include <errno.h>
#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

static int write_all(int fd, const void *buf, size_t size)
{
    size_t at = 0;

    while (at < size) {
        ssize_t n = write(fd, (const char *)buf + at, size - at);

        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        at += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int hw_send(int fd, struct hw_msg *msg, const void *tail, size_t size)
{
    int rc;

    if (size > HW_TAIL_MAX) {
        return -EMSGSIZE;
    }
    msg->size = (uint32_t)size;
    rc = write_all(fd, msg, sizeof(*msg));
    return rc != 0 ? rc : write_all(fd, tail, size);
}

static int read_all(int fd, void *buf, size_t size, int timeout_ms)
{
    size_t at = 0;

    while (at < size) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int ready = poll(&p, 1, timeout_ms);
        ssize_t n = ready > 0 ? read(fd, (char *)buf + at, size - at) : -1;

        if (ready == 0) {
            return -ETIMEDOUT;
        }
        if (n == 0) {
            return -EPIPE;
        }
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        at += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int hw_recv(int fd, struct hw_msg *ret_msg, char *tail, int timeout_ms)
{
    int rc = read_all(fd, ret_msg, sizeof(*ret_msg), timeout_ms);

    if (rc == 0 && (ret_msg->size > HW_TAIL_MAX || ret_msg->type == 0 || ret_msg->type > HW_DATA)) {
        return -EPROTO;
    }
    rc = rc != 0 ? rc : read_all(fd, tail, ret_msg->size, timeout_ms);
    if (rc == 0) {
        tail[ret_msg->size] = '\0';
    }
    return rc;
}
