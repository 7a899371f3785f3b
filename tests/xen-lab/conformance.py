# SPDX-License-Identifier: GPL-2.0-or-later
"""What drivers.h promises of every hypervisor's driver, asked of Xen's: tests/conformance_hyper, as
`make check` runs it on the sandbox, here with both hosts of a lab behind tests/hyper_server_xen."""
import contextlib
import os
import re
import subprocess

import build
from xflab import LabError, wait_for

SERVER = f"{build.PREFIX}/libexec/xenferry-tests/hyper_server_xen"
PROGRAM = "tests/conformance_hyper"
LIMIT_S = 1500
PORT = 7070
UNIT = "xfbed"


@contextlib.contextmanager
def served(lab):
    """Each host starts a server for whoever connects: over TCP, because an emulated host encrypts
    an image for longer than it takes to make it. Names of the variables that say so, and values."""
    def begin(host):
        lab.exec(host, f"systemd-run -q --collect --unit {UNIT} socat -b 262144"
                       f" TCP-LISTEN:{PORT},fork,reuseaddr,nodelay EXEC:{SERVER}")
        wait_for(f"{host} listens", lambda: lab.exec(
            host, f"ss -Hltn 'sport = {PORT}' | grep -q .", check=False).code == 0, 20, 0.2)
    hosts = lab.hosts[:2]
    try:
        lab.each(begin, hosts)
        yield {f"XENFERRY_BED_{letter}": f"exec ip netns exec {lab.netns('switch')} socat -b 262144"
                                         f" - TCP:{lab.address(host)}:{PORT},nodelay"
               for letter, host in zip("AB", hosts)}
    finally:
        lab.each(lambda host: lab.exec(host, "systemctl", "stop", UNIT, check=False), hosts)


def results(output):
    """[(name, passed or None if left out, what was said)], {name: reason why it was left out}."""
    found, reasons, said = [], {}, []
    for line in output.splitlines():
        why = re.match(r"# not asked of \w+: (\w+): (.+)", line)
        one = re.match(r"(not )?ok \d+ - (\w+)", line)
        skipped = re.match(r"(?:not )?ok \d+ # SKIP (\w+)", line)  # as cmocka has it
        if why:
            reasons[why[1]] = why[2]
        elif skipped:
            found.append((skipped[1], None, []))
        elif one:
            # What failed is told around its line.
            found.append((one[2], not one[1], said))
            said = []
        elif line.startswith("#") and found and not found[-1][1]:
            found[-1][2].append(line)
        else:
            said.append(line)
    return found, reasons


def run(suite, lab):
    """The tests have the hosts for themselves: agents rest meanwhile."""
    lab.each(lambda host: lab.exec(host, "systemctl", "stop", "xenferryd"))
    folder = build.make("plain", PROGRAM, say=suite.say)
    with served(lab) as servers:
        try:
            done = subprocess.run(
                [os.path.join(folder, PROGRAM)], cwd=folder, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT_S,
                check=False, env={**os.environ, **servers, "XENFERRY_BED": "xen",
                                  "CMOCKA_MESSAGE_OUTPUT": "TAP"})
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{PROGRAM}: not within {LIMIT_S} s: {error.output}") from error
    log = os.path.join(build.folder("logs"), suite.name)
    os.makedirs(log, exist_ok=True)
    with open(os.path.join(log, "conformance.log"), "w", encoding="utf-8") as file:
        file.write(done.stdout)
    found, reasons = results(done.stdout)
    for name, passed, said in found:
        if passed is None:
            suite.check(f"left out, with a reason: {name}: {reasons.get(name)}", name in reasons)
        else:
            suite.check(name.replace("_", " "), passed, "\n".join(said[-12:]))
    left_out = sorted(name for name, passed, _said in found if passed is None)
    suite.check("what is left out is what the bed's table names", left_out == sorted(reasons),
                (left_out, sorted(reasons)))
    suite.check("the tests ran to their end, and nothing else failed",
                len(found) > 20 and done.returncode ==
                sum(passed is False for _name, passed, _said in found),
                (done.returncode, done.stdout[-600:]))
    suite.figure("conformance_passed", sum(bool(passed) for _name, passed, _said in found))
    suite.figure("conformance_left_out", len(left_out))
    for host in lab.hosts:
        left = lab.exec(host, "xl list | tail -n +3; ls -d /run/xfbed* 2>/dev/null;"
                              " pgrep -fa '^xenferry-(keeper|xen)|save-helper'", check=False).out
        suite.check(f"nothing is left on {host}", not left.strip(), left)
