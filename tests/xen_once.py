# SPDX-License-Identifier: GPL-2.0-or-later
"""Part of suite `xen-campaign`: what need be seen but once. A guest faster than its link, beside
`xl migrate`; a save helper that dies; a domain's end after a move, and after one that was rolled
back; announcements on the switch; what xl's migration leaves at the source; guests that cannot move
live."""
import contextlib
import subprocess
import time

import agents
import eyes
import moves
import xen_ends
import xen_faults
import xen_guests
import xen_moves
import xen_rules
import xen_suite
import xen_trees
from xflab import LabError, wait_for

DOMAIN = "web"
FAST = (60, 32)     # MiB/s, MiB: what the guest writes
LINK_KBIT = 50000   # a tenth of that
# What is left takes xl over five seconds at that rate; an abort is not felt.
NOTICED_MS = 3000
RARP = "rarp"       # no guest sends it: Linux announces itself by ARP
TOLD = "arp[6:2] = 2 and arp[14:4] = arp[24:4]"  # answers that nobody asked for; Linux asks instead
# In place of a hotplug script: attaching takes long.
SLEEPS_S = 36       # libxl waits for 40
SLEEPS = f"""#!/bin/sh
[ "$1" != online ] || sleep {SLEEPS_S}
exec "$0.real" "$@"
"""
LATE_S = 2.0        # of an announcement, behind the first answer to a ping
STILL = 4           # events of a move's progress, one a second, that show the same


def faster_than_the_link(suite, lab):
    """Told to keep the pause short, ours gives up and the guest is as before; xl pauses it."""
    xen_guests.dirty(lab, DOMAIN, *FAST)
    for host in lab.hosts:
        lab.rate(host, LINK_KBIT)
    try:
        ours, _report = xen_moves.kept(suite, lab, DOMAIN, "faster than the link", 23,
                                       "not-converging", "--downtime-max", "300")
        source = xen_moves.home(lab, DOMAIN)
        xl = eyes.watched(lab, DOMAIN, lambda: eyes.xl_migrate(
            lab, DOMAIN, source, xen_moves.OTHER[source]))
    finally:
        for host in lab.hosts:
            lab.rate(host, 0)
        xen_guests.dirty(lab, DOMAIN, 0, 8)
    suite.say(f"        faster than the link: ours {ours}; xl {xl}")
    suite.check("faster than the link: ours is not felt, xl's pause is", ours.gap_ms < NOTICED_MS
                < xl.gap_ms, (ours.gap_ms, xl.gap_ms))
    wait_for("one copy is left", lambda: len(xen_guests.holders(lab, DOMAIN)) == 1, 60, 0.5)
    xen_moves.wait_known(lab, DOMAIN, xen_moves.home(lab, DOMAIN), 60)


def rolled_back(suite, lab):
    """A move that is cancelled under way, from the other host; where the domain is."""
    source = xen_moves.home(lab, DOMAIN)
    one = moves.Move(lab, source, DOMAIN, xen_moves.OTHER[source], "--bandwidth", "2M")
    suite.check("cancelled: the move was under way", one.wait_event(
        lambda e: e.get("event") == "progress" and e.get("pages_sent", 0) > 0, 60) is not None)
    domid = lab.exec(source, "xl", "domid", DOMAIN).out.strip()
    suite.check("cancelled: Xen logged the guest's writes meanwhile",
                xen_moves.logdirty(lab, source, domid))
    lab.exec(xen_moves.OTHER[source], "xenferry", "cancel", DOMAIN, check=False)
    suite.check("cancelled: exit 21", one.wait(xen_moves.MOVE_LIMIT_S) == 21, one.err)
    xen_moves.check_clean(suite, lab, DOMAIN, "cancelled: nothing is left at the target", 60)
    xen_moves.logs_no_more(suite, lab, "cancelled", source, domid)
    return source


def first_round_over(one):
    """Whether a move sends no more pages."""
    sent = [event["pages_sent"] for event in one.events if event.get("event") == "progress"]
    return len(sent) > STILL and sent[-1] > 0 and len(set(sent[-STILL:])) == 1


