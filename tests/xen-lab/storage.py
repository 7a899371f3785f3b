# SPDX-License-Identifier: GPL-2.0-or-later
"""Shared storage of the Xen lab, one kind of it after the other, for two hosts that a domain moves
between: LUNs that QEMU gives to all, iSCSI with one way to it or two, NBD, LVM, DRBD, NFS, OCFS2.

Servers stand where no domain runs: at the switch, or on a third host. What is set up is undone by
the ExitStack that each is given, the last thing first, and undoing never fails. Two disks that are
to be told apart hold the same bytes unless said otherwise: content must not be what tells them.
"""
import contextlib
import os
import random
import subprocess

import qemu
from xenlab import LUN_MIB, SERVE_LIMIT_S
from xflab import LabError, run, wait_for

USERS = ("n1", "n2")  # the hosts that a domain moves between
FILER = "n3"          # the one that serves
SWITCH = "10.78.0.254"
SECOND = "10.78.0.253"  # the switch's other address: another way to the same target
NAME = "/dev/xf-disk"   # what domains call a disk whose device is another on each host
FOLDER = "/srv/xf"      # where a filesystem of files is mounted
FILES_LOOP = "/dev/loop6"
DRBD_LOOPS = {"xf": "/dev/loop5", "other": "/dev/loop4"}
FILE_MIB = 16
DETACH_S = 30


def on(lab, script, hosts=USERS, timeout=60):
    """The same line on each of these hosts, side by side."""
    return lab.each(lambda host: lab.exec(host, script, timeout=timeout), hosts)


def undo_on(lab, undo, script, hosts=USERS, timeout=60):
    """That line later, whatever becomes of it."""
    for host in hosts:
        undo.callback(lab.exec, host, script, check=False, timeout=timeout)


def point(lab, device, hosts=USERS, name=NAME):
    """From now on the name means this device on these hosts. No rule of udev knows of it."""
    on(lab, f"test -b {device} && ln -sfn {device} {name}", hosts)


def name_of(lab, host, device):
    """The kernel's name of a device: sdb."""
    return os.path.basename(lab.exec(host, "readlink", "-e", device).out.strip())


def noise(mib, seed=1):
    """Bytes that are the same for the same seed, and no block of which is like another."""
    return random.Random(seed).randbytes(mib << 20)


def noise_file(lab, name, mib=FILE_MIB, seed=1):
    """Such a file in the lab's folder; its path."""
    path = lab.path(name)
    with open(path, "wb") as file:
        file.write(noise(mib, seed))
    return path


def settle(lab, hosts=USERS):
    on(lab, "udevadm settle --timeout=20 || true", hosts)


# -- servers at the switch

def in_switch(lab, *command):
    return ["ip", "netns", "exec", lab.netns("switch"), *command]


def end(process):
    """tgtd ignores a polite request."""
    process.kill()
    process.wait(10)


def serve(lab, undo, log, *command):
    """A program at the switch, until undone."""
    with open(lab.path(log + ".log"), "ab") as out:
        process = subprocess.Popen(  # pylint: disable=R1732
            in_switch(lab, *command), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            start_new_session=True)
    undo.callback(end, process)
    return process


def listens(lab, address, port):
    """Whether somebody at the switch does; the server itself is not bothered."""
    return f"{address}:{port} " in run(*in_switch(lab, "ss", "-H", "-l", "-t", "-n")).out


# -- LUNs that QEMU gives to every host

def lun_fill(lab, number, seed=1):
    with open(lab.luns[number], "r+b") as file:
        file.write(noise(LUN_MIB, seed))


def lun_clone(lab, source, target):
    with open(lab.luns[source], "rb") as original, open(lab.luns[target], "r+b") as copy:
        copy.write(original.read())


def lun_write(lab, number, at, data):
    with open(lab.luns[number], "r+b") as file:
        file.seek(at)
        file.write(data)


