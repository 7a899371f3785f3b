/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "pack.h"

/* Each chunk takes this part of the weight from those before it. */
#define FADE 0.125

static void blend(double *sum, uint64_t more)
{
    *sum += (double)more - *sum * FADE;
}

bool xf_pack_wanted(const struct xf_pack *p)
{
    return p->left == 0;
}

/* As long as nothing is known of the way's speed it is hoped to. */
static bool pays(const struct xf_pack *p)
{
    return p->total < XF_PACK_FREE_BYTES || p->bytes <= 0 ||
           p->saved * (p->send_us / p->bytes) >= p->pack_us;
}

void xf_pack_learn(struct xf_pack *p, const struct xf_pack_sample *sample)
{
    p->total += sample->bytes_sent;
    blend(&p->bytes, sample->bytes_sent);
    blend(&p->send_us, sample->send_us);
    if (!sample->tried) {
        p->left -= p->left > 0;
        return;
    }
    blend(&p->saved, sample->bytes_saved);
    blend(&p->pack_us, sample->pack_us);
    if (pays(p)) {
        p->pause = 0;
        return;
    }
    p->pause = p->pause == 0 ? XF_PACK_PAUSE_MIN : 2 * p->pause;
    p->pause = p->pause < XF_PACK_PAUSE_MAX ? p->pause : XF_PACK_PAUSE_MAX;
    p->left = p->pause;
}
