# SPDX-License-Identifier: GPL-2.0-or-later
"""Part of suite `preflight`: guest networks that are not what they should be."""
import checks
import segments
import xflab
from preflight_disks import Case

DOMAIN = "kept"
BRIDGE = "guests"
HOP_MTU = 1400


def wait_refused(case, what, *ids, limit_s=20):
    """The check refuses with one of these, once what was done has shown."""
    seen = []

    def met():
        seen[:] = [checks.check(case.lab, case.domain, case.target)]
        return seen[0].refusals() & set(ids)

    try:
        xflab.wait_for(what, met, limit_s, 0.2)
    except xflab.LabError:
        pass
    case.provoked |= seen[0].ids()
    case.suite.check(f"{what}: {' or '.join(ids)}", seen[0].code != 0
                     and seen[0].refusals() & set(ids), seen[0])
    return seen[0]


def wait_accepted(case, what, limit_s=20):
    seen = []

    def met():
        seen[:] = [checks.check(case.lab, case.domain, case.target)]
        return seen[0].code == 0

    try:
        xflab.wait_for(what, met, limit_s, 0.2)
    except xflab.LabError:
        pass
    case.suite.check(f"{what}, undone: accepted again", seen[0].code == 0, seen[0])


def links(case, net):
    what = "the uplink of the target has no carrier"
    net.port("n2", BRIDGE, "down")
    wait_refused(case, what, "no-carrier")
    net.port("n2", BRIDGE, "up")
    wait_accepted(case, what)

    what = "the target's bridge on another segment"
    net.port("n2", BRIDGE, "master", "segb")
    seen = case.refused(what, "not-same-segment")
    case.suite.check(f"{what}: and nothing else", seen.refusals() == {"not-same-segment"}, seen)
    net.port("n2", BRIDGE, "master", "sega")
    wait_accepted(case, what)

    what = "the target has no such bridge"
    net.ip("n2", "link", "set", BRIDGE, "down")
    net.ip("n2", "link", "set", BRIDGE, "name", "elsewhere")
    seen = case.refused(what, "bridge-missing")
    case.suite.check(f"{what}: and nothing else", seen.refusals() == {"bridge-missing"}, seen)
    net.ip("n2", "link", "set", "elsewhere", "name", BRIDGE)
    net.ip("n2", "link", "set", BRIDGE, "up")
    wait_accepted(case, what)

    what = "the source's bridge is down"
    net.ip("n1", "link", "set", BRIDGE, "down")
    case.refused(what, "network-unproven", "no-carrier", "not-same-segment")
    net.ip("n1", "link", "set", BRIDGE, "up")
    wait_accepted(case, what)


def directions(case, net):
    for source, target in (("n1", "n2"), ("n2", "n1")):
        what = f"nothing passes from {source} to {target}"
        net.one_way(BRIDGE, source, target)
        seen = case.refused(what, "one-way")
        case.suite.check(f"{what}: not called another segment",
                         "not-same-segment" not in seen.ids(), seen)
        net.both_ways()
        wait_accepted(case, what)


def mtu(case, net):
    """What passes is found by frames of the suite's own, and must be the number in the finding."""
    net.port("n2", BRIDGE, "mtu", str(HOP_MTU))
    passes = net.largest(BRIDGE, "n1", "n2", HOP_MTU - 8, HOP_MTU + 8)
    case.suite.check(f"a hop of MTU {HOP_MTU} drops what is larger",
                     HOP_MTU <= passes < HOP_MTU + 8, passes)
    seen = case.refused(f"a hop that lets {passes} bytes pass", "mtu")
    case.suite.check(f"the finding names it: {passes}", str(passes) in seen.detail("mtu"), seen)
    net.port("n2", BRIDGE, "mtu", "1500")
    wait_accepted(case, "a hop of a lower MTU")

    net.port("n2", BRIDGE, "mtu", "9000")
    net.port("n1", BRIDGE, "mtu", "9000")
    for host in ("n1", "n2"):
        net.ip(host, "link", "set", net.uplink(BRIDGE), "mtu", "9000")
        net.ip(host, "link", "set", BRIDGE, "mtu", "9000")
    wait_accepted(case, "jumbo frames on bridges and hops")
    net.port("n2", BRIDGE, "mtu", "1500")
    passes = net.largest(BRIDGE, "n1", "n2", 1490, 1510)
    seen = case.refused("jumbo frames on both bridges, and a hop without", "mtu")
    case.suite.check(f"the finding names it: {passes}", str(passes) in seen.detail("mtu"), seen)
    for host in ("n1", "n2"):
        net.port(host, BRIDGE, "mtu", "1500")
        net.ip(host, "link", "set", BRIDGE, "mtu", "1500")
        net.ip(host, "link", "set", net.uplink(BRIDGE), "mtu", "1500")
    wait_accepted(case, "jumbo frames")


