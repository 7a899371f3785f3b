# SPDX-License-Identifier: GPL-2.0-or-later
"""Suite `cluster`: moves in a real cluster of lab hosts, judged by the client outside."""
import os
import re
import subprocess
import time

import build
import cluster_disks
import cluster_epochs
import cluster_inputs
import cluster_ready
import cluster_refusals
import cluster_resolve
import cluster_stopped
import guests
import judge
import labs
import moves
import xflab


def copy_is_only_on(lab, domain, host):
    return xflab.wait_for(f"{domain} is on {host} alone",
                          lambda: guests.holders(lab, domain) == {host: 1}, 20)


def judged(suite, what, watcher, lab, domain):
    """The outside view since the last summary: one copy, no page and no write lost."""
    seen = watcher.summary()
    suite.check(f"{what}: no counter came twice or fell back",
                seen["duplicates"] == 0 and seen["back"] == 0, seen)
    suite.check(f"{what}: the guest finds no page of its memory damaged",
                seen["corrupt"] == 0, seen)
    clean, findings, disk = judge.disk(lab.domains[domain]["disk"])
    suite.check(f"{what}: every write is on the disk once and in order, one writer after the other",
                clean, findings[:3])
    return seen, disk


def one_move(suite, lab, watcher, domain, to, what, *options):
    """A move that must succeed; returns its report and the pause seen outside in ms."""
    source = moves.home(lab, domain)
    watcher.summary()
    one, code = moves.move(lab, domain, to, *options)
    report = one.report()
    suite.check(f"{what}: the command ends with 0 and reports moved",
                code == 0 and report.get("result") == "moved", (code, one.err, report))
    suite.guard(f"{what}: one copy is left, on {to}", copy_is_only_on, lab, domain, to)
    suite.check(f"{what}: it answers from {to}", watcher.wait_answers(10))
    time.sleep(0.3)  # so that a second writer or answerer would have been seen
    met = [event for event in watcher.events
           if event["event"] == "instance" and event["t"] >= one.started]
    gap = watcher.longest_since(one.started)
    _seen, disk = judged(suite, what, watcher, lab, domain)
    suite.check(f"{what}: the client met exactly one new instance, on {to}",
                [event["node"] for event in met] == [to], met)
    suite.check(f"{what}: the disk's last writer is {to}", disk["node"] == to, disk)
    suite.say(f"        {what}: {source} to {to}, pause {gap:.0f} ms outside, "
              f"{report.get('pause', {}).get('total_ms')} ms reported, "
              f"{len(report.get('rounds', []))} rounds, {report.get('duration_ms')} ms in all")
    return report, gap


def switch_port(lab, mac):
    """The port behind which the switch sees a MAC."""
    listing = xflab.run("ip", "netns", "exec", lab.netns("switch"), "bridge", "fdb", "show",
                        "br", "br0").out
    for line in listing.splitlines():
        words = line.split()
        if words and words[0] == mac and "permanent" not in words:
            return words[words.index("dev") + 1]
    return None


def basic_moves(suite, lab):
    guests.create(lab, "web", "n1", memory_mib=96, workload="pattern=idle", fill="random")
    watcher = judge.Judge(lab, "web", gap_ms=8)
    try:
        suite.check("a created domain answers", watcher.wait_answers(10))
        listed = [d for d in lab.xenferry("n3", "domains", "--json").json()["domains"]
                  if d["name"] == "web"]
        suite.check("every node lists it where it runs",
                    len(listed) == 1 and listed[0]["node"] == "n1"
                    and listed[0]["state"] == "running", listed)
        report, gap = one_move(suite, lab, watcher, "web", "n2", "idle guest")
        suite.figure("pause_idle_ms", round(gap, 1))
        mac = lab.domains["web"]["mac"]
        suite.check("the switch sends its frames to the new host", switch_port(lab, mac) == "n2",
                    switch_port(lab, mac))
        suite.check("the old host saw the MAC arrive from outside, and the report says when",
                    isinstance(report.get("pause", {}).get("network_ms"), (int, float)), report)
        one_move(suite, lab, watcher, "web", "n3", "cold move", "--cold")
        for host in lab.hosts:
            entries = lab.xenferry(host, "history", "--json").json()["history"]
            suite.check(f"{host} keeps the history of both moves",
                        [(e["destination"], e["result"]) for e in entries[:2]]
                        == [("n3", "moved"), ("n2", "moved")], entries[:2])
    finally:
        watcher.stop()


