#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2317 # the trap calls cleanup
# H12, the agent's half: h12.sh [INSTALLED_TREE]. In a lab of its own a domain moves while strace
# watches the target's agent. From the reading of the messages among which COMMIT is until RUNNING
# is handed to Corosync, it may only wait, receive, send, and look after what is open already:
# nothing is allocated, opened, resolved, forked or synced. Speaks TAP.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/h12.sh
. "$here/../lib/h12.sh"
lab=("$here/lab" --name h12)
moves=${H12_MOVES:-5}
trace=$(mktemp -d /tmp/xfh12agent.XXXXXX)
watched=

cleanup() {
    unwatch
    "${lab[@]}" down >/dev/null 2>&1
    rm -rf "$trace"
}
trap cleanup EXIT

# What may happen in the window: waiting, receiving, sending, timers, and the end of a child or of a
# connection that is noticed meanwhile.
allowed='epoll_wait|epoll_ctl|poll|ppoll|recvfrom|recvmsg|recvmmsg|sendto|sendmsg|sendmmsg|read|write|close|wait4|futex|clock_gettime|rt_sigreturn|rt_sigprocmask|restart_syscall'

"${lab[@]}" up -n 2 ${1:+--root "$1"} >/dev/null || exit 1
"${lab[@]}" create h12 --host n1 >/dev/null || exit 1

# The main thread alone: the agent has no other, and children are other processes.
watch() {
    pid=$("${lab[@]}" exec "$1" cat /run/xenferry/xenferryd.pid)
    watched=$1
    # shellcheck disable=SC2016 # the inner shell expands it: its process id on that host
    "${lab[@]}" exec "$1" sh -c 'echo $$ >"$2/pid"; exec strace -y -x -s 32 -p "$1" -o "$2/out"' \
        sh "$pid" "$trace" 2>"$trace/err" &
    wait_for grep -q -s attached "$trace/err"
}

unwatch() {
    [ -n "$watched" ] || return 0
    "${lab[@]}" exec "$watched" kill "$(cat "$trace/pid")" 2>/dev/null
    wait
    watched=
}

# "unpause" (2, behind the version) to the sandbox is the one request whose cookie has its highest
# bit set (agent/ops.c).
# The window opens with the last wait before it, and closes with the first packet after its answer.
window() {
    awk -v unpause='^sendmsg.*x0..x00.x00.x00.x02.x00.x00.x00.x...x...x...x...x...x...x...x80' '
        { line[NR] = $0 }
        /^epoll_wait/ && !found { start = NR }
        $0 ~ unpause { found = NR }
        found && !answered && NR > found && /^recvmsg.*x80/ { answered = NR }
        answered && /^sendto/ { for (i = start; i <= NR; i++) print line[i]; exit }
    ' "$trace/out"
}

from=n1
to=n2
for move in $(seq "$moves"); do
    watch "$to" || { check "strace attaches to the agent of $to" no yes; break; }
    "${lab[@]}" exec "$from" xenferry move h12 --to "$to" >/dev/null 2>&1
    code=$?
    unwatch
    check "move $move to $to ends well" "$code" 0
    window >"$trace/window"
    check "move $move: the window from COMMIT to RUNNING was seen" \
        "$(grep -c -E '^(sendmsg|sendto|recvmsg)' "$trace/window" | sed 's/^[1-9].*/some/')" some
    check "move $move: nothing else than waiting, receiving and sending in it" \
        "$(grep -v -E "^($allowed)\(|^(---|\+\+\+)|^<\.\.\. " "$trace/window")" ""
    swap=$from
    from=$to
    to=$swap
done
finish
