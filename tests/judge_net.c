/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The client outside. It asks the domain's echo port at a steady pace; the answer begins with
 *   xf1 counter=C corrupt=N instance=I node=H disk_seq=S\n
 * where C lives in the guest's memory and rises by one with every answer. So a counter seen twice,
 * or one that falls back although the question was asked later, means that two copies ran.
 */
#include "config.h"

#include "judge.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MAGIC      UINT64_C(0x31656764756a6678) /* our own questions, not some other echo */
#define TEXT_SIZE  80
#define SEEN       65536u /* two minutes of counters at the usual pace */
/*
 * A guest's two answers may overtake each other on the way when its thread changes the CPU in
 * between; nothing holds one back for as long as this many questions.
 */
#define OVERTAKING 8u

struct question {
    uint64_t magic;
    uint64_t seq;
};

struct answer {
    uint64_t counter;
    uint64_t corrupt;
    uint64_t disk_seq;
    uint64_t seq;
    char instance[TEXT_SIZE];
    char node[TEXT_SIZE];
};

/* What SIGUSR1 prints and resets. */
struct window {
    double begin;
    uint64_t answers;
    uint64_t backs;
    uint64_t duplicates;
    uint64_t overtaken;
    uint64_t malformed;
    uint64_t instances; /* changes of the instance */
    double longest;
};

struct judge {
    const struct xf_judge_net *options;
    int sock;
    uint64_t asked;
    bool answered; /* .last and .last_at hold something */
    double last_at;
    struct answer last; /* the answer of the highest counter */
    uint64_t corrupt;   /* highest told */
    struct window window;
    struct {
        uint64_t counter;
        uint64_t seq;
    } seen[SEEN];
};

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void ask(struct judge *j)
{
    struct question q = { .magic = MAGIC, .seq = ++j->asked };

    /* No route, no answer to ARP, refused: all of it shows as silence. */
    (void)send(j->sock, &q, sizeof(q), MSG_DONTWAIT);
}

/* False when it is no answer to one of our questions. */
static bool parse(char *buf, size_t size, struct answer *ret_answer)
{
    struct question q;
    char *end = memchr(buf, '\n', size);

    memset(ret_answer, 0, sizeof(*ret_answer));
    if (end == NULL || size - (size_t)(end + 1 - buf) < sizeof(q)) {
        return false;
    }
    memcpy(&q, end + 1, sizeof(q));
    *end = '\0';
    if (sscanf(buf,
               "xf1 counter=%" SCNu64 " corrupt=%" SCNu64 " instance=%79[0-9a-zA-Z-]"
               " node=%79[0-9a-zA-Z.-] disk_seq=%" SCNu64,
               &ret_answer->counter, &ret_answer->corrupt, ret_answer->instance, ret_answer->node,
               &ret_answer->disk_seq) != 5) {
        return false;
    }
    ret_answer->seq = q.seq;
    return q.magic == MAGIC;
}

static void tell_gap(struct judge *j, double at)
{
    double silence = at - j->last_at;

    if (silence > j->window.longest) {
        j->window.longest = silence;
    }
    if (silence * 1000 >= j->options->gap_ms) {
        printf("{\"event\":\"gap\",\"from\":%.6f,\"to\":%.6f,\"ms\":%.3f}\n", j->last_at, at,
               silence * 1000);
    }
}

static void tell_fall_back(struct judge *j, const struct answer *a, double at)
{
    bool same_instance = strcmp(a->instance, j->last.instance) == 0;

    if (same_instance && a->seq < j->last.seq + OVERTAKING) {
        j->window.overtaken++;
        return;
    }
    if (!same_instance && a->seq + OVERTAKING < j->last.seq) {
        /* An answer of the old copy, given before it stopped. */
        j->window.overtaken++;
        return;
    }
    j->window.backs++;
    printf("{\"event\":\"back\",\"t\":%.6f,\"counter\":%" PRIu64 ",\"highest\":%" PRIu64
           ",\"instance\":\"%s\",\"node\":\"%s\",\"other\":\"%s\"}\n",
           at, a->counter, j->last.counter, a->instance, a->node, j->last.node);
}

