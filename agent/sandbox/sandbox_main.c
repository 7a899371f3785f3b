/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenferry-sandbox: one process, one domain. Started by the agent (a new domain) or by a mover
 * (from a save stream), it goes into the background and survives both. machine.h has the map.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "link.h"
#include "host_cpu.h"
#include "machine.h"
#include "sandbox_ask.h"
#include "server.h"
#include "text.h"

struct options {
    const char *dir;
    const char *name;
    const char *config; /* path; NULL: standard input */
    const char *ask;
    struct xf_uuid uuid;
    bool has_uuid;
    int restore;
};

static _Noreturn void fail(enum xf_reason reason, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The exit code is the reason: the starter reads it. */
static _Noreturn void fail(enum xf_reason reason, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    exit((int)reason);
}

static void print_help(void)
{
    (void)puts(
        "Usage: xenferry-sandbox [OPTION]... < CONFIGURATION\n"
        "One domain of the embedded test hypervisor; see xenferry-sandbox(8).\n\n"
        "  -d, --dir=DIR       run directory (default " XF_RUNDIR ")\n"
        "  -u, --uuid=UUID     the domain's, if the configuration names none\n"
        "  -n, --name=NAME     must be the configuration's; shows in process lists\n"
        "  -c, --config=FILE   read the configuration there, not from standard input\n"
        "  -r, --restore=FD    build the domain from the stream read from FD, and pause\n"
        "  -a, --ask=REQUEST   ask the running domain: stat, pause, unpause, resume,\n"
        "                      destroy, cap=PERCENT, or save (suspends; to standard output)\n"
        "  -V, --version       print the version\n"
        "  -h, --help          print this");
}

static void parse_options(int argc, char *argv[], struct options *o)
{
    static const struct option longs[] = {
        { "dir", required_argument, NULL, 'd' },
        { "uuid", required_argument, NULL, 'u' },
        { "name", required_argument, NULL, 'n' },
        { "config", required_argument, NULL, 'c' },
        { "restore", required_argument, NULL, 'r' },
        { "ask", required_argument, NULL, 'a' },
        { "version", no_argument, NULL, 'V' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    uint64_t fd;
    int c;

    *o = (struct options){ .dir = XF_RUNDIR, .restore = -1 };
    while ((c = getopt_long(argc, argv, "d:u:n:c:r:a:Vh", longs, NULL)) != -1) {
        switch (c) {
        case 'd':
            o->dir = optarg;
            break;
        case 'u':
            if (xf_uuid_parse(optarg, &o->uuid) < 0) {
                fail(XF_REASON_USAGE, "\"%s\" is not a uuid", optarg);
            }
            o->has_uuid = true;
            break;
        case 'n':
            o->name = optarg;
            break;
        case 'c':
            o->config = optarg;
            break;
        case 'r':
            if (xf_u64_parse(optarg, 3, 1023, &fd) < 0 || fcntl((int)fd, F_GETFD) < 0) {
                fail(XF_REASON_USAGE, "\"%s\" is not an open descriptor", optarg);
            }
            o->restore = (int)fd;
            break;
        case 'a':
            o->ask = optarg;
            break;
        case 'V':
            (void)puts("xenferry-sandbox " PACKAGE_VERSION);
            exit(0);
        case 'h':
            print_help();
            exit(0);
        default:
            fail(XF_REASON_USAGE, "try xenferry-sandbox --help");
        }
    }
    if (optind < argc) {
        fail(XF_REASON_USAGE, "unexpected argument \"%s\"", argv[optind]);
    }
}

static size_t read_config(const struct options *o, char *buf, size_t size)
{
    FILE *file = o->config != NULL ? fopen(o->config, "re") : stdin;
    size_t n;

    if (file == NULL) {
        fail(XF_REASON_CONFIG, "%s: %s", o->config, strerror(errno));
    }
    n = fread(buf, 1, size, file);
    if (ferror(file) || n == size) {
        fail(XF_REASON_CONFIG, "the configuration cannot be read, or is too long");
    }
    return n;
}

static void parse_config(struct options *o, const char *text, size_t size, struct xf_domcfg *cfg)
{
    static const struct xf_uuid none;
    char err[XF_SANDBOX_TEXT_SIZE];

    if (xf_domcfg_parse(text, size, cfg, err, sizeof(err)) < 0) {
        fail(XF_REASON_CONFIG, "%s", err);
    }
    if (o->has_uuid && !xf_uuid_eq(&cfg->uuid, &none) && !xf_uuid_eq(&cfg->uuid, &o->uuid)) {
        fail(XF_REASON_CONFIG, "the configuration's uuid is not the one given");
    }
    if (!o->has_uuid) {
        o->uuid = cfg->uuid;
    }
    if (xf_uuid_eq(&o->uuid, &none)) {
        fail(XF_REASON_CONFIG, "a uuid is needed, in the configuration or by --uuid");
    }
    if (o->name != NULL && strcmp(o->name, cfg->name) != 0) {
        fail(XF_REASON_CONFIG, "the configuration's name is \"%s\", not \"%s\"", cfg->name,
             o->name);
    }
}

/* Descriptors of whoever started us are not ours to keep open. */
static void close_others(int restore)
{
    if (restore > 3) {
        (void)close_range(3, (unsigned)restore - 1, 0);
    }
    (void)close_range(restore >= 3 ? (unsigned)restore + 1 : 3, ~0u, 0);
}

/*
 * Is whoever started us gone, who alone knows that this domain is coming? Its end of our standard
 * error is. Somebody at a terminal counts as being there.
 */
static bool starter_gone(int starter)
{
    struct pollfd p = { .fd = starter, .events = 0 };

    return poll(&p, 1, 0) > 0 && (p.revents & POLLERR) != 0;
}

/* Waits for the daemon's word and passes it on. */
static _Noreturn void wait_for_report(int report)
{
    char buf[1 + XF_SANDBOX_TEXT_SIZE];
    size_t size = 0;

    while (size < sizeof(buf) - 1) {
        ssize_t n = read(report, buf + size, sizeof(buf) - 1 - size);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        size += (size_t)n;
    }
    buf[size] = '\0';
    if (size == 0) {
        fail(XF_REASON_INTERNAL, "the sandbox process died while starting");
    }
    if (buf[0] != XF_REASON_OK) {
        fail((enum xf_reason)buf[0], "%s",
             buf[1] != '\0' ? buf + 1 : xf_reason_sentence((uint32_t)buf[0]));
    }
    exit(0);
}

/* Returns in the daemon only, with the pipe to report through. */
static int become_daemon(void)
{
    int report[2];
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    pid_t pid;

    if (null < 0 || pipe2(report, O_CLOEXEC) < 0) {
        fail(XF_REASON_INTERNAL, "%s", strerror(errno));
    }
    pid = fork();
    if (pid < 0) {
        fail(XF_REASON_INTERNAL, "fork: %s", strerror(errno));
    }
    if (pid > 0) {
        (void)close(report[1]);
        (void)waitpid(pid, NULL, 0);
        wait_for_report(report[0]);
    }
    (void)close(report[0]);
    (void)setsid();
    pid = fork();
    if (pid != 0) {
        _exit(pid < 0 ? 1 : 0); /* the daemon is nobody's child and no session's leader */
    }
    (void)dup2(null, STDIN_FILENO);
    (void)dup2(null, STDOUT_FILENO);
    (void)dup2(null, STDERR_FILENO);
    (void)close(null);
    return report[1];
}

/* Opens all that the machine will ever need: nothing is opened when it is unpaused (H12). */
static enum xf_reason build(struct xf_machine *m, const struct xf_domcfg *cfg,
                            struct xf_sandbox_status *status, const struct options *o, char *text,
                            size_t size)
{
    enum xf_reason reason = XF_REASON_OK;
    int rc = xf_machine_init(m, cfg, status);
    struct xf_cpu cpu;

    if (rc < 0) {
        (void)snprintf(text, size, "memory: %s", strerror(-rc));
        return rc == -ENOMEM ? XF_REASON_NO_MEMORY : XF_REASON_INTERNAL;
    }
    if (xf_guest_disk_open(m, &reason, text, size) < 0 ||
        xf_guest_net_open(m, &reason, text, size) < 0) {
        return reason;
    }
    if (o->restore < 0) {
        xf_sandbox_host_cpu(o->dir, &cpu);
        xf_machine_boot(m, &cpu);
    } else if (fallocate(m->mem_fd, 0, 0, (off_t)(m->n_pages * XF_PAGE_SIZE)) < 0) {
        /* Taken before the transfer: a host without memory refuses the move, and no page waits. */
        (void)snprintf(text, size, "memory: %s", strerror(errno));
        return XF_REASON_NO_MEMORY;
    }
    rc = xf_machine_threads(m);
    if (rc < 0) {
        (void)snprintf(text, size, "threads: %s", strerror(-rc));
        return XF_REASON_INTERNAL;
    }
    return XF_REASON_OK;
}

/*
 * Becomes the domain's process, which all can see from here on. H11: "no copy here" is said once the
 * mover, or the agent, is dead; so either our lock stood by then, or its death is seen here.
 */
static struct xf_sandbox_status *claim(const struct options *o, const struct xf_domcfg *cfg,
                                       int starter, int report)
{
    struct xf_sandbox_status *status;
    char text[XF_SANDBOX_TEXT_SIZE];
    int rc = xf_files_claim(o->dir, &o->uuid, cfg, &status);

    if (rc < 0) {
        (void)snprintf(text, sizeof(text), "%s: %s", o->dir,
                       rc == -EEXIST ? "this domain has a process here already" : strerror(-rc));
        xf_server_report(report, rc == -EEXIST ? XF_REASON_EXISTS : XF_REASON_INTERNAL, text);
        _exit(1);
    }
    if (starter_gone(starter)) {
        xf_files_remove(o->dir, &o->uuid);
        _exit(1);
    }
    /* A new domain is no copy before it runs; one being restored is from its first page on. */
    atomic_store(&status->variant, o->restore >= 0 ? XF_VARIANT_INCOMING : XF_VARIANT_PLAIN);
    atomic_store(&status->copy, o->restore >= 0 ? XF_COPY_PAUSED : XF_COPY_NONE);
    atomic_store(&status->pid, (uint32_t)getpid());
    atomic_store(&status->magic, XF_SANDBOX_MAGIC);
    return status;
}

static _Noreturn void run_daemon(const struct options *o, const struct xf_domcfg *cfg,
                                 const char *config, size_t size, int starter, int report)
{
    static struct xf_machine machine;
    struct xf_server_options server = {
        .m = &machine, .dir = o->dir, .restore = o->restore, .report = report
    };
    struct xf_sandbox_status *status = claim(o, cfg, starter, report);
    char text[XF_SANDBOX_TEXT_SIZE] = "";
    enum xf_reason reason;
    int rc = 0;

    reason = build(&machine, cfg, status, o, text, sizeof(text));
    if (reason == XF_REASON_OK) {
        rc = xf_files_config(o->dir, &o->uuid, config, size);
        server.listener = rc == 0 ? xf_files_listen(o->dir, &o->uuid) : rc;
        rc = server.listener < 0 ? server.listener : 0;
    }
    if (rc < 0) {
        reason = XF_REASON_INTERNAL;
        (void)snprintf(text, sizeof(text), "%s: %s", o->dir, strerror(-rc));
    }
    /* An agent that came back has said "no copy" of a domain that did not run yet. */
    if (reason != XF_REASON_OK || (o->restore < 0 && starter_gone(starter))) {
        xf_files_remove(o->dir, &o->uuid);
        xf_server_report(report, reason, text);
        _exit(1);
    }
    if (o->restore < 0) {
        /* A domain that is started runs; only a restored one waits for leave. */
        xf_machine_start(&machine);
    }
    (void)close(starter); /* it reads to the end of this */
    atomic_store(&status->n_pages, machine.n_pages);
    xf_server_run(&server);
}

static _Noreturn void run(struct options *o, const char *config, size_t size)
{
    struct xf_domcfg cfg;
    int starter;

    parse_config(o, config, size, &cfg);
    close_others(o->restore);
    starter = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (starter < 0) {
        fail(XF_REASON_INTERNAL, "%s", strerror(errno));
    }
    run_daemon(o, &cfg, config, size, starter, become_daemon());
}

int main(int argc, char *argv[])
{
    static char config[XF_CONFIG_SIZE_MAX];
    struct options o;
    size_t size;

    parse_options(argc, argv, &o);
    if (o.dir[0] != '/') {
        fail(XF_REASON_USAGE, "--dir must be an absolute path");
    }
    if (o.ask != NULL) {
        if (!o.has_uuid) {
            fail(XF_REASON_USAGE, "--ask needs --uuid");
        }
        return xf_sandbox_ask_main(o.dir, &o.uuid, o.ask);
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit on its disk's size is a full disk, and no end */
    (void)umask(077);
    size = read_config(&o, config, sizeof(config));
    if (chdir("/") < 0) {
        fail(XF_REASON_INTERNAL, "/: %s", strerror(errno));
    }
    run(&o, config, size);
}
