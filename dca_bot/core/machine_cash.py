"""Decides what Lamassu's rows mean for the cash in a machine, and whether the cash covers the balances.

The invariant: only known movements of cash count. A row that doesn't tell whether cash has moved counts for
nothing, and a machine that was never counted proves nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dca_bot.core.cash_out import CashOut
from dca_bot.core.dispense_reports import dispense_reports, notes_minor, reported_minor
from dca_bot.core.exact import whole_minor
from dca_bot.core.money import FIAT_MINOR_MAX
from dca_bot.core.ports import CashIn
from dca_bot.core.verdict import is_success


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A sale's fiat, and the machine's other report; `is_repeated`: there are several complete reports."""

    fiat_minor: int
    reported_minor: int
    is_repeated: bool


def cash_out_minor(cash_out: CashOut, currency: str) -> int | None:
    """Return the cash that a cash-out of any coin took out of the machine, in minor units.

    The machine's last report counts, whatever became of the sale. Without a report, dispense_confirmed says
    that all of `fiat` left. Return None if neither tells, for another currency, or if the contents of one
    reading differ.
    """
    found = {_left_minor(one, currency) for one in (cash_out, *cash_out.others)}
    return found.pop() if len(found) == 1 else None


def cash_in_minor(cash_in: CashIn, currency: str) -> int | None:
    """Return the cash that a cash-in put into the machine, in minor units; None if none is known."""
    if cash_in.fiat_code != currency or not cash_in.send_confirmed:
        return None
    return whole_minor(cash_in.fiat, currency)


def uncovered_minor(
    balances_minor: int, machines_minor: Sequence[int | None], elsewhere_minor: int
) -> int | None:
    """Return by how much the clients' balances exceed the machines' cash; 0 if the cash covers them.

    `machines_minor`: the expected cash of each machine, None for a machine that was never counted.
    `elsewhere_minor`: cash of no named machine, and cash that has left for undecided cash-outs. Return None
    without machines, or if a machine was never counted.

    >>> uncovered_minor(500, [100, 200], 50), uncovered_minor(500, [100, None], 50)
    (150, None)
    """
    known = [minor for minor in machines_minor if minor is not None]
    if not known or len(known) < len(machines_minor):
        return None
    return max(0, balances_minor - sum(known) - elsewhere_minor)


def contradiction_of(cash_out: CashOut, currency: str) -> Contradiction | None:
    """Return how the machine's reports contradict the confirmed `fiat` of a sale; None without contradiction.

    The last report counts alone. But after two complete `dispense` reports the cash may have left twice: the
    sum counts. An unreadable report, or a sale that is no success, contradicts nothing.
    """
    if cash_out.others or not is_success(cash_out) or not cash_out.reports_readable:
        return None
    fiat_minor = whole_minor(cash_out.fiat, currency)
    if fiat_minor is None:
        return None
    complete = [
        report
        for report in dispense_reports(cash_out)
        if report.action == "dispense" and notes_minor(report, currency) == fiat_minor
    ]
    if len(complete) > 1:
        sum_minor = min(len(complete) * fiat_minor, FIAT_MINOR_MAX)
        return Contradiction(fiat_minor, sum_minor, is_repeated=True)
    last_minor = reported_minor(cash_out, currency)
    if last_minor is None or last_minor == fiat_minor:
        return None
    return Contradiction(fiat_minor, last_minor, is_repeated=False)


def _left_minor(cash_out: CashOut, currency: str) -> int | None:
    if cash_out.fiat_code != currency:
        return None
    last_minor = reported_minor(cash_out, currency)
    if last_minor is not None:
        return last_minor
    return whole_minor(cash_out.fiat, currency) if cash_out.dispense_confirmed else None
