# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes of a lab host, found by their pid namespace, named by their pid outside."""
import os
import signal
import time


class Process:
    def __init__(self, pid, ppid, name, state):
        self.pid = pid
        self.ppid = ppid
        self.name = name
        self.state = state

    def cmdline(self):
        try:
            with open(f"/proc/{self.pid}/cmdline", "rb") as file:
                return file.read().decode(errors="replace").split("\0")[:-1]
        except OSError:
            return []

    def signal(self, number):
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            pass


def pid_namespace(pid):
    """Identity of the pid namespace a process lives in, or None when it is gone."""
    try:
        return os.stat(f"/proc/{pid}/ns/pid").st_ino
    except OSError:
        return None


def stat_fields(pid):
    """(name, [state, ppid, ...]) of /proc/PID/stat; the name may hold blanks and brackets."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        text = file.read()
    end = text.rindex(")")
    return text[text.index("(") + 1:end], text[end + 2:].split()


def start_time(pid):
    """Start of a process in clock ticks: tells a pid from its reuse. None when it is gone."""
    try:
        return int(stat_fields(pid)[1][19])
    except (OSError, ValueError, IndexError):
        return None


def in_namespace(inode):
    """Every process, zombies left out, whose pid namespace has this inode."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        pid = int(entry)
        if pid_namespace(pid) != inode:
            continue
        try:
            name, fields = stat_fields(pid)
        except (OSError, ValueError):
            continue
        if fields[0] != "Z":
            found.append(Process(pid, int(fields[1]), name, fields[0]))
    return found


def with_words(program, folder):
    """Pids of processes that run this program on something in that folder."""
    found = []
    for entry in os.listdir("/proc"):
        words = Process(int(entry), 0, "", "").cmdline() if entry.isdigit() else []
        if program in words and any(word.startswith(folder) for word in words):
            found.append(int(entry))
    return found


def kill_all(pids, limit_s=10.0):
    """SIGKILL to each of these pids; returns once all are gone, or raises TimeoutError."""
    waiting = {pid: start_time(pid) for pid in pids}
    for pid in waiting:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    end = time.monotonic() + limit_s
    while any(started is not None and alive(pid, started) for pid, started in waiting.items()):
        if time.monotonic() > end:
            raise TimeoutError(f"processes {sorted(waiting)} outlive SIGKILL")
        time.sleep(0.005)


def alive(pid, started):
    """The process of that start time exists and is no zombie."""
    try:
        fields = stat_fields(pid)[1]
    except (OSError, ValueError):
        return False
    return int(fields[19]) == started and fields[0] != "Z"


def memory_kib(pid):
    """(private, whole) resident memory, and all that is mapped. What the whole has besides is
    shared: here mostly the rings of Corosync's libraries, whose fixed MiBs become resident one page
    after the other, while what is mapped stays the same."""
    found = {}
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        for line in file:
            words = line.split()
            if words[0] in ("RssAnon:", "VmRSS:", "VmSize:"):
                found[words[0]] = int(words[1])
    return found["RssAnon:"], found["VmRSS:"], found["VmSize:"]


def fd_count(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))
