/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the agent's hands take a played Xen (tests/played_xen.c) for. Where it or a library of it is
 * of another version than this build's, they say so and do nothing, and the stop rule leaves a
 * libxenguest alone whose structures it does not know. Of one that fits they tell the agent what it
 * can do.
 *
 * Started by itself with an argument, this is a save helper: it says whether the rule was put in.
 */
#include "config.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libxl.h>
#include <xenctrl.h>
#include <xenguest.h>

#include "unit.h"

#include "xen/preload/policy_proto.h"
#include "xen/xen_proto.h"

#define XEN    "agent/xen/xenferry-xen"
#define POLICY "agent/xen/preload/xenferry-policy.so"
#define PLAYED "tests/played_xen.so"
#define LINK   5 /* descriptor of the rule's link in a save helper */

typedef int save_fn(xc_interface *xch, int io_fd, uint32_t dom, uint32_t flags,
                    struct save_callbacks *callbacks, xc_stream_type_t stream_type, int recv_fd);

static char here[4096]; /* the folder of the build */
static char dir[] = "/tmp/xfversions.XXXXXX";

/* ---- this program as a save helper ---- */

static int suspends(void *data)
{
    (void)data;
    return 1;
}

static int save(void)
{
    struct save_callbacks callbacks = { .suspend = suspends };
    save_fn *function = (save_fn *)(uintptr_t)dlsym(RTLD_DEFAULT, "xc_domain_save");

    return function != NULL ? function(NULL, 1, 1, 0, &callbacks, XC_STREAM_PLAIN, -1) : 2;
}

/* ---- starting what is looked at ---- */

/* ret: absolute path of a file of the build */
static const char *built(const char *name, char ret[8192])
{
    snprintf(ret, 8192, "%s/%s", here, name);
    return ret;
}

/* In the child. A sanitizer's runtime would insist on being the first to be loaded. */
static void preload(const char *libraries)
{
    const char *options = getenv("ASAN_OPTIONS");
    char text[1024];

    snprintf(text, sizeof(text), "%s%sverify_asan_link_order=0", options != NULL ? options : "",
             options != NULL ? ":" : "");
    setenv("ASAN_OPTIONS", text, 1);
    setenv("LD_PRELOAD", libraries, 1);
}

static int status_of(pid_t child)
{
    int status;

    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* xenferry-xen, told to watch or to do one operation, with a hypervisor of that version. */
static pid_t start_hands(const char *version, const char *what, int *ret_link)
{
    const struct timeval limit = { .tv_sec = 30 };
    char program[8192];
    char played[8192];
    int pair[2];
    pid_t child;

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        preload(built(PLAYED, played));
        setenv("XF_PLAYED_VERSION", version, 1);
        if (dup2(pair[1], XF_XEN_FD) < 0) {
            _exit(126);
        }
        closefrom(XF_XEN_FD + 1);
        execl(built(XEN, program), XEN, "-d", dir, what, (char *)NULL);
        _exit(127);
    }
    close(pair[1]);
    assert_int_equal(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    *ret_link = pair[0];
    return child;
}

/*
 * xenferry-xen watching a hypervisor of that version; its exit status, and what it told first or,
 * if `is` is not NULL, the first that is so, which is among the first few: facts come every second.
 */
static int watched(const char *version, bool (*is)(const struct xf_xen_msg *msg),
                   struct xf_xen_msg *ret_msg)
{
    unsigned few = 10;
    static struct xf_xen_msg rest;
    int link;
    pid_t child = start_hands(version, "watch", &link);
    ssize_t n;

    do {
        n = recv(link, ret_msg, sizeof(*ret_msg), 0);
        assert_true(n > 0 && xf_xen_msg_ok(ret_msg, (size_t)n));
    } while (is != NULL && !is(ret_msg) && --few > 0);
    /* One whose words were never read would see its link reset, and not end. */
    assert_int_equal(shutdown(link, SHUT_WR), 0);
    while (recv(link, &rest, sizeof(rest), 0) > 0) {
    }
    close(link);
    return status_of(child);
}

/* A save by a libxenguest of that name, with the stop rule before it and told of a link or not.
 * Returns whether the rule was put in; it must have said so then, and only then. */
static bool rule_put_in(const char *library, bool linked)
{
    struct xf_policy_msg msg;
    char libraries[3 * 8192];
    char played[8192];
    char policy[8192];
    char link[sizeof(dir) + 64];
    int pair[2];
    pid_t child;
    bool taken;
    int status;

    snprintf(link, sizeof(link), "%s/%s", dir, library);
    assert_int_equal(symlink(built(PLAYED, played), link), 0);
    snprintf(libraries, sizeof(libraries), "%s %s", built(POLICY, policy), link);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        preload(libraries);
        unsetenv(XF_POLICY_ENV);
        if (linked) {
            char number[16];

            snprintf(number, sizeof(number), "%d", LINK);
            setenv(XF_POLICY_ENV, number, 1);
        }
        if (dup2(pair[1], LINK) < 0) {
            _exit(126);
        }
        execl("/proc/self/exe", "xen_versions", "save", (char *)NULL);
        _exit(127);
    }
    close(pair[1]);
    status = status_of(child);
    taken =
        recv(pair[0], &msg, sizeof(msg), 0) == (ssize_t)sizeof(msg) && msg.say == XF_POLICY_TAKEN;
    close(pair[0]);
    assert_int_equal(unlink(link), 0);
    assert_in_range(status, 0, 1);
    assert_int_equal(taken, status == 1);
    return taken;
}

