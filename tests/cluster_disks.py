# SPDX-License-Identifier: GPL-2.0-or-later
"""Part of suite `cluster`: disks that are no roomy file: a block device that is a ring, and a
filesystem without space."""
import os
import time

import build
import guests
import judge
import moves
import xflab

BLOCK = 4096
RING_BLOCKS = 64  # at the usual 10 ms between records the guest is round in 0.64 s


def create_on(lab, name, path):
    """A domain on n1 whose disk is that path, instead of the lab's usual file."""
    facts = guests.define(lab, name, memory_mib=64, workload="pattern=hotspot,rate=10,window=16",
                          fill="random")
    os.unlink(facts["disk"])
    facts["disk"] = path
    xflab.write(facts["config"], guests.config_text(facts))
    lab.save()
    lab.xenferry("n1", "create", facts["config"])


def forget(lab, name):
    """Destroyed, and out of the lab's books; its disk is the caller's."""
    lab.xenferry("n1", "destroy", name)
    os.unlink(lab.domains.pop(name)["config"])
    lab.save()


def whole(suite, what, watcher):
    """The outside view of the network since the last summary."""
    time.sleep(0.3)  # so that a second answerer would have been seen
    seen = watcher.summary()
    suite.check(f"{what}: one copy answers, its memory whole",
                seen["answers"] > 0 and seen["duplicates"] == 0 and seen["back"] == 0
                and seen["corrupt"] == 0, seen)


def moved(suite, lab, name, what, to, *options):
    one, code = moves.move(lab, name, to, *options)
    suite.check(f"{what}: the move to {to} succeeds", code == 0, (one.err, one.events[-1:]))
    suite.guard(f"{what}: one copy is left, on {to}", xflab.wait_for, "one copy",
                lambda: guests.holders(lab, name) == {to: 1}, 20)


# -- a ring


def round_again(suite, what, device, rounds=2):
    """The guest writes the whole ring anew, so that it holds nothing of before; what it holds is
    judged on the way."""
    first = judge.disk(device)[2]["seq"]
    found = []

    def written():
        clean, findings, disk = judge.disk(device)
        if not clean:
            found.extend(findings)
        return disk["seq"] >= first + rounds * RING_BLOCKS

    suite.guard(f"{what}: the guest writes the ring round", xflab.wait_for, "records", written, 20)
    suite.check(f"{what}: all the while each block holds the record that belongs there", not found,
                found[:3])


def ring(suite, lab, device):
    create_on(lab, "ring", device)
    watcher = judge.Judge(lab, "ring")
    try:
        suite.check("a domain on a block device answers", watcher.wait_answers(10))
        round_again(suite, "a block device", device)
        for number, to in enumerate(("n2", "n3", "n1")):
            what = f"a block device, move {number + 1}"
            watcher.summary()
            # It holds nothing that its guest does not write all the time: no content proves it.
            moved(suite, lab, "ring", what, to, "--unproven")
            clean, findings, disk = judge.disk(device)
            suite.check(f"{what}: its records are whole, one writer after the other", clean
                        and disk["node"] == to and disk["writers"] <= 2, (findings[:3], disk))
            round_again(suite, what, device)
            whole(suite, what, watcher)
        disk = judge.disk(device)[2]
        suite.check("after all of it the ring was round often, and holds its last writer alone",
                    disk["seq"] > 8 * RING_BLOCKS and disk["records"] == RING_BLOCKS
                    and disk["writers"] == 1 and disk["node"] == "n1", disk)
        a_second_writer_is_seen(suite, lab, device)
    finally:
        watcher.stop()
        forget(lab, "ring")


