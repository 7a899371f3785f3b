# SPDX-License-Identifier: GPL-2.0-or-later
"""Part of suite `cluster`: a host whose Corosync stands still while its agent has much to say, and
agents that are told to end while they have much to do."""
import contextlib
import signal
import subprocess
import time

import guests
import judge
import moves
import procs
import xflab

STATUS = "/run/xenferryd.status"

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


@contextlib.contextmanager
def bystander(suite, lab, name, n_moves, **options):
    """A domain on n1 that may notice nothing but so many moves of it."""
    guests.create(lab, name, "n1", workload="pattern=idle", **options)
    watcher = judge.Judge(lab, name)
    try:
        suite.check(f"{name} answers", watcher.wait_answers(10))
        yield
        seen = watcher.summary()
        suite.check(f"{name} noticed nothing but {n_moves} moves of it", seen["answers"] > 0
                    and seen["duplicates"] == 0 and seen["back"] == 0 and seen["corrupt"] == 0
                    and seen["instances"] <= n_moves, seen)
    finally:
        watcher.stop()
        lab.xenferry("n1", "destroy", name, check=False)
        guests.forget(lab, name)


def stopped_corosync(suite, lab):
    with bystander(suite, lab, "steady", 1, memory_mib=32):
        flood(suite, lab, lab.named("n3", "corosync")[0])
        one, code = moves.move(lab, "steady", "n3")
        suite.check("a move to that host works", code == 0, (one.err, one.events[-1:]))


# -- an agent that is told to end


def start_watched(lab, host):
    """Starts an agent so that its exit status is known afterwards."""
    lab.exec(host, "rm", "-f", STATUS)
    lab.exec(host, "sh", "-c", f"setsid -f sh -c 'xenferryd -f -c {xflab.CONF}; echo $? >{STATUS}' "
                               ">>/var/log/xenferryd.log 2>&1 </dev/null")
    lab.wait_online(lab.hosts)


def ends_well(suite, lab, host, what):
    lab.agent_process(host).signal(signal.SIGTERM)
    status = suite.guard(f"{what}: the agent ends", xflab.wait_for, "its exit status",
                         lambda: lab.exec(host, "cat", STATUS, check=False).out.strip(), 10)
    suite.check(f"{what}: with status 0", status == "0", status)


def ended_agent(suite, lab, host, asked_on, what):
    """A restart of the service, as an upgrade does it, while a command waits for a move."""
    lab.kill_agent(host)
    start_watched(lab, host)
    one = moves.Move(lab, asked_on, "plodder", "n2", "--bandwidth", "4M")
    suite.check(f"{what}: the move copies", one.wait_event(
        lambda e: e.get("event") == "progress" and e.get("state") == "copying", 20) is not None,
                one.events)
    ends_well(suite, lab, host, what)
    code = one.wait(60)
    suite.check(f"{what}: the command says that it does not know, or that it was kept", code != 0,
                (code, one.err))
    lab.xenferry("n1", "cancel", "plodder", check=False)  # where only the asker was lost it goes on
    lab.start_agent(host)
    lab.wait_online(lab.hosts)
    suite.guard(f"{what}: one copy is left, at home", xflab.wait_for, "one copy",
                lambda: guests.holders(lab, "plodder") == {"n1": 1}
                and guests.where(lab, "plodder") == ["n1"], 30)


def ended_agents(suite, lab):
    with bystander(suite, lab, "plodder", 0, memory_mib=128, fill="random"):
        ended_agent(suite, lab, "n1", "n1", "the source's agent told to end")
        ended_agent(suite, lab, "n1", "n3", "the same, asked for from another node")
        ended_agent(suite, lab, "n2", "n1", "the target's agent told to end")
        ended_agent(suite, lab, "n3", "n3", "the asking node's agent told to end")


# -- a source that hangs when all is done


def report_of(lab, host):
    answer = lab.xenferry(host, "report", "mute", "--json", check=False)
    return answer.json() if answer.code == 0 else {}


def silent_source(suite, lab):
    """The domain runs on the target, whose word the source's agent never takes: stopped, but a member
    of the group. What happened is told all the same."""
    guests.create(lab, "mute", "n1", memory_mib=32, workload="pattern=idle")
    one = moves.Move(lab, "n1", "mute", "n2")
    try:
        suite.check("the source's agent stands still when the target's has let the domain go",
                    moves.hold_at(lab, one, "RUNNING", "n1", "n2"), one.events[-1:])
        lab.continue_agent("n2")
        for host in ("n2", "n3"):
            suite.guard(f"{host} has a report of it", xflab.wait_for, "a report", lambda h=host:
                        report_of(lab, h).get("result") == "moved", 25)
    finally:
        lab.continue_agent("n1")
    one.wait(60)
    moves.wait_settled(lab, "mute")
    for host in lab.hosts:
        told = lab.xenferry(host, "history", "mute", "--json").json()["history"]
        suite.check(f"{host} keeps one report of the move, also after the source's own",
                    [entry["result"] for entry in told] == ["moved"], told)
    lab.xenferry("n1", "destroy", "mute")
    guests.forget(lab, "mute")


# -- no Corosync


def without_corosync(suite, lab):
    """An agent that is started before Corosync says what it waits for, and goes on once it is there."""
    lab.kill_agent("n3")
    procs.kill_all([p.pid for p in lab.named("n3", "corosync")])
    lab.exec("n3", "sh", "-c", ": >/var/log/xenferryd.log")
    lab.start_agent("n3")
    suite.guard("without Corosync: the agent says so", xflab.wait_for, "the message",
                lambda: "Corosync does not answer" in lab.exec(
                    "n3", "cat", "/var/log/xenferryd.log").out, 10)
    answer = lab.xenferry("n3", "nodes", check=False)
    suite.check("without Corosync: commands are told as well", answer.code == 9
                and "Corosync does not answer" in answer.err, answer)
    lab.exec("n3", "corosync")
    suite.guard("without Corosync: the agent goes on once it is there", lab.wait_online, lab.hosts)
    said = lab.exec("n3", "cat", "/var/log/xenferryd.log").out
    suite.check("without Corosync: it said so once", said.count("Corosync does not answer") == 1,
                said[-500:])
