# SPDX-License-Identifier: GPL-2.0-or-later
"""Part of suite `preflight`: disks that hang, agents that die amid a check, moves that are refused,
and what checks cost."""
import contextlib
import statistics
import time

import checks
import guests
import judge
import moves
import xflab

DOMAIN = "kept"
HUNG = "hung"  # the filesystem that holds the target's broken path to the disk
DISK_TIMEOUT_MS = 6000
CHECK_TIMEOUT_MS = 15000
LATE_LIMIT_MS = 50
REFUSED_LIMIT_S = 2.0
CHECK_LIMIT_S = 1.5
MATRIX_LIMIT_S = 5.0
ENDS_LIMIT_S = 10.0
BUDGET_FRAMES = 120


@contextlib.contextmanager
def hanging(lab, san, domain=DOMAIN, host="n2"):
    """Reads of the domain's disk hang on that host. At the end they get an error, and the disk is
    as it was."""
    disk = lab.domains[domain]["disk"]
    san.serve(HUNG)
    xflab.run("cp", san.path("shared", f"{domain}.img"), san.path("files", HUNG, "disk"))
    device = san.attach(san.path(HUNG, "disk"))
    san.cover(lab, host, disk, device)
    san.hold(HUNG)
    try:
        yield
    finally:
        san.stop_serving(HUNG)
        san.let_go(HUNG)
        san.uncover(lab)
        xflab.wait_for("nobody waits for the disk any more",
                       lambda: not checks.looks(lab, host), ENDS_LIMIT_S)
        san.detach(device)


def begin_anew(lab, host):
    """Its agent is restarted, so that what it measured begins anew; and gets processors also where
    tests are run behind everything else of a machine. Returns how late its loop was at most."""
    for _ in range(5):
        lab.kill_agent(host)
        lab.start_agent(host, "chrt --other 0 xenferryd")
        lab.wait_online(lab.hosts)
        xflab.wait_for(f"{host} knows the domains", lambda: any(
            d["name"] == DOMAIN
            for d in lab.xenferry(host, "domains", "--json").json()["domains"]), 10)
        late = checks.loop_late_ms(lab, host)
        if late < LATE_LIMIT_MS / 2:
            break
    return late


def stuck(lab, host):
    """Looks that wait for a disk, and cannot be killed."""
    return [p for p in checks.looks(lab, host) if p.state == "D"]


def hangs(suite, lab, san):
    """A disk of the target's hangs: its check says so in time, and nobody else waits for it."""
    what = "a disk that hangs on the target"
    before = {host: begin_anew(lab, host) for host in ("n1", "n2")}
    with hanging(lab, san):
        command = lab.popen("n1", "xenferry", "check", DOMAIN, "n2", "--json", stdout=-1, stderr=-1,
                            text=True)
        try:
            suite.guard(f"{what}: a look waits for it, and cannot be killed", xflab.wait_for,
                        "a look in state D", lambda: stuck(lab, "n2"), 5, 0.01)
            meanwhile = checks.check(lab, "other", "n2")
            suite.check(f"{what}: another domain's check goes on meanwhile",
                        meanwhile.code == 0 and meanwhile.seconds < DISK_TIMEOUT_MS / 1000,
                        (meanwhile, meanwhile.seconds))
            out, err = command.communicate(timeout=60)
        finally:
            command.kill()
            command.wait()
        seen = checks.Checked(xflab.Result(command.returncode, out, err), 0)
        suite.check(f"{what}: disk-hangs", "disk-hangs" in seen.refusals(), seen)
        suite.check(f"{what}: said within its time-out and a second",
                    seen.took_ms() <= DISK_TIMEOUT_MS + 1000, seen.took_ms())
        suite.figure("hanging_check_ms", seen.took_ms())
        looks = len(stuck(lab, "n2"))
        again = checks.check(lab, DOMAIN, "n2")
        suite.check(f"{what}: asked again while the first look hangs: disk-hangs, at once",
                    "disk-hangs" in again.refusals() and again.took_ms() < DISK_TIMEOUT_MS / 2,
                    (again, again.took_ms()))
        suite.check(f"{what}: no other look at it is begun meanwhile",
                    len(stuck(lab, "n2")) == looks, (looks, stuck(lab, "n2")))
        for host in ("n1", "n2"):
            late = checks.loop_late_ms(lab, host)
            suite.check(f"{what}: the loop of {host} is never late by {LATE_LIMIT_MS} ms",
                        late < LATE_LIMIT_MS, (before[host], late))
            suite.figure(f"late_{host}_ms", round(late, 1))
    with hanging(lab, san):
        cancel_amid(suite, lab)
    seen = checks.check(lab, DOMAIN, "n2")
    suite.check(f"{what}, undone: accepted again", seen.code == 0, seen)
    return {"disk-hangs"}


