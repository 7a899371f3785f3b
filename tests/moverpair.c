/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stories of two movers and a guest, each told to tests/mover_fake: the mover with a hypervisor
 * that can misbehave. This plays both agents, and everything that can go wrong between them.
 */
#include "config.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "moverrun.h"
#include "moverstage.h"

static struct moverstage *stage;

static void a_live_move_brings_every_page(void)
{
    moverstage_start_both();
    moverstage_until_want_end();
    moverstage_finish();
    STAGE_CHECK(stage->s.msg.totals.rounds >= 2 &&
                stage->s.msg.totals.bytes_stream > STAGE_PAGES * 4096u / 2);
    STAGE_CHECK(stage->d.msg.totals.pages_total == stage->s.msg.totals.pages_total);
    STAGE_CHECK(stage->s.sum.pages_zero >= STAGE_PAGES / 4 - STAGE_PAGES / 97 - STAGE_PAGES / 101);
    STAGE_CHECK(stage->s.sum.pages_same > 0);
    STAGE_CHECK(stage->s.sum.pages_sent + stage->s.sum.pages_same ==
                stage->s.msg.totals.pages_total);
    STAGE_CHECK(stage->s.msg.totals.bytes_wire < STAGE_PAGES * 4096ull);
}

/* A guest with a hole up to 4 GiB: what is not there costs next to nothing, and counts as nothing. */
static void page_numbers_without_pages_are_no_pages(void)
{
    const uint32_t n_none = STAGE_PAGES / 101;

    setenv("XF_FAKE_HOLES", "1000000", 1);
    setenv("XF_FAKE_DIRTY", "0", 1);
    moverstage_start_both();
    moverstage_until_want_end();
    moverstage_finish();
    STAGE_CHECK(stage->s.sum.pages_sent == STAGE_PAGES - n_none);
    STAGE_CHECK(stage->s.sum.pages_same == 0 && stage->s.sum.pages_zero < STAGE_PAGES / 4 + 1);
    STAGE_CHECK(stage->s.msg.totals.pages_total == STAGE_PAGES - n_none);
    STAGE_CHECK(stage->d.msg.totals.pages_total == STAGE_PAGES - n_none);
    STAGE_CHECK(stage->s.sum.pages_dirty == STAGE_PAGES - n_none);
    STAGE_CHECK(stage->s.msg.totals.bytes_wire < STAGE_PAGES * 4096ull);
    STAGE_CHECK(stage->s.msg.totals.bytes_stream > 8u * 1000000u);
}

/* Pages come and go in each round, among others, and behind them are page numbers without any. */
static void holes_arrive_among_pages_in_their_order(void)
{
    setenv("XF_FAKE_HOLES", "5000", 1);
    setenv("XF_FAKE_DIRTY", "8000", 1);
    setenv("XF_FAKE_LOG", "1", 1);
    stage->s.fault = "balloon";
    stage->first.params.options.force = true;
    moverstage_start_both();
    moverstage_until_want_end();
    moverstage_arrive();
    STAGE_CHECK(moverstage_logs_equal());
    STAGE_CHECK(stage->s.msg.totals.rounds >= 3);
    STAGE_CHECK(stage->s.sum.pages_same > 0);
    STAGE_CHECK(stage->d.msg.totals.pages_total == stage->s.msg.totals.pages_total);
}

static void a_cold_move_asks_no_policy_and_brings_every_page(void)
{
    stage->first.params.options.cold = true;
    moverstage_start_both();
    STAGE_CHECK(moverlib_expect(&stage->s, XF_LINK_SUSPENDED, STAGE_WAIT_MS));
    STAGE_CHECK(moverlib_expect(&stage->s, XF_LINK_WANT_END, STAGE_WAIT_MS));
    moverstage_finish();
    STAGE_CHECK(stage->s.msg.totals.rounds == 1);
}

static void nothing_is_built_before_the_end_is_granted(void)
{
    moverstage_start_both();
    moverstage_until_want_end();
    /* Longer than both movers' patience: only signs of life pass meanwhile. */
    STAGE_CHECK(!moverlib_expect(&stage->d, XF_LINK_COMPLETE, 2 * STAGE_TIMEOUT_MS));
    STAGE_CHECK(stage->d.msg.type == 0 && !moverstage_exists(stage->dir_d, "built"));
    moverstage_finish();
}

