/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two hosts for the conformance tests of a hypervisor driver: two run directories, one loop, and
 * what the driver tells. A bed's kind (hyper_kinds.c) says all that differs from hypervisor to
 * hypervisor, so that the tests know none. XENFERRY_BED in the environment names it, the sandbox
 * unless it does; with XENFERRY_BED_A and XENFERRY_BED_B both hosts are reached through a server
 * (hyper_remote.h).
 */
#ifndef XF_HYPER_BED_H
#define XF_HYPER_BED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drivers.h"

#define BED_TEXT       512
#define BED_ROUNDS_MAX 64

/* A test that cannot be asked of a hypervisor, and why it cannot. */
struct bed_exempt {
    const char *test;
    const char *why;
};

struct bed_kind {
    const char *name;
    /* NULL: reached through a server only. */
    const struct xf_hyper_ops *ops;
    const struct xf_mover_hyper_ops *mover;
    const char *dir; /* for mkdtemp(), where the hosts are */
    uint32_t limit_mib;
    uint32_t memory_mib;   /* of the bed's domain */
    uint32_t overhead_mib; /* what a domain may take of a host beside its memory */
    bool whole;            /* of a host without domains all memory is free */
    bool holes;            /* numbers of a guest's pages have holes */
    bool config_kept;   /* a domain's configuration is the text that it was created with, at once */
    bool restore_feels; /* a restore ends with the copy that it builds; else with its stream */
    unsigned wait_ms;   /* for an operation */
    unsigned look_ms; /* until what the agent's side did not do itself is seen by it; 0: at once */
    unsigned settle_ms; /* until nothing follows any more */
    unsigned boot_ms;   /* until a guest that was started can be suspended */
    unsigned cut_first; /* an image is cut by so many bytes */
    unsigned cut_step;  /* and by so many times more each time */
    enum xf_reason cut_reason;
    /* As a person writes it; more lines may follow. */
    const char *text;
    /* An interface 02:00:00:00:00:05 on br7 with 10.1.2.3; disks /srv/d, only read, and /srv/e. */
    const char *devices;
    const char *no_disk;   /* a disk /nonexistent/disk */
    const char *bad_text;  /* not to be understood */
    const char *bad_words; /* what is said of it */
    /* The same of what translate() makes of a text. */
    const char *bad_config;
    const char *bad_needs;           /* what needs() says */
    const char *bad_create;          /* what create() says */
    const struct bed_exempt *exempt; /* ends with one without a name */
};

extern const struct bed_kind bed_kind_sandbox;
extern const struct bed_kind bed_kind_xen;
/* The environment's. */
const struct bed_kind *bed_kind(void);

struct bed_host {
    struct bed *bed;
    char dir[64];
    struct xf_hyper *hyper;
    uint64_t free_mib; /* at first */
    /* told by the driver */
    uint64_t cookie; /* last done */
    unsigned n_done;
    bool ok;
    enum xf_reason reason;
    char text[BED_TEXT];
    unsigned n_changed;
    unsigned n_gone;
    struct xf_dom_info last;
    unsigned n_translated;
    char translated[XF_CONFIG_SIZE_MAX];
};

struct bed {
    const struct bed_kind *kind;
    bool remote;
    const struct xf_hyper_ops *ops;
    const struct xf_mover_hyper_ops *mover;
    qb_loop_t *loop;
    struct bed_host a, b;
    struct xf_uuid uuid;
    char config[XF_CONFIG_SIZE_MAX];
    uint64_t next_cookie;
    bool booted; /* a's guest was given its time */
};

/* A save stream, kept. */
struct bed_image {
    struct bed *bed;
    uint8_t *bytes;
    size_t size;
    int rc;
    enum xf_reason reason;
    unsigned n_asked;
    struct {
        uint32_t round;
        int64_t dirty;
        uint64_t written;
    } asked[BED_ROUNDS_MAX];
    unsigned n_suspended;
    /* How to answer: stop when asked so often; abort_at likewise; 0: never. */
    unsigned stop_at;
    unsigned abort_at;
    uint32_t slow_to; /* percent: the cap at the first question; 0: none */
    bool dawdle;      /* 20 ms at each question, so that the guest writes meanwhile */
};

/* What a restore remarks is of no interest here. */
extern const struct xf_restore_events bed_restore_events;

/* extra: lines of configuration beyond the kind's own. */
void bed_up(struct bed *bed, const char *extra);
void bed_down(struct bed *bed);
/* The configuration of the bed's domain anew, with those lines; translated. */
void bed_configure(struct bed *bed, const char *extra);
/* Ends in host->translated: the configuration, or what is wrong with the text. */
enum xf_reason bed_translate(struct bed_host *host, const char *text);
/* Lets the loop run until *counter differs from before; fails the test after the kind's time. */
void bed_wait(struct bed *bed, const unsigned *counter, unsigned before);
/* Lets the loop run for that long. */
void bed_idle(struct bed *bed, unsigned ms);
/* ... until what happened by itself is seen; until nothing follows any more. */
void bed_look(struct bed *bed);
void bed_settle(struct bed *bed);

enum bed_op {
    BED_CREATE,
    BED_DESTROY,
    BED_RESUME,
    BED_UNPAUSE,
};
/* Starts the operation, waits for its end, checks the cookie; what it ended with. */
enum xf_reason bed_do(struct bed_host *host, enum bed_op op);
enum xf_reason bed_rename(struct bed_host *host, enum xf_variant variant);
/* What config() says, which may be -EAGAIN for a while if the kind does not keep the text. */
int bed_config(struct bed_host *host, char *buf, size_t size);
/* What guest() says, which may be -EAGAIN for a while likewise. */
int bed_guest(struct bed_host *host, struct xf_guest *ret_guest);
/* Free memory is what it was at first less so much, within what a domain may take beside. */
void bed_free_is(struct bed_host *host, uint32_t less_mib);
/* XF_COPY_NONE when the scan does not show it. */
enum xf_copy bed_copy(struct bed_host *host, struct xf_dom_info *ret_info);

/* Saves a's domain into memory; returns when a sees what that did, as the next does for b. */
void bed_save(struct bed *bed, bool cold, struct bed_image *image);
/* Restores it at b; rc. */
int bed_restore(struct bed *bed, const struct bed_image *image, enum xf_reason *ret_reason);
void bed_image_free(struct bed_image *image);
/* The domain created at a, saved there and restored at b. */
void bed_moved(struct bed *bed);

#endif
