# SPDX-License-Identifier: GPL-2.0-or-later
"""Part of suite `cluster`: a host whose Corosync stands still while its agent has much to say."""
import signal
import subprocess
import time

import guests
import judge
import moves
import xflab

# Each is a message to the domain's node. What libqb holds of them for a Corosync that reads none
# ends below three hundred, and then it waits.
COMMANDS = 350


def answers_within(lab, host, limit_s):
    started = time.monotonic()
    answer = lab.xenferry(host, "metrics", "--json", check=False)
    return answer.code == 0 and time.monotonic() - started < limit_s


def flood(suite, lab, corosync):
    corosync.signal(signal.SIGSTOP)
    try:
        asked = [lab.popen("n3", "xenferry", "cancel", "steady", stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL) for _ in range(COMMANDS)]
        # Each command has two descriptors or more at the agent.
        xflab.wait_for("the agent to have them all", lambda: lab.xenferry(
            "n3", "metrics", "--json").json()["fds"] > 2 * COMMANDS, 30)
        suite.check("a Corosync that stands still does not stop its agent",
                    answers_within(lab, "n3", 2))
    finally:
        corosync.signal(signal.SIGCONT)
    codes = [one.wait(60) for one in asked]
    # Not in doubt of anything: refused by the node, or lost with the group.
    suite.check("once Corosync goes on, every command gets its answer",
                set(codes) <= {2, 7, 36}, sorted(set(codes)))
    suite.guard("and the agents see each other again", lab.wait_online, lab.hosts)


def stopped_corosync(suite, lab):
    guests.create(lab, "steady", "n1", memory_mib=32, workload="pattern=idle")
    watcher = judge.Judge(lab, "steady")
    try:
        suite.check("a domain answers", watcher.wait_answers(10))
        flood(suite, lab, lab.named("n3", "corosync")[0])
        one, code = moves.move(lab, "steady", "n3")
        suite.check("a move to that host works", code == 0, (one.err, one.events[-1:]))
        seen = watcher.summary()
        suite.check("the domain noticed nothing but its move", seen["duplicates"] == 0
                    and seen["back"] == 0 and seen["corrupt"] == 0 and seen["instances"] <= 1, seen)
    finally:
        watcher.stop()
        lab.xenferry("n1", "destroy", "steady", check=False)
        guests.forget(lab, "steady")
