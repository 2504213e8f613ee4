"""Requests of one bot process to outside parts: delayed, lost, answered in vain, carried out late."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Generic, TypeVar

T = TypeVar("T")
LATE_MAX_S = 8
"""A request of the payouts is carried out within 10 s, or never (`core/lease`, the limit of the proof)."""


class Killed(BaseException):
    """The process is dead: what was under way in it goes no further."""


@dataclass
class Life:
    """The life of one bot process."""

    number: int
    is_over: bool = False

    def check(self) -> None:
        """Raise Killed in a dead process."""
        if self.is_over:
            raise Killed


class Fate(StrEnum):
    """What becomes of a request."""

    FINE = "fine"
    UNREACHED = "unreached"
    """The request never arrives."""
    UNANSWERED = "unanswered"
    """The request is carried out, and the answer is lost."""
    LATE = "late"
    """The request is carried out after the caller has given up."""


@dataclass
class Weather:
    """How the network to one part behaves: the odds of each fate, and whether the part is away."""

    random: Random
    fault_rate: float = 0.0
    is_away: bool = False
    least_s: float = 0.02
    most_s: float = 0.4

    def fate(self) -> Fate:
        """Draw the fate of a request."""
        if self.is_away:
            return Fate.UNREACHED
        if self.random.random() >= self.fault_rate:
            return Fate.FINE
        return self.random.choice((Fate.UNREACHED, Fate.UNANSWERED, Fate.LATE))

    def way_s(self) -> float:
        """Draw how long a request or an answer is under way."""
        return self.random.uniform(self.least_s, self.most_s)


@dataclass
class Line:
    """The way from one process to one part."""

    life: Life
    weather: Weather
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    async def ask(self, effect: Callable[[], T], lost: Callable[[], Exception]) -> T:
        """Have a part carry out `effect`, and return the result.

        Raise what `effect` raises, `lost()` without an answer, and Killed once the process is dead; the part
        carries out what was sent all the same.
        """
        self.life.check()
        fate = self.weather.fate()
        if fate is Fate.UNREACHED:
            await asyncio.sleep(self.weather.way_s())
            self.life.check()
            raise lost()
        request = _Request(effect)
        there_s = self.weather.way_s()
        if fate is Fate.LATE:
            there_s = self.weather.random.uniform(2, LATE_MAX_S)
        self.loop.call_later(there_s, request.carry_out)
        # The answer comes on its way whatever becomes of the asking process.
        await asyncio.sleep(there_s / 2 if fate is Fate.LATE else there_s + self.weather.way_s())
        self.life.check()
        if fate is Fate.FINE:
            return request.answer()
        raise lost()


class _Request(Generic[T]):
    """A request under way: what a part does, and what came of it."""

    def __init__(self, effect: Callable[[], T]) -> None:
        self._effect = effect
        self._answers: list[T] = []
        self._error: Exception | None = None

    def carry_out(self) -> None:
        """Have the part do what was asked."""
        try:
            self._answers.append(self._effect())
        except Exception as error:  # noqa: BLE001 - the caller gets whatever the part answers
            self._error = error

    def answer(self) -> T:
        """Return what the part answered, once the request was carried out; raise the part's error."""
        if self._error is not None:
            raise self._error
        return self._answers[0]
