/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rules, R1 and so on, are those of docs/resource-proof.md. */
#include "config.h"

#include "host.h"

#include <string.h>

#include "text.h"

#define NAMED_MAX   8u /* features told by name; the rest is counted */
#define PARTS_MAX   4u /* numbers of a version */
#define PART_MAX    999999999u
#define SKEW_MAX_MS 1000u /* more than a clock that is kept right is ever wrong by */

/* ---- processors ---- */

/* R5: what a bit says of the system's settings or of the numbering of processors is no ability. */
static const uint32_t ignored[XF_N_CPU_WORDS] = {
    [XF_CPU_1_EDX] = 1u << 28,                       /* HTT: topology */
    [XF_CPU_1_ECX] = 1u << 21 | 1u << 27 | 1u << 31, /* x2APIC, OSXSAVE, HYPERVISOR */
    [XF_CPU_7_EBX] = 1u << 6 | 1u << 13,             /* FDP_EXCP_ONLY, NO_FPU_SEL: say a lack */
    [XF_CPU_7_ECX] = 1u << 4,                        /* OSPKE */
    [XF_CPU_E1_EDX] = 0x0183f3ffu,                   /* leaf 1, once more */
    [XF_CPU_E1_ECX] = 1u << 1,                       /* CMP_LEGACY: topology */
};

enum { EAX, EBX, ECX, EDX };
static const char *const registers[] = { "eax", "ebx", "ecx", "edx" };

static const struct {
    uint32_t leaf;
    uint8_t subleaf;
    uint8_t reg;
} places[XF_N_CPU_WORDS] = {
    [XF_CPU_1_EDX] = { 1, 0, EDX },           [XF_CPU_1_ECX] = { 1, 0, ECX },
    [XF_CPU_7_EBX] = { 7, 0, EBX },           [XF_CPU_7_ECX] = { 7, 0, ECX },
    [XF_CPU_7_EDX] = { 7, 0, EDX },           [XF_CPU_71_EAX] = { 7, 1, EAX },
    [XF_CPU_D1_EAX] = { 13, 1, EAX },         [XF_CPU_E1_EDX] = { 0x80000001, 0, EDX },
    [XF_CPU_E1_ECX] = { 0x80000001, 0, ECX }, [XF_CPU_E7_EDX] = { 0x80000007, 0, EDX },
    [XF_CPU_E8_EBX] = { 0x80000008, 0, EBX },
};

