/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "moverstage.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <libgen.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct moverstage stage;

struct moverstage *moverstage(void)
{
    return &stage;
}

void moverstage_check(bool holds, const char *file, int line, const char *text)
{
    if (!holds) {
        printf("# %s:%d: not so: %s\n", file, line, text);
        stage.failed = true;
    }
}

bool moverstage_exists(const char *dir, const char *name)
{
    char path[400];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static void forget(const char *dir, const char *name)
{
    char path[400];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    unlink(path);
}

uint32_t moverstage_cap(const char *dir)
{
    char path[400];
    char text[16] = "0";
    FILE *f;

    snprintf(path, sizeof(path), "%s/cap", dir);
    f = fopen(path, "re");
    if (f) {
        if (!fgets(text, sizeof(text), f)) {
            text[0] = '\0';
        }
        fclose(f);
    }
    return (uint32_t)strtoul(text, NULL, 10);
}

/* A quarter of the pages is zero, one in sixteen half empty, the rest random. */
static void fill_guest(void)
{
    char path[400];
    uint64_t x = 88172645463325252ull; /* xorshift64 (Marsaglia 2003) */
    FILE *f;

    snprintf(path, sizeof(path), "%s/guest", stage.dir_s);
    f = fopen(path, "we");
    for (uint32_t i = 0; f && i < STAGE_PAGES; i++) {
        uint64_t page[XF_PAGE_SIZE / 8] = { 0 };

        for (uint32_t w = 0; i % 4 != 0 && w < XF_PAGE_SIZE / 8; w += i % 16 == 1 ? 2 : 1) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            page[w] = x;
        }
        fwrite(page, sizeof(page), 1, f);
    }
    STAGE_CHECK(f && fclose(f) == 0);
}

