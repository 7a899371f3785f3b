/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "sandbox_eyes.h"

#include <unistd.h>

#include "sandbox/sandbox_client.h"
#include "unit.h"

struct xf_sandbox_stat eyes_stat(const struct bed_host *host)
{
    struct xf_sandbox_msg msg = { .type = XF_SANDBOX_STAT, .cookie = 5 }, reply;
    int sock = xf_sandbox_connect(host->dir, &host->bed->uuid, 0);

    assert_true(sock >= 0);
    assert_int_equal(xf_sandbox_call(sock, &msg, -1, &reply), 0);
    (void)close(sock);
    return reply.stat;
}

struct xf_sandbox_stat eyes_checked(struct bed_host *host)
{
    struct xf_sandbox_stat stat = eyes_stat(host);

    for (unsigned i = 0; i < 1000 && stat.check_left > 0; i++) {
        bed_idle(host->bed, 10);
        stat = eyes_stat(host);
    }
    assert_int_equal(stat.check_left, 0);
    return stat;
}
