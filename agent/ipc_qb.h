/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command's end of the agent: libqb IPC in, requests out. docs/control.md has the shapes. */
#ifndef XF_IPC_QB_H
#define XF_IPC_QB_H

#include <qb/qbloop.h>
#include <stdbool.h>
#include <stdint.h>

#include "ctl.h"

struct xf_ipc;
struct xf_ipc_conn; /* one connected command */

struct xf_ipc_events {
    /* Answers may be given from inside or later. request and bytes are the caller's. */
    void (*request)(void *arg, struct xf_ipc_conn *conn, const struct xf_ctl_request *request,
                    const uint8_t *bytes, size_t size);
    /* The command went; conn is not to be used again. */
    void (*closed)(void *arg, struct xf_ipc_conn *conn);
};

/* 0 or negative errno. */
int xf_ipc_open(qb_loop_t *loop, const struct xf_ipc_events *events, void *arg,
                struct xf_ipc **ret_ipc);
void xf_ipc_close(struct xf_ipc *ipc); /* takes NULL */
/* One encoded reply. A command that does not read for long is disconnected. */
void xf_ipc_send(struct xf_ipc_conn *conn, const uint8_t *bytes, size_t size);

#endif