def spanning_tree(case, net):
    """The kernel's own: a port that comes up listens for the forward delay, in 1/100 s."""
    what = "a port that does not forward yet"
    net.ip("n2", "link", "set", BRIDGE, "type", "bridge", "stp_state", "1", "forward_delay", "800")
    net.ip("n2", "link", "set", net.uplink(BRIDGE), "down")
    net.ip("n2", "link", "set", net.uplink(BRIDGE), "up")
    seen = wait_refused(case, what, "not-forwarding", limit_s=6)
    case.suite.check(f"{what}: not called another segment", "not-same-segment" not in seen.ids(),
                     seen)
    net.ip("n2", "link", "set", BRIDGE, "type", "bridge", "forward_delay", "200", "stp_state", "0")
    net.ip("n2", "link", "set", net.uplink(BRIDGE), "down")
    net.ip("n2", "link", "set", net.uplink(BRIDGE), "up")
    wait_accepted(case, what)


def strangers(case, net):
    facts = case.lab.domains[DOMAIN]
    what = "another station answers for the domain's address"
    one = net.station("sega", "02:00:5e:aa:00:01", facts["address"])
    seen = case.refused(what, "ip-taken")
    case.suite.check(f"{what}: its MAC is named", "02:00:5e:aa:00:01" in seen.detail("ip-taken"),
                     seen)
    net.leave(one)
    wait_accepted(case, what)

    what = "another station uses the domain's MAC"
    one = net.station("sega", facts["mac"])
    one.chatter()
    case.refused(what, "mac-taken")
    net.leave(one)
    wait_accepted(case, what)

    what = "a guest's port of the target has the domain's MAC"
    with net.guest("n2", BRIDGE, facts["mac"]):
        case.refused(what, "mac-taken")
    wait_accepted(case, what)


def vlan_filtering(net, on):
    return net.ip("n2", "link", "set", BRIDGE, "type", "bridge", "vlan_filtering", str(on),
                  check=False).code == 0


def settings(case, net):
    if vlan_filtering(net, 1):
        case.accepted("a bridge that filters VLANs on one host alone", "vlan")
        vlan_filtering(net, 0)
    else:
        case.suite.say("skipped: this kernel's bridges cannot filter VLANs")
        case.provoked.add("vlan")
    net.ip("n1", "addr", "add", "10.201.0.1/24", "dev", BRIDGE)
    net.ip("n2", "addr", "add", "10.202.0.2/24", "dev", BRIDGE)
    case.accepted("bridges with addresses of different networks", "subnet")
    net.ip("n1", "addr", "del", "10.201.0.1/24", "dev", BRIDGE)
    net.ip("n2", "addr", "del", "10.202.0.2/24", "dev", BRIDGE)


def make(lab):
    """n1 and n2 on one segment, n3 on another."""
    net = segments.Segments(lab)
    net.segment("sega")
    net.segment("segb")
    for host, segment in (("n1", "sega"), ("n2", "sega"), ("n3", "segb")):
        net.bridge(host, BRIDGE, segment)
        net.bridge(host, "second", segment)
    return net


def networks(suite, lab, san, net):
    case = Case(suite, lab, san)
    for part in (links, directions, mtu, spanning_tree, strangers, settings):
        suite.guard(f"{part.__name__} runs to its end", part, case, net)
    return case.provoked
