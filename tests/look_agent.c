/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xenferry-look as the agent starts it: one packet in, one packet out, or none. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "diskmsg.h"
#include "unit.h"

#define FILE_NAME "tests/look_agent.img"

static uint8_t answer[XF_DISKMSG_SIZE_MAX + 1];

/* What it answers to that packet, -1: nothing. */
static ssize_t ask(const void *packet, size_t size, int *ret_status)
{
    int link[2];
    ssize_t n;
    pid_t pid;

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (dup2(link[1], 3) < 0 || (link[1] == 3 && fcntl(3, F_SETFD, 0) < 0)) {
            _exit(99);
        }
        execl("agent/look/xenferry-look", "xenferry-look", (char *)NULL);
        _exit(99);
    }
    close(link[1]);
    if (packet != NULL) {
        assert_int_equal(send(link[0], packet, size, MSG_NOSIGNAL), size);
    } else {
        shutdown(link[0], SHUT_WR);
    }
    n = recv(link[0], answer, sizeof(answer), 0);
    close(link[0]);
    assert_int_equal(waitpid(pid, ret_status, 0), pid);
    return n > 0 ? n : -1;
}

static int make_file(void **state)
{
    FILE *file = fopen(FILE_NAME, "w");

    (void)state;
    if (file == NULL || fputs("a disk", file) < 0 || fclose(file) != 0) {
        return -1;
    }
    return truncate(FILE_NAME, 1 << 20);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(FILE_NAME);
}

static void one_packet_is_answered_by_one(void **state)
{
    struct xf_look look = { .path = FILE_NAME, .salt = { 1, 2, 3 } };
    uint8_t packet[XF_LOOKMSG_SIZE_MAX];
    int size = xf_look_encode(&look, packet, sizeof(packet));
    struct xf_disk disk;
    int status;
    ssize_t n;

    (void)state;
    assert_true(size > 0);
    n = ask(packet, (size_t)size, &status);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(n > 0);
    assert_int_equal(xf_disk_decode(answer, (size_t)n, &disk), 0);
    assert_string_equal(disk.path, FILE_NAME);
    assert_int_equal(disk.kind, XF_DISK_FILE);
    assert_int_equal(disk.size_bytes, 1 << 20);
    assert_true(disk.n_samples > 0);
    assert_false(disk.sample[0].blank);
}

static void what_is_no_order_is_not_answered(void **state)
{
    struct xf_look look = { .path = FILE_NAME };
    uint8_t packet[XF_LOOKMSG_SIZE_MAX];
    int size = xf_look_encode(&look, packet, sizeof(packet));
    int status;

    (void)state;
    assert_true(size > 0);
    assert_int_equal(ask("nonsense", 8, &status), -1);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 2);
    assert_int_equal(ask(packet, (size_t)size - 1, &status), -1);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 2);
    assert_int_equal(ask(NULL, 0, &status), -1);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_packet_is_answered_by_one),
        cmocka_unit_test(what_is_no_order_is_not_answered),
    };

    return cmocka_run_group_tests(tests, make_file, remove_file);
}