def load_moves(suite, lab):
    guests.create(lab, "busy", "n1", memory_mib=256, workload="pattern=hotspot,rate=20,window=32",
                  fill="random")
    watcher = judge.Judge(lab, "busy", gap_ms=8)
    try:
        suite.check("a busy domain answers", watcher.wait_answers(10))
        report, gap = one_move(suite, lab, watcher, "busy", "n2", "guest that dirties 20 MB/s")
        suite.figure("pause_busy_ms", round(gap, 1))
        rounds = report.get("rounds", [])
        suite.check("rounds shrink: the last sends less than the first",
                    len(rounds) > 1 and rounds[-1]["pages_sent"] < rounds[0]["pages_sent"], rounds)
    finally:
        watcher.stop()


def kept_moves(suite, lab):
    guests.create(lab, "fast", "n2", memory_mib=96, workload="pattern=uniform,rate=60",
                  fill="random")
    watcher = judge.Judge(lab, "fast", gap_ms=8)
    try:
        suite.check("a domain that dirties all its memory answers", watcher.wait_answers(10))
        cancelled(suite, lab, watcher)
        gives_up(suite, lab, watcher)
    finally:
        watcher.stop()


def stays(suite, lab, watcher, what, one, exit_code, reason):
    """The move ended that way and the domain never noticed."""
    suite.check(f"{what}: exit {exit_code}, reason {reason}",
                one.reason() == reason and one.wait() == exit_code,
                (one.reason(), one.err, one.events[-1:]))
    suite.guard(f"{what}: the only copy is where it was", copy_is_only_on, lab, "fast", "n2")
    seen, _disk = judged(suite, what, watcher, lab, "fast")
    suite.check(f"{what}: the client met no new instance, and no pause of a second",
                seen["instances"] == 0 and seen["longest_gap_ms"] < 1000, seen)
    suite.guard(f"{what}: all agree", moves.wait_settled, lab, "fast")


def cancelled(suite, lab, watcher):
    watcher.summary()
    one = moves.Move(lab, "n2", "fast", "n1", "--bandwidth", "20M")
    suite.check("a move that takes a while reports its progress",
                one.wait_event(lambda e: e.get("event") == "progress", 15) is not None, one.events)
    answer = lab.xenferry("n3", "cancel", "fast", check=False)
    suite.check("cancel from a third node is taken", answer.code == 0, answer)
    one.wait(30)
    stays(suite, lab, watcher, "cancelled move", one, 21, "cancelled")


def gives_up(suite, lab, watcher):
    watcher.summary()
    one = moves.Move(lab, "n2", "fast", "n1", "--bandwidth", "20M")
    one.wait(120)
    stays(suite, lab, watcher, "guest faster than the link", one, 23, "not-converging")


def known(suite, lab, hosts, name, result, words):
    """What the hosts that are on report of the domain's last move."""
    for host in hosts:
        def said(host=host):
            answer = lab.xenferry(host, "report", name, "--json", check=False)
            return answer.json() if answer.code == 0 else {}
        suite.guard(f"{host} reports the move as {result}", xflab.wait_for, said, lambda said=said:
                    said().get("result") == result and words in said()["text"], 20, 0.5)


