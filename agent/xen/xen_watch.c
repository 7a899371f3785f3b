/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens to domains, told to the agent, in two threads:
 *
 *   main   hears the agent. It unpauses by one hypercall, so that nothing that xenstore or libxl
 *          are slow with lies between COMMIT and RUNNING (H12).
 *   eyes   waits for xenstore's watches, looks at all domains, and tells what changed.
 */
#include "config.h"

#include "xen_watch.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <xenstore.h>

#include "xen_guest.h"
#include "xen_mark.h"
#include "xen_proto.h"

/* Pausing and unpausing by others is told by no watch; memory changes all the time. */
#define LOOK_MS    1000
/* Devices come and go in bursts of nodes: one look at the end of a burst is enough. */
#define SETTLE_MS  100
#define COPIES_MAX 4u

struct known {
    struct xf_dom_info info;
    bool seen;         /* in the look under way */
    bool stays;        /* known after it */
    bool config_stale; /* it has changed, or was never read */
    char *config;      /* as told last */
    bool guest_told;
    bool suspends;         /* the guest has said so */
    struct xf_guest guest; /* as told last */
};

struct eyes {
    struct xf_xen *xen;
    const char *dir;
    struct xs_handle *xs;
    int wake_fd;
    const char *scheduler;
    struct xf_cpu cpu[2];   /* [pv] */
    _Atomic uint64_t asked; /* cookie of the last LOOK */
    struct known *known;
    unsigned n_known, max_known;
    bool unsettled;        /* devices are coming or going */
    xc_domaininfo_t *list; /* XF_XEN_DOMAINS_MAX */
    struct xf_xen_msg msg;
};

static bool tell(struct xf_xen_msg *msg)
{
    size_t size = xf_xen_msg_size(msg);

    while (send(XF_XEN_FD, msg, size, MSG_NOSIGNAL) < 0) {
        if (errno != EINTR) {
            return false; /* the agent is gone; main sees it too */
        }
    }
    return true;
}

/* ---- the host ---- */

/* Of the processors that no other pool of them has; chosen when Xen boots. */
static const char *scheduler_of(struct xf_xen *xen)
{
    int scheduler = libxl_get_scheduler(xen->libxl);
    const char *name = NULL;

    if (scheduler > 0) {
        name = libxl_scheduler_to_string((libxl_scheduler)scheduler);
    }
    return name != NULL ? name : "";
}

static void tell_facts(struct eyes *eyes)
{
    struct xf_xen_msg *msg = &eyes->msg;
    const libxl_version_info *v = libxl_get_version_info(eyes->xen->libxl);
    xc_physinfo_t phys = { 0 };

    memset(msg, 0, offsetof(struct xf_xen_msg, config));
    if (v == NULL || xc_physinfo(eyes->xen->xc, &phys) != 0) {
        return;
    }
    msg->type = XF_XEN_FACTS;
    snprintf(msg->facts.version, sizeof(msg->facts.version), "Xen %d.%d%.40s", v->xen_version_major,
             v->xen_version_minor, v->xen_version_extra);
    msg->facts.memory_total_mib = phys.total_pages >> (20 - XC_PAGE_SHIFT);
    msg->facts.memory_free_mib = (phys.free_pages + phys.scrub_pages > phys.outstanding_pages
                                      ? phys.free_pages + phys.scrub_pages - phys.outstanding_pages
                                      : 0) >>
                                 (20 - XC_PAGE_SHIFT);
    msg->facts.cpus = phys.nr_cpus;
    snprintf(msg->facts.scheduler, sizeof(msg->facts.scheduler), "%s", eyes->scheduler);
    /* Logging takes page tables of Xen's own, nested or shadows; a PV guest's are its own. */
    msg->facts.logs_pv = (phys.capabilities & XEN_SYSCTL_PHYSCAP_shadow) != 0;
    msg->facts.logs_hvm =
        (phys.capabilities & (XEN_SYSCTL_PHYSCAP_shadow | XEN_SYSCTL_PHYSCAP_hap)) != 0;
    memcpy(msg->cpu, eyes->cpu, sizeof(msg->cpu));
    (void)tell(msg);
}

