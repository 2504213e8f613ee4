"""Says what a month or a year brought a client: in `history`, and in the statements that come unasked."""

from dca_bot.core.periods import Period
from dca_bot.core.programme import Programme
from dca_bot.ledger.programme.clients import Client
from dca_bot.ledger.reports import purchases
from dca_bot.ledger.reports.account_sums import account_sums
from dca_bot.ledger.reports.purchases import Bought
from dca_bot.ledger.store.database import Tx
from dca_bot.messages.say import NOTHING, Day, Fiat, Rate, Sat, Say, Typed

_DECEMBER = 12


def sums(tx: Tx, programme: Programme, client: Client, period: Period) -> tuple[Bought, list[Say]]:
    """Return the purchases of a period, and what to say of the whole period; no lines if nothing moved."""
    span = period.span(programme.timezone)
    found, cash = purchases.within(tx, client.id, span), account_sums(tx, client, span)
    minor = sum(one.minor for one in found.purchases)
    sat = sum(one.sat for one in found.purchases)
    dates = Say("history.span", first=Day(period.first), last=Day(period.last))
    else_minor = cash.moved_else_minor + minor
    lines = [
        Say("history.sum", span=dates, sats=Sat(sat), fiat=Fiat(minor), rate=Rate(minor, sat))
        if found.purchases
        else Say("history.nothing", span=dates),
        _if(found.commission_sat, Say("stats.commission", sats=Sat(found.commission_sat))),
        _if(cash.deposited_minor, Say("statement.deposits", fiat=Fiat(cash.deposited_minor))),
        _if(cash.withdrawn_minor, Say("statement.withdrawn", fiat=Fiat(cash.withdrawn_minor))),
        _if(else_minor, Say("statement.else", fiat=Fiat(else_minor))),
    ]
    told = [line for line in lines[1:] if line != NOTHING]
    if not found.purchases and not told:
        return found, []
    before, after = Fiat(cash.before_minor), Fiat(cash.after_minor)
    return found, [lines[0], *told, Say("statement.balance", before=before, after=after)]


def statement(tx: Tx, programme: Programme, client: Client, month: Period) -> Say | None:
    """Say the statement of a month, of December the year's too; None if nothing moved.

    The statement names the commands that tell more and that end the statements.
    """
    year = Period(month.first.replace(month=1), month.last)
    periods = [month, year] if month.last.month == _DECEMBER else [month]
    told = [sums(tx, programme, client, period)[1] for period in periods]
    if not any(told):
        return None
    got = purchases.got(tx, client.id)
    rate = Rate(got.spent_minor, got.bought_sat)
    whole = Say("statement.total", sats=Sat(got.bought_sat), fiat=Fiat(got.spent_minor), rate=rate)
    return Say(
        "statement.told",
        lines=tuple(line for lines in told for line in lines),
        total=_if(got.bought_sat, whole),
        more=Typed(f"history {month.month}"),
    )


def _if(amount: int, say: Say) -> Say:
    return say if amount else NOTHING
