# SPDX-License-Identifier: GPL-2.0-or-later
"""Suite `campaign`: moves with one fault each, at a random moment; judged from outside.

Everything random about a move comes from the seed, its number and which try of it this is, so a
campaign with the same seed asks for the same moves, faults and delays; `--moves N --seed S` replays
it. Faults are drawn like cards: each kind comes once before any comes again.

The last hand-shake takes a few milliseconds, too few to be met by chance often. So four moves in
ten are stopped at one of its steps, by holding the agents still in turn, before the fault strikes.

No agent is asked what became of a domain: the judges are the client, the disk, the hosts' process
lists, and what was done to the hosts here. A fault counts as hit when it struck while the move ran
and found something to strike: a mover to kill, a packet to drop or to change, a write to a full
disk (full_disk.py). N moves are N that a fault hit: one that it missed is judged and counted like
any other, and the number's next try draws another moment for the same fault.
"""
import collections
import contextlib
import itertools
import random
import statistics
import time

import full_disk
import guests
import judge
import labs
import moves
import notes
import procs
import xflab

DOMAIN = "game"
# A power cut is told to the cluster as fencing would in half of the cases.
FAULTS = ("agent-kill-source", "agent-kill-destination", "agent-kill-observer", "power-source",
          "power-destination", "power-observer", "cut-parties", "isolate-source",
          "isolate-destination", "cut-data", "agent-pause-source", "agent-pause-destination",
          "full-disk-source", "full-disk-destination", "mover-kill-source",
          "mover-kill-destination", "corrupt-data")
# What cannot strike between two steps of the hand-shake: the movers have done their part by then.
DATA_FAULTS = ("cut-data", "mover-kill-source", "mover-kill-destination", "corrupt-data")
# What takes some ms to be in force: the move must still run then.
SLOW_FAULTS = ("cut-parties", "isolate-source", "isolate-destination")
LIMITED = ("--bandwidth", "60M")
# Why a move of an easy guest must not fail, whatever strikes: these would be faults of our own.
UNEXPECTED = ("internal", "not-converging", "stream", "digest", "busy", "holds-copy", "protocol",
              "usage", "exists", "same-node", "unknown-domain", "unknown-node")
COMMAND_LIMIT_S = 45.0
# A lasting cut of the data ends with the move, which is given up when it stalls, after 4 s here.
LASTING_LIMIT_S = 20.0
# A full disk lasts until a write has met it. The agents write at the latest at the end of a move.
FULL_LIMIT_S = 20.0
# What the agents write of a move's end may come so much later than the command's end.
END_WRITTEN_S = 0.5
# So many tries for each move that a fault is to hit, and for one more.
TRIES = 2
# In so many moves each kind of fault comes so often that it must have done what it is meant to do.
EVERY_KIND = 10 * len(FAULTS)
# Steps of the hand-shake from which on the domain is the destination's. At READY the source has
# not heard it yet, and commits when it does: to a host that lost power meanwhile, unless its own
# Corosync has told of that already (H4).
GIVEN = moves.STEPS[moves.STEPS.index("READY"):]
OUTCOMES = ("moved", "kept", "died_ran", "died_committed", "doubled", "lost", "stuck")
BAD = ("doubled", "lost", "stuck")


