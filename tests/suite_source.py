# SPDX-License-Identifier: GPL-2.0-or-later
"""Suites `unit`, `fuzz` and `distcheck`: what needs the source and no lab."""
import glob
import os
import re
import subprocess
import time

import build

FUZZ_SECONDS = 300
FUZZ_SECONDS_SHORT = 10


def results(path):
    """[(passed, test, claim)] of the last `make check` in a folder; skipped ones are left out."""
    found = []
    for trs in sorted(glob.glob(os.path.join(path, "tests", "**", "*.trs"), recursive=True)):
        test = os.path.relpath(trs, os.path.join(path, "tests"))[:-4]
        with open(trs, encoding="utf-8", errors="replace") as file:
            for line in file:
                match = re.match(r":test-result: (\w+)\s*(.*)", line)
                if match and match[1] != "SKIP":
                    found.append((match[1] in ("PASS", "XFAIL"), test, match[2]))
    return found


def logs(path):
    """What the tests printed."""
    texts = []
    for log in sorted(glob.glob(os.path.join(path, "tests", "**", "*.log"), recursive=True)):
        with open(log, encoding="utf-8", errors="replace") as file:
            texts.append(file.read())
    return "\n".join(texts)


def run_checks(suite, kind, env=None):
    """`make check` of a kind of build; every TAP result is one check of this suite."""
    path = build.folder(kind)
    for trs in glob.glob(os.path.join(path, "tests", "**", "*.trs"), recursive=True):
        os.unlink(trs)
    error = None
    try:
        build.make(kind, "all", "check", say=suite.say, env=env)
    except build.BuildError as failure:
        error = failure
    found = results(path)
    bad = [(test, claim) for passed, test, claim in found if not passed]
    suite.passed += len(found) - len(bad)
    for test, claim in bad:
        suite.check(f"{kind}: {test}: {claim}", False)
    if error is not None and not bad:
        suite.check(f"{kind}: builds and passes make check", False, error)
    else:
        suite.say(f"ok      {kind}: {len(found) - len(bad)} of {len(found)} results of make check")
    suite.figure("checks" if kind == "plain" else f"checks_{kind}", len(found))
    return path


def run_unit(suite, _options):
    path = run_checks(suite, "plain")
    text = logs(path)
    suite.figure("worlds", sum(int(n) for n in re.findall(r"^# worlds (\d+)", text, re.M)))
    for name in ("mutants", "mutants_killed"):
        numbers = [int(n) for n in re.findall(rf"^# {name} (\d+)", text, re.M)]
        if numbers:
            suite.figure(name, sum(numbers))
    run_checks(suite, "asan", {"ASAN_OPTIONS": "detect_leaks=1"})
    try:
        build.make("clang", "all", "lab-programs", say=suite.say)
        build.make("clang", "check", "TESTS=", say=suite.say)
        suite.check("clang -Werror builds everything", True)
    except build.BuildError as error:
        suite.check("clang -Werror builds everything", False, error)


# Nodes, faults, options: further than `make check` goes, one to a few minutes each.
# Walked whole; and as far as memory goes, breadth first.
FAR = (("2", "5"), ("2", "3", "--from-idle"))
FARTHER = (("3", "3"), ("3", "2", "--starts", "1", "--only", "partition,fence"),
           ("3", "2", "--starts", "1", "--only", "node,fence"), ("3", "1", "--from-idle", "--starts", "1"),
           ("4", "2", "--only", "node,crash,timeout"))


def run_explore(suite, _options):
    """The explorer with bounds that a minute does not allow, and a longer storm."""
    path = build.make("plain", "all", say=suite.say)
    build.make("plain", "tests/explore", "tests/storm", say=suite.say)
    worlds = 0
    for bounds in [*((*far, "--max", "60000000") for far in FAR),
                   *((*far, "--max", "8000000", "--partly") for far in FARTHER)]:
        done = subprocess.run([os.path.join(path, "tests/explore"), *bounds],
                              capture_output=True, text=True, check=False, timeout=1200)
        found = re.search(r"^# worlds (\d+)", done.stdout, re.M)
        worlds += int(found[1]) if found else 0
        suite.check(f"explore {' '.join(bounds)}: no bad path, {found[1] if found else 0} worlds",
                    done.returncode == 0, done.stdout[-2000:])
    done = subprocess.run([os.path.join(path, "tests/storm"), "--runs", "50000", "--seed", "100000"],
                          capture_output=True, text=True, check=False, timeout=1200)
    suite.check("50000 runs of the storm come to rest", done.returncode == 0, done.stdout[-2000:])
    suite.figure("worlds", worlds)


def fuzz_targets(path):
    """Built targets of a folder: programs that begin with fuzz_."""
    return sorted(name for name in glob.glob(os.path.join(path, "tests", "fuzz_*"))
                  if os.access(name, os.X_OK) and "." not in os.path.basename(name))


def run_fuzz(suite, options):
    path = build.make("fuzz", "check", "TESTS=", say=suite.say)
    seconds = options.seconds or (FUZZ_SECONDS_SHORT if options.short else FUZZ_SECONDS)
    for target in fuzz_targets(path):
        name = os.path.basename(target)
        work = os.path.join(path, "corpus", name)
        os.makedirs(work, exist_ok=True)
        started = time.monotonic()
        done = subprocess.run(
            [target, f"-max_total_time={seconds}", f"-artifact_prefix={work}/",
             "-print_final_stats=1", work,
             os.path.join(build.TOP, "tests", "corpus", name[len("fuzz_"):])],
            cwd=work, capture_output=True, text=True, errors="replace", check=False,
            timeout=seconds + 120)
        runs = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
        suite.figure(f"{name}_runs", int(runs[1]) if runs else 0)
        suite.check(f"{name}: {time.monotonic() - started:.0f} s without a finding",
                    done.returncode == 0 and runs is not None, done.stderr[-2000:])


def run_distcheck(suite, _options):
    try:
        build.make("plain", "distcheck", say=suite.say, limit_s=2400)
        suite.check("make distcheck", True)
    except build.BuildError as error:
        suite.check("make distcheck", False, error)
