/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "diskmsg.h"

#include <errno.h>
#include <string.h>

#include "blocks.h"
#include "bytes.h"
#include "fields.h"
#include "text.h"

enum {
    VERSION = 1,
    WHAT_LOOK = 1,
    WHAT_DISK = 2,
    LOOK_WRITABLE = 1 << 0,
    LOOK_COMING = 1 << 1,
    LOOK_KNOWN = LOOK_WRITABLE | LOOK_COMING,
    DISK_LATE = 1 << 0,
    SAMPLE_BLANK = 1 << 0,
};

_Static_assert(XF_N_TRAITS < 31, "they are bits of an enum");
#define TRAITS_KNOWN ((1u << XF_N_TRAITS) - 1)

/* Text that JSON takes too: what a host knows of a disk is shown to people on another. */
static void put_text(struct xf_put *p, const char *text, size_t size)
{
    xf_put_check(p, xf_text_name_ok(text, size) && xf_text_utf8_ok(text));
    xf_put_name(p, text, size);
}

static void get_text(struct xf_get *g, char *ret_text, size_t size)
{
    xf_get_name(g, ret_text, size);
    xf_get_check(g, xf_text_utf8_ok(ret_text));
}

/* Never refused: what is known of a disk must not be lost over how somebody words it. */
static void put_words(struct xf_put *p, const char *words)
{
    char clean[XF_WORDS_SIZE] = "";

    for (size_t i = 0; i + 1 < sizeof(clean) && words[i] != '\0'; i++) {
        unsigned char c = (unsigned char)words[i];

        clean[i] = c < ' ' || c == 0x7f ? ' ' : words[i];
    }
    xf_text_utf8_mend(clean);
    xf_put_name(p, clean, sizeof(clean));
}

/* A flag of a later version changes what the others mean, in a way that cannot be known. */
static bool get_flag(struct xf_get *g, struct xf_disk *disk)
{
    uint8_t flags = xf_get_u8(g);

    if (flags > 1) {
        disk->traits |= XF_TRAIT_UNKNOWN;
    }
    return (flags & 1) != 0;
}

static void put_ident(struct xf_put *p, const struct xf_disk *disk, const struct xf_ident *ident)
{
    xf_put_check(p, ident->kind < XF_N_IDENTS && ident->base <= disk->n_bases &&
                        ident->value[0] != '\0');
    xf_put_u8(p, ident->kind);
    xf_put_u8(p, ident->base);
    put_text(p, ident->value, sizeof(ident->value));
}

static void get_ident(struct xf_get *g, struct xf_disk *disk)
{
    struct xf_ident *ident = &disk->ident[disk->n_idents];

    ident->kind = xf_get_u8(g);
    ident->base = xf_get_u8(g);
    get_text(g, ident->value, sizeof(ident->value));
    xf_get_check(g, ident->base <= disk->n_bases && ident->value[0] != '\0');
    if (ident->kind < XF_N_IDENTS) {
        disk->n_idents++;
    } else {
        disk->traits |= XF_TRAIT_UNKNOWN;
        memset(ident, 0, sizeof(*ident));
    }
}

/* They ascend, so none is there twice. */
static bool sample_ok(const struct xf_disk *disk, uint32_t i)
{
    const struct xf_sample *sample = &disk->sample[i];

    return sample->size >= 1 && sample->size <= XF_BLOCK_SIZE &&
           sample->offset <= UINT64_MAX - sample->size &&
           (i == 0 || sample->offset > disk->sample[i - 1].offset);
}

static void put_sample(struct xf_put *p, const struct xf_disk *disk, uint32_t i)
{
    const struct xf_sample *sample = &disk->sample[i];

    xf_put_check(p, sample_ok(disk, i));
    xf_put_u64(p, sample->offset);
    xf_put_u32(p, sample->size);
    xf_put_u8(p, sample->blank ? SAMPLE_BLANK : 0);
    xf_put_bytes(p, sample->digest, sizeof(sample->digest));
}

static void get_sample(struct xf_get *g, struct xf_disk *disk, uint32_t i)
{
    struct xf_sample *sample = &disk->sample[i];

    sample->offset = xf_get_u64(g);
    sample->size = xf_get_u32(g);
    sample->blank = get_flag(g, disk);
    xf_get_bytes(g, sample->digest, sizeof(sample->digest));
    xf_get_check(g, sample_ok(disk, i));
}

/* A count beyond its bound fails the cursor, and nothing is counted by it. */
static uint32_t get_count(struct xf_get *g, uint32_t max)
{
    uint32_t n = xf_get_u8(g);

    xf_get_check(g, n <= max);
    return g->failed ? 0 : n;
}