class Plan:
    """What is random about one move."""

    def __init__(self, seed, number, again=0):
        rng = random.Random(f"{seed}/{number}" + (f"/{again}" if again else ""))
        deck, card = divmod(number - 1, len(FAULTS))
        self.fault = random.Random(f"{seed}/deck {deck}").sample(FAULTS, len(FAULTS))[card]
        self.of_data = self.fault in DATA_FAULTS
        self.step = rng.choice(moves.STEPS) if rng.random() < 0.5 and not self.of_data else None
        # Half of the faults anywhere in the move, half around its pause, where the hand-over is.
        self.near_pause = rng.random() < 0.5
        self.fraction = rng.random()
        self.spread = rng.gauss(0, 1)
        self.hold_s = rng.choice((0.3, 1.0, 3.0, 6.0))
        # TCP outlives a short cut. A lasting one must end the move.
        self.lasting = self.fault == "cut-data" and rng.random() < 0.75
        # Half of the full disks have not even the room that the journal set aside.
        self.refuses = self.fault.startswith("full-disk") and rng.random() < 0.5
        self.fence = rng.random() < 0.5
        self.target = rng.random()
        self.options = ("--cold",) if rng.random() < 0.25 else ()
        if self.step or rng.random() < 0.3:
            self.options += LIMITED

    def delay(self, pace):
        """Seconds from asking for the move to the fault."""
        if self.of_data:
            # Little is left of the data once the pause has begun; of a cold move all.
            end = 0.9 * (pace.total if "--cold" in self.options else pace.to_pause)
            return max(0.0, end - 0.02 * abs(self.spread)) if self.near_pause \
                else self.fraction * end
        if self.near_pause:
            return max(0.0, pace.to_pause + 0.01 * self.spread)
        return self.fraction * pace.total

    def text(self, pace):
        when = f"after {self.step}" if self.step else f"after {self.delay(pace) * 1000:.0f} ms"
        more = " to its end" if self.lasting else " and refuses all writes" if self.refuses else ""
        return f"{' '.join(['move', *self.options])}, {self.fault} {when}{more}"


class Pace:
    """How long this machine's moves with some options take: medians of the last ones that nothing
    disturbed."""

    def __init__(self):
        self.pauses = []
        self.totals = []

    def add(self, to_pause, total):
        self.pauses = (self.pauses + [to_pause])[-9:]
        self.totals = (self.totals + [total])[-9:]

    @property
    def to_pause(self):
        return statistics.median(self.pauses)

    @property
    def total(self):
        return statistics.median(self.totals)


class Blow:
    """One move and what was done to it."""

    def __init__(self, plan, one, source, target, dead):
        self.plan = plan
        self.one = one
        self.source = source
        self.target = target
        self.dead = dead    # the host whose power was cut, or None
        self.held = None    # the step of the hand-shake at which the move stood then
        self.noticed = False  # before the source heard READY, its Corosync had told of the death
        self.hit = False

    def death(self, writer):
        """(outcome, proof) of a domain of which no process is left. writer: who wrote its disk
        last. It died with its host only where both are known to have been one."""
        given = self.held in GIVEN and not self.noticed
        if self.dead is None:
            return "lost", "no host lost power"
        if self.dead == writer and not (given and self.dead == self.source):
            return "died_ran", f"the disk's last writer, {writer}, lost power"
        cut = f"{self.dead} lost power" + (f" after {self.held}" if self.held else "") + (
            ", and its peer was told before it went on" if self.noticed else "")
        if given and self.dead == self.target:
            return "died_committed", f"{cut}: the domain was given to it"
        return "lost", f"{cut}, but the disk's last writer is {writer}"


