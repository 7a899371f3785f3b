/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames of the agents' group <-> bytes (docs/wire.md). Decoding checks everything once: lengths,
 * ranges of every enum, counts, text that ends; what decodes is safe to use.
 */
#ifndef XF_WIRE_H
#define XF_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core.h"

/*
 * A frame carries the version it is written in; a HELLO carries the sender's whole range. How these
 * three are raised: docs/wire.md. A test builds an agent of a later release from the same source.
 */
#ifndef XF_WIRE_MIN
#define XF_WIRE_MIN   1
#define XF_WIRE_MAX   1
#define XF_WIRE_HELLO 1 /* in which HELLOs are written */
#endif
#define XF_FRAME_SIZE_MAX 65536u /* header and all; far below CPG's own limit */
#define XF_HELLO_DOMAINS_MAX 512u /* more domains: several HELLO frames, .more set on all but the last */
#define XF_PAYLOAD_MAX 61440u

enum xf_frame_kind {
    XF_FRAME_HELLO = 1, /* node facts and every domain of the sender */
    XF_FRAME_DOMAIN,    /* one xf_msg about one domain, with a payload (config text, endpoint, reasons) */
    XF_FRAME_FENCED,    /* a node's incarnation is confirmed off */
    XF_FRAME_PROGRESS,  /* a migration's latest round: payload only */
    XF_FRAME_REPORT,    /* a migration ended: payload is its report as JSON text */
    XF_FRAME_REQUEST,   /* a command's request, forwarded to .to */
    XF_FRAME_REPLY,     /* the answer to it */
    XF_FRAME_SEEN,      /* address hand-over: the old host saw the MAC arrive from outside */
    XF_N_FRAME_KINDS,
};

struct xf_hello_domain {
    struct xf_uuid uuid;
    char name[XF_NAME_SIZE];
    uint32_t memory_mib;
    uint8_t copy;  /* enum xf_copy */
    uint8_t state; /* enum xf_state, for display only */
    uint32_t epoch_max;
    struct xf_migid id;
    struct xf_node src;
    struct xf_node dst;
};

struct xf_hello {
    uint16_t version_min;
    uint16_t version_max;
    struct xf_boot boot;
    uint64_t memory_total_mib;
    uint64_t memory_free_mib;
    uint32_t cpus;
    uint32_t seq;  /* counts the sender's frames of one HELLO from 0 */
    bool more;     /* another frame of this HELLO follows */
    char node_name[XF_NAME_SIZE];
    char hypervisor[XF_NAME_SIZE]; /* driver and version */
    uint32_t n_off;                /* nodes that the sender knows confirmed off */
    struct xf_node off[XF_NODES_MAX];
    struct xf_boot off_boot[XF_NODES_MAX];
    uint32_t n_domains;
    struct xf_hello_domain domain[XF_HELLO_DOMAINS_MAX];
};

/* One decoded frame. Large (a HELLO): keep one per agent, not on the stack. */
struct xf_frame {
    uint8_t kind;        /* enum xf_frame_kind */
    uint16_t version;
    struct xf_node from; /* not in the bytes: the group layer knows the sender */
    struct xf_uuid uuid; /* DOMAIN, PROGRESS, REPORT, SEEN */
    struct xf_migid id;  /* PROGRESS, REPORT, SEEN */
    struct xf_msg msg;   /* DOMAIN */
    struct xf_node to;   /* REQUEST, REPLY: addressee; FENCED: the node that is off */
    struct xf_boot boot; /* FENCED */
    uint64_t request;    /* REQUEST, REPLY: chosen by the requester */
    bool more;           /* REPLY: further parts follow */
    struct xf_hello hello;
    const uint8_t *payload; /* points into the buffer given to decode */
    uint32_t payload_size;
};

/*
 * Bytes written; -EMSGSIZE when it does not fit into size; -EINVAL for what no peer would decode.
 * .version 0 stands for XF_WIRE_HELLO in a HELLO and XF_WIRE_MAX in all else.
 */
int xf_wire_encode(const struct xf_frame *frame, uint8_t *buf, size_t size);
/*
 * 0; -EPROTO bad magic; -EPROTONOSUPPORT version outside ours (then only .version and .kind are
 * set, and for a HELLO .hello.version_min and .version_max, so that the peer can be named);
 * -EBADMSG anything malformed. Nothing else of *ret_frame may be used unless 0. A reason that we
 * do not know reads as XF_REASON_INTERNAL.
 */
int xf_wire_decode(const uint8_t *buf, size_t size, struct xf_frame *ret_frame);

#endif
