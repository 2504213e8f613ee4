"""Describes cash-outs, the rows of Lamassu behind cash-outs, and runs of the fixed mode."""

from dca_bot.core.cash_out import COINS
from dca_bot.core.fixed_schedule import is_by_hand
from dca_bot.core.machine_cash import Contradiction
from dca_bot.core.names import short_id
from dca_bot.core.row_amounts import RowAmounts, usable
from dca_bot.ledger.distributions.cash_outs import HELD, RecordedCashOut
from dca_bot.ledger.distributions.fixed_runs import DONE, RecordedRun
from dca_bot.messages.describe.layout import short
from dca_bot.messages.describe.reasons import reason
from dca_bot.messages.say import NOTHING, Fiat, Field, Moment, Rate, Reported, Sat, Say, Word

_UNTOLD = "?"
"""Stands for an amount that a row lacks, or that the bot cannot read."""


def cash_out(one: RecordedCashOut) -> Say:
    """Say a cash-out on a line."""
    return Say("cash_out.line", id=short_id(one.id), facts=cash_out_facts(one))


def cash_out_facts(one: RecordedCashOut) -> Say:
    """Say a cash-out's time, machine, amounts and state, without the id."""
    return Say(
        "cash_out.facts",
        at=Moment(one.at),
        machine=short(one.machine) if one.machine else Say("cash_out.no_machine"),
        amounts=principal(one),
        state=Word("cash_out", one.state),
        reason=Say("cash_out.reason", reason=reason(one.reason, one.reason_said))
        if one.reason
        else NOTHING,
    )


def principal(one: RecordedCashOut) -> Field:
    """Say the principal; for a row with unusable amounts, the amounts as Lamassu has them."""
    if one.amounts is not None:
        return Say(
            "cash_out.amounts",
            fiat=Fiat(one.amounts.principal_minor),
            sats=Sat(one.amounts.principal_sat),
        )
    if one.row is None:
        return Say("cash_out.no_amounts")
    if one.state == HELD:
        return Say("cash_out.unusable", row=_row(one.row))
    return _row_fiat(one.row)


def fixed_fee(one: RecordedCashOut) -> Say:
    """Say the fixed fee within the commission; NOTHING without a fee."""
    if one.fixed_fee is None or one.row is None:
        return NOTHING
    return Say("hold.fee", fee=_units(one.row.fixed_fee or "0", one.row.fiat_code))


def change(then: RowAmounts, now: RowAmounts) -> Say:
    """Say the amounts of a row of Lamassu at the distribution, and now."""
    return Say("hold.change", then=_row(then), now=_row(now))


def error(text: str | None) -> Say:
    """Say the error that Lamassu recorded for a row; NOTHING without an error."""
    return Say("hold.error", error=short(" ".join(text.split()))) if text else NOTHING


def contradiction(found: Contradiction) -> Say:
    """Say the fiat of a sale in Lamassu beside the fiat that the machine reported."""
    return Say(
        "report.repeated" if found.is_repeated else "report.differs",
        fiat=Fiat(found.fiat_minor),
        reported=Fiat(found.reported_minor),
    )


def fixed_run(one: RecordedRun) -> Say:
    """Say a run of the fixed mode on a line."""
    return Say(
        "fixed.line",
        at=Moment(one.due_at),
        by_hand=_whose(one),
        what=_run_result(one),
    )


def _whose(one: RecordedRun) -> Say:
    if one.settled:
        return Say("fixed.settled", name=one.settled)
    return Say("fixed.by_hand") if is_by_hand(one.id) else NOTHING


def _run_result(one: RecordedRun) -> Say:
    if one.state != DONE:
        why = reason(one.reason, one.reason_said)
        return Say("fixed.stopped", state=Word("fixed_run", one.state), reason=why)
    if not one.clients:
        return Say("fixed.gave_nothing")
    return Say(
        "fixed.gave",
        n=one.clients,
        fiat=Fiat(one.minor),
        sats=Sat(one.sat),
        rate=Rate(one.minor, one.sat),
    )


def _row(row: RowAmounts) -> Say:
    """Say the fiat and the coins of a row, trusted or not."""
    coin: Field = short(row.crypto_code) or _UNTOLD
    if row.crypto_code in COINS:
        atoms = usable(row.crypto_atoms)
        coin = _UNTOLD if atoms is None or atoms != int(atoms) else Sat(int(atoms))
    return Say("cash_out.row", fiat=_row_fiat(row), coin=coin)


def _row_fiat(row: RowAmounts) -> Field:
    fiat = _units(row.fiat, row.fiat_code)
    if row.fixed_fee in (None, "0"):
        return fiat
    return Say("cash_out.row_fee", fiat=fiat, fee=_units(row.fixed_fee, row.fiat_code))


def _units(number: str | None, code: str) -> Field:
    amount = usable(number)
    if amount is None or not amount.is_finite():
        return _UNTOLD
    return Reported(amount, short(code))
