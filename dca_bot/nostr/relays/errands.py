"""Errands: pages of stored messages and queries, each asked of a relay once in a separate subscription."""

import re
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from random import Random

from dca_bot.nostr.events import Event
from dca_bot.nostr.relays import frames
from dca_bot.nostr.relays.actions import Action, Send, WakeIn
from dca_bot.nostr.relays.publications import wants_auth

TRIES_MAX = 3
_BACKOFF_S_MAX = 300
_QUERY_EVENTS_MAX = 20
_LOOKS_MAX = 8
_ABOUT_SUBSCRIPTIONS = re.compile(r"subscription|concurrent|too many|\breqs?\b", re.IGNORECASE)


@dataclass(slots=True)
class Errand:
    """A page or a query; `events` are the query's.

    `limit_s`: after this silence the relay is taken to have answered. `quiet_s`: the same once the relay has
    begun to send. `turn` counts the changes of
    state: a wake-up with an earlier `turn` comes too late.
    """

    name: str
    filter: frames.Filter
    is_page: bool
    limit_s: float
    quiet_s: float
    is_open: bool = False
    turn: int = 0
    failures: int = 0
    wants_auth: bool = False
    events: tuple[Event, ...] = ()
    _looks: int = 0
    _frames: int = 0

    def begin_waiting(self, frames_so_far: int) -> None:
        """Note that the relay was asked; `frames_so_far`: how many frames the relay had sent."""
        self._looks, self._frames = 0, frames_so_far

    def is_being_sent(self, frames_so_far: int) -> bool:
        """Tell whether a page is still coming: frames came since the last look.

        False in the end also at a relay that never falls silent.
        """
        self._looks += 1
        has_new, self._frames = frames_so_far > self._frames, frames_so_far
        return self.is_page and has_new and self._looks < _LOOKS_MAX

    def collect(self, event: Event) -> None:
        """Keep an event of a query; a relay may send more events than the filter's limit."""
        events_max = max(_QUERY_EVENTS_MAX, self.filter.get("limit", 0))
        self.events = (*self.events, event)[:events_max]


class End(Enum):
    """How an errand ended."""

    DONE = auto()
    SILENCE = auto()
    """The relay said nothing more; whether all was sent is unknown."""
    CROWDED = auto()
    """The relay grants no further subscription."""
    FAILED = auto()


class Errands:
    """The errands of a connection, asked for in separate subscriptions; `queue`: errands not asked for yet.

    Methods append to `actions` for the shell, and return how an errand ended, None if none did.
    """

    def __init__(self, random: Random, actions: list[Action]) -> None:
        self.queue: deque[Errand] = deque()
        self._random = random
        self._actions = actions
        self._open: dict[str, Errand] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._open)

    def make(
        self,
        purpose: str,
        wanted: frames.Filter,
        limit_s: float,
        quiet_s: float = 0,
        *,
        is_page: bool = False,
    ) -> Errand:
        """Make an errand; the name begins with the purpose, and is used once."""
        self._count += 1
        return Errand(f"{purpose}-{self._count}", wanted, is_page, limit_s, quiet_s)

    def abandon(self, name: str) -> None:
        """Forget an errand that waits in the queue."""
        self.queue = deque(errand for errand in self.queue if errand.name != name)

    def drop_pages(self) -> None:
        """End all pages, asked for or waiting."""
        for errand in [errand for errand in self._open.values() if errand.is_page]:
            self.end(errand)
        self.queue = deque(errand for errand in self.queue if not errand.is_page)

    def get(self, name: str) -> Errand | None:
        """Return the errand of that name that has not ended."""
        return self._open.get(name)

    def ask(self, errand: Errand, frames_so_far: int) -> None:
        """Open a subscription for an errand; `frames_so_far`: see Errand."""
        self._open[errand.name] = errand
        errand.begin_waiting(frames_so_far)
        errand.is_open, errand.wants_auth = True, False
        errand.turn += 1
        self._actions.append(Send(frames.request_frame(errand.name, errand.filter)))
        self._actions.append(WakeIn(errand.limit_s, errand.name, errand.turn))

    def end(self, errand: Errand) -> None:
        """Close an errand's subscription."""
        errand.turn += 1
        errand.is_open = False
        if self._open.pop(errand.name, None) is not None:
            self._actions.append(Send(frames.close_frame(errand.name)))

    def has_page(self) -> bool:
        """Tell whether a page is asked for here."""
        return any(errand.is_page for errand in self._open.values())

    def end_all(self) -> list[Errand]:
        """Close the subscriptions of all errands, and return the errands."""
        ended = list(self._open.values())
        for errand in ended:
            self.end(errand)
        return ended

    def on_closed(self, errand: Errand, reason: str) -> End | None:
        """Ask again later, after a growing, jittered delay, three times at most."""
        errand.turn += 1
        errand.is_open = False
        errand.failures += 1
        errand.wants_auth = wants_auth(reason)
        if is_about_subscriptions(reason) and not errand.wants_auth:
            del self._open[errand.name]
            return End.CROWDED
        if errand.failures >= TRIES_MAX:
            self.end(errand)
            return End.FAILED
        delay_s = min(_BACKOFF_S_MAX, 2**errand.failures) * self._random.uniform(0.5, 1)
        self._actions.append(WakeIn(delay_s, errand.name, errand.turn))
        return None

    def wake(self, errand: Errand, frames_so_far: int) -> End | None:
        """Ask again, or end an errand that the relay answers no more."""
        if not errand.is_open:
            self.ask(errand, frames_so_far)
            return None
        if errand.is_being_sent(frames_so_far):
            self._actions.append(WakeIn(errand.quiet_s, errand.name, errand.turn))
            return None
        self.end(errand)
        return End.SILENCE

    def on_authenticated(self, frames_so_far: int) -> None:
        """Ask again for each errand that the relay closed for want of authentication."""
        for errand in list(self._open.values()):
            if errand.wants_auth and not errand.is_open:
                self.ask(errand, frames_so_far)


def is_about_subscriptions(words: str) -> bool:
    """Tell whether a relay's words say that a connection has too many subscriptions.

    >>> is_about_subscriptions("ERROR: too many concurrent REQs")
    True
    """
    return bool(_ABOUT_SUBSCRIPTIONS.search(words))
