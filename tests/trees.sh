# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh disable=SC2154,SC2046 # make sets variables; arguments are split on purpose
# What xenferry-look says of hosts that were recorded (tests/record-tree) or made up: one folder each,
# with what is asked in its file "path" and every line of the answer in "expect". After a change on
# purpose: XF_TREES_UPDATE=1, and read the difference.
: "${top_srcdir:=.}"
look=agent/look/xenferry-look
out=tests/trees.out
trap 'rm -f "$out"' EXIT
n=0
set -- "$top_srcdir"/tests/trees/*/
echo "1..$#"
for tree; do
    n=$((n + 1))
    name=$(basename "$tree")
    "$look" --root "$tree" $(cat "$tree/path") >"$out" 2>&1
    if [ -n "$XF_TREES_UPDATE" ]; then
        cp "$out" "$tree/expect"
    fi
    if difference=$(diff "$tree/expect" "$out" 2>&1); then
        echo "ok $n - $name"
    else
        printf '%s\n' "$difference" | sed 's/^/# /'
        echo "not ok $n - $name"
    fi
done
