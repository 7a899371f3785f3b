/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenferry-keeper: one per domain that xenferry started or brought here on Xen. It waits for the
 * domain's end and does what on_poweroff, on_reboot and on_crash say, as xl's own background
 * process does for a domain that xl started. It asks nobody and remembers nothing: the domain's
 * configuration is read when it is needed, so agents may come and go.
 *
 * A suspended domain is being moved or saved; it is left to those who do that.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <libxl.h>
#include <xenstore.h>

#include "text.h"
#include "xen/xen_lib.h"
#include "xen/xen_mark.h"
#include "xen/xen_proto.h"

#define PROGRAM       "xenferry-keeper"
#define DUMP_DIR      "/var/lib/xen/dump"
/* The keeper of the time before: it ends when it sees that its domain is gone. */
#define LOCK_WAIT_MS  10000
/* Watches tell at once; this is for one that was lost. */
#define LOOK_MS       5000
/* A domain that ends so soon after its start would be started for ever. */
#define RESTART_MIN_S 5

struct keeper {
    struct xf_xen *xen;
    struct xs_handle *xs;
    const char *dir;
    struct xf_uuid uuid;
    uint32_t domid;
    time_t started; /* of the domain, by a restart; 0: not by us */
};

static time_t now_s(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec;
}

/* ---- one keeper a domain ---- */

static bool take_lock(const struct keeper *k)
{
    char path[XF_XEN_PATH_SIZE];
    int fd;

    xf_xen_keeper_lock(k->dir, &k->uuid, path);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    for (int ms = 0; fd >= 0 && ms < LOCK_WAIT_MS; ms += 100) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            return true; /* the descriptor stays open */
        }
        usleep(100000);
    }
    return false;
}

/* ---- waiting ---- */

enum found { FOUND_ALIVE, FOUND_GONE, FOUND_ENDED };

static enum found look(const struct keeper *k, libxl_shutdown_reason *ret_reason)
{
    xc_domaininfo_t info;
    struct xf_uuid uuid;

    if (xc_domain_getinfolist(k->xen->xc, k->domid, 1, &info) != 1 || info.domain != k->domid) {
        return FOUND_GONE;
    }
    uuid = xf_xen_uuid(&info);
    if (!xf_uuid_eq(&uuid, &k->uuid) || (info.flags & XEN_DOMINF_dying) != 0) {
        return FOUND_GONE;
    }
    if ((info.flags & XEN_DOMINF_shutdown) == 0 || xf_xen_suspended(&info)) {
        return FOUND_ALIVE;
    }
    *ret_reason =
        (libxl_shutdown_reason)(info.flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask);
    return FOUND_ENDED;
}

static enum found await_end(const struct keeper *k, libxl_shutdown_reason *ret_reason)
{
    struct pollfd p = { .fd = xs_fileno(k->xs), .events = POLLIN };
    enum found found;

    while ((found = look(k, ret_reason)) == FOUND_ALIVE) {
        char **event;

        (void)poll(&p, 1, LOOK_MS);
        while ((event = xs_check_watch(k->xs)) != NULL) {
            free(event);
        }
    }
    return found;
}

/* ---- acting ---- */

static libxl_action_on_shutdown action_for(const libxl_domain_config *config,
                                           libxl_shutdown_reason reason)
{
    switch (reason) {
    case LIBXL_SHUTDOWN_REASON_POWEROFF:
        return config->on_poweroff;
    case LIBXL_SHUTDOWN_REASON_REBOOT:
        return config->on_reboot;
    case LIBXL_SHUTDOWN_REASON_CRASH:
        return config->on_crash;
    case LIBXL_SHUTDOWN_REASON_WATCHDOG:
        return config->on_watchdog;
    case LIBXL_SHUTDOWN_REASON_SOFT_RESET:
        return config->on_soft_reset;
    case LIBXL_SHUTDOWN_REASON_UNKNOWN:
    case LIBXL_SHUTDOWN_REASON_SUSPEND:
        break;
    }
    return LIBXL_ACTION_ON_SHUTDOWN_DESTROY;
}

