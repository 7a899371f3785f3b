# SPDX-License-Identifier: GPL-2.0-or-later
"""Part of suite `cluster`: a host that was dead, and remembers what all others have forgotten,
returns in the middle of a move's last hand-shake."""
import time

import guests
import judge
import moves
import xflab


def start(lab, host, config):
    xflab.wait_for(f"the start on {host}", lambda: lab.xenferry(
        host, "create", config, check=False).code == 0, 20, 0.5)


def old_epochs(suite, lab):
    facts = guests.define(lab, "old", memory_mib=64, workload="pattern=idle", fill="random")
    for turn in range(6):
        if turn > 0:
            lab.xenferry("n3", "destroy", "old")
        start(lab, "n3", facts["config"])
    for host in lab.hosts:
        lab.power_off(host)
    for host in ("n1", "n2"):
        lab.power_on(host)
    lab.wait_online(["n1", "n2"])
    lab.confirm_off("n3")
    start(lab, "n1", facts["config"])
    watcher = judge.Judge(lab, "old")
    try:
        suite.check("a domain lost with its host is started elsewhere", watcher.wait_answers(10))
        watcher.summary()
        one = moves.Move(lab, "n1", "old", "n2", "--bandwidth", "60M")
        suite.check("its next move is held in the hand-shake",
                    moves.hold_at(lab, one, "END", "n1", "n2"), one.events[-1:])
        lab.power_on("n3")
        lab.wait_online(["n1", "n3"])
        time.sleep(2)  # so that all that n3 has to say is said
        for host in ("n1", "n2"):
            lab.continue_agent(host)
        code = one.wait(60)
        # The new view may end the move as any new view may; it must not end the domain.
        home = {"n2": 1} if code == 0 else {"n1": 1}
        suite.check("a host that returns in the hand-shake with old epochs: moved, or kept",
                    one.report().get("result") == ("moved" if code == 0 else "kept"),
                    (code, one.err))
        suite.guard("the domain lives once, where the command says", xflab.wait_for, "one copy",
                    lambda: guests.holders(lab, "old") == home, 20)
        suite.check("and answers", watcher.wait_answers(10))
    finally:
        watcher.stop()
    suite.guard("all are of one mind", moves.wait_settled, lab, "old")
    lab.xenferry("n1", "destroy", "old", check=False)
