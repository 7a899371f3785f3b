/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "looks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <qb/qbutil.h>

#include "child.h"
#include "clock_qb.h"
#include "diskmsg.h"
#include "text.h"

#define PROGRAM     "xenferry-look"
/* Each may start helpers of its own; a domain of sixteen disks must not fill the host with them. */
#define RUNNING_MAX 4u
/* What has been killed and is not reaped after so long hangs in the kernel. */
#define DEATH_MS    250u

/* It outlives its looks when it cannot be killed. */
struct xf_looker {
    struct xf_looks *looks;     /* NULL: nobody waits for it any more */
    struct xf_looker **hanging; /* the list that it is in then */
    struct xf_looker *next;
    uint64_t hangs_at_ms; /* alive then, it hangs; 0: it was not killed yet */
    char path[sizeof(((struct xf_look *)NULL)->path)];
    struct xf_child *child;
    qb_loop_timer_handle timer;
    uint32_t index;
    bool answered;
    uint8_t buf[XF_DISKMSG_SIZE_MAX];
};

struct xf_looks {
    qb_loop_t *loop;
    struct xf_looker **hanging;
    uint32_t timeout_ms;
    uint32_t n;
    uint32_t next;  /* to be started */
    uint32_t ended; /* of those before */
    qb_loop_timer_handle soon;
    struct xf_looker *one[RUNNING_MAX];
    struct xf_look *look;
    struct xf_disk *disk;
    xf_looks_done_fn done;
    void *arg;
};

static void free_looks(struct xf_looks *looks)
{
    (void)qb_loop_timer_del(looks->loop, looks->soon);
    free(looks->look);
    free(looks->disk);
    free(looks);
}

static void go_on(struct xf_looks *looks);

static void on_soon(void *data)
{
    go_on(data);
}

/* From the loop, since the caller may be told by it. */
static void go_on_soon(struct xf_looks *looks)
{
    (void)qb_loop_timer_del(looks->loop, looks->soon);
    if (qb_loop_timer_add(looks->loop, QB_LOOP_MED, 1, looks, on_soon, &looks->soon) != 0) {
        abort();
    }
}

/* Lets go of a process, which says no more. */
static void part(struct xf_looker *one)
{
    struct xf_looks *looks = one->looks;

    for (uint32_t i = 0; i < RUNNING_MAX; i++) {
        if (looks->one[i] == one) {
            looks->one[i] = NULL;
        }
    }
    (void)qb_loop_timer_del(looks->loop, one->timer);
    one->looks = NULL;
    looks->ended++;
}

/* It is not dead yet: until it is, nothing else looks at its disk. */
static void leave(struct xf_looker *one)
{
    struct xf_looker **hanging = one->looks->hanging;

    part(one);
    one->hanging = hanging;
    one->next = *hanging;
    *hanging = one;
}

static void unlist(struct xf_looker *one)
{
    struct xf_looker **at = one->hanging;

    while (*at != one) {
        at = &(*at)->next;
    }
    *at = one->next;
}

static void end_it(struct xf_looker *one)
{
    one->hangs_at_ms = xf_now_ms() + DEATH_MS;
    xf_child_kill(one->child);
}

static bool hangs(const struct xf_looks *looks, const char *path)
{
    uint64_t now_ms = xf_now_ms();

    for (const struct xf_looker *one = *looks->hanging; one != NULL; one = one->next) {
        if (now_ms >= one->hangs_at_ms && strcmp(one->path, path) == 0) {
            return true;
        }
    }
    return false;
}

static void failed(struct xf_looks *looks, uint32_t index, const char *words)
{
    struct xf_disk *disk = &looks->disk[index];

    memset(disk, 0, sizeof(*disk));
    xf_text_copy(disk->path, sizeof(disk->path), looks->look[index].path);
    disk->traits = XF_TRAIT_UNKNOWN;
    xf_text_copy(disk->words, sizeof(disk->words), words);
}

static void late(struct xf_looks *looks, uint32_t index, const char *words)
{
    failed(looks, index, words);
    looks->disk[index].traits = 0;
    looks->disk[index].late = true;
}

static void on_packet(void *arg, size_t size)
{
    struct xf_looker *one = arg;
    struct xf_disk *disk;

    if (one->looks == NULL || one->answered) {
        return;
    }
    disk = &one->looks->disk[one->index];
    if (xf_disk_decode(one->buf, size, disk) != 0 ||
        strcmp(disk->path, one->looks->look[one->index].path) != 0) {
        failed(one->looks, one->index, "the look at it answered what cannot be read");
    }
    one->answered = true;
}

