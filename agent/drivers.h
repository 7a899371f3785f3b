/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every outside thing behind a table of operations. A table is `static const` with named
 * initialisers; no operation is ever NULL. Agent-side operations start work and return; what they
 * started ends in exactly one call of the callback, from the loop, never from inside the operation.
 * Mover-side operations block.
 */
#ifndef XF_DRIVERS_H
#define XF_DRIVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <qb/qbloop.h>

#include "core.h"
#include "host.h"
#include "link.h"
#include "precopy.h"

/* ---- hypervisor, agent's side ---- */

enum xf_variant {
    XF_VARIANT_PLAIN,
    XF_VARIANT_INCOMING,     /* NAME--incoming */
    XF_VARIANT_MIGRATEDAWAY, /* NAME--migratedaway */
};

struct xf_dom_info {
    struct xf_uuid uuid;
    char name[XF_NAME_SIZE]; /* without the variant's ending */
    uint8_t variant;         /* enum xf_variant */
    uint8_t copy;            /* enum xf_copy */
    bool foreign; /* another toolstack's migration made it or left it: shown, not touched */
    struct xf_domid domid;
    uint32_t memory_mib;
    uint32_t vcpus;
    uint32_t cap_percent;
};

struct xf_host_facts {
    char version[XF_NAME_SIZE]; /* "sandbox 1" or "Xen 4.17.3" */
    uint64_t memory_total_mib;
    uint64_t memory_free_mib; /* reservations already taken off */
    uint32_t cpus;
    char scheduler[XF_NAME_SIZE]; /* the default one's name; "": none of the hypervisor's own */
    /* The writes of PV guests, and of all others, can be logged: without that none moves live. */
    bool logs_pv;
    bool logs_hvm;
};

/* What a domain's configuration asks of a host: preflight and address hand-over read this. */
#define XF_VIFS_MAX  8
#define XF_DISKS_MAX 16
struct xf_dom_needs {
    struct xf_uuid uuid; /* all zero when the configuration names none */
    char name[XF_NAME_SIZE];
    uint32_t memory_mib;
    uint32_t n_vifs;
    struct {
        uint8_t mac[6];
        char bridge[XF_NAME_SIZE];
        uint32_t ipv4;  /* host order; 0: unknown */
        bool addressed; /* addresses are named, be it in a way that .ipv4 cannot hold */
        uint32_t devid; /* the number that the hypervisor, and the guest, know it by */
    } vif[XF_VIFS_MAX];
    uint32_t n_disks;
    struct {
        char path[256];
        bool writable;
    } disk[XF_DISKS_MAX];
    bool pv;                /* paravirtualised: no hardware helps with its memory */
    uint32_t n_passthrough; /* devices and other things of the host's own that are given to it */
    bool vnuma;             /* it has a virtual NUMA layout */
};

struct xf_hyper; /* the driver's own */
struct xf_addresses;

struct xf_hyper_events {
    /* The operation with this cookie ended. reason is XF_REASON_OK when ok; text may be "". */
    void (*done)(void *arg, uint64_t cookie, bool ok, enum xf_reason reason, const char *text);
    /* A domain's copy on this host appeared, changed or vanished by itself (guest shut down, process died). */
    void (*changed)(void *arg, const struct xf_dom_info *info, bool gone);
    /*
     * translate() with this cookie ended. text: the configuration as the other operations take it
     * or, if reason is not XF_REASON_OK, what is wrong with it. Comes from the loop, or from inside
     * translate().
     */
    void (*translated)(void *arg, uint64_t cookie, enum xf_reason reason, const char *text);
    /* What addresses() was asked for; plain addresses of its vifs, and nobody has proved them. */
    void (*addresses)(void *arg, const struct xf_uuid *uuid, const struct xf_addresses *told);
};

struct xf_hyper_ops {
    const char *name;  /* as in the setting "hypervisor" */
    const char *mover; /* the program whose mover's side fits it */

    /* 0 or negative errno. dir: /run/xenferry, for sockets and locks. */
    int (*open)(qb_loop_t *loop, const char *dir, uint64_t memory_limit_mib,
                const struct xf_hyper_events *events, void *arg, struct xf_hyper **ret_hyper);
    void (*close)(struct xf_hyper *hyper); /* takes NULL; domains go on */

    /* Immediate; 0 or negative errno. */
    int (*facts)(struct xf_hyper *hyper, struct xf_host_facts *ret_facts);
    /*
     * Immediate: the most of a processor that a domain may be given here, one of that kind (.pv of
     * what needs() says). .known is false where the hypervisor does not tell. 0 or negative errno.
     */
    int (*cpu)(struct xf_hyper *hyper, bool pv, struct xf_cpu *ret_cpu);
    /*
     * Immediate: what the running domain was given and is able to; what is not known says so.
     * .memory_mib, .logged and .cold are the caller's, and zero here. -ENOENT: no such domain;
     * -EAGAIN: not looked at yet; -EINVAL: its configuration is none that needs() takes.
     */
    int (*guest)(struct xf_hyper *hyper, const struct xf_uuid *uuid, struct xf_guest *ret_guest);
    /* Immediate: every copy on this host, all name variants; at most max; 0 or negative errno. */
    int (*scan)(struct xf_hyper *hyper, struct xf_dom_info *ret_list, size_t max, size_t *ret_n);
    /* Immediate: the configuration the domain runs with, NUL-terminated. -EAGAIN: not read yet. */
    int (*config)(struct xf_hyper *hyper, const struct xf_uuid *uuid, char *buf, size_t size);
    /* Started here, ended in events->translated(cookie): what a person wrote, for needs(), create(). */
    void (*translate)(struct xf_hyper *hyper, uint64_t cookie, const char *text);
    /* Pure: reads a configuration; errors name line and key in err. 0 or -EINVAL. */
    int (*needs)(const char *config, struct xf_dom_needs *ret_needs, char *err, size_t err_size);

