# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh disable=SC2154 # make sets variables
# Every shell script of the tree passes shellcheck.
if ! command -v shellcheck >/dev/null; then
    echo "1..0 # SKIP shellcheck is not installed"
    exit 0
fi
cd "$top_srcdir" || exit 1
list=$(find . \( -name .git -o -name build-aux -o -name autom4te.cache -o -name 'xenferry-[0-9]*' \) -prune -o \
    -type f ! -name 'configure*' -print | sort | while read -r file; do
    case ${file##*/} in
    *.sh) echo "$file" ;;
    *.*) ;;
    xenferry) case $file in ./completion/*) echo "$file" ;; esac ;;
    *) head -n 1 "$file" | grep -q -a -E '^#!.*[/ ](sh|bash|dash)( |$)' && echo "$file" ;;
    esac
done)
# shellcheck disable=SC2086 # none of our names has a space
set -- $list
echo "1..$#"
n=0
for script in "$@"; do
    n=$((n + 1))
    # What make runs through the shell has no first line that names one.
    dialect="sh"
    case $script in
    ./completion/*) dialect="bash" ;;
    *) head -n 1 "$script" | grep -q -E '^#!.*bash' && dialect="bash" ;;
    esac
    # SC1091: a file that is sourced is looked at by itself.
    if complaints=$(shellcheck -f gcc -s "$dialect" -e SC1091 "$script"); then
        echo "ok $n - $script"
    else
        printf '%s\n' "$complaints" | sed 's/^/# /'
        echo "not ok $n - $script"
    fi
done
