/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What drivers.h promises of every hypervisor driver, its agent's and its mover's side. Nothing
 * here knows what the hypervisor is; needs no root.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hyper_bed.h"
#include "text.h"
#include "unit.h"

static struct bed bed;

static int up(void **state)
{
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    bed_up(&bed, "");
    return 0;
}

static int down(void **state)
{
    (void)state;
    bed_down(&bed);
    return 0;
}

/* The text that it was created with, or one that asks the same of a host. */
static void is_the_beds(const char *config)
{
    struct xf_dom_needs is, was;
    char err[128];

    if (bed.kind->config_kept) {
        assert_string_equal(config, bed.config);
        return;
    }
    assert_int_equal(bed.ops->needs(config, &is, err, sizeof(err)), 0);
    assert_int_equal(bed.ops->needs(bed.config, &was, err, sizeof(err)), 0);
    assert_string_equal(is.name, was.name);
    assert_true(xf_uuid_eq(&is.uuid, &bed.uuid));
    assert_int_equal(is.memory_mib, was.memory_mib);
    assert_int_equal(is.n_vifs, was.n_vifs);
    assert_int_equal(is.n_disks, was.n_disks);
}

static void a_created_domain_runs_and_is_found(void **state)
{
    static char config[XF_CONFIG_SIZE_MAX];
    struct xf_dom_info info;

    (void)state;
    assert_int_equal(bed_copy(&bed.a, NULL), XF_COPY_NONE);
    assert_int_equal(bed_do(&bed.a, BED_CREATE), XF_REASON_OK);
    assert_int_equal(bed_copy(&bed.a, &info), XF_COPY_RUNNING);
    assert_string_equal(info.name, "guest");
    assert_int_equal(info.variant, XF_VARIANT_PLAIN);
    assert_int_equal(info.memory_mib, bed.kind->memory_mib);
    bed_free_is(&bed.a, bed.kind->memory_mib);
    assert_int_equal(bed_config(&bed.a, config, sizeof(config)), 0);
    is_the_beds(config);
    assert_int_equal(bed.ops->config(bed.a.hyper, &bed.uuid, config, 10), -EMSGSIZE);
    assert_int_equal(bed_copy(&bed.b, NULL), XF_COPY_NONE);
}

static void a_second_create_is_refused(void **state)
{
    (void)state;
    assert_int_equal(bed_do(&bed.a, BED_CREATE), XF_REASON_OK);
    assert_int_equal(bed_do(&bed.a, BED_CREATE), XF_REASON_EXISTS);
    assert_int_equal(bed_copy(&bed.a, NULL), XF_COPY_RUNNING);
}

static void a_bad_configuration_is_refused_with_a_sentence(void **state)
{
    struct xf_dom_needs needs;
    char err[128];

    (void)state;
    (void)xf_text_copy(bed.config, sizeof(bed.config), bed.kind->bad_config);
    assert_int_equal(bed.ops->needs(bed.config, &needs, err, sizeof(err)), -EINVAL);
    assert_non_null(strstr(err, bed.kind->bad_needs));
    assert_int_equal(bed_do(&bed.a, BED_CREATE), XF_REASON_CONFIG);
    assert_non_null(strstr(bed.a.text, bed.kind->bad_create));
    assert_int_equal(bed_copy(&bed.a, NULL), XF_COPY_NONE);
}

/* By translate(), or by needs() where people write what the driver reads. */
static void what_a_person_wrote_badly_is_refused_with_a_sentence(void **state)
{
    enum xf_reason reason = bed_translate(&bed.a, bed.kind->bad_text);
    struct xf_dom_needs needs;
    char err[128];

    (void)state;
    if (reason != XF_REASON_OK) {
        assert_int_equal(reason, XF_REASON_CONFIG);
        assert_non_null(strstr(bed.a.translated, bed.kind->bad_words));
        return;
    }
    assert_int_equal(bed.ops->needs(bed.a.translated, &needs, err, sizeof(err)), -EINVAL);
    assert_non_null(strstr(err, bed.kind->bad_words));
}

static void a_domain_that_cannot_be_built_leaves_nothing(void **state)
{
    (void)state;
    bed_configure(&bed, bed.kind->no_disk);
    assert_int_equal(bed_do(&bed.a, BED_CREATE), XF_REASON_NO_DISK);
    assert_non_null(strstr(bed.a.text, "/nonexistent/disk"));
    assert_int_equal(bed_copy(&bed.a, NULL), XF_COPY_NONE);
    assert_int_equal(bed.a.n_changed, 0);
}

