# SPDX-License-Identifier: GPL-2.0-or-later
"""Moves of the Xen lab's domains as suites drive them, and what may be asked of each."""
import contextlib
import statistics

import agents
import eyes
import moves
import xen_guests
from xflab import LabError, wait_for

OTHER = {"n1": "n2", "n2": "n1"}
MOVE_LIMIT_S = 240.0
RIGHT_SHARE = 0.9  # of moves whose pause was predicted within a factor of 2


def home(lab, name):
    """The host with the domain, which must be alone in having it."""
    found = xen_guests.holders(lab, name)
    if len(found) != 1:
        raise LabError(f"{name} is on {found}")
    return next(iter(found))


# Each line prints what it counted, if that is not 0; the kernel's own view of backends shows disks
# that are still held when xenstore has forgotten them.
COUNT = """
count() { n=$(cat); [ "$n" = 0 ] || echo "$n $1"; }
ls /run/xenferry/suspend-@UUID@ /run/xenferry/incoming-@UUID@ 2>/dev/null | wc -l | count mark
pgrep -fc '^xenferry-mover' | count mover
pgrep -fc '^[^ ]*(xenferry|libxl)-save-helper' | count helper
"""
LEFTOVERS = COUNT + """
xl list -l 2>/dev/null | grep -c '@UUID@' | count domain
pgrep -fc '^xenferry-keeper .*@UUID@' | count keeper
ls /sys/class/net | grep -c '^vif' | count vif
ls /sys/bus/xen-backend/devices | grep -c -E '^(vbd|vif)-' | count backend
xenstore-ls /local/domain/0/backend 2>/dev/null | grep -c online | count 'backend in xenstore'
ls /var/lib/xen | grep -c 'userdata.*@UUID@' | count 'record of libxl'
"""


# Beside the domain itself: devices of domains that are no more, what else bears its uuid.
BESIDE = COUNT + """
xl list -l 2>/dev/null | grep '"uuid": *"@UUID@"' | tail -n +2 | wc -l | count 'more of the domain'
pgrep -fc '^xenferry-keeper .*@UUID@' | sed 's/^1$/0/' | count keepers
# Who waits for its end: ours, or xl's own where no other has taken its place.
pgrep -f '^xenferry-keeper .*@UUID@|^xl (create|restore|migrate-receive)' >/dev/null ||
    echo 'nobody who waits for its end'
ids=$(xl list | awk 'NR > 1 { print $2 }')
for device in /sys/bus/xen-backend/devices/*-*-*; do
    [ -e "$device" ] || continue
    id=${device##*/}; id=${id#*-}; id=${id%-*}
    echo "$ids" | grep -qx "$id" || echo "backend ${device##*/} of no domain"
done
ls /var/lib/xen | grep 'userdata.*@UUID@' | sed 's/.*userdata-.\.\([0-9]*\)\..*/\1/' | sort -u |
    tail -n +2 | wc -l | count 'record of libxl of an earlier number'
"""


def leftovers(lab, name):
    """What hosts still have of a domain that they do not run, or of any; and what the one that runs
    it has beside it: nothing, if all is well."""
    found = []
    for host in lab.hosts:
        if lab.powered(host):
            script = BESIDE if name in xen_guests.listed(lab, host) else LEFTOVERS
            answer = lab.exec(host, script.replace("@UUID@", lab.domains[name]["uuid"]),
                              check=False)
            found += [f"{host}: {line}" for line in answer.out.splitlines()]
    return found


def check_clean(suite, lab, name, what, limit_s=30):
    """That nothing is left on hosts that do not run the domain, or soon is not; else what."""
    found = []

    def clean():
        found[:] = leftovers(lab, name)
        return not found

    with contextlib.suppress(LabError):
        wait_for("clean hosts", clean, limit_s, 1)
    suite.check(what, not found, found)


def run_move(lab, name, *options, to=None, limit_s=MOVE_LIMIT_S, amid=None):
    """A move watched from outside: (Watched, Move, exit code, source, destination). While it is
    under way amid(Move, source, destination) is called, if there is such a thing."""
    source = home(lab, name)
    to = to or OTHER[source]
    one = code = None

    def act():
        nonlocal one, code
        one = moves.Move(lab, source, name, to, *options)
        if amid:
            amid(one, source, to)
        code = one.wait(limit_s)

    seen = eyes.watched(lab, name, act)
    return seen, one, code, source, to


