/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <string.h>

#include "host.h"
#include "text.h"
#include "unit.h"

#define ASKED    1000000
#define ANSWERED 1000200

static struct xf_host source, target;
static struct xf_guest guest;
static struct xf_findings found;
static int64_t asked_ms, answered_ms;

/* A domain that fits. */
static int up(void **state)
{
    (void)state;
    memset(&source, 0, sizeof(source));
    xf_text_copy(source.hypervisor, sizeof(source.hypervisor), "Xen 4.17.3");
    source.cpu.known = true;
    xf_text_copy(source.cpu.vendor, sizeof(source.cpu.vendor), "GenuineIntel");
    for (unsigned i = 0; i < XF_N_CPU_WORDS; i++) {
        source.cpu.word[i] = 0xffffffff;
    }
    source.memory_free_mib = 10;
    target = source;
    target.memory_free_mib = 4096;
    target.slots_free = 1;
    target.wall_ms = ASKED + 100;
    guest = (struct xf_guest){ .memory_mib = 4096, .cpu = source.cpu, .logged = true };
    asked_ms = ASKED;
    answered_ms = ANSWERED;
    return 0;
}

static void judge(void)
{
    memset(&found, 0, sizeof(found));
    xf_host_judge(&source, &target, &guest, asked_ms, answered_ms, &found);
}

static void assert_fits(void)
{
    judge();
    if (found.n != 0) {
        fail_msg("%s: %s", xf_finding_name(found.of[0].id), found.of[0].detail);
    }
}

/* Nothing but that. */
static void assert_found(enum xf_finding_id id, const char *detail)
{
    judge();
    assert_int_equal(found.n, 1);
    assert_string_equal(xf_finding_name(found.of[0].id), xf_finding_name(id));
    assert_string_equal(found.of[0].subject, "");
    assert_string_equal(found.of[0].detail, detail);
}

static void a_domain_that_fits_is_no_finding(void **state)
{
    (void)state;
    assert_fits();
}

static void r1_memory_is_enough_to_the_last_mib(void **state)
{
    (void)state;
    target.memory_free_mib = 4095;
    assert_found(XF_FIND_MEMORY, "4096 MiB are needed, 4095 MiB are free");
    guest.memory_mib = UINT32_MAX;
    target.memory_free_mib = (uint64_t)UINT32_MAX + 1;
    assert_fits();
    target.memory_free_mib = 0;
    assert_found(XF_FIND_MEMORY, "4294967295 MiB are needed, 0 MiB are free");
}

static void r2_what_the_target_lacks_is_named(void **state)
{
    (void)state;
    target.cpu.word[XF_CPU_1_ECX] &= ~(1u << 20 | 1u << 25);
    target.cpu.word[XF_CPU_7_EBX] &= ~(1u << 16 | 1u << 26);
    target.cpu.word[XF_CPU_E8_EBX] &= ~(1u << 31);
    target.cpu.word[XF_CPU_71_EAX] &= ~(1u << 3);
    assert_found(XF_FIND_CPU_LACKS, "sse4.2, aes, avx512f, leaf 7 ebx bit 26, leaf 7.1 eax bit 3, "
                                    "leaf 80000008h ebx bit 31");
}

static void r2_what_the_domain_was_not_given_may_be_lacking(void **state)
{
    (void)state;
    source.cpu.word[XF_CPU_7_EBX] = 0xffffffff;
    guest.cpu.word[XF_CPU_7_EBX] &= ~(1u << 16);
    target.cpu.word[XF_CPU_7_EBX] &= ~(1u << 16);
    assert_fits();
}

static void r2_eight_are_named_and_the_rest_is_counted(void **state)
{
    (void)state;
    target.cpu.word[XF_CPU_E8_EBX] = ~0x1feu;
    assert_found(XF_FIND_CPU_LACKS,
                 "leaf 80000008h ebx bit 1, leaf 80000008h ebx bit 2, leaf 80000008h ebx bit 3, "
                 "leaf 80000008h ebx bit 4, leaf 80000008h ebx bit 5, leaf 80000008h ebx bit 6, "
                 "leaf 80000008h ebx bit 7, leaf 80000008h ebx bit 8");
    target.cpu.word[XF_CPU_E8_EBX] &= ~(1u << 9 | 1u << 12);
    judge();
    assert_int_equal(found.n, 1);
    assert_non_null(strstr(found.of[0].detail, "ebx bit 8 and 2 more"));
    memset(target.cpu.word, 0, sizeof(target.cpu.word));
    judge();
    assert_non_null(strstr(found.of[0].detail, " more"));
}