/* ---- the domains ---- */

static struct known *find_known(struct eyes *eyes, uint32_t domid)
{
    for (unsigned i = 0; i < eyes->n_known; i++) {
        if (eyes->known[i].info.domid.v == domid) {
            return &eyes->known[i];
        }
    }
    return NULL;
}

static struct known *add_known(struct eyes *eyes, uint32_t domid)
{
    struct known *k;

    if (eyes->n_known == eyes->max_known) {
        eyes->max_known = eyes->max_known > 0 ? 2 * eyes->max_known : 64;
        eyes->known = realloc(eyes->known, eyes->max_known * sizeof(*eyes->known));
        if (eyes->known == NULL) {
            abort();
        }
    }
    k = &eyes->known[eyes->n_known++];
    memset(k, 0, sizeof(*k));
    k->info.domid.v = domid;
    k->config_stale = true;
    return k;
}

/* A shut down domain that is not suspended still is somebody's: its keeper's, or xl's. */
static enum xf_copy copy_of(const xc_domaininfo_t *info, enum xf_variant variant)
{
    if (xf_xen_suspended(info)) {
        return XF_COPY_SUSPENDED;
    }
    if (variant == XF_VARIANT_INCOMING && (info->flags & XEN_DOMINF_paused) != 0) {
        return XF_COPY_PAUSED;
    }
    return XF_COPY_RUNNING;
}

static void describe(const struct eyes *eyes, const xc_domaininfo_t *info, const char *name,
                     struct xf_dom_info *ret_info)
{
    struct xf_dom_info d = { .uuid = xf_xen_uuid(info), .domid = { info->domain } };

    d.variant = (uint8_t)xf_xen_variant(name, d.name, sizeof(d.name));
    d.copy = (uint8_t)copy_of(info, (enum xf_variant)d.variant);
    d.memory_mib = (uint32_t)((info->tot_pages + 128) >> (20 - XC_PAGE_SHIFT));
    d.vcpus = info->max_vcpu_id + 1u;
    /* What xl's own migration works on, or has left behind, is not for us to decide about. */
    d.foreign =
        d.variant == XF_VARIANT_MIGRATEDAWAY ||
        (d.variant == XF_VARIANT_INCOMING && !xf_xen_marked(eyes->dir, XF_XEN_ARRIVING, &d.uuid));
    *ret_info = d;
}

/* Reads it if it should be and can be. True: there is one to tell. */
static bool read_config(struct eyes *eyes, struct known *k)
{
    uint8_t *data = NULL;
    int size = 0;
    char *json;

    if (!k->config_stale || k->info.variant != XF_VARIANT_PLAIN ||
        k->info.copy != XF_COPY_RUNNING) {
        return false;
    }
    /* One that is still being made has none, about which libxl would complain. */
    if (libxl_userdata_retrieve(eyes->xen->libxl, k->info.domid.v, "libxl-json", &data, &size) !=
            0 ||
        size == 0) {
        return false;
    }
    free(data);
    json = xf_xen_config(eyes->xen, k->info.domid.v);
    if (json == NULL) {
        return false;
    }
    k->config_stale = false;
    if (k->config != NULL && strcmp(json, k->config) == 0) {
        free(json);
        return false;
    }
    free(k->config);
    k->config = json;
    return true;
}

static void tell_domain(struct eyes *eyes, const struct known *k, bool with_config)
{
    struct xf_xen_msg *msg = &eyes->msg;
    size_t size = k->config != NULL ? strlen(k->config) + 1 : 0;

    memset(msg, 0, offsetof(struct xf_xen_msg, config));
    msg->type = XF_XEN_DOMAIN;
    msg->dom = k->info;
    if (with_config && size <= sizeof(msg->config)) {
        msg->config_size = (uint32_t)size;
        memcpy(msg->config, k->config, size);
    } else if (with_config) {
        msg->config_size = 1; /* empty: longer than can be moved */
        msg->config[0] = '\0';
    }
    (void)tell(msg);
}

