# SPDX-License-Identifier: GPL-2.0-or-later
"""Suite `xen-compare`: the same domain moved by `xl migrate` over plain TCP and by xenferry (over TLS,
as always) in turn, and once a line by `xl migrate` over ssh, seen by the same eyes. Everything in an
emulated dom0 is slow, so only ratios mean anything; `--moves N` is the number of rounds."""
import json
import os
import statistics
import time

import eyes
import moves
import xen_guests
import xen_moves
import xen_suite
from xflab import LabError, run as run_command, wait_for

DOMAIN = "racer"
ROUNDS = 5
HOWS = ("tcp", "ours", "ssh")
SCRIPTS = ("stock", "minimal")
# MiB/s and MiB that the guest writes; it is told what it reaches.
LOADS = {"idle": (0, 8), "20 MB/s": (20, 16), "200 MB/s": (200, 16)}
LINKS = {"full speed": 0, "100 Mbit/s": 100000}  # kbit/s
# A quarter of it is in use, half of that noise. In a smaller one little but hotplug scripts would be
# measured. A guest of this kernel has about 256 pages less after each resume, whoever moved it.
GUEST_MIB = 512
GUEST_LOSS_MIB = 1
NOISE_S = 5.0
REACHED_S = 4.0
LIMIT_S = 600.0
# Ours over xl's plain TCP, medians of the rounds.
TARGETS = {"pause_ratio_median": 0.5, "bytes_ratio_idle": 0.6, "total_ratio_full": 0.9,
           "total_ratio_limited": 0.6}


class One:
    """What was seen of one move; of ours also the pause predicted over the one measured."""

    def __init__(self, seconds, gap_ms, mib, predicted):
        self.seconds = seconds
        self.gap_ms = gap_ms
        self.mib = mib
        self.predicted = predicted


def wire_bytes(lab):
    """Bytes that hosts have sent into the switch, not counting their guests'."""
    links = json.loads(run_command("ip", "-n", lab.netns("switch"), "-s", "-j", "link").out)
    ports = {f"n{lab.node_id(host)}" for host in lab.hosts}
    return sum(link["stats64"]["rx"]["bytes"] for link in links if link["ifname"] in ports)


def noise(lab):
    """Bytes a second that hosts send while nothing is moved."""
    before = wire_bytes(lab)
    time.sleep(NOISE_S)
    return (wire_bytes(lab) - before) / NOISE_S


def reached(lab):
    """MiB/s that the guest really writes."""
    before = xen_guests.stat(lab, DOMAIN)["dirtied"]
    start = time.monotonic()
    time.sleep(REACHED_S)
    pages = xen_guests.stat(lab, DOMAIN)["dirtied"] - before
    return pages / 256 / (time.monotonic() - start)


def by_us(lab, source, to):
    one = moves.Move(lab, source, DOMAIN, to)
    code = one.wait(LIMIT_S)
    if code != 0:
        raise LabError(f"xenferry move: exit {code}: {one.err.strip()}")
    return xen_moves.predicted(one.report())


def one_move(lab, how, noise_rate):
    """Moves the domain to the other host and looks at it."""
    source = xen_moves.home(lab, DOMAIN)
    to = xen_moves.OTHER[source]
    xen_moves.wait_known(lab, DOMAIN, source, 60)
    wire, predicted = 0, None

    def act():
        nonlocal wire, predicted
        before, start = wire_bytes(lab), time.monotonic()
        if how == "ours":
            predicted = by_us(lab, source, to)
        else:
            eyes.xl_migrate(lab, DOMAIN, source, to, how, LIMIT_S)
        wire = wire_bytes(lab) - before - noise_rate * (time.monotonic() - start)

    seen = eyes.watched(lab, DOMAIN, act)
    if seen.findings():
        raise LabError(f"{how}: {'; '.join(seen.findings())}")
    wait_for("one copy is left", lambda: list(xen_guests.holders(lab, DOMAIN)) == [to], 60, 0.5)
    return One(seen.seconds, seen.gap_ms, wire / (1 << 20), predicted)


class Row:
    """One line of the table: scripts, load and link, and the rounds' moves."""

    def __init__(self, scripts, load, link):
        self.scripts, self.load, self.link = scripts, load, link
        self.reached = 0.0
        self.rounds = []  # {how: One}

    def ratios(self, what):
        """Ours over xl's plain TCP, of each round."""
        return [getattr(r["ours"], what) / getattr(r["tcp"], what) for r in self.rounds]

    def ratio(self, what):
        return statistics.median(self.ratios(what))

    def median(self, how, what):
        return statistics.median(getattr(r[how], what) for r in self.rounds if how in r)

    def text(self):
        cells = "".join(
            f"{'/'.join(f'{self.median(how, what):.{digits}f}' for how in HOWS):>21}"
            f"{self.ratio(what):>6.2f}"
            for what, digits in (("seconds", 1), ("gap_ms", 0), ("mib", 1)))
        return (f"{self.scripts:<8}{self.load:<9}{self.reached:>7.1f}  {self.link:<11}"
                f"{len(self.rounds):>2}{cells}")


