# SPDX-License-Identifier: GPL-2.0-or-later
"""The Xen lab: two or three real Xen hosts in QEMU, a switch between them, shared disks.

A host is a QEMU that boots Debian's hypervisor and a whole Debian as its dom0. Its first network
(management, Corosync, migration) is 10.78.0.0/24, its second, 10.79.0.0/16, is the guests' bridge
and has no address of the host. Both end at bridges in a network namespace of the lab's own: faults
are made there, clients look from there. Every name carries the lab's own, so labs stand side by
side. The command is ./lab; suites import this file. Neighbours: image.py (what hosts start from),
qemu.py (a host as a machine), agents.py (xenferry on the hosts), xen_guests.py (domains), eyes.py
(who looks from outside).
"""
import concurrent.futures
import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [path for path in (
    HERE, os.path.join(os.path.dirname(HERE), "cluster-lab"),
    os.path.join(os.path.dirname(HERE), "lib")) if path not in sys.path]

# The folders are on the path only now.
# pylint: disable=wrong-import-position
import image  # noqa: E402
import procs  # noqa: E402
import qemu  # noqa: E402
import switch  # noqa: E402
from xflab import AnyLab, LabError, Result, run, wait_for  # noqa: E402

DEFAULT_NAME = "xen"
BOOT_LIMIT_S = 300.0
SERVE_LIMIT_S = 120.0
LUN_MIB = 64
# Of xenferry.conf: everything in dom0 takes 30 to 50 times as long as on a machine.
SETTINGS = {"hypervisor": "xen", "downtime-max-ms": "60000", "progress-timeout-ms": "60000",
            "answer-timeout-ms": "30000", "check-timeout-ms": "120000",
            "check-disk-timeout-ms": "60000"}
KEPT = ("domains", "serial", "hotplug", "images")  # in a snapshot


