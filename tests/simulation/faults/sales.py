"""Faults in what a sale gives to whom."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from typing import Any

from dca_bot.core.commission import split_commission
from dca_bot.core.money import largest_remainder
from dca_bot.core.sale_amounts import assess
from dca_bot.jobs.lamassu.recording import Recorder
from dca_bot.ledger.distributions.cash_outs import states
from dca_bot.ledger.distributions.flow_mode import eligible, give
from simulation.faults.fault import Fault

DISTRIBUTE = Recorder.distribute
_ODD = {"odd_rate": 0.4, "days": 2}


def _balances(where: str) -> Any:
    """Return the balances of now of all clients with a wallet for whom a condition of SQL holds."""
    query = (
        "SELECT client.id, balance FROM client JOIN account ON client_id = client.id"
        f" AND account.kind = 'balance' WHERE destination IS NOT NULL AND balance > 0 AND {where}"
    )
    return lambda tx, _at, _zone: {row["id"]: row["balance"] for row in tx.execute(query)}


def _with_pending(tx: Any, at: datetime, zone: Any) -> dict[int, int]:
    pending = dict(
        tuple(row)
        for row in tx.execute(
            "SELECT client_id, sum(amount_minor) FROM deposit WHERE state = 'pending' GROUP BY 1"
        )
    )
    return {id_: minor + pending.get(id_, 0) for id_, minor in eligible(tx, at, zone).items()}


def _remainder_to_the_smallest(total: int, weights: Sequence[int]) -> list[int]:
    parts = largest_remainder(total, weights)
    if len(parts) > 1 and parts[0] > 1:
        parts[0], parts[-1] = parts[0] - 1, parts[-1] + 1
    return parts


def _remainder_to_the_first(total: int, weights: Sequence[int]) -> list[int]:
    parts = [total * weight // sum(weights) for weight in weights]
    parts[0] += total - sum(parts)
    return parts


def _assess(change: Any) -> Any:
    """Return `assess` with a change of the amounts: (principal, commission) of (row, amounts)."""

    def wrong(cash_out: Any, currency: str) -> Any:
        amounts, reason = assess(cash_out, currency)
        if amounts is not None:
            whole = amounts.principal_sat + amounts.commission_sat
            principal_sat = min(change(cash_out, amounts), whole)
            amounts = replace(
                amounts, principal_sat=principal_sat, commission_sat=whole - principal_sat
            )
        return amounts, reason

    return wrong


def _with_fee(cash_out: Any, amounts: Any) -> int:
    fiat, fee = Fraction(cash_out.fiat), Fraction(cash_out.fixed_fee or 0)
    return int(amounts.principal_sat * (fiat + fee) / fiat)


def _in_full(amounts: Any, _fiat_minor: int) -> Any:
    return amounts


def _nothing(*_args: Any, **_named: Any) -> None:
    return None


_ELIGIBLE = "ledger.distributions.flow_mode.eligible"
_ASSESS = "core.verdict.assess"


def _again(self: Any, tx: Any, cash_out: Any, decision: Any) -> Any:
    """Share out what was shared out before, under an id that the schema doesn't know."""
    given = DISTRIBUTE(self, tx, cash_out, decision)
    if given is not None or states(tx, [cash_out.id]).get(cash_out.id, ("",))[0] != "distributed":
        return given
    again = f"{cash_out.id} again"
    if tx.execute("SELECT 1 FROM distribution WHERE id = ?", (again,)).fetchone():
        return None
    now = self.clock.now()
    return give(tx, again, decision.amounts, at=decision.at, now=now, rules=self.programme.flow)


def _doubled(commission_sat: int, percents_bp: Any) -> Any:
    split = split_commission(commission_sat, percents_bp)
    return replace(split, sats={name: 2 * sat for name, sat in split.sats.items()})


FAULTS = (
    Fault(
        "a sale that is read again is shared out again",
        {
            "jobs.lamassu.recording.cash_outs.states": lambda *_: {},
            "jobs.lamassu.recording.Recorder.distribute": _again,
        },
    ),
    Fault(
        "a part of the commission is given twice",
        {"ledger.distributions.flow_mode.split_commission": _doubled},
    ),
    Fault(
        "balances of now instead of the sale's time",
        {_ELIGIBLE: _balances("state = 'active' AND mode = 'flow'")},
    ),
    Fault(
        "who is paused takes part", {_ELIGIBLE: _balances("state <> 'closed' AND mode = 'flow'")}
    ),
    Fault("fixed clients take part in sales", {_ELIGIBLE: _balances("state = 'active'")}),
    Fault("a pending deposit counts", {_ELIGIBLE: _with_pending}),
    Fault(
        "the remainder goes to the smallest",
        {"core.allotment.largest_remainder": _remainder_to_the_smallest},
    ),
    Fault(
        "commission is shared out among clients",
        {_ASSESS: _assess(lambda _, amounts: amounts.principal_sat + amounts.commission_sat)},
    ),
    Fault(
        "the principal is rounded up",
        {_ASSESS: _assess(lambda _, amounts: amounts.principal_sat + 1)},
    ),
    Fault("a fixed fee counts as principal", {_ASSESS: _assess(_with_fee)}),
    Fault(
        "a sale counts from when its row was made",
        {"core.verdict.left_at": lambda cash_out: cash_out.created_at},
    ),
    Fault(
        "a jammed sale is shared out in full",
        {"chat.operator.holds.cash_out.scale": _in_full},
        _ODD,
    ),
    Fault(
        "who is set for commission gets none",
        {"ledger.distributions.flow_mode.give_commission": _nothing},
    ),
    Fault(
        "the sat left of a commission goes to the first name",
        {"core.commission.largest_remainder": _remainder_to_the_first},
    ),
)
