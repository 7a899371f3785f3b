# SPDX-License-Identifier: GPL-2.0-or-later
"""Part of suite `cluster`: the target said READY and lost power, and its source hears both at once.

The source's agent stands still meanwhile, as one on a busy host may. READY waits for it in the
group, and behind it the view without the target: the domain must not be given to a dead host.
"""
import time

import guests
import judge
import moves
import xflab

DOMAIN = "left"
NOTICED_LIMIT_S = 20.0
# The source asks the observer and resumes: far below its time-outs for an answer and progress.
GOES_ON_LIMIT_S = 10.0


def ready_of_the_dead(suite, lab):
    guests.create(lab, DOMAIN, "n1", memory_mib=64, workload="pattern=hotspot,rate=10,window=16",
                  fill="random")
    watcher = judge.Judge(lab, DOMAIN, gap_ms=8)
    try:
        suite.check("a domain answers", watcher.wait_answers(10))
        watcher.summary()
        one = moves.Move(lab, "n1", DOMAIN, "n2", "--bandwidth", "60M")
        suite.check("its move is held where the target has said READY",
                    moves.hold_at(lab, one, "READY", "n1", "n2"), one.events[-1:])
        lab.power_off("n2")
        xflab.wait_for("Corosync of the source tells of it",
                       lambda: moves.noticed(lab, "n1", "n2"), NOTICED_LIMIT_S)
        let_go = time.monotonic()
        lab.continue_agent("n1")
        judged(suite, lab, watcher, one, let_go)
    finally:
        watcher.stop()
    lab.power_on("n2")
    suite.guard("a target dead after READY: the host comes back and all agree",
                moves.wait_settled, lab, DOMAIN)
    one, code = moves.move(lab, DOMAIN, "n2")
    suite.check("a target dead after READY: the next move there works", code == 0,
                (one.err, one.events[-1:]))
    lab.xenferry("n2", "destroy", DOMAIN)
    guests.forget(lab, DOMAIN)


def judged(suite, lab, watcher, one, let_go):
    """Nobody was told that the target is off: two of three hosts decide without fencing."""
    what = "a target dead after READY"
    answers = watcher.wait_answers(GOES_ON_LIMIT_S)
    suite.check(f"{what}: the guest goes on within {GOES_ON_LIMIT_S:g} s", answers,
                moves.status_text(lab, DOMAIN))
    if answers:
        suite.say(f"        it answers {time.monotonic() - let_go:.2f} s after the agent goes on")
    suite.check(f"{what}: at its source, once", guests.holders(lab, DOMAIN) == {"n1": 1},
                guests.holders(lab, DOMAIN))
    code = one.wait(20)
    suite.check(f"{what}: the command says that it was kept",
                code != 0 and one.report().get("result") == "kept",
                (code, one.err, one.events[-1:]))
    seen = watcher.summary()
    suite.check(f"{what}: the client meets the same instance, nothing twice, nothing damaged",
                seen["answers"] > 0 and seen["instances"] == 0 and seen["node"] == "n1"
                and seen["duplicates"] == 0 and seen["back"] == 0 and seen["corrupt"] == 0, seen)
    clean, findings, disk = judge.disk(lab.domains[DOMAIN]["disk"])
    suite.check(f"{what}: its disk is whole and the source's alone",
                clean and disk["node"] == "n1" and disk["writers"] == 1, (findings[:3], disk))