static void the_guest_is_suspended_only_when_the_agent_allows_it(void)
{
    moverstage_start_both();
    STAGE_CHECK(moverlib_expect(&stage->s, XF_LINK_WANT_SWITCH, STAGE_WAIT_MS));
    STAGE_CHECK(!moverlib_expect(&stage->s, XF_LINK_SUSPENDED, 2 * STAGE_TIMEOUT_MS));
    STAGE_CHECK(stage->s.msg.type == 0 && !moverstage_exists(stage->dir_s, "suspended"));
    moverlib_tell(&stage->s, XF_LINK_SWITCH);
    STAGE_CHECK(moverlib_expect(&stage->s, XF_LINK_SUSPENDED, STAGE_WAIT_MS));
    STAGE_CHECK(moverlib_expect(&stage->s, XF_LINK_WANT_END, STAGE_WAIT_MS));
    moverstage_finish();
}

/* Its first round is over long before, and no more are sent to pass the time. */
static void the_target_is_waited_for_without_rounds(void)
{
    setenv("XF_FAKE_DIRTY", "2000", 1);
    stage->d.fault = "late-prepared";
    moverstage_start_both();
    STAGE_CHECK(!moverlib_expect(&stage->s, XF_LINK_WANT_SWITCH, STAGE_TIMEOUT_MS));
    STAGE_CHECK(stage->s.rounds > 0 && stage->s.last.number == 0);
    moverstage_until_want_end();
    STAGE_CHECK(stage->s.msg.type == XF_LINK_WANT_END);
    moverstage_finish();
    STAGE_CHECK(stage->s.msg.totals.duration_us > 2500000u);
    STAGE_CHECK(stage->s.msg.totals.rounds <= 6);
}

/* Longer than anything else may stand still. */
static void wait_for_a_target_that_is_never_prepared(void)
{
    stage->d.fault = "never-prepared";
    moverstage_start_both();
    STAGE_CHECK(!moverlib_expect(&stage->s, XF_LINK_WANT_SWITCH, 2 * STAGE_TIMEOUT_MS));
    STAGE_CHECK(stage->s.msg.type == 0);
}

static void the_target_is_not_waited_for_for_ever(void)
{
    wait_for_a_target_that_is_never_prepared();
    moverstage_until_want_end();
    STAGE_CHECK(stage->s.msg.type == XF_LINK_WANT_END);
    moverstage_finish();
}

static void cancelling_ends_the_wait_for_the_target(void)
{
    wait_for_a_target_that_is_never_prepared();
    moverlib_tell(&stage->s, XF_LINK_CANCEL);
    STAGE_CHECK(moverstage_fails_with(&stage->s, XF_REASON_CANCELLED));
    STAGE_CHECK(moverstage_fails_with(&stage->d, XF_REASON_CANCELLED));
    moverstage_both_ended_here();
    STAGE_CHECK(!moverstage_exists(stage->dir_s, "suspended"));
}

static void a_target_killed_while_it_is_waited_for_is_told(void)
{
    wait_for_a_target_that_is_never_prepared();
    kill(stage->d.pid, SIGKILL);
    STAGE_CHECK(moverstage_fails_with(&stage->s, XF_REASON_CONNECTION));
    moverstage_both_ended_here();
    STAGE_CHECK(!moverstage_exists(stage->dir_s, "suspended"));
}

static void the_time_limit_ends_the_wait_for_the_target(void)
{
    stage->first.params.options.max_time_s = 4;
    wait_for_a_target_that_is_never_prepared();
    STAGE_CHECK(moverstage_fails_with(&stage->s, XF_REASON_MAX_TIME));
    STAGE_CHECK(moverstage_fails_with(&stage->d, XF_REASON_MAX_TIME));
    moverstage_both_ended_here();
}

static void cancelling_leaves_the_guest_running_here(void)
{
    stage->s.fault = "slow-rounds";
    moverstage_start_both();
    STAGE_CHECK(moverlib_expect(&stage->s, XF_LINK_WANT_SWITCH, STAGE_WAIT_MS));
    moverlib_tell(&stage->s, XF_LINK_CANCEL);
    STAGE_CHECK(moverstage_fails_with(&stage->s, XF_REASON_CANCELLED));
    STAGE_CHECK(moverstage_fails_with(&stage->d, XF_REASON_CANCELLED));
    moverstage_both_ended_here();
    STAGE_CHECK(!moverstage_exists(stage->dir_s, "suspended"));
}

static void cancelling_before_the_grant_never_sends_the_end(void)
{
    moverstage_start_both();
    moverstage_until_want_end();
    moverlib_tell(&stage->s, XF_LINK_CANCEL);
    moverlib_tell(&stage->s, XF_LINK_GRANT);
    STAGE_CHECK(moverstage_fails_with(&stage->s, XF_REASON_CANCELLED));
    STAGE_CHECK(moverstage_fails_with(&stage->d, XF_REASON_CANCELLED));
    moverstage_both_ended_here();
}

