/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * console: xl's console of a domain, on whatever node it runs, and on the next one when it has
 * moved. On other nodes it is reached by ssh, as whoever calls this may.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "cli.h"
#include "field.h"
#include "table.h"
#include "text.h"

/* A move's last hand-shake, the new host's name for the domain, or a reboot take no longer. */
#define FOLLOW_MS 15000
#define LOOK_MS   300
/* A console that ends so soon was not there yet. */
#define QUICK_MS  1000

extern char **environ;

struct place {
    char node[XF_NAME_SIZE]; /* "": nowhere */
    bool running;
    bool moving;
    bool here;
    bool has_console;
};

static void nap(void)
{
    const struct timespec ts = { .tv_nsec = LOOK_MS * 1000000l };

    nanosleep(&ts, NULL);
}

static uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

static int ask(struct xf_cli *cli, const char *verb, struct xf_answer *ret_answer)
{
    struct xf_ctl_request request = { .verb = verb };

    return xf_ask(cli, &request, ret_answer);
}

static int find_node(struct xf_cli *cli, struct place *place)
{
    struct xf_answer answer;
    const json_t *node;
    size_t i;
    int rc = ask(cli, "nodes", &answer);

    if (rc != 0) {
        return rc;
    }
    place->here = strcmp(xf_field_text(answer.body, "self"), place->node) == 0;
    json_array_foreach(xf_field_array(answer.body, "nodes"), i, node)
    {
        if (strcmp(xf_field_text(node, "name"), place->node) == 0) {
            place->has_console = strncmp(xf_field_text(node, "hypervisor"), "Xen", 3) == 0;
        }
    }
    xf_answer_clear(&answer);
    return 0;
}

/* Where the domain is; 0, or the exit code of what was complained of. */
static int find(struct xf_cli *cli, const char *name, struct place *ret_place)
{
    struct place place = { .node = "" };
    struct xf_answer answer;
    const json_t *domain;
    size_t i;
    int rc = ask(cli, "domains", &answer);

    if (rc != 0) {
        return rc;
    }
    json_array_foreach(xf_field_array(answer.body, "domains"), i, domain)
    {
        if (strcmp(xf_field_text(domain, "name"), name) == 0 ||
            strcmp(xf_field_text(domain, "uuid"), name) == 0) {
            xf_text_copy(place.node, sizeof(place.node), xf_field_text(domain, "node"));
            place.running = strcmp(xf_field_text(domain, "state"), "running") == 0;
            place.moving = xf_field_is_true(domain, "moving");
        }
    }
    xf_answer_clear(&answer);
    if (place.node[0] != '\0') {
        rc = find_node(cli, &place);
    }
    *ret_place = place;
    return rc;
}

/* The console has the terminal until it ends. How it ended, or -1: it could not be started. */
static int attach(const char *name, const struct place *place)
{
    const char *ssh = getenv("XENFERRY_SSH");
    char program[256], node[XF_NAME_SIZE], domain[XF_NAME_SIZE];
    char *local[] = { (char[]){ "xl" }, (char[]){ "console" }, domain, NULL };
    char *remote[] = {
        program, (char[]){ "-t" }, node, (char[]){ "xl" }, (char[]){ "console" }, domain, NULL
    };
    struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
    int status = -1;
    pid_t pid;
    int r;

    xf_text_copy(program, sizeof(program), ssh != NULL && ssh[0] != '\0' ? ssh : "ssh");
    xf_text_copy(node, sizeof(node), place->node);
    xf_text_copy(domain, sizeof(domain), name);
    r = posix_spawnp(&pid, place->here ? "xl" : program, NULL, NULL, place->here ? local : remote,
                     environ);
    if (r != 0) {
        errno = r;
        return -1;
    }
    sigaction(SIGINT, &ignore, &before); /* it is meant for the console */
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    sigaction(SIGINT, &before, NULL);
    return status;
}

/* After the console ended at *place: has the domain left, or did the user? True: on to *place. */
static int await_next(struct xf_cli *cli, const char *name, bool quick, struct place *place,
                      bool *ret_follow)
{
    const struct place last = *place;
    uint64_t end_ms = now_ms() + FOLLOW_MS;
    bool stayed = true;
    int rc;

    *ret_follow = false;
    do {
        nap();
        rc = find(cli, name, place);
        if (rc != 0) {
            return rc;
        }
        if (place->running && !place->moving) {
            bool elsewhere = strcmp(place->node, last.node) != 0;

            *ret_follow = elsewhere || !stayed || quick;
            return 0;
        }
        stayed = false; /* it is on its way, or is being booted */
    } while (now_ms() < end_ms);
    return 0;
}

static int follow(struct xf_cli *cli, const char *name, struct place *place)
{
    bool again = true;
    unsigned quick_ends = 0;
    int rc = 0;

    while (again && rc == 0) {
        uint64_t began_ms = now_ms();
        bool quick;

        fprintf(stderr, "[%s on %s; Ctrl-] ends]\n", name, place->node);
        if (attach(name, place) == -1) {
            return xf_complain(cli, XF_REASON_INTERNAL, "%s cannot be run: %s",
                               place->here ? "xl" : "ssh", strerror(errno));
        }
        /* Just arrived, it may not have its own name yet. */
        quick = now_ms() - began_ms < QUICK_MS && ++quick_ends < FOLLOW_MS / QUICK_MS;
        rc = await_next(cli, name, quick, place, &again);
    }
    return rc;
}

int xf_cmd_console(struct xf_cli *cli, struct xf_given *given)
{
    const char *name = xf_ctl_value(&given->request, "domain");
    struct place place;
    int rc;

    if (cli->json) {
        return xf_complain(cli, XF_REASON_USAGE, "a console has no JSON");
    }
    rc = find(cli, name, &place);
    if (rc != 0) {
        return rc;
    }
    if (place.node[0] == '\0') {
        return xf_complain(cli, XF_REASON_UNKNOWN_DOMAIN, "%s", name);
    }
    if (!place.has_console) {
        return xf_complain(cli, XF_REASON_USAGE, "%s is no domain of Xen's: it has no console",
                           name);
    }
    return follow(cli, name, &place);
}
