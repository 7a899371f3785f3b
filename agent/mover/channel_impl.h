/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by channel.c and channel_open.c alone. */
#ifndef XF_MOVER_CHANNEL_IMPL_H
#define XF_MOVER_CHANNEL_IMPL_H

#include <gnutls/gnutls.h>
#include <stdbool.h>

#include "channel.h"
#include "mono.h"

#define XF_CHANNEL_RECORD      16384u /* the largest a TLS record may be (RFC 8446 5.1) */
/* Bytes per system call: beyond this nothing is gained, and it should stay in the L2 cache. */
#define XF_CHANNEL_BATCH       (256u << 10)
/* Header, tag and content type of a record take 22 bytes; RFC 8446 5.2 allows up to 261. */
#define XF_CHANNEL_RECORD_MORE 261u
/* A batch that was not full, what one call adds to it, and what TLS adds to that. */
#define XF_CHANNEL_OUT                                                                             \
    (XF_CHANNEL_BATCH + XF_CHANNEL_SEND_MAX +                                                      \
     (XF_CHANNEL_SEND_MAX / XF_CHANNEL_RECORD + 2u) * XF_CHANNEL_RECORD_MORE)

struct xf_channel {
    int fd;
    int stop_fd;
    gnutls_session_t session;
    gnutls_psk_client_credentials_t client;
    gnutls_psk_server_credentials_t server;
    const struct xf_channel_config *config; /* while opening only */
    bool wrong_key;                         /* the server saw its own identity with another key */
    _Atomic uint64_t *sending_us;
    _Atomic uint64_t *receiving_us;
    /* sender's */
    uint64_t rate_kibps;
    double bucket; /* bytes that may be sent now */
    uint64_t bucket_us;
    uint64_t farewell_us; /* when the last words must be out; 0: not there yet */
    _Atomic uint64_t sent;
    size_t out_at; /* bytes before are sent */
    size_t out_size;
    uint8_t *out;
    /* receiver's */
    bool in_closed;
    size_t in_at;
    size_t in_size;
    uint8_t *in;
};

ssize_t xf_channel_push(gnutls_transport_ptr_t ptr, const giovec_t *iov, int n);
ssize_t xf_channel_pull(gnutls_transport_ptr_t ptr, void *buf, size_t size);

#endif
