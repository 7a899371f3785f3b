# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh disable=SC2154,SC2086,SC2046 # make sets variables; lists are split on purpose
# What the linker made of the hardening flags, read from the built programs.
if [ "$XF_HARDENED" != yes ]; then
    echo "1..0 # SKIP built without hardening"
    exit 0
fi
set -- $XF_PROGRAMS
if [ $# -eq 0 ]; then
    echo "1..1"
    echo "not ok 1 - there are no programs to look at"
    exit 0
fi
echo "1..$(($# * 5))"
n=0

# claim PROGRAM TEXT: says how the command before it ended
claim() {
    ended=$?
    n=$((n + 1))
    if [ "$ended" -eq 0 ]; then
        echo "ok $n - $1 $2"
    else
        echo "not ok $n - $1 $2"
    fi
}

for program in "$@"; do
    "$READELF" -hW "$program" | grep -q 'Type: *DYN'
    claim "$program" "is position-independent"
    "$READELF" -lW "$program" | grep -q 'GNU_RELRO'
    claim "$program" "has relocations read-only after start"
    "$READELF" -dW "$program" | grep -E -q 'BIND_NOW|FLAGS_1.*NOW'
    claim "$program" "binds at start"
    "$READELF" -lW "$program" | awk '$1 == "GNU_STACK" { found = 1; exec = /E/ && $7 ~ /E/ }
        END { exit !(found && !exec) }'
    claim "$program" "has no executable stack"
    "$READELF" --dyn-syms -W "$program" | grep -q '__stack_chk_fail'
    claim "$program" "guards its stack"
done