static void weigh(struct judge *j, const struct answer *a, double at)
{
    uint32_t slot = (uint32_t)(a->counter % SEEN);

    if (j->seen[slot].counter == a->counter && j->seen[slot].seq != 0) {
        j->window.duplicates++;
        printf("{\"event\":\"duplicate\",\"t\":%.6f,\"counter\":%" PRIu64
               ",\"instance\":\"%s\",\"node\":\"%s\",\"other\":\"%s\"}\n",
               at, a->counter, a->instance, a->node, j->last.node);
    }
    j->seen[slot].counter = a->counter;
    j->seen[slot].seq = a->seq;
    if (a->corrupt > j->corrupt) {
        j->corrupt = a->corrupt;
        printf("{\"event\":\"corrupt\",\"t\":%.6f,\"pages\":%" PRIu64 ",\"node\":\"%s\"}\n", at,
               a->corrupt, a->node);
    }
    if (j->answered && a->counter <= j->last.counter) {
        tell_fall_back(j, a, at);
        return;
    }
    if (!j->answered || strcmp(a->instance, j->last.instance) != 0) {
        j->window.instances += j->answered;
        printf("{\"event\":\"instance\",\"t\":%.6f,\"instance\":\"%s\",\"node\":\"%s\","
               "\"was\":\"%s\",\"gap_ms\":%.3f}\n",
               at, a->instance, a->node, j->last.node,
               j->answered ? (at - j->last_at) * 1000 : 0.0);
    }
    j->last = *a;
}

static void receive(struct judge *j)
{
    char buf[2048];
    struct answer a;
    ssize_t n;

    while ((n = recv(j->sock, buf, sizeof(buf), MSG_DONTWAIT)) >= 0) {
        double at = now();

        if (!parse(buf, (size_t)n, &a)) {
            j->window.malformed++;
            continue;
        }
        j->window.answers++;
        if (j->answered) {
            tell_gap(j, at);
        }
        weigh(j, &a, at);
        j->answered = true;
        j->last_at = at;
    }
}

static void summary(struct judge *j, double at)
{
    struct window *w = &j->window;
    double silent = j->answered ? at - j->last_at : at - w->begin;

    printf("{\"event\":\"summary\",\"t\":%.6f,\"seconds\":%.3f,\"answers\":%" PRIu64
           ",\"longest_gap_ms\":%.3f,\"silent_ms\":%.3f,\"back\":%" PRIu64
           ",\"duplicates\":%" PRIu64 ",\"overtaken\":%" PRIu64 ",\"malformed\":%" PRIu64
           ",\"instances\":%" PRIu64 ",\"corrupt\":%" PRIu64 ",\"counter\":%" PRIu64
           ",\"disk_seq\":%" PRIu64 ",\"instance\":\"%s\",\"node\":\"%s\"}\n",
           at, at - w->begin, w->answers, w->longest * 1000, silent * 1000, w->backs, w->duplicates,
           w->overtaken, w->malformed, w->instances, j->corrupt, j->last.counter, j->last.disk_seq,
           j->last.instance, j->last.node);
    *w = (struct window){ .begin = at };
}

static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int open_pace(uint32_t interval_us)
{
    struct itimerspec pace = {
        .it_interval = { .tv_nsec = (long)interval_us * 1000 },
        .it_value = { .tv_nsec = (long)interval_us * 1000 },
    };
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

    if (fd >= 0 && timerfd_settime(fd, 0, &pace, NULL) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int open_socket(const struct xf_judge_net *options)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(options->port),
                              .sin_addr = options->address };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int xf_judge_net(const struct xf_judge_net *options)
{
    static struct judge judge;
    struct judge *j = &judge;
    struct sched_param urgent = { .sched_priority = 1 };
    struct pollfd fds[3] = { { .events = POLLIN }, { .events = POLLIN }, { .events = POLLIN } };
    bool end = false;

    j->options = options;
    j->window.begin = now();
    j->sock = open_socket(options);
    fds[0].fd = j->sock;
    fds[1].fd = open_pace(options->interval_us);
    fds[2].fd = open_signals();
    if (fds[0].fd < 0 || fds[1].fd < 0 || fds[2].fd < 0) {
        perror("judge");
        return 2;
    }
    /* Silence must be the domain's, not ours; where this is not allowed, it is a rougher clock. */
    (void)sched_setscheduler(0, SCHED_FIFO, &urgent);
    printf("{\"event\":\"start\",\"t\":%.6f}\n", j->window.begin);
    while (!end) {
        struct signalfd_siginfo info;
        uint64_t ticks;

        if (poll(fds, 3, -1) < 0 && errno != EINTR) {
            perror("judge");
            return 2;
        }
        receive(j);
        if (read(fds[1].fd, &ticks, sizeof(ticks)) == (ssize_t)sizeof(ticks)) {
            ask(j);
        }
        if (read(fds[2].fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
            summary(j, now());
            end = info.ssi_signo != SIGUSR1;
        }
    }
    return 0;
}