def power_cut_in_a_move(suite, lab):
    """The source loses power in pre-copy: the domain is lost with it, and can be started again."""
    guests.create(lab, "frail", "n1", memory_mib=256, workload="pattern=idle", fill="random")
    one = moves.Move(lab, "n3", "frail", "n2", "--bandwidth", "30M")
    one.wait_event(lambda e: e.get("event") == "progress", 15)
    lab.power_off("n1")
    one.wait(60)
    suite.check("power cut at the source: the move ends as lost or refused",
                one.reason() in ("node-lost", "peer-left", "peer-silent", "connection"),
                (one.events[-1:], one.err))
    again = lab.xenferry("n3", "create", lab.domains["frail"]["config"], "--json", check=False)
    suite.check("nobody starts it while a part of it may be about",
                again.code in (19, 20), again)
    xflab.wait_for("the target drops its part", lambda: not guests.holders(lab, "frail"), 30)
    again = lab.xenferry("n3", "create", lab.domains["frail"]["config"], "--json", check=False)
    suite.check("while the dead host is not confirmed off, a start is refused (H11)",
                again.code in (19, 20), again)
    known(suite, lab, ("n2", "n3"), "frail", "unknown", "n1 has left the group")
    lab.confirm_off("n1")
    known(suite, lab, ("n2", "n3"), "frail", "lost", "n1, which had the domain, is confirmed off")
    suite.guard("once it is, the domain starts elsewhere", xflab.wait_for, "the start", lambda:
                lab.xenferry("n3", "create", lab.domains["frail"]["config"], check=False).code == 0,
                10, 0.5)
    lab.power_on("n1")
    suite.guard("the host comes back and all agree", moves.wait_settled, lab, "frail")
    suite.check("it runs once", guests.holders(lab, "frail") == {"n3": 1},
                guests.holders(lab, "frail"))


def boots_anew_after_a_move(suite, lab):
    """The source loses power in pre-copy and boots; also an agent that was restarted meanwhile knows
    by the number of its boot that the domain went with it."""
    guests.create(lab, "bygone", "n1", memory_mib=256, workload="pattern=idle", fill="random")
    one = moves.Move(lab, "n3", "bygone", "n2", "--bandwidth", "30M")
    one.wait_event(lambda e: e.get("event") == "progress", 15)
    lab.power_off("n1")
    one.wait(60)
    known(suite, lab, ("n2", "n3"), "bygone", "unknown", "n1 has left the group")
    lab.kill_agent("n2")
    lab.start_agent("n2")
    lab.wait_online(["n2", "n3"])
    lab.power_on("n1")
    lab.wait_online(lab.hosts)
    known(suite, lab, ("n2", "n3"), "bygone", "lost", "n1, which had the domain, has booted anew")
    suite.check("nobody runs it", not guests.holders(lab, "bygone"), guests.holders(lab, "bygone"))


def cut_off_in_a_move(suite, lab):
    """The source is cut off in pre-copy and comes back: what nobody knew is known then."""
    guests.create(lab, "apart", "n1", memory_mib=256, workload="pattern=idle", fill="random")
    one = moves.Move(lab, "n1", "apart", "n2", "--bandwidth", "30M")
    one.wait_event(lambda e: e.get("event") == "progress", 15)
    lab.isolate("n1")
    known(suite, lab, ("n2", "n3"), "apart", "unknown", "n1 has left the group")
    one.wait(60)
    lab.heal()
    suite.guard("the host is back and all agree", moves.wait_settled, lab, "apart")
    known(suite, lab, lab.hosts, "apart", "kept", one.report()["text"])
    suite.check("it runs once", guests.holders(lab, "apart") == {"n1": 1},
                guests.holders(lab, "apart"))
    lab.xenferry("n1", "destroy", "apart")


def agents_come_and_go(suite, lab):
    """An agent's death is no domain's death."""
    watcher = judge.Judge(lab, "web", gap_ms=8)
    try:
        watcher.wait_answers(10)
        host = moves.home(lab, "web")
        lab.kill_agent(host)
        time.sleep(1)
        lab.start_agent(host)
        lab.wait_online(lab.hosts)
        suite.check("a killed agent finds its domain again", moves.home(lab, "web") == host)
        seen, _disk = judged(suite, "agent killed and restarted", watcher, lab, "web")
        suite.check("agent killed and restarted: the client noticed nothing",
                    seen["instances"] == 0 and seen["longest_gap_ms"] < 500, seen)
    finally:
        watcher.stop()


