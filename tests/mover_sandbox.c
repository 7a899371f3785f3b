/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shipped movers with the shipped sandbox: a domain goes from one run directory to another, and
 * the guest says afterwards whether its memory is whole. This plays both agents. Needs no root.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hyper_bed.h"
#include "mover_proc.h"
#include "moverlib.h"
#include "sandbox_eyes.h"
#include "text.h"
#include "unit.h"

#define WAIT_MS    10000u
#define TIMEOUT_MS 2000u /* the movers' own */
/* 16 MiB of guest, so a round takes seconds: somebody can be killed in it. */
#define SLOW_KIBPS 4000u
#define BUSY       "workload = pattern=uniform,rate=20\n"

static struct bed bed;
static struct moverlib_side s, d;
static struct xf_link_msg first;

/* ---- both agents ---- */

static void up(const char *extra)
{
    static char program[4096 + 32];
    char here[4096];

    assert_non_null(getcwd(here, sizeof(here)));
    (void)snprintf(program, sizeof(program), "%s/agent/mover/xenferry-mover", here);
    bed_up(&bed, extra);
    assert_int_equal(bed_do(&bed.a, BED_CREATE), XF_REASON_OK);
    s = (struct moverlib_side){ .program = program, .dir = bed.a.dir, .fd = -1 };
    d = (struct moverlib_side){ .program = program, .dir = bed.b.dir, .fd = -1 };
    memset(&first, 0, sizeof(first));
    first.params.uuid = bed.uuid;
    first.params.id = (struct xf_migid){ .epoch = 3, .src = { 1 }, .boot = { 0x1234 } };
    (void)strcpy(first.params.name, "guest");
    (void)strcpy(first.params.address, "127.0.0.1");
    memset(first.params.psk, 0x5a, sizeof(first.params.psk));
    first.params.progress_timeout_ms = TIMEOUT_MS;
    (void)strcpy(first.params.config, bed.config);
    first.params.config_size = (uint32_t)strlen(bed.config);
}

static void start_dest(void)
{
    first.type = XF_LINK_RECEIVE;
    first.params.port = 0;
    moverlib_start(&d, &first);
    assert_true(moverlib_expect(&d, XF_LINK_LISTENING, WAIT_MS));
    first.params.port = d.msg.port;
}

static void start_both(void)
{
    start_dest();
    first.type = XF_LINK_SEND;
    moverlib_start(&s, &first);
}

static void until_want_end(void)
{
    assert_true(moverlib_expect(&s, XF_LINK_WANT_SWITCH, WAIT_MS));
    moverlib_tell(&s, XF_LINK_SWITCH);
    assert_true(moverlib_expect(&s, XF_LINK_SUSPENDED, WAIT_MS));
    assert_true(moverlib_expect(&s, XF_LINK_WANT_END, WAIT_MS));
}

static void fails_with(struct moverlib_side *side, enum xf_reason reason)
{
    assert_true(moverlib_expect(side, XF_LINK_FAILED, WAIT_MS));
    assert_string_equal(xf_reason_name(side->msg.reason), xf_reason_name(reason));
    assert_true(moverlib_end(side, WAIT_MS));
}

static void kill_side(struct moverlib_side *side)
{
    assert_int_equal(kill(side->pid, SIGKILL), 0);
    assert_true(moverlib_end(side, WAIT_MS));
}

/* The copy being built goes by itself, once nobody writes its stream. */
static void nothing_at_b(void)
{
    for (unsigned i = 0; i < 500 && bed_copy(&bed.b, NULL) != XF_COPY_NONE; i++) {
        bed_idle(&bed, 10);
    }
    assert_int_equal(bed_copy(&bed.b, NULL), XF_COPY_NONE);
}