static void needs_says_what_a_configuration_asks_of_a_host(void **state)
{
    struct xf_dom_needs needs;
    char err[128];

    (void)state;
    bed_configure(&bed, bed.kind->devices);
    assert_int_equal(bed.ops->needs(bed.config, &needs, err, sizeof(err)), 0);
    assert_string_equal(needs.name, "guest");
    assert_int_equal(needs.memory_mib, bed.kind->memory_mib);
    assert_int_equal(needs.n_vifs, 1);
    assert_int_equal(needs.vif[0].mac[5], 5);
    assert_string_equal(needs.vif[0].bridge, "br7");
    assert_int_equal(needs.vif[0].ipv4, 0x0a010203);
    assert_int_equal(needs.n_disks, 2);
    assert_string_equal(needs.disk[1].path, "/srv/e");
    assert_false(needs.disk[0].writable);
    assert_true(needs.disk[1].writable);
}

/* What is saved live below is what the driver says can be. */
static void the_host_can_log_what_the_guest_writes(void **state)
{
    struct xf_host_facts facts;
    struct xf_dom_needs needs;
    char err[128];

    (void)state;
    assert_int_equal(bed.ops->facts(bed.a.hyper, &facts), 0);
    assert_int_equal(bed.ops->needs(bed.config, &needs, err, sizeof(err)), 0);
    assert_true(needs.pv ? facts.logs_pv : facts.logs_hvm);
}

static bool is_empty(const struct xf_cpu *cpu)
{
    static const struct xf_cpu none;

    return cpu->vendor[0] == '\0' && memcmp(cpu->word, none.word, sizeof(none.word)) == 0;
}

static void the_host_tells_its_processors_or_that_it_does_not(void **state)
{
    struct xf_cpu cpu, again;

    (void)state;
    for (int pv = 0; pv < 2; pv++) {
        assert_int_equal(bed.ops->cpu(bed.a.hyper, pv != 0, &cpu), 0);
        assert_true(xf_text_name_ok(cpu.vendor, sizeof(cpu.vendor)));
        assert_true(cpu.known != is_empty(&cpu));
        assert_int_equal(bed.ops->cpu(bed.a.hyper, pv != 0, &again), 0);
        assert_int_equal(again.known, cpu.known);
        assert_string_equal(again.vendor, cpu.vendor);
        assert_memory_equal(again.word, cpu.word, sizeof(cpu.word));
    }
}

/* By the rules that a move is judged by. */
static void assert_fits(struct bed_host *host, const struct xf_guest *guest)
{
    struct xf_host there = { .hypervisor = "bed 1", .slots_free = 1 };
    struct xf_findings found = { .n = 0 };
    struct xf_guest judged = *guest;
    struct xf_dom_needs needs;
    char err[128];

    assert_int_equal(bed.ops->needs(bed.config, &needs, err, sizeof(err)), 0);
    assert_int_equal(bed.ops->cpu(host->hyper, needs.pv, &there.cpu), 0);
    judged.logged = true;
    xf_host_judge(&there, &there, &judged, 0, 0, &found);
    if (found.n > 0) {
        fail_msg("%s: %s", xf_finding_name(found.of[0].id), found.of[0].detail);
    }
}

static void a_domain_was_given_no_more_than_its_host_has(void **state)
{
    struct xf_guest guest;

    (void)state;
    assert_int_equal(bed.ops->guest(bed.a.hyper, &bed.uuid, &guest), -ENOENT);
    assert_int_equal(bed_do(&bed.a, BED_CREATE), XF_REASON_OK);
    assert_int_equal(bed_guest(&bed.a, &guest), 0);
    assert_true(guest.cpu.known && !is_empty(&guest.cpu));
    assert_int_equal(guest.n_passthrough, 0);
    assert_false(guest.vnuma);
    assert_int_equal(guest.memory_mib, 0);
    assert_fits(&bed.a, &guest);
}

