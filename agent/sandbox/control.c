/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "text.h"

int xf_sandbox_path(const char *dir, const struct xf_uuid *uuid, enum xf_sandbox_file file,
                    char ret_path[static XF_SANDBOX_PATH_SIZE])
{
    static const char *const endings[] = {
        [XF_SANDBOX_SOCK] = ".sock",
        [XF_SANDBOX_LOCK] = ".lock",
        [XF_SANDBOX_CFG] = ".cfg",
    };
    char uuid_text[XF_UUID_TEXT_SIZE];
    struct xf_text t;

    xf_uuid_text(uuid, uuid_text);
    xf_text_init(&t, ret_path, XF_SANDBOX_PATH_SIZE);
    xf_text_str(&t, dir);
    xf_text_str(&t, "/sandbox/");
    xf_text_str(&t, uuid_text);
    xf_text_str(&t, endings[file]);
    return t.truncated ? -ENAMETOOLONG : 0;
}

int xf_sandbox_send_fd(int sock, const struct xf_sandbox_msg *msg, int fd)
{
    struct xf_sandbox_msg out = *msg;
    struct iovec iov = { .iov_base = &out, .iov_len = sizeof(out) };
    union {
        char buf[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };

    out.version = XF_SANDBOX_VERSION;
    if (fd >= 0) {
        struct cmsghdr *c;

        memset(&control, 0, sizeof(control));
        hdr.msg_control = control.buf;
        hdr.msg_controllen = sizeof(control.buf);
        c = CMSG_FIRSTHDR(&hdr);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    }
    for (;;) {
        ssize_t n = sendmsg(sock, &hdr, MSG_NOSIGNAL);

        if (n >= 0) {
            return 0;
        }
        if (errno != EINTR) {
            return errno == ECONNRESET ? -EPIPE : -errno;
        }
    }
}

int xf_sandbox_send(int sock, const struct xf_sandbox_msg *msg)
{
    return xf_sandbox_send_fd(sock, msg, -1);
}

/* The first descriptor of a packet; any more are closed. */
static int take_fd(struct msghdr *hdr)
{
    int found = -1;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(hdr); c != NULL; c = CMSG_NXTHDR(hdr, c)) {
        size_t n;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            if (found < 0) {
                found = fd;
            } else {
                (void)close(fd);
            }
        }
    }
    return found;
}

int xf_sandbox_receive(int sock, struct xf_sandbox_msg *ret_msg, int *ret_fd)
{
    struct xf_sandbox_msg msg;
    struct iovec iov = { .iov_base = &msg, .iov_len = sizeof(msg) };
    union {
        char buf[CMSG_SPACE(4 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr hdr = { .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control.buf,
                          .msg_controllen = sizeof(control.buf) };
    ssize_t n;
    int fd;

    do {
        n = recvmsg(sock, &hdr, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return errno == ECONNRESET ? -EPIPE : -errno;
    }
    fd = take_fd(&hdr);
    if (n == 0 || (size_t)n != sizeof(msg) || (hdr.msg_flags & MSG_TRUNC) != 0 ||
        msg.version != XF_SANDBOX_VERSION || msg.type == 0 || msg.type >= XF_N_SANDBOX_TYPES) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return n == 0 ? -EPIPE : -EBADMSG;
    }
    msg.text[sizeof(msg.text) - 1] = '\0';
    *ret_msg = msg;
    *ret_fd = fd;
    return 0;
}

bool xf_sandbox_locked(int lock_fd)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    /* Asking takes no lock, so it cannot disturb a process that is just starting. */
    return fcntl(lock_fd, F_OFD_GETLK, &lock) < 0 || lock.l_type != F_UNLCK;
}
