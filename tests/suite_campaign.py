# SPDX-License-Identifier: GPL-2.0-or-later
"""Suite `campaign`: moves with one fault each, at a random moment; judged from outside.

Everything random about move number i comes from Random("SEED/i"), so a campaign with the same seed
asks for the same moves, faults and delays; `--moves N --seed S` replays it.

The last hand-shake takes a few milliseconds, too few to be met by chance often. So four moves in
ten are stopped at one of its steps, by holding the agents still in turn, before the fault strikes.
"""
import contextlib
import random
import statistics
import time

import guests
import judge
import labs
import moves
import xflab

DOMAIN = "game"
# A power cut is told to the cluster as fencing would in half of the cases.
FAULTS = ("agent-kill-source", "agent-kill-destination", "agent-kill-observer", "power-source",
          "power-destination", "power-observer", "cut-parties", "isolate-source",
          "isolate-destination", "cut-data", "agent-pause-source", "agent-pause-destination",
          "full-disk-source", "full-disk-destination", "mover-kill-source",
          "mover-kill-destination", "corrupt-data")
# What can strike between two steps of the hand-shake: the movers have done their part by then.
HANDSHAKE_FAULTS = tuple(f for f in FAULTS if not f.startswith(("mover-", "cut-data", "corrupt-")))
# Why a move of an easy guest must not fail, whatever strikes: these would be faults of our own.
UNEXPECTED = ("internal", "not-converging", "stream", "digest", "busy", "holds-copy", "protocol",
              "usage", "exists", "same-node", "unknown-domain", "unknown-node")
COMMAND_LIMIT_S = 45.0


class Plan:
    """What is random about one move."""

    def __init__(self, seed, number):
        rng = random.Random(f"{seed}/{number}")
        self.step = rng.choice(moves.STEPS) if rng.random() < 0.4 else None
        self.fault = rng.choice(HANDSHAKE_FAULTS if self.step else FAULTS)
        # Half of the faults anywhere in the move, half around its pause, where the hand-over is.
        self.near_pause = rng.random() < 0.5
        self.fraction = rng.random()
        self.spread = rng.gauss(0, 1)
        self.hold_s = rng.choice((0.3, 1.0, 3.0, 6.0))
        self.fence = rng.random() < 0.5
        self.target = rng.random()
        self.options = ["--cold"] if rng.random() < 0.25 else []
        if self.step or rng.random() < 0.3:
            self.options += ["--bandwidth", "60M"]

    def delay(self, pace):
        """Seconds from asking for the move to the fault."""
        if self.near_pause:
            return max(0.0, pace.to_pause + 0.02 * self.spread)
        return self.fraction * pace.total * 1.1

    def text(self, pace):
        when = f"after {self.step}" if self.step else f"after {self.delay(pace) * 1000:.0f} ms"
        return f"{' '.join(['move', *self.options])}, {self.fault} {when}"


class Pace:
    """How long this machine's moves take: medians of the last ones that nothing disturbed."""

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


