/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the sandbox hypervisor's guest shows to the outside: a lost page, a lost write, two writers.
 * These are the eyes of every other test, so here it is shown that they see. Needs no root.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hyper_bed.h"
#include "sandbox/diskrec.h"
#include "sandbox/sandbox_client.h"
#include "sandbox_eyes.h"
#include "stream.h"
#include "unit.h"

#define PAGES       4096u /* the bed's domain has 16 MiB */
#define STATE_PAGES 16u   /* the guest's state and table; behind them lies its data */

static struct bed bed;

static void ask(const struct bed_host *host, enum xf_sandbox_type type)
{
    struct xf_sandbox_msg msg = { .type = type, .cookie = 6 }, reply;
    int sock = xf_sandbox_connect(host->dir, &bed.uuid, 0);

    assert_true(sock >= 0);
    assert_int_equal(xf_sandbox_call(sock, &msg, -1, &reply), 0);
    assert_int_equal(reply.reason, XF_REASON_OK);
    (void)close(sock);
}

static void restore_and_run(const struct bed_image *image)
{
    enum xf_reason reason;

    assert_int_equal(bed_restore(&bed, image, &reason), 0);
    assert_int_equal(bed_do(&bed.b, BED_UNPAUSE), XF_REASON_OK);
}

/* And leaves no copy behind. */
static void restore_fails(const struct bed_image *image, enum xf_reason expected)
{
    enum xf_reason reason;

    assert_true(bed_restore(&bed, image, &reason) < 0);
    assert_int_equal(reason, expected);
    assert_int_equal(bed_copy(&bed.b, NULL), XF_COPY_NONE);
}

static void saved_busy(struct bed_image *image)
{
    *image = (struct bed_image){ .stop_at = 5, .dawdle = true };
    bed_up(&bed, "workload = pattern=uniform,rate=20\n");
    assert_int_equal(bed_do(&bed.a, BED_CREATE), XF_REASON_OK);
    bed_save(&bed, false, image);
    assert_int_equal(image->rc, 0);
    assert_true(image->asked[2].dirty > 0);
}

static void a_whole_image_is_sound(void **state)
{
    struct bed_image image;

    (void)state;
    saved_busy(&image);
    restore_and_run(&image);
    assert_int_equal(eyes_checked(&bed.b).corrupt, 0);
    bed_image_free(&image);
}

/* A PAGE_DATA record of an image, by its places in it. */
struct pages_record {
    size_t entries;
    size_t contents;
    uint32_t count;
};

static uint64_t pfn_of(const struct bed_image *image, const struct pages_record *r, uint32_t i)
{
    struct xf_get get = { .buf = image->bytes + r->entries + 8 * (size_t)i, .size = 8 };
    uint64_t pfn = xf_get_u64(&get);

    assert_true(pfn < PAGES); /* all are sent with their content */
    return pfn;
}

/* The last record, and where each page's content stood last before it (0: nowhere). */
static struct pages_record last_record(const struct bed_image *image, size_t earlier[static PAGES])
{
    static struct xf_stream s;
    struct pages_record last = { .count = 0 };
    size_t at = 0;

    memset(earlier, 0, PAGES * sizeof(earlier[0]));
    xf_stream_init(&s);
    while (!xf_stream_ended(&s)) {
        size_t used;
        int item = xf_stream_feed(&s, image->bytes + at, xf_stream_want(&s), &used);

        assert_true(item >= 0);
        at += used;
        if (item == XF_STREAM_PAGES) {
            for (uint32_t i = 0; i < last.count; i++) {
                earlier[pfn_of(image, &last, i)] = last.contents + (size_t)i * XF_PAGE_SIZE;
            }
            last = (struct pages_record){ at - 8 * s.count, at, s.count };
            at += s.body_left;
            xf_stream_took(&s, s.body_left);
        }
    }
    return last;
}

/*
 * Takes a page of data out of the last record: one that had other content when it was sent before,
 * for one written between the clearing of its bit and its sending is sent twice alike.
 */
