"""Copies of the ledger in other places: names, what is kept, addresses; pure.

    dca-bot-3fa9c1d2-2026-11-24T080000Z.age
    dca-bot-rehearsal-3fa9c1d2-2026-11-24T080000Z.age

A name has the beginning of the bot's public key and the instant of the copy. So several bots can share a
place, also a programme and its rehearsal with one key, and no bot removes another's copies.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote, urlsplit

_STAMP = "%Y-%m-%dT%H%M%SZ"
_BOT_CHARS = 8
_REHEARSAL = "rehearsal-"
_NAME = re.compile(
    rf"dca-bot-({_REHEARSAL})?([0-9a-f]{{{_BOT_CHARS}}})-(\d{{4}}-\d\d-\d\dT\d{{6}}Z)\.age"
)
_SSH_PORT = 22
PART = ".part"
"""The end of a file's name until the file is whole."""


@dataclass(frozen=True, slots=True)
class OffsiteCopy:
    """A copy in another place; `bot`: the first 8 digits of the bot's public key."""

    name: str
    bot: str
    made_at: datetime
    is_rehearsal: bool


def offsite_name(bot: str, made_at: datetime, *, is_rehearsal: bool = False) -> str:
    """Return the name of the copy that was made at an instant by the bot with the public key `bot`."""
    kind = _REHEARSAL if is_rehearsal else ""
    return f"dca-bot-{kind}{bot[:_BOT_CHARS]}-{made_at.astimezone(UTC):{_STAMP}}.age"


def offsite_copies(names: Iterable[str]) -> list[OffsiteCopy]:
    """Return the copies among some names of files."""
    return [one for one in map(_copy_of, names) if one is not None]


def rank(copy: OffsiteCopy, now: datetime) -> tuple[bool, datetime]:
    """Return what newer copies have more of; a copy of the future, from a clock that was ahead, is older."""
    return copy.made_at <= now, copy.made_at


def surplus(
    names: Collection[str], bot: str, *, is_rehearsal: bool, keep: int, now: datetime
) -> list[str]:
    """Return the names of one bot's copies beyond the newest `keep`, and of uploads that were broken off."""

    def own(names: Iterable[str]) -> list[OffsiteCopy]:
        mine = (bot[:_BOT_CHARS], is_rehearsal)
        return [one for one in offsite_copies(names) if (one.bot, one.is_rehearsal) == mine]

    kept = sorted(own(names), key=lambda one: rank(one, now), reverse=True)
    broken_off = own(name.removesuffix(PART) for name in names if name.endswith(PART))
    return [*(one.name for one in kept[keep:]), *(one.name + PART for one in broken_off)]


def _copy_of(name: str) -> OffsiteCopy | None:
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    try:
        made_at = datetime.strptime(found[3], _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None
    return OffsiteCopy(name, found[2], made_at, is_rehearsal=found[1] is not None)


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
