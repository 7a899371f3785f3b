# SPDX-License-Identifier: GPL-2.0-or-later
"""A lab for a suite: up at its beginning, logs kept if it failed, gone at its end."""
import contextlib
import glob
import os
import shutil

import build
import xflab


def keep_logs(lab, suite):
    """Copies what the hosts logged to the build's folder; returns where to."""
    target = os.path.join(build.folder("logs"), suite.name, lab.name)
    shutil.rmtree(target, ignore_errors=True)
    for host in lab.hosts:
        os.makedirs(os.path.join(target, host), exist_ok=True)
        for path in glob.glob(lab.path("hosts", host, "log", "*")) + \
                glob.glob(lab.path("hosts", host, "state", "*")):
            if os.path.isfile(path) and not path.endswith("/filler"):
                shutil.copy(path, os.path.join(target, host))
    return target


@contextlib.contextmanager
def lab_of(suite, name, nodes=3, **options):
    """An up and running lab. An exception inside is left to the caller, after the clean-up."""
    root = build.installed(say=suite.say)
    lab = xflab.Lab(name, nodes=nodes, install_root=root, **options)
    failed_before = len(suite.failed)
    broken = True
    with lab.lock():
        try:
            lab.up()
            yield lab
            broken = False
        finally:
            if broken or len(suite.failed) > failed_before:
                with contextlib.suppress(OSError):
                    suite.say(f"logs are kept in {keep_logs(lab, suite)}")
            lab.down()
    os.unlink(lab.dir + ".lock")
    with contextlib.suppress(OSError):
        os.rmdir(os.path.dirname(lab.dir))


def heal_all(lab):
    """Every fault undone: links, disks, agents, power. Does not wait."""
    lab.heal()
    for host in lab.hosts:
        lab.free_disk(host)
        if not lab.powered(host):
            lab.power_on(host)
            continue
        lab.continue_agent(host)
        if lab.agent_process(host) is None:
            lab.start_agent(host)
