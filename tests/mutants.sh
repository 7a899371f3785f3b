#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Each mutation of mutants.list takes a rule out of the core; the explorer must object to it.
set -u
src=${top_srcdir:-.}
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT INT TERM

awk -v top="$src" -v out="$work" -f "$src/tests/mutants.awk" "$src/tests/mutants.list" || {
    echo "Bail out! mutants.list does not fit the core"
    exit 99
}
sources=
for file in "$src"/common/core*.c; do
    base=${file##*/}
    if [ -f "$work/$base" ]; then file=$work/$base; fi
    sources="$sources $file"
done
# shellcheck disable=SC2086 # lists of words
${CC:-cc} $CPPFLAGS -I"$src/common" -I"$src/tests" -std=gnu11 -O2 -DXF_MUTANTS -o "$work/explore" \
    $sources "$src"/common/invariant.c "$src"/tests/world*.c \
    "$src"/tests/explore.c || exit 99

total=$(grep -c '^mutant ' "$src/tests/mutants.list")
echo "1..$total"
number=0
killed=0
while read -r word rest; do
    case $word in
    mutant)
        number=$((number + 1))
        claim=$rest
        ;;
    bounds)
        # shellcheck disable=SC2086
        "$work/explore" $rest --mutant "$number" >"$work/log" 2>&1
        if [ $? -eq 1 ]; then
            killed=$((killed + 1))
            echo "ok $number - $claim: $(sed -n 's/^not ok - //p' "$work/log" | head -n 1)"
        else
            echo "not ok $number - $claim: survives $rest"
            sed 's/^/# /' "$work/log" | tail -n 5
        fi
        ;;
    esac
done <"$src/tests/mutants.list"
echo "# mutants $total"
echo "# mutants_killed $killed"
