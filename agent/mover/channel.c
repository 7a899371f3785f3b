/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The moving of bytes. Who may connect is in channel_open.c.
 *
 * GnuTLS would take one system call to send a record of 16 KiB and two to receive it. The batches
 * here take one for many records; what that saves is more than the hashing of the pages costs.
 */
#include "config.h"

#include "channel_impl.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

/* A slice of sleep while the rate limit forbids sending. */
#define RATE_SLICE_MS  5
/* The bucket holds what may be sent in so many slices: enough to stay on rate when woken late. */
#define RATE_SLICES    8u
/* Less than a record is not worth a system call and a packet of its own ... */
#define RATE_GRAIN_MAX ((double)XF_CHANNEL_RECORD)
/* ... unless the rate is so low that the peer would wait this long for it. */
#define RATE_GRAIN_MS  100

/* How much of size may leave now; 0: wait a slice. */
static size_t rate_take(struct xf_channel *ch, size_t size)
{
    uint64_t now = xf_mono_us();
    double per_us = (double)ch->rate_kibps * 1024.0 / 1e6;
    double depth = per_us * 1000.0 * RATE_SLICE_MS * RATE_SLICES;
    double grain = per_us * 1000.0 * RATE_GRAIN_MS;

    if (ch->rate_kibps == 0) {
        return size;
    }
    grain = grain < RATE_GRAIN_MAX ? grain : RATE_GRAIN_MAX;
    depth = depth > RATE_GRAIN_MAX ? depth : RATE_GRAIN_MAX;
    ch->bucket += per_us * (double)(now - ch->bucket_us);
    ch->bucket_us = now;
    if (ch->bucket > depth) {
        ch->bucket = depth;
    }
    if (ch->bucket >= (double)size) {
        return size;
    }
    /* Sending each byte as soon as it may leave would keep a processor busy with waiting. */
    return ch->bucket >= grain && ch->bucket >= 1.0 ? (size_t)ch->bucket : 0;
}

static void moved(_Atomic uint64_t *when_us)
{
    if (when_us) {
        atomic_store_explicit(when_us, xf_mono_us(), memory_order_relaxed);
    }
}

/* The socket is full. */
static int wait_room(const struct xf_channel *ch)
{
    uint64_t now = xf_mono_us();

    if (ch->farewell_us == 0) {
        return xf_wait_fd(ch->fd, POLLOUT, ch->stop_fd, -1);
    }
    /* Everybody has stopped already: only time ends this. */
    if (now >= ch->farewell_us) {
        return -ETIMEDOUT;
    }
    return xf_wait_fd(ch->fd, POLLOUT, -1, (int)((ch->farewell_us - now) / 1000u) + 1);
}

/* Empties the batch into the socket; what could not leave stays for the next time. */
static int drain(struct xf_channel *ch, bool more)
{
    int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0);

    while (ch->out_at < ch->out_size) {
        size_t want = rate_take(ch, ch->out_size - ch->out_at);
        ssize_t n = -1;
        int rc;

        if (want > 0) {
            n = send(ch->fd, ch->out + ch->out_at, want, flags);
            if (n < 0 && errno != EAGAIN && errno != EINTR) {
                return errno == EPIPE ? -ECONNRESET : -errno;
            }
        }
        if (n > 0) {
            ch->out_at += (size_t)n;
            ch->bucket -= (double)n;
            atomic_fetch_add_explicit(&ch->sent, (uint64_t)n, memory_order_relaxed);
            moved(ch->sending_us);
            continue;
        }
        rc = want > 0 ? wait_room(ch) : xf_wait_fd(-1, 0, ch->stop_fd, RATE_SLICE_MS);
        if (rc < 0) {
            return rc;
        }
    }
    ch->out_at = 0;
    ch->out_size = 0;
    return 0;
}

/* GnuTLS hands over whole records; they wait for company. There is always room for them. */
ssize_t xf_channel_push(gnutls_transport_ptr_t ptr, const giovec_t *iov, int n)
{
    struct xf_channel *ch = ptr;
    size_t total = 0;

    for (int i = 0; i < n; i++) {
        assert(iov[i].iov_len <= XF_CHANNEL_OUT - ch->out_size);
        memcpy(ch->out + ch->out_size, iov[i].iov_base, iov[i].iov_len);
        ch->out_size += iov[i].iov_len;
        total += iov[i].iov_len;
    }
    return (ssize_t)total;
}

