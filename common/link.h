/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Agent <-> mover: what they say over their SOCK_SEQPACKET pair, one message a packet.
 * Both come from one build, but the parser trusts the other side no more than a peer.
 */
#ifndef XF_LINK_H
#define XF_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core.h"

#define XF_LINK_SIZE_MAX 32768u
#define XF_LINK_FD 3 /* the mover finds the socket here */
#define XF_CONFIG_SIZE_MAX 16384u /* domain configuration text */
#define XF_ADDRESS_SIZE 64u

enum xf_link_type {
    /* agent -> mover */
    XF_LINK_SEND = 1, /* be the source: .params */
    XF_LINK_RECEIVE,  /* be the destination: .params */
    XF_LINK_SWITCH,   /* S: you may suspend the guest now (one switch-over at a time on a link) */
    XF_LINK_GRANT,    /* S: END is noted, send the end of the stream (H3) */
    XF_LINK_CANCEL,   /* stop; leave the guest as it is */
    /* mover -> agent */
    XF_LINK_LISTENING, /* D: .port */
    XF_LINK_CONNECTED,
    XF_LINK_ROUND,     /* .round; the same number again tells of more of the same round */
    XF_LINK_WANT_SWITCH, /* S: the stop rule says stop; asks for SWITCH, pre-copy goes on meanwhile */
    XF_LINK_SUSPENDED, /* S */
    XF_LINK_WANT_END,  /* S: all but the end is sent */
    XF_LINK_COMPLETE,  /* D: .totals */
    XF_LINK_FAILED,    /* .reason .text */
    XF_LINK_FINISHED,  /* S: the end is sent and acknowledged by the peer's mover; .totals */
    XF_LINK_NOTE,      /* .text: for whoever reads the report */
    XF_LINK_TROUBLE,   /* D: .text: of the hypervisor, which may fail on it */
    XF_N_LINKS,
};

/* What a move was asked to be; 0 = take the configured default unless said otherwise. */
struct xf_move_options {
    bool cold;
    bool force;
    bool slow_allowed;           /* the scheduler's cap may be used */
    uint32_t downtime_target_ms; /* default 300 */
    uint32_t downtime_max_ms;    /* default 1000 */
    uint32_t max_time_s;         /* 0: none */
    uint64_t bandwidth_kibps;    /* 0: unlimited */
};

struct xf_link_params {
    struct xf_uuid uuid;
    struct xf_migid id;
    char name[XF_NAME_SIZE];          /* the domain's own name, without a variant's ending */
    char address[XF_ADDRESS_SIZE];    /* D: bind to; S: connect to (numeric) */
    uint16_t port;                    /* S */
    uint8_t psk[32];
    struct xf_move_options options;
    uint32_t progress_timeout_ms;     /* no byte for so long: STALLED */
    uint32_t fixed_cost_us;           /* learned pause besides the last pages */
    uint32_t config_size;             /* of .config without its NUL */
    char config[XF_CONFIG_SIZE_MAX];  /* domain configuration, NUL-terminated */
};

/* One round of pre-copy, as reports show it. */
struct xf_round {
    uint32_t number;        /* from 0 */
    uint64_t pages_dirty;   /* to send at the top of the round */
    uint64_t pages_sent;    /* put on the wire, in whatever form */
    uint64_t pages_zero;
    uint64_t pages_same;    /* equal to what the peer has: skipped */
    uint64_t bytes_wire;
    uint64_t duration_us;
    uint64_t dirty_rate_kibps;
    uint32_t predicted_pause_us; /* if it were to stop after this round */
    uint8_t verdict;             /* enum xf_verdict, precopy.h */
    uint8_t cap_percent;         /* scheduler cap then in force; 100: none */
};

struct xf_link_totals {
    uint64_t bytes_wire;
    uint64_t bytes_stream;
    uint64_t pages_total;
    uint64_t duration_us;
    uint64_t suspend_us;    /* S: asking until suspended */
    uint64_t last_pages_us; /* S: suspended until WANT_END */
    uint64_t build_us;      /* D: last byte until built, devices attached */
    uint32_t rounds;
    uint32_t predicted_pause_us; /* as predicted when it stopped */
};

struct xf_link_msg {
    uint8_t type; /* enum xf_link_type */
    uint16_t port;
    uint16_t reason;
    struct xf_round round;
    struct xf_link_totals totals;
    struct xf_link_params params;
    char text[256];
};

/* Bytes written, -EMSGSIZE, or -EINVAL for what decode would refuse. Control characters in .text turn to spaces. */
int xf_link_encode(const struct xf_link_msg *msg, uint8_t *buf, size_t size);
/* 0 or -EBADMSG. */
int xf_link_decode(const uint8_t *buf, size_t size, struct xf_link_msg *ret_msg);

#endif
