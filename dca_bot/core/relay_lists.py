"""What the signed relay lists of a person say (NIP-17's kind 10050, NIP-65's kind 10002).

Anybody writes anything into a list: texts that are no relay's URL are left out, and the number is bounded.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from dca_bot.core.relay_urls import may_be_public, normalize

INBOX_MAX = 8
"""The relays of an inbox list that are tried; NIP-17 advises one to three."""
WRITE_MAX = 4
HINTS_MAX = 4
_READ_MAX = 40


class RelayListKind(IntEnum):
    """The kinds of events that name a person's relays."""

    WRITE = 10_002
    """The relays where a person publishes, and where other lists of the person are found (NIP-65)."""
    INBOX = 10_050
    """The relays where a person reads private messages (NIP-17)."""


@dataclass(frozen=True, slots=True)
class RelayList:
    """A list with a verified signature; `event`: the list as signed, JSON; `created_at` in seconds.

    `relays`: normalized URLs, at most INBOX_MAX or WRITE_MAX.
    """

    pubkey: str
    kind: RelayListKind
    created_at: int
    relays: tuple[str, ...]
    event: str


def relays_of(kind: RelayListKind, tags: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Return the relays that the tags of a list name, those with a public host first.

    >>> relays_of(RelayListKind.WRITE, [["r", "wss://a.example", "read"], ["r", "wss://b.example"]])
    ('wss://b.example',)
    """
    if kind is RelayListKind.INBOX:
        named = [tag[1] for tag in tags if len(tag) > 1 and tag[0] == "relay"]
        return bounded(named, INBOX_MAX)
    named = [tag[1] for tag in tags if len(tag) > 1 and tag[0] == "r" and _is_write(tag)]
    return bounded(named, WRITE_MAX)


def bounded(urls: Sequence[str], limit: int) -> tuple[str, ...]:
    """Return `limit` distinct relays among URLs that others wrote, those with a public host first."""
    known = [url for url in map(normalize, urls[:_READ_MAX]) if url is not None]
    distinct = list(dict.fromkeys(known))
    # A list of many private relays may have the one that works at its end.
    distinct.sort(key=may_be_public, reverse=True)
    return tuple(distinct[:limit])


def _is_write(tag: Sequence[str]) -> bool:
    """Tell whether a tag `r` names a relay to write to: a relay without a marker is for both uses."""
    return len(tag) < 3 or tag[2] in ("", "write")
