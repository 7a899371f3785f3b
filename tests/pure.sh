# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh disable=SC2154,SC2086,SC2046 # make sets variables; lists are split on purpose
# The linker knows what common/ reaches for; nothing but tests/pure.allow may creep in.
# Sanitizers and coverage put names of their own there.
echo 1..2
names() { "$NM" "$@" common/libxfcommon.a | awk '{ print $NF }' | sort -u; }
defined=$(names --defined-only | grep -c '^xf_')
foreign=$(names --undefined-only | grep -v -E -e ':$' \
    -e '^(xf_|__(asan|ubsan|tsan|msan|sanitizer|gcov|llvm)_|__start___sancov|__stop___sancov)' \
    -e '^_GLOBAL_OFFSET_TABLE_$' | grep -v -x -F -f "$top_srcdir/tests/pure.allow")
if [ "$defined" -gt 20 ]; then
    echo "ok 1 - $defined public functions looked at"
else
    echo "not ok 1 - common/libxfcommon.a holds next to nothing"
fi
if [ -z "$foreign" ]; then
    echo "ok 2 - common/ is pure"
else
    echo "not ok 2 - common/ reaches for:" $foreign
fi