ssize_t xf_channel_pull(gnutls_transport_ptr_t ptr, void *buf, size_t size)
{
    struct xf_channel *ch = ptr;
    size_t part;

    if (ch->in_at == ch->in_size) {
        ssize_t n = recv(ch->fd, ch->in, XF_CHANNEL_BATCH, MSG_DONTWAIT);

        if (n <= 0) {
            ch->in_closed = n == 0;
            gnutls_transport_set_errno(ch->session, n < 0 ? errno : 0);
            return n;
        }
        ch->in_at = 0;
        ch->in_size = (size_t)n;
        moved(ch->receiving_us);
    }
    part = ch->in_size - ch->in_at < size ? ch->in_size - ch->in_at : size;
    memcpy(buf, ch->in + ch->in_at, part);
    ch->in_at += part;
    return (ssize_t)part;
}

static int channel_errno(int r)
{
    switch (r) {
    case GNUTLS_E_DECRYPTION_FAILED:
    case GNUTLS_E_UNEXPECTED_PACKET_LENGTH:
    case GNUTLS_E_UNEXPECTED_PACKET:
    case GNUTLS_E_RECORD_LIMIT_REACHED:
    case GNUTLS_E_RECORD_OVERFLOW:
        return -EBADMSG;
    default: /* GnuTLS has some hundred; to a connection that stood they all mean that it is over */
        return -ECONNRESET;
    }
}

int xf_channel_send(struct xf_channel *ch, const void *buf, size_t size)
{
    const uint8_t *at = buf;

    assert(size <= XF_CHANNEL_SEND_MAX);
    if (ch->out_size >= XF_CHANNEL_BATCH) {
        int rc = drain(ch, true);

        if (rc < 0) {
            return rc;
        }
    }
    while (size > 0) {
        size_t part = size < XF_CHANNEL_RECORD ? size : XF_CHANNEL_RECORD;
        ssize_t n = gnutls_record_send(ch->session, at, part);

        if (n == GNUTLS_E_INTERRUPTED || n == GNUTLS_E_AGAIN) {
            continue;
        }
        if (n < 0) {
            return channel_errno((int)n);
        }
        at += n;
        size -= (size_t)n;
    }
    return ch->out_size >= XF_CHANNEL_BATCH ? drain(ch, true) : 0;
}

void xf_channel_farewell(struct xf_channel *ch, uint32_t timeout_ms)
{
    ch->rate_kibps = 0;
    ch->farewell_us = xf_mono_us() + timeout_ms * 1000ull;
}

int xf_channel_flush(struct xf_channel *ch)
{
    return drain(ch, false);
}

ssize_t xf_channel_try_recv(struct xf_channel *ch, void *buf, size_t size)
{
    for (;;) {
        ssize_t n = gnutls_record_recv(ch->session, buf, size);

        if (n > 0) {
            return n;
        }
        if (n == GNUTLS_E_AGAIN) {
            return 0;
        }
        if (n == GNUTLS_E_INTERRUPTED) {
            continue;
        }
        return n == 0 ? -ECONNRESET : channel_errno((int)n);
    }
}

int xf_channel_recv(struct xf_channel *ch, void *buf, size_t size)
{
    uint8_t *at = buf;

    while (size > 0) {
        ssize_t n = xf_channel_try_recv(ch, at, size);

        if (n < 0) {
            return (int)n;
        }
        if (n == 0) {
            int rc = xf_wait_fd(ch->fd, POLLIN, ch->stop_fd, -1);

            if (rc < 0) {
                return rc;
            }
        }
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

void xf_channel_linger(struct xf_channel *ch, int timeout_ms)
{
    uint64_t end_us = xf_mono_us() + (uint64_t)timeout_ms * 1000u;
    uint8_t unread[4096];

    /* Closing with unread input resets the connection, which could take the last bytes with it. */
    shutdown(ch->fd, SHUT_WR);
    while (xf_mono_us() < end_us) {
        struct pollfd p = { .fd = ch->fd, .events = POLLIN };

        if (poll(&p, 1, 10) > 0 && recv(ch->fd, unread, sizeof(unread), MSG_DONTWAIT) <= 0) {
            break;
        }
    }
}

int xf_channel_fd(const struct xf_channel *ch)
{
    return ch->fd;
}

uint64_t xf_channel_sent(const struct xf_channel *ch)
{
    return atomic_load_explicit(&ch->sent, memory_order_relaxed);
}

const char *xf_channel_cipher(const struct xf_channel *ch)
{
    return gnutls_cipher_get_name(gnutls_cipher_get(ch->session));
}
