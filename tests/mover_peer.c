/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a mover does about a peer that knows the key and yet breaks the rules, and what a channel
 * does when it is stopped in the middle of a batch. The peer is played here, with the mover's own
 * channel; the mover is tests/mover_fake.
 */
#include "config.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mover/channel.h"
#include "moverstage.h"
#include "text.h"

static struct moverstage *stage;

/* ---- a peer ---- */

struct peer {
    struct xf_channel_config config;
    int listen_fd;
    struct xf_channel *ch;
    char identity[96];
};

static void open_peer(struct peer *p)
{
    char uuid[XF_UUID_TEXT_SIZE];

    /* As docs/data-path.md says: UUID:EPOCH@SOURCE/BOOT. */
    xf_uuid_text(&stage->first.params.uuid, uuid);
    snprintf(p->identity, sizeof(p->identity), "%s:%u@%u/%016llx", uuid,
             stage->first.params.id.epoch, stage->first.params.id.src.id,
             (unsigned long long)stage->first.params.id.boot.v);
    p->config = (struct xf_channel_config){
        .address = "127.0.0.1",
        .identity = p->identity,
        .psk = stage->first.params.psk,
        .psk_size = sizeof(stage->first.params.psk),
        .stop_fd = eventfd(0, EFD_CLOEXEC),
    };
}

static void listen_peer(struct peer *p)
{
    open_peer(p);
    STAGE_CHECK(xf_channel_listen(&p->config, &p->listen_fd, &stage->first.params.port) == 0);
}

static bool accept_peer(struct peer *p)
{
    int rc = xf_channel_accept(&p->config, p->listen_fd, STAGE_WAIT_MS, &p->ch);

    close(p->listen_fd);
    return rc == 0;
}

static void close_peer(struct peer *p)
{
    xf_channel_free(p->ch);
    close(p->config.stop_fd);
}

static bool say(struct peer *p, enum xf_data_kind kind, const void *body, size_t size)
{
    uint8_t buf[64];
    struct xf_put put = { .buf = buf, .size = sizeof(buf) };

    xf_data_put_frame(&put, kind, (uint32_t)size);
    xf_put_bytes(&put, body, size);
    return !put.failed && xf_channel_send(p->ch, buf, put.len) == 0 && xf_channel_flush(p->ch) == 0;
}

/* D's side of the greeting. */
static bool greet_source(struct peer *p)
{
    struct xf_data_hello hello;
    struct xf_data_frame frame;
    uint8_t head[XF_DATA_HEAD_SIZE];
    uint8_t body[64];

    return xf_channel_recv(p->ch, head, sizeof(head)) == 0 &&
           xf_data_get_frame(head, &frame) == 0 && frame.size <= sizeof(body) &&
           xf_channel_recv(p->ch, body, frame.size) == 0 &&
           xf_data_get_hello(body, frame.size, &hello) == 0 &&
           say(p, XF_DATA_HELLO, body, frame.size);
}

/* ---- stories ---- */

static void built_is_malformed_before_the_end_was_sent(void)
{
    struct peer p = { .ch = NULL };

    listen_peer(&p);
    stage->s.fault = "slow-rounds";
    moverstage_start_source();
    if (accept_peer(&p)) {
        STAGE_CHECK(greet_source(&p));
        STAGE_CHECK(say(&p, XF_DATA_BUILT, "", 0));
        STAGE_CHECK(moverstage_fails_with(&stage->s, XF_REASON_STREAM));
        STAGE_CHECK(moverlib_end(&stage->s, 3000));
        close_peer(&p);
    }
    STAGE_CHECK(p.ch != NULL);
    STAGE_CHECK(!moverstage_exists(stage->dir_s, "suspended"));
}

