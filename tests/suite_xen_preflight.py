# SPDX-License-Identifier: GPL-2.0-or-later
"""Suite `xen-preflight`: what `xenferry check` says of every kind of storage on real Xen hosts, and
of hosts and bridges. A guest runs on n1 and is given a second disk of each kind in turn. Right, it
must be accepted; wrong in any of the ways that would cost its data, it must be refused with the
finding that says so; right again, the domain moves there and back. The third host serves files.
With XF_TREES=FOLDER, what the hosts know of each accepted disk is recorded there. Parts have names:
`tests/run xen-preflight --parts scsi,nfs`."""
import argparse
import contextlib
import shutil
import time

import qemu
import storage
import xen_checks
import xen_guests
import xen_moves
import xen_preflight_host
import xen_suite
from storage import FOLDER, NAME, USERS
from xen_checks import Wrong

DOMAIN = "web"
# LUNs of the lab: the first is the guest's own.
LUN, CLONE, FILES_LUN = 1, 2, 3
# Nothing of ours runs by itself here; everything in dom0 takes 30 to 50 times as long as elsewhere.
SETTINGS = {"check-timeout-ms": "120000", "check-disk-timeout-ms": "60000", "check-interval-s": "0"}
# What else is true of a disk that is another one, and of one of another size.
WITH_OTHER = ("disk-content", "disk-nonce")
WITH_SIZE = ("disk-content", "disk-unreadable")
# A volume that one host has made more of stands on other things there.
WITH_ALONE = ("disk-other", "disk-unknown")


def right_or_wrong(suite, lab, kind, path, named, wrongs):
    """A kind of storage that is set up right on both hosts: accepted, refused each way that it can
    be wrong, and the domain moves with it and back."""
    with xen_checks.second_disk(lab, DOMAIN, path):
        answer = xen_checks.accepted(suite, lab, DOMAIN, f"{kind}: the same disk")
        xen_checks.proven(suite, answer, f"{kind}: the same disk", path, named)
        xen_checks.record(suite, lab, kind, path, USERS)
        for wrong in wrongs:
            wrong.tried(suite, lab, DOMAIN, kind)
        xen_checks.there_and_back(suite, lab, DOMAIN, kind)


def name_goes(undo, lab):
    storage.undo_on(lab, undo, f"rm -f {NAME}")


def instead(device, what, wanted="disk-other", also=WITH_OTHER, right=None):
    """On n2 the name means another device."""
    return Wrong(what, wanted, f"test -b {device} && ln -sfn {device} {NAME}",
                 f"ln -sfn {right} {NAME}", also)


def scsi(suite, lab, undo):
    right, other = qemu.lun_device(LUN), qemu.lun_device(CLONE)
    storage.lun_wipe(lab, undo, LUN, CLONE)
    storage.lun_fill(lab, LUN, 1)
    storage.lun_fill(lab, CLONE, 2)
    uuid = storage.lun_format(lab, LUN)
    for number in (LUN, CLONE):
        storage.lun_reread(lab, number)
    name_goes(undo, lab)
    storage.unmount_undo(lab, undo)
    storage.point(lab, right)

    def clone():
        storage.lun_clone(lab, LUN, CLONE)
        storage.lun_reread(lab, CLONE)
        storage.point(lab, other, ("n2",))
        found = lab.exec("n2", "blkid", "-p", "-s", "UUID", "-o", "value", NAME).out.strip()
        suite.check("scsi: the clone has the filesystem's UUID", found == uuid, found)

    right_or_wrong(suite, lab, "scsi", NAME, (qemu.lun_wwn(LUN)[2:],), (
        instead(other, "another LUN of that size", right=right),
        Wrong("no such disk at the target", "disk-missing", f"rm {NAME}",
              f"ln -sfn {right} {NAME}"),
        Wrong("read-only at the target", "disk-readonly", f"blockdev --setro {right}",
              f"blockdev --setrw {right}"),
        Wrong("a clone with the same filesystem UUID", "disk-other", clone,
              f"ln -sfn {right} {NAME}"),
        Wrong("resized, which one host has not seen", "disk-size",
              lambda: storage.lun_resize(lab, "n2", LUN, storage.LUN_MIB + 1),
              lambda: storage.lun_resize(lab, "n2", LUN, storage.LUN_MIB), WITH_SIZE),
        Wrong("mounted at the target", "disk-used",
              f"mkdir -p {FOLDER} && mount -t ext4 -o ro,noload {NAME} {FOLDER}",
              f"umount {FOLDER}"),
    ))


