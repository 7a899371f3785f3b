/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "host_cpu.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#include "host.h"
#include "text.h"

#define FILE_NAME "sandbox-cpu"

#if defined(__x86_64__) || defined(__i386__)

static void ask_machine(struct xf_cpu *cpu)
{
    static const struct {
        uint32_t leaf, subleaf;
    } leaves[] = { { 0, 0 },  { 1, 0 },          { 7, 0 },          { 7, 1 },
                   { 13, 1 }, { 0x80000001, 0 }, { 0x80000007, 0 }, { 0x80000008, 0 } };

    for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
        uint32_t reg[4];

        if (__get_cpuid_count(leaves[i].leaf, leaves[i].subleaf, &reg[0], &reg[1], &reg[2],
                              &reg[3]) != 0) {
            xf_cpu_take(cpu, leaves[i].leaf, leaves[i].subleaf, reg);
        }
    }
    cpu->known = true;
}

#else

static void ask_machine(struct xf_cpu *cpu)
{
    (void)cpu;
}

#endif

static void read_file(FILE *file, struct xf_cpu *cpu)
{
    char rest;

    if (fscanf(file, "%15s", cpu->vendor) != 1) {
        return;
    }
    for (unsigned i = 0; i < XF_N_CPU_WORDS; i++) {
        char word[9];
        uint64_t v;

        if (fscanf(file, "%8s", word) != 1 || xf_hex_parse(word, &v) != 0) {
            return;
        }
        cpu->word[i] = (uint32_t)v;
    }
    cpu->known = fscanf(file, " %c", &rest) == EOF;
}

void xf_sandbox_host_cpu(const char *dir, struct xf_cpu *ret_cpu)
{
    struct xf_cpu cpu = { .known = false };
    char path[256];
    FILE *file;

    if (snprintf(path, sizeof(path), "%s/" FILE_NAME, dir) < (int)sizeof(path)) {
        file = fopen(path, "re");
        if (file != NULL) {
            read_file(file, &cpu);
            (void)fclose(file);
        } else if (errno == ENOENT) {
            ask_machine(&cpu);
        }
    }
    *ret_cpu = cpu.known ? cpu : (struct xf_cpu){ .known = false };
}
