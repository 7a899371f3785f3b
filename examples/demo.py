# SPDX-License-Identifier: GPL-2.0-or-later
"""Shows a live move, and a power cut at its worst moment, in a cluster made of namespaces.

usage: examples/demo          installs packages, builds, shows; the cluster stays up
       examples/demo --down   leaves nothing behind
"""
import os
import shutil
import signal
import subprocess
import sys
import time

TESTS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests")
sys.path[:0] = [os.path.join(TESTS, "lib"), os.path.join(TESTS, "cluster-lab")]
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import build  # noqa: E402
import guests  # noqa: E402
import judge  # noqa: E402
import moves  # noqa: E402
import xflab  # noqa: E402

NAME = "demo"
DOMAIN = "web"
LAB = "tests/cluster-lab/lab --name demo"
TERMINAL = sys.stdout.isatty()


def title(text):
    bold, plain = ("\033[1m", "\033[0m") if TERMINAL else ("", "")
    print(f"\n{bold}== {text}{plain}", flush=True)


def say(text):
    print(f"   {text}", flush=True)


def show(lab, host, *command):
    """Runs a command on a host with this terminal, as a person there would."""
    print(f"   {host}# {' '.join(command)}", flush=True)
    environment = {**os.environ, "PATH": xflab.PATH}
    subprocess.run(lab.enter(host, command), env=environment, check=False)


def outside(watcher, since):
    """What the client outside has seen, in words."""
    seen = watcher.summary()
    longest = max(watcher.longest_since(since), seen["silent_ms"])
    two = sum(1 for e in watcher.events if e["event"] in ("back", "duplicate"))
    say(f"The client outside asked every 2 ms; its longest wait was {longest:.0f} ms.")
    say(f"It saw {two} counters twice or fallen back, and {seen['corrupt']} damaged pages; "
        f"now {seen['node']} answers.")
    return two == 0 and seen["corrupt"] == 0


def disk(lab):
    clean, _findings, summary = judge.disk(lab.domains[DOMAIN]["disk"])
    say(f"Its disk holds {summary['records']} writes of {summary['writers']} processes, one after "
        f"the other: {'in order, none lost, none twice' if clean else 'NOT in order'}.")
    return clean


def copies(lab):
    found = guests.holders(lab, DOMAIN)
    for host in lab.hosts:
        power = "" if lab.powered(host) else " (no power)"
        say(f"{host}: {found.get(host, 0)} process{'es' if found.get(host, 0) != 1 else ''} of "
            f"{DOMAIN}{power}")
    return sum(found.values()) == 1


def live_move(lab, watcher):
    title("A domain that writes 20 MB/s into its memory moves from n1 to n2, running")
    began = time.monotonic()
    show(lab, "n1", "xenferry", "move", DOMAIN, "--to", "n2", "--bandwidth", "150M")
    watcher.wait_answers(10)
    print(flush=True)
    show(lab, "n1", "xenferry", "report", DOMAIN)
    print(flush=True)
    ok = outside(watcher, began)
    return disk(lab) and copies(lab) and ok


def stop_in_the_handshake(lab, source, target):
    """The source dies with the answer to its last question under way: the target has the whole
    image and has said so; nobody has told it whether to run. The moment is made, not met."""
    one = moves.Move(lab, source, DOMAIN, target, "--bandwidth", "150M")
    moves.hold_at(lab, one, "READY", source, target)
    if not one.running():
        raise xflab.LabError(f"the second move ended early: {one.err or one.events[-1:]}")
    lab.power_off(source)
    one.stop()


def power_cut(lab, watcher):
    title("It moves back from n2 to n1, and n2 loses its power in the last hand-shake")
    say("n1 has the whole image and has said READY. n2 would now answer COMMIT, and has no power.")
    say("May n1 run the domain? n2 may have taken it back before it died. Asking a human is what")
    say("`xl migrate` does here. Here n1 asks n3 for its promise, and n3 gives it once.")
    watcher.summary()
    began = time.monotonic()
    stop_in_the_handshake(lab, "n2", "n1")
    say("The power of n2 is cut.")
    watcher.summary()  # what answered before is no sign of life now
    came_back = watcher.wait_answers(60)
    print(flush=True)
    show(lab, "n3", "xenferry", "domains")
    print(flush=True)
    ok = copies(lab)
    ok = outside(watcher, began) and disk(lab) and ok and came_back
    title("n2 gets its power back")
    lab.power_on("n2")
    moves.wait_settled(lab, DOMAIN)
    show(lab, "n2", "xenferry", "nodes")
    print(flush=True)
    return copies(lab) and ok


def demo():
    started = time.monotonic()
    title("Packages, build, and three hosts made of namespaces, with real Corosync")
    root = build.installed(say=say)
    lab = xflab.Lab(NAME, install_root=root)
    with lab.lock():
        up = time.monotonic()
        lab.up()
        say(f"{', '.join(lab.hosts)} are up after {time.monotonic() - up:.1f} s.")
        show(lab, "n1", "xenferry", "nodes")
        guests.create(lab, DOMAIN, "n1", memory_mib=512,
                      workload="pattern=hotspot,rate=20,window=64", fill="random")
        watcher = judge.Judge(lab, DOMAIN, gap_ms=8)
        try:
            watcher.wait_answers(10)
            ok = live_move(lab, watcher)
            ok = power_cut(lab, watcher) and ok
        finally:
            watcher.stop()
    title("One copy all the time" if ok else "THIS WENT WRONG: see above")
    say(f"{time.monotonic() - started:.0f} s in all. The cluster is still up; some things to try:")
    for words in (f"{LAB} status", f"{LAB} exec n1 xenferry move {DOMAIN} --to n3",
                  f"{LAB} exec n1 xenferry history", f"{LAB} help", "examples/demo --down"):
        say(f"  {words}")
    return 0 if ok else 1


def down():
    lab = xflab.Lab(NAME)
    with lab.lock():
        lab.down()
    os.unlink(lab.dir + ".lock")
    try:
        os.rmdir(os.path.dirname(lab.dir))
    except OSError:
        pass  # another lab is in it
    plain = build.folder()
    shutil.rmtree(plain, ignore_errors=True)
    for path in (plain + ".lock",):
        if os.path.exists(path):
            os.unlink(path)
    try:
        os.rmdir(os.path.dirname(plain))
    except OSError:
        pass  # tests/run keeps its builds there
    print("The demo's cluster and its build are gone.")
    return 0


def main():
    if sys.argv[1:] not in ([], ["--down"]):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    if os.geteuid() != 0:
        print("demo: hosts are made of namespaces, which takes root", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        return down() if sys.argv[1:] else demo()
    except (xflab.LabError, build.BuildError, TimeoutError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


sys.exit(main())
