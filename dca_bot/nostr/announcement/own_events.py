"""The bot's own events: profile (NIP-01, NIP-24), inbox relays (NIP-17), relay list (NIP-65). Pure.

A draft is made from the configuration and from the newest published event. Where the configuration says
nothing, values stay that somebody has published from another app with the bot's key.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dca_bot.core.relay_lists import RelayListKind
from dca_bot.core.relay_urls import normalize
from dca_bot.errors import MessageRefused
from dca_bot.nostr.events import Event, Tags, parse_json

KIND_PROFILE = 0
KIND_RELAYS = int(RelayListKind.WRITE)
KIND_INBOX_RELAYS = int(RelayListKind.INBOX)
INBOX_RELAYS_MAX = 3
"""NIP-17: a list of inbox relays should have one to three."""
_KEPT_RELAYS_MAX = 10
_OTHER_NAMES = ("display_name", "displayName")
_SIGNED_AGAIN_AFTER_S = 600

Slot = tuple[int, str]
"""The place of a replaceable event: kind, and the value of the `d` tag ('' where the kind has none)."""


def slot_of(event: "Event | Draft") -> Slot:
    """Return the slot of an event: an event replaces earlier events of the same slot (NIP-01)."""
    names = (tag[1] for tag in event.tags if len(tag) > 1 and tag[0] == "d")
    return event.kind, next(names, "") if event.kind >= 30_000 else ""


@dataclass(frozen=True, slots=True)
class Draft:
    """The content of an event to publish, without date and signature."""

    kind: int
    tags: Tags
    content: str

    def is_said_by(self, event: Event | None) -> bool:
        """Tell whether an event has the draft's content and tags; proof of work (NIP-13) doesn't count."""
        return event is not None and (said(event), event.content) == (self.tags, self.content)


def said(event: Event) -> Tags:
    """Return the tags of an event without the proof of work (NIP-13) that a relay has asked for."""
    return tuple(tag for tag in event.tags if tag[:1] != ("nonce",))


def is_same(one: Event, other: Event) -> bool:
    """Tell whether two events differ in nothing but proof of work (NIP-13)."""
    return (one.created_at, said(one), one.content) == (
        other.created_at,
        said(other),
        other.content,
    )


def draft_profile(
    published: Event | None, given: Mapping[str, str], first: Mapping[str, str]
) -> Draft:
    """Draft the profile: `given` replaces keys, '' takes a key away, all other keys stay as published.

    `first`: the keys of a bot that has no profile yet.
    """
    old = None if published is None else _fields(published.content)
    fields: dict[str, Any] = dict(first) if old is None else dict(old)
    for name, value in given.items():
        if value:
            fields[name] = value
        else:
            fields.pop(name, None)
    if given.get("name"):
        # Apps show these names in place of `name`.
        fields |= {other: given["name"] for other in _OTHER_NAMES if other in fields}
    fields["bot"] = True
    content = json.dumps(fields, ensure_ascii=False)
    if published is not None and old is not None and _canonical(old) == _canonical(fields):
        content = published.content
    return Draft(KIND_PROFILE, () if published is None else said(published), content)


def draft_inbox_relays(relays: Sequence[str]) -> Draft:
    """Draft the list of the relays where the bot reads messages; nothing of a published list stays."""
    return Draft(KIND_INBOX_RELAYS, tuple(("relay", url) for url in relays[:INBOX_RELAYS_MAX]), "")


def draft_relays(published: Event | None, relays: Sequence[str], own: Sequence[str]) -> Draft:
    """Draft the list of the relays where the bot reads and writes.

    Of a published list the relays marked `write` stay, except the bot's `own`: such a relay may hold events
    of the bot. A relay without the mark `write` would promise that the bot reads messages from that relay.
    """
    mine = {normalize(url) for url in own}
    kept = [
        tag
        for tag in (published.tags if published is not None else ())
        if tag[:1] == ("r",) and tag[2:3] == ("write",) and normalize(tag[1]) not in {None, *mine}
    ]
    return Draft(KIND_RELAYS, (*(("r", url) for url in relays), *kept[:_KEPT_RELAYS_MAX]), "")


@dataclass(slots=True)
class OwnEvents:
    """The newest event of each slot: the newest at any relay, or a newer event not taken yet.

    `profile` drafts the bot's profile from a published profile, or from None. A profile drafted from None
    while a relay was down never replaces the profile at that relay, although the draft is dated later.
    """

    sign: Callable[[Draft, int], Event]
    profile: Callable[[Event | None], Draft] | None = None
    public: dict[Slot, Event] = field(default_factory=dict)
    _pending: dict[Slot, Event] = field(default_factory=dict)
    _contested: dict[Slot, int] = field(default_factory=dict)
    """When the newest event that must be replaced was dated, by slot."""

    def note_public(self, event: Event) -> bool:
        """Note that a relay has an event of the bot; return whether the newest event changes by that.

        Of two events of the same second the event with the lower id counts (NIP-01). Some relays keep the
        event that came first. The slot of two such events is contested until a later event is published.
        The same holds for a profile and another profile that was drafted without it.
        """
        slot, known = slot_of(event), self.public.get(slot_of(event))
        if known is not None and self._is_guess(event, known):
            return self._prefer(known, event, is_news=False)
        if known is not None and self._is_guess(known, event):
            return self._prefer(event, known, is_news=True)
        if known is not None and (known.created_at > event.created_at or is_same(known, event)):
            return False
        is_tie = known is not None and known.created_at == event.created_at
        if known is None or not is_tie or event.id < known.id:
            self.public[slot] = event
        if is_tie:
            self._contested[slot] = event.created_at
        elif event.created_at > self._contested.get(slot, -1):
            self._contested.pop(slot, None)
        return True

    def _is_guess(self, event: Event, real: Event) -> bool:
        """Tell whether a profile was drafted without an older profile that says something else."""
        if self.profile is None or event.kind != KIND_PROFILE or event.created_at < real.created_at:
            return False
        return self.profile(None).is_said_by(event) and not self.profile(real).is_said_by(event)

    def _prefer(self, real: Event, guess: Event, *, is_news: bool) -> bool:
        """Have a profile count, until an event newer than the guess is published."""
        slot = slot_of(real)
        is_known = self._contested.get(slot, -1) >= guess.created_at
        self.public[slot] = real
        self._contested[slot] = max(self._contested.get(slot, -1), guess.created_at)
        return is_news or not is_known

    def event_for(self, draft: Draft, now_s: int) -> Event:
        """Return the event that says a draft: the published event, or an event that is newer."""
        slot = slot_of(draft)
        public, pending = self.public.get(slot), self._pending.get(slot)
        if public is not None and draft.is_said_by(public) and slot not in self._contested:
            return public
        # Newer also if the bot's clock is behind, or was when the published event was signed.
        dated = -1 if public is None else public.created_at
        earliest = max(dated, self._contested.get(slot, -1)) + 1
        created_at = max(now_s, earliest)
        # A clock that was set meanwhile dates anew what no relay took.
        if (
            pending is None
            or not draft.is_said_by(pending)
            or pending.created_at < earliest
            or abs(pending.created_at - created_at) > _SIGNED_AGAIN_AFTER_S
        ):
            pending = self._pending[slot] = self.sign(draft, created_at)
        return pending


def _fields(content: str) -> dict[str, Any] | None:
    """Read the keys of a profile; None for a text that no app can read."""
    try:
        fields = parse_json(content)
        json.dumps(fields, allow_nan=False)
    except (MessageRefused, ValueError):
        return None
    return fields if isinstance(fields, dict) else None


def _canonical(fields: Mapping[str, Any]) -> str:
    return json.dumps(fields, sort_keys=True)
