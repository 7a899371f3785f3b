# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks that are counted, figures that are kept, and the table at the end."""
import sys
import time
import traceback


class Suite:
    """One suite's outcome. A check is counted when it ran, and only then."""

    def __init__(self, name, out=sys.stdout):
        self.name = name
        self.out = out
        self.passed = 0
        self.failed = []
        self.figures = {}
        self.started = time.monotonic()
        self.seconds = 0.0

    def say(self, text):
        print(f"  {text}", file=self.out, flush=True)

    def check(self, claim, ok, detail=""):
        """Counts one claim; returns whether it held."""
        if ok:
            self.passed += 1
            self.say(f"ok      {claim}")
        else:
            self.failed.append(claim)
            self.say(f"FAILED  {claim}" + (f": {detail}" if detail != "" else ""))
        return bool(ok)

    def figure(self, name, value):
        self.figures[name] = value

    def guard(self, claim, function, *args, **options):
        """The claim is that function returns; an exception fails it. Returns its value, or None."""
        try:
            value = function(*args, **options)
            self.check(claim, True)
            return value
        except Exception as error:  # pylint: disable=W0718
            self.check(claim, False, f"{type(error).__name__}: {error}")
            # These say all there is to say; for any other the place matters.
            if type(error).__name__ not in ("LabError", "BuildError", "TimeoutError"):
                self.say(traceback.format_exc(limit=-3).rstrip())
            return None

    def done(self):
        self.seconds = time.monotonic() - self.started


def table(suites, out=sys.stdout):
    """One line a suite with its figures, then the sum; returns the number of failed checks."""
    print(f"\n{'suite':<11}{'passed':>7}{'failed':>7}{'time':>9}  figures", file=out)
    for suite in suites:
        figures = ", ".join(f"{key} {value}" for key, value in suite.figures.items())
        print(f"{suite.name:<11}{suite.passed:>7}{len(suite.failed):>7}"
              f"{suite.seconds:>7.0f} s  {figures}", file=out)
    for suite in suites:
        for claim in suite.failed:
            print(f"FAILED {suite.name}: {claim}", file=out)
    return sum(len(suite.failed) for suite in suites)


def flat(suites):
    """{'suite.figure': value} of all suites."""
    result = {}
    for suite in suites:
        result[f"{suite.name}.passed"] = suite.passed
        result[f"{suite.name}.failed"] = len(suite.failed)
        for key, value in suite.figures.items():
            result[f"{suite.name}.{key}"] = value
    return result
