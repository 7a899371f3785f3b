/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may connect: TCP, and a handshake in which both sides prove that they know the key. */
#include "config.h"

#include "channel_impl.h"
#include "priority.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connections that have not proven themselves yet. One more pushes the oldest out. */
#define PENDING_MAX 8
/*
 * Unsent bytes that the kernel may hold: small, because they stand between the last page and the
 * peer; large enough that the sender need not wake for each segment.
 */
#define UNSENT_MAX  (1 << 20)

static int server_key(gnutls_session_t session, const char *identity, gnutls_datum_t *ret_key)
{
    struct xf_channel *ch = gnutls_session_get_ptr(session);

    if (!ch->config || strcmp(identity, ch->config->identity) != 0) {
        return -1;
    }
    ret_key->data = gnutls_malloc(ch->config->psk_size);
    if (!ret_key->data) {
        return -1;
    }
    memcpy(ret_key->data, ch->config->psk, ch->config->psk_size);
    ret_key->size = (unsigned)ch->config->psk_size;
    /* From here on a failed handshake means that the peer means us, with another key. */
    ch->wrong_key = true;
    return 0;
}

static int set_key(struct xf_channel *ch, bool server)
{
    unsigned char psk[64];
    gnutls_datum_t key = { .data = psk, .size = (unsigned)ch->config->psk_size };
    int r;

    if (server) {
        r = gnutls_psk_allocate_server_credentials(&ch->server);
        if (r < 0) {
            return r;
        }
        gnutls_psk_set_server_credentials_function(ch->server, server_key);
        return gnutls_credentials_set(ch->session, GNUTLS_CRD_PSK, ch->server);
    }
    if (key.size > sizeof(psk)) {
        return GNUTLS_E_INVALID_REQUEST;
    }
    memcpy(psk, ch->config->psk, key.size);
    r = gnutls_psk_allocate_client_credentials(&ch->client);
    if (r >= 0) {
        r = gnutls_psk_set_client_credentials(ch->client, ch->config->identity, &key,
                                              GNUTLS_PSK_KEY_RAW);
    }
    explicit_bzero(psk, sizeof(psk));
    return r < 0 ? r : gnutls_credentials_set(ch->session, GNUTLS_CRD_PSK, ch->client);
}

static const char *priority(const struct xf_channel_config *config, bool server)
{
    return xf_tls_priority(server, config->aes == XF_AES_BY_CPU ? xf_cpu_has_aes()
                                                                : config->aes == XF_AES_FAST);
}

/* Takes fd, also on failure. */
static struct xf_channel *channel_new(const struct xf_channel_config *config, int fd, bool server)
{
    struct xf_channel *ch = calloc(1, sizeof(*ch));
    int one = 1;
    int unsent = UNSENT_MAX;

