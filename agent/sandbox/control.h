/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a sandbox process and its clients share: file names, the status page, and the packets on
 * its socket. Both ends run on one host; a packet of another version is refused.
 *
 *   <dir>/sandbox/<uuid>.sock   SOCK_SEQPACKET, one struct xf_sandbox_msg a packet
 *   <dir>/sandbox/<uuid>.lock   struct xf_sandbox_status; write-locked (OFD) as long as it lives
 *   <dir>/sandbox/<uuid>.cfg    the configuration it was started with
 *
 * A file whose lock is free belongs to a dead process: the copy is gone.
 */
#ifndef XF_SANDBOX_CONTROL_H
#define XF_SANDBOX_CONTROL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "host.h"
#include "ids.h"

#define XF_SANDBOX_VERSION   2u
#define XF_SANDBOX_MAGIC     0x58465342u
#define XF_SANDBOX_PATH_SIZE 108 /* sun_path: the longest of the three names must fit */
#define XF_SANDBOX_TEXT_SIZE 256

/* Read by clients at any time, also while the process cannot answer. */
struct xf_sandbox_status {
    _Atomic uint32_t magic; /* stored last */
    uint32_t version;
    _Atomic uint32_t pid;     /* 0 until the process has its final one */
    _Atomic uint32_t copy;    /* enum xf_copy */
    _Atomic uint32_t variant; /* enum xf_variant */
    _Atomic uint32_t cap_percent;
    uint32_t memory_mib;
    uint32_t vcpus;
    _Atomic uint64_t n_pages; /* 0 until the memory is there */
    struct xf_uuid uuid;
    char name[XF_NAME_SIZE];
    _Atomic uint32_t has_cpu; /* 0 until the next line is there, which a restore's end brings */
    struct xf_cpu cpu;        /* what the guest was given when it was created */
};

enum xf_sandbox_type {
    /* client -> sandbox; each is answered by REPLY with the same cookie */
    XF_SANDBOX_WATCH = 1, /* STATE from now on at each change */
    XF_SANDBOX_UNPAUSE,   /* paused copy -> running; also ends PAUSE */
    XF_SANDBOX_PAUSE,     /* the guest stands still; the copy stays a running one */
    XF_SANDBOX_RESUME,    /* suspended -> running */
    XF_SANDBOX_RENAME,    /* .arg: enum xf_variant */
    XF_SANDBOX_CAP,       /* .arg: percent */
    XF_SANDBOX_SLOW,      /* the same, for as long as SAVE's client and SAVE last; 100 ends it */
    XF_SANDBOX_STAT,      /* REPLY brings .stat */
    XF_SANDBOX_DESTROY,   /* no answer: the process is gone */
    XF_SANDBOX_SAVE,      /* .arg: 1 = cold; with one descriptor. Ends in REPLY */
    XF_SANDBOX_VERDICT,   /* .arg: enum xf_verdict; answers POLICY, has no answer itself */
    /* sandbox -> client */
    XF_SANDBOX_REPLY,     /* .reason .text */
    XF_SANDBOX_STATE,     /* look at the status page */
    XF_SANDBOX_POLICY,    /* .arg: round; .written; .dirty */
    XF_SANDBOX_SUSPENDED, /* of SAVE */
    XF_N_SANDBOX_TYPES,
};

struct xf_sandbox_stat {
    uint64_t counter;  /* UDP answers */
    uint64_t corrupt;  /* pages found damaged */
    uint64_t disk_seq; /* of the first writable disk */
    uint64_t disk_errors;
    uint64_t pages_written; /* by the workload */
    uint64_t pages_dirty;   /* now */
    uint64_t check_left;    /* pages not yet checked since the restore */
    uint64_t instance;
};

struct xf_sandbox_msg {
    uint32_t version;
    uint32_t type; /* enum xf_sandbox_type */
    uint64_t cookie;
    uint32_t reason; /* enum xf_reason */
    uint32_t arg;
    uint64_t written; /* pages */
    int64_t dirty;    /* pages, or -1 */
    struct xf_sandbox_stat stat;
    char text[XF_SANDBOX_TEXT_SIZE];
};

/* In the order in which they are removed: who holds the lock owns all three names. */
enum xf_sandbox_file {
    XF_SANDBOX_SOCK,
    XF_SANDBOX_CFG,
    XF_SANDBOX_LOCK,
};

/* 0 or -ENAMETOOLONG. */
int xf_sandbox_path(const char *dir, const struct xf_uuid *uuid, enum xf_sandbox_file file,
                    char ret_path[static XF_SANDBOX_PATH_SIZE]);

/* 0 or negative errno; -EPIPE when the other end is gone. Never blocks for a signal's sake. */
int xf_sandbox_send(int sock, const struct xf_sandbox_msg *msg);
/*
 * 0, -EAGAIN, -EPIPE at the end, -EBADMSG for what is not a packet of this version, or negative
 * errno. *ret_fd: a descriptor that came along (the caller's now), or -1. text ends with NUL.
 */
int xf_sandbox_receive(int sock, struct xf_sandbox_msg *ret_msg, int *ret_fd);
/* The same as xf_sandbox_send() with a descriptor. */
int xf_sandbox_send_fd(int sock, const struct xf_sandbox_msg *msg, int fd);

/* Does a living process hold the lock of this open lock file? */
bool xf_sandbox_locked(int lock_fd);

#endif
