/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random content for tests of codecs: the same seed gives the same content everywhere, and every
 * failure can be had again.
 */
#ifndef XF_SAMPLE_H
#define XF_SAMPLE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core.h"

struct sample {
    uint64_t state; /* not 0 */
};

/* xorshift64* (Vigna): good enough to fill fields, and three lines. */
static inline uint64_t sample_u64(struct sample *s)
{
    s->state ^= s->state >> 12;
    s->state ^= s->state << 25;
    s->state ^= s->state >> 27;
    return s->state * UINT64_C(2685821657736338717);
}

/* Below end; the ends of the range come up more often than chance has them. */
static inline uint32_t sample_below(struct sample *s, uint32_t end)
{
    uint64_t v = sample_u64(s) >> 16;

    switch (v % 8) {
    case 0:
        return 0;
    case 1:
        return end - 1;
    default:
        return (uint32_t)(v / 8 % end);
    }
}

static inline uint32_t sample_u32(struct sample *s)
{
    return sample_below(s, UINT32_MAX);
}

static inline bool sample_bool(struct sample *s)
{
    return sample_below(s, 2) == 1;
}

static inline void sample_bytes(struct sample *s, void *buf, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)buf)[i] = (uint8_t)(sample_u64(s) >> 24);
    }
}

static inline void sample_name(struct sample *s, char *buf, size_t size)
{
    size_t len = sample_below(s, (uint32_t)size);

    memset(buf, 0, size);
    for (size_t i = 0; i < len; i++) {
        buf[i] = (char)(' ' + sample_below(s, 0x7f - ' '));
    }
}

static inline struct xf_node sample_node(struct sample *s)
{
    return (struct xf_node){ sample_u32(s) };
}

static inline struct xf_boot sample_boot(struct sample *s)
{
    return (struct xf_boot){ sample_u64(s) };
}

static inline void sample_migid(struct sample *s, struct xf_migid *ret_id)
{
    ret_id->epoch = sample_u32(s);
    ret_id->src = sample_node(s);
    ret_id->boot = sample_boot(s);
}

static inline void sample_record(struct sample *s, struct xf_record *ret_record)
{
    memset(ret_record, 0, sizeof(*ret_record));
    sample_migid(s, &ret_record->id);
    ret_record->src = sample_node(s);
    ret_record->dst = sample_node(s);
    ret_record->dst_boot = sample_boot(s);
    ret_record->own_boot = sample_boot(s);
    ret_record->marks = (uint8_t)sample_below(s, XF_MARK_NEVER * 2);
    ret_record->promise = (uint8_t)sample_below(s, XF_PROMISE_GO + 1);
    ret_record->epoch_max = sample_u32(s);
}

static inline void sample_msg(struct sample *s, struct xf_msg *ret_msg)
{
    memset(ret_msg, 0, sizeof(*ret_msg));
    ret_msg->type = (uint8_t)(1 + sample_below(s, XF_N_MSGS - 1));
    ret_msg->copy = (uint8_t)sample_below(s, XF_N_COPIES);
    ret_msg->promise = (uint8_t)sample_below(s, XF_PROMISE_GO + 1);
    ret_msg->stayed = sample_bool(s);
    ret_msg->went = sample_bool(s);
    ret_msg->reason = (uint16_t)sample_below(s, XF_N_REASONS);
    ret_msg->epoch_max = sample_u32(s);
    ret_msg->src = sample_node(s);
    ret_msg->dst = sample_node(s);
    ret_msg->boot = sample_boot(s);
    sample_migid(s, &ret_msg->id);
    sample_migid(s, &ret_msg->newer);
}

#endif
