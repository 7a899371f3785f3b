/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files by which a sandbox process is found; control.h says what they are. */
#ifndef XF_SANDBOX_FILES_H
#define XF_SANDBOX_FILES_H

#include "control.h"

struct xf_domcfg;

/*
 * Creates <dir>/sandbox and the lock file, locks it for the life of this process and its children
 * that keep the descriptor, and fills the status page. 0, -EEXIST when a living process has it, or
 * negative errno.
 */
int xf_files_claim(const char *dir, const struct xf_uuid *uuid, const struct xf_domcfg *cfg,
                   struct xf_sandbox_status **ret_status);
/* Writes the configuration file whole. 0 or negative errno. */
int xf_files_config(const char *dir, const struct xf_uuid *uuid, const char *text, size_t size);
/* The socket, listening from the moment on that its name appears. Descriptor or negative errno. */
int xf_files_listen(const char *dir, const struct xf_uuid *uuid);
/* Removes them all: for the process itself, about to end. */
void xf_files_remove(const char *dir, const struct xf_uuid *uuid);
/* Removes what a dead process left behind; leaves a living one's files alone. */
void xf_files_clean(const char *dir, const struct xf_uuid *uuid);

#endif
