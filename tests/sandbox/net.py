#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A sandbox domain as a client on its bridge sees it: net.py BUILD_DIR. Needs root.

Makes a network namespace of its own, runs in it, and removes it. Speaks TAP.
"""
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

UUID = "5a5a5a5a-0000-4000-8000-00000000a001"
ADDRESS = "10.91.0.2"
MAC = "02:00:00:00:91:02"
LINE = re.compile(rb"xf1 counter=(\d+) corrupt=(\d+) instance=([0-9a-f]{16}) node=(\S+) "
                  rb"disk_seq=(\d+)\n(.*)", re.S)
CONFIG = """name = net
memory = 16
vif = "mac={mac},bridge={bridge},ip={address}/24"
disk = "path={disk}"
workload = "pattern=hotspot,rate=2"
"""


def command(*words, **options):
    return subprocess.run(words, capture_output=True, check=False, timeout=30, **options)


def wait_for(what, seconds=10):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if what():
            return True
        time.sleep(0.01)
    return False


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ping(count=1, size=56, seconds=1.0):
    """Answers received to count echo requests; more than count when somebody answers too."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
        body = os.urandom(size)
        for seq in range(count):
            head = struct.pack("!BBHHH", 8, 0, 0, os.getpid() & 0xffff, seq)
            head = head[:2] + struct.pack("!H", checksum(head + body)) + head[4:]
            sock.sendto(head + body, (ADDRESS, 0))
        answers, until = 0, time.monotonic() + seconds
        while time.monotonic() < until:
            sock.settimeout(max(until - time.monotonic(), 0.001))
            try:
                packet = sock.recv(65536)[20:]
            except TimeoutError:
                break
            if packet[0] == 0 and packet[8:] == body and checksum(packet) == 0:
                answers += 1
                until = min(until, time.monotonic() + 0.2) if answers >= count else until
        return answers