/* As Xen's cpuid= and /proc/cpuinfo spell them. */
static const struct {
    uint8_t word;
    uint8_t bit;
    char name[14];
} features[] = {
    { XF_CPU_1_EDX, 19, "clflush" },      { XF_CPU_1_EDX, 25, "sse" },
    { XF_CPU_1_EDX, 26, "sse2" },         { XF_CPU_1_ECX, 0, "sse3" },
    { XF_CPU_1_ECX, 1, "pclmulqdq" },     { XF_CPU_1_ECX, 5, "vmx" },
    { XF_CPU_1_ECX, 9, "ssse3" },         { XF_CPU_1_ECX, 12, "fma" },
    { XF_CPU_1_ECX, 13, "cmpxchg16b" },   { XF_CPU_1_ECX, 17, "pcid" },
    { XF_CPU_1_ECX, 19, "sse4.1" },       { XF_CPU_1_ECX, 20, "sse4.2" },
    { XF_CPU_1_ECX, 22, "movbe" },        { XF_CPU_1_ECX, 23, "popcnt" },
    { XF_CPU_1_ECX, 24, "tsc-deadline" }, { XF_CPU_1_ECX, 25, "aes" },
    { XF_CPU_1_ECX, 26, "xsave" },        { XF_CPU_1_ECX, 28, "avx" },
    { XF_CPU_1_ECX, 29, "f16c" },         { XF_CPU_1_ECX, 30, "rdrand" },
    { XF_CPU_7_EBX, 0, "fsgsbase" },      { XF_CPU_7_EBX, 1, "tsc-adjust" },
    { XF_CPU_7_EBX, 3, "bmi1" },          { XF_CPU_7_EBX, 4, "hle" },
    { XF_CPU_7_EBX, 5, "avx2" },          { XF_CPU_7_EBX, 7, "smep" },
    { XF_CPU_7_EBX, 8, "bmi2" },          { XF_CPU_7_EBX, 9, "erms" },
    { XF_CPU_7_EBX, 10, "invpcid" },      { XF_CPU_7_EBX, 11, "rtm" },
    { XF_CPU_7_EBX, 14, "mpx" },          { XF_CPU_7_EBX, 16, "avx512f" },
    { XF_CPU_7_EBX, 17, "avx512dq" },     { XF_CPU_7_EBX, 18, "rdseed" },
    { XF_CPU_7_EBX, 19, "adx" },          { XF_CPU_7_EBX, 20, "smap" },
    { XF_CPU_7_EBX, 23, "clflushopt" },   { XF_CPU_7_EBX, 24, "clwb" },
    { XF_CPU_7_EBX, 28, "avx512cd" },     { XF_CPU_7_EBX, 29, "sha" },
    { XF_CPU_7_EBX, 30, "avx512bw" },     { XF_CPU_7_EBX, 31, "avx512vl" },
    { XF_CPU_7_ECX, 1, "avx512vbmi" },    { XF_CPU_7_ECX, 2, "umip" },
    { XF_CPU_7_ECX, 3, "pku" },           { XF_CPU_7_ECX, 8, "gfni" },
    { XF_CPU_7_ECX, 9, "vaes" },          { XF_CPU_7_ECX, 10, "vpclmulqdq" },
    { XF_CPU_7_ECX, 11, "avx512vnni" },   { XF_CPU_7_ECX, 22, "rdpid" },
    { XF_CPU_7_EDX, 4, "fsrm" },          { XF_CPU_7_EDX, 10, "md-clear" },
    { XF_CPU_7_EDX, 14, "serialize" },    { XF_CPU_7_EDX, 26, "ibrsb" },
    { XF_CPU_7_EDX, 27, "stibp" },        { XF_CPU_7_EDX, 28, "l1d-flush" },
    { XF_CPU_7_EDX, 29, "arch-caps" },    { XF_CPU_7_EDX, 31, "ssbd" },
    { XF_CPU_71_EAX, 4, "avx-vnni" },     { XF_CPU_71_EAX, 5, "avx512bf16" },
    { XF_CPU_D1_EAX, 0, "xsaveopt" },     { XF_CPU_D1_EAX, 1, "xsavec" },
    { XF_CPU_D1_EAX, 3, "xsaves" },       { XF_CPU_E1_EDX, 11, "syscall" },
    { XF_CPU_E1_EDX, 20, "nx" },          { XF_CPU_E1_EDX, 26, "page1gb" },
    { XF_CPU_E1_EDX, 27, "rdtscp" },      { XF_CPU_E1_EDX, 29, "lm" },
    { XF_CPU_E1_ECX, 2, "svm" },          { XF_CPU_E1_ECX, 5, "lzcnt" },
    { XF_CPU_E1_ECX, 6, "sse4a" },        { XF_CPU_E1_ECX, 8, "prefetchw" },
    { XF_CPU_E1_ECX, 11, "xop" },         { XF_CPU_E1_ECX, 16, "fma4" },
    { XF_CPU_E1_ECX, 21, "tbm" },         { XF_CPU_E7_EDX, 8, "itsc" },
    { XF_CPU_E8_EBX, 0, "clzero" },       { XF_CPU_E8_EBX, 9, "wbnoinvd" },
    { XF_CPU_E8_EBX, 12, "ibpb" },        { XF_CPU_E8_EBX, 24, "amd-ssbd" },
};

void xf_cpu_take(struct xf_cpu *cpu, uint32_t leaf, uint32_t subleaf, const uint32_t reg[static 4])
{
    static const uint8_t vendor[] = { EBX, EDX, ECX };

    for (unsigned i = 0; leaf == 0 && i < 12; i++) {
        cpu->vendor[i] = (char)(reg[vendor[i / 4]] >> 8 * (i % 4) & 0xff);
    }
    for (unsigned word = 0; word < XF_N_CPU_WORDS; word++) {
        if (places[word].leaf == leaf && places[word].subleaf == subleaf) {
            cpu->word[word] = reg[places[word].reg];
        }
    }
}

static void put_feature(struct xf_text *text, unsigned word, unsigned bit)
{
    for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
        if (features[i].word == word && features[i].bit == bit) {
            xf_text_str(text, features[i].name);
            return;
        }
    }
    xf_text_str(text, "leaf ");
    if (places[word].leaf >= 0x80000000) {
        xf_text_hex(text, places[word].leaf, 8);
        xf_text_char(text, 'h');
    } else {
        xf_text_u64(text, places[word].leaf);
    }
    if (places[word].subleaf > 0) {
        xf_text_char(text, '.');
        xf_text_u64(text, places[word].subleaf);
    }
    xf_text_char(text, ' ');
    xf_text_str(text, registers[places[word].reg]);
    xf_text_str(text, " bit ");
    xf_text_u64(text, bit);
}

