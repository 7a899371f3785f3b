/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Why something was refused, failed or ended: what people and peers are told. The number goes over
 * the wire, so a row is only ever appended. exit = exit code of the command; ocf = what the
 * resource agent returns (OCF resource agent API: 0 success, 1 generic, 2 args, 5 installed,
 * 6 configured, 7 not running).
 */
#ifndef XF_REASON_H
#define XF_REASON_H

#include <stdint.h>

/* X(symbol, name, exit, ocf, sentence, hint) */
#define XF_REASONS(X)                                                                              \
    X(OK, "ok", 0, 0, "done", "")                                                                  \
    X(INTERNAL, "internal", 1, 1, "an internal error occurred", "see the agent's log on that node") \
    X(USAGE, "usage", 2, 2, "the request is not understood", "see xenferry(8)")                    \
    X(NO_AGENT, "no-agent", 3, 5, "the agent of this node does not answer",                        \
      "systemctl start xenferryd")                                                                 \
    X(NOT_ALLOWED, "not-allowed", 4, 4, "only root and members of group haclient may do this",     \
      "run it as root, or join the group")                                                         \
    X(UNKNOWN_DOMAIN, "unknown-domain", 5, 7, "no node holds a domain of that name or uuid",       \
      "xenferry domains")                                                                          \
    X(UNKNOWN_NODE, "unknown-node", 6, 6, "no node of that name is configured",                    \
      "xenferry nodes")                                                                            \
    X(NODE_OFFLINE, "node-offline", 7, 1, "that node's agent is not in the group",                 \
      "start Corosync and xenferryd there")                                                        \
    X(SAME_NODE, "same-node", 8, 2, "the domain is on that node already", "")                      \
    X(NO_QUORUM, "no-quorum", 9, 1, "this node has no quorum", "corosync-quorumtool -s")           \
    X(NO_SLOT, "no-slot", 10, 1, "every migration slot is taken",                                  \
      "wait, leave out --no-wait, or raise the slots in xenferry.conf(5)")                         \
    X(BUSY, "busy", 11, 1, "a move of this domain is under way already", "xenferry status")        \
    X(NO_MEMORY, "no-memory", 12, 1, "the target has too little free memory", "xenferry nodes")    \
    X(AUTH, "auth", 13, 1, "the data connection's keys do not match",                              \
      "give all nodes the same /etc/xenferry/secret or /etc/corosync/authkey")                     \
    X(PROTOCOL, "protocol", 14, 1, "that node's agent speaks no protocol version that we do",      \
      "upgrade xenferryd there")                                                                   \
    X(CONFIG, "config", 15, 6, "the configuration is not valid", "")                               \
    X(EXISTS, "exists", 16, 1, "a domain of that name or uuid exists already", "xenferry domains") \
    X(NO_BRIDGE, "no-bridge", 17, 5, "the target has no bridge of that name", "")                  \
    X(NO_DISK, "no-disk", 18, 5, "the target does not see a disk of the domain", "")               \
    X(HOLDS_COPY, "holds-copy", 19, 1, "a node holds a copy, or part of one, of this domain",      \
      "xenferry status")                                                                           \
    X(NODE_UNKNOWN_STATE, "node-unproven", 20, 1,                                                  \
      "a configured node is neither in the group nor confirmed off",                               \
      "start its agent, or fence it and run: xenferry confirm-off NODE")                           \
    X(CANCELLED, "cancelled", 21, 1, "cancelled by the operator", "")                              \
    X(TOO_LATE, "too-late", 22, 1, "the domain is committed to the other node", "xenferry status") \
    X(NOT_CONVERGING, "not-converging", 23, 1,                                                     \
      "the guest dirties memory faster than it can be sent",                                       \
      "raise --downtime-max or --bandwidth, or use --force or --cold")                             \
    X(MAX_TIME, "max-time", 24, 1, "the move took longer than --max-time", "")                     \
    X(STALLED, "stalled", 25, 1, "the data connection made no progress", "check the migration network") \
    X(CONNECTION, "connection", 26, 1, "the data connection broke", "check the migration network") \
    X(DIGEST, "digest", 27, 1, "the image received differs from the image sent",                   \
      "check memory and network of both hosts")                                                    \
    X(STREAM, "stream", 28, 1, "the save stream is malformed", "")                                 \
    X(MOVER, "mover", 29, 1, "the mover process ended early", "see the log of both nodes")         \
    X(NOT_SUSPENDED, "not-suspended", 30, 1, "the guest did not suspend in time; it runs on",      \
      "look at the guest's console")                                                               \
    X(RESTORE, "restore", 31, 1, "the target could not build the domain", "see the target's log")  \
    X(UNPAUSE, "unpause", 32, 1, "the target could not unpause the domain", "see the target's log") \
    X(RESUME, "resume", 33, 1, "the domain could not be resumed", "see the log; it is tried again") \
    X(DESTROY, "destroy", 34, 1, "a copy could not be destroyed", "see the log; it is tried again") \
    X(JOURNAL, "journal", 35, 1, "the journal cannot be written", "free space in /var/lib/xenferry") \
    X(PEER_LEFT, "peer-left", 36, 1, "the other node left the group", "")                          \
    X(PEER_SILENT, "peer-silent", 37, 1, "the other node does not answer", "")                     \
    X(AGENT_RESTARTED, "agent-restarted", 38, 1, "the agent was restarted during the move", "")    \
    X(SUPERSEDED, "superseded", 39, 1, "the domain has moved on since", "")                        \
    X(TIE_BREAK, "tie-break", 40, 1, "the observers' promises decided for the other node", "")     \
    X(IN_DOUBT, "in-doubt", 41, 1, "the other node is unreachable and nothing proves what it did", \
      "bring it back, or fence it; xenferry status says what is missing")                          \
    X(NODE_LOST, "node-lost", 42, 1, "the node that ran the domain died", "start the domain again") \
    X(NOT_RUNNING, "not-running", 43, 7, "the domain does not run here", "")                       \
    X(HYPERVISOR, "hypervisor", 44, 1, "the hypervisor refused", "see the agent's log")            \
    X(STARTING, "starting", 45, 1, "another node starts this domain already", "")                  \
    X(PEER_REFUSED, "peer-refused", 46, 1, "the target refused", "")                               \
    X(QUEUED, "queued", 47, 0, "waiting for a free slot", "")                                      \
    X(NOT_LOGGED, "not-logged", 48, 1,                                                             \
      "the hypervisor here cannot log what such a guest writes, so it does not move live",         \
      "use --cold")

enum xf_reason {
#define X(sym, name, exit, ocf, sentence, hint) XF_REASON_##sym,
    XF_REASONS(X)
#undef X
    XF_N_REASONS,
};

/* All take any number; one that is not in the table reads as XF_REASON_INTERNAL. */
const char *xf_reason_name(uint32_t reason);
const char *xf_reason_sentence(uint32_t reason);
const char *xf_reason_hint(uint32_t reason);
int xf_reason_exit(uint32_t reason);
int xf_reason_ocf(uint32_t reason);
/* XF_N_REASONS when no row has that name. */
enum xf_reason xf_reason_parse(const char *name);

#endif
