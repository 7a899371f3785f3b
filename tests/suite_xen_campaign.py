# SPDX-License-Identifier: GPL-2.0-or-later
"""Suite `xen-campaign`: real Xen hosts for a long time. A PVH guest to and fro under load, and a PV
guest, with what the hosts use level at the end; then what need be seen but once (xen_once.py); then
every fault at every phase of a move (xen_faults.py), each from the same snapshot; `--moves N --seed S`."""
import random
import re
import subprocess
import time

import eyes
import judge
import moves
import xen_faults
import xen_guests
import xen_moves
import xen_once
import xen_suite
from xflab import LabError, wait_for

WARM_UP = 4  # moves until caches and heaps have their sizes; even, so that the domain is back
# Reports kept in memory are full before the first look.
SETTINGS = {"history-max": str(WARM_UP)}
LOAD = {"pvh": (8, 8), "pv": (4, 8)}  # MiB/s, MiB: what the guest writes
# A guest of this kernel has about 256 pages less after each resume, whoever moved it.
GUEST_MIB = 64
GUEST_LOSS_MIB = 1
# Over a hundred moves: what a heap may grow by without a leak (1 KiB a move would exceed a tenth
# of it), and what a kernel's own caches differ by between two looks. Corosync's rings are of fixed
# size, and their pages are counted once each has been used: what is mapped must not grow.
HEAP_GROWTH_MAX_KIB = 512
SLAB_GROWTH_MAX_KIB = 2048
FREE_DROP_MAX_KIB = 6144
LEVEL_S = 60

SIZES = r"""
sync; echo 3 >/proc/sys/vm/drop_caches
awk '/^(MemFree|SUnreclaim):/ { print $1, $2 }' /proc/meminfo
echo xen_free: $(xl info free_memory)
echo nodes: $(xenstore-ls | wc -l)
for pid in $(pgrep -f '^(/opt/xenferry/sbin/xenferryd|xenferry-xen .* watch)'); do
    set -- $(tr '\0' ' ' </proc/$pid/cmdline)
    parent=$(awk '/^PPid:/ { print $2 }' /proc/$pid/status)
    [ "$parent" = 1 ] || [ "${1##*/}" != xenferryd ] || set -- xenferryd-writer
    echo heap-${1##*/}: $(awk '/^RssAnon:/ { print $2 }' /proc/$pid/status)
    echo mapped-${1##*/}: $(awk '/^VmSize:/ { print $2 }' /proc/$pid/status)
    echo fds-${1##*/}: $(ls /proc/$pid/fd | wc -l)
done
"""


def sizes(lab, host):
    """{what: number} of what a host uses."""
    lines = lab.exec(host, SIZES).out.splitlines()
    return {words[0].rstrip(":"): int(words[1]) for words in map(str.split, lines)
            if len(words) == 2}


def domains(lab, host):
    """[(name, memory, vcpus, state)] by xl; whether a domain runs or waits for a moment's work is
    no state of its own."""
    lines = lab.exec(host, "xl", "list").out.splitlines()[1:]
    return sorted((w[0], w[2], w[3], re.sub("[rb]", "-", w[4])) for w in map(str.split, lines))


def grown(before, after):
    """What uses more than it may: {what: (before, after)}."""
    limits = {"MemFree": -FREE_DROP_MAX_KIB, "SUnreclaim": SLAB_GROWTH_MAX_KIB, "xen_free": 0}
    found = {}
    for what, now in after.items():
        limit = limits.get(what,
                           HEAP_GROWTH_MAX_KIB if what.startswith(("heap-", "mapped-")) else 0)
        was = before.get(what)
        worse = was is None or (now < was + limit if what in ("MemFree", "xen_free")
                                else now > was + limit)
        if worse:
            found[what] = (was, now)
    return found


def level(lab, before):
    """Waits until nothing on any host has grown; what has when the time is up."""
    end = time.monotonic() + LEVEL_S
    while True:
        found = {host: grown(before[host], sizes(lab, host)) for host in lab.hosts}
        found = {host: what for host, what in found.items() if what}
        if not found or time.monotonic() > end:
            return found
        time.sleep(5)


# -- the series

class Series:
    """One domain to and fro, looked at from outside the whole time."""

    def __init__(self, suite, lab, name):
        self.suite = suite
        self.lab = lab
        self.name = name
        self.done = 0
        self.pauses = []
        self.predicted = []  # over what they then took

    def move(self):
        source = xen_moves.home(self.lab, self.name)
        one = moves.Move(self.lab, source, self.name, xen_moves.OTHER[source])
        code = one.wait(xen_moves.MOVE_LIMIT_S)
        if code != 0:
            raise LabError(f"move {self.done + 1} from {source}: exit {code}: {one.err.strip()}")
        report = one.report()
        self.pauses.append(report["pause"]["total_ms"])
        self.predicted.append(xen_moves.predicted(report))
        self.done += 1
        # The command ends when the domain runs; the source's copy is taken down behind it.
        wait_for("one copy", lambda: len(xen_guests.holders(self.lab, self.name)) == 1, 60, 0.3)

    def run(self, number):
        for _ in range(number):
            self.move()


