"""Tells the operators, once for each sale, that a machine's reports contradict the sale.

The invariant: the clients' shares follow the sale; a contradiction changes no share.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from dca_bot.core.cash_out import CashOut
from dca_bot.core.machine_cash import contradiction_of
from dca_bot.ledger.distributions import cash_outs
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.notices import Notices
from dca_bot.messages.say import NOTHING, Say

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReportWatch:
    """Compares the machines' dispense reports with the sales in Lamassu."""

    notices: Notices
    currency: str

    def take(self, tx: Tx, cash_out: CashOut, *, now: datetime) -> Say:
        """Say how the reports contradict a recorded sale; NOTHING without contradiction or if said before."""
        found = contradiction_of(cash_out, self.currency)
        if found is None:
            return NOTHING
        if not cash_outs.tell_report(tx, cash_out.id, found.reported_minor, now=now):
            return NOTHING
        _log.warning(
            "dispense reports contradict id=%s fiat_minor=%d reported_minor=%d",
            cash_out.id,
            found.fiat_minor,
            found.reported_minor,
        )
        return describe.contradiction(found)

    def tell(self, tx: Tx, cash_out: CashOut, *, now: datetime) -> None:
        """Tell the operators of the contradiction of a distributed sale: the machine's cash may be wrong."""
        told = self.take(tx, cash_out, now=now)
        recorded = cash_outs.by_id(tx, cash_out.id) if told is not NOTHING else None
        if recorded is not None:
            self.notices.report_contradicts(tx, recorded, told, now)
