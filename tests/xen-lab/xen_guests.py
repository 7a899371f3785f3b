# SPDX-License-Identifier: GPL-2.0-or-later
"""Domains of the Xen lab: their configurations, their disks, and questions to them."""
import json
import os
import socket
import struct
import uuid

import qemu
from xflab import LabError, run, wait_for
from xenlab import LUN_MIB

KINDS = ("pvh", "pv")
# The kernel says nothing on a console that costs dom0's only processor; the clock of an emulated
# processor is not one that Linux would choose.
KERNEL_LINE = "console=hvc0 quiet tsc=unstable lab.ip={address}/16"
CONFIG = """name    = "{name}"
uuid    = "{uuid}"
type    = "{kind}"
kernel  = "/lab/vmlinux"
ramdisk = "/lab/initramfs"
extra   = "{line}"
memory  = {memory_mib}
maxmem  = {memory_mib}
vcpus   = 1
vif     = [ "mac={mac},bridge=xenbr0{vif_script}" ]
disk    = [ {disk} ]
on_crash = "destroy"
"""
DISK = '"vdev=xvda,format=raw,access=w,backendtype={backend}{disk_script},target={device}"'
SCRIPTS = {"stock": ("", ""), "minimal": (",script=/lab/hotplug/vif", ",script=/lab/hotplug/block")}


def define(lab, name, kind="pvh", memory_mib=64, disk=True, device=None, backend="phy"):
    """A new domain with a MAC and an address never used before in this lab, and a disk of its own:
    a LUN, emptied, or the device named. Its configuration is on every host that is on."""
    if kind not in KINDS:
        raise LabError(f"kinds of guests are {', '.join(KINDS)}, not {kind}")
    if name in lab.domains:
        raise LabError(f"{name} is defined already")
    lab.serial += 1
    facts = {
        "name": name, "kind": kind, "memory_mib": memory_mib, "uuid": str(uuid.uuid4()),
        "mac": f"00:16:3e:79:{lab.serial >> 8:02x}:{lab.serial & 255:02x}",
        "address": f"10.79.{1 + lab.serial // 250}.{1 + lab.serial % 250}",
        "lun": None, "device": device, "backend": backend, "hotplug": lab.hotplug,
        "config": f"/lab/{name}.cfg",
    }
    if disk and not device:
        facts["lun"] = free_lun(lab)
        facts["device"] = qemu.lun_device(facts["lun"])
        run("fallocate", "-p", "-o", "0", "-l", str(LUN_MIB << 20), lab.luns[facts["lun"]])
    lab.domains[name] = facts
    for host in lab.hosts:
        if lab.powered(host):
            put_config(lab, name, host)
    lab.save()
    return facts


def free_lun(lab):
    taken = [facts["lun"] for facts in lab.domains.values()]
    for number in range(lab.n_luns):
        if number not in taken:
            return number
    raise LabError(f"all {lab.n_luns} shared disks are in use")


def config_text(facts):
    vif_script, disk_script = SCRIPTS[facts["hotplug"]]
    disk = DISK.format(disk_script=disk_script if facts["backend"] == "phy" else "",
                       **facts) if facts["device"] else ""
    return CONFIG.format(line=KERNEL_LINE.format(**facts), disk=disk, vif_script=vif_script,
                         **facts)


def put_config(lab, name, host):
    """Writes the domain's configuration on a host; returns its path there."""
    facts = lab.domains[name]
    lab.exec(host, f"cat >{facts['config']} && sync -f {facts['config']}", stdin=config_text(facts))
    return facts["config"]


def create(lab, name, host, limit_s=120.0, **options):
    """Defines a domain if need be, starts it with xl on a host, and waits until it answers."""
    if name not in lab.domains:
        define(lab, name, **options)
    lab.exec(host, "xl", "create", "-q", put_config(lab, name, host), timeout=limit_s)
    wait_answers(lab, name, limit_s)
    return lab.domains[name]


def forget(lab, name):
    """Drops a domain from the lab's books; it must not run any more."""
    lab.domains.pop(name)
    lab.save()


# -- where it is

def listed(lab, host):
    """{name: xl's letters of state} of the domains of a host."""
    lines = lab.exec(host, "xl", "list").out.splitlines()[1:]
    return {words[0]: words[4] for words in (line.split() for line in lines)
            if words[0] != "Domain-0"}