class XenLab(AnyLab):
    """One lab. Make it, then up(); or load() one that is up."""

    KIND = "Xen lab"
    SAVED = ("name", "hosts", "xen_kind", "memory_mib", "dom0_mib", "n_luns", "faults", "domains",
             "serial", "hotplug", "images", "xen", "settings")

    def __init__(self, name=DEFAULT_NAME, nodes=2, xen="stock", memory_mib=1536, dom0_mib=768,
                 luns=4, settings=None, say=lambda text: None):
        super().__init__(name, os.path.join(tempfile.gettempdir(), "xenferry-xen-lab"), nodes)
        if xen not in ("stock", "shadow"):
            raise LabError(f"hypervisors are stock and shadow, not {xen}")
        self.xen_kind = xen
        self.memory_mib = memory_mib
        self.dom0_mib = dom0_mib
        self.n_luns = luns
        self.settings = {**SETTINGS, **(settings or {})}  # of xenferry.conf
        self.say = say
        self.images = ""        # folder of the hosts' image
        self.xen = ""           # the hypervisor's file
        self.faults = []        # see switch.py of the cluster lab
        self.domains = {}       # domain -> facts, see xen_guests.py
        self.serial = 0         # of domains ever made: addresses and MACs are not used twice
        self.hotplug = "stock"  # or minimal: the scripts of domains made from now on

    # -- names

    def netns(self, what):
        return f"xenlab.{self.name}.{what}"

    def address(self, host):
        return f"10.78.0.{self.node_id(host)}"

    def machine(self, host):
        return qemu.Machine(self, host)

    @property
    def luns(self):
        return [self.path(f"lun{i}.raw") for i in range(self.n_luns)]

    # -- up and down

    def up(self, snapshot="base"):
        """Hosts that run, with Corosync quorate, out of the snapshot if there is one (it is made
        if it is the base), else booted. None: booted, and no snapshot is made."""
        try:
            image.prepare(self.say)
            self.images = image.host(self.say)
            self.xen = os.path.join(self.images, "xen") if self.xen_kind == "stock" \
                else image.shadow_xen(self.say)
        except image.ImageError as error:
            raise LabError(str(error)) from error
        self.down()
        os.makedirs(self.path())
        self._make_switch()
        self.save()
        if snapshot and os.path.isdir(self.snapshot_dir(snapshot)):
            self.snapshot_load(snapshot)
            return
        if snapshot not in (None, "base"):
            raise LabError(f"no snapshot {snapshot} of such a lab")
        self._boot_all()
        if snapshot:
            self.snapshot_save("base")

    def _boot_all(self):
        self.say(f"booting {', '.join(self.hosts)}")
        for lun in self.luns:
            with open(lun, "wb") as file:
                file.truncate(LUN_MIB << 20)
        self.each(self.power_on)
        self.wait_quorate(self.hosts)

    def down(self):
        """Nothing of this lab is left: processes, namespaces, files. Safe at any time."""
        names = [name for name in os.listdir("/run/netns") if name.startswith(self.netns(""))] \
            if os.path.isdir("/run/netns") else []
        for name in names:
            pids = run("ip", "netns", "pids", name, check=False).out.split()
            procs.kill_all([int(pid) for pid in pids])
            run("ip", "netns", "del", name, check=False)
        if os.path.isdir(self.dir):
            shutil.rmtree(self.dir)

    def _make_switch(self):
        ns, ns_judge = self.netns("switch"), self.netns("judge")
        for name in (ns, ns_judge):
            run("ip", "netns", "add", name)
            run("ip", "netns", "exec", name, "sysctl", "-qw",
                "net.ipv6.conf.all.disable_ipv6=1", check=False)
        taps = "".join(
            f"tuntap add {letter}{self.node_id(host)} mode tap\n"
            f"link set {letter}{self.node_id(host)} master {bridge} up\n"
            for host in self.hosts for letter, bridge in (("n", "hosts"), ("g", "guests")))
        run("ip", "-n", ns, "-batch", "-", stdin=(
            "link set lo up\n"
            "link add hosts type bridge forward_delay 0 stp_state 0\n"
            "link add guests type bridge forward_delay 0 stp_state 0\n"
            "link set hosts up\nlink set guests up\naddr add 10.78.0.254/24 dev hosts\n"
            f"link add judge type veth peer name eth0 netns {ns_judge}\n"
            f"link set judge master guests up\n{taps}"))
        run("ip", "-n", ns_judge, "-batch", "-", stdin=(
            "link set lo up\nlink set eth0 up\naddr add 10.79.255.1/16 dev eth0\n"))
        switch.load(ns, [])

    def each(self, action, hosts=None):
        """action(host) for all hosts at a time, or for these; the first exception passes."""
        hosts = self.hosts if hosts is None else hosts
        with concurrent.futures.ThreadPoolExecutor(max(1, len(hosts))) as pool:
            return list(pool.map(action, hosts))

    def powered_hosts(self):
        return [host for host in self.hosts if self.powered(host)]

    # -- power

    def _wait_booted(self, host):
        def ready():
            if not self.powered(host):
                raise LabError(f"{host} went off while booting: {self.console_end(host)}")
            return self.exec(host, "systemctl -q is-active xen && xl list", check=False,
                             timeout=20).code == 0
        try:
            wait_for(f"{host} has booted", ready, BOOT_LIMIT_S, 0.5)
        except LabError as error:
            raise LabError(f"{error}; its console: {self.console_end(host)}") from error

    def console_end(self, host, size=2000):
        with contextlib.suppress(OSError):
            with open(self.machine(host).path("console"), "rb") as file:
                return file.read()[-size:].decode(errors="replace")
        return ""

    def powered(self, host):
        return self.machine(host).on()

    def power_off(self, host):
        """Its QEMU is killed; what its disk took stays."""
        self.machine(host).stop()
        self._close_ssh(host)

    def power_on(self, host, wait=True):
        """Boots a host that is off. Waits for its Corosync, not for the cluster."""
        self.machine(host).start()
        if wait:
            self._wait_booted(host)
            self.exec(host, "systemctl", "start", "corosync", timeout=SERVE_LIMIT_S)

    def reboot(self, host):
        self.power_off(host)
        self.power_on(host)

    # -- snapshots

    def snapshot_dir(self, name):
        """Where a snapshot of such a lab is: it fits the same image, hypervisor and sizes only."""
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,31}", name):
            raise LabError(f"a snapshot's name is made of letters, digits and '-', not {name!r}")
        # What QEMU is told of the machine says all of that, but for names that labs have.
        told = " ".join(self.machine(self.hosts[0]).arguments()[3:])
        key = image.digest(told.replace(self.dir, "").replace(image.cache(), ""))
        return image.cache(f"snapshot-{key}-{name}")

    def snapshot_save(self, name):
        """Freezes all hosts into files, and lets them go on."""
        off = [host for host in self.hosts if not self.powered(host)]
        if off:
            raise LabError(f"{', '.join(off)}: off, and a snapshot is of hosts that run")
        target = self.snapshot_dir(name)
        new = target + ".new"
        shutil.rmtree(new, ignore_errors=True)
        os.makedirs(new)
        try:
            for host in self.hosts:
                self.machine(host).freeze()
            self.each(lambda host: self.machine(host).save(new))
            for lun in self.luns:
                qemu.copy_sparse(lun, new)
            with open(os.path.join(new, "domains.json"), "w", encoding="utf-8") as file:
                json.dump({key: getattr(self, key) for key in KEPT}, file)
        finally:
            for host in self.hosts:
                self.machine(host).thaw()
        self.set_clocks()
        shutil.rmtree(target, ignore_errors=True)
        os.rename(new, target)
        self._drop_stale_snapshots()

    @staticmethod
    def _drop_stale_snapshots():
        """Snapshots of an image that is gone cannot be loaded."""
        for entry in os.listdir(image.cache()):
            path = image.cache(entry)
            if entry.startswith("snapshot-"):
                with contextlib.suppress(OSError, ValueError):
                    with open(os.path.join(path, "domains.json"), encoding="utf-8") as file:
                        if not os.path.isdir(json.load(file)["images"]):
                            shutil.rmtree(path)

    def snapshot_load(self, name):
        """All hosts as they were; what runs now is gone."""
        source = self.snapshot_dir(name)
        if not os.path.isdir(source):
            raise LabError(f"no snapshot {name} of such a lab")
        self.heal()
        for host in self.hosts:
            self.power_off(host)
        for i, lun in enumerate(self.luns):
            qemu.copy_sparse(os.path.join(source, f"lun{i}.raw"), lun)
        with open(os.path.join(source, "domains.json"), encoding="utf-8") as file:
            facts = json.load(file)
        for key, value in facts.items():
            setattr(self, key, value)
        self.save()
        self.each(lambda host: self.machine(host).restore(source))
        # Together, so that none misses the others for long.
        for host in self.hosts:
            self.machine(host).thaw()
        self.each(lambda host: wait_for(f"{host} is back", lambda: self.exec(
            host, "true", check=False, timeout=20).code == 0, 60, 0.2))
        self.set_clocks()

    def set_clocks(self):
        """A host that was stopped goes on at the time when it was."""
        self.each(lambda host: self.exec(host, f"date -u -s @{time.time():.3f} >/dev/null"))

    # -- commands on a host

    def _ssh(self, host, *options):
        return ["ip", "netns", "exec", self.netns("switch"), "ssh", "-F", "none",
                "-i", os.path.join(image.cache("keys"), "user"), "-o", "BatchMode=yes",
                "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=10",
                "-o", "ServerAliveCountMax=6", "-o", "ControlMaster=auto",
                "-o", "ControlPersist=yes", "-o", f"ControlPath={self.path(host + '.ssh')}",
                *options, f"root@{self.address(host)}"]

    def _close_ssh(self, host):
        """The connection to a host that went off would be waited for."""
        if os.path.exists(self.path(f"{host}.ssh")):
            run(*self._ssh(host, "-O", "exit"), check=False)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path(f"{host}.ssh"))

    def command_line(self, host, args, *options):
        """What runs a command on a host. One word is a line for the shell there; several are a
        command and its arguments."""
        line = [args[0]] if len(args) == 1 else [shlex.join(args)] if args else []
        return self._ssh(host, *options) + line

    def exec(self, host, *args, check=True, timeout=60, stdin=None):
        """Runs a command on a host and waits for its end."""
        try:
            done = subprocess.run(
                self.command_line(host, args), capture_output=True, text=True, timeout=timeout,
                check=False, **({"input": stdin} if stdin is not None
                                else {"stdin": subprocess.DEVNULL}))
        except subprocess.TimeoutExpired as error:
            if check:
                raise LabError(f"{host}: {' '.join(args)}: not within {timeout:g} s") from error
            return Result(255, "", f"not within {timeout:g} s")
        if check and done.returncode != 0:
            raise LabError(f"{host}: {' '.join(args)}: exit {done.returncode}: "
                           f"{(done.stderr or done.stdout).strip()}")
        return Result(done.returncode, done.stdout, done.stderr)

    def ssh(self, host, *args, check=True, timeout=60, stdin=None):
        """The same under the name that says what it does."""
        return self.exec(host, *args, check=check, timeout=timeout, stdin=stdin)

    def popen(self, host, *args, **options):
        # The caller owns the process: no context manager here.
        return subprocess.Popen(self.command_line(host, args), stdin=subprocess.DEVNULL, **options)

    def popen_with(self, host, script, stdin):
        """A shell's line on a host that reads a file of this machine."""
        return subprocess.Popen(self.command_line(host, [script]), stdin=stdin, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def wait_quorate(self, hosts, limit_s=SERVE_LIMIT_S):
        """Each of these hosts sees as many members as there are, and is quorate."""
        def whole(host):
            answer = self.exec(host, "corosync-quorumtool", "-s", check=False)
            return answer.code == 0 and f"Total votes:      {len(hosts)}" in answer.out
        for host in hosts:
            wait_for(f"{host} is quorate with {len(hosts)}", lambda h=host: whole(h), limit_s, 0.3)

    # -- faults of the network

    def _load_faults(self):
        switch.load(self.netns("switch"), self.faults)
        self.save()

    def _add_fault(self, **fault):
        self.faults.append(fault)
        self._load_faults()

    def cut(self, a, b, what="all"):
        """Two hosts no longer hear each other: all, or Corosync's traffic (cluster), or TCP
        between them (data). The guests' network and the way from the switch stay."""
        self.check_host(a)
        self.check_host(b)
        self._add_fault(kind="cut", a=a, b=b, what=what)

    def isolate(self, host, what="all"):
        self.check_host(host)
        self._add_fault(kind="isolate", host=host, what=what)

    def corrupt_data(self, a, b):
        """One full segment of TCP from a to b arrives with four bytes changed."""
        self.check_host(a)
        self.check_host(b)
        self._add_fault(kind="corrupt", a=a, b=b)

    def cut_guests(self, host):
        """The guests of a host are off the network; the host is not."""
        run("ip", "-n", self.netns("switch"), "link", "set", f"g{self.node_id(host)}", "down")

    def cut_storage(self, host):
        """A host no longer reaches the iSCSI target."""
        run("ip", "netns", "exec", self.netns("switch"), "nft", "-f", "-", stdin=(
            "add table bridge storage\n"
            "add chain bridge storage input { type filter hook input priority 0; }\n"
            f'add rule bridge storage input iifname "n{self.node_id(host)}" tcp dport 3260 drop\n'))

    def rate(self, host, kbit):
        """Limits what reaches a host to so many kbit/s; 0: no limit."""
        device = f"n{self.node_id(host)}"
        tc = ("ip", "netns", "exec", self.netns("switch"), "tc", "qdisc")
        run(*tc, "del", "dev", device, "root", check=False)
        if kbit:
            run(*tc, "add", "dev", device, "root", "tbf", "rate", f"{kbit}kbit", "burst",
                str(max(16384, kbit * 1000 // 8 // 50)), "latency", "200ms")

    def heal(self):
        """Undoes every fault and limit of the network."""
        self.faults = []
        self._load_faults()
        ns = self.netns("switch")
        run("ip", "netns", "exec", ns, "nft", "-f", "-",
            stdin="table bridge storage\ndelete table bridge storage\n")
        for host in self.hosts:
            run("ip", "-n", ns, "link", "set", f"g{self.node_id(host)}", "up")
            self.rate(host, 0)
