"""The bot's presence: the events to publish, as far as can be decided by now. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dca_bot.core.relay_urls import may_be_public, normalize
from dca_bot.core.slash_commands import ManifestFormat, SlashCommand
from dca_bot.nostr.announcement.command_manifest import draft_commands
from dca_bot.nostr.announcement.own_events import (
    KIND_PROFILE,
    KIND_RELAYS,
    Draft,
    Slot,
    draft_inbox_relays,
    draft_profile,
    draft_relays,
)
from dca_bot.nostr.events import Event


@dataclass(frozen=True, slots=True)
class Presence:
    """The bot's profile and commands, as configured.

    `profile`: the profile's keys that the operator has set; '' takes a key away. `first_profile`: the
    keys of a bot that has no profile yet. `commands` are published in the format `manifest`.
    """

    profile: Mapping[str, str] = field(default_factory=dict)
    first_profile: Mapping[str, str] = field(default_factory=dict)
    manifest: ManifestFormat = ManifestFormat.OFF
    commands: tuple[SlashCommand, ...] = ()


class OwnRelays:
    """The bot's own relays in the configured order; only a relay that ever passed messages on is announced.

    `worked`: the relays that have passed messages on in an earlier run.
    """

    def __init__(self, urls: Iterable[str], worked: Iterable[str]) -> None:
        self.urls = tuple(urls)
        self._worked = {same_form(url) for url in worked}

    @property
    def working(self) -> tuple[str, ...]:
        """Return the relays that the lists may name: a message to any other would be lost."""
        return tuple(url for url in self.urls if same_form(url) in self._worked)

    def note_working(self, url: str) -> bool:
        """Note that a relay passes messages on; return whether that is news."""
        is_news = same_form(url) not in self._worked
        self._worked.add(same_form(url))
        return is_news

    def has(self, url: str) -> bool:
        """Tell whether a relay is the bot's own."""
        return same_form(url) in {same_form(own) for own in self.urls}

    def may_be_told_at(self, url: str) -> bool:
        """Tell whether another relay may learn of the bot's relays.

        A bot whose relays are all on this computer or at home isn't announced to the public: no reader of a
        public relay could reach the bot.
        """
        is_private = not any(map(_has_public_host, self.urls))
        return not self.has(url) and not (is_private and _has_public_host(url))


@dataclass(frozen=True, slots=True)
class Stage:
    """The progress of a start.

    `is_read`: the published events are known well enough to be replaced. `is_settled`: the own relays
    have had enough time to come up.
    """

    is_read: bool
    is_settled: bool


def drafts(
    presence: Presence, relays: OwnRelays, public: Mapping[Slot, Event], stage: Stage
) -> list[Draft]:
    """Draft the events for every relay, as far as each can be decided.

    The list of inbox relays has no other source than the configuration. Profile and relay list keep values
    of the published events, and wait until the published events are read.
    """
    working = relays.working
    has_lists = bool(working) and (stage.is_settled or len(working) == len(relays.urls))
    found = []
    if stage.is_read:
        profile = public.get((KIND_PROFILE, ""))
        found.append(draft_profile(profile, presence.profile, presence.first_profile))
    if has_lists:
        found.append(draft_inbox_relays(working))
    if has_lists and stage.is_read:
        found.append(draft_relays(public.get((KIND_RELAYS, "")), working, relays.urls))
    return found


def command_drafts(presence: Presence, pubkey: str) -> tuple[Draft, ...]:
    """Draft the events about commands, for the bot's own relays alone."""
    return draft_commands(presence.manifest, presence.commands, pubkey)


def _has_public_host(url: str) -> bool:
    # Without TLS a relay is reached by everybody all the same.
    return may_be_public(same_form(url).replace("ws://", "wss://", 1))


def same_form(url: str) -> str:
    """Return the form of a configured relay's URL that is compared."""
    return normalize(url) or url
