# SPDX-License-Identifier: GPL-2.0-or-later
"""Part of suite `cluster`: what must be refused, with which sentence and exit code, and that
nothing has changed afterwards."""
import contextlib
import json
import subprocess
import uuid

import build
import guests
import judge
import moves
import procs
import xflab


OTHER_PROTOCOL = "that node's agent speaks no protocol version that we do"


def picture(lab):
    """Everything a refusal must leave as it was."""
    domains = lab.xenferry("n1", "domains", "--json").json()["domains"]
    for domain in domains:
        # An attempt that got as far as the target's preflight has taken an epoch (H13).
        domain.pop("epoch", None)
    return {
        "domains": sorted(domains, key=lambda d: d["uuid"]),
        "copies": {name: guests.holders(lab, name) for name in lab.domains},
        "agents": [p.pid if p else None for p in map(lab.agent_process, lab.hosts)],
        "movers": [len(lab.named(host, "xenferry-mover")) for host in lab.hosts],
    }


def refused(suite, lab, claim, host, words, exit_code, reason, sentence):
    """The command on host ends with exit_code, reason and sentence; the cluster is as before."""
    before = picture(lab)
    answer = lab.xenferry(host, *words, "--json", check=False)
    told = ""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        for line in answer.out.splitlines():
            event = json.loads(line)
            told = event.get("error", event).get("reason", told)
    suite.check(f"{claim}: exit {exit_code}, {reason}",
                answer.code == exit_code and told == reason, answer)
    suite.check(f"{claim}: says \"{sentence}\"", f"xenferry: {sentence}" in answer.err, answer.err)
    after = picture(lab)
    suite.check(f"{claim}: nothing changed", before == after, (before, after))


def simple_refusals(suite, lab):
    refused(suite, lab, "unknown domain", "n1", ["move", "nosuch", "--to", "n2"], 5,
            "unknown-domain", "no node holds a domain of that name or uuid")
    refused(suite, lab, "unknown node", "n1", ["move", "cat", "--to", "n9"], 6, "unknown-node",
            "no node of that name is configured")
    refused(suite, lab, "same node", "n2", ["move", "cat", "--to", "n1"], 8, "same-node",
            "the domain is on that node already")
    refused(suite, lab, "unknown verb", "n1", ["frobnicate"], 2, "usage",
            "the request is not understood")
    refused(suite, lab, "nonsense number", "n1",
            ["move", "cat", "--to", "n2", "--downtime-max", "soon"], 2, "usage",
            "the request is not understood")
    refused(suite, lab, "cancel without a move", "n1", ["cancel", "nosuch"], 5, "unknown-domain",
            "no node holds a domain of that name or uuid")
    refused(suite, lab, "domain that runs elsewhere", "n3",
            ["create", lab.domains["cat"]["config"]], 19, "holds-copy",
            "a node holds a copy, or part of one, of this domain")
    other = lab.path("domains", "other-cat.domain")
    xflab.write(other, guests.config_text({**lab.domains["cat"], "uuid": str(uuid.uuid4())}))
    refused(suite, lab, "another domain of a name that is taken", "n3", ["create", other], 16,
            "exists", "a domain of that name or uuid exists already")
    guests.create(lab, "whale", "n2", memory_mib=3000, workload="pattern=idle")
    guests.create(lab, "walrus", "n3", memory_mib=2000, workload="pattern=idle")
    refused(suite, lab, "not enough memory", "n1", ["move", "whale", "--to", "n3"], 12, "no-memory",
            "the target has too little free memory")
    for name in ("whale", "walrus"):
        lab.xenferry("n1", "destroy", name)
        guests.forget(lab, name)