def helper_killed(suite, lab):
    """libxl's save helper dies while the source waits for the target's devices: the move ends with
    it, not with the wait, and the guest runs on."""
    source = xen_moves.home(lab, DOMAIN)
    target = xen_moves.OTHER[source]
    what = "a killed save helper"
    code = took = one = None

    def act():
        nonlocal code, took, one
        one = moves.Move(lab, source, DOMAIN, target)
        wait_for("the end of the first round", lambda: first_round_over(one), 60, 0.2)
        lab.exec(source, "kill -9 $(pgrep -f '^[^ ]*(xenferry|libxl)-save-helper')")
        start = time.monotonic()
        code = one.wait(xen_moves.MOVE_LIMIT_S)
        took = time.monotonic() - start

    with xen_suite.instead(lab, target, "/etc/xen/scripts/vif-bridge", SLEEPS):
        seen = eyes.watched(lab, DOMAIN, act)
    suite.check(f"{what}: exit 44, reason hypervisor",
                (code, one.reason()) == (44, "hypervisor"), (code, one.reason(), one.err))
    suite.check(f"{what}: it is told at once", took < SLEEPS_S / 2, took)
    suite.check(f"{what}: the guest has not noticed", not seen.findings(), seen.findings())
    xen_moves.check_clean(suite, lab, DOMAIN, f"{what}: nothing is left elsewhere", SLEEPS_S + 60)
    xen_moves.logs_no_more(suite, lab, what, source,
                           lab.exec(source, "xl", "domid", DOMAIN).out.strip())


def ends_after_a_rollback(suite, lab):
    """xl's own monitor has gone by then."""
    what = "after a move that was rolled back, a domain"
    xen_ends.reboots(suite, lab, DOMAIN, rolled_back(suite, lab), what)
    rolled_back(suite, lab)
    crash(suite, lab, DOMAIN, f"{what} that crashes")


def crash(suite, lab, name, what):
    with contextlib.suppress(OSError, LabError):  # it has no time to answer
        xen_guests.control(lab, name, "crash")
    xen_ends.gone(suite, lab, name, what)


def crashes_after_a_move(suite, lab):
    """Alone in the lab: nobody is to show any domain afterwards."""
    xen_guests.create(lab, "brief", "n1")
    xen_moves.wait_known(lab, "brief", "n1")
    xen_moves.moved(suite, lab, "brief", "a domain that is to crash")
    crash(suite, lab, "brief", "a moved domain that crashes")


# In the name of the domain: what a move marks, and processes that serve one.
PLANTED = """
touch /run/xenferry/suspend-@UUID@
for name in 'xenferry-keeper @UUID@' xenferry-mover; do
    setsid bash -c 'exec -a "$0" sleep 300' "$name" </dev/null >/dev/null 2>&1 &
    echo $!
done
"""
# Ends the domain's keeper; starts it again as it was.
AWAY = """
pid=$(pgrep -f '^xenferry-keeper .*@UUID@')
cp /proc/$pid/cmdline /run/planted-cmdline
readlink /proc/$pid/exe >/run/planted-exe
kill -KILL $pid
while [ -e /proc/$pid ]; do sleep 0.1; done
"""
BACK = """
mapfile -d '' -t argv </run/planted-cmdline
exe=$(cat /run/planted-exe)
setsid bash -c 'exec -a "$1" "$0" "${@:2}"' "$exe" "${argv[@]}" \\
    </dev/null >/dev/null 2>&1 &
rm -f /run/planted-*
"""


