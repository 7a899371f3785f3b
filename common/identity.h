/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Do two hosts' descriptions name the same disk, and may it be shared as it is? Pure.
 *
 * The strongest identity that both know decides; a contradiction anywhere refuses; what is known by
 * weak ones only (a filesystem's uuid is copied along with its content) stands or falls with the
 * proof by I/O. A disk with bases is the same only if its bases are, one to one.
 */
#ifndef XF_IDENTITY_H
#define XF_IDENTITY_H

#include "blocks.h"
#include "disk.h"
#include "finding.h"

enum xf_match {
    XF_MATCH_UNKNOWN,       /* nothing that both know */
    XF_MATCH_WEAK,          /* weak identities only, and they agree */
    XF_MATCH_STRONG,        /* a device's own, or a volume's upon bases that agree */
    XF_MATCH_CONTRADICTION, /* *ret_kind differs */
};

/* Symmetric. ret_kind: the identity that decided, XF_N_IDENTS when none; may be NULL. */
enum xf_match xf_identity_match(const struct xf_disk *a, const struct xf_disk *b,
                                enum xf_ident_kind *ret_kind);

/*
 * Everything that is to be said of one disk of a domain that would move: identity, content, size,
 * access, caching, exclusive layers, paths. before and after: the source's looks around the target's
 * (the same one twice where there was one only: nothing counts as live then).
 */
void xf_disk_judge(const struct xf_disk *before, const struct xf_disk *after,
                   const struct xf_disk *target, bool writable, struct xf_findings *findings);

#endif
