/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usage: judge net ADDRESS [--port N] [--interval-us N] [--gap-ms N]
 *        judge disk FILE [--from RECORD]
 *        judge disk DEVICE
 */
#include "config.h"

#include "judge.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] = "usage: judge net ADDRESS [--port N] [--interval-us N] [--gap-ms N]\n"
                            "       judge disk FILE [--from RECORD]\n"
                            "       judge disk DEVICE\n";

enum option_code { OPT_PORT = 1, OPT_INTERVAL, OPT_GAP, OPT_FROM };

static const struct option options[] = {
    { "port", required_argument, NULL, OPT_PORT },
    { "interval-us", required_argument, NULL, OPT_INTERVAL },
    { "gap-ms", required_argument, NULL, OPT_GAP },
    { "from", required_argument, NULL, OPT_FROM },
    { NULL, 0, NULL, 0 },
};

static uint64_t number(const char *text, uint64_t min, uint64_t max)
{
    char *end;
    unsigned long long v;

    errno = 0;
    v = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || v < min || v > max) {
        fprintf(stderr, "judge: %s is not a number from %llu to %llu\n", text,
                (unsigned long long)min, (unsigned long long)max);
        exit(2);
    }
    return v;
}

int main(int argc, char **argv)
{
    struct xf_judge_net net = { .port = 7, .interval_us = 2000, .gap_ms = 20 };
    uint64_t first = 0;
    int code;

    while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (code == OPT_PORT) {
            net.port = (uint16_t)number(optarg, 1, UINT16_MAX);
        } else if (code == OPT_INTERVAL) {
            net.interval_us = (uint32_t)number(optarg, 100, 999999);
        } else if (code == OPT_GAP) {
            net.gap_ms = (uint32_t)number(optarg, 1, 3600000);
        } else if (code == OPT_FROM) {
            first = number(optarg, 0, UINT64_MAX / 4096);
        } else {
            fputs(usage, stderr);
            return 2;
        }
    }
    if (argc - optind != 2) {
        fputs(usage, stderr);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (strcmp(argv[optind], "disk") == 0) {
        return xf_judge_disk(argv[optind + 1], first);
    }
    if (strcmp(argv[optind], "net") == 0) {
        if (inet_pton(AF_INET, argv[optind + 1], &net.address) != 1) {
            fprintf(stderr, "judge: %s is no IPv4 address\n", argv[optind + 1]);
            return 2;
        }
        return xf_judge_net(&net);
    }
    fputs(usage, stderr);
    return 2;
}
