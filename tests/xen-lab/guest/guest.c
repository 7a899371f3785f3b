/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Process 1 of the guest, and its network. The kernel line says lab.ip=A.B.C.D/LEN.
 *
 *   UDP 7     the judge's echo: answers count in the guest's memory
 *   TCP 7     echo
 *   TCP 7000  control, a line each: "dirty MIB_PER_S MIB", "stat", "poweroff"
 *
 * As /sbin/poweroff and /sbin/reboot it is what the kernel runs when the toolstack asks for it.
 */
#define _GNU_SOURCE
#include "guest.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ECHO_PORT    7
#define CONTROL_PORT 7000
#define CLIENTS      16
#define PAGES_IN_MIB 256u

enum { UDP, TCP, CONTROL, LISTENERS };

struct net {
    struct guest *guest;
    uint64_t counter; /* answers to the judge */
    struct pollfd fd[LISTENERS + CLIENTS];
    bool control[LISTENERS + CLIENTS]; /* a client of the control port */
};

double guest_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void guest_pause_ms(long ms)
{
    struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

    nanosleep(&ts, NULL);
}

/* -- the network */

static bool kernel_word(const char *key, char *ret_value, size_t size)
{
    char line[2048] = "";
    FILE *file = fopen("/proc/cmdline", "re");
    char *rest = line;

    if (file == NULL || fgets(line, sizeof(line), file) == NULL) {
        return false;
    }
    fclose(file);
    for (char *word = strsep(&rest, " \n"); word != NULL; word = strsep(&rest, " \n")) {
        if (strncmp(word, key, strlen(key)) == 0) {
            snprintf(ret_value, size, "%s", word + strlen(key));
            return true;
        }
    }
    return false;
}

static int set_address(int sock, const char *nic, unsigned long request, struct in_addr address)
{
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr = address };
    struct ifreq ifr = { 0 };

    memcpy(ifr.ifr_name, nic, strlen(nic));
    memcpy(&ifr.ifr_addr, &sin, sizeof(sin));
    return ioctl(sock, request, &ifr);
}

static int set_up(int sock, const char *nic)
{
    struct ifreq ifr = { .ifr_flags = IFF_UP | IFF_RUNNING };

    memcpy(ifr.ifr_name, nic, strlen(nic));
    return ioctl(sock, SIOCSIFFLAGS, &ifr);
}

static void start_network(void)
{
    struct in_addr address, mask;
    char text[64] = "";
    char *length;
    int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    set_up(sock, "lo");
    if (!kernel_word("lab.ip=", text, sizeof(text)) || (length = strchr(text, '/')) == NULL) {
        printf("guest: no lab.ip on the kernel line\n");
        close(sock);
        return;
    }
    *length++ = '\0';
    inet_pton(AF_INET, text, &address);
    mask.s_addr = htonl(0xffffffffu << (32 - atoi(length)));
    for (int i = 0; i < 1000 && if_nametoindex("eth0") == 0; i++) {
        guest_pause_ms(10); /* the frontend connects after we start */
    }
    if (set_address(sock, "eth0", SIOCSIFADDR, address) != 0 ||
        set_address(sock, "eth0", SIOCSIFNETMASK, mask) != 0 || set_up(sock, "eth0") != 0) {
        perror("guest: eth0");
    }
    close(sock);
    printf("guest: %s after %.1f s\n", text, guest_now());
}

static int listener(int type, uint16_t port)
{
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0 ||
        (type == SOCK_STREAM && listen(fd, CLIENTS) != 0)) {
        perror("guest: listen");
    }
    return fd;
}

static void answer_judge(struct net *n)
{
    char buf[1500], reply[2048];
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    ssize_t size;

    while ((size = recvfrom(n->fd[UDP].fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len)) >=
           0) {
        int line = snprintf(reply, sizeof(reply) - sizeof(buf),
                            "xf1 counter=%" PRIu64 " corrupt=%" PRIuFAST64 " instance=%016" PRIx64
                            " node=guest disk_seq=%" PRIuFAST64 "\n",
                            ++n->counter, atomic_load(&n->guest->corrupt), n->guest->instance,
                            atomic_load(&n->guest->disk_seq));

        memcpy(reply + line, buf, (size_t)size);
        sendto(n->fd[UDP].fd, reply, (size_t)(line + size), 0, (struct sockaddr *)&from, len);
        len = sizeof(from);
    }
}

