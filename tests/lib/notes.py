# SPDX-License-Identifier: GPL-2.0-or-later
"""The page of notes that an agent keeps under its host's /run (H8), read from outside: what a party
of a move has decided stands there at once, also when the agent has been stopped since.

As agent/store_notes.c writes it: a header, then lines of one cache line each.
"""
import struct
import uuid

# enum xf_note of common/core.h, in its order.
NAMES = ("none", "end", "commit", "stayed", "done", "complete", "run", "never", "undo")
MAGIC = b"xefnote1"
LINE = struct.Struct("=16sQIII28x")
HEADER_SIZE = 64


def read(lab, host, domain):
    """(note, migration as the command names it) of the domain on a host; ("none", "") without."""
    try:
        with open(f"/proc/{lab.init_pid(host)}/root/run/xenferry/notes", "rb") as file:
            return find(file.read(), lab.domains[domain]["uuid"], host)
    except FileNotFoundError:
        return "none", ""


def find(page, domain_uuid, host):
    """The same of a page that was read in another way."""
    if not page.startswith(MAGIC):
        raise ValueError(f"{host}: its page of notes begins with {page[:8]!r}")
    at = page.find(uuid.UUID(domain_uuid).bytes, HEADER_SIZE)
    if at < 0 or (at - HEADER_SIZE) % LINE.size:
        return "none", ""
    _uuid, _boot, epoch, source, note = LINE.unpack_from(page, at)
    return NAMES[note], f"{epoch}@n{source}"