/* A source played to D's mover that has greeted it with so many pages; false: no connection. */
static bool greet_dest(struct peer *p, uint64_t pages)
{
    struct xf_data_hello hello = { .version_min = XF_DATA_MIN,
                                   .version_max = XF_DATA_MAX,
                                   .pages = pages };
    uint8_t body[16];
    struct xf_put put = { .buf = body, .size = sizeof(body) };

    moverstage_start_dest();
    open_peer(p);
    p->config.port = stage->first.params.port;
    xf_data_put_hello(&put, &hello);
    STAGE_CHECK(xf_channel_connect(&p->config, &p->ch) == 0);
    if (p->ch == NULL) {
        return false;
    }
    STAGE_CHECK(say(p, XF_DATA_HELLO, body, put.len));
    return true;
}

static void more_pages_than_the_domain_has_are_refused(void)
{
    struct peer p = { .ch = NULL };

    if (greet_dest(&p, STAGE_PAGES + 1)) {
        STAGE_CHECK(moverstage_fails_with(&stage->d, XF_REASON_CONFIG));
        STAGE_CHECK(moverlib_end(&stage->d, 3000));
        close_peer(&p);
    }
}

static void holes_beyond_the_domain_are_refused(void)
{
    struct xf_page_run run = { .pfn = STAGE_PAGES - 1, .count = 2, .type = 0xf };
    uint8_t body[XF_DATA_HEAD_SIZE + 16];
    struct xf_put put = { .buf = body, .size = sizeof(body) };
    struct xf_data_frame frame;
    struct peer p = { .ch = NULL };

    if (greet_dest(&p, STAGE_PAGES)) {
        STAGE_CHECK(xf_channel_recv(p.ch, body, XF_DATA_HEAD_SIZE) == 0);
        STAGE_CHECK(xf_data_get_frame(body, &frame) == 0 && frame.kind == XF_DATA_HELLO &&
                    frame.size <= sizeof(body) && xf_channel_recv(p.ch, body, frame.size) == 0);
        xf_page_put_run(&put, &run);
        STAGE_CHECK(say(&p, XF_DATA_HOLES, body, put.len));
        STAGE_CHECK(moverstage_fails_with(&stage->d, XF_REASON_STREAM));
        STAGE_CHECK(moverlib_end(&stage->d, 3000));
        close_peer(&p);
    }
    STAGE_CHECK(!moverstage_exists(stage->dir_d, "built"));
}

/* Takes the greeting for one who knows this version alone. */
static bool greet_as(struct peer *p, uint16_t version)
{
    struct xf_data_hello hello = { .version_min = version,
                                   .version_max = version,
                                   .pages = STAGE_PAGES };
    uint8_t buf[XF_DATA_HEAD_SIZE + 16];
    struct xf_put put = { .buf = buf, .size = sizeof(buf) };

    if (xf_channel_recv(p->ch, buf, sizeof(buf)) != 0 || buf[0] != XF_DATA_HELLO) {
        return false;
    }
    xf_data_put_hello(&put, &hello);
    return say(p, XF_DATA_HELLO, buf, put.len);
}

/* Reads until that many pages with content have come; how many of them were compressed, or -1. */
static int count_packed(struct peer *p, uint16_t version, int pages)
{
    static uint8_t body[XF_DATA_SIZE_MAX];
    struct xf_page_entry entry[XF_PAGE_CHUNK_MAX];
    struct xf_data_frame frame;
    const uint8_t *content;
    int packed = 0;
    uint32_t n;

    while (pages > 0) {
        uint8_t head[XF_DATA_HEAD_SIZE];

        if (xf_channel_recv(p->ch, head, sizeof(head)) != 0 ||
            xf_data_get_frame(head, &frame) != 0 || xf_channel_recv(p->ch, body, frame.size) != 0) {
            return -1;
        }
        if (frame.kind != XF_DATA_PAGES) {
            continue;
        }
        if (xf_page_get_chunk(body, frame.size, version, STAGE_PAGES, entry, &n, &content) != 0) {
            return -1;
        }
        for (uint32_t i = 0; i < n; i++) {
            pages -= xf_page_content_size(&entry[i]) > 0;
            packed += entry[i].kind == XF_PAGE_LZ4;
        }
    }
    return packed;
}