def lun_format(lab, number):
    """An ext4 on a LUN; its UUID."""
    run("mke2fs", "-q", "-F", "-t", "ext4", "-E", "nodiscard", lab.luns[number])
    return run("blkid", "-p", "-s", "UUID", "-o", "value", lab.luns[number]).out.strip()


def lun_reread(lab, number, hosts=USERS):
    """What changed behind the hosts' backs, they see now: partitions too."""
    device = qemu.lun_device(number)
    on(lab, f"blockdev --flushbufs {device}; blockdev --rereadpt {device};"
            " udevadm settle --timeout=20 || true", hosts)


def lun_resize(lab, host, number, mib):
    """For one host alone the LUN has another size; the kernel there has seen it."""
    lab.machine(host).qmp("block_resize", device=f"lun{number}", size=mib << 20)
    kernel = name_of(lab, host, qemu.lun_device(number))
    lab.exec(host, f"echo 1 >/sys/class/block/{kernel}/device/rescan")
    wait_for(f"{host} sees {mib} MiB of LUN {number}", lambda: lab.exec(
        host, "blockdev", "--getsize64", f"/dev/{kernel}").out.strip() == str(mib << 20), 20, 0.3)


DISK_SIGNATURE = 0x5afe0001


def lun_partition(lab, number, seed=1):
    """An MBR with two partitions alike, whose content is alike too; their PARTUUIDs."""
    sector, begin, count = 512, 2048, 32768
    table = bytearray(sector)
    table[440:444] = DISK_SIGNATURE.to_bytes(4, "little")
    for i in range(2):
        at = 446 + 16 * i
        table[at + 4] = 0x83
        table[at + 8:at + 12] = (begin + i * count).to_bytes(4, "little")
        table[at + 12:at + 16] = count.to_bytes(4, "little")
    table[510:512] = b"\x55\xaa"
    lun_write(lab, number, 0, bytes(table))
    for i in range(2):
        lun_write(lab, number, (begin + i * count) * sector, noise(count * sector >> 20, seed))
    return [f"{DISK_SIGNATURE:08x}-{i + 1:02x}" for i in range(2)]


def lun_wipe(lab, undo, *numbers):
    """When undone, these LUNs are empty to every host."""
    def wipe():
        for number in numbers:
            lun_write(lab, number, 0, bytes(LUN_MIB << 20))
        with contextlib.suppress(LabError):
            for number in numbers:
                lun_reread(lab, number)
    undo.callback(wipe)


# -- iSCSI

class Target:
    """An iSCSI target at the switch. It numbers its devices as any other of its make does: two
    targets have the same NAA for the same LUN."""

    def __init__(self, lab, undo, name, port, addresses=(SWITCH,)):
        self.lab = lab
        self.iqn = f"iqn.2024-01.lab.xenferry:{name}"
        self.portals = [f"{address}:{port}" for address in addresses]
        self.ipc = lab.path(f"tgt-{name}")
        serve(lab, undo, f"tgtd-{name}", "env", f"TGT_IPC_SOCKET={self.ipc}", "tgtd", "-f",
              "--iscsi", f"portal={self.portals[0]}")
        wait_for(f"the target {name} answers", lambda: run(
            *self._tool("--mode", "sys", "--op", "show"), check=False).code == 0, 20, 0.2)
        for portal in self.portals[1:]:
            self._admin("--mode", "portal", "--op", "new", "--param", f"portal={portal}")
        self._admin("--mode", "target", "--op", "new", "--tid", "1", "-T", self.iqn)
        self._admin("--mode", "target", "--op", "bind", "--tid", "1", "-I", "ALL")

    def _tool(self, *args):
        return in_switch(self.lab, "env", f"TGT_IPC_SOCKET={self.ipc}", "tgtadm", *args)

    def _admin(self, *args):
        run(*self._tool("--lld", "iscsi", *args))

    def add(self, lun, path, serial):
        one = ("--mode", "logicalunit", "--tid", "1", "--lun", str(lun))
        self._admin(*one, "--op", "new", "-b", path)
        self._admin(*one, "--op", "update", "--params",
                    f"vendor_id=XFLAB,product_id=ISCSI,scsi_sn={serial},scsi_id={serial}")

    def device(self, lun, portal=0):
        """What udev calls it on every host that is logged in by that portal."""
        return f"/dev/disk/by-path/ip-{self.portals[portal]}-iscsi-{self.iqn}-lun-{lun}"

    def log_in(self, undo, portal=0, hosts=USERS, luns=(1,)):
        node = f"iscsiadm -m node -T {self.iqn} -p {self.portals[portal]}"
        undo_on(self.lab, undo, f"{node} -u; {node} -o delete", hosts)
        on(self.lab, "systemctl start iscsid &&"
           f" iscsiadm -m discovery -t st -p {self.portals[portal]} >/dev/null &&"
           f" {node} -l >/dev/null && udevadm settle --timeout=20", hosts, SERVE_LIMIT_S)
        for host in hosts:
            for lun in luns:
                wait_for(f"{host} sees LUN {lun} of {self.iqn}",
                         lambda h=host, n=lun: self.lab.exec(
                             h, "test", "-b", self.device(n, portal), check=False).code == 0,
                         20, 0.3)


