# SPDX-License-Identifier: GPL-2.0-or-later
"""Suite `preflight`: the proof before a move, in a real cluster of lab hosts. What is wrong with a
disk, a network or a host is made so, and must be named; and only that."""
import checks
import labs
import preflight_disks
import preflight_moves
import preflight_net
import san as sans

NAME = "preflight"
# Checks in the background would answer for those that are asked here: off, but for the last part.
SETTINGS = f"""check-interval-s = 0
check-timeout-ms = {preflight_moves.CHECK_TIMEOUT_MS}
check-disk-timeout-ms = {preflight_moves.DISK_TIMEOUT_MS}
"""
# What a lab of namespaces and the sandbox cannot be made to show: devices and guests of others.
ELSEWHERE = {
    "disk-alone", "disk-locked", "disk-drbd", "disk-path",
    "hypervisor-older", "hypervisor-other", "passthrough", "vnuma", "no-suspend", "not-logged",
    "clock-skew", "name-taken", "uuid-taken",
}


def domains(lab, san):
    """kept: its disk and network are broken; other: goes on meanwhile; open: moves."""
    for name in ("kept", "other", "open"):
        bridges = ("guests",) if name != "open" else ("br0", "guests")
        checks.create(lab, name, "n1", [san.lun(name, 8)], bridges=bridges)
    for name in ("slow1", "slow2"):
        checks.create(lab, name, "n1", [], memory_mib=64, fill="random")
    checks.create(lab, "back", "n2", [])
    checks.create(lab, "large", "n1", [], memory_mib=2000)
    checks.create(lab, "huge", "n2", [], memory_mib=3000)


def run(suite, _options):
    with sans.San(NAME) as san:
        for folder in ("images", "twin"):
            san.serve(folder, source="lab:/images")
        san.serve("mystery", kind="mystery")
        with labs.lab_of(suite, NAME, settings=SETTINGS) as lab:
            inside(suite, lab, san)


def inside(suite, lab, san):
    net = preflight_net.make(lab)
    domains(lab, san)
    provoked = set()

    def part(function, *args):
        found = suite.guard(f"{function.__name__} runs to its end", function, *args)
        provoked.update(found or ())
        san.uncover(lab)
        labs.heal_all(lab)
        suite.guard(f"after {function.__name__} all agents are back", lab.wait_online, lab.hosts)

    part(preflight_moves.matrix, suite, lab, san)
    part(preflight_disks.disks, suite, lab, san)
    part(preflight_net.networks, suite, lab, san, net)
    part(preflight_moves.capacity, suite, lab)
    part(preflight_moves.slots, suite, lab)
    part(preflight_moves.hangs, suite, lab, san)
    part(preflight_moves.dying_target, suite, lab, san)
    part(preflight_moves.silent_target, suite, lab)
    part(preflight_moves.refused_moves, suite, lab, san, net)
    for name in ("slow1", "slow2", "large", "huge", "back"):
        checks.destroy(lab, name)
    part(preflight_moves.costs, suite, lab, san)
    part(preflight_moves.background, suite, lab, net)
    known = set(checks.known())
    suite.check("every finding that this lab can be made to show was shown",
                known - ELSEWHERE <= provoked, sorted(known - ELSEWHERE - provoked))
    suite.figure("findings", f"{len(provoked)} of {len(known)}")
