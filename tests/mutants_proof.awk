# SPDX-License-Identifier: GPL-2.0-or-later
# Writes a source whose every condition can be had wrong, one at a time, by the number in xf_mutant;
# and a list of what each number does: NUMBER tab LINE tab OLD => NEW.
#   awk -v list=FILE -f mutants_proof.awk SOURCE >MUTATED
# What is mutated: conditions of if, values returned or assigned that compare or combine, and calls
# and assignments that stand alone. It knows C as clang-format leaves it, and no more.

function note(old, new)
{
    k++
    gsub(/[ \t]+/, " ", old)
    gsub(/[ \t]+/, " ", new)
    sub(/^ /, "", old)
    new = new == "" ? "nothing" : new
    printf "%d\t%d\t%s => %s\n", k, start, unmask(old), unmask(new) > list
    return k
}

# Text in quotes is no code.
function mask(text,    out)
{
    n_quoted = 0
    out = ""
    while (match(text, /"([^"\\]|\\.)*"|'([^'\\]|\\.)*'/)) {
        quoted[++n_quoted] = substr(text, RSTART, RLENGTH)
        out = out substr(text, 1, RSTART - 1) "\001" n_quoted "\002"
        text = substr(text, RSTART + RLENGTH)
    }
    return out text
}

function unmask(text,    i, at, mark)
{
    for (i = 1; i <= n_quoted; i++) {
        mark = "\001" i "\002"
        while ((at = index(text, mark)) > 0) {
            text = substr(text, 1, at - 1) quoted[i] substr(text, at + length(mark))
        }
    }
    return text
}

function variant(old, new)
{
    return "xf_mutant == " note(old, new) " ? (" new ") : "
}

# Each place where an operator stands has another one instead.
function swapped(text,    pairs, n, i, from, to, at, rest, out)
{
    out = ""
    n = split("==,!=,!=,==,<=,<,>=,>,<,<=,>,>=,&&,||,||,&&", pairs, ",")
    for (i = 1; i < n; i += 2) {
        from = " " pairs[i] " "
        to = " " pairs[i + 1] " "
        at = 1
        while ((rest = index(substr(text, at), from)) > 0) {
            at += rest - 1
            out = out variant(text, substr(text, 1, at - 1) to substr(text, at + length(from)))
            at += length(from) - 1
        }
    }
    return out
}

# Of terms joined by && or || on the outside, one at a time is left out.
function dropped(text,    i, c, depth, n, cut, op, from, out)
{
    out = ""
    n = 0
    depth = 0
    op = ""
    for (i = 1; i <= length(text); i++) {
        c = substr(text, i, 1)
        depth += c == "(" || c == "[" || c == "{"
        depth -= c == ")" || c == "]" || c == "}"
        if (depth == 0 && c == "?") {
            return out
        }
        if (depth == 0 && (substr(text, i, 4) == " && " || substr(text, i, 4) == " || ")) {
            if (op != "" && op != substr(text, i, 4)) {
                return out
            }
            op = substr(text, i, 4)
            cut[++n] = i
        }
    }
    if (n == 0) {
        return out
    }
    cut[n + 1] = length(text) + 1
    from = 1
    for (i = 1; i <= n + 1; i++) {
        out = out variant(text, substr(text, 1, from - 1) (op == " && " ? "1" : "0") substr(text, cut[i]))
        from = cut[i] + 4
    }
    return out
}

function wrong(text)
{
    return swapped(text) dropped(text)
}

# A statement or the head of one, from its first line to its last.
function whole(line, last,    more)
{
    while (line !~ last && (getline more) > 0) {
        sub(/^[ \t]+/, " ", more)
        line = line more
    }
    gsub(/ *\/\*[^*]*\*\//, "", line)
    return line
}

# Does it declare more than one name?
function lists(text,    i, c, depth)
{
    depth = 0
    for (i = 1; i <= length(text); i++) {
        c = substr(text, i, 1)
        depth += c == "(" || c == "[" || c == "{"
        depth -= c == ")" || c == "]" || c == "}"
        if (depth == 0 && c == ",") {
            return 1
        }
    }
    return 0
}

function statement(line,    text, at, head, expr)
{
    text = mask(whole(line, "[;{]( */[*].*[*]/)?$"))
    if (text ~ /^ *return .*;$/) {
        head = text
        sub(/return .*/, "return ", head)
        expr = text
        sub(/^ *return /, "", expr)
        sub(/;$/, "", expr)
        if (expr == "true" || expr == "false") {
            return unmask(head variant(expr, expr == "true" ? "false" : "true") expr ";")
        }
        if (expr ~ /^\(struct/ || expr !~ / (==|!=|<|>|<=|>=|&&|\|\|) /) {
            return unmask(text)
        }
        return unmask(head wrong(expr) "(" expr ");")
    }
    if (match(text, / \|?= /) && text ~ /;$/ && text !~ /\{/ &&
        substr(text, 1, RSTART - 1) !~ /\(/) {
        at = RSTART + RLENGTH
        head = substr(text, 1, at - 1)
        expr = substr(text, at, length(text) - at)
        whole_text = text
        if (expr ~ / (==|!=|<|>|<=|>=|&&|\|\|) / && !lists(expr)) {
            text = head wrong(expr) "(" expr ");"
        }
        if (head !~ /^ *(const |static |struct |enum |bool |char |int |u?int[0-9]*_t |size_t |groups_t |unsigned )/) {
            return "if (xf_mutant != " note(whole_text, "") ") { " unmask(text) " }"
        }
        return unmask(text)
    }
    if (text ~ /^ +[a-z_0-9]+\(.*\);$/ || text ~ /^ +[a-z_0-9>.\[\]*()-]+(\+\+|--);$/) {
        sub(/^ */, "", text)
        return "if (xf_mutant != " note(text, "") ") { " unmask(text) " }"
    }
    return unmask(text)
}

BEGIN { print "extern int xf_mutant;" }
/^[^ \t#]/ { body = $0 == "{" ? 1 : $0 == "}" ? 0 : body }
!body {
    print
    next
}
/= \{$/ { table = 1 }
table {
    table = $0 !~ /^ *\};$/
    print
    next
}
{ start = NR }
/^ +(\} else )?if \(/ {
    text = mask(whole($0, "[{]( */[*].*[*]/)?$"))
    match(text, /if \(/)
    head = substr(text, 1, RSTART + 3)
    expr = substr(text, RSTART + 4)
    sub(/\) \{$/, "", expr)
    # Of a single comparison, the other operator is its negation already.
    print unmask(head (expr ~ /^[^&|<>]* [!=]= [^&|<>]*$/ ? "" : variant(expr, "!(" expr ")")) \
        wrong(expr) "(" expr ")) {")
    next
}
/^ +(for|while|switch|case|default|do|else|goto|break|continue)/ || /^ *(\}|\{|\/\*|\*|#|$)/ ||
    /^ +[a-zA-Z_]+:$/ {
    print
    next
}
{ print statement($0) }
