#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Address hand-over on a real network: two hosts with a bridge each, a switch, a client; all of them
network namespaces. A domain's MAC moves from host A to host B, with and without announcement.

    tests/net/handover.py [BUILD_DIR]       (root; TAP on stdout; exit 1 if any claim failed)

BUILD_DIR holds tests/net/net_tool and tests/net/net_guest; default: the current directory.
"""
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import traceback

MAC = "00:16:3e:77:00:01"
IP = "10.77.0.7"
CLIENT = "10.77.0.9"
IPV6 = "2001:db8::7"
# common/announce.c, xf_announce_schedule; milliseconds after the start.
BURSTS = [0, 50, 150, 250, 350, 450, 1450, 2450, 3450]
NEIGHBOUR_BURSTS = [0, 1450, 2450]
# How late a burst may be on a busy machine.
LATE_MS = 45


class Failed(Exception):
    """A claim does not hold."""


def check(condition, text):
    if not condition:
        raise Failed(text)


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Program:
    """A helper in a namespace: lines in, lines out, never waited for without a bound."""

    def __init__(self, lab, host, *command):
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", lab.name(host), *command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sys.stderr, text=True)
        self.lines = queue.Queue()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        lab.programs.append(self)

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.split())
        self.lines.put(["gone"])

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def expect(self, *words, within=5.0):
        """The next line, which must start with one of these words."""
        try:
            line = self.lines.get(timeout=within)
        except queue.Empty:
            raise Failed(f"no {'/'.join(words)} within {within} s") from None
        check(line[0] in words, f"{' '.join(line)} instead of {'/'.join(words)}")
        return line

    def silent(self, seconds):
        """Nothing is said for so long."""
        try:
            line = self.lines.get(timeout=seconds)
        except queue.Empty:
            return
        raise Failed(f"said: {' '.join(line)}")

    def do(self, line, answer):
        self.tell(line)
        return self.expect(answer)

    def end(self):
        """Ends it by closing its stdin; returns what it had still to say."""
        if self.process.poll() is None:
            try:
                self.process.stdin.close()
            except BrokenPipeError:
                pass
            try:
                self.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.thread.join(timeout=5)
        rest = []
        while not self.lines.empty():
            rest.append(self.lines.get())
        return [line for line in rest if line != ["gone"]]


class Lab:
    """Hosts A and B, switch S, client C; names carry our pid, so that two labs can run at once."""

    def __init__(self, build):
        self.tool = os.path.join(build, "tests/net/net_tool")
        self.guest_program = os.path.join(build, "tests/net/net_guest")
        self.programs = []
        self.made = []

    def name(self, host):
        return f"xfnet{os.getpid()}{host}"

    def host(self, host, *command):
        return run("ip", "netns", "exec", self.name(host), *command)

    def up(self):
        for host in "SABC":
            run("ip", "netns", "add", self.name(host))
            self.made.append(host)
            self.host(host, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1",
                      "net.ipv6.conf.default.disable_ipv6=1")
        self.bridge("S", "sw0")
        for host in "ABC":
            run("ip", "-n", self.name("S"), "link", "add", "p" + host, "type", "veth",
                "peer", "name", "up0", "netns", self.name(host))
            self.host("S", "ip", "link", "set", "p" + host, "master", "sw0", "up")
            self.host(host, "ip", "link", "set", "up0", "up")
        for host in "AB":
            self.bridge(host, "br0")
            self.host(host, "ip", "link", "set", "up0", "master", "br0")
        self.host("C", "ip", "addr", "add", CLIENT + "/24", "dev", "up0")
        # The address never changes its MAC, and the client's own requests must not move anything.
        self.host("C", "ip", "neigh", "replace", IP, "lladdr", MAC, "dev", "up0",
                  "nud", "permanent")
        self.wait_forwarding()

    def wait_forwarding(self):
        end = time.monotonic() + 10
        while True:
            links = json.loads(self.host("S", "bridge", "-j", "link"))
            if len(links) == 3 and all(link.get("state") == "forwarding" for link in links):
                return
            check(time.monotonic() < end, "the switch does not forward")
            time.sleep(0.05)

    def bridge(self, host, name):
        self.host(host, "ip", "link", "add", name, "type", "bridge", "stp_state", "0",
                  "forward_delay", "0", "mcast_snooping", "0")
        self.host(host, "ip", "link", "set", name, "up")

    def down(self):
        for program in self.programs:
            program.end()
        for host in self.made:
            run("ip", "netns", "del", self.name(host))

    def fdb(self, host, bridge, mac=MAC):
        """The port behind which this bridge expects the MAC, or None."""
        entries = json.loads(self.host(host, "bridge", "-j", "fdb", "show", "br", bridge))
        ports = [e["ifname"] for e in entries if e["mac"] == mac and e.get("master") == bridge]
        check(len(ports) <= 1, f"{mac} is behind {ports}")
        return ports[0] if ports else None

    def guest(self, host, tap="tap0", mac=MAC):
        program = Program(self, host, self.guest_program, "guest", "br0", tap, mac, IP)
        program.expect("ready")
        return program

    def start(self, host, *arguments):
        program = Program(self, host, self.tool, *arguments)
        program.expect("ready")
        return program

    def ping(self, count, pause_ms):
        out = self.host("C", self.guest_program, "ping", IP, str(count), str(pause_ms)).split()
        return int(out[1]), int(out[3])


class Move:
    """A domain at A, known to every switch as living there, and its silent copy at B."""

    def __init__(self, lab):
        self.lab = lab
        self.old = lab.guest("A")
        self.new = lab.guest("B")
        self.old.do("live", "did")
        self.old.do("shout", "did")
        self.expect_behind("pA")
        check(lab.fdb("B", "br0") == "up0", "host B does not know where the domain is")

    def expect_behind(self, port):
        end = time.monotonic() + 2
        while self.lab.fdb("S", "sw0") != port:
            check(time.monotonic() < end, f"the switch does not see the domain behind {port}")
            time.sleep(0.01)

    def switch_over(self):
        self.old.do("quiet", "did")
        self.new.do("live", "did")

    def end(self):
        self.old.end()
        self.new.end()


def the_domain_answers_where_it_is(lab):
    move = Move(lab)
    answers, _ = lab.ping(3, 500)
    check(answers == 3, f"{answers} of 3 answers")
    move.end()


def without_announcement_it_is_lost_and_nobody_sees_it(lab):
    move = Move(lab)
    watch = lab.start("A", "watch", "br0", MAC)
    watch.do("start", "started")
    lab.start("B", "announce", "br0", MAC, IP)
    move.switch_over()
    answers, _ = lab.ping(5, 100)
    check(answers == 0, f"{answers} answers: something else moved the address")
    check(lab.fdb("S", "sw0") == "pA", "the switch moved the address")
    watch.silent(0.5)
    move.end()


def announced_it_is_found_and_the_old_host_sees_it(lab):
    move = Move(lab)
    watch = lab.start("A", "watch", "br0", MAC)
    announce = lab.start("B", "announce", "br0", MAC, IP)
    watch.do("start", "started")
    move.switch_over()
    fired = int(announce.do("fire", "fired")[1])
    answers, first = lab.ping(3, 500)
    check(answers == 3, f"{answers} of 3 answers")
    check(lab.fdb("S", "sw0") == "pB", "the switch did not move the address")
    # The domain has answered by now, so its bridge knows it behind the tap.
    check(lab.fdb("B", "br0") == "tap0", "host B's bridge still expects it outside")
    seen = watch.expect("seen-moved")
    took_ms = (int(seen[1]) - fired) / 1e6
    check(0 < took_ms < LATE_MS, f"seen {took_ms:.3f} ms after firing")
    watch.silent(1.0)
    move.end()
    print(f"# seen at the old host after {took_ms:.3f} ms, first answer after {first / 1e6:.1f} ms")


def own_bridge_forgets_where_the_domain_was(lab):
    move = Move(lab)
    move.old.do("quiet", "did")
    announce = lab.start("B", "announce", "br0", MAC, IP)
    announce.do("fire", "fired")
    announce.do("busy", "busy")
    check(lab.fdb("B", "br0") is None, "host B's bridge still expects it outside")
    move.end()


def a_watch_that_is_not_started_says_nothing(lab):
    move = Move(lab)
    watch = lab.start("A", "watch", "br0", MAC)
    announce = lab.start("B", "announce", "br0", MAC, IP)
    announce.do("fire", "fired")
    watch.silent(0.7)
    watch.do("start", "started")
    watch.expect("seen-moved")
    move.end()


def a_frame_from_before_the_start_does_not_count(lab):
    move = Move(lab)
    watch = lab.start("A", "watch", "br0", MAC)
    announce = lab.start("B", "announce", "br0", MAC, IP)
    # Stopped, it finds the order to start before the frame, which yet came earlier.
    watch.process.send_signal(signal.SIGSTOP)
    watch.tell("start")
    announce.do("fire", "fired")
    announce.do("free", "freed")
    watch.process.send_signal(signal.SIGCONT)
    watch.expect("started")
    watch.silent(0.5)
    move.end()


def the_domains_own_frames_are_not_an_arrival(lab):
    move = Move(lab)
    watch = lab.start("A", "watch", "br0", MAC)
    watch.do("start", "started")
    for _ in range(3):
        move.old.do("shout", "did")
    watch.silent(0.5)
    move.end()


def a_watch_may_be_stopped_in_its_callback(lab):
    move = Move(lab)
    watch = lab.start("A", "watch", "br0", MAC)
    watch.tell("stop-when-seen")
    watch.do("start", "started")
    announce = lab.start("B", "announce", "br0", MAC, IP)
    move.switch_over()
    announce.do("fire", "fired")
    watch.expect("seen-moved")
    watch.silent(0.7)
    check(watch.process.poll() is None, "it died")
    watch.end()
    check(watch.process.returncode == 0, f"it ended with {watch.process.returncode}")
    move.end()


def every_vif_must_arrive(lab):
    second = MAC[:-1] + "2"
    lab.bridge("A", "br1")
    lab.bridge("B", "br1")
    for host in "AB":
        run("ip", "-n", lab.name("S"), "link", "add", "q" + host, "type", "veth",
            "peer", "name", "up1", "netns", lab.name(host))
        lab.host(host, "ip", "link", "set", "up1", "master", "br1", "up")
    lab.bridge("S", "sw1")
    for host in "AB":
        lab.host("S", "ip", "link", "set", "q" + host, "master", "sw1", "up")
    watch = lab.start("A", "watch", "br0,br1", MAC)
    watch.do("start", "started")
    one = lab.start("B", "announce", "br0", MAC, IP)
    one.do("fire", "fired")
    watch.silent(0.5)
    other = lab.start("B", "announce", "br1", second)
    fired = int(other.do("fire", "fired")[1])
    seen = watch.expect("seen-moved")
    check(int(seen[1]) > fired, "the time is not that of the last vif")


def the_schedule_is_kept_and_ends(lab):
    count = Program(lab, "C", lab.guest_program, "count", "up0", MAC)
    count.expect("ready")
    announce = lab.start("B", "announce", "br0", MAC, IP)
    announce.do("add " + IPV6, "added")
    fired = int(announce.do("fire", "fired")[1])
    time.sleep(BURSTS[-1] / 1000 + 1.2)
    announce.do("busy", "idle")
    frames = [((int(ns) - fired) / 1e6, kind) for _, ns, kind in count.end()]
    for kind, each, wanted in (("8035", 1, BURSTS), ("0806", 2, BURSTS),
                               ("86dd", 1, NEIGHBOUR_BURSTS)):
        times = [at for at, what in frames if what == kind]
        check(len(times) == each * len(wanted), f"{kind}: {len(times)} frames at {times}")
        for i, at in enumerate(times):
            late = at - wanted[i // each]
            check(0 <= late < LATE_MS, f"{kind}: frame {i} came {late:.1f} ms late")


def freed_it_falls_silent_at_once(lab):
    count = Program(lab, "C", lab.guest_program, "count", "up0", MAC)
    count.expect("ready")
    announce = lab.start("B", "announce", "br0", MAC, IP)
    announce.tell("fire\nfree")
    announce.expect("fired")
    freed = int(announce.expect("freed")[1])
    time.sleep(0.7)
    frames = count.end()
    check(len(frames) == 3, f"{len(frames)} frames instead of one burst of 3")
    late = [ns for _, ns, _ in frames if int(ns) > freed + LATE_MS * 1000000]
    check(not late, "sent after it was freed")


def addresses_are_learned_from_the_domain(lab):
    move = Move(lab)
    learn = lab.start("A", "learn", "br0", MAC)
    first = learn.do("get", "learned")
    check(first == ["learned", "role=0"], f"knows too early: {first}")
    # Its tap is known by now; unicast answers are heard there and nowhere else.
    lab.ping(2, 500)
    check(f"{IP}/0" in learn.do("get", "learned"), "did not learn the IPv4 address from ping")
    move.old.do("advertise", "did")
    both = learn.do("get", "learned")
    check(f"{IPV6}/0" in both and "role=1" in both, f"did not learn the IPv6 address: {both}")
    check(len(both) == 4, f"learned too much: {both}")
    move.end()


def a_silent_domain_is_learned_by_its_first_broadcast(lab):
    guest = lab.guest("A", mac=MAC[:-1] + "8")
    learn = lab.start("A", "learn", "br0", MAC[:-1] + "8")
    check(lab.fdb("A", "br0", MAC[:-1] + "8") is None, "the domain was not silent")
    guest.do("shout", "did")
    check(f"{IP}/0" in learn.do("get", "learned"), "not learned")
    guest.end()


def a_bridge_that_is_missing_is_refused(lab):
    for what in ("announce", "watch", "learn"):
        program = Program(lab, "A", lab.tool, what, "nobridge", MAC)
        line = program.expect("refused")
        check(" ".join(line) == "refused No such device", " ".join(line))


def a_bridge_without_uplink_cannot_be_watched(lab):
    lab.bridge("A", "br9")
    program = Program(lab, "A", lab.tool, "watch", "br9", MAC)
    check(" ".join(program.expect("refused")) == "refused No such file or directory", "not refused")
    announce = lab.start("A", "announce", "br9", MAC, IP)
    announce.do("fire", "fired")


def nothing_is_left_open(lab):
    program = Program(lab, "A", lab.tool, "cycle", "br0", MAC, IP)
    check(program.expect("left", within=20)[1] == "0", "descriptors leak")


CLAIMS = [
    the_domain_answers_where_it_is,
    without_announcement_it_is_lost_and_nobody_sees_it,
    announced_it_is_found_and_the_old_host_sees_it,
    own_bridge_forgets_where_the_domain_was,
    a_watch_that_is_not_started_says_nothing,
    a_frame_from_before_the_start_does_not_count,
    the_domains_own_frames_are_not_an_arrival,
    a_watch_may_be_stopped_in_its_callback,
    every_vif_must_arrive,
    the_schedule_is_kept_and_ends,
    freed_it_falls_silent_at_once,
    addresses_are_learned_from_the_domain,
    a_silent_domain_is_learned_by_its_first_broadcast,
    a_bridge_that_is_missing_is_refused,
    a_bridge_without_uplink_cannot_be_watched,
    nothing_is_left_open,
]


def try_claim(claim, build):
    lab = Lab(build)
    try:
        lab.up()
        claim(lab)
    finally:
        lab.down()


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else "."
    failed = 0
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        return 77
    print(f"1..{len(CLAIMS)}")
    for number, claim in enumerate(CLAIMS, 1):
        name = claim.__name__
        try:
            try_claim(claim, build)
            print(f"ok {number} - {name}", flush=True)
        except Failed as error:
            failed += 1
            print(f"not ok {number} - {name}\n# {error}", flush=True)
        except Exception:  # a broken lab is a failed claim, and the others are still worth trying
            failed += 1
            text = traceback.format_exc().replace("\n", "\n# ")
            print(f"not ok {number} - {name}\n# {text}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