/* R2: writes what is lacking; how many. */
static unsigned put_lacking(struct xf_text *text, const struct xf_cpu *given,
                            const struct xf_cpu *most)
{
    unsigned n = 0;

    for (unsigned word = 0; word < XF_N_CPU_WORDS; word++) {
        uint32_t lacks = given->word[word] & ~most->word[word] & ~ignored[word];

        for (unsigned bit = 0; bit < 32; bit++) {
            if ((lacks >> bit & 1) == 0) {
                continue;
            }
            if (n < NAMED_MAX) {
                xf_text_str(text, n > 0 ? ", " : "");
                put_feature(text, word, bit);
            }
            n++;
        }
    }
    if (n > NAMED_MAX) {
        xf_text_str(text, " and ");
        xf_text_u64(text, n - NAMED_MAX);
        xf_text_str(text, " more");
    }
    return n;
}

static void put_vendor(struct xf_text *text, const struct xf_cpu *cpu)
{
    xf_text_mem(text, cpu->vendor, strnlen(cpu->vendor, sizeof(cpu->vendor)));
}

static bool is_same_maker(const struct xf_cpu *a, const struct xf_cpu *b)
{
    size_t size = strnlen(a->vendor, sizeof(a->vendor));

    return strnlen(b->vendor, sizeof(b->vendor)) == size && memcmp(a->vendor, b->vendor, size) == 0;
}

static void judge_cpu(const struct xf_cpu *given, const struct xf_cpu *most,
                      struct xf_findings *findings)
{
    char detail[XF_DETAIL_SIZE];
    struct xf_text text;

    xf_text_init(&text, detail, sizeof(detail));
    if (!given->known || !most->known) { /* R4 */
        xf_findings_add(findings, XF_FIND_CPU_UNKNOWN, "",
                        given->known ? "the target's hypervisor does not tell what it can give"
                                     : "the source's hypervisor does not tell what it gave");
        return;
    }
    if ((given->vendor[0] == '\0') != (most->vendor[0] == '\0')) { /* R4 */
        xf_findings_add(findings, XF_FIND_CPU_UNKNOWN, "", "one side does not tell the maker");
    } else if (!is_same_maker(given, most)) { /* R3 */
        put_vendor(&text, given);
        xf_text_str(&text, " here, ");
        put_vendor(&text, most);
        xf_text_str(&text, " there");
        xf_findings_add(findings, XF_FIND_CPU_LACKS, "", detail);
        return; /* which features they share says nothing more */
    }
    if (put_lacking(&text, given, most) > 0) { /* R2 */
        xf_findings_add(findings, XF_FIND_CPU_LACKS, "", detail);
    }
}

/* ---- hypervisors ---- */

struct version {
    uint32_t n; /* 0: none to be read */
    uint32_t part[PARTS_MAX];
};

/* Of "Xen": what stands before the first space. */
static size_t kind_size(const char *hypervisor)
{
    size_t size = strnlen(hypervisor, XF_NAME_SIZE);
    const char *space = memchr(hypervisor, ' ', size);

    return space != NULL ? (size_t)(space - hypervisor) : size;
}

static struct version version_of(const char *hypervisor)
{
    struct version v = { .n = 0 };
    size_t at = kind_size(hypervisor);

    at += at < XF_NAME_SIZE && hypervisor[at] == ' ';
    while (at < XF_NAME_SIZE && v.n < PARTS_MAX && hypervisor[at] >= '0' && hypervisor[at] <= '9') {
        uint64_t part = 0;

        for (; at < XF_NAME_SIZE && hypervisor[at] >= '0' && hypervisor[at] <= '9'; at++) {
            part = part * 10 + (uint64_t)(hypervisor[at] - '0');
            part = part < PART_MAX ? part : PART_MAX;
        }
        v.part[v.n++] = (uint32_t)part;
        if (at < XF_NAME_SIZE && hypervisor[at] == '.') {
            at++;
        } else {
            break; /* "-rc3", "+13": the same release */
        }
    }
    return v;
}

static bool is_older(const struct version *a, const struct version *b)
{
    for (unsigned i = 0; i < PARTS_MAX; i++) {
        if (a->part[i] != b->part[i]) {
            return a->part[i] < b->part[i];
        }
    }
    return false;
}

static void put_both(struct xf_text *text, const char *source, const char *target)
{
    xf_text_mem(text, source, strnlen(source, XF_NAME_SIZE));
    xf_text_str(text, " here, ");
    xf_text_mem(text, target, strnlen(target, XF_NAME_SIZE));
    xf_text_str(text, " there");
}

