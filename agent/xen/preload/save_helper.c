/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What LIBXL_SAVE_HELPER names: becomes libxl's own save helper, with our stop rule loaded into it
 * and unable to outlive the mover, which an agent must be able to be sure of (H3).
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "policy_proto.h"

int main(int argc, char **argv)
{
    const char *library = getenv(XF_POLICY_LIB_ENV);

    (void)argc;
    /* SIGTERM, which the helper takes as a request to clean up; its parent is the mover's thread. */
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (library != NULL && setenv("LD_PRELOAD", library, 1) != 0) {
        return 127;
    }
    argv[0] = (char[]){ XF_XEN_SAVE_HELPER };
    execv(XF_XEN_SAVE_HELPER, argv);
    fprintf(stderr, "xenferry-save-helper: %s: %s\n", XF_XEN_SAVE_HELPER, strerror(errno));
    return 127;
}