static void cancelling_after_the_grant_is_too_late(void)
{
    moverstage_start_both();
    moverstage_until_want_end();
    moverlib_tell(&stage->s, XF_LINK_GRANT);
    moverlib_tell(&stage->s, XF_LINK_CANCEL);
    STAGE_CHECK(moverlib_expect(&stage->d, XF_LINK_COMPLETE, STAGE_WAIT_MS));
    STAGE_CHECK(moverlib_expect(&stage->s, XF_LINK_FINISHED, STAGE_WAIT_MS));
    STAGE_CHECK(moverlib_end(&stage->s, 3000) && moverlib_end(&stage->d, 3000));
}

static void a_grant_out_of_turn_is_not_kept_for_later(void)
{
    moverstage_start_both();
    STAGE_CHECK(moverlib_expect(&stage->s, XF_LINK_WANT_SWITCH, STAGE_WAIT_MS));
    moverlib_tell(&stage->s, XF_LINK_GRANT);
    moverlib_tell(&stage->s, XF_LINK_SWITCH);
    STAGE_CHECK(moverlib_expect(&stage->s, XF_LINK_SUSPENDED, STAGE_WAIT_MS));
    STAGE_CHECK(moverlib_expect(&stage->s, XF_LINK_WANT_END, STAGE_WAIT_MS));
    STAGE_CHECK(!moverlib_expect(&stage->d, XF_LINK_COMPLETE, 300));
    moverstage_finish();
}

static void another_key_is_refused_on_both_sides(void)
{
    moverstage_start_dest();
    stage->first.params.psk[0] ^= 1;
    moverstage_start_source();
    STAGE_CHECK(moverstage_fails_with(&stage->s, XF_REASON_AUTH));
    STAGE_CHECK(moverstage_fails_with(&stage->d, XF_REASON_AUTH));
    moverstage_both_ended_here();
}

static void strangers_do_not_hold_up_the_peer(void)
{
    int silent[12];
    int rude;

    /* No stall is waited for here, and a busy machine takes its time for so many hand-shakes. */
    stage->first.params.progress_timeout_ms = STAGE_WAIT_MS / 2;
    moverstage_start_dest();
    for (size_t i = 0; i < 12; i++) {
        silent[i] = moverstage_dial(stage->first.params.port);
    }
    rude = moverstage_dial(stage->first.params.port);
    STAGE_CHECK(rude >= 0 && write(rude, "GET / HTTP/1.0\r\n\r\n", 18) == 18);
    moverstage_start_source();
    moverstage_until_want_end();
    moverstage_finish();
    close(rude);
    for (size_t i = 0; i < 12; i++) {
        close(silent[i]);
    }
}

static void a_source_that_never_comes_is_told(void)
{
    moverstage_start_dest();
    STAGE_CHECK(moverstage_fails_with(&stage->d, XF_REASON_CONNECTION));
    STAGE_CHECK(moverlib_end(&stage->d, 3000));
}

static void a_target_that_is_not_there_is_told(void)
{
    stage->first.params.port = 1;
    moverstage_start_source();
    STAGE_CHECK(moverstage_fails_with(&stage->s, XF_REASON_CONNECTION));
    STAGE_CHECK(moverlib_end(&stage->s, 3000));
}

static void a_killed_source_is_told_by_the_target(void)
{
    moverstage_start_both();
    STAGE_CHECK(moverlib_expect(&stage->s, XF_LINK_WANT_SWITCH, STAGE_WAIT_MS));
    kill(stage->s.pid, SIGKILL);
    STAGE_CHECK(moverstage_fails_with(&stage->d, XF_REASON_CONNECTION));
    moverstage_both_ended_here();
}

static void a_killed_target_is_told_by_the_source(void)
{
    moverstage_start_both();
    STAGE_CHECK(moverlib_expect(&stage->s, XF_LINK_WANT_SWITCH, STAGE_WAIT_MS));
    kill(stage->d.pid, SIGKILL);
    STAGE_CHECK(moverstage_fails_with(&stage->s, XF_REASON_CONNECTION));
    moverstage_both_ended_here();
    STAGE_CHECK(!moverstage_exists(stage->dir_s, "suspended"));
}

static void a_target_that_stands_still_is_told(void)
{
    moverstage_start_both();
    STAGE_CHECK(moverlib_expect(&stage->s, XF_LINK_WANT_SWITCH, STAGE_WAIT_MS));
    kill(stage->d.pid, SIGSTOP);
    STAGE_CHECK(moverstage_fails_with(&stage->s, XF_REASON_STALLED));
    STAGE_CHECK(moverlib_end(&stage->s, 3000));
    kill(stage->d.pid, SIGCONT);
    moverlib_end(&stage->d, 3000);
    STAGE_CHECK(!moverstage_exists(stage->dir_d, "built"));
}

