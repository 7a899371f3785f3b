# SPDX-License-Identifier: GPL-2.0-or-later
"""Two rules of the hand-over (docs/protocol.md) on real Xen, seen from outside.

H10: a guest that never suspends is found still running and is never resumed.
H12: between COMMIT and RUNNING the target's agent and its hands allocate, open, resolve, fork and
sync nothing.
"""
import contextlib
import re

import agents
import moves
import xen_guests
import xen_moves
from judge import Judge
from xflab import wait_for

# Linux asks for control/shutdown only in this initcall: a guest booted without it has no ears.
DEAF = "initcall_blacklist=xen_setup_shutdown_event"
# A dom0 of one emulated processor that also saves a domain leaves its guests waiting.
SILENCE_MS = 3000


# -- what was called

class Trace:
    """strace of one process of a host, from its first call to stop(); the lines are in .lines."""

    def __init__(self, lab, host, pid, *options):
        self.lab, self.host = lab, host
        self.path = f"/run/xfrules.{pid}"
        self.lines = []
        lab.exec(host, f"rm -f {self.path}*; setsid strace -o {self.path} -p {pid} "
                       f"{' '.join(options)} </dev/null >/dev/null 2>{self.path}.err & "
                       f"echo $! >{self.path}.pid")
        wait_for(f"strace is attached on {host}", lambda: lab.exec(
            host, f"grep -q attached {self.path}.err", check=False).code == 0, 30, 0.1)

    def stop(self):
        self.lab.exec(self.host, f"kill $(cat {self.path}.pid); "
                                 f"while kill -0 $(cat {self.path}.pid) 2>/dev/null; do sleep 0.1; "
                                 "done", check=False)
        self.lines = self.lab.exec(self.host, "cat", self.path).out.splitlines()
        self.lab.exec(self.host, f"rm -f {self.path}*")
        return self.lines


def pid_of(lab, host, pattern):
    return lab.exec(host, "pgrep", "-o", "-f", pattern).out.split()[0]


# -- H10

def wiring(lab, host, name):
    """How a domain's devices are connected, at both ends, and what Xen says of its event channels:
    whom each port is bound to. A domain that had to connect anew would have others."""
    domid = lab.exec(host, "xl", "domid", name).out.strip()
    tree = lab.exec(host, f"xenstore-ls -f /local/domain/{domid}/device; "
                          f"xenstore-ls -f /local/domain/0/backend").out
    nodes = sorted(line for line in tree.splitlines() if f"/{domid}/" in line and re.search(
        r"/(state|event-channel\S*|\S*ring-ref\S*) =", line))
    dump = lab.exec(host, "xl dmesg -c >/dev/null; xl debug-keys e; xl dmesg").out
    own = dump.split(f"Event channel information for domain {domid}:")[-1]
    own = own.split("Event channel information")[0]
    ports = re.findall(r"(\d+) \[[^]]*\]: (s=\d+ n=\d+) x=\d+ ?(.*)", own)
    return domid, nodes, [" ".join(port).strip() for port in ports]


# Messages of xenstore's protocol as xenstored reads them. All who resume a domain tell it so.
WRITE, RESUME = 0x0b, 0x12


def told(lines, what):
    """How often xenstored was told that."""
    heard = re.compile(rf'^read\(\d+, "\\x{what:02x}\\x00\\x00\\x00')
    return sum(bool(heard.match(line)) for line in lines)


def listening(lab, host):
    """What xenstored is told."""
    return Trace(lab, host, pid_of(lab, host, "[x]enstored"), "-e", "trace=read", "-xx", "-s", "16")


def the_listener_hears(suite, lab, host):
    """Without this the proof that nobody resumed would be worth nothing: libxl's own resume, after
    a save that lets the domain go on."""
    trace = listening(lab, host)
    lab.exec(host, "xl", "save", "-c", "hears", "/var/tmp/hears", timeout=180)
    lines = trace.stop()
    lab.exec(host, "rm", "-f", "/var/tmp/hears")
    suite.check("a resume of a domain is seen by who listens for it", told(lines, RESUME) == 1,
                (told(lines, RESUME), len(lines)))


def deaf_guest(lab, name, host):
    """A domain that does not hear what the toolstack asks of it."""
    facts = xen_guests.define(lab, name)
    text = xen_guests.config_text(facts).replace('extra   = "', f'extra   = "{DEAF} ')
    for each in lab.hosts:
        lab.exec(each, f"cat >{facts['config']} && sync -f {facts['config']}", stdin=text)
    lab.exec(host, "xenferry", "create", facts["config"], timeout=120)
    xen_guests.wait_answers(lab, name)


