# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults at each phase of a move between real Xen hosts; part of the suite `xen-campaign`.

Every case begins from one snapshot: a domain on n1 that is moved to n2. A phase that takes a few
milliseconds is met by holding agents still there. What comes out is judged from
outside: pings that know who answers, the domain's own checks of its memory and disk, xl."""
import base64
import contextlib
import os
import random
import shutil
import time

import agents
import build
import judge
import moves
import notes
import xen_guests
import xen_moves
import xen_suite
from xflab import LabError, wait_for

DOMAIN = "prey"
SOURCE, TARGET = "n1", "n2"
SNAPSHOT = "campaign"
# A phase is what has happened when the fault strikes, and what the other side has not heard of.
PHASES = ("pre-copy", "suspended", "built", "READY", "COMMIT", "unpaused")
WITH_MOVERS = ("pre-copy", "suspended")
FAULTS = ("power-source", "power-target", "cut-data", "mover-source", "mover-target",
          "agent-source", "agent-target", "xenstored-source", "xenstored-target")
CUT = "cut-link"  # of all traffic between the two: with a third host, or both are quorate
# Not bound to a phase of the hand-shake: see the functions of these names.
SPECIAL = ("no-memory", "memory-taken", "script-fails-early", "block-fails-early",
           "script-fails-late", "disk-missing", "disk-goes")
HEARD_S = 3.0  # an agent that is let go has done its part by then
NOTICED_S = 12.0  # longer than Corosync's token
REACH_LIMIT_S = 120.0
SETTLE_LIMIT_S = 150.0
END_LIMIT_S = 240.0
REPORT_LIMIT_S = 20.0  # the target waits 10 s for the source's word

# Holds the agent still once the guest is asked to suspend. What is left of the image goes over, but
# for the end of it, which takes the agent's leave: without it the target has nothing to build.
AT_SUSPEND = """
agent=$(systemctl show -P MainPID xenferryd)
until mover=$(pgrep -of '^xenferry-mover'); do sleep 0.1; done
until [ -e /run/xenferry/suspend-{uuid} ]; do sleep 0.01; kill -0 $mover || exit 1; done
kill -STOP $agent
"""
# Why a move may be said to have been kept, by the fault that struck it.
KEPT = {
    "power-target": {"peer-left", "connection", "stalled"},
    "cut-data": {"connection", "stalled"},
    "cut-link": {"peer-left", "connection", "stalled", "peer-silent"},
    # The target sees the connection break, and may be heard before the death next door.
    "mover-source": {"mover", "connection"},
    "mover-target": {"mover", "connection"},
    "agent-source": {"agent-restarted"},
    "agent-target": {"peer-left", "agent-restarted"},
    "no-memory": {"no-memory"},
    # The connection may break before the target has told why: it first takes down what it built.
    "memory-taken": {"no-memory", "restore", "connection"},
    "script-fails-early": {"restore"},
    "block-fails-early": {"restore"},
    "script-fails-late": {"restore"},
    "disk-missing": {"no-disk"},
    "disk-goes": {"restore"},
}


# What the report then must name, besides the reason: where to look.
WORDS = {
    "power-target": TARGET,
    "mover-source": f"the mover process on {SOURCE}",
    "mover-target": f"the mover process on {TARGET}",
    "no-memory": "MiB free",
    "script-fails-early": "/etc/xen/scripts/vif-bridge",
    "block-fails-early": "/etc/xen/scripts/block",
    "script-fails-late": "/lab/hotplug/vif",
    "disk-missing": "{device}",
    "disk-goes": "/lab/hotplug/block",
}
# An agent that was restarted in the move does not know when that began, and says so.
NOT_KNOWN = ("started", "duration_ms", "bytes_wire", "bytes_stream")


class Plan:
    """What is random about one case."""

    def __init__(self, seed, fault, phase):
        rng = random.Random(f"{seed}/{fault}/{phase}")
        self.fault = fault
        self.phase = phase
        self.pages = rng.randrange(200, 9000)   # sent before a fault of the pre-copy strikes
        # Until what was held or cut is let go; TCP makes up for a short cut.
        self.hold_s = rng.uniform(3.0, 20.0) if fault.startswith("cut") else rng.uniform(0.3, 6.0)
        if (fault, phase) == ("power-target", "READY"):
            # READY is heard together with the news that its sender died: no reason to commit.
            self.hold_s = NOTICED_S
        self.slow_s = rng.uniform(2.0, 8.0)     # that xenstored does not answer


def signal_agent(lab, host, name):
    lab.exec(host, "systemctl", "kill", "--kill-whom=main", "-s", name, "xenferryd", check=False)


