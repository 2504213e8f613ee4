"""The inbox's subscription at a relay: the state and the delays, without I/O."""

from dataclasses import dataclass, field
from enum import Enum, auto
from random import Random

from dca_bot.nostr.relays.errands import Errand
from dca_bot.nostr.relays.publications import wants_auth
from dca_bot.nostr.relays.relay_habits import RelayHabits

STORED_LIMIT_S = 10
"""After so long without a frame the stored events are taken as sent: some relays never send EOSE."""
QUIET_S = 5
"""The same once the relay has begun to send."""
RENEW_S = 180
"""How often a relay that passes nothing on is asked again."""
_STORED_LIMIT_S_NO_EOSE = 3
_STORED_LIMIT_S_SLOW = 60
_RENEW_S_DEAF = 30
_LATE_S = 60
"""How long after a silence the relay may still send stored events."""
_PAGE_REST_S = 20
_REST_S_MAX = 1_800
_POLL_S_MAX = 30
_BACKOFF_S_MAX = 300
_STEADY_S = 60
_KNOWN_MAX = 5_000


class State(Enum):
    """Where the subscription stands."""

    WAITING = auto()
    LIVE = auto()
    CLOSED = auto()


@dataclass(slots=True)
class InboxSubscription:
    """The inbox's subscription; `errand`: the page or query that the next EOSE ends.

    `turn` counts the changes of state: a wake-up with an earlier `turn` comes too late. `words`: the relay's
    own words after CLOSED. `was_read`: all stored messages were delivered since the inbox was opened.
    `has_answered`: the relay has sent a message since the last reading began.
    `passed_on`: a message came by itself since the last reading. `is_renewal`: the inbox was live when the
    present reading began. `polls`: how often in a row the relay closed the subscription as soon as all was
    read.
    """

    random: Random
    habits: RelayHabits
    state: State = State.CLOSED
    turn: int = 0
    errand: Errand | None = None
    was_read: bool = False
    has_answered: bool = False
    is_assumed: bool = False
    wants_auth: bool = False
    words: str = ""
    passed_on: bool = False
    is_renewal: bool = False
    polls: int = 0
    failures: int = 0
    _pages: int = 0
    _missed: bool = False
    _live_at_s: int = 0
    _read_at_s: int = 0
    _known: set[str] = field(default_factory=set)

    @property
    def is_live(self) -> bool:
        """Tell whether the relay passes new events on."""
        return self.state is State.LIVE

    @property
    def is_mute(self) -> bool:
        """Tell whether the relay has said nothing to the last reading: perhaps the relay hangs."""
        return self.is_assumed and not self.has_answered

    @property
    def is_heard(self) -> bool:
        """Tell whether messages arrive: the inbox is live, or is closed and read again and again."""
        return self.is_live or self.polls > 1

    @property
    def complaint(self) -> str:
        """Return the relay's words about the last CLOSED; '' for an inbox that is live again for good."""
        return "" if self.is_live and self.polls <= 1 else self.words

    @property
    def is_idle(self) -> bool:
        """Tell whether the subscription serves no errand."""
        return self.errand is None

    def open(self, errand: Errand) -> None:
        """Note that the relay was asked for an errand's events in the inbox's subscription."""
        self.errand = errand
        self.turn += 1
        if errand.is_page:
            self.has_answered = False
        if self.state is State.CLOSED:
            self.state, self.was_read = State.WAITING, False

    def go_live(self, now_s: int, *, is_assumed: bool) -> Errand | None:
        """Note the end of the stored events, and return the errand that has ended."""
        self.turn += 1
        self.is_assumed = is_assumed
        self.habits.no_eose = is_assumed
        if not self.is_renewal:
            self._read_at_s = now_s
        if not self.is_live:
            self.state, self._live_at_s = State.LIVE, now_s
        errand, self.errand = self.errand, None
        return errand

    def close(self, reason: str, now_s: int, *, keeps_pages: bool) -> Errand | None:
        """Note that the relay closed the subscription; return the errand that was under way.

        `keeps_pages`: the reading goes on without the subscription, and `end_reading` follows.
        """
        is_steady = self.is_live and now_s - self._live_at_s >= _STEADY_S
        # The delays begin anew for a subscription that was live for a while.
        self.failures = 1 if is_steady else self.failures + 1
        if is_steady or not (self.was_read or keeps_pages):
            self.polls = 0
        elif self.was_read:
            self.polls += 1
        self.wants_auth = wants_auth(reason)
        self.words = reason
        self.state = State.CLOSED
        self.is_renewal = self._missed = False
        self.turn += 1
        errand, self.errand = self.errand, None
        return errand

    def note(self, event_id: str, *, is_stored: bool) -> None:
        """Note a message; a repeated message tells only that the relay answers."""
        self.has_answered = True
        if event_id in self._known:
            return
        if len(self._known) >= _KNOWN_MAX:
            self._known.clear()
        self._known.add(event_id)
        if is_stored:
            self._missed = True
        elif self.is_live:
            self.passed_on, self.habits.deaf = True, False

    def may_be_late(self, now_s: int) -> bool:
        """Tell whether a message may be a stored one, because the end of the stored messages was assumed."""
        return self.is_assumed and now_s - self._read_at_s < _LATE_S

    def end_reading(self, *, pages: int, complete: bool) -> None:
        """Note the end of the stored messages; a renewal should have found nothing new."""
        self.was_read, self._pages = complete, pages
        if self.is_renewal and self._missed:
            self.habits.deaf = True
        self.is_renewal = self._missed = False
        if complete and self.state is State.CLOSED:
            self.polls += 1

    @property
    def limit_s(self) -> float:
        """Return how long to wait for the first frame of stored events."""
        if self.habits.slow:
            return _STORED_LIMIT_S_SLOW
        return _STORED_LIMIT_S_NO_EOSE if self.habits.no_eose else STORED_LIMIT_S

    @property
    def quiet_s(self) -> float:
        """Return how long to wait for the next frame once the relay has begun to send."""
        return self.limit_s if self.habits.slow else min(self.limit_s, QUIET_S)

    @property
    def rest_s(self) -> float:
        """Return when to ask again for messages that the relay may not have passed on."""
        every_s = _RENEW_S_DEAF if self.habits.deaf else RENEW_S
        return max(every_s, self._pages_rest_s) * self.random.uniform(0.8, 1.2)

    @property
    def retry_s(self) -> float:
        """Return when to open the closed subscription again."""
        delay_s: int = min(_BACKOFF_S_MAX, 2**self.failures)
        if self.polls and not self.words.startswith("rate-limited:"):
            # The relay works, only without live subscriptions.
            delay_s = max(min(delay_s, _POLL_S_MAX), self._pages_rest_s)
        return delay_s * self.random.uniform(0.5, 1)

    @property
    def _pages_rest_s(self) -> int:
        """A relay with many stored messages is asked less often, so that reading stays a small part."""
        return min(_PAGE_REST_S * max(self._pages - 2, 0), _REST_S_MAX)
