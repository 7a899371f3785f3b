/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stories of two movers and a guest, each told to tests/mover_fake: the mover with a hypervisor
 * that can misbehave. This plays both agents, and everything that can go wrong between them.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "moverlib.h"
#include "page.h"
#include "reason.h"

#define PAGES 3000u
#define TIMEOUT_MS 1500u /* the movers' own; stories about stalls wait for it */
#define WAIT_MS 10000u   /* ours: longer than anything may take */

static char base[256];
static char program[512];
static char dir_s[300];
static char dir_d[300];
static struct moverlib_side s;
static struct moverlib_side d;
static struct xf_link_msg first;
static bool failed;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("# %s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                       \
            failed = true;                                                                         \
        }                                                                                          \
    } while (0)

static bool exists(const char *dir, const char *name)
{
    char path[400];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static void forget(const char *dir, const char *name)
{
    char path[400];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    unlink(path);
}

static uint32_t cap_of(const char *dir)
{
    char path[400];
    char text[16] = "0";
    FILE *f;

    snprintf(path, sizeof(path), "%s/cap", dir);
    f = fopen(path, "re");
    if (f) {
        if (!fgets(text, sizeof(text), f)) {
            text[0] = '\0';
        }
        fclose(f);
    }
    return (uint32_t)strtoul(text, NULL, 10);
}

/* A quarter of the pages is zero, the rest random. */
static void fill_guest(void)
{
    char path[400];
    uint64_t x = 88172645463325252ull; /* xorshift64 (Marsaglia 2003) */
    FILE *f;

    snprintf(path, sizeof(path), "%s/guest", dir_s);
    f = fopen(path, "we");
    for (uint32_t i = 0; f && i < PAGES; i++) {
        uint64_t page[XF_PAGE_SIZE / 8] = { 0 };

        for (uint32_t w = 0; i % 4 != 0 && w < XF_PAGE_SIZE / 8; w++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            page[w] = x;
        }
        fwrite(page, sizeof(page), 1, f);
    }
    CHECK(f && fclose(f) == 0);
}

static uint8_t *map_guest(const char *dir)
{
    char path[400];
    void *memory;
    int fd;

    snprintf(path, sizeof(path), "%s/guest", dir);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    memory = mmap(NULL, (size_t)PAGES * XF_PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    return memory == MAP_FAILED ? NULL : memory;
}

/* But for the pages whose type says that they have no content. */
static bool guests_equal(void)
{
    uint8_t *a = map_guest(dir_s);
    uint8_t *b = map_guest(dir_d);
    bool equal = a && b;

    for (size_t i = 0; equal && i < PAGES; i++) {
        equal = i % 101 == 100 ||
                memcmp(a + i * XF_PAGE_SIZE, b + i * XF_PAGE_SIZE, XF_PAGE_SIZE) == 0;
    }
    if (a) {
        munmap(a, (size_t)PAGES * XF_PAGE_SIZE);
    }
    if (b) {
        munmap(b, (size_t)PAGES * XF_PAGE_SIZE);
    }
    return equal;
}

static void reset(void)
{
    static const char *const names[] = { "guest", "cap", "suspended", "built" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        forget(dir_s, names[i]);
        forget(dir_d, names[i]);
    }
    setenv("XF_FAKE_DIRTY", "16", 1);
    memset(&first, 0, sizeof(first));
    s = (struct moverlib_side){ .program = program, .dir = dir_s };
    d = (struct moverlib_side){ .program = program, .dir = dir_d };
    first.params.uuid.b[3] = 7;
    first.params.id = (struct xf_migid){ .epoch = 3, .src = { 1 }, .boot = { 0x1234 } };
    strcpy(first.params.name, "web");
    strcpy(first.params.address, "127.0.0.1");
    memset(first.params.psk, 0x5a, sizeof(first.params.psk));
    first.params.progress_timeout_ms = TIMEOUT_MS;
    strcpy(first.params.config, "name = web\n");
    first.params.config_size = (uint32_t)strlen(first.params.config);
    fill_guest();
}

static void start_dest(void)
{
    first.type = XF_LINK_RECEIVE;
    first.params.port = 0;
    moverlib_start(&d, &first);
    CHECK(moverlib_expect(&d, XF_LINK_LISTENING, WAIT_MS));
    first.params.port = d.msg.port;
}

static void start_source(void)
{
    first.type = XF_LINK_SEND;
    moverlib_start(&s, &first);
}

static void start_both(void)
{
    start_dest();
    start_source();
}

static bool fails_with(struct moverlib_side *side, enum xf_reason reason)
{
    bool came = moverlib_expect(side, XF_LINK_FAILED, WAIT_MS);

    if (!came || side->msg.reason != reason) {
        printf("# %s: message %u, reason %s, %s\n", side == &s ? "source" : "target",
               side->msg.type, xf_reason_name(side->msg.reason), side->msg.text);
    }
    return came && side->msg.reason == reason && side->msg.text[0] != '\0';
}

/* Both processes are gone by themselves, and nothing ran on the other side. */
static void both_ended_here(void)
{
    CHECK(moverlib_end(&s, 3000));
    CHECK(moverlib_end(&d, 3000));
    CHECK(!exists(dir_d, "built"));
}

static void until_want_end(void)
{
    CHECK(moverlib_expect(&s, XF_LINK_WANT_SWITCH, WAIT_MS));
    moverlib_tell(&s, XF_LINK_SWITCH);
    CHECK(moverlib_expect(&s, XF_LINK_SUSPENDED, WAIT_MS));
    CHECK(moverlib_expect(&s, XF_LINK_WANT_END, WAIT_MS));
}

static void finish(void)
{
    moverlib_tell(&s, XF_LINK_GRANT);
    CHECK(moverlib_expect(&d, XF_LINK_COMPLETE, WAIT_MS));
    CHECK(exists(dir_d, "built"));
    CHECK(moverlib_expect(&s, XF_LINK_FINISHED, WAIT_MS));
    CHECK(moverlib_end(&s, 3000));
    CHECK(moverlib_end(&d, 3000));
    CHECK(guests_equal());
}

static void a_live_move_brings_every_page(void)
{
    start_both();
    until_want_end();
    finish();
    CHECK(s.msg.totals.rounds >= 2 && s.msg.totals.bytes_stream > PAGES * 4096u / 2);
    CHECK(d.msg.totals.pages_total == s.msg.totals.pages_total);
    CHECK(s.sum.pages_zero >= PAGES / 4 - PAGES / 97 - PAGES / 101);
    CHECK(s.sum.pages_same > 0);
    CHECK(s.sum.pages_sent + s.sum.pages_same == s.msg.totals.pages_total);
    CHECK(s.msg.totals.bytes_wire < PAGES * 4096ull);
}

static void a_cold_move_asks_no_policy_and_brings_every_page(void)
{
    first.params.options.cold = true;
    start_both();
    CHECK(moverlib_expect(&s, XF_LINK_SUSPENDED, WAIT_MS));
    CHECK(moverlib_expect(&s, XF_LINK_WANT_END, WAIT_MS));
    finish();
    CHECK(s.msg.totals.rounds == 1);
}

static void nothing_is_built_before_the_end_is_granted(void)
{
    start_both();
    until_want_end();
    /* Longer than both movers' patience: only signs of life pass meanwhile. */
    CHECK(!moverlib_expect(&d, XF_LINK_COMPLETE, 2 * TIMEOUT_MS));
    CHECK(d.msg.type == 0 && !exists(dir_d, "built"));
    finish();
}

static void the_guest_is_suspended_only_when_the_agent_allows_it(void)
{
    start_both();
    CHECK(moverlib_expect(&s, XF_LINK_WANT_SWITCH, WAIT_MS));
    CHECK(!moverlib_expect(&s, XF_LINK_SUSPENDED, 2 * TIMEOUT_MS));
    CHECK(s.msg.type == 0 && !exists(dir_s, "suspended"));
    moverlib_tell(&s, XF_LINK_SWITCH);
    CHECK(moverlib_expect(&s, XF_LINK_SUSPENDED, WAIT_MS));
    CHECK(moverlib_expect(&s, XF_LINK_WANT_END, WAIT_MS));
    finish();
}

static void cancelling_leaves_the_guest_running_here(void)
{
    s.fault = "slow-rounds";
    start_both();
    CHECK(moverlib_expect(&s, XF_LINK_WANT_SWITCH, WAIT_MS));
    moverlib_tell(&s, XF_LINK_CANCEL);
    CHECK(fails_with(&s, XF_REASON_CANCELLED));
    CHECK(fails_with(&d, XF_REASON_CANCELLED));
    both_ended_here();
    CHECK(!exists(dir_s, "suspended"));
}

static void cancelling_before_the_grant_never_sends_the_end(void)
{
    start_both();
    until_want_end();
    moverlib_tell(&s, XF_LINK_CANCEL);
    moverlib_tell(&s, XF_LINK_GRANT);
    CHECK(fails_with(&s, XF_REASON_CANCELLED));
    CHECK(fails_with(&d, XF_REASON_CANCELLED));
    both_ended_here();
}

static void cancelling_after_the_grant_is_too_late(void)
{
    start_both();
    until_want_end();
    moverlib_tell(&s, XF_LINK_GRANT);
    moverlib_tell(&s, XF_LINK_CANCEL);
    CHECK(moverlib_expect(&d, XF_LINK_COMPLETE, WAIT_MS));
    CHECK(moverlib_expect(&s, XF_LINK_FINISHED, WAIT_MS));
    CHECK(moverlib_end(&s, 3000) && moverlib_end(&d, 3000));
}

static void a_grant_out_of_turn_is_not_kept_for_later(void)
{
    start_both();
    CHECK(moverlib_expect(&s, XF_LINK_WANT_SWITCH, WAIT_MS));
    moverlib_tell(&s, XF_LINK_GRANT);
    moverlib_tell(&s, XF_LINK_SWITCH);
    CHECK(moverlib_expect(&s, XF_LINK_SUSPENDED, WAIT_MS));
    CHECK(moverlib_expect(&s, XF_LINK_WANT_END, WAIT_MS));
    CHECK(!moverlib_expect(&d, XF_LINK_COMPLETE, 300));
    finish();
}

static void another_key_is_refused_on_both_sides(void)
{
    start_dest();
    first.params.psk[0] ^= 1;
    start_source();
    CHECK(fails_with(&s, XF_REASON_AUTH));
    CHECK(fails_with(&d, XF_REASON_AUTH));
    both_ended_here();
}

static int dial(uint16_t port)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void strangers_do_not_hold_up_the_peer(void)
{
    int silent[12];
    int rude;

    start_dest();
    for (size_t i = 0; i < 12; i++) {
        silent[i] = dial(first.params.port);
    }
    rude = dial(first.params.port);
    CHECK(rude >= 0 && write(rude, "GET / HTTP/1.0\r\n\r\n", 18) == 18);
    start_source();
    until_want_end();
    finish();
    close(rude);
    for (size_t i = 0; i < 12; i++) {
        close(silent[i]);
    }
}

static void a_source_that_never_comes_is_told(void)
{
    start_dest();
    CHECK(fails_with(&d, XF_REASON_CONNECTION));
    CHECK(moverlib_end(&d, 3000));
}

static void a_target_that_is_not_there_is_told(void)
{
    first.params.port = 1;
    start_source();
    CHECK(fails_with(&s, XF_REASON_CONNECTION));
    CHECK(moverlib_end(&s, 3000));
}

static void a_killed_source_is_told_by_the_target(void)
{
    start_both();
    CHECK(moverlib_expect(&s, XF_LINK_WANT_SWITCH, WAIT_MS));
    kill(s.pid, SIGKILL);
    CHECK(fails_with(&d, XF_REASON_CONNECTION));
    both_ended_here();
}

static void a_killed_target_is_told_by_the_source(void)
{
    start_both();
    CHECK(moverlib_expect(&s, XF_LINK_WANT_SWITCH, WAIT_MS));
    kill(d.pid, SIGKILL);
    CHECK(fails_with(&s, XF_REASON_CONNECTION));
    both_ended_here();
    CHECK(!exists(dir_s, "suspended"));
}

static void a_target_that_stands_still_is_told(void)
{
    start_both();
    CHECK(moverlib_expect(&s, XF_LINK_WANT_SWITCH, WAIT_MS));
    kill(d.pid, SIGSTOP);
    CHECK(fails_with(&s, XF_REASON_STALLED));
    CHECK(moverlib_end(&s, 3000));
    kill(d.pid, SIGCONT);
    moverlib_end(&d, 3000);
    CHECK(!exists(dir_d, "built"));
}

static void a_source_that_stands_still_is_told(void)
{
    start_both();
    CHECK(moverlib_expect(&s, XF_LINK_WANT_SWITCH, WAIT_MS));
    kill(s.pid, SIGSTOP);
    CHECK(fails_with(&d, XF_REASON_STALLED));
    CHECK(moverlib_end(&d, 3000));
    kill(s.pid, SIGCONT);
    CHECK(moverlib_end(&s, 3000));
    CHECK(!exists(dir_d, "built"));
}

/* ---- a connection that flips one bit on the way to the target ---- */

struct proxy {
    int listen_fd;
    uint16_t to;
    uint64_t flip_at;
};

static void *proxy_main(void *arg)
{
    struct proxy *p = arg;
    int a = accept(p->listen_fd, NULL, NULL);
    int b = dial(p->to);
    uint64_t passed = 0;
    static uint8_t buf[65536];

    for (;;) {
        struct pollfd fds[2] = { { .fd = a, .events = POLLIN }, { .fd = b, .events = POLLIN } };
        ssize_t n;
        int from;

        poll(fds, 2, -1);
        from = fds[0].revents ? a : b;
        n = recv(from, buf, sizeof(buf), 0);
        if (n <= 0) {
            break;
        }
        if (from == a) {
            if (p->flip_at >= passed && p->flip_at < passed + (uint64_t)n) {
                buf[p->flip_at - passed] ^= 0x10;
            }
            passed += (uint64_t)n;
        }
        if (send(from == a ? b : a, buf, (size_t)n, MSG_NOSIGNAL) != n) {
            break;
        }
    }
    close(a);
    close(b);
    return NULL;
}

static void a_damaged_byte_ends_the_move(void)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t size = sizeof(sa);
    struct proxy p = { .flip_at = 3000000 };
    pthread_t thread;

    start_dest();
    p.to = first.params.port;
    p.listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(p.listen_fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 && listen(p.listen_fd, 1) == 0);
    CHECK(getsockname(p.listen_fd, (struct sockaddr *)&sa, &size) == 0);
    CHECK(pthread_create(&thread, NULL, proxy_main, &p) == 0);
    first.params.port = ntohs(sa.sin_port);
    start_source();
    CHECK(fails_with(&d, XF_REASON_CONNECTION));
    CHECK(fails_with(&s, XF_REASON_CONNECTION));
    both_ended_here();
    pthread_join(thread, NULL);
    close(p.listen_fd);
}

/* ---- hypervisors that fail ---- */

static void source_fault(const char *fault, bool suspends, enum xf_reason reason)
{
    s.fault = fault;
    start_both();
    if (suspends) {
        CHECK(moverlib_expect(&s, XF_LINK_WANT_SWITCH, WAIT_MS));
        moverlib_tell(&s, XF_LINK_SWITCH);
        if (!moverlib_expect(&s, XF_LINK_SUSPENDED, WAIT_MS) && s.msg.type == XF_LINK_FAILED) {
            CHECK(s.msg.reason == reason);
            CHECK(fails_with(&d, reason));
            both_ended_here();
            return;
        }
    }
    CHECK(fails_with(&s, reason));
    CHECK(fails_with(&d, reason));
    both_ended_here();
}

static void a_page_beyond_the_guest_is_refused(void)
{
    source_fault("bad-pfn", false, XF_REASON_STREAM);
}

static void a_stream_that_is_none_is_refused(void)
{
    source_fault("garbage", false, XF_REASON_STREAM);
}

static void a_stream_without_its_end_is_refused(void)
{
    source_fault("no-end", true, XF_REASON_STREAM);
}

static void bytes_after_the_end_are_refused(void)
{
    source_fault("after-end", true, XF_REASON_STREAM);
}

static void a_failing_save_is_told(void)
{
    source_fault("fail-save", true, XF_REASON_HYPERVISOR);
}

static void a_hanging_save_is_told(void)
{
    source_fault("hang-save", true, XF_REASON_HYPERVISOR);
}

static void a_guest_that_refuses_to_suspend_is_told(void)
{
    source_fault("fail-suspend", true, XF_REASON_NOT_SUSPENDED);
}

static void a_guest_that_does_not_suspend_is_told(void)
{
    source_fault("no-suspend", true, XF_REASON_NOT_SUSPENDED);
}

static void dest_fault(const char *fault)
{
    d.fault = fault;
    start_both();
    CHECK(fails_with(&d, XF_REASON_RESTORE));
    CHECK(fails_with(&s, XF_REASON_RESTORE));
    both_ended_here();
}

static void a_failing_restore_is_told(void)
{
    dest_fault("fail-restore");
}

static void a_hanging_restore_is_told(void)
{
    dest_fault("hang-restore");
}

static void a_domain_that_is_never_built_is_told(void)
{
    d.fault = "hang-build";
    start_both();
    until_want_end();
    moverlib_tell(&s, XF_LINK_GRANT);
    CHECK(fails_with(&d, XF_REASON_RESTORE));
    CHECK(fails_with(&s, XF_REASON_RESTORE));
    both_ended_here();
}

/* ---- the stop rule at work ---- */

/* All pages dirty in each round, and a wire that takes about 200 ms for them. */
static void busy_guest(uint32_t max_ms)
{
    setenv("XF_FAKE_DIRTY", "3000", 1);
    first.params.options.bandwidth_kibps = 40000;
    first.params.options.downtime_target_ms = 20;
    first.params.options.downtime_max_ms = max_ms;
}

static void a_busy_guest_is_left_alone(void)
{
    busy_guest(60);
    start_both();
    CHECK(fails_with(&s, XF_REASON_NOT_CONVERGING));
    CHECK(fails_with(&d, XF_REASON_NOT_CONVERGING));
    both_ended_here();
    CHECK(!exists(dir_s, "suspended") && !exists(dir_s, "cap"));
}

static void a_slowed_guest_gets_its_speed_back(void)
{
    busy_guest(60);
    first.params.options.slow_allowed = true;
    first.params.options.bandwidth_kibps = 100000;
    start_both();
    CHECK(moverlib_expect(&s, XF_LINK_ROUND, WAIT_MS));
    CHECK(fails_with(&s, XF_REASON_NOT_CONVERGING));
    CHECK(s.last.cap_percent < 100);
    CHECK(fails_with(&d, XF_REASON_NOT_CONVERGING));
    both_ended_here();
    CHECK(cap_of(dir_s) == 100);
}

static void a_busy_guest_moves_by_force(void)
{
    busy_guest(60);
    first.params.options.force = true;
    start_both();
    until_want_end();
    finish();
    CHECK(s.msg.totals.predicted_pause_us > 60000);
}

static void the_time_limit_ends_a_move(void)
{
    busy_guest(60);
    first.params.options.bandwidth_kibps = 4000;
    first.params.options.max_time_s = 1;
    start_both();
    CHECK(fails_with(&s, XF_REASON_MAX_TIME));
    CHECK(fails_with(&d, XF_REASON_MAX_TIME));
    both_ended_here();
}

static void the_bandwidth_limit_is_kept(void)
{
    uint64_t start = moverlib_now_ms();
    uint64_t took;

    first.params.options.bandwidth_kibps = 10000;
    start_both();
    until_want_end();
    took = moverlib_now_ms() - start;
    finish();
    CHECK(s.msg.totals.bytes_wire / 10240 < took + 50);
    CHECK(s.msg.totals.bytes_wire / 10240 > took / 2);
}

/* ---- who may live ---- */

static void a_second_mover_of_the_domain_is_refused_while_the_first_lives(void)
{
    struct moverlib_side other = { .program = program, .dir = dir_d };

    first.params.progress_timeout_ms = WAIT_MS; /* the first is to live as long as this takes */
    start_dest();
    first.type = XF_LINK_RECEIVE;
    moverlib_start(&other, &first);
    CHECK(moverlib_expect(&other, XF_LINK_FAILED, WAIT_MS));
    CHECK(other.msg.reason == XF_REASON_MOVER);
    moverlib_end(&other, 3000);
    kill(d.pid, SIGKILL);
    moverlib_end(&d, 3000);
    moverlib_start(&other, &first);
    CHECK(moverlib_expect(&other, XF_LINK_LISTENING, WAIT_MS));
    kill(other.pid, SIGKILL);
    moverlib_end(&other, 3000);
}

static void a_mover_dies_with_its_agent(void)
{
    pid_t agent;
    pid_t *pid = mmap(NULL, sizeof(*pid), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t end_ms = moverlib_now_ms() + WAIT_MS;

    /* The orphan comes to us, so that its end can be seen. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    fflush(NULL);
    agent = fork();
    if (agent == 0) {
        start_dest();
        *pid = d.pid;
        /* A copy of the link outlives this agent, so it is not the link's end that kills. */
        fcntl(d.fd, F_SETFD, 0);
        if (fork() == 0) {
            sleep(2);
        }
        _exit(0);
    }
    waitpid(agent, NULL, 0);
    while (waitpid(*pid, NULL, WNOHANG) == 0 && moverlib_now_ms() < end_ms) {
        usleep(1000);
    }
    CHECK(*pid > 0 && kill(*pid, 0) < 0);
    CHECK(moverlib_now_ms() < end_ms - WAIT_MS + 1000);
    while (waitpid(-1, NULL, 0) > 0) {
    }
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    munmap(pid, sizeof(*pid));
}

static const struct {
    const char *name;
    void (*run)(void);
} stories[] = {
#define STORY(name) { #name, name }
    STORY(a_live_move_brings_every_page),
    STORY(a_cold_move_asks_no_policy_and_brings_every_page),
    STORY(nothing_is_built_before_the_end_is_granted),
    STORY(the_guest_is_suspended_only_when_the_agent_allows_it),
    STORY(cancelling_leaves_the_guest_running_here),
    STORY(cancelling_before_the_grant_never_sends_the_end),
    STORY(cancelling_after_the_grant_is_too_late),
    STORY(a_grant_out_of_turn_is_not_kept_for_later),
    STORY(another_key_is_refused_on_both_sides),
    STORY(strangers_do_not_hold_up_the_peer),
    STORY(a_source_that_never_comes_is_told),
    STORY(a_target_that_is_not_there_is_told),
    STORY(a_killed_source_is_told_by_the_target),
    STORY(a_killed_target_is_told_by_the_source),
    STORY(a_target_that_stands_still_is_told),
    STORY(a_source_that_stands_still_is_told),
    STORY(a_damaged_byte_ends_the_move),
    STORY(a_page_beyond_the_guest_is_refused),
    STORY(a_stream_that_is_none_is_refused),
    STORY(a_stream_without_its_end_is_refused),
    STORY(bytes_after_the_end_are_refused),
    STORY(a_failing_save_is_told),
    STORY(a_hanging_save_is_told),
    STORY(a_guest_that_refuses_to_suspend_is_told),
    STORY(a_guest_that_does_not_suspend_is_told),
    STORY(a_failing_restore_is_told),
    STORY(a_hanging_restore_is_told),
    STORY(a_domain_that_is_never_built_is_told),
    STORY(a_busy_guest_is_left_alone),
    STORY(a_slowed_guest_gets_its_speed_back),
    STORY(a_busy_guest_moves_by_force),
    STORY(the_time_limit_ends_a_move),
    STORY(the_bandwidth_limit_is_kept),
    STORY(a_second_mover_of_the_domain_is_refused_while_the_first_lives),
    STORY(a_mover_dies_with_its_agent),
#undef STORY
};
#define N_STORIES (sizeof(stories) / sizeof(stories[0]))

int main(int argc, char **argv)
{
    char self[400];
    char pages[16];
    bool any_failed = false;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!moverlib_own_network()) {
        printf("1..0 # SKIP no network namespace of our own: %s\n", strerror(errno));
        return 0;
    }
    snprintf(self, sizeof(self), "%s", argv[0]);
    snprintf(program, sizeof(program), "%s/mover_fake", dirname(self));
    snprintf(base, sizeof(base), "%s/xfmov.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(base)) {
        perror(base);
        return 99;
    }
    snprintf(dir_s, sizeof(dir_s), "%s/s", base);
    snprintf(dir_d, sizeof(dir_d), "%s/d", base);
    mkdir(dir_s, 0700);
    mkdir(dir_d, 0700);
    snprintf(pages, sizeof(pages), "%u", PAGES);
    setenv("XF_FAKE_PAGES", pages, 1);
    printf("1..%zu\n", N_STORIES);
    for (size_t i = 0; i < N_STORIES; i++) {
        if (argc > 1 && strcmp(argv[1], stories[i].name) != 0) {
            printf("ok %zu - %s # SKIP not asked for\n", i + 1, stories[i].name);
            continue;
        }
        failed = false;
        reset();
        stories[i].run();
        printf("%s %zu - %s\n", failed ? "not ok" : "ok", i + 1, stories[i].name);
        any_failed = any_failed || failed;
    }
    reset();
    forget(dir_s, "guest");
    forget(dir_s, "mover-00000007-0000-0000-0000-000000000000.lock");
    forget(dir_d, "mover-00000007-0000-0000-0000-000000000000.lock");
    rmdir(dir_s);
    rmdir(dir_d);
    rmdir(base);
    return any_failed ? 1 : 0;
}
