/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest of the Xen lab: one static program that is the whole of its initial ram disk. It
 * answers the judge (tests/judge_net.c), keeps connections open, dirties memory that it checks, and
 * writes numbered records to its disk (agent/sandbox/diskrec.h). guest.c is process 1 and the
 * network, guest_memory.c and guest_disk.c are a thread each.
 */
#ifndef XEN_LAB_GUEST_H
#define XEN_LAB_GUEST_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* What the parts tell each other; all of it lives in the memory that is moved. */
struct guest {
    uint64_t instance;             /* drawn at boot */
    atomic_uint_fast64_t rate;     /* pages a second to dirty */
    atomic_uint_fast64_t window;   /* pages to dirty in turn */
    atomic_uint_fast64_t dirtied;  /* pages since boot */
    atomic_uint_fast64_t corrupt;  /* pages that did not hold what was written last */
    atomic_uint_fast64_t disk_seq; /* the last record that the disk took; 0: none */
    atomic_uint_fast64_t disk_errors;
    atomic_uint_fast64_t disk_foreign; /* blocks that hold what this guest has not written */
};

/* Monotonic seconds. */
double guest_now(void);
void guest_pause_ms(long ms);

/* The bodies of threads; the argument is the struct guest. */
void *guest_memory_run(void *arg);
uint64_t guest_memory_free_kib(void);
void *guest_disk_run(void *arg);

#endif
