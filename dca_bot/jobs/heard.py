"""Records how far each relay was heard, and which events were refused for good.

So the next start reads on from there, relay by relay, and verifies no stored junk again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from dca_bot.core.ports import Clock, Messenger
from dca_bot.jobs.error_boundary import ErrorBoundary, Guarded
from dca_bot.jobs.repeat import repeat
from dca_bot.jobs.signals import Signals
from dca_bot.ledger.correspondence import refused_events, relays
from dca_bot.ledger.store.database import Database, Tx
from dca_bot.messages.notices import Notices

_PAUSE_S = 60
_BATCH = 1_000
"""Refused events that one transaction records: answers wait no longer than for these."""


@dataclass(slots=True)
class Heard:
    """The recorder of what the relays were heard to say."""

    database: Database
    messenger: Messenger
    notices: Notices
    clock: Clock
    signals: Signals
    _boundary: ErrorBoundary = field(init=False)

    def __post_init__(self) -> None:
        self._boundary = ErrorBoundary(
            self.database, self.notices, self.clock, self.signals.outbox.ring
        )

    async def run(self) -> None:
        """Record every few seconds until cancelled, and once more at that moment."""
        try:
            await repeat(self.record, self.clock, _PAUSE_S)
        finally:
            await self.record()

    async def record(self) -> None:
        """Record how far each relay was heard, and the events refused since the last call."""
        async with self._boundary.over(Guarded.HEARD):
            heard = self.messenger.heard()
            if heard:
                await self.database.transact(lambda tx: relays.note_heard(tx, heard))
            is_any = False
            while batch := self.messenger.take_refused(_BATCH):
                is_any = True
                await self.database.transact(partial(self._note_refused, digests=batch))
            if is_any:
                await self.database.transact(refused_events.forget_oldest)

    def _note_refused(self, tx: Tx, digests: Sequence[bytes]) -> None:
        refused_events.note(tx, digests, self.clock.now())