def a_second_copy_is_seen(suite, lab):
    """The judge itself on trial: a copy is started behind the agents' backs, on the same disk."""
    guests.create(lab, "twin", "n1", memory_mib=32, workload="pattern=idle")
    facts = lab.domains["twin"]
    watcher = judge.Judge(lab, "twin")
    try:
        suite.check("the first copy answers", watcher.wait_answers(10))
        lab.exec("n3", "mkdir", "-p", "/run/behind")
        lab.exec("n3", f"{build.PREFIX}/libexec/xenferry/xenferry-sandbox", "--dir=/run/behind",
                 "--name=twin", f"--uuid={facts['uuid']}", f"--config={facts['config']}")
        suite.check("a second copy is found in the hosts' process lists",
                    guests.holders(lab, "twin") == {"n1": 1, "n3": 1}, guests.holders(lab, "twin"))
        # Both hear the client only where the switch does not know where the MAC is.
        lab.isolate("n1")
        xflab.run("ip", "netns", "exec", lab.netns("switch"), "bridge", "fdb", "del", facts["mac"],
                  "dev", "n1", "master")
        time.sleep(1)
        seen = watcher.summary()
        suite.check("a second copy is seen on the network", seen["back"] > 0, seen)
        clean, findings, _disk = judge.disk(facts["disk"])
        suite.check("a second copy is seen on the disk", not clean and findings, findings[:2])
    finally:
        watcher.stop()
        for process in lab.sandboxes("n3"):
            if "--dir=/run/behind" in process.cmdline():
                process.signal(9)
        lab.heal()
        lab.wait_online(lab.hosts)
        lab.xenferry("n1", "destroy", "twin", check=False)


def side_by_side(suite, lab):
    """A second lab, half killed, brought up again, taken down: the first one does not notice."""
    first = lab.online("n1")
    other = xflab.Lab(lab.name + "b", nodes=2, install_root=lab.install_root)
    with other.lock():
        try:
            other.up()
            suite.check("a second lab of two hosts stands beside the first",
                        other.online("n1") == ["n1", "n2"], other.online("n1"))
            half = other.inits["n1"][0]
            os.kill(half, 9)
            xflab.run("ip", "netns", "del", other.netns("judge"))
            started = time.monotonic()
            other.up()
            suite.figure("up_s", round(time.monotonic() - started, 1))
            suite.check("a half dead lab of its own name does not disturb a new one",
                        other.online("n2") == ["n1", "n2"], other.online("n2"))
        finally:
            other.down()
    os.unlink(other.dir + ".lock")
    left = [line for line in xflab.run("ip", "netns", "list").out.splitlines()
            if line.startswith(other.netns(""))]
    suite.check("down leaves nothing of it", not left and not os.path.exists(other.dir), left)
    suite.check("the first lab noticed nothing", lab.online("n1") == first == lab.hosts,
                lab.online("n1"))


def scripts(suite):
    """What has namespaces or labs of its own; all speak TAP, and each line counts."""
    path = build.make("plain", "check", "TESTS=", say=suite.say)
    for relative, argument in (("net/handover.py", path), ("net/probe.py", path),
                               ("sandbox/net.py", path),
                               ("sandbox/disk.py", path),
                               ("sandbox/h12.sh", path),
                               ("cluster-lab/h12.sh", os.path.join(path, "root"))):
        done = subprocess.run([os.path.join(build.TOP, "tests", relative), argument],
                              capture_output=True, text=True, check=False, timeout=300)
        lines = [line for line in done.stdout.splitlines() if re.match(r"(not )?ok ", line)]
        for line in lines:
            suite.check(f"{relative}: {line.split(' ', 1)[1]}", not line.startswith("not "))
        suite.check(f"{relative} ends well", done.returncode == 0 and lines,
                    (done.returncode, done.stdout[-800:], done.stderr[-800:]))


def run(suite, _options):
    with labs.lab_of(suite, "cluster") as lab:
        suite.check("three agents see each other", lab.online("n1") == lab.hosts, lab.online("n1"))
        for part in (basic_moves, load_moves, kept_moves, cluster_inputs.inputs,
                     cluster_refusals.refusals, cluster_disks.disks, cluster_resolve.resolve,
                     cluster_stopped.stopped_corosync, cluster_stopped.ended_agents,
                     cluster_stopped.silent_source, cluster_stopped.without_corosync,
                     agents_come_and_go, power_cut_in_a_move, boots_anew_after_a_move,
                     cut_off_in_a_move, a_second_copy_is_seen, side_by_side,
                     cluster_epochs.old_epochs, cluster_ready.ready_of_the_dead):
            suite.guard(f"{part.__name__} runs to its end", part, suite, lab)
            labs.heal_all(lab)
            suite.guard(f"after {part.__name__} all agents are back", lab.wait_online, lab.hosts)
    suite.guard("the scripts run", scripts, suite)
