/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Both ends of a layer-2 probe, each opened in the network namespace of its host, in the order in
 * which a check does it; for tests/net/probe.py. Tells the facts, the rounds and the findings.
 *
 *   probe_tool check|cycle SOURCE_NETNS TARGET_NETNS BRIDGE[,BRIDGE...] [MAC [IPV4]]
 */
#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <qb/qbloop.h>

#include "net_link.h"
#include "net_probe.h"
#include "text.h"

enum { SOURCE, TARGET, N_SIDES };

struct tool {
    qb_loop_t *loop;
    const char *netns[N_SIDES];
    struct xf_net_probe_setup setup;
    struct xf_net_probe *probe[N_SIDES];
    struct xf_probe_result result[XF_NET_PROBE_BRIDGES_MAX];
    uint32_t frames;
};

static void enter(const char *netns)
{
    char path[128];
    int fd;

    (void)snprintf(path, sizeof(path), "/run/netns/%s", netns);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET) < 0) {
        perror(path);
        exit(2);
    }
    (void)close(fd);
}

static void open_both(struct tool *tool)
{
    for (uint32_t side = SOURCE; side < N_SIDES; side++) {
        struct xf_net_probe_setup setup = tool->setup;
        int rc;

        setup.self.id = side + 1;
        setup.by_target = side == TARGET;
        enter(tool->netns[side]);
        rc = xf_net_probe_open(tool->loop, &setup, &tool->probe[side]);
        if (rc < 0) {
            fprintf(stderr, "open: %s\n", strerror(-rc));
            exit(2);
        }
    }
}

static void close_both(struct tool *tool)
{
    for (uint32_t side = SOURCE; side < N_SIDES; side++) {
        xf_net_probe_close(tool->probe[side]);
        tool->probe[side] = NULL;
    }
}

static void time_is_over(void *data)
{
    struct tool *tool = data;

    qb_loop_stop(tool->loop);
}

static void run_for(struct tool *tool, uint32_t ms)
{
    qb_loop_timer_handle timer;

    (void)qb_loop_timer_add(tool->loop, QB_LOOP_LOW, ms * UINT64_C(1000000), tool, time_is_over,
                            &timer);
    qb_loop_run(tool->loop);
}

static void learn_round(struct tool *tool, uint32_t b, const uint16_t *size, uint32_t n)
{
    struct xf_probe_result *result = &tool->result[b];
    bool heard[N_SIDES][XF_PROBE_SIZES_MAX];
    bool both[XF_PROBE_SIZES_MAX];

    for (uint32_t side = SOURCE; side < N_SIDES; side++) {
        xf_net_probe_heard(tool->probe[side], b, result->search.round, size, n, heard[side]);
    }
    for (uint32_t i = 0; i < n; i++) {
        both[i] = heard[SOURCE][i] && heard[TARGET][i];
        result->source_heard = result->source_heard || heard[SOURCE][i];
        result->target_heard = result->target_heard || heard[TARGET][i];
    }
    xf_probe_search_learn(&result->search, size, both, n);
}

/* One round on every bridge whose search goes on. */
static bool make_round(struct tool *tool)
{
    uint16_t size[XF_NET_PROBE_BRIDGES_MAX][XF_PROBE_SIZES_MAX];
    uint32_t n[XF_NET_PROBE_BRIDGES_MAX];
    bool any = false;

    for (uint32_t b = 0; b < tool->setup.n; b++) {
        const struct xf_probe_search *search = &tool->result[b].search;

        n[b] = xf_probe_search_next(search, size[b]);
        for (uint32_t side = SOURCE; n[b] > 0 && side < N_SIDES; side++) {
            tool->frames += xf_net_probe_send(tool->probe[side], b, search->round, size[b], n[b]);
        }
        any = any || n[b] > 0;
    }
    if (!any) {
        return false;
    }
    run_for(tool, XF_NET_PROBE_WAIT_MS);
    for (uint32_t b = 0; b < tool->setup.n; b++) {
        if (n[b] > 0) {
            learn_round(tool, b, size[b], n[b]);
        }
    }
    return true;
}

static void print_facts(const char *host, const struct xf_bridge_facts *facts)
{
    char address[XF_IPV4_TEXT_SIZE];

    xf_ipv4_text(facts->ipv4, address);
    printf("facts %s %s there=%d carrier=%d mtu=%u port=%u filtering=%d pvid=%u ipv4=%s/%u "
           "error=%u\n",
           host, facts->name, facts->there, facts->carrier, facts->mtu, facts->port,
           facts->vlan_filtering, facts->pvid, address, facts->prefix, facts->error);
}