def movers(lab, host):
    return lab.exec(host, "pgrep", "-f", "^xenferry-mover", check=False).out.split()


def kill_movers(lab, host):
    lab.exec(host, "kill -KILL $(pgrep -f '^xenferry-mover')", check=False)


def states(lab):
    """{host: {name: state}} of the domain's copies, whatever they are called."""
    return {host: {entry: state for entry, state in xen_guests.listed(lab, host).items()
                   if entry.startswith(DOMAIN)} for host in lab.powered_hosts()}


def running(lab):
    """Hosts with a copy that is neither paused nor suspended."""
    return [host for host, found in states(lab).items()
            if any("p" not in state and "s" not in state for state in found.values())]


class Case:
    """One move with one fault."""

    def __init__(self, lab, plan):
        self.lab = lab
        self.plan = plan
        self.dead = None      # the host whose power was cut
        self.held = []        # hosts whose agent stands still
        self.watcher = None
        self.before = {}
        self.wrong = []       # what should not be
        self.outcome = "broken"
        self.started = time.monotonic()

    # -- reaching the phase

    def hold(self, host):
        signal_agent(self.lab, host, "STOP")
        self.held.append(host)

    def let_go(self, host=None):
        for held in [held for held in self.held if host in (None, held)]:
            self.held.remove(held)
            if self.lab.powered(held):
                signal_agent(self.lab, held, "CONT")

    def begin(self, *options):
        self.before = xen_guests.wait_answers(self.lab, DOMAIN)
        self.watcher = judge.Judge(self.lab, DOMAIN, gap_ms=20, interval_us=20000)
        return moves.Move(self.lab, SOURCE, DOMAIN, TARGET, *options)

    def await_pages(self, one, pages):
        if one.wait_event(lambda e: e.get("pages_sent", 0) >= pages or e.get("round", 0) > 0,
                          REACH_LIMIT_S) is None:
            raise LabError(f"the move did not come so far: {one.events[-1:]}")

    def reach(self):
        """Begins a move and brings it to the phase of the plan; the Move."""
        phase = self.plan.phase
        if phase == "suspended":
            script = AT_SUSPEND.format(uuid=self.lab.domains[DOMAIN]["uuid"])
            one = self.begin()
            self.lab.exec(SOURCE, script, timeout=REACH_LIMIT_S)
            self.held.append(SOURCE)
            wait_for("the domain is suspended", lambda: "s" in xen_guests.listed(
                self.lab, SOURCE).get(DOMAIN, ""), 20, 0.3)
            note = self.note(SOURCE)
            if note != "none":
                raise LabError(f"the phase suspended is over: {note} is noted")
            return one
        one = self.begin()
        if phase == "pre-copy":
            self.await_pages(one, self.plan.pages)
            return one
        self.await_pages(one, 9000)
        self.hold(TARGET)
        wait_for("the image is sent", lambda: not movers(self.lab, SOURCE) or not one.running(),
                 REACH_LIMIT_S, 0.1)
        awake, still = SOURCE, TARGET
        for _ in range(PHASES.index(phase) - PHASES.index("built")):
            self.hold(awake)
            self.let_go(still)
            time.sleep(HEARD_S)
            awake, still = still, awake
        self.check_reached()
        return one

    def note(self, host):
        """What the agent of a host has noted of this move (H8), also when it stands still."""
        page = self.lab.exec(host, "base64 /run/xenferry/notes").out
        found, _migration = notes.find(base64.b64decode(page), self.lab.domains[DOMAIN]["uuid"],
                                       host)
        return found

    def check_reached(self):
        """That the copies are in the states that the phase's name says."""
        seen = states(self.lab)
        source = seen[SOURCE].get(DOMAIN, "")
        target = next(iter(seen[TARGET].values()), "")
        if "s" not in source or ("p" in target) == (self.plan.phase == "unpaused") or not target:
            raise LabError(f"the phase {self.plan.phase} is not reached: {seen}")

    # -- the fault

    def strike(self):
        lab = self.lab
        what, _, who = self.plan.fault.partition("-")
        host = {"source": SOURCE, "target": TARGET}.get(who)
        if what == "power":
            self.dead = host
            lab.power_off(host)
        elif what == "cut":
            lab.cut(SOURCE, TARGET, "data" if who == "data" else "all")
        elif what == "mover":
            kill_movers(lab, host)
        elif what == "agent":
            signal_agent(lab, host, "KILL")
            self.held = [held for held in self.held if held != host]
        elif what == "xenstored":
            lab.exec(host, "pid=$(cat /run/xenstore.pid); kill -STOP $pid; setsid sh -c "
                           f"'sleep {self.plan.slow_s:.1f}; kill -CONT '$pid >/dev/null 2>&1 &")

    # -- what came of it

    def settle(self, one):
        """Lets the cluster find its way; the move's command has ended or is ended."""
        lab = self.lab
        if self.dead:
            survivor = next(host for host in lab.hosts if host != self.dead)
            try:
                # Refused while the group still counts it in: then its token is waited for.
                wait_for("its end is confirmed", lambda: agents.xenferry(
                    lab, survivor, "confirm-off", self.dead, check=False).code == 0, 60, 1)
            except LabError as error:
                self.wrong.append(str(error))
        lab.heal()
        try:
            one.wait(END_LIMIT_S)
        except TimeoutError as error:
            self.wrong.append(f"the command did not end: {error}")
        try:
            wait_for("the cluster is of one mind", lambda: self.of_one_mind(lab.powered_hosts()),
                     SETTLE_LIMIT_S, 0.5)
        except LabError:
            self.wrong.append(f"not settled: {self.words()}")

    def of_one_mind(self, hosts):
        seen = states(self.lab)
        return all(set(hosts) <= set(agents.online(self.lab, host))
                   and xen_moves.migrations(self.lab, host) == [] for host in hosts) \
            and sum(len(found) for found in seen.values()) <= 1

    def words(self):
        return "; ".join(f"{host} has {found}, sees {agents.online(self.lab, host)}, "
                         f"{[m.get('state') for m in xen_moves.migrations(self.lab, host) or []]}"
                         for host, found in states(self.lab).items())

    def weigh(self):
        """The outcome, and all that is wrong about it."""
        alive = running(self.lab)
        copies = {host: found for host, found in states(self.lab).items() if found}
        strange = [e for e in self.watcher.events
                   if e["event"] in ("back", "duplicate", "corrupt")]
        if len(alive) > 1 or strange:
            self.outcome = "doubled"
            self.wrong.append(f"copies {copies}, seen {strange[:2]}")
        elif alive:
            self.outcome = "moved" if alive == [TARGET] else "kept"
            self.check_domain()
        elif self.may_have_died() and not copies:
            self.outcome = "died"
        else:
            self.outcome = "lost"
            self.wrong.append(f"no copy runs: {copies}")

    def may_have_died(self):
        """The host that ran it, or was to by the source's word, is the dead one."""
        committed = self.plan.phase in ("COMMIT", "unpaused")
        return self.dead == (TARGET if committed else SOURCE) or \
            self.dead == SOURCE and self.plan.phase == "COMMIT"

    def check_domain(self):
        """It is the one that it was, and lost nothing."""
        try:
            after = xen_guests.wait_answers(self.lab, DOMAIN, 30)
        except LabError as error:
            self.wrong.append(str(error))
            return
        if after["instance"] != self.before["instance"]:
            self.wrong.append("it has booted anew")
        try:
            wait_for("its disk takes records", lambda: xen_guests.stat(
                self.lab, DOMAIN)["disk_seq"] > after["disk_seq"], 30, 0.5)
        except (LabError, OSError) as error:
            self.wrong.append(str(error))
        for key in ("corrupt", "disk_errors", "disk_foreign"):
            if after[key] != self.before[key]:
                self.wrong.append(f"{key} went from {self.before[key]} to {after[key]}")
        findings, records, last = xen_guests.read_disk(self.lab, DOMAIN)
        if findings or last == 0:
            self.wrong.append(f"its disk: {findings[:3]}, {records} records of {last}")

    def reports(self):
        """{host: report of this move}, of the hosts that are on and have one."""
        found = {}
        for host in self.lab.powered_hosts():
            answer = agents.xenferry(self.lab, host, "report", DOMAIN, "--json", check=False)
            if answer.code == 0:
                found[host] = answer.json()
        return found

    def untrue(self, report):
        """What is wrong about a report of what came of it; None if nothing is."""
        fault, result, text = self.plan.fault, report.get("result"), report.get("text", "")
        if self.outcome == "died" and self.dead == TARGET and result == "moved":
            # It has run there. Whether the source heard of that before it heard of the death, nobody
            # can say of this phase alone.
            return None if self.plan.phase == "unpaused" else "it has never run there"
        if result != {"died": "lost"}.get(self.outcome, self.outcome):
            return f"the result is {result}: {text}"
        if self.outcome == "died":
            return None if self.dead in text and "off" in text else f"no word of the dead: {text}"
        if self.outcome == "kept" and report.get("reason") not in KEPT.get(fault, ()):
            return f"the reason is {report.get('reason')}: {text}"
        words = WORDS.get(fault, ": ").format(device=self.lab.domains[DOMAIN]["device"])
        if fault.startswith("mover") and report.get("reason") == "connection":
            words = "connection broke while"  # all that the other end can know
        if self.outcome == "kept" and words not in text and fault != "agent-source":
            return f"no word of {words}: {text}"
        if report.get("reason") == "agent-restarted" and fault == "agent-source" and \
                any(report[key] is not None for key in NOT_KNOWN):
            return f"it knows what it cannot: {[report[key] for key in NOT_KNOWN]}"
        return None

    def check_report(self):
        """The hosts that are on say of this move what is true, or soon do; the last word of each."""
        found = {}

        def true():
            found.clear()
            found.update(self.reports())
            return found and not any(self.untrue(report) for report in found.values())

        with contextlib.suppress(LabError):
            wait_for("true reports", true, REPORT_LIMIT_S, 1)
        self.wrong += [f"report on {host}: {self.untrue(report)}" for host, report in found.items()
                       if self.untrue(report)] if found else ["no host has a report"]
        return found

    def return_dead(self):
        """The host that was dead boots; it must not bring anything back."""
        before = running(self.lab)
        self.lab.power_on(self.dead)
        # libxl's records lie on the disk, so they survive a power cut, xl's domains' as well.
        self.lab.exec(self.dead, "rm -f /var/lib/xen/userdata-*")
        wait_for("the cluster is whole", lambda: self.of_one_mind(self.lab.hosts),
                 SETTLE_LIMIT_S, 0.5)
        if running(self.lab) != before:
            self.wrong.append(f"after the return: {states(self.lab)}, before {before}")

    def check_leftovers(self):
        end = time.monotonic() + 60
        found = xen_moves.leftovers(self.lab, DOMAIN)
        while found and time.monotonic() < end:
            time.sleep(1)
            found = xen_moves.leftovers(self.lab, DOMAIN)
        if found:
            self.wrong.append(f"left over: {found}")
        return bool(found)

    def run(self):
        """True if something was left over."""
        one = self.reach()
        try:
            self.strike()
            time.sleep(self.plan.hold_s)
            self.let_go()
            self.settle(one)
        finally:
            self.watcher.stop()
        self.weigh()
        said = self.check_report()
        if self.dead:
            self.return_dead()
        self.said = "; ".join(sorted({f"{r.get('reason')}: {r.get('text')}" for r in said.values()}))
        return self.check_leftovers()


