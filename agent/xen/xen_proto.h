/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the agent's Xen driver and xenferry-xen say over their SOCK_SEQPACKET pair, one message a
 * packet: the same build at both ends, both as root, so the bytes are the structure's. A process
 * started for one operation is sent that operation and answers DONE; the watcher is sent UNPAUSE
 * and LOOK and tells what it sees.
 */
#ifndef XF_XEN_PROTO_H
#define XF_XEN_PROTO_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "announce.h"
#include "drivers.h"
#include "link.h"
#include "text.h"

#define XF_XEN_FD   3 /* xenferry-xen finds the socket here */
#define XF_XEN_TEXT 256u

enum xf_xen_type {
    /* agent -> watcher */
    XF_XEN_UNPAUSE = 1, /* .cookie .uuid: answered by DONE */
    XF_XEN_LOOK,        /* .cookie: something was done to a domain, look at all of them now */
    /* agent -> a process of one operation, answered by DONE */
    XF_XEN_TRANSLATE, /* .config is what `xl create` takes; DONE brings it as libxl's JSON */
    XF_XEN_CREATE,    /* .uuid .config (JSON) */
    XF_XEN_DESTROY,   /* .uuid */
    XF_XEN_RESUME,    /* .uuid */
    XF_XEN_RENAME,    /* .uuid .dom.variant */
    XF_XEN_ADDRESSES, /* .uuid .dom.domid .addresses .devid; DONE brings them with IPv4 ones */
    /* -> agent */
    XF_XEN_FACTS,  /* .facts .cpu; the first one says that Xen is there */
    XF_XEN_DOMAIN, /* .dom; with its .config unless that is as it was */
    XF_XEN_GUEST,  /* .dom.uuid .dom.domid .guest, but for what its configuration says */
    XF_XEN_GONE,   /* .dom.uuid .dom.domid */
    XF_XEN_LOOKED, /* all that there was when LOOK with .cookie came is told; 0: at the start */
    XF_XEN_DONE,   /* .cookie .reason .text */
    XF_N_XENS,
};

struct xf_xen_msg {
    uint32_t type; /* enum xf_xen_type */
    uint32_t reason;
    uint64_t cookie;
    struct xf_uuid uuid;
    struct xf_dom_info dom;
    struct xf_host_facts facts;
    struct xf_cpu cpu[2]; /* the most for a PV guest: 1, for any other: 0 */
    struct xf_guest guest;
    struct xf_addresses addresses;
    uint32_t devid[XF_ADDRESSES_VIFS]; /* of those vifs */
    char text[XF_XEN_TEXT];
    uint32_t config_size;            /* with its NUL; 0: none */
    char config[XF_CONFIG_SIZE_MAX]; /* only config_size bytes are sent */
};

static inline size_t xf_xen_msg_size(const struct xf_xen_msg *msg)
{
    return offsetof(struct xf_xen_msg, config) + msg->config_size;
}

static inline bool xf_xen_addresses_ok(const struct xf_addresses *addresses)
{
    bool ok = addresses->n_vifs <= XF_ADDRESSES_VIFS;

    for (uint32_t i = 0; ok && i < addresses->n_vifs; i++) {
        ok = addresses->vif[i].n_ipv4 <= XF_LEARN_MAX && addresses->vif[i].n_ipv6 <= XF_LEARN_MAX;
    }
    return ok;
}

/* Size, counts and texts of what was received are what they should be. */
static inline bool xf_xen_msg_ok(const struct xf_xen_msg *msg, size_t size)
{
    return size >= offsetof(struct xf_xen_msg, config) && msg->type > 0 && msg->type < XF_N_XENS &&
           msg->config_size <= XF_CONFIG_SIZE_MAX && size == xf_xen_msg_size(msg) &&
           (msg->config_size == 0 || msg->config[msg->config_size - 1] == '\0') &&
           memchr(msg->text, '\0', sizeof(msg->text)) != NULL &&
           memchr(msg->dom.name, '\0', sizeof(msg->dom.name)) != NULL &&
           memchr(msg->cpu[0].vendor, '\0', sizeof(msg->cpu[0].vendor)) != NULL &&
           memchr(msg->cpu[1].vendor, '\0', sizeof(msg->cpu[1].vendor)) != NULL &&
           memchr(msg->guest.cpu.vendor, '\0', sizeof(msg->guest.cpu.vendor)) != NULL &&
           xf_xen_addresses_ok(&msg->addresses) &&
           memchr(msg->facts.version, '\0', sizeof(msg->facts.version)) != NULL &&
           memchr(msg->facts.scheduler, '\0', sizeof(msg->facts.scheduler)) != NULL;
}

#endif