static void take_client(struct net *n, int from)
{
    int one = 1;
    int fd = accept4(n->fd[from].fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    for (int i = LISTENERS; fd >= 0 && i < LISTENERS + CLIENTS; i++) {
        if (n->fd[i].fd < 0) {
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
            n->fd[i] = (struct pollfd){ .fd = fd, .events = POLLIN };
            n->control[i] = from == CONTROL;
            return;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
}

static void power(int how)
{
    sync();
    reboot(how);
}

static int obey(struct guest *g, const char *line, char *reply, size_t size)
{
    unsigned long long rate, window;

    if (sscanf(line, "dirty %llu %llu", &rate, &window) == 2) {
        atomic_store(&g->rate, rate * PAGES_IN_MIB);
        atomic_store(&g->window, window * PAGES_IN_MIB);
        return snprintf(reply, size, "ok\n");
    }
    if (strncmp(line, "poweroff", 8) == 0) {
        power(RB_POWER_OFF);
    }
    if (strncmp(line, "crash", 5) == 0) {
        _exit(EXIT_FAILURE); /* no kernel goes on without its process 1 */
    }
    if (strncmp(line, "stat", 4) != 0) {
        return snprintf(reply, size, "dirty MIB_PER_S MIB | stat | poweroff | crash\n");
    }
    return snprintf(reply, size,
                    "{\"instance\":\"%016" PRIx64 "\",\"uptime\":%.3f,\"dirtied\":%" PRIuFAST64
                    ",\"corrupt\":%" PRIuFAST64 ",\"disk_seq\":%" PRIuFAST64
                    ",\"disk_errors\":%" PRIuFAST64 ",\"disk_foreign\":%" PRIuFAST64
                    ",\"free_kib\":%" PRIu64 "}\n",
                    g->instance, guest_now(), atomic_load(&g->dirtied), atomic_load(&g->corrupt),
                    atomic_load(&g->disk_seq), atomic_load(&g->disk_errors),
                    atomic_load(&g->disk_foreign), guest_memory_free_kib());
}

static void serve(struct net *n, int i)
{
    char buf[4096], reply[1024];
    ssize_t size = recv(n->fd[i].fd, buf, sizeof(buf) - 1, 0);
    int len;

    if (size <= 0) {
        close(n->fd[i].fd);
        n->fd[i].fd = -1;
        return;
    }
    if (!n->control[i]) {
        send(n->fd[i].fd, buf, (size_t)size, MSG_NOSIGNAL);
        return;
    }
    buf[size] = '\0';
    len = obey(n->guest, buf, reply, sizeof(reply));
    send(n->fd[i].fd, reply, (size_t)len, MSG_NOSIGNAL);
}

static void run_network(struct guest *g)
{
    static struct net n;

    n.guest = g;
    n.fd[UDP] = (struct pollfd){ .fd = listener(SOCK_DGRAM, ECHO_PORT), .events = POLLIN };
    n.fd[TCP] = (struct pollfd){ .fd = listener(SOCK_STREAM, ECHO_PORT), .events = POLLIN };
    n.fd[CONTROL] = (struct pollfd){ .fd = listener(SOCK_STREAM, CONTROL_PORT), .events = POLLIN };
    for (int i = LISTENERS; i < LISTENERS + CLIENTS; i++) {
        n.fd[i].fd = -1;
    }
    for (;;) {
        poll(n.fd, LISTENERS + CLIENTS, 1000);
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
        answer_judge(&n);
        for (int i = TCP; i < LISTENERS + CLIENTS; i++) {
            if (n.fd[i].fd < 0 || n.fd[i].revents == 0) {
                continue;
            }
            if (i < LISTENERS) {
                take_client(&n, i);
            } else {
                serve(&n, i);
            }
        }
    }
}

/* -- process 1 */

static void open_console(void)
{
    int fd = open("/dev/hvc0", O_RDWR | O_NOCTTY);

    if (fd >= 0) {
        dup2(fd, 0);
        dup2(fd, 1);
        dup2(fd, 2);
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
}

/* Whoever types a line gets an answer that no terminal on the way could have given. */
static void *answer_console(void *arg)
{
    char line[256];

    (void)arg;
    while (fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        printf("guest: heard \"%s\"\n", line);
    }
    return NULL;
}

/* An emulated processor has nothing random soon after its start; the time of the start differs. */
static uint64_t draw_instance(void)
{
    uint64_t drawn = 0;
    struct timespec now;

    if (getrandom(&drawn, sizeof(drawn), GRND_INSECURE) != (ssize_t)sizeof(drawn)) {
        drawn = 0;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    return drawn ^ ((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec) *
                       UINT64_C(0x9e3779b97f4a7c15);
}

int main(int argc, char **argv)
{
    static struct guest guest;
    const char *name = argc > 0 ? strrchr(argv[0], '/') : NULL;
    pthread_t memory, disk, console;

    if (name != NULL && strcmp(name, "/poweroff") == 0) {
        power(RB_POWER_OFF);
    }
    if (name != NULL && strcmp(name, "/reboot") == 0) {
        power(RB_AUTOBOOT);
    }
    mkdir("/proc", 0755);
    mkdir("/dev", 0755);
    mount("proc", "/proc", "proc", 0, NULL);
    mount("dev", "/dev", "devtmpfs", 0, NULL);
    open_console();
    guest.instance = draw_instance();
    start_network();
    if (pthread_create(&memory, NULL, guest_memory_run, &guest) != 0 ||
        pthread_create(&disk, NULL, guest_disk_run, &guest) != 0 ||
        pthread_create(&console, NULL, answer_console, NULL) != 0) {
        perror("guest: thread");
    }
    run_network(&guest);
}
