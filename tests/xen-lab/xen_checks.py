# SPDX-License-Identifier: GPL-2.0-or-later
"""`xenferry check` as suites ask it on the Xen lab's hosts, and what must be in its answer: a
finding is asked for by its id, and one that refuses and was not asked for fails the claim."""
import contextlib
import json
import os
import subprocess

import agents
import xen_moves
import xen_trees
from xflab import LabError

TREES = "XF_TREES"  # of the environment: the folder for trees of accepted disks
HERE = os.path.dirname(os.path.abspath(__file__))
RECORDER = os.path.join(os.path.dirname(HERE), "record-tree")
CHECK_LIMIT_S = 180


def plain(text):
    """So that it does not matter how a tool writes a uuid."""
    return text.lower().replace("-", "")


class Answer:
    """What a check said."""

    def __init__(self, result):
        self.code = result.code
        self.findings = []
        self.disks = []
        self.unreadable = ""
        try:
            self.findings = result.json()["findings"]
            self.disks = result.json().get("evidence", {}).get("disks", [])
        except (ValueError, KeyError, TypeError) as error:
            self.unreadable = f"{type(error).__name__}: {result}"

    def ids(self, severity):
        return {one["id"] for one in self.findings if one["severity"] == severity}

    def details(self, name):
        """What was seen, of each finding with this id."""
        return [one.get("detail", "") for one in self.findings if one["id"] == name]

    def evidence(self, path):
        """Of one disk of the domain; {} if there is none."""
        return next((disk for disk in self.disks if disk.get("path") == path), {})

    def __repr__(self):
        said = "; ".join(f"{one['severity']} {one['id']} of {one.get('subject', '')!r}"
                         f" ({one.get('detail', '')})" for one in self.findings)
        return self.unreadable or f"exit {self.code}, {said or 'nothing'}"


def source_of(lab, name):
    """The host that runs the domain itself: another one may have one of its name."""
    found = [host for host in xen_moves.OTHER
             if lab.domains[name]["uuid"] in lab.exec(host, "xl", "vm-list").out]
    if len(found) != 1:
        raise LabError(f"{name} is on {found}")
    return found[0]


def ask(lab, name, *options):
    """Asked where the domain runs, about the other host."""
    source = source_of(lab, name)
    return Answer(agents.xenferry(lab, source, "check", name, xen_moves.OTHER[source], "--json",
                                  "--verbose", *options, check=False, timeout=CHECK_LIMIT_S))


def proven(suite, answer, what, path, named):
    """Both hosts named the disk path by an identity of its own; and by what it is."""
    disk = answer.evidence(path)
    suite.check(f"{what}: by an identity of its own", disk.get("match") == "strong", disk)
    for text in named:
        suite.check(f"{what}: both hosts name {text}", all(
            plain(text) in plain(json.dumps(disk.get(side, ""))) for side in ("here", "there")),
                    disk)


def accepted(suite, lab, name, what, warned=()):
    """Nothing refuses, and what is to be warned of is there."""
    answer = ask(lab, name)
    suite.check(f"{what}: accepted", answer.code == 0 and not answer.unreadable
                and not answer.ids("refuse"), answer)
    for one in warned:
        suite.check(f"{what}: warned of as {one}", one in answer.ids("warn"), answer)
    return answer


def refused(suite, lab, name, what, wanted, also=()):
    """Refused with the finding wanted (of several: any), and no other refuses but those in also."""
    wanted = {wanted} if isinstance(wanted, str) else set(wanted)
    answer = ask(lab, name)
    found = answer.ids("refuse")
    suite.check(f"{what}: refused with {' or '.join(sorted(wanted))}", answer.code != 0
                and found & wanted and found <= wanted | set(also), answer)
    return answer


class Wrong:
    """One way to be wrong: do and undo are lines for the shell of a host, or functions."""

    def __init__(self, what, wanted, do, undo, also=(), host="n2"):
        self.what = what
        self.wanted = wanted
        self.do = do
        self.undo = undo
        self.also = also
        self.host = host

    def _act(self, lab, step):
        if callable(step):
            step()
        else:
            lab.exec(self.host, step)

    def tried(self, suite, lab, name, kind):
        what = f"{kind}: {self.what}"
        try:
            try:
                self._act(lab, self.do)
                refused(suite, lab, name, what, self.wanted, self.also)
            finally:
                self._act(lab, self.undo)
        except (LabError, OSError, subprocess.SubprocessError) as error:
            suite.check(f"{what}: can be made and undone", False, error)


# -- a second disk of a domain

VDEV = "xvdb"


@contextlib.contextmanager
def second_disk(lab, name, path):
    """The domain has this device for a second disk, by xl; not any more afterwards, wherever it
    runs by then."""
    host = xen_moves.home(lab, name)
    lab.exec(host, "xl", "block-attach", name,
             f"format=raw,vdev={VDEV},access=w,backendtype=phy,target={path}", timeout=120)
    try:
        xen_trees.settled(lab, host, name, vbds=2)
        yield
    finally:
        host = xen_moves.home(lab, name)
        lab.exec(host, "xl", "block-detach", name, VDEV, check=False, timeout=120)
        xen_trees.settled(lab, host, name)


def there_and_back(suite, lab, name, kind, vbds=2):
    for what in ("there", "back"):
        xen_moves.moved(suite, lab, name, f"{kind}, moved {what}")
        suite.guard(f"{kind}, moved {what}: its disks have come along", xen_trees.settled, lab,
                    xen_moves.home(lab, name), name, vbds=vbds)


# -- trees for tests without a lab

def record(suite, lab, kind, path, hosts):
    """With XF_TREES, what the hosts' /sys, /proc and /dev hold of a disk goes to that folder."""
    folder = os.environ.get(TREES)
    if not folder:
        return
    for host in hosts:
        suite.guard(f"{kind}: a tree of {host} is recorded", record_of, lab, host, path,
                    os.path.join(folder, f"{kind}-{host}"))


def record_of(lab, host, path, target):
    with open(RECORDER, encoding="utf-8") as file:
        lab.exec(host, "cat >/run/record-tree && chmod 755 /run/record-tree", stdin=file.read())
    lab.exec(host, f"rm -rf /run/tree && /run/record-tree {path} /run/tree", timeout=120)
    os.makedirs(target, exist_ok=True)
    # ssh's output is text to exec(): the archive goes past it.
    with lab.popen(host, "tar -C /run/tree -czf - .", stdout=subprocess.PIPE,
                   stderr=subprocess.PIPE) as sender:
        packed, errors = sender.communicate(timeout=120)
    if sender.returncode != 0:
        raise LabError(f"{host}: {path} cannot be fetched: {errors.decode(errors='replace')}")
    done = subprocess.run(["tar", "-C", target, "--no-same-owner", "-xzf", "-"], input=packed,
                          capture_output=True, timeout=120, check=False)
    if done.returncode != 0:
        raise LabError(f"{target}: {done.stderr.decode(errors='replace')}")
    lab.exec(host, "rm -rf /run/tree /run/record-tree")