/* What the agent of S does when the move has failed; the guest must not have noticed. */
static void runs_on_at_a(void)
{
    struct xf_dom_info info;
    uint64_t before;

    assert_int_equal(bed_do(&bed.a, BED_RESUME), XF_REASON_OK);
    assert_int_equal(bed_copy(&bed.a, &info), XF_COPY_RUNNING);
    assert_int_equal(info.cap_percent, 100);
    before = eyes_stat(&bed.a).pages_written;
    for (unsigned i = 0; i < 500 && eyes_stat(&bed.a).pages_written == before; i++) {
        bed_idle(&bed, 10);
    }
    assert_true(eyes_stat(&bed.a).pages_written > before);
    assert_int_equal(eyes_stat(&bed.a).corrupt, 0);
}

static void moves_whole(void)
{
    until_want_end();
    assert_int_equal(bed_copy(&bed.a, NULL), XF_COPY_SUSPENDED);
    moverlib_tell(&s, XF_LINK_GRANT);
    assert_true(moverlib_expect(&d, XF_LINK_COMPLETE, WAIT_MS));
    assert_true(moverlib_expect(&s, XF_LINK_FINISHED, WAIT_MS));
    assert_true(moverlib_end(&s, WAIT_MS));
    assert_true(moverlib_end(&d, WAIT_MS));
    assert_int_equal(bed_copy(&bed.b, NULL), XF_COPY_PAUSED);
    assert_int_equal(bed_do(&bed.b, BED_UNPAUSE), XF_REASON_OK);
    assert_int_equal(bed_do(&bed.a, BED_DESTROY), XF_REASON_OK);
    assert_int_equal(eyes_checked(&bed.b).corrupt, 0);
    assert_true(eyes_stat(&bed.b).pages_written > 0);
}

/* Some of the first round has gone over. */
static void until_under_way(void)
{
    first.params.options.bandwidth_kibps = SLOW_KIBPS;
    start_both();
    assert_true(moverlib_expect(&s, XF_LINK_ROUND, WAIT_MS));
    assert_true(s.last.pages_sent > 0);
}

/* ---- stories ---- */

static void a_dirtying_guest_arrives_whole(void **state)
{
    (void)state;
    up(BUSY);
    start_both();
    moves_whole();
    assert_true(s.msg.totals.rounds >= 2);
    assert_int_equal(s.msg.totals.pages_total, d.msg.totals.pages_total);
}

static void a_cold_guest_arrives_whole(void **state)
{
    (void)state;
    up(BUSY);
    first.params.options.cold = true;
    start_both();
    assert_true(moverlib_expect(&s, XF_LINK_SUSPENDED, WAIT_MS));
    assert_true(moverlib_expect(&s, XF_LINK_WANT_END, WAIT_MS));
    moverlib_tell(&s, XF_LINK_GRANT);
    assert_true(moverlib_expect(&d, XF_LINK_COMPLETE, WAIT_MS));
    assert_true(moverlib_end(&s, WAIT_MS) && moverlib_end(&d, WAIT_MS));
    assert_int_equal(bed_do(&bed.b, BED_UNPAUSE), XF_REASON_OK);
    assert_int_equal(eyes_checked(&bed.b).corrupt, 0);
}

static void another_key_moves_nothing(void **state)
{
    (void)state;
    up(BUSY);
    start_dest();
    first.type = XF_LINK_SEND;
    first.params.psk[31] ^= 1;
    moverlib_start(&s, &first);
    fails_with(&s, XF_REASON_AUTH);
    fails_with(&d, XF_REASON_AUTH);
    nothing_at_b();
    runs_on_at_a();
}

static void a_guest_whose_mover_is_killed_runs_on_and_can_move_again(void **state)
{
    (void)state;
    up(BUSY);
    until_under_way();
    kill_side(&s);
    fails_with(&d, XF_REASON_CONNECTION);
    nothing_at_b();
    runs_on_at_a();
    first.params.options.bandwidth_kibps = 0;
    start_both();
    moves_whole();
}

