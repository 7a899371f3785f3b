# SPDX-License-Identifier: GPL-2.0-or-later
"""Suite `soak`: one domain to and fro; the agents must not grow.

They are judged by their private memory, and by all that they have mapped: resident memory cannot
outgrow it. Resident memory itself is told as well: it grows by a page a move until the rings of
Corosync's libraries, mapped from the beginning, have been written all round, after some 650 moves.
"""
import statistics
import time

import guests
import judge
import labs
import moves
import procs

WARM_UP = 20  # moves until the heap has its size
HISTORY = "history-max = 10\n"  # reports kept in memory: full before the first look
ANNOUNCED_S = 15  # sockets for announcements stay for some seconds after a move
# What an agent's private memory may grow by over hundreds of moves: fragmentation, no leak. A leak
# of 1 KiB in each of 500 moves would exceed it.
PRIVATE_GROWTH_MAX_KIB = 256
MAPPED_GROWTH_MAX_KIB = 256


def sizes(lab):
    """{host: (private KiB, whole RSS in KiB, mapped KiB, descriptors)} of the agents."""
    agents = {host: lab.agent_process(host) for host in lab.hosts}
    return {host: (*procs.memory_kib(agent.pid), procs.fd_count(agent.pid))
            for host, agent in agents.items()}


def growth(before, after):
    """The same four, of the agent in which each grew most."""
    return tuple(max(after[host][i] - before[host][i] for host in after) for i in range(4))


def settled_sizes(lab, before):
    """sizes() once no agent holds more descriptors than before, or when nothing more can close."""
    end = time.monotonic() + ANNOUNCED_S
    while True:
        now = sizes(lab)
        if time.monotonic() > end or all(now[host][-1] <= before[host][-1] for host in lab.hosts):
            return now
        time.sleep(0.2)


def run(suite, options):
    warm_up = min(WARM_UP, options.moves // 2)
    with labs.lab_of(suite, "soak", log_level="notice", settings=HISTORY) as lab:
        guests.create(lab, "shuttle", "n1", memory_mib=64,
                      workload="pattern=hotspot,rate=4,window=8", fill="50")
        watcher = judge.Judge(lab, "shuttle", gap_ms=8)
        suite.check("the domain answers", watcher.wait_answers(10))
        before = sizes(lab)
        agents = [lab.agent_process(host).pid for host in lab.hosts]
        done = 0
        for number in range(options.moves):
            if number == warm_up:
                before = settled_sizes(lab, {host: (0, 0, 0, 0) for host in lab.hosts})
            one, code = moves.move(lab, "shuttle", lab.hosts[1 - number % 2],
                                   host=lab.hosts[number % 2])
            if code != 0:
                suite.check(f"move {number + 1} succeeds", False, (code, one.err, one.events[-1:]))
                break
            done += 1
            watcher.wait_answers(10)
        after = settled_sizes(lab, before)
        last = watcher.stop()
        pauses = [e["gap_ms"] for e in watcher.events if e["event"] == "instance" and e["was"]]
        clean, findings, _disk = judge.disk(lab.domains["shuttle"]["disk"])
        events = [e for e in watcher.events if e["event"] in ("back", "duplicate", "corrupt")]
        private, rss, mapped, fds = growth(before, after)
        suite.check(f"{options.moves} moves to and fro succeed", done == options.moves, done)
        suite.check("the client and the disk saw one copy, none damaged",
                    clean and not events and last["corrupt"] == 0, (findings[:3], events[:3]))
        suite.check(f"no agent's private memory grew by more than {PRIVATE_GROWTH_MAX_KIB} KiB",
                    private <= PRIVATE_GROWTH_MAX_KIB, (before, after))
        suite.check(f"what the agents have mapped grew by no more than {MAPPED_GROWTH_MAX_KIB} KiB",
                    mapped <= MAPPED_GROWTH_MAX_KIB, (before, after))
        suite.check("no agent holds more descriptors", fds <= 0, (before, after))
        suite.check("no agent was restarted",
                    agents == [lab.agent_process(host).pid for host in lab.hosts])
        suite.check("no sandbox and no mover is left over",
                    sum(len(lab.sandboxes(h)) for h in lab.hosts) == 1
                    and not any(lab.named(h, "xenferry-mover") for h in lab.hosts))
        suite.figure("moves", done)
        suite.figure("private_growth_kib", private)
        suite.figure("rss_growth_kib", rss)
        suite.figure("mapped_growth_kib", mapped)
        suite.figure("fd_growth", fds)
        suite.figure("pause_median_ms", round(statistics.median(pauses), 1) if pauses else None)
