#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Builds Debian's hypervisor again with shadow paging, which Debian leaves out and without which a
# PV guest's memory cannot be logged as it gets dirty.
# usage: build-xen.sh OUTPUT WORKDIR CONFIG (Debian's, as in /boot)
set -euo pipefail
output=$(readlink -f "$1")
work=$2
config=$(readlink -f "$3")

rm -rf "$work"
mkdir -p "$work/lists/partial" "$work/tree"
cd "$work"
# The sources that belong to the machine's own packages.
apt-get indextargets --format "deb-src \$(SITE) \$(RELEASE) \$(COMPONENT)" \
    'Created-By: Packages' | sort -u >sources.list
apt=(-qq -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$work/lists" -o APT::Sandbox::User=root)
apt-get "${apt[@]}" update
# The newest source may not be there yet where its binary is.
apt-cache "${apt[@]}" showsrc xen | awk '/^Version:/ { print $2 }' | sort -V -r -u >versions
while read -r version; do
    rm -f xen_*
    apt-get "${apt[@]}" source --download-only "xen=$version" </dev/null && break
done <versions
tar --no-same-owner -xf xen_4.17*.orig.tar.xz -C tree --strip-components=1
tar --no-same-owner -xf xen_4.17*.debian.tar.xz -C tree
cd tree
grep -v -e '^#' -e '^$' debian/patches/series | while read -r patch; do
    patch -s -p1 <"debian/patches/$patch"
done
sed -e '/CONFIG_SHADOW_PAGING/d' -e '/CONFIG_LIVEPATCH/d' "$config" >xen/.config
printf 'CONFIG_SHADOW_PAGING=y\n# CONFIG_LIVEPATCH is not set\n' >>xen/.config
build=(make -s -C xen -j2 XEN_TARGET_ARCH=x86_64 PYTHON=python3 debian_version=lab)
"${build[@]}" olddefconfig
grep -q -x CONFIG_SHADOW_PAGING=y xen/.config
"${build[@]}"
cp xen/xen "$output.new"
mv "$output.new" "$output"
rm -rf "$work"