def second_address(lab, undo):
    """Another way to the switch."""
    ns = lab.netns("switch")
    run("ip", "-n", ns, "addr", "add", f"{SECOND}/24", "dev", "hosts", check=False)
    undo.callback(run, "ip", "-n", ns, "addr", "del", f"{SECOND}/24", "dev", "hosts", check=False)


# -- multipath

MULTIPATH_CONF = """defaults {
    user_friendly_names no
    find_multipaths no
    polling_interval 2
    max_polling_interval 2
}
blacklist {
    devnode "^(vd|xvd|loop|nbd|drbd|dm-)"
    device {
        vendor ".*"
        product ".*"
    }
}
blacklist_exceptions {
    device {
        vendor "XFLAB"
        product "ISCSI"
    }
}
"""


def wwid(lab, host, device):
    """What multipathd names a map after."""
    out = lab.exec(host, "udevadm", "info", "-q", "property", "-n", device).out
    for line in out.splitlines():
        key, _equals, value = line.partition("=")
        if key == "ID_SERIAL":
            return value
    raise LabError(f"{host}: udev knows no serial of {device}")


def multipath(lab, undo, host, wwids, paths):
    """multipathd on a host, until each of these maps has so many paths."""
    undo_on(lab, undo, "multipath -F; systemctl stop multipathd.socket multipathd.service;"
                       " multipath -F; rm -f /etc/multipath.conf", (host,), SERVE_LIMIT_S)
    lab.exec(host, "cat >/etc/multipath.conf", stdin=MULTIPATH_CONF)
    lab.exec(host, "modprobe dm_multipath && systemctl start multipathd", timeout=SERVE_LIMIT_S)
    for one in wwids:
        wait_for(f"{host} has the map {one} of {paths} paths", lambda w=one: lab.exec(
            host, f"dmsetup deps {w}", check=False).out.startswith(f"{paths} dep"), 60, 0.5)


def path_state(lab, host, kernel, state, wanted):
    """A path of a map goes off or comes back; multipathd has noticed."""
    lab.exec(host, f"echo {state} >/sys/block/{kernel}/device/state")
    lab.exec(host, f"multipathd {'fail' if state == 'offline' else 'reinstate'} path {kernel}",
             check=False)
    wait_for(f"{host}: {kernel} is {wanted}", lambda: f"{kernel} {wanted}" in lab.exec(
        host, "multipathd", "show", "paths", "raw", "format", "%d %t", check=False).out, 60, 0.5)


# -- NBD

