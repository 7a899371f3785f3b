# SPDX-License-Identifier: GPL-2.0-or-later
"""Who looks at a domain of the Xen lab from outside: pings, and a connection that stays open. The
judge of the cluster lab (tests/lib/judge.py) looks here as well."""
import re
import signal
import subprocess
import threading
import time

from xflab import LabError
import xen_guests

# ping(8) spins on a processor for what it waits of the last 10 ms, and the hosts need both.
PING_MS = 20


class Pings:
    """A ping every 20 ms out of the judge's namespace. The longest silence is between the arrivals
    of two answers."""

    def __init__(self, lab, name):
        self.arrivals = []  # wall-clock seconds
        self.sent = 0
        self._process = subprocess.Popen(  # pylint: disable=R1732
            ["ip", "netns", "exec", lab.netns("judge"), "ping", "-n", "-D", "-i",
             str(PING_MS / 1000), lab.domains[name]["address"]],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            answer = re.match(r"\[([\d.]+)\] \d+ bytes from", line)
            if answer:
                self.arrivals.append(float(answer[1]))
            total = re.match(r"(\d+) packets transmitted", line)
            if total:
                self.sent = int(total[1])

    def stop(self):
        """(longest silence in ms, when it began on the wall clock, answers lost)."""
        end = time.time()
        self._process.send_signal(signal.SIGINT)
        self._process.wait(10)
        self._reader.join(10)
        self._process.stdout.close()
        if not self.arrivals:
            raise LabError("no ping was answered")
        # A silence that has not ended counts as well.
        times = [*self.arrivals, max(end, self.arrivals[-1])]
        gap, start = max((after - before, before) for before, after in zip(times, times[1:]))
        return gap * 1000, start, self.sent - len(self.arrivals)


class OpenConnection:
    """A TCP connection to the domain's echo; every line sent must come back as it was."""

    def __init__(self, lab, name, interval_s=0.02):
        self.connection = xen_guests.Connection(lab, name, 7, 60.0)
        self.echoes = 0
        self.longest = 0.0
        self.error = ""
        self._interval_s = interval_s
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._talk, daemon=True)
        self._thread.start()

    def _talk(self):
        while not self._end.wait(self._interval_s):
            said = f"{self.echoes} {'x' * (self.echoes % 97)}\n"
            start = time.monotonic()
            try:
                heard = self.connection.ask(said)
            except (OSError, LabError) as error:
                self.error = f"after {self.echoes} echoes: {error or type(error).__name__}"
                return
            if heard != said:
                self.error = f"echo {self.echoes} came back as {heard[:40]!r}"
                return
            self.longest = max(self.longest, time.monotonic() - start)
            self.echoes += 1

    def stop(self):
        """(echoes, longest wait for one in ms, what went wrong or "")."""
        self._end.set()
        self._thread.join(70)
        self.connection.close()
        return self.echoes, self.longest * 1000, self.error


class Watched:
    """What was seen of a domain while something was done to it."""

    def __init__(self, seconds, pings, echoes, before, after):
        self.seconds = seconds
        self.gap_ms, self.gap_start, self.lost = pings
        self.echoes, self.echo_ms, self.echo_error = echoes
        self.before = before
        self.after = after

    def findings(self):
        """What should not be; empty when all is well."""
        found = [self.echo_error] if self.echo_error else []
        if self.after["instance"] != self.before["instance"]:
            found.append("the domain has booted anew")
        for key in ("corrupt", "disk_errors", "disk_foreign"):
            if self.after[key] != self.before[key]:
                found.append(f"{key} went from {self.before[key]} to {self.after[key]}")
        if self.after["disk_seq"] <= self.before["disk_seq"]:
            found.append("the disk took no record")
        return found

    def __str__(self):
        return (f"{self.seconds:.1f} s in all, longest gap {self.gap_ms:.0f} ms, "
                f"{self.lost} pings lost, {self.echoes} echoes (longest {self.echo_ms:.0f} ms); "
                f"{'; '.join(self.findings()) or 'nothing lost'}")


def watched(lab, name, action, settle_s=2.0):
    """Does something to a domain while looking at it; an exception of it passes through."""
    before = xen_guests.stat(lab, name)
    pings, connection = Pings(lab, name), OpenConnection(lab, name)
    time.sleep(1.0)  # so that there is a before
    start = time.monotonic()
    try:
        action()
        seconds = time.monotonic() - start
        time.sleep(settle_s)
    finally:
        seen, talked = pings.stop(), connection.stop()
    return Watched(seconds, seen, talked, before, xen_guests.wait_answers(lab, name, 30))


def xl_migrate(lab, name, source, target, how="tcp", limit_s=300.0):
    """xl's own live migration, by ssh as xl has it or over plain TCP."""
    if how == "tcp":
        # With an empty -s xl takes the host for the command that reaches the receiver.
        by = ["-s", "", name, f"exec socat -b 262144 - TCP:{target}:8002,nodelay"]
    else:
        by = [name, target]
    lab.exec(source, "xl", "migrate", *by, timeout=limit_s)
