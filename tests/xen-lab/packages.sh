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

exec "$(dirname "$0")/../packages-install.sh" "${packages[@]}"
