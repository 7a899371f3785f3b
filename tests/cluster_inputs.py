# SPDX-License-Identifier: GPL-2.0-or-later
"""Part of suite `cluster`: what an operator may write: limits of weeks, text that is not ASCII."""
import guests
import moves
import xflab


def agents(lab):
    return [p.pid if p else None for p in map(lab.agent_process, lab.hosts)]


def write_domain(lab, name, config):
    """A domain of the lab's books whose configuration is these bytes."""
    guests.define(lab, name, memory_mib=16, workload="pattern=idle")
    xflab.write(lab.domains[name]["config"], config(lab.domains[name]))


def gone(lab, name):
    lab.xenferry("n1", "destroy", name, check=False)
    guests.forget(lab, name)


def a_limit_of_weeks(suite, lab):
    """50 days in milliseconds do not fit into 32 bits."""
    guests.create(lab, "dove", "n1", memory_mib=64, workload="pattern=idle", fill="random")
    one = moves.Move(lab, "n1", "dove", "n2", "--bandwidth", "20M", "--max-time", "4294968")
    code = one.wait()
    suite.check("a time limit of 50 days does not end a move of seconds",
                code == 0 and one.report().get("duration_ms", 0) > 1000,
                (code, one.err, one.events[-1:]))
    lab.xenferry("n2", "destroy", "dove", check=False)
    gone(lab, "dove")


def a_configuration_in_another_encoding(suite, lab):
    write_domain(lab, "ibis", lambda facts: b"# caf\xe9\n" + guests.config_text(facts).encode())
    lab.xenferry("n1", "create", lab.domains["ibis"]["config"])
    before = agents(lab)
    answer = lab.xenferry("n1", "move", "ibis", "--to", "n2", check=False)
    suite.check("a configuration that is no UTF-8 does not move: exit 15 and the sentence",
                answer.code == 15 and "is not UTF-8" in answer.err, answer)
    suite.check("and no agent fell over it", agents(lab) == before, (before, agents(lab)))
    suite.guard("and the domain is where it was", xflab.wait_for, "ibis runs on n1",
                lambda: guests.where(lab, "ibis") == ["n1"], 10)
    gone(lab, "ibis")


def a_refusal_longer_than_its_place(suite, lab):
    """Disks that only n1 has; cut anywhere, one of two such names is cut within a letter."""
    before = agents(lab)
    for name, first in (("tern", ""), ("teal", "x")):
        paths = [f"/run/{first}{letter * 110}" for letter in "éèê"]
        for path in paths:
            lab.exec("n1", "touch", path)
        write_domain(lab, name, lambda facts, paths=paths: "".join(
            [f"name = {facts['name']}\nuuid = {facts['uuid']}\nmemory = 16\n"]
            + [f"disk = path={path}\n" for path in paths]).encode())
        lab.xenferry("n1", "create", lab.domains[name]["config"])
        one, code = moves.move(lab, name, "n2")
        suite.check(f"{name}: the check refuses, with the first one's name: exit 18, no-disk",
                    code == 18 and one.reason() == "no-disk" and paths[0] in one.err,
                    (code, one.err, one.events[-1:]))
        one, code = moves.move(lab, name, "n2", "--unproven")
        suite.check(f"{name}: unproven, every disk that the target lacks is a reason: exit 18, no-disk",
                    code == 18 and one.reason() == "no-disk", (code, one.err, one.events[-1:]))
        suite.check(f"{name}: the report says so, with the first one's name",
                    paths[0] in one.report().get("text", ""), one.report())
        gone(lab, name)
    suite.check("long refusals: no agent fell over them", agents(lab) == before,
                (before, agents(lab)))


def inputs(suite, lab):
    for part in (a_limit_of_weeks, a_configuration_in_another_encoding,
                 a_refusal_longer_than_its_place):
        suite.guard(f"{part.__name__} runs to its end", part, suite, lab)