def series(suite, lab, kind, number):
    """So many moves, none of which may fail or be noticed by more than a pause."""
    name = f"long{kind}"
    number += number % 2  # it ends where it began
    xen_guests.create(lab, name, "n1", kind=kind,
                      memory_mib=GUEST_MIB + (number + WARM_UP) * GUEST_LOSS_MIB)
    xen_guests.dirty(lab, name, *LOAD[kind])
    one = Series(suite, lab, name)

    def act():
        one.run(WARM_UP)
        before = {host: sizes(lab, host) for host in lab.hosts}
        listed = {host: domains(lab, host) for host in lab.hosts}
        try:
            one.run(number)
        finally:
            suite.say(f"        {kind}: {one.done} moves")
        suite.check(f"{kind}: xl lists the same domains as before",
                    listed == {host: domains(lab, host) for host in lab.hosts},
                    (listed, {host: domains(lab, host) for host in lab.hosts}))
        found = level(lab, before)
        suite.check(f"{kind}: memory, xenstore's nodes and our processes are level", not found,
                    found)

    seen = None
    watcher = judge.Judge(lab, name, gap_ms=20, interval_us=20000)
    try:
        seen = eyes.watched(lab, name, act)
    except (LabError, TimeoutError) as error:
        suite.check(f"{kind}: {number + WARM_UP} moves succeed", False, error)
    finally:
        counted = watcher.stop()
    suite.check(f"{kind}: the counter in its memory never fell back, and none came twice",
                counted["answers"] > 0 and not any(counted[key] for key in (
                    "back", "duplicates", "corrupt", "instances")), counted)
    if seen:
        suite.check(f"{kind}: {number + WARM_UP} moves succeed", True)
        suite.check(f"{kind}: no page or record is lost, one connection lives throughout",
                    not seen.findings(), seen.findings())
        suite.say(f"        {kind}: {seen}")
        suite.figure(f"{kind}_gap_ms", round(seen.gap_ms))
        suite.figure(f"{kind}_pause_max_ms", round(max(one.pauses)))
        xen_moves.check_predicted(suite, f"{kind}_", f"{kind}: nine pauses of ten are as "
                                  "predicted, within a factor of 2", one.predicted)
        findings, records, last = xen_guests.read_disk(lab, name)
        suite.check(f"{kind}: the disk holds every record", not findings and last > 0,
                    (findings[:3], records, last))
        xen_moves.check_clean(suite, lab, name, f"{kind}: nothing is left over", 60)
        suite.guard(f"{kind}: a second copy would have been seen", second_copy, suite, lab, name)
    return one.done


def second_copy(suite, lab, name):
    """The eyes on trial: the domain runs twice, behind the agents' backs, on one disk."""
    host = xen_moves.home(lab, name)
    other = xen_moves.OTHER[host]
    before = xen_guests.stat(lab, name)["disk_foreign"]
    image = "/var/tmp/second"
    for each in lab.hosts:
        lab.exec(each, "systemctl", "stop", "xenferryd", timeout=60)
    watcher = judge.Judge(lab, name, gap_ms=20, interval_us=20000)
    try:
        lab.exec(host, "xl", "save", "-c", name, image, timeout=180)
        with lab.popen(host, "cat", image, stdout=subprocess.PIPE) as source, \
                lab.popen_with(other, f"cat >{image}", source.stdout) as copy:
            copy.communicate(timeout=180)
        lab.exec(other, "xl", "restore", "-e", image, timeout=180)
        suite.guard("a domain that runs twice: its disk tells", wait_for, "records of two",
                    lambda: xen_guests.stat(lab, name)["disk_foreign"] > before, 30, 0.5)
    finally:
        lab.exec(other, "xl", "destroy", name, check=False)
        counted = watcher.stop()
        for each in lab.hosts:
            lab.exec(each, f"rm -f {image}; systemctl start xenferryd", timeout=60)
    suite.check("a domain that runs twice: its counter tells", counted["back"] > 0
                or counted["duplicates"] > 0, counted)


def long_series(suite, kind, number):
    xen = "shadow" if kind == "pv" else "stock"
    with xen_suite.lab_of(suite, f"xc{kind}", xen=xen, settings=SETTINGS) as lab:
        return suite.guard(f"the {kind} series runs to its end", series, suite, lab, kind,
                           number) or 0


def run(suite, options):
    seed = options.seed if options.seed is not None else random.randrange(1 << 32)
    suite.say(f"seed {seed}, {options.moves} moves of a PVH guest")
    done = long_series(suite, "pvh", options.moves)
    done += long_series(suite, "pv", max(2, options.moves // 5))
    xen_once.once(suite)
    counts = xen_faults.campaign(suite, seed)
    suite.figure("moves", done)
    for name, value in counts.items():
        suite.figure(name, value)
    suite.figure("seed", seed)
    for what in ("doubled", "lost", "leftovers"):
        suite.check(f"no fault left anything {what}" if what != "leftovers" else
                    "no fault left anything over", counts[what] == 0, counts)
