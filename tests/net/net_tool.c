/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One half of an address hand-over by hand, for tests/net/handover.py: does what each line of stdin
 * says, tells on stdout what happened and when (CLOCK_MONOTONIC, ns), ends with stdin.
 *
 *   net_tool announce|watch|learn|cycle BRIDGE MAC [IPV4]
 */
#include "config.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/poll.h>
#include <unistd.h>

#include <qb/qbloop.h>

#include "drivers.h"
#include "net_announce.h"
#include "net_link.h"

struct tool {
    qb_loop_t *loop;
    struct xf_dom_needs needs;
    struct xf_announce *announce;
    struct xf_watch *watch;
    struct xf_learn *learn;
    bool stop_in_callback;
};

static void say(const char *what, uint64_t at_ns)
{
    printf("%s %" PRIu64 "\n", what, at_ns);
    (void)fflush(stdout);
}

static void seen(void *arg, const struct xf_watch_result *result)
{
    struct tool *tool = arg;

    say(result->fdb_moved ? "seen-moved" : "seen", result->at_ns);
    if (tool->stop_in_callback) {
        xf_watch_stop(tool->watch);
        tool->watch = NULL;
    }
}

static void print_learned(struct tool *tool)
{
    struct xf_addresses addresses;

    xf_learn_get(tool->learn, &addresses);
    for (uint32_t i = 0; i < addresses.n_vifs; i++) {
        const struct xf_vif_addresses *vif = &addresses.vif[i];
        char text[INET6_ADDRSTRLEN];

        printf("learned role=%u", vif->role);
        for (size_t k = 0; k < vif->n_ipv4; k++) {
            uint32_t address = htonl(vif->ipv4[k].address);

            printf(" %s/%u", inet_ntop(AF_INET, &address, text, sizeof(text)), vif->ipv4[k].vlan);
        }
        for (size_t k = 0; k < vif->n_ipv6; k++) {
            printf(" %s/%u", inet_ntop(AF_INET6, vif->ipv6[k].address, text, sizeof(text)),
                   vif->ipv6[k].vlan);
        }
        printf("\n");
    }
    (void)fflush(stdout);
}

/* More addresses on the arriving side, as a message from the other host would bring. */
static void add_learned(struct tool *tool, const char *ipv6)
{
    struct xf_addresses addresses;
    struct xf_heard heard = { .has_ipv6 = true, .role = XF_IPV6_ROLE_HOST };

    xf_addresses_of_config(&tool->needs, &addresses);
    memcpy(heard.mac, tool->needs.vif[0].mac, sizeof(heard.mac));
    if (inet_pton(AF_INET6, ipv6, heard.ipv6) == 1 &&
        xf_addresses_learn(&addresses.vif[0], &heard)) {
        xf_announce_learned(tool->announce, &addresses);
        say("added", xf_net_now_ns());
    }
}

static void obey(struct tool *tool, const char *line)
{
    if (strcmp(line, "fire") == 0) {
        say("fired", xf_net_now_ns());
        xf_announce_fire(tool->announce);
    } else if (strcmp(line, "busy") == 0) {
        say(xf_announce_busy(tool->announce) ? "busy" : "idle", xf_net_now_ns());
    } else if (strcmp(line, "free") == 0) {
        xf_announce_free(tool->announce);
        tool->announce = NULL;
        say("freed", xf_net_now_ns());
    } else if (strncmp(line, "add ", 4) == 0) {
        add_learned(tool, line + 4);
    } else if (strcmp(line, "start") == 0) {
        xf_watch_start(tool->watch);
        say("started", xf_net_now_ns());
    } else if (strcmp(line, "stop-when-seen") == 0) {
        tool->stop_in_callback = true;
    } else if (strcmp(line, "get") == 0) {
        print_learned(tool);
    } else {
        say("what?", 0);
    }
}

