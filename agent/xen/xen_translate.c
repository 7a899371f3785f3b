/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xl's configuration language is xl's own: no library reads it whole. `xl create --dryrun` does,
 * and prints what it would give to libxl.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "xen_ops.h"

extern char **environ;

enum { OUT, ERR, N_STREAMS };

struct run {
    int fd[N_STREAMS];
    char text[N_STREAMS][XF_CONFIG_SIZE_MAX];
    size_t size[N_STREAMS];
};

static int config_file(const char *config)
{
    int fd = memfd_create("xl.cfg", 0); /* for the child, so not close-on-exec */
    size_t size = strlen(config);

    if (fd >= 0 && write(fd, config, size) != (ssize_t)size) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static int spawn_xl(struct run *run, int config_fd, pid_t *ret_pid)
{
    posix_spawn_file_actions_t files;
    int pipes[N_STREAMS][2];
    char path[32];
    char *argv[] = { (char[]){ "xl" }, (char[]){ "create" }, (char[]){ "--dryrun" }, path, NULL };
    int r;

    snprintf(path, sizeof(path), "/dev/fd/%d", config_fd);
    if (pipe2(pipes[OUT], O_CLOEXEC) != 0 || pipe2(pipes[ERR], O_CLOEXEC) != 0 ||
        posix_spawn_file_actions_init(&files) != 0) {
        return -errno;
    }
    posix_spawn_file_actions_adddup2(&files, pipes[OUT][1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, pipes[ERR][1], STDERR_FILENO);
    r = posix_spawnp(ret_pid, "xl", &files, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    for (int i = 0; i < N_STREAMS; i++) {
        close(pipes[i][1]);
        run->fd[i] = pipes[i][0];
    }
    return -r;
}

/* Reads both to their ends; what does not fit is read and dropped. */
static void read_all(struct run *run)
{
    struct pollfd p[N_STREAMS] = { { .fd = run->fd[OUT], .events = POLLIN },
                                   { .fd = run->fd[ERR], .events = POLLIN } };
    char dropped[512];

    while (p[OUT].fd >= 0 || p[ERR].fd >= 0) {
        if (poll(p, N_STREAMS, -1) < 0 && errno != EINTR) {
            return;
        }
        for (int i = 0; i < N_STREAMS; i++) {
            size_t room = sizeof(run->text[i]) - run->size[i];
            ssize_t n;

            if (p[i].fd < 0 || p[i].revents == 0) {
                continue;
            }
            n = room > 0 ? read(p[i].fd, run->text[i] + run->size[i], room)
                         : read(p[i].fd, dropped, sizeof(dropped));
            if (n <= 0) {
                close(p[i].fd);
                p[i].fd = -1;
            } else if (room > 0) {
                run->size[i] += (size_t)n;
            }
        }
    }
}

/* xl's first complaint, without the line that only says what it reads. */
static void complaint(const struct run *run, char *buf, size_t size)
{
    const char *at = run->text[ERR];
    const char *end = at + run->size[ERR];

    xf_text_copy(buf, size, "xl refuses it");
    while (at < end) {
        const char *nl = memchr(at, '\n', (size_t)(end - at));
        int len = (int)((nl != NULL ? nl : end) - at);

        if (len > 0 && strncmp(at, "Parsing config", 14) != 0) {
            snprintf(buf, size, "%.*s", len < 200 ? len : 200, at);
            return;
        }
        at += len + 1;
    }
}

static void fail(struct xf_xen_msg *msg, enum xf_reason reason, const char *text)
{
    msg->reason = (uint32_t)reason;
    msg->config_size = 0;
    xf_text_copy(msg->text, sizeof(msg->text), text);
}

static void take_output(struct xf_xen_msg *msg, const struct run *run, int status)
{
    char text[XF_XEN_TEXT];

    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        complaint(run, text, sizeof(text));
        fail(msg, XF_REASON_CONFIG, text);
    } else if (run->size[OUT] >= sizeof(msg->config)) {
        fail(msg, XF_REASON_CONFIG, "the configuration is too long");
    } else if (run->size[OUT] == 0 || run->text[OUT][0] != '{') {
        fail(msg, XF_REASON_CONFIG,
             "xl does not print JSON: see output_format in /etc/xen/xl.conf");
    } else {
        memcpy(msg->config, run->text[OUT], run->size[OUT]);
        msg->config[run->size[OUT]] = '\0';
        msg->config_size = (uint32_t)run->size[OUT] + 1;
        msg->reason = XF_REASON_OK;
        msg->text[0] = '\0';
    }
}

void xf_xen_translate(struct xf_xen_msg *msg)
{
    struct run *run = calloc(1, sizeof(*run));
    int fd = msg->config_size > 0 ? config_file(msg->config) : -1;
    char text[XF_XEN_TEXT];
    int status = -1;
    pid_t pid = -1;
    int rc;

    msg->type = XF_XEN_DONE;
    rc = run == NULL || fd < 0 ? -ENOMEM : spawn_xl(run, fd, &pid);
    if (rc != 0) {
        snprintf(text, sizeof(text), "xl cannot be run: %s", strerror(-rc));
        fail(msg, XF_REASON_HYPERVISOR, text);
    } else {
        read_all(run);
        (void)waitpid(pid, &status, 0);
        take_output(msg, run, status);
    }
    if (fd >= 0) {
        close(fd);
    }
    free(run);
}
