/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mover's side of the Xen driver (agent/drivers.h): libxl saves and restores, and blocks. */
#include "config.h"

#include "xen_mover.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <libxl.h>

#include "text.h"
#include "xen_early.h"
#include "xen_lib.h"
#include "xen_mark.h"
#include "xen_policy.h"
#include "xen_proto.h"

#define PROGRAM        "xenferry-mover-xen"
/* A helper whose mover was killed puts the guest right and ends within a few hypercalls. */
#define HELPER_WAIT_MS 5000u

static struct xf_xen *xen; /* of the process; libxl calls of several threads share it */
static pthread_once_t opened = PTHREAD_ONCE_INIT;

static void open_once(void)
{
    char text[XF_XEN_TEXT];

    xen = xf_xen_open(PROGRAM, text);
    if (xen == NULL) {
        fprintf(stderr, PROGRAM ": %s\n", text);
    }
}

static int find(const struct xf_uuid *uuid, xc_domaininfo_t *ret_info)
{
    int n;

    pthread_once(&opened, open_once);
    n = xen != NULL ? xf_xen_find(xen, uuid, ret_info, 1) : -ENODEV;
    return n == 0 ? -ENOENT : n < 0 ? n : 0;
}

static bool is_incoming(uint32_t domid)
{
    char name[XF_NAME_SIZE];
    char *full = xf_xen_name(xen, domid);
    bool incoming = full != NULL && xf_xen_variant(full, name, sizeof(name)) == XF_VARIANT_INCOMING;

    free(full);
    return incoming;
}

/* ---- S ---- */

/*
 * The helper's life: whoever wants to know whether a save of this domain may still be under way
 * tries for this lock, which the helper inherits and the kernel lets go of with its last holder.
 */
static int hold_helper_lock(const char *dir, const struct xf_uuid *uuid)
{
    char path[512], text[XF_UUID_TEXT_SIZE];
    int fd;

    xf_uuid_text(uuid, text);
    snprintf(path, sizeof(path), "%s/saver-%s.lock", dir, text);
    fd = open(path, O_RDWR | O_CREAT, 0600);
    if (fd < 0) {
        return -errno;
    }
    for (unsigned ms = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; ms += 10) {
        if (ms >= HELPER_WAIT_MS) {
            close(fd);
            return -EBUSY;
        }
        usleep(10000);
    }
    return fd;
}

static int finish_save(struct xf_xen_policy *policy, int r, enum xf_reason *ret_reason)
{
    char text[XF_XEN_TEXT];

    if (r == 0) {
        /* Without our rule its end may be the first that is known of it. */
        if (!policy->suspended) {
            policy->events->suspended(policy->arg);
        }
        *ret_reason = XF_REASON_OK;
        return 0;
    }
    *ret_reason = xf_xen_error(xen, r, XF_REASON_HYPERVISOR, text);
    if (policy->aborted) {
        return -ECANCELED;
    }
    if (r == ERROR_GUEST_TIMEDOUT) {
        /* libxl has taken its request back. Otherwise the agent's RESUME finds out what became of it. */
        xf_xen_unmark(policy->dir, XF_XEN_SUSPENDING, &policy->uuid);
    }
    policy->events->why(policy->arg, text);
    return -EIO;
}

static int xen_save(const char *dir, const struct xf_uuid *uuid, int fd, bool cold,
                    const struct xf_save_events *events, void *arg, enum xf_reason *ret_reason)
{
    struct xf_xen_policy policy = { .dir = dir, .uuid = *uuid, .events = events, .arg = arg };
    xc_domaininfo_t info;
    int lock_fd;
    int rc = find(uuid, &info);

    *ret_reason = XF_REASON_HYPERVISOR;
    if (rc < 0) {
        *ret_reason = rc == -ENOENT ? XF_REASON_NOT_RUNNING : XF_REASON_HYPERVISOR;
        return rc;
    }
    if ((info.flags & XEN_DOMINF_shutdown) != 0) {
        /* Of a frozen domain libxl would make a second image. */
        *ret_reason = XF_REASON_NOT_RUNNING;
        return -EINVAL;
    }
    policy.xen = xen;
    policy.domid = info.domain;
    lock_fd = hold_helper_lock(dir, uuid);
    if (lock_fd < 0) {
        return lock_fd;
    }
    xf_xen_unmark(dir, XF_XEN_SUSPENDING, uuid);
    rc = xf_xen_policy_start(&policy);
    if (rc == 0) {
        int r =
            libxl_domain_suspend(xen->libxl, info.domain, fd, cold ? 0 : LIBXL_SUSPEND_LIVE, NULL);

        xf_xen_policy_stop(&policy);
        if (!policy.taken && !cold) {
            events->note(arg, "libxenguest's own stop rule ran: ours does not fit this libxl");
        }
        rc = finish_save(&policy, r, ret_reason);
    }
    close(lock_fd);
    return rc;
}

