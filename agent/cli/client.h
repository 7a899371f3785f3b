/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connection to this node's agent: libqb IPC below, common/ctl.h on it. Every wait has an end.
 */
#ifndef XF_CLIENT_H
#define XF_CLIENT_H

#include <signal.h>

#include "ctl.h"

struct xf_client;

/*
 * 0; -ETIMEDOUT when an agent is there but does not answer; another negative errno when none is.
 * timeout_ms bounds the whole of it.
 */
int xf_client_open(int timeout_ms, struct xf_client **ret_client);
void xf_client_close(struct xf_client *client); /* takes NULL */
/* 0, -EMSGSIZE for a request that is too long, -ETIMEDOUT, or another negative errno. */
int xf_client_send(struct xf_client *client, const struct xf_ctl_request *request, int timeout_ms);
/*
 * The next part. 0; -ETIMEDOUT; -EINTR when a signal that *mask lets through came (mask may be
 * NULL); -EBADMSG for what is no reply; another negative errno when the connection is gone.
 * The reply points into the client and is valid until the next call.
 */
int xf_client_recv(struct xf_client *client, int timeout_ms, const sigset_t *mask,
                   struct xf_ctl_reply *ret_reply);

#endif
