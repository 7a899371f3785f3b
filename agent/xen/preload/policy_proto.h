/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the preload inside libxl-save-helper and the mover say over the socket whose number stands
 * in the environment. One build, one machine: bytes are the structures'.
 */
#ifndef XF_POLICY_PROTO_H
#define XF_POLICY_PROTO_H

#include <stdint.h>

#define XF_POLICY_ENV     "XENFERRY_POLICY_FD"
#define XF_POLICY_LIB_ENV "XENFERRY_POLICY_LIB"

enum xf_policy_say {
    XF_POLICY_TAKEN = 1,  /* the rule is ours from here on */
    XF_POLICY_ASK,        /* answered by one int32_t: a value of xenguest.h's XGS_POLICY_* */
    XF_POLICY_SUSPENDING, /* the guest is about to be asked; answered by one int32_t, unused */
    XF_POLICY_SUSPENDED,  /* it has */
};

struct xf_policy_msg {
    uint32_t say; /* enum xf_policy_say */
    uint32_t round;
    uint64_t total_written;
    int64_t pages_dirty; /* -1: after the send */
};

#endif