# -- faults that wait for the move at the target

def minimal_domain(lab):
    """In place of the domain, one whose devices are attached in the pause."""
    lab.exec(SOURCE, "xl", "destroy", DOMAIN)
    xen_guests.forget(lab, DOMAIN)
    lab.hotplug = "minimal"
    lab.exec(TARGET, "sed -i '/^# xenferry: early/d' /lab/hotplug/*")
    xen_guests.create(lab, DOMAIN, SOURCE)
    xen_moves.wait_known(lab, DOMAIN, SOURCE)


def take_memory(lab):
    """A paused domain that has all of the target's free memory: once more if the domain that comes
    has got some of it meanwhile."""
    def taken():
        free = int(lab.exec(TARGET, "xl", "info", "free_memory").out)
        lab.exec(TARGET, "cat >/lab/filler.cfg", stdin=(
            'name = "filler"\ntype = "pvh"\nkernel = "/lab/vmlinux"\n'
            f"memory = {free - 16}\n"))
        return lab.exec(TARGET, "xl", "create", "-q", "-p", "/lab/filler.cfg", timeout=120,
                        check=False).code == 0

    wait_for("a domain that takes the memory", taken, 60, 0.5)


SCRIPT_FAILS = ("printf '#!/bin/sh\\nxenstore-write $XENBUS_PATH/hotplug-error no "
                "$XENBUS_PATH/hotplug-status error\\nexit 1\\n' >")