/* Whatever the host that it comes to has. */
static void a_domain_keeps_the_processor_that_it_was_given(void **state)
{
    struct bed_image image = { .stop_at = 3 };
    struct xf_guest before, after;
    enum xf_reason reason;

    (void)state;
    assert_int_equal(bed_do(&bed.a, BED_CREATE), XF_REASON_OK);
    assert_int_equal(bed_guest(&bed.a, &before), 0);
    bed_save(&bed, false, &image);
    assert_int_equal(bed_restore(&bed, &image, &reason), 0);
    bed_image_free(&image);
    assert_int_equal(bed_do(&bed.b, BED_UNPAUSE), XF_REASON_OK);
    assert_int_equal(bed_rename(&bed.b, XF_VARIANT_PLAIN), XF_REASON_OK);
    assert_int_equal(bed_guest(&bed.b, &after), 0);
    assert_true(after.cpu.known);
    assert_string_equal(after.cpu.vendor, before.cpu.vendor);
    assert_memory_equal(after.cpu.word, before.cpu.word, sizeof(after.cpu.word));
    assert_fits(&bed.b, &after);
}

static void a_saved_domain_is_suspended_and_its_copy_paused(void **state)
{
    struct xf_dom_info info;

    (void)state;
    bed_moved(&bed);
    assert_int_equal(bed_copy(&bed.a, NULL), XF_COPY_SUSPENDED);
    assert_int_equal(bed_copy(&bed.b, &info), XF_COPY_PAUSED);
    assert_int_equal(info.variant, XF_VARIANT_INCOMING);
    assert_string_equal(info.name, "guest");
    if (bed.b.n_changed == 0) {
        bed_wait(&bed, &bed.b.n_changed, 0);
    }
    assert_int_equal(bed.b.last.copy, XF_COPY_PAUSED);
    assert_int_equal(bed.b.n_gone, 0);
}

static void the_policy_is_asked_twice_a_round_and_a_stop_sends_that_round_live(void **state)
{
    struct bed_image image = { .stop_at = 3 };
    uint64_t pages = 0;

    (void)state;
    assert_int_equal(bed_do(&bed.a, BED_CREATE), XF_REASON_OK);
    assert_int_equal(bed.mover->pages(bed.a.dir, &bed.uuid, &pages), 0);
    assert_true(pages >= bed.kind->memory_mib * 256ull);
    assert_true(bed.kind->holes || pages == bed.kind->memory_mib * 256ull);
    bed_save(&bed, false, &image);
    assert_int_equal(image.rc, 0);
    assert_int_equal(image.n_asked, 3);
    assert_int_equal(image.asked[0].round, 0);
    assert_int_equal(image.asked[0].dirty, pages);
    assert_int_equal(image.asked[0].written, 0);
    assert_int_equal(image.asked[1].dirty, -1);
    assert_int_equal(image.asked[1].written, pages);
    assert_int_equal(image.asked[2].round, 1);
    assert_true(image.asked[2].dirty >= 0);
    assert_int_equal(image.n_suspended, 1);
    bed_image_free(&image);
}

static void a_cold_save_suspends_first_and_asks_nothing(void **state)
{
    struct bed_image image = { .stop_at = 0 };
    enum xf_reason reason;

    (void)state;
    assert_int_equal(bed_do(&bed.a, BED_CREATE), XF_REASON_OK);
    bed_save(&bed, true, &image);
    assert_int_equal(image.rc, 0);
    assert_int_equal(image.n_asked, 0);
    assert_int_equal(image.n_suspended, 1);
    assert_int_equal(bed_restore(&bed, &image, &reason), 0);
    assert_int_equal(bed_do(&bed.b, BED_UNPAUSE), XF_REASON_OK);
    assert_int_equal(bed_copy(&bed.b, NULL), XF_COPY_RUNNING);
    bed_image_free(&image);
}

static void an_aborted_save_leaves_the_guest_running(void **state)
{
    struct bed_image image = { .abort_at = 2 };

    (void)state;
    assert_int_equal(bed_do(&bed.a, BED_CREATE), XF_REASON_OK);
    bed_save(&bed, false, &image);
    assert_int_equal(image.rc, -ECANCELED);
    assert_int_equal(image.n_suspended, 0);
    assert_int_equal(bed_copy(&bed.a, NULL), XF_COPY_RUNNING);
    bed_image_free(&image);
}

static void only_a_running_domain_can_be_saved(void **state)
{
    struct bed_image image = { .stop_at = 1 };

    (void)state;
    bed_save(&bed, false, &image);
    assert_true(image.rc < 0);
    assert_int_equal(image.reason, XF_REASON_NOT_RUNNING);
    bed_image_free(&image);
    bed_moved(&bed);
    bed_save(&bed, false, &image);
    assert_true(image.rc < 0);
    assert_int_equal(image.reason, XF_REASON_NOT_RUNNING);
    bed_image_free(&image);
}

