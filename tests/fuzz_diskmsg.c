/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "diskmsg.h"

#include <assert.h>
#include <string.h>

#include "identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * What decodes encodes back to the same bytes. Where a later version's news were left out it encodes
 * to fewer, which mean the same from then on. And what decodes can be judged.
 */
static void try_disk(const uint8_t *data, size_t size)
{
    static struct xf_disk disk, again;
    static struct xf_findings findings;
    static uint8_t buf[XF_DISKMSG_SIZE_MAX];
    int len;

    memset(&disk, 0, sizeof(disk));
    memset(&again, 0, sizeof(again));
    if (xf_disk_decode(data, size, &disk) != 0) {
        return;
    }
    len = xf_disk_encode(&disk, buf, sizeof(buf));
    assert(len >= 0 && (size_t)len <= size);
    assert((disk.traits & XF_TRAIT_UNKNOWN) != 0 ||
           ((size_t)len == size && memcmp(buf, data, size) == 0));
    assert(xf_disk_decode(buf, (size_t)len, &again) == 0);
    assert(memcmp(&disk, &again, sizeof(disk)) == 0);
    memset(&findings, 0, sizeof(findings));
    xf_disk_judge(&disk, &disk, &again, true, &findings);
    assert((disk.traits & XF_TRAIT_UNKNOWN) == 0 || xf_findings_worst(&findings) == XF_REFUSE);
}

static void try_look(const uint8_t *data, size_t size)
{
    static struct xf_look look;
    static uint8_t buf[XF_LOOKMSG_SIZE_MAX];

    if (xf_look_decode(data, size, &look) == 0) {
        int len = xf_look_encode(&look, buf, sizeof(buf));

        assert(len >= 0 && (size_t)len == size && memcmp(buf, data, size) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_disk(data, size);
    try_look(data, size);
    return 0;
}
