"""Sends each copy of the ledger away, encrypted, and compares what the places have with what was sent.

One place is tried after the other. A place that fails stops neither the copies on this computer nor the
other places; the operators are told once, and once when it works again.
"""

import hashlib
import logging
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from dca_bot.core.calendar import has_passed
from dca_bot.core.offsite import PART, offsite_name, surplus
from dca_bot.core.ports import Clock, CopyPlace, Seal, Sealed
from dca_bot.errors import OffsiteFailed, in_words
from dca_bot.faults import OffsiteFault
from dca_bot.jobs.error_boundary import ErrorBoundary, Guarded
from dca_bot.jobs.signals import SLEEP_MAX_S, Signals
from dca_bot.jobs.threads import aside
from dca_bot.ledger.store import offsite_states
from dca_bot.ledger.store.backups import Copy, copies
from dca_bot.ledger.store.database import Database, Tx
from dca_bot.ledger.store.offsite_states import PlaceState
from dca_bot.messages.notices import Notices

_RETRY_S = 1800
_COMPARED_EVERY = timedelta(days=30)
_NAMES_MATCH = "*.age" + PART
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Offsite:
    """The sender of the copies in `folder` to `places`; `bot`: the bot's public key.

    The copies' names have the key and the kind: of a programme, or of its rehearsal.
    """

    database: Database
    notices: Notices
    clock: Clock
    signals: Signals
    folder: Path
    places: Sequence[CopyPlace]
    seal: Seal | None
    keep: int
    bot: str
    is_rehearsal: bool
    _boundary: ErrorBoundary = field(init=False)

    def __post_init__(self) -> None:
        self._boundary = ErrorBoundary(
            self.database, self.notices, self.clock, self.signals.outbox.ring
        )

    async def run(self) -> None:
        """Send each new copy; return at once if copies are sent nowhere."""
        labels = [place.label for place in self.places]
        await self.database.transact(lambda tx: offsite_states.retain(tx, labels))
        while self.places:
            pause_s: float = _RETRY_S
            async with self._boundary.over(Guarded.COPY):
                pause_s = await self.look_once()
            await self.signals.copies.wait(self.clock, pause_s)

    async def look_once(self) -> float:
        """Send the newest copy to each place that lacks it; return the seconds until the next look."""
        now = self.clock.now()
        newest = await aside(partial(self._newest, now))
        if newest is None:
            return SLEEP_MAX_S
        states = await self.database.read(offsite_states.states)
        name = offsite_name(self.bot, newest.made_at, is_rehearsal=self.is_rehearsal)
        due = [one for one in self.places if states.get(one.label, PlaceState()).name != name]
        works = not due or await self._send(newest, name, due)
        for place in self.places:
            found = states.get(place.label, PlaceState())
            since = found.compared_at or found.sent_at
            if place not in due and has_passed(_COMPARED_EVERY, since=since, now=now):
                works &= await self._over(place, self._compare(place, found))
        return SLEEP_MAX_S if works else _RETRY_S

    async def _over(self, place: CopyPlace, work: Awaitable[bool]) -> bool:
        """Return whether a place did its part; an unexpected error keeps no other place back."""
        done: list[bool] = []
        async with self._boundary.over(Guarded.COPY, place.label):
            done.append(await work)
        return done == [True]

    def _newest(self, now: datetime, _stop: object) -> Copy | None:
        """Return the newest copy on this computer, not counting those of a clock that was ahead."""
        if not self.folder.is_dir():
            return None
        return next((copy for copy in copies(self.folder) if copy.made_at <= now), None)

    async def _send(self, copy: Copy, name: str, due: Sequence[CopyPlace]) -> bool:
        """Encrypt a copy once, and send it to each place; return whether all have it."""
        file = self.folder / (name + PART)
        try:
            sealed = await aside(partial(self._sealed, copy.path, file))
            sent = [
                await self._over(place, self._send_to(place, file, name, sealed)) for place in due
            ]
            return all(sent)
        except OSError as error:
            said = in_words(error)
            for place in due:
                failure = OffsiteFailed(
                    f"The copy could not be encrypted in {self.folder} ({said}).",
                    fault=OffsiteFault.NOT_SEALED,
                    place=place.label,
                )
                await self._note_failing(place, failure)
            return False
        finally:
            with suppress(OSError):
                file.unlink()

    def _sealed(self, copy: Path, file: Path, _stop: object) -> Sealed:
        assert self.seal is not None
        for left in self.folder.glob(_NAMES_MATCH):  # by a bot that was killed
            left.unlink()
        return self.seal(copy, file)

    async def _send_to(self, place: CopyPlace, file: Path, name: str, sealed: Sealed) -> bool:
        try:
            kept_as = await place.put(file, name)
        except OffsiteFailed as error:
            await self._note_failing(place, error)
            return False
        await self._prune(place)
        now = self.clock.now()
        sent = {"name": name, "kept_as": kept_as, "sent_at": now}
        await self._note_working(place, now, **sent, size=sealed.size, sha256=sealed.sha256)
        _log.info("copy sent place=%s bytes=%d", place.label, sealed.size)
        return True

    async def _prune(self, place: CopyPlace) -> None:
        """Remove this bot's old copies; a place that lets nobody remove any does its part all the same."""
        try:
            names = await place.names()
            for name in surplus(
                names,
                self.bot,
                is_rehearsal=self.is_rehearsal,
                keep=self.keep,
                now=self.clock.now(),
            ):
                await place.remove(name)
        except OffsiteFailed as error:
            _log.warning("old copies not removed place=%s: %s", place.label, error)

    async def _compare(self, place: CopyPlace, sent: PlaceState) -> bool:
        """Read back the copy that was sent last; a copy that is another by now is sent again."""
        try:
            lost = await self._lost(place, sent)
        except OffsiteFailed as error:
            await self._note_failing(place, error)
            return False
        if lost is not None:
            await self._note_failing(place, lost, name="")
            return False
        now = self.clock.now()
        await self._note_working(place, now, compared_at=now)
        _log.info("copy compared place=%s", place.label)
        return True

    async def _lost(self, place: CopyPlace, sent: PlaceState) -> OffsiteFailed | None:
        """Return what is wrong with the copy in a place; None for the copy that was sent."""
        if sent.kept_as not in await place.names():
            return OffsiteFailed(
                f"The copy {sent.kept_as} isn't there any more; it is sent again.",
                fault=OffsiteFault.COPY_LOST,
                place=place.label,
            )
        digest, size = hashlib.sha256(), 0

        def take(piece: bytes) -> None:
            nonlocal size
            digest.update(piece)
            size += len(piece)

        await place.fetch(sent.kept_as, take)
        if (size, digest.hexdigest()) == (sent.size, sent.sha256):
            return None
        return OffsiteFailed(
            f"The copy {sent.kept_as} isn't what was sent: {size} bytes of {sent.size}, or others. It"
            " is sent again; if that happens anew, change that disk.",
            fault=OffsiteFault.COPY_CHANGED,
            place=place.label,
        )

    async def _note_failing(self, place: CopyPlace, error: OffsiteFailed, **values: object) -> None:
        now = self.clock.now()

        def work(tx: Tx) -> bool:
            since = offsite_states.state(tx, place.label).failing_since
            offsite_states.change(tx, place.label, failing_since=since or now, **values)
            if since is None:
                self.notices.alarms.offsite_failing(tx, place.label, error, now)
            return since is None

        if await self.database.transact(work):
            _log.error("copy not sent place=%s why=%s", place.label, error)
            self.signals.outbox.ring()

    async def _note_working(self, place: CopyPlace, now: datetime, **values: object) -> None:
        def work(tx: Tx) -> bool:
            before = offsite_states.change(tx, place.label, failing_since=None, **values)
            if before.failing_since is not None:
                self.notices.alarms.offsite_works(tx, place.label, before.failing_since, now)
            return before.failing_since is not None

        if await self.database.transact(work):
            self.signals.outbox.ring()