/*
 * What it was given is read once, when it is built; whether it can be suspended as long as it does
 * not say that it can, and each time that all domains are looked at.
 */
static void see_guest(struct eyes *eyes, struct known *k, const xc_domaininfo_t *info, bool all)
{
    struct xf_guest now = k->guest;

    if (k->config == NULL || k->info.variant != XF_VARIANT_PLAIN ||
        k->info.copy != XF_COPY_RUNNING) {
        return;
    }
    if (!k->guest_told) {
        xf_xen_cpu_given(eyes->xen, info->domain, &now.cpu);
    }
    if (all || !k->suspends) {
        k->suspends = xf_xen_suspends(eyes->xen, eyes->xs, info, &now);
    }
    if (k->guest_told && now.suspend_known == k->guest.suspend_known &&
        now.can_suspend == k->guest.can_suspend) {
        return;
    }
    k->guest = now;
    k->guest_told = true;
    memset(&eyes->msg, 0, offsetof(struct xf_xen_msg, config));
    eyes->msg.type = XF_XEN_GUEST;
    eyes->msg.dom = k->info;
    eyes->msg.guest = now;
    (void)tell(&eyes->msg);
}

static void see(struct eyes *eyes, const xc_domaininfo_t *info, bool names)
{
    struct known *k = find_known(eyes, info->domain);
    struct xf_uuid uuid = xf_xen_uuid(info);
    struct xf_dom_info now;
    bool is_new = k == NULL || !xf_uuid_eq(&k->info.uuid, &uuid);
    bool changed;

    /*
     * A rename is told by no watch: a name that still has an ending is read each time, and that of a
     * suspended domain, to which xl's migration gives one.
     */
    if (is_new || names || k->info.variant != XF_VARIANT_PLAIN || xf_xen_suspended(info)) {
        char *name = xf_xen_name(eyes->xen, info->domain);

        if (name == NULL) {
            if (k != NULL && !is_new) {
                k->seen = true;
            }
            return; /* it is being made or taken down: no name, nobody's domain */
        }
        describe(eyes, info, name, &now);
        free(name);
    } else {
        describe(eyes, info, "", &now);
        memcpy(now.name, k->info.name, sizeof(now.name));
        now.variant = k->info.variant;
        now.foreign = k->info.foreign;
        now.copy = (uint8_t)copy_of(info, (enum xf_variant)now.variant);
    }
    if (k == NULL) {
        k = add_known(eyes, info->domain);
    } else if (is_new) { /* numbers come round again */
        free(k->config);
        k->config = NULL;
        k->config_stale = true;
        k->guest_told = k->suspends = false;
        memset(&k->guest, 0, sizeof(k->guest));
    }
    k->seen = true;
    /* Of a running domain memory may change all the time; one being built takes what is reserved. */
    changed = is_new || now.copy != k->info.copy || now.variant != k->info.variant ||
              strcmp(now.name, k->info.name) != 0 ||
              (now.copy == XF_COPY_PAUSED && now.memory_mib != k->info.memory_mib);
    k->info = now;
    if (read_config(eyes, k)) {
        tell_domain(eyes, k, true);
    } else if (changed) {
        tell_domain(eyes, k, false);
    }
    see_guest(eyes, k, info, names);
}

/* Another domain of the same uuid stays. */
static bool replaced(const struct eyes *eyes, const struct known *old)
{
    for (unsigned i = 0; i < eyes->n_known; i++) {
        if (&eyes->known[i] != old && eyes->known[i].stays &&
            xf_uuid_eq(&eyes->known[i].info.uuid, &old->info.uuid)) {
            return true;
        }
    }
    return false;
}

