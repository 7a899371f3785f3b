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

struct node {
    const char *path; /* below /local/domain/7/attr/ */
    const char *value;
};

static const struct node *wrote; /* by the guest; ends with an empty one */
static bool writes_all;          /* each node that is asked for is another address */
static unsigned n_reads;
static const char with_nul[] = "10.0.0.9\0junk";

static const char *written_at(const char *path)
{
    static const char attr[] = "/local/domain/7/attr/";
    static char text[32];

    assert_memory_equal(path, attr, strlen(attr)); /* nothing else is looked at */
    n_reads++;
    if (writes_all) {
        snprintf(text, sizeof(text), "10.1.0.%u", n_reads);
        return text;
    }
    for (const struct node *node = wrote; node->path != NULL; node++) {
        if (strcmp(path + strlen(attr), node->path) == 0) {
            return node->value;
        }
    }
    return NULL;
}

void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *len)
{
    const char *value = wrote != NULL ? written_at(path)
                        : strcmp(path, "/local/domain/7/control/feature-suspend") == 0  ? suspend
                        : strcmp(path, "/local/domain/7/control/feature-poweroff") == 0 ? poweroff
                        : strcmp(path, "/local/domain/7/control/feature-reboot") == 0   ? reboot
                                                                                        : NULL;

    (void)h;
    (void)t;
    if (value == NULL) {
        return NULL;
    }
    *len = value == with_nul ? sizeof(with_nul) : (unsigned)strlen(value);
    return memcpy(calloc(1, *len + 1u), value, *len);
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
    wrote = NULL;
    writes_all = false;
    n_reads = 0;
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

/* What is read of two vifs, whose numbers are 0 and 5, when the guest has written that. */
static struct xf_addresses addresses_of(const struct node *nodes)
{
    static const uint32_t devid[] = { 0, 5 };
    struct xf_addresses addresses = { .n_vifs = 2 };

    addresses.vif[0].mac[5] = 1;
    addresses.vif[1].mac[5] = 2;
    wrote = nodes;
    n_reads = 0;
    xf_xen_addresses(NULL, 7, devid, &addresses);
    wrote = NULL;
    assert_int_equal(addresses.n_vifs, 2);
    assert_int_equal(addresses.vif[0].mac[5], 1);
    assert_int_equal(addresses.vif[1].mac[5], 2);
    return addresses;
}

static void addresses_are_read_where_guests_agents_write_them(void **state)
{
    static const struct node nodes[] = { { "vif/0/ipv4/0", "10.0.0.7" },
                                         { "vif/0/ipv4/2", "10.0.0.8" },
                                         { "vif/5/ipv4/3", "192.168.7.1" },
                                         { NULL, NULL } };
    struct xf_addresses addresses = addresses_of(nodes);

    (void)state;
    assert_int_equal(addresses.vif[0].n_ipv4, 2);
    assert_int_equal(addresses.vif[0].ipv4[0].address, 0x0a000007);
    assert_int_equal(addresses.vif[0].ipv4[1].address, 0x0a000008);
    assert_int_equal(addresses.vif[1].n_ipv4, 1);
    assert_int_equal(addresses.vif[1].ipv4[0].address, 0xc0a80701);
}

static void addresses_are_read_where_older_agents_write_them(void **state)
{
    static const struct node nodes[] = { { "eth0/ip", "10.0.0.7" },
                                         { "vif/5/ipv4/0", "10.0.0.8" },
                                         { "eth5/ip", "10.0.0.8" }, /* the same */
                                         { NULL, NULL } };
    struct xf_addresses addresses = addresses_of(nodes);

    (void)state;
    assert_int_equal(addresses.vif[0].n_ipv4, 1);
    assert_int_equal(addresses.vif[0].ipv4[0].address, 0x0a000007);
    assert_int_equal(addresses.vif[1].n_ipv4, 1);
    assert_int_equal(addresses.vif[1].ipv4[0].address, 0x0a000008);
}

static void what_is_no_address_of_one_of_its_vifs_is_left_out(void **state)
{
    static const struct node nodes[] = { { "vif/0/ipv4/0", "no address" },
                                         { "vif/0/ipv4/1", "127.0.0.1" },
                                         { "vif/0/ipv4/2", "" },
                                         { "vif/0/ipv4/3", with_nul },
                                         { "vif/0/ipv6/0", "fe80::1" },
                                         { "vif/5/ipv4/0", "fe80::1" },
                                         { "vif/5/ipv4/1", "255.255.255.255" },
                                         { "vif/1/ipv4/0", "10.0.0.7" },
                                         { "eth1/ip", "10.0.0.7" },
                                         { "eth0/ip", "10.0.0.7 10.0.0.8" },
                                         { NULL, NULL } };
    struct xf_addresses addresses = addresses_of(nodes);

    (void)state;
    for (uint32_t i = 0; i < addresses.n_vifs; i++) {
        assert_int_equal(addresses.vif[i].n_ipv4, 0);
        assert_int_equal(addresses.vif[i].n_ipv6, 0);
    }
}

static void a_guest_that_writes_wildly_costs_a_few_reads(void **state)
{
    static const struct node none[] = { { NULL, NULL } };
    static const uint32_t devid[XF_ADDRESSES_VIFS] = { UINT32_MAX };
    struct xf_addresses addresses = addresses_of(none);

    (void)state;
    assert_int_equal(n_reads, 2 * (XF_TOLD_MAX + 1));
    writes_all = true;
    addresses = addresses_of(none);
    assert_int_equal(n_reads, 2 * (XF_TOLD_MAX + 1));
    assert_int_equal(addresses.vif[0].n_ipv4, XF_TOLD_MAX);
    assert_int_equal(addresses.vif[1].n_ipv4, XF_TOLD_MAX);

    wrote = none;
    n_reads = 0;
    addresses = (struct xf_addresses){ .n_vifs = XF_ADDRESSES_VIFS };
    xf_xen_addresses(NULL, 7, devid, &addresses);
    assert_int_equal(n_reads, XF_ADDRESSES_VIFS * (XF_TOLD_MAX + 1));
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
        TEST(addresses_are_read_where_guests_agents_write_them),
        TEST(addresses_are_read_where_older_agents_write_them),
        TEST(what_is_no_address_of_one_of_its_vifs_is_left_out),
        TEST(a_guest_that_writes_wildly_costs_a_few_reads),
        TEST(what_a_domain_was_given_is_read),
        TEST(what_cannot_be_read_is_not_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