def partition(suite, lab, undo):
    right = f"{qemu.lun_device(LUN)}-part1"
    storage.lun_wipe(lab, undo, LUN, CLONE)
    storage.lun_fill(lab, LUN)
    uuids = storage.lun_partition(lab, LUN)
    storage.lun_clone(lab, LUN, CLONE)
    for number in (LUN, CLONE):
        storage.lun_reread(lab, number)
    name_goes(undo, lab)
    storage.point(lab, right)
    right_or_wrong(suite, lab, "partition", NAME, (uuids[0], qemu.lun_wwn(LUN)[2:]), (
        instead(f"{qemu.lun_device(CLONE)}-part1", "the same PARTUUID on a cloned LUN",
                right=right),
        instead(f"{qemu.lun_device(LUN)}-part2", "the other partition of it", right=right),
        instead(qemu.lun_device(LUN), "the whole LUN", "disk-size",
                ("disk-other", *WITH_SIZE), right),
    ))


def iscsi(suite, lab, undo):
    files = [storage.noise_file(lab, f"iscsi-{i}.raw") for i in range(3)]
    first = storage.Target(lab, undo, "first", 3260)
    first.add(1, files[0], "XFSERIAL1")
    first.add(2, files[1], "XFSERIAL2")
    second = storage.Target(lab, undo, "second", 3261)
    second.add(1, files[2], "XFSERIAL1")
    first.log_in(undo, luns=(1, 2))
    second.log_in(undo)
    right = first.device(1)
    name_goes(undo, lab)
    storage.point(lab, right)
    node = f"iscsiadm -m node -T {first.iqn} -p {first.portals[0]}"
    right_or_wrong(suite, lab, "iscsi", NAME, (first.iqn,), (
        instead(first.device(2), "another LUN of the target", right=right),
        instead(second.device(1), "another target with the same serial number", right=right),
        Wrong("not logged in at the target", "disk-missing", f"{node} -u",
              f"{node} -l && udevadm settle --timeout=20 && for i in 1 2 3 4 5 6 7 8 9 10; do"
              f" test -b {right} && break; sleep 0.5; done"),
    ))


def multipath(suite, lab, undo):
    storage.second_address(lab, undo)
    target = storage.Target(lab, undo, "paths", 3260, (storage.SWITCH, storage.SECOND))
    for lun in (1, 2):
        target.add(lun, storage.noise_file(lab, f"paths-{lun}.raw"), f"XFPATHS{lun}")
    for portal in (0, 1):
        target.log_in(undo, portal, luns=(1, 2))
    names = [storage.wwid(lab, "n1", target.device(lun)) for lun in (1, 2)]
    right, other = (f"/dev/mapper/{name}" for name in names)
    for host in USERS:
        storage.multipath(lab, undo, host, names, 2)
    name_goes(undo, lab)
    storage.point(lab, right)
    path = storage.name_of(lab, "n1", target.device(1, 1))
    with xen_checks.second_disk(lab, DOMAIN, NAME):
        answer = xen_checks.accepted(suite, lab, DOMAIN, "multipath: a map on both hosts")
        xen_checks.proven(suite, answer, "multipath: a map on both hosts", NAME, (names[0][1:],))
        xen_checks.record(suite, lab, "multipath", NAME, USERS)
        instead(other, "another map", right=right).tried(suite, lab, DOMAIN, "multipath")
        storage.path_state(lab, "n1", path, "offline", "failed")
        try:
            xen_checks.accepted(suite, lab, DOMAIN, "multipath: one path is down",
                                warned=("disk-path",))
        finally:
            storage.path_state(lab, "n1", path, "running", "active")
        xen_checks.there_and_back(suite, lab, DOMAIN, "multipath")
        lab.exec("n2", "systemctl stop multipathd.socket multipathd.service; multipath -F",
                 timeout=60)
        storage.point(lab, target.device(1), ("n2",))
        what = "multipath: a map here, one of its paths there"
        answer = xen_checks.accepted(suite, lab, DOMAIN, what)
        xen_checks.proven(suite, answer, what, NAME, (names[0][1:],))
        xen_checks.record(suite, lab, "multipath-path", NAME, ("n2",))
        instead(target.device(2), "a path of another map", right=target.device(1)).tried(
            suite, lab, DOMAIN, "multipath")


