# SPDX-License-Identifier: GPL-2.0-or-later
"""Somebody at a domain's console by `xenferry console`, on a terminal of the host."""
import contextlib
import itertools
import re
import subprocess
import threading

from xflab import LabError, wait_for

ESCAPE = "\x1d"  # Ctrl-]


class Console:
    """`xenferry console` on a host, as long as the context lasts."""

    def __init__(self, lab, host, name):
        self.name = name
        self.text = ""
        self._marks = 0
        self._process = subprocess.Popen(  # pylint: disable=R1732
            lab.command_line(host, ["xenferry", "console", name], "-tt"), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_ignored):
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._reader.join(10)

    def _read(self):
        with self._process.stdout as stream:
            for line in stream:
                self.text += line

    def begun(self):
        """The hosts that it has been on, in their order, as it says itself; it may have to try again
        where the domain has just arrived."""
        found = re.findall(rf"\[{self.name} on (\w+); ", self.text)
        return [host for host, _again in itertools.groupby(found)]

    def _type(self, text):
        self._process.stdin.write(text)
        self._process.stdin.flush()

    def _answered(self):
        self._marks += 1
        self._type(f"mark {self._marks}\r")
        with contextlib.suppress(LabError):
            wait_for("the answer", lambda: f'heard "mark {self._marks}"' in self.text, 3, 0.1)
            return True
        return False

    def wait_answer(self, places, limit_s):
        """Waits until it is on the last of these hosts, and the guest answers to what is typed."""
        wait_for(f"the console of {self.name} has been on {places}",
                 lambda: self.begun() == places, limit_s, 0.2)
        wait_for("the guest answers at its console", self._answered, limit_s, 0)

    def leave(self):
        """Ctrl-]: the exit code."""
        self._type(ESCAPE)
        return self._process.wait(20)
