/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "wire.h"

#include <errno.h>
#include <string.h>

#include "bytes.h"
#include "fields.h"

#define MAGIC 0x59524658u /* "XFRY" */

enum {
    FLAG_MORE = 1 << 0, /* HELLO, REPLY */

    FLAG_STAYED = 1 << 0, /* in a message */
    FLAG_WENT = 1 << 1,
};

static bool version_ok(uint32_t version)
{
    return version >= XF_WIRE_MIN && version <= XF_WIRE_MAX;
}

static bool range_ok(const struct xf_hello *hello, uint16_t version)
{
    return hello->version_min >= 1 && hello->version_min <= version &&
           version <= hello->version_max;
}

/* Both directions of this in one place: what encode refuses is what decode refuses. */
static bool msg_ok(const struct xf_msg *msg)
{
    return msg->type > XF_MSG_NONE && msg->type < XF_N_MSGS && msg->copy < XF_N_COPIES &&
           msg->promise <= XF_PROMISE_GO && msg->reason < XF_N_REASONS;
}

static bool hello_domain_ok(const struct xf_hello_domain *domain)
{
    return domain->copy < XF_N_COPIES && domain->state < XF_N_STATES;
}

static void put_msg(struct xf_put *p, const struct xf_msg *msg)
{
    xf_put_check(p, msg_ok(msg));
    xf_put_u8(p, msg->type);
    xf_put_u8(p, msg->copy);
    xf_put_u8(p, msg->promise);
    xf_put_u8(p, (uint8_t)((msg->stayed ? FLAG_STAYED : 0) | (msg->went ? FLAG_WENT : 0)));
    xf_put_u16(p, msg->reason);
    xf_put_zeros(p, 2);
    xf_put_u32(p, msg->epoch_max);
    xf_put_node(p, msg->src);
    xf_put_node(p, msg->dst);
    xf_put_boot(p, msg->boot);
    xf_put_migid(p, &msg->id);
    xf_put_migid(p, &msg->newer);
}

static void get_msg(struct xf_get *g, struct xf_msg *ret_msg)
{
    uint8_t flags;

    ret_msg->type = xf_get_u8(g);
    ret_msg->copy = xf_get_u8(g);
    ret_msg->promise = xf_get_u8(g);
    flags = xf_get_bits(g, FLAG_STAYED | FLAG_WENT);
    ret_msg->stayed = (flags & FLAG_STAYED) != 0;
    ret_msg->went = (flags & FLAG_WENT) != 0;
    ret_msg->reason = xf_get_u16(g);
    /* Rows are appended without a new version: to refuse an ABORT over its reason would lose it. */
    if (ret_msg->reason >= XF_N_REASONS) {
        ret_msg->reason = XF_REASON_INTERNAL;
    }
    xf_get_zeros(g, 2);
    ret_msg->epoch_max = xf_get_u32(g);
    ret_msg->src = xf_get_node(g);
    ret_msg->dst = xf_get_node(g);
    ret_msg->boot = xf_get_boot(g);
    xf_get_migid(g, &ret_msg->id);
    xf_get_migid(g, &ret_msg->newer);
    xf_get_check(g, msg_ok(ret_msg));
}

static void put_hello_domain(struct xf_put *p, const struct xf_hello_domain *domain)
{
    xf_put_check(p, hello_domain_ok(domain));
    xf_put_uuid(p, &domain->uuid);
    xf_put_name(p, domain->name, sizeof(domain->name));
    xf_put_u32(p, domain->memory_mib);
    xf_put_u8(p, domain->copy);
    xf_put_u8(p, domain->state);
    xf_put_u32(p, domain->epoch_max);
    xf_put_migid(p, &domain->id);
    xf_put_node(p, domain->src);
    xf_put_node(p, domain->dst);
}

static void get_hello_domain(struct xf_get *g, struct xf_hello_domain *ret_domain)
{
    xf_get_uuid(g, &ret_domain->uuid);
    xf_get_name(g, ret_domain->name, sizeof(ret_domain->name));
    ret_domain->memory_mib = xf_get_u32(g);
    ret_domain->copy = xf_get_u8(g);
    ret_domain->state = xf_get_u8(g);
    ret_domain->epoch_max = xf_get_u32(g);
    xf_get_migid(g, &ret_domain->id);
    ret_domain->src = xf_get_node(g);
    ret_domain->dst = xf_get_node(g);
    xf_get_check(g, hello_domain_ok(ret_domain));
}

