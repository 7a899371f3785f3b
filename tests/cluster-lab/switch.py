# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's switch: who hears whom. One nftables table, always loaded as a whole.

A fault is a small dictionary in Lab.faults:
  {"kind": "cut", "a": "n1", "b": "n2", "what": "all|cluster|data"}
  {"kind": "isolate", "host": "n1", "what": "all|cluster|data"}
  {"kind": "corrupt", "a": "n1", "b": "n2"}
"""
import subprocess

COROSYNC_PORT = 5405

# Between hosts nothing but a migration speaks TCP.
MATCH = {
    "all": "",
    "cluster": f"udp dport {COROSYNC_PORT} ",
    "data": "meta l4proto tcp ",
}


def rules(faults):
    """nftables rules for these faults, in the bridge's forward hook."""
    lines = []
    for fault in faults:
        if fault["kind"] == "cut":
            a, b, match = fault["a"], fault["b"], MATCH[fault["what"]]
            lines.append(f'iifname "{a}" oifname "{b}" {match}counter drop')
            lines.append(f'iifname "{b}" oifname "{a}" {match}counter drop')
        elif fault["kind"] == "isolate":
            host, match = fault["host"], MATCH[fault["what"]]
            lines.append(f'iifname "{host}" {match}counter drop')
            lines.append(f'oifname "{host}" {match}counter drop')
        elif fault["kind"] == "corrupt":
            # Four bytes well inside the payload of one full segment. The frame has not left the
            # machine, so its checksum is still to be filled in: TCP takes the bytes as sent.
            lines.append(
                f'iifname "{fault["a"]}" oifname "{fault["b"]}" meta l4proto tcp '
                "meta length > 1000 limit rate 1/day burst 1 packets "
                "counter @th,4800,32 set 0x5a17c0de"
            )
    return lines


def table(faults):
    body = "\n".join("    " + line for line in rules(faults))
    return (
        "table bridge faults\ndelete table bridge faults\n"
        "table bridge faults {\n  chain forward {\n"
        "    type filter hook forward priority 0; policy accept;\n"
        f"{body}\n  }}\n}}\n"
    )


def load(switch_ns, faults):
    subprocess.run(
        ["ip", "netns", "exec", switch_ns, "nft", "-f", "-"],
        input=table(faults).encode(), check=True, stdout=subprocess.DEVNULL,
    )


def met_packets(switch_ns):
    """How many packets the faults have dropped or changed since load()."""
    listing = subprocess.run(
        ["ip", "netns", "exec", switch_ns, "nft", "list", "table", "bridge", "faults"],
        check=True, capture_output=True, text=True,
    ).stdout
    words = listing.split()
    return sum(int(words[i + 2]) for i, word in enumerate(words)
               if word == "counter" and words[i + 1] == "packets")