def search_finds(suite, lab):
    """The search for what a move has left, upon which so much rests, finds what is put there, also on
    the host that has the domain; and a domain of whose end nobody would hear."""
    at = xen_moves.home(lab, DOMAIN)
    uuid = lab.domains[DOMAIN]["uuid"]
    xen_moves.check_clean(suite, lab, DOMAIN, "before anything is planted, nothing is left")
    for host, keepers in (at, "2 keepers"), (xen_moves.OTHER[at], "1 keeper"):
        processes = lab.exec(host, PLANTED.replace("@UUID@", uuid)).out.split()
        try:
            with contextlib.suppress(LabError):
                wait_for("all that is planted", lambda: len(
                    xen_moves.leftovers(lab, DOMAIN)) >= 3, 10, 0.5)
            found = xen_moves.leftovers(lab, DOMAIN)
        finally:
            lab.exec(host, f"kill {' '.join(processes)}; rm -f /run/xenferry/suspend-{uuid}")
        suite.check(f"a mark, a mover and a keeper on {'the' if host == at else 'the other'} host "
                    "are found", sorted(found) == sorted(
                        f"{host}: {line}" for line in ("1 mark", "1 mover", keepers)), found)
    xen_moves.check_clean(suite, lab, DOMAIN, "when that is gone, nothing is left")
    lab.exec(at, AWAY.replace("@UUID@", uuid))
    found = xen_moves.leftovers(lab, DOMAIN)
    lab.exec(at, BACK)
    suite.check("a domain without its keeper is found",
                found == [f"{at}: nobody who waits for its end"], found)
    xen_moves.check_clean(suite, lab, DOMAIN, "and is well with a new one")


def held_paused(lab, one, source, to):
    """Holds a move while the domain stands at the target, whole and paused, and the source is yet
    to commit. When it was let go on, on the wall clock; the copy's state then."""
    if one.wait_event(lambda e: e.get("pages_sent", 0) >= 9000 or e.get("round", 0) > 0,
                      xen_faults.REACH_LIMIT_S) is None:
        raise LabError(f"the move did not come so far: {one.events[-1:]} {one.err}")
    xen_faults.signal_agent(lab, to, "STOP")
    try:
        wait_for("the image is sent", lambda: not xen_faults.movers(lab, source),
                 xen_faults.REACH_LIMIT_S, 0.1)
        xen_faults.signal_agent(lab, source, "STOP")
    finally:
        xen_faults.signal_agent(lab, to, "CONT")
    try:
        time.sleep(xen_faults.HEARD_S)
        state = xen_guests.listed(lab, to).get(f"{DOMAIN}--incoming", "")
        return time.time(), state
    finally:
        xen_faults.signal_agent(lab, source, "CONT")


@contextlib.contextmanager
def listener(lab, host, *what):
    """Frames that come out of a host, as a switch sees them: [(wall clock, text)], filled at the
    end."""
    port = f"g{lab.node_id(host)}"
    frames = []
    with subprocess.Popen(
            ["ip", "netns", "exec", lab.netns("switch"), "tcpdump", "-n", "-l", "-tt", "-Q", "in",
             "-i", port, *what], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True) as process:
        time.sleep(1)
        try:
            yield frames
            time.sleep(3)
        finally:
            process.terminate()
        lines = (line.partition(" ") for line in process.stdout.read().splitlines() if line)
        frames += [(float(at), text) for at, _space, text in lines]


def announced(suite, lab):
    """Seen where a switch would see it: at the port of the host that the domain comes to."""
    source = xen_moves.home(lab, DOMAIN)
    to = xen_moves.OTHER[source]
    mac, address = lab.domains[DOMAIN]["mac"], lab.domains[DOMAIN]["address"]
    let_go = state = None

    def hold(one, *hosts):
        nonlocal let_go, state
        let_go, state = held_paused(lab, one, *hosts)

    nics = xen_trees.record(lab, source, DOMAIN)["nics"]
    suite.check("announced: the domain's configuration has its MAC and no address",
                [nic["mac"] for nic in nics] == [mac] and address not in str(nics), nics)
    with xen_rules.no_watchdog(lab), \
            listener(lab, to, "ether", "src", mac, "and", f"({RARP} or ({TOLD}))") as frames:
        seen, report = xen_moves.moved(suite, lab, DOMAIN, "announced", amid=hold)
    end = seen.gap_start + seen.gap_ms / 1000
    rarp = [frame for frame in frames if "Reverse" in frame[1]]
    suite.check("announced: the target's dom0 tells the network where the MAC is now",
                len(rarp) >= 3, frames)
    suite.check("announced: and where the address is that the source has learned of",
                len([text for _at, text in frames if f"Reply {address} is-at {mac}" in text]) >= 3,
                frames)
    suite.check("announced: not while the domain stands there, whole and paused",
                "p" in state and frames and let_go < frames[0][0], (state, let_go, frames[:1]))
    # A host with much to do lets the domain's first answer wait, but not the announcement.
    suite.check("announced: no later than the domain's first answer",
                rarp and rarp[0][0] < end + LATE_S, (rarp[:1], end))
    # 0.0: before it heard that the domain runs.
    suite.check("announced: and the report says when the old host saw it",
                report["pause"].get("network_ms") is not None, report["pause"])


