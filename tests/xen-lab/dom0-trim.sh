#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Last step of mmdebstrap (image.py): takes out of the host's tree what no lab host uses, and makes
# an initial ram disk that finds the root disk and nothing else.
# usage: dom0-trim.sh TREE
set -euo pipefail
tree=$1

chroot "$tree" apt-get clean
rm -rf "$tree"/var/lib/apt/lists/* "$tree"/var/cache/apt/*.bin "$tree"/usr/share/doc/* \
    "$tree"/usr/share/man/* "$tree"/etc/apt/sources.list "$tree"/etc/apt/sources.list.d/*

version=$(find "$tree/lib/modules" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort -V | tail -n 1)
(
    cd "$tree/lib/modules/$version/kernel"
    rm -rf sound drivers/gpu drivers/media drivers/infiniband drivers/usb drivers/staging \
        drivers/bluetooth drivers/isdn drivers/iio drivers/hwmon drivers/net/wireless \
        net/bluetooth net/wireless net/mac80211 \
        drivers/net/ethernet/{mellanox,chelsio,broadcom,qlogic,intel}
)
chroot "$tree" depmod "$version"
rm -rf "$tree"/usr/share/initramfs-tools/{hooks,scripts/local-top}/nbd*
printf 'virtio_pci\nvirtio_blk\next4\ncrc32c_generic\n' >"$tree/etc/initramfs-tools/modules"
chroot "$tree" update-initramfs -u -k "$version"
