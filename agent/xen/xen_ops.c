/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "xen_ops.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <xenstore.h>

#include "xen_guest.h"
#include "xen_keep.h"
#include "xen_mark.h"

/* Two: a domain that goes from this host to itself is there as both. */
#define COPIES_MAX      4u
/* How long a guest that was asked to suspend may take until it has. */
#define PENDING_WAIT_MS 20000u
#define PENDING_POLL_MS 20u
/* A xenstored that is slower has told too late for the move; nobody else ends us. */
#define ADDRESSES_S     10u

static void answer(struct xf_xen_msg *msg, enum xf_reason reason, const char *text)
{
    msg->type = XF_XEN_DONE;
    msg->reason = (uint32_t)reason;
    msg->config_size = 0;
    xf_text_copy(msg->text, sizeof(msg->text), text);
}

static void answer_error(struct xf_xen *xen, struct xf_xen_msg *msg, int r,
                         enum xf_reason otherwise)
{
    char text[XF_XEN_TEXT];
    enum xf_reason reason = xf_xen_error(xen, r, otherwise, text);

    answer(msg, reason, text);
}

/* ---- create ---- */

static bool has_memory(struct xf_xen *xen, struct xf_xen_msg *msg, libxl_domain_config *config)
{
    uint64_t need_kib = 0, free_kib = 0;
    char text[XF_XEN_TEXT];
    int r = libxl_domain_need_memory(xen->libxl, config, 0, &need_kib);

    r = r != 0 ? r : libxl_get_free_memory(xen->libxl, &free_kib);
    if (r != 0) {
        answer_error(xen, msg, r, r == ERROR_INVAL ? XF_REASON_CONFIG : XF_REASON_HYPERVISOR);
        return false;
    }
    if (need_kib > free_kib) {
        snprintf(text, sizeof(text), "Xen has %llu MiB free, the domain needs %llu",
                 (unsigned long long)(free_kib >> 10), (unsigned long long)(need_kib >> 10));
        answer(msg, XF_REASON_NO_MEMORY, text);
        return false;
    }
    return true;
}

/* libxl misses them as well, but says of it only that something is invalid. */
static bool has_disks(struct xf_xen_msg *msg, const libxl_domain_config *config)
{
    for (int i = 0; i < config->num_disks; i++) {
        const libxl_device_disk *disk = &config->disks[i];
        char text[XF_XEN_TEXT];

        /* What a script makes a disk of, or another domain has, need not be a file here. */
        if (disk->pdev_path != NULL && disk->pdev_path[0] == '/' && disk->script == NULL &&
            disk->backend_domid == 0 && disk->backend_domname == NULL &&
            access(disk->pdev_path, F_OK) != 0) {
            snprintf(text, sizeof(text), "%.200s: %s", disk->pdev_path, strerror(errno));
            answer(msg, XF_REASON_NO_DISK, text);
            return false;
        }
    }
    return true;
}

static void build(struct xf_xen *xen, const char *dir, struct xf_xen_msg *msg,
                  libxl_domain_config *config)
{
    uint32_t domid = XF_XEN_NO_DOMID;
    int r;

    config->c_info.domid = XF_XEN_NO_DOMID;
    memcpy(&config->c_info.uuid, msg->uuid.b, sizeof(msg->uuid.b));
    if (!has_disks(msg, config) || !has_memory(xen, msg, config)) {
        return;
    }
    r = libxl_domain_create_new(xen->libxl, config, &domid, NULL, NULL);
    if (r == 0) {
        r = libxl_domain_unpause(xen->libxl, domid, NULL);
    }
    if (r != 0) {
        answer_error(xen, msg, r, r == ERROR_INVAL ? XF_REASON_CONFIG : XF_REASON_HYPERVISOR);
        if (libxl_domid_valid_guest(domid)) {
            (void)libxl_domain_destroy(xen->libxl, domid, NULL);
        }
        return;
    }
    xf_xen_keep(dir, &msg->uuid, domid);
    answer(msg, XF_REASON_OK, "");
}

static void create(struct xf_xen *xen, const char *dir, struct xf_xen_msg *msg)
{
    libxl_domain_config config;
    xc_domaininfo_t there;

    if (xf_xen_find(xen, &msg->uuid, &there, 1) > 0) {
        answer(msg, XF_REASON_EXISTS, "");
        return;
    }
    libxl_domain_config_init(&config);
    if (msg->config_size == 0 ||
        libxl_domain_config_from_json(xen->libxl, &config, msg->config) != 0) {
        answer_error(xen, msg, ERROR_INVAL, XF_REASON_CONFIG);
    } else {
        build(xen, dir, msg, &config);
    }
    libxl_domain_config_dispose(&config);
}

