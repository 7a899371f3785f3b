/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The driver's two tables, whose every operation is done by the driver that a server has
 * (hyper_server.c). A folder is "a:/path" or "b:/path": what starts the server of that host stands
 * in the environment as XENFERRY_BED_A and XENFERRY_BED_B, a line for the shell whose input and
 * output are the server's. The mover's side has a server for each operation, as a mover is a process
 * for each.
 */
#ifndef XF_HYPER_REMOTE_H
#define XF_HYPER_REMOTE_H

#include "drivers.h"

extern const struct xf_hyper_ops xf_hyper_remote;
extern const struct xf_mover_hyper_ops xf_mover_remote;

/* Removes a folder where it is. */
int hyper_remote_remove(const char *dir);

#endif
