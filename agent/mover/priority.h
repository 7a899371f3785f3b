/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the data path's TLS may negotiate. A file of its own so that the yardstick
 * (tests/bench/tlscopy.c) cannot drift away from the mover.
 *
 * TLS 1.3 only; ECDHE with the pre-shared key, so that a secret that leaks later does not open what
 * was recorded earlier. An external key is bound with SHA-256 (RFC 8446 4.2.11), which leaves the
 * cipher suites that hash with it: AES-128-GCM, and ChaCha20 for processors without AES.
 */
#ifndef XF_MOVER_PRIORITY_H
#define XF_MOVER_PRIORITY_H

#define XF_TLS_PRIORITY                                                                            \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK:"                                            \
    "-CIPHER-ALL:+AES-128-GCM:+CHACHA20-POLY1305:"                                                 \
    "-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1"

#endif