class Campaign:
    def __init__(self, suite, lab, seed, tries):
        self.suite = suite
        self.lab = lab
        self.seed = seed
        self.tries = tries
        self.paces = {options: Pace() for options in
                      ((), ("--cold",), LIMITED, ("--cold", *LIMITED))}
        self.watcher = None
        self.counts = dict.fromkeys(("moves", "faults_missed", "died", *OUTCOMES, "damaged"), 0)
        self.noticed = collections.Counter()
        self.kinds = {fault: collections.Counter() for fault in FAULTS}

    # -- the domain

    def fresh_domain(self, host):
        """A new domain of the same name, with a disk and addresses never used before."""
        if self.watcher is not None:
            self.watcher.stop()
        if DOMAIN in self.lab.domains:
            guests.forget(self.lab, DOMAIN)
        facts = guests.define(self.lab, DOMAIN, memory_mib=64,
                              workload="pattern=hotspot,rate=10,window=16", fill="random")
        xflab.wait_for("the domain can be created", lambda: self.lab.xenferry(
            host, "create", facts["config"], check=False).code == 0, moves.SETTLE_LIMIT_S, 0.5)
        self.watcher = judge.Judge(self.lab, DOMAIN, gap_ms=8)
        if not self.watcher.wait_answers(15):
            raise xflab.LabError("the new domain does not answer")

    def calibrate(self):
        for _ in range(3):
            for options in self.paces:
                source = moves.home(self.lab, DOMAIN)
                target = next(host for host in self.lab.hosts if host != source)
                one, code = moves.move(self.lab, DOMAIN, target, *options)
                if code != 0:
                    raise xflab.LabError(f"a move without a fault failed: {one.err}")
                xflab.wait_for("the client meets the new instance",
                               lambda o=one, words=options: self.learn(o, words), 10)

    def learn(self, one, options):
        """The pace of a move that nothing disturbed; False if the client met no new instance."""
        met = [e for e in list(self.watcher.events)
               if e["event"] == "instance" and e["was"] and e["t"] >= one.started]
        if met:
            start = met[0]["t"] - met[0]["gap_ms"] / 1000
            self.paces[options].add(max(0.0, start - one.started), one.ended - one.started)
        return bool(met)

    # -- the fault

    def fault_of(self, plan, source, target, observer):
        """The fault as a function, and the host whose power it cuts, or None. What can be looked up
        beforehand is, so that it strikes at once. Called again, it strikes what has come since; it
        says whether it has met anything yet."""
        lab = self.lab
        what, _, who = plan.fault.rpartition("-")
        host = {"source": source, "destination": target, "observer": observer}.get(who)
        agent = lab.agent_process(host) if host else None
        init = lab.init_pid(host) if host else None
        actions = {
            "agent-kill": lambda: procs.kill_all([agent.pid]),
            "agent-pause": lambda: agent.signal(19),
            "power": lambda: (procs.kill_all([init]), lab.power_off(host)),
        }
        if what in actions:
            def once():
                actions[what]()
                return True
            return once, host if what == "power" else None
        if what == "mover-kill":
            return lambda: lab.kill_mover(host) > 0, None
        if what == "full-disk":
            return full_disk.FullDisk(lab, host, plan.refuses), None
        rules = {
            "isolate": lambda: lab.isolate(host),
            "cut-parties": lambda: lab.cut(source, target),
            "cut-data": lambda: lab.cut_data(source, target),
            # The rule waits for the next full segment: loaded before the move or in its middle.
            "corrupt-data": lambda: lab.corrupt_data(source, target),
        }
        return self.packet_fault(rules[what if host else plan.fault],
                                 source if plan.fault == "cut-data" else None), None

    def packet_fault(self, load, mover_host):
        """A rule of the switch has met something once a packet has. Where the connection must have
        been at work then, not about to close, its mover on mover_host has to be there still."""
        def strike():
            if not self.lab.faults:
                load()
            return self.lab.met() > 0 and (
                mover_host is None or len(self.lab.named(mover_host, "xenferry-mover")) > 0)
        return strike

    def strike(self, blow, fault):
        """Lets the fault loose at its moment, again and again until it has met something, for as
        long as the move runs."""
        one, plan = blow.one, blow.plan
        held = False
        if plan.step:
            held = moves.hold_at(self.lab, one, plan.step, blow.source, blow.target)
        else:
            delay = plan.delay(self.paces[plan.options])
            time.sleep(max(0.0, one.started + delay - time.monotonic()))
        under_way = one.running()
        blow.held = plan.step if under_way and held else None
        met = fault()
        if plan.fault == "power-destination" and not plan.step and self.has_given(blow):
            blow.held = "COMMIT"
        if isinstance(fault, full_disk.FullDisk):
            blow.hit = under_way and self.wait_full(blow, fault)
            return
        while not met and one.running() and time.monotonic() < one.started + COMMAND_LIMIT_S:
            time.sleep(0.005)
            met = fault()
        blow.hit = under_way and met and (plan.fault not in SLOW_FAULTS or one.running())

    def has_given(self, blow):
        """Right after a target lost power that was not held: had its source committed by then, or
        heard READY of one whose death nobody could know yet? So its notes show."""
        note, migration = notes.read(self.lab, blow.source, DOMAIN)
        return note in ("commit", "done") and migration == blow.one.migration()

    def wait_full(self, blow, fault):
        """Agents that stand still write nothing: they go on while the disk is still full."""
        if blow.plan.step:
            time.sleep(blow.plan.hold_s)
            for host in (blow.source, blow.target):
                self.lab.continue_agent(host)
        end = time.monotonic() + FULL_LIMIT_S
        while blow.one.running() and not fault() and time.monotonic() < end:
            time.sleep(0.005)
        end = time.monotonic() + END_WRITTEN_S
        while not fault() and time.monotonic() < end:
            time.sleep(0.02)
        return fault()

    # -- one move

    def step(self, number):
        """Move number so-and-so, until its fault has hit; False when all tries are used up."""
        for again in itertools.count():
            if self.counts["moves"] + self.counts["faults_missed"] >= self.tries:
                return False
            if self.attempt(number, again):
                return True

    def attempt(self, number, again):
        """One try; whether the fault hit."""
        plan = Plan(self.seed, number, again)
        source = moves.home(self.lab, DOMAIN)
        others = [host for host in self.lab.hosts if host != source]
        target = others[int(plan.target * len(others))]
        observer = next(host for host in others if host != target)
        self.watcher.summary()
        fault, dead = self.fault_of(plan, source, target, observer)
        one = moves.Move(self.lab, source, DOMAIN, target, *plan.options)
        blow = Blow(plan, one, source, target, dead)
        self.strike(blow, fault)
        if plan.lasting:
            one.wait_event(lambda event: False, LASTING_LIMIT_S)
        else:
            time.sleep(plan.hold_s)
        if dead and plan.fence:
            # Refused without a quorum or an agent: then nobody was told, as with a dead fencer.
            with contextlib.suppress(xflab.LabError):
                self.lab.confirm_off(dead)
        if blow.held == "READY" and dead == target:
            blow.noticed = moves.noticed(self.lab, source, dead)
            self.noticed[blow.noticed] += 1
        if isinstance(fault, full_disk.FullDisk):
            fault.undo()
        labs.heal_all(self.lab)
        ended = True
        try:
            one.wait(COMMAND_LIMIT_S)
        except TimeoutError:
            ended = False
        label = f"{number}{f', try {again + 1}' if again else ''}: {source} to {target}, " \
            f"{plan.text(self.paces[plan.options])}"
        self.weigh(label, blow, ended)
        return blow.hit

    def weigh(self, label, blow, ended):
        """What the world outside says about this move."""
        settled = True
        try:
            moves.wait_settled(self.lab, DOMAIN)
        except xflab.LabError:
            settled = False
        copies = guests.holders(self.lab, DOMAIN)
        alive = settled and sum(copies.values()) == 1 and self.watcher.wait_answers(5)
        seen = self.watcher.summary()
        events = [e["event"] for e in self.watcher.events]
        clean, findings, disk = judge.disk(self.lab.domains[DOMAIN]["disk"])
        death, proof = blow.death(disk["node"])
        if not clean or "duplicate" in events or "back" in events or sum(copies.values()) > 1:
            outcome = "doubled"
        elif not copies:
            outcome = death
        else:
            outcome = "stuck" if not alive else "moved" if blow.target in copies else "kept"
        damaged = seen["corrupt"] > 0
        self.count(blow, outcome, damaged)
        reason = blow.one.reason()
        ok = ended and not damaged and outcome not in BAD and reason not in UNEXPECTED
        where = proof if not copies else \
            f"on {' and '.join(copies)}, the disk's last writer is {disk['node']}"
        self.suite.check(f"{label}, {'hit' if blow.hit else 'missed'}: {outcome} "
                         f"({reason or 'no answer'}), {where}", ok,
                         "" if ok else self.evidence(blow.one, ended, findings))
        if outcome == "moved" and ended and not blow.hit and not blow.plan.step:
            self.learn(blow.one, blow.plan.options)
        if outcome not in ("moved", "kept") or damaged:
            self.start_over(settled)

    def count(self, blow, outcome, damaged):
        self.counts["moves" if blow.hit else "faults_missed"] += 1
        self.counts[outcome] += 1
        self.counts["died"] += outcome in ("died_ran", "died_committed")
        self.counts["damaged"] += damaged
        kind = self.kinds[blow.plan.fault]
        kind["hit" if blow.hit else "missed"] += 1
        if blow.hit:
            kind[outcome] += 1

    def evidence(self, one, ended, findings):
        seen = [e for e in self.watcher.events if e["event"] in ("back", "duplicate", "corrupt")]
        return (f"disk {findings[:3]}, network {seen[:3]}, {moves.status_text(self.lab, DOMAIN)}, "
                f"{'' if ended else 'the command did not end, '}{one.events[-1:]}")

    def start_over(self, settled):
        if not settled or guests.holders(self.lab, DOMAIN):
            # Evidence first: the logs are kept when the suite has failed.
            for host in self.lab.hosts:
                self.lab.xenferry(host, "destroy", DOMAIN, "--force", check=False)
            for host in self.lab.hosts:
                for process in self.lab.sandboxes(host):
                    process.signal(9)
            moves.wait_settled(self.lab, DOMAIN)
        self.fresh_domain(self.lab.hosts[0])