def cancel_amid(suite, lab):
    what = "a move that is cancelled while its disk hangs"
    one = moves.Move(lab, "n1", DOMAIN, "n2")
    suite.guard(f"{what}: it is being checked", xflab.wait_for, "the move is listed",
                lambda: "checking" in [m["state"] for m in moves.migrations(lab, "n1", DOMAIN)], 5)
    asked = time.monotonic()
    answer = lab.xenferry("n3", "cancel", DOMAIN, check=False)
    code = one.wait(30)
    suite.check(f"{what}: it ends as cancelled, at once", answer.code == 0 and code == 21
                and one.reason() == "cancelled" and one.ended - asked < 1.0,
                (answer, code, one.reason(), one.ended - asked))
    suite.check(f"{what}: the domain is where it was", guests.holders(lab, DOMAIN) == {"n1": 1}
                and moves.home(lab, DOMAIN) == "n1", moves.status_text(lab, DOMAIN))


def dying_target(suite, lab, san):
    what = "the target's agent dies amid a check"
    before = {host: checks.packet_sockets(lab, host) for host in lab.hosts}
    fds = checks.descriptors(lab, "n1")
    with hanging(lab, san):
        command = lab.popen("n1", "xenferry", "check", DOMAIN, "n2", "--json", stdout=-1, stderr=-1,
                            text=True)
        try:
            suite.guard(f"{what}: the check is under way", xflab.wait_for, "a look in state D",
                        lambda: stuck(lab, "n2"), 5, 0.01)
            lab.kill_agent("n2")
            killed = time.monotonic()
            out, err = command.communicate(timeout=60)
        finally:
            command.kill()
            command.wait()
        seen = checks.Checked(xflab.Result(command.returncode, out, err), 0)
        suite.check(f"{what}: the check says that it left, within two seconds",
                    seen.code != 0 and "left" in f"{out}{err}" and time.monotonic() - killed < 2,
                    (seen, out, err, time.monotonic() - killed))
    suite.guard(f"{what}: no look is left on any host", xflab.wait_for, "no look", lambda: not any(
        checks.looks(lab, host) for host in lab.hosts), ENDS_LIMIT_S)
    suite.guard(f"{what}: no socket on a bridge is left", xflab.wait_for, "the sockets of before",
                lambda: {h: checks.packet_sockets(lab, h) for h in ("n1", "n3")}
                == {h: before[h] for h in ("n1", "n3")}
                and checks.packet_sockets(lab, "n2") <= before["n2"], ENDS_LIMIT_S)
    suite.guard(f"{what}: the source's agent has no descriptor more", xflab.wait_for,
                "descriptors", lambda: checks.descriptors(lab, "n1") <= fds, ENDS_LIMIT_S)
    lab.start_agent("n2")
    lab.wait_online(lab.hosts)
    seen = checks.check(lab, DOMAIN, "n2")
    suite.check(f"{what}: one that is started checks as before", seen.code == 0, seen)


def silent_target(suite, lab):
    what = "the target's agent stands still"
    lab.pause_agent("n2")
    try:
        seen = checks.check(lab, DOMAIN, "n2")
    finally:
        lab.continue_agent("n2")
    suite.check(f"{what}: peer-unproven", "peer-unproven" in seen.refusals(), seen)
    suite.check(f"{what}: said within the check's time-out and two seconds",
                seen.seconds < CHECK_TIMEOUT_MS / 1000 + 2, seen.seconds)
    suite.guard(f"{what}, and goes on: accepted again", xflab.wait_for, "a check that is content",
                lambda: checks.check(lab, DOMAIN, "n2").code == 0, 20)
    return seen.ids()


def refused_moves(suite, lab, san, net):
    watcher = judge.Judge(lab, "open")
    try:
        suite.check("a domain answers", watcher.wait_answers(10))
        watcher.summary()
        refused_move(suite, lab, san)
        unproven_move(suite, lab, net)
    finally:
        watcher.stop()


def refused_move(suite, lab, san):
    what = "a move that its check refuses"
    device = san.attach(san.image("wrong.img", 8))
    san.cover(lab, "n2", lab.domains["open"]["disk"], device)
    one, code = moves.move(lab, "open", "n2")
    ids = {f["id"] for f in checks.findings_of(one.events)}
    suite.check(f"{what}: exit 18, no-disk", code == 18 and one.reason() == "no-disk",
                (code, one.reason(), one.events[-1:]))
    suite.check(f"{what}: --json has the findings", ids & {"disk-content", "disk-other"},
                one.events[-1:])
    suite.check(f"{what}: within {REFUSED_LIMIT_S:g} s", one.ended - one.started < REFUSED_LIMIT_S,
                one.ended - one.started)
    suite.figure("refused_move_s", round(one.ended - one.started, 2))
    plain = lab.xenferry("n1", "move", "open", "--to", "n2", check=False)
    suite.check(f"{what}: for people, the disk once, and what to do", plain.code == 18
                and plain.err.startswith(f"xenferry: disk {lab.domains['open']['disk']}: ")
                and "hint: xenferry check open n2" in plain.err, plain)
    suite.check(f"{what}: the domain runs where it was", guests.holders(lab, "open") == {"n1": 1}
                and moves.home(lab, "open") == "n1", moves.status_text(lab, "open"))
    san.uncover(lab)
    san.detach(device)


