# SPDX-License-Identifier: GPL-2.0-or-later
"""Suite `xen`: the core of it on real Xen hosts: moves live and cold, kept ones, what is left
behind, a domain's end, and what xl does beside. Judged by pings, an open connection, the disk's
records, and xl on all hosts."""
import contextlib
import time

import agents
import console
import eyes
import moves
import xen_ends
import xen_guests
import xen_moves
import xen_suite
import xen_trees
from xflab import PREFIX, wait_for

POLICY = f"{PREFIX}/libexec/xenferry/xenferry-policy.so"
# In place of a hotplug script: the first call fails, all others are the script's own.
FAILS_ONCE = """#!/bin/sh
if mkdir /run/failed-once; then
    xenstore-write "$XENBUS_PATH/hotplug-error" once "$XENBUS_PATH/hotplug-status" error
    exit 1
fi
exec "$0.real" "$@"
"""


def leave_incoming(lab, name, host):
    """What `xl migrate-receive` leaves when its sender is gone: the domain's name with an ending,
    its uuid, paused."""
    facts = {**lab.domains[name], "device": None, "name": name + "--incoming", "mac":
             "00:16:3e:79:ff:fe"}
    lab.exec(host, "cat >/lab/left.cfg", stdin=xen_guests.config_text(facts))
    lab.exec(host, "xl", "create", "-q", "-e", "-p", "/lab/left.cfg", timeout=120)


# -- parts

def live_moves(suite, lab):
    lab.exec("n1", "xenferry", "create", xen_guests.define(lab, "web")["config"], timeout=120)
    xen_guests.wait_answers(lab, "web")
    seen, report = xen_moves.moved(suite, lab, "web", "idle guest")
    suite.check("its devices were attached before the pause", report.get("notes") == [],
                report.get("notes"))
    pause = report.get("pause", {})
    suite.figure("pause_idle_ms", round(seen.gap_ms))
    suite.check("the report breaks the pause into its phases",
                all(isinstance(pause.get(key), (int, float)) for key in
                    ("total_ms", "suspend_ms", "last_pages_ms", "build_ms", "commit_ms",
                     "unpause_ms")), pause)
    xen_guests.dirty(lab, "web", 8, 8)
    xen_moves.moved(suite, lab, "web", "guest that writes 8 MiB/s")
    xen_guests.dirty(lab, "web", 0, 8)
    xen_moves.moved(suite, lab, "web", "cold move", "--cold")


def rule(suite, lab):
    """Ours runs inside libxl's helper, and an abort by it leaves the guest as it was."""
    xen_guests.dirty(lab, "web", 60, 32)
    _seen, report = xen_moves.kept(suite, lab, "web", "guest faster than the link", 23,
                                   "not-converging", "--downtime-max", "300", "--bandwidth", "2M")
    suite.check("the rule was ours: libxenguest's own never gives up", report.get("notes") == [],
                report.get("notes"))
    host = xen_moves.home(lab, "web")
    number = lab.exec(host, "xl", "domid", "web").out.strip()
    xen_moves.logs_no_more(suite, lab, "guest faster than the link", host, number)
    _seen, report = xen_moves.moved(suite, lab, "web", "the same guest, slowed", "--slow",
                                    "--bandwidth", "8M")
    suite.check("its cap went down in steps", len({r["cap_percent"] for r in report["rounds"]}) > 1,
                report["rounds"])
    _seen, report = xen_moves.moved(suite, lab, "web", "the same guest, forced", "--force",
                                    "--bandwidth", "4M", "--downtime-max", "300")
    predicted, total = report["predicted_pause_ms"], report["pause"]["total_ms"]
    suite.figure("pause_predicted_over_measured", round(predicted / total, 2))
    suite.check("its pause is what was predicted, within a factor of 2",
                total / 2 <= predicted <= total * 2, (predicted, total))
    xen_guests.dirty(lab, "web", 0, 8)
    source = xen_moves.home(lab, "web")
    lab.exec(source, f"mv {POLICY} {POLICY}.away")
    try:
        seen, report = xen_moves.moved(suite, lab, "web", "without our rule's library")
    finally:
        lab.exec(source, f"mv {POLICY}.away {POLICY}")
    suite.check("the report says that libxenguest's own rule ran",
                any("libxenguest" in note for note in report.get("notes", [])),
                report.get("notes"))
    pause = report.get("pause", {})
    suite.check("and of the pause only what is known: not how long suspending took",
                pause.get("suspend_ms") is None and pause.get("total_ms", 1e9) <= seen.gap_ms,
                (pause, seen.gap_ms))


