/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The judge is only worth something if it finds what it is there to find. */
#include "config.h"

#include "judge.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sandbox/diskrec.h"

#define RECORDS 40
#define ANSWERS 60

static char disk_path[] = "/tmp/xenferry-judge-XXXXXX";

static void fill(struct xf_diskrec *recs, size_t n)
{
    memset(recs, 0, n * sizeof(*recs));
    for (size_t i = 0; i < n; i++) {
        recs[i].magic = XF_DISKREC_MAGIC;
        recs[i].seq = i + 1;
        recs[i].instance = i < n / 2 ? 7 : 8;
        memcpy(recs[i].node, i < n / 2 ? "n1" : "n2", 3);
    }
}

static int verdict(struct xf_diskrec *recs, size_t n, size_t bytes)
{
    FILE *file = fopen(disk_path, "wbe");
    int code;

    assert_non_null(file);
    for (size_t i = 0; i < n; i++) {
        if (recs[i].crc == 0) {
            recs[i].crc = xf_diskrec_crc(&recs[i]);
        }
    }
    assert_int_equal(fwrite(recs, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
    /* Its findings would garble the test's own output. */
    fflush(stdout);
    code = dup(STDOUT_FILENO);
    assert_true(code >= 0);
    assert_non_null(freopen("/dev/null", "w", stdout));
    int found = xf_judge_disk(disk_path, 0);
    fflush(stdout);
    assert_true(dup2(code, STDOUT_FILENO) >= 0);
    close(code);
    return found;
}

static void two_writers_in_turn_are_clean(void **state)
{
    struct xf_diskrec recs[RECORDS];

    (void)state;
    fill(recs, RECORDS);
    assert_int_equal(verdict(recs, RECORDS, sizeof(recs)), 0);
}

static void a_repeated_number_is_found(void **state)
{
    struct xf_diskrec recs[RECORDS];

    (void)state;
    fill(recs, RECORDS);
    recs[RECORDS / 2].seq = RECORDS / 2;
    assert_int_equal(verdict(recs, RECORDS, sizeof(recs)), 1);
}

static void a_lost_write_is_found(void **state)
{
    struct xf_diskrec recs[RECORDS];

    (void)state;
    fill(recs, RECORDS);
    for (size_t i = 10; i < RECORDS; i++) {
        recs[i].seq++;
    }
    assert_int_equal(verdict(recs, RECORDS, sizeof(recs)), 1);
}

static void a_writer_that_returns_is_found(void **state)
{
    struct xf_diskrec recs[RECORDS];

    (void)state;
    fill(recs, RECORDS);
    recs[RECORDS - 1].instance = 7;
    assert_int_equal(verdict(recs, RECORDS, sizeof(recs)), 1);
}

static void a_damaged_record_is_found(void **state)
{
    struct xf_diskrec recs[RECORDS];

    (void)state;
    fill(recs, RECORDS);
    recs[3].crc = 1;
    assert_int_equal(verdict(recs, RECORDS, sizeof(recs)), 1);
}

static void a_cut_record_is_found(void **state)
{
    struct xf_diskrec recs[RECORDS];

    (void)state;
    fill(recs, RECORDS);
    assert_int_equal(verdict(recs, RECORDS, sizeof(recs) - 5), 1);
}

/* ---- a ring of blocks, as on a block device ---- */

#define BLOCKS 16u

/* The guest wrote records 1 to last; instance 7 up to the last five, then instance 8. */
static void write_ring(uint8_t ring[BLOCKS][XF_DISKREC_BLOCK], uint64_t last)
{
    memset(ring, 0, BLOCKS * XF_DISKREC_BLOCK);
    for (uint64_t seq = 1; seq <= last; seq++) {
        struct xf_diskrec rec = { .magic = XF_DISKREC_MAGIC, .seq = seq };

        rec.instance = seq + 5 > last ? 8 : 7;
        memcpy(rec.node, rec.instance == 8 ? "n2" : "n1", 3);
        rec.crc = xf_diskrec_crc(&rec);
        memcpy(ring[seq % BLOCKS], &rec, sizeof(rec));
    }
}

/* Of the record in that block: another number, or another instance. */
static void change(uint8_t block[XF_DISKREC_BLOCK], uint64_t seq, uint64_t instance)
{
    struct xf_diskrec rec;

    memcpy(&rec, block, sizeof(rec));
    rec.seq = seq;
    rec.instance = instance;
    rec.crc = xf_diskrec_crc(&rec);
    memcpy(block, &rec, sizeof(rec));
}

static int ring_verdict(uint8_t ring[BLOCKS][XF_DISKREC_BLOCK])
{
    FILE *file = fopen(disk_path, "wbe");
    int out = dup(STDOUT_FILENO);
    int found;

    assert_non_null(file);
    assert_int_equal(fwrite(ring, XF_DISKREC_BLOCK, BLOCKS, file), BLOCKS);
    assert_int_equal(fclose(file), 0);
    fflush(stdout);
    assert_true(out >= 0);
    assert_non_null(freopen("/dev/null", "w", stdout));
    found = xf_judge_ring(disk_path);
    fflush(stdout);
    assert_true(dup2(out, STDOUT_FILENO) >= 0);
    close(out);
    return found;
}

static void a_ring_is_clean_before_and_after_it_wrapped(void **state)
{
    static uint8_t ring[BLOCKS][XF_DISKREC_BLOCK];
    const uint64_t lasts[] = { 0, 1, BLOCKS - 1, BLOCKS, BLOCKS + 1, 3 * BLOCKS + 7 };

    (void)state;
    for (size_t i = 0; i < sizeof(lasts) / sizeof(lasts[0]); i++) {
        write_ring(ring, lasts[i]);
        assert_int_equal(ring_verdict(ring), 0);
    }
}

static void a_write_that_a_ring_lost_is_found(void **state)
{
    static uint8_t ring[BLOCKS][XF_DISKREC_BLOCK];

    (void)state;
    write_ring(ring, 40);
    change(ring[30 % BLOCKS], 30 - BLOCKS, 7); /* it still holds the round before */
    assert_int_equal(ring_verdict(ring), 1);
    write_ring(ring, 40);
    memset(ring[30 % BLOCKS], 0, XF_DISKREC_BLOCK);
    assert_int_equal(ring_verdict(ring), 1);
}

static void a_record_in_a_wrong_block_of_a_ring_is_found(void **state)
{
    static uint8_t ring[BLOCKS][XF_DISKREC_BLOCK];

    (void)state;
    write_ring(ring, 40);
    change(ring[30 % BLOCKS], 31, 7);
    assert_int_equal(ring_verdict(ring), 1);
}

static void two_writers_of_a_ring_are_found(void **state)
{
    static uint8_t ring[BLOCKS][XF_DISKREC_BLOCK];

    (void)state;
    write_ring(ring, 40);
    change(ring[38 % BLOCKS], 38, 7); /* the old copy writes among the new one's records */
    assert_int_equal(ring_verdict(ring), 1);
}

static void an_unreadable_disk_is_said(void **state)
{
    (void)state;
    assert_int_equal(xf_judge_disk("/dev/null/disk", 0), 2);
}

/* What the guest of this test answers to question number n. */
typedef void answer_fn(unsigned n, char *text, size_t size);

static void one_copy(unsigned n, char *text, size_t size)
{
    snprintf(text, size, "xf1 counter=%u corrupt=0 instance=%s node=%s disk_seq=1\n", n + 1,
             n < 30 ? "aa" : "bb", n < 30 ? "n1" : "n2");
}

static void second_copy_too(unsigned n, char *text, size_t size)
{
    bool second = n >= 30 && n % 2 == 0;

    snprintf(text, size, "xf1 counter=%u corrupt=0 instance=%s node=%s disk_seq=1\n",
             second ? 25 + (n - 30) / 2 : n + 1, second ? "bb" : "aa", second ? "n2" : "n1");
}

static void falls_back_once(unsigned n, char *text, size_t size)
{
    snprintf(text, size, "xf1 counter=%u corrupt=0 instance=aa node=n1 disk_seq=1\n",
             n < 40 ? n + 100 : n);
}

static void damaged_page(unsigned n, char *text, size_t size)
{
    snprintf(text, size, "xf1 counter=%u corrupt=%d instance=aa node=n1 disk_seq=1\n", n + 1,
             n >= 20);
}

static pid_t start_judge(uint16_t port, int out)
{
    struct xf_judge_net options = {
        .address.s_addr = htonl(INADDR_LOOPBACK), .port = port, .interval_us = 1000, .gap_ms = 1000
    };
    pid_t pid = fork();

    if (pid == 0) {
        dup2(out, STDOUT_FILENO);
        setvbuf(stdout, NULL, _IOLBF, 0);
        _exit(xf_judge_net(&options));
    }
    return pid;
}

/* The judge's output about a guest that answers so. */
static void judge_guest(answer_fn *answer, char *ret_text, size_t size)
{
    struct sockaddr_in self = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct timeval limit = { .tv_sec = 10 };
    socklen_t self_size = sizeof(self);
    int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    size_t len = 0;
    int out[2];
    ssize_t n;
    pid_t pid;
    int code;

    assert_true(sock >= 0);
    assert_int_equal(bind(sock, (struct sockaddr *)&self, sizeof(self)), 0);
    assert_int_equal(getsockname(sock, (struct sockaddr *)&self, &self_size), 0);
    assert_int_equal(setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    pid = start_judge(ntohs(self.sin_port), out[1]);
    assert_true(pid > 0);
    close(out[1]);
    for (unsigned i = 0; i < ANSWERS; i++) {
        struct sockaddr_in from;
        socklen_t from_size = sizeof(from);
        char question[64];
        char text[256];
        size_t text_len;

        n = recvfrom(sock, question, sizeof(question), 0, (struct sockaddr *)&from, &from_size);
        assert_true(n > 0);
        answer(i, text, sizeof(text));
        text_len = strlen(text);
        memcpy(text + text_len, question, (size_t)n);
        sendto(sock, text, text_len + (size_t)n, 0, (struct sockaddr *)&from, from_size);
    }
    usleep(100000); /* the last answers arrive */
    kill(pid, SIGTERM);
    while (len < size - 1 && (n = read(out[0], ret_text + len, size - 1 - len)) > 0) {
        len += (size_t)n;
    }
    ret_text[len] = '\0';
    close(out[0]);
    close(sock);
    assert_int_equal(waitpid(pid, &code, 0), pid);
    assert_int_equal(code, 0);
}

static void one_copy_that_moves_is_clean(void **state)
{
    char text[16384];

    (void)state;
    judge_guest(one_copy, text, sizeof(text));
    assert_non_null(strstr(text, "\"back\":0,\"duplicates\":0"));
    assert_non_null(strstr(text, "\"instances\":1,"));
    assert_non_null(strstr(text, "\"node\":\"n2\",\"was\":\"n1\""));
}

static void two_copies_that_answer_are_found(void **state)
{
    char text[65536];

    (void)state;
    judge_guest(second_copy_too, text, sizeof(text));
    assert_non_null(strstr(text, "{\"event\":\"duplicate\""));
    assert_non_null(strstr(text, "{\"event\":\"back\""));
    assert_null(strstr(text, "\"back\":0"));
}

static void a_counter_that_falls_back_is_found(void **state)
{
    char text[65536];

    (void)state;
    judge_guest(falls_back_once, text, sizeof(text));
    assert_non_null(strstr(text, "{\"event\":\"back\""));
}

static void a_damaged_page_is_told(void **state)
{
    char text[16384];

    (void)state;
    judge_guest(damaged_page, text, sizeof(text));
    assert_non_null(strstr(text, "{\"event\":\"corrupt\""));
    assert_non_null(strstr(text, "\"corrupt\":1,"));
}

static int make_disk(void **state)
{
    int fd = mkostemp(disk_path, O_CLOEXEC);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int remove_disk(void **state)
{
    (void)state;
    return unlink(disk_path);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_writers_in_turn_are_clean),
        cmocka_unit_test(a_repeated_number_is_found),
        cmocka_unit_test(a_lost_write_is_found),
        cmocka_unit_test(a_writer_that_returns_is_found),
        cmocka_unit_test(a_damaged_record_is_found),
        cmocka_unit_test(a_cut_record_is_found),
        cmocka_unit_test(a_ring_is_clean_before_and_after_it_wrapped),
        cmocka_unit_test(a_write_that_a_ring_lost_is_found),
        cmocka_unit_test(a_record_in_a_wrong_block_of_a_ring_is_found),
        cmocka_unit_test(two_writers_of_a_ring_are_found),
        cmocka_unit_test(an_unreadable_disk_is_said),
        cmocka_unit_test(one_copy_that_moves_is_clean),
        cmocka_unit_test(two_copies_that_answer_are_found),
        cmocka_unit_test(a_counter_that_falls_back_is_found),
        cmocka_unit_test(a_damaged_page_is_told),
    };

    return cmocka_run_group_tests(tests, make_disk, remove_disk);
}
