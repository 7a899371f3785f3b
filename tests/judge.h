/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The judge: an onlooker who knows nothing of agents and believes only what a client on the network
 * and a reader of the disk can see. judge.c is its command, judge_net.c the client, judge_disk.c
 * the reader. All findings are JSON, one object a line, on stdout.
 */
#ifndef XF_JUDGE_H
#define XF_JUDGE_H

#include <netinet/in.h>
#include <stdint.h>

struct xf_judge_net {
    struct in_addr address;
    uint16_t port;
    uint32_t interval_us; /* between two requests */
    uint32_t gap_ms;      /* a silence from here on is told as it ends */
};

/* Asks until SIGTERM or SIGINT; SIGUSR1 prints a summary and starts a new window. Exit code. */
int xf_judge_net(const struct xf_judge_net *options);
/*
 * Reads a domain's disk, a file from a record's number on, a block device as a ring; exit code: 0
 * clean, 1 violated, 2 unreadable.
 */
int xf_judge_disk(const char *path, uint64_t first);
/* The same of anything that holds a ring of blocks, up to 64 MiB. */
int xf_judge_ring(const char *path);

#endif
