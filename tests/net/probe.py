#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The layer-2 probe on real bridges: the two hosts, the switch and the third station of handover.py,
all of them network namespaces. Each claim spoils one thing and says what a check finds.

    tests/net/probe.py [BUILD_DIR]       (root; TAP on stdout; exit 1 if any claim failed)

BUILD_DIR holds tests/net/probe_tool and tests/net/net_guest; default: the current directory.
"""
import contextlib
import json
import os
import re
import subprocess
import sys
import time
import traceback

import handover
from handover import CLIENT, IP, MAC, Failed, check

OTHER_MAC = "00:16:3e:77:00:99"
FORWARDING = 5  # common/probe.h, enum xf_port_state


class Lacking(Exception):
    """The kernel of this machine cannot do what the claim needs."""


class Result:
    """What probe_tool said."""

    def __init__(self, text):
        self.text = text
        self.findings = re.findall(r"^finding (\S+) (.*?): (.*)$", text, re.M)
        self.names = [name for name, _, _ in self.findings]
        self.facts = {}
        for host, bridge, rest in re.findall(r"^facts (\S+) (\S+) (.*)$", text, re.M):
            self.facts[host, bridge] = dict(pair.split("=") for pair in rest.split())
        found = re.findall(r"^search (\S+) rounds=(\d+) passed=(\d+)$", text, re.M)
        self.passed = {bridge: int(passed) for bridge, _, passed in found}
        self.rounds = {bridge: int(rounds) for bridge, rounds, _ in found}
        self.frames, self.ms = map(int, re.search(r"frames=(\d+) ms=(\d+)", text).groups())

    def only(self, name, detail=None):
        check(self.names == [name], f"not {name} alone: {self.text}")
        check(detail in (None, self.findings[0][2]), f"not {detail}: {self.text}")

    def nothing(self):
        check(self.names == [], self.text)


def command(lab, what, *arguments, target="B"):
    tool = os.path.join(lab.build, "tests/net/probe_tool")
    return [tool, what, lab.name("A"), lab.name(target), *(arguments or ("br0",))]


def probe(lab, *arguments, target="B"):
    done = subprocess.run(command(lab, "check", *arguments, target=target), check=False,
                          capture_output=True, text=True, timeout=30)
    check(done.returncode == 0, f"probe_tool: {done.returncode} {done.stderr}")
    return Result(done.stdout)


def switch_rule(lab, *rule):
    """Something in the switch that frames do not survive."""
    if not lab.filtered:
        lab.host("S", "nft", "add", "table", "bridge", "t")
        lab.host("S", "nft", "add", "chain", "bridge", "t", "c",
                 "{ type filter hook forward priority 0; }")
        lab.filtered = True
    lab.host("S", "nft", "add", "rule", "bridge", "t", "c", *rule)


RELAY = """
import select, socket
names = ["pA", "pB"]
ports = [socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) for _ in names]
for port, name in zip(ports, names):
    port.bind((name, 3))
print("ready", flush=True)
while True:
    for port in select.select(ports, [], [])[0]:
        frame, origin = port.recvfrom(65600)
        if origin[2] != socket.PACKET_OUTGOING:
            ports[1 - ports.index(port)].send({})
"""


@contextlib.contextmanager
def relay(lab, change):
    """Instead of the switch, a program that does something to each frame."""
    for port in ("pA", "pB"):
        lab.host("S", "ip", "link", "set", port, "nomaster")
        lab.host("S", "ip", "link", "set", port, "mtu", "1600")
    with subprocess.Popen(["ip", "netns", "exec", lab.name("S"), sys.executable, "-c",
                           RELAY.format(change)], stdout=subprocess.PIPE) as process:
        try:
            check(process.stdout.readline() == b"ready\n", "the relay does not start")
            yield
        finally:
            process.kill()


def wait_link(lab, host, port, what, good):
    """Until the port's entry in `bridge link` is as it should be."""
    end = time.monotonic() + 5
    while True:
        links = {link["ifname"]: link for link in json.loads(lab.host(host, "bridge", "-j", "link"))}
        if port in links and good(links[port]):
            return
        check(time.monotonic() < end, f"{port} is not {what}: {links.get(port)}")
        time.sleep(0.02)


