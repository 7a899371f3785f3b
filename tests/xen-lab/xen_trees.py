# SPDX-License-Identifier: GPL-2.0-or-later
"""What a move leaves behind on the host where the domain now runs, compared with what xl's own
migration leaves: `xl list -l` and xenstore. And what xl does with a moved domain later."""
import json
import re

import eyes
import qemu
import xen_guests
import xen_moves
from xflab import wait_for

# Nodes whose values are drawn anew at every start of a domain; that they are there is compared.
DRAWN = re.compile(r"/(([tr]x-)?ring-ref|event-channel(-[tr]x)?|port|tty|start_time)$")
SETTLE_S = 30
SECOND_MAC = "00:16:3e:79:fe:01"


def subtree(lab, host, path):
    """{node: value} of what is below a path of a host's xenstore; {} if there is nothing."""
    lines = lab.exec(host, "xenstore-ls", "-f", path, check=False).out.splitlines()
    return dict(line.split(" = ", 1) for line in lines if " = " in line)


def tree(lab, host, name):
    """All that xenstore has of a domain: its own nodes, libxl's, its backends', its uuid's. The
    domain's number is written as N; what is drawn at each start has no value; where the host's own
    name or number of the domain's disk must stand, and does, it is written as DISK."""
    disk = lab.exec(host, f"readlink -f {lab.domains[name]['device']};"
                    f" stat -L -c %t:%T {lab.domains[name]['device']}").out.split()
    domid = lab.exec(host, "xl", "domid", name).out.strip()
    paths = [f"/local/domain/{domid}", f"/libxl/{domid}", f"/vm/{lab.domains[name]['uuid']}"]
    paths += [f"/local/domain/0/backend/{kind}/{domid}" for kind in ("vbd", "vif", "console")]
    found = {}
    for path in paths:
        found.update(subtree(lab, host, path))

    def neutral(text):
        return re.sub(rf"(/local/domain|/libxl|/backend/\w+)/{domid}(?=/|\"|$)", r"\1/N", text)
    return {neutral(node): "" if DRAWN.search(node) else
            "DISK" if "/physical-device" in node and value.strip('"') in disk else
            "\"N\"" if node.endswith(("frontend-id", f"domain/{domid}/domid")) else neutral(value)
            for node, value in found.items()}


def record(lab, host, name):
    """What `xl list -l` says of a domain, without its number."""
    entry, = json.loads(lab.exec(host, "xl", "list", "-l", name).out)
    return entry["config"]


def difference(one, other):
    """What is in only one of two dictionaries, or differs."""
    return {key: (one.get(key), other.get(key)) for key in sorted(one.keys() | other.keys())
            if one.get(key) != other.get(key)}


def connected(lab, host, name, vbds=1, vifs=1):
    """So many disks and interfaces, each connected on both sides, in xenstore and in libxl's
    record."""
    nodes = tree(lab, host, name)
    config = record(lab, host, name)
    for kind, wanted, listed in (("vbd", vbds, "disks"), ("vif", vifs, "nics")):
        states = [value for node, value in nodes.items()
                  if re.search(rf"(device|backend)/{kind}/.*/state$", node)
                  and not node.startswith("/libxl")]
        if states != ['"4"'] * (2 * wanted) or len(config.get(listed, [])) != wanted:
            return False
    return True


def settled(lab, host, name, **wanted):
    wait_for(f"{name} has its devices on {host}",
             lambda: connected(lab, host, name, **wanted), SETTLE_S, 0.5)
    return tree(lab, host, name), record(lab, host, name)


def same_as_xl(suite, lab, name):
    """The domain, which was moved here by us, is moved on by xl: both hosts' trees must agree."""
    host = xen_moves.home(lab, name)
    to = xen_moves.OTHER[host]
    ours, our_record = settled(lab, host, name)
    eyes.xl_migrate(lab, name, host, to)
    xen_guests.wait_answers(lab, name)
    theirs, their_record = settled(lab, to, name)
    suite.guard("agents know where xl has moved it", xen_moves.wait_known, lab, name, to)
    suite.check("after our move xenstore holds what it holds after xl's", ours == theirs,
                difference(ours, theirs))
    suite.check("and so does `xl list -l`", our_record == their_record,
                difference(our_record, their_record))
    suite.check("there was something to compare", len(ours) > 80 and "c_info" in our_record,
                len(ours))


def attach(lab, host, name):
    """A second disk and a second interface, by xl."""
    disk = qemu.lun_device(xen_guests.free_lun(lab))
    lab.exec(host, "xl", "block-attach", name, f"format=raw,vdev=xvdb,access=w,target={disk}")
    lab.exec(host, "xl", "network-attach", name, f"mac={SECOND_MAC}", "bridge=xenbr0")


def devices_come_and_go(suite, lab, name):
    """Devices that xl attached are moved as well, and xl detaches and attaches what we moved."""
    host = xen_moves.home(lab, name)
    attach(lab, host, name)
    suite.guard("xl attaches a second disk and interface", settled, lab, host, name, vbds=2, vifs=2)
    xen_moves.moved(suite, lab, name, "with devices attached later")
    host = xen_moves.home(lab, name)
    suite.guard("they have come along", settled, lab, host, name, vbds=2, vifs=2)
    lab.exec(host, "xl", "block-detach", name, "xvdb", check=False)
    lab.exec(host, "xl", "network-detach", name, SECOND_MAC, check=False)
    suite.guard("xl detaches them from the moved domain", settled, lab, host, name)
    attach(lab, host, name)
    suite.guard("and attaches them again", settled, lab, host, name, vbds=2, vifs=2)
    lab.exec(host, "xl", "block-detach", name, "xvdb", check=False)
    lab.exec(host, "xl", "network-detach", name, SECOND_MAC, check=False)
    suite.guard("and detaches them", settled, lab, host, name)


def save_and_restore(suite, lab, name):
    """xl saves a moved domain to a file and starts it from there."""
    host = xen_moves.home(lab, name)
    before = xen_guests.stat(lab, name)
    lab.exec(host, f"xl save {name} /var/tmp/saved && xl restore /var/tmp/saved &&"
                   " rm /var/tmp/saved", timeout=180)
    after = xen_guests.wait_answers(lab, name)
    suite.check("xl saves and restores a moved domain", after["instance"] == before["instance"]
                and after["corrupt"] == before["corrupt"], (before, after))
    suite.guard("its devices are back", settled, lab, host, name)
