#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The bash completion: offers what the command's own help says, no more and no less, and the names
# that the agent knows.
if [ -z "${BASH_VERSION:-}" ]; then
    command -v bash >/dev/null || { echo '1..0 # SKIP no bash' && exit 0; }
    exec bash "$0" "$@"
fi
set -u

srcdir=${top_srcdir:-.}
builddir=$PWD
work=$(mktemp -d) || exit 99
agent_pid=
trap 'end_agent; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

PATH=$builddir/agent/cli:$PATH
XENFERRY_IPC_NAME=xfcompl-$$
export PATH XENFERRY_IPC_NAME

# shellcheck source=completion/xenferry
source "$srcdir/completion/xenferry"

start_agent()
{
    cat >"$work/script" <<'EOF'
on domains
last ok
body {"domains":[{"name":"web"},{"name":"db"},{"name":"web-2"}]}
on nodes
last ok
body {"nodes":[{"name":"n1"},{"name":"n2"}],"self":"n1"}
EOF
    mkfifo "$work/ready"
    "$builddir/tests/fake_agent" "$work/script" "$work/requests" >"$work/ready" &
    agent_pid=$!
    read -r _ <"$work/ready"
}

end_agent()
{
    if [[ -n $agent_pid ]]; then
        kill "$agent_pid" 2>/dev/null
        wait "$agent_pid" 2>/dev/null
    fi
    agent_pid=
}

number=0
failed=0

check()
{
    number=$((number + 1))
    if [[ $2 == "$3" ]]; then
        echo "ok $number - $1"
    else
        echo "not ok $number - $1"
        echo "#   wanted: $2"
        echo "#   got:    $3"
        failed=1
    fi
}

# offered WORD...: what is offered for the last word, sorted, on one line
offered()
{
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    _xenferry 2>/dev/null
    printf '%s\n' "${COMPREPLY[@]}" | sort | tr '\n' ' ' | sed 's/ $//'
}

options_in_help()
{
    xenferry help "$1" | sed -n 's/^  \(--[a-z-]*\).*/\1/p' | sort | tr '\n' ' ' | sed 's/ $//'
}

verbs=$(xenferry help | sed -n 's/^  \([a-z-]*\) .*/\1/p' | sort | tr '\n' ' ' | sed 's/ $//')
check 'every verb' "--help --json --version $verbs" "$(offered xenferry '')"
for verb in $verbs; do
    check "options of $verb" "$(options_in_help "$verb")" "$(offered xenferry "$verb" --)"
done

start_agent
check 'domains' 'db web web-2' "$(offered xenferry move '')"
check 'domains that begin like the word' 'web web-2' "$(offered xenferry cancel w)"
check 'nodes after --to' 'n1 n2' "$(offered xenferry move web --to '')"
check 'nodes after --to=' 'n1 n2' "$(offered xenferry move web --to = '')"
check 'nodes after --to= begun' 'n2' "$(offered xenferry move web --to = n2)"
check 'an option before the domain' 'db web web-2' "$(offered xenferry --json move --to n2 '')"
check 'no second domain' '' "$(offered xenferry move web '')"
check 'nodes to confirm' 'n1 n2' "$(offered xenferry confirm-off n)"
check 'decisions' 'drop go stay' "$(offered xenferry resolve web '')"
check 'what config does' 'check show' "$(offered xenferry config '')"
check 'nothing for a number' '' "$(offered xenferry move web --max-time '')"
cd "$work" || exit 99
touch one.domain other
check 'files' 'one.domain' "$(offered xenferry create one)"
end_agent
check 'no agent, no names, no noise' '' "$(offered xenferry move '' 2>&1)"
echo "1..$number"
exit $failed