static void every_word_is_compared(void **state)
{
    (void)state;
    for (unsigned i = 0; i < XF_N_CPU_WORDS; i++) {
        (void)up(NULL);
        target.cpu.word[i] &= ~(1u << 27 | 1u << 29);
        judge();
        assert_int_equal(found.n, 1);
        assert_int_equal(found.of[0].id, XF_FIND_CPU_LACKS);
    }
}

static void r3_another_maker_is_refused(void **state)
{
    (void)state;
    xf_text_copy(target.cpu.vendor, sizeof(target.cpu.vendor), "AuthenticAMD");
    assert_found(XF_FIND_CPU_LACKS, "GenuineIntel here, AuthenticAMD there");
    xf_text_copy(target.cpu.vendor, sizeof(target.cpu.vendor), "GenuineIntel2");
    assert_found(XF_FIND_CPU_LACKS, "GenuineIntel here, GenuineIntel2 there");
    /* A name that is not ended, as no decoder lets pass, is not read beyond its end. */
    memset(target.cpu.vendor, 'x', sizeof(target.cpu.vendor));
    assert_found(XF_FIND_CPU_LACKS, "GenuineIntel here, xxxxxxxxxxxxxxxx there");
}

static void r4_what_is_not_told_is_not_taken_for_the_same(void **state)
{
    (void)state;
    target.cpu.known = false;
    assert_found(XF_FIND_CPU_UNKNOWN, "the target's hypervisor does not tell what it can give");
    guest.cpu.known = false;
    assert_found(XF_FIND_CPU_UNKNOWN, "the source's hypervisor does not tell what it gave");
    target.cpu.known = true;
    assert_found(XF_FIND_CPU_UNKNOWN, "the source's hypervisor does not tell what it gave");
    guest.cpu.known = true;
    target.cpu.vendor[0] = '\0';
    assert_found(XF_FIND_CPU_UNKNOWN, "one side does not tell the maker");
    guest.cpu.vendor[0] = '\0';
    assert_fits(); /* a hypervisor without makers */
}

static void r4_an_untold_maker_excuses_no_lack(void **state)
{
    (void)state;
    guest.cpu.vendor[0] = '\0';
    target.cpu.word[XF_CPU_7_EBX] &= ~(1u << 5);
    judge();
    assert_int_equal(found.n, 2);
    assert_int_equal(found.of[1].id, XF_FIND_CPU_LACKS);
    assert_string_equal(found.of[1].detail, "avx2");
}

static void r5_what_says_no_ability_is_not_compared(void **state)
{
    static const struct {
        enum xf_cpu_word word;
        uint32_t bits;
    } none[] = {
        { XF_CPU_1_EDX, 1u << 28 },           { XF_CPU_1_ECX, 1u << 21 | 1u << 27 | 1u << 31 },
        { XF_CPU_7_EBX, 1u << 6 | 1u << 13 }, { XF_CPU_7_ECX, 1u << 4 },
        { XF_CPU_E1_EDX, 0x0183f3ff },        { XF_CPU_E1_ECX, 1u << 1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        target.cpu.word[none[i].word] &= ~none[i].bits;
    }
    assert_fits();
    /* And nothing beside them is let pass. */
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        for (unsigned bit = 0; bit < 32; bit++) {
            (void)up(NULL);
            target.cpu.word[none[i].word] &= ~(1u << bit);
            judge();
            assert_int_equal(found.n, (none[i].bits >> bit & 1) != 0 ? 0 : 1);
        }
    }
}

static void the_words_and_the_maker_are_found_in_cpuid(void **state)
{
    static const struct {
        uint32_t leaf, subleaf, reg;
        enum xf_cpu_word word;
    } where[] = {
        { 1, 0, 3, XF_CPU_1_EDX },           { 1, 0, 2, XF_CPU_1_ECX },
        { 7, 0, 1, XF_CPU_7_EBX },           { 7, 0, 2, XF_CPU_7_ECX },
        { 7, 0, 3, XF_CPU_7_EDX },           { 7, 1, 0, XF_CPU_71_EAX },
        { 13, 1, 0, XF_CPU_D1_EAX },         { 0x80000001, 0, 3, XF_CPU_E1_EDX },
        { 0x80000001, 0, 2, XF_CPU_E1_ECX }, { 0x80000007, 0, 3, XF_CPU_E7_EDX },
        { 0x80000008, 0, 1, XF_CPU_E8_EBX },
    };
    static const uint32_t intel[4] = { 22, 0x756e6547, 0x6c65746e, 0x49656e69 };

    (void)state;
    assert_int_equal(sizeof(where) / sizeof(where[0]), XF_N_CPU_WORDS);
    for (unsigned i = 0; i < XF_N_CPU_WORDS; i++) {
        uint32_t reg[4] = { 1, 1, 1, 1 };
        struct xf_cpu cpu = { .known = false };

        reg[where[i].reg] = 7;
        xf_cpu_take(&cpu, where[i].leaf, where[i].subleaf, reg);
        for (unsigned word = 0; word < XF_N_CPU_WORDS; word++) {
            assert_int_equal(cpu.word[word] == 7, word == where[i].word);
        }
        for (unsigned k = 0; k < XF_N_CPU_WORDS; k++) {
            bool told = where[k].leaf == where[i].leaf && where[k].subleaf == where[i].subleaf;

            assert_int_equal(cpu.word[where[k].word] != 0, told);
        }
        assert_string_equal(cpu.vendor, "");
    }
    memset(&guest.cpu, 0, sizeof(guest.cpu));
    xf_cpu_take(&guest.cpu, 0, 0, intel);
    assert_string_equal(guest.cpu.vendor, "GenuineIntel");
    assert_int_equal(guest.cpu.word[XF_CPU_1_EDX], 0);
}

