#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2317 # the trap calls cleanup
# H12, the hypervisor's half: h12.sh BUILD_DIR. Looks with strace at what the process of a restored,
# paused copy does from receiving "unpause" to answering it: nothing is allocated, opened, resolved,
# forked or synced. Speaks TAP.
set -u
build=${1:?the build directory}
sandbox=$build/agent/sandbox/xenferry-sandbox
run=$(mktemp -d /tmp/xfh12.XXXXXX)
uuid=5a5a5a5a-0000-4000-8000-00000000a012
strace_pid=
n=0
failed=0

ask() { "$sandbox" --dir="$run" --uuid="$uuid" --ask="$1"; }
value() { ask stat | sed -n "s/^$1=//p"; }
cleanup() {
    [ -n "$strace_pid" ] && kill "$strace_pid" 2>/dev/null
    ask destroy >/dev/null 2>&1
    rm -rf "$run"
}
trap cleanup EXIT

check() {
    n=$((n + 1))
    if [ "$2" = "$3" ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        echo "# $2 is not $3"
        failed=1
    fi
}

if ! command -v strace >/dev/null; then
    echo "1..0 # SKIP strace is not installed"
    exit 0
fi
touch "$run/disk"
cat >"$run/domain" <<END
name = h12
memory = 32
fill = random
disk = path=$run/disk
workload = pattern=uniform,rate=20
END
"$sandbox" --dir="$run" --uuid="$uuid" --name=h12 <"$run/domain" || exit 1
ask save >"$run/image" && ask destroy || exit 1
"$sandbox" --dir="$run" --uuid="$uuid" --name=h12 --restore=4 4<"$run/image" <"$run/domain" || exit 1
copy=$(value copy)
# The thread that serves the socket is the process's first.
strace -p "$(value pid)" -o "$run/main" 2>"$run/strace" &
strace_pid=$!
for _ in $(seq 200); do
    grep -q -s attached "$run/strace" && break
    sleep 0.02
done
ask unpause || exit 1
for _ in $(seq 200); do
    grep -q -s '^sendmsg(' "$run/main" && break
    sleep 0.02
done
kill "$strace_pid"
wait "$strace_pid" 2>/dev/null
strace_pid=

# From the arrival of a whole packet to the departure of the answer.
awk '/^recvmsg\(.*= [1-9][0-9]*$/ { inside = 1 } inside { print } inside && /^sendmsg\(/ { exit }' \
    "$run/main" | sed 's/(.*//' >"$run/window"
echo 1..5
check "the copy was paused" "$copy" paused
check "the window from request to answer was seen" \
    "$(head -n 1 "$run/window") $(tail -n 1 "$run/window")" "recvmsg sendmsg"
check "it holds nothing but packets, wake-ups and clocks" \
    "$(grep -v -x -E 'recvmsg|sendmsg|futex|clock_gettime' "$run/window" | sort -u | xargs)" ""
check "the domain runs" "$(value copy)" running
before=$(value pages_written)
for _ in $(seq 200); do
    [ "$(value pages_written)" -gt "$before" ] && break
    sleep 0.02
done
check "and its guest goes on" "$([ "$(value pages_written)" -gt "$before" ] && echo yes)" yes
exit "$failed"
