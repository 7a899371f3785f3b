#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A filesystem whose reads can be made to hang or to fail: storage with a fault, for the lab.

It shows the plain files of a folder, and speaks the kernel's FUSE protocol (linux/fuse.h) itself,
so it needs no library. While FOLDER.hold exists, no read is answered: whoever reads waits, and
cannot be killed, as with a disk that has lost its last path. While FOLDER.fail exists, reads end
with an I/O error. When this process ends, however it does, every one who waits gets an error.

usage: slowfs.py FOLDER MOUNTPOINT TYPE SOURCE     prints "ready", serves until its end
TYPE is what mountinfo shows behind "fuse.", SOURCE what it names as the device.
"""
import ctypes
import errno
import os
import select
import stat
import struct
import sys

IN_HEADER = struct.Struct("<IIQQIIIHH")
OUT_HEADER = struct.Struct("<IiQ")
ATTR = struct.Struct("<6Q10I")
ENTRY = struct.Struct("<4QII")
OPEN = struct.Struct("<QIi")
READ_IN = struct.Struct("<QQII")
WRITE_IN = struct.Struct("<QQIIQII")
SETATTR_IN = struct.Struct("<IIQQ")

LOOKUP, FORGET, GETATTR, SETATTR, MKNOD, UNLINK = 1, 2, 3, 4, 8, 10
OPEN_, READ, WRITE, STATFS, RELEASE, FSYNC = 14, 15, 16, 17, 18, 20
FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR, FSYNCDIR = 25, 26, 27, 28, 29, 30
CREATE, INTERRUPT, DESTROY, BATCH_FORGET = 35, 36, 38, 42
EMPTY = (RELEASE, FSYNC, FLUSH, RELEASEDIR, FSYNCDIR)
SILENT = (FORGET, INTERRUPT, BATCH_FORGET, DESTROY)
SETATTR_SIZE = 1 << 3
ASYNC_READ, BIG_WRITES = 1 << 0, 1 << 5
MAX_WRITE = 128 * 1024
BUFFER = MAX_WRITE + 4096
LOOK_S = 0.02  # at FOLDER.hold, while reads wait


class Filesystem:
    def __init__(self, folder, device):
        self.folder = folder
        self.device = device
        self.names = {1: "."}  # nodeid (the inode's number) -> name
        self.held = []

    def path(self, node):
        if node not in self.names:
            raise OSError(errno.ESTALE, "")
        return os.path.join(self.folder, self.names[node])

    def flag(self, name):
        return os.path.exists(f"{self.folder}.{name}")

    def attr(self, path):
        st = os.stat(path)
        node = 1 if stat.S_ISDIR(st.st_mode) else st.st_ino
        return node, ATTR.pack(node, st.st_size, st.st_blocks, int(st.st_atime), int(st.st_mtime),
                               int(st.st_ctime), 0, 0, 0, st.st_mode, st.st_nlink, st.st_uid,
                               st.st_gid, 0, 4096, 0)

    def entry(self, name):
        node, attr = self.attr(os.path.join(self.folder, name))
        self.names[node] = name
        return ENTRY.pack(node, 1, 0, 0, 0, 0) + attr

    def read(self, node, body):
        _fh, offset, size, _flags = READ_IN.unpack_from(body)
        if self.flag("fail"):
            raise OSError(errno.EIO, "")
        with open(self.path(node), "rb") as file:
            return os.pread(file.fileno(), size, offset)

    def write(self, node, body):
        _fh, offset, size, *_rest = WRITE_IN.unpack_from(body)
        if self.flag("fail"):
            raise OSError(errno.EIO, "")
        with open(self.path(node), "r+b") as file:
            done = os.pwrite(file.fileno(), body[WRITE_IN.size:WRITE_IN.size + size], offset)
        return struct.pack("<II", done, 0)

    def create(self, opcode, body):
        mode, = struct.unpack_from("<I", body, 4 if opcode == CREATE else 0)
        name = body[16:].split(b"\0")[0].decode()
        os.close(os.open(os.path.join(self.folder, name),
                         os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, mode & 0o7777))
        return self.entry(name)

    def setattr(self, node, body):
        valid, _pad, _fh, size = SETATTR_IN.unpack_from(body)
        if valid & SETATTR_SIZE:
            os.truncate(self.path(node), size)
        return struct.pack("<QII", 0, 0, 0) + self.attr(self.path(node))[1]

    def readdir(self, body):
        _fh, offset, size, _flags = READ_IN.unpack_from(body)
        names = sorted(os.listdir(self.folder))
        out = b""
        for i, name in enumerate(names[offset:], offset + 1):
            raw = name.encode()
            ino = os.stat(os.path.join(self.folder, name)).st_ino
            one = struct.pack("<QQII", ino, i, len(raw), stat.S_IFREG >> 12) + raw
            one += b"\0" * (-len(one) % 8)
            if len(out) + len(one) > size:
                break
            out += one
        return out

    def answer(self, opcode, node, body):
        """The body of the answer; OSError is the answer otherwise."""
        if opcode == INIT:
            major, minor, readahead, _flags = struct.unpack_from("<4I", body)
            return struct.pack("<4IHHIIHHII", major, min(minor, 31), readahead,
                               ASYNC_READ | BIG_WRITES, 16, 12, MAX_WRITE, 1, 0, 0, 0, 0) \
                + b"\0" * 24
        if opcode == LOOKUP:
            return self.entry(body.rstrip(b"\0").decode())
        if opcode == GETATTR:
            return struct.pack("<QII", 0, 0, 0) + self.attr(self.path(node))[1]
        if opcode == SETATTR:
            return self.setattr(node, body)
        if opcode in (OPEN_, OPENDIR):
            return OPEN.pack(0, 0, 0)
        if opcode == READ:
            return self.read(node, body)
        if opcode == WRITE:
            return self.write(node, body)
        if opcode == CREATE:
            return self.create(opcode, body) + OPEN.pack(0, 0, 0)
        if opcode == MKNOD:
            return self.create(opcode, body)
        if opcode == UNLINK:
            os.unlink(os.path.join(self.folder, body.rstrip(b"\0").decode()))
            return b""
        if opcode == READDIR:
            return self.readdir(body)
        if opcode == STATFS:
            fs = os.statvfs(self.folder)
            return struct.pack("<5Q4I", fs.f_blocks, fs.f_bfree, fs.f_bavail, fs.f_files,
                               fs.f_ffree, fs.f_bsize, 255, fs.f_frsize, 0) + b"\0" * 24
        if opcode in EMPTY:
            return b""
        raise OSError(errno.ENOSYS, "")

    def serve(self, opcode, unique, node, body):
        code, out = 0, b""
        try:
            out = self.answer(opcode, node, body)
        except OSError as error:
            code = -(error.errno or errno.EIO)
        try:
            os.write(self.device, OUT_HEADER.pack(OUT_HEADER.size + len(out), code, unique) + out)
        except OSError as error:
            if error.errno != errno.ENOENT:  # who asked was interrupted
                raise

    def run(self):
        while True:
            ready = select.select([self.device], [], [], LOOK_S if self.held else None)[0]
            if self.held and not self.flag("hold"):
                held, self.held = self.held, []
                for request in held:
                    self.serve(*request)
            if not ready:
                continue
            try:
                raw = os.read(self.device, BUFFER)
            except OSError as error:
                if error.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                    continue
                if error.errno == errno.ENODEV:  # unmounted
                    return
                raise
            _len, opcode, unique, node, *_rest = IN_HEADER.unpack_from(raw)
            request = (opcode, unique, node, raw[IN_HEADER.size:])
            if opcode in SILENT:
                continue
            if opcode == READ and self.flag("hold"):
                self.held.append(request)
            else:
                self.serve(*request)


def main():
    folder, mountpoint, kind, source = sys.argv[1:5]
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other,subtype={kind}"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), mountpoint.encode(), b"fuse", 0, options.encode()) != 0:
        raise OSError(ctypes.get_errno(), f"mount {mountpoint}")
    print("ready", flush=True)
    Filesystem(folder, device).run()


main()