static uint8_t *map_guest(const char *dir)
{
    char path[400];
    void *memory;
    int fd;

    snprintf(path, sizeof(path), "%s/guest", dir);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    memory = mmap(NULL, (size_t)STAGE_PAGES * XF_PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    return memory == MAP_FAILED ? NULL : memory;
}

/* But for the pages whose type says that they have no content. */
bool moverstage_guests_equal(void)
{
    uint8_t *a = map_guest(stage.dir_s);
    uint8_t *b = map_guest(stage.dir_d);
    bool equal = a && b;

    for (size_t i = 0; equal && i < STAGE_PAGES; i++) {
        equal =
            i % 101 == 100 || memcmp(a + i * XF_PAGE_SIZE, b + i * XF_PAGE_SIZE, XF_PAGE_SIZE) == 0;
    }
    if (a) {
        munmap(a, (size_t)STAGE_PAGES * XF_PAGE_SIZE);
    }
    if (b) {
        munmap(b, (size_t)STAGE_PAGES * XF_PAGE_SIZE);
    }
    return equal;
}

void moverstage_reset(void)
{
    static const char *const names[] = { "guest", "cap", "capping", "suspended", "built", "log" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        forget(stage.dir_s, names[i]);
        forget(stage.dir_d, names[i]);
    }
    setenv("XF_FAKE_DIRTY", "16", 1);
    unsetenv("XF_FAKE_HOLES");
    unsetenv("XF_FAKE_LOG");
    memset(&stage.first, 0, sizeof(stage.first));
    stage.s = (struct moverlib_side){ .program = stage.program, .dir = stage.dir_s };
    stage.d = (struct moverlib_side){ .program = stage.program, .dir = stage.dir_d };
    stage.first.params.uuid.b[3] = 7;
    stage.first.params.id = (struct xf_migid){ .epoch = 3, .src = { 1 }, .boot = { 0x1234 } };
    strcpy(stage.first.params.name, "web");
    strcpy(stage.first.params.address, "127.0.0.1");
    memset(stage.first.params.psk, 0x5a, sizeof(stage.first.params.psk));
    stage.first.params.progress_timeout_ms = STAGE_TIMEOUT_MS;
    strcpy(stage.first.params.config, "name = web\n");
    stage.first.params.config_size = (uint32_t)strlen(stage.first.params.config);
    fill_guest();
}

void moverstage_start_dest(void)
{
    stage.first.type = XF_LINK_RECEIVE;
    stage.first.params.port = 0;
    moverlib_start(&stage.d, &stage.first);
    STAGE_CHECK(moverlib_expect(&stage.d, XF_LINK_LISTENING, STAGE_WAIT_MS));
    stage.first.params.port = stage.d.msg.port;
}

void moverstage_start_source(void)
{
    stage.first.type = XF_LINK_SEND;
    moverlib_start(&stage.s, &stage.first);
}

void moverstage_start_both(void)
{
    moverstage_start_dest();
    moverstage_start_source();
}

bool moverstage_fails_with(struct moverlib_side *side, enum xf_reason reason)
{
    bool came = moverlib_expect(side, XF_LINK_FAILED, STAGE_WAIT_MS);

    if (!came || side->msg.reason != reason) {
        printf("# %s: message %u, reason %s, %s\n", side == &stage.s ? "source" : "target",
               side->msg.type, xf_reason_name(side->msg.reason), side->msg.text);
    }
    return came && side->msg.reason == reason && side->msg.text[0] != '\0';
}

/* Both processes are gone by themselves, and nothing ran on the other side. */
void moverstage_both_ended_here(void)
{
    STAGE_CHECK(moverlib_end(&stage.s, 3000));
    STAGE_CHECK(moverlib_end(&stage.d, 3000));
    STAGE_CHECK(!moverstage_exists(stage.dir_d, "built"));
}

void moverstage_until_want_end(void)
{
    STAGE_CHECK(moverlib_expect(&stage.s, XF_LINK_WANT_SWITCH, STAGE_WAIT_MS));
    moverlib_tell(&stage.s, XF_LINK_SWITCH);
    STAGE_CHECK(moverlib_expect(&stage.s, XF_LINK_SUSPENDED, STAGE_WAIT_MS));
    STAGE_CHECK(moverlib_expect(&stage.s, XF_LINK_WANT_END, STAGE_WAIT_MS));
}

/* What the hypervisors wrote and read (XF_FAKE_LOG). */
bool moverstage_logs_equal(void)
{
    static char a[1u << 16], b[1u << 16];
    uint64_t bytes = 0;
    bool equal = true;
    size_t n;
    FILE *sent, *received;

    snprintf(a, sizeof(a), "%s/log", stage.dir_s);
    snprintf(b, sizeof(b), "%s/log", stage.dir_d);
    sent = fopen(a, "re");
    received = fopen(b, "re");
    if (!sent || !received) {
        return false;
    }
    do {
        n = fread(a, 1, sizeof(a), sent);
        equal = fread(b, 1, sizeof(b), received) == n && memcmp(a, b, n) == 0;
        bytes += n;
    } while (equal && n > 0);
    fclose(sent);
    fclose(received);
    return equal && bytes > 0;
}

void moverstage_arrive(void)
{
    moverlib_tell(&stage.s, XF_LINK_GRANT);
    STAGE_CHECK(moverlib_expect(&stage.d, XF_LINK_COMPLETE, STAGE_WAIT_MS));
    STAGE_CHECK(moverstage_exists(stage.dir_d, "built"));
    STAGE_CHECK(moverlib_expect(&stage.s, XF_LINK_FINISHED, STAGE_WAIT_MS));
    STAGE_CHECK(moverlib_end(&stage.s, 3000));
    STAGE_CHECK(moverlib_end(&stage.d, 3000));
}

void moverstage_finish(void)
{
    moverstage_arrive();
    STAGE_CHECK(moverstage_guests_equal());
}

int moverstage_dial(uint16_t port)
{
    struct sockaddr_in sa = { .sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

bool moverstage_open(const char *self)
{
    const char *tmp = getenv("TMPDIR");
    char pages[16];
    char path[400];

    snprintf(path, sizeof(path), "%s", self);
    snprintf(stage.program, sizeof(stage.program), "%s/mover_fake", dirname(path));
    snprintf(stage.base, sizeof(stage.base), "%s/xfmov.XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(stage.base)) {
        return false;
    }
    snprintf(stage.dir_s, sizeof(stage.dir_s), "%s/s", stage.base);
    snprintf(stage.dir_d, sizeof(stage.dir_d), "%s/d", stage.base);
    snprintf(pages, sizeof(pages), "%u", STAGE_PAGES);
    setenv("XF_FAKE_PAGES", pages, 1);
    return mkdir(stage.dir_s, 0700) == 0 && mkdir(stage.dir_d, 0700) == 0;
}

void moverstage_close(void)
{
    moverstage_reset();
    forget(stage.dir_s, "guest");
    forget(stage.dir_s, "mover-00000007-0000-0000-0000-000000000000.lock");
    forget(stage.dir_d, "mover-00000007-0000-0000-0000-000000000000.lock");
    rmdir(stage.dir_s);
    rmdir(stage.dir_d);
    rmdir(stage.base);
}