def nbd(suite, lab, undo):
    device = "/dev/nbd0"
    for i, port in enumerate((10809, 10810)):
        storage.nbd_server(lab, undo, port, storage.noise_file(lab, f"nbd-{i}.raw"))
    storage.undo_on(lab, undo, storage.NBD_DROP)

    def connect(*options, port=10809, hosts=("n2",), server=storage.SWITCH):
        return lambda: storage.nbd_connect(lab, hosts, port, "-L", *options, server=server)

    connect(hosts=USERS)()
    right_or_wrong(suite, lab, "nbd", device, (f"{storage.SWITCH}:10809",), (
        Wrong("another export", "disk-other", connect(port=10810), connect(), WITH_OTHER),
        Wrong("another size", "disk-size", connect(f"-B {storage.FILE_MIB << 19}"), connect(),
              WITH_SIZE),
        Wrong("not connected at the target", {"disk-unreadable", "disk-unknown"},
              lambda: storage.nbd_drop(lab, ("n2",)), connect(),
              ("disk-size", "disk-other")),
    ))
    storage.nbd_connect(lab, USERS, 10809)
    with xen_checks.second_disk(lab, DOMAIN, device):
        xen_checks.accepted(suite, lab, DOMAIN, "nbd: connected by netlink, which keeps no name",
                            warned=("disk-weak",))
        xen_checks.record(suite, lab, "nbd-netlink", device, USERS)
    # Each host's own port leads to another server, whose disk is a copy.
    for host, port in zip(USERS, (10809, 10810)):
        storage.nbd_proxy(lab, undo, host, port)
    connect(hosts=USERS, server="127.0.0.1")()
    with xen_checks.second_disk(lab, DOMAIN, device):
        xen_checks.refused(suite, lab, DOMAIN, "nbd: each host's own 127.0.0.1", "disk-local",
                           ("disk-other", "disk-unknown"))


def lvm(suite, lab, undo):
    disk = "/dev/xfvg/disk"
    storage.lun_wipe(lab, undo, LUN, CLONE)
    storage.lun_fill(lab, LUN)
    # Else the fill's own bytes might be taken for a label.
    storage.lun_write(lab, LUN, 0, bytes(1 << 20))
    for number in (LUN, CLONE):
        storage.lun_reread(lab, number)
    uuid = storage.lvm_group(lab, undo, LUN)
    storage.lun_clone(lab, LUN, CLONE)
    storage.lun_reread(lab, CLONE)
    right_or_wrong(suite, lab, "lvm", disk, (uuid, qemu.lun_wwn(LUN)[2:]), (
        Wrong("the same group on a cloned LUN", "disk-other",
              lambda: storage.lvm_switch(lab, "n2", CLONE),
              lambda: storage.lvm_switch(lab, "n2", LUN)),
        Wrong("not active at the target", "disk-missing",
              lambda: storage.lvm(lab, "n2", "lvchange -an xfvg/disk"),
              lambda: storage.lvm(lab, "n2", "lvchange -ay xfvg/disk")),
        Wrong("a snapshot is taken of it", "disk-alone",
              lambda: storage.lvm(lab, "n1", "lvcreate -y -s -L 4M -n snap xfvg/disk"),
              lambda: storage.lvm(lab, "n1", "lvremove -y xfvg/snap"), WITH_ALONE),
    ))
    alone = (
        ("a snapshot", "snap", "lvcreate -y -s -L 4M -n snap xfvg/disk", "xfvg/snap"),
        ("a thin volume", "thin", "lvcreate -y -T -L 12M -V 12M -n thin xfvg/pool", "xfvg/pool"),
    )
    for what, name, make, whole in alone:
        storage.lvm(lab, "n1", make)
        storage.lvm(lab, "n2", f"vgchange -an xfvg && lvchange -ay -K xfvg/{name} && "
                               "udevadm settle --timeout=20")
        try:
            with xen_checks.second_disk(lab, DOMAIN, f"/dev/xfvg/{name}"):
                xen_checks.refused(suite, lab, DOMAIN, f"lvm: {what} that both hosts have active",
                                   "disk-alone", WITH_ALONE)
                xen_checks.record(suite, lab, f"lvm-{name}", f"/dev/xfvg/{name}", USERS)
        finally:
            storage.lvm(lab, "n2", "vgchange -an xfvg")
            storage.lvm(lab, "n1", f"lvremove -y {whole}")


