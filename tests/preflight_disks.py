# SPDX-License-Identifier: GPL-2.0-or-later
"""Part of suite `preflight`: disks that are not what they should be on the target."""
import os

import checks
import judge
import xflab

DOMAIN = "kept"
FS_UUID = "5a17c0de-0000-4000-8000-00000000abcd"


class Case:
    """A fault of the target's, what a check says meanwhile, and that it says it no longer."""

    def __init__(self, suite, lab, san, domain=DOMAIN, target="n2"):
        self.suite = suite
        self.lab = lab
        self.san = san
        self.domain = domain
        self.target = target
        self.provoked = set()

    def refused(self, what, *ids):
        """The check refuses with one of these findings."""
        seen = checks.check(self.lab, self.domain, self.target)
        self.provoked |= seen.ids()
        self.suite.check(f"{what}: {' or '.join(ids)}", seen.code != 0
                         and seen.refusals() & set(ids), seen)
        return seen

    def accepted(self, what, *ids):
        """The check is content, but says this."""
        seen = checks.check(self.lab, self.domain, self.target)
        self.provoked |= seen.ids()
        self.suite.check(f"{what}: accepted" + (f", with {' and '.join(ids)}" if ids else ""),
                         seen.code == 0 and not seen.refusals() and set(ids) <= seen.ids(), seen)
        return seen

    def undone(self, what):
        self.san.uncover(self.lab)
        seen = checks.check(self.lab, self.domain, self.target)
        self.suite.check(f"{what}, undone: accepted again", seen.code == 0, seen)

    def instead(self, what, image, *ids, options=()):
        """The target has a device over this image under the name of the domain's disk."""
        device = self.san.attach(image, *options)
        self.san.cover(self.lab, self.target, self.lab.domains[self.domain]["disk"], device)
        self.refused(what, *ids)
        self.san.uncover(self.lab)
        self.san.detach(device)  # or it goes on using the image
        self.undone(what)


def devices(case):
    """One disk, and other devices under its name."""
    san = case.san
    case.accepted("the same disk on both hosts, known by its content", "disk-weak")
    image = san.path("shared", f"{DOMAIN}.img")
    behind = san.path("files", "shared", f"{DOMAIN}.img")
    size = os.path.getsize(image)

    case.instead("another disk of the same size under its name",
                 san.image("other.img", size >> 20), "disk-content", "disk-other")
    os.truncate(behind, size + (1 << 20))
    case.instead("a host that shows the disk's new size", image, "disk-size")
    os.truncate(behind, size)
    case.instead("a disk that the target may only read", image, "disk-readonly",
                 options=["--read-only"])
    case.instead("a device over another part of the same", image, "disk-other", "disk-size",
                 "disk-content", options=["--offset", "4096"])

    plain = san.path("files", "plain.img")
    xflab.run("cp", image, plain)
    san.cover(case.lab, case.target, case.lab.domains[DOMAIN]["disk"], plain)
    case.refused("a file instead of the device", "disk-kind")
    case.undone("a file instead of the device")

    case.san.hide(case.lab, case.target)
    case.refused("no such disk", "disk-missing")
    case.undone("no such disk")


def broken_device(case):
    """The target's path to the disk gives errors."""
    san = case.san
    san.serve("broken")
    xflab.run("cp", san.path("shared", f"{DOMAIN}.img"), san.path("files", "broken", "disk"))
    san.fail("broken")
    try:
        case.instead("a disk that answers with errors", san.path("broken", "disk"),
                     "disk-unreadable")
    finally:
        san.let_go("broken")
        san.stop_serving("broken")


def clones(suite, lab, san):
    """A filesystem's uuid is copied with its content."""
    image = san.path("files", "shared", "fs.img")
    xflab.run("truncate", "--size", "32M", image)
    xflab.run("mkfs.ext4", "-q", "-U", FS_UUID, "-L", "guestroot", image)
    device = san.attach(san.path("shared", "fs.img"))
    disk = san.node("luns/fs", device)
    # It writes once in ten minutes: what is compared holds still.
    checks.create(lab, "fs", "n1", [disk], disk_interval_ms=60000)
    case = Case(suite, lab, san, "fs")
    try:
        case.accepted("a disk with a filesystem", "disk-weak")
        lab.exec("n2", "mkdir", "-p", "/run/used")
        lab.exec("n2", "mount", "-o", "ro,noload", disk, "/run/used")
        case.refused("a disk that is mounted on the target", "disk-used")
        lab.exec("n2", "umount", "/run/used")
        case.undone("a disk that is mounted on the target")

        copy = san.path("files", "shared", "clone.img")
        xflab.run("dd", f"if={image}", f"of={copy}", "bs=1M", "status=none")
        with open(copy, "r+b") as file:
            file.seek(16 << 20)
            file.write(os.urandom(16 << 20))
        case.instead("a clone with the same filesystem's uuid, written to since",
                     san.path("shared", "clone.img"), "disk-content", "disk-other")
    finally:
        checks.destroy(lab, "fs")
        os.unlink(disk)
        san.detach(device)
    return case.provoked


