/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "xen_guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenguest.h>
#include <xenstore.h>

#include <xen/hvm/params.h>

#include "xen_proto.h"

/* ---- processors ---- */

static void take_leaves(const xen_cpuid_leaf_t *leaves, uint32_t n, struct xf_cpu *cpu)
{
    for (uint32_t i = 0; i < n; i++) {
        const xen_cpuid_leaf_t *leaf = &leaves[i];
        const uint32_t reg[4] = { leaf->a, leaf->b, leaf->c, leaf->d };

        xf_cpu_take(cpu, leaf->leaf, leaf->subleaf != XEN_CPUID_NO_SUBLEAF ? leaf->subleaf : 0,
                    reg);
    }
    cpu->known = true;
}

/* Of a policy that was got if r is 0; gives it back. */
static void read_policy(struct xf_xen *xen, int r, xc_cpu_policy_t *policy, struct xf_cpu *ret_cpu)
{
    uint32_t n_leaves = 0, n_msrs = 0;
    xen_cpuid_leaf_t *leaves = NULL;
    char said[XF_XEN_TEXT];

    memset(ret_cpu, 0, sizeof(*ret_cpu));
    if (r == 0 && xc_cpu_policy_get_size(xen->xc, &n_leaves, &n_msrs) == 0 && n_leaves > 0) {
        leaves = calloc(n_leaves, sizeof(*leaves));
        if (leaves == NULL) {
            abort();
        }
        if (xc_cpu_policy_serialise(xen->xc, policy, leaves, &n_leaves, NULL, NULL) == 0) {
            take_leaves(leaves, n_leaves, ret_cpu);
        }
    }
    free(leaves);
    xc_cpu_policy_destroy(policy);
    xf_xen_complaint(xen, said, sizeof(said)); /* not to be taken for why something else fails */
}

static xc_cpu_policy_t *new_policy(void)
{
    xc_cpu_policy_t *policy = xc_cpu_policy_init();

    if (policy == NULL) {
        abort();
    }
    return policy;
}

void xf_xen_cpu_most(struct xf_xen *xen, bool pv, struct xf_cpu *ret_cpu)
{
    xc_cpu_policy_t *policy = new_policy();
    int r = xc_cpu_policy_get_system(
        xen->xc, pv ? XEN_SYSCTL_cpu_policy_pv_max : XEN_SYSCTL_cpu_policy_hvm_max, policy);

    read_policy(xen, r, policy, ret_cpu);
}

void xf_xen_cpu_given(struct xf_xen *xen, uint32_t domid, struct xf_cpu *ret_cpu)
{
    xc_cpu_policy_t *policy = new_policy();
    int r = xc_cpu_policy_get_domain(xen->xc, domid, policy);

    read_policy(xen, r, policy, ret_cpu);
}

/* ---- suspending ---- */

/* What the guest wrote there: 0: nothing, 1: "1", -1: anything else. libxl makes the nodes empty. */
static int written(struct xs_handle *xs, uint32_t domid, const char *node)
{
    char path[80];
    unsigned size = 0;
    char *value;
    int said = 0;

    snprintf(path, sizeof(path), "/local/domain/%u/control/%s", domid, node);
    value = xs_read(xs, XBT_NULL, path, &size);
    if (value != NULL && size > 0) {
        said = strcmp(value, "1") == 0 ? 1 : -1; /* xs_read() puts a NUL behind it */
    }
    free(value);
    return said;
}

/* Such a one libxl suspends without asking it. */
static bool has_no_drivers(struct xf_xen *xen, const xc_domaininfo_t *info)
{
    uint64_t callback = 1;

    return xf_xen_is_hvm(info) &&
           xc_hvm_param_get(xen->xc, info->domain, HVM_PARAM_CALLBACK_IRQ, &callback) == 0 &&
           callback == 0;
}

/*
 * R12. A guest writes these nodes once, when its drivers start: one that was moved since, or whose
 * drivers are of another make, shows none of them and may yet be able to.
 */
bool xf_xen_suspends(struct xf_xen *xen, struct xs_handle *xs, const xc_domaininfo_t *info,
                     struct xf_guest *guest)
{
    int says = written(xs, info->domain, "feature-suspend");

    guest->can_suspend = says == 1 || has_no_drivers(xen, info);
    guest->suspend_known = guest->can_suspend || says != 0 ||
                           written(xs, info->domain, "feature-poweroff") == 1 ||
                           written(xs, info->domain, "feature-reboot") == 1;
    return says == 1;
}

/* ---- addresses ---- */

static void read_address(struct xs_handle *xs, const char *path, struct xf_vif_addresses *vif)
{
    unsigned size = 0;
    char *value = xs_read(xs, XBT_NULL, path, &size); /* 4096 bytes at most: XENSTORE_PAYLOAD_MAX */

    if (value != NULL) {
        (void)xf_addresses_told(vif, value, size);
    }
    free(value);
}

/*
 * Xen's xenstore-paths: ~/attr/vif/$DEVID/ipv4/$INDEX. An index is "arbitrary", but guests' agents
 * count from 0. Older ones know one address of each interface, ~/attr/ethN/ip. The guest owns ~/attr:
 * it is neither listed nor watched, which would take as long as the guest likes.
 */
void xf_xen_addresses(struct xs_handle *xs, uint32_t domid, const uint32_t *devid,
                      struct xf_addresses *addresses)
{
    for (uint32_t i = 0; i < addresses->n_vifs; i++) {
        struct xf_vif_addresses *vif = &addresses->vif[i];
        char path[80];

        for (unsigned index = 0; index < XF_TOLD_MAX; index++) {
            snprintf(path, sizeof(path), "/local/domain/%u/attr/vif/%u/ipv4/%u", domid, devid[i],
                     index);
            read_address(xs, path, vif);
        }
        snprintf(path, sizeof(path), "/local/domain/%u/attr/eth%u/ip", domid, devid[i]);
        read_address(xs, path, vif);
    }
}
