/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Does a domain fit a host: processors, hypervisor, memory, names, what the guest can do. Pure.
 */
#ifndef XF_HOST_H
#define XF_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "finding.h"
#include "ids.h"

/* Words of the CPU's feature leaves, in the order of enum xf_cpu_word. */
enum xf_cpu_word {
    XF_CPU_1_EDX,
    XF_CPU_1_ECX,
    XF_CPU_7_EBX,
    XF_CPU_7_ECX,
    XF_CPU_7_EDX,
    XF_CPU_71_EAX,
    XF_CPU_D1_EAX,
    XF_CPU_E1_EDX, /* 80000001h: AMD repeats bits of leaf 1 there, which say nothing */
    XF_CPU_E1_ECX,
    XF_CPU_E7_EDX,
    XF_CPU_E8_EBX,
    XF_N_CPU_WORDS,
};

struct xf_cpu {
    bool known;
    char vendor[16]; /* as CPUID has it; "" where the hypervisor has none */
    uint32_t word[XF_N_CPU_WORDS];
};

/*
 * What CPUID has in that leaf and subleaf (0 where it has none): eax, ebx, ecx, edx. Words that it
 * holds, or the maker's name (leaf 0), are taken; .known is the caller's.
 */
void xf_cpu_take(struct xf_cpu *cpu, uint32_t leaf, uint32_t subleaf, const uint32_t reg[static 4]);

/* One host, as far as a domain of one kind cares. */
struct xf_host {
    char hypervisor[XF_NAME_SIZE]; /* "Xen 4.17.3", "sandbox 1" */
    uint64_t memory_free_mib;
    struct xf_cpu cpu; /* the most that a domain of that kind may be given there */
    int64_t wall_ms;   /* its clock when it was asked */
    uint32_t slots_free;
    bool name_taken; /* by a domain of another uuid */
    bool uuid_taken; /* it holds a copy or a part of this one */
};

/* The domain as it runs at the source. */
struct xf_guest {
    uint32_t memory_mib;
    struct xf_cpu cpu; /* what it was given */
    uint32_t n_passthrough;
    bool vnuma;
    bool suspend_known;
    bool can_suspend;
    bool logged; /* the source's hypervisor can log its writes */
    bool cold;   /* so that nothing needs to be logged */
};

/* asked_ms: the source's clock when the question left, answered_ms when the answer came. */
void xf_host_judge(const struct xf_host *source, const struct xf_host *target,
                   const struct xf_guest *guest, int64_t asked_ms, int64_t answered_ms,
                   struct xf_findings *findings);

#endif
