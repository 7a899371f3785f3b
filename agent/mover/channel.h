/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connection between two movers: TCP with TLS 1.3, both sides proven by the pre-shared key.
 * One thread may send while another receives. Everything blocks, but ends at once with -ECANCELED
 * when stop_fd becomes readable: whoever watches for progress (mover.c) makes it so.
 */
#ifndef XF_MOVER_CHANNEL_H
#define XF_MOVER_CHANNEL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "link.h"

/* What connecting took longer than it may; a peer that listens answers in one round trip each. */
#define XF_HANDSHAKE_MS 5000

struct xf_channel;

/* What the choice of the cipher goes by. */
enum xf_channel_aes {
    XF_AES_BY_CPU = 0,
    XF_AES_FAST,
    XF_AES_SLOW,
};

struct xf_channel_config {
    const char *address; /* numeric */
    uint16_t port;
    const char *identity; /* of the key: the migration's id as text */
    const uint8_t *psk;
    size_t psk_size;
    uint64_t rate_kibps; /* what may be sent; 0: unlimited */
    enum xf_channel_aes aes;
    int stop_fd;
    /* Either may be NULL: written with the monotonic clock whenever a byte moves. */
    _Atomic uint64_t *sending_us;
    _Atomic uint64_t *receiving_us;
};

/*
 * All take and give 0 or negative errno: -ECANCELED stopped, -EACCES the keys do not match,
 * -ECONNRESET (and what connect() says) the connection broke, -EPROTO the peer speaks no such TLS,
 * -EBADMSG a record was damaged, -ETIMEDOUT nobody came.
 */
int xf_channel_connect(const struct xf_channel_config *config, struct xf_channel **ret_channel);

/* Binds and listens; ret_port is what the kernel chose when config->port is 0. */
int xf_channel_listen(const struct xf_channel_config *config, int *ret_fd, uint16_t *ret_port);
/*
 * Waits for one peer that proves the key; drops all others without being held up by them. -EACCES
 * instead of -ETIMEDOUT when somebody tried with another key. Leaves listen_fd open.
 */
int xf_channel_accept(const struct xf_channel_config *config, int listen_fd, uint32_t timeout_ms,
                      struct xf_channel **ret_channel);
void xf_channel_free(struct xf_channel *channel); /* takes NULL; closes without a farewell */

#define XF_CHANNEL_SEND_MAX (320u << 10)

/*
 * Sender's thread. All of size (<= XF_CHANNEL_SEND_MAX) is taken or nothing, so that whoever is
 * stopped can still send another frame. It leaves when a batch is full or with flush.
 */
int xf_channel_send(struct xf_channel *channel, const void *buf, size_t size);
int xf_channel_flush(struct xf_channel *channel);
/*
 * What is sent from here on are last words: they need not be slow, and are sent although everybody
 * was stopped; for so long at most (-ETIMEDOUT).
 */
void xf_channel_farewell(struct xf_channel *channel, uint32_t timeout_ms);
/* After the last byte: says so and waits, at most that long, until the peer has closed too. */
void xf_channel_linger(struct xf_channel *channel, int timeout_ms);

/* Receiver's thread. Exactly size bytes. */
int xf_channel_recv(struct xf_channel *channel, void *buf, size_t size);
/* At most size bytes without waiting; 0: nothing there yet; negative as above. */
ssize_t xf_channel_try_recv(struct xf_channel *channel, void *buf, size_t size);
/* To poll for input before xf_channel_try_recv(). */
int xf_channel_fd(const struct xf_channel *channel);

/* Bytes put on the wire, TLS included. */
uint64_t xf_channel_sent(const struct xf_channel *channel);
const char *xf_channel_cipher(const struct xf_channel *channel);

#endif
