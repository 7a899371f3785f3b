/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "context.h"

#include <errno.h>

#include "machine.h"

#define CONTEXT_MAGIC   0x58424458464e4558ull
#define CONTEXT_VERSION 1u

struct xf_context xf_context_of(const struct xf_machine *m)
{
    return (struct xf_context){
        .uuid = m->state->uuid,
        .ticks = m->state->ticks,
        .writes = m->state->writes,
        .counter = atomic_load(&m->state->counter),
    };
}

void xf_context_put(struct xf_put *p, const struct xf_context *context)
{
    xf_put_u64(p, CONTEXT_MAGIC);
    xf_put_u32(p, CONTEXT_VERSION);
    xf_put_u32(p, 0);
    xf_put_bytes(p, context->uuid.b, sizeof(context->uuid.b));
    xf_put_u64(p, context->ticks);
    xf_put_u64(p, context->writes);
    xf_put_u64(p, context->counter);
}

int xf_context_get(const uint8_t *buf, uint32_t size, struct xf_context *ret_context)
{
    struct xf_get g = { .buf = buf, .size = size };
    struct xf_context context;
    uint64_t magic = xf_get_u64(&g);
    uint32_t version = xf_get_u32(&g);

    (void)xf_get_u32(&g);
    xf_get_bytes(&g, context.uuid.b, sizeof(context.uuid.b));
    context.ticks = xf_get_u64(&g);
    context.writes = xf_get_u64(&g);
    context.counter = xf_get_u64(&g);
    if (!xf_get_done(&g) || magic != CONTEXT_MAGIC || version != CONTEXT_VERSION) {
        return -EBADMSG;
    }
    *ret_context = context;
    return 0;
}

bool xf_context_fits(const struct xf_context *context, const struct xf_machine *m)
{
    struct xf_context own = xf_context_of(m);

    return xf_uuid_eq(&context->uuid, &own.uuid) && context->ticks == own.ticks &&
           context->writes == own.writes && context->counter == own.counter;
}
