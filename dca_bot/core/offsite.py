"""Copies of the ledger in other places: names, what is kept, addresses; pure.

    dca-bot-3fa9c1d2-2026-11-24T080000Z.age

A name has the beginning of the bot's public key and the instant of the copy. So several bots can share a
place, and no bot removes another bot's copies.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote, urlsplit

_STAMP = "%Y-%m-%dT%H%M%SZ"
_BOT_CHARS = 8
_NAME = re.compile(rf"dca-bot-([0-9a-f]{{{_BOT_CHARS}}})-(\d{{4}}-\d\d-\d\dT\d{{6}}Z)\.age")
_SSH_PORT = 22
PART = ".part"
"""The end of a file's name until the file is whole."""


@dataclass(frozen=True, slots=True)
class OffsiteCopy:
    """A copy in another place; `bot`: the first 8 digits of the bot's public key."""

    name: str
    bot: str
    made_at: datetime


def offsite_name(bot: str, made_at: datetime) -> str:
    """Return the name of the copy that was made at an instant by the bot with the public key `bot`."""
    return f"dca-bot-{bot[:_BOT_CHARS]}-{made_at.astimezone(UTC):{_STAMP}}.age"


def offsite_copies(names: Iterable[str]) -> list[OffsiteCopy]:
    """Return the copies among some names of files, the newest first."""
    found = (_copy_of(name) for name in names)
    return sorted(
        (one for one in found if one is not None), key=lambda one: one.made_at, reverse=True
    )


def surplus(names: Collection[str], bot: str, *, keep: int, now: datetime) -> list[str]:
    """Return the names of one bot's copies beyond the newest `keep`, and of uploads that were broken off.

    Copies of the future, from a clock that was ahead, come last in the order.
    """
    own = [one for one in offsite_copies(names) if one.bot == bot[:_BOT_CHARS]]
    kept = sorted(own, key=lambda one: one.made_at > now)
    begun = [name.removesuffix(PART) for name in names if name.endswith(PART)]
    broken_off = [one for one in offsite_copies(begun) if one.bot == bot[:_BOT_CHARS]]
    return [*(one.name for one in kept[keep:]), *(one.name + PART for one in broken_off)]


def _copy_of(name: str) -> OffsiteCopy | None:
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    try:
        made_at = datetime.strptime(found[2], _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None
    return OffsiteCopy(name, found[1], made_at)


@dataclass(frozen=True, slots=True)
class SshFolder:
    """A folder on an SSH server; a relative folder begins at the user's home."""

    username: str
    host: str
    port: int
    folder: str


def parse_ssh(url: str) -> SshFolder:
    """Read `ssh://user@host:port/folder`, or `ssh://user@host/~/folder` for one at home.

    Raise ValueError for another text, and for one with a password.

    >>> parse_ssh("ssh://dca@nas.example:2222/~/copies")
    SshFolder(username='dca', host='nas.example', port=2222, folder='copies')
    """
    parts = urlsplit(url)
    is_whole = parts.scheme == "ssh" and parts.hostname and parts.username
    if not is_whole or parts.password is not None or parts.query or parts.fragment:
        raise ValueError("write it like ssh://user@host:22/folder, or ssh://user@host/~/folder")
    folder = unquote(parts.path).removeprefix("/~/")
    if not folder.strip("/"):
        raise ValueError("it names no folder on the server: ssh://user@host/folder")
    return SshFolder(
        unquote(parts.username or ""), parts.hostname or "", parts.port or _SSH_PORT, folder
    )