static void hypervisors(const char *from, const char *to)
{
    xf_text_copy(source.hypervisor, sizeof(source.hypervisor), from);
    xf_text_copy(target.hypervisor, sizeof(target.hypervisor), to);
}

static void r6_another_kind_of_hypervisor_is_refused(void **state)
{
    (void)state;
    hypervisors("Xen 4.17.3", "sandbox 1");
    assert_found(XF_FIND_HYPERVISOR, "Xen 4.17.3 here, sandbox 1 there");
    hypervisors("Xen 4.17", "KVM 4.17");
    assert_found(XF_FIND_HYPERVISOR, "Xen 4.17 here, KVM 4.17 there");
    hypervisors("Xen 4.17", "Xenon 4.17");
    assert_found(XF_FIND_HYPERVISOR, "Xen 4.17 here, Xenon 4.17 there");
    hypervisors("Xenon 4.17", "Xen 4.17");
    assert_found(XF_FIND_HYPERVISOR, "Xenon 4.17 here, Xen 4.17 there");
    hypervisors("", "");
    assert_found(XF_FIND_HYPERVISOR, " here,  there");
    hypervisors("Xen 4.17", "");
    assert_found(XF_FIND_HYPERVISOR, "Xen 4.17 here,  there");
    /* Nothing behind the end of a name belongs to it. */
    memcpy(source.hypervisor, "\0en 4.18", 9);
    memcpy(target.hypervisor, "\0en 4.17", 9);
    assert_found(XF_FIND_HYPERVISOR, " here,  there");
    memcpy(source.hypervisor,
           "Xen\0"
           "4.18",
           9);
    memcpy(target.hypervisor,
           "Xen\0"
           "4.17",
           9);
    assert_fits();
}

static void r7_an_older_hypervisor_is_refused(void **state)
{
    static const char *const older[][2] = {
        { "Xen 4.17.3", "Xen 4.17.2" }, { "Xen 4.17", "Xen 4.9" },
        { "Xen 4.17.1", "Xen 4.17" },   { "Xen 4.17.10", "Xen 4.17.9-pre" },
        { "Xen 5.0", "Xen 4.17.3" },    { "sandbox 2", "sandbox 1" },
    };
    static const char *const fine[][2] = {
        { "Xen 4.17.2", "Xen 4.17.3" },
        { "Xen 4.9", "Xen 4.17" },
        { "Xen 4.17", "Xen 4.17.0" },
        { "Xen 4.17.0", "Xen 4.17" },
        { "Xen 4.17.3+13", "Xen 4.17.3" },
        { "Xen 4.17.3", "Xen 4.17.3-pre" },
        { "Xen 4.17.3", "Xen unstable" },
        { "Xen unstable", "Xen 4.17.3" },
        { "Xen", "Xen 4.17.3" },
        { "Xen 4.17.3", "Xen" },
        { "Xen 4.17.3", "Xen 4.99999999999999999999999" },
        { "Xen 4.17.3", "Xen 4.18446744073709551616" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(older) / sizeof(older[0]); i++) {
        hypervisors(older[i][0], older[i][1]);
        judge();
        assert_int_equal(found.n, 1);
        assert_int_equal(found.of[0].id, XF_FIND_OLDER);
        assert_non_null(strstr(found.of[0].detail, older[i][1]));
    }
    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
        hypervisors(fine[i][0], fine[i][1]);
        assert_fits();
    }
    /* Without an end, and with a number that goes up to it. */
    hypervisors("Xen 4.17.3", "Xen ");
    memset(target.hypervisor + 4, '9', sizeof(target.hypervisor) - 4);
    assert_fits();
}

