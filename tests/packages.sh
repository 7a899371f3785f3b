#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Installs what building and testing need, on Debian 12, as root. Quiet, and quick when all is there.
set -euo pipefail

packages=(
    autoconf automake gcc clang make pkg-config libtool perl python3 git xz-utils
    libqb-dev libcpg-dev libquorum-dev libvotequorum-dev libcmap-dev libcorosync-common-dev
    libgnutls28-dev libjansson-dev libinih-dev libsystemd-dev libxxhash-dev libcmocka-dev
    liblz4-dev libzstd-dev libmnl-dev libxen-dev
    corosync iproute2 nftables procps util-linux strace tcpdump
    shellcheck mandoc binutils libclang-rt-14-dev
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

# Corosync's package starts it; a build machine wants no daemon of its own.
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
