/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loaded before libxenguest in libxl's save helper. libxl has no way to hand a stop rule to
 * libxenguest's pre-copy loop, and libxenguest has one to take it: this stands in for
 * xc_domain_save(), fills in save_callbacks.precopy_policy, and calls the real one. The rule itself
 * is the mover's, at the other end of a socket.
 *
 * The structure belongs to one release of Xen, so nothing is touched unless the real function lies
 * in the library of that release; then libxenguest's own rule runs, and the mover, which was told
 * nothing, says so.
 */
#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <xenctrl.h>
#include <xenguest.h>

#include "policy_proto.h"

/* The library that configure looked at: its file's name is its ABI. */
#define LIBRARY "libxenguest.so." XF_XEN_ABI

typedef int save_fn(xc_interface *xch, int io_fd, uint32_t dom, uint32_t flags,
                    struct save_callbacks *callbacks, xc_stream_type_t stream_type, int recv_fd);

static int link_fd = -1;
static int (*real_suspend)(void *data);

static bool say(const struct xf_policy_msg *msg, int32_t *ret_answer)
{
    ssize_t n;

    do {
        n = send(link_fd, msg, sizeof(*msg), MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    while (n == (ssize_t)sizeof(*msg) && ret_answer != NULL) {
        ssize_t got = recv(link_fd, ret_answer, sizeof(*ret_answer), 0);

        if (got == (ssize_t)sizeof(*ret_answer)) {
            return true;
        }
        if (got >= 0 || errno != EINTR) {
            return false;
        }
    }
    return n == (ssize_t)sizeof(*msg);
}

/* A mover that cannot be asked is dead: the guest is left alone. */
static int policy(struct precopy_stats stats, void *data)
{
    struct xf_policy_msg msg = { .say = XF_POLICY_ASK,
                                 .round = stats.iteration,
                                 .total_written = stats.total_written,
                                 .pages_dirty = stats.dirty_count };
    int32_t verdict;

    (void)data;
    return say(&msg, &verdict) ? verdict : XGS_POLICY_ABORT;
}

static int suspend(void *data)
{
    const struct xf_policy_msg before = { .say = XF_POLICY_SUSPENDING };
    const struct xf_policy_msg after = { .say = XF_POLICY_SUSPENDED };
    int32_t unused;
    int r;

    if (!say(&before, &unused)) {
        return 0; /* not to be asked: as above */
    }
    r = real_suspend(data);
    if (r != 0) {
        (void)say(&after, NULL);
    }
    return r;
}

static int inherited_link(void)
{
    const char *text = getenv(XF_POLICY_ENV);
    char *end;
    long fd = text != NULL ? strtol(text, &end, 10) : -1;

    return text != NULL && *text != '\0' && *end == '\0' && fd > 2 && fd < 65536 ? (int)fd : -1;
}

static bool fits(save_fn *real)
{
    Dl_info info;
    const char *base;

    if (dladdr((void *)(uintptr_t)real, &info) == 0 || info.dli_fname == NULL) {
        return false;
    }
    base = strrchr(info.dli_fname, '/');
    return strcmp(base != NULL ? base + 1 : info.dli_fname, LIBRARY) == 0;
}

__attribute__((visibility("default"))) int xc_domain_save(xc_interface *xch, int io_fd,
                                                          uint32_t dom, uint32_t flags,
                                                          struct save_callbacks *callbacks,
                                                          xc_stream_type_t stream_type, int recv_fd)
{
    const struct xf_policy_msg taken = { .say = XF_POLICY_TAKEN };
    save_fn *real = (save_fn *)(uintptr_t)dlsym(RTLD_NEXT, "xc_domain_save");

    if (real == NULL) {
        errno = ENOSYS;
        return -1;
    }
    link_fd = inherited_link();
    if (link_fd >= 0 && fits(real) && callbacks->precopy_policy == NULL &&
        callbacks->suspend != NULL && stream_type == XC_STREAM_PLAIN && say(&taken, NULL)) {
        callbacks->precopy_policy = policy;
        real_suspend = callbacks->suspend;
        callbacks->suspend = suspend;
    }
    return real(xch, io_fd, dom, flags, callbacks, stream_type, recv_fd);
}
