# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds the tree, outside of it, and installs it into a folder of its own for the lab's hosts."""
import fcntl
import hashlib
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
PREFIX = "/opt/xenferry"

# What a folder of a build is made with, besides the directories.
KINDS = {
    "plain": ([], {}),
    "asan": (["--with-sanitizers=address,undefined"], {}),
    "clang": (["--enable-werror"], {"CC": "clang"}),
    "fuzz": (["--enable-fuzzing", "--with-sanitizers=address,undefined"], {"CC": "clang"}),
    # As it will be of the release that drops version 1 (docs/wire.md).
    "later": ([], {"CPPFLAGS": "-DXF_WIRE_MIN=2 -DXF_WIRE_MAX=2 -DXF_WIRE_HELLO=2"}),
}


class BuildError(Exception):
    """A step of the build failed; the text ends with what it said."""


def folder(kind="plain"):
    """Where this tree's build of that kind is: trees in other places have folders of their own."""
    base = os.environ.get("XENFERRY_BUILD")
    if not base:
        base = "/var/tmp/xenferry-build-" + hashlib.sha256(TOP.encode()).hexdigest()[:8]
    return os.path.join(base, kind)


def step(args, cwd, log, env=None, limit_s=1200):
    """Runs one step, its output appended to the log; BuildError with the end of it on failure."""
    with open(log, "ab") as out:
        out.write(f"+ {' '.join(args)}\n".encode())
        out.flush()
        done = subprocess.run(args, cwd=cwd, stdout=out, stderr=subprocess.STDOUT, check=False,
                              stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})},
                              timeout=limit_s)
    if done.returncode != 0:
        with open(log, encoding="utf-8", errors="replace") as file:
            end = "".join(file.readlines()[-30:])
        raise BuildError(f"{' '.join(args)} failed in {cwd}:\n{end}(all of it: {log})")


def configured(kind="plain", say=lambda text: None):
    """A configured folder of that kind; returns it and its log's path."""
    path = folder(kind)
    os.makedirs(path, exist_ok=True)
    log = os.path.join(path, "build.log")
    with open(path + ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(os.path.join(path, "packages.done")):
            say("installing packages")
            step([os.path.join(TOP, "tests", "packages.sh")], TOP, log)
            with open(os.path.join(path, "packages.done"), "w", encoding="ascii"):
                pass
        if not os.path.exists(os.path.join(TOP, "configure")):
            say("making configure")
            step([os.path.join(TOP, "autogen.sh")], TOP, log)
        if not os.path.exists(os.path.join(path, "Makefile")):
            say(f"configuring ({kind})")
            options, env = KINDS[kind]
            step([os.path.join(TOP, "configure"), "--silent", f"--prefix={PREFIX}",
                  f"--libexecdir={PREFIX}/libexec", "--sysconfdir=/etc", "--localstatedir=/var",
                  *options], path, log, env)
    return path, log


def make(kind, *targets, say=lambda text: None, env=None, limit_s=1200):
    """make TARGETS in a configured folder; returns the folder."""
    path, log = configured(kind, say)
    say(f"make {' '.join(targets)} ({kind})")
    with open(path + ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        variables = [target for target in targets if "=" in target]
        for target in targets:
            if "=" not in target:  # one after the other: "all" and "check" would build the same files
                step(["make", "-j2", target, *variables], path, log, env, limit_s)
    return path


def installed(kind="plain", say=lambda text: None):
    """Everything built and installed; returns the root, which holds opt/xenferry."""
    path = make(kind, "all", "lab-programs", say=say)
    root = os.path.join(path, "root")
    make(kind, "install", "install-lab-programs", f"DESTDIR={root}", say=lambda text: None)
    return root


def later_agent(say=lambda text: None):
    """An agent to which this tree's are older by one protocol version; its path, seen by hosts."""
    return os.path.join(make("later", "agent/xenferryd", say=say), "agent", "xenferryd")


def program(name, kind="plain"):
    """A test program of the installed tree."""
    return os.path.join(folder(kind), "root", PREFIX[1:], "libexec", "xenferry-tests", name)
