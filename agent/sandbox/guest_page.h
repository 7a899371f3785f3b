/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The content of a guest's data page: who it is, which version, noise that no compressor shrinks,
 * and a checksum of it. A page in the wrong place, of mixed versions or with a changed bit does not
 * pass; one of an old version does, and differs from the guest's own table of versions.
 */
#ifndef XF_SANDBOX_GUEST_PAGE_H
#define XF_SANDBOX_GUEST_PAGE_H

#include <stdbool.h>
#include <stdint.h>

/* page: XF_PAGE_SIZE bytes, aligned to 8. generation > 0. */
void xf_guest_page_fill(void *page, uint64_t pfn, uint32_t generation);
/* generation 0: never written, begins with zeros. */
bool xf_guest_page_good(const void *page, uint64_t pfn, uint32_t generation);

#endif
