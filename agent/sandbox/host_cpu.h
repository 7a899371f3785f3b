/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a sandbox gives its domains of the machine's processors. */
#ifndef XF_SANDBOX_HOST_CPU_H
#define XF_SANDBOX_HOST_CPU_H

struct xf_cpu;

/*
 * By the file sandbox-cpu in that directory, if there is one: the maker, then the words of struct
 * xf_cpu in hexadecimal, all separated by white space. Otherwise by CPUID. Not known on a machine
 * without, and where the file says anything else.
 */
void xf_sandbox_host_cpu(const char *dir, struct xf_cpu *ret_cpu);

#endif