# Addresses that no guest of the lab has.
WRITTEN, FOREIGN = "10.79.240.7", "10.79.240.8"


def announced_from_xenstore(suite, lab):
    """What a guest's agent writes is announced, if it is an address, though the guest never sent a
    frame with it; here dom0 writes in its place."""
    source = xen_moves.home(lab, DOMAIN)
    mac = lab.domains[DOMAIN]["mac"]
    domid = lab.exec(source, "xl", "domid", DOMAIN).out.strip()
    attr = f"/local/domain/{domid}/attr"
    nodes = {"vif/0/ipv4/0": WRITTEN, "vif/0/ipv4/1": "127.0.0.1", "vif/0/ipv4/2": "9" * 2000,
             "vif/0/ipv4/9": FOREIGN, "vif/1/ipv4/0": FOREIGN, "eth0/ip": f"{FOREIGN}/24"}
    for node, value in nodes.items():
        lab.exec(source, "xenstore-write", f"{attr}/{node}", value)
    with listener(lab, xen_moves.OTHER[source], "ether", "src", mac, "and", TOLD) as frames:
        xen_moves.moved(suite, lab, DOMAIN, "announced from xenstore")
    replies = [text for _at, text in frames]
    suite.check("announced from xenstore: the address that was written there",
                len([text for text in replies if f"Reply {WRITTEN} is-at {mac}" in text]) >= 3,
                frames)
    suite.check("announced from xenstore: nothing else that was", not any(
        other in text for text in replies for other in (f"Reply {FOREIGN} ", "Reply 127.")), frames)


# What `xl migrate-receive` says until it has the domain; then it is told to let it run, and says
# how that went.
RECEIVED = ("xl migration receiver ready, send binary domain data.\n"
            "domain received, ready to unpause\0")


def leave_away(lab, name, host, to):
    """What `xl migrate` leaves when it does not hear that the domain runs at the target, as it does:
    its copy, suspended, under a name with an ending. xl's answer."""
    by = f"socat -b 262144 - TCP:{to}:8002,nodelay | dd bs=1 count={len(RECEIVED)} status=none"
    return lab.exec(host, "xl", "migrate", "-s", "", name, by, timeout=300, check=False)


def left_away(suite, lab):
    """The copy of a domain that xl has moved away and not heard of again may be the last one."""
    source = xen_moves.home(lab, DOMAIN)
    to = xen_moves.OTHER[source]
    left = f"{DOMAIN}--migratedaway"
    answer = leave_away(lab, DOMAIN, source, to)
    suite.check("xl does not know what has become of the domain that it moved",
                answer.code != 0 and "failed during final handshake" in answer.err, answer)
    suite.check("its copy is there, suspended, and the domain at the target",
                "s" in xen_guests.listed(lab, source).get(left, "")
                and DOMAIN in xen_guests.listed(lab, to), xen_guests.holders(lab, DOMAIN))
    suite.guard("what xl left is shown where it is", wait_for, "the news", lambda: (
        left, source, "left-away") in xen_moves.known(lab, source), 30, 0.5)
    suite.guard("and the domain where it runs", xen_moves.wait_known, lab, DOMAIN, to)
    lab.exec(to, "systemctl", "stop", "xenferryd", timeout=60)
    for what in ("an agent that saw xl at work", "a new agent"):
        if what == "a new agent":
            lab.exec(source, "systemctl", "restart", "xenferryd", timeout=60)
        wait_for("the source's agent alone", lambda: agents.online(lab, source) == [source], 60,
                 0.5)
        answer = agents.xenferry(lab, source, "resolve", left, "drop", "--yes", check=False)
        suite.check(f"{what} refuses to drop it while no other says that the domain runs",
                    answer.code == 41 and f"no agent says that the domain runs, so {left} may be "
                    "the last of it" in answer.err, answer)
    lab.exec(to, "systemctl", "start", "xenferryd", timeout=60)
    agents.wait_online(lab, lab.hosts)
    xen_moves.wait_known(lab, DOMAIN, to)
    answer = agents.xenferry(lab, source, "resolve", left, "drop")
    suite.check("with its agent back, resolve says where it runs", f"runs on {to}" in answer.out,
                answer)
    suite.check("a refusal, a restart and a question leave the copy alone",
                "s" in xen_guests.listed(lab, source).get(left, ""),
                xen_guests.listed(lab, source))
    agents.xenferry(lab, source, "resolve", left, "drop", "--yes")
    suite.guard("resolve --yes removes it", wait_for, "its end",
                lambda: left not in xen_guests.listed(lab, source), 60, 0.5)
    xen_moves.check_clean(suite, lab, DOMAIN, "and all that it had")
    xen_guests.wait_answers(lab, DOMAIN)
    suite.check("the domain runs on at the target", xen_moves.home(lab, DOMAIN) == to)