static int xen_cap(const char *dir, const struct xf_uuid *uuid, uint32_t percent)
{
    struct xen_domctl_sched_credit credit;
    struct xen_domctl_sched_credit2 credit2;
    xc_domaininfo_t info;
    uint16_t cap = percent >= 100 ? 0 : (uint16_t)percent; /* 0: none */
    int scheduler;
    int rc = find(uuid, &info);

    (void)dir;
    if (rc < 0) {
        return rc;
    }
    if (xc_sched_id(xen->xc, &scheduler) != 0) {
        return -errno;
    }
    if (scheduler == XEN_SCHEDULER_CREDIT2) {
        rc = xc_sched_credit2_domain_get(xen->xc, info.domain, &credit2);
        credit2.cap = cap;
        rc = rc != 0 ? rc : xc_sched_credit2_domain_set(xen->xc, info.domain, &credit2);
    } else if (scheduler == XEN_SCHEDULER_CREDIT) {
        rc = xc_sched_credit_domain_get(xen->xc, info.domain, &credit);
        credit.cap = cap;
        rc = rc != 0 ? rc : xc_sched_credit_domain_set(xen->xc, info.domain, &credit);
    } else {
        return -ENOTSUP;
    }
    return rc != 0 ? -errno : 0;
}

static int xen_pages(const char *dir, const struct xf_uuid *uuid, uint64_t *ret_pages)
{
    xc_domaininfo_t info;
    xen_pfn_t last;
    int rc = find(uuid, &info);

    (void)dir;
    if (rc == -ENOENT || (rc == 0 && is_incoming(info.domain))) {
        return -ENOTSUP; /* D: libxl makes the domain as it reads the stream */
    }
    if (rc < 0) {
        return rc;
    }
    if (xc_domain_maximum_gpfn(xen->xc, info.domain, &last) < 0) {
        return -errno;
    }
    *ret_pages = (uint64_t)last + 1;
    return 0;
}

/* ---- D ---- */

/* The name that it has until it is known that it runs here. */
static void name_incoming(libxl_domain_config *config)
{
    char *name = NULL;

    if (asprintf(&name, "%s" XF_XEN_INCOMING, config->c_info.name) < 0) {
        abort();
    }
    free(config->c_info.name);
    config->c_info.name = name;
}

static void note(const struct xf_restore_events *events, void *arg, const char *text)
{
    if (text[0] != '\0') {
        events->note(arg, text);
    }
}

static int build(const struct xf_uuid *uuid, libxl_domain_config *config, int fd,
                 const struct xf_restore_events *events, void *arg, enum xf_reason *ret_reason)
{
    libxl_domain_restore_params params;
    struct xf_xen_early early;
    uint32_t domid = XF_XEN_NO_DOMID;
    char text[XF_XEN_TEXT];
    int r;

    config->c_info.domid = XF_XEN_NO_DOMID; /* any, as xl says it */
    memcpy(&config->c_info.uuid, uuid->b, sizeof(uuid->b));
    name_incoming(config);
    xf_xen_early_take(&early, xen, uuid, config, text, sizeof(text));
    note(events, arg, text);
    xf_xen_early_start(&early, events->prepared, arg);
    libxl_domain_restore_params_init(&params);
    params.stream_version = 2;
    /* libxl takes a domain down that it could not build, and only then returns. */
    xf_xen_on_trouble(xen, events->trouble, arg);
    r = libxl_domain_create_restore(xen->libxl, config, &domid, fd, -1, &params, NULL, NULL);
    xf_xen_on_trouble(xen, NULL, NULL);
    libxl_domain_restore_params_dispose(&params);
    if (r == 0) {
        r = xf_xen_early_finish(&early, domid, text, sizeof(text));
        note(events, arg, text);
    } else {
        xf_xen_early_cancel(&early);
    }
    if (r == 0) {
        *ret_reason = XF_REASON_OK;
        return 0;
    }
    *ret_reason = xf_xen_error(xen, r, XF_REASON_RESTORE, text);
    events->why(arg, text);
    if (libxl_domid_valid_guest(domid)) {
        (void)libxl_domain_destroy(xen->libxl, domid, NULL);
    }
    return -EIO;
}

static int xen_restore(const char *dir, const struct xf_uuid *uuid, const char *config_text, int fd,
                       const struct xf_restore_events *events, void *arg,
                       enum xf_reason *ret_reason)
{
    libxl_domain_config config;
    int rc = -EINVAL;

    *ret_reason = XF_REASON_RESTORE;
    xf_xen_mark(dir, XF_XEN_ARRIVING, uuid);
    pthread_once(&opened, open_once);
    if (xen == NULL) {
        *ret_reason = XF_REASON_HYPERVISOR;
        return -ENODEV;
    }
    libxl_domain_config_init(&config);
    if (libxl_domain_config_from_json(xen->libxl, &config, config_text) != 0 ||
        config.c_info.name == NULL) {
        *ret_reason = XF_REASON_CONFIG;
    } else {
        rc = build(uuid, &config, fd, events, arg, ret_reason);
    }
    libxl_domain_config_dispose(&config);
    return rc;
}

const struct xf_mover_hyper_ops xf_mover_xen = {
    .name = "xen",
    .save = xen_save,
    .restore = xen_restore,
    .cap = xen_cap,
    .pages = xen_pages,
};
