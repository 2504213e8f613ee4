"""Keeps a flood from one person, or from many strangers, from costing anything to the others."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto

PEOPLE_MAX = 5000


class Ruling(Enum):
    """What becomes of a message: it passes, is the first to be stopped, or is stopped silently."""

    PASS = auto()
    NOTICE = auto()
    SILENCE = auto()


@dataclass(slots=True)
class RateLimit:
    """A bucket of `burst` messages per person, of which one comes back every `per`.

    The notice comes once until the bucket has been full again. Only the instant at which a
    person's bucket is full again is kept. A clock that is set back empties a bucket at most.
    """

    burst: int
    per: timedelta
    _full_at: dict[str, datetime] = field(default_factory=dict, init=False)
    _noticed: set[str] = field(default_factory=set, init=False)

    def judge(self, person: str, now: datetime) -> Ruling:
        """Count a message of this person, and tell what becomes of it."""
        full_at = self._full_again(person, now)
        if full_at == now:
            self._noticed.discard(person)
        passes = self._passes(full_at, now)
        self._full_at.pop(person, None)
        self._keep(person, full_at + self.per if passes else full_at)
        if passes:
            return Ruling.PASS
        if person in self._noticed:
            return Ruling.SILENCE
        self._noticed.add(person)
        return Ruling.NOTICE

    def is_silent(self, person: str, now: datetime) -> bool:
        """Tell whether `judge` would now say SILENCE; nothing is counted."""
        return person in self._noticed and not self._passes(self._full_again(person, now), now)

    def _full_again(self, person: str, now: datetime) -> datetime:
        return min(max(self._full_at.get(person, now), now), now + self.burst * self.per)

    def _passes(self, full_at: datetime, now: datetime) -> bool:
        return full_at - now <= (self.burst - 1) * self.per

    def _keep(self, person: str, full_at: datetime) -> None:
        self._full_at[person] = full_at
        if len(self._full_at) > PEOPLE_MAX:
            oldest = next(iter(self._full_at))
            del self._full_at[oldest]
            self._noticed.discard(oldest)


@dataclass(slots=True)
class Quota:
    """At most `count` of something in any `window`; what was taken by a clock that was ahead is forgotten."""

    count: int
    window: timedelta
    _taken: deque[datetime] = field(default_factory=deque, init=False)

    def take(self, now: datetime) -> bool:
        """Take one, if there is one left."""
        while self._taken and not now - self.window < self._taken[0] <= now:
            self._taken.popleft()
        if len(self._taken) >= self.count:
            return False
        self._taken.append(now)
        return True