def one_segment_has_nothing_to_say(lab):
    result = probe(lab)
    result.nothing()
    check(result.passed["br0"] == 1500 and result.rounds["br0"] == 1, result.text)
    check(result.frames == 12, f"{result.frames} frames")
    for host in ("source", "target"):
        facts = result.facts[host, "br0"]
        check(facts == {"there": "1", "carrier": "1", "mtu": "1500", "port": str(FORWARDING),
                        "filtering": "0", "pvid": "0", "ipv4": "0.0.0.0/0", "error": "0"}, facts)


def another_segment_is_found(lab):
    lab.host("S", "ip", "link", "set", "pB", "nomaster")
    probe(lab).only("not-same-segment", "")


def own_frames_thrown_back_are_no_proof(lab):
    lab.host("S", "ip", "link", "set", "pB", "nomaster")
    lab.host("S", "bridge", "link", "set", "dev", "pA", "hairpin", "on")
    probe(lab).only("not-same-segment")


def frames_of_another_check_are_no_proof(lab):
    lab.bridge("C", "br0")
    lab.host("C", "ip", "link", "set", "up0", "master", "br0")
    probe(lab, target="C").nothing()
    lab.host("S", "ip", "link", "set", "pB", "nomaster")
    others = [subprocess.Popen(command(lab, "check", target="C"), stdout=subprocess.DEVNULL)
              for _ in range(3)]
    result = probe(lab)
    for other in others:
        other.wait(timeout=30)
    result.only("not-same-segment")


def frames_that_arrive_tagged_are_no_proof(lab):
    with relay(lab, "frame[:12] + b'\\x81\\x00\\x00\\x0a' + frame[12:]"):
        probe(lab).only("not-same-segment")
    # VLAN 0 is no VLAN: the tag carries a priority only.
    with relay(lab, "frame[:12] + b'\\x81\\x00\\xe0\\x00' + frame[12:]"):
        probe(lab).nothing()


def frames_that_are_cut_off_are_no_proof(lab):
    with relay(lab, "frame[:1400]"):
        probe(lab).only("mtu", "frames up to 1386 bytes pass, 1500 are lost")


def frames_that_are_padded_are_as_good(lab):
    with relay(lab, "frame if len(frame) > 1000 else frame + bytes(100)"):
        probe(lab).nothing()


def bridges_wired_crosswise_are_two_other_segments(lab):
    lab.bridge("S", "sw1")
    for host, switch in (("A", "sw1"), ("B", "sw0")):
        lab.bridge(host, "br1")
        handover.run("ip", "-n", lab.name("S"), "link", "add", "q" + host, "type", "veth",
                     "peer", "name", "up1", "netns", lab.name(host))
        lab.host("S", "ip", "link", "set", "q" + host, "master", switch, "up")
        lab.host(host, "ip", "link", "set", "up1", "master", "br1", "up")
    lab.host("S", "ip", "link", "set", "pB", "master", "sw1")
    for host, port in (("A", "up1"), ("B", "up1"), ("B", "up0")):
        wait_link(lab, host, port, "forwarding", lambda link: link.get("state") == "forwarding")
    for port in ("qA", "qB", "pB"):
        wait_link(lab, "S", port, "forwarding", lambda link: link.get("state") == "forwarding")
    result = probe(lab, "br0,br1")
    check(result.names == ["not-same-segment"] * 2, result.text)
    check([subject for _, subject, _ in result.findings] == ["bridge br0", "bridge br1"],
          result.text)


def a_limit_on_the_way_is_found_to_the_byte(lab):
    switch_rule(lab, "meta", "length", ">", "1450", "drop")
    result = probe(lab)
    result.only("mtu", "frames up to 1450 bytes pass, 1500 are lost")
    check(result.rounds["br0"] <= 8, result.text)


def a_limit_in_one_direction_is_found_too(lab):
    switch_rule(lab, "iifname", "pB", "meta", "length", ">", "1399", "drop")
    probe(lab).only("mtu", "frames up to 1399 bytes pass, 1500 are lost")