def nbd_server(lab, undo, port, path, export="one"):
    serve(lab, undo, f"nbd-{port}", "qemu-nbd", "-f", "raw", "-x", export, "-b", SWITCH,
          "-p", str(port), "-e", "8", "-t", path)
    wait_for(f"the NBD server at port {port} listens", lambda: listens(lab, SWITCH, port), 20, 0.2)


NBD_DROP = ("nbd-client -d /dev/nbd0 >/dev/null 2>&1; for i in 1 2 3 4 5 6 7 8 9 10; do"
            " [ -e /sys/block/nbd0/pid ] || break; sleep 0.3; done")


def nbd_drop(lab, hosts):
    on(lab, NBD_DROP, hosts)


def nbd_connect(lab, hosts, port, *options, server=SWITCH, export="one"):
    """/dev/nbd0 of these hosts is that export now, whatever it was before. Without options the
    kernel is told by netlink, and no process is left."""
    nbd_drop(lab, hosts)
    # What stays behind must not hold the connection that started it.
    on(lab, f"modprobe nbd && nbd-client -N {export} {server} {port} /dev/nbd0 {' '.join(options)}"
            " </dev/null >/run/nbd.log 2>&1 || { cat /run/nbd.log >&2; false; }", hosts)
    for host in hosts:
        wait_for(f"{host} has an NBD", lambda h=host: lab.exec(
            h, "blockdev --getsize64 /dev/nbd0", check=False).out.strip() not in ("", "0"), 20, 0.3)


def nbd_proxy(lab, undo, host, port):
    """A way from the host's own port 10809 to a server at the switch."""
    undo_on(lab, undo, "systemctl stop xf-nbd-proxy", (host,))
    lab.exec(host, "systemd-run -q --unit=xf-nbd-proxy --collect socat"
                   f" TCP-LISTEN:10809,bind=127.0.0.1,fork,reuseaddr TCP:{SWITCH}:{port}")
    wait_for(f"{host} listens for NBD", lambda: "127.0.0.1:10809 " in lab.exec(
        host, "ss -H -l -t -n").out, 20, 0.3)


# -- LVM

LVM_CONF = """global {{
    event_activation = 0
    use_lvmpolld = 0
    thin_check_executable = ""
    thin_repair_executable = ""
}}
devices {{
    use_devicesfile = 0
    global_filter = [ "a|^/dev/{pv}$|", "r|.*|" ]
}}
activation {{
    monitoring = 0
}}
"""
LVM_QUIET = ">/dev/null 2>/run/lvm.log || { cat /run/lvm.log >&2; false; }"


def lvm_sees(lab, host, number):
    """LVM of a host looks at this LUN and at no other."""
    pv = name_of(lab, host, qemu.lun_device(number))
    lab.exec(host, "cat >/etc/lvm/lvm.conf", stdin=LVM_CONF.format(pv=pv))


def lvm(lab, host, line, timeout=60):
    """One command of LVM, `&&`s and all."""
    lab.exec(host, f"{{ {line}; }} {LVM_QUIET}", timeout=timeout)


def lvm_group(lab, undo, number):
    """The group xfvg with the volume disk on a LUN, active on both hosts; the volume's uuid."""
    undo_on(lab, undo, "vgchange -an xfvg;"
                       " dmsetup ls | sed -n 's/^\\(xfvg-[^[:space:]]*\\).*/\\1/p' |"
                       " xargs -r dmsetup remove --force;"
                       " mv -f /etc/lvm/lvm.conf.lab /etc/lvm/lvm.conf")
    on(lab, "test -e /etc/lvm/lvm.conf.lab || cp /etc/lvm/lvm.conf /etc/lvm/lvm.conf.lab")
    for host in USERS:
        lvm_sees(lab, host, number)
    pv = f"/dev/{name_of(lab, USERS[0], qemu.lun_device(number))}"
    lvm(lab, USERS[0], f"vgcreate -y -s 1M xfvg {pv} &&"
                       " lvcreate -y -an -Zn -Wn -L 16M -n disk xfvg")
    for host in USERS:
        lvm(lab, host, "vgchange -ay xfvg && udevadm settle --timeout=20")
    return lab.exec(USERS[0], "lvs --noheadings -o lv_uuid xfvg/disk").out.strip()


