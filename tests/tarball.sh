# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh disable=SC2154,SC2086,SC2046 # make sets variables; lists are split on purpose
# Every file in git is in the tarball, and nothing else but what autogen.sh makes.
if ! git -C "$top_srcdir" rev-parse --git-dir >/dev/null 2>&1; then
    echo "1..0 # SKIP not in a git checkout"
    exit 0
fi
echo 1..2
work=tests/tarball.d
chmod -R u+w "$work" 2>/dev/null
rm -rf "$work"
mkdir -p "$work"
# Files that git would take are meant to be added: a new one is found before its commit.
git -C "$top_srcdir" ls-files --cached --others --exclude-standard | sort -u |
    while read -r file; do
        [ -e "$top_srcdir/$file" ] && echo "$file"
    done >"$work/git"
if ! $MAKE -s distdir distdir="$work/dist" >"$work/log" 2>&1; then
    sed 's/^/# /' "$work/log"
    echo "Bail out! make distdir failed"
    exit 1
fi
(cd "$work/dist" && find . ! -type d | sed 's|^\./||' | sort -u) >"$work/tar"

missing=$(comm -23 "$work/git" "$work/tar")
if [ -s "$work/git" ] && [ -z "$missing" ]; then
    echo "ok 1 - every file in git is in the tarball"
else
    echo "not ok 1 - every file in git is in the tarball; missing:" $missing
fi
extra=$(comm -13 "$work/git" "$work/tar" |
    grep -v -x -E 'build-aux/.*|aclocal\.m4|configure|config\.h\.in|Makefile\.in')
if [ -z "$extra" ]; then
    echo "ok 2 - the tarball has nothing else"
else
    echo "not ok 2 - the tarball has nothing else; but there is:" $extra
fi
chmod -R u+w "$work"
rm -rf "$work"
