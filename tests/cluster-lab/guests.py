# SPDX-License-Identifier: GPL-2.0-or-later
"""Domains of a lab: their configuration, creation, and where they run, asked from outside."""
import os
import uuid

import xflab


# A disk has content before its guest writes: by it hosts know that it is the same, since it has no
# name of its own. So many records long (agent/sandbox/diskrec.h).
LABEL_RECORDS = 1024
RECORD_SIZE = 64


def label(path):
    """A new disk that is a file: the guest appends its records to this."""
    xflab.write(path, os.urandom(LABEL_RECORDS * RECORD_SIZE))


def config_text(facts):
    """The sandbox's configuration of a domain (examples/*.domain show the keys)."""
    lines = [
        f"name = {facts['name']}",
        f"uuid = {facts['uuid']}",
        f"memory = {facts['memory_mib']}",
        "vcpus = 1",
        f"vif = mac={facts['mac']},bridge=br0,ip={facts['address']}/16",
        f"disk = path={facts['disk']}",
    ]
    if facts["workload"]:
        lines.append(f"workload = {facts['workload']}")
    lines += [f"{key} = {value}" for key, value in facts["extra"].items()]
    return "\n".join(lines) + "\n"


def define(lab, name, memory_mib=64, workload="pattern=hotspot,rate=4,window=8", **extra):
    """A new domain with a MAC, an address and a disk never used before in this lab."""
    lab.serial += 1
    serial = lab.serial
    facts = {
        "name": name,
        # Fixed, because starts are guarded by it (H11): a domain that died starts again as itself.
        "uuid": str(uuid.uuid4()),
        "memory_mib": memory_mib,
        "mac": f"02:00:5e:77:{serial >> 8:02x}:{serial & 255:02x}",
        "address": f"10.77.{1 + serial // 250}.{1 + serial % 250}",
        "disk": lab.path("shared", f"{name}-{serial}.disk"),
        "workload": workload,
        "extra": {key.replace("_", "-"): value for key, value in extra.items()},
    }
    # The sandbox appends to its disk; where the file is missing, it is no shared storage.
    label(facts["disk"])
    facts["config"] = lab.path("domains", f"{name}.domain")
    xflab.write(facts["config"], config_text(facts))
    lab.domains[name] = facts
    lab.save()
    return facts


def create(lab, name, host, check=True, **options):
    """Defines a domain and starts it on a host; the command's result."""
    facts = define(lab, name, **options)
    return lab.xenferry(host, "create", facts["config"], "--json", check=check)


def holders(lab, name):
    """{host: number of sandbox processes of that domain}, by the hosts' process lists."""
    found = {}
    for host in lab.hosts:
        count = sum(1 for p in lab.sandboxes(host)
                    if name in [word.removeprefix("--name=") for word in p.cmdline()])
        if count:
            found[host] = count
    return found


def stat(lab, host, name, key):
    """One word that the domain's process tells of itself, as xenferry-sandbox(8) lists them; None
    without a process that answers."""
    answer = lab.exec(host, f"{xflab.PREFIX}/libexec/xenferry/xenferry-sandbox",
                      "--dir=/run/xenferry", f"--uuid={lab.domains[name]['uuid']}", "--ask=stat",
                      check=False)
    told = dict(line.split("=", 1) for line in answer.out.splitlines() if "=" in line)
    return told.get(key)


def where(lab, name):
    """Hosts whose agent reports a running copy, by asking any agent that answers."""
    for host in lab.hosts:
        if not lab.powered(host) or lab.agent_process(host) is None:
            continue
        answer = lab.xenferry(host, "domains", "--json", check=False, timeout=20)
        if answer.code == 0:
            return [d["node"] for d in answer.json()["domains"]
                    if d["name"] == name and d["state"] == "running"]
    return []


def forget(lab, name):
    """Drops a domain from the lab's books and removes its files; it must not run any more."""
    facts = lab.domains.pop(name)
    for path in (facts["disk"], facts["config"]):
        if os.path.exists(path):
            os.unlink(path)
    lab.save()
