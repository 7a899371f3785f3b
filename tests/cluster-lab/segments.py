# SPDX-License-Identifier: GPL-2.0-or-later
"""Networks of the guests in a lab: bridges beside br0, on which the cluster does not depend, so
that they can be broken while agents go on hearing each other. Stations on them, and what passes.

A segment is a bridge in the switch's namespace; a host's bridge has one uplink into one segment.
"""
import contextlib
import ctypes
import fcntl
import os
import select
import socket
import struct
import threading
import time

import xflab

ETH_P_ALL = 3
ETH_P_ARP = 0x0806
PROBE_ETHERTYPE = 0x88B5   # of xenferry's probes
ORACLE_ETHERTYPE = 0x88B6  # of ours; the other one for local experiments
CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x2, 0x1000


@contextlib.contextmanager
def inside(ns):
    """This thread is in a network namespace meanwhile; sockets made here stay in it."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net", encoding="ascii") as home, \
            open(f"/run/netns/{ns}", encoding="ascii") as there:
        if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {ns}")
        try:
            yield
        finally:
            if libc.setns(home.fileno(), CLONE_NEWNET) != 0:
                os._exit(70)  # nothing that follows would be where it thinks it is


def raw_socket(ns, interface, ethertype=ETH_P_ALL):
    with inside(ns):
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ethertype))
        raw.bind((interface, ethertype))
    return raw


def gratuitous(mac_text):
    """The broadcast of a station that announces itself, for an address that nobody has."""
    mac = bytes(int(word, 16) for word in mac_text.split(":"))
    address = bytes((10, 99, 0, 1))
    return b"\xff" * 6 + mac + struct.pack("!HHHBBH", ETH_P_ARP, 1, 0x0800, 6, 4, 1) \
        + mac + address + b"\0" * 6 + address + b"\0" * 18


class Segments:
    """Guest networks of one lab. Their namespaces are the lab's, so they go with it."""

    def __init__(self, lab):
        self.lab = lab
        self.switch = lab.netns("switch")
        self.ports = {}  # (host, bridge) -> port of the switch
        self.stations = []

    def _switch(self, *lines):
        xflab.run("ip", "-n", self.switch, "-batch", "-", stdin="\n".join(lines) + "\n")

    def ip(self, host, *words, check=True):
        return xflab.run("ip", "-n", self.lab.netns(host), *words, check=check)

    def segment(self, name):
        self._switch(f"link add {name} type bridge forward_delay 0 stp_state 0",
                     f"link set {name} up")

    def bridge(self, host, name, segment):
        """A bridge of a host with an uplink to a segment."""
        port = f"{host}.{name}"[:15]
        uplink = f"up-{name}"[:15]
        self._switch(f"link add {port} type veth peer name {uplink} netns {self.lab.netns(host)}",
                     f"link set {port} master {segment} up")
        xflab.run("ip", "-n", self.lab.netns(host), "-batch", "-", stdin=(
            f"link add {name} type bridge forward_delay 0 stp_state 0\n"
            f"link set {uplink} master {name} up\nlink set {name} up\n"))
        self.ports[host, name] = port

    def uplink(self, name):
        return f"up-{name}"[:15]

    # -- faults

    def port(self, host, bridge, *words):
        """Sets something of the switch's port to a host: mtu 1400, down, master br2."""
        self._switch("link set " + " ".join([self.ports[host, bridge], *words]))

    def one_way(self, bridge, source, target):
        """Nothing of source reaches target on this bridge; the other way all passes."""
        xflab.run("ip", "netns", "exec", self.switch, "nft", "-f", "-", stdin=(
            "table bridge oneway\ndelete table bridge oneway\ntable bridge oneway {\n"
            "  chain forward {\n    type filter hook forward priority 1; policy accept;\n"
            f'    iifname "{self.ports[source, bridge]}" oifname "{self.ports[target, bridge]}" '
            "drop\n  }\n}\n"))

    def both_ways(self):
        xflab.run("ip", "netns", "exec", self.switch, "nft", "delete", "table", "bridge", "oneway",
                  check=False)

    # -- what is so, found without xenferry

    def largest(self, bridge, source, target, first, last):
        """The largest payload that passes from one host's bridge to the other's, tried one by one:
        frames of our own."""
        a = raw_socket(self.lab.netns(source), bridge, ORACLE_ETHERTYPE)
        b = raw_socket(self.lab.netns(target), bridge, ORACLE_ETHERTYPE)
        head = b"\xff" * 6 + a.getsockname()[4] + struct.pack("!H", ORACLE_ETHERTYPE)
        found = 0
        with a, b:
            # What the source's bridge itself is too small for does not pass.
            with contextlib.suppress(OSError):
                for size in range(first, last + 1):
                    a.send(head + struct.pack("!H", size) + b"\x5a" * (size - 2))
            b.settimeout(0.3)
            with contextlib.suppress(socket.timeout):
                while True:
                    found = max(found, struct.unpack("!H", b.recv(65536)[14:16])[0])
        return found

    def count(self, bridge, seconds, ethertype=PROBE_ETHERTYPE):
        """{host: (frames, bytes)} of a type that come from the hosts' bridges of that name."""
        found = {}
        end = time.monotonic() + seconds
        with contextlib.ExitStack() as stack:
            hosts = {}
            # All types: a port's frames are the bridge's before they are any other listener's.
            for (host, name), port in self.ports.items():
                if name == bridge:
                    raw = raw_socket(self.switch, port)
                    hosts[stack.enter_context(raw)] = host
                    found[host] = (0, 0)
            while True:
                left = end - time.monotonic()
                if left <= 0:
                    return found
                for raw in select.select(list(hosts), [], [], left)[0]:
                    frame, address = raw.recvfrom(65536)
                    if address[2] != socket.PACKET_OUTGOING \
                            and struct.unpack_from("!H", frame, 12)[0] == ethertype:
                        frames, size = found[hosts[raw]]
                        found[hosts[raw]] = (frames + 1, size + len(frame))

    # -- strangers

    @contextlib.contextmanager
    def guest(self, host, bridge, mac):
        """A guest's port of a host's bridge, from which a frame of that MAC has come."""
        request = struct.pack("16sH22x", b"stranger", IFF_TAP | IFF_NO_PI)
        with inside(self.lab.netns(host)):
            tap = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
            fcntl.ioctl(tap, TUNSETIFF, request)
        try:
            self.ip(host, "link", "set", "stranger", "master", bridge, "up")
            os.write(tap, gratuitous(mac))
            yield
        finally:
            os.close(tap)

    def station(self, segment, mac, address=None):
        """A machine on a segment, which has this MAC, and answers for this address."""
        number = len(self.stations) + 1
        ns = self.lab.netns(f"st{number}")
        xflab.run("ip", "netns", "add", ns)
        self._switch(f"link add st{number} type veth peer name eth0 address {mac} netns {ns}",
                     f"link set st{number} master {segment} up")
        lines = "link set lo up\nlink set eth0 up\n"
        if address:
            lines += f"addr add {address}/16 dev eth0\n"
        xflab.run("ip", "-n", ns, "-batch", "-", stdin=lines)
        one = Station(ns, mac, f"st{number}")
        self.stations.append(one)
        return one

    def leave(self, station):
        """The station is switched off."""
        station.quiet()
        self._switch(f"link del {station.port}")
        xflab.run("ip", "netns", "del", station.ns)


class Station:
    """A stranger on a segment."""

    def __init__(self, ns, mac, port):
        self.ns = ns
        self.mac = mac
        self.port = port
        self._stop = threading.Event()
        self._thread = None

    def chatter(self, interval_s=0.05):
        """It sends a broadcast now and then, as every machine does: gratuitous ARP."""
        raw = raw_socket(self.ns, "eth0", ETH_P_ARP)
        frame = gratuitous(self.mac)

        def run():
            with raw:
                while not self._stop.wait(interval_s):
                    raw.send(frame)

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def quiet(self):
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5)
