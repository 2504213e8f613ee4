"""Faults in what a wrong clock of the computer leads to."""

from datetime import datetime, timedelta
from typing import Any

from dca_bot.core.attempt import Finding
from dca_bot.jobs.payouts.context import look_up
from dca_bot.ledger.payouts import transitions
from dca_bot.ledger.store.clock import Turn, pull_back
from simulation.faults.fault import Fault

_DAYS_WRONG = {"clock_every": timedelta(hours=6), "clock_kinds": ("days",)}


def _as_shown(now: datetime, **_about: Any) -> datetime:
    return now


async def _void_at_once(self: Any, payout: Any) -> None:
    """Give an attempt up without a look at the payee's wallet."""
    context = self.context
    _, finding = await look_up(context, payout)
    if finding is Finding.DEAD:
        now = context.clock.now()
        await context.database.transact(lambda tx: transitions.void(tx, payout, now=now))


def _no(*_args: Any, **_named: Any) -> bool:
    return False


def _noted(tx: Any, now: datetime) -> Turn:
    pull_back(tx, now)
    return Turn.NONE


def _nothing(*_args: Any, **_named: Any) -> None:
    return None


FAULTS = (
    Fault(
        "a clock that is ahead ends an invoice",
        {
            "jobs.payouts.context.rules.proven_now": _as_shown,
            "jobs.payouts.failed_payments.FailedPayments.void": _void_at_once,
        },
        {**_DAYS_WRONG, "mischief_rate": 0.2},
    ),
    Fault(
        "a clock that is days behind stops nothing",
        {"ledger.store.clock.is_doubted": _no, "jobs.clock.clock.note": _noted},
        _DAYS_WRONG,
    ),
    Fault(
        "what was noted for a wrong future stays there",
        {"ledger.store.clock.pull_back": _nothing},
        _DAYS_WRONG,
    ),
)