def a_hop_with_a_small_mtu_is_found(lab):
    # Linux lets four bytes more pass: room for a VLAN tag.
    lab.host("S", "ip", "link", "set", "pB", "mtu", "1450")
    probe(lab).only("mtu", "frames up to 1454 bytes pass, 1500 are lost")


def jumbo_frames_are_searched_as_well(lab):
    for host in "AB":
        lab.host(host, "ip", "link", "set", "up0", "mtu", "9000")
        lab.host(host, "ip", "link", "set", "br0", "mtu", "9000")
    result = probe(lab)
    result.only("mtu")
    check(result.passed["br0"] == 1504, result.text)
    for port in ("pA", "pB", "sw0"):
        lab.host("S", "ip", "link", "set", port, "mtu", "9000")
    probe(lab).nothing()


def the_largest_frames_are_searched_in_eight_rounds(lab):
    for host, ports in (("A", ("up0", "br0")), ("B", ("up0", "br0")), ("S", ("pA", "pB", "sw0"))):
        for port in ports:
            lab.host(host, "ip", "link", "set", port, "mtu", "65535")
    probe(lab).nothing()
    switch_rule(lab, "meta", "length", ">", "40000", "drop")
    result = probe(lab)
    result.only("mtu", "frames up to 40000 bytes pass, 65535 are lost")
    check(result.rounds["br0"] <= 8, result.text)


def a_smaller_bridge_at_the_target_is_refused(lab):
    lab.host("B", "ip", "link", "set", "br0", "mtu", "1400")
    probe(lab).only("mtu", "the bridge takes 1500 bytes on the source, 1400 on the target")


def frames_lost_by_chance_change_nothing(lab):
    switch_rule(lab, "ether", "type", "0x88b5", "numgen", "random", "mod", "3", "==", "0", "drop")
    for _ in range(8):
        probe(lab).nothing()


def one_way_says_which(lab):
    switch_rule(lab, "iifname", "pB", "ether", "type", "0x88b5", "drop")
    probe(lab).only("one-way", "from the source to the target, not from the target to the source")


def the_other_way_says_so(lab):
    switch_rule(lab, "iifname", "pA", "ether", "type", "0x88b5", "drop")
    probe(lab).only("one-way", "from the target to the source, not from the source to the target")


def a_cut_cable_is_found(lab):
    lab.host("S", "ip", "link", "set", "pB", "down")
    wait_link(lab, "B", "up0", "down", lambda link: "NO-CARRIER" in link["flags"])
    probe(lab).only("no-carrier", "on the target")


def a_bridge_that_is_down_has_no_carrier(lab):
    lab.host("A", "ip", "link", "set", "br0", "down")
    probe(lab).only("no-carrier", "on the source")


def a_bridge_without_uplink_has_no_carrier(lab):
    guest = lab.guest("B")
    lab.host("B", "ip", "link", "set", "up0", "nomaster")
    result = probe(lab)
    result.only("no-carrier", "on the target")
    check(result.facts["target", "br0"]["port"] == "0", result.text)
    guest.end()


def a_port_that_listens_is_found(lab):
    lab.host("B", "ip", "link", "set", "up0", "nomaster")
    lab.host("B", "ip", "link", "set", "br0", "type", "bridge", "stp_state", "1",
             "forward_delay", "2000")
    lab.host("B", "ip", "link", "set", "up0", "master", "br0")
    wait_link(lab, "B", "up0", "listening", lambda link: link["state"] == "listening")
    probe(lab).only("not-forwarding", "listening on the target")


def a_port_that_only_learns_is_found(lab):
    lab.host("A", "bridge", "link", "set", "dev", "up0", "state", "2")
    probe(lab).only("not-forwarding", "learning on the source")
    lab.host("A", "bridge", "link", "set", "dev", "up0", "state", "0")
    probe(lab).only("not-forwarding", "disabled on the source")


def the_best_uplink_counts(lab):
    lab.host("A", "ip", "link", "add", "spare", "type", "veth")
    lab.host("A", "ip", "link", "set", "spare", "master", "br0")
    result = probe(lab)
    result.nothing()
    check(result.facts["source", "br0"]["port"] == str(FORWARDING), result.text)


