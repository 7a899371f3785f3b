/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Command <-> agent, over libqb IPC. A request is a verb and named values; a reply is a reason and
 * JSON text, possibly in parts. docs/control.md lists verbs and shapes.
 */
#ifndef XF_CTL_H
#define XF_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reason.h"

#define XF_CTL_MIN 1
#define XF_CTL_MAX 1
#define XF_CTL_SIZE_MAX 32768u /* one request, or one part of a reply */
#define XF_CTL_BODY_MAX (XF_CTL_SIZE_MAX - 1024u)
#define XF_CTL_ARGS_MAX 32u
#define XF_CTL_SOCKET "xenferry" /* libqb service name */

struct xf_ctl_arg {
    const char *key;   /* points into the decoded buffer, NUL-terminated */
    const char *value;
};

struct xf_ctl_request {
    const char *verb;
    uint32_t n_args;
    struct xf_ctl_arg arg[XF_CTL_ARGS_MAX];
};

struct xf_ctl_reply {
    uint16_t reason;  /* enum xf_reason: XF_REASON_OK unless refused or failed */
    bool more;        /* another part or, for watch and --wait, another event follows */
    const char *text; /* what a person should read besides the reason's sentence; may be "" */
    const char *body; /* JSON text, NUL-terminated */
};

/*
 * Encoders: bytes written, -EMSGSIZE, or -EINVAL for what decode would refuse. Verbs and keys are
 * made of a-z, 0-9 and dashes, and no key comes twice. NULL for a value, text or body means "".
 * Decoders: 0; -EPROTO not our protocol; -EPROTONOSUPPORT another version; -EBADMSG malformed.
 */
int xf_ctl_encode_request(const struct xf_ctl_request *request, uint8_t *buf, size_t size);
int xf_ctl_decode_request(const uint8_t *buf, size_t size, struct xf_ctl_request *ret_request);
int xf_ctl_encode_reply(const struct xf_ctl_reply *reply, uint8_t *buf, size_t size);
int xf_ctl_decode_reply(const uint8_t *buf, size_t size, struct xf_ctl_reply *ret_reply);
/* The value of a key, or NULL. */
const char *xf_ctl_value(const struct xf_ctl_request *request, const char *key);

#endif
