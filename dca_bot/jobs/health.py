"""Judges each minute whether the bot works, and calls the heartbeat's URL while all vital parts do.

The invariant: no call without a judgement that was just recorded. A bot that hangs, that can't write its
ledger, or that is dead calls nothing.
"""

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dca_bot.core import health as rules
from dca_bot.core.figures import Figures
from dca_bot.core.health import Condition, Health, Seen
from dca_bot.core.money import sat_floor
from dca_bot.core.ports import Beat, Clock, Messenger, Metrics
from dca_bot.core.programme import Programme
from dca_bot.errors import HeartbeatFailed
from dca_bot.jobs.error_boundary import ErrorBoundary, Guarded
from dca_bot.jobs.payouts.funds import Funds
from dca_bot.jobs.repeat import repeat
from dca_bot.jobs.signals import Signals
from dca_bot.ledger.correspondence import figures, health
from dca_bot.ledger.store.database import Database, Tx
from dca_bot.messages.notices import Notices

WATCHED_PAUSE_S = 60
"""The pause between two looks while somebody watches from outside."""
_FIRST_LOOK_S = 15
"""LNbits and the relays need a moment to answer."""
_SPARE = timedelta(minutes=2)
"""How much longer than planned a look may take before the bot counts as silent."""
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class HealthWatch:
    """The judge of the bot's health; `beat` and `metrics`: None unless configured.

    `polls_late_after`: the time without a successful poll that counts as late.
    """

    database: Database
    messenger: Messenger
    notices: Notices
    programme: Programme
    clock: Clock
    signals: Signals
    pause_s: float
    polls_late_after: timedelta
    funds: Funds
    beat: Beat | None = None
    metrics: Metrics | None = None
    _begun_at: datetime = field(init=False)
    _polls_due_at: datetime = field(init=False)
    _is_beating: bool | None = field(default=None, init=False)
    _boundary: ErrorBoundary = field(init=False)

    def __post_init__(self) -> None:
        self._begun_at = self._polls_due_at = self.clock.now()
        self._boundary = ErrorBoundary(
            self.database, self.notices, self.clock, self.signals.outbox.ring
        )

    async def run(self) -> None:
        """Look at every interval until cancelled."""
        await self.clock.sleep(_FIRST_LOOK_S)
        await repeat(self.look_once, self.clock, self.pause_s)

    async def look_once(self) -> None:
        """Judge, record the judgement, and call the heartbeat's URL if all vital parts work."""
        for judged in await self._boundary.over_all([(Guarded.HEALTH, self._judge)]):
            if self.metrics is not None:
                async with self._boundary.over(Guarded.HEALTH):
                    await self._show(self.metrics, judged)
            if self.beat is not None and judged.is_well:
                await self._call(self.beat)

    def _judge(self, tx: Tx) -> Health:
        now, before = self.clock.now(), health.read(tx)
        if before is not None and before.is_overdue(now):
            before = None  # The bot was killed, or hung: nothing is known of the time since.
        seen = health.look(tx, self.programme.operators, now)
        if seen.is_paused:
            self._polls_due_at = now
        found = rules.judge(
            Seen(
                seen,
                dict(self.signals.parts),
                self.messenger.relay_states(),
                polls_due_at=self._polls_due_at,
                stepped_at=self.signals.stepped_at or self._begun_at,
                polls_late_after=self.polls_late_after,
                steps_late_after=timedelta(seconds=self.signals.rest_s) + _SPARE,
            ),
            now,
        )
        parts = rules.follow(before.parts if before else {}, found, now)
        next_by = now + timedelta(seconds=self.pause_s) + _SPARE
        judged = Health(now, next_by, parts)
        health.note(tx, judged)
        _log_changes(before, judged)
        return judged

    async def _show(self, metrics: Metrics, judged: Health) -> None:
        """Show the numbers of now to whoever collects metrics."""
        rules, seen_msat = self.programme, self.funds.seen_msat
        of_ledger = await self.database.read(
            lambda tx: figures.read(tx, rules.operators, rules.ceilings, judged.at)
        )
        wallet_sat = None if seen_msat is None else sat_floor(seen_msat)
        relays = self.messenger.relay_states()
        metrics.show(Figures(judged, relays, wallet_sat, of_ledger))

    async def _call(self, beat: Beat) -> None:
        """Call the heartbeat's URL; log the first failure of several, and the end of the failures."""
        try:
            await beat()
        except HeartbeatFailed as failure:
            if self._is_beating is not False:
                _log.warning("heartbeat failed why=%s", failure)
            self._is_beating = False
        else:
            if self._is_beating is not True:
                _log.info("heartbeat answered")
            self._is_beating = True


def _log_changes(before: Health | None, judged: Health) -> None:
    """Log each part whose condition is another than at the last look."""
    for part, one in judged.parts.items():
        was = (
            before.parts[part].condition if before and part in before.parts else Condition.STARTING
        )
        if one.condition is not was and not (was is Condition.STARTING and one.is_good):
            level = logging.INFO if one.is_good else logging.WARNING
            _log.log(level, "health part=%s condition=%s", part, one.condition)
