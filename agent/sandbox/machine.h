/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * READ FIRST. One virtual machine, which is all that a sandbox process holds.
 *
 *   sandbox_main.c  options; becomes a daemon        server.c    the socket, one thread
 *   machine.c       memory, running and standing still
 *   guest_cpu.c     the workload that dirties memory, and the check of its integrity
 *   guest_net.c     taps, and guest_answer.c what the guest answers
 *   guest_disk.c    numbered records
 *   save.c  restore.c   the libxc stream
 *
 * Everything that the guest knows is in its memory and travels in its image only: page 0 holds
 * struct xf_guest_state, then comes the table of versions (one uint32_t a page), then data pages.
 */
#ifndef XF_SANDBOX_MACHINE_H
#define XF_SANDBOX_MACHINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control.h"
#include "core.h"
#include "domcfg.h"
#include "drivers.h"
#include "gate.h"
#include "reason.h"
#include "stream.h"

#define XF_GUEST_MAGIC 0x7473657567786673ull

struct xf_guest_state {
    uint64_t magic;
    uint64_t n_pages;
    struct xf_uuid uuid;
    uint64_t first_data;                            /* pfn after the table */
    _Atomic uint64_t counter;                       /* UDP answers given */
    _Atomic uint64_t disk_seq[XF_DOMCFG_DISKS_MAX]; /* last record written */
    _Atomic uint64_t corrupt;                       /* pages found damaged so far */
    uint64_t ticks;                                 /* of the CPU; in HVM_CONTEXT too */
    uint64_t writes;                                /* sum of the table of versions */
    uint64_t rng;
    uint64_t cursor; /* next page of the integrity check */
    /* The processor that it was given, as a guest's system remembers it. */
    uint32_t cpu_known; /* 1 */
    char cpu_vendor[16];
    uint32_t cpu_word[XF_N_CPU_WORDS];
};
_Static_assert(sizeof(struct xf_guest_state) <= XF_PAGE_SIZE, "page 0 holds it");

/* Its own thread, its own gate: who stops the guest waits for each to be outside. */
enum xf_guest_part {
    XF_GUEST_CPU,
    XF_GUEST_NET,
    XF_GUEST_DISK,
    XF_N_GUEST_PARTS,
};

struct xf_machine {
    struct xf_domcfg cfg;
    struct xf_sandbox_status *status; /* mapped lock file */
    char node[XF_NAME_SIZE];          /* this host's name */
    uint64_t instance;                /* random, of this process */

    int mem_fd;
    uint8_t *mem;                 /* all of mem_fd */
    struct xf_guest_state *state; /* = mem */
    uint32_t *generation;         /* the table of versions, in mem */
    uint64_t n_pages;
    _Atomic uint64_t *dirty; /* a bit per page */
    size_t dirty_words;

    struct xf_gate gate[XF_N_GUEST_PARTS];
    _Atomic uint64_t check_left; /* pages still to be checked soon after a restore */
    _Atomic uint64_t disk_errors;
    _Atomic uint64_t pages_written;

    pthread_mutex_t lock; /* status->copy, held, unpause_failed */
    bool building;        /* image not complete: may not run (H1) */
    bool held;            /* stands still by PAUSE */
    bool unpause_failed;  /* fail-unpause-once has struck */

    int tap[XF_DOMCFG_VIFS_MAX];
    size_t mtu[XF_DOMCFG_VIFS_MAX];
    int disk[XF_DOMCFG_DISKS_MAX];
    uint32_t first_disk; /* the first writable one */
    bool disk_is_block[XF_DOMCFG_DISKS_MAX];
    uint64_t disk_blocks[XF_DOMCFG_DISKS_MAX];
};

/* cfg is checked; memory is mapped but empty. 0 or negative errno. */
int xf_machine_init(struct xf_machine *m, const struct xf_domcfg *cfg,
                    struct xf_sandbox_status *status);
/* Lays out a new guest in its memory, as loading a kernel would. */
void xf_machine_boot(struct xf_machine *m, const struct xf_cpu *cpu);
/* Puts what its guest was given, which may have come from afar, into the status page. */
void xf_machine_tell_cpu(struct xf_machine *m);
/* Does the memory hold a guest of this machine? For a restored one. */
bool xf_machine_holds_guest(const struct xf_machine *m);
/* Starts the guest's threads, standing still. 0 or negative errno. */
int xf_machine_threads(struct xf_machine *m);

/* A booted guest begins to run. */
void xf_machine_start(struct xf_machine *m);
/* All take the lock. XF_REASON_OK also when there was nothing to do. */
enum xf_reason xf_machine_unpause(struct xf_machine *m);
enum xf_reason xf_machine_pause(struct xf_machine *m);
enum xf_reason xf_machine_resume(struct xf_machine *m);
/* The guest's work is drained before it returns; NOT_RUNNING unless it is a running copy. */
enum xf_reason xf_machine_suspend(struct xf_machine *m);
/* The guest stands still for good, and no call of these returns any more: the process is to end. */
void xf_machine_end(struct xf_machine *m);
/* Memory is complete: no longer building. */
void xf_machine_built(struct xf_machine *m);
enum xf_copy xf_machine_copy(const struct xf_machine *m);

/*
 * After the content was written, never before: the saver takes the bit and then reads the page. A
 * bit set first could be taken, the page sent in its old form, and the write that follows would be
 * lost.
 */
static inline void xf_machine_mark(struct xf_machine *m, uint64_t pfn)
{
    atomic_fetch_or_explicit(&m->dirty[pfn / 64], UINT64_C(1) << (pfn % 64), memory_order_release);
}

/* Writes a new version of a data page. CPU's gate entered. */
void xf_guest_write(struct xf_machine *m, uint64_t pfn);
void *xf_guest_cpu_run(void *machine);

/* 0, or -1 with reason and text. */
int xf_guest_net_open(struct xf_machine *m, enum xf_reason *ret_reason, char *text, size_t size);
void *xf_guest_net_run(void *machine);

int xf_guest_disk_open(struct xf_machine *m, enum xf_reason *ret_reason, char *text, size_t size);
void *xf_guest_disk_run(void *machine);

#endif
