# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh disable=SC2154,SC2086,SC2046 # make sets variables; lists are split on purpose
# What documents say is what the source says: reasons, settings, verbs, states; and manual pages
# that a linter has no complaint about.
xenferry=$PWD/agent/cli/xenferry
build=$PWD
cd "$top_srcdir" || exit 1
n=0

# said CLAIM MISSING: the claim holds when nothing is missing
said() {
    n=$((n + 1))
    if [ -z "$2" ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1; not so:" $2
    fi
}

skipped() {
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}

# rows HEADER LIST: the rows of an X-macro, one a line: SYMBOL name rest
rows() {
    printf '#include "%s"\n%s(XF_ROW)\n' "$1" "$2" |
        $CC -E -P -I"$build" -Icommon -Iagent -DXF_SYSCONFDIR='""' -DXF_STATEDIR='""' \
            -DXF_RUNDIR='""' -DXF_LIBEXECDIR='""' -xc - |
        tr '\n' ' ' | sed 's/XF_ROW(/\n&/g' |
        sed -n 's/^XF_ROW(\([A-Za-z0-9_]*\), *"\([^"]*\)"\(.*\)$/\1 \2 \3/p'
}

# tagged PAGE WORD...: the words that no line of markup with a tag has (an .It, a .TP's bold word)
tagged() {
    page=$1
    shift
    tags=$(sed -n -e 's/\\-/-/g' -e '/^\.\(It\|IP\|B\|BR\|Sy\|Cm\|Ic\|Ss\)[[:space:]]/p' "$page" |
        tr -s '[:space:],|' '\n')
    for word in "$@"; do
        printf '%s\n' "$tags" | grep -q -x -F -e "$word" || echo "$word"
    done
}

# covered CLAIM PAGE WORD...
covered() {
    claim=$1
    page=$2
    shift 2
    if [ ! -f "$page" ]; then
        skipped "$claim" "$page does not exist"
    elif [ $# -eq 0 ]; then
        said "$claim" "nothing found to look for"
    else
        said "$claim" "$(tagged "$page" "$@")"
    fi
}

# "state: next next" for each row of the X-macro, the next ones in its order
states_in_source() {
    rows core.h XF_STATES | awk '
        { name[$1] = $2; order[NR] = $1; rest[$1] = $0 }
        END {
            for (i = 1; i <= NR; i++) {
                line = name[order[i]] ":"
                text = rest[order[i]]
                while (match(text, /B\([A-Z_]+\)/)) {
                    line = line " " name[substr(text, RSTART + 2, RLENGTH - 3)]
                    text = substr(text, RSTART + RLENGTH)
                }
                print line
            }
        }'
}

# The same from the table whose first column is titled "state" and another one "next".
states_in_docs() {
    awk -F'|' '
        function words(cell) {
            gsub(/[`,]/, " ", cell)
            gsub(/^ +| +$/, "", cell)
            gsub(/ +/, " ", cell)
            return cell
        }
        !/^\|/ { next_at = 0 }
        next_at && !/^\| *:?-/ { print words($2) ":" (words($next_at) == "" ? "" : " ") words($next_at) }
        /^\|/ && tolower(words($2)) == "state" {
            for (i = 3; i <= NF; i++) {
                if (tolower(words($i)) ~ /^next/) {
                    next_at = i
                }
            }
        }' docs/protocol.md
}

check_states() {
    claim="docs/protocol.md has the state table of core.h"
    if [ ! -f docs/protocol.md ]; then
        skipped "$claim" "it does not exist"
        return
    fi
    states_in_source >"$build/states.source"
    states_in_docs >"$build/states.docs"
    said "$claim" "$(diff "$build/states.source" "$build/states.docs" | sed -n 's/^[<>]/&/p')"
    rm -f "$build/states.source" "$build/states.docs"
}

verbs() {
    "$xenferry" help | sed -n 's/^  \([a-z][a-z-]*\)  *.*/\1/p'
}

echo "1..$((6 + $(find man -name '*.[578]' | wc -l)))"

covered "every reason is in xenferry(8)" man/xenferry.8 $(rows reason.h XF_REASONS | awk '{ print $2 }')
if [ -x "$xenferry" ]; then
    covered "every verb is in xenferry(8)" man/xenferry.8 $(verbs)
else
    skipped "every verb is in xenferry(8)" "the command is not built"
fi
covered "every setting is in xenferry.conf(5)" man/xenferry.conf.5 \
    $([ -f agent/settings.h ] && rows settings.h XF_SETTINGS | awk '{ print $2 }')
check_states

# "name severity" of each finding, in the order of the names.
findings_in_source() {
    rows finding.h XF_FINDINGS | sed 's/^[A-Z_]* \([a-z-]*\) *, *\([A-Z]*\),.*/\1 \2/' |
        tr '[:upper:]' '[:lower:]' | sort
}
findings_in_page() {
    sed -n 's/^\.It \([a-z-]*\) Pq \([a-z]*\)$/\1 \2/p' man/xenferry-findings.7 | sort
}
findings_in_source >"$build/findings.source"
findings_in_page >"$build/findings.page"
said "xenferry-findings(7) has every finding, with its severity" \
    "$([ -s "$build/findings.source" ] || echo 'nothing found to look for'
    diff "$build/findings.source" "$build/findings.page" | sed -n 's/^[<>]/&/p')"
rm -f "$build/findings.source" "$build/findings.page"

# Paths in backquotes that look like files of ours must exist.
# shellcheck disable=SC2016 # backquotes as Markdown has them
stale=$(grep -o -h -E '`(common|agent|tests|docs|man|examples|init)/[A-Za-z0-9_./-]+[a-z0-9]`' \
    README.md HACKING.md docs/*.md docs/decisions/*.md 2>/dev/null | tr -d '`' | sort -u |
    while read -r path; do
        [ -e "$path" ] || [ -e "$build/$path" ] || echo "$path"
    done)
said "every file that the documents name exists" "$stale"

for page in $(find man -name '*.[578]' | sort); do
    if ! command -v mandoc >/dev/null; then
        skipped "$page has nothing for the linter" "mandoc is not installed"
        continue
    fi
    complaints=$(mandoc -T lint -W warning "$page" 2>&1)
    [ -n "$complaints" ] && printf '%s\n' "$complaints" | sed 's/^/# /'
    said "$page has nothing for the linter" "$(printf '%s' "$complaints" | head -n 1)"
done
