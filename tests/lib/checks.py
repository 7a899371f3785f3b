# SPDX-License-Identifier: GPL-2.0-or-later
"""`xenferry check` as a suite asks it, and what came of it."""
import os
import re
import time

import build
import guests
import xflab


def deep(value, key):
    """Every value of that key in a JSON value, however deep."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == key:
                yield inner
            else:
                yield from deep(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from deep(inner, key)


def findings_of(body):
    return [one for found in deep(body, "findings") if isinstance(found, list) for one in found]


class Checked:
    """One answer of `xenferry check DOMAIN NODE --json`."""

    def __init__(self, answer, seconds):
        self.code = answer.code
        self.err = answer.err
        self.seconds = seconds
        try:
            self.body = answer.json()
        except ValueError:
            self.body = {}
        self.findings = findings_of(self.body)

    def ids(self, severity=None):
        return {f["id"] for f in self.findings if severity in (None, f["severity"])}

    def refusals(self):
        return self.ids("refuse")

    def took_ms(self):
        """How long it took by its own word."""
        return next(iter(deep(self.body, "took_ms")))

    def detail(self, finding):
        return next((f["detail"] for f in self.findings if f["id"] == finding), "")

    def __repr__(self):
        words = [f"{f['id']} ({f['subject']}: {f['detail']})" for f in self.findings]
        return f"exit {self.code}, {'; '.join(words) or self.err or self.body}"


def check(lab, domain, node, *options, host="n1", timeout=60):
    started = time.monotonic()
    answer = lab.xenferry(host, "check", domain, node, "--json", *options, check=False,
                          timeout=timeout)
    return Checked(answer, time.monotonic() - started)


def matrix(lab, host, *options):
    """{(domain, node): cell} of `xenferry check --all`."""
    body = lab.xenferry(host, "check", "--all", "--json", *options, timeout=120).json()
    return {(row["domain"], cell["node"]): cell for row in body["rows"] for cell in row["cells"]}


def known():
    """{id: severity} of all findings, from the table in the source."""
    with open(os.path.join(build.TOP, "common", "finding.h"), encoding="utf-8") as file:
        return dict(re.findall(r'^    X\(\w+, "([a-z-]+)", (INFO|WARN|REFUSE),', file.read(), re.M))


def settings(lab, text):
    """Other settings for all agents, which begin anew with them."""
    for host in lab.hosts:
        path = f"{lab.host_dir(host)}/etc/xenferry/xenferry.conf"
        with open(path, encoding="ascii") as file:
            lines = file.read().splitlines()
        keys = [line.split(" = ")[0] for line in text.splitlines()]
        kept = [line for line in lines if line.split(" = ")[0] not in keys]
        xflab.write(path, "\n".join(kept) + "\n" + text)
    for host in lab.hosts:
        lab.kill_agent(host)
        lab.start_agent(host)
    lab.wait_online(lab.hosts)


def define(lab, name, disks, bridges=("guests",), memory_mib=16, **extra):
    """A domain with these disks ("PATH" or "PATH,readonly") and one interface on each bridge."""
    facts = guests.define(lab, name, memory_mib=memory_mib, workload="pattern=idle", **extra)
    os.unlink(facts["disk"])
    facts["disk"] = disks[0].split(",")[0] if disks else ""
    prefix, last = facts["mac"].rsplit(":", 2)[0], facts["mac"].split(":")[4:]
    lines = [f"name = {name}", f"uuid = {facts['uuid']}", f"memory = {memory_mib}", "vcpus = 1",
             f"workload = {facts['workload']}"]
    for i, bridge in enumerate(bridges):
        # The serial number is in the last two; that of an interface goes before them.
        mac = f"{prefix[:-2]}{0x77 + i:02x}:{':'.join(last)}"
        address = facts["address"].replace("10.77.", f"10.{77 + i}.")
        lines.append(f"vif = mac={mac},bridge={bridge},ip={address}/16")
    lines += [f"disk = path={path}" for path in disks]
    lines += [f"{key} = {value}" for key, value in facts["extra"].items()]
    xflab.write(facts["config"], "\n".join(lines) + "\n")
    lab.save()
    return facts


def create(lab, name, host, disks, **options):
    facts = define(lab, name, disks, **options)
    lab.xenferry(host, "create", facts["config"])
    return facts


def destroy(lab, name):
    lab.xenferry("n1", "destroy", name)
    os.unlink(lab.domains.pop(name)["config"])
    lab.save()


# -- what may not stay behind


def looks(lab, host):
    return lab.named(host, "xenferry-look")


def packet_sockets(lab, host):
    with open(f"/proc/{lab.init_pid(host)}/net/packet", encoding="ascii") as file:
        return len(file.readlines()) - 1


def descriptors(lab, host):
    return lab.xenferry(host, "metrics", "--json").json()["fds"]


def loop_late_ms(lab, host):
    """The longest that the agent's loop was late since it started."""
    return lab.xenferry(host, "metrics", "--json").json()["loop_latency_max_us"] / 1000
