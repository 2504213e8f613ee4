"""What a machine reports of the notes that it gave out for a cash-out.

Lamassu writes a `dispense` or `dispenseError` action for each try. A report is the whole state of the
cash-out, not a difference: the last report counts, and reports are never added up.
"""

from datetime import datetime

from dca_bot.core.cash_out import Action, CashOut
from dca_bot.core.money import FIAT_MINOR_MAX, minor_digits

_DISPENSING = frozenset({"dispense", "dispenseError"})


def dispense_reports(cash_out: CashOut) -> list[Action]:
    """Return the reports of a cash-out, oldest first."""
    tries = (action for action in cash_out.actions if action.action in _DISPENSING)
    return sorted(tries, key=lambda action: (action.created_at, action.id))


def reported_minor(cash_out: CashOut, currency: str) -> int | None:
    """Return the fiat that has left the machine by the last report, in minor units.

    None if there is no report, if a report is unreadable, or if the last report tells no possible amount.
    """
    reports = dispense_reports(cash_out)
    return notes_minor(reports[-1], currency) if reports and cash_out.reports_readable else None


def notes_minor(report: Action, currency: str) -> int | None:
    """Return the notes of a report in minor units; None for no notes, or for an impossible amount."""
    if not report.notes:
        return None
    dispensed_minor = int(notes_total(report.notes) * 10 ** minor_digits(currency))
    return dispensed_minor if 0 <= dispensed_minor <= FIAT_MINOR_MAX else None


def notes_total(notes: tuple[tuple[int, int], ...]) -> int:
    """Return the sum of some notes in whole units of fiat.

    >>> notes_total(((100, 3), (50, 1)))
    350
    """
    return sum(denomination * count for denomination, count in notes)


def is_reported(cash_out: CashOut) -> bool:
    """Tell whether a `dispense` report is there, and no report is unreadable."""
    is_there = any(action.action == "dispense" for action in cash_out.actions)
    return is_there and cash_out.reports_readable


def left_at(cash_out: CashOut) -> datetime:
    """Return when the cash left: the last `dispense` report, or else the sale's confirmation or creation."""
    dispenses = [action for action in dispense_reports(cash_out) if action.action == "dispense"]
    if dispenses:
        return dispenses[-1].created_at
    return cash_out.confirmed_at or cash_out.created_at
