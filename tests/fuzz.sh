# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh disable=SC2154,SC2086,SC2046 # make sets variables; lists are split on purpose
# Every fuzz target takes its corpus, with libFuzzer's main or with tests/replay_main.c.
set -- $FUZZ_TARGETS
echo "1..$#"
n=0
for target in "$@"; do
    n=$((n + 1))
    name=${target#tests/fuzz_}
    corpus=$top_srcdir/tests/corpus/$name
    seeds=$(find "$corpus" -type f 2>/dev/null | wc -l)
    if [ "$seeds" -eq 0 ]; then
        echo "not ok $n - $name has no corpus"
    elif find "$corpus" -type f -exec "./$target" {} + >"$target.out" 2>&1; then
        echo "ok $n - $name takes its $seeds seeds"
    else
        sed 's/^/# /' "$target.out"
        echo "not ok $n - $name takes its $seeds seeds"
    fi
    rm -f "$target.out"
done
