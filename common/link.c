/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "link.h"

#include <errno.h>
#include <string.h>

#include "bytes.h"
#include "fields.h"
#include "precopy.h"

enum {
    FLAG_COLD = 1 << 0,
    FLAG_FORCE = 1 << 1,
    FLAG_SLOW_ALLOWED = 1 << 2,
    FLAGS_KNOWN = FLAG_COLD | FLAG_FORCE | FLAG_SLOW_ALLOWED,
};

static void put_options(struct xf_put *p, const struct xf_move_options *options)
{
    xf_put_u8(p, (uint8_t)((options->cold ? FLAG_COLD : 0) | (options->force ? FLAG_FORCE : 0) |
                           (options->slow_allowed ? FLAG_SLOW_ALLOWED : 0)));
    xf_put_u32(p, options->downtime_target_ms);
    xf_put_u32(p, options->downtime_max_ms);
    xf_put_u32(p, options->max_time_s);
    xf_put_u64(p, options->bandwidth_kibps);
}

static void get_options(struct xf_get *g, struct xf_move_options *ret_options)
{
    uint8_t flags = xf_get_bits(g, FLAGS_KNOWN);

    ret_options->cold = (flags & FLAG_COLD) != 0;
    ret_options->force = (flags & FLAG_FORCE) != 0;
    ret_options->slow_allowed = (flags & FLAG_SLOW_ALLOWED) != 0;
    ret_options->downtime_target_ms = xf_get_u32(g);
    ret_options->downtime_max_ms = xf_get_u32(g);
    ret_options->max_time_s = xf_get_u32(g);
    ret_options->bandwidth_kibps = xf_get_u64(g);
}

static bool params_ok(const struct xf_link_params *params, uint8_t type)
{
    bool target = params->port != 0 && params->address[0] != '\0';

    return (type == XF_LINK_RECEIVE || target) && params->config_size < XF_CONFIG_SIZE_MAX &&
           strnlen(params->config, XF_CONFIG_SIZE_MAX) == params->config_size;
}

static void put_params(struct xf_put *p, const struct xf_link_params *params, uint8_t type)
{
    if (!params_ok(params, type)) {
        xf_put_check(p, false);
        return;
    }
    xf_put_uuid(p, &params->uuid);
    xf_put_migid(p, &params->id);
    xf_put_name(p, params->name, sizeof(params->name));
    xf_put_name(p, params->address, sizeof(params->address));
    xf_put_u16(p, params->port);
    xf_put_bytes(p, params->psk, sizeof(params->psk));
    put_options(p, &params->options);
    xf_put_u32(p, params->progress_timeout_ms);
    xf_put_u32(p, params->fixed_cost_us);
    xf_put_u32(p, params->config_size);
    xf_put_bytes(p, params->config, params->config_size);
}

static void get_params(struct xf_get *g, struct xf_link_params *ret_params, uint8_t type)
{
    xf_get_uuid(g, &ret_params->uuid);
    xf_get_migid(g, &ret_params->id);
    xf_get_name(g, ret_params->name, sizeof(ret_params->name));
    xf_get_name(g, ret_params->address, sizeof(ret_params->address));
    ret_params->port = xf_get_u16(g);
    xf_get_bytes(g, ret_params->psk, sizeof(ret_params->psk));
    get_options(g, &ret_params->options);
    ret_params->progress_timeout_ms = xf_get_u32(g);
    ret_params->fixed_cost_us = xf_get_u32(g);
    ret_params->config_size = xf_get_u32(g);
    if (ret_params->config_size >= XF_CONFIG_SIZE_MAX) {
        g->failed = true;
        return;
    }
    /* The rest of .config is zero already: decode cleared all of it. */
    xf_get_bytes(g, ret_params->config, ret_params->config_size);
    xf_get_check(g, params_ok(ret_params, type));
}

static bool round_ok(const struct xf_round *round)
{
    return round->verdict < XF_N_VERDICTS && round->cap_percent >= 1 && round->cap_percent <= 100;
}

static void put_round(struct xf_put *p, const struct xf_round *round)
{
    xf_put_check(p, round_ok(round));
    xf_put_u32(p, round->number);
    xf_put_u64(p, round->pages_dirty);
    xf_put_u64(p, round->pages_sent);
    xf_put_u64(p, round->pages_zero);
    xf_put_u64(p, round->pages_same);
    xf_put_u64(p, round->bytes_wire);
    xf_put_u64(p, round->duration_us);
    xf_put_u64(p, round->dirty_rate_kibps);
    xf_put_u32(p, round->predicted_pause_us);
    xf_put_u8(p, round->verdict);
    xf_put_u8(p, round->cap_percent);
}

static void get_round(struct xf_get *g, struct xf_round *ret_round)
{
    ret_round->number = xf_get_u32(g);
    ret_round->pages_dirty = xf_get_u64(g);
    ret_round->pages_sent = xf_get_u64(g);
    ret_round->pages_zero = xf_get_u64(g);
    ret_round->pages_same = xf_get_u64(g);
    ret_round->bytes_wire = xf_get_u64(g);
    ret_round->duration_us = xf_get_u64(g);
    ret_round->dirty_rate_kibps = xf_get_u64(g);
    ret_round->predicted_pause_us = xf_get_u32(g);
    ret_round->verdict = xf_get_u8(g);
    ret_round->cap_percent = xf_get_u8(g);
    xf_get_check(g, round_ok(ret_round));
}

