"""Uploads files for people and sends them, and has files deleted that lie on the server long enough.

The text of an answer leaves before its file, and whatever becomes of the file.
"""

import asyncio
import logging
from dataclasses import dataclass, field

from dca_bot.core.files import FileForm, padded
from dca_bot.core.payout import backoff_s
from dca_bot.core.ports import Clock, Draw, FileServer
from dca_bot.errors import ChartFailed, FileServerFailed
from dca_bot.jobs.error_boundary import ErrorBoundary, Guarded
from dca_bot.jobs.signals import Signals, pause_until
from dca_bot.ledger.correspondence import files
from dca_bot.ledger.correspondence.files import UploadedFile, WaitingFile
from dca_bot.ledger.store.database import Database
from dca_bot.messages.notices import Notices

_DELETE_AGAIN_S = 24 * 3600
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Files:
    """The sender of files, one after the other; `draw` makes pictures of charts."""

    database: Database
    server: FileServer | None
    draw: Draw | None
    notices: Notices
    clock: Clock
    signals: Signals
    _boundary: ErrorBoundary = field(init=False)

    def __post_init__(self) -> None:
        self._boundary = ErrorBoundary(
            self.database, self.notices, self.clock, self.signals.outbox.ring
        )

    async def run(self) -> None:
        """Send and delete what is due; never return."""
        while True:
            await self.look_once()
            next_at = await self.database.read(files.next_at) if self.server else None
            pause_s = pause_until(self.clock.now(), next_at, least_s=1)
            await self.signals.files.wait(self.clock, pause_s)

    async def look_once(self) -> None:
        """Send the files that are due, and delete those that are old enough."""
        if self.server is None:
            return
        now = self.clock.now()
        for waiting in await self.database.read(lambda tx: files.due(tx, now)):
            async with self._boundary.over(Guarded.FILE, waiting.id):
                await self._send(self.server, waiting)
        for old in await self.database.read(lambda tx: files.outdated(tx, now)):
            is_deleted = False
            async with self._boundary.over(Guarded.FILE, old.sha256):
                is_deleted = await self._delete(self.server, old)
            if not is_deleted:
                return  # A server that doesn't answer must not keep uploads waiting: the rest comes next.

    async def _send(self, server: FileServer, file: WaitingFile) -> None:
        """Upload a file, and write its message; a file that can't be made or sent is given up.

        So is the file of a person who wants files no more, or is no client any more.
        """
        database, now = self.database, self.clock.now()
        if not await database.transact(lambda tx: files.keep_if_wanted(tx, file)):
            return
        # The next try is recorded first: a file that ends the bot can't do so again and again.
        delay_s = backoff_s(file.tries + 1)
        is_last = await database.transact(
            lambda tx: files.put_off(tx, file, delay_s=delay_s, now=now)
        )
        try:
            content = await self._finished(file)
            sealed = await asyncio.to_thread(lambda: server.seal(padded(content, file.form)))
            await database.transact(lambda tx: files.begin_upload(tx, sealed, server.url, now=now))
            url = await server.upload(sealed)
        except (ChartFailed, FileServerFailed, ValueError) as error:
            is_over = is_last or not isinstance(error, FileServerFailed)
            _log.warning("file not sent tries=%d over=%s: %s", file.tries + 1, is_over, error)
            if is_over:
                await database.transact(lambda tx: files.drop(tx, file))
            return
        sent_at = self.clock.now()
        if await database.transact(lambda tx: files.send(tx, file, sealed, url, now=sent_at)):
            _log.info("file sent bytes=%d form=%s", len(sealed.sealed), file.form)
            self.signals.outbox.ring()

    async def _finished(self, file: WaitingFile) -> bytes:
        if file.form is FileForm.TABLE:
            return file.content
        if self.draw is None:
            raise ChartFailed("matplotlib isn't installed")
        return await self.draw(file.content)

    async def _delete(self, server: FileServer, file: UploadedFile) -> bool:
        """Have a file deleted; return False if the server has not deleted it."""
        try:
            await server.delete(file.server, file.sha256)
        except FileServerFailed as error:
            now = self.clock.now()
            is_over = await self.database.transact(
                lambda tx: files.put_off_deletion(tx, file, delay_s=_DELETE_AGAIN_S, now=now)
            )
            _log.warning("file not deleted tries=%d over=%s: %s", file.tries + 1, is_over, error)
            return False
        await self.database.transact(lambda tx: files.forget(tx, file))
        return True