def drbd(suite, lab, undo):
    device = "/dev/drbd0"
    if not storage.has_drbd(lab):
        suite.say("        drbd: not in the hosts' kernel, left out")
        return
    storage.drbd_make(lab, undo, "xf", 0, USERS)
    storage.drbd_first(lab)
    storage.drbd_make(lab, undo, "other", 1, ("n2",))
    lab.exec("n2", "drbdadm primary --force other")
    name_goes(undo, lab)
    storage.point(lab, device)

    def secondary():
        lab.exec("n2", "drbdadm secondary xf")
        storage.drbd_is(lab, "n2", "xf", "role", "Secondary/Primary")

    def primary():
        storage.drbd_primaries(lab)

    def apart():
        secondary()
        lab.exec("n2", "drbdadm disconnect xf")
        storage.drbd_is(lab, "n2", "xf", "cstate", "StandAlone")

    def together():
        # The other one waits for it, or has given up as well.
        lab.exec("n1", "drbdadm connect xf", check=False)
        lab.exec("n2", "drbdadm connect xf")
        primary()

    def two_primaries(allowed):
        storage.on(lab, f"drbdadm net-options --allow-two-primaries={allowed} xf")

    def one_primary():
        secondary()
        two_primaries("no")

    def both_again():
        two_primaries("yes")
        primary()

    def asleep():
        """It cannot be opened there and nobody makes it primary, which is a fault of one name."""
        secondary()
        try:
            answer = xen_checks.ask(lab, DOMAIN)
            suite.check("drbd: secondary at the target: nothing else is said of it",
                        not answer.unreadable and answer.ids("refuse") == {"disk-drbd"}, answer)
        finally:
            primary()

    with xen_checks.second_disk(lab, DOMAIN, NAME):
        asleep()
    right_or_wrong(suite, lab, "drbd", NAME, ("xf/0",), (
        # Nor does it tell any more who its other end was.
        Wrong("not connected", "disk-drbd", apart, together, ("disk-unknown",)),
        Wrong("two primaries are not allowed", "disk-drbd", one_primary, both_again),
        instead("/dev/drbd1", "another resource", also=("disk-drbd", "disk-content", "disk-size"),
                right=device),
    ))


class Files:
    """Two files alike in a folder that both hosts mount; the disk is the first, by a loop device
    with direct I/O. What is done here is done to n2."""

    def __init__(self, lab, undo, what, options):
        self.lab = lab
        self.what = what
        self.options = options
        storage.loop_undo(lab, undo)

    def loop(self, file="disk.img", hosts=("n2",)):
        storage.loop(self.lab, hosts, f"{FOLDER}/{file}")

    def release(self):
        """The folder is empty, and no loop device holds a file in it."""
        self.lab.exec("n2", f"losetup -d {storage.FILES_LOOP} 2>/dev/null; for i in 1 2 3 4 5 6 7;"
                            f" do losetup {storage.FILES_LOOP} >/dev/null 2>&1 || break; sleep 0.3;"
                            f" done; ! mountpoint -q {FOLDER} || umount {FOLDER} &&"
                            f" rm -f {FOLDER}/disk.img", timeout=60)

    def mounted(self, what, options=""):
        """Another filesystem, with a file of that name."""
        self.release()
        storage.mount(self.lab, ("n2",), what, options)
        self.loop()

    def local(self):
        """A folder of the host's own with a file of that name and content."""
        self.lab.exec("n2", f"cp {FOLDER}/disk.img /var/tmp/xf-disk.img", timeout=60)
        self.release()
        self.lab.exec("n2", f"mv /var/tmp/xf-disk.img {FOLDER}/disk.img && sync -f {FOLDER}")
        self.loop()

    def right(self):
        self.mounted(self.what, self.options)

    def cached(self, on):
        return f"losetup --direct-io={'off' if on else 'on'} {storage.FILES_LOOP}"

    def wrongs(self):
        return (
            Wrong("through the source's page cache", "disk-cached", self.cached(True),
                  self.cached(False), host="n1"),
            Wrong("another file of the folder", "disk-other", lambda: self.loop("other.img"),
                  self.loop, ("disk-content",)),
            Wrong("a local folder of that name", "disk-local", self.local, self.right,
                  ("disk-other", "disk-nonce", "disk-content")),
        )


