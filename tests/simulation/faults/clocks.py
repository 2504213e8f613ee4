"""Faults in what a wrong clock of the computer leads to."""

from datetime import datetime, timedelta
from typing import Any

from dca_bot.ledger.store.clock import Turn, pull_back
from simulation.faults.fault import Fault

_WRONG_OFTEN = {"clock_every": timedelta(hours=8), "mischief_rate": 0.2}


def _as_shown(now: datetime, **_about: Any) -> datetime:
    return now


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
        {"jobs.payouts.context.rules.proven_now": _as_shown},
        _WRONG_OFTEN,
    ),
    Fault(
        "a clock that is days behind stops nothing",
        {"ledger.store.clock.is_doubted": _no, "jobs.clock.clock.note": _noted},
        _WRONG_OFTEN,
    ),
    Fault(
        "what was noted for a wrong future stays there",
        {"ledger.store.clock.pull_back": _nothing},
        _WRONG_OFTEN,
    ),
)
