"""Tells of operators out of reach: an error in the journal, a notice to the other operators.

The invariant: one alarm and one all-clear for each loss, across restarts. While all relays are out of reach
no operator is blamed: the alarm of the relays tells.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from dca_bot.core.names import short_npub
from dca_bot.core.programme import Programme
from dca_bot.core.reach import Part
from dca_bot.jobs.alarm_raiser import AlarmRaiser
from dca_bot.jobs.signals import Signals
from dca_bot.ledger.correspondence import alarms, delivery
from dca_bot.ledger.correspondence.delivery import Loss
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import reach
from dca_bot.messages.notices import Notices
from dca_bot.messages.say import Moment, Say

PREFIX = "operator:"
"""The beginning of the names of these alarms; the end of the operator's public key follows."""
_HEX_CHARS = 16
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OperatorAlarms:
    """The watcher of operators; `alert_after`: the length of a loss that raises the alarm."""

    programme: Programme
    notices: Notices
    signals: Signals
    alert_after: timedelta

    def see(self, tx: Tx, now: datetime) -> bool:
        """Give each alarm and all-clear that is due; tell whether one was given."""
        names = {_name(operator) for operator in self.programme.operators}
        self._raiser.forget(tx, PREFIX, but=names, now=now)
        told = [self._see(tx, one, now) for one in sorted(self.programme.operators)]
        return any(told)

    @property
    def _raiser(self) -> AlarmRaiser:
        return AlarmRaiser(self.notices, self.signals)

    def _see(self, tx: Tx, operator: str, now: datetime) -> bool:
        loss, alarm = delivery.loss_of(tx, operator), alarms.since(tx, _name(operator))
        if loss is None:
            return alarm is not None and self._end(tx, operator, since=alarm, now=now)
        if alarm is not None or not self._is_long(loss, now):
            return False
        self._start(tx, loss, now)
        return True

    def _start(self, tx: Tx, loss: Loss, now: datetime) -> None:
        who = self.notices.npub(loss.pubkey)
        _log.error(
            "operator not reached npub=%s since=%s reason=%s said=%r",
            short_npub(who),
            loss.since.isoformat(),
            loss.reason,
            loss.said,
        )
        told = Say("notice.operator_lost", operator=reach.operator(who, loss))
        name = _name(loss.pubkey)
        self._raiser.start(tx, name, told, since=loss.since, now=now, except_for=loss.pubkey)

    def _end(self, tx: Tx, operator: str, *, since: datetime, now: datetime) -> bool:
        who = short_npub(self.notices.npub(operator))
        over = Say("notice.operator_back", who=who, since=Moment(since))
        unheard = Say("notice.operator_was_lost", who=who, since=Moment(since), until=Moment(now))
        name = _name(operator)
        return self._raiser.end(tx, name, over=over, unheard=unheard, now=now, except_for=operator)

    def _is_long(self, loss: Loss, now: datetime) -> bool:
        """Tell whether a loss has lasted for `alert_after`, not counting an outage of all relays."""
        relays = self.signals.parts.get(Part.RELAYS)
        if relays is None or not relays.reachable:
            return False
        return now - max(loss.since, relays.since) >= self.alert_after


def _name(operator: str) -> str:
    return PREFIX + operator[-_HEX_CHARS:]