def patience(lab, ms):
    """The mover gives up a guest that does not suspend when nothing has moved for so long; libxl
    after a minute."""
    for host in lab.hosts:
        lab.exec(host, f"sed -i 's/^progress-timeout-ms.*/progress-timeout-ms = {ms}/' "
                       f"{agents.CONF} && grep -q '= {ms}$' {agents.CONF}")
        lab.exec(host, "systemctl", "restart", "xenferryd", timeout=60)
    agents.wait_online(lab, lab.hosts)


def left_running(suite, lab, who, host):
    """A move of the domain that hears nothing, and all that may not come of it."""
    before = wiring(lab, host, "deaf")
    suite.check(f"{who}: the picture of its devices and event channels shows some",
                len(before[1]) >= 6 and len(before[2]) >= 4, before)
    since = lab.exec(host, "date", "+%s").out.strip()
    judge = Judge(lab, "deaf", gap_ms=200, interval_us=20000)
    xenstored = listening(lab, host)
    seen, one, code, _source, _to = xen_moves.run_move(lab, "deaf")
    lines = xenstored.stop()
    counted = judge.stop()
    suite.check(f"{who}: the move ends with its own reason",
                (code, one.reason()) == (30, "not-suspended"), (code, one.reason(), one.err))
    suite.check(f"{who}: and says that the guest runs on", "it runs on" in one.err, one.err)
    suite.check(f"{who}: no echo, page or record of the guest is lost", not seen.findings(),
                seen.findings())
    suite.check(f"{who}: the counter in its memory never went back, and it is the same instance",
                counted["answers"] > 100 and not any(counted[key] for key in (
                    "instances", "back", "duplicates", "corrupt")), counted)
    suite.check(f"{who}: it was silent for no longer than {SILENCE_MS} ms",
                seen.gap_ms <= SILENCE_MS, str(seen))
    suite.figure(f"deaf_gap_ms_{who.split()[0]}", round(seen.gap_ms))
    suite.check(f"{who}: it stays where it was, alone, running",
                set(xen_guests.holders(lab, "deaf")) == {host}, xen_guests.holders(lab, "deaf"))
    xen_moves.check_clean(suite, lab, "deaf", f"{who}: nothing is left at the target", 60)
    suite.check(f"{who}: xenstored was told of the wish to suspend, and of no domain resumed",
                told(lines, WRITE) > 0 and told(lines, RESUME) == 0,
                (told(lines, WRITE), told(lines, RESUME), len(lines)))
    said = lab.exec(host, f"journalctl -q -u xenferryd --since @{since}").out
    suite.check(f"{who}: and nobody tried in vain",
                not re.search(r"not suspended:|cannot resume|resume failed", said, re.I),
                said[-1500:])
    after = wiring(lab, host, "deaf")
    suite.check(f"{who}: its devices and event channels are as they were", after == before,
                [pair for pair in zip(before, after) if pair[0] != pair[1]])
    shutdown = lab.exec(host, "xenstore-read", f"/local/domain/{before[0]}/control/shutdown",
                        check=False).out.strip()
    suite.check(f"{who}: the request to suspend was taken back", shutdown == "", shutdown)
    suite.check(f"{who}: Xen logs its writes no more", not xen_moves.logdirty(lab, host, before[0]))
    suite.say(f"        {seen}; the judge counted {counted['answers']} answers, its longest gap "
              f"{counted['longest_gap_ms']:.0f} ms; {one.err.strip()}")


def never_suspends(suite, lab):
    """H10, with the mover that gives up first, and with libxl that does."""
    host = "n1"
    xen_guests.create(lab, "hears", host)
    the_listener_hears(suite, lab, host)
    lab.exec(host, "xl", "destroy", "hears")
    xen_guests.forget(lab, "hears")
    deaf_guest(lab, "deaf", host)
    try:
        for who, ms in (("mover gives up", 10000), ("libxl gives up", 120000)):
            patience(lab, ms)
            suite.guard(f"{who}: runs to its end", left_running, suite, lab, who, host)
    finally:
        patience(lab, lab.settings["progress-timeout-ms"])
    lab.exec(host, "xl", "destroy", "deaf")
    xen_guests.forget(lab, "deaf")
    suite.guard("it is no longer shown", wait_for, "the news", lambda: all(
        xen_moves.known(lab, each) == [] for each in lab.hosts), 30, 0.5)


# -- H12

# Waiting, receiving, sending, timers, the end of a child or of a connection noticed meanwhile.
AGENT_MAY = re.compile(
    r"^(epoll_wait|epoll_ctl|poll|ppoll|recvfrom|recvmsg|recvmmsg|sendto|sendmsg|sendmmsg|read|"
    r"write|close|wait4|futex|clock_gettime|rt_sigreturn|rt_sigprocmask|restart_syscall)\(")
