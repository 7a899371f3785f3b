#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Builds the guests' kernel from Debian's source package: no modules, no drivers but Xen's, so that
# a guest needs no more than 48 MiB and a host under emulation loads it in a second.
# usage: build-kernel.sh OUTPUT WORKDIR
set -euo pipefail
output=$(readlink -f "$1")
work=$2

yes=(
    64BIT SMP PRINTK TTY MULTIUSER SYSCTL PROC_FS PROC_SYSCTL SYSFS DEVTMPFS TMPFS SHMEM
    BLK_DEV_INITRD RD_GZIP BINFMT_ELF BINFMT_SCRIPT FILE_LOCKING DIRECT_IO AIO
    FUTEX EPOLL SIGNALFD TIMERFD EVENTFD POSIX_TIMERS ADVISE_SYSCALLS HIGH_RES_TIMERS NO_HZ_IDLE
    ACPI PCI X86_X2APIC X86_LOCAL_APIC BLOCK BLK_DEV NET INET UNIX PACKET NETDEVICES
    HYPERVISOR_GUEST PARAVIRT PARAVIRT_CLOCK XEN XEN_PV XEN_PVH PVH XEN_PVHVM XEN_BACKEND
    XEN_XENBUS_FRONTEND XENFS XEN_SYS_HYPERVISOR XEN_BALLOON XEN_BLKDEV_FRONTEND
    XEN_NETDEV_FRONTEND HVC_DRIVER HVC_XEN HVC_XEN_FRONTEND
    PM SWAP HIBERNATION HIBERNATE_CALLBACKS SUSPEND_FREEZER FREEZER XEN_SAVE_RESTORE
    PANIC_ON_OOPS CC_OPTIMIZE_FOR_SIZE
)
no=(MODULES DEBUG_KERNEL RANDOMIZE_BASE WERROR SPECULATION_MITIGATIONS RETPOLINE
    PAGE_TABLE_ISOLATION)

rm -rf "$work"
mkdir -p "$work/tree"
cd "$work"
apt-get -qq -o APT::Sandbox::User=root download linux-source-6.1
dpkg-deb --fsys-tarfile linux-source-6.1_*.deb | tar -xO ./usr/src/linux-source-6.1.tar.xz |
    tar -xJ --no-same-owner -C tree --strip-components=1 \
        --exclude='*/Documentation/*' --exclude='*/sound/*' --exclude='*/tools/testing/*'
cd tree
# Kconfig files that others source must be there, whatever they configure.
mkdir -p Documentation
printf 'config WARN_MISSING_DOCUMENTS\n\tbool\n' >Documentation/Kconfig
mkdir -p sound
printf 'config SOUND\n\tbool\n' >sound/Kconfig
echo >sound/Makefile
make -s allnoconfig
for option in "${yes[@]}"; do
    scripts/config -e "$option"
done
for option in "${no[@]}"; do
    scripts/config -d "$option"
done
scripts/config --set-val NR_CPUS 2
make -s olddefconfig
for option in XEN XEN_PV XEN_PVH PVH XEN_NETDEV_FRONTEND XEN_BLKDEV_FRONTEND XEN_SAVE_RESTORE \
    HVC_XEN; do
    grep -q -x "CONFIG_$option=y" .config || {
        echo "build-kernel.sh: $option cannot be set" >&2
        exit 1
    }
done
make -s -j2 vmlinux
strip -s -o "$output.new" vmlinux
mv "$output.new" "$output"
rm -rf "$work"
