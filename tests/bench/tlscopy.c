/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The yardstick of the data path: a plain GnuTLS copy from memory to memory over one TCP
 * connection, with the very priorities that xenferry-mover uses (agent/mover/priority.h), and nothing
 * else. tests/bench divides the mover's throughput by this.
 *
 *   tlscopy listen ADDRESS PORT BYTES     prints "seconds S" when all has arrived
 *   tlscopy send   ADDRESS PORT BYTES     the same, from connect to the peer's answer
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "mover/priority.h"

#define RECORD    16384u /* the largest a TLS record may be (RFC 8446 5.1) */
#define BYTES_MAX (1ull << 40)

static const char identity[] = "tlscopy";
/* Not a secret: both ends of a measurement know it. */
static unsigned char key[32] = "a key for measurements, public";

static void die(const char *what, const char *why)
{
    fprintf(stderr, "tlscopy: %s: %s\n", what, why);
    exit(1);
}

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int server_key(gnutls_session_t session, const char *name, gnutls_datum_t *ret_key)
{
    (void)session;
    if (strcmp(name, identity) != 0) {
        return -1;
    }
    ret_key->data = gnutls_malloc(sizeof(key));
    if (!ret_key->data) {
        return -1;
    }
    memcpy(ret_key->data, key, sizeof(key));
    ret_key->size = sizeof(key);
    return 0;
}

static int endpoint(bool listening, const char *address, const char *port)
{
    struct sockaddr_in sa = { .sin_family = AF_INET };
    int one = 1;
    int fd;

    sa.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
    if (inet_pton(AF_INET, address, &sa.sin_addr) != 1) {
        die(address, "is not an IPv4 address");
    }
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        die("socket", strerror(errno));
    }
    if (listening) {
        int peer;

        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 1) < 0) {
            die(address, strerror(errno));
        }
        peer = accept(fd, NULL, NULL);
        if (peer < 0) {
            die("accept", strerror(errno));
        }
        close(fd);
        fd = peer;
    } else if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
        die(address, strerror(errno));
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

static gnutls_session_t open_session(bool listening, int fd)
{
    gnutls_session_t session;
    const char *priority = getenv("TLSCOPY_PRIORITY");
    int r = gnutls_init(&session, listening ? GNUTLS_SERVER | GNUTLS_NO_TICKETS : GNUTLS_CLIENT);

    if (r < 0) {
        die("gnutls_init", gnutls_strerror(r));
    }
    if (listening) {
        gnutls_psk_server_credentials_t cred;

        gnutls_psk_allocate_server_credentials(&cred);
        gnutls_psk_set_server_credentials_function(cred, server_key);
        gnutls_credentials_set(session, GNUTLS_CRD_PSK, cred);
    } else {
        gnutls_psk_client_credentials_t cred;
        gnutls_datum_t k = { .data = key, .size = sizeof(key) };

        gnutls_psk_allocate_client_credentials(&cred);
        gnutls_psk_set_client_credentials(cred, identity, &k, GNUTLS_PSK_KEY_RAW);
        gnutls_credentials_set(session, GNUTLS_CRD_PSK, cred);
    }
    priority = priority ? priority : xf_tls_priority(listening, xf_cpu_has_aes());
    r = gnutls_priority_set_direct(session, priority, NULL);
    if (r < 0) {
        die("priority", gnutls_strerror(r));
    }
    gnutls_transport_set_int(session, fd);
    do {
        r = gnutls_handshake(session);
    } while (r < 0 && !gnutls_error_is_fatal(r));
    if (r < 0) {
        die("handshake", gnutls_strerror(r));
    }
    return session;
}

static void receive_all(gnutls_session_t session, uint64_t bytes)
{
    uint8_t *buf = malloc(RECORD);
    uint64_t got = 0;

    while (got < bytes) {
        ssize_t n = gnutls_record_recv(session, buf, RECORD);

        if (n <= 0) {
            die("receive", n == 0 ? "the peer closed" : gnutls_strerror((int)n));
        }
        got += (uint64_t)n;
    }
    free(buf);
    if (gnutls_record_send(session, "k", 1) != 1) {
        die("answer", "could not be sent");
    }
}

static void send_all(gnutls_session_t session, const uint8_t *memory, uint64_t bytes)
{
    uint8_t answer;

    for (uint64_t at = 0; at < bytes;) {
        size_t want = bytes - at < RECORD ? (size_t)(bytes - at) : RECORD;
        ssize_t n = gnutls_record_send(session, memory + at, want);

        if (n <= 0) {
            die("send", gnutls_strerror((int)n));
        }
        at += (uint64_t)n;
    }
    if (gnutls_record_recv(session, &answer, 1) != 1) {
        die("answer", "did not come");
    }
}

static uint8_t *random_memory(uint64_t bytes)
{
    uint8_t *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    uint64_t x = 88172645463325252ull; /* xorshift64 (Marsaglia 2003): any non-zero seed */

    if (memory == MAP_FAILED) {
        die("memory", strerror(errno));
    }
    for (uint64_t i = 0; i + 8 <= bytes; i += 8) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(memory + i, &x, sizeof(x));
    }
    return memory;
}

int main(int argc, char **argv)
{
    bool listening = argc == 5 && strcmp(argv[1], "listen") == 0;
    uint8_t *memory = NULL;
    gnutls_session_t session;
    uint64_t bytes;
    double start;
    int fd;

    if (argc != 5 || (!listening && strcmp(argv[1], "send") != 0)) {
        fprintf(stderr, "usage: tlscopy listen|send ADDRESS PORT BYTES\n");
        return 2;
    }
    bytes = strtoull(argv[4], NULL, 10);
    if (bytes == 0 || bytes > BYTES_MAX) {
        die(argv[4], "is not a number of bytes");
    }
    if (!listening) {
        memory = random_memory(bytes);
    }
    fd = endpoint(listening, argv[2], argv[3]);
    start = now();
    session = open_session(listening, fd);
    if (listening) {
        receive_all(session, bytes);
    } else {
        send_all(session, memory, bytes);
    }
    printf("seconds %.4f\n", now() - start);
    gnutls_bye(session, GNUTLS_SHUT_WR);
    gnutls_deinit(session);
    close(fd);
    return 0;
}