def moved(suite, lab, name, what, *options, amid=None):
    """A move that must go well, and all that may be asked of it."""
    seen, one, code, source, to = run_move(lab, name, *options, amid=amid)
    report = one.report()
    suite.check(f"{what}: exit 0, reported as moved", code == 0 and report.get("result") == "moved",
                (code, one.err, one.events[-1:]))
    suite.check(f"{what}: no echo, page or record is lost, the connection lives",
                not seen.findings(), seen.findings())
    suite.guard(f"{what}: xl shows one copy, on {to}, under its own name", wait_for, "the name",
                lambda: [h for h in lab.hosts if name in xen_guests.listed(lab, h)] == [to]
                and xen_guests.holders(lab, name).keys() == {to}, 30, 0.5)
    check_clean(suite, lab, name, f"{what}: nothing is left on {source}")
    suite.say(f"        {what}: {source} to {to}, {seen}, pause by report "
              f"{report.get('pause', {}).get('total_ms')} ms, {len(report.get('rounds', []))} "
              f"rounds, notes {report.get('notes')}")
    return seen, report


def kept(suite, lab, name, what, exit_code, reason, *options):
    """A move that must not happen, and whose domain must not notice."""
    seen, one, code, source, _to = run_move(lab, name, *options)
    suite.check(f"{what}: exit {exit_code}, reason {reason}",
                (code, one.reason()) == (exit_code, reason), (code, one.reason(), one.err))
    suite.check(f"{what}: no echo, page or record is lost", not seen.findings(), seen.findings())
    suite.guard(f"{what}: it stays on {source}, alone", wait_for, "the end of other copies",
                lambda: set(xen_guests.holders(lab, name)) == {source}, 60, 1)
    check_clean(suite, lab, name, f"{what}: nothing is left elsewhere", 60)
    return seen, one.report()


def logdirty(lab, host, domid):
    """Whether Xen logs the writes of a domain: what it says of itself."""
    lab.exec(host, "xl dmesg -c >/dev/null; xl debug-keys q")
    dump = lab.exec(host, "xl", "dmesg").out
    _before, header, own = dump.partition(f"General information for domain {domid}:")
    if not header:
        raise LabError(f"Xen says nothing of domain {domid}")
    return "log_dirty" in own.split("General information for domain")[0]


def logs_no_more(suite, lab, what, host, domid):
    suite.guard(f"{what}: Xen logs the guest's writes no more", wait_for, "the end of logging",
                lambda: not logdirty(lab, host, domid), 30, 1)


def predicted(report):
    """The pause that the stop rule told before it began, over what it took."""
    return report["predicted_pause_ms"] / report["pause"]["total_ms"]


def check_predicted(suite, prefix, what, ratios):
    """A host that has something else to do in one pause is no fault of the rule."""
    right = sum(0.5 <= ratio <= 2 for ratio in ratios) / len(ratios)
    for name, value in (("least", min(ratios)), ("median", statistics.median(ratios)),
                        ("most", max(ratios)), ("right_share", right)):
        suite.figure(f"{prefix}predicted_over_measured_{name}", round(value, 3))
    suite.check(what, right >= RIGHT_SHARE, sorted(ratios))


def migrations(lab, host):
    answer = agents.xenferry(lab, host, "status", "--json", check=False, timeout=30)
    return answer.json()["migrations"] if answer.code == 0 else None


def known(lab, host):
    """[(name, node, state)] of the domains by a host's agent; [] without an answer."""
    answer = agents.xenferry(lab, host, "domains", "--json", check=False, timeout=30)
    return [(d["name"], d["node"], d["state"]) for d in answer.json()["domains"]] \
        if answer.code == 0 else []


def wait_known(lab, name, on, limit_s=30.0):
    """All agents say that the domain runs there."""
    for host in lab.hosts:
        wait_for(f"{host} knows that {name} runs on {on}",
                 lambda h=host: (name, on, "running") in known(lab, h), limit_s, 0.5)


def wait_settled(lab, name, limit_s=150.0):
    """All agents see each other, nothing is under way, one host has the domain."""
    wait_for(f"the cluster is of one mind about {name}", lambda: all(
        set(lab.hosts) <= set(agents.online(lab, host)) and migrations(lab, host) == []
        for host in lab.hosts) and len(xen_guests.holders(lab, name)) == 1, limit_s, 0.5)
