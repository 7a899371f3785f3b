# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks that every host of a lab sees under one name, and what goes wrong with such disks.

A disk is a loop device with direct I/O over a file of a filesystem that says it is a cluster's
(slowfs.py), so it has no name of its own but its content. Hosts know it as LUNS/NAME. What one host
alone has under that name is put over it in the host's own mount namespace. The filesystem has to
be mounted before hosts boot: San is entered around the lab.
"""
import contextlib
import fcntl
import os
import shutil
import stat
import subprocess

import xflab

HERE = os.path.dirname(os.path.abspath(__file__))


class San:
    def __init__(self, lab_name, base="/var/tmp/xenferry-lab"):
        self.dir = os.path.join(base, f"{lab_name}.san")
        self.lock = None
        self.loops = []
        self.servers = {}
        self.covered = []

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def __enter__(self):
        # One of a name at a time, as with labs: a second run waits for the first.
        os.makedirs(os.path.dirname(self.dir), exist_ok=True)
        self.lock = open(f"{self.dir}.lock", "w", encoding="ascii")  # pylint: disable=R1732
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.clear()
        os.makedirs(self.path("luns"))
        os.makedirs(self.path("nodes"))
        self.serve("shared")
        return self

    def __exit__(self, *_):
        for name in list(self.servers):
            self.let_go(name)
        for device in self.loops:
            xflab.run("losetup", "--detach", device, check=False)
        for name in list(self.servers):
            self.stop_serving(name)
        self.clear()
        os.unlink(f"{self.dir}.lock")
        self.lock.close()
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(self.dir))

    def clear(self):
        """What is left of it, also of one that was not left in order."""
        listing = xflab.run("losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE").out
        for line in listing.splitlines():
            if self.dir + "/" in line:
                xflab.run("losetup", "--detach", line.split()[0], check=False)
        with open("/proc/self/mounts", encoding="utf-8") as file:
            mounts = [line.split()[1] for line in file]
        for mount in reversed(mounts):
            if mount.startswith(self.dir + "/"):
                xflab.run("umount", "--lazy", mount, check=False)
        if os.path.isdir(self.dir):
            shutil.rmtree(self.dir)

    # -- filesystems

    def serve(self, name, kind="glusterfs", source=None):
        """A filesystem of that name, its files at files/NAME, mounted at NAME. Storage is another
        machine: it does not wait behind what this one does."""
        folder, mountpoint = self.path("files", name), self.path(name)
        os.makedirs(folder, exist_ok=True)
        os.makedirs(mountpoint, exist_ok=True)
        server = subprocess.Popen(  # pylint: disable=R1732
            ["chrt", "--other", "0", "/usr/bin/python3", os.path.join(HERE, "slowfs.py"), folder,
             mountpoint, kind, source or f"lab:/{name}"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE)
        self.servers[name] = server
        if server.stdout.readline() != b"ready\n":
            raise xflab.LabError(f"{mountpoint} is not mounted")
        return mountpoint

    def stop_serving(self, name):
        """Who waits for it gets an error."""
        server = self.servers.pop(name)
        server.kill()
        server.wait(10)
        server.stdout.close()
        xflab.run("umount", "--lazy", self.path(name), check=False)

    def hold(self, name):
        """Reads of what lies there hang from now on."""
        xflab.write(self.path("files", f"{name}.hold"), b"")

    def fail(self, name):
        xflab.write(self.path("files", f"{name}.fail"), b"")

    def let_go(self, name):
        for fault in ("hold", "fail"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path("files", f"{name}.{fault}"))

    # -- disks

    def image(self, name, size_mib=64, where="shared", like=None):
        """A file of random bytes, or a copy; its path on the filesystem."""
        path = self.path("files", where, name)
        if like is not None:
            shutil.copyfile(like, path)
        else:
            with open(path, "wb") as file:
                for _ in range(size_mib):
                    file.write(os.urandom(1 << 20))
        return self.path(where, name)

    def attach(self, image, *options, direct=True):
        """A device over an image."""
        words = ["losetup", "--find", "--show", *options]
        if direct:
            words.append("--direct-io=on")
        device = xflab.run(*words, image).out.strip()
        self.loops.append(device)
        return device

    def detach(self, device):
        self.loops.remove(device)
        xflab.run("losetup", "--detach", device)

    def node(self, name, device):
        """A device's node at luns/NAME: what hosts open, wherever /dev is theirs."""
        path = self.path(name)
        os.mknod(path, stat.S_IFBLK | 0o660, os.stat(device).st_rdev)
        return path

    def lun(self, name, size_mib=64, direct=True):
        """A disk that all hosts have; its path."""
        device = self.attach(self.image(f"{name}.img", size_mib), direct=direct)
        return self.node(f"luns/{name}", device)

    # -- what one host has instead

    def cover(self, lab, host, path, instead):
        """This host finds a device, file or folder instead of what the others find there."""
        if stat.S_ISBLK(os.stat(instead).st_mode) and instead.startswith("/dev/"):
            name = f"nodes/{len(os.listdir(self.path('nodes')))}"
            instead = self.node(name, instead)
        lab.exec(host, "mount", "--bind", instead, path)
        self.covered.append((host, path))

    def hide(self, lab, host):
        """This host sees none of the disks."""
        lab.exec(host, "mount", "-t", "tmpfs", "tmpfs", self.path("luns"))
        self.covered.append((host, self.path("luns")))

    def uncover(self, lab):
        """All hosts see all disks again."""
        while self.covered:
            host, path = self.covered.pop()
            lab.exec(host, "umount", path)
