#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Every condition of the proof before a move, had wrong one at a time (mutants_proof.awk): a unit test
# must object to each. One that changes nothing is in mutants_proof.list with the reason.
set -u
src=${top_srcdir:-.}

# Source, then the unit tests that must object, each of them tests/NAME.c. Arguments choose sources.
pairs="
common/blocks.c unit_blocks
common/device.c unit_device
common/device_nbd.c unit_device
common/disk.c unit_disk
common/diskmsg.c unit_diskmsg
common/finding.c unit_finding
common/host.c unit_host
common/identity.c unit_identity unit_identity_bases unit_identity_random
common/probe.c unit_probe
common/rota.c unit_rota
common/verdict.c unit_verdict unit_verdict_content
"

if [ $# -gt 0 ]; then
    pairs=$(for source in "$@"; do echo "$pairs" | grep "^$source "; done)
fi

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
trap 'exit 99' INT TERM
if ! libs=$(pkg-config --cflags --libs cmocka 2>/dev/null); then
    echo "1..0 # SKIP cmocka is not there"
    exit 0
fi
unset XF_MUTANT
export CMOCKA_TEST_ABORT=1 # at the first claim that fails
# shellcheck disable=SC3045 # where it is not known, cores are a nuisance and no more
ulimit -c 0 2>/dev/null

compile() {
    # shellcheck disable=SC2086 # lists of words
    ${CC:-cc} $CPPFLAGS -I"$src/common" -I"$src/tests" -std=gnu11 -w -O0 "$@"
}

# To go beyond a table, or to read what was never written, is an objection too.
traps="-fsanitize=bounds -fsanitize-undefined-trap-on-error"
traps="$traps -ftrivial-auto-var-init=pattern -fstack-protector-all"

cat >"$work/main.c" <<'END'
#include <stdlib.h>
#include <sys/time.h>
int xf_mutant;
__attribute__((constructor)) static void which(void)
{
    const char *number = getenv("XF_MUTANT");
    const struct itimerval limit = { .it_value = { 1, 500000 } };

    setitimer(ITIMER_PROF, &limit, NULL);
    xf_mutant = number != NULL ? atoi(number) : 0;
}
END
mkdir "$work/common"
for file in "$src"/common/*.c; do
    base=${file##*/}
    compile -c -o "$work/common/${base%.c}.o" "$file" || exit 99
done
compile -c -o "$work/main.o" "$work/main.c" || exit 99
ar rcs "$work/libcommon.a" "$work"/common/*.o || exit 99

# objects TESTS...: does one of them fail? A mutant may run for ever: so much processor is ten times what
# the slowest test takes, on a machine that is not.
objects() {
    for test in "$@"; do
        if ! "$work/$test" >"$work/log" 2>&1; then
            return 0
        fi
    done
    return 1
}

total=0
killed=0
number=0
echo "1..$(($(echo "$pairs" | grep -c .) + ($# == 0)))"
: >"$work/used"
while read -r source tests; do
    if [ -z "$source" ]; then continue; fi
    number=$((number + 1))
    : >"$work/list"
    awk -v list="$work/list" -f "$src/tests/mutants_proof.awk" "$src/$source" >"$work/mutated.c" ||
        exit 99
    bad=
    for test in $tests; do
        # shellcheck disable=SC2086
        compile $traps -o "$work/$test" "$work/mutated.c" "$src/tests/$test.c" "$work/main.o" \
            "$work/libcommon.a" $libs -lm || exit 99
    done
    n=0
    equivalent=0
    tab=$(printf '\t')
    while IFS=$tab read -r XF_MUTANT line what; do
        export XF_MUTANT
        n=$((n + 1))
        # shellcheck disable=SC2086
        if objects $tests; then
            killed=$((killed + 1))
        elif grep -q -x -F -e "$source: $what" "$src/tests/mutants_proof.list"; then
            printf '%s: %s\n' "$source" "$what" >>"$work/used"
            equivalent=$((equivalent + 1))
        else
            printf '# survives: %s:%s: %s\n' "$source" "$line" "$what"
            bad="$bad $line"
        fi
    done <"$work/list"
    unset XF_MUTANT
    # At the end: who objects to that too, objects to something else.
    # shellcheck disable=SC2086
    if objects $tests; then
        bad="$bad the-source-itself"
        sed 's/^/# /' "$work/log" | tail -n 5
    fi
    total=$((total + n))
    if [ "$n" -eq 0 ]; then bad=" nothing-to-mutate"; fi
    if [ -z "$bad" ]; then
        echo "ok $number - each of $n mutants of $source is found by $tests, but $equivalent that change nothing"
    else
        echo "not ok $number - each mutant of $source is found by $tests; not at:$bad"
    fi
done <<END
$pairs
END
if [ $# -gt 0 ]; then exit 0; fi
stale=$(grep -v -e '^#' -e '^$' -e '^ ' "$src/tests/mutants_proof.list" | grep -v -x -F -f "$work/used")
if [ -z "$stale" ]; then
    echo "ok $((number + 1)) - every mutant that is said to change nothing is one that survives"
else
    echo "$stale" | sed 's/^/# /'
    echo "not ok $((number + 1)) - every mutant that is said to change nothing is one that survives"
fi
echo "# mutants $total"
echo "# mutants_killed $killed"