static int packed_for(uint16_t version)
{
    struct peer p = { .ch = NULL };
    int packed = -1;

    listen_peer(&p);
    moverstage_start_source();
    if (accept_peer(&p)) {
        STAGE_CHECK(greet_as(&p, version));
        packed = count_packed(&p, version, 400);
        STAGE_CHECK(say(&p, XF_DATA_BUILT, "", 0)); /* nonsense, which ends it */
        STAGE_CHECK(moverstage_fails_with(&stage->s, XF_REASON_STREAM));
        STAGE_CHECK(moverlib_end(&stage->s, 3000));
        close_peer(&p);
    }
    return packed;
}

static void an_older_target_gets_no_compressed_pages(void)
{
    STAGE_CHECK(packed_for(XF_DATA_LZ4 - 1) == 0);
}

static void a_target_gets_pages_compressed_that_shrink(void)
{
    int packed = packed_for(XF_DATA_MAX);

    /* One in twelve of those that are not empty. */
    STAGE_CHECK(packed >= 20 && packed <= 50);
}

/* ---- a channel that is stopped in the middle ---- */

#define PIECE_SIZE (200u << 10)
#define LAST_WORDS "last words"

static void *accept_main(void *arg)
{
    return accept_peer(arg) ? arg : NULL;
}

/* Two ends of one channel; either's ch is NULL when it could not be made. */
static void connect_pair(struct peer *s, struct peer *d, uint64_t rate_kibps)
{
    pthread_t thread;

    listen_peer(d);
    open_peer(s);
    s->config.port = stage->first.params.port;
    s->config.rate_kibps = rate_kibps;
    pthread_create(&thread, NULL, accept_main, d);
    STAGE_CHECK(xf_channel_connect(&s->config, &s->ch) == 0);
    pthread_join(thread, NULL);
}

/* Piece number n, whole; each word says where it belongs. */
static void fill_piece(uint32_t *piece, uint32_t n)
{
    for (uint32_t i = 0; i < PIECE_SIZE / 4; i++) {
        piece[i] = n * (PIECE_SIZE / 4) + i;
    }
}

static void *stop_main(void *arg)
{
    struct peer *p = arg;
    uint64_t sent = 0;
    uint64_t one = 1;

    /* Nobody reads: once nothing moves any more the sender stands in the middle of a batch. */
    for (uint64_t now = 1; now != sent;) {
        sent = now;
        usleep(50000);
        now = xf_channel_sent(p->ch);
    }
    STAGE_CHECK(write(p->config.stop_fd, &one, sizeof(one)) == sizeof(one));
    return NULL;
}

/* Sends to one who does not read, until stopped; how many pieces were taken. */
static uint32_t send_until_stopped(struct peer *p, uint32_t *piece)
{
    pthread_t stopper;
    uint32_t n = 0;
    int rc;

    pthread_create(&stopper, NULL, stop_main, p);
    do {
        fill_piece(piece, n);
        rc = xf_channel_send(p->ch, piece, PIECE_SIZE);
        /* Also the one behind which it was stopped is taken. */
        n++;
    } while (rc == 0 && n < 1000);
    pthread_join(stopper, NULL);
    STAGE_CHECK(rc == -ECANCELED);
    return n;
}

struct farewell {
    struct peer *p;
    bool sent;
};

static void *farewell_main(void *arg)
{
    struct farewell *f = arg;

    xf_channel_farewell(f->p->ch, 2000);
    f->sent = xf_channel_send(f->p->ch, LAST_WORDS, sizeof(LAST_WORDS)) == 0 &&
              xf_channel_flush(f->p->ch) == 0;
    return NULL;
}

