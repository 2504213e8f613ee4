"""Records how far each relay was heard, so that the next start reads on from there, relay by relay."""

from dataclasses import dataclass, field

from dca_bot.core.ports import Clock, Messenger
from dca_bot.jobs.error_boundary import ErrorBoundary, Guarded
from dca_bot.jobs.repeat import repeat
from dca_bot.jobs.signals import Signals
from dca_bot.ledger.correspondence import relays
from dca_bot.ledger.store.database import Database
from dca_bot.messages.notices import Notices

_PAUSE_S = 15


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
        """Record how far each relay was heard."""
        async with self._boundary.over(Guarded.HEARD):
            heard = self.messenger.heard()
            await self.database.transact(lambda tx: relays.note_heard(tx, heard))
