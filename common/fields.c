/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "fields.h"

#include <errno.h>
#include <string.h>

#include "text.h"

void xf_put_uuid(struct xf_put *p, const struct xf_uuid *uuid)
{
    xf_put_bytes(p, uuid->b, sizeof(uuid->b));
}

void xf_put_node(struct xf_put *p, struct xf_node node)
{
    xf_put_u32(p, node.id);
}

void xf_put_boot(struct xf_put *p, struct xf_boot boot)
{
    xf_put_u64(p, boot.v);
}

void xf_put_migid(struct xf_put *p, const struct xf_migid *id)
{
    xf_put_u32(p, id->epoch);
    xf_put_node(p, id->src);
    xf_put_boot(p, id->boot);
}

void xf_put_name(struct xf_put *p, const char *name, size_t size)
{
    size_t len = strnlen(name, size);

    xf_put_check(p, xf_text_name_ok(name, size) && len <= UINT8_MAX);
    xf_put_u8(p, (uint8_t)len);
    xf_put_bytes(p, name, len);
}

void xf_put_zeros(struct xf_put *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        xf_put_u8(p, 0);
    }
}

int xf_put_result(const struct xf_put *p)
{
    if (p->invalid) {
        return -EINVAL;
    }
    return p->failed ? -EMSGSIZE : (int)p->len;
}

void xf_get_uuid(struct xf_get *g, struct xf_uuid *ret_uuid)
{
    xf_get_bytes(g, ret_uuid->b, sizeof(ret_uuid->b));
}

struct xf_node xf_get_node(struct xf_get *g)
{
    return (struct xf_node){ xf_get_u32(g) };
}

struct xf_boot xf_get_boot(struct xf_get *g)
{
    return (struct xf_boot){ xf_get_u64(g) };
}

void xf_get_migid(struct xf_get *g, struct xf_migid *ret_id)
{
    ret_id->epoch = xf_get_u32(g);
    ret_id->src = xf_get_node(g);
    ret_id->boot = xf_get_boot(g);
}

void xf_get_name(struct xf_get *g, char *ret_name, size_t size)
{
    size_t len = xf_get_u8(g);

    memset(ret_name, 0, size);
    if (len >= size) {
        g->failed = true;
        return;
    }
    xf_get_bytes(g, ret_name, len);
    xf_get_check(g, strnlen(ret_name, size) == len && xf_text_name_ok(ret_name, size));
}

void xf_get_zeros(struct xf_get *g, size_t n)
{
    const uint8_t *at = xf_get_view(g, n);

    for (size_t i = 0; at != NULL && i < n; i++) {
        if (at[i] != 0) {
            g->failed = true;
            return;
        }
    }
}

uint8_t xf_get_enum(struct xf_get *g, uint32_t min, uint32_t end)
{
    uint8_t v = xf_get_u8(g);

    xf_get_check(g, v >= min && v < end);
    return v;
}

uint8_t xf_get_bits(struct xf_get *g, uint32_t known)
{
    uint8_t v = xf_get_u8(g);

    xf_get_check(g, (v & ~known) == 0);
    return v;
}
