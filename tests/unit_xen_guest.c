/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What xenferry-xen makes of what Xen and a guest say of it; both are played here. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenctrl.h>
#include <xenguest.h>
#include <xenstore.h>

#include <xen/hvm/params.h>

#include "unit.h"

#include "xen/xen_guest.h"

/* ---- played ---- */

static const char *suspend, *poweroff, *reboot; /* NULL: no node */
static bool is_hvm;
static bool param_fails;
static uint64_t callback;
static bool policy_fails, size_fails, serialise_fails;
static int n_policies; /* not given back */
static struct xf_xen xen;

void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *len)
{
    const char *value = strcmp(path, "/local/domain/7/control/feature-suspend") == 0    ? suspend
                        : strcmp(path, "/local/domain/7/control/feature-poweroff") == 0 ? poweroff
                        : strcmp(path, "/local/domain/7/control/feature-reboot") == 0   ? reboot
                                                                                        : NULL;

    (void)h;
    (void)t;
    if (value == NULL) {
        return NULL;
    }
    *len = (unsigned)strlen(value);
    return strdup(value);
}

bool xf_xen_is_hvm(const xc_domaininfo_t *info)
{
    (void)info;
    return is_hvm;
}

void xf_xen_complaint(struct xf_xen *x, char *buf, size_t size)
{
    (void)x;
    (void)size;
    buf[0] = '\0';
}

int xc_hvm_param_get(xc_interface *handle, uint32_t dom, uint32_t param, uint64_t *value)
{
    (void)handle;
    assert_int_equal(dom, 7);
    assert_int_equal(param, HVM_PARAM_CALLBACK_IRQ);
    *value = callback;
    return param_fails ? -1 : 0;
}

xc_cpu_policy_t *xc_cpu_policy_init(void)
{
    n_policies++;
    return (xc_cpu_policy_t *)&n_policies;
}

void xc_cpu_policy_destroy(xc_cpu_policy_t *policy)
{
    assert_ptr_equal(policy, &n_policies);
    n_policies--;
}

int xc_cpu_policy_get_system(xc_interface *xch, unsigned int policy_idx, xc_cpu_policy_t *policy)
{
    (void)xch;
    (void)policy;
    return policy_idx == XEN_SYSCTL_cpu_policy_pv_max ? -1 : 0;
}

int xc_cpu_policy_get_domain(xc_interface *xch, uint32_t domid, xc_cpu_policy_t *policy)
{
    (void)xch;
    (void)policy;
    assert_int_equal(domid, 7);
    return policy_fails ? -1 : 0;
}

int xc_cpu_policy_get_size(xc_interface *xch, uint32_t *nr_leaves, uint32_t *nr_msrs)
{
    (void)xch;
    *nr_leaves = 2;
    *nr_msrs = 1;
    return size_fails ? -1 : 0;
}

int xc_cpu_policy_serialise(xc_interface *xch, const xc_cpu_policy_t *policy,
                            xen_cpuid_leaf_t *leaves, uint32_t *nr_leaves, xen_msr_entry_t *msrs,
                            uint32_t *nr_msrs)
{
    (void)xch;
    (void)policy;
    (void)msrs;
    (void)nr_msrs;
    leaves[0] = (xen_cpuid_leaf_t){ 1, XEN_CPUID_NO_SUBLEAF, 0, 0, 5, 6 };
    leaves[1] = (xen_cpuid_leaf_t){ 7, 1, 9, 0, 0, 0 };
    *nr_leaves = 2;
    return serialise_fails ? -1 : 0;
}

/* ---- tests ---- */

static int up(void **state)
{
    (void)state;
    suspend = poweroff = reboot = ""; /* as libxl makes them */
    is_hvm = param_fails = false;
    callback = 1;
    policy_fails = size_fails = serialise_fails = false;
    return 0;
}

enum says {
    CAN, /* the guest says so */
    CANNOT,
    UNKNOWN,
    ANYWAY, /* it is not asked */
};

static void assert_says(enum says says)
{
    const xc_domaininfo_t info = { .domain = 7 };
    struct xf_guest guest = { .suspend_known = says != CAN, .can_suspend = says != CAN };

    assert_int_equal(xf_xen_suspends(&xen, NULL, &info, &guest), says == CAN);
    assert_int_equal(guest.can_suspend, says == CAN || says == ANYWAY);
    assert_int_equal(guest.suspend_known, says != UNKNOWN);
}

static void a_guest_that_says_so_can_be_suspended(void **state)
{
    (void)state;
    suspend = "1";
    assert_says(CAN);
    is_hvm = true;
    assert_says(CAN);
}

static void a_guest_that_has_said_nothing_is_not_known(void **state)
{
    (void)state;
    assert_says(UNKNOWN);
    suspend = poweroff = reboot = NULL;
    assert_says(UNKNOWN);
    is_hvm = true;
    assert_says(UNKNOWN);
}

static void a_guest_that_says_otherwise_cannot_be(void **state)
{
    (void)state;
    suspend = "0";
    assert_says(CANNOT);
    suspend = "yes";
    assert_says(CANNOT);
}

static void a_guest_whose_drivers_leave_it_out_cannot_be(void **state)
{
    (void)state;
    poweroff = "1";
    assert_says(CANNOT);
    poweroff = NULL;
    reboot = "1";
    suspend = NULL;
    assert_says(CANNOT);
    suspend = "1";
    assert_says(CAN);
}

static void an_hvm_guest_without_drivers_is_not_asked(void **state)
{
    (void)state;
    callback = 0;
    assert_says(UNKNOWN); /* PV, PVH */
    is_hvm = true;
    assert_says(ANYWAY);
    param_fails = true;
    assert_says(UNKNOWN);
}

static void what_a_domain_was_given_is_read(void **state)
{
    struct xf_cpu cpu;

    (void)state;
    memset(&cpu, 0xff, sizeof(cpu));
    xf_xen_cpu_given(&xen, 7, &cpu);
    assert_true(cpu.known);
    assert_int_equal(cpu.word[XF_CPU_1_ECX], 5);
    assert_int_equal(cpu.word[XF_CPU_1_EDX], 6);
    assert_int_equal(cpu.word[XF_CPU_71_EAX], 9);
    assert_int_equal(cpu.word[XF_CPU_7_EBX], 0);
    assert_int_equal(n_policies, 0);
}

static void what_cannot_be_read_is_not_known(void **state)
{
    bool *const fails[] = { &policy_fails, &size_fails, &serialise_fails };
    struct xf_cpu cpu;

    (void)state;
    for (size_t i = 0; i < sizeof(fails) / sizeof(fails[0]); i++) {
        *fails[i] = true;
        memset(&cpu, 0xff, sizeof(cpu));
        xf_xen_cpu_given(&xen, 7, &cpu);
        assert_false(cpu.known);
        assert_int_equal(cpu.word[XF_CPU_1_ECX], 0);
        *fails[i] = false;
    }
    xf_xen_cpu_most(&xen, true, &cpu);
    assert_false(cpu.known);
    xf_xen_cpu_most(&xen, false, &cpu);
    assert_true(cpu.known);
    assert_int_equal(n_policies, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_guest_that_says_so_can_be_suspended),
        TEST(a_guest_that_has_said_nothing_is_not_known),
        TEST(a_guest_that_says_otherwise_cannot_be),
        TEST(a_guest_whose_drivers_leave_it_out_cannot_be),
        TEST(an_hvm_guest_without_drivers_is_not_asked),
        TEST(what_a_domain_was_given_is_read),
        TEST(what_cannot_be_read_is_not_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
