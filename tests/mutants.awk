# SPDX-License-Identifier: GPL-2.0-or-later
# Writes OUT/FILE for each core source, with every mutation of mutants.list behind a test of its
# number; fails when a piece to be mutated does not stand on exactly one line of its file.
#   awk -v top=SRCDIR -v out=DIR -f mutants.awk mutants.list
/^mutant / { k++; next }
/^in / { file = $2; files[file] = 1; next }
/^- / { old = substr($0, 3); next }
/^\+ / {
    n++
    where[n] = file
    from[n] = old
    to[n] = substr($0, 3)
    gsub(/@/, "(xf_mutant == " k ")", to[n])
    next
}
END {
    failed = 0
    for (file in files) {
        base = file
        sub(/.*\//, "", base)
        target = out "/" base
        print "extern int xf_mutant;" > target
        print "#line 1 \"" file "\"" > target
        while ((getline line < (top "/" file)) > 0) {
            for (i = 1; i <= n; i++) {
                at = where[i] == file ? index(line, from[i]) : 0
                if (at > 0) {
                    line = substr(line, 1, at - 1) to[i] substr(line, at + length(from[i]))
                    hits[i]++
                }
            }
            print line > target
        }
        close(target)
    }
    for (i = 1; i <= n; i++) {
        if (hits[i] != 1) {
            printf "mutants.awk: found %d times in %s: %s\n", hits[i], where[i], from[i] > "/dev/stderr"
            failed = 1
        }
    }
    exit failed
}