def lvm_switch(lab, host, number):
    """The same names on this host, but upon that LUN."""
    lvm(lab, host, "vgchange -an xfvg")
    lvm_sees(lab, host, number)
    lvm(lab, host, "vgchange -ay xfvg && udevadm settle --timeout=20")


# -- DRBD

DRBD_RESOURCE = """resource {name} {{
    net {{
        protocol C;
        allow-two-primaries yes;
        after-sb-0pri discard-zero-changes;
    }}
    device /dev/drbd{minor};
    disk {loop};
    meta-disk internal;
    on n1 {{ address 10.78.0.1:{port}; }}
    on n2 {{ address 10.78.0.2:{port}; }}
}}
"""


def has_drbd(lab):
    """The kernel has it, and the tools are of a version that speaks with it."""
    return all(lab.exec(host, "modprobe drbd && grep -q version: /proc/drbd",
                        check=False).code == 0 for host in USERS)


def drbd_make(lab, undo, name, minor, hosts):
    """A resource with a disk of its own on each of these hosts, which hold the same."""
    loop = DRBD_LOOPS[name]
    image = f"/var/tmp/drbd-{name}.img"
    undo_on(lab, undo, f"drbdadm secondary {name}; drbdadm down {name}; losetup -d {loop};"
                       f" rm -f {image} /etc/drbd.d/{name}.res", hosts)
    text = DRBD_RESOURCE.format(name=name, minor=minor, loop=loop, port=7788 + minor)
    for host in hosts:
        lab.exec(host, f"cat >/etc/drbd.d/{name}.res", stdin=text)
    on(lab, f"modprobe loop; truncate -s {FILE_MIB}M {image} && losetup {loop} {image} &&"
            f" drbdadm create-md --force {name} >/dev/null 2>&1 && drbdadm up {name}", hosts)


def drbd_is(lab, host, name, question, answer, limit_s=60):
    wait_for(f"{host}: {question} of {name} is {answer}", lambda: lab.exec(
        host, "drbdadm", question, name, check=False).out.strip() == answer, limit_s, 0.5)


def drbd_primaries(lab, name="xf"):
    """Connected, up to date, and primary on both: what a move wants."""
    drbd_is(lab, USERS[0], name, "cstate", "Connected")
    drbd_is(lab, USERS[0], name, "dstate", "UpToDate/UpToDate")
    on(lab, f"drbdadm primary {name}")
    drbd_is(lab, USERS[0], name, "role", "Primary/Primary")


def drbd_first(lab, name="xf"):
    """From new to in use: nothing need be copied, both are empty; then it is written to."""
    first = USERS[0]
    drbd_is(lab, first, name, "cstate", "Connected")
    lab.exec(first, f"drbdadm new-current-uuid --clear-bitmap {name}")
    drbd_primaries(lab, name)
    drbd_write(lab, first, 0)


def drbd_write(lab, host, minor):
    """It holds what no other host wrote by itself; LVM and mount(8) know nothing of it."""
    lab.exec(host, f"dd if=/dev/urandom of=/dev/drbd{minor} bs=1M count=8 oflag=direct"
                   " conv=fsync status=none", timeout=120)


# -- files: a loop device with direct I/O on each host

def loop(lab, hosts, path, direct=True):
    """The loop device of files is that file now, and has the disk's name."""
    on(lab, f"modprobe loop; losetup -d {FILES_LOOP} 2>/dev/null; for i in 1 2 3 4 5 6 7 8 9 10; do"
            f" losetup {FILES_LOOP} >/dev/null 2>&1 || break; sleep 0.3; done;"
            f" losetup --direct-io={'on' if direct else 'off'} {FILES_LOOP} {path}", hosts)
    point(lab, FILES_LOOP, hosts)