def keeper(suite, lab):
    """on_reboot and on_poweroff of a domain that was moved here; its console follows it."""
    host = xen_moves.home(lab, "web")
    xen_ends.reboots(suite, lab, "web", host, "a moved domain")
    suite.check("the agents never lost sight of it",
                xen_moves.known(lab, host) == [("web", host, "running")],
                xen_moves.known(lab, host))
    with console.Console(lab, "n1", "web") as typist:
        suite.guard("the guest answers at its console", typist.wait_answer, [host], 30)
        xen_moves.moved(suite, lab, "web", "after its reboot")
        suite.guard("the console follows it to the other host", typist.wait_answer,
                    [host, xen_moves.OTHER[host]], 30)
        suite.check("Ctrl-] leaves the console", typist.leave() == 0, typist.text[-200:])
    host = xen_moves.home(lab, "web")
    lab.exec(host, "systemctl", "restart", "xenferryd", timeout=60)
    agents.wait_online(lab, lab.hosts)
    lab.exec(host, "xl", "shutdown", "web")
    xen_ends.gone(suite, lab, "web", "after a restart of the agent, one that powers off")


def late_device(suite, lab):
    """One whose script fails early is attached in the pause, and once."""
    target = xen_moves.OTHER[xen_moves.home(lab, "guest")]
    with xen_suite.instead(lab, target, "/etc/xen/scripts/vif-bridge", FAILS_ONCE):
        _seen, report = xen_moves.moved(suite, lab, "guest",
                                        "after the faults, a hotplug script fails once")
    lab.exec(target, "rmdir", "/run/failed-once")
    suite.check("the report says that a device came late",
                any("could not be attached early" in note for note in report.get("notes", [])),
                report.get("notes"))
    suite.guard("it is there once, and works", xen_trees.settled, lab, target, "guest")


def beside_xl(suite, lab):
    """A domain that xl started is taken up, and after a move it is what xl's own would have made of
    it; what xl's migration leaves is shown and left alone."""
    xen_guests.create(lab, "guest", "n2")
    suite.guard("a domain that xl starts is known to all", xen_moves.wait_known, lab, "guest",
                "n2")
    xen_moves.moved(suite, lab, "guest", "a domain of xl's")
    xen_trees.same_as_xl(suite, lab, "guest")
    xen_trees.devices_come_and_go(suite, lab, "guest")
    xen_trees.save_and_restore(suite, lab, "guest")
    home = xen_moves.home(lab, "guest")
    host = xen_moves.OTHER[home]
    leave_incoming(lab, "guest", host)
    suite.guard("what xl left is shown where it is", wait_for, "the news", lambda: (
        "guest--incoming", host, "left-incoming") in xen_moves.known(lab, host), 30, 0.5)
    lab.exec(host, "systemctl", "restart", "xenferryd", timeout=60)
    agents.wait_online(lab, lab.hosts)
    suite.check("a restarted agent leaves it alone",
                "guest--incoming" in xen_guests.listed(lab, host), xen_guests.listed(lab, host))
    answer = agents.xenferry(lab, host, "resolve", "guest--incoming", "drop")
    suite.check("resolve says that the domain runs elsewhere", f"runs on {home}" in answer.out,
                answer)
    agents.xenferry(lab, host, "resolve", "guest--incoming", "drop", "--yes")
    suite.guard("resolve --yes removes it", wait_for, "its end",
                lambda: "guest--incoming" not in xen_guests.listed(lab, host), 60, 0.5)
    suite.check("the domain itself runs on", xen_moves.home(lab, "guest") == home)


def alarms(lab, host):
    """How often the agent has said that a domain runs twice."""
    said = lab.exec(host, "journalctl", "-u", "xenferryd", "-o", "cat").out
    return said.count("destroy the stale copy at once")


