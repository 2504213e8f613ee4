"""Each month: tries the newest copy on this computer, and reminds the operators to rehearse a restore.

`jobs/offsite` compares the copies in other places. Only a person has the recovery key, and can try the whole.
"""

import logging
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from dca_bot.core.calendar import has_passed
from dca_bot.core.ports import Clock
from dca_bot.errors import LedgerError, in_words
from dca_bot.jobs.error_boundary import ErrorBoundary, Guarded
from dca_bot.jobs.signals import SLEEP_MAX_S, Signals
from dca_bot.jobs.threads import aside
from dca_bot.ledger.audit.copies import audit_copy
from dca_bot.ledger.store import bot_state, offsite_states
from dca_bot.ledger.store.backups import Copy, copies, rehearsed_at
from dca_bot.ledger.store.database import Database, Tx
from dca_bot.ledger.store.faults import fault_of
from dca_bot.messages import describe
from dca_bot.messages.notices import Notices
from dca_bot.messages.say import Say

_EVERY = timedelta(days=30)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CopyRehearsals:
    """The job that tries the copies in `folder`, in a folder of `data_dir`."""

    database: Database
    notices: Notices
    clock: Clock
    signals: Signals
    data_dir: Path
    folder: Path

    async def run(self) -> None:
        """Look each hour; never return."""
        ring = self.signals.outbox.ring
        boundary = ErrorBoundary(self.database, self.notices, self.clock, ring)
        while True:
            async with boundary.over(Guarded.COPY):
                await self.look_once()
            await self.clock.sleep(SLEEP_MAX_S)

    async def look_once(self) -> None:
        """Try the newest copy, and remind the operators, where a month has passed."""
        now = self.clock.now()
        tried_at = await self.database.read(
            lambda tx: bot_state.moment(tx, bot_state.COPY_REHEARSED_AT) or _start(tx)
        )
        if tried_at is not None and has_passed(_EVERY, since=tried_at, now=now):
            newest = self._newest(now)
            if newest is not None:
                await self._try(newest, now)
        if await self.database.transact(lambda tx: self._remind(tx, now)):
            self.signals.outbox.ring()

    def _newest(self, now: datetime) -> Copy | None:
        found = copies(self.folder) if self.folder.is_dir() else []
        return next((copy for copy in found if copy.made_at <= now), None)

    async def _try(self, copy: Copy, now: datetime) -> None:
        why = await self._fault_of(copy)

        def work(tx: Tx) -> None:
            bot_state.put(tx, bot_state.COPY_REHEARSED_AT, now.isoformat())
            if why is not None:
                self.notices.alarms.copy_rehearsed_badly(tx, copy.made_at, why, now)

        await self.database.transact(work)
        _log.log(
            logging.INFO if why is None else logging.ERROR,
            "copy rehearsed made_at=%s good=%s",
            copy.made_at.isoformat(),
            why is None,
        )

    async def _fault_of(self, copy: Copy) -> Say | None:
        """Return why a copy can't be put back; None for a good copy."""
        try:
            found = await aside(partial(audit_copy, copy.path, self.data_dir))
        except LedgerError as error:
            return describe.ledger_fault(error)
        except (OSError, sqlite3.Error) as error:
            said = in_words(error)
            fault = fault_of(error)
            return describe.ledger_fault(LedgerError(f"{said}.", fault, path=str(copy.path)))
        return describe.finding(found.findings[0]) if found.findings else None

    def _remind(self, tx: Tx, now: datetime) -> bool:
        """Ask for a rehearsal a month after the last one, or the last reminder, once a copy was sent away."""
        if not any(state.name for state in offsite_states.states(tx).values()):
            return False
        done_at = rehearsed_at(self.data_dir)
        reminded_at = bot_state.moment(tx, bot_state.RESTORE_REMINDED_AT)
        since = max(
            (at for at in (done_at, reminded_at, _start(tx)) if at is not None), default=now
        )
        if not has_passed(_EVERY, since=since, now=now):
            return False
        bot_state.put(tx, bot_state.RESTORE_REMINDED_AT, now.isoformat())
        self.notices.alarms.restore_rehearsal_due(tx, done_at, now)
        return True


def _start(tx: Tx) -> datetime | None:
    return bot_state.moment(tx, bot_state.START_AT)