def a_second_writer_is_seen(suite, lab, device):
    """The judge on trial: a copy behind the agents' backs, on the same device."""
    facts = lab.domains["ring"]
    lab.exec("n3", "mkdir", "-p", "/run/behind")
    lab.exec("n3", f"{build.PREFIX}/libexec/xenferry/xenferry-sandbox", "--dir=/run/behind",
             "--name=ring", f"--uuid={facts['uuid']}", f"--config={facts['config']}")
    try:
        suite.guard("a second writer of a block device is seen", xflab.wait_for, "a finding",
                    lambda: not judge.disk(device)[0], 10)
    finally:
        for process in lab.sandboxes("n3"):
            if "--dir=/run/behind" in process.cmdline():
                process.signal(9)


def block_device(suite, lab):
    image = lab.path("shared", "ring.img")
    xflab.write(image, b"\0" * (RING_BLOCKS * BLOCK))
    device = xflab.run("losetup", "--find", "--show", "--direct-io=on", image).out.strip()
    try:
        ring(suite, lab, device)
    finally:
        xflab.run("losetup", "--detach", device)
        os.unlink(image)


# -- no space


def stat(lab, host, name, key):
    """One figure that the domain's process tells of itself."""
    return int(guests.stat(lab, host, name, key))


def stands_still(lab, host, name):
    """Its writes fail: until more than one did."""
    first = stat(lab, host, name, "disk_errors")
    xflab.wait_for("writes to fail", lambda: stat(lab, host, name, "disk_errors") > first + 10, 10)
    return stat(lab, host, name, "disk_seq")


def full(suite, lab, path):
    create_on(lab, "stuffed", path)
    watcher = judge.Judge(lab, "stuffed")
    try:
        suite.check("a domain on a small filesystem answers", watcher.wait_answers(10))
        xflab.wait_for("records", lambda: stat(lab, "n1", "stuffed", "disk_seq") > 20, 10)
        watcher.summary()
        lab.fill_small()
        seq = suite.guard("a full disk: its writes fail, and are counted", stands_still, lab, "n1",
                          "stuffed")
        suite.check("a full disk: the domain lives on", guests.holders(lab, "stuffed") == {"n1": 1}
                    and moves.home(lab, "stuffed") == "n1", moves.status_text(lab, "stuffed"))
        time.sleep(0.3)
        seen = watcher.summary()
        suite.check("a full disk: it answers as before", seen["silent_ms"] < 200
                    and seen["longest_gap_ms"] < 500 and seen["instances"] == 0, seen)
        suite.check("a full disk: it says which record was the last", seen["disk_seq"] == seq, seen)
        clean, findings, disk = judge.disk(path)
        suite.check("a full disk: what was written is whole", clean and disk["seq"] == seq,
                    (findings[:3], disk))
        moved(suite, lab, "stuffed", "a full disk", "n2")
        whole(suite, "a full disk, moved", watcher)
        suite.guard("a full disk, moved: its writes still fail", stands_still, lab, "n2", "stuffed")
        clean, findings, disk = judge.disk(path)
        suite.check("a full disk, moved: nothing was written", clean and disk["seq"] == seq
                    and disk["node"] == "n1", (findings[:3], disk))
        lab.free_small()
        suite.guard("space again: it goes on writing", xflab.wait_for, "records",
                    lambda: judge.disk(path)[2]["seq"] > seq + 20, 10)
        clean, findings, disk = judge.disk(path)
        suite.check("space again: with the next number, and none lost", clean
                    and disk["node"] == "n2" and disk["writers"] == 2, (findings[:3], disk))
        moved(suite, lab, "stuffed", "space again", "n1")
        whole(suite, "space again, moved", watcher)
        clean, findings, disk = judge.disk(path)
        suite.check("space again, moved: every write is there, in order", clean
                    and disk["node"] == "n1", (findings[:3], disk))
    finally:
        watcher.stop()
        lab.free_small()
        forget(lab, "stuffed")


def full_disk(suite, lab):
    path = lab.path("small", "stuffed.disk")
    guests.label(path)
    try:
        full(suite, lab, path)
    finally:
        os.unlink(path)


def disks(suite, lab):
    for part in (block_device, full_disk):
        suite.guard(f"{part.__name__} runs to its end", part, suite, lab)
