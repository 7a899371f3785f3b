# SPDX-License-Identifier: GPL-2.0-or-later
"""Part of suite `cluster`: moves in doubt, and the operator who decides them.

Corosync is cut between all hosts, so nobody has a quorum and nobody can promise; the guests' own
network stays whole, and the client outside sees what each decision brings before anything heals.
"""
import time

import guests
import judge
import labs
import moves
import xflab

DOMAIN = "doubtful"
OTHER = {"n1": "n2", "n2": "n1"}
HERE_GOES_ON = "the copy here goes on."
HERE_IS_DESTROYED = "the copy here is destroyed."
NOT_IN_DOUBT = "the domain is not in doubt here"


def doubt(lab, host):
    """The migration as this host's `status` shows it, if in doubt."""
    for migration in moves.migrations(lab, host, DOMAIN) or []:
        if migration["state"] == "in-doubt":
            return migration
    return None


def cut_all(lab):
    lab.partition(*([host] for host in lab.hosts), what="cluster")


def refused(suite, lab, host, what, exit_code, sentence):
    answer = lab.xenferry(host, "resolve", DOMAIN, "stay", "--yes", check=False)
    suite.check(f"{what}: exit {exit_code} and the sentence",
                answer.code == exit_code and sentence in answer.err, answer)


def not_in_doubt(suite, lab, watcher):
    """A domain that runs, one that moves, and one that nobody knows are not decided."""
    watcher.summary()
    refused(suite, lab, "n1", "resolve of a domain at rest", 2, NOT_IN_DOUBT)
    refused(suite, lab, "n3", "resolve of a domain at rest elsewhere", 2, NOT_IN_DOUBT)
    one = moves.Move(lab, "n1", DOMAIN, "n2", "--bandwidth", "8M")
    one.wait_event(lambda e: e.get("event") == "progress", 15)
    refused(suite, lab, "n1", "resolve at the source of a move under way", 2, NOT_IN_DOUBT)
    refused(suite, lab, "n2", "resolve at its target", 2, NOT_IN_DOUBT)
    suite.check("a resolve that was refused disturbs no move", one.wait() == 0,
                (one.err, one.events[-1:]))
    one, code = moves.move(lab, DOMAIN, "n1")
    suite.check("nor the next", code == 0, one.err)
    answer = lab.xenferry("n1", "resolve", "nosuch", "stay", "--yes", check=False)
    suite.check("resolve of a domain that nobody holds: exit 5", answer.code == 5, answer)


class Doubt:
    """One move brought into doubt behind a step of its hand-shake, and decided."""

    def __init__(self, suite, lab, watcher, step):
        self.suite = suite
        self.lab = lab
        self.watcher = watcher
        self.source = moves.home(lab, DOMAIN)
        self.target = OTHER[self.source]
        self.what = ""
        watcher.summary()
        self.one = moves.Move(lab, self.source, DOMAIN, self.target, "--bandwidth", "60M")
        if not moves.hold_at(lab, self.one, step, self.source, self.target):
            raise xflab.LabError(f"the move ended before {step}: {self.one.events[-1:]}")

    def check(self, claim, ok, detail=""):
        self.suite.check(f"{self.what}: {claim}", ok, detail)

    def in_doubt_at(self, host, missing):
        """`status` says so, and what is missing; also as people read it."""
        other = self.target if host == self.source else self.source
        shown = xflab.wait_for(f"{host} is in doubt", lambda: doubt(self.lab, host), 20)
        self.check(f"status of {host} says what is missing", shown["missing"] == missing.format(
            other=other), shown["missing"])
        text = self.lab.xenferry(host, "status").out
        self.check("and says it to people",
                   f"{DOMAIN} is in doubt; missing: a word from {other}" in text, text)
        answer = self.lab.xenferry("n3", "resolve", DOMAIN, "stay", "--yes", check=False)
        self.check("a node that is no party decides nothing: exit 7", answer.code == 7, answer)

    def only_asked(self, host, decision, risk):
        """Without --yes: the risk, exit 0, and all as it was."""
        before = guests.holders(self.lab, DOMAIN)
        answer = self.lab.xenferry(host, "resolve", DOMAIN, decision)
        self.check("without --yes the risk is told and nothing done",
                   f"{DOMAIN}: {risk}" in answer.out
                   and "nothing was done; --yes takes that risk" in answer.out, answer)
        time.sleep(0.5)
        self.check("and it is in doubt as before", doubt(self.lab, host) is not None
                   and guests.holders(self.lab, DOMAIN) == before,
                   moves.status_text(self.lab, DOMAIN))
        self.check("and no copy answers", self.watcher.summary()["silent_ms"] > 500)

    def decide(self, host, decision, risk):
        self.only_asked(host, decision, risk)
        decided = self.decisions_logged(host, decision)
        answer = self.lab.xenferry(host, "resolve", DOMAIN, decision, "--yes")
        self.check("with --yes it says that it is decided", risk in answer.out
                   and "decided; xenferry status shows what becomes of it" in answer.out, answer)
        self.check("the agent's log names the operator's decision, once",
                   self.decisions_logged(host, decision) == decided + 1)

    def decisions_logged(self, host, decision):
        with open(f"{self.lab.host_dir(host)}/log/xenferryd.log", encoding="utf-8") as file:
            return file.read().count(f"an operator decides: {decision}")

    def runs_on(self, host):
        """Before anything heals: the guest goes on there."""
        self.suite.guard(f"{self.what}: the copy of {host} goes on before anything heals",
                         xflab.wait_for, "an answer", lambda: (
                             seen := self.watcher.summary())["answers"] > 0
                         and seen["node"] == host, 10)

    def dropped_at(self, host):
        """Before anything heals: this copy is gone, and the other still waits."""
        other = self.target if host == self.source else self.source
        self.suite.guard(f"{self.what}: the copy of {host} is destroyed, that of {other} waits",
                         xflab.wait_for, "the copy to go",
                         lambda: guests.holders(self.lab, DOMAIN) == {other: 1}, 10)
        time.sleep(0.5)
        self.check("and nothing runs yet", self.watcher.summary()["silent_ms"] > 500)

    def parties_meet(self, host):
        """The two parties hear each other before either hears the observer. Otherwise the one that
        was not asked may win the observer's promise meanwhile, and run as well: the risk named."""
        self.lab.faults = []
        self.lab.isolate("n3", "cluster")  # loads the switch as a whole: no moment without a cut
        self.suite.guard(f"{self.what}: the other party hears of it and drops its copy",
                         xflab.wait_for, "one copy",
                         lambda: guests.holders(self.lab, DOMAIN) == {host: 1}, 20)

    def heals_to(self, host):
        """Everything heals: one copy, there, with all its memory and writes."""
        labs.heal_all(self.lab)
        self.suite.guard(f"{self.what}: healed, all agree", moves.wait_settled, self.lab, DOMAIN)
        self.check(f"one copy is left, on {host}", guests.holders(self.lab, DOMAIN) == {host: 1}
                   and moves.home(self.lab, DOMAIN) == host,
                   moves.status_text(self.lab, DOMAIN))
        self.check("it answers", self.watcher.wait_answers(10))
        time.sleep(0.3)  # so that a second writer or answerer would have been seen
        events = [e for e in self.watcher.events if e["event"] in ("back", "duplicate", "corrupt")]
        clean, findings, disk = judge.disk(self.lab.domains[DOMAIN]["disk"])
        self.check("seen from outside there never were two, and nothing is lost or damaged",
                   not events and clean and disk["node"] == host, (events[:2], findings[:2], disk))
        self.suite.guard(f"{self.what}: the command that asked for the move ends",
                         self.one.wait, 30)