def loop_undo(lab, undo):
    undo_on(lab, undo, f"losetup -d {FILES_LOOP}; rm -f {NAME}")


def is_direct(lab, host):
    kernel = os.path.basename(FILES_LOOP)
    return lab.exec(host, "cat", f"/sys/block/{kernel}/loop/dio").out.strip() == "1"


def two_files(lab, host, folder):
    """disk.img and other.img, alike."""
    lab.exec(host, f"dd if=/dev/urandom of={folder}/disk.img bs=1M count={FILE_MIB} status=none &&"
                   f" cp {folder}/disk.img {folder}/other.img && sync -f {folder}", timeout=120)


def mount(lab, hosts, what, options="", where=FOLDER):
    on(lab, f"mkdir -p {where} && mount {options} {what} {where}", hosts, SERVE_LIMIT_S)


def unmount(lab, hosts, where=FOLDER):
    on(lab, f"umount {where}", hosts, SERVE_LIMIT_S)


def unmount_undo(lab, undo, where=FOLDER):
    undo_on(lab, undo, f"mountpoint -q {where} && {{ umount {where} || umount -l {where}; }};"
                       f" mountpoint -q {where} || rm -rf {where}")


# A server that nobody has used yet need not wait for clients of before; if it does, not for long.
NFS_CONF = "[nfsd]\nthreads=2\nlease-time=10\ngrace-time=10\n"
NFS_OPTIONS = "-t nfs -o vers=4.2,hard,timeo=100"


def nfs_server(lab, undo, host, folders):
    """Exports folders of a host's own disk to everybody."""
    undo_on(lab, undo, "exportfs -ua; systemctl stop nfs-server;"
                       f" rm -rf /etc/nfs.conf.d/lab.conf {' '.join(folders)}", (host,))
    lab.exec(host, f"mkdir -p /etc/nfs.conf.d {' '.join(folders)} && cat >/etc/nfs.conf.d/lab.conf",
             stdin=NFS_CONF)
    lab.exec(host, "systemctl start nfs-server", timeout=SERVE_LIMIT_S)
    for folder in folders:
        lab.exec(host, "exportfs -i -o rw,sync,no_root_squash,no_subtree_check,insecure "
                       f"'*:{folder}'")


def ocfs2(lab, undo, number):
    """A cluster's filesystem on a LUN, mounted on both hosts; its UUID."""
    device = qemu.lun_device(number)
    undo_on(lab, undo, "/etc/init.d/o2cb stop >/dev/null 2>&1", timeout=SERVE_LIMIT_S)
    lun_wipe(lab, undo, number)
    unmount_undo(lab, undo)
    on(lab, "mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug;"
            " modprobe ocfs2 && modprobe ocfs2_stack_o2cb && /etc/init.d/o2cb start >/run/o2cb.log"
            " 2>&1 || { cat /run/o2cb.log >&2; false; }", timeout=SERVE_LIMIT_S)
    # It asks before it writes over anything that it knows, and says little when it has written.
    lun_write(lab, number, 0, bytes(4 << 20))
    lun_reread(lab, number)
    lab.exec(USERS[0], "mkfs.ocfs2 -q -F -b 4096 -C 4096 -J size=4M -N 3 -L xf"
                       f" --cluster-stack=o2cb --cluster-name=lab {device} </dev/null",
             check=False, timeout=SERVE_LIMIT_S)
    facts = lab.exec(USERS[0], f"sync; blkid -p -o export {device}").out.splitlines()
    if "TYPE=ocfs2" not in facts:
        raise LabError(f"LUN {number} has no OCFS2: {facts}")
    lun_reread(lab, number)
    # One after the other: the first writes what the second must find.
    for host in USERS:
        mount(lab, (host,), device, "-t ocfs2")
    return next(line[5:] for line in facts if line.startswith("UUID="))
