# SPDX-License-Identifier: GPL-2.0-or-later
"""The cluster lab: n hosts made of namespaces, real Corosync, one agent each, one switch.

A host is a network namespace plus mount, uts, pid and ipc namespaces with its own /etc, /run,
/var/lib and /var/log. Killing its process 1 is a power cut; its /var/lib survives that, as a disk
does. Every name carries the lab's own, so labs stand side by side. The command is ./lab; suites
import this file. Neighbours: host_init.py (process 1), switch.py (faults of the network),
procs.py (what runs on a host), guests.py (domains).
"""
import contextlib
import fcntl
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import time
import uuid

import procs
import switch

HERE = os.path.dirname(os.path.abspath(__file__))
DEFAULT_NAME = "lab"
PREFIX = "/opt/xenferry"
CONF = "/etc/xenferry/xenferry.conf"
PATH = f"{PREFIX}/sbin:{PREFIX}/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What a host's programs read of /etc; the rest of the machine's /etc is none of its business.
ETC_FILES = ("passwd", "group", "nsswitch.conf", "ld.so.cache", "ld.so.conf", "ld.so.conf.d",
             "protocols", "services", "localtime", "alternatives", "ethertypes", "gnutls",
             "terminfo")
SERVE_LIMIT_S = 30.0

COROSYNC_CONF = """totem {{
  version: 2
  cluster_name: {name}
  transport: knet
  crypto_cipher: aes256
  crypto_hash: sha256
  token: 1000
  token_coefficient: 0
}}
nodelist {{
{nodes}}}
quorum {{
  provider: corosync_votequorum
{quorum}}}
logging {{
  to_syslog: no
  to_stderr: no
  to_logfile: yes
  logfile: /var/log/corosync.log
  timestamp: hires
}}
"""

# Time-outs shorter than an operator's, so that a campaign sees many of them.
AGENT_CONF = """hypervisor = sandbox
memory-limit-mib = {memory}
log-level = {log_level}
answer-timeout-ms = 3000
progress-timeout-ms = 4000
retry-ms = 300
"""


class LabError(Exception):
    """The lab could not do what it was asked; the text says why."""


class Result:
    """A command's end: exit code, both outputs, and its JSON if it printed any."""

    def __init__(self, code, out, err):
        self.code = code
        self.out = out
        self.err = err

    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"exit {self.code}, out {self.out[-400:]!r}, err {self.err[-400:]!r}"


def run(*args, check=True, timeout=60, stdin=None):
    """Runs a command of the machine itself."""
    done = subprocess.run(args, capture_output=True, text=True, timeout=timeout, check=False,
                          input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL)
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(args)}: {done.stderr.strip() or done.returncode}")
    return Result(done.returncode, done.stdout, done.stderr)


def wait_for(what, condition, limit_s, step_s=0.05):
    """Waits for condition() to become true and returns its value; LabError after the limit."""
    end = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise LabError(f"not within {limit_s:g} s: {what}")
        time.sleep(step_s)