def unproven_move(suite, lab, net):
    """What it refuses is harmless here: large frames are lost, the guest sends none."""
    what = "--unproven"
    net.port("n2", "guests", "mtu", "1400")
    one, code = moves.move(lab, "open", "n2")
    suite.check(f"{what}: without it the move is refused", code == 17
                and {"mtu"} == {f["id"] for f in checks.findings_of(one.events)
                                if f["severity"] == "refuse"}, (code, one.events[-1:]))
    one, code = moves.move(lab, "open", "n2", "--unproven")
    suite.check(f"{what}: the move is made", code == 0 and one.report().get("result") == "moved",
                (code, one.err, one.events[-1:]))
    suite.guard(f"{what}: one copy is left, at the target", xflab.wait_for, "one copy",
                lambda: guests.holders(lab, "open") == {"n2": 1}, 20)
    told = str(one.report())
    suite.check(f"{what}: the report says what was let pass", "large frames get lost" in told, told)
    net.port("n2", "guests", "mtu", "1500")
    one, code = moves.move(lab, "open", "n1")
    told = str(one.report())
    suite.check("a move back: made, and its report has the check's warnings", code == 0
                and "nothing but its content says" in told, (code, one.err, told))


def slots(suite, lab):
    """Two moves that take a while fill the target's slots."""
    under_way = [moves.Move(lab, "n1", name, "n2", "--bandwidth", "1M")
                 for name in ("slow1", "slow2")]
    try:
        for one in under_way:
            one.wait_event(lambda e: e.get("event") == "progress" and e["state"] == "copying", 20)
        seen = checks.check(lab, "other", "n2")
        suite.check("every slot taken: accepted, with slots", seen.code == 0
                    and "slots" in seen.ids(), seen)
    finally:
        for one in under_way:
            lab.xenferry("n1", "cancel", one.domain, check=False)
            one.wait(30)
    return seen.ids()


def capacity(suite, lab):
    """Memory and processors."""
    seen = checks.check(lab, "large", "n2")
    suite.check("too little memory on the target: memory", "memory" in seen.refusals(), seen)
    provoked = seen.ids()
    # The maker and eleven words, as agent/sandbox/host_cpu.h has them.
    for claim, ok, finding, text in (
            ("processors that lack everything", False, "cpu-lacks", "GenuineIntel" + " 0" * 11),
            ("processors of which nothing is known", True, "cpu-unknown", "")):
        lab.exec("n2", "sh", "-c", f"echo '{text}' >/run/xenferry/sandbox-cpu")
        seen = checks.check(lab, "other", "n2")
        suite.check(f"{claim}: {finding}", finding in seen.ids() and (seen.code == 0) == ok, seen)
        provoked |= seen.ids()
    lab.exec("n2", "rm", "/run/xenferry/sandbox-cpu")
    seen = checks.check(lab, "other", "n2")
    suite.check("processors as before: accepted again", seen.code == 0, seen)
    return provoked


# -- what it costs


def costs(suite, lab, san):
    """The figures. The first check of each kind warms the caches, and does not count."""
    for host in lab.hosts:
        begin_anew(lab, host)
    luns = [san.lun(f"cost{i}", 16) for i in range(4)]
    checks.create(lab, "wide", "n1", luns, bridges=("guests", "second"))
    checks.check(lab, "wide", "n2")
    runs = [checks.check(lab, "wide", "n2") for _ in range(5)]
    suite.check("4 disks and 2 interfaces: accepted", all(r.code == 0 for r in runs), runs)
    seconds = statistics.median(r.seconds for r in runs)
    suite.check(f"4 disks and 2 interfaces: {CHECK_LIMIT_S:g} s at most",
                seconds <= CHECK_LIMIT_S, [r.seconds for r in runs])
    suite.figure("check_4_disks_2_vifs_ms", round(seconds * 1000))
    suite.figure("by_its_own_word_ms", statistics.median(r.took_ms() for r in runs))
    checks.destroy(lab, "wide")

    more = [f"d{i}" for i in range(10 - len(lab.domains))]
    for i, name in enumerate(more):
        checks.create(lab, name, lab.hosts[i % 3], [san.lun(name, 4)])
    for again, figure in (("", "matrix_10x3_s"), (", again at once", "matrix_again_s")):
        what = f"10 domains on 3 hosts{again}"
        started = time.monotonic()
        cells = checks.matrix(lab, "n1", "--now")
        seconds = time.monotonic() - started
        suite.check(f"{what}: each is checked against both others", len(cells) == 20
                    and all(cell["age_s"] is not None and cell["age_s"] <= seconds + 1
                            for cell in cells.values()), cells)
        suite.check(f"{what}: {MATRIX_LIMIT_S:g} s at most", seconds <= MATRIX_LIMIT_S, seconds)
        suite.figure(figure, round(seconds, 2))
    suite.figure("of_it_one_ms", statistics.median(cell["took_ms"] for cell in cells.values()))
    for name in more:
        checks.destroy(lab, name)


