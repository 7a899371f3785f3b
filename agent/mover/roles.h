/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two roles of a mover. Each returns the process's exit code when all is said. */
#ifndef XF_MOVER_ROLES_H
#define XF_MOVER_ROLES_H

struct xf_job;

int xf_source_run(struct xf_job *job);
int xf_dest_run(struct xf_job *job);

#endif