class AnyLab:
    """What labs of namespaces and of machines have in common: a name, a folder, hosts n1, n2, and
    a state that the next command finds."""

    KIND = ""   # in the words of errors: "no KIND of name X is up"
    SAVED = ()  # attributes that are kept between commands

    def __init__(self, name, base, nodes):
        if not re.fullmatch(r"[a-z][a-z0-9]{0,15}", name):
            raise LabError(f"a lab's name is a letter and up to 15 letters or digits, not {name!r}")
        self.name = name
        self.dir = os.path.join(base, name)
        self.hosts = [f"n{i + 1}" for i in range(nodes)]

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def save(self):
        with open(self.path("lab.json.new"), "w", encoding="utf-8") as file:
            json.dump({key: getattr(self, key) for key in self.SAVED}, file, indent=1)
        os.rename(self.path("lab.json.new"), self.path("lab.json"))

    @classmethod
    def load(cls, name, **options):
        """A lab that is up, made with the options and then as it was saved."""
        lab = cls(name, **options)
        try:
            with open(lab.path("lab.json"), encoding="utf-8") as file:
                state = json.load(file)
        except FileNotFoundError as error:
            raise LabError(f"no {cls.KIND} of name {name} is up in "
                           f"{os.path.dirname(lab.dir)}") from error
        for key, value in state.items():
            setattr(lab, key, value)
        return lab

    @contextlib.contextmanager
    def lock(self):
        """One command at a time on a lab of this name."""
        os.makedirs(os.path.dirname(self.dir), exist_ok=True)
        with open(self.dir + ".lock", "w", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def node_id(self, host):
        self.check_host(host)
        return int(host[1:])

    def check_host(self, host):
        if host not in self.hosts:
            raise LabError(f"no host {host}: there are {', '.join(self.hosts)}")


class Lab(AnyLab):
    """One lab. Make it, then up(); or load() one that is up."""

    KIND = "lab"
    SAVED = ("name", "hosts", "install_root", "memory_mib", "log_level", "settings", "inits",
             "faults", "domains", "serial")

    def __init__(self, name=DEFAULT_NAME, base=None, nodes=3, install_root=None,
                 memory_mib=4096, log_level="info", settings=""):
        super().__init__(name, base or "/var/tmp/xenferry-lab", nodes)
        if self.dir.startswith(("/opt/", "/run/", "/dev/", "/var/lib/", "/var/log/", "/etc/")):
            raise LabError(f"{self.dir}: hosts have a {self.dir.split('/')[1]} of their own")
        self.install_root = install_root
        self.memory_mib = memory_mib
        self.log_level = log_level
        self.settings = settings  # more lines of xenferry.conf
        self.inits = {}    # host -> [pid outside, start time]
        self.faults = []   # see switch.py
        self.domains = {}  # domain -> facts, see guests.py
        self.serial = 0    # of domains ever made: addresses and MACs are not used twice

    # -- names

    def netns(self, what):
        return f"xflab.{self.name}.{what}"

    def address(self, host):
        return f"10.77.0.{self.node_id(host)}"

    def host_dir(self, host):
        return self.path("hosts", host)

    # -- up and down

    def up(self, agents=True):
        """Everything from nothing; leftovers of this name go first."""
        self.down()
        try:
            os.makedirs(self.path("disks"))
            os.makedirs(self.path("domains"))
            os.makedirs(self.path("files", "shared"))
            os.makedirs(self.path("files", "small"))
            run("mount", "-t", "tmpfs", "-o", "size=512k,mode=700", "tmpfs",
                self.path("files", "small"))
            self._serve("shared")
            self._serve("small")  # small enough to be filled
            self._make_switch()
            self._make_files()
            self.save()
            for host in self.hosts:
                self._make_net(host)
            for host in self.hosts:
                self._boot(host)
            for host in self.hosts:
                self._wait_booted(host)
            self.save()
            self.wait_quorate(self.hosts)
            if agents:
                for host in self.hosts:
                    self.start_agent(host)
                self.wait_online(self.hosts)
        except BaseException:
            # What is there stays to be looked at; `down` finds it by name.
            if os.path.isdir(self.dir):
                self.save()
            raise

    def _serve(self, name):
        """Shows files/NAME at NAME as a cluster's filesystem, since agents refuse disks that one
        host alone may use. Every host inherits the mount."""
        os.makedirs(self.path(name))
        with open(self.path(f"{name}.out"), "wb+") as out:
            subprocess.Popen(  # pylint: disable=R1732 # it ends with the lab
                ["/usr/bin/python3", f"{HERE}/slowfs.py", self.path("files", name),
                 self.path(name), "glusterfs", f"{self.name}:/{name}"], stdin=subprocess.DEVNULL,
                stdout=out, stderr=out, start_new_session=True)
        wait_for(f"{self.path(name)} is mounted, see {name}.out",
                 lambda: os.path.ismount(self.path(name)), SERVE_LIMIT_S, 0.02)

    def down(self):
        """Nothing of this lab is left: processes, namespaces, mounts, files. Safe at any time."""
        names = [name for name in os.listdir("/run/netns") if name.startswith(self.netns(""))] \
            if os.path.isdir("/run/netns") else []
        inits = []
        for name in names:
            inits += run("ip", "netns", "pids", name, check=False).out.split()
        procs.kill_all([int(pid) for pid in inits])
        for name in names:
            run("ip", "netns", "del", name, check=False)
        with open("/proc/self/mounts", encoding="utf-8") as file:
            mounts = [line.split()[1] for line in file]
        for mount in reversed(mounts):
            if mount.startswith(self.dir + "/"):
                run("umount", "-l", mount, check=False)
        # Hosts of another lab may have inherited the mounts.
        procs.kill_all(procs.with_words(f"{HERE}/slowfs.py", self.dir + "/"))
        if os.path.isdir(self.dir):
            shutil.rmtree(self.dir)

    def _make_switch(self):
        ns = self.netns("switch")
        run("ip", "netns", "add", ns)
        run("ip", "-n", ns, "-batch", "-", stdin=(
            "link set lo up\n"
            "link add br0 type bridge forward_delay 0 stp_state 0\n"
            "link set br0 up\n"))
        switch.load(ns, [])
        ns_judge = self.netns("judge")
        run("ip", "netns", "add", ns_judge)
        run("ip", "-n", ns, "-batch", "-", stdin=(
            f"link add judge type veth peer name eth0 netns {ns_judge}\n"
            "link set judge master br0 up\n"))
        run("ip", "-n", ns_judge, "-batch", "-", stdin=(
            "link set lo up\nlink set eth0 up\naddr add 10.77.255.1/16 dev eth0\n"))

    def _make_net(self, host):
        """A bridge br0 with the uplink in it and the host's address on it, as dom0s have it."""
        ns = self.netns(host)
        run("ip", "netns", "add", ns)
        run("ip", "netns", "exec", ns, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1",
            "net.ipv6.conf.default.disable_ipv6=1", check=False)
        run("ip", "-n", self.netns("switch"), "-batch", "-", stdin=(
            f"link add {host} type veth peer name eth0 netns {ns}\n"
            f"link set {host} master br0 up\n"))
        run("ip", "-n", ns, "-batch", "-", stdin=(
            "link set lo up\n"
            "link add br0 type bridge forward_delay 0 stp_state 0\n"
            "link set eth0 master br0 up\n"
            "link set br0 up\n"
            f"addr add {self.address(host)}/16 dev br0\n"))

    def _make_files(self):
        nodes = "".join(
            f"  node {{\n    ring0_addr: {self.address(host)}\n    name: {host}\n"
            f"    nodeid: {self.node_id(host)}\n  }}\n" for host in self.hosts)
        quorum = "  two_node: 1\n  wait_for_all: 0\n" if len(self.hosts) == 2 else ""
        corosync = COROSYNC_CONF.format(name=self.name, nodes=nodes, quorum=quorum)
        authkey = secrets.token_bytes(128)
        secret = secrets.token_bytes(32)
        agent = AGENT_CONF.format(memory=self.memory_mib, log_level=self.log_level) + self.settings
        for host in self.hosts:
            base = self.host_dir(host)
            for part in ("etc/corosync", "etc/xenferry", "corosync", "state", "log"):
                os.makedirs(os.path.join(base, part))
            # Small, so that it can be filled; mounted outside, so that it outlives a power cut.
            run("mount", "-t", "tmpfs", "-o", "size=16m,mode=700", "tmpfs", f"{base}/state")
            for name in ETC_FILES:
                if os.path.lexists(f"/etc/{name}"):
                    run("cp", "-a", f"/etc/{name}", f"{base}/etc/")
            self._add_group(f"{base}/etc/group", "haclient")
            write(f"{base}/etc/corosync/corosync.conf", corosync)
            write(f"{base}/etc/corosync/authkey", authkey, 0o400)
            write(f"{base}/etc/xenferry/secret", secret, 0o600)
            write(f"{base}/etc/xenferry/xenferry.conf", agent)

    @staticmethod
    def _add_group(path, group):
        with open(path, "r+", encoding="utf-8") as file:
            if not re.search(f"^{group}:", file.read(), re.M):
                file.write(f"{group}:x:64999:\n")

    # -- power

    def _boot(self, host):
        base = self.host_dir(host)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{base}/ready")
        write(f"{base}/boot_id", f"{uuid.uuid4()}\n", 0o444)
        with open(f"{base}/init.out", "ab") as out:
            # unshare is left to the machine's init; the host's process 1 is its only child.
            with subprocess.Popen(
                    ["setsid", "-f", "ip", "netns", "exec", self.netns(host), "unshare", "-m",
                     "-u", "-p", "-i", "-f", "--mount-proc", "/usr/bin/python3",
                     f"{HERE}/host_init.py", base, host, self.install_root],
                    stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self._environment()):
                pass
        run("ip", "-n", self.netns("switch"), "link", "set", host, "up")

    @staticmethod
    def _environment():
        return {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8",
                "TERM": os.environ.get("TERM", "dumb")}

    def _wait_booted(self, host):
        ready = f"{self.host_dir(host)}/ready"
        wait_for(f"{host} boots, see {self.host_dir(host)}/init.out",
                 lambda: os.path.exists(ready), SERVE_LIMIT_S, 0.02)
        pids = [int(pid) for pid in run("ip", "netns", "pids", self.netns(host)).out.split()]
        own = procs.pid_namespace(os.getpid())
        inside = [pid for pid in pids if procs.pid_namespace(pid) not in (None, own)]
        init = min(inside, key=self._inner_pid)
        if self._inner_pid(init) != 1:
            raise LabError(f"{host} has no process 1")
        self.inits[host] = [init, procs.start_time(init)]

    @staticmethod
    def _inner_pid(pid):
        try:
            with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
                for line in file:
                    if line.startswith("NSpid:"):
                        return int(line.split()[-1])
        except OSError:
            pass
        return 1 << 30

    def powered(self, host):
        self.check_host(host)
        return host in self.inits and procs.alive(*self.inits[host])

    def init_pid(self, host):
        if not self.powered(host):
            raise LabError(f"{host} is powered off")
        return self.inits[host][0]

    def power_off(self, host):
        """Every process of the host dies at once; its link goes down; its disk stays."""
        if self.powered(host):
            members = [p.pid for p in self.processes(host)]
            procs.kill_all([self.init_pid(host)])
            procs.kill_all(members)
        self.inits.pop(host, None)
        run("ip", "-n", self.netns("switch"), "link", "set", host, "down")
        self.save()

    def power_on(self, host, agent=True):
        """Boots a host that is off, with a new boot id. Does not wait for the cluster."""
        if self.powered(host):
            raise LabError(f"{host} is on already")
        self._boot(host)
        self._wait_booted(host)
        self.save()
        if agent:
            wait_for(f"Corosync of {host} answers", lambda: self.exec(
                host, "corosync-quorumtool", "-s", check=False).code in (0, 2), SERVE_LIMIT_S)
            self.start_agent(host)

    def reboot(self, host):
        self.power_off(host)
        self.power_on(host)

    # -- what runs on a host

    def processes(self, host):
        return procs.in_namespace(procs.pid_namespace(self.init_pid(host)))

    def named(self, host, name):
        # The kernel keeps 15 characters of a process's name.
        return [p for p in self.processes(host) if p.name == name[:15]]

    def agent_process(self, host):
        """The agent's main process: the oldest, its helpers are its children."""
        found = self.named(host, "xenferryd")
        pids = {p.pid for p in found}
        mains = [p for p in found if p.ppid not in pids]
        return min(mains, key=lambda p: procs.start_time(p.pid) or 0) if mains else None

    def enter(self, host, args):
        """The machine's command line that runs args on the host."""
        return ["nsenter", "-t", str(self.init_pid(host)), "-m", "-u", "-i", "-n", "-p", "--",
                *args]

    def exec(self, host, *args, check=True, timeout=60, stdin=None):
        done = subprocess.run(self.enter(host, args), capture_output=True, text=True,
                              timeout=timeout, check=False, env=self._environment(), input=stdin,
                              stdin=None if stdin is not None else subprocess.DEVNULL)
        if check and done.returncode != 0:
            raise LabError(f"{host}: {' '.join(args)}: exit {done.returncode}: "
                           f"{(done.stderr or done.stdout).strip()}")
        return Result(done.returncode, done.stdout, done.stderr)

    def popen(self, host, *args, **options):
        # The caller owns the process: no context manager here.
        return subprocess.Popen(self.enter(host, args), env=self._environment(),
                                stdin=subprocess.DEVNULL, **options)

    def xenferry(self, host, *args, check=True, timeout=60, stdin=None):
        """Runs the command on a host; its JSON is in .json()."""
        return self.exec(host, "xenferry", *args, check=check, timeout=timeout, stdin=stdin)

    # -- the agent

    def start_agent(self, host, program="xenferryd"):
        # setsid -f inside, so that the host's own process 1 becomes the parent.
        self.exec(host, "sh", "-c",
                  f"setsid -f {program} -f -c {CONF} >>/var/log/xenferryd.log 2>&1 </dev/null")

    def kill_agent(self, host):
        agent = self.agent_process(host)
        if agent is None:
            raise LabError(f"no agent runs on {host}")
        procs.kill_all([agent.pid])

    def pause_agent(self, host):
        agent = self.agent_process(host)
        if agent is None:
            raise LabError(f"no agent runs on {host}")
        agent.signal(signal.SIGSTOP)

    def continue_agent(self, host):
        agent = self.agent_process(host)
        if agent is not None:
            agent.signal(signal.SIGCONT)

    def kill_mover(self, host):
        """SIGKILL to every mover of the host; how many there were."""
        movers = self.named(host, "xenferry-mover")
        procs.kill_all([p.pid for p in movers])
        return len(movers)

    def sandboxes(self, host):
        """Domain processes of a host, without asking its agent."""
        return self.named(host, "xenferry-sandbox") if self.powered(host) else []

    def wait_quorate(self, hosts, limit_s=SERVE_LIMIT_S):
        for host in hosts:
            wait_for(f"{host} is quorate", lambda h=host: self.exec(
                h, "corosync-quorumtool", "-s", check=False).code == 0, limit_s)

    def online(self, host):
        """Names of the nodes that the agent of this host sees online; [] without an answer."""
        answer = self.xenferry(host, "nodes", "--json", check=False, timeout=20)
        if answer.code != 0:
            return []
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return sorted(n["name"] for n in answer.json()["nodes"] if n["state"] == "online")
        return []

    def wait_online(self, hosts, limit_s=SERVE_LIMIT_S):
        """Each of these agents sees all of these nodes."""
        for host in hosts:
            wait_for(f"{host} sees {', '.join(hosts)} online",
                     lambda h=host: set(hosts) <= set(self.online(h)), limit_s)

    def confirm_off(self, host):
        """Tells the cluster, from a host that is up and quorate, that this one is off."""
        if self.powered(host):
            raise LabError(f"{host} is on")
        for other in self.hosts:
            if other != host and self.powered(other):
                answer = self.xenferry(other, "confirm-off", host, check=False)
                if answer.code == 0:
                    return other
        raise LabError(f"no agent took the word that {host} is off: {answer!r}")

    # -- faults of the network and the disk

    def _add_fault(self, fault):
        self.faults.append(fault)
        switch.load(self.netns("switch"), self.faults)
        self.save()

    def cut(self, a, b, what="all"):
        self.check_host(a)
        self.check_host(b)
        self._add_fault({"kind": "cut", "a": a, "b": b, "what": what})

    def cut_data(self, a, b):
        self.cut(a, b, "data")

    def isolate(self, host, what="all"):
        self.check_host(host)
        self._add_fault({"kind": "isolate", "host": host, "what": what})

    def partition(self, *groups, what="all"):
        """Groups of hosts that hear each other and nobody else."""
        for i, group in enumerate(groups):
            for other in groups[i + 1:]:
                for a in group:
                    for b in other:
                        self.cut(a, b, what)

    def corrupt_data(self, a, b):
        """One full segment of the migration data from a to b arrives with four bytes changed."""
        self.check_host(a)
        self.check_host(b)
        self._add_fault({"kind": "corrupt", "a": a, "b": b})

    def met(self):
        """How many packets the network's faults have dropped or changed since the last one came."""
        return switch.met_packets(self.netns("switch"))

    def heal(self):
        self.faults = []
        switch.load(self.netns("switch"), self.faults)
        self.save()

    def fill_disk(self, host):
        fill(f"{self.host_dir(host)}/state/filler")

    def free_disk(self, host):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self.host_dir(host)}/state/filler")

    def fill_small(self):
        fill(self.path("small", "filler"))

    def free_small(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path("small", "filler"))


def fill(path):
    """A file that takes all the space that its filesystem has left."""
    with open(path, "wb", buffering=0) as file:
        for size in (65536, 512):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"\0" * size)


def write(path, content, mode=0o644):
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    data = content if isinstance(content, bytes) else content.encode()
    with open(path, "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)
