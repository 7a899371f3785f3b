/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two hosts for the conformance tests of a hypervisor driver: two run directories, one loop, and
 * what the driver tells. A bed says how domains of that hypervisor are written.
 */
#ifndef XF_HYPER_BED_H
#define XF_HYPER_BED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drivers.h"

#define BED_TEXT       512
#define BED_ROUNDS_MAX 64

struct bed_host {
    struct bed *bed;
    char dir[64];
    struct xf_hyper *hyper;
    /* told by the driver */
    uint64_t cookie; /* last done */
    unsigned n_done;
    bool ok;
    enum xf_reason reason;
    char text[BED_TEXT];
    unsigned n_changed;
    unsigned n_gone;
    struct xf_dom_info last;
};

struct bed {
    const struct xf_hyper_ops *ops;
    const struct xf_mover_hyper_ops *mover;
    qb_loop_t *loop;
    struct bed_host a, b;
    struct xf_uuid uuid;
    char config[2048];
    uint64_t next_cookie;
};

/* A save stream, kept. */
struct bed_image {
    struct bed *bed;
    uint8_t *bytes;
    size_t size;
    int rc;
    enum xf_reason reason;
    unsigned n_asked;
    struct {
        uint32_t round;
        int64_t dirty;
        uint64_t written;
    } asked[BED_ROUNDS_MAX];
    unsigned n_suspended;
    /* How to answer: stop when asked so often; abort_at likewise; 0: never. */
    unsigned stop_at;
    unsigned abort_at;
    uint32_t slow_to; /* percent: the cap at the first question; 0: none */
    bool dawdle;      /* 20 ms at each question, so that the guest writes meanwhile */
};

/* What a restore remarks is of no interest here. */
extern const struct xf_restore_events bed_restore_events;

/* extra: lines of configuration beyond name, memory and fill. */
void bed_up(struct bed *bed, const char *extra);
void bed_down(struct bed *bed);
/* Lets the loop run until *counter differs from before; fails the test after 10 s. */
void bed_wait(struct bed *bed, const unsigned *counter, unsigned before);
/* Lets the loop run for that long. */
void bed_idle(struct bed *bed, unsigned ms);

enum bed_op {
    BED_CREATE,
    BED_DESTROY,
    BED_RESUME,
    BED_UNPAUSE,
};
/* Starts the operation, waits for its end, checks the cookie; what it ended with. */
enum xf_reason bed_do(struct bed_host *host, enum bed_op op);
enum xf_reason bed_rename(struct bed_host *host, enum xf_variant variant);
/* XF_COPY_NONE when the scan does not show it. */
enum xf_copy bed_copy(struct bed_host *host, struct xf_dom_info *ret_info);

/* Saves a's domain into memory. */
void bed_save(struct bed *bed, bool cold, struct bed_image *image);
/* Restores it at b; rc. */
int bed_restore(struct bed *bed, const struct bed_image *image, enum xf_reason *ret_reason);
void bed_image_free(struct bed_image *image);
/* The domain created at a, saved there and restored at b. */
void bed_moved(struct bed *bed);

#endif
