# SPDX-License-Identifier: GPL-2.0-or-later
"""xenferry on the hosts of the Xen lab: installed out of a tree's own installation, started, asked,
and broken; and the storage that a test asks for."""
import contextlib
import io
import os
import secrets
import tarfile

import image
from xflab import LabError, run, wait_for
from xenlab import SERVE_LIMIT_S

CONF = "/etc/xenferry/xenferry.conf"
PREFIX = "opt/xenferry"
TARGET = "iqn.2024-01.lab.xenferry:shared"
TARGET_MIB = 512


def shared_secret():
    """The lab's hosts are one cluster whichever tree they run: one secret for all."""
    path = os.path.join(image.keys(), "secret")
    if not os.path.exists(path):
        with open(path + ".new", "wb") as file:
            file.write(secrets.token_bytes(32))
        os.rename(path + ".new", path)
    with open(path, "rb") as file:
        return file.read()


def archive(lab, root):
    """What `make install` put into a folder, and the configuration, as a tar file."""
    out = io.BytesIO()

    def owned(member):
        member.uid = member.gid = 0
        member.uname = member.gname = "root"
        return None if "/share/man" in member.name else member

    settings = "".join(f"{key} = {value}\n" for key, value in lab.settings.items())
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as tar:
        for entry in sorted(os.listdir(root)):
            tar.add(os.path.join(root, entry), entry, filter=owned)
        for name, content, mode in ((CONF, settings.encode(), 0o644),
                                    ("/etc/xenferry/secret", shared_secret(), 0o600)):
            member = tarfile.TarInfo(name[1:])
            member.size, member.mode = len(content), mode
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def install(lab, root):
    """Puts an installed tree (build.installed()) on every host that is on; stops agents first."""
    path = lab.path("xenferry.tar.gz")
    with open(path, "wb") as file:
        file.write(archive(lab, root))
    lab.each(lambda host: install_on(lab, host, path), lab.powered_hosts())


def install_on(lab, host, path):
    """Unpacks the archive on a host, and checks that its programs find their libraries."""
    script = (
        f"systemctl stop xenferryd 2>/dev/null; rm -rf /{PREFIX}; tar -xzf - -C / &&"
        f" systemd-tmpfiles --create /{PREFIX}/lib/tmpfiles.d/xenferry.conf &&"
        f" systemctl -q enable /{PREFIX}/lib/systemd/system/xenferryd.service &&"
        " systemctl daemon-reload &&"
        " sync &&"  # a power cut may be next
        f" find /{PREFIX}/sbin /{PREFIX}/libexec -type f -perm /1 -exec ldd {{}} + 2>/dev/null |"
        " grep 'not found' | sort -u")
    with open(path, "rb") as archive_file:
        with lab.popen_with(host, script, archive_file) as process:
            out, err = process.communicate(timeout=SERVE_LIMIT_S)
    if out.strip():
        raise LabError(f"{host} lacks libraries (add them to dom0-packages.list): {out.strip()}")
    if process.returncode != 0:
        raise LabError(f"{host}: the tree cannot be installed: {err.strip()}")


def start(lab, host):
    lab.exec(host, "systemctl", "restart", "xenferryd", timeout=SERVE_LIMIT_S)


def start_all(lab):
    """Agents on all hosts that are on; returns once each sees the others."""
    hosts = lab.powered_hosts()
    lab.each(lambda host: start(lab, host), hosts)
    wait_online(lab, hosts)


def xenferry(lab, host, *args, check=True, timeout=120):
    """Runs the command on a host; its JSON is in .json()."""
    return lab.exec(host, "xenferry", *args, check=check, timeout=timeout)


def online(lab, host):
    """Names of the nodes that the agent of this host sees online; [] without an answer."""
    answer = xenferry(lab, host, "nodes", "--json", check=False, timeout=30)
    with contextlib.suppress(ValueError, KeyError, TypeError):
        if answer.code == 0:
            return sorted(n["name"] for n in answer.json()["nodes"] if n["state"] == "online")
    return []


def wait_online(lab, hosts, limit_s=SERVE_LIMIT_S):
    """The agent of each of these hosts sees all of these hosts."""
    for host in hosts:
        wait_for(f"{host} sees {', '.join(hosts)} online",
                 lambda h=host: set(hosts) <= set(online(lab, h)), limit_s, 0.3)


def signal_program(lab, host, program, name):
    """A signal (KILL, STOP, CONT) to every process of a program of ours on a host; how many there
    were."""
    # pidof does not know programs of a service that has mounts of its own.
    pids = lab.exec(host, "pgrep", "-f", f"^/{PREFIX}/[^ ]*/{program}( |$)",
                    check=False).out.split()
    if pids:
        lab.exec(host, "kill", f"-{name}", *pids)
    return len(pids)


