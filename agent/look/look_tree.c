/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "look_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mounts.h"
#include "text.h"

static int place(const struct xf_tree *tree, const char *path, char buf[static PATH_MAX])
{
    int n = snprintf(buf, PATH_MAX, "%s%s", tree->root != NULL ? tree->root : "", path);

    return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* Until the end or until the buffer is full: how many bytes, or -errno. */
static ssize_t read_all(int fd, char *buf, size_t size)
{
    size_t len = 0;

    while (len < size) {
        ssize_t n = read(fd, buf + len, size - len);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        if (n == 0) {
            break;
        }
        len += (size_t)n;
    }
    return (ssize_t)len;
}

int xf_tree_bytes(const struct xf_tree *tree, const char *path, void *buf, size_t size)
{
    char real[PATH_MAX];
    int rc = place(tree, path, real);
    ssize_t n;
    int fd;

    if (rc < 0) {
        return rc;
    }
    fd = open(real, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return -errno;
    }
    n = read_all(fd, buf, size < INT_MAX ? size : INT_MAX);
    close(fd);
    return (int)n;
}

int xf_tree_text(const struct xf_tree *tree, const char *path, char *buf, size_t size)
{
    int n = xf_tree_bytes(tree, path, buf, size);

    if (n < 0) {
        return n;
    }
    if ((size_t)n == size) {
        return -EFBIG;
    }
    buf[n] = '\0';
    return 0;
}

int xf_tree_kept(const struct xf_tree *tree, const char *name, char *buf, size_t size)
{
    char path[256];

    if (tree->root == NULL) {
        return -ENOENT;
    }
    snprintf(path, sizeof(path), "/tool/%s", name);
    return xf_tree_text(tree, path, buf, size);
}

bool xf_tree_has(const struct xf_tree *tree, const char *path)
{
    char real[PATH_MAX];

    return place(tree, path, real) == 0 && access(real, F_OK) == 0;
}

int xf_tree_real(const struct xf_tree *tree, const char *path, char *buf, size_t size)
{
    char there[PATH_MAX], real[PATH_MAX], root[PATH_MAX] = "";
    size_t len;

    if (place(tree, path, there) < 0 || realpath(there, real) == NULL ||
        (tree->root != NULL && realpath(tree->root, root) == NULL)) {
        return errno != 0 ? -errno : -ENAMETOOLONG;
    }
    len = strlen(root);
    if (strncmp(real, root, len) != 0) {
        return -EXDEV;
    }
    return xf_text_copy(buf, size, real + len) ? 0 : -ENAMETOOLONG;
}

static int recorded_stat(const struct xf_tree *tree, const char *path, struct xf_tree_stat *st)
{
    static char text[16384];
    const char *at = text;
    struct xf_line line, type, dev, inode, size;
    int rc = xf_tree_text(tree, "/stat", text, sizeof(text));

    if (rc < 0) {
        return rc;
    }
    while (xf_line_next(&at, &line)) {
        *st = (struct xf_tree_stat){ 0 };
        if (!xf_word_next(&line, &type) || !xf_word_next(&line, &dev) ||
            xf_word_dev(&dev, &st->major, &st->minor) < 0) {
            return -EBADMSG;
        }
        st->type = xf_word_is(&type, "b") ? XF_TREE_BLOCK : XF_TREE_FILE;
        if (st->type == XF_TREE_FILE &&
            (!xf_word_next(&line, &inode) || xf_word_u64(&inode, &st->inode) < 0 ||
             !xf_word_next(&line, &size) || xf_word_u64(&size, &st->size) < 0)) {
            return -EBADMSG;
        }
        while (line.len > 0 && *line.at == ' ') {
            line.at++;
            line.len--;
        }
        if (xf_word_is(&line, path)) {
            return 0;
        }
    }
    return -ENOENT;
}

int xf_tree_stat(const struct xf_tree *tree, const char *path, struct xf_tree_stat *ret_stat)
{
    struct stat st;
    dev_t dev;

    if (tree->root != NULL) {
        return recorded_stat(tree, path, ret_stat);
    }
    if (stat(path, &st) < 0) {
        return -errno;
    }
    dev = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
    *ret_stat = (struct xf_tree_stat){
        .type = S_ISBLK(st.st_mode)   ? XF_TREE_BLOCK
                : S_ISREG(st.st_mode) ? XF_TREE_FILE
                                      : XF_TREE_OTHER,
        .major = major(dev),
        .minor = minor(dev),
        .inode = st.st_ino,
        .size = (uint64_t)st.st_size,
    };
    return 0;
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int xf_tree_list(const struct xf_tree *tree, const char *path,
                 bool (*fn)(void *arg, const char *name), void *arg)
{
    char there[PATH_MAX];
    struct dirent **list;
    bool more = true;
    int n = place(tree, path, there);

    if (n < 0) {
        return n;
    }
    n = scandir(there, &list, visible, versionsort);
    if (n < 0) {
        return -errno;
    }
    for (int i = 0; i < n; i++) {
        more = more && fn(arg, list[i]->d_name);
        free(list[i]);
    }
    free(list);
    return 0;
}

/* Dies with us: a tool that hangs must not stay behind when the agent ends the look. */
static void run_tool(const char *const argv[], int out, pid_t parent)
{
    static const char *const folders[] = { "/usr/sbin", "/sbin", "/usr/bin", "/bin" };
    static char locale[] = "LC_ALL=C", search[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    static char *const environment[] = { locale, search, NULL };
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    char path[256];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 ||
        dup2(null, 2) < 0) {
        _exit(127);
    }
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", folders[i], argv[0]);
        execve(path, (char *const *)(uintptr_t)argv, environment);
    }
    _exit(127); /* as a shell says that there is no such command */
}

int xf_tree_tool(const struct xf_tree *tree, const char *name, const char *const argv[], char *buf,
                 size_t size)
{
    pid_t self = getpid(), pid;
    int link[2], status;
    ssize_t n;

    if (tree->root != NULL) {
        return xf_tree_kept(tree, name, buf, size);
    }
    if (pipe2(link, O_CLOEXEC) < 0) {
        return -errno;
    }
    pid = fork();
    if (pid < 0) {
        n = -errno;
        close(link[0]);
        close(link[1]);
        return (int)n;
    }
    if (pid == 0) {
        run_tool(argv, link[1], self);
    }
    close(link[1]);
    n = read_all(link[0], buf, size);
    close(link[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (n < 0) {
        return (int)n;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
        return -ENOENT;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || (size_t)n == size) {
        return -EIO;
    }
    buf[n] = '\0';
    return 0;
}
