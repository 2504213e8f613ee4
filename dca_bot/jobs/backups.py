"""Copies the ledger at intervals, and keeps the newest copies.

The folder's files tell the time of the last copy, so a restart keeps the rhythm, and a removed copy is
made anew. A failure is told once, and never stops the bot.
"""

import logging
import sqlite3
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from dca_bot.core.calendar import has_passed
from dca_bot.core.ports import Clock
from dca_bot.errors import LedgerError, in_words
from dca_bot.jobs.signals import Signals, pause_until
from dca_bot.jobs.threads import aside
from dca_bot.ledger.store import bot_state
from dca_bot.ledger.store.backups import copies, copy_ledger, copy_name, prune, remove_unfinished
from dca_bot.ledger.store.database import Database, Tx
from dca_bot.ledger.store.faults import fault_of
from dca_bot.ledger.store.private_files import make_private_folder
from dca_bot.messages.notices import Notices

_RETRY_S = 600
"""The pause after a copy that failed."""
_PROVEN_EVERY = timedelta(days=7)
"""How often a copy's indexes and references are checked too."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Backups:
    """The maker of copies in `folder`; `every` of zero makes none."""

    database: Database
    notices: Notices
    clock: Clock
    signals: Signals
    data_dir: Path
    folder: Path
    every: timedelta
    keep: int

    async def run(self) -> None:
        """Make each copy when due; return at once if no copies are wanted."""
        while self.every:
            await self.clock.sleep(await self.look_once())
        await self.database.transact(lambda tx: bot_state.drop(tx, bot_state.BACKUP_FAILING))

    async def look_once(self) -> float:
        """Make a copy if a copy is due; tell the operators when copies begin to fail or to work.

        Return the seconds until the next look.
        """
        now = self.clock.now()
        failure: LedgerError | None = None
        made, pause_s = False, float(_RETRY_S)
        proven_at = await self.database.read(
            lambda tx: bot_state.moment(tx, bot_state.BACKUP_PROVEN_AT)
        )
        proves = has_passed(_PROVEN_EVERY, since=proven_at, now=now)
        try:
            made, next_at = await aside(partial(self._make_if_due, now, proves=proves))
            pause_s = pause_until(now, next_at)
        except LedgerError as error:
            failure = error
        except OSError as error:
            path = error.filename or self.folder
            text = f"{path} can't be used ({in_words(error)})."
            failure = LedgerError(text, fault_of(error), path=str(path))
        try:
            await self._record(now, made=made, proven=made and proves, failure=failure)
        except sqlite3.OperationalError as error:
            # The ledger's own disk may be full too; the next look tells the operators.
            _log.error("backup state not recorded error=%s", error)
        return pause_s

    def _make_if_due(
        self, now: datetime, stop: threading.Event, *, proves: bool
    ) -> tuple[bool, datetime]:
        """Return whether a copy was due and made, and when the next copy is due."""
        make_private_folder(self.folder, setting="backup.path")
        remove_unfinished(self.folder)
        # A copy from the future was made while the clock was ahead, and says nothing about today.
        times = [copy.made_at for copy in copies(self.folder) if copy.made_at <= now]
        if times and now - times[0] < self.every:
            return False, times[0] + self.every
        copy_ledger(self.data_dir, self.folder / copy_name(now), stop=stop, proves=proves)
        # Only after the new copy: while copying fails, the old copies are the only ones.
        prune(self.folder, keep=self.keep, now=now)
        return True, now + self.every

    async def _record(
        self, now: datetime, *, made: bool, proven: bool, failure: LedgerError | None
    ) -> None:
        def work(tx: Tx) -> bool:
            if made:
                bot_state.put(tx, bot_state.BACKUP_AT, now.isoformat())
            if proven:
                bot_state.put(tx, bot_state.BACKUP_PROVEN_AT, now.isoformat())
            if failure is not None:
                return self._note_failing(tx, failure, now)
            return self._note_working(tx, now)

        changed = await self.database.transact(work)
        if made:
            _log.info("backup made at=%s", now.isoformat())
            self.signals.copies.ring()
        if failure is not None and changed:
            _log.error("backup failed why=%s", failure)
        if changed:
            self.signals.outbox.ring()

    def _note_failing(self, tx: Tx, failure: LedgerError, now: datetime) -> bool:
        if bot_state.get(tx, bot_state.BACKUP_FAILING) is not None:
            return False
        bot_state.put(tx, bot_state.BACKUP_FAILING, now.isoformat())
        self.notices.alarms.backup_failing(tx, failure, now)
        return True

    def _note_working(self, tx: Tx, now: datetime) -> bool:
        since = bot_state.moment(tx, bot_state.BACKUP_FAILING)
        if since is None:
            return False
        bot_state.drop(tx, bot_state.BACKUP_FAILING)
        self.notices.alarms.backup_works(tx, since, now)
        return True
