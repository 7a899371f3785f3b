/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xenferryd: options, what must be there before the loop, signals, the end. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "agent.h"
#include "blackbox.h"
#include "boot_number.h"
#include "clock_qb.h"
#include "history.h"
#include "log_qb.h"
#include "store_file.h"
#include "store_notes.h"
#include "store_writer.h"

#define CONFIG       XF_SYSCONFDIR "/xenferry.conf"
/* An earlier agent's writer may have one entry to sync on a slow disk. */
#define LOCK_WAIT_MS 10000u

/* More than an agent with hundreds of domains ever holds. */
#define HEAP_KEPT    (64 << 20)

/* Exit codes besides 0, of xenferryd(8). */
enum { EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_CONFIG = 15, EXIT_RUNNING = 16, EXIT_JOURNAL = 35 };

struct options {
    bool foreground;
    bool check_only;
    const char *config;
};

static const struct xf_hyper_ops *const hypers[] = { &xf_hyper_sandbox, &xf_hyper_xen };

static void usage(FILE *f)
{
    fprintf(f, "usage: xenferryd [-f] [-c FILE]\n"
               "       xenferryd --check-config [FILE]\n"
               "       xenferryd -V | -h\n\n"
               "  -f, --foreground  stay in the foreground and log to standard error\n"
               "  -c, --config      read FILE instead of " CONFIG "\n"
               "      --check-config  read the configuration, print what is in force, and end\n"
               "  -V, --version     print the version and end\n"
               "  -h, --help        print this and end\n");
}

static void parse_options(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {
        { "foreground", no_argument, NULL, 'f' },   { "config", required_argument, NULL, 'c' },
        { "check-config", no_argument, NULL, 'k' }, { "version", no_argument, NULL, 'V' },
        { "help", no_argument, NULL, 'h' },         { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "fc:Vh", longs, NULL)) != -1) {
        switch (c) {
        case 'f':
            o->foreground = true;
            break;
        case 'c':
            o->config = optarg;
            break;
        case 'k':
            o->check_only = true;
            break;
        case 'V':
            printf("xenferryd %s\n", PACKAGE_VERSION);
            exit(0);
        case 'h':
            usage(stdout);
            exit(0);
        default:
            usage(stderr);
            exit(EXIT_USAGE);
        }
    }
    if (o->check_only && optind == argc - 1) {
        o->config = argv[optind++];
    }
    if (optind != argc) {
        usage(stderr);
        exit(EXIT_USAGE);
    }
}

/* A configuration that nobody wrote is the defaults; one that was named must be there. */
static void load_settings(const struct options *o, struct xf_settings *settings)
{
    const char *path = o->config != NULL ? o->config : CONFIG;
    char err[600];
    int rc;

    xf_settings_init(settings);
    rc = xf_settings_load(settings, path, err, sizeof(err));
    if (rc != 0 && !(rc == -ENOENT && strcmp(path, CONFIG) == 0)) {
        fprintf(stderr, "xenferryd: %s\n", err);
        exit(EXIT_CONFIG);
    }
}

static void print_settings(const struct xf_settings *settings)
{
    char buf[XF_SETTING_SIZE];

    for (size_t i = 0; xf_settings_key(i) != NULL; i++) {
        printf("%s = %s\n", xf_settings_key(i), xf_settings_text(settings, i, buf, sizeof(buf)));
    }
}

/* Held for the process's life: two agents of one node would both speak for it. */
static void take_pid_file(void)
{
    int fd;

    if (mkdir(XF_RUNDIR, 0755) != 0 && errno != EEXIST) {
        xf_log(LOG_ERR, "%s: %s", XF_RUNDIR, strerror(errno));
        exit(EXIT_FAILED);
    }
    fd = open(XF_RUNDIR "/xenferryd.pid", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
        xf_log(LOG_ERR, "%s: %s", XF_RUNDIR "/xenferryd.pid", strerror(errno));
        exit(EXIT_FAILED);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        xf_log(LOG_ERR, "another xenferryd runs on this node");
        exit(EXIT_RUNNING);
    }
    if (ftruncate(fd, 0) != 0 || dprintf(fd, "%d\n", (int)getpid()) < 0) {
        xf_log(LOG_WARNING, "the pid file cannot be written: %s", strerror(errno));
    }
}

static struct xf_boot last_boot(const struct xf_store_file *file)
{
    struct xf_boot last = { 0 };

    for (uint32_t i = 0; i < file->n_latest; i++) {
        if (file->latest[i].record.own_boot.v > last.v) {
            last = file->latest[i].record.own_boot;
        }
    }
    return last;
}

static void open_state(struct xf_agent *agent)
{
    struct xf_store_file *file = calloc(1, sizeof(*file));
    char err[600];
    int rc;

    if (file == NULL) {
        abort();
    }
    rc = xf_store_file_open(XF_STATEDIR, LOCK_WAIT_MS, file, err, sizeof(err));
    if (rc == 0 && file->torn) {
        xf_log(LOG_NOTICE, "the journal's last entry was torn by a crash and is dropped");
    }
    if (rc == 0) {
        rc = xf_boot_number(XF_RUNDIR, last_boot(file), &agent->cluster.boot, err, sizeof(err));
    }
    if (rc == 0) {
        rc = xf_notes_open(XF_RUNDIR, agent->cluster.boot, &agent->notes, err, sizeof(err));
    }
    if (rc != 0) {
        xf_log(LOG_ERR, "%s: %s", XF_STATEDIR, err);
        exit(EXIT_JOURNAL);
    }
    agent->journal = file;
}