def holders(lab, name):
    """{host: state} of every host that is on and has a domain of that name, or one on the way."""
    found = {}
    for host in lab.hosts:
        if lab.powered(host):
            for entry, state in listed(lab, host).items():
                if entry == name or entry.startswith(name + "--"):
                    found[host] = state
    return found


# -- questions to it

class Connection:
    """A TCP connection to a domain out of the judge's namespace."""

    def __init__(self, lab, name, port, limit_s=10.0):
        with in_netns(lab.netns("judge")):
            self.sock = socket.socket()
        self.sock.settimeout(limit_s)
        self.sock.connect((lab.domains[name]["address"], port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, text):
        self.sock.sendall(text.encode())
        answer = b""
        while not answer.endswith(b"\n"):
            more = self.sock.recv(4096)
            if not more:
                raise LabError("the domain closed the connection")
            answer += more
        return answer.decode()

    def close(self):
        self.sock.close()


class in_netns:  # pylint: disable=C0103
    """This thread is in a network namespace for a while; sockets stay in the one they are made
    in."""

    LIBC = None

    def __init__(self, name):
        self.name = name
        self.back = None

    @classmethod
    def _enter(cls, fd):
        import ctypes  # pylint: disable=C0415
        if cls.LIBC is None:
            cls.LIBC = ctypes.CDLL(None, use_errno=True)
        if cls.LIBC.setns(fd, 0x40000000) != 0:  # CLONE_NEWNET
            raise OSError(ctypes.get_errno(), "setns")

    def __enter__(self):
        self.back = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        fd = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        try:
            self._enter(fd)
        finally:
            os.close(fd)

    def __exit__(self, *_error):
        self._enter(self.back)
        os.close(self.back)


def control(lab, name, line, limit_s=10.0):
    """One line to the domain's control port; its answer."""
    connection = Connection(lab, name, 7000, limit_s)
    try:
        return connection.ask(line + "\n")
    finally:
        connection.close()


def dirty(lab, name, rate_mib, window_mib):
    """From now on the domain writes so many MiB/s to a window of that size."""
    if control(lab, name, f"dirty {rate_mib} {window_mib}") != "ok\n":
        raise LabError(f"{name} does not dirty memory as told")


def stat(lab, name):
    """What the domain counts: dirtied, corrupt, disk_seq, disk_errors, disk_foreign, uptime."""
    return json.loads(control(lab, name, "stat"))


def wait_answers(lab, name, limit_s=120.0):
    """Waits until the domain answers at its control port."""
    def answers():
        try:
            return stat(lab, name)
        except (OSError, LabError):
            return None
    return wait_for(f"{name} answers", answers, limit_s, 0.2)


# -- its disk, read behind its back

RECORD = struct.Struct("<QQQQ24sII")
MAGIC = 0x315345525F444658
BLOCK = 4096
CRC_TABLE = []


def crc32c(data):
    if not CRC_TABLE:
        for value in range(256):
            for _ in range(8):
                value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
            CRC_TABLE.append(value)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def still_picture(path, looks=50):
    """A disk at one moment, though the domain writes: two readings in a row that agree."""
    data = None
    for _ in range(looks):
        with open(path, "rb") as file:
            before, data = data, file.read()
        if data == before:
            return data
    raise LabError(f"{path} does not stand still for two readings")


def read_disk(lab, name):
    """(findings, records, last number) of a domain's LUN, whose block n holds the record n modulo
    the number of blocks. A gap below the last number, a torn record or one out of place is a
    finding."""
    numbers, findings = {}, []
    data = still_picture(lab.luns[lab.domains[name]["lun"]])
    blocks = len(data) // BLOCK
    for at in range(blocks):
        raw = data[at * BLOCK:at * BLOCK + RECORD.size]
        if raw == bytes(RECORD.size):
            continue
        magic, seq, _instance, _time, _node, _reserved, crc = RECORD.unpack(raw)
        if magic != MAGIC or crc != crc32c(raw[:-4]):
            findings.append(f"block {at} is torn")
        elif seq % blocks != at:
            findings.append(f"record {seq} is in block {at}")
        else:
            numbers[seq] = True
    last = max(numbers, default=0)
    for seq in range(max(1, last - blocks + 1), last):
        if seq not in numbers:
            findings.append(f"record {seq} is missing")
    return findings, len(numbers), last
