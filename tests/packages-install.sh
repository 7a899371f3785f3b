#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# packages-install.sh PACKAGE...: installs what of it is missing, on Debian, as root. Quiet, and
# quick when all is there.
set -euo pipefail

missing=()
for package in "$@"; do
    state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$state" = "install ok installed" ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "packages-install.sh: run as root to install: ${missing[*]}" >&2
    exit 1
fi

# Some packages start a daemon, of which a machine that builds and tests wants none of its own.
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
