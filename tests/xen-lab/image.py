# SPDX-License-Identifier: GPL-2.0-or-later
"""What hosts of the Xen lab start from, built once and kept: the hosts' disk with Debian's Xen, the
hypervisor with shadow paging, the guests' kernel and program, keys.

Each piece has a folder in the cache, named after the hash of all it is made of; a folder that
exists is whole. The cache is $XENFERRY_CACHE or /var/cache/xenferry-lab.
"""
import concurrent.futures
import contextlib
import fcntl
import glob
import gzip
import hashlib
import lzma
import os
import secrets
import shutil
import struct
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
DISKREC = os.path.join(os.path.dirname(os.path.dirname(HERE)), "agent", "sandbox", "diskrec.h")
RELEASE = "bookworm"
DISK_SIZE = 3 << 30
KEPT = 2  # folders of one piece: the current one and, for a lab that still runs, the last one


class ImageError(Exception):
    """A piece could not be built; the text says why."""


def cache(*parts):
    return os.path.join(os.environ.get("XENFERRY_CACHE") or "/var/cache/xenferry-lab", *parts)


def files_below(path):
    if os.path.isfile(path):
        return [path]
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk(path)
                  for name in names)


def digest(*inputs):
    """Hash of texts and of files; a folder counts with all that is below it."""
    total = hashlib.sha256()
    for item in inputs:
        is_path = os.path.isabs(item)
        total.update(b"\0" + (os.path.basename(item) if is_path else item).encode())
        if is_path:
            for path in files_below(item):
                total.update(b"\0" + os.path.relpath(path, item).encode() + b"\0")
                with open(path, "rb") as file:
                    total.update(file.read())
    return total.hexdigest()[:12]


def ours(*parts):
    return os.path.join(HERE, *parts)


def run(log, *args, **options):
    """Runs a step of a build; ImageError with the end of its output."""
    with open(log, "ab") as out:
        out.write(f"+ {' '.join(args)}\n".encode())
        out.flush()
        done = subprocess.run(args, stdout=out, stderr=subprocess.STDOUT, check=False,
                              stdin=subprocess.DEVNULL, timeout=3600, **options)
    if done.returncode != 0:
        with open(log, encoding="utf-8", errors="replace") as file:
            raise ImageError(f"{args[0]} failed ({log}):\n" + "".join(file.readlines()[-20:]))


@contextlib.contextmanager
def locked():
    """One builder at a time; others wait and find it built."""
    os.makedirs(cache(), exist_ok=True)
    with open(cache("lock"), "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def piece(kind, key, build, say):
    """Path of a piece; build(new folder, log) makes it where it is missing."""
    path = cache(f"{kind}-{key}")
    if os.path.isdir(path):
        os.utime(path)  # prune() goes by the time of the last use
        return path
    say(f"building {kind} (once; kept in {cache()})")
    log = cache(f"{kind}.log")
    with open(log, "wb"):
        pass
    new = path + ".new"
    shutil.rmtree(new, ignore_errors=True)
    os.makedirs(new)
    build(new, log)
    os.rename(new, path)
    prune(kind)
    return path


def prune(kind):
    """All but the newest folders of a piece go, and what a build that failed left behind."""
    for path in glob.glob(cache(f"{kind}-*.new*")):
        shutil.rmtree(path)
    # "guest-*" is "guest-kernel-*", too: a key has no "-".
    paths = sorted((p for p in glob.glob(cache(f"{kind}-*"))
                    if "-" not in os.path.basename(p)[len(kind) + 1:]), key=os.path.getmtime)
    for path in paths[:-KEPT]:
        shutil.rmtree(path)


def prepare(say):
    """The packages that building and running need; quick when they are there."""
    tools = ("qemu-system-x86_64", "qemu-img", "mmdebstrap", "mke2fs", "ssh", "zstd", "tgtd", "tc",
             "nft", "ping", "bc", "flex", "bison")
    if any(shutil.which(tool) is None for tool in tools):
        say("installing packages")
        with locked():
            run(cache("packages.log"), ours("packages.sh"))


# -- keys

def keys():
    """Folder with the key that opens every host, the hosts' own, and the cluster's."""
    path = cache("keys")
    if not os.path.isdir(path):
        new = tempfile.mkdtemp(prefix="keys.", dir=cache())
        for name in ("user", "host"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"lab {name}",
                            "-f", os.path.join(new, name)], check=True)
        with open(os.path.join(new, "authkey"), "wb") as file:
            file.write(secrets.token_bytes(256))
        os.rename(new, path)
    return path


# -- the hosts' system

def package_sources():
    """What the machine itself installs from."""
    out = subprocess.run(
        ["apt-get", "indextargets", "--format", "deb $(SITE) $(RELEASE) $(COMPONENT)",
         "Created-By: Packages"], check=True, capture_output=True, text=True).stdout
    lines = sorted({line for line in out.splitlines() if f" {RELEASE}" in line})
    if not lines:
        raise ImageError(f"apt knows no package source of {RELEASE}: is this Debian 12?")
    return lines


def packages():
    with open(ours("dom0-packages.list"), encoding="ascii") as file:
        return [word for line in file if not line.startswith("#") for word in line.split()]


def build_tree(new, log):
    options = [f"--dpkgopt=path-exclude=/usr/share/{part}/*"
               for part in ("doc", "man", "locale", "i18n")]
    run(log, "mmdebstrap", "--quiet", "--mode=root", "--variant=minbase",
        f"--include={','.join(packages())}", *options, "--dpkgopt=force-unsafe-io",
        '--aptopt=Apt::Install-Recommends "false"', '--aptopt=Acquire::Languages "none"',
        '--essential-hook=mkdir -p "$1/etc/initramfs-tools/conf.d"; '
        'printf "MODULES=list\\nCOMPRESS=lz4\\nRESUME=none\\n" '
        '>"$1/etc/initramfs-tools/conf.d/lab"',
        f'--customize-hook={ours("dom0-trim.sh")} "$1"',
        RELEASE, os.path.join(new, "root"), *package_sources())