int xf_disk_encode(const struct xf_disk *disk, uint8_t *buf, size_t size)
{
    struct xf_put p = {
        .buf = buf,
        .size = size < XF_DISKMSG_SIZE_MAX ? size : XF_DISKMSG_SIZE_MAX,
    };

    if (disk->kind >= XF_N_DISK_KINDS || disk->traits > TRAITS_KNOWN ||
        disk->n_bases > XF_BASES_MAX || disk->n_idents > XF_IDENTS_MAX ||
        disk->n_samples > XF_SAMPLES_MAX) {
        return -EINVAL;
    }
    xf_put_u8(&p, VERSION);
    xf_put_u8(&p, WHAT_DISK);
    put_text(&p, disk->path, sizeof(disk->path));
    xf_put_u8(&p, disk->kind);
    xf_put_u8(&p, disk->late ? DISK_LATE : 0);
    xf_put_u16(&p, disk->error);
    xf_put_u32(&p, disk->traits);
    xf_put_u64(&p, disk->size_bytes);
    put_words(&p, disk->words);
    xf_put_u8(&p, (uint8_t)disk->n_bases);
    xf_put_u8(&p, (uint8_t)disk->n_idents);
    for (uint32_t i = 0; i < disk->n_idents; i++) {
        put_ident(&p, disk, &disk->ident[i]);
    }
    xf_put_u8(&p, (uint8_t)disk->n_samples);
    for (uint32_t i = 0; i < disk->n_samples; i++) {
        put_sample(&p, disk, i);
    }
    return xf_put_result(&p);
}

int xf_disk_decode(const uint8_t *buf, size_t size, struct xf_disk *ret_disk)
{
    struct xf_get g = { .buf = buf, .size = size };
    struct xf_disk disk = { 0 };
    uint32_t traits, n;

    xf_get_enum(&g, VERSION, VERSION + 1);
    xf_get_enum(&g, WHAT_DISK, WHAT_DISK + 1);
    get_text(&g, disk.path, sizeof(disk.path));
    disk.kind = xf_get_enum(&g, 0, XF_N_DISK_KINDS);
    disk.late = get_flag(&g, &disk);
    disk.error = xf_get_u16(&g);
    traits = xf_get_u32(&g);
    disk.traits |= (traits & ~TRAITS_KNOWN) != 0 ? (uint32_t)XF_TRAIT_UNKNOWN : 0;
    disk.traits |= traits & TRAITS_KNOWN;
    disk.size_bytes = xf_get_u64(&g);
    get_text(&g, disk.words, sizeof(disk.words));
    disk.n_bases = get_count(&g, XF_BASES_MAX);
    n = get_count(&g, XF_IDENTS_MAX);
    for (uint32_t i = 0; i < n && !g.failed; i++) {
        get_ident(&g, &disk);
    }
    disk.n_samples = get_count(&g, XF_SAMPLES_MAX);
    for (uint32_t i = 0; i < disk.n_samples && !g.failed; i++) {
        get_sample(&g, &disk, i);
    }
    if (!xf_get_done(&g)) {
        return -EBADMSG;
    }
    *ret_disk = disk;
    return 0;
}

/* The nonce is the name of a file that root makes: nothing but digits, so no way out of its folder. */
static bool look_ok(const struct xf_look *look)
{
    size_t len = strnlen(look->nonce, sizeof(look->nonce));

    for (size_t i = 0; i < len; i++) {
        char c = look->nonce[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
    }
    return look->path[0] != '\0' && look->nonce_task < XF_N_NONCE_TASKS &&
           len == (look->nonce_task == XF_NONCE_NONE ? 0 : XF_NONCE_SIZE - 1);
}

int xf_look_encode(const struct xf_look *look, uint8_t *buf, size_t size)
{
    struct xf_put p = {
        .buf = buf,
        .size = size < XF_LOOKMSG_SIZE_MAX ? size : XF_LOOKMSG_SIZE_MAX,
    };

    if (!look_ok(look)) {
        return -EINVAL;
    }
    xf_put_u8(&p, VERSION);
    xf_put_u8(&p, WHAT_LOOK);
    put_text(&p, look->path, sizeof(look->path));
    xf_put_u8(&p,
              (uint8_t)((look->writable ? LOOK_WRITABLE : 0) | (look->coming ? LOOK_COMING : 0)));
    xf_put_bytes(&p, look->salt, sizeof(look->salt));
    xf_put_u64(&p, look->size_bytes);
    xf_put_u8(&p, look->nonce_task);
    xf_put_name(&p, look->nonce, sizeof(look->nonce));
    return xf_put_result(&p);
}

int xf_look_decode(const uint8_t *buf, size_t size, struct xf_look *ret_look)
{
    struct xf_get g = { .buf = buf, .size = size };
    struct xf_look look = { 0 };
    uint8_t flags;

    xf_get_enum(&g, VERSION, VERSION + 1);
    xf_get_enum(&g, WHAT_LOOK, WHAT_LOOK + 1);
    get_text(&g, look.path, sizeof(look.path));
    flags = xf_get_bits(&g, LOOK_KNOWN);
    look.writable = (flags & LOOK_WRITABLE) != 0;
    look.coming = (flags & LOOK_COMING) != 0;
    xf_get_bytes(&g, look.salt, sizeof(look.salt));
    look.size_bytes = xf_get_u64(&g);
    look.nonce_task = xf_get_u8(&g);
    xf_get_name(&g, look.nonce, sizeof(look.nonce));
    if (!xf_get_done(&g) || !look_ok(&look)) {
        return -EBADMSG;
    }
    *ret_look = look;
    return 0;
}