def not_logged(suite, lab):
    """Debian's Xen has no shadow paging: a PV guest's writes cannot be logged."""
    told = dict(line.split(":", 1) for line in lab.exec("n1", "xl", "info").out.splitlines()
                if ":" in line)
    told = {key.strip(): value.split() for key, value in told.items()}
    paging = {"hap", "shadow"} & set(told["virt_caps"])
    nodes = {node["name"]: node for node in
             agents.xenferry(lab, "n1", "nodes", "--json").json()["nodes"]}
    suite.check("the scheduler is the one that xl tells",
                [nodes["n1"]["scheduler"]] == told["xen_scheduler"], (nodes["n1"], told))
    suite.check("this Xen moves live what nested paging helps, and nothing else",
                paging == {"hap"} and nodes["n1"]["live"] == ["pvh", "hvm"],
                (nodes["n1"]["live"], told["virt_caps"]))
    suite.check("of another node neither is known",
                nodes["n2"]["scheduler"] is None and nodes["n2"]["live"] is None, nodes["n2"])
    xen_guests.create(lab, "para", "n1", kind="pv")
    xen_moves.wait_known(lab, "para", "n1")
    xen_moves.kept(suite, lab, "para", "a PV guest, live", 48, "not-logged")
    suite.check("a PV guest: no host began anything", all(
        agents.xenferry(lab, host, "report", "para", check=False).code == 5 for host in lab.hosts))
    xen_moves.moved(suite, lab, "para", "a PV guest, cold", "--cold")
    lab.exec(xen_moves.home(lab, "para"), "xl", "destroy", "para")
    xen_guests.forget(lab, "para")


def by_qemu(suite, lab):
    """A disk whose backend is a QEMU, which only one host may have open: in the ordinary order."""
    xen_guests.create(lab, "byqemu", "n1", backend="qdisk")
    xen_moves.wait_known(lab, "byqemu", "n1")
    _seen, report = xen_moves.moved(suite, lab, "byqemu", "a disk by QEMU")
    suite.check("a disk by QEMU: the report says why it was attached in the pause", any(
        "1 disks and 0 interfaces are attached in the pause" in note
        for note in report.get("notes", [])), report.get("notes"))
    lab.exec(xen_moves.home(lab, "byqemu"), "xl", "destroy", "byqemu")
    xen_guests.forget(lab, "byqemu")


def once(suite):
    with xen_suite.lab_of(suite, "xconce") as lab:
        lab.exec("n1", "xenferry", "create", xen_guests.define(lab, DOMAIN)["config"], timeout=120)
        xen_guests.wait_answers(lab, DOMAIN)
        for part in (search_finds, announced, announced_from_xenstore, faster_than_the_link,
                     helper_killed, left_away, ends_after_a_rollback, crashes_after_a_move,
                     by_qemu, not_logged):
            suite.guard(f"{part.__name__} runs to its end", part, suite, lab)
