# SPDX-License-Identifier: GPL-2.0-or-later
"""Moves as a suite drives them, and the question where the one copy is."""
import json
import subprocess
import threading
import time

import guests
import notes
import xflab

# A healed cluster has to be of one mind within this time: Corosync's membership takes up to 5 s,
# the agents' answer time-outs and the restart of a mover come on top.
SETTLE_LIMIT_S = 60.0
MOVE_LIMIT_S = 120.0


class Move:
    """`xenferry move` at work on a host, its events as they come."""

    def __init__(self, lab, host, domain, to, *options):
        self.host = host
        self.domain = domain
        self.to = to
        self.events = []
        self.started = time.monotonic()
        self.ended = None
        self._more = threading.Condition()
        self._process = lab.popen(host, "xenferry", "move", domain, "--to", to, "--json", *options,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._readers = [threading.Thread(target=self._read, daemon=True),
                         threading.Thread(target=self._read_errors, daemon=True)]
        self.err = ""
        for reader in self._readers:
            reader.start()

    def _read(self):
        for line in self._process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                event = {"event": "unreadable", "line": line}
            if "checking" in (event.get("event"), event.get("state")):
                continue  # nothing has begun: suites want to strike what has
            with self._more:
                self.events.append(event)
                self._more.notify_all()
        with self._more:
            self.ended = time.monotonic()
            self._more.notify_all()

    def _read_errors(self):
        self.err = self._process.stderr.read()

    def wait_event(self, matches, limit_s):
        """The first event that matches(event) is true of; None after the limit or the end."""
        end = time.monotonic() + limit_s
        with self._more:
            while True:
                for event in self.events:
                    if matches(event):
                        return event
                if self.ended is not None or not self._more.wait(max(0, end - time.monotonic())):
                    return None

    def wait(self, limit_s=MOVE_LIMIT_S):
        """Exit code; TimeoutError when the command outlives the limit (it is then ended)."""
        try:
            code = self._process.wait(limit_s)
        except subprocess.TimeoutExpired as error:
            self.stop()
            raise TimeoutError(f"move of {self.domain} to {self.to} has not ended within "
                               f"{limit_s:g} s: {self.events[-1:]}") from error
        self._close()
        return code

    def running(self):
        return self._process.poll() is None

    def stop(self):
        """Ends the command; the move itself goes on."""
        self._process.kill()
        self._process.wait(10)
        self._close()

    def _close(self):
        for reader in self._readers:
            reader.join(10)
        self._process.stdout.close()
        self._process.stderr.close()

    def report(self):
        """The REPORT of the end, or {}."""
        for event in reversed(self.events):
            if event.get("event") == "ended":
                return event
        return {}

    def migration(self):
        """Its id, as the agents named it; None before."""
        for event in reversed(list(self.events)):
            if event.get("migration"):
                return event["migration"]
        return None

    def reason(self):
        """Why it ended or was refused."""
        for event in reversed(self.events):
            if "error" in event:
                return event["error"]["reason"]
            if "reason" in event:
                return event["reason"]
        return ""


# Steps of the last hand-shake: what has happened, and what the other side has not yet heard.
STEPS = ("END", "READY", "COMMIT", "RUNNING")
# What its party notes then, source and target in turn, before anything of it leaves (H8).
NOTED = ("end", "complete", "commit", "run")
# What it notes where it has decided otherwise meanwhile, its answer being late.
OTHERWISE = ("stayed", "done", "never", "undo")
NOTED_LIMIT_S = 10.0
# A message leaves in the step that notes it. That it did shows in the next note, of who heard it.
LEAVES_S = 0.02


def hold_at(lab, one, step, source, target):
    """Stops a move behind a step of its hand-shake, which takes too few milliseconds to be met by
    chance: the agents are held still in turn, so that each does its part and hears no answer. One
    of the two is awake afterwards, and what it waits for cannot come.

    True once the step is reached, as the notes of both hosts show. False when the move has ended
    or was decided otherwise before; LabError when neither comes."""
    xflab.wait_for("the movers are at work, or the move has ended", lambda: not one.running()
                   or lab.named(target, "xenferry-mover")
                   and lab.named(source, "xenferry-mover"), 15, 0.01)
    if not one.running():
        return False
    lab.pause_agent(target)
    # The movers finish without the target's agent; their word that all is there waits for it.
    xflab.wait_for("the image is sent", lambda: not lab.named(source, "xenferry-mover"), 60, 0.01)
    awake, still = source, target
    if not noted(lab, one, awake, "end"):
        return False
    for note in NOTED[1:STEPS.index(step) + 1]:
        lab.pause_agent(awake)
        lab.continue_agent(still)
        awake, still = still, awake
        if not noted(lab, one, awake, note):
            return False
    return True


def noted(lab, one, host, note):
    """Waits until this host's agent has noted its part of this move, and told the other: True.
    False when it notes another end of it, or the move has ended."""
    def look():
        found, migration = notes.read(lab, host, one.domain)
        if migration == one.migration() and found in (note, *OTHERWISE):
            return found
        return None if one.running() else "ended"

    found = xflab.wait_for(f"{host} notes {note} of {one.domain}", look, NOTED_LIMIT_S, 0.005)
    if found == "run":
        # Noted before the copy is let go, told afterwards.
        xflab.wait_for(f"{one.domain} runs on {host}", lambda: guests.stat(
            lab, host, one.domain, "copy") == "running", NOTED_LIMIT_S, 0.005)
    time.sleep(LEAVES_S)
    return found == note


def noticed(lab, host, gone):
    """Has Corosync of a host told it, membership and group, that another host is gone? An agent
    there may not have looked yet."""
    address = lab.address(gone)
    members = lab.exec(host, "corosync-quorumtool", "-l", "-i", check=False).out.split()
    group = lab.exec(host, "corosync-cpgtool", check=False).out.split()
    return lab.address(host) in members and address not in members \
        and f"({lab.address(host)})" in group and f"({address})" not in group


def move(lab, domain, to, *options, host=None, limit_s=MOVE_LIMIT_S):
    """A whole move, asked for on its source unless said otherwise; (Move, exit code)."""
    source = host or home(lab, domain)
    if source is None:
        raise xflab.LabError(f"{domain} runs nowhere")
    one = Move(lab, source, domain, to, *options)
    return one, one.wait(limit_s)


def home(lab, domain):
    """The host that runs the domain by its agents' word, or None."""
    found = guests.where(lab, domain)
    return found[0] if len(found) == 1 else None


def migrations(lab, host, domain=None):
    """What `xenferry status` of a host shows; None without an answer."""
    answer = lab.xenferry(host, "status", "--json", check=False, timeout=20)
    if answer.code != 0:
        return None
    return [m for m in answer.json()["migrations"] if domain in (None, m["domain"])]


def settled(lab, domain):
    """All agents see each other, none has a migration of the domain, at most one copy exists."""
    for host in lab.hosts:
        if not set(lab.hosts) <= set(lab.online(host)) or migrations(lab, host, domain) != []:
            return False
    return sum(guests.holders(lab, domain).values()) <= 1


def wait_settled(lab, domain, limit_s=SETTLE_LIMIT_S):
    """Waits for settled() in a healed lab; raises LabError after the limit."""
    try:
        xflab.wait_for(f"the cluster is of one mind about {domain}",
                       lambda: settled(lab, domain), limit_s, 0.2)
    except xflab.LabError as error:
        raise xflab.LabError(f"{error}: {status_text(lab, domain)}") from error


def status_text(lab, domain):
    """One line about who says what, for a failed check."""
    words = [f"processes {guests.holders(lab, domain)}"]
    for host in lab.hosts:
        if not lab.powered(host):
            words.append(f"{host} off")
        else:
            words.append(f"{host} sees {lab.online(host)} has {migrations(lab, host, domain)}")
    return "; ".join(words)