/* What it tells of a host with that scheduler and those capabilities. */
static void assert_facts(int scheduler, const char *name, uint32_t capabilities, bool pv, bool hvm)
{
    static struct xf_xen_msg msg;
    char version[16];
    char number[16];

    snprintf(number, sizeof(number), "%d", scheduler);
    setenv("XF_PLAYED_SCHEDULER", number, 1);
    snprintf(number, sizeof(number), "0x%x", capabilities);
    setenv("XF_PLAYED_CAPABILITIES", number, 1);
    snprintf(version, sizeof(version), "%d.%d", XF_XEN_MAJOR, XF_XEN_MINOR);
    assert_int_equal(watched(version, NULL, &msg), 0);
    assert_int_equal(msg.type, XF_XEN_FACTS);
    assert_int_equal(msg.facts.memory_total_mib, 3072);
    assert_int_equal(msg.facts.memory_free_mib, 1280);
    assert_int_equal(msg.facts.cpus, 6);
    assert_string_equal(msg.facts.scheduler, name);
    assert_int_equal(msg.facts.logs_pv, pv);
    assert_int_equal(msg.facts.logs_hvm, hvm);
}

/* ---- tests ---- */

static void a_hypervisor_of_another_release_is_named_and_left_alone(void **state)
{
    static struct xf_xen_msg msg;
    char both[XF_XEN_TEXT];
    char other[16];

    (void)state;
    snprintf(other, sizeof(other), "%d.%d", XF_XEN_MAJOR, XF_XEN_MINOR + 1);
    assert_int_equal(watched(other, NULL, &msg), 1);
    assert_int_equal(msg.type, XF_XEN_DONE);
    assert_int_equal(msg.reason, XF_REASON_HYPERVISOR);
    snprintf(both, sizeof(both),
             "Xen %s runs here, but xenferry was built with the libraries of Xen %d.%d", other,
             XF_XEN_MAJOR, XF_XEN_MINOR);
    assert_string_equal(msg.text, both);
}

static void a_hypervisor_that_says_no_version_is_left_alone(void **state)
{
    static struct xf_xen_msg msg;

    (void)state;
    assert_int_equal(watched("", NULL, &msg), 1);
    assert_int_equal(msg.type, XF_XEN_DONE);
    assert_string_equal(msg.text, "Xen does not say its version");
}

