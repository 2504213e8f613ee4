"""Tells the operators, once each way, when an outside part is out of reach for long."""

import logging
from dataclasses import dataclass
from datetime import timedelta

from dca_bot.chat.herald import Herald
from dca_bot.core.ports import Clock, Messenger
from dca_bot.jobs.signals import RELAYS, Reach, Signals
from dca_bot.ledger import facts
from dca_bot.ledger.database import Database, Tx

LOOK_S = 15
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Watch:
    """The watcher; `run` never ends."""

    database: Database
    messenger: Messenger
    herald: Herald
    clock: Clock
    signals: Signals
    alert_after: timedelta

    async def run(self) -> None:
        """Look at the parts every few seconds."""
        while True:
            await self.clock.sleep(LOOK_S)
            await self.look_once()

    async def look_once(self) -> None:
        """Note the relays' reach, and write alert or all-clear for whatever has crossed the limit."""
        now = self.clock.now()
        connected = self.messenger.connected() > 0
        if self.signals.note(RELAYS, reachable=connected, now=now):
            _log.warning("relays reachable=%s", connected)
        crossed = [part for part in self.signals.parts.values() if self._has_crossed(part)]

        def work(tx: Tx) -> None:
            if connected:
                facts.put(tx, facts.LISTENED_AT, now.isoformat())
            for part in crossed:
                if part.reachable:
                    self.herald.back_in_reach(tx, part.name, part.lost_at, now)
                else:
                    name = f"{part.name} ({part.detail})" if part.detail else part.name
                    self.herald.out_of_reach(tx, name, part.since, now)

        await self.database.transact(work)
        for part in crossed:
            part.alerted = not part.reachable
            _log.warning("told the operators part=%s reachable=%s", part.name, part.reachable)
        if crossed:
            self.signals.deliver.ring()

    def _has_crossed(self, part: Reach) -> bool:
        if part.reachable:
            return part.alerted
        return not part.alerted and self.clock.now() - part.since >= self.alert_after