static void put_hello(struct xf_put *p, const struct xf_hello *hello)
{
    if (hello->n_off > XF_NODES_MAX || hello->n_domains > XF_HELLO_DOMAINS_MAX) {
        xf_put_check(p, false);
        return;
    }
    xf_put_boot(p, hello->boot);
    xf_put_u64(p, hello->memory_total_mib);
    xf_put_u64(p, hello->memory_free_mib);
    xf_put_u32(p, hello->cpus);
    xf_put_u32(p, hello->seq);
    xf_put_u8(p, hello->more ? FLAG_MORE : 0);
    xf_put_u8(p, (uint8_t)hello->n_off);
    xf_put_u16(p, (uint16_t)hello->n_domains);
    xf_put_name(p, hello->node_name, sizeof(hello->node_name));
    xf_put_name(p, hello->hypervisor, sizeof(hello->hypervisor));
    for (uint32_t i = 0; i < hello->n_off; i++) {
        xf_put_check(p, hello->off[i].id != 0);
        xf_put_node(p, hello->off[i]);
        xf_put_boot(p, hello->off_boot[i]);
    }
    for (uint32_t i = 0; i < hello->n_domains; i++) {
        put_hello_domain(p, &hello->domain[i]);
    }
}

static void get_hello(struct xf_get *g, struct xf_hello *ret_hello)
{
    ret_hello->boot = xf_get_boot(g);
    ret_hello->memory_total_mib = xf_get_u64(g);
    ret_hello->memory_free_mib = xf_get_u64(g);
    ret_hello->cpus = xf_get_u32(g);
    ret_hello->seq = xf_get_u32(g);
    ret_hello->more = xf_get_bits(g, FLAG_MORE) != 0;
    ret_hello->n_off = xf_get_u8(g);
    ret_hello->n_domains = xf_get_u16(g);
    if (ret_hello->n_off > XF_NODES_MAX || ret_hello->n_domains > XF_HELLO_DOMAINS_MAX) {
        g->failed = true;
        return;
    }
    xf_get_name(g, ret_hello->node_name, sizeof(ret_hello->node_name));
    xf_get_name(g, ret_hello->hypervisor, sizeof(ret_hello->hypervisor));
    for (uint32_t i = 0; i < ret_hello->n_off; i++) {
        ret_hello->off[i] = xf_get_node(g);
        ret_hello->off_boot[i] = xf_get_boot(g);
        xf_get_check(g, ret_hello->off[i].id != 0);
    }
    for (uint32_t i = 0; i < ret_hello->n_domains && !g->failed; i++) {
        get_hello_domain(g, &ret_hello->domain[i]);
    }
}

/* What stands between the header and the payload. */
static void put_fields(struct xf_put *p, const struct xf_frame *frame)
{
    switch ((enum xf_frame_kind)frame->kind) {
    case XF_FRAME_HELLO:
        put_hello(p, &frame->hello);
        return;
    case XF_FRAME_DOMAIN:
        xf_put_uuid(p, &frame->uuid);
        put_msg(p, &frame->msg);
        return;
    case XF_FRAME_FENCED:
        xf_put_check(p, frame->to.id != 0);
        xf_put_node(p, frame->to);
        xf_put_boot(p, frame->boot);
        return;
    case XF_FRAME_PROGRESS:
    case XF_FRAME_REPORT:
    case XF_FRAME_SEEN:
        xf_put_uuid(p, &frame->uuid);
        xf_put_migid(p, &frame->id);
        return;
    case XF_FRAME_REQUEST:
        xf_put_node(p, frame->to);
        xf_put_u64(p, frame->request);
        return;
    case XF_FRAME_REPLY:
        xf_put_node(p, frame->to);
        xf_put_u64(p, frame->request);
        xf_put_u8(p, frame->more ? FLAG_MORE : 0);
        return;
    case XF_N_FRAME_KINDS:
        break;
    }
    xf_put_check(p, false);
}

