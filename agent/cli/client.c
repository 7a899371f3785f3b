/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "client.h"

#include <errno.h>
#include <err.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <qb/qbipcc.h>

#define MESSAGE_SIZE_MAX (XF_CTL_SIZE_MAX + 256u) /* docs/control.md */
#define MESSAGE_ID       1
#define RETRY_MS         10 /* the agent's queue is full: how soon to try again */
/*
 * How soon the agent's death is noticed. The descriptor of libqb's socket transport does not tell of
 * it; qb_ipcc_event_recv() does, because it looks at the connection's other socket as well.
 */
#define LOOK_MS          100

struct xf_client {
    qb_ipcc_connection_t *connection;
    int fd;
    uint8_t in[MESSAGE_SIZE_MAX];
};

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* 0 when the descriptor has something to say, -ETIMEDOUT, -EINTR. */
static int wait_for(int fd, int64_t wait_ms, const sigset_t *mask)
{
    struct timespec t = { 0 };
    struct pollfd p = { .fd = fd, .events = POLLIN };
    int n;

    if (wait_ms > 0) {
        t.tv_sec = (time_t)(wait_ms / 1000);
        t.tv_nsec = (long)(wait_ms % 1000) * 1000000;
    }
    n = ppoll(&p, 1, &t, mask);
    if (n < 0) {
        return -errno;
    }
    return n == 0 ? -ETIMEDOUT : 0;
}

/* A signal that the caller did not ask for does not end a wait. */
static int wait_through_signals(int fd, int64_t deadline)
{
    int rc;

    do {
        rc = wait_for(fd, deadline - now_ms(), NULL);
    } while (rc == -EINTR);
    return rc;
}

int xf_client_open(int timeout_ms, struct xf_client **ret_client)
{
    int64_t deadline = now_ms() + timeout_ms;
    struct xf_client *client = calloc(1, sizeof(*client));
    const char *name = secure_getenv("XENFERRY_IPC_NAME");
    int connect_fd = -1;
    int rc;

    if (client == NULL) {
        err(1, "client");
    }
    /*
     * Not qb_ipcc_connect(): that waits without end for a stopped agent, whose kernel socket
     * accepts connections all the same.
     */
    client->connection =
        qb_ipcc_connect_async(name != NULL ? name : XF_CTL_SOCKET, MESSAGE_SIZE_MAX, &connect_fd);
    if (client->connection == NULL) {
        rc = errno != 0 ? -abs(errno) : -ECONNREFUSED; /* libqb 2.0.5 sets it negative */
        free(client);
        return rc;
    }
    rc = wait_through_signals(connect_fd, deadline);
    if (rc < 0) {
        xf_client_close(client);
        return rc;
    }
    rc = qb_ipcc_connect_continue(client->connection);
    if (rc < 0) {
        /* libqb freed the connection. */
        free(client);
        return rc;
    }
    rc = qb_ipcc_fd_get(client->connection, &client->fd);
    if (rc < 0) {
        xf_client_close(client);
        return rc;
    }
    *ret_client = client;
    return 0;
}

void xf_client_close(struct xf_client *client)
{
    if (client == NULL) {
        return;
    }
    qb_ipcc_disconnect(client->connection);
    free(client);
}

int xf_client_send(struct xf_client *client, const struct xf_ctl_request *request, int timeout_ms)
{
    int64_t deadline = now_ms() + timeout_ms;
    static const struct timespec retry = { .tv_nsec = RETRY_MS * 1000000L };
    struct {
        struct qb_ipc_request_header header;
        uint8_t bytes[XF_CTL_SIZE_MAX];
    } out;
    int n = xf_ctl_encode_request(request, out.bytes, sizeof(out.bytes));
    ssize_t r;

    if (n < 0) {
        return n;
    }
    memset(&out.header, 0, sizeof(out.header));
    out.header.id = MESSAGE_ID;
    out.header.size = (int32_t)sizeof(out.header) + n;
    while ((r = qb_ipcc_send(client->connection, &out, (size_t)out.header.size)) == -EAGAIN) {
        if (now_ms() >= deadline) {
            return -ETIMEDOUT;
        }
        nanosleep(&retry, NULL);
    }
    return r < 0 ? (int)r : 0;
}

int xf_client_recv(struct xf_client *client, int timeout_ms, const sigset_t *mask,
                   struct xf_ctl_reply *ret_reply)
{
    int64_t deadline = now_ms() + timeout_ms;
    struct qb_ipc_response_header header;
    size_t size;
    ssize_t r;
    int rc;

    do {
        int64_t left = deadline - now_ms();

        rc = wait_for(client->fd, left < LOOK_MS ? left : LOOK_MS, mask);
        if (rc == -EINTR) {
            return rc;
        }
        r = qb_ipcc_event_recv(client->connection, client->in, sizeof(client->in), 0);
    } while ((r == -EAGAIN || r == -ETIMEDOUT) && now_ms() < deadline);
    if (r < 0) {
        return r == -EAGAIN ? -ETIMEDOUT : (int)r;
    }
    if ((size_t)r < sizeof(header)) {
        return -EBADMSG;
    }
    memcpy(&header, client->in, sizeof(header));
    size = (size_t)r - sizeof(header);
    if (header.size < 0 || (size_t)header.size != (size_t)r || size > XF_CTL_SIZE_MAX) {
        return -EBADMSG;
    }
    rc = xf_ctl_decode_reply(client->in + sizeof(header), size, ret_reply);
    return rc < 0 ? -EBADMSG : 0;
}