static void on_dead(void *arg)
{
    struct xf_looker *one = arg;
    struct xf_looks *looks = one->looks;

    if (looks != NULL) {
        if (!one->answered) {
            failed(looks, one->index, "the look at it ended early");
        }
        part(one);
        go_on_soon(looks);
    } else {
        unlist(one);
    }
    free(one);
}

static const struct xf_child_events child_events = { .packet = on_packet, .dead = on_dead };

static void set_timer(struct xf_looker *one, uint32_t ms);

/* Told once it is dead, or is known to hang. */
static void on_deadline(void *data)
{
    struct xf_looker *one = data;
    struct xf_looks *looks = one->looks;

    if (one->hangs_at_ms != 0) {
        one->hangs_at_ms = xf_now_ms();
        leave(one);
        go_on(looks);
        return;
    }
    if (!one->answered) {
        late(looks, one->index, "");
        one->answered = true; /* what it says now comes too late */
    }
    end_it(one);
    set_timer(one, DEATH_MS);
}

static void set_timer(struct xf_looker *one, uint32_t ms)
{
    if (qb_loop_timer_add(one->looks->loop, QB_LOOP_MED, ms * QB_TIME_NS_IN_MSEC, one, on_deadline,
                          &one->timer) != 0) {
        abort();
    }
}

/* False: it could not be started. */
static bool start(struct xf_looks *looks, uint32_t index, struct xf_looker **ret_one)
{
    static char name[] = PROGRAM;
    char *argv[] = { name, NULL };
    struct xf_looker *one = calloc(1, sizeof(*one));
    uint8_t packet[XF_LOOKMSG_SIZE_MAX];
    int size = xf_look_encode(&looks->look[index], packet, sizeof(packet));

    if (one == NULL) {
        abort();
    }
    one->looks = looks;
    one->index = index;
    xf_text_copy(one->path, sizeof(one->path), looks->look[index].path);
    if (size < 0 || xf_child_start(looks->loop, PROGRAM, argv, one->buf, sizeof(one->buf),
                                   &child_events, one, &one->child) != 0) {
        free(one);
        return false;
    }
    if (xf_child_send(one->child, packet, (size_t)size) != 0) {
        xf_child_abandon(one->child);
        free(one);
        return false;
    }
    set_timer(one, looks->timeout_ms);
    *ret_one = one;
    return true;
}

static void start_some(struct xf_looks *looks)
{
    for (uint32_t i = 0; i < RUNNING_MAX; i++) {
        while (looks->one[i] == NULL && looks->next < looks->n) {
            uint32_t index = looks->next++;

            if (hangs(looks, looks->look[index].path)) {
                late(looks, index, "an earlier look still hangs");
                looks->ended++;
            } else if (!start(looks, index, &looks->one[i])) {
                failed(looks, index, "no process can be started to look at it");
                looks->ended++;
            }
        }
    }
}

static void go_on(struct xf_looks *looks)
{
    start_some(looks);
    if (looks->ended == looks->n) {
        looks->done(looks->arg, looks->disk, looks->n);
        free_looks(looks);
    }
}

int xf_looks_start(qb_loop_t *loop, struct xf_looker **hanging, const struct xf_look *look,
                   uint32_t n, uint32_t timeout_ms, xf_looks_done_fn done, void *arg,
                   struct xf_looks **ret_looks)
{
    struct xf_looks *looks = calloc(1, sizeof(*looks));

    if (looks == NULL) {
        abort();
    }
    looks->look = calloc(n > 0 ? n : 1, sizeof(*looks->look));
    looks->disk = calloc(n > 0 ? n : 1, sizeof(*looks->disk));
    if (looks->look == NULL || looks->disk == NULL) {
        abort();
    }
    memcpy(looks->look, look, n * sizeof(*look));
    looks->loop = loop;
    looks->hanging = hanging;
    looks->n = n;
    looks->timeout_ms = timeout_ms;
    looks->done = done;
    looks->arg = arg;
    start_some(looks); /* now: an agent that stops takes its files away, too */
    go_on_soon(looks);
    *ret_looks = looks;
    return 0;
}

void xf_looks_stop(struct xf_looks *looks)
{
    if (looks == NULL) {
        return;
    }
    for (uint32_t i = 0; i < RUNNING_MAX; i++) {
        struct xf_looker *one = looks->one[i];

        if (one != NULL) {
            end_it(one);
            leave(one);
        }
    }
    free_looks(looks);
}
