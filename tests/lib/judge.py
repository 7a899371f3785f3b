# SPDX-License-Identifier: GPL-2.0-or-later
"""The judge's programs (tests/judge.c) as seen from a suite."""
import json
import os
import signal
import stat
import subprocess
import threading
import time

import build
import guests


class Judge:
    """A client of one domain, in a namespace of its own on the lab's switch."""

    def __init__(self, lab, domain, gap_ms=20, interval_us=2000):
        self.domain = domain
        self.events = []
        self._carried = {}
        self._more = threading.Condition()
        address = lab.domains[domain]["address"]
        # ip does not stay: it becomes the judge, so signals reach it.
        self._process = subprocess.Popen(  # pylint: disable=R1732
            ["ip", "netns", "exec", lab.netns("judge"), build.program("judge"), "net", address,
             "--gap-ms", str(gap_ms), "--interval-us", str(interval_us)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._wait_event("start", 0, 10)

    def _read(self):
        for line in self._process.stdout:
            with self._more:
                self.events.append(json.loads(line))
                self._more.notify_all()
        with self._more:
            self.events.append({"event": "closed"})
            self._more.notify_all()

    def _wait_event(self, kind, first, limit_s):
        end = time.monotonic() + limit_s
        with self._more:
            while True:
                for event in self.events[first:]:
                    if event["event"] == kind:
                        return event
                    if event["event"] == "closed":
                        raise RuntimeError(f"the judge of {self.domain} ended")
                if not self._more.wait(max(0, end - time.monotonic())):
                    raise TimeoutError(f"the judge of {self.domain} told no {kind}")

    def _window(self):
        first = len(self.events)
        self._process.send_signal(signal.SIGUSR1)
        return self._wait_event("summary", first, 10)

    def summary(self):
        """What was seen since the last summary; starts a new window."""
        seen = dict(self._window())
        for key, value in self._carried.items():
            seen[key] = max(seen[key], value) if key.endswith("_ms") else seen[key] + value
        self._carried = {}
        return seen

    def _carry(self, seen):
        """Keeps what a window in between saw for the next summary: nothing is looked away from."""
        for key in ("back", "duplicates", "corrupt", "instances"):
            self._carried[key] = self._carried.get(key, 0) + seen[key]
        self._carried["longest_gap_ms"] = max(self._carried.get("longest_gap_ms", 0),
                                              seen["longest_gap_ms"])

    def gaps(self, since):
        """Silences that ended after a monotonic time, as (from, ms)."""
        return [(e["from"], e["ms"]) for e in list(self.events)
                if e["event"] == "gap" and e["to"] >= since]

    def longest_since(self, since):
        """Longest silence in ms that ended after a monotonic time; those below gap_ms count only
        where the instance changed."""
        changes = [e["gap_ms"] for e in list(self.events)
                   if e["event"] == "instance" and e["was"] and e["t"] >= since]
        return max([ms for _start, ms in self.gaps(since)] + changes, default=0.0)

    def wait_answers(self, limit_s):
        """Waits until the domain answers, from now on; False after the limit."""
        end = time.monotonic() + limit_s
        self._carry(self._window())  # what it answered before says nothing
        while time.monotonic() < end:
            seen = self._window()
            self._carry(seen)
            if seen["answers"] > 0:
                return True
            time.sleep(0.1)
        return False

    def stop(self):
        """Ends the client; its last summary."""
        first = len(self.events)
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._wait_event("summary", first, 10)
        finally:
            self._process.wait(10)
            self._reader.join(10)
            self._process.stdout.close()


def disk(path):
    """Reads a domain's disk: (clean, findings, summary). What a file has before its guest writes is
    left out."""
    first = 0 if stat.S_ISBLK(os.stat(path).st_mode) else guests.LABEL_RECORDS
    done = subprocess.run([build.program("judge"), "disk", path, "--from", str(first)],
                          capture_output=True, text=True, check=False, timeout=120)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{path}: {done.stderr.strip()}")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    lines[-1]["records"] -= first
    return done.returncode == 0, lines[:-1], lines[-1]
