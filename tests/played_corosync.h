/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Corosync's libraries, played: one connection, whose group has nobody but oneself. */
#ifndef XF_PLAYED_COROSYNC_H
#define XF_PLAYED_COROSYNC_H

#include <corosync/cpg.h>
#include <stddef.h>
#include <stdint.h>

#define PLAYED_SELF     1u
#define PLAYED_SENT_MAX 4096u
#define PLAYED_FOR_EVER UINT64_MAX

struct played_corosync {
    uint64_t takes;                 /* so many messages more before it says "try again" */
    cs_error_t error;               /* instead of taking any, unless CS_OK */
    uint32_t sent[PLAYED_SENT_MAX]; /* number in each message that it took */
    size_t n_sent;
    size_t n_delivered; /* of them, back to the one who sent them */
    unsigned n_damaged;
    unsigned n_connects;
    unsigned n_joins;
    unsigned n_leaves;
    size_t sent_at_leave;
    int cpg_fd;
    int quorum_fd;
    int cmap_fd;
    cpg_model_v1_data_t model;
    void *context;
    void (*has_arrived)(void); /* called in cpg_dispatch(), as callbacks are; NULL: nothing has */
};

/* The libraries find it by themselves: there is one. */
struct played_corosync *played_corosync(void);
/* What byte .at of message number .number must be; the number itself comes first. */
uint8_t played_byte(uint32_t number, size_t at);

#endif
