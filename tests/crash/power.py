"""Imitates a power cut in a commit: what SQLite wrote since the last fsync is lost, or is torn.

The bot is killed as COMMIT returns, and copies of the files from before the commit are at hand. Until fsync
returns a disk writes sectors of 512 bytes in any order, so any mixture of old and new sectors can be there
after the cut. With `synchronous = FULL` COMMIT returns after fsync: nothing that follows from a lost commit
has happened yet.

The WAL is on disk before a checkpoint writes to the ledger's file. So either the WAL is a mixture, or the
ledger's file is, beside the whole WAL. A lock file that wasn't brought to disk is empty. A copy of the ledger
counts once it has its name; until then any of its sectors can be lacking.
"""

import re

SECTOR = 512
LOSSES = ("dropped", "front", "scattered", "first", "last")
"""Which new sectors reach the disk: none, the first half, every other one, all but the first, or the last."""
LEDGER, WAL, LOCK = "ledger.sqlite3", "ledger.sqlite3-wal", "ledger.lock"


def lose(data, snapshot, how, journal):
    """Leave a killed bot's files as a power cut would.

    `snapshot`: the files before the last commit; no such folder if no commit was under way. `journal`: the
    points of the life that has ended.
    """
    (data / f"{LEDGER}-shm").unlink(missing_ok=True)
    if snapshot.exists():
        is_checkpoint = _bytes(data / LEDGER) != _bytes(snapshot / LEDGER)
        name = LEDGER if is_checkpoint else WAL
        (data / name).write_bytes(mixture(_bytes(snapshot / name), _bytes(data / name), how))
    for copy in data.rglob("*.part"):
        copy.write_bytes(mixture(b"", copy.read_bytes(), how))
    if not re.search(rf"^fsync {LOCK} ", journal, re.MULTILINE):
        (data / LOCK).write_bytes(b"")


def mixture(old, new, how):
    """Return a file of which some of the changed sectors were written.

    >>> mixture(b"", b"a" * 1024, "last") == b"a" * 512 + bytes(512)
    True
    """
    places = range(0, max(len(old), len(new)), SECTOR)
    changed = [at for at in places if _sector(old, at) != _sector(new, at)]
    kept = {
        "dropped": set(),
        "front": set(changed[: len(changed) // 2]),
        "scattered": set(changed[::2]),
        "first": set(changed[1:]),
        "last": set(changed[:-1]),
    }[how]
    # A file that has grown can have its new length before it has its content.
    length = len(new) if how in ("scattered", "first", "last") else len(old)
    length = max([length, *(min(at + SECTOR, len(new)) for at in kept)])
    content = b"".join(_sector(new if at in kept else old, at) for at in places)
    return content[:length]


def _sector(content, at):
    return content[at : at + SECTOR].ljust(SECTOR, b"\0")


def _bytes(path):
    return path.read_bytes() if path.exists() else b""