UNDECIDED = "a word from {other}, or 2 votes of 3 nodes (1 so far, and no quorum here)"
COMMITTED = "a word from {other}, or that it is confirmed off"


def undecided(suite, lab, watcher, at, decision):
    """S has sent all, D has all; no word passed since."""
    it = Doubt(suite, lab, watcher, "END")
    it.what = f"before COMMIT, the {at} told {decision}"
    cut_all(lab)
    lab.continue_agent(it.target)
    for host in (it.source, it.target):
        it.in_doubt_at(host, UNDECIDED)
    host = it.source if at == "source" else it.target
    if (at == "source") == (decision == "stay"):
        it.decide(host, decision, HERE_GOES_ON)
        it.runs_on(host)
        it.parties_meet(host)
    else:
        it.decide(host, decision, HERE_IS_DESTROYED)
        it.dropped_at(host)
    it.heals_to(it.source if decision == "stay" else it.target)


def committed_stay(suite, lab, watcher):
    """S has said COMMIT to a D that lost its power before it could read it."""
    it = Doubt(suite, lab, watcher, "COMMIT")
    it.what = "after COMMIT, the source told stay"
    lab.power_off(it.target)
    cut_all(lab)
    it.in_doubt_at(it.source, COMMITTED)
    it.decide(it.source, "stay", HERE_GOES_ON)
    it.runs_on(it.source)
    it.heals_to(it.source)


def committed_go(suite, lab, watcher):
    """S has said COMMIT; D got it and is slow to read it."""
    it = Doubt(suite, lab, watcher, "COMMIT")
    it.what = "after COMMIT, the source told go"
    cut_all(lab)
    it.in_doubt_at(it.source, COMMITTED)
    it.decide(it.source, "go", HERE_IS_DESTROYED)
    it.dropped_at(it.source)
    lab.continue_agent(it.target)
    it.runs_on(it.target)
    it.heals_to(it.target)


def resolve(suite, lab):
    guests.create(lab, DOMAIN, "n1", memory_mib=64,
                  workload="pattern=hotspot,rate=10,window=16", fill="random")
    watcher = judge.Judge(lab, DOMAIN, gap_ms=8)
    try:
        suite.check("a domain answers before it is in doubt", watcher.wait_answers(10))
        not_in_doubt(suite, lab, watcher)
        for part, options in ((undecided, ("source", "stay")), (undecided, ("target", "go")),
                              (undecided, ("source", "go")), (undecided, ("target", "stay")),
                              (committed_stay, ()), (committed_go, ())):
            suite.guard(f"{part.__name__} {' '.join(options)} runs to its end".replace("  ", " "),
                        part, suite, lab, watcher, *options)
            labs.heal_all(lab)
            lab.wait_online(lab.hosts)
            moves.wait_settled(lab, DOMAIN)
    finally:
        watcher.stop()
        lab.xenferry("n1", "destroy", DOMAIN, check=False)
        guests.forget(lab, DOMAIN)
