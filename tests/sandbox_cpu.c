/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The processors that a sandbox's host says it has, by its file sandbox-cpu, and what becomes of
 * them in a guest that moves. Needs no root.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "hyper_bed.h"
#include "unit.h"

#define OLD "GenuineIntel 1 2 3 4 5 6 7 8 9 a b\n"
#define NEW "GenuineIntel ffffffff 2 3 4 5 6 7 8 9 a b\n"

static struct bed bed;

static void write_cpu(const struct bed_host *host, const char *text)
{
    char path[128];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/sandbox-cpu", host->dir);
    file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static struct xf_cpu cpu_of(struct bed_host *host)
{
    struct xf_cpu cpu;

    memset(&cpu, 0xff, sizeof(cpu));
    assert_int_equal(bed.ops->cpu(host->hyper, false, &cpu), 0);
    return cpu;
}

static void a_file_says_what_the_host_has(void **state)
{
    struct xf_cpu cpu;

    (void)state;
    write_cpu(&bed.a, OLD);
    cpu = cpu_of(&bed.a);
    assert_true(cpu.known);
    assert_string_equal(cpu.vendor, "GenuineIntel");
    for (unsigned i = 0; i < XF_N_CPU_WORDS; i++) {
        assert_int_equal(cpu.word[i], i + 1);
    }
    write_cpu(&bed.a, NEW);
    assert_int_equal(cpu_of(&bed.a).word[0], 0xffffffff);
}

static void a_file_that_says_anything_else_leaves_it_unknown(void **state)
{
    static const char *const bad[] = {
        "",
        "unknown\n",
        "GenuineIntel 1 2 3 4 5 6 7 8 9 a\n",
        "GenuineIntel 1 2 3 4 5 6 7 8 9 a b c\n",
        "GenuineIntel 1 2 3 4 5 6 7 8 9 a 0x1\n",
        "GenuineIntel 1 2 3 4 5 6 7 8 9 a 123456789\n",
        "AManWithALongName 1 2 3 4 5 6 7 8 9 a b\n",
    };
    static const uint32_t zeros[XF_N_CPU_WORDS];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct xf_cpu cpu;

        write_cpu(&bed.a, bad[i]);
        cpu = cpu_of(&bed.a);
        assert_false(cpu.known);
        assert_string_equal(cpu.vendor, "");
        assert_memory_equal(cpu.word, zeros, sizeof(zeros));
    }
}

static void assert_given(struct bed_host *host, bool known, uint32_t first)
{
    struct xf_guest guest;

    assert_int_equal(bed.ops->guest(host->hyper, &bed.uuid, &guest), 0);
    assert_int_equal(guest.cpu.known, known);
    assert_int_equal(guest.cpu.word[0], first);
    assert_string_equal(guest.cpu.vendor, known ? "GenuineIntel" : "");
}

static void a_guest_keeps_what_it_was_given_wherever_it_goes(void **state)
{
    (void)state;
    write_cpu(&bed.a, NEW);
    write_cpu(&bed.b, OLD);
    bed_moved(&bed);
    assert_int_equal(bed_do(&bed.b, BED_UNPAUSE), XF_REASON_OK);
    write_cpu(&bed.a, OLD);
    assert_given(&bed.a, true, 0xffffffff);
    assert_given(&bed.b, true, 0xffffffff);
    assert_int_equal(cpu_of(&bed.b).word[0], 1);
}

static void what_was_not_known_at_first_stays_unknown(void **state)
{
    (void)state;
    write_cpu(&bed.a, "unknown\n");
    write_cpu(&bed.b, OLD);
    bed_moved(&bed);
    assert_int_equal(bed_do(&bed.b, BED_UNPAUSE), XF_REASON_OK);
    assert_given(&bed.b, false, 0);
}

/* The fault of that name is no word of the guest's. */
static void any_guest_says_that_it_suspends(void **state)
{
    struct xf_guest guest;

    (void)state;
    bed_configure(&bed, "fail-suspend = yes\n");
    assert_int_equal(bed_do(&bed.a, BED_CREATE), XF_REASON_OK);
    assert_int_equal(bed.ops->guest(bed.a.hyper, &bed.uuid, &guest), 0);
    assert_true(guest.suspend_known);
    assert_true(guest.can_suspend);
}

static int up(void **state)
{
    (void)state;
    bed_up(&bed, "");
    return 0;
}

static int down(void **state)
{
    (void)state;
    bed_down(&bed);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_says_what_the_host_has),
        TEST(a_file_that_says_anything_else_leaves_it_unknown),
        TEST(a_guest_keeps_what_it_was_given_wherever_it_goes),
        TEST(what_was_not_known_at_first_stays_unknown),
        TEST(any_guest_says_that_it_suspends),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