/* ---- destroy, rename ---- */

/* A copy that xl's own migration is making, or has left. */
static bool is_foreign(struct xf_xen *xen, const char *dir, const xc_domaininfo_t *info)
{
    char *full = xf_xen_name(xen, info->domain);
    struct xf_uuid uuid = xf_xen_uuid(info);
    char name[XF_NAME_SIZE];
    bool foreign;

    foreign = full != NULL && xf_xen_foreign(dir, &uuid, xf_xen_variant(full, name, sizeof(name)));
    free(full);
    return foreign;
}

/* What is xl's is not meant, unless it is all that there is. */
static void destroy(struct xf_xen *xen, const char *dir, struct xf_xen_msg *msg)
{
    xc_domaininfo_t info[COPIES_MAX];
    int n = xf_xen_find(xen, &msg->uuid, info, COPIES_MAX);
    bool foreign[COPIES_MAX];
    bool all = true;

    for (int i = 0; i < n; i++) {
        foreign[i] = is_foreign(xen, dir, &info[i]);
        all = all && foreign[i];
    }
    for (int i = 0; i < n; i++) {
        int r = foreign[i] && !all ? 0 : libxl_domain_destroy(xen->libxl, info[i].domain, NULL);

        if (r != 0 && r != ERROR_DOMAIN_NOTFOUND) {
            answer_error(xen, msg, r, XF_REASON_DESTROY);
            return;
        }
    }
    xf_xen_unmark(dir, XF_XEN_SUSPENDING, &msg->uuid);
    xf_xen_unmark(dir, XF_XEN_ARRIVING, &msg->uuid);
    answer(msg, n < 0 ? XF_REASON_DESTROY : XF_REASON_OK, n < 0 ? strerror(-n) : "");
}

static const char *const endings[] = {
    [XF_VARIANT_PLAIN] = "",
    [XF_VARIANT_INCOMING] = XF_XEN_INCOMING,
    [XF_VARIANT_MIGRATEDAWAY] = XF_XEN_MIGRATEDAWAY,
};

static void rename_one(struct xf_xen *xen, const char *dir, struct xf_xen_msg *msg,
                       const xc_domaininfo_t *info)
{
    char *old = xf_xen_name(xen, info->domain);
    char name[XF_NAME_SIZE], full[XF_NAME_SIZE + 32];
    int r = 0;

    if (old == NULL) {
        answer(msg, XF_REASON_HYPERVISOR, "the domain has no name");
        return;
    }
    (void)xf_xen_variant(old, name, sizeof(name));
    snprintf(full, sizeof(full), "%s%s", name, endings[msg->dom.variant]);
    if (strcmp(old, full) != 0) {
        r = libxl_domain_rename(xen->libxl, info->domain, old, full);
    }
    free(old);
    if (r != 0) {
        answer_error(xen, msg, r, XF_REASON_HYPERVISOR);
        return;
    }
    if (msg->dom.variant == XF_VARIANT_PLAIN) {
        xf_xen_unmark(dir, XF_XEN_ARRIVING, &msg->uuid);
        xf_xen_keep(dir, &msg->uuid, info->domain);
    }
    answer(msg, XF_REASON_OK, "");
}

static void rename_domain(struct xf_xen *xen, const char *dir, struct xf_xen_msg *msg)
{
    xc_domaininfo_t info;

    if (xf_xen_find(xen, &msg->uuid, &info, 1) != 1) {
        answer(msg, XF_REASON_NOT_RUNNING, "");
    } else if (msg->dom.variant > XF_VARIANT_MIGRATEDAWAY) {
        answer(msg, XF_REASON_INTERNAL, "no such variant");
    } else {
        rename_one(xen, dir, msg, &info);
    }
}

/* ---- resume ---- */

/*
 * A guest that was asked through xenstore and has not acknowledged is told that it was nothing.
 * The node is cleared by whoever comes first, hence the transaction. True: it will not suspend.
 */
