"""Faults that are planted into the program, one at a time: the simulation has to notice each.

`python tests/simulation/planted.py` plays seeds with each fault until a promise breaks, and prints which seed
found the fault.
"""

import argparse
import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1]))

from dca_bot.core import fixed_schedule
from dca_bot.core.attempt import Finding
from dca_bot.core.attempt import judge as judge_payment
from dca_bot.core.money import largest_remainder
from dca_bot.core.ports import PaymentStatus
from dca_bot.core.routing import Outcome
from dca_bot.core.sale_amounts import assess
from dca_bot.ledger.correspondence import payout_notices
from simulation.world import Broken, Plan, play

SEEDS_MAX = 20
_IN = "dca_bot."


def _replaced(name: str, by: Any) -> Callable[[], AbstractContextManager[Any]]:
    return lambda: patch(_IN + name, by)


def _by_current_balance(tx: Any, _at: Any) -> dict[int, int]:
    rows = tx.execute("SELECT id, balance_minor FROM participant WHERE mode = 'flow'")
    return {row["id"]: row["balance_minor"] for row in rows}


def _remainder_to_the_smallest(total: int, weights: Any) -> list[int]:
    parts = largest_remainder(total, weights)
    if len(parts) > 1 and parts[0] > 1:
        parts[0], parts[-1] = parts[0] - 1, parts[-1] + 1
    return parts


def _commission_shared_out(cash_out: Any, currency: str) -> Any:
    amounts, reason = assess(cash_out, currency)
    if amounts is not None:
        whole = amounts.principal_sat + amounts.commission_sat
        amounts = replace(amounts, principal_sat=whole, commission_sat=0)
    return amounts, reason


def _failed_is_dead(payment: Any, **about: Any) -> Finding:
    is_failed = payment is not None and payment.status is PaymentStatus.FAILED
    return Finding.DEAD if is_failed else judge_payment(payment, **about)


def _missing_is_dead(payment: Any, **about: Any) -> Finding:
    return Finding.DEAD if payment is None else judge_payment(payment, **about)


def _pending_is_debited(payment: Any, **about: Any) -> Finding:
    is_pending = payment is not None and payment.status is PaymentStatus.PENDING
    return Finding.DEBITED if is_pending else judge_payment(payment, **about)


def _each_and_in_a_digest(tx: Any, payout: Any, client: Any) -> bool:
    payout_notices.arrive(tx, payout, client)
    return True


def _always_reached(route: Any, answers: Any) -> Outcome:  # noqa: ARG001
    return Outcome(reached_at=next(iter(route.counting), "wss://relay-1.example"))


def _without_day(run: Any, client: Any, ceiling_minor: int) -> int:  # noqa: ARG001
    whole = fixed_schedule.amount_of_run(client.limit_minor, run.number, run.count)
    return min(whole * 9, client.balance_minor)


async def _never_known(_self: Any, _payout: Any) -> bool:
    return False


def _nothing(*_args: Any, **_named: Any) -> None:
    return None


@contextmanager
def _both(
    first: AbstractContextManager[Any], second: AbstractContextManager[Any]
) -> Iterator[None]:
    with first, second:
        yield


FAULTS: Mapping[str, Callable[[], AbstractContextManager[Any]]] = {
    "balances of now instead of the sale's time": _replaced(
        "ledger.distributions.flow_mode.eligible", _by_current_balance
    ),
    "the remainder goes to the smallest": _replaced(
        "core.allotment.largest_remainder", _remainder_to_the_smallest
    ),
    "commission is shared out among clients": _replaced(
        "core.verdict.assess", _commission_shared_out
    ),
    "a failed payment counts as unpaid, with one witness": lambda: _both(
        patch(f"{_IN}jobs.payouts.context.rules.judge", _failed_is_dead),
        patch(f"{_IN}jobs.payouts.failed_payments.FailedPayments.may_have_left", _never_known),
    ),
    "a payment that LNbits doesn't show counts as unpaid at once": _replaced(
        "jobs.payouts.context.rules.judge", _missing_is_dead
    ),
    "a payment under way counts as arrived": _replaced(
        "jobs.payouts.context.rules.judge", _pending_is_debited
    ),
    "a payment is told at once and in a digest": _replaced(
        "messages.notices.clients.payout_notices.arrive", _each_and_in_a_digest
    ),
    "the notice of a payment is lost": _replaced(
        "messages.notices.clients.ClientNotices.payout_arrived", _nothing
    ),
    "digests are never written": _replaced(
        "messages.notices.clients.ClientNotices.digest", lambda *_a, **_n: False
    ),
    "a message counts as sent whatever the relays say": _replaced(
        "jobs.outbox.judge", _always_reached
    ),
    "the day's limit of fixed mode is forgotten": _replaced(
        "core.fixed_schedule._amount", _without_day
    ),
    "a restored ledger asks LNbits for no payments": lambda: _both(
        patch(f"{_IN}jobs.payouts.reconcile.record_unknown", lambda *_a, **_n: 0),
        patch(f"{_IN}jobs.payouts.send.Sender._is_known_to_lnbits", _never_known),
    ),
}


def find(name: str, plan: Plan) -> tuple[int, str]:
    """Return the first seed that notices a planted fault, and how; (0, "") if none does."""
    with FAULTS[name]():
        for seed in range(1, SEEDS_MAX + 1):
            with TemporaryDirectory(prefix="dca-bot-planted-", dir="/dev/shm") as folder:
                found = play(seed, plan, Path(folder))
            if isinstance(found, Broken):
                return seed, found.what
    return 0, ""


def main() -> int:
    """Look for each planted fault, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=2)
    plan = replace(Plan(), days=parser.parse_args().days)
    logging.disable(logging.CRITICAL)
    missed = 0
    for name in FAULTS:
        began = time.process_time()
        seed, what = find(name, plan)
        missed += not seed
        cpu_s = time.process_time() - began
        sys.stdout.write(f"| {name} | {seed or 'NOT FOUND'} | {cpu_s:.0f} s | {what[:90]} |\n")
        sys.stdout.flush()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
