"""Routing: to which relays a message for a person goes, in which order, and where acceptance counts.

A message has reached a person when a relay of the person's inbox list (kind 10050) accepted the message,
or, without a list, the relay where the person last wrote. Other relays are tried beside those, but the
person counts as not reached until a relay that counts has accepted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dca_bot.core.delivery import RelayAnswer, Undelivered
from dca_bot.core.ports import DmProtocol
from dca_bot.core.relay_lists import INBOX_MAX
from dca_bot.core.relay_urls import normalize

WAVE_MAX = 4
"""The relays of the inbox list that are tried at the same time."""
_BESIDE_MAX = 8
_NEARNESS = {
    None: -1,
    Undelivered.NO_LIST: 0,
    Undelivered.UNUSABLE_LIST: 1,
    Undelivered.NO_CONNECTION: 2,
    Undelivered.NO_ANSWER: 3,
    Undelivered.REFUSED: 4,
}


@dataclass(frozen=True, slots=True)
class PersonRelays:
    """What is known of a person's relays.

    `inbox`: the relays of the newest inbox list; None without a list, and for a list that names no relay.
    `hints`: the relays of an nprofile (NIP-19). `wrote_at`: the relay of the person's last message.
    `accepted_at`: the relay that last accepted a message to the person. `is_lost`: whether the last message
    did not reach the person. `is_sought`: whether the inbox list was looked for; a person may have a list
    otherwise that nobody has found yet.
    """

    inbox: tuple[str, ...] | None = None
    hints: tuple[str, ...] = ()
    wrote_at: str = ""
    accepted_at: str = ""
    is_lost: bool = False
    is_sought: bool = True


@dataclass(frozen=True, slots=True)
class Route:
    """The relays of one message, in waves: a wave begins when the waves before did not reach the person.

    `counting`: the relays whose acceptance means that the person is reached. `arrived_at`: the counting relay
    that accepted the message at an earlier try, else ''. `is_sure`: False while an inbox list is still looked
    for, which would name other relays. URLs are normalized.
    """

    waves: tuple[tuple[str, ...], ...]
    counting: frozenset[str]
    arrived_at: str = ""
    is_sure: bool = True


def route(
    known: PersonRelays, protocol: DmProtocol, own: tuple[str, ...], *, taken_beside: str = ""
) -> Route:
    """Choose the relays of a message. `own`: the bot's relays.

    `taken_beside`: the relay that accepted the message at an earlier try without counting. The relay isn't
    tried again, but counts if the person has come to read there.
    """
    taken, wrote_at = _one(taken_beside), _one(known.wrote_at)
    own_relays = _distinct(own)
    if known.inbox is not None and protocol is DmProtocol.NIP17:
        counting = _best_first(known, own_relays)
        # The relay of writing may be the one that fails: the person's app reads the bot's relays as well.
        beside = _distinct((wrote_at, *own_relays))
        waves = _chunks(counting)
        # While the list doesn't work, nobody waits for the list to fail once more.
        late = not known.is_lost
    else:
        counting = _distinct((wrote_at, *(known.inbox or ())) if wrote_at else ())
        beside = _distinct((*own_relays, *known.hints))
        waves, late = [counting], False
    is_sure = known.inbox is not None or known.is_sought or protocol is DmProtocol.NIP04
    if taken and taken in counting:
        return Route((), frozenset(counting), arrived_at=taken, is_sure=is_sure)
    beside = [] if taken else [url for url in beside if url not in counting][:_BESIDE_MAX]
    if late:
        waves.append(beside)
    else:
        waves = [[*waves[0], *beside], *waves[1:]] if waves else [beside]
    chosen = tuple(tuple(wave) for wave in waves if wave)
    return Route(chosen, frozenset(counting), is_sure=is_sure)


def answer_route(relay: str) -> Route:
    """Return the route of an answer to a stranger: the relay where the stranger wrote, and no other."""
    urls = _distinct((relay,))
    return Route((tuple(urls),), frozenset(urls))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one try to deliver a message.

    `reached_at`: the counting relay that has the message, '' for none. `beside`: another relay that has the
    message, '' for none. `reason`: why the person is not reached; None if the person is. `words`: what the
    relay of that reason said. `is_pending`: a relay has the message that counts unless a list turns up.
    """

    reached_at: str = ""
    beside: str = ""
    reason: Undelivered | None = None
    words: str = ""
    is_pending: bool = False


def judge(route: Route, answers: Sequence[RelayAnswer]) -> Outcome:
    """Judge the answers of the relays of a route.

    The reason is that of the counting relay that came nearest to accepting: a refusal says more than
    silence, and silence more than a connection that failed.
    """
    accepted = [answer.relay for answer in answers if answer.accepted]
    counted = [relay for relay in accepted if relay in route.counting]
    if (route.arrived_at or counted) and not route.is_sure:
        beside = route.arrived_at or counted[0]
        return Outcome(beside=beside, reason=Undelivered.NO_LIST, is_pending=True)
    if route.arrived_at or counted:
        return Outcome(reached_at=route.arrived_at or counted[0])
    beside = accepted[0] if accepted else ""
    if not route.counting:
        return Outcome(beside=beside, reason=Undelivered.NO_LIST)
    failed = [answer for answer in answers if answer.relay in route.counting and answer.reason]
    nearest = max(failed, key=lambda answer: _NEARNESS[answer.reason], default=None)
    if nearest is None:
        return Outcome(beside=beside, reason=Undelivered.NO_ANSWER)
    return Outcome(beside=beside, reason=nearest.reason, words=nearest.words)


def _best_first(known: PersonRelays, own: list[str]) -> list[str]:
    """Order the inbox list: the relay that accepted last, then the bot's own relays, then as listed."""
    listed = _distinct(known.inbox or ())[:INBOX_MAX]
    accepted_at = _one(known.accepted_at)
    return sorted(listed, key=lambda url: (url != accepted_at, url not in own))


def _chunks(urls: list[str]) -> list[list[str]]:
    return [urls[at : at + WAVE_MAX] for at in range(0, len(urls), WAVE_MAX)]


def _distinct(urls: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys(one for one in map(_one, urls) if one))


def _one(url: str) -> str:
    return normalize(url) or url