def run(suite, options):
    seed = options.seed if options.seed is not None else random.randrange(1 << 32)
    suite.say(f"seed {seed}, {options.moves} moves")
    with labs.lab_of(suite, "campaign", log_level="info") as lab:
        campaign = Campaign(suite, lab, seed, TRIES * (options.moves + 1))
        campaign.fresh_domain("n1")
        campaign.calibrate()
        for words, pace in campaign.paces.items():
            suite.say(f"{' '.join(('move', *words))} takes {pace.total:.2f} s here, its pause "
                      f"begins after {pace.to_pause:.2f} s")
        started = time.monotonic()
        for number in range(1, options.moves + 1):
            if time.monotonic() - started > options.moves * 90:
                suite.check("the campaign keeps its bound of 90 s a move", False)
                break
            if not campaign.step(number):
                break
        if campaign.watcher is not None:
            campaign.watcher.stop()
        for name, value in campaign.counts.items():
            suite.figure(name, value)
    suite.figure("seed", seed)
    suite.check(f"a fault has hit each of {options.moves} moves, within {campaign.tries} tries",
                campaign.counts["moves"] == options.moves, campaign.counts)
    verdict(suite, campaign)


def verdict(suite, campaign):
    """The table of faults, and what must hold of the campaign as a whole."""
    columns = ("hit", "missed", "moved", "kept", "died_ran", "died_committed")
    suite.say(f"        {'fault':<25}{'  '.join(columns)}   (outcomes of those that hit)")
    for fault, kind in campaign.kinds.items():
        suite.say(f"        {fault:<25}" + "  ".join(f"{kind[c]:>{len(c)}}" for c in columns))
    suite.say(f"        power-destination at READY: {campaign.noticed[True]} of "
              f"{sum(campaign.noticed.values())} after the source's Corosync had told of it")
    hit = campaign.counts["moves"]
    done = hit + campaign.counts["faults_missed"]
    suite.check(f"in {done} moves no domain was doubled", campaign.counts["doubled"] == 0)
    suite.check(f"in {done} moves no domain was lost", campaign.counts["lost"] == 0)
    suite.check("no move was left without an end", campaign.counts["stuck"] == 0)
    if hit >= EVERY_KIND:
        idle = [fault for fault in DATA_FAULTS if campaign.kinds[fault]["kept"] == 0]
        suite.check("every fault of the data has ended a move", not idle, idle)