/* Whole pieces in order, then the last words: nothing twice, nothing cut. */
static void check_received(struct peer *d, uint32_t n, uint32_t *piece, uint32_t *want)
{
    char words[sizeof(LAST_WORDS)] = "";

    for (uint32_t i = 0; i < n; i++) {
        fill_piece(want, i);
        if (xf_channel_recv(d->ch, piece, PIECE_SIZE) != 0 ||
            memcmp(piece, want, PIECE_SIZE) != 0) {
            moverstage_check(false, __FILE__, __LINE__, "every piece arrives once and whole");
            return;
        }
    }
    STAGE_CHECK(xf_channel_recv(d->ch, words, sizeof(words)) == 0);
    STAGE_CHECK(memcmp(words, LAST_WORDS, sizeof(words)) == 0);
}

static void a_stopped_channel_goes_on_where_it_was(void)
{
    uint32_t *piece = malloc(PIECE_SIZE), *want = malloc(PIECE_SIZE);
    struct peer s = { .ch = NULL }, d = { .ch = NULL };
    struct farewell farewell = { .p = &s };
    pthread_t thread;
    uint32_t n;

    connect_pair(&s, &d, 0);
    if (s.ch == NULL || d.ch == NULL || piece == NULL || want == NULL) {
        moverstage_check(false, __FILE__, __LINE__, "two channels and room for two pieces");
        return;
    }
    n = send_until_stopped(&s, piece);
    pthread_create(&thread, NULL, farewell_main, &farewell);
    check_received(&d, n, piece, want);
    pthread_join(thread, NULL);
    STAGE_CHECK(farewell.sent);
    close_peer(&s);
    close_peer(&d);
    free(piece);
    free(want);
}

/* ---- ciphers ---- */

/* /proc/cpuinfo: "flags" on x86, "Features" on ARM. */
static bool kernel_sees_aes(void)
{
    FILE *f = fopen("/proc/cpuinfo", "re");
    char line[8192];
    bool aes = false;

    while (f && fgets(line, sizeof(line), f)) {
        aes = aes || strstr(line, " aes ");
    }
    if (f) {
        fclose(f);
    }
    return aes;
}

static void ciphers_between(enum xf_channel_aes client, enum xf_channel_aes server,
                            const char *name)
{
    struct peer s = { .ch = NULL }, d = { .ch = NULL };
    uint32_t word = 0x12345678, back = 0;
    pthread_t thread;

    listen_peer(&d);
    d.config.aes = server;
    open_peer(&s);
    s.config.port = stage->first.params.port;
    s.config.aes = client;
    pthread_create(&thread, NULL, accept_main, &d);
    STAGE_CHECK(xf_channel_connect(&s.config, &s.ch) == 0);
    pthread_join(thread, NULL);
    if (s.ch == NULL || d.ch == NULL) {
        moverstage_check(false, __FILE__, __LINE__, "two channels");
        return;
    }
    STAGE_CHECK(strcmp(xf_channel_cipher(s.ch), name) == 0);
    STAGE_CHECK(strcmp(xf_channel_cipher(d.ch), name) == 0);
    STAGE_CHECK(xf_channel_send(s.ch, &word, sizeof(word)) == 0 && xf_channel_flush(s.ch) == 0);
    STAGE_CHECK(xf_channel_recv(d.ch, &back, sizeof(back)) == 0 && back == word);
    close_peer(&s);
    close_peer(&d);
}

static void a_side_without_fast_aes_decides_the_cipher(void)
{
    ciphers_between(XF_AES_FAST, XF_AES_FAST, "AES-128-GCM");
    ciphers_between(XF_AES_FAST, XF_AES_SLOW, "CHACHA20-POLY1305");
    ciphers_between(XF_AES_SLOW, XF_AES_FAST, "CHACHA20-POLY1305");
    ciphers_between(XF_AES_SLOW, XF_AES_SLOW, "CHACHA20-POLY1305");
    ciphers_between(XF_AES_BY_CPU, XF_AES_BY_CPU,
                    kernel_sees_aes() ? "AES-128-GCM" : "CHACHA20-POLY1305");
}

