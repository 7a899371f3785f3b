#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2317 # the trap calls cleanup
# H12, the hypervisor's half: h12.sh BUILD_DIR. Looks with strace at what the process of a restored,
# paused copy does from receiving "unpause" to answering it: nothing is allocated, opened, resolved,
# forked or synced. Speaks TAP.
set -u
build=${1:?the build directory}
sandbox=$build/agent/sandbox/xenferry-sandbox
# shellcheck source=tests/lib/h12.sh
. "$(dirname "$0")/../lib/h12.sh"
run=$(mktemp -d /tmp/xfh12.XXXXXX)
uuid=5a5a5a5a-0000-4000-8000-00000000a012
strace_pid=

ask() { "$sandbox" --dir="$run" --uuid="$uuid" --ask="$1"; }
value() { ask stat | sed -n "s/^$1=//p"; }
cleanup() {
    [ -n "$strace_pid" ] && kill "$strace_pid" 2>/dev/null
    ask destroy >/dev/null 2>&1
    rm -rf "$run"
}
trap cleanup EXIT

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
wait_for grep -q -s attached "$run/strace"
ask unpause || exit 1
wait_for grep -q -s '^sendmsg(' "$run/main"
kill "$strace_pid"
wait "$strace_pid" 2>/dev/null
strace_pid=

# From the arrival of a whole packet to the departure of the answer.
awk '/^recvmsg\(.*= [1-9][0-9]*$/ { inside = 1 } inside { print } inside && /^sendmsg\(/ { exit }' \
    "$run/main" | sed 's/(.*//' >"$run/window"
check "the copy was paused" "$copy" paused
check "the window from request to answer was seen" \
    "$(head -n 1 "$run/window") $(tail -n 1 "$run/window")" "recvmsg sendmsg"
check "it holds nothing but packets, wake-ups and clocks" \
    "$(grep -v -x -E 'recvmsg|sendmsg|futex|clock_gettime' "$run/window" | sort -u | xargs)" ""
check "the domain runs" "$(value copy)" running
before=$(value pages_written)
has_written() { [ "$(value pages_written)" -gt "$before" ]; }
check "and its guest goes on" "$(wait_for has_written && echo yes)" yes
finish
