# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh disable=SC2154,SC2086,SC2046 # make sets variables; lists are split on purpose
# Every header compiles alone, and twice; common/ without agent/ in sight.
set -- "$top_srcdir"/common/*.h "$top_srcdir"/agent/*.h "$top_srcdir"/agent/*/*.h
flags=$(pkg-config --cflags libqb gnutls jansson 2>/dev/null)
echo "1..$#"
n=0
for header in "$@"; do
    n=$((n + 1))
    name=${header#"$top_srcdir/"}
    case $name in
    common/*) includes="-I. -I$top_srcdir/common" ;;
    *) includes=$CPPFLAGS ;;
    esac
    if printf '#include "config.h"\n#include "%s"\n#include "%s"\n' "$header" "$header" |
        $CC $includes $flags -D_GNU_SOURCE -Wall -Werror -Wno-unused-function -fsyntax-only -xc -; then
        echo "ok $n - $name"
    else
        echo "not ok $n - $name"
    fi
done
