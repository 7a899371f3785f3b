# SPDX-License-Identifier: GPL-2.0-or-later
"""Part `host` of suite `xen-preflight`: what a check says of hosts, guests and bridges. The domain
runs on n1; n2, or its port of the lab's switch, is made unfit in one way after the other."""
import re
import time
import uuid

import xen_checks
import xen_guests
from xen_checks import Wrong
from xflab import run

TARGET = "n2"
SHORT_MTU = 1400
SKEW_S = 5
# A domain needs more than its memory: tables of its own, and what libxl leaves free.
SPARE_MIB = 40
# Of two hosts that are alike nothing of this may be said.
NEVER = {"cpu-unknown", "cpu-lacks", "hypervisor-older", "hypervisor-other", "clock-skew",
         "name-taken", "uuid-taken", "passthrough", "vnuma", "no-suspend", "not-logged", "memory",
         "peer-unproven", "vlan"}


def beside(lab, name, memory_mib, serial):
    """Starts another domain on the target, paused and without a disk; nothing of it ever runs."""
    facts = {**lab.domains[next(iter(lab.domains))], "name": name, "uuid": str(uuid.uuid4()),
             "device": None, "memory_mib": memory_mib, "mac": f"00:16:3e:79:ff:{serial:02x}"}
    lab.exec(TARGET, f"cat >/lab/{name}-beside.cfg", stdin=xen_guests.config_text(facts))
    lab.exec(TARGET, "xl", "create", "-q", "-e", "-p", f"/lab/{name}-beside.cfg", timeout=180)


def destroy(lab, name):
    lab.exec(TARGET, f"! xl domid {name} >/dev/null 2>&1 || xl destroy {name}")


def free_mib(lab):
    out = lab.exec(TARGET, "xl", "info").out
    return int(re.search(r"^free_memory\s*:\s*(\d+)", out, re.M)[1])


def uplink(lab):
    """The target's port to the outside: in the bridge, and no domain's."""
    ports = lab.exec(TARGET, "ls /sys/class/net/xenbr0/brif").out.split()
    return next(port for port in ports if not port.startswith("vif"))


def tried(suite, lab, name, wrongs):
    for wrong in wrongs:
        wrong.tried(suite, lab, name, "host")


def alike(suite, lab, name):
    lab.set_clocks()
    answer = xen_checks.accepted(suite, lab, name, "host: alike")
    said = {one["id"] for one in answer.findings} & NEVER
    suite.check("host: of hosts that are alike nothing is said", not said, answer)


def guests(suite, lab, name):
    """Names, memory, and what the guest offers."""
    domid = lab.exec("n1", "xl", "domid", name).out.strip()
    node = f"/local/domain/{domid}/control/feature-suspend"
    before = lab.exec("n1", "xenstore-read", node).out.strip()
    ballast = "ballast"
    tried(suite, lab, name, (
        Wrong("another domain of that name at the target", "name-taken",
              lambda: beside(lab, name, 48, 1), lambda: destroy(lab, name)),
        Wrong("a guest that cannot suspend", "no-suspend", f"xenstore-write {node} 0",
              f"xenstore-write {node} {before}", host="n1"),
        Wrong("too little memory at the target", "memory",
              lambda: beside(lab, ballast, free_mib(lab) - SPARE_MIB, 2),
              lambda: destroy(lab, ballast)),
    ))


def clocks(suite, lab, name):
    lab.set_clocks()
    lab.exec(TARGET, f"date -u -s @{time.time() + SKEW_S:.3f} >/dev/null")
    try:
        answer = xen_checks.accepted(suite, lab, name, "host: a clock that is ahead",
                                     warned=("clock-skew",))
        # Its sign and its unit are its own.
        numbers = re.findall(r"\d+(?:\.\d+)?", " ".join(answer.details("clock-skew")))
        suite.check("host: by how much is said", any(
            SKEW_S - 2 < float(number) / unit < SKEW_S + 2 for number in numbers
            for unit in (1, 1000)), answer)
    finally:
        lab.set_clocks()


def filter_switch(lab, rules):
    run("ip", "netns", "exec", lab.netns("switch"), "nft", "-f", "-", stdin=rules)


# Of the probe's frames alone: everything else goes on.
ONE_WAY = """add table bridge preflight
add chain bridge preflight forward {{ type filter hook forward priority 0; }}
add rule bridge preflight forward iifname "{port}" ether type 0x88b5 drop
"""
BOTH_WAYS = "delete table bridge preflight\n"


def bridges(suite, lab, name):
    link = uplink(lab)
    port = f"g{lab.node_id(TARGET)}"

    def moved_away(name_before, name_after):
        """Only a bridge that is down takes another name."""
        return (f"ip link set {name_before} down && ip link set {name_before} name {name_after} &&"
                f" ip link set {name_after} up")

    # The bridge follows its uplink until it is told otherwise.
    lab.exec(TARGET, f"ip link set {link} mtu {SHORT_MTU} && ip link set xenbr0 mtu 1500")
    try:
        answer = xen_checks.refused(suite, lab, name, "host: an uplink with a smaller MTU", "mtu")
        # A bridge lets a VLAN's tag through beside the MTU.
        numbers = [int(number) for number in re.findall(r"\d+", " ".join(answer.details("mtu")))]
        suite.check("host: the largest frame that passes is named", any(
            SHORT_MTU <= number <= SHORT_MTU + 4 for number in numbers), answer)
    finally:
        lab.exec(TARGET, f"ip link set {link} mtu 1500 && ip link set xenbr0 mtu 1500")
    tried(suite, lab, name, (
        Wrong("another segment", "not-same-segment", lambda: lab.cut_guests(TARGET), lab.heal,
              ("no-carrier",)),
        Wrong("frames pass in one direction", "one-way",
              lambda: filter_switch(lab, ONE_WAY.format(port=port)),
              lambda: filter_switch(lab, BOTH_WAYS)),
        Wrong("a bridge without its uplink", {"not-same-segment", "no-carrier"},
              f"ip link set {link} nomaster", f"ip link set {link} master xenbr0 up",
              ("not-forwarding",)),
        Wrong("no such bridge at the target", "bridge-missing", moved_away("xenbr0", "xenbr9"),
              moved_away("xenbr9", "xenbr0"), ("not-same-segment", "no-carrier")),
    ))


def host(suite, lab, _undo, name):
    for step in (alike, guests, clocks, bridges):
        suite.guard(f"host: {step.__name__} runs to its end", step, suite, lab, name)
    xen_checks.accepted(suite, lab, name, "host: fit again")
