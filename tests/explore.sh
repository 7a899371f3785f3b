#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The explorer within the bounds that a minute allows. `tests/run explore' goes further.
set -u
echo 1..5
number=0
total=0
walk() {
    number=$((number + 1))
    log=$(./tests/explore "$@" 2>&1)
    echo "$log" | grep -v '^1\.\.' | sed -e "s/^ok -/ok $number -/" -e "s/^not ok -/not ok $number -/"
    worlds=$(echo "$log" | sed -n 's/^# worlds \([0-9]*\).*/\1/p')
    total=$((total + ${worlds:-0}))
}
walk 2 4
walk 3 2
walk 4 1
walk 2 2 --from-idle --starts 1
walk 3 0 --from-idle --starts 2
echo "# worlds_walked $total"