/* At 400 KiB/s a record may leave every 40 ms; a byte every 2.4 us. */
static void a_rate_limit_sends_no_crumbs(void)
{
    struct peer s = { .ch = NULL }, d = { .ch = NULL };
    uint8_t *bytes = calloc(1, 100u << 10);
    struct tcp_info before, after;
    socklen_t size = sizeof(before);

    connect_pair(&s, &d, 400);
    if (s.ch == NULL || d.ch == NULL || bytes == NULL) {
        moverstage_check(false, __FILE__, __LINE__, "two channels and something to send");
        return;
    }
    STAGE_CHECK(getsockopt(xf_channel_fd(s.ch), IPPROTO_TCP, TCP_INFO, &before, &size) == 0);
    STAGE_CHECK(xf_channel_send(s.ch, bytes, 100u << 10) == 0 && xf_channel_flush(s.ch) == 0);
    size = sizeof(after);
    STAGE_CHECK(getsockopt(xf_channel_fd(s.ch), IPPROTO_TCP, TCP_INFO, &after, &size) == 0);
    STAGE_CHECK(after.tcpi_data_segs_out - before.tcpi_data_segs_out <= 20);
    close_peer(&s);
    close_peer(&d);
    free(bytes);
}

static void last_words_to_one_who_does_not_listen_end_in_time(void)
{
    uint32_t *piece = malloc(PIECE_SIZE);
    struct peer s = { .ch = NULL }, d = { .ch = NULL };
    uint64_t before;

    connect_pair(&s, &d, 0);
    if (s.ch == NULL || d.ch == NULL || piece == NULL) {
        moverstage_check(false, __FILE__, __LINE__, "two channels and room for a piece");
        return;
    }
    send_until_stopped(&s, piece);
    before = moverlib_now_ms();
    xf_channel_farewell(s.ch, 200);
    STAGE_CHECK(xf_channel_send(s.ch, LAST_WORDS, sizeof(LAST_WORDS)) == -ETIMEDOUT ||
                xf_channel_flush(s.ch) == -ETIMEDOUT);
    STAGE_CHECK(moverlib_now_ms() - before < 500);
    close_peer(&s);
    close_peer(&d);
    free(piece);
}

static const struct {
    const char *name;
    void (*run)(void);
} stories[] = {
    { "built_is_malformed_before_the_end_was_sent", built_is_malformed_before_the_end_was_sent },
    { "more_pages_than_the_domain_has_are_refused", more_pages_than_the_domain_has_are_refused },
    { "holes_beyond_the_domain_are_refused", holes_beyond_the_domain_are_refused },
    { "an_older_target_gets_no_compressed_pages", an_older_target_gets_no_compressed_pages },
    { "a_target_gets_pages_compressed_that_shrink", a_target_gets_pages_compressed_that_shrink },
    { "a_stopped_channel_goes_on_where_it_was", a_stopped_channel_goes_on_where_it_was },
    { "a_side_without_fast_aes_decides_the_cipher", a_side_without_fast_aes_decides_the_cipher },
    { "a_rate_limit_sends_no_crumbs", a_rate_limit_sends_no_crumbs },
    { "last_words_to_one_who_does_not_listen_end_in_time",
      last_words_to_one_who_does_not_listen_end_in_time },
};
#define N_STORIES (sizeof(stories) / sizeof(stories[0]))

int main(int argc, char **argv)
{
    bool any_failed = false;

    (void)argc;
    stage = moverstage();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!moverlib_own_network()) {
        printf("1..0 # SKIP no network namespace of our own: %s\n", strerror(errno));
        return 0;
    }
    if (!moverstage_open(argv[0])) {
        perror("mover_peer");
        return 99;
    }
    printf("1..%zu\n", N_STORIES);
    for (size_t i = 0; i < N_STORIES; i++) {
        stage->failed = false;
        moverstage_reset();
        stories[i].run();
        printf("%s %zu - %s\n", stage->failed ? "not ok" : "ok", i + 1, stories[i].name);
        any_failed = any_failed || stage->failed;
    }
    moverstage_close();
    return any_failed ? 1 : 0;
}
