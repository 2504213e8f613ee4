"""Gives alarms and all-clears: one of each for an outage, by the alarm's name in the ledger."""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from dca_bot.jobs.signals import Signals
from dca_bot.ledger.correspondence import alarms, outbox
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.notices import Notices
from dca_bot.messages.say import Say

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AlarmRaiser:
    """The writer of alarms, in the transaction of the caller.

    `except_for`, here and below: an operator without a notice, because the alarm is about this operator.
    """

    notices: Notices
    signals: Signals

    def start(
        self,
        tx: Tx,
        name: str,
        told: Say,
        *,
        since: datetime,
        now: datetime,
        except_for: str | None = None,
        level: int = logging.WARNING,
    ) -> None:
        """Give the alarm of an outage that began at `since`; `level`: the log's."""
        alarms.start(tx, name, since, now=now)
        self.notices.alarms.raised(tx, name, told, now, except_for=except_for)
        _log.log(level, "alarm name=%s since=%s", name, since.isoformat())

    def end(
        self,
        tx: Tx,
        name: str,
        *,
        over: Say,
        unheard: Say,
        now: datetime,
        except_for: str | None = None,
    ) -> bool:
        """Give the all-clear; tell whether the all-clear was given.

        While the alarm is on its way to the relays, the all-clear waits for a later look.
        """
        if not self.signals.leaving.isdisjoint(outbox.open_of(tx, name)):
            return False
        alarms.end(tx, name)
        self.notices.alarms.ended(
            tx, name, over=over, unheard=unheard, now=now, except_for=except_for
        )
        _log.warning("all-clear name=%s", name)
        return True

    def forget(self, tx: Tx, prefix: str, *, but: Collection[str], now: datetime) -> None:
        """Drop the alarms whose names begin with `prefix`, except `but`: nobody watches them any more."""
        for name in alarms.names(tx, prefix):
            if name not in but:
                alarms.end(tx, name)
                outbox.withdraw(tx, name, now=now)