/* Its keeper boots it again: the domain has not left this host for a moment (H11). */
static bool comes_back(const struct eyes *eyes, const struct known *k)
{
    return k->info.variant == XF_VARIANT_PLAIN && !replaced(eyes, k) &&
           xf_xen_kept(eyes->dir, &k->info.uuid);
}

static void tell_gone(struct eyes *eyes)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < eyes->n_known; i++) {
        eyes->known[i].stays = eyes->known[i].seen;
    }
    for (unsigned i = 0; i < eyes->n_known; i++) {
        struct known *k = &eyes->known[i];

        k->stays = k->stays || comes_back(eyes, k);
    }
    /* Only now that all is decided may the table change. */
    for (unsigned i = 0; i < eyes->n_known; i++) {
        struct known *k = &eyes->known[i];

        k->seen = false;
        if (k->stays) {
            eyes->known[kept++] = *k;
            continue;
        }
        memset(&eyes->msg, 0, offsetof(struct xf_xen_msg, config));
        eyes->msg.type = XF_XEN_GONE;
        eyes->msg.dom = k->info;
        (void)tell(&eyes->msg);
        free(k->config);
    }
    eyes->n_known = kept;
}

static void look(struct eyes *eyes, bool names)
{
    uint64_t asked = eyes->asked;
    int n = xf_xen_list(eyes->xen, eyes->list, XF_XEN_DOMAINS_MAX);

    if (n < 0) {
        return;
    }
    for (int i = 0; i < n; i++) {
        see(eyes, &eyes->list[i], names);
    }
    tell_gone(eyes);
    tell_facts(eyes);
    if (names) {
        memset(&eyes->msg, 0, offsetof(struct xf_xen_msg, config));
        eyes->msg.type = XF_XEN_LOOKED;
        eyes->msg.cookie = asked;
        (void)tell(&eyes->msg);
    }
}

/* ---- waiting ---- */

/* "/libxl/7/device/..." says that domain 7 is configured otherwise now. */
static void mark_stale(struct eyes *eyes, const char *path)
{
    unsigned domid;
    struct known *k = sscanf(path, "/libxl/%u/", &domid) == 1 ? find_known(eyes, domid) : NULL;

    if (k != NULL) {
        k->config_stale = true;
        eyes->unsettled = true;
    }
}

/* Takes all events that have come. True: one is about a domain itself. */
static bool take_events(struct eyes *eyes)
{
    bool domains = false;
    char **event;

    while ((event = xs_check_watch(eyes->xs)) != NULL) {
        if (event[XS_WATCH_PATH][0] == '@') {
            domains = true;
        } else {
            mark_stale(eyes, event[XS_WATCH_PATH]);
        }
        free(event);
    }
    return domains;
}

static void *eyes_main(void *arg)
{
    struct eyes *eyes = arg;
    struct pollfd p[2] = { { .fd = xs_fileno(eyes->xs), .events = POLLIN },
                           { .fd = eyes->wake_fd, .events = POLLIN } };

    for (;;) {
        int n = poll(p, 2, eyes->unsettled ? SETTLE_MS : LOOK_MS);
        bool names = false;
        eventfd_t woken;

        if (n > 0 && p[0].revents != 0) {
            names = take_events(eyes);
            if (!names) {
                continue; /* wait for the burst to be over */
            }
        }
        if (n > 0 && p[1].revents != 0) {
            (void)eventfd_read(eyes->wake_fd, &woken);
            names = true;
        }
        eyes->unsettled = false;
        look(eyes, names);
    }
    return NULL;
}

static bool open_eyes(struct eyes *eyes, struct xf_xen *xen)
{
    eyes->xen = xen;
    eyes->scheduler = scheduler_of(xen);
    xf_xen_cpu_most(xen, false, &eyes->cpu[0]);
    xf_xen_cpu_most(xen, true, &eyes->cpu[1]);
    eyes->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    eyes->list = calloc(XF_XEN_DOMAINS_MAX, sizeof(*eyes->list));
    eyes->xs = xs_open(0);
    return eyes->wake_fd >= 0 && eyes->list != NULL && eyes->xs != NULL &&
           xs_watch(eyes->xs, "@introduceDomain", "domains") &&
           xs_watch(eyes->xs, "@releaseDomain", "domains") &&
           xs_watch(eyes->xs, "/libxl", "devices");
}

