/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a check found: one table of everything that it can say. The name is stable: scripts and
 * manuals know it; tests/docs.sh compares xenferry-findings(7) with the table. A row is only ever
 * appended, since the number goes over the wire.
 */
#ifndef XF_FINDING_H
#define XF_FINDING_H

#include <stdbool.h>
#include <stdint.h>

#include "reason.h"

enum xf_severity {
    XF_INFO,   /* worth knowing */
    XF_WARN,   /* a move goes on, and its report says so */
    XF_REFUSE, /* a move is refused, unless the operator says --unproven */
    XF_N_SEVERITIES,
};

/* X(symbol, name, severity, reason, sentence, hint); sentences are said of the finding's subject. */
#define XF_FINDINGS(X)                                                                             \
    X(DISK_MISSING, "disk-missing", REFUSE, NO_DISK, "the target does not see this disk",          \
      "attach or mount it there under the same name")                                              \
    X(DISK_UNREADABLE, "disk-unreadable", REFUSE, NO_DISK, "it is there but cannot be read",       \
      "look at the host's kernel log")                                                             \
    X(DISK_HANGS, "disk-hangs", REFUSE, NO_DISK, "reading it did not end in time",                 \
      "check the paths to the storage, or raise check-disk-timeout-ms")                            \
    X(DISK_OTHER, "disk-other", REFUSE, NO_DISK, "the target has another disk under this name",    \
      "compare what both hosts call it with: xenferry check --verbose")                            \
    X(DISK_CONTENT, "disk-content", REFUSE, NO_DISK, "the hosts read different content",           \
      "it is a copy, or the target caches it: attach the same disk")                               \
    X(DISK_SIZE, "disk-size", REFUSE, NO_DISK, "its size differs",                                 \
      "rescan it on the host that shows the old size")                                             \
    X(DISK_READONLY, "disk-readonly", REFUSE, NO_DISK,                                             \
      "the domain writes to it, and the target may only read it", "make it writable there")        \
    X(DISK_USED, "disk-used", REFUSE, NO_DISK, "something else on the target uses it",             \
      "unmount or release it there")                                                               \
    X(DISK_LOCAL, "disk-local", REFUSE, NO_DISK, "it belongs to one host alone",                   \
      "move it to shared storage")                                                                 \
    X(DISK_NONCE, "disk-nonce", REFUSE, NO_DISK,                                                   \
      "a file written beside it on one host is not seen on the other",                             \
      "mount the same filesystem on both")                                                         \
    X(DISK_CACHED, "disk-cached", REFUSE, NO_DISK,                                                 \
      "the source writes to it through a cache that the target does not see",                      \
      "use direct I/O: losetup --direct-io=on, or direct-io-safe")                                 \
    X(DISK_ALONE, "disk-alone", REFUSE, NO_DISK, "only one host at a time may have it active",     \
      "a snapshot, thin, cached or mirrored volume needs a move with --cold after deactivation")   \
    X(DISK_LOCKED, "disk-locked", REFUSE, NO_DISK, "one host holds it exclusively",                \
      "activate it shared on both: lvchange -asy")                                                 \
    X(DISK_DRBD, "disk-drbd", REFUSE, NO_DISK, "DRBD does not let both hosts use it now",          \
      "drbdadm status: it must be connected, UpToDate, allow-two-primaries, Primary on both")      \
    X(DISK_PATH, "disk-path", WARN, NO_DISK, "a path to it is down", "multipath -ll")              \
    X(DISK_WEAK, "disk-weak", WARN, NO_DISK,                                                       \
      "nothing but its content says that it is the same disk",                                     \
      "a device with a name of its own (WWID, volume uuid) is proven by it")                       \
    X(DISK_LIVE, "disk-live", INFO, OK, "blocks that changed meanwhile were not compared", "")     \
    X(DISK_UNKNOWN, "disk-unknown", REFUSE, NO_DISK, "the check cannot tell what it is",           \
      "the check's own words say why; --unproven goes on without")                                 \
    X(DISK_BACKED, "disk-backed", WARN, NO_DISK, "it stands on a second file that is not checked", \
      "see to it that the target has the same backing file")                                       \
    X(DISK_KIND, "disk-kind", REFUSE, NO_DISK,                                                     \
      "it is a device on one host and a file on the other", "")                                    \
    X(NO_BRIDGE, "bridge-missing", REFUSE, NO_BRIDGE, "the target has no such bridge",             \
      "brctl show")                                                                                \
    X(NO_CARRIER, "no-carrier", REFUSE, NO_BRIDGE, "the bridge has no link to the outside",        \
      "check cable, uplink and bond")                                                              \
    X(NOT_SEGMENT, "not-same-segment", REFUSE, NO_BRIDGE,                                          \
      "no frame of one host reaches the other on it", "connect both bridges to the same network")  \
    X(ONE_WAY, "one-way", REFUSE, NO_BRIDGE, "frames pass in one direction only",                  \
      "look for filters and for a switch port that learns nothing")                                \
    X(MTU, "mtu", REFUSE, NO_BRIDGE, "large frames get lost between the hosts",                    \
      "raise the MTU of the hop that drops them, or lower the bridges'")                           \
    X(NOT_FORWARDING, "not-forwarding", REFUSE, NO_BRIDGE,                                         \
      "the bridge's port does not forward yet (spanning tree)",                                    \
      "wait, or set the forward delay to 0")                                                       \
    X(NET_UNPROVEN, "network-unproven", REFUSE, NO_BRIDGE, "frames could not be sent for a probe", \
      "the check's own words say why")                                                             \
    X(MAC_TAKEN, "mac-taken", REFUSE, NO_BRIDGE, "another station uses the domain's MAC",          \
      "give one of them another MAC")                                                              \
    X(IP_TAKEN, "ip-taken", REFUSE, NO_BRIDGE, "another station answers for the domain's address", \
      "give one of them another address")                                                          \
    X(SUBNET, "subnet", INFO, OK, "the bridges' own addresses are of different networks",          \
      "the frames have decided; routing on the hosts may differ")                                  \
    X(VLAN, "vlan", WARN, NO_BRIDGE, "the bridges filter VLANs and their settings differ",         \
      "bridge vlan show")                                                                          \
    X(MEMORY, "memory", REFUSE, NO_MEMORY, "the target has too little free memory",                \
      "xenferry nodes")                                                                            \
    X(CPU_LACKS, "cpu-lacks", REFUSE, HYPERVISOR,                                                  \
      "the target's processors lack what the domain may use", "level the CPU policy with cpuid=")  \
    X(CPU_UNKNOWN, "cpu-unknown", WARN, HYPERVISOR, "the processors could not be compared", "")    \
    X(OLDER, "hypervisor-older", REFUSE, HYPERVISOR,                                               \
      "the target's hypervisor is older than the source's", "upgrade the target first")            \
    X(HYPERVISOR, "hypervisor-other", REFUSE, HYPERVISOR, "the target runs another hypervisor",    \
      "")                                                                                          \
    X(NAME_TAKEN, "name-taken", REFUSE, EXISTS, "the target has another domain of that name", "")  \
    X(UUID_TAKEN, "uuid-taken", REFUSE, HOLDS_COPY,                                                \
      "the target holds something of this uuid already", "xenferry status")                        \
    X(PASSTHROUGH, "passthrough", REFUSE, HYPERVISOR,                                              \
      "a device of the host is given to the domain", "detach it first: xl pci-detach")             \
    X(VNUMA, "vnuma", WARN, HYPERVISOR, "the domain's virtual NUMA layout is not kept in mind",    \
      "")                                                                                          \
    X(NO_SUSPEND, "no-suspend", REFUSE, NOT_SUSPENDED,                                             \
      "the guest does not say that it can suspend",                                                \
      "it needs PV drivers that offer control/feature-suspend")                                    \
    X(NO_LOG, "not-logged", REFUSE, NOT_LOGGED,                                                    \
      "the hypervisor cannot log what such a guest writes", "use --cold")                          \
    X(CLOCK, "clock-skew", WARN, OK, "the hosts' clocks differ", "synchronise them: chrony, ntpd") \
    X(SLOTS, "slots", INFO, OK, "every migration slot is taken: a move would wait", "")            \
    X(PEER, "peer-unproven", REFUSE, PEER_REFUSED, "the target did not take part in the check",    \
      "upgrade xenferryd there, or use --unproven")