/* The records stay for the boot; the descriptors go to the writer. */
static void start_store(struct xf_agent *agent, xf_store_done_fn done)
{
    struct xf_store_file to_writer = *agent->journal;
    uint32_t n = agent->journal->n_latest;
    int rc;

    agent->journal->latest = calloc(n > 0 ? n : 1, sizeof(*agent->journal->latest));
    if (agent->journal->latest == NULL) {
        abort();
    }
    if (n > 0) {
        memcpy(agent->journal->latest, to_writer.latest, n * sizeof(*to_writer.latest));
    }
    rc = xf_store_start(agent->loop, XF_STATEDIR, (uint32_t)agent->settings.history_max, &to_writer,
                        done, agent, &agent->store);
    if (rc != 0) {
        xf_log(LOG_ERR, "the journal's writer cannot be started: %s", strerror(-rc));
        exit(EXIT_FAILED);
    }
}

static void persisted(void *arg, uint64_t cookie, bool ok)
{
    xf_op_persisted(arg, cookie, ok);
}

static void load_secret(struct xf_agent *agent)
{
    const char *path = NULL;

    if (xf_secret_load(agent->settings.secret_file, &agent->secret, &path, agent->secret_error,
                       sizeof(agent->secret_error)) != 0) {
        xf_log(LOG_WARNING, "no domain can be moved without a secret: %s", agent->secret_error);
    } else {
        xf_log(LOG_INFO, "the secret comes from %s", path);
    }
}

/* ---- signals ---- */

static int32_t on_terminate(int32_t sig, void *data)
{
    struct xf_agent *agent = data;

    xf_log(LOG_NOTICE, "ends on signal %d; domains go on", sig);
    qb_loop_stop(agent->loop);
    return 0;
}

static int32_t on_dump(int32_t sig, void *data)
{
    struct xf_agent *agent = data;
    char line[XF_BLACKBOX_LINE_SIZE];

    (void)sig;
    for (uint32_t i = 0; i < xf_blackbox_count(agent->blackbox); i++) {
        xf_blackbox_line(agent->blackbox, i, line, sizeof(line));
        xf_log(LOG_NOTICE, "blackbox: %s", line);
    }
    if (agent->dump_pid == 0) {
        agent->dump_pid = xf_blackbox_dump(agent->blackbox, XF_STATEDIR "/blackbox.trace");
    }
    return 0;
}

static void add_signals(struct xf_agent *agent)
{
    qb_loop_signal_add(agent->loop, QB_LOOP_HIGH, SIGTERM, agent, on_terminate, NULL);
    qb_loop_signal_add(agent->loop, QB_LOOP_HIGH, SIGINT, agent, on_terminate, NULL);
    qb_loop_signal_add(agent->loop, QB_LOOP_LOW, SIGUSR1, agent, on_dump, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

/* ---- systemd ---- */

static void feed_watchdog(struct xf_agent *agent)
{
    static const char alive[] = "WATCHDOG=1";

    /* The tick runs in the loop: a loop that hangs stops feeding. Half a second is often enough. */
    if (xf_now_ms() / 500u != (xf_now_ms() - XF_TICK_MS) / 500u) {
        sd_notify(0, alive);
    }
    (void)agent;
}

static void choose_hypervisor(struct xf_agent *agent)
{
    for (size_t i = 0; i < sizeof(hypers) / sizeof(hypers[0]); i++) {
        if (strcmp(hypers[i]->name, agent->settings.hypervisor) == 0) {
            agent->hyper_ops = hypers[i];
        }
    }
    if (agent->hyper_ops == NULL) {
        xf_log(LOG_ERR, "there is no driver for the hypervisor %s", agent->settings.hypervisor);
        exit(EXIT_CONFIG);
    }
}

static void prepare(struct xf_agent *agent, const struct options *o)
{
    xf_log_open(o->foreground, agent->settings.log_level);
    take_pid_file();
    choose_hypervisor(agent);
    agent->loop = qb_loop_create();
    agent->blackbox = xf_blackbox_open();
    if (agent->loop == NULL) {
        abort();
    }
    open_state(agent);
    agent->history = xf_history_open(XF_STATEDIR, (uint32_t)agent->settings.history_max);
    load_secret(agent);
    add_signals(agent);
    start_store(agent, persisted);
}

int main(int argc, char **argv)
{
    struct options o = { .foreground = false };
    struct xf_agent *agent = calloc(1, sizeof(*agent));
    bool failed;

    if (agent == NULL) {
        abort();
    }
    explicit_bzero(agent, sizeof(*agent)); /* its frames are touched now and not in a pause */
    umask(027);
    /* Memory once had is kept: neither growing nor trimming the heap belongs into a pause (H12). */
    mallopt(M_TRIM_THRESHOLD, HEAP_KEPT);
    mallopt(M_MMAP_THRESHOLD, HEAP_KEPT);
    parse_options(argc, argv, &o);
    load_settings(&o, &agent->settings);
    if (o.check_only) {
        print_settings(&agent->settings);
        free(agent);
        return 0;
    }
    if (!o.foreground && daemon(0, 0) != 0) {
        perror("xenferryd");
        return EXIT_FAILED;
    }
    prepare(agent, &o);
    agent->on_tick = feed_watchdog;
    if (xf_agent_start(agent) != 0) {
        return EXIT_FAILED;
    }
    xf_log(LOG_NOTICE, "xenferryd %s started", PACKAGE_VERSION);
    sd_notify(0, "READY=1");
    qb_loop_run(agent->loop);
    sd_notify(0, "STOPPING=1");
    failed = agent->failed;
    xf_agent_stop(agent);
    xf_blackbox_close(agent->blackbox);
    qb_loop_destroy(agent->loop);
    xf_log_close();
    free(agent);
    return failed ? EXIT_FAILED : 0;
}