def a_bridge_that_is_missing_is_found(lab):
    lab.host("B", "ip", "link", "set", "br0", "name", "br5")
    result = probe(lab)
    result.only("bridge-missing", "")
    check(result.frames == 0, result.text)


def what_is_no_bridge_cannot_carry_vifs(lab):
    lab.host("B", "ip", "link", "set", "br0", "name", "br5")
    lab.host("B", "ip", "link", "add", "br0", "type", "veth")
    lab.host("B", "ip", "link", "set", "br0", "up")
    probe(lab).only("bridge-missing")


def a_third_station_with_the_address_is_named(lab):
    lab.host("C", "ip", "addr", "add", IP + "/24", "dev", "up0")
    lab.host("C", "ip", "link", "set", "up0", "address", OTHER_MAC)
    probe(lab, "br0", MAC, IP).only("ip-taken", OTHER_MAC)


def a_station_that_only_the_target_sees_is_named(lab):
    lab.host("C", "ip", "addr", "add", IP + "/24", "dev", "up0")
    lab.host("S", "ip", "link", "set", "pA", "nomaster")
    result = probe(lab, "br0", MAC, IP)
    check(sorted(result.names) == ["ip-taken", "not-same-segment"], result.text)


def the_host_itself_with_the_address_is_found(lab):
    lab.host("B", "ip", "addr", "add", IP + "/24", "dev", "br0")
    result = probe(lab, "br0", MAC, IP)
    result.only("ip-taken")
    check(result.facts["target", "br0"]["ipv4"] == IP + "/24", result.text)


def the_domain_that_answers_itself_is_no_other(lab):
    guest = lab.guest("A")
    guest.do("live", "did")
    guest.do("shout", "did")
    probe(lab, "br0", MAC, IP).nothing()
    guest.end()


def an_address_of_somebody_else_is_none_of_its(lab):
    check(CLIENT != IP, "the same address")
    guest = lab.guest("A")
    guest.do("live", "did")
    probe(lab, "br0", MAC, IP).nothing()
    guest.end()


def a_mac_behind_a_guest_of_the_target_is_found(lab):
    guest = lab.guest("B")
    guest.do("live", "did")
    guest.do("shout", "did")
    end = time.monotonic() + 2
    while lab.fdb("B", "br0") != "tap0":
        check(time.monotonic() < end, "host B does not know its guest")
        time.sleep(0.01)
    probe(lab, "br0", MAC).only("mac-taken", MAC + " at a guest")
    guest.end()


def a_mac_that_comes_from_outside_is_found(lab):
    """It answers for the address, too, and that with the domain's own MAC."""
    lab.host("C", "ip", "link", "set", "up0", "address", MAC)
    lab.host("C", "ip", "addr", "add", IP + "/24", "dev", "up0")
    probe(lab, "br0", MAC, IP).only("mac-taken", MAC + " up0")


def filter_vlans(lab, host):
    try:
        lab.host(host, "ip", "link", "set", "br0", "type", "bridge", "vlan_filtering", "1")
    except subprocess.CalledProcessError as error:
        raise Lacking("the kernel's bridges do not filter VLANs") from error


def settings_of_vlans_that_differ_are_told(lab):
    filter_vlans(lab, "B")
    probe(lab).only("vlan", "only on the target")
    filter_vlans(lab, "A")
    result = probe(lab)
    result.nothing()
    check(result.facts["source", "br0"]["pvid"] == "1", result.text)
    # The switch knows nothing of VLANs, so that untagged ones meet.
    for port in (("up0",), ("br0", "self")):
        lab.host("B", "bridge", "vlan", "add", "vid", "7", "dev", *port, "pvid", "untagged")
    probe(lab).only("vlan", "VLAN 1 on the source, 7 on the target")


def a_bridge_in_no_vlan_cannot_be_probed(lab):
    for host in "AB":
        filter_vlans(lab, host)
        lab.host(host, "bridge", "vlan", "del", "vid", "1", "dev", "br0", "self")
    result = probe(lab)
    check(result.names == ["network-unproven"] * 2, result.text)


