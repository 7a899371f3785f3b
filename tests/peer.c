/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A member of the agents' group that is not what it should be; runs on a node whose agent is not.
 *
 * usage: peer range MIN MAX   greets as an agent that speaks these versions, until SIGTERM
 *        peer garbage SEED    sends frames that must be refused, tells how many, ends
 */
#include "config.h"

#include <corosync/cpg.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#include "wire.h"

#define GROUP      "xenferry"
/* Where a HELLO's numbers stand for ever (docs/wire.md). */
#define AT_VERSION 4
#define AT_KIND    6
#define AT_RANGE   8
#define OVERSIZE   (XF_FRAME_SIZE_MAX + 4096)

static volatile sig_atomic_t ended;
static bool view_changed;

static void on_signal(int number)
{
    (void)number;
    ended = 1;
}

static void on_deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t node,
                       uint32_t pid, void *msg, size_t size)
{
    (void)handle, (void)group, (void)node, (void)pid, (void)msg, (void)size;
}

static void on_view(cpg_handle_t handle, const struct cpg_name *group,
                    const struct cpg_address *members, size_t n_members,
                    const struct cpg_address *left, size_t n_left, const struct cpg_address *joined,
                    size_t n_joined)
{
    (void)handle, (void)group, (void)members, (void)n_members;
    (void)left, (void)n_left, (void)joined, (void)n_joined;
    view_changed = true;
}

static cpg_handle_t join(void)
{
    cpg_callbacks_t callbacks = { .cpg_deliver_fn = on_deliver, .cpg_confchg_fn = on_view };
    struct cpg_name group = { .length = sizeof(GROUP) - 1 };
    cpg_handle_t handle;
    cs_error_t r;

    memcpy(group.value, GROUP, sizeof(GROUP) - 1);
    r = cpg_initialize(&handle, &callbacks);
    if (r == CS_OK) {
        r = cpg_join(handle, &group);
    }
    if (r != CS_OK) {
        fprintf(stderr, "peer: cannot join the group: error %d\n", (int)r);
        exit(1);
    }
    return handle;
}

static void nap(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
}

static void send_bytes(cpg_handle_t handle, uint8_t *buf, size_t size)
{
    struct iovec iov = { .iov_base = buf, .iov_len = size };
    cs_error_t r;

    while ((r = cpg_mcast_joined(handle, CPG_TYPE_AGREED, &iov, 1)) == CS_ERR_TRY_AGAIN) {
        cpg_dispatch(handle, CS_DISPATCH_ALL);
        nap();
    }
    if (r != CS_OK) {
        fprintf(stderr, "peer: cannot send %zu bytes: error %d\n", size, (int)r);
        exit(1);
    }
}

static void put_le16(uint8_t *at, uint32_t v)
{
    at[0] = (uint8_t)v;
    at[1] = (uint8_t)(v >> 8);
}

static struct xf_frame *sample(enum xf_frame_kind kind)
{
    static const uint8_t text[] = "{\"event\":\"progress\"}";
    static struct xf_frame frame;

    memset(&frame, 0, sizeof(frame));
    frame.kind = (uint8_t)kind;
    frame.version = XF_WIRE_MAX;
    memset(frame.uuid.b, 0xa5, sizeof(frame.uuid.b));
    frame.id = (struct xf_migid){ .epoch = 3, .src = { .id = 1 }, .boot = { .v = 77 } };
    frame.to.id = 1;
    frame.boot.v = 99;
    frame.request = 5;
    frame.msg.type = XF_MSG_INTENT;
    frame.msg.src.id = 1;
    frame.msg.dst.id = 2;
    frame.msg.id = frame.id;
    frame.hello.version_min = XF_WIRE_MIN;
    frame.hello.version_max = XF_WIRE_MAX;
    frame.hello.boot.v = 99;
    frame.hello.memory_total_mib = 1024;
    frame.hello.memory_free_mib = 1024;
    frame.hello.cpus = 1;
    memcpy(frame.hello.node_name, "stranger", sizeof("stranger"));
    memcpy(frame.hello.hypervisor, "sandbox 1", sizeof("sandbox 1"));
    if (kind != XF_FRAME_HELLO) {
        frame.payload = text;
        frame.payload_size = sizeof(text);
    }
    return &frame;
}