class Special(Case):
    """A fault that is made at the target before the move or while memory is copied."""

    def reach(self):
        lab, what = self.lab, self.plan.fault
        if what in ("script-fails-late", "disk-goes"):
            minimal_domain(lab)
        gone = "rm " + lab.domains[DOMAIN]["device"]
        before = {"no-memory": lambda: take_memory(lab),
                  "script-fails-early": lambda: lab.exec(
                      TARGET, SCRIPT_FAILS + "/etc/xen/scripts/vif-bridge"),
                  "block-fails-early": lambda: lab.exec(
                      TARGET, SCRIPT_FAILS + "/etc/xen/scripts/block"),
                  "script-fails-late": lambda: lab.exec(TARGET, SCRIPT_FAILS + "/lab/hotplug/vif"),
                  "disk-missing": lambda: lab.exec(TARGET, gone)}
        amid = {"memory-taken": lambda: take_memory(lab),
                "disk-goes": lambda: lab.exec(TARGET, gone)}
        before.get(what, lambda: None)()
        one = self.begin("--bandwidth", "1M")
        if what in amid:
            self.await_pages(one, 300)
            amid[what]()
        return one

    def strike(self):
        pass

    def weigh(self):
        super().weigh()
        if self.outcome != "kept":
            self.wrong.append("the domain should have stayed")

    def check_leftovers(self):
        self.lab.exec(TARGET, "xl", "destroy", "filler", check=False)
        return super().check_leftovers()