class Campaign:
    def __init__(self, suite, lab, seed):
        self.suite = suite
        self.lab = lab
        self.seed = seed
        self.pace = Pace()
        self.watcher = None
        self.counts = {"moves": 0, "moved": 0, "kept": 0, "died": 0, "doubled": 0, "lost": 0,
                       "stuck": 0, "damaged": 0}

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
        for _ in range(4):
            self.undisturbed_move()

    def undisturbed_move(self):
        source = moves.home(self.lab, DOMAIN)
        target = next(host for host in self.lab.hosts if host != source)
        one, code = moves.move(self.lab, DOMAIN, target)
        if code != 0:
            raise xflab.LabError(f"a move without a fault failed: {one.err}")
        self.watcher.wait_answers(10)
        time.sleep(0.05)
        gaps = self.watcher.gaps(one.started)
        start = max(gaps, key=lambda gap: gap[1])[0] if gaps else one.ended
        self.pace.add(max(0.0, start - one.started), one.ended - one.started)

    # -- the fault

    def prepared(self, plan, source, target, observer):
        """The fault as a function; what can be looked up beforehand is, so that it strikes at once.
        Returns it with the host whose power it cuts, or None."""
        lab = self.lab
        what, _, who = plan.fault.rpartition("-")
        host = {"source": source, "destination": target, "observer": observer}.get(who)
        agent = lab.agent_process(host) if host else None
        actions = {
            "agent-kill": lambda: lab.kill_agent(host),
            "agent-pause": lambda: agent.signal(19),
            "power": lambda: lab.power_off(host),
            "isolate": lambda: lab.isolate(host),
            "full-disk": lambda: lab.fill_disk(host),
            "mover-kill": lambda: lab.kill_mover(host),
        }
        if host is not None:
            return actions[what], host if what == "power" else None
        if plan.fault == "cut-parties":
            return (lambda: lab.cut(source, target)), None
        if plan.fault == "cut-data":
            return (lambda: lab.cut_data(source, target)), None
        # The rule waits for the next full segment: loaded before the move or in its middle.
        return (lambda: lab.corrupt_data(source, target)), None

    def strike(self, plan, one, fault, source, target):
        if plan.step:
            moves.hold_at(self.lab, one, plan.step, source, target)
            fault()
            return
        left = one.started + plan.delay(self.pace) - time.monotonic()
        if left > 0:
            time.sleep(left)
        fault()

    # -- one move

    def step(self, number):
        plan = Plan(self.seed, number)
        source = moves.home(self.lab, DOMAIN)
        others = [host for host in self.lab.hosts if host != source]
        target = others[int(plan.target * len(others))]
        observer = next(host for host in others if host != target)
        self.watcher.summary()
        fault, dead = self.prepared(plan, source, target, observer)
        one = moves.Move(self.lab, source, DOMAIN, target, *plan.options)
        self.strike(plan, one, fault, source, target)
        time.sleep(plan.hold_s)
        if dead and plan.fence:
            # Refused without a quorum or an agent: then nobody was told, as with a dead fencer.
            with contextlib.suppress(xflab.LabError):
                self.lab.confirm_off(dead)
        labs.heal_all(self.lab)
        ended = True
        try:
            one.wait(COMMAND_LIMIT_S)
        except TimeoutError:
            ended = False
        self.counts["moves"] += 1
        self.weigh(number, plan, one, ended, source, target, dead)

    def weigh(self, number, plan, one, ended, source, target, dead):
        """What the world outside says about this move."""
        label = f"{number}: {source} to {target}, {plan.text(self.pace)}"
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
        doubled = not clean or "duplicate" in events or "back" in events or \
            sum(copies.values()) > 1
        died = not copies and dead is not None and self.died_with(dead, source, disk)
        lost = not copies and not died
        stuck = not alive and not died and not lost
        damaged = seen["corrupt"] > 0
        outcome = "doubled" if doubled else "lost" if lost else "died" if died else \
            "stuck" if stuck else "moved" if target in copies else "kept"
        self.counts[outcome] += 1
        self.counts["damaged"] += damaged
        ok = not (doubled or lost or stuck or damaged or one.reason() in UNEXPECTED) and ended
        detail = "" if ok else self.evidence(one, ended, findings)
        self.suite.check(f"{label}: {outcome} ({one.reason() or 'no answer'})", ok, detail)
        if doubled or lost or died or stuck or damaged:
            self.start_over(settled)

    def evidence(self, one, ended, findings):
        seen = [e for e in self.watcher.events if e["event"] in ("back", "duplicate", "corrupt")]
        return (f"disk {findings[:3]}, network {seen[:3]}, {moves.status_text(self.lab, DOMAIN)}, "
                f"{'' if ended else 'the command did not end, '}{one.events[-1:]}")

    def died_with(self, dead, source, disk):
        """The only valid copy was on the host whose power was cut: the disk's last writer, or the
        target, if the source had committed the domain to it before."""
        if disk["node"] == dead:
            return True
        for host in self.lab.hosts:
            answer = self.lab.xenferry(host, "history", DOMAIN, "--limit", "1", "--json",
                                       check=False)
            if answer.code == 0 and answer.json()["history"]:
                report = answer.json()["history"][0]
                if report["result"] == "lost" and report["source"] == source \
                        and report["destination"] == dead:
                    return True
        return False

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
        campaign = Campaign(suite, lab, seed)
        campaign.fresh_domain("n1")
        campaign.calibrate()
        suite.say(f"a move takes {campaign.pace.total:.2f} s here, its pause begins after "
                  f"{campaign.pace.to_pause:.2f} s")
        started = time.monotonic()
        for number in range(1, options.moves + 1):
            if time.monotonic() - started > options.moves * 90:
                suite.check("the campaign keeps its bound of 90 s a move", False)
                break
            campaign.step(number)
        if campaign.watcher is not None:
            campaign.watcher.stop()
        for name, value in campaign.counts.items():
            suite.figure(name, value)
    suite.figure("seed", seed)
    suite.check(f"in {campaign.counts['moves']} moves no domain was doubled",
                campaign.counts["doubled"] == 0)
    suite.check(f"in {campaign.counts['moves']} moves no domain was lost",
                campaign.counts["lost"] == 0)
    suite.check("no move was left without an end", campaign.counts["stuck"] == 0)
