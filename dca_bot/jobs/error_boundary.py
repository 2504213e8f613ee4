"""Keeps an unexpected error in a task from stopping the other tasks, and tells the operators.

An error of the disk (sqlite3.OperationalError) still ends the bot: nothing could be recorded any more.
"""

import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from dca_bot.core.ports import Clock
from dca_bot.errors import place_of
from dca_bot.ledger.store.database import Database, Tx
from dca_bot.messages.notices import Notices
from dca_bot.messages.say import Say, Word

_KNOWN_MAX = 10_000
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Guarded(StrEnum):
    """A guarded task, as the log names the task; operators read `word.job`."""

    CASH_OUT = "cash_out"
    CASH_ROW = "cash_row"
    RUN = "run"
    POLL = "poll"
    MINIMUM = "minimum"
    PAYOUTS = "payouts"
    DIGEST = "digest"
    STATEMENT = "statement"
    SUMMARY = "summary"
    PAST = "past"
    FIXED = "fixed"
    TICKER = "ticker"
    CASH = "cash"
    MISSING = "missing"
    HEARD = "heard"
    REACH = "reach"
    RELAY = "relay"
    UNREACHED = "unreached"
    SLOW = "slow"
    VERIFY = "verify"
    FILE = "file"
    HEALTH = "health"
    REHEARSAL = "rehearsal"
    COPY = "copy"


@dataclass(frozen=True, slots=True)
class ErrorBoundary:
    """The error boundary around the tasks of one job."""

    database: Database
    notices: Notices
    clock: Clock
    wake_outbox: Callable[[], None]
    _known: set[str] = field(default_factory=set, init=False)

    @asynccontextmanager
    async def over(
        self, what: Guarded, ref: object = "", *, named: Say | None = None
    ) -> AsyncIterator[None]:
        """Run the body; log an unexpected error and tell the operators, each once in this run of the bot.

        `what`: the task. `ref`: the item in the log. `named`: the item in words; with `named` the
        operators are told of each item instead of once for the task. Raise sqlite3.OperationalError.
        """
        try:
            yield
        except sqlite3.OperationalError:
            raise
        except Exception as error:  # noqa: BLE001 - one fault must not keep payouts and messages back
            place, key = place_of(error), f"{what} {ref if named else ''}"
            level = logging.ERROR if self._is_new(f"{key} {place}") else logging.DEBUG
            _log.log(
                level, "%s failed ref=%s error=%s at=%s", what, ref, type(error).__name__, place
            )
            if self._is_new(key):
                await self._tell(
                    Say("notice.job_failed", what=named or Word("job", what), place=place)
                )

    async def over_each(
        self,
        what: Guarded,
        items: Sequence[_T],
        record: Callable[[Sequence[_T]], Awaitable[object]],
        *,
        ref: Callable[[_T], str],
        named: Callable[[_T], Say] | None = None,
    ) -> None:
        """Record items together; if that fails, each alone, so that no item keeps another back.

        Raise sqlite3.OperationalError.
        """
        try:
            await record(items)
        except sqlite3.OperationalError:
            raise
        except Exception:  # noqa: BLE001 - each item is tried alone, and its error told
            for item in items:
                async with self.over(what, ref(item), named=named(item) if named else None):
                    await record([item])

    async def over_all(self, looks: Sequence[tuple[Guarded, Callable[[Tx], _T]]]) -> list[_T]:
        """Run looks at the ledger in one transaction; if that fails, each alone: none keeps another back.

        Return the results of the looks that succeeded. Raise sqlite3.OperationalError.
        """
        try:
            return await self.database.transact(lambda tx: [look(tx) for _, look in looks])
        except sqlite3.OperationalError:
            raise
        except Exception:  # noqa: BLE001 - each look is tried alone, and its error told
            done = list[_T]()
            for what, look in looks:
                async with self.over(what):
                    done.append(await self.database.transact(look))
            return done

    def _is_new(self, key: str) -> bool:
        """Tell whether a key comes for the first time; after many keys all are forgotten."""
        if len(self._known) >= _KNOWN_MAX:
            self._known.clear()
        is_new = key not in self._known
        self._known.add(key)
        return is_new

    async def _tell(self, told: Say) -> None:
        now = self.clock.now()
        await self.database.transact(lambda tx: self.notices.tell_operators(tx, told, now))
        self.wake_outbox()