# Packets of the agent and hypercalls.
WATCHER_MAY = re.compile(r"^(recvfrom|sendto|futex|clock_gettime|restart_syscall)\(|"
                         r"^ioctl\(\d+</dev/xen/privcmd>, |^write\(\d+<anon_inode:\[eventfd\]>, ")
NO_CALL = re.compile(r"^(---|\+\+\+|<\.\.\. )")
# enum xf_xen_type of agent/xen/xen_proto.h, as the first of a packet's bytes.
UNPAUSE, DONE = r"\\x01\\x00\\x00\\x00", r"\\x0c\\x00\\x00\\x00"


def agent_window(lines):
    """From the last wait before "unpause" is sent to the first packet after its answer: the reading
    of the messages among which COMMIT is, until RUNNING is handed to Corosync."""
    start = sent = answered = None
    for i, line in enumerate(lines):
        if line.startswith("epoll_wait") and sent is None:
            start = i
        if sent is None and re.match(rf'^sendto\(\d+, "{UNPAUSE}', line):
            sent = i
        elif sent is not None and answered is None and \
                re.match(rf'^recvfrom\(\d+, "{DONE}', line):
            answered = i
        elif answered is not None and re.match(r"^send(to|msg)\(", line):
            return lines[start:i + 1]
    return []


def watcher_window(lines):
    """From the arrival of "unpause" to the departure of the answer."""
    for i, line in enumerate(lines):
        if re.match(rf'^recvfrom\(3<\S+>, "{UNPAUSE}', line):
            for j in range(i + 1, len(lines)):
                if re.match(rf'^sendto\(3<\S+>, "{DONE}', lines[j]):
                    return lines[i:j + 1]
    return []


def others(window, allowed):
    return [line for line in window if not allowed.match(line) and not NO_CALL.match(line)]


@contextlib.contextmanager
def no_watchdog(lab):
    """An agent of which every call is looked at, on an emulated processor, is late for systemd."""
    folder = "/run/systemd/system/xenferryd.service.d"

    def restart(first):
        for host in lab.hosts:
            lab.exec(host, f"{first} && systemctl daemon-reload && systemctl restart xenferryd",
                     timeout=60)
        agents.wait_online(lab, lab.hosts)
    restart(f"mkdir -p {folder} && printf '[Service]\\nWatchdogSec=0\\n' >{folder}/rules.conf")
    try:
        yield
    finally:
        restart(f"rm -r {folder}")


def nothing_in_between(suite, lab):
    """H12, of the agent's thread and of the watcher's that unpauses. The first move to a host is
    its watcher's first unpause."""
    xen_guests.create(lab, "h12", "n1", disk=False)
    with no_watchdog(lab):
        xen_moves.wait_known(lab, "h12", "n1")
        watched_moves(suite, lab)
    lab.exec(xen_moves.home(lab, "h12"), "xl", "destroy", "h12")
    xen_guests.forget(lab, "h12")
    suite.guard("nothing of it is left", wait_for, "clean hosts", lambda: not [
        h for h in lab.hosts if xen_guests.listed(lab, h)], 60, 1)


def watched_moves(suite, lab):
    for turn in range(2):
        source = xen_moves.home(lab, "h12")
        target = xen_moves.OTHER[source]
        traces = [Trace(lab, target, pid_of(lab, target, pattern), "-x", "-s", "32", *options)
                  for pattern, *options in (("/sbin/[x]enferryd",),
                                            ("[x]enferry-xen .*watch", "-y"))]
        one = moves.Move(lab, source, "h12", target)
        code = one.wait(xen_moves.MOVE_LIMIT_S)
        windows = [function(trace.stop()) for function, trace in
                   zip((agent_window, watcher_window), traces)]
        what = f"move {turn + 1}, to {target}"
        suite.check(f"{what}: ends well", code == 0, (code, one.err))
        for who, window, allowed in (("agent", windows[0], AGENT_MAY),
                                     ("watcher", windows[1], WATCHER_MAY)):
            suite.check(f"{what}: the {who}'s window from COMMIT to RUNNING was seen",
                        len(window) > 2, window)
            suite.check(f"{what}: the {who} waits, receives, sends and asks Xen, and does nothing "
                        "else in it", window and not others(window, allowed), "\n".join(
                            others(window, allowed)[:20]))
        suite.say(f"        {len(windows[0])} calls of the agent, {len(windows[1])} of the "
                  f"watcher: {' '.join(line.split('(')[0] for line in windows[1])}")
        xen_moves.wait_known(lab, "h12", target)
