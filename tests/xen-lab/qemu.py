# SPDX-License-Identifier: GPL-2.0-or-later
"""One host of the Xen lab as a machine: QEMU without hardware's help, its disks, its power."""
import json
import os
import re
import socket
import subprocess
import time

import procs
from xflab import LabError, run, wait_for

# AMD's extensions with nested paging are what QEMU emulates, and what Xen needs for PVH guests.
CPU = "qemu64,+ssse3,+sse4.1,+sse4.2,+aes,+pclmulqdq,+popcnt,+svm,+npt"
XEN_LINE = ("dom0_mem={dom0}M,max:{dom0}M dom0_max_vcpus=1 com1=115200,8n1 console=com1 "
            "spec-ctrl=no xpti=no bootscrub=0 loglvl=warning guest_loglvl=warning noreboot")
LINUX_LINE = ("root=/dev/vda rw console=hvc0 mitigations=off net.ifnames=0 quiet loglevel=4 "
              "systemd.show_status=0 lab.node={node} lab.nodes={nodes}")
WWN = 0x5000c50078000000  # of the first LUN; the others count on


def lun_wwn(number):
    return f"0x{WWN + number:016x}"


def lun_device(number):
    """What every host calls a shared disk."""
    return f"/dev/disk/by-id/wwn-{lun_wwn(number)}"