def log(lab, host):
    """What the agent of a host logged since the host booted."""
    return lab.exec(host, "journalctl", "-q", "-u", "xenferryd", "-o", "short-precise").out


def keep_logs(lab, folder):
    """Copies consoles and journals of the hosts, for the time after the lab."""
    os.makedirs(folder, exist_ok=True)
    for host in lab.hosts:
        console = lab.machine(host).path("console")
        if os.path.exists(console):
            run("cp", console, os.path.join(folder, f"{host}.console"), check=False)
        if not lab.powered(host):
            continue
        for name, command in (("journal", "journalctl -q -b -o short-precise"),
                              ("xl", "xl list; tail -n +1 /var/log/xen/xl-*.log"),
                              ("dmesg", "xl dmesg")):
            with contextlib.suppress(LabError):
                answer = lab.exec(host, command, check=False, timeout=30)
                with open(os.path.join(folder, f"{host}.{name}"), "w", encoding="utf-8") as file:
                    file.write(answer.out + answer.err)


# -- Pacemaker above it all

def pacemaker(lab):
    """Starts Pacemaker on all hosts and waits until it sees them online. Nothing is fenced: hosts
    of a lab have no power switch that they could reach."""
    lab.each(lambda host: lab.exec(host, "systemctl", "start", "pacemaker", timeout=SERVE_LIMIT_S))
    first = lab.hosts[0]

    def all_online():
        seen = lab.exec(first, "crm_mon", "-1", "-n", check=False).out
        return all(f"Node {host}: online" in seen for host in lab.hosts)
    wait_for("Pacemaker sees all hosts online", all_online, SERVE_LIMIT_S, 1.0)
    lab.exec(first, "crm", "configure", "property", "stonith-enabled=false",
             timeout=SERVE_LIMIT_S)


# -- storage over the network

def target_tool(lab, *args):
    return run("ip", "netns", "exec", lab.netns("switch"), "env",
               f"TGT_IPC_SOCKET={lab.path('tgt')}", "tgtadm", "--lld", "iscsi", *args)


def iscsi(lab):
    """Starts an iSCSI target at the switch, if it is not there, and logs every host in. The
    device, under the name that all hosts have for it."""
    disk = lab.path("iscsi.raw")
    if not os.path.exists(disk):
        with open(disk, "wb") as file:
            file.truncate(TARGET_MIB << 20)
        run("ip", "netns", "exec", lab.netns("switch"), "env",
            f"TGT_IPC_SOCKET={lab.path('tgt')}", "setsid", "-f", "sh", "-c",
            'exec tgtd -f --iscsi portal=10.78.0.254:3260 >"$0" 2>&1 </dev/null',
            lab.path("tgtd.log"))
        wait_for("the iSCSI target answers", lambda: run(
            "ip", "netns", "exec", lab.netns("switch"), "env",
            f"TGT_IPC_SOCKET={lab.path('tgt')}", "tgtadm", "--mode", "sys", "--op", "show",
            check=False).code == 0, 10)
        target_tool(lab, "--mode", "target", "--op", "new", "--tid", "1", "-T", TARGET)
        target_tool(lab, "--mode", "logicalunit", "--op", "new", "--tid", "1", "--lun", "1",
                    "-b", disk)
        target_tool(lab, "--mode", "logicalunit", "--op", "update", "--tid", "1", "--lun", "1",
                    "--params", "vendor_id=XFLAB,product_id=ISCSI,scsi_sn=XFISCSI01,"
                                "scsi_id=XFISCSI01")
        target_tool(lab, "--mode", "target", "--op", "bind", "--tid", "1", "-I", "ALL")
    devices = set()
    for host in lab.hosts:
        lab.exec(host, "systemctl start iscsid && iscsiadm -m discovery -t st -p 10.78.0.254 && "
                       "{ iscsiadm -m session || iscsiadm -m node -l; } && udevadm settle",
                 timeout=SERVE_LIMIT_S)
        found = wait_for(f"{host} sees the target's disk", lambda h=host: lab.exec(
            h, "for link in /dev/disk/by-id/scsi-*; do "
               "case $(readlink -f /dev/disk/by-path/*3260*lun-1) in "
               '"$(readlink -f "$link")") echo "$link"; esac; done',
            check=False).out.split(), 20)
        devices.update(found[:1])
    if len(devices) != 1:
        raise LabError(f"the hosts do not agree on the disk's name: {sorted(devices)}")
    return devices.pop()
