/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the data path's TLS may negotiate. A file of its own so that the yardstick
 * (tests/bench/tlscopy.c) cannot drift away from the mover.
 *
 * TLS 1.3 only; ECDHE with the pre-shared key, so that a secret that leaks later does not open what
 * was recorded earlier. An external key is bound with SHA-256 (RFC 8446 4.2.11), which leaves the
 * cipher suites that hash with it: AES-128-GCM and ChaCha20-Poly1305.
 *
 * With instructions for AES the first is many times faster than the second; without them it is the
 * slower one, so a side that has none decides: the client's order counts, unless the server insists
 * on its own.
 */
#ifndef XF_MOVER_PRIORITY_H
#define XF_MOVER_PRIORITY_H

#include <stdbool.h>
#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#define XF_TLS_PRIORITY_BEGIN                                                                      \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK:"                                            \
    "-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:-CIPHER-ALL:"

/* fast_aes: this side has instructions for it. */
static inline const char *xf_tls_priority(bool server, bool fast_aes)
{
    if (fast_aes) {
        return XF_TLS_PRIORITY_BEGIN "+AES-128-GCM:+CHACHA20-POLY1305";
    }
    return server ? XF_TLS_PRIORITY_BEGIN "+CHACHA20-POLY1305:+AES-128-GCM:%SERVER_PRECEDENCE"
                  : XF_TLS_PRIORITY_BEGIN "+CHACHA20-POLY1305:+AES-128-GCM";
}

static inline bool xf_cpu_has_aes(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_cpu_init();
    return __builtin_cpu_supports("aes") != 0;
#elif defined(__aarch64__)
    return (getauxval(AT_HWCAP) & HWCAP_AES) != 0;
#else
    return false;
#endif
}

#endif