static void guests_whose_writes_xen_can_log_are_told_by_how_it_keeps_their_memory(void **state)
{
    const uint32_t hap = XEN_SYSCTL_PHYSCAP_hap, shadow = XEN_SYSCTL_PHYSCAP_shadow;
    const uint32_t others = (2 * XEN_SYSCTL_PHYSCAP_MAX - 1) & ~(hap | shadow);

    (void)state;
    assert_facts(XEN_SCHEDULER_CREDIT2, "credit2", hap | shadow, true, true);
    assert_facts(XEN_SCHEDULER_CREDIT2, "credit2", others | hap, false, true);
    assert_facts(XEN_SCHEDULER_CREDIT2, "credit2", others | shadow, true, true);
    assert_facts(XEN_SCHEDULER_CREDIT2, "credit2", others, false, false);
}

static void the_scheduler_is_told_by_its_name_or_not_at_all(void **state)
{
    (void)state;
    assert_facts(XEN_SCHEDULER_CREDIT, "credit", 0, false, false);
    assert_facts(XEN_SCHEDULER_NULL, "null", 0, false, false);
    assert_facts(99, "", 0, false, false);
    assert_facts(ERROR_FAIL, "", 0, false, false);
}

static void what_a_guest_may_be_given_of_the_processors_is_told(void **state)
{
    static struct xf_xen_msg msg;
    char version[16];

    (void)state;
    snprintf(version, sizeof(version), "%d.%d", XF_XEN_MAJOR, XF_XEN_MINOR);
    assert_int_equal(watched(version, NULL, &msg), 0);
    assert_int_equal(msg.type, XF_XEN_FACTS);
    assert_true(msg.cpu[0].known);
    assert_string_equal(msg.cpu[0].vendor, "GenuineIntel");
    assert_int_equal(msg.cpu[0].word[XF_CPU_1_ECX], 3);
    assert_int_equal(msg.cpu[0].word[XF_CPU_1_EDX], 4);
    assert_int_equal(msg.cpu[0].word[XF_CPU_7_EBX], 1u << 5);
    assert_int_equal(msg.cpu[0].word[XF_CPU_71_EAX], 0x30);
    assert_int_equal(msg.cpu[0].word[XF_CPU_E1_ECX], 5);
    assert_int_equal(msg.cpu[0].word[XF_CPU_E1_EDX], 6);
    assert_int_equal(msg.cpu[0].word[XF_CPU_E8_EBX], 0);
    assert_false(msg.cpu[1].known);
    assert_string_equal(msg.cpu[1].vendor, "");
}

static bool is_left(const struct xf_xen_msg *msg)
{
    return msg->type == XF_XEN_DOMAIN && msg->dom.variant == XF_VARIANT_MIGRATEDAWAY;
}

/* No watch of xenstore's tells of a rename; xl's migration does it while the domain is suspended. */
static void a_suspended_domain_that_xl_renames_is_told_as_left_behind(void **state)
{
    static struct xf_xen_msg msg;
    char version[16];

    (void)state;
    setenv("XF_PLAYED_NAMES", "g1,g1--migratedaway", 1);
    snprintf(version, sizeof(version), "%d.%d", XF_XEN_MAJOR, XF_XEN_MINOR);
    assert_int_equal(watched(version, is_left, &msg), 0);
    unsetenv("XF_PLAYED_NAMES");
    assert_string_equal(msg.dom.name, "g1");
    assert_int_equal(msg.dom.copy, XF_COPY_SUSPENDED);
    assert_true(msg.dom.foreign);
}

static struct xf_guest first_guest;
static unsigned n_guests;

static bool is_second_guest(const struct xf_xen_msg *msg)
{
    if (msg->type != XF_XEN_GUEST) {
        return false;
    }
    if (n_guests == 0) {
        first_guest = msg->guest;
    }
    return ++n_guests == 2;
}