static void a_guest_whose_targets_mover_is_killed_runs_on_and_can_move_again(void **state)
{
    (void)state;
    up(BUSY);
    until_under_way();
    kill_side(&d);
    fails_with(&s, XF_REASON_CONNECTION);
    nothing_at_b();
    runs_on_at_a();
    first.params.options.bandwidth_kibps = 0;
    start_both();
    moves_whole();
}

/* Until that process is a dead one; the loop does not run, so the driver has not heard of it. */
static void until_dead(pid_t pid)
{
    struct pollfd fd = { .fd = pidfd_open(pid, 0), .events = POLLIN };

    if (fd.fd < 0) {
        assert_int_equal(errno, ESRCH);
        return;
    }
    assert_int_equal(poll(&fd, 1, (int)WAIT_MS), 1);
    (void)close(fd.fd);
}

/* A busy agent hears late of the end of the copy before: it is not the end of the copy after. */
static void a_copy_is_not_mistaken_for_one_that_died_before_it(void **state)
{
    struct xf_dom_info info = { .copy = XF_COPY_NONE };
    unsigned n_gone;

    (void)state;
    up(BUSY);
    until_under_way();
    for (unsigned i = 0; i < 500 && info.copy == XF_COPY_NONE; i++) {
        bed_idle(&bed, 10);
        (void)bed_copy(&bed.b, &info);
    }
    assert_int_equal(info.copy, XF_COPY_PAUSED);
    kill_side(&d);
    fails_with(&s, XF_REASON_CONNECTION);
    until_dead((pid_t)info.domid.v);
    n_gone = bed.b.n_gone;
    first.params.options.bandwidth_kibps = 0;
    start_both();
    moves_whole();
    bed_idle(&bed, 10);
    assert_int_equal(bed.b.n_gone, n_gone);
    assert_int_equal(bed_copy(&bed.b, NULL), XF_COPY_RUNNING);
}

/* H3: the end was not granted, so S resumes; what D has can never be built. */
static void a_suspended_guest_whose_mover_is_killed_resumes(void **state)
{
    (void)state;
    up(BUSY);
    start_both();
    until_want_end();
    kill_side(&s);
    fails_with(&d, XF_REASON_CONNECTION);
    nothing_at_b();
    assert_int_equal(bed_copy(&bed.a, NULL), XF_COPY_SUSPENDED);
    runs_on_at_a();
    start_both();
    moves_whole();
}

static void a_suspended_guest_whose_targets_mover_is_killed_resumes(void **state)
{
    (void)state;
    up(BUSY);
    start_both();
    until_want_end();
    kill_side(&d);
    fails_with(&s, XF_REASON_CONNECTION);
    nothing_at_b();
    runs_on_at_a();
}

static void a_slowed_guest_whose_mover_is_killed_gets_its_speed_back(void **state)
{
    struct xf_dom_info info = { .cap_percent = 100 };

    (void)state;
    up("workload = pattern=uniform,rate=100\n");
    first.params.options.bandwidth_kibps = 40000;
    first.params.options.slow_allowed = true;
    first.params.options.downtime_target_ms = 1;
    first.params.options.downtime_max_ms = 1;
    start_both();
    for (unsigned i = 0; i < 500 && info.cap_percent == 100; i++) {
        bed_idle(&bed, 10);
        assert_int_equal(bed_copy(&bed.a, &info), XF_COPY_RUNNING);
    }
    assert_true(info.cap_percent < 100);
    kill_side(&s);
    for (unsigned i = 0; i < 100 && info.cap_percent < 100; i++) {
        bed_idle(&bed, 10);
        assert_int_equal(bed_copy(&bed.a, &info), XF_COPY_RUNNING);
    }
    assert_int_equal(info.cap_percent, 100);
    fails_with(&d, XF_REASON_CONNECTION);
    runs_on_at_a();
}

