/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "sandbox_client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

#define RESTORE_FD     3
#define EXIT_NOT_FOUND 127 /* posix_spawn()'s code when the program cannot be run */

int xf_sandbox_connect(const char *dir, const struct xf_uuid *uuid, int flags)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char path[XF_SANDBOX_PATH_SIZE];
    int sock, rc = xf_sandbox_path(dir, uuid, XF_SANDBOX_SOCK, path);

    if (rc < 0) {
        return rc;
    }
    memcpy(address.sun_path, path, sizeof(address.sun_path));
    sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);
    if (sock < 0) {
        return -errno;
    }
    if (connect(sock, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        rc = errno == ECONNREFUSED ? -ENOENT : -errno; /* the socket of a dead process */
        (void)close(sock);
        return rc;
    }
    return sock;
}

static int64_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int xf_sandbox_call(int sock, const struct xf_sandbox_msg *msg, int timeout_ms,
                    struct xf_sandbox_msg *ret_reply)
{
    struct xf_sandbox_msg in;
    int64_t end_ms = now_ms() + timeout_ms;
    int rc = xf_sandbox_send(sock, msg);

    while (rc == 0) {
        struct pollfd p = { .fd = sock, .events = POLLIN };
        int64_t left_ms = timeout_ms < 0 ? -1 : end_ms - now_ms();
        int fd = -1;

        if (timeout_ms >= 0 && left_ms <= 0) {
            return -ETIMEDOUT;
        }
        if (poll(&p, 1, (int)left_ms) <= 0) {
            continue;
        }
        rc = xf_sandbox_receive(sock, &in, &fd);
        if (fd >= 0) {
            (void)close(fd);
        }
        if (rc == 0 && in.type == XF_SANDBOX_REPLY && in.cookie == msg->cookie) {
            *ret_reply = in;
            return 0;
        }
    }
    return rc;
}

int xf_sandbox_status(const char *dir, const struct xf_uuid *uuid,
                      struct xf_sandbox_status *ret_status)
{
    struct xf_sandbox_status status;
    char path[XF_SANDBOX_PATH_SIZE];
    int fd, rc = xf_sandbox_path(dir, uuid, XF_SANDBOX_LOCK, path);
    ssize_t n;

    if (rc < 0) {
        return rc;
    }
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    n = pread(fd, &status, sizeof(status), 0);
    if (!xf_sandbox_locked(fd)) {
        rc = -ENOENT;
    } else if (n != (ssize_t)sizeof(status) || status.magic != XF_SANDBOX_MAGIC) {
        rc = -EAGAIN;
    } else if (status.version != XF_SANDBOX_VERSION || !xf_uuid_eq(&status.uuid, uuid) ||
               memchr(status.name, '\0', sizeof(status.name)) == NULL) {
        rc = -ENOENT;
    }
    (void)close(fd);
    if (rc == 0) {
        *ret_status = status;
    }
    return rc;
}

/* ---- starting ---- */

/* The configuration as a file to be read from its start. Descriptor or negative errno. */
static int config_file(const char *config)
{
    size_t size = strlen(config);
    int fd = memfd_create("xenferry-config", MFD_CLOEXEC);

    if (fd < 0) {
        return -errno;
    }
    if (write(fd, config, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) != 0) {
        (void)close(fd);
        return -EIO;
    }
    return fd;
}

static int spawn(const struct xf_sandbox_start *start, int in, int text, pid_t *ret_pid)
{
    const char *libexec = secure_getenv("XENFERRY_LIBEXECDIR"); /* an uninstalled build's tests */
    char program[4096], dir[256], uuid[16 + XF_UUID_TEXT_SIZE], name[16 + XF_NAME_SIZE];
    char uuid_text[XF_UUID_TEXT_SIZE];
    char restore[] = "--restore=3";
    char *argv[] = { program, dir, uuid, name, start->restore >= 0 ? restore : NULL, NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    int r;

    xf_uuid_text(start->uuid, uuid_text);
    (void)snprintf(program, sizeof(program), "%s/xenferry-sandbox",
                   libexec != NULL ? libexec : XF_LIBEXECDIR);
    (void)snprintf(dir, sizeof(dir), "--dir=%s", start->dir);
    (void)snprintf(uuid, sizeof(uuid), "--uuid=%s", uuid_text);
    (void)snprintf(name, sizeof(name), "--name=%s", start->name);
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    r = posix_spawnattr_init(&attr);
    if (r != 0) {
        return -r;
    }
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    (void)posix_spawnattr_setsigmask(&attr, &none);
    (void)posix_spawnattr_setsigdefault(&attr, &all);
    r = posix_spawn_file_actions_init(&actions);
    r = r == 0 ? posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO) : r;
    r = r == 0 ? posix_spawn_file_actions_adddup2(&actions, text, STDERR_FILENO) : r;
    /* Last: the other two may have been given this number, and are used by now. */
    if (r == 0 && start->restore >= 0) {
        r = posix_spawn_file_actions_adddup2(&actions, start->restore, RESTORE_FD);
    }
    r = r == 0 ? posix_spawn(ret_pid, program, &actions, &attr, argv, environ) : r;
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attr);
    return -r;
}

int xf_sandbox_spawn(const struct xf_sandbox_start *start, pid_t *ret_pid, int *ret_text)
{
    int in = config_file(start->config);
    int text[2], rc;

    if (in < 0) {
        return in;
    }
    if (pipe2(text, O_CLOEXEC) < 0) {
        rc = -errno;
        (void)close(in);
        return rc;
    }
    rc = spawn(start, in, text[1], ret_pid);
    (void)close(in);
    (void)close(text[1]);
    if (rc < 0) {
        (void)close(text[0]);
        return rc;
    }
    *ret_text = text[0];
    return 0;
}

enum xf_reason xf_sandbox_spawn_result(int status, int text_fd, char *text, size_t size)
{
    enum xf_reason reason = XF_REASON_INTERNAL;
    ssize_t n;

    /* The process is gone, and a sentence is shorter than a pipe: this does not block. */
    n = read(text_fd, text, size - 1);
    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    (void)close(text_fd);
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NOT_FOUND) {
        (void)snprintf(text, size, "xenferry-sandbox cannot be run");
    } else if (WIFEXITED(status) && WEXITSTATUS(status) < XF_N_REASONS) {
        reason = (enum xf_reason)WEXITSTATUS(status);
    }
    return reason;
}