enum xf_finding_id {
#define X(sym, name, severity, reason, sentence, hint) XF_FIND_##sym,
    XF_FINDINGS(X)
#undef X
        XF_N_FINDINGS,
};

#define XF_SUBJECT_SIZE 280u /* "disk /path", "bridge br0", "" for the host */
#define XF_DETAIL_SIZE  256u /* what was seen, without the table's sentence; may be "" */
#define XF_FINDINGS_MAX 64u

struct xf_finding {
    uint8_t id; /* enum xf_finding_id */
    char subject[XF_SUBJECT_SIZE];
    char detail[XF_DETAIL_SIZE];
};

/* Plain data, all zero at the beginning. What does not fit is counted: n_lost of them were REFUSE. */
struct xf_findings {
    uint32_t n;
    uint32_t n_lost;
    struct xf_finding of[XF_FINDINGS_MAX];
};

/* All take any number; one that is not in the table is refused with and reads as "unknown". */
const char *xf_finding_name(uint32_t id);
enum xf_severity xf_finding_severity(uint32_t id);
enum xf_reason xf_finding_reason(uint32_t id);
const char *xf_finding_sentence(uint32_t id);
const char *xf_finding_hint(uint32_t id);
const char *xf_severity_name(uint32_t severity);
/* XF_N_FINDINGS when no row has that name. */
enum xf_finding_id xf_finding_parse(const char *name);

/* The same id, subject and detail twice is one finding. subject and detail are cut to fit. */
void xf_findings_add(struct xf_findings *findings, enum xf_finding_id id, const char *subject,
                     const char *detail);
/* The worst severity in it; XF_INFO also when there is none. A lost one counts as XF_REFUSE. */
enum xf_severity xf_findings_worst(const struct xf_findings *findings);
/* The reason of the first one that refuses; XF_REASON_OK if none does. */
enum xf_reason xf_findings_reason(const struct xf_findings *findings);
/* "disk /a: sentence (detail); bridge br0: …" of those that are at least so severe; cut to fit. */
void xf_findings_text(const struct xf_findings *findings, enum xf_severity least, char *buf,
                      uint32_t size);

#endif