static void time_text(char *buf, size_t size)
{
    time_t now = time(NULL);
    struct tm tm;

    strftime(buf, size, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
}

static void dump_core(const struct keeper *k, const libxl_domain_config *config)
{
    char path[512], when[32];
    int r;

    time_text(when, sizeof(when));
    (void)mkdir(DUMP_DIR, 0700);
    snprintf(path, sizeof(path), DUMP_DIR "/%s-%s", config->c_info.name, when);
    r = libxl_domain_core_dump(k->xen->libxl, k->domid, path, NULL);
    syslog(r == 0 ? LOG_NOTICE : LOG_ERR, "%s: %s %s", config->c_info.name,
           r == 0 ? "its memory is in" : "its memory could not be written to", path);
}

static bool destroy(const struct keeper *k, const libxl_domain_config *config)
{
    int r = libxl_domain_destroy(k->xen->libxl, k->domid, NULL);

    if (r != 0) {
        syslog(LOG_ERR, "%s: what is left of it cannot be destroyed: libxl error %d",
               config->c_info.name, r);
    }
    return r == 0;
}

/* The dead one is kept under a name and a uuid of its own, out of the new one's way. */
static bool set_aside(const struct keeper *k, libxl_domain_config *config)
{
    libxl_uuid aside;
    char suffix[40];
    int r;

    suffix[0] = '-';
    time_text(suffix + 1, sizeof(suffix) - 1);
    libxl_uuid_generate(&aside);
    r = libxl_domain_preserve(k->xen->libxl, k->domid, &config->c_info, suffix, aside);
    if (r != 0) {
        syslog(LOG_ERR, "%s: it cannot be renamed: libxl error %d", config->c_info.name, r);
    }
    return r == 0;
}

static bool start(struct keeper *k, libxl_domain_config *config)
{
    uint32_t domid = XF_XEN_NO_DOMID;
    int r = libxl_domain_create_new(k->xen->libxl, config, &domid, NULL, NULL);

    if (r == 0) {
        r = libxl_domain_unpause(k->xen->libxl, domid, NULL);
    }
    if (r != 0) {
        syslog(LOG_ERR, "%s: it cannot be started again: libxl error %d", config->c_info.name, r);
        if (libxl_domid_valid_guest(domid)) {
            (void)libxl_domain_destroy(k->xen->libxl, domid, NULL);
        }
        return false;
    }
    k->domid = domid;
    k->started = now_s();
    return true;
}

static bool restart(struct keeper *k, libxl_domain_config *config)
{
    if (k->started != 0 && now_s() - k->started < RESTART_MIN_S) {
        syslog(LOG_ERR, "%s: it ended %d seconds after its start; not started again",
               config->c_info.name, (int)(now_s() - k->started));
        (void)destroy(k, config);
        return false;
    }
    return destroy(k, config) && start(k, config);
}

static bool soft_reset(struct keeper *k, libxl_domain_config *config)
{
    int r = libxl_domain_soft_reset(k->xen->libxl, config, k->domid, NULL, NULL);

    r = r != 0 ? r : libxl_domain_unpause(k->xen->libxl, k->domid, NULL);
    if (r != 0) {
        syslog(LOG_ERR, "%s: soft reset failed: libxl error %d", config->c_info.name, r);
        (void)destroy(k, config);
    }
    return r == 0;
}

/* True: there is a domain to keep again. */
static bool act(struct keeper *k, libxl_domain_config *config, libxl_shutdown_reason reason)
{
    libxl_action_on_shutdown action = action_for(config, reason);

    syslog(LOG_NOTICE, "%s: has ended (%s), %s", config->c_info.name,
           libxl_shutdown_reason_to_string(reason), libxl_action_on_shutdown_to_string(action));
    switch (action) {
    case LIBXL_ACTION_ON_SHUTDOWN_PRESERVE:
        return false;
    case LIBXL_ACTION_ON_SHUTDOWN_RESTART_RENAME:
        return set_aside(k, config) && start(k, config);
    case LIBXL_ACTION_ON_SHUTDOWN_COREDUMP_RESTART:
        dump_core(k, config);
        return restart(k, config);
    case LIBXL_ACTION_ON_SHUTDOWN_RESTART:
        return restart(k, config);
    case LIBXL_ACTION_ON_SHUTDOWN_SOFT_RESET:
        return soft_reset(k, config);
    case LIBXL_ACTION_ON_SHUTDOWN_COREDUMP_DESTROY:
        dump_core(k, config);
        break;
    case LIBXL_ACTION_ON_SHUTDOWN_DESTROY:
        break;
    }
    (void)destroy(k, config);
    return false;
}

/* The configuration as it was last: devices that were added stay, its name is its own. */
static bool read_config(const struct keeper *k, libxl_domain_config *ret_config)
{
    char name[XF_NAME_SIZE];

    if (libxl_retrieve_domain_configuration(k->xen->libxl, k->domid, ret_config, NULL) != 0) {
        return false;
    }
    ret_config->c_info.domid = XF_XEN_NO_DOMID;
    if (xf_xen_variant(ret_config->c_info.name, name, sizeof(name)) != XF_VARIANT_PLAIN) {
        free(ret_config->c_info.name);
        ret_config->c_info.name = strdup(name);
    }
    return ret_config->c_info.name != NULL;
}

static void keep(struct keeper *k)
{
    libxl_shutdown_reason reason;
    bool again = true;

    while (again && await_end(k, &reason) == FOUND_ENDED) {
        libxl_domain_config config;

        libxl_domain_config_init(&config);
        if (read_config(k, &config)) {
            again = act(k, &config, reason);
        } else if (look(k, &reason) == FOUND_ENDED) {
            syslog(LOG_ERR, "domain %u has ended, and its configuration cannot be read", k->domid);
            again = false;
        }
        libxl_domain_config_dispose(&config);
    }
}

static void usage(FILE *to)
{
    fputs("usage: xenferry-keeper [-d DIR] [-V] [-h] UUID DOMID\n"
          "Started by xenferry-xen; see xenferry-keeper(8).\n",
          to);
}

static int arguments(int argc, char **argv, struct keeper *k)
{
    uint64_t domid;
    int option;

    while ((option = getopt(argc, argv, "d:Vh")) != -1) {
        switch (option) {
        case 'd':
            k->dir = optarg;
            break;
        case 'V':
            puts(PROGRAM " " PACKAGE_VERSION);
            exit(0);
        case 'h':
            usage(stdout);
            exit(0);
        default:
            return -EINVAL;
        }
    }
    if (optind != argc - 2 || xf_uuid_parse(argv[optind], &k->uuid) != 0 ||
        xf_u64_parse(argv[optind + 1], 1, XF_XEN_DOMAINS_MAX, &domid) != 0) {
        return -EINVAL;
    }
    k->domid = (uint32_t)domid;
    return 0;
}

int main(int argc, char **argv)
{
    struct keeper k = { .dir = XF_RUNDIR };
    char text[XF_XEN_TEXT];

    if (arguments(argc, argv, &k) != 0) {
        usage(stderr);
        return 2;
    }
    openlog(PROGRAM, LOG_PID, LOG_DAEMON);
    signal(SIGPIPE, SIG_IGN);
    if (chdir("/") != 0 || !take_lock(&k)) {
        return 0; /* it has a keeper */
    }
    k.xen = xf_xen_open(PROGRAM, text);
    k.xs = xs_open(0);
    if (k.xen == NULL || k.xs == NULL || !xs_watch(k.xs, "@releaseDomain", "ended")) {
        syslog(LOG_ERR, "%s", k.xen == NULL ? text : "xenstored does not answer");
        return 1;
    }
    keep(&k);
    return 0;
}