static int32_t line_arrived(int32_t fd, int32_t revents, void *data)
{
    struct tool *tool = data;
    char buf[256];
    ssize_t got = read(fd, buf, sizeof(buf) - 1);
    char *save = NULL;

    (void)revents;
    if (got <= 0) {
        qb_loop_stop(tool->loop);
        return -1;
    }
    buf[got] = '\0';
    for (char *line = strtok_r(buf, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        obey(tool, line);
    }
    return 0;
}

static int count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    while (dir != NULL && readdir(dir) != NULL) {
        n++;
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return n;
}

/* All three, made and thrown away many times: what is left open? */
static int cycle(struct tool *tool)
{
    int before = count_fds();

    for (int i = 0; i < 100; i++) {
        if (xf_announce_prepare(tool->loop, &tool->needs, NULL, &tool->announce) < 0 ||
            xf_watch_prepare(tool->loop, &tool->needs, seen, tool, &tool->watch) < 0 ||
            xf_learn_start(tool->loop, &tool->needs, &tool->learn) < 0) {
            return 1;
        }
        xf_announce_fire(tool->announce);
        xf_watch_start(tool->watch);
        xf_announce_free(tool->announce);
        xf_watch_stop(tool->watch);
        xf_learn_stop(tool->learn);
    }
    printf("left %d\n", count_fds() - before);
    return 0;
}

static bool read_needs(char *argv[], struct xf_dom_needs *needs)
{
    uint8_t *m = needs->vif[0].mac;
    char bridges[XF_NAME_SIZE * XF_VIFS_MAX];
    char *save = NULL;
    struct in_addr address;

    (void)snprintf(needs->name, sizeof(needs->name), "net-tool");
    (void)snprintf(bridges, sizeof(bridges), "%s", argv[2]);
    if (sscanf(argv[3], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &m[0], &m[1], &m[2], &m[3], &m[4],
               &m[5]) != 6) {
        return false;
    }
    /* Several bridges: one vif on each, with MACs that count up. */
    for (char *name = strtok_r(bridges, ",", &save); name != NULL && needs->n_vifs < XF_VIFS_MAX;
         name = strtok_r(NULL, ",", &save)) {
        uint32_t i = needs->n_vifs++;

        memmove(needs->vif[i].mac, m, 6);
        needs->vif[i].mac[5] = (uint8_t)(m[5] + i);
        (void)snprintf(needs->vif[i].bridge, sizeof(needs->vif[i].bridge), "%s", name);
    }
    if (argv[4] != NULL) {
        if (inet_pton(AF_INET, argv[4], &address) != 1) {
            return false;
        }
        needs->vif[0].ipv4 = ntohl(address.s_addr);
    }
    return true;
}

int main(int argc, char *argv[])
{
    static struct tool tool;
    int rc = -1;

    if (argc < 4 || !read_needs(argv, &tool.needs)) {
        fprintf(stderr, "net_tool announce|watch|learn|cycle BRIDGE[,BRIDGE...] MAC [IPV4]\n");
        return 2;
    }
    tool.loop = qb_loop_create();
    if (strcmp(argv[1], "cycle") == 0) {
        return cycle(&tool);
    }
    if (strcmp(argv[1], "announce") == 0) {
        rc = xf_announce_prepare(tool.loop, &tool.needs, NULL, &tool.announce);
    } else if (strcmp(argv[1], "watch") == 0) {
        rc = xf_watch_prepare(tool.loop, &tool.needs, seen, &tool, &tool.watch);
    } else if (strcmp(argv[1], "learn") == 0) {
        rc = xf_learn_start(tool.loop, &tool.needs, &tool.learn);
    }
    if (rc < 0) {
        printf("refused %s\n", strerror(-rc));
        return 1;
    }
    (void)qb_loop_poll_add(tool.loop, QB_LOOP_MED, STDIN_FILENO, POLLIN, &tool, line_arrived);
    say("ready", xf_net_now_ns());
    qb_loop_run(tool.loop);
    xf_announce_free(tool.announce);
    xf_watch_stop(tool.watch);
    xf_learn_stop(tool.learn);
    qb_loop_destroy(tool.loop);
    return 0;
}