class Machine:
    """The QEMU of one host. Its files are in the lab's folder, its process in the switch."""

    def __init__(self, lab, host):
        self.lab = lab
        self.host = host
        self.node = lab.node_id(host)

    def path(self, kind):
        return self.lab.path(f"{self.host}.{kind}")

    # -- is it on

    def process(self):
        """(pid, start time) of its QEMU, or None."""
        try:
            with open(self.path("pid"), encoding="ascii") as file:
                pid, started = (int(word) for word in file.read().split())
        except (OSError, ValueError):
            return None
        return (pid, started) if procs.alive(pid, started) else None

    def on(self):
        return self.process() is not None

    # -- power

    def arguments(self):
        lab, images = self.lab, self.lab.images
        linux = LINUX_LINE.format(node=self.node, nodes=len(lab.hosts))
        args = [
            "qemu-system-x86_64", "-name", f"{lab.name}-{self.host}",
            "-accel", "tcg,thread=multi,tb-size=512", "-machine", "q35", "-cpu", CPU,
            "-smp", "1", "-m", str(lab.memory_mib), "-nodefaults", "-no-user-config",
            "-display", "none", "-rtc", "base=utc", "-device", "virtio-rng-pci",
            "-kernel", lab.xen, "-append", XEN_LINE.format(dom0=lab.dom0_mib),
            # A comma ends a module's arguments; twice, it is one.
            "-initrd", f"{images}/vmlinux {linux.replace(',', ',,')},{images}/initrd",
            "-drive", f"if=none,id=root,file={self.path('qcow2')},format=qcow2,cache=unsafe,"
                      "discard=unmap",
            "-device", "virtio-blk-pci,drive=root", "-device", "virtio-scsi-pci,id=scsi0",
        ]
        for number, lun in enumerate(lab.luns):
            args += ["-drive", f"if=none,id=lun{number},file={lun},format=raw,cache=writethrough",
                     "-device", f"scsi-hd,bus=scsi0.0,scsi-id=0,lun={number},drive=lun{number},"
                                f"share-rw=on,wwn={lun_wwn(number)},serial=XFLAB{number:04d},"
                                "vendor=XFLAB,product=SHARED"]
        for letter, net in (("n", "78"), ("g", "79")):
            args += ["-netdev", f"tap,id={letter},ifname={letter}{self.node},script=no,"
                                "downscript=no",
                     "-device", f"virtio-net-pci,netdev={letter},"
                                f"mac=52:54:00:{net}:00:0{self.node}"]
        return args + [
            "-chardev", f"socket,id=serial,path={self.path('serial')},server=on,wait=off,"
                        f"logfile={self.path('console')},logappend=on",
            "-serial", "chardev:serial", "-qmp", f"unix:{self.path('qmp')},server=on,wait=off"]

    def new_disk(self):
        """A disk as it was when the image was built."""
        with_base = ["-b", os.path.join(self.lab.images, "disk.raw"), "-F", "raw"]
        run("qemu-img", "create", "-q", "-f", "qcow2", *with_base, self.path("qcow2"))

    def start(self, state=None):
        """Power on; with the file of a saved state, the machine is stopped where that was taken."""
        if self.on():
            raise LabError(f"{self.host} is on")
        if not os.path.exists(self.path("qcow2")):
            self.new_disk()
        for kind in ("qmp", "serial"):
            if os.path.exists(self.path(kind)):
                os.unlink(self.path(kind))
        args = self.arguments()
        if state:
            args += ["-incoming", f"exec:zstd -dcq {state}"]
        with open(self.path("qemu"), "ab") as log:
            # It outlives this command; down() finds it by its network namespace.
            process = subprocess.Popen(  # pylint: disable=R1732
                ["ip", "netns", "exec", self.lab.netns("switch"), *args], stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True)
        with open(self.path("pid"), "w", encoding="ascii") as file:
            file.write(f"{process.pid} {procs.start_time(process.pid)}")
        try:
            wait_for(f"QEMU of {self.host} answers", lambda: self._answers(process), 20)
        except LabError as error:
            with open(self.path("qemu"), encoding="utf-8", errors="replace") as file:
                raise LabError(f"{error}: {file.read()[-2000:]}") from error

    def _answers(self, process):
        if process.poll() is not None:
            raise LabError(f"QEMU of {self.host} ended with {process.returncode}")
        try:
            self.qmp("query-status")
            return True
        except OSError:
            return False

    def stop(self):
        """Power off, at once; the disk keeps what was written to it."""
        found = self.process()
        if found:
            procs.kill_all([found[0]])

    # -- what QEMU is asked

    def qmp(self, command, limit_s=60, **arguments):
        """Asks QEMU and returns its answer."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(limit_s)
            sock.connect(self.path("qmp"))
            with sock.makefile("rw") as stream:
                stream.readline()
                for name, values in (("qmp_capabilities", {}), (command, arguments)):
                    stream.write(json.dumps({"execute": name, "arguments": values}) + "\n")
                    stream.flush()
                    answer = {}
                    while "return" not in answer and "error" not in answer:
                        line = stream.readline()
                        if not line:
                            raise LabError(f"QEMU of {self.host} went away in {name}")
                        answer = json.loads(line)
                    if "error" in answer:
                        raise LabError(f"{self.host}: {name}: {answer['error']['desc']}")
        return answer["return"]

    def freeze(self, tries=500):
        """Stops the processor in Xen or in dom0: QEMU cannot take up the state of one that is
        inside a PVH or HVM guest. There the interrupt table is the guest's, else it is Xen's."""
        for _ in range(tries):
            self.qmp("stop")
            registers = self.qmp("human-monitor-command", **{"command-line": "info registers"})
            if re.search(r"IDT=\s+ffff8[23]", registers):
                return
            self.thaw()
            time.sleep(0.01)
        raise LabError(f"{self.host} never leaves its guests")

    def thaw(self):
        self.qmp("cont")

    def save(self, folder):
        """State and disk of a frozen machine into a folder."""
        state = os.path.join(folder, f"{self.host}.state.zst")
        self.qmp("migrate-set-parameters", **{"max-bandwidth": 4 << 30})
        self.qmp("migrate", uri=f"exec:zstd -q -1 -f -o {state}")
        end = time.monotonic() + 120
        while True:
            status = self.qmp("query-migrate").get("status")
            if status == "completed":
                break
            if status in ("failed", "cancelled") or time.monotonic() > end:
                raise LabError(f"the state of {self.host} is not saved: {status}")
            time.sleep(0.05)
        copy_sparse(self.path("qcow2"), os.path.join(folder, f"{self.host}.qcow2"))

    def restore(self, folder):
        """Disk and state out of a folder; stopped afterwards."""
        copy_sparse(os.path.join(folder, f"{self.host}.qcow2"), self.path("qcow2"))
        self.start(os.path.join(folder, f"{self.host}.state.zst"))
        wait_for(f"the state of {self.host} is read",
                 lambda: self.qmp("query-status")["status"] != "inmigrate", 120)


def copy_sparse(source, target):
    run("cp", "--sparse=always", "--reflink=auto", source, target, timeout=300)
