#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Every story comes out as its golden trace says. After a wanted change of behaviour:
#   UPDATE=1 top_srcdir=. sh tests/stories.sh    and look at the difference before it is committed.
set -u
src=${top_srcdir:-.}
out=$(mktemp) || exit 99
trap 'rm -f "$out"' EXIT INT TERM
set -- "$src"/tests/stories/*.story
echo "1..$#"
n=0
for story in "$@"; do
    n=$((n + 1))
    name=$(basename "$story" .story)
    golden=$src/tests/golden/$name.trace
    if ! ./tests/story "$story" >"$out" 2>"$out.err"; then
        echo "not ok $n - $name: $(cat "$out.err")"
        sed 's/^/# /' "$out" | tail -n 12
    elif [ "${UPDATE:-0}" = 1 ]; then
        cp "$out" "$golden"
        echo "ok $n - $name: golden trace written"
    elif diff -u "$golden" "$out" >"$out.err"; then
        echo "ok $n - $name"
    else
        echo "not ok $n - $name: differs from its golden trace"
        sed 's/^/# /' "$out.err" | head -n 20
    fi
done
rm -f "$out.err"