static void get_fields(struct xf_get *g, struct xf_frame *ret_frame)
{
    switch ((enum xf_frame_kind)ret_frame->kind) {
    case XF_FRAME_HELLO:
        get_hello(g, &ret_frame->hello);
        return;
    case XF_FRAME_DOMAIN:
        xf_get_uuid(g, &ret_frame->uuid);
        get_msg(g, &ret_frame->msg);
        return;
    case XF_FRAME_FENCED:
        ret_frame->to = xf_get_node(g);
        ret_frame->boot = xf_get_boot(g);
        xf_get_check(g, ret_frame->to.id != 0);
        return;
    case XF_FRAME_PROGRESS:
    case XF_FRAME_REPORT:
    case XF_FRAME_SEEN:
        xf_get_uuid(g, &ret_frame->uuid);
        xf_get_migid(g, &ret_frame->id);
        return;
    case XF_FRAME_REQUEST:
        ret_frame->to = xf_get_node(g);
        ret_frame->request = xf_get_u64(g);
        return;
    case XF_FRAME_REPLY:
        ret_frame->to = xf_get_node(g);
        ret_frame->request = xf_get_u64(g);
        ret_frame->more = xf_get_bits(g, FLAG_MORE) != 0;
        return;
    case XF_N_FRAME_KINDS:
        break;
    }
    xf_get_check(g, false);
}

/* The rest of every frame but a HELLO, whose fields leave no room for one to grow into. */
static void put_payload(struct xf_put *p, const struct xf_frame *frame)
{
    if (frame->payload_size > XF_PAYLOAD_MAX) {
        p->failed = true;
        return;
    }
    xf_put_u32(p, frame->payload_size);
    if (frame->payload_size > 0) {
        xf_put_bytes(p, frame->payload, frame->payload_size);
    }
}

static void get_payload(struct xf_get *g, struct xf_frame *ret_frame)
{
    ret_frame->payload_size = xf_get_u32(g);
    if (ret_frame->payload_size > XF_PAYLOAD_MAX) {
        g->failed = true;
        return;
    }
    ret_frame->payload = xf_get_view(g, ret_frame->payload_size);
}

static uint16_t version_of(const struct xf_frame *frame)
{
    if (frame->version != 0) {
        return frame->version;
    }
    return frame->kind == XF_FRAME_HELLO ? XF_WIRE_HELLO : XF_WIRE_MAX;
}

int xf_wire_encode(const struct xf_frame *frame, uint8_t *buf, size_t size)
{
    uint16_t version = version_of(frame);
    struct xf_put p = {
        .buf = buf,
        .size = size < XF_FRAME_SIZE_MAX ? size : XF_FRAME_SIZE_MAX,
    };

    xf_put_check(&p, version_ok(version));
    xf_put_u32(&p, MAGIC);
    xf_put_u16(&p, version);
    xf_put_u8(&p, frame->kind);
    xf_put_zeros(&p, 1);
    if (frame->kind == XF_FRAME_HELLO) {
        xf_put_check(&p, range_ok(&frame->hello, version));
        xf_put_check(&p, frame->payload_size == 0);
        xf_put_u16(&p, frame->hello.version_min);
        xf_put_u16(&p, frame->hello.version_max);
    }
    put_fields(&p, frame);
    if (frame->kind != XF_FRAME_HELLO) {
        put_payload(&p, frame);
    }
    return xf_put_result(&p);
}

int xf_wire_decode(const uint8_t *buf, size_t size, struct xf_frame *ret_frame)
{
    struct xf_get g = { .buf = buf, .size = size };

    memset(ret_frame, 0, sizeof(*ret_frame));
    if (xf_get_u32(&g) != MAGIC || g.failed) {
        return -EPROTO;
    }
    ret_frame->version = xf_get_u16(&g);
    ret_frame->kind = xf_get_u8(&g);
    xf_get_zeros(&g, 1);
    /* Header and range stand still in all versions, so that one can tell what an incompatible peer speaks. */
    if (ret_frame->kind == XF_FRAME_HELLO) {
        ret_frame->hello.version_min = xf_get_u16(&g);
        ret_frame->hello.version_max = xf_get_u16(&g);
        xf_get_check(&g, range_ok(&ret_frame->hello, ret_frame->version));
    }
    if (g.failed || size > XF_FRAME_SIZE_MAX) {
        return -EBADMSG;
    }
    if (!version_ok(ret_frame->version)) {
        return -EPROTONOSUPPORT;
    }
    get_fields(&g, ret_frame);
    if (ret_frame->kind != XF_FRAME_HELLO) {
        get_payload(&g, ret_frame);
    }
    return xf_get_done(&g) ? 0 : -EBADMSG;
}