static void a_source_that_stands_still_is_told(void)
{
    moverstage_start_both();
    STAGE_CHECK(moverlib_expect(&stage->s, XF_LINK_WANT_SWITCH, STAGE_WAIT_MS));
    kill(stage->s.pid, SIGSTOP);
    STAGE_CHECK(moverstage_fails_with(&stage->d, XF_REASON_STALLED));
    STAGE_CHECK(moverlib_end(&stage->d, 3000));
    kill(stage->s.pid, SIGCONT);
    STAGE_CHECK(moverlib_end(&stage->s, 3000));
    STAGE_CHECK(!moverstage_exists(stage->dir_d, "built"));
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
    int b = moverstage_dial(p->to);
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

    moverstage_start_dest();
    p.to = stage->first.params.port;
    p.listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    STAGE_CHECK(bind(p.listen_fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 &&
                listen(p.listen_fd, 1) == 0);
    STAGE_CHECK(getsockname(p.listen_fd, (struct sockaddr *)&sa, &size) == 0);
    STAGE_CHECK(pthread_create(&thread, NULL, proxy_main, &p) == 0);
    stage->first.params.port = ntohs(sa.sin_port);
    moverstage_start_source();
    STAGE_CHECK(moverstage_fails_with(&stage->d, XF_REASON_CONNECTION));
    STAGE_CHECK(moverstage_fails_with(&stage->s, XF_REASON_CONNECTION));
    moverstage_both_ended_here();
    pthread_join(thread, NULL);
    close(p.listen_fd);
}

/* ---- who may live ---- */

static void a_second_mover_of_the_domain_is_refused_while_the_first_lives(void)
{
    struct moverlib_side other = { .program = stage->program, .dir = stage->dir_d };

    stage->first.params.progress_timeout_ms =
        STAGE_WAIT_MS; /* the stage->first is to live as long as this takes */
    moverstage_start_dest();
    stage->first.type = XF_LINK_RECEIVE;
    moverlib_start(&other, &stage->first);
    STAGE_CHECK(moverlib_expect(&other, XF_LINK_FAILED, STAGE_WAIT_MS));
    STAGE_CHECK(other.msg.reason == XF_REASON_MOVER);
    moverlib_end(&other, 3000);
    kill(stage->d.pid, SIGKILL);
    moverlib_end(&stage->d, 3000);
    moverlib_start(&other, &stage->first);
    STAGE_CHECK(moverlib_expect(&other, XF_LINK_LISTENING, STAGE_WAIT_MS));
    kill(other.pid, SIGKILL);
    moverlib_end(&other, 3000);
}

static void a_mover_dies_with_its_agent(void)
{
    pid_t agent;
    pid_t *pid =
        mmap(NULL, sizeof(*pid), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t end_ms = moverlib_now_ms() + STAGE_WAIT_MS;

    /* The orphan comes to us, so that its end can be seen. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    fflush(NULL);
    agent = fork();
    if (agent == 0) {
        moverstage_start_dest();
        *pid = stage->d.pid;
        /* A copy of the link outlives this agent, so it is not the link's end that kills. */
        fcntl(stage->d.fd, F_SETFD, 0);
        if (fork() == 0) {
            sleep(2);
        }
        _exit(0);
    }
    waitpid(agent, NULL, 0);
    while (waitpid(*pid, NULL, WNOHANG) == 0 && moverlib_now_ms() < end_ms) {
        usleep(1000);
    }
    STAGE_CHECK(*pid > 0 && kill(*pid, 0) < 0);
    STAGE_CHECK(moverlib_now_ms() < end_ms - STAGE_WAIT_MS + 1000);
    while (waitpid(-1, NULL, 0) > 0) {
    }
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    munmap(pid, sizeof(*pid));
}

static const struct moverstory stories[] = {
#define STORY(name)                                                                                \
    {                                                                                              \
#name, name                                                                                \
    }
    STORY(a_live_move_brings_every_page),
    STORY(page_numbers_without_pages_are_no_pages),
    STORY(holes_arrive_among_pages_in_their_order),
    STORY(a_cold_move_asks_no_policy_and_brings_every_page),
    STORY(nothing_is_built_before_the_end_is_granted),
    STORY(the_guest_is_suspended_only_when_the_agent_allows_it),
    STORY(the_target_is_waited_for_without_rounds),
    STORY(the_target_is_not_waited_for_for_ever),
    STORY(cancelling_ends_the_wait_for_the_target),
    STORY(a_target_killed_while_it_is_waited_for_is_told),
    STORY(the_time_limit_ends_the_wait_for_the_target),
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
    STORY(a_second_mover_of_the_domain_is_refused_while_the_first_lives),
    STORY(a_mover_dies_with_its_agent),
#undef STORY
};

int main(int argc, char **argv)
{
    stage = moverstage();
    return moverrun(argc, argv, stories, sizeof(stories) / sizeof(stories[0]));
}
