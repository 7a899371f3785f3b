/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "looks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <qb/qbutil.h>

#include "child.h"
#include "diskmsg.h"
#include "text.h"

#define PROGRAM     "xenferry-look"
/* Each may start helpers of its own; a domain of sixteen disks must not fill the host with them. */
#define RUNNING_MAX 4u

/* One process. It outlives its looks when it cannot be killed. */
struct one {
    struct xf_looks *looks; /* NULL: nobody waits for it any more */
    struct xf_child *child;
    qb_loop_timer_handle timer;
    uint32_t index;
    bool answered;
    uint8_t buf[XF_DISKMSG_SIZE_MAX];
};

struct xf_looks {
    qb_loop_t *loop;
    uint32_t timeout_ms;
    uint32_t n;
    uint32_t next;  /* to be started */
    uint32_t ended; /* of those before */
    qb_loop_timer_handle soon;
    struct one *one[RUNNING_MAX];
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
static void part(struct one *one)
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

static void failed(struct xf_looks *looks, uint32_t index, const char *words)
{
    struct xf_disk *disk = &looks->disk[index];

    memset(disk, 0, sizeof(*disk));
    xf_text_copy(disk->path, sizeof(disk->path), looks->look[index].path);
    disk->traits = XF_TRAIT_UNKNOWN;
    xf_text_copy(disk->words, sizeof(disk->words), words);
}

static void on_packet(void *arg, size_t size)
{
    struct one *one = arg;
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
    struct one *one = arg;
    struct xf_looks *looks = one->looks;

    if (looks != NULL) {
        if (!one->answered) {
            failed(looks, one->index, "the look at it ended early");
        }
        part(one);
        go_on_soon(looks);
    }
    free(one);
}

static const struct xf_child_events child_events = { .packet = on_packet, .dead = on_dead };

static void on_deadline(void *data)
{
    struct one *one = data;
    struct xf_looks *looks = one->looks;

    if (!one->answered) {
        failed(looks, one->index, "");
        looks->disk[one->index].traits = 0;
        looks->disk[one->index].late = true;
    }
    part(one);
    xf_child_kill(one->child);
    go_on(looks);
}

/* False: it could not be started. */
static bool start(struct xf_looks *looks, uint32_t index, struct one **ret_one)
{
    static char name[] = PROGRAM;
    char *argv[] = { name, NULL };
    struct one *one = calloc(1, sizeof(*one));
    uint8_t packet[XF_LOOKMSG_SIZE_MAX];
    int size = xf_look_encode(&looks->look[index], packet, sizeof(packet));

    if (one == NULL) {
        abort();
    }
    one->looks = looks;
    one->index = index;
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
    if (qb_loop_timer_add(looks->loop, QB_LOOP_MED, looks->timeout_ms * QB_TIME_NS_IN_MSEC, one,
                          on_deadline, &one->timer) != 0) {
        abort();
    }
    *ret_one = one;
    return true;
}

static void start_some(struct xf_looks *looks)
{
    for (uint32_t i = 0; i < RUNNING_MAX; i++) {
        while (looks->one[i] == NULL && looks->next < looks->n) {
            uint32_t index = looks->next++;

            if (!start(looks, index, &looks->one[i])) {
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

int xf_looks_start(qb_loop_t *loop, const struct xf_look *look, uint32_t n, uint32_t timeout_ms,
                   xf_looks_done_fn done, void *arg, struct xf_looks **ret_looks)
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
        struct one *one = looks->one[i];

        if (one != NULL) {
            part(one);
            xf_child_kill(one->child);
        }
    }
    free_looks(looks);
}
