/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hypervisor's driver at a distance: what the bed of the conformance tests (hyper_remote.c) and
 * the server that has the driver (hyper_server.c) say over a stream. Both are of one build, so the
 * head's bytes are the structure's; what has no fixed size follows it.
 */
#ifndef XF_HYPER_WIRE_H
#define XF_HYPER_WIRE_H

#include "drivers.h"

#define HW_TAIL_MAX (128u << 10)

enum hw_type {
    /* the agent's side; each is answered by REPLY */
    HW_OPEN = 1,  /* .number: memory limit; tail: folder */
    HW_FACTS,     /* -> .facts */
    HW_CPU,       /* .flag: of a PV guest -> .cpu */
    HW_GUEST,     /* .uuid -> .guest */
    HW_SCAN,      /* .number: at most so many -> tail: xf_dom_info[] */
    HW_CONFIG,    /* .uuid .number: size of the buffer -> tail */
    HW_TRANSLATE, /* .cookie; tail: text */
    HW_NEEDS,     /* tail: configuration -> tail: xf_dom_needs, or the error's text */
    HW_CREATE,    /* .cookie .uuid; tail: configuration */
    HW_DESTROY,   /* .cookie .uuid; so are the next two */
    HW_RESUME,
    HW_UNPAUSE,
    HW_RENAME,  /* .cookie .uuid .number: variant */
    HW_RESERVE, /* .uuid .number: MiB */
    HW_RELEASE, /* .uuid */
    /* one of these is all that a server of the mover's side does; END ends it */
    HW_SAVE,    /* .uuid .number: cold; tail: folder */
    HW_RESTORE, /* .uuid; tail: folder, NUL, configuration */
    HW_CAP,     /* .uuid .number: percent; tail: folder */
    HW_PAGES,   /* .uuid; tail: folder -> .pages */
    HW_REMOVE,  /* tail: folder */
    /* from the server */
    HW_REPLY,      /* .rc */
    HW_DONE,       /* .cookie .flag .reason; tail: text */
    HW_CHANGED,    /* .info .flag: gone */
    HW_TRANSLATED, /* .cookie .reason; tail: text */
    HW_ASK,        /* save: .number: round .pages: written .dirty; answered by VERDICT */
    HW_SUSPENDED,
    HW_NOTE, /* tail: text */
    HW_WHY,  /* tail: text */
    HW_PREPARED,
    HW_END, /* .rc .reason .pages */
    /* both ways */
    HW_VERDICT, /* .number */
    HW_DATA,    /* tail: of the stream; empty: its end */
};

struct hw_msg {
    uint32_t type;
    uint32_t size; /* of the tail */
    int32_t rc;
    uint32_t reason;
    uint32_t number;
    bool flag;
    uint64_t cookie;
    uint64_t pages;
    int64_t dirty;
    struct xf_uuid uuid;
    struct xf_dom_info info;
    struct xf_host_facts facts;
    struct xf_cpu cpu;
    struct xf_guest guest;
};

/* 0 or negative errno; sets .size. */
int hw_send(int fd, struct hw_msg *msg, const void *tail, size_t size);
/*
 * tail has HW_TAIL_MAX + 1 bytes; a NUL stands behind what came. 0, -EPIPE at the end of the
 * stream, -ETIMEDOUT when it stops for so long, -EPROTO.
 */
int hw_recv(int fd, struct hw_msg *ret_msg, char *tail, int timeout_ms);

#endif
