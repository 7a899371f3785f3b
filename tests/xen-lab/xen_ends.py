# SPDX-License-Identifier: GPL-2.0-or-later
"""How a domain of the Xen lab ends, as its configuration says, and what is left of it."""
import xen_guests
import xen_moves
from xflab import wait_for


def reboots(suite, lab, name, host, what):
    """By xl; it comes back on the same host, booted anew."""
    def domid():
        return lab.exec(host, "xl", "domid", name, check=False).out.strip()
    before, number = xen_guests.stat(lab, name)["instance"], domid()
    lab.exec(host, "xl", "reboot", name)
    suite.guard(f"{what} that reboots comes back", wait_for, "the reboot",
                lambda: domid() not in ("", number), 120, 1)
    again = xen_guests.wait_answers(lab, name, 120)
    suite.check(f"{what}: it has booted anew", again["instance"] != before, again)


def gone(suite, lab, name, what):
    """It has ended, or is about to."""
    suite.guard(f"{what}: is gone", wait_for, "its end",
                lambda: not xen_guests.holders(lab, name), 120, 1)
    suite.guard(f"{what}: no agent shows it any more", wait_for, "the news",
                lambda: all(xen_moves.known(lab, host) == [] for host in lab.hosts), 30, 0.5)
    xen_moves.check_clean(suite, lab, name, f"{what}: nothing of it is left", 30)