HEAD = (f"{'scripts':<8}{'load':<9}{'MiB/s':>7}  {'link':<11}{'n':>2}"
        + "".join(f"{what:>21}{'ratio':>6}" for what in
                  ("seconds", "longest gap, ms", "MiB on the wire")))


def new_domain(lab, scripts, n_moves):
    lab.hotplug = scripts
    xen_guests.create(lab, DOMAIN, "n1", memory_mib=GUEST_MIB + n_moves * GUEST_LOSS_MIB)


def compare(suite, lab, row, rounds):
    """The rounds of one line."""
    for host in lab.hosts:
        lab.rate(host, LINKS[row.link])
    xen_guests.dirty(lab, DOMAIN, *LOADS[row.load])
    row.reached = reached(lab)
    rate = noise(lab)
    for number in range(rounds):
        # Who comes first, and so which way each goes, changes; ssh once, which nothing depends on.
        order = HOWS if number == 0 else HOWS[:2] if number % 2 == 0 else HOWS[1::-1]
        row.rounds.append({how: one_move(lab, how, rate) for how in order})
        seen = "; ".join(f"{how} {one.seconds:.1f} s, {one.gap_ms:.0f} ms, {one.mib:.1f} MiB"
                         + (f", predicted pause over measured {one.predicted:.2f}"
                            if one.predicted else "")
                         for how, one in row.rounds[-1].items())
        suite.say(f"        {row.scripts}, {row.load}, {row.link}, round {number + 1}: {seen}")


def plan(short):
    """(scripts, load, link) of every line."""
    if short:
        return [("stock", "idle", "full speed"), ("stock", "20 MB/s", "full speed")]
    return [(scripts, load, link) for scripts in SCRIPTS for link in LINKS for load in LOADS]


def medians(rows):
    """The figures that have a target, of the lines that there are."""
    def of(what, wanted):
        values = [ratio for row in rows if row.rounds and wanted(row) for ratio in row.ratios(what)]
        return round(statistics.median(values), 3) if values else None
    return {"pause_ratio_median": of("gap_ms", lambda row: row.link == "full speed"),
            # Where scripts do next to nothing, there is less to gain by running them early.
            **{f"pause_ratio_{scripts}": of("gap_ms", lambda row, scripts=scripts: row.link ==
                                            "full speed" and row.scripts == scripts)
               for scripts in SCRIPTS},
            "bytes_ratio_idle": of("mib", lambda row: row.load == "idle"),
            "total_ratio_full": of("seconds", lambda row: row.link == "full speed"),
            "total_ratio_limited": of("seconds", lambda row: row.link != "full speed")}


def predictions(suite, rows):
    """What the stop rule predicted, over what the pause then took: of each line, and of each move.
    A host that has something else to do in one pause is no fault of the rule."""
    lines = [statistics.median(r["ours"].predicted for r in row.rounds)
             for row in rows if row.rounds]
    if lines:
        suite.check("pauses are as predicted, within a factor of 2: the median of each line",
                    min(lines) >= 0.5 and max(lines) <= 2, lines)
        xen_moves.check_predicted(suite, "", "and nine of ten of all",
                                  [r["ours"].predicted for row in rows for r in row.rounds])


def tell(suite, rows):
    suite.say("medians; each cell: xl over TCP/ours/xl over ssh, ratio: ours over xl's TCP")
    suite.say(HEAD)
    for row in rows:
        if row.rounds:
            suite.say(row.text())


def run(suite, options):
    rounds = options.moves or ROUNDS
    # Two hosts keep two processors busy: beside other work the figures say little.
    load = os.getloadavg()[0]
    suite.say(f"{os.cpu_count()} processors, load {load:.1f} before the first move")
    suite.figure("load_before", round(load, 1))
    rows = [Row(*line) for line in plan(options.short)]
    for row in rows:
        what = f"{row.scripts} scripts, {row.load}, {row.link}"
        # Hosts of its own for each line: one that fails must not take the others with it.
        with xen_suite.lab_of(suite, "xcompare") as lab:
            new_domain(lab, row.scripts, 2 * rounds + 1)
            suite.guard(f"{what}: {rounds} rounds", compare, suite, lab, row, rounds)
    tell(suite, rows)
    for name, value in medians(rows).items():
        suite.figure(name, value)
        if name in TARGETS and value is not None:
            suite.check(f"{name} is at most {TARGETS[name]}", value <= TARGETS[name], value)
    predictions(suite, rows)