    /* Started here, ended in events->done(cookie). Idempotent: a second destroy, resume or unpause succeeds. */
    void (*create)(struct xf_hyper *hyper, uint64_t cookie, const struct xf_uuid *uuid,
                   const char *config);
    void (*destroy)(struct xf_hyper *hyper, uint64_t cookie, const struct xf_uuid *uuid);
    /* Suspended -> running. One that never suspended is left alone and that is success (H10). */
    void (*resume)(struct xf_hyper *hyper, uint64_t cookie, const struct xf_uuid *uuid);
    /* Paused copy -> running. Allocates, opens, resolves, forks and fsyncs nothing (H12). */
    void (*unpause)(struct xf_hyper *hyper, uint64_t cookie, const struct xf_uuid *uuid);
    void (*rename)(struct xf_hyper *hyper, uint64_t cookie, const struct xf_uuid *uuid,
                   enum xf_variant variant);
    /*
     * Started here, ended in events->addresses(), or never where nothing is told: which addresses
     * does the running guest itself tell of, for vifs whose configuration names none?
     */
    void (*addresses)(struct xf_hyper *hyper, const struct xf_uuid *uuid,
                      const struct xf_dom_needs *needs);
    /* Immediate: memory put aside for an incoming domain, until released. 0 or -ENOMEM. */
    int (*reserve)(struct xf_hyper *hyper, const struct xf_uuid *uuid, uint32_t memory_mib);
    void (*release)(struct xf_hyper *hyper, const struct xf_uuid *uuid);
};

extern const struct xf_hyper_ops xf_hyper_sandbox;
extern const struct xf_hyper_ops xf_hyper_xen;

/* ---- hypervisor, mover's side ---- */

/* Called by save() at each point where it must be told how to go on. */
struct xf_save_events {
    /*
     * Twice a round as libxenguest does: before the send with the fresh count, after it with
     * pages_dirty < 0. Returns the verdict.
     */
    enum xf_verdict (*policy)(void *arg, uint32_t round, uint64_t total_written,
                              int64_t pages_dirty);
    void (*suspended)(void *arg);
    /*
     * By a driver that calls policy() from a thread of its own: no verdict is heeded any more, and
     * save() returns once a policy() that still waits does.
     */
    void (*over)(void *arg);
    /* Something that whoever reads the report should know. */
    void (*note)(void *arg, const char *text);
    /* Before it returns an error: the hypervisor's own words for it. */
    void (*why)(void *arg, const char *text);
};

struct xf_restore_events {
    void (*note)(void *arg, const char *text); /* both as above */
    void (*why)(void *arg, const char *text);
    /* A complaint of the hypervisor's that it may fail on, or get over; NULL: nobody listens. */
    void (*trouble)(void *arg, const char *text);
    /* Once: all that can be done before the last page is there is done. The source waits for it. */
    void (*prepared)(void *arg);
};

#define XF_CAP_MS 250u
struct xf_mover_hyper_ops {
    const char *name;
    /*
     * Writes the domain's save stream to fd (a pipe whose reader is the encoder, in another thread), live in rounds or,
     * if cold, after suspending. The domain is left suspended on success; on failure as it is.
     * 0, -ECANCELED when told to abort, or negative errno with *ret_reason set.
     */
    int (*save)(const char *dir, const struct xf_uuid *uuid, int fd, bool cold,
                const struct xf_save_events *events, void *arg, enum xf_reason *ret_reason);
    /*
     * Builds NAME--incoming from the stream read from fd; leaves it paused, devices attached. What
     * it takes from the pipe it copies before the pipe shows it as taken: the writer lends its
     * memory (vmsplice) and uses it again. read() and splice() into a file do.
     */
    int (*restore)(const char *dir, const struct xf_uuid *uuid, const char *config, int fd,
                   const struct xf_restore_events *events, void *arg, enum xf_reason *ret_reason);
    /*
     * Scheduler cap in percent of one CPU, while save() runs; 100: none. 0 or negative errno, within
     * XF_CAP_MS also when the hypervisor does not answer: then it may or may not have been done.
     */
    int (*cap)(const char *dir, const struct xf_uuid *uuid, uint32_t percent);
    /*
     * Number of guest pages, to size tables before the transfer. Of a domain being restored:
     * negative until it has its memory and reads the stream; -ENOTSUP if the hypervisor learns it
     * from the stream only: then the peer's number counts.
     */
    int (*pages)(const char *dir, const struct xf_uuid *uuid, uint64_t *ret_pages);
};

extern const struct xf_mover_hyper_ops xf_mover_sandbox;

#endif