static void unpause_runs_the_copy_and_a_second_one_succeeds(void **state)
{
    (void)state;
    bed_moved(&bed);
    assert_int_equal(bed_do(&bed.b, BED_UNPAUSE), XF_REASON_OK);
    assert_int_equal(bed_copy(&bed.b, NULL), XF_COPY_RUNNING);
    assert_int_equal(bed_do(&bed.b, BED_UNPAUSE), XF_REASON_OK);
    assert_int_equal(bed_copy(&bed.b, NULL), XF_COPY_RUNNING);
}

static void a_suspended_domain_resumes_but_cannot_be_unpaused(void **state)
{
    (void)state;
    bed_moved(&bed);
    assert_int_equal(bed_do(&bed.a, BED_UNPAUSE), XF_REASON_UNPAUSE);
    assert_int_equal(bed_copy(&bed.a, NULL), XF_COPY_SUSPENDED);
    assert_int_equal(bed_do(&bed.a, BED_RESUME), XF_REASON_OK);
    assert_int_equal(bed_copy(&bed.a, NULL), XF_COPY_RUNNING);
    assert_int_equal(bed_do(&bed.a, BED_RESUME), XF_REASON_OK);
}

static void a_copy_that_never_ran_cannot_be_resumed(void **state)
{
    (void)state;
    bed_moved(&bed);
    assert_int_equal(bed_do(&bed.b, BED_RESUME), XF_REASON_RESUME);
    assert_int_equal(bed_copy(&bed.b, NULL), XF_COPY_PAUSED);
}

/* H10 */
static void resume_of_one_never_suspended_touches_nothing(void **state)
{
    (void)state;
    assert_int_equal(bed_do(&bed.a, BED_CREATE), XF_REASON_OK);
    bed_settle(&bed);
    bed.a.n_changed = 0;
    assert_int_equal(bed_do(&bed.a, BED_RESUME), XF_REASON_OK);
    assert_int_equal(bed_copy(&bed.a, NULL), XF_COPY_RUNNING);
    bed_settle(&bed);
    assert_int_equal(bed.a.n_changed, 0);
}

static void rename_changes_the_variant_only(void **state)
{
    struct xf_dom_info info;

    (void)state;
    assert_int_equal(bed_do(&bed.a, BED_CREATE), XF_REASON_OK);
    assert_int_equal(bed_rename(&bed.a, XF_VARIANT_MIGRATEDAWAY), XF_REASON_OK);
    assert_int_equal(bed_copy(&bed.a, &info), XF_COPY_RUNNING);
    assert_int_equal(info.variant, XF_VARIANT_MIGRATEDAWAY);
    assert_string_equal(info.name, "guest");
    assert_int_equal(bed_rename(&bed.a, XF_VARIANT_PLAIN), XF_REASON_OK);
    assert_int_equal(bed_copy(&bed.a, &info), XF_COPY_RUNNING);
    assert_int_equal(info.variant, XF_VARIANT_PLAIN);
}

static void a_destroyed_copy_is_gone_and_a_second_destroy_succeeds(void **state)
{
    (void)state;
    bed_moved(&bed);
    bed_settle(&bed);
    assert_int_equal(bed_do(&bed.a, BED_DESTROY), XF_REASON_OK);
    assert_int_equal(bed_copy(&bed.a, NULL), XF_COPY_NONE);
    assert_int_equal(bed_do(&bed.a, BED_DESTROY), XF_REASON_OK);
    assert_int_equal(bed_do(&bed.b, BED_DESTROY), XF_REASON_OK);
    assert_int_equal(bed.a.n_gone + bed.b.n_gone, 0); /* it did not vanish by itself */
    bed_look(&bed);                                   /* Xen scrubs what was freed */
    bed_free_is(&bed.a, 0);
    assert_int_equal(bed_do(&bed.a, BED_CREATE), XF_REASON_OK);
}

static void what_is_not_there_cannot_be_resumed_or_unpaused(void **state)
{
    (void)state;
    assert_int_equal(bed_do(&bed.a, BED_RESUME), XF_REASON_NOT_RUNNING);
    assert_int_equal(bed_do(&bed.a, BED_UNPAUSE), XF_REASON_NOT_RUNNING);
    assert_int_equal(bed_rename(&bed.a, XF_VARIANT_PLAIN), XF_REASON_NOT_RUNNING);
}

