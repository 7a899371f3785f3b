# SPDX-License-Identifier: GPL-2.0-or-later
"""Suite `xen-conformance`: Xen's driver behind the tests that every driver must pass, and the rules
of the hand-over that only a real hypervisor can show."""
import agents
import conformance
import xen_rules
import xen_suite


def driver(suite, lab):
    """With the hosts for itself; the agents are back afterwards."""
    try:
        conformance.run(suite, lab)
    finally:
        agents.start_all(lab)


def run(suite, _options):
    with xen_suite.lab_of(suite, "conformance") as lab:
        for part in (driver, xen_rules.nothing_in_between, xen_rules.never_suspends):
            suite.guard(f"{part.__name__} runs to its end", part, suite, lab)
