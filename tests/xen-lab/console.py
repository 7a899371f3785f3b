# SPDX-License-Identifier: GPL-2.0-or-later
"""Somebody at a domain's console by `xenferry console`. Nobody reads it in the guest: what comes
back is the echo of its terminal."""
import contextlib
import subprocess
import threading

from xflab import wait_for

ESCAPE = "\x1d"  # Ctrl-]


class Console:
    """`xenferry console` on a host, as long as the context lasts."""

    def __init__(self, lab, host, name):
        self.name = name
        self.out, self.err = [], []
        self._marks = 0
        self._process = lab.popen_with(host, f"xenferry console {name}", subprocess.PIPE)
        self._readers = [threading.Thread(target=self._read, args=pair, daemon=True)
                         for pair in ((self._process.stdout, self.out),
                                      (self._process.stderr, self.err))]
        for reader in self._readers:
            reader.start()

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
        for reader in self._readers:
            reader.join(10)

    @staticmethod
    def _read(stream, heard):
        with stream:
            for line in stream:
                heard.append(line)

    def begun(self):
        """The hosts that it has been on, in their order, as it says itself."""
        return [line.split()[2].rstrip(";") for line in self.err
                if line.startswith(f"[{self.name} on ")]

    def _echoed(self):
        self._marks += 1
        mark = f"mark-{self._marks}"
        self._process.stdin.write(f"{mark}\n")
        self._process.stdin.flush()
        with contextlib.suppress(TimeoutError):
            wait_for("the echo", lambda: any(mark in line for line in self.out), 3, 0.1)
            return True
        return False

    def wait_echo(self, places, limit_s):
        """Waits until it is on the last of these hosts, and what is typed comes back from there."""
        wait_for(f"the console of {self.name} has been on {places}",
                 lambda: self.begun() == places, limit_s, 0.2)
        wait_for("what is typed comes back", self._echoed, limit_s, 0)

    def leave(self):
        """Ctrl-]: the exit code."""
        self._process.stdin.write(ESCAPE)
        self._process.stdin.flush()
        return self._process.wait(20)