static void judge_hypervisor(const char *source, const char *target, struct xf_findings *findings)
{
    size_t size = kind_size(source);
    struct version from = version_of(source), to = version_of(target);
    char detail[XF_DETAIL_SIZE];
    struct xf_text text;

    xf_text_init(&text, detail, sizeof(detail));
    put_both(&text, source, target);
    if (size == 0 || kind_size(target) != size || memcmp(source, target, size) != 0) { /* R6 */
        xf_findings_add(findings, XF_FIND_HYPERVISOR, "", detail);
    } else if (from.n > 0 && to.n > 0 && is_older(&to, &from)) { /* R7 */
        xf_findings_add(findings, XF_FIND_OLDER, "", detail);
    }
}

/* ---- the rest ---- */

static void judge_memory(uint64_t free_mib, uint32_t needs_mib, struct xf_findings *findings)
{
    char detail[XF_DETAIL_SIZE];
    struct xf_text text;

    if (free_mib >= needs_mib) { /* R1 */
        return;
    }
    xf_text_init(&text, detail, sizeof(detail));
    xf_text_u64(&text, needs_mib);
    xf_text_str(&text, " MiB are needed, ");
    xf_text_u64(&text, free_mib);
    xf_text_str(&text, " MiB are free");
    xf_findings_add(findings, XF_FIND_MEMORY, "", detail);
}

static void judge_guest(const struct xf_guest *guest, struct xf_findings *findings)
{
    char detail[XF_DETAIL_SIZE];
    struct xf_text text;

    if (guest->n_passthrough > 0) { /* R10 */
        xf_text_init(&text, detail, sizeof(detail));
        xf_text_u64(&text, guest->n_passthrough);
        xf_text_str(&text, guest->n_passthrough == 1 ? " device" : " devices");
        xf_findings_add(findings, XF_FIND_PASSTHROUGH, "", detail);
    }
    if (guest->vnuma) { /* R11 */
        xf_findings_add(findings, XF_FIND_VNUMA, "", "");
    }
    if (guest->suspend_known && !guest->can_suspend) { /* R12 */
        xf_findings_add(findings, XF_FIND_NO_SUSPEND, "", "");
    }
    if (!guest->logged && !guest->cold) { /* R13 */
        xf_findings_add(findings, XF_FIND_NO_LOG, "", "");
    }
}

/* R14. What the target read lies between the question and the answer: within half their distance. */
static void judge_clock(int64_t wall_ms, int64_t asked_ms, int64_t answered_ms,
                        struct xf_findings *findings)
{
    char detail[XF_DETAIL_SIZE];
    struct xf_text text;
    uint64_t half, skew;
    int64_t middle;

    if (answered_ms < asked_ms) {
        xf_findings_add(findings, XF_FIND_CLOCK, "", "the source's own was set back meanwhile");
        return;
    }
    half = ((uint64_t)answered_ms - (uint64_t)asked_ms) / 2;
    middle = asked_ms + (int64_t)half;
    skew = wall_ms > middle ? (uint64_t)wall_ms - (uint64_t)middle
                            : (uint64_t)middle - (uint64_t)wall_ms;
    if (skew < half || skew - half <= SKEW_MAX_MS) {
        return;
    }
    xf_text_init(&text, detail, sizeof(detail));
    xf_text_str(&text, "the target's is ");
    xf_text_u64(&text, skew);
    xf_text_str(&text, wall_ms > middle ? " ms ahead" : " ms behind");
    xf_findings_add(findings, XF_FIND_CLOCK, "", detail);
}

void xf_host_judge(const struct xf_host *source, const struct xf_host *target,
                   const struct xf_guest *guest, int64_t asked_ms, int64_t answered_ms,
                   struct xf_findings *findings)
{
    judge_memory(target->memory_free_mib, guest->memory_mib, findings);
    judge_hypervisor(source->hypervisor, target->hypervisor, findings);
    judge_cpu(&guest->cpu, &target->cpu, findings);
    if (target->name_taken) { /* R8 */
        xf_findings_add(findings, XF_FIND_NAME_TAKEN, "", "");
    }
    if (target->uuid_taken) { /* R9 */
        xf_findings_add(findings, XF_FIND_UUID_TAKEN, "", "");
    }
    judge_guest(guest, findings);
    judge_clock(target->wall_ms, asked_ms, answered_ms, findings);
    if (target->slots_free == 0) { /* R15 */
        xf_findings_add(findings, XF_FIND_SLOTS, "", "");
    }
}
