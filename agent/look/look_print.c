/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A disk in lines, for people and tests. */
#include "config.h"

#include "look.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DIGEST_SHOWN 8 /* bytes: enough for eyes */

static const char *const kinds[] = {
    [XF_DISK_ABSENT] = "absent",
    [XF_DISK_BLOCK] = "block",
    [XF_DISK_FILE] = "file",
    [XF_DISK_NETWORK] = "network",
};

void xf_look_print(const struct xf_disk *disk)
{
    printf("path %s\n", disk->path);
    printf("kind %s\n", kinds[disk->kind]);
    printf("size %" PRIu64 "\n", disk->size_bytes);
    if (disk->error != 0) {
        printf("error %s\n", strerror(disk->error));
    }
    for (uint32_t bit = 0; bit < XF_N_TRAITS; bit++) {
        if ((disk->traits >> bit & 1) != 0) {
            printf("trait %s\n", xf_trait_name(bit));
        }
    }
    for (uint32_t i = 0; i < disk->n_idents; i++) {
        printf("ident %u %s %s\n", disk->ident[i].base, xf_ident_name(disk->ident[i].kind),
               disk->ident[i].value);
    }
    printf("bases %" PRIu32 "\n", disk->n_bases);
    if (disk->words[0] != '\0') {
        printf("words %s\n", disk->words);
    }
    for (uint32_t i = 0; i < disk->n_samples; i++) {
        const struct xf_sample *sample = &disk->sample[i];

        printf("sample %" PRIu64 " ", sample->offset);
        for (size_t k = 0; k < DIGEST_SHOWN; k++) {
            printf("%02x", sample->digest[k]);
        }
        puts(sample->blank ? " blank" : "");
    }
}