def nfs(suite, lab, undo):
    one, two = "/srv/xfone", "/srv/xftwo"
    filer = lab.address(storage.FILER)
    storage.nfs_server(lab, undo, storage.FILER, (one, two))
    storage.two_files(lab, storage.FILER, one)
    lab.exec(storage.FILER, f"cp {one}/*.img {two}/ && sync -f {two}", timeout=60)
    # By a name of theirs, which on n2 may come to mean another server.
    storage.undo_on(lab, undo, "sed -i '/ filer$/d' /etc/hosts")
    storage.on(lab, f"echo '{filer} filer' >>/etc/hosts")
    storage.unmount_undo(lab, undo)
    files = Files(lab, undo, f"filer:{one}", storage.NFS_OPTIONS)
    storage.mount(lab, USERS, files.what, files.options)
    files.loop(hosts=USERS)
    suite.check("nfs: the loop devices use direct I/O",
                all(storage.is_direct(lab, host) for host in USERS))

    def other_server():
        """Its export and its file have the same names, and the same content."""
        storage.nfs_server(lab, undo, "n1", (one,))
        lab.exec("n1", f"cp {FOLDER}/disk.img {one}/ && sync -f {one}", timeout=60)
        lab.exec("n2", f"sed -i 's/^.* filer$/{lab.address('n1')} filer/' /etc/hosts")
        files.mounted(files.what, files.options)

    def right_server():
        lab.exec("n2", f"sed -i 's/^.* filer$/{filer} filer/' /etc/hosts")
        files.right()

    right_or_wrong(suite, lab, "nfs", NAME, (f":{one}",), (
        *files.wrongs(),
        Wrong("another export under the mount point", {"disk-other", "disk-nonce"},
              lambda: files.mounted(f"filer:{two}", files.options), files.right, WITH_OTHER),
        Wrong("another server under that name", {"disk-other", "disk-nonce"}, other_server,
              right_server, WITH_OTHER),
    ))


def ocfs2(suite, lab, undo):
    device = qemu.lun_device(FILES_LUN)
    uuid = storage.ocfs2(lab, undo, FILES_LUN)
    storage.two_files(lab, "n1", FOLDER)
    files = Files(lab, undo, device, "-t ocfs2")
    files.loop(hosts=USERS)
    suite.check("ocfs2: the loop devices use direct I/O",
                all(storage.is_direct(lab, host) for host in USERS))
    right_or_wrong(suite, lab, "ocfs2", NAME, (uuid,), files.wrongs())


def host(suite, lab, undo):
    xen_preflight_host.host(suite, lab, undo, DOMAIN)


PARTS = {part.__name__: part for part in (scsi, partition, iscsi, multipath, nbd, lvm, drbd, nfs,
                                          ocfs2, host)}


def alone(part, suite, lab):
    """Everything that a part set up is gone at its end; the next finds the domain on n1."""
    if xen_moves.home(lab, DOMAIN) != "n1":
        xen_moves.moved(suite, lab, DOMAIN, f"before {part.__name__}, back to n1")
    with contextlib.ExitStack() as undo:
        part(suite, lab, undo)


def chosen(names):
    """The parts named, for the command line."""
    unknown = [name for name in names.split(",") if name not in PARTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no part {', '.join(unknown)}")
    return [PARTS[name] for name in names.split(",")]


def run(suite, options):
    parts = options.parts or PARTS.values()
    with xen_suite.lab_of(suite, "preflight", nodes=3, settings=SETTINGS) as lab:
        if not suite.check("this machine can serve disks", all(map(shutil.which, (
                "tgtd", "qemu-nbd", "mke2fs", "blkid", "ss")))):
            return
        started = time.monotonic()
        xen_guests.create(lab, DOMAIN, "n1")
        suite.guard("a guest runs on n1", xen_moves.wait_known, lab, DOMAIN, "n1")
        xen_checks.accepted(suite, lab, DOMAIN, "a guest on a LUN, as it is")
        for part in parts:
            begun = time.monotonic()
            suite.guard(f"{part.__name__} runs to its end", alone, part, suite, lab)
            suite.say(f"        {part.__name__}: {time.monotonic() - begun:.0f} s")
        suite.figure("tests_s", round(time.monotonic() - started))