static void lose_page(struct bed_image *image)
{
    static size_t earlier[PAGES];
    struct pages_record r = last_record(image, earlier);
    uint8_t *length = image->bytes + r.entries - XF_STREAM_PAGES_SIZE - XF_STREAM_RECORD_SIZE + 4;
    uint32_t i = r.count;
    uint8_t *content;
    uint64_t pfn;
    size_t was;

    do {
        assert_true(i > 0);
        i--;
        pfn = pfn_of(image, &r, i);
        was = earlier[pfn];
        content = image->bytes + r.contents + (size_t)i * XF_PAGE_SIZE;
    } while (pfn <= STATE_PAGES ||
             (was != 0 && memcmp(image->bytes + was, content, XF_PAGE_SIZE) == 0));
    {
        struct xf_get get = { .buf = length, .size = 4 };
        struct xf_put put = { .buf = image->bytes + r.entries + 8 * (size_t)i, .size = 8 };
        struct xf_put shorter = { .buf = length, .size = 4 };

        xf_put_u64(&put, pfn | 0xfull << XF_STREAM_TYPE_SHIFT); /* a page without content */
        xf_put_u32(&shorter, xf_get_u32(&get) - XF_PAGE_SIZE);
    }
    memmove(content, content + XF_PAGE_SIZE,
            image->size - (size_t)(content - image->bytes) - XF_PAGE_SIZE);
    image->size -= XF_PAGE_SIZE;
}

static void a_lost_page_is_seen(void **state)
{
    struct bed_image image;

    (void)state;
    saved_busy(&image);
    lose_page(&image);
    restore_and_run(&image);
    assert_int_equal(eyes_checked(&bed.b).corrupt, 1);
    bed_image_free(&image);
}

static void a_changed_bit_is_seen(void **state)
{
    struct bed_image image;

    (void)state;
    saved_busy(&image);
    /* In front of CPU state and END lies the last page's content. */
    image.bytes[image.size - 8 - 64 - 100] ^= 4;
    restore_and_run(&image);
    assert_int_equal(eyes_checked(&bed.b).corrupt, 1);
    bed_image_free(&image);
}

static void memory_and_cpu_state_of_different_moments_do_not_run(void **state)
{
    struct bed_image image;

    (void)state;
    saved_busy(&image);
    image.bytes[image.size - 8 - 24] ^= 1; /* ticks */
    restore_fails(&image, XF_REASON_RESTORE);
    bed_image_free(&image);
}

static void a_domain_of_other_memory_takes_no_foreign_image(void **state)
{
    struct bed_image image;

    (void)state;
    saved_busy(&image);
    (void)snprintf(bed.config, sizeof(bed.config), "name = guest\nmemory = 8\n");
    restore_fails(&image, XF_REASON_STREAM);
    (void)snprintf(bed.config, sizeof(bed.config), "name = guest\nmemory = 17\n");
    restore_fails(&image, XF_REASON_RESTORE);
    bed_image_free(&image);
}

static void a_guest_that_does_not_suspend_runs_on(void **state)
{
    struct bed_image image = { .stop_at = 1 };

    (void)state;
    bed_up(&bed, "fail-suspend = yes\nsuspend-delay-ms = 30\n");
    assert_int_equal(bed_do(&bed.a, BED_CREATE), XF_REASON_OK);
    bed_save(&bed, false, &image);
    assert_true(image.rc < 0);
    assert_int_equal(image.reason, XF_REASON_NOT_SUSPENDED);
    assert_int_equal(image.n_suspended, 0);
    assert_int_equal(bed_copy(&bed.a, NULL), XF_COPY_RUNNING);
    assert_int_equal(bed_do(&bed.a, BED_RESUME), XF_REASON_OK); /* H10 */
    bed_image_free(&image);
}

static void faults_of_restore_and_unpause_strike(void **state)
{
    struct bed_image image = { .stop_at = 1 };

    (void)state;
    bed_up(&bed, "fail-unpause-once = yes\n");
    bed_moved(&bed);
    assert_int_equal(bed_do(&bed.b, BED_UNPAUSE), XF_REASON_UNPAUSE);
    assert_int_equal(bed_copy(&bed.b, NULL), XF_COPY_PAUSED);
    assert_int_equal(bed_do(&bed.b, BED_UNPAUSE), XF_REASON_OK);
    bed_down(&bed);
    bed_up(&bed, "fail-restore = yes\n");
    assert_int_equal(bed_do(&bed.a, BED_CREATE), XF_REASON_OK);
    bed_save(&bed, false, &image);
    restore_fails(&image, XF_REASON_RESTORE);
    bed_image_free(&image);
}

