# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs test suites and counts. Without names: what has to pass before a change goes in.

  unit       make check, again under ASan and UBSan, and a clang -Werror build
  cluster    moves, refusals, hand-over in a lab of three hosts
  preflight  the proof before a move: each fault of disks and networks there is named, and its cost
  campaign   N moves that a fault hit, judged from outside (--moves N, --seed S); what its figures
             mean is in HACKING.md
  soak       one domain to and fro; the agents must not grow (--moves N)
  bench      throughput and pauses
  xen        the same on real Xen hosts, in QEMU
  xen-conformance  there: the driver behind the tests that every driver passes, rules H10 and H12
  xen-campaign  long series there, and every fault at every phase (--moves N, --seed S)
  xen-preflight what a check says of every kind of storage there, of hosts and bridges
                (--parts NAME,NAME; with XF_TREES=FOLDER accepted disks are recorded there)
  xen-compare   pause, time and bytes there beside `xl migrate` (--moves N: rounds of each kind)
  explore    every interleaving of the protocol, further than make check goes
  fuzz       every fuzz target for five minutes (--seconds N)
  distcheck  make distcheck
"""
import argparse
import json
import os
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "lib"), os.path.join(HERE, "cluster-lab"),
                os.path.join(HERE, "xen-lab")]
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import suite as suites  # noqa: E402
import suite_bench  # noqa: E402
import suite_campaign  # noqa: E402
import suite_cluster  # noqa: E402
import suite_preflight  # noqa: E402
import suite_soak  # noqa: E402
import suite_source  # noqa: E402
import suite_xen  # noqa: E402
import suite_xen_campaign  # noqa: E402
import suite_xen_compare  # noqa: E402
import suite_xen_conformance  # noqa: E402
import suite_xen_preflight  # noqa: E402

SUITES = {
    "unit": (suite_source.run_unit, None, None),
    "cluster": (suite_cluster.run, None, None),
    "preflight": (suite_preflight.run, None, None),
    # function, moves when named, moves when all of the default set runs
    "campaign": (suite_campaign.run, 200, 40),
    "soak": (suite_soak.run, 500, 60),
    "bench": (suite_bench.run, None, None),
    "xen": (suite_xen.run, None, None),
    "xen-conformance": (suite_xen_conformance.run, None, None),
    "xen-preflight": (suite_xen_preflight.run, None, None),
    "xen-campaign": (suite_xen_campaign.run, 100, 100),
    "xen-compare": (suite_xen_compare.run, suite_xen_compare.ROUNDS, suite_xen_compare.ROUNDS),
    "explore": (suite_source.run_explore, None, None),
    "fuzz": (suite_source.run_fuzz, None, None),
    "distcheck": (suite_source.run_distcheck, None, None),
}
DEFAULT = ("unit", "fuzz", "cluster", "campaign", "soak", "bench", "xen")


def arguments():
    parser = argparse.ArgumentParser(prog="tests/run", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", nargs="*", choices=[*SUITES, []], metavar="SUITE")
    parser.add_argument("--json", metavar="FILE", help="figures as one flat object")
    parser.add_argument("--moves", type=int, help="of campaign and soak, of a series on Xen")
    parser.add_argument("--seed", type=int, help="of campaigns")
    parser.add_argument("--parts", metavar="NAME,NAME", type=suite_xen_preflight.chosen,
                        help=f"of xen-preflight: {', '.join(suite_xen_preflight.PARTS)}")
    parser.add_argument("--seconds", type=int, help="of each fuzz target")
    parser.add_argument("--short", action="store_true",
                        help="as short as where no suite is named; xen-compare: two lines")
    args = parser.parse_args()
    if args.moves is not None and args.moves < 1:
        parser.error("--moves: at least one")
    return args


def main():
    args = arguments()
    if os.geteuid() != 0:
        print("tests/run: hosts are made of namespaces, which takes root", file=sys.stderr)
        return 2
    # So that a lab is taken down by whoever ends us politely.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    done = []
    for name in args.suite or DEFAULT:
        function, moves, short_moves = SUITES[name]
        short = args.short or not args.suite
        options = argparse.Namespace(seed=args.seed, seconds=args.seconds, short=short,
                                     parts=args.parts,
                                     moves=args.moves or (short_moves if short else moves))
        one = suites.Suite(name)
        print(f"{name}:", flush=True)
        one.guard(f"suite {name} runs to its end", function, one, options)
        one.done()
        done.append(one)
    failed = suites.table(done)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(suites.flat(done), file, indent=1)
            file.write("\n")
    passed = sum(one.passed for one in done)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


sys.exit(main())