static void what_a_running_domain_was_given_is_told_and_that_it_can_be_suspended_now(void **state)
{
    static struct xf_xen_msg msg;
    char version[16];

    (void)state;
    setenv("XF_PLAYED_NAMES", "g1", 1);
    setenv("XF_PLAYED_RUNS", "1", 1);
    snprintf(version, sizeof(version), "%d.%d", XF_XEN_MAJOR, XF_XEN_MINOR);
    assert_int_equal(watched(version, is_second_guest, &msg), 0);
    unsetenv("XF_PLAYED_NAMES");
    unsetenv("XF_PLAYED_RUNS");
    assert_int_equal(n_guests, 2);
    assert_true(first_guest.cpu.known);
    assert_int_equal(first_guest.cpu.word[XF_CPU_7_EBX], 1u << 5);
    assert_false(first_guest.suspend_known);
    assert_int_equal(msg.dom.domid.v, 1);
    assert_int_equal(msg.guest.cpu.word[XF_CPU_7_EBX], 1u << 5);
    assert_true(msg.guest.suspend_known);
    assert_true(msg.guest.can_suspend);
}

/* xenstored is enough: the hypervisor, and so its version, is not asked. */
static void the_addresses_that_a_guest_has_written_are_told(void **state)
{
    static struct xf_xen_msg msg;
    ssize_t n;
    pid_t child;
    int link;

    (void)state;
    msg.type = XF_XEN_ADDRESSES;
    msg.uuid.b[0] = 7;
    msg.dom.domid.v = 1;
    msg.addresses.n_vifs = 2;
    msg.addresses.vif[1].mac[5] = 9;
    msg.devid[1] = 3;
    child = start_hands("", "op", &link);
    assert_int_equal(send(link, &msg, xf_xen_msg_size(&msg), 0), xf_xen_msg_size(&msg));
    n = recv(link, &msg, sizeof(msg), 0);
    assert_true(n > 0 && xf_xen_msg_ok(&msg, (size_t)n));
    close(link);
    assert_int_equal(status_of(child), 0);
    assert_int_equal(msg.type, XF_XEN_DONE);
    assert_int_equal(msg.reason, XF_REASON_OK);
    assert_int_equal(msg.uuid.b[0], 7);
    assert_int_equal(msg.addresses.n_vifs, 2);
    assert_int_equal(msg.addresses.vif[0].n_ipv4, 0);
    assert_int_equal(msg.addresses.vif[1].mac[5], 9);
    assert_int_equal(msg.addresses.vif[1].n_ipv4, 1);
    assert_int_equal(msg.addresses.vif[1].ipv4[0].address, 0x0a000007);
}

static void the_rule_is_put_into_the_library_that_it_was_built_with(void **state)
{
    (void)state;
    assert_true(rule_put_in("libxenguest.so." XF_XEN_ABI, true));
}

static void another_release_of_the_library_is_left_alone(void **state)
{
    static const char *const others[] = { "libxenguest.so." XF_XEN_ABI "1", "libxenguest.so.0",
                                          "libxenguest.so" };

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_false(rule_put_in(others[i], true));
    }
}

static void without_a_mover_nothing_is_touched(void **state)
{
    (void)state;
    assert_false(rule_put_in("libxenguest.so." XF_XEN_ABI, false));
}

static int make_dir(void **state)
{
    (void)state;
    return getcwd(here, sizeof(here)) != NULL && mkdtemp(dir) != NULL ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return rmdir(dir);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hypervisor_of_another_release_is_named_and_left_alone),
        cmocka_unit_test(a_hypervisor_that_says_no_version_is_left_alone),
        cmocka_unit_test(guests_whose_writes_xen_can_log_are_told_by_how_it_keeps_their_memory),
        cmocka_unit_test(the_scheduler_is_told_by_its_name_or_not_at_all),
        cmocka_unit_test(what_a_guest_may_be_given_of_the_processors_is_told),
        cmocka_unit_test(a_suspended_domain_that_xl_renames_is_told_as_left_behind),
        cmocka_unit_test(what_a_running_domain_was_given_is_told_and_that_it_can_be_suspended_now),
        cmocka_unit_test(the_addresses_that_a_guest_has_written_are_told),
        cmocka_unit_test(the_rule_is_put_into_the_library_that_it_was_built_with),
        cmocka_unit_test(another_release_of_the_library_is_left_alone),
        cmocka_unit_test(without_a_mover_nothing_is_touched),
    };

    if (argc == 2 && strcmp(argv[1], "save") == 0) {
        return save();
    }
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