static void a_process_that_dies_is_reported(void **state)
{
    struct xf_dom_info info;

    (void)state;
    bed_up(&bed, "");
    assert_int_equal(bed_do(&bed.a, BED_CREATE), XF_REASON_OK);
    assert_int_equal(bed_copy(&bed.a, &info), XF_COPY_RUNNING);
    bed_idle(&bed, 20);
    assert_int_equal(kill((pid_t)info.domid.v, SIGKILL), 0);
    bed_wait(&bed, &bed.a.n_gone, 0);
    assert_true(xf_uuid_eq(&bed.a.last.uuid, &bed.uuid));
    assert_int_equal(bed_copy(&bed.a, NULL), XF_COPY_NONE);
    assert_int_equal(bed_do(&bed.a, BED_CREATE), XF_REASON_OK);
}

static void a_process_that_hangs_is_destroyed(void **state)
{
    struct xf_dom_info info;

    (void)state;
    bed_up(&bed, "");
    assert_int_equal(bed_do(&bed.a, BED_CREATE), XF_REASON_OK);
    assert_int_equal(bed_copy(&bed.a, &info), XF_COPY_RUNNING);
    assert_int_equal(kill((pid_t)info.domid.v, SIGSTOP), 0);
    assert_int_equal(bed_do(&bed.a, BED_DESTROY), XF_REASON_OK);
    assert_int_equal(bed_copy(&bed.a, NULL), XF_COPY_NONE);
}

static enum xf_verdict sit(void *arg, uint32_t round, uint64_t written, int64_t dirty)
{
    char c = 'p';

    (void)round;
    (void)written;
    (void)dirty;
    if (write(*(int *)arg, &c, 1) == 1) {
        (void)pause(); /* until it is killed */
    }
    return XF_VERDICT_ABORT;
}

static void nothing(void *arg)
{
    (void)arg;
}

