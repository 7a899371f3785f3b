/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "xen_keep.h"

#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

#define PROGRAM "xenferry-keeper"

extern char **environ;

void xf_xen_keep(const char *dir, const struct xf_uuid *uuid, uint32_t domid)
{
    char uuid_text[XF_UUID_TEXT_SIZE], domid_text[XF_U64_TEXT_SIZE], dir_text[512];
    char *argv[] = { (char[]){ PROGRAM }, (char[]){ "-d" }, dir_text, uuid_text, domid_text, NULL };
    posix_spawnattr_t attr;
    sigset_t none, all;
    pid_t pid;
    int r;

    xf_uuid_text(uuid, uuid_text);
    snprintf(domid_text, sizeof(domid_text), "%u", domid);
    snprintf(dir_text, sizeof(dir_text), "%s", dir);
    sigemptyset(&none);
    sigfillset(&all);
    if (posix_spawnattr_init(&attr) != 0) {
        return;
    }
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    r = posix_spawn(&pid, XF_LIBEXECDIR "/" PROGRAM, NULL, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    if (r != 0) {
        fprintf(stderr, "xenferry-xen: the domain has no keeper: %s\n", strerror(r));
    }
}