def foreign_user(suite, lab):
    before = picture(lab)
    answer = lab.exec("n1", "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                      "xenferry", "move", "cat", "--to", "n2", check=False)
    suite.check("a foreign user: exit 4 and the sentence",
                answer.code == 4
                and "only root and members of group haclient may do this" in answer.err, answer)
    suite.check("a foreign user: nothing changed", before == picture(lab))
    group = [line.split(":")[2] for line in lab.exec("n1", "cat", "/etc/group").out.splitlines()
             if line.startswith("haclient:")][0]
    answer = lab.exec("n1", "setpriv", "--reuid", "65534", "--regid", group, "--clear-groups",
                      "xenferry", "nodes", check=False)
    suite.check("a member of haclient is served", answer.code == 0, answer)


def slots(suite, lab):
    """Two slots taken by slow moves: the third is refused without waiting, and waits otherwise.
    The refusals leave the two at work as they are."""
    names = ("calf1", "calf2", "calf3")
    for name in names:
        guests.create(lab, name, "n1", memory_mib=128, workload="pattern=idle", fill="random")
    running = [moves.Move(lab, "n1", name, "n2", "--bandwidth", "4M") for name in names[:2]]
    for one in running:
        one.wait_event(lambda e: e.get("event") == "progress", 15)
    # A mover that is being started would look like a change.
    xflab.wait_for("both moves copy", lambda: [
        m["state"] for m in moves.migrations(lab, "n1") or []] == ["copying"] * 2 and [
            len(lab.named(host, "xenferry-mover")) for host in ("n1", "n2")] == [2, 2], 20)
    xflab.wait_for("nothing changes any more", lambda: picture(lab) == picture(lab), 10, 0.2)
    refused(suite, lab, "no free slot with --no-wait", "n1",
            ["move", "calf3", "--to", "n2", "--no-wait"], 10, "no-slot",
            "every migration slot is taken")
    refused(suite, lab, "a second move of the same domain", "n3",
            ["move", "calf1", "--to", "n3", "--no-wait"], 11, "busy",
            "a move of this domain is under way already")
    working = [m["domain"] for m in moves.migrations(lab, "n1") or []]
    suite.check("the two moves in the slots go on, and no other has begun",
                sorted(working) == list(names[:2]) and all(one.running() for one in running),
                working)
    queued = moves.Move(lab, "n1", "calf3", "n2")
    suite.guard("without --no-wait the third move queues", xflab.wait_for, "it is queued", lambda: [
        m["state"] for m in moves.migrations(lab, "n1", "calf3") or []] == ["queued"], 10)
    for name in names[:2]:
        lab.xenferry("n1", "cancel", name)
    for one in running:
        one.wait(30)
    suite.check("and runs as soon as a slot is free", queued.wait(60) == 0, queued.err)
    for name in names:
        lab.xenferry("n1", "destroy", name)
        guests.forget(lab, name)


def no_quorum(suite, lab):
    before = picture(lab)
    lab.isolate("n1", "cluster")
    xflab.wait_for("n1 loses quorum", lambda: lab.exec(
        "n1", "corosync-quorumtool", "-s", check=False).code != 0, 20)
    answer = lab.xenferry("n1", "move", "cat", "--to", "n2", check=False)
    suite.check("no quorum: exit 9 and the sentence",
                answer.code == 9 and "this node has no quorum" in answer.err, answer)
    answer = lab.xenferry("n2", "move", "cat", "--to", "n3", check=False)
    suite.check("a domain on a node out of reach is no domain here: refused",
                answer.code in (5, 7), answer)
    lab.heal()
    lab.wait_online(lab.hosts)
    suite.check("no quorum: nothing changed", before == picture(lab))


def offline_and_incompatible(suite, lab):
    """A node without its agent; then with a member of the group that speaks other versions."""
    lab.kill_agent("n3")
    xflab.wait_for("n3 is out of the group", lambda: lab.online("n1") == ["n1", "n2"], 20)
    refused(suite, lab, "offline node", "n1", ["move", "cat", "--to", "n3"], 7, "node-offline",
            "that node's agent is not in the group")
    peer = lab.popen("n3", f"{build.PREFIX}/libexec/xenferry-tests/peer", "range", "2", "3",
                     stdout=subprocess.DEVNULL)
    try:
        incompatible(suite, lab, "another protocol", "n1", "n3", [2, 3])
        refused(suite, lab, "another protocol", "n1", ["move", "cat", "--to", "n3"], 14, "protocol",
                OTHER_PROTOCOL)
    finally:
        procs.kill_all([p.pid for p in lab.named("n3", "peer")])
        peer.wait(10)


def incompatible(suite, lab, what, host, peer, versions):
    """`xenferry nodes` of a host shows that peer as one that speaks other versions."""
    shown = xflab.wait_for(f"{host} shows {peer} as incompatible", lambda: [
        n for n in lab.xenferry(host, "nodes", "--json").json()["nodes"]
        if n["name"] == peer and n["state"] == "incompatible"], 15)
    suite.check(f"{what}: {host} shows {peer} with its versions",
                shown[0]["version"] == versions, shown)


def older_protocol(suite, lab):
    """An agent of a later release, which has dropped the version that the others speak: to it they
    are older. Neither gives its domain to the other, and both domains live on."""
    guests.create(lab, "owl", "n3", memory_mib=64, workload="pattern=idle")
    watchers = [judge.Judge(lab, name) for name in ("cat", "owl")]
    try:
        suite.check("older protocol: both domains answer",
                    all([watcher.wait_answers(10) for watcher in watchers]))
        for watcher in watchers:
            watcher.summary()
        lab.kill_agent("n3")
        lab.start_agent("n3", build.later_agent(suite.say))
        both_refuse(suite, lab)
        lab.kill_agent("n3")
        lab.start_agent("n3")
        lab.wait_online(lab.hosts)
        for watcher in watchers:
            suite.check(f"older protocol: {watcher.domain} answers", watcher.wait_answers(10))
            seen = watcher.summary()
            suite.check(f"older protocol: {watcher.domain} noticed nothing but moves of its own",
                        seen["instances"] == (2 if watcher.domain == "cat" else 0)
                        and seen["longest_gap_ms"] < 500
                        and seen["back"] == 0 and seen["duplicates"] == 0, seen)
    finally:
        for watcher in watchers:
            watcher.stop()
    one, code = moves.move(lab, "owl", "n1")
    suite.check("older protocol: with the same version again it moves", code == 0,
                (one.err, one.events[-1:]))
    lab.xenferry("n1", "destroy", "owl")
    guests.forget(lab, "owl")


def both_refuse(suite, lab):
    for other in ("n1", "n2"):
        incompatible(suite, lab, "older protocol", other, "n3", [2, 2])
        incompatible(suite, lab, "older protocol", "n3", other, [1, 1])
    refused(suite, lab, "a node of a later protocol", "n1", ["move", "cat", "--to", "n3"], 14,
            "protocol", OTHER_PROTOCOL)
    refused(suite, lab, "a node of an older protocol", "n3", ["move", "owl", "--to", "n1"], 14,
            "protocol", OTHER_PROTOCOL)
    one, code = moves.move(lab, "cat", "n2", host="n1")
    suite.check("older protocol: nodes of one version move domains meanwhile", code == 0,
                (one.err, one.events[-1:]))
    moves.move(lab, "cat", "n1", host="n2")


def malformed(suite, lab):
    """Every truncation of every kind of frame, and noise, from a member of the group."""
    before = picture(lab)
    answer = lab.exec("n3", f"{build.PREFIX}/libexec/xenferry-tests/peer", "garbage", "7",
                      timeout=120)
    sent = answer.json()["sent"]
    suite.check("thousands of malformed messages were sent", sent > 1000, sent)
    suite.figure("malformed", sent)
    suite.check("malformed messages: nothing changed", before == picture(lab),
                (before, picture(lab)))
    lab.start_agent("n3")
    lab.wait_online(lab.hosts)
    one, code = moves.move(lab, "cat", "n3")
    suite.check("malformed messages: the next move works", code == 0, (one.err, one.events[-1:]))
    moves.move(lab, "cat", "n1")


def wrong_key(suite, lab):
    """One node has another secret: its agent starts, but no image goes there."""
    path = f"{lab.host_dir('n3')}/etc/xenferry/secret"
    with open(path, "rb") as file:
        secret = file.read()
    before = picture(lab)
    xflab.write(path, bytes(255 - b for b in secret), 0o600)
    lab.kill_agent("n3")
    lab.start_agent("n3")
    lab.wait_online(lab.hosts)
    one, code = moves.move(lab, "cat", "n3")
    suite.check("wrong key: exit 13, auth", code == 13 and one.reason() == "auth",
                (code, one.err, one.events[-1:]))
    suite.check("wrong key: the sentence", "the data connection's keys do not match" in one.err
                + str(one.report().get("text")), (one.err, one.report()))
    moves.wait_settled(lab, "cat")
    after = picture(lab)
    for each in (before, after):
        each.pop("agents")
    suite.check("wrong key: nothing changed", before == after, (before, after))
    xflab.write(path, secret, 0o600)
    lab.kill_agent("n3")
    lab.start_agent("n3")
    lab.wait_online(lab.hosts)


def broken_config(suite, lab):
    path = f"{lab.host_dir('n3')}/etc/xenferry/xenferry.conf"
    with open(path, encoding="utf-8") as file:
        good = file.read()
    number = good.count("\n") + 1
    for line, what in (("slots-outgoing = many\n", "a value that is no number"),
                       ("no-such-key = 1\n", "an unknown key"),
                       ("slots-incoming = 100000\n", "a value out of range")):
        xflab.write(path, good + line)
        answer = lab.exec("n3", "xenferryd", "--check-config", xflab.CONF, check=False)
        suite.check(f"broken config, {what}: exit 15, file and line",
                    answer.code == 15 and f"xenferry.conf:{number}:" in answer.err + answer.out,
                    answer)
        lab.kill_agent("n3")
        answer = lab.exec("n3", "xenferryd", "-f", "-c", xflab.CONF, check=False, timeout=20)
        suite.check(f"broken config, {what}: the agent does not start, and says why",
                    answer.code == 15 and f"xenferry.conf:{number}:" in answer.err + answer.out,
                    answer)
        xflab.write(path, good)
        lab.start_agent("n3")
        lab.wait_online(lab.hosts)


def no_xen(suite, lab):
    """The Xen driver where there is no Xen: one sentence, and the sandbox still works."""
    path = f"{lab.host_dir('n3')}/etc/xenferry/xenferry.conf"
    with open(path, encoding="utf-8") as file:
        good = file.read()
    changed = "\n".join(line for line in good.splitlines()
                        if not line.startswith("hypervisor")) + "\nhypervisor = xen\n"
    xflab.write(path, changed)
    lab.kill_agent("n3")
    answer = lab.exec("n3", "xenferryd", "-f", "-c", xflab.CONF, check=False, timeout=60)
    suite.check("no Xen: the agent does not start, and says that this machine does not run under it",
                answer.code == 1 and "Xen cannot be used: this machine does not run under Xen"
                in answer.err + answer.out, answer)
    # As on a host with another release of Xen: the library that was linked to cannot be loaded.
    linked = lab.exec("n3", "ldd", f"{xflab.PREFIX}/libexec/xenferry/xenferry-xen").out
    library = next(line.split()[2] for line in linked.splitlines() if "libxenlight" in line)
    answer = lab.exec("n3", "unshare", "-m", "sh", "-c",
                      'mount --bind /dev/null "$(readlink -f "$1")" && exec xenferryd -f -c "$2"',
                      "sh", library, xflab.CONF, check=False, timeout=60)
    suite.check("libxl of another release: the agent does not start, and asks about the version",
                answer.code == 1 and "Xen's libraries of another version?"
                in answer.err + answer.out and "libxenlight" in answer.err + answer.out, answer)
    xflab.write(path, good)
    lab.start_agent("n3")
    lab.wait_online(lab.hosts)
    suite.check("no Xen: the sandbox still works", lab.online("n3") == lab.hosts,
                lab.online("n3"))


def refusals(suite, lab):
    guests.create(lab, "cat", "n1", memory_mib=64, workload="pattern=idle")
    for part in (simple_refusals, foreign_user, slots, no_quorum, offline_and_incompatible,
                 malformed, older_protocol, wrong_key, broken_config, no_xen):
        suite.guard(f"{part.__name__} runs to its end", part, suite, lab)
        lab.heal()
        for host in lab.hosts:
            if lab.agent_process(host) is None:
                lab.start_agent(host)
        suite.guard(f"after {part.__name__} all agents are back", lab.wait_online, lab.hosts)