static void put_totals(struct xf_put *p, const struct xf_link_totals *totals)
{
    xf_put_u64(p, totals->bytes_wire);
    xf_put_u64(p, totals->bytes_stream);
    xf_put_u64(p, totals->pages_total);
    xf_put_u64(p, totals->duration_us);
    xf_put_u64(p, totals->suspend_us);
    xf_put_u64(p, totals->last_pages_us);
    xf_put_u64(p, totals->build_us);
    xf_put_u32(p, totals->rounds);
    xf_put_u32(p, totals->predicted_pause_us);
}

static void get_totals(struct xf_get *g, struct xf_link_totals *ret_totals)
{
    ret_totals->bytes_wire = xf_get_u64(g);
    ret_totals->bytes_stream = xf_get_u64(g);
    ret_totals->pages_total = xf_get_u64(g);
    ret_totals->duration_us = xf_get_u64(g);
    ret_totals->suspend_us = xf_get_u64(g);
    ret_totals->last_pages_us = xf_get_u64(g);
    ret_totals->build_us = xf_get_u64(g);
    ret_totals->rounds = xf_get_u32(g);
    ret_totals->predicted_pause_us = xf_get_u32(g);
}

/* As a name, but never refused: a failure must not be lost over how a library words it. */
static void put_sentence(struct xf_put *p, const char *text, size_t size)
{
    size_t len = strnlen(text, size < UINT8_MAX ? size : UINT8_MAX);

    xf_put_u8(p, (uint8_t)len);
    for (size_t i = 0; i < len; i++) {
        uint8_t c = (uint8_t)text[i];

        xf_put_u8(p, c < ' ' || c == 0x7f ? ' ' : c);
    }
}

int xf_link_encode(const struct xf_link_msg *msg, uint8_t *buf, size_t size)
{
    struct xf_put p = {
        .buf = buf,
        .size = size < XF_LINK_SIZE_MAX ? size : XF_LINK_SIZE_MAX,
    };

    xf_put_check(&p, msg->type >= XF_LINK_SEND && msg->type < XF_N_LINKS);
    xf_put_u8(&p, msg->type);
    switch ((enum xf_link_type)msg->type) {
    case XF_LINK_SEND:
    case XF_LINK_RECEIVE:
        put_params(&p, &msg->params, msg->type);
        break;
    case XF_LINK_LISTENING:
        xf_put_check(&p, msg->port != 0);
        xf_put_u16(&p, msg->port);
        break;
    case XF_LINK_ROUND:
        put_round(&p, &msg->round);
        break;
    case XF_LINK_COMPLETE:
    case XF_LINK_FINISHED:
        put_totals(&p, &msg->totals);
        break;
    case XF_LINK_FAILED:
        xf_put_check(&p, msg->reason < XF_N_REASONS);
        xf_put_u16(&p, msg->reason);
        put_sentence(&p, msg->text, sizeof(msg->text));
        break;
    case XF_LINK_NOTE:
    case XF_LINK_TROUBLE:
        put_sentence(&p, msg->text, sizeof(msg->text));
        break;
    case XF_LINK_SWITCH:
    case XF_LINK_GRANT:
    case XF_LINK_CANCEL:
    case XF_LINK_CONNECTED:
    case XF_LINK_WANT_SWITCH:
    case XF_LINK_SUSPENDED:
    case XF_LINK_WANT_END:
        break;
    case XF_N_LINKS:
        break;
    }
    return xf_put_result(&p);
}

int xf_link_decode(const uint8_t *buf, size_t size, struct xf_link_msg *ret_msg)
{
    struct xf_get g = { .buf = buf, .size = size };

    memset(ret_msg, 0, sizeof(*ret_msg));
    ret_msg->type = xf_get_enum(&g, XF_LINK_SEND, XF_N_LINKS);
    switch ((enum xf_link_type)ret_msg->type) {
    case XF_LINK_SEND:
    case XF_LINK_RECEIVE:
        get_params(&g, &ret_msg->params, ret_msg->type);
        break;
    case XF_LINK_LISTENING:
        ret_msg->port = xf_get_u16(&g);
        xf_get_check(&g, ret_msg->port != 0);
        break;
    case XF_LINK_ROUND:
        get_round(&g, &ret_msg->round);
        break;
    case XF_LINK_COMPLETE:
    case XF_LINK_FINISHED:
        get_totals(&g, &ret_msg->totals);
        break;
    case XF_LINK_FAILED:
        ret_msg->reason = xf_get_u16(&g);
        xf_get_check(&g, ret_msg->reason < XF_N_REASONS);
        xf_get_name(&g, ret_msg->text, sizeof(ret_msg->text));
        break;
    case XF_LINK_NOTE:
    case XF_LINK_TROUBLE:
        xf_get_name(&g, ret_msg->text, sizeof(ret_msg->text));
        break;
    case XF_LINK_SWITCH:
    case XF_LINK_GRANT:
    case XF_LINK_CANCEL:
    case XF_LINK_CONNECTED:
    case XF_LINK_WANT_SWITCH:
    case XF_LINK_SUSPENDED:
    case XF_LINK_WANT_END:
        break;
    case XF_N_LINKS:
        break;
    }
    return xf_get_done(&g) && size <= XF_LINK_SIZE_MAX ? 0 : -EBADMSG;
}