/* H11: killed at each moment of its start; "no copy" said after that stays true. */
static void no_copy_appears_once_its_mover_is_dead_and_it_is_destroyed(void **state)
{
    (void)state;
    up("");
    first.type = XF_LINK_RECEIVE;
    for (long us = 0; us < 8000; us += 200) {
        const struct timespec moment = { .tv_nsec = us * 1000 };

        moverlib_start(&d, &first);
        (void)nanosleep(&moment, NULL);
        kill_side(&d);
        assert_int_equal(bed_do(&bed.b, BED_DESTROY), XF_REASON_OK);
        for (unsigned i = 0; i < 20; i++) {
            assert_int_equal(bed_copy(&bed.b, NULL), XF_COPY_NONE);
            bed_idle(&bed, 1);
        }
    }
}

/* ---- a mover that outlived its agent ---- */

static void write_lock_file(const char *dir, const struct xf_uuid *uuid, pid_t pid)
{
    char path[256], text[XF_UUID_TEXT_SIZE], number[16];
    int fd, n;

    xf_uuid_text(uuid, text);
    (void)snprintf(path, sizeof(path), "%s/mover-%s.lock", dir, text);
    fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    n = snprintf(number, sizeof(number), "%d\n", (int)pid);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, number, (size_t)n), n);
    (void)close(fd);
}

static void a_stray_mover_is_ended_and_no_other(void **state)
{
    struct moverlib_side other;
    struct xf_dom_info list[2];
    struct xf_uuid uuid;
    size_t n = 2;

    (void)state;
    up("");
    uuid = bed.uuid;
    assert_false(xf_mover_stray_alive(bed.b.dir, &uuid)); /* there never was one */
    start_dest();
    other = d;
    first.params.uuid.b[0] ^= 1;
    start_dest(); /* of another domain */
    /* Whatever the file says, as one left by an earlier mover may: the lock's owner counts. */
    write_lock_file(bed.b.dir, &uuid, d.pid);
    assert_true(xf_mover_stray_alive(bed.b.dir, &uuid));
    assert_true(moverlib_end(&other, WAIT_MS));
    assert_false(xf_mover_stray_alive(bed.b.dir, &uuid));
    assert_int_equal(waitpid(d.pid, NULL, WNOHANG), 0);
    assert_true(xf_mover_stray_alive(bed.b.dir, &first.params.uuid));
    assert_true(moverlib_end(&d, WAIT_MS));
    for (unsigned i = 0; i < 500 && n > 0; i++) {
        bed_idle(&bed, 10);
        assert_int_equal(bed.ops->scan(bed.b.hyper, list, 2, &n), 0);
    }
    assert_int_equal(n, 0);
}

/* Also after a failed assertion: no process is left behind. */
static int down(void **state)
{
    (void)state;
    if (s.fd >= 0) {
        (void)moverlib_end(&s, 0);
    }
    if (d.fd >= 0) {
        (void)moverlib_end(&d, 0);
    }
    if (bed.loop != NULL) {
        bed_down(&bed);
    }
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, NULL, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_dirtying_guest_arrives_whole),
        TEST(a_cold_guest_arrives_whole),
        TEST(another_key_moves_nothing),
        TEST(a_guest_whose_mover_is_killed_runs_on_and_can_move_again),
        TEST(a_guest_whose_targets_mover_is_killed_runs_on_and_can_move_again),
        TEST(a_copy_is_not_mistaken_for_one_that_died_before_it),
        TEST(a_suspended_guest_whose_mover_is_killed_resumes),
        TEST(a_suspended_guest_whose_targets_mover_is_killed_resumes),
        TEST(a_slowed_guest_whose_mover_is_killed_gets_its_speed_back),
        TEST(no_copy_appears_once_its_mover_is_dead_and_it_is_destroyed),
        TEST(a_stray_mover_is_ended_and_no_other),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    if (!moverlib_own_network()) {
        printf("1..0 # SKIP no network namespace of our own: %s\n", strerror(errno));
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
