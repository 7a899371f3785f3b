#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Process 1 of a lab host: gives the host its own files, starts Corosync, reaps what dies.

Started inside fresh mount, uts, pid and ipc namespaces by xflab.py; killing it is a power cut.
usage: host_init.py HOSTDIR NAME INSTALLROOT
"""
import os
import signal
import socket
import subprocess
import sys


def mount(*args):
    subprocess.run(["mount", *args], check=True)


def bind(source, target):
    os.makedirs(target, exist_ok=True)
    mount("--bind", source, target)


def build_tree(host_dir, install_root):
    """Everything a program of this host may write is the host's own; the rest is the machine's."""
    mount("--bind", f"{host_dir}/etc", "/etc")
    for path in ("/run", "/dev/shm", "/var/lib", "/opt"):
        mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", path)
    os.chmod("/dev/shm", 0o1777)
    bind(f"{host_dir}/corosync", "/var/lib/corosync")
    bind(f"{host_dir}/state", "/var/lib/xenferry")
    bind(f"{host_dir}/log", "/var/log")
    bind(f"{install_root}/opt/xenferry", "/opt/xenferry")
    for path in ("/run/lock", "/run/xenferry"):
        os.makedirs(path, exist_ok=True)
    # A host that was off and on again has booted: its boot id must say so (rules H8, H9).
    mount("--bind", f"{host_dir}/boot_id", "/proc/sys/kernel/random/boot_id")


def main():
    host_dir, name, install_root = sys.argv[1:4]
    socket.sethostname(name)
    build_tree(host_dir, install_root)
    with open("/var/log/corosync.out", "ab") as out:
        subprocess.run(["corosync"], stdout=out, stderr=out, check=False)
    with open(f"{host_dir}/ready", "w", encoding="ascii") as ready:
        ready.write("ready\n")
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0] > 0:
                pass
        except ChildProcessError:
            pass
        # The bound covers a child that died between the look and the wait.
        signal.sigtimedwait({signal.SIGCHLD}, 1.0)


main()
