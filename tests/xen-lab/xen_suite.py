# SPDX-License-Identifier: GPL-2.0-or-later
"""A Xen lab for a suite: up at its beginning, logs kept if it failed, gone at its end; and a host's
script that is another for a while."""
import contextlib
import os

import agents
import build
import xenlab


@contextlib.contextmanager
def instead(lab, host, script, text):
    """Another script in place of one, which stands beside it under the ending .real."""
    lab.exec(host, f"mv {script} {script}.real && cat >{script} && chmod 755 {script}", stdin=text)
    try:
        yield
    finally:
        lab.exec(host, f"mv {script}.real {script}")


@contextlib.contextmanager
def lab_of(suite, name, nodes=2, with_agents=True, snapshot="base", **options):
    """An up and running lab with this tree's agents. An exception inside is left to the caller,
    after the clean-up."""
    root = build.installed(say=suite.say) if with_agents else None
    lab = xenlab.XenLab(name, nodes, say=suite.say, **options)
    failed_before = len(suite.failed)
    broken = True
    with lab.lock():
        try:
            lab.up(snapshot)
            if root:
                agents.install(lab, root)
                agents.start_all(lab)
            yield lab
            broken = False
        finally:
            if broken or len(suite.failed) > failed_before:
                folder = os.path.join(build.folder("logs"), suite.name, lab.name)
                with contextlib.suppress(OSError, xenlab.LabError):
                    agents.keep_logs(lab, folder)
                    suite.say(f"logs are kept in {folder}")
            lab.down()
    os.unlink(lab.dir + ".lock")
    with contextlib.suppress(OSError):
        os.rmdir(os.path.dirname(lab.dir))
