# SPDX-License-Identifier: GPL-2.0-or-later
"""A disk of a host that is full while its agent writes.

An agent sets the room of its journal aside beforehand (agent/store_file.c), so a write to it
succeeds on a full disk; only the history's fails. So a disk may also refuse: as thin storage does
that has run out of space below, it takes not even what replaces bytes of old. It is played by a
limit on how large a file the journal's writer may write: each write fails at once, if with EFBIG.
"""
import contextlib
import os
import resource

LIMIT = resource.RLIMIT_FSIZE
NO_LIMIT = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
JOURNAL_FAILED = "the journal cannot be written: "
HISTORY_FAILED = "the history cannot be written: "


class FullDisk:
    """Called, it fills the disk, and says whether a write has met that. What a log says is taken
    as evidence of the fault alone."""

    def __init__(self, lab, host, refuses):
        self.lab = lab
        self.host = host
        self.refuses = refuses
        self.filled = False
        self.was_written = None
        self.writer = self.find_writer()
        self.log = f"{lab.host_dir(host)}/log/xenferryd.log"
        self.log_from = os.path.getsize(self.log)

    def find_writer(self):
        """The agent's process that has the journal open."""
        for process in self.lab.named(self.host, "xenferryd"):
            fds = f"/proc/{process.pid}/fd"
            with contextlib.suppress(FileNotFoundError):  # what ends or is closed meanwhile
                if "journal" in [os.path.basename(os.readlink(f"{fds}/{fd}"))
                                 for fd in os.listdir(fds)]:
                    return process.pid
        raise LookupError(f"{self.host}: nobody has the journal open")

    def state(self, name=""):
        return os.path.join(self.lab.host_dir(self.host), "state", name)

    def written(self):
        return os.stat(self.state("journal")).st_mtime_ns

    def __call__(self):
        if not self.filled:
            self.filled = True
            if self.refuses:
                resource.prlimit(self.writer, LIMIT, (0, resource.RLIM_INFINITY))
            self.lab.fill_disk(self.host)
            with open(self.log, "rb") as file:
                self.log_from = file.seek(0, os.SEEK_END)
            self.was_written = self.written()
        return self.met()

    def met(self):
        """A refusing disk has refused the journal something. One that is full and nothing else has
        no byte free, and took the journal's entry in spite of that, or refused the history's."""
        with open(self.log, "rb") as file:
            file.seek(self.log_from)
            said = file.read().decode(errors="replace")
        if self.refuses:
            return JOURNAL_FAILED in said
        return os.statvfs(self.state()).f_bavail == 0 and (
            self.written() != self.was_written or HISTORY_FAILED in said)

    def undo(self):
        self.lab.free_disk(self.host)
        if self.refuses:
            with contextlib.suppress(ProcessLookupError):  # a successor has no limit
                resource.prlimit(self.writer, LIMIT, NO_LIMIT)
