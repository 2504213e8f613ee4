"""Looks up names and Lightning addresses in people's profiles (kind 0, NIP-01), within a few seconds.

The invariant: a profile counts only with the owner's signature, and the newest profile counts. What a
name says is the owner's choice: nobody is known by it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta

from dca_bot.errors import MessageRefused
from dca_bot.nostr.events import Event, parse_json, verify
from dca_bot.nostr.relays.frames import Filter

_KIND_PROFILE = 0
_LIMIT_S = 4
_CONTENT_CHARS_MAX = 20_000
_AHEAD_MAX = timedelta(minutes=15)
"""How far a phone's clock may be ahead of the bot's clock."""
_NAMES = ("display_name", "displayName", "name")
"""The keys that apps show as a person's name (NIP-24), in the order in which apps prefer them."""

Ask = Callable[[Filter], Awaitable[Sequence[Event] | None]]
"""Asks one relay for stored events, which are not verified; None if no answer came."""


async def profile_names(pubkeys: Sequence[str], relays: Sequence[Ask]) -> Mapping[str, str]:
    """Return the names in the profiles of some people, by pubkey; a relay that is slow isn't waited for."""
    events = await _ask_all(pubkeys, relays)
    return {pubkey: name for pubkey in pubkeys if (name := _name(_newest(events, pubkey)))}


async def profile_address(pubkey: str, relays: Sequence[Ask], now: datetime) -> str:
    """Return `lud16` of a person's newest profile, as the owner wrote the text; empty without a `lud16`.

    Empty too if the newest profile has a date in the future: the owner's later changes would stand behind
    that profile, and an older profile may name a wallet that the owner has left.
    """
    newest = _newest(await _ask_all([pubkey], relays), pubkey)
    if newest is None or newest.created_at > (now + _AHEAD_MAX).timestamp():
        return ""
    address = _content(newest).get("lud16")
    return address if isinstance(address, str) else ""


async def _ask_all(pubkeys: Sequence[str], relays: Sequence[Ask]) -> list[Event]:
    """Return the profiles of some people at all relays that answer in time; none is verified."""
    wanted = {"kinds": [_KIND_PROFILE], "authors": list(pubkeys), "limit": len(pubkeys)}
    questions = [asyncio.ensure_future(ask(wanted)) for ask in relays]
    if not questions:
        return []
    try:
        await asyncio.wait(questions, timeout=_LIMIT_S)
    finally:
        for question in questions:
            question.cancel()
    answers = await asyncio.gather(*questions, return_exceptions=True)
    return [event for answer in answers if isinstance(answer, Sequence) for event in answer]


def _newest(events: Sequence[Event], pubkey: str) -> Event | None:
    mine = (event for event in events if (event.kind, event.pubkey) == (_KIND_PROFILE, pubkey))
    for event in sorted(mine, key=lambda event: (-event.created_at, event.id)):
        try:
            verify(event)
        except MessageRefused:
            continue
        return event
    return None


def _name(event: Event | None) -> str:
    profile = {} if event is None else _content(event)
    given = [profile.get(key) for key in _NAMES]
    return next((name for name in given if isinstance(name, str) and name.strip()), "")


def _content(event: Event) -> Mapping[str, object]:
    """Return a profile's keys and values; none if the content is too long or no JSON object."""
    if len(event.content) > _CONTENT_CHARS_MAX:
        return {}
    try:
        profile = parse_json(event.content)
    except MessageRefused:
        return {}
    return profile if isinstance(profile, dict) else {}
