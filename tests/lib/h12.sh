# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What both halves of H12's test share (tests/sandbox/h12.sh, tests/cluster-lab/h12.sh), which read
# this: TAP, and waiting with a bound. Without strace it ends the script that reads it.
n=0
failed=0

# check CLAIM SEEN WANTED
check() {
    n=$((n + 1))
    if [ "$2" = "$3" ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        printf '%s\n' "$2" | sed 's/^/# /'
        echo "# is not: $3"
        failed=1
    fi
}

# The plan, and the script's end.
finish() {
    echo "1..$n"
    exit "$failed"
}

# wait_for COMMAND...: until it succeeds, or 4 s have passed.
wait_for() {
    for _ in $(seq 200); do
        "$@" && return 0
        sleep 0.02
    done
    return 1
}

if ! command -v strace >/dev/null; then
    echo "1..0 # SKIP strace is not installed"
    exit 0
fi