static void take_taken(struct tool *tool, uint32_t b)
{
    struct xf_probe_result *result = &tool->result[b];

    for (uint32_t side = SOURCE; side < N_SIDES; side++) {
        char who[32];
        bool mac;
        bool ip;

        xf_net_probe_taken(tool->probe[side], b, &mac, &ip, who);
        if (mac || ip) {
            printf("taken %s %s\n", side == SOURCE ? "source" : "target", who);
            (void)snprintf(result->who, sizeof(result->who), "%s", who);
        }
        result->mac_taken = result->mac_taken || mac;
        result->ip_taken = result->ip_taken || ip;
    }
}

static void make_check(struct tool *tool)
{
    struct xf_findings findings = { .n = 0 };
    uint64_t start = xf_net_now_ns();

    open_both(tool);
    for (uint32_t b = 0; b < tool->setup.n; b++) {
        struct xf_probe_result *result = &tool->result[b];

        xf_net_probe_facts(tool->probe[SOURCE], b, &result->source);
        xf_net_probe_facts(tool->probe[TARGET], b, &result->target);
        print_facts("source", &result->source);
        print_facts("target", &result->target);
        xf_probe_search_init(&result->search, result->source.mtu, result->target.mtu);
    }
    while (make_round(tool)) {
    }
    for (uint32_t b = 0; b < tool->setup.n; b++) {
        printf("search %s rounds=%u passed=%u\n", tool->setup.bridge[b].name,
               tool->result[b].search.round, tool->result[b].search.passed);
        take_taken(tool, b);
        xf_probe_judge(&tool->result[b], &findings);
    }
    for (uint32_t i = 0; i < findings.n; i++) {
        printf("finding %s %s: %s\n", xf_finding_name(findings.of[i].id), findings.of[i].subject,
               findings.of[i].detail);
    }
    close_both(tool);
    printf("done frames=%u ms=%" PRIu64 "\n", tool->frames,
           (xf_net_now_ns() - start) / UINT64_C(1000000));
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

/* Opened, made to send, and closed in the midst of it, many times: what is left open? */
static void cycle(struct tool *tool)
{
    static const uint16_t size[] = { 68, 1500 };
    int before = count_fds();

    for (uint32_t i = 0; i < 200; i++) {
        open_both(tool);
        for (uint32_t side = SOURCE; side < N_SIDES; side++) {
            (void)xf_net_probe_send(tool->probe[side], 0, 0, size, 2);
        }
        run_for(tool, i % 8);
        close_both(tool);
    }
    run_for(tool, 20);
    printf("left %d\n", count_fds() - before);
}

static bool read_setup(int argc, char *argv[], struct xf_net_probe_setup *setup)
{
    char *save = NULL;

    for (char *name = strtok_r(argv[4], ",", &save);
         name != NULL && setup->n < XF_NET_PROBE_BRIDGES_MAX; name = strtok_r(NULL, ",", &save)) {
        (void)snprintf(setup->bridge[setup->n].name, sizeof(setup->bridge[0].name), "%s", name);
        setup->n++;
    }
    if (argc > 5) {
        setup->bridge[0].n_macs = 1;
        if (xf_mac_parse(argv[5], setup->bridge[0].mac[0]) < 0) {
            return false;
        }
    }
    if (argc > 6 && xf_ipv4_parse(argv[6], &setup->bridge[0].ipv4[0]) < 0) {
        return false;
    }
    return getrandom(setup->nonce, sizeof(setup->nonce), 0) == (ssize_t)sizeof(setup->nonce);
}

int main(int argc, char *argv[])
{
    static struct tool tool;

    if (argc < 5 || !read_setup(argc, argv, &tool.setup)) {
        fprintf(stderr, "probe_tool check|cycle SOURCE_NETNS TARGET_NETNS BRIDGE[,BRIDGE...] "
                        "[MAC [IPV4]]\n");
        return 2;
    }
    tool.netns[SOURCE] = argv[2];
    tool.netns[TARGET] = argv[3];
    tool.loop = qb_loop_create();
    if (strcmp(argv[1], "cycle") == 0) {
        cycle(&tool);
    } else {
        make_check(&tool);
    }
    qb_loop_destroy(tool.loop);
    return 0;
}