    if (!ch) {
        close(fd);
        return NULL;
    }
    ch->fd = fd;
    ch->stop_fd = config->stop_fd;
    ch->config = config;
    ch->sending_us = config->sending_us;
    ch->receiving_us = config->receiving_us;
    ch->rate_kibps = config->rate_kibps;
    ch->bucket_us = xf_mono_us();
    ch->out = malloc(XF_CHANNEL_OUT);
    ch->in = malloc(XF_CHANNEL_BATCH);
    if (!ch->out || !ch->in ||
        gnutls_init(&ch->session, (server ? GNUTLS_SERVER | GNUTLS_NO_TICKETS : GNUTLS_CLIENT) |
                                      GNUTLS_NONBLOCK) < 0) {
        ch->session = NULL;
        xf_channel_free(ch);
        return NULL;
    }
    gnutls_session_set_ptr(ch->session, ch);
    if (set_key(ch, server) < 0 ||
        gnutls_priority_set_direct(ch->session, priority(config, server), NULL) < 0) {
        xf_channel_free(ch);
        return NULL;
    }
    /* Batches are cut here; the last one must not wait for an acknowledgement. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
    gnutls_transport_set_ptr(ch->session, ch);
    gnutls_transport_set_vec_push_function(ch->session, xf_channel_push);
    gnutls_transport_set_pull_function(ch->session, xf_channel_pull);
    return ch;
}

void xf_channel_free(struct xf_channel *ch)
{
    if (!ch) {
        return;
    }
    if (ch->session) {
        gnutls_deinit(ch->session);
    }
    if (ch->client) {
        gnutls_psk_free_client_credentials(ch->client);
    }
    if (ch->server) {
        gnutls_psk_free_server_credentials(ch->server);
    }
    free(ch->out);
    free(ch->in);
    close(ch->fd);
    free(ch);
}

/* 1: done, 0: wants input, or negative errno. */
static int handshake_step(struct xf_channel *ch)
{
    int r = gnutls_handshake(ch->session);
    int rc;

    if (r < 0 && gnutls_error_is_fatal(r) && r != GNUTLS_E_FATAL_ALERT_RECEIVED) {
        /* The peer should know why: it reports its side of the failure. */
        gnutls_alert_send_appropriate(ch->session, r);
    }
    rc = xf_channel_flush(ch);
    if (r == GNUTLS_E_SUCCESS) {
        /* Nothing but the key may have opened this. */
        if (rc == 0 && gnutls_auth_get_type(ch->session) != GNUTLS_CRD_PSK) {
            rc = -EACCES;
        }
        return rc < 0 ? rc : 1;
    }
    if (!gnutls_error_is_fatal(r)) {
        return rc;
    }
    if (r == GNUTLS_E_FATAL_ALERT_RECEIVED || ch->wrong_key) {
        return -EACCES;
    }
    if (r == GNUTLS_E_PULL_ERROR || r == GNUTLS_E_PUSH_ERROR ||
        r == GNUTLS_E_PREMATURE_TERMINATION) {
        return rc < 0 ? rc : -ECONNRESET;
    }
    return -EPROTO;
}

static int numeric_address(const struct xf_channel_config *config, struct addrinfo **ret_info)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
    char port[8];

    snprintf(port, sizeof(port), "%u", config->port);
    return getaddrinfo(config->address, port, &hints, ret_info) == 0 ? 0 : -EINVAL;
}

static int connect_tcp(const struct xf_channel_config *config, int *ret_fd)
{
    struct addrinfo *info;
    socklen_t size = sizeof(int);
    int error = 0;
    int rc = numeric_address(config, &info);
    int fd;

    if (rc < 0) {
        return rc;
    }
    fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    rc = fd < 0 || (connect(fd, info->ai_addr, info->ai_addrlen) < 0 && errno != EINPROGRESS)
             ? -errno
             : 0;
    freeaddrinfo(info);
    while (rc == 0) {
        rc = xf_wait_fd(fd, POLLOUT, config->stop_fd, -1);
    }
    if (rc > 0) {
        rc = getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? -errno : -error;
    }
    if (rc < 0) {
        if (fd >= 0) {
            close(fd);
        }
        return rc;
    }
    *ret_fd = fd;
    return 0;
}

int xf_channel_connect(const struct xf_channel_config *config, struct xf_channel **ret_channel)
{
    uint64_t end_us = xf_mono_us() + XF_HANDSHAKE_MS * 1000u;
    struct xf_channel *ch;
    int fd;
    int rc = connect_tcp(config, &fd);

    if (rc < 0) {
        return rc;
    }
    ch = channel_new(config, fd, false);
    if (!ch) {
        return -ENOMEM;
    }
    for (;;) {
        rc = handshake_step(ch);
        if (rc != 0) {
            break;
        }
        if (xf_mono_us() >= end_us) {
            rc = -ETIMEDOUT;
            break;
        }
        rc = xf_wait_fd(fd, POLLIN, config->stop_fd, 100);
        if (rc < 0) {
            break;
        }
    }
    ch->config = NULL;
    if (rc < 0) {
        xf_channel_free(ch);
        return rc;
    }
    *ret_channel = ch;
    return 0;
}