static size_t encode(enum xf_frame_kind kind, uint8_t *buf, size_t size)
{
    int n = xf_wire_encode(sample(kind), buf, size);

    if (n < 0) {
        fprintf(stderr, "peer: cannot encode frame kind %d: %s\n", (int)kind, strerror(-n));
        exit(1);
    }
    return (size_t)n;
}

static int greet(uint32_t min, uint32_t max)
{
    static uint8_t buf[XF_FRAME_SIZE_MAX];
    size_t size = encode(XF_FRAME_HELLO, buf, sizeof(buf));
    cpg_handle_t handle = join();
    struct pollfd poll_fd = { .events = POLLIN };

    put_le16(buf + AT_VERSION, max);
    put_le16(buf + AT_RANGE, min);
    put_le16(buf + AT_RANGE + 2, max);
    cpg_fd_get(handle, &poll_fd.fd);
    while (!ended) {
        if (poll(&poll_fd, 1, 200) > 0 && cpg_dispatch(handle, CS_DISPATCH_ALL) != CS_OK) {
            fprintf(stderr, "peer: Corosync is gone\n");
            return 1;
        }
        if (view_changed) {
            view_changed = false;
            send_bytes(handle, buf, size);
            printf("{\"greeted\":true}\n");
        }
    }
    cpg_finalize(handle);
    return 0;
}

/* xorshift64*: the same seed sends the same bytes. */
static uint64_t draw(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

static unsigned send_broken(cpg_handle_t handle, enum xf_frame_kind kind, uint64_t *state)
{
    static uint8_t buf[OVERSIZE];
    size_t size = encode(kind, buf, XF_FRAME_SIZE_MAX);
    unsigned n = 0;

    for (size_t cut = 1; cut < size; cut++, n++) {
        send_bytes(handle, buf, cut);
    }
    for (unsigned more = 1; more <= 64; more *= 4, n++) {
        memset(buf + size, 0, more);
        send_bytes(handle, buf, size + more);
    }
    for (unsigned wrong = XF_N_FRAME_KINDS; wrong < 256; wrong += 31, n++) {
        buf[AT_KIND] = (uint8_t)wrong;
        send_bytes(handle, buf, size);
    }
    buf[AT_KIND] = (uint8_t)kind;
    buf[0] ^= 0x40;
    send_bytes(handle, buf, size);
    buf[0] ^= 0x40;
    memset(buf + size, 0xff, sizeof(buf) - size);
    send_bytes(handle, buf, sizeof(buf));
    /* A true header and nothing but noise behind it. */
    for (unsigned i = 0; i < 50; i++) {
        for (size_t at = AT_RANGE; at < size; at++) {
            buf[at] = (uint8_t)(draw(state) >> 56);
        }
        if (xf_wire_decode(buf, size, sample(kind)) != 0) {
            send_bytes(handle, buf, size);
            n++;
        }
    }
    return n + 2;
}

static int send_garbage(uint64_t seed)
{
    cpg_handle_t handle = join();
    uint64_t state = seed * 2 + 1; /* never zero */
    unsigned sent = 0;
    uint8_t noise[512];

    for (int kind = XF_FRAME_HELLO; kind < XF_N_FRAME_KINDS; kind++) {
        sent += send_broken(handle, (enum xf_frame_kind)kind, &state);
    }
    for (unsigned i = 0; i < 500; i++, sent++) {
        size_t size = 1 + draw(&state) % sizeof(noise);

        for (size_t at = 0; at < size; at++) {
            noise[at] = (uint8_t)(draw(&state) >> 56);
        }
        send_bytes(handle, noise, size);
    }
    printf("{\"sent\":%u}\n", sent);
    /* What was sent last must have left before the group sees us leave. */
    for (unsigned i = 0; i < 50; i++) {
        cpg_dispatch(handle, CS_DISPATCH_ALL);
        nap();
    }
    cpg_finalize(handle);
    return 0;
}

int main(int argc, char **argv)
{
    struct sigaction action = { .sa_handler = on_signal };

    setvbuf(stdout, NULL, _IOLBF, 0);
    sigaction(SIGTERM, &action, NULL);
    if (argc == 4 && strcmp(argv[1], "range") == 0) {
        return greet((uint32_t)strtoul(argv[2], NULL, 10), (uint32_t)strtoul(argv[3], NULL, 10));
    }
    if (argc == 3 && strcmp(argv[1], "garbage") == 0) {
        return send_garbage(strtoull(argv[2], NULL, 10));
    }
    fputs("usage: peer range MIN MAX\n       peer garbage SEED\n", stderr);
    return 2;
}
