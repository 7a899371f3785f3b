# SPDX-License-Identifier: GPL-2.0-or-later
# Replay: a black box's events lead the core to the box's states, and what disagrees is found. The
# boxes in tests/boxes/ are all node 1's of the nodes 1, 2, 3; tests/replay_trace --record makes
# one anew after a change of the protocol on purpose.
: "${top_srcdir:=.}"
box=tests/replay.box
trap 'rm -f "$box" "$box.out"' EXIT
n=0

# replay EXIT CLAIM FILE: says what was wrong as diagnostics
replay() {
    n=$((n + 1))
    tests/replay_trace --self 0 --nodes 1,2,3 "$3" >"$box.out" 2>&1
    ended=$?
    if [ "$ended" -eq "$1" ]; then
        echo "ok $n - $2"
    else
        sed 's/^/# /' "$box.out"
        echo "not ok $n - $2: exit $ended"
    fi
}

whole=$top_srcdir/tests/boxes/move.box
set -- "$top_srcdir"/tests/boxes/*.box
echo "1..$(($# + 6))"
for file; do
    replay 0 "$(basename "$file" .box) leads to its states" "$file"
done

sed 's/ core state s-end / core state s-susp /' "$whole" >"$box"
replay 1 "another state is found" "$box"
sed '/ core state s-end /d' "$whole" >"$box"
replay 1 "a change that the box does not know of is found" "$box"
sed '/type=offer/d' "$whole" >"$box"
replay 1 "an event that is missing is found" "$box"
sed 's/event msg type=hello from=2 .*/event op op=destroy ok=1/' "$whole" >"$box"
replay 1 "an event that cannot be is found" "$box"
sed '/event boot/d' "$whole" >"$box"
replay 0 "a box that lost its beginning is skipped" "$box"
sed 's/event move slot=1/event move sloth=1/' "$whole" >"$box"
replay 2 "what is no event is refused" "$box"