def run_twice(suite, lab):
    """What nobody can forbid to root: xl starts the domain on the other host as well, without its
    disk. Agents tell of that, and did not when it was xl that moved it."""
    suite.check("a migration of xl's was taken for nothing else",
                [alarms(lab, host) for host in lab.hosts] == [0, 0])
    to = xen_moves.OTHER[xen_moves.home(lab, "guest")]
    facts = {**lab.domains["guest"], "device": None, "mac": "00:16:3e:79:ff:fd"}
    lab.exec(to, "cat >/lab/twice.cfg", stdin=xen_guests.config_text(facts))
    lab.exec(to, "xl", "create", "-q", "-e", "-p", "/lab/twice.cfg", timeout=120)
    suite.guard("both agents say that it runs twice", wait_for, "the alarm",
                lambda: [alarms(lab, host) for host in lab.hosts] == [1, 1], 60, 1)
    lab.exec(to, "xl", "destroy", "guest")
    suite.guard("nobody shows it there any more", wait_for, "the news", lambda: all(
        [entry for entry in xen_moves.known(lab, host) if entry[0] == "guest"]
        == [("guest", xen_moves.OTHER[to], "running")] for host in lab.hosts), 60, 1)
    suite.check("they have said so once", [alarms(lab, host) for host in lab.hosts] == [1, 1])


def refusals(suite, lab):
    """What must be said before anything is done."""
    answer = agents.xenferry(lab, xen_moves.home(lab, "guest"), "create", "/lab/guest.cfg",
                             "--json", check=False)
    suite.check("a second domain of that name is refused", answer.code == 16, answer)
    lab.exec("n1", "cat >/lab/bad.cfg", stdin="name = \"bad\nmemory = lots\n")
    answer = agents.xenferry(lab, "n1", "create", "/lab/bad.cfg", check=False)
    suite.check("what xl cannot read is refused in xl's words", answer.code == 15, answer)
    lab.exec("n1", "cat >/lab/big.cfg",
             stdin="name = \"big\"\ntype = \"pvh\"\nkernel = \"/lab/vmlinux\"\nmemory = 4000\n")
    answer = agents.xenferry(lab, "n1", "create", "/lab/big.cfg", check=False)
    suite.check("a domain too big for the host is refused", answer.code == 12, answer)
    suite.check("none of them exists", "bad" not in xen_guests.listed(lab, "n1")
                and "big" not in xen_guests.listed(lab, "n1"))


def faults(suite, lab):
    """Two in mid pre-copy; the long list is xen-campaign's."""
    for what in ("mover at the target", "agent at the source"):
        source = xen_moves.home(lab, "guest")
        target = xen_moves.OTHER[source]
        connection = eyes.OpenConnection(lab, "guest")
        one = moves.Move(lab, source, "guest", target, "--bandwidth", "4M")
        one.wait_event(lambda e: e.get("event") == "progress" and e.get("pages_sent", 0) > 500, 60)
        host = target if "target" in what else source
        lab.exec(host, "kill -9 $(pgrep -f '^xenferry-mover')" if "mover" in what else
                 "systemctl kill -s KILL xenferryd", check=False)
        with contextlib.suppress(TimeoutError):
            one.wait(120)
        agents.wait_online(lab, lab.hosts)
        suite.guard(f"{what} killed: the cluster settles", xen_moves.wait_settled, lab, "guest")
        _echoes, _longest, error = connection.stop()
        suite.check(f"{what} killed: the domain runs on and its connection lives",
                    not error and set(xen_guests.holders(lab, "guest")) == {source},
                    (error, xen_guests.holders(lab, "guest")))
        xen_moves.check_clean(suite, lab, "guest", f"{what} killed: nothing is left elsewhere",
                              60)
    late_device(suite, lab)
    findings, records, last = xen_guests.read_disk(lab, "guest")
    suite.check("the disk holds every record", not findings and last > 0,
                (findings[:3], records, last))


def run(suite, _options):
    with xen_suite.lab_of(suite, "suite") as lab:
        started = time.monotonic()
        for part in (live_moves, rule, keeper, beside_xl, refusals, faults, run_twice):
            begun = time.monotonic()
            suite.guard(f"{part.__name__} runs to its end", part, suite, lab)
            suite.say(f"        {part.__name__}: {time.monotonic() - begun:.0f} s")
        suite.figure("tests_s", round(time.monotonic() - started))