/* ---- the agent ---- */

static enum xf_reason unpause_one(struct xf_xen *xen, const xc_domaininfo_t *info, char *ret_text)
{
    int r;

    if (xf_xen_suspended(info)) {
        snprintf(ret_text, XF_XEN_TEXT, "it is suspended, not paused");
        return XF_REASON_UNPAUSE;
    }
    if ((info->flags & XEN_DOMINF_paused) == 0) {
        return XF_REASON_OK;
    }
    if (info->nr_online_vcpus == 0) {
        /* Its processors' state is the last that a stream brings. */
        snprintf(ret_text, XF_XEN_TEXT, "it is still being built");
        return XF_REASON_UNPAUSE;
    }
    if (xf_xen_is_hvm(info)) {
        /* Its device model goes first, which only libxl knows how to ask. */
        r = libxl_domain_unpause(xen->libxl, info->domain, NULL);
        return r == 0 ? XF_REASON_OK : xf_xen_error(xen, r, XF_REASON_UNPAUSE, ret_text);
    }
    if (xc_domain_unpause(xen->xc, info->domain) != 0) {
        snprintf(ret_text, XF_XEN_TEXT, "%s", strerror(errno));
        return XF_REASON_UNPAUSE;
    }
    return XF_REASON_OK;
}

static void unpause(struct xf_xen *xen, struct xf_xen_msg *msg)
{
    xc_domaininfo_t info[COPIES_MAX];
    int n = xf_xen_find(xen, &msg->uuid, info, COPIES_MAX);

    msg->reason = XF_REASON_NOT_RUNNING;
    msg->text[0] = '\0';
    for (int i = 0; i < n; i++) {
        /* Of a domain that is moved from this host to itself, the frozen one is not meant. */
        if (n == 1 || !xf_xen_suspended(&info[i])) {
            msg->reason = (uint32_t)unpause_one(xen, &info[i], msg->text);
        }
    }
    msg->type = XF_XEN_DONE;
    msg->config_size = 0;
    (void)tell(msg);
}

/* Has libxenctrl map what unpausing needs before it is needed (H12). */
static void warm(struct xf_xen *xen)
{
    static const struct xf_uuid none;
    xc_domaininfo_t info;

    (void)xf_xen_find(xen, &none, &info, 1);
}

int xf_xen_watch(struct xf_xen *xen, const char *dir)
{
    static struct eyes eyes;
    static struct xf_xen_msg msg;
    struct xf_xen *own;
    pthread_t thread;
    ssize_t n;

    eyes.dir = dir;
    own = xf_xen_open("xenferry-xen", msg.text); /* the eyes' own: a libxl call holds its context */
    if (own == NULL || !open_eyes(&eyes, own)) {
        msg.type = XF_XEN_DONE;
        msg.reason = XF_REASON_HYPERVISOR;
        if (msg.text[0] == '\0') {
            snprintf(msg.text, sizeof(msg.text), "xenstored does not answer: %s", strerror(errno));
        }
        (void)tell(&msg);
        return 1;
    }
    look(&eyes, true);
    warm(xen);
    if (pthread_create(&thread, NULL, eyes_main, &eyes) != 0) {
        return 1;
    }
    while ((n = recv(XF_XEN_FD, &msg, sizeof(msg), 0)) != 0) {
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 || !xf_xen_msg_ok(&msg, (size_t)n)) {
            return 1;
        }
        if (msg.type == XF_XEN_UNPAUSE) {
            unpause(xen, &msg);
        } else {
            eyes.asked = msg.cookie;
        }
        (void)eventfd_write(eyes.wake_fd, 1);
    }
    return 0;
}