def other_networks_on_the_hosts_are_told(lab):
    lab.host("A", "ip", "addr", "add", "10.1.2.3/24", "dev", "br0")
    lab.host("B", "ip", "addr", "add", "10.1.3.3/24", "dev", "br0")
    lab.host("B", "ip", "addr", "add", "10.1.2.4/24", "dev", "up0")
    probe(lab).only("subnet", "10.1.2.3/24 on the source, 10.1.3.3/24 on the target")


def without_the_right_to_send_nothing_is_proven(lab):
    done = subprocess.run(["setpriv", "--bounding-set", "-net_raw", "--",
                           *command(lab, "check")],
                          check=False, capture_output=True, text=True, timeout=30)
    check(done.returncode == 0, done.stderr)
    result = Result(done.stdout)
    check(result.findings == [("network-unproven", "bridge br0", "the source: error 1"),
                              ("network-unproven", "bridge br0", "the target: error 1")],
          result.text)


def nothing_is_left_open(lab):
    done = subprocess.run(command(lab, "cycle", "br0", MAC, IP), check=False,
                          capture_output=True, text=True, timeout=60)
    check(done.stdout == "left 0\n", f"{done.returncode} {done.stdout} {done.stderr}")


CLAIMS = [
    one_segment_has_nothing_to_say,
    another_segment_is_found,
    own_frames_thrown_back_are_no_proof,
    frames_of_another_check_are_no_proof,
    frames_that_arrive_tagged_are_no_proof,
    frames_that_are_cut_off_are_no_proof,
    frames_that_are_padded_are_as_good,
    bridges_wired_crosswise_are_two_other_segments,
    a_limit_on_the_way_is_found_to_the_byte,
    a_limit_in_one_direction_is_found_too,
    a_hop_with_a_small_mtu_is_found,
    jumbo_frames_are_searched_as_well,
    the_largest_frames_are_searched_in_eight_rounds,
    a_smaller_bridge_at_the_target_is_refused,
    frames_lost_by_chance_change_nothing,
    one_way_says_which,
    the_other_way_says_so,
    a_cut_cable_is_found,
    a_bridge_that_is_down_has_no_carrier,
    a_bridge_without_uplink_has_no_carrier,
    a_port_that_listens_is_found,
    a_port_that_only_learns_is_found,
    the_best_uplink_counts,
    a_bridge_that_is_missing_is_found,
    what_is_no_bridge_cannot_carry_vifs,
    a_third_station_with_the_address_is_named,
    a_station_that_only_the_target_sees_is_named,
    the_host_itself_with_the_address_is_found,
    the_domain_that_answers_itself_is_no_other,
    an_address_of_somebody_else_is_none_of_its,
    a_mac_behind_a_guest_of_the_target_is_found,
    a_mac_that_comes_from_outside_is_found,
    settings_of_vlans_that_differ_are_told,
    a_bridge_in_no_vlan_cannot_be_probed,
    other_networks_on_the_hosts_are_told,
    without_the_right_to_send_nothing_is_proven,
    nothing_is_left_open,
]


def try_claim(claim, build):
    lab = handover.Lab(build)
    lab.build = build
    lab.filtered = False
    try:
        lab.up()
        for host in "AB":
            wait_link(lab, host, "up0", "forwarding",
                      lambda link: link.get("state") == "forwarding")
        claim(lab)
    finally:
        lab.down()


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else "."
    failed = 0
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        return 77
    print(f"1..{len(CLAIMS)}")
    for number, claim in enumerate(CLAIMS, 1):
        name = claim.__name__
        try:
            try_claim(claim, build)
            print(f"ok {number} - {name}", flush=True)
        except Lacking as error:
            print(f"ok {number} - {name} # SKIP {error}", flush=True)
        except Exception as error:  # a broken lab is a failed claim, and the others are worth trying
            failed += 1
            text = str(error) if isinstance(error, Failed) else traceback.format_exc()
            text = text.replace("\n", "\n# ")
            print(f"not ok {number} - {name}\n# {text}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