def udp(payload=b"hello", port=7):
    """The fields of one answer, or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(1)
        sock.sendto(payload, (ADDRESS, port))
        try:
            found = LINE.fullmatch(sock.recv(65536))
        except TimeoutError:
            return None
        if not found:
            return None
        return {"counter": int(found[1]), "corrupt": int(found[2]), "instance": found[3],
                "node": found[4].decode(), "disk_seq": int(found[5]), "payload": found[6]}


def taps():
    listing = command("ip", "-o", "link", "show", "master", "br0").stdout.decode()
    return [line.split()[1].rstrip(":") for line in listing.splitlines()]


class Bed:
    def __init__(self, build, run):
        self.sandbox = os.path.join(os.path.abspath(build), "agent/sandbox/xenferry-sandbox")
        self.run = run
        self.number = 0
        self.failed = 0
        self.disk = os.path.join(run, "disk")
        with open(self.disk, "wb"):
            pass

    def check(self, what, good, seen=None):
        self.number += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.number} - {what}")
        if not good and seen is not None:
            print(f"# {seen}")

    def directory(self, host):
        path = os.path.join(self.run, host)
        os.makedirs(path, exist_ok=True)
        return path

    def words(self, host, *more):
        return [self.sandbox, "--dir=" + self.directory(host), "--uuid=" + UUID, *more]

    def config(self, bridge="br0"):
        return CONFIG.format(mac=MAC, bridge=bridge, address=ADDRESS, disk=self.disk).encode()

    def ask(self, host, request):
        return command(*self.words(host, "--ask=" + request)).returncode

    def socket(self, host):
        return os.path.exists(os.path.join(self.directory(host), "sandbox", UUID + ".sock"))


def one_domain(bed):
    done = command(*bed.words("a", "--name=net"), input=bed.config())
    bed.check("the domain starts", done.returncode == 0, done.stderr)
    bed.check("it answers ARP and ping", ping() == 1)
    bed.check("it answers a burst and a large ping", ping(20) == 20 and ping(1, 1400) == 1)
    neighbour = command("ip", "neigh", "show", ADDRESS).stdout.decode()
    bed.check("its MAC is the configuration's", MAC in neighbour, neighbour)
    first = udp()
    bed.check("a UDP answer says what it should and brings the payload back",
              first is not None and first["counter"] == 1 and first["corrupt"] == 0
              and first["node"] == socket.gethostname() and first["payload"] == b"hello", first)
    time.sleep(0.05)
    second = udp(b"x" * 1472)
    bed.check("the counter counts answers, and the disk's number goes on",
              second is not None and second["counter"] == 2
              and second["disk_seq"] > first["disk_seq"]
              and second["instance"] == first["instance"], second)
    bed.check("a payload too long to come back is cut", len(second["payload"]) < 1472
              and set(second["payload"]) == {ord("x")})
    bed.check("another port says nothing", udp(port=8) is None)
    with open(f"/proc/sys/net/ipv6/conf/{taps()[0]}/disable_ipv6", encoding="ascii") as file:
        bed.check("its tap has no IPv6 of its own", file.read().strip() == "1")
    bed.ask("a", "pause")
    bed.check("a paused domain is silent", ping(3, seconds=0.5) == 0)
    bed.ask("a", "unpause")
    bed.check("and what came meanwhile is lost, what comes now answered",
              ping() == 1 and udp()["counter"] == 3)


def a_copy_beside_it(bed):
    reader, writer = os.pipe()
    config = os.path.join(bed.run, "domain")
    with open(config, "wb") as file:
        file.write(bed.config())
    with subprocess.Popen(bed.words("b", "--name=net", "--config=" + config,
                                    f"--restore={reader}"),
                          pass_fds=[reader], stderr=subprocess.PIPE) as starter:
        os.close(reader)
        bed.check("a copy that is being built has its tap in the bridge",
                  wait_for(lambda: bed.socket("b")) and len(taps()) == 2, taps())
        before = udp()
        answers = ping(10)
        after = udp()
        bed.check("only the running copy says a word",
                  answers == 10 and after["counter"] == before["counter"] + 1
                  and after["instance"] == before["instance"], (before, answers, after))
        os.close(writer)
        starter.wait(10)
        bed.check("its stream cut, the copy ends, says why, and its tap is gone",
                  starter.returncode == 28 and b"ended early" in starter.stderr.read()
                  and wait_for(lambda: len(taps()) == 1) and not bed.socket("b"),
                  starter.returncode)


def ends(bed):
    bed.check("destroyed, it answers no more and leaves no tap",
              bed.ask("a", "destroy") == 0 and wait_for(lambda: not taps())
              and ping(1, seconds=0.3) == 0)
    done = command(*bed.words("a"), input=bed.config("br9"))
    bed.check("a missing bridge is named",
              done.returncode == 17 and b"br9" in done.stderr, done)


def inside(build):
    for words in (("link", "add", "br0", "type", "bridge"), ("link", "set", "br0", "up"),
                  ("addr", "add", "10.91.0.1/24", "dev", "br0")):
        subprocess.run(["ip", *words], check=True)
    run = tempfile.mkdtemp(prefix="xfsbx.")
    bed = Bed(build, run)
    try:
        for part in (one_domain, a_copy_beside_it, ends):
            part(bed)
    finally:
        bed.ask("a", "destroy")
        bed.ask("b", "destroy")
        shutil.rmtree(run)
    print(f"1..{bed.number}")
    return 1 if bed.failed else 0


def main():
    if len(sys.argv) == 3 and sys.argv[2] == "--inside":
        return inside(sys.argv[1])
    if len(sys.argv) != 2:
        print("usage: net.py BUILD_DIR", file=sys.stderr)
        return 2
    name = f"xfsbx-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        return subprocess.run(["ip", "netns", "exec", name, sys.executable, __file__, sys.argv[1],
                               "--inside"], check=False).returncode
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)


if __name__ == "__main__":
    sys.exit(main())