def tree(say):
    key = digest(ours("dom0-packages.list"), ours("dom0-trim.sh"))
    return os.path.join(piece("tree", key, build_tree, say), "root")


def unpack_kernel(path):
    """The ELF file inside a bzImage: loading it is quick, unpacking it in an emulator is not."""
    with open(path, "rb") as file:
        data = file.read()
    sectors = data[0x1f1] or 4
    offset, length = struct.unpack_from("<II", data, 0x248)
    start = (sectors + 1) * 512 + offset
    packed = data[start:start + length]
    if packed.startswith(b"\xfd7zXZ\0"):
        elf = lzma.LZMADecompressor().decompress(packed)
    elif packed.startswith(b"\x28\xb5\x2f\xfd"):
        # The payload ends with its unpacked length, which zstd calls rubbish.
        elf = subprocess.run(["zstd", "-dc"], input=packed, capture_output=True,
                             check=False).stdout
    else:
        raise ImageError(f"{path}: packed in a way that is not known here")
    if not elf.startswith(b"\x7fELF"):
        raise ImageError(f"{path}: no ELF file in it")
    return elf


# -- the guests

def guest_kernel(say):
    return os.path.join(piece(
        "guest-kernel", digest(ours("build-kernel.sh")), lambda new, log: run(
            log, ours("build-kernel.sh"), os.path.join(new, "vmlinux"), cache("kernel.work")),
        say), "vmlinux")


def cpio(entries):
    """An archive that a kernel unpacks: (name, mode, content) each."""
    out = bytearray()
    for number, (name, mode, content) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        fields = [number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
        out += b"070701" + "".join(f"{value:08x}" for value in fields).encode()
        out += name.encode() + b"\0"
        out += b"\0" * (-len(out) % 4) + content
        out += b"\0" * (-len(out) % 4)
    return bytes(out)


def build_guest(new, log):
    program = os.path.join(new, "init")
    run(log, "gcc", "-std=gnu11", "-O2", "-static", "-pthread", "-Wall", "-Wextra", "-Werror",
        f"-I{os.path.dirname(DISKREC)}", "-o", program, *sorted(glob.glob(ours("guest", "*.c"))))
    run(log, "strip", program)
    with open(program, "rb") as file:
        init = file.read()
    archive = cpio([("dev", 0o040755, b""), ("proc", 0o040755, b""), ("sbin", 0o040755, b""),
                    ("init", 0o100755, init), ("sbin/poweroff", 0o120777, b"/init"),
                    ("sbin/reboot", 0o120777, b"/init")])
    with gzip.open(os.path.join(new, "initramfs"), "wb", 1) as file:
        file.write(archive)
    os.unlink(program)


def guest(say):
    return piece("guest", digest(ours("guest"), DISKREC), build_guest, say)


# -- all of it

def build_host(new, log, root, kernel, guest_dir):
    """The disk of a host and what QEMU loads: xen, vmlinux, initrd."""
    work = new + ".root"
    shutil.rmtree(work, ignore_errors=True)
    try:
        run(log, "cp", "-a", "--reflink=auto", root, work)
        run(log, ours("dom0-setup.sh"), work, keys())
        os.makedirs(os.path.join(work, "lab"), exist_ok=True)
        shutil.copy(kernel, os.path.join(work, "lab", "vmlinux"))
        shutil.copy(os.path.join(guest_dir, "initramfs"), os.path.join(work, "lab"))
        linux = max(glob.glob(os.path.join(work, "boot", "vmlinuz-*")))
        with open(os.path.join(new, "vmlinux"), "wb") as file:
            file.write(unpack_kernel(linux))
        shutil.copy(linux.replace("vmlinuz-", "initrd.img-"), os.path.join(new, "initrd"))
        with gzip.open(os.path.join(work, "boot", "xen-4.17-amd64.gz")) as packed, \
                open(os.path.join(new, "xen"), "wb") as file:
            shutil.copyfileobj(packed, file)
        disk = os.path.join(new, "disk.raw")
        with open(disk, "wb") as file:
            file.truncate(DISK_SIZE)
        run(log, "mke2fs", "-q", "-t", "ext4", "-O", "^metadata_csum", "-J", "size=16",
            "-E", "lazy_itable_init=1,root_owner=0:0", "-d", work, disk)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def host(say=lambda text: None):
    """Folder of the hosts' disk, kernel and hypervisor."""
    with locked():
        # First: its folders' names begin as those of the kernel, which prune() would take for old.
        guest_dir = guest(say)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            # Each keeps a processor busy for a minute or more by what cannot be done side by side.
            parts = [pool.submit(part, say) for part in (tree, guest_kernel)]
            root, kernel = (part.result() for part in parts)
        key = digest(os.path.basename(os.path.dirname(root)), ours("dom0"), ours("dom0-setup.sh"),
                     kernel, guest_dir)
        return piece("host", key, lambda new, log: build_host(new, log, root, kernel, guest_dir),
                     say)


def shadow_xen(say=lambda text: None):
    """The hypervisor that can move PV guests live."""
    with locked():
        config = os.path.join(tree(say), "boot", "xen-4.17-amd64.config")
        return os.path.join(piece(
            "xen-shadow", digest(ours("build-xen.sh")), lambda new, log: run(
                log, ours("build-xen.sh"), os.path.join(new, "xen"), cache("xen.work"), config),
            say), "xen")
