#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Installs what building and testing need, on Debian 12, as root. Quiet, and quick when all is there.
set -euo pipefail

packages=(
    autoconf automake gcc clang make pkg-config libtool perl python3 git xz-utils
    libqb-dev libcpg-dev libquorum-dev libvotequorum-dev libcmap-dev libcorosync-common-dev
    libgnutls28-dev libjansson-dev libinih-dev libsystemd-dev libblkid-dev libxxhash-dev libcmocka-dev
    liblz4-dev libzstd-dev libmnl-dev libxen-dev
    corosync iproute2 nftables procps util-linux strace tcpdump
    shellcheck mandoc binutils libclang-rt-14-dev
)

exec "$(dirname "$0")/packages-install.sh" "${packages[@]}"