# -- the campaign

def prepare(lab):
    """A domain that runs, and agents that may be held for longer than their watchdog allows."""
    for host in lab.hosts:
        lab.exec(host, "mkdir -p /etc/systemd/system/xenferryd.service.d && printf "
                       "'[Service]\\nWatchdogSec=0\\n' >/etc/systemd/system/xenferryd.service.d/"
                       "lab.conf && systemctl daemon-reload && sync")
    agents.start_all(lab)
    xen_guests.create(lab, DOMAIN, SOURCE)
    xen_guests.dirty(lab, DOMAIN, 1, 4)
    xen_moves.wait_known(lab, DOMAIN, SOURCE)
    lab.snapshot_save(SNAPSHOT)


def one_case(suite, lab, plan, counts):
    """Runs a case from the snapshot and counts; what the table says of it."""
    name = f"{plan.fault} at {plan.phase}"
    case = (Special if plan.fault in SPECIAL else Case)(lab, plan)
    left = False
    try:
        lab.snapshot_load(SNAPSHOT)
        agents.wait_online(lab, lab.hosts)
        left = case.run()
    except (LabError, TimeoutError, RuntimeError, OSError) as error:
        case.wrong.append(f"{type(error).__name__}: {error}")
        case.outcome = "broken"
    seconds = time.monotonic() - case.started
    for what in (case.outcome, *(["leftovers"] if left else [])):
        counts[what] = counts.get(what, 0) + 1
    counts["faults"] += 1
    suite.check(f"{name}: {case.outcome} ({getattr(case, 'said', '')}), {seconds:.0f} s",
                not case.wrong, "; ".join(case.wrong))
    if case.wrong:
        keep(suite, lab, name)
    return case.outcome + ("" if not case.wrong else " !")


def keep(suite, lab, name):
    """The hosts' logs of a case that went wrong; the next one begins from the snapshot."""
    folder = os.path.join(build.folder("logs"), suite.name, name.replace(" ", "-"))
    with contextlib.suppress(OSError, LabError):
        agents.keep_logs(lab, folder)
        suite.say(f"        logs of it are in {folder}")


def cases(seed, faults, wanted):
    for fault in faults:
        phases = WITH_MOVERS if fault.startswith("mover") else \
            ("any",) if fault in SPECIAL else PHASES
        for phase in phases:
            if wanted is None or (fault, phase) in wanted:
                yield Plan(seed, fault, phase)


def table(suite, rows):
    """Fault by phase, what became of the domain; an exclamation mark: something was wrong."""
    suite.say(f"{'':<20}" + "".join(f"{phase:>12}" for phase in PHASES))
    for fault, cells in rows.items():
        if "any" in cells:
            suite.say(f"{fault:<20}{cells['any']:>12}")
        else:
            suite.say(f"{fault:<20}" + "".join(f"{cells.get(p, '-'):>12}" for p in PHASES))


def campaign(suite, seed, wanted=None):
    """Every fault at every phase; wanted narrows it to some (fault, phase). The counts."""
    counts = dict.fromkeys(("faults", "moved", "kept", "died", "doubled", "lost", "leftovers"), 0)
    rows = {}
    for nodes, faults in ((2, FAULTS + SPECIAL), (3, (CUT,))):
        plans = list(cases(seed, faults, wanted))
        if not plans:
            continue
        with xen_suite.lab_of(suite, f"xcfault{nodes}", nodes=nodes) as lab:
            prepare(lab)
            try:
                for plan in plans:
                    rows.setdefault(plan.fault, {})[plan.phase] = one_case(suite, lab, plan,
                                                                           counts)
            finally:
                shutil.rmtree(lab.snapshot_dir(SNAPSHOT), ignore_errors=True)
    table(suite, rows)
    return counts