static void r8_r9_what_is_there_already_is_refused(void **state)
{
    (void)state;
    target.name_taken = true;
    assert_found(XF_FIND_NAME_TAKEN, "");
    target.name_taken = false;
    target.uuid_taken = true;
    assert_found(XF_FIND_UUID_TAKEN, "");
    target.uuid_taken = false;
    source.name_taken = source.uuid_taken = true; /* it is the domain itself */
    assert_fits();
}

static void r10_r11_what_ties_a_domain_to_its_host_is_told(void **state)
{
    (void)state;
    guest.n_passthrough = 1;
    assert_found(XF_FIND_PASSTHROUGH, "1 device");
    guest.n_passthrough = 3;
    assert_found(XF_FIND_PASSTHROUGH, "3 devices");
    guest.n_passthrough = 0;
    guest.vnuma = true;
    assert_found(XF_FIND_VNUMA, "");
}

static void r12_only_a_guest_known_to_be_unable_to_suspend_is_refused(void **state)
{
    (void)state;
    guest.suspend_known = true;
    assert_found(XF_FIND_NO_SUSPEND, "");
    guest.can_suspend = true;
    assert_fits();
    guest.suspend_known = guest.can_suspend = false;
    assert_fits();
}

static void r13_what_cannot_be_logged_can_only_move_cold(void **state)
{
    (void)state;
    guest.logged = false;
    assert_found(XF_FIND_NO_LOG, "");
    guest.cold = true;
    assert_fits();
}

static void r14_clocks_may_differ_by_a_second_and_what_asking_took(void **state)
{
    const int64_t middle = ASKED + 100;

    (void)state;
    target.wall_ms = middle + 1100;
    assert_fits();
    target.wall_ms = middle - 1100;
    assert_fits();
    target.wall_ms = middle + 1101;
    assert_found(XF_FIND_CLOCK, "the target's is 1101 ms ahead");
    target.wall_ms = middle - 1101;
    assert_found(XF_FIND_CLOCK, "the target's is 1101 ms behind");
    answered_ms = ASKED;
    target.wall_ms = ASKED + 1001;
    assert_found(XF_FIND_CLOCK, "the target's is 1001 ms ahead");
    answered_ms = ASKED - 1;
    target.wall_ms = ASKED;
    assert_found(XF_FIND_CLOCK, "the source's own was set back meanwhile");
}

static void r14_no_clock_overflows(void **state)
{
    (void)state;
    target.wall_ms = INT64_MIN;
    asked_ms = answered_ms = INT64_MAX;
    assert_found(XF_FIND_CLOCK, "the target's is 18446744073709551615 ms behind");
    target.wall_ms = INT64_MAX;
    asked_ms = answered_ms = INT64_MIN;
    assert_found(XF_FIND_CLOCK, "the target's is 18446744073709551615 ms ahead");
    asked_ms = INT64_MIN;
    answered_ms = INT64_MAX;
    target.wall_ms = 0;
    assert_fits();
}

static void r15_no_free_slot_is_told(void **state)
{
    (void)state;
    target.slots_free = 0;
    assert_found(XF_FIND_SLOTS, "");
}

#define TEST(name) cmocka_unit_test_setup(name, up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_domain_that_fits_is_no_finding),
        TEST(r1_memory_is_enough_to_the_last_mib),
        TEST(r2_what_the_target_lacks_is_named),
        TEST(r2_what_the_domain_was_not_given_may_be_lacking),
        TEST(r2_eight_are_named_and_the_rest_is_counted),
        TEST(every_word_is_compared),
        TEST(r3_another_maker_is_refused),
        TEST(r4_what_is_not_told_is_not_taken_for_the_same),
        TEST(r4_an_untold_maker_excuses_no_lack),
        TEST(r5_what_says_no_ability_is_not_compared),
        TEST(the_words_and_the_maker_are_found_in_cpuid),
        TEST(r6_another_kind_of_hypervisor_is_refused),
        TEST(r7_an_older_hypervisor_is_refused),
        TEST(r8_r9_what_is_there_already_is_refused),
        TEST(r10_r11_what_ties_a_domain_to_its_host_is_told),
        TEST(r12_only_a_guest_known_to_be_unable_to_suspend_is_refused),
        TEST(r13_what_cannot_be_logged_can_only_move_cold),
        TEST(r14_clocks_may_differ_by_a_second_and_what_asking_took),
        TEST(r14_no_clock_overflows),
        TEST(r15_no_free_slot_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