def matrix(suite, lab, san):
    """n3 is on another segment and has none of the disks."""
    san.hide(lab, "n3")
    cells = checks.matrix(lab, "n2", "--now")
    good, bad = cells.get((DOMAIN, "n2")), cells.get((DOMAIN, "n3"))
    suite.check("matrix: the other host of the segment is proven, by the disk's content",
                good is not None and good["verdict"] == "warn"
                and good["findings"] == ["disk-weak"], good)
    suite.check("matrix: the third is refused with disk-missing and not-same-segment",
                bad is not None and bad["verdict"] == "refuse"
                and set(bad["findings"]) == {"disk-missing", "not-same-segment"}, bad)
    bare = [cells.get((domain, node), {}).get("verdict")
            for domain, node in (("slow1", "n2"), ("back", "n1"))]
    suite.check("matrix: without a disk, ok in both directions", bare == ["ok", "ok"], bare)
    suite.check("matrix: every domain against every other host",
                {(d, n) for d in lab.domains for n in lab.hosts} - set(cells)
                == {(d, "n2" if d in ("huge", "back") else "n1") for d in lab.domains},
                sorted(cells))
    text = lab.xenferry("n3", "check", "--all").out
    lines = [line.split() for line in text.splitlines()]
    said = next((dict(zip(lines[0], words)) for words in lines if words[:1] == [DOMAIN]), {})
    suite.check("matrix, as text: where it is, what was found", said.get("ON") == "n1"
                and said.get("n1") == "here" and said.get("n2") == "warn"
                and set(said.get("n3", "").split(",")) == {"disk-missing", "not-same-segment"},
                text)
    suite.check("matrix: in the order of names on each host", all(
        list(checks.matrix(lab, host)) == sorted(cells) for host in lab.hosts),
                {host: list(checks.matrix(lab, host)) for host in lab.hosts})
    suite.check("matrix: the same seen from each host", all(
        verdicts(checks.matrix(lab, host)) == verdicts(cells) for host in lab.hosts),
                {host: verdicts(checks.matrix(lab, host)) for host in lab.hosts})
    takes = {node["name"]: node["takes"]
             for node in lab.xenferry("n3", "nodes", "--json").json()["nodes"]}
    wanted = {host: {"accepted": sum(cell["verdict"] in ("ok", "warn")
                                     for (_, node), cell in cells.items() if node == host),
                     "known": sum(node == host for _, node in cells)} for host in lab.hosts}
    suite.check("nodes tells how many of the others' domains each node could take", takes == wanted,
                (takes, wanted))
    return {finding for cell in cells.values() for finding in cell["findings"]}


def verdicts(cells):
    return {pair: (cell["verdict"], sorted(cell["findings"])) for pair, cell in cells.items()}


# -- in the background


def background(suite, lab, net):
    """Without being asked, in the time that the settings give, within the budget of frames."""
    checks.settings(lab, f"check-interval-s = 2\ncheck-budget-frames = {BUDGET_FRAMES}\n"
                    "check-budget-reads = 100000\n")
    suite.check("in the background: agents that have just started know nothing",
                not filled(lab), checks.matrix(lab, "n3"))
    suite.guard("in the background: the matrix gets filled by itself", xflab.wait_for,
                "every domain is checked", lambda: filled(lab), 120, 0.5)
    seen = net.count("guests", 60)
    frames = sum(host_frames for host_frames, _size in seen.values())
    # Both ends' frames are on the account of who checks.
    suite.check(f"in the background: frames, at most {BUDGET_FRAMES} a minute for each of three "
                "hosts that check", 0 < frames <= len(lab.hosts) * BUDGET_FRAMES * 1.1, seen)
    suite.figure("background_frames_per_min", frames)
    suite.figure("background_bytes_per_min", sum(size for _frames, size in seen.values()))


def filled(lab):
    cells = checks.matrix(lab, "n3")
    return len(cells) == 2 * len(lab.domains) \
        and all(cell["age_s"] is not None for cell in cells.values())
