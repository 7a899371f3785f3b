# SPDX-License-Identifier: GPL-2.0-or-later
"""Suite `bench`: what the data path carries, and how long the client outside waits.

Throughput is compared with a plain TLS copy of the same number of bytes between the same two hosts
(bench/tlscopy.c), run by run in turn, so that whatever else the machine does hits both. A pause is
compared with its limit and with the longest time that such a copy alone keeps the client waiting:
a machine that is busy with other things stalls guests that nobody moves.
"""
import statistics
import subprocess
import time

import build
import guests
import judge
import labs
import moves
import xflab

RUNS = 5
RATIO_MIN = 0.8
PORT = 7711
MEMORY_MIB = 1024
STALL_BYTES = MEMORY_MIB << 20


def tls_copy(lab, source, target, size):
    """MB/s of a plain TLS copy of that many bytes."""
    program = f"{build.PREFIX}/libexec/xenferry-tests/tlscopy"
    address = lab.address(target)
    with lab.popen(target, program, "listen", address, str(PORT), str(size),
                   stdout=subprocess.PIPE, text=True) as listener:
        xflab.wait_for("tlscopy listens", lambda: f"{address}:{PORT}" in lab.exec(
            target, "ss", "-Hltn").out, 10)
        sent = lab.exec(source, program, "send", address, str(PORT), str(size), timeout=300)
        listener.wait(60)
    words = sent.out.split()
    return size / 1e6 / float(words[words.index("seconds") + 1])


def throughput(suite, lab):
    """The first round of a move, which sends every page, against the copy of as many bytes."""
    guests.create(lab, "bulk", "n1", memory_mib=MEMORY_MIB, workload="pattern=idle", fill="random")
    ratios, rates, plain_rates = [], [], []
    for number in range(RUNS):
        source, target = lab.hosts[number % 2], lab.hosts[1 - number % 2]
        one, code = moves.move(lab, "bulk", target, host=source, limit_s=300)
        if not suite.check(f"throughput move {number + 1} succeeds", code == 0,
                           (one.err, one.events[-1:])):
            return
        first = one.report()["rounds"][0]
        rate = first["bytes_wire"] / 1e3 / first["duration_ms"]
        plain = tls_copy(lab, source, target, first["bytes_wire"])
        suite.say(f"        {rate:.0f} MB/s, plain TLS {plain:.0f} MB/s, ratio {rate / plain:.2f}")
        rates.append(rate)
        plain_rates.append(plain)
        ratios.append(rate / plain)
    suite.figure("throughput_mb_s", round(statistics.median(rates)))
    suite.figure("tls_mb_s", round(statistics.median(plain_rates)))
    suite.figure("throughput_ratio", round(statistics.median(ratios), 2))
    suite.check(f"the data path carries {RATIO_MIN} of a plain TLS copy",
                statistics.median(ratios) >= RATIO_MIN, ratios)
    lab.xenferry("n1", "destroy", "bulk")
    guests.forget(lab, "bulk")


def stall(lab, watcher, source, target):
    """How long the client waits at most while a plain copy, and no move, keeps the hosts busy."""
    began = time.monotonic()
    tls_copy(lab, source, target, STALL_BYTES)
    watcher.wait_answers(15)
    return watcher.longest_since(began)


def pauses(suite, lab, label, workload, runs, *options, expect=(0,), pause_max_ms=None):
    """Pauses seen outside of moves of a 1 GiB domain; checks the exit codes."""
    name = "guest"
    guests.create(lab, name, "n1", memory_mib=MEMORY_MIB, workload=workload, fill="random")
    watcher = judge.Judge(lab, name, gap_ms=5)
    seen, stalls, predicted, codes, totals = [], [], [], [], []
    try:
        watcher.wait_answers(15)
        source = "n1"
        for _ in range(runs):
            target = next(host for host in lab.hosts[:2] if host != source)
            stalls.append(stall(lab, watcher, source, target))
            time.sleep(1)  # the workload reaches its pace again
            one, code = moves.move(lab, name, target, *options, host=source, limit_s=300)
            watcher.wait_answers(15)
            codes.append(code)
            totals.append(one.report().get("duration_ms"))
            seen.append(watcher.longest_since(one.started))
            predicted.append(one.report().get("predicted_pause_ms"))
            if code == 0:
                source = target
        events = [e for e in watcher.events if e["event"] in ("back", "duplicate", "corrupt")]
        suite.check(f"{label}: exit codes are {' or '.join(map(str, expect))}, one whole copy",
                    set(codes) <= set(expect) and not events, (codes, events[:3], one.err))
    finally:
        watcher.stop()
        lab.xenferry("n1", "destroy", name, check=False)
        guests.forget(lab, name)
    suite.say(f"        {label}: pause {', '.join(f'{ms:.0f}' for ms in seen)} ms outside, "
              f"stalls without a move {', '.join(f'{ms:.0f}' for ms in stalls)} ms, "
              f"predicted {predicted}, exit {codes}, whole move {totals} ms")
    floor = statistics.median(stalls)
    suite.figure(f"stall_{label}_median_ms", round(floor, 1))
    if pause_max_ms is not None:
        suite.check(f"{label}: median pause at most {pause_max_ms} ms above the stalls",
                    statistics.median(seen) <= pause_max_ms + floor, (seen, stalls))
    return round(statistics.median(seen), 1)


def run(suite, options):
    runs = 3 if options.short else RUNS
    with labs.lab_of(suite, "bench", log_level="notice") as lab:
        suite.guard("throughput is measured", throughput, suite, lab)
        cases = (
            # The last figure: the longest median pause in ms that the client outside may see.
            ("idle", "pattern=idle", runs, (), (0,), 40),
            ("hot", "pattern=hotspot,rate=20,window=64", runs, (), (0,), 100),
            # It is given up before it is suspended: the client sees no hand-over at all.
            ("uniform", "pattern=uniform,rate=200,window=512", 1, ("--bandwidth", "100M"), (23,),
             1000),
            ("uniform_slow", "pattern=uniform,rate=200,window=512", 1,
             ("--bandwidth", "100M", "--slow"), (0,), None),
            ("uniform_force", "pattern=uniform,rate=200,window=512", 1,
             ("--bandwidth", "100M", "--force"), (0,), None),
        )
        for label, workload, count, words, expect, limit in cases:
            median = suite.guard(f"{label} is measured", pauses, suite, lab, label, workload, count,
                                 *words, expect=expect, pause_max_ms=limit)
            suite.figure(f"pause_{label}_median_ms" if count > 1 else f"pause_{label}_ms", median)
