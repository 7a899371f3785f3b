#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Makes the tree of an installed system into a host of the lab: its files (dom0/), its keys, and
# which services start. Who the host is, is said on its kernel line at each start.
# usage: dom0-setup.sh TREE KEYS
set -euo pipefail
tree=$1
keys=$2
here=$(dirname "$(readlink -f "$0")")

cp -a --no-preserve=ownership "$here/dom0/." "$tree/"
chmod 755 "$tree/usr/local/sbin/lab-host" "$tree"/lab/hotplug/*
: >"$tree/etc/machine-id"
echo lab >"$tree/etc/hostname"

install -d -m 700 "$tree/root/.ssh"
install -m 600 "$keys/user" "$tree/root/.ssh/id_ed25519"
install -m 600 "$keys/user.pub" "$tree/root/.ssh/authorized_keys"
rm -f "$tree"/etc/ssh/ssh_host_*
install -m 600 "$keys/host" "$tree/etc/ssh/ssh_host_ed25519_key"
install -m 644 "$keys/host.pub" "$tree/etc/ssh/ssh_host_ed25519_key.pub"
install -m 400 "$keys/authkey" "$tree/etc/corosync/authkey"
install -d "$tree/var/log/crmsh" # crm does not make it

ctl() {
    # A unit that is not there needs neither.
    chroot "$tree" systemctl -q "$@" 2>/dev/null || true
}
ctl enable lab-host.service lab-receive.service ssh.service
# The lab starts the cluster and what is above it; storage is what a test asks for.
for unit in corosync.service pacemaker.service pacemaker_remote.service open-iscsi.service \
    iscsid.service iscsid.socket lvm2-monitor.service blk-availability.service o2cb.service \
    ocfs2.service nfs-server.service nfs-kernel-server.service rpcbind.service rpcbind.socket \
    nfs-client.target nfs-blkmap.service xendomains.service sbd.service multipathd.service \
    multipathd.socket multipath-tools-boot.service nbd-client.service drbd.service; do
    ctl disable "$unit"
done
# Packages that only some tests use: on a host that does not, they ask no disk and load nothing, and
# disks are called what they were called without them.
install -d "$tree/etc/udev/rules.d" "$tree/etc/modules-load.d"
for rules in 55-scsi-sg3_id 58-scsi-sg3_symlink 60-multipath; do
    ln -sf /dev/null "$tree/etc/udev/rules.d/$rules.rules"
done
for modules in drbd multipath; do
    ln -sf /dev/null "$tree/etc/modules-load.d/$modules.conf"
done
# What a host that lives for minutes has no use for.
ctl mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service \
    fstrim.timer dpkg-db-backup.timer logrotate.timer man-db.timer systemd-timesyncd.service \
    systemd-journal-flush.service systemd-update-utmp.service \
    systemd-update-utmp-runlevel.service systemd-random-seed.service \
    systemd-binfmt.service systemd-hwdb-update.service ldconfig.service \
    systemd-journal-catalog-update.service systemd-update-done.service \
    systemd-machine-id-commit.service systemd-pstore.service systemd-sysusers.service \
    systemd-logind.service systemd-rfkill.socket getty@tty1.service \
    lvm2-lvmpolld.socket dev-hugepages.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
    modprobe@drm.service modprobe@fuse.service modprobe@efi_pstore.service \
    keyboard-setup.service console-setup.service xendomains.service