/* A process that saves, and is at its first question. */
static pid_t mover_that_sits(void)
{
    const struct xf_save_events events = { .policy = sit, .suspended = nothing };
    int told[2];
    pid_t pid;
    char c;

    assert_int_equal(pipe2(told, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        int image = open("/dev/null", O_WRONLY | O_CLOEXEC);
        enum xf_reason reason;

        (void)bed.mover->save(bed.a.dir, &bed.uuid, image, false, &events, &told[1], &reason);
        _exit(1);
    }
    assert_int_equal(read(told[0], &c, 1), 1);
    (void)close(told[0]);
    (void)close(told[1]);
    return pid;
}

static void kill_mover(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* H3, H10: the agent resumes when its mover is dead; the save must not come back to life. */
static void a_movers_death_ends_the_save(void **state)
{
    pid_t mover;

    (void)state;
    bed_up(&bed, "");
    assert_int_equal(bed_do(&bed.a, BED_CREATE), XF_REASON_OK);
    mover = mover_that_sits();
    kill_mover(mover);
    assert_int_equal(bed_do(&bed.a, BED_RESUME), XF_REASON_OK);
    assert_int_equal(bed_copy(&bed.a, NULL), XF_COPY_RUNNING);
    {
        struct bed_image image = { .stop_at = 1 };

        bed_save(&bed, false, &image); /* and the next save works */
        assert_int_equal(image.rc, 0);
        bed_image_free(&image);
    }
}

static void a_living_save_is_not_resumed_over(void **state)
{
    pid_t mover;

    (void)state;
    bed_up(&bed, "");
    assert_int_equal(bed_do(&bed.a, BED_CREATE), XF_REASON_OK);
    mover = mover_that_sits();
    assert_int_equal(bed_do(&bed.a, BED_RESUME), XF_REASON_BUSY);
    kill_mover(mover);
}

static void cap(const struct bed_host *host, uint32_t percent, enum xf_reason expected)
{
    struct xf_sandbox_msg msg = { .type = XF_SANDBOX_CAP, .cookie = 7, .arg = percent }, reply;
    int sock = xf_sandbox_connect(host->dir, &bed.uuid, 0);

    assert_true(sock >= 0);
    assert_int_equal(xf_sandbox_call(sock, &msg, -1, &reply), 0);
    assert_int_equal(reply.reason, expected);
    (void)close(sock);
}

static void the_cap_slows_the_workload(void **state)
{
    uint64_t before, full, slow;

    (void)state;
    bed_up(&bed, "workload = pattern=zipf,rate=50\n");
    assert_int_equal(bed_do(&bed.a, BED_CREATE), XF_REASON_OK);
    before = eyes_stat(&bed.a).pages_written;
    bed_idle(&bed, 300);
    full = eyes_stat(&bed.a).pages_written - before;
    cap(&bed.a, 10, XF_REASON_OK);
    before = eyes_stat(&bed.a).pages_written;
    bed_idle(&bed, 300);
    slow = eyes_stat(&bed.a).pages_written - before;
    assert_true(full > 500); /* of 3662 */
    assert_true(slow > 0 && slow < full / 3);
    cap(&bed.a, 0, XF_REASON_USAGE);
}

static uint32_t cap_of(void)
{
    struct xf_dom_info info;

    assert_int_equal(bed_copy(&bed.a, &info), XF_COPY_RUNNING);
    return info.cap_percent;
}

static void what_slowed_a_guest_for_a_move_ends_with_its_mover(void **state)
{
    struct bed_image image = { .stop_at = 3 };
    pid_t mover;

    (void)state;
    bed_up(&bed, "");
    assert_int_equal(bed_do(&bed.a, BED_CREATE), XF_REASON_OK);
    assert_int_equal(bed.mover->cap(bed.a.dir, &bed.uuid, 50), -ENOENT); /* nothing is saved */
    mover = mover_that_sits();
    assert_int_equal(bed.mover->cap(bed.a.dir, &bed.uuid, 0), -EINVAL);
    assert_int_equal(bed.mover->cap(bed.a.dir, &bed.uuid, 30), 0);
    assert_int_equal(cap_of(), 30);
    cap(&bed.a, 80, XF_REASON_OK); /* an operator's, which the move leaves in force */
    assert_int_equal(cap_of(), 30);
    kill_mover(mover);
    assert_int_equal(bed_do(&bed.a, BED_RESUME), XF_REASON_OK); /* once the save has ended */
    assert_int_equal(cap_of(), 80);
    assert_int_equal(bed.mover->cap(bed.a.dir, &bed.uuid, 50), -ENOENT);
    assert_int_equal(bed.mover->cap(bed.a.dir, &bed.uuid, 100), 0);
    assert_int_equal(cap_of(), 80);
    image.slow_to = 20;
    bed_save(&bed, false, &image);
    assert_int_equal(image.rc, 0);
    bed_image_free(&image);
    assert_int_equal(bed_do(&bed.a, BED_RESUME), XF_REASON_OK);
    assert_int_equal(cap_of(), 80);
}

/* The process stands still, as one does whose guest waits for a disk. */
static void a_cap_that_is_not_answered_does_not_hold_up_the_mover(void **state)
{
    struct timespec before, after;
    struct xf_dom_info info;

    (void)state;
    bed_up(&bed, "");
    assert_int_equal(bed_do(&bed.a, BED_CREATE), XF_REASON_OK);
    assert_int_equal(bed_copy(&bed.a, &info), XF_COPY_RUNNING);
    assert_int_equal(kill((pid_t)info.domid.v, SIGSTOP), 0);
    (void)clock_gettime(CLOCK_MONOTONIC, &before);
    assert_int_equal(bed.mover->cap(bed.a.dir, &bed.uuid, 100), -ETIMEDOUT);
    (void)clock_gettime(CLOCK_MONOTONIC, &after);
    assert_true((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 <
                (long)(XF_CAP_MS + 100));
    assert_int_equal(kill((pid_t)info.domid.v, SIGCONT), 0);
}

/*
 * The client asks to save and then reads nothing for a while, as often as there is room in its
 * queue: what the save has to say must wait for it, and neither be lost nor fail the save.
 */
static void a_client_that_is_slow_to_read_loses_nothing(void **state)
{
    struct xf_sandbox_msg stat = { .type = XF_SANDBOX_STAT, .cookie = 9 };
    struct xf_sandbox_msg save = { .type = XF_SANDBOX_SAVE, .cookie = 1, .arg = 1 }, in;
    const struct timeval patience = { .tv_sec = 5 };
    int sock, image = open("/dev/null", O_WRONLY | O_CLOEXEC), fd;
    bool suspended = false, replied = false;

    (void)state;
    bed_up(&bed, "");
    assert_int_equal(bed_do(&bed.a, BED_CREATE), XF_REASON_OK);
    sock = xf_sandbox_connect(bed.a.dir, &bed.uuid, 0);
    assert_true(sock >= 0 && image >= 0);
    assert_int_equal(setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    for (unsigned i = 0; i < 600; i++) { /* more than any queue holds; the rest of these is lost */
        assert_int_equal(xf_sandbox_send(sock, &stat), 0);
    }
    assert_int_equal(xf_sandbox_send_fd(sock, &save, image), 0);
    (void)close(image);
    for (unsigned i = 0; i < 500 && bed_copy(&bed.a, NULL) != XF_COPY_SUSPENDED; i++) {
        bed_idle(&bed, 10);
    }
    assert_int_equal(bed_copy(&bed.a, NULL), XF_COPY_SUSPENDED);
    bed_idle(&bed, 50);
    while (!replied && xf_sandbox_receive(sock, &in, &fd) == 0) {
        suspended = suspended || in.type == XF_SANDBOX_SUSPENDED;
        replied = in.type == XF_SANDBOX_REPLY && in.cookie == 1;
    }
    assert_true(suspended && replied);
    assert_int_equal(in.reason, XF_REASON_OK);
    (void)close(sock);
}

static void a_paused_guest_stands_still(void **state)
{
    uint64_t before;

    (void)state;
    bed_up(&bed, "workload = pattern=uniform,rate=50\n");
    assert_int_equal(bed_do(&bed.a, BED_CREATE), XF_REASON_OK);
    ask(&bed.a, XF_SANDBOX_PAUSE);
    before = eyes_stat(&bed.a).pages_written;
    bed_idle(&bed, 50);
    assert_int_equal(eyes_stat(&bed.a).pages_written, before);
    assert_int_equal(bed_copy(&bed.a, NULL), XF_COPY_RUNNING); /* nobody else may run it */
    ask(&bed.a, XF_SANDBOX_UNPAUSE);
    bed_idle(&bed, 50);
    assert_true(eyes_stat(&bed.a).pages_written > before);
}

/* Whole records, numbered without a gap, each instance's in one piece; how many instances. */
static unsigned instances_on(const char *path, uint64_t *ret_last)
{
    FILE *file = fopen(path, "rbe");
    struct xf_diskrec rec, last = { .seq = 0 };
    unsigned n = 0;

    assert_non_null(file);
    while (fread(&rec, sizeof(rec), 1, file) == 1) {
        assert_true(rec.magic == XF_DISKREC_MAGIC);
        assert_int_equal(rec.crc, xf_diskrec_crc(&rec));
        assert_true(rec.seq == last.seq + 1);
        n += rec.instance != last.instance ? 1 : 0;
        last = rec;
    }
    (void)fclose(file);
    *ret_last = last.seq;
    return n;
}

static void the_disk_shows_one_writer_after_the_other(void **state)
{
    char extra[128], path[] = "/tmp/xfbed-disk.XXXXXX";
    int fd = mkstemp(path);
    uint64_t frozen, last;

    (void)state;
    assert_true(fd >= 0);
    (void)close(fd);
    (void)snprintf(extra, sizeof(extra), "disk = path=%s\ndisk-interval-ms = 1\n", path);
    bed_up(&bed, extra);
    bed_moved(&bed);
    assert_int_equal(instances_on(path, &frozen), 1);
    bed_idle(&bed, 30);
    assert_int_equal(instances_on(path, &last), 1);
    assert_int_equal(last, frozen); /* neither the suspended nor the paused one writes */
    assert_int_equal(bed_do(&bed.b, BED_UNPAUSE), XF_REASON_OK);
    bed_idle(&bed, 100);
    assert_int_equal(bed_do(&bed.b, BED_DESTROY), XF_REASON_OK);
    assert_int_equal(instances_on(path, &last), 2);
    assert_true(last > frozen);
    (void)unlink(path);
}

/* Also after a failed assertion: no process is left behind. */
static int down(void **state)
{
    (void)state;
    if (bed.loop != NULL) {
        bed_down(&bed);
    }
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, NULL, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_whole_image_is_sound),
        TEST(a_lost_page_is_seen),
        TEST(a_changed_bit_is_seen),
        TEST(memory_and_cpu_state_of_different_moments_do_not_run),
        TEST(a_domain_of_other_memory_takes_no_foreign_image),
        TEST(a_guest_that_does_not_suspend_runs_on),
        TEST(faults_of_restore_and_unpause_strike),
        TEST(a_process_that_dies_is_reported),
        TEST(a_process_that_hangs_is_destroyed),
        TEST(a_movers_death_ends_the_save),
        TEST(a_living_save_is_not_resumed_over),
        TEST(the_cap_slows_the_workload),
        TEST(what_slowed_a_guest_for_a_move_ends_with_its_mover),
        TEST(a_cap_that_is_not_answered_does_not_hold_up_the_mover),
        TEST(a_client_that_is_slow_to_read_loses_nothing),
        TEST(a_paused_guest_stands_still),
        TEST(the_disk_shows_one_writer_after_the_other),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