static bool take_back(struct xf_xen *xen, uint32_t domid)
{
    struct xs_handle *xs = xs_open(0);
    char path[64];
    bool taken = false;

    (void)xen;
    if (xs == NULL) {
        return false;
    }
    snprintf(path, sizeof(path), "/local/domain/%u/control/shutdown", domid);
    for (;;) {
        xs_transaction_t t = xs_transaction_start(xs);
        unsigned size;
        char *value = xs_read(xs, t, path, &size);
        bool asked = value != NULL && strcmp(value, "suspend") == 0;

        free(value);
        taken = asked && xs_write(xs, t, path, "", 0);
        if (!taken) {
            (void)xs_transaction_end(xs, t, true);
            break;
        }
        if (xs_transaction_end(xs, t, false) || errno != EAGAIN) {
            break;
        }
    }
    xs_close(xs);
    return taken;
}

/* Its request to suspend is under way, and nobody is left to wait for it. True: it is suspended. */
static bool await_suspend(struct xf_xen *xen, xc_domaininfo_t *info)
{
    const struct timespec nap = { .tv_nsec = PENDING_POLL_MS * 1000000l };
    uint32_t domid = info->domain;

    if (take_back(xen, domid)) {
        return false;
    }
    for (unsigned ms = 0; ms < PENDING_WAIT_MS; ms += PENDING_POLL_MS) {
        if (xc_domain_getinfolist(xen->xc, domid, 1, info) != 1 || info->domain != domid ||
            xf_xen_suspended(info)) {
            break;
        }
        nanosleep(&nap, NULL);
    }
    return info->domain == domid && xf_xen_suspended(info);
}

/* A copy that waits for its unpause: it has nothing to go on with. */
static bool never_ran(struct xf_xen *xen, const xc_domaininfo_t *info)
{
    char *full = xf_xen_name(xen, info->domain);
    char name[XF_NAME_SIZE];
    bool waits = full != NULL && (info->flags & XEN_DOMINF_paused) != 0 &&
                 xf_xen_variant(full, name, sizeof(name)) == XF_VARIANT_INCOMING;

    free(full);
    return waits;
}

/* A mover that was killed leaves log-dirty mode on, which costs the guest until the next move. */
static void end_logdirty(struct xf_xen *xen, uint32_t domid)
{
    (void)xc_shadow_control(xen->xc, domid, XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0);
}

static void resume(struct xf_xen *xen, const char *dir, struct xf_xen_msg *msg)
{
    xc_domaininfo_t info;
    bool suspended;
    int r = 0;

    if (xf_xen_find(xen, &msg->uuid, &info, 1) != 1) {
        answer(msg, XF_REASON_NOT_RUNNING, "");
        return;
    }
    suspended = xf_xen_suspended(&info);
    if (!suspended && never_ran(xen, &info)) {
        answer(msg, XF_REASON_RESUME, "it has not run here yet");
        return;
    }
    if (!suspended && xf_xen_marked(dir, XF_XEN_SUSPENDING, &msg->uuid)) {
        suspended = await_suspend(xen, &info);
    }
    end_logdirty(xen, info.domain);
    if (suspended) { /* H10: one that never suspended is running and is left alone */
        r = libxl_domain_resume(xen->libxl, info.domain, 1, NULL);
    }
    if (r != 0) {
        answer_error(xen, msg, r, XF_REASON_RESUME);
        return;
    }
    xf_xen_unmark(dir, XF_XEN_SUSPENDING, &msg->uuid);
    if (suspended) {
        /* Whoever started the domain with xl: its monitor has ended at the suspend. */
        xf_xen_keep(dir, &msg->uuid, info.domain);
    }
    answer(msg, XF_REASON_OK, "");
}

/* ---- addresses ---- */

void xf_xen_op_addresses(struct xf_xen_msg *msg)
{
    struct xs_handle *xs;

    (void)alarm(ADDRESSES_S);
    xs = xs_open(0);
    if (xs == NULL) {
        answer(msg, XF_REASON_HYPERVISOR, strerror(errno));
        return;
    }
    xf_xen_addresses(xs, msg->dom.domid.v, msg->devid, &msg->addresses);
    xs_close(xs);
    answer(msg, XF_REASON_OK, "");
}

void xf_xen_op(struct xf_xen *xen, const char *dir, struct xf_xen_msg *msg)
{
    switch (msg->type) {
    case XF_XEN_CREATE:
        create(xen, dir, msg);
        break;
    case XF_XEN_DESTROY:
        destroy(xen, dir, msg);
        break;
    case XF_XEN_RESUME:
        resume(xen, dir, msg);
        break;
    case XF_XEN_RENAME:
        rename_domain(xen, dir, msg);
        break;
    default:
        answer(msg, XF_REASON_INTERNAL, "no such operation");
        break;
    }
}