int xf_channel_listen(const struct xf_channel_config *config, int *ret_fd, uint16_t *ret_port)
{
    struct sockaddr_storage at;
    socklen_t size = sizeof(at);
    struct addrinfo *info;
    int one = 1;
    int rc = numeric_address(config, &info);
    int fd;

    if (rc < 0) {
        return rc;
    }
    fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, PENDING_MAX) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) < 0) {
        rc = -errno;
        if (fd >= 0) {
            close(fd);
        }
        freeaddrinfo(info);
        return rc;
    }
    freeaddrinfo(info);
    *ret_port = ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port
                                               : ((struct sockaddr_in *)&at)->sin_port);
    *ret_fd = fd;
    return 0;
}

struct pending {
    struct xf_channel *ch;
    uint64_t end_us;
};

static void take_connection(const struct xf_channel_config *config, int listen_fd,
                            struct pending pending[static PENDING_MAX])
{
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    int oldest = 0;

    if (fd < 0) {
        return;
    }
    for (int i = 0; i < PENDING_MAX; i++) {
        if (!pending[i].ch) {
            oldest = i;
            break;
        }
        if (pending[i].end_us < pending[oldest].end_us) {
            oldest = i;
        }
    }
    xf_channel_free(pending[oldest].ch);
    pending[oldest].ch = channel_new(config, fd, true);
    pending[oldest].end_us = xf_mono_us() + XF_HANDSHAKE_MS * 1000u;
}

/* Index of the one that has proven itself, or -1. */
static int try_pending(struct pending pending[static PENDING_MAX], bool *wrong_key)
{
    for (int i = 0; i < PENDING_MAX; i++) {
        int rc;

        if (!pending[i].ch) {
            continue;
        }
        rc = handshake_step(pending[i].ch);
        if (rc == 1) {
            return i;
        }
        if (rc < 0 || xf_mono_us() >= pending[i].end_us) {
            *wrong_key = *wrong_key || rc == -EACCES;
            xf_channel_linger(pending[i].ch, 0);
            xf_channel_free(pending[i].ch);
            pending[i].ch = NULL;
        }
    }
    return -1;
}

static int wait_pending(int listen_fd, int stop_fd,
                        const struct pending pending[static PENDING_MAX])
{
    struct pollfd p[PENDING_MAX + 2] = { { .fd = stop_fd, .events = POLLIN },
                                         { .fd = listen_fd, .events = POLLIN } };

    for (int i = 0; i < PENDING_MAX; i++) {
        p[i + 2].fd = pending[i].ch ? pending[i].ch->fd : -1;
        p[i + 2].events = POLLIN;
    }
    if (poll(p, PENDING_MAX + 2, 100) < 0) {
        return errno == EINTR ? 0 : -errno;
    }
    if (p[0].revents) {
        return -ECANCELED;
    }
    return p[1].revents ? 1 : 0;
}

int xf_channel_accept(const struct xf_channel_config *config, int listen_fd, uint32_t timeout_ms,
                      struct xf_channel **ret_channel)
{
    uint64_t end_us = xf_mono_us() + (uint64_t)timeout_ms * 1000u;
    struct pending pending[PENDING_MAX] = { 0 };
    bool wrong_key = false;
    int found = -1;
    int rc = 0;

    while (found < 0 && rc == 0) {
        rc = wait_pending(listen_fd, config->stop_fd, pending);
        if (rc == 1) {
            take_connection(config, listen_fd, pending);
            rc = 0;
        }
        found = try_pending(pending, &wrong_key);
        if (found < 0 && rc == 0 && xf_mono_us() >= end_us) {
            rc = wrong_key ? -EACCES : -ETIMEDOUT;
        }
    }
    for (int i = 0; i < PENDING_MAX; i++) {
        if (i != found) {
            xf_channel_free(pending[i].ch);
        }
    }
    if (found < 0) {
        return rc;
    }
    pending[found].ch->config = NULL;
    *ret_channel = pending[found].ch;
    return 0;
}
