"""Keeps an error in one part of the program from ending the bot, and tells of it.

A full or locked disk still ends the bot: nothing could be recorded any more.
"""

import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from dca_bot.chat.herald import Herald
from dca_bot.chat.say import Say, Word
from dca_bot.core.ports import Clock
from dca_bot.errors import place_of
from dca_bot.ledger.database import Database

_log = logging.getLogger(__name__)


class Guarded(StrEnum):
    """What must not keep the rest back, as the log names it; operators read its `word.job`."""

    POLL = "poll"
    MINIMUM = "minimum"
    PAYOUTS = "payouts"
    DIGEST = "digest"
    SUMMARY = "summary"
    PAST = "past"
    FIXED = "fixed"
    TICKER = "ticker"
    CASH = "cash"
    MISSING = "missing"
    REACH = "reach"
    SLOW = "slow"


@dataclass(frozen=True, slots=True)
class Guard:
    """What the jobs go through with whatever must not keep the rest back."""

    database: Database
    herald: Herald
    clock: Clock
    wake_mail: Callable[[], None]
    _told: set[Guarded] = field(default_factory=set, init=False)
    _logged: set[tuple[Guarded, str]] = field(default_factory=set, init=False)

    @asynccontextmanager
    async def over(self, what: Guarded, ref: object = "") -> AsyncIterator[None]:
        """Log an unexpected error and tell the operators of it, both once in this run of the bot; go on.

        `what` was to be done, for `ref`. Raise sqlite3.OperationalError.
        """
        try:
            yield
        except sqlite3.OperationalError:
            raise
        except Exception as error:  # noqa: BLE001 - one fault must not keep payouts and messages back
            place = place_of(error)
            level = logging.DEBUG if (what, place) in self._logged else logging.ERROR
            self._logged.add((what, place))
            _log.log(
                level, "%s failed ref=%s error=%s at=%s", what, ref, type(error).__name__, place
            )
            await self._tell_once(what, place)

    async def _tell_once(self, what: Guarded, place: str) -> None:
        if what in self._told:
            return
        self._told.add(what)
        told = Say("push.job_failed", what=Word("job", what), place=place)
        now = self.clock.now()
        await self.database.transact(lambda tx: self.herald.tell_operators(tx, told, now))
        self.wake_mail()
