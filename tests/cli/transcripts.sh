#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Plays every tests/cli/cases/*.case: a command line, what the agent answers, and what must come of
# it, byte by byte. Sections of a case, each begun by a line "--- NAME":
#   command   for sh, in an empty directory; $XF_AGENT_PID names a file with the agent's process id
#   agent     script for fake_agent; without this section no agent runs
#   request   what the agent must have been asked
#   stdout stderr exit
# `XF_CLI_UPDATE=1 transcripts.sh` writes what comes into the cases instead: read the difference.
set -u

srcdir=${top_srcdir:-.}
case $srcdir in /*) ;; *) srcdir=$PWD/$srcdir ;; esac
builddir=$PWD
work=$(mktemp -d) || exit 99
agent_pid=
# EXIT alone does not run on a signal in every shell.
trap 'end_agent; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

PATH=$builddir/agent/cli:$PATH
TZ=UTC
LC_ALL=C.UTF-8
NO_COLOR=1
export PATH TZ LC_ALL NO_COLOR
unset COLUMNS

start_agent()
{
    mkfifo "$work/ready"
    "$builddir/tests/fake_agent" "$work/agent" "$work/request.got" \
        >"$work/ready" 2>"$work/agent.err" 3>&- &
    agent_pid=$!
    echo "$agent_pid" >"$work/pid"
    # Ends with the agent's word, or with the agent.
    read -r word <"$work/ready" || word=nothing
    [ "$word" = ready ]
}

end_agent()
{
    if [ -n "$agent_pid" ]; then
        kill "$agent_pid" 2>/dev/null
        wait "$agent_pid" 2>/dev/null
    fi
    agent_pid=
    rm -f "$work/ready"
}

split_case()
{
    rm -f "$work"/command "$work"/agent "$work"/request "$work"/stdout "$work"/stderr "$work"/exit
    awk -v dir="$work/" '
        /^--- / { out = dir $2; printf "" > out; next }
        out != "" { print > out }' "$1"
}

# Compares one section; says how it differs as TAP diagnostics.
compare()
{
    [ -e "$work/$1" ] || : >"$work/$1"
    if ! cmp -s "$work/$1" "$work/$1.got"; then
        echo "# $1 differs:"
        diff -u "$work/$1" "$work/$1.got" | sed '1,2d; s/^/#   /'
        return 1
    fi
}

update_case()
{
    {
        sed '/^--- request$/,$d; /^--- stdout$/,$d; /^--- stderr$/,$d; /^--- exit$/,$d' "$1"
        for part in request stdout stderr exit; do
            if [ -s "$work/$part.got" ]; then
                echo "--- $part"
                cat "$work/$part.got"
            fi
        done
    } >"$work/new"
    cp "$work/new" "$1"
}

play_case()
{
    split_case "$1"
    rm -rf "$work/here"
    mkdir "$work/here"
    : >"$work/request.got"
    XENFERRY_IPC_NAME=xfcli-$$-$number
    XF_AGENT_PID=$work/pid
    export XENFERRY_IPC_NAME XF_AGENT_PID
    if [ -e "$work/agent" ] && ! start_agent; then
        sed 's/^/# fake_agent: /' "$work/agent.err"
        end_agent
        return 1
    fi
    (cd "$work/here" && exec timeout 30 sh "$work/command") \
        >"$work/stdout.got" 2>"$work/stderr.got" </dev/null
    echo $? >"$work/exit.got"
    end_agent
    if [ -n "${XF_CLI_UPDATE:-}" ]; then
        update_case "$1"
        return 0
    fi
    good=0
    for part in request stdout stderr exit; do
        compare "$part" || good=1
    done
    return $good
}

set -- "$srcdir"/tests/cli/cases/*.case
echo "1..$#"
number=0
failed=0
for file; do
    number=$((number + 1))
    name=$(basename "$file" .case)
    if play_case "$file"; then
        echo "ok $number - $name"
    else
        echo "not ok $number - $name"
        failed=1
    fi
done
exit $failed
