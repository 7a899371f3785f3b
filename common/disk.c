/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "disk.h"

#include <string.h>

#include "text.h"

static const struct {
    const char *name;
    enum xf_strength strength;
    bool many;
} idents[] = {
#define X(sym, name, strength, many) [XF_IDENT_##sym] = { name, XF_STRENGTH_##strength, many },
    XF_IDENTS(X)
#undef X
};

const char *xf_ident_name(uint32_t kind)
{
    return kind < XF_N_IDENTS ? idents[kind].name : "";
}

enum xf_strength xf_ident_strength(uint32_t kind)
{
    return kind < XF_N_IDENTS ? idents[kind].strength : XF_STRENGTH_WEAK;
}

bool xf_ident_many(uint32_t kind)
{
    return kind < XF_N_IDENTS && idents[kind].many;
}

const char *xf_trait_name(uint32_t bit)
{
    static const char *const names[] = {
#define X(sym, name) [XF_TRAIT_BIT_##sym] = (name),
        XF_TRAITS(X)
#undef X
    };

    return bit < XF_N_TRAITS ? names[bit] : "";
}

bool xf_disk_add(struct xf_disk *disk, enum xf_ident_kind kind, uint8_t base, const char *value)
{
    struct xf_ident *ident = &disk->ident[disk->n_idents];
    bool fits = kind < XF_N_IDENTS && base <= XF_BASES_MAX && value[0] != '\0' &&
                xf_text_name_ok(value, XF_IDENT_SIZE) && xf_text_utf8_ok(value);

    for (uint32_t i = 0; fits && i < disk->n_idents; i++) {
        const struct xf_ident *old = &disk->ident[i];

        if (old->kind == kind && old->base == base && strcmp(old->value, value) == 0) {
            return true;
        }
    }
    if (!fits || disk->n_idents == XF_IDENTS_MAX) {
        disk->traits |= XF_TRAIT_UNKNOWN;
        return false;
    }
    ident->kind = (uint8_t)kind;
    ident->base = base;
    xf_text_copy(ident->value, sizeof(ident->value), value);
    disk->n_idents++;
    return true;
}