static void an_image_cut_short_leaves_no_copy(void **state)
{
    struct bed_image image = { .stop_at = 1 };
    enum xf_reason reason;
    size_t size;

    (void)state;
    assert_int_equal(bed_do(&bed.a, BED_CREATE), XF_REASON_OK);
    bed_save(&bed, false, &image);
    size = image.size;
    for (size_t cut = bed.kind->cut_first; cut < size; cut *= bed.kind->cut_step) {
        image.size = size - cut;
        assert_true(bed_restore(&bed, &image, &reason) < 0);
        assert_int_equal(reason, bed.kind->cut_reason);
        assert_int_equal(bed_copy(&bed.b, NULL), XF_COPY_NONE);
    }
    image.size = size;
    assert_int_equal(bed_restore(&bed, &image, &reason), 0);
    bed_image_free(&image);
}

struct half {
    int fd;
    int rc;
};

static void *restore_half(void *arg)
{
    struct half *half = arg;
    enum xf_reason reason;

    half->rc = bed.mover->restore(bed.b.dir, &bed.uuid, bed.config, half->fd, &bed_restore_events,
                                  NULL, &reason);
    (void)close(half->fd);
    return NULL;
}

/* H1 */
static void a_copy_being_built_is_seen_but_never_runs(void **state)
{
    struct half half = { .rc = 0 };
    pthread_t thread;
    int fds[2];

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    half.fd = fds[0];
    assert_int_equal(pthread_create(&thread, NULL, restore_half, &half), 0);
    bed_wait(&bed, &bed.b.n_changed, 0);
    assert_int_equal(bed.b.last.copy, XF_COPY_PAUSED);
    assert_int_equal(bed_do(&bed.b, BED_UNPAUSE), XF_REASON_UNPAUSE);
    assert_int_equal(bed_copy(&bed.b, NULL), XF_COPY_PAUSED);
    assert_int_equal(bed_do(&bed.b, BED_DESTROY), XF_REASON_OK);
    assert_int_equal(bed_copy(&bed.b, NULL), XF_COPY_NONE);
    if (!bed.kind->restore_feels) {
        (void)close(fds[1]);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(half.rc < 0);
    if (bed.kind->restore_feels) {
        (void)close(fds[1]);
    }
    bed_look(&bed);
    assert_int_equal(bed_copy(&bed.b, NULL), XF_COPY_NONE);
}

static void a_restarted_agent_finds_every_copy(void **state)
{
    static const struct xf_hyper_events none;
    struct xf_hyper *hyper;
    struct xf_dom_info list[2];
    size_t n;

    (void)state;
    bed_moved(&bed);
    for (int i = 0; i < 2; i++) {
        struct bed_host *host = i == 0 ? &bed.a : &bed.b;

        assert_int_equal(bed.ops->open(bed.loop, host->dir, 1024, &none, NULL, &hyper), 0);
        assert_int_equal(bed.ops->scan(hyper, list, 2, &n), 0);
        assert_int_equal(n, 1);
        assert_int_equal(list[0].copy, i == 0 ? XF_COPY_SUSPENDED : XF_COPY_PAUSED);
        bed.ops->close(hyper);
    }
    assert_int_equal(bed_do(&bed.b, BED_UNPAUSE), XF_REASON_OK);
}

static void memory_put_aside_is_no_longer_free(void **state)
{
    static const struct xf_uuid other = { .b = { 9 } };
    const uint32_t memory = bed.kind->memory_mib, spare = 8 + bed.kind->overhead_mib;
    const uint32_t others = (uint32_t)bed.b.free_mib - memory - spare;

    (void)state;
    assert_int_equal(bed.ops->reserve(bed.b.hyper, &other, others), 0);
    bed_free_is(&bed.b, others);
    assert_int_equal(bed.ops->reserve(bed.b.hyper, &bed.uuid, memory + spare + 1), -ENOMEM);
    assert_int_equal(bed.ops->reserve(bed.b.hyper, &bed.uuid, memory), 0);
    /* The domain that comes uses what was put aside for it. */
    bed_moved(&bed);
    bed_settle(&bed);
    bed_free_is(&bed.b, others + memory);
    bed.ops->release(bed.b.hyper, &bed.uuid);
    bed.ops->release(bed.b.hyper, &other);
    bed_free_is(&bed.b, memory);
}

static void closing_takes_null(void **state)
{
    (void)state;
    bed.ops->close(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

static void stop_loop(void *loop)
{
    qb_loop_stop(loop);
}

/* Of an operation that finds nothing to do, with nothing else that keeps the loop busy. */
static long answer_ms(void)
{
    unsigned before = bed.a.n_done;
    qb_loop_timer_handle limit;
    struct timespec from, to;

    assert_int_equal(
        qb_loop_timer_add(bed.loop, QB_LOOP_LOW, 1000000000, bed.loop, stop_loop, &limit), 0);
    (void)clock_gettime(CLOCK_MONOTONIC, &from);
    bed.ops->destroy(bed.a.hyper, ++bed.next_cookie, &bed.uuid);
    qb_loop_run(bed.loop);
    (void)clock_gettime(CLOCK_MONOTONIC, &to);
    (void)qb_loop_timer_del(bed.loop, limit);
    assert_int_equal(bed.a.n_done, before + 1);
    return (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
}

static void an_answer_waits_for_no_other_work_of_the_loop(void **state)
{
    long best = 1000;

    (void)state;
    for (unsigned i = 0; i < 5; i++) { /* the machine may be busy for some of them */
        long ms = answer_ms();

        best = ms < best ? ms : best;
    }
    assert_true(best < 20);
}

static void left_out(void **state)
{
    (void)state;
    skip();
}

/* What the bed's kind is exempt from is shown with its reason, and must be a test. */
static void leave_out(struct CMUnitTest *tests, size_t n)
{
    for (const struct bed_exempt *e = bed_kind()->exempt; e->test != NULL; e++) {
        size_t i = 0;

        while (i < n && strcmp(tests[i].name, e->test) != 0) {
            i++;
        }
        if (i == n) {
            fprintf(stderr, "%s is exempt from %s, which is no test\n", bed_kind()->name, e->test);
            abort();
        }
        printf("# not asked of %s: %s: %s\n", bed_kind()->name, e->test, e->why);
        tests[i].test_func = left_out;
        tests[i].setup_func = NULL;
        tests[i].teardown_func = NULL;
    }
    (void)fflush(stdout);
}

/* An argument is a pattern of the tests to run. */
int main(int argc, char **argv)
{
    struct CMUnitTest tests[] = {
        TEST(a_created_domain_runs_and_is_found),
        TEST(a_second_create_is_refused),
        TEST(a_bad_configuration_is_refused_with_a_sentence),
        TEST(what_a_person_wrote_badly_is_refused_with_a_sentence),
        TEST(a_domain_that_cannot_be_built_leaves_nothing),
        TEST(needs_says_what_a_configuration_asks_of_a_host),
        TEST(the_host_can_log_what_the_guest_writes),
        TEST(the_host_tells_its_processors_or_that_it_does_not),
        TEST(a_domain_was_given_no_more_than_its_host_has),
        TEST(a_domain_keeps_the_processor_that_it_was_given),
        TEST(a_saved_domain_is_suspended_and_its_copy_paused),
        TEST(the_policy_is_asked_twice_a_round_and_a_stop_sends_that_round_live),
        TEST(a_cold_save_suspends_first_and_asks_nothing),
        TEST(an_aborted_save_leaves_the_guest_running),
        TEST(only_a_running_domain_can_be_saved),
        TEST(unpause_runs_the_copy_and_a_second_one_succeeds),
        TEST(a_suspended_domain_resumes_but_cannot_be_unpaused),
        TEST(a_copy_that_never_ran_cannot_be_resumed),
        TEST(resume_of_one_never_suspended_touches_nothing),
        TEST(rename_changes_the_variant_only),
        TEST(a_destroyed_copy_is_gone_and_a_second_destroy_succeeds),
        TEST(what_is_not_there_cannot_be_resumed_or_unpaused),
        TEST(an_image_cut_short_leaves_no_copy),
        TEST(a_copy_being_built_is_seen_but_never_runs),
        TEST(a_restarted_agent_finds_every_copy),
        TEST(memory_put_aside_is_no_longer_free),
        TEST(an_answer_waits_for_no_other_work_of_the_loop),
        TEST(closing_takes_null),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    leave_out(tests, sizeof(tests) / sizeof(tests[0]));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
