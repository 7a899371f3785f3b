#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A sandbox domain whose disk takes a part of a record only: disk.py BUILD_DIR. Needs no root.

The limit on the size of a process's files stands for the disk's end: unlike a filesystem's, it may
be anywhere. Speaks TAP.
"""
import contextlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time

UUID = "5a5a5a5a-0000-4000-8000-00000000a002"
RECORD = 64
ROOM = 40  # less than a record


class Domain:
    def __init__(self, build, run):
        self.build = os.path.abspath(build)
        self.run = run
        self.disk = os.path.join(run, "disk")
        with open(self.disk, "wb"):
            pass

    def sandbox(self, *words, **options):
        return subprocess.run([os.path.join(self.build, "agent/sandbox/xenferry-sandbox"),
                               f"--dir={self.run}", f"--uuid={UUID}", *words],
                              capture_output=True, text=True, check=False, timeout=30, **options)

    def start(self):
        return self.sandbox("--name=disk", input=f'name = disk\nmemory = 8\n'
                            f'disk = "path={self.disk}"\n')

    def stat(self):
        answer = self.sandbox("--ask=stat")
        return dict(line.split("=", 1) for line in answer.stdout.splitlines())

    def size(self):
        return os.stat(self.disk).st_size

    def judged(self):
        return subprocess.run([os.path.join(self.build, "tests/judge"), "disk", self.disk],
                              capture_output=True, text=True, check=False, timeout=30)


def wait_for(what, seconds=10):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if what():
            return True
        time.sleep(0.01)
    return False


def limit(pid, size):
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def full(domain, room, what):
    """The disk ends so many bytes after a record, for a while."""
    pid = int(domain.stat()["pid"])
    errors = int(domain.stat()["disk_errors"])
    end = domain.size() // RECORD * RECORD + 20 * RECORD
    limit(pid, end + room)
    yield f"{what}: its writes fail, and it lives", \
        wait_for(lambda: int(domain.stat().get("disk_errors", 0)) > errors + 10), domain.stat()
    # Waited for: each new attempt puts it there for a moment.
    yield f"{what}: no part of a record stays there", wait_for(lambda: domain.size() == end), end
    yield f"{what}: its number is that of the last whole record", \
        domain.stat().get("disk_seq") == str(end // RECORD), domain.stat()
    limit(pid, resource.RLIM_INFINITY)
    yield f"{what}: with space again the same process goes on", \
        wait_for(lambda: domain.size() > end + 20 * RECORD) \
        and domain.stat().get("pid") == str(pid), domain.stat()


def claims(domain):
    """(claim, whether it holds, what was seen), one after the other."""
    done = domain.start()
    yield "the domain starts", done.returncode == 0, done
    yield "it writes", wait_for(lambda: domain.size() > 20 * RECORD), domain.size()
    for room, what in ((ROOM, "a disk that ends in a record"), (0, "one that ends with a record")):
        yield from full(domain, room, what)
    domain.sandbox("--ask=destroy")
    judged = domain.judged()
    yield "no record is torn, lost or repeated", judged.returncode == 0, judged.stdout


def main():
    if len(sys.argv) != 2:
        print("usage: disk.py BUILD_DIR", file=sys.stderr)
        return 2
    run = tempfile.mkdtemp(prefix="xfsbxdisk.")
    domain = Domain(sys.argv[1], run)
    number = failed = 0
    try:
        for number, (claim, good, seen) in enumerate(claims(domain), 1):
            failed += not good
            print(f"{'ok' if good else 'not ok'} {number} - {claim}")
            if not good:
                print(f"# {seen}")
    finally:
        domain.sandbox("--ask=destroy")
        shutil.rmtree(run)
    print(f"1..{number}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
