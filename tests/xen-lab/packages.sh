#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Installs what the Xen lab needs beside ../packages.sh, on Debian 12, as root. Quick when all is
# there.
set -euo pipefail

packages=(
    qemu-system-x86 qemu-utils mmdebstrap e2fsprogs tgt openssh-client iputils-ping iproute2
    nftables python3 zstd lz4 xz-utils gcc libc6-dev libxen-dev
    make flex bison bc libelf-dev patch binutils dpkg-dev
)

missing=()
for package in "${packages[@]}"; do
    state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$state" = "install ok installed" ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "packages.sh: run as root to install: ${missing[*]}" >&2
    exit 1
fi

# The iSCSI target's package starts one; the lab starts its own, in its own network.
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi

log=$(mktemp)
if ! { apt-get -qq update && apt-get -qq -y install --no-install-recommends "${missing[@]}"; } \
    >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    exit 1
fi
rm -f "$log"