def cached(suite, lab, san):
    disk = san.lun("cached", 8, direct=False)
    checks.create(lab, "cached", "n1", [disk])
    case = Case(suite, lab, san, "cached")
    case.refused("a loop device without direct I/O", "disk-cached")
    checks.destroy(lab, "cached")
    return case.provoked


def ring(suite, lab, san):
    """Blocks that the guest writes meanwhile say nothing against the disk."""
    disk = san.lun("ring", 1)
    checks.create(lab, "ring", "n1", [disk], disk_interval_ms=1)
    case = Case(suite, lab, san, "ring")
    # Which blocks are written between its looks is chance, but not so often.
    for number in range(5):
        case.accepted(f"a disk that is written all the time, check {number + 1}")
    suite.check("a disk that is written all the time: disk-live", "disk-live" in case.provoked,
                case.provoked)
    clean, found, _disk = judge.disk(disk)
    suite.check("looking at a disk changes nothing on it", clean, found[:3])
    checks.destroy(lab, "ring")
    return case.provoked


def files(suite, lab, san):
    """Disks that are files."""
    provoked = set()
    # Served by the machine, so that a later mount of a host's own can lie over it.
    path = san.path("images", "file.img")
    xflab.write(san.path("files", "images", "file.img"), os.urandom(1 << 20))
    checks.create(lab, "file", "n1", [path])
    case = Case(suite, lab, san, "file")
    case.accepted("a file on a filesystem of both hosts")
    suite.check("the file that was written beside it is gone",
                os.listdir(san.path("files", "images")) == ["file.img"],
                os.listdir(san.path("files", "images")))

    san.cover(lab, "n2", san.path("images"), san.path("twin"))
    xflab.run("cp", san.path("files", "images", "file.img"), san.path("files", "twin", "file.img"))
    case.refused("another filesystem of the same name, with a copy of the file", "disk-nonce",
                 "disk-other")
    case.undone("another filesystem of the same name, with a copy of the file")

    lab.exec("n2", "sh", "-c", "mkdir -p /run/over/up /run/over/work && mount -t overlay overlay "
             f"-o lowerdir={san.path('images')},upperdir=/run/over/up,workdir=/run/over/work "
             f"{san.path('images')}")
    case.refused("a union over the filesystem", "disk-local", "disk-unknown", "disk-other",
                 "disk-nonce")
    lab.exec("n2", "umount", san.path("images"))
    case.undone("a union over the filesystem")
    checks.destroy(lab, "file")
    provoked |= case.provoked

    xflab.write(lab.path("disks", "local.img"), b"\0" * (1 << 20))
    checks.create(lab, "local", "n1", [lab.path("disks", "local.img")])
    case = Case(suite, lab, san, "local")
    case.refused("a file on a filesystem of one host", "disk-local")
    checks.destroy(lab, "local")
    provoked |= case.provoked

    # A filesystem of a kind that nobody has heard of may be anything.
    disk = san.path("mystery", "file.img")
    xflab.write(san.path("files", "mystery", "file.img"), b"\0" * (1 << 20))
    checks.create(lab, "odd", "n1", [disk])
    case = Case(suite, lab, san, "odd")
    case.refused("a file on a filesystem that is not known", "disk-unknown")
    checks.destroy(lab, "odd")
    provoked |= case.provoked

    provoked |= backed(suite, lab, san)
    return provoked


def backed(suite, lab, san):
    """qcow2: magic, version 3, offset and length of the backing file's name (its specification)."""
    head = b"QFI\xfb" + (3).to_bytes(4, "big") + (512).to_bytes(8, "big") + (8).to_bytes(4, "big")
    content = head.ljust(512, b"\0") + b"base.img".ljust((1 << 20) - 512, b"\0")
    xflab.write(san.path("files", "images", "q.img"), content)
    checks.create(lab, "qcow", "n1", [san.path("images", "q.img")])
    case = Case(suite, lab, san, "qcow")
    case.accepted("an image that stands on another", "disk-backed")
    checks.destroy(lab, "qcow")
    os.unlink(san.path("files", "images", "q.img"))
    return case.provoked


def disks(suite, lab, san):
    """All of it; the ids of what was found."""
    provoked = set()
    case = Case(suite, lab, san)
    for part in (devices, broken_device):
        suite.guard(f"{part.__name__} runs to its end", part, case)
        san.uncover(lab)
    provoked |= case.provoked
    for part in (clones, cached, ring, files):
        provoked |= suite.guard(f"{part.__name__} runs to its end", part, suite, lab, san) or set()
        san.uncover(lab)
    return provoked
