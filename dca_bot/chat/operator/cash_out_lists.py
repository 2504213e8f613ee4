"""The operators' command `txs`: the newest cash-outs, of a machine, a day, a month, or undecided ones.

The filters can be combined: `txs Market 2026-03 2` is the second page of a machine's month.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

from dca_bot.chat.command import Args, Command, Context
from dca_bot.chat.operator.find import known_machines
from dca_bot.chat.params import PAGE, Param, month_named, read_note
from dca_bot.core.calendar import local_date
from dca_bot.core.periods import (
    MONTH,
    TODAY,
    YESTERDAY,
    Period,
    calendar_period,
    last_days,
    latest_month,
    month_of,
)
from dca_bot.ledger.distributions import cash_out_lists
from dca_bot.ledger.distributions.cash_out_lists import Wanted
from dca_bot.ledger.programme import client_names, machines
from dca_bot.ledger.programme.machines import Machine
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import NOTHING, Day, Fiat, Field, Say, Typed, refuse

_HELD = "held"
_DAYS_OF_TOTALS = 30
"""Totals of a list without an end reach back so far."""
_FILTER = Param("FILTER", read_note, optional=True, rest=True)


@dataclass(frozen=True, slots=True)
class _Filter:
    """A filter as typed. `again`: the command without a page."""

    machine: Machine | None
    period: Period | None
    is_held: bool
    page: int
    again: str


def _txs_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """List the newest cash-outs that FILTER selects, ignored cash-outs included, with totals."""
    asked = _read(tx, ctx, args.text("FILTER").split())
    wanted = Wanted(
        asked.machine.device_id if asked.machine else None,
        asked.period.span(ctx.programme.timezone) if asked.period else None,
        is_undecided=asked.is_held,
    )
    return describe.page(
        _heading(tx, ctx, asked, wanted),
        asked.page,
        partial(cash_out_lists.select, tx, wanted),
        describe.cash_out,
        empty=Say("page.empty") if wanted == Wanted() else Say("txs.nothing"),
        again=asked.again,
    )


CASH_OUT_LIST = Command(("txs",), (_FILTER,), answer=_txs_answer)


def _read(tx: Tx, ctx: Context, words: Sequence[str]) -> _Filter:
    """Read a filter: a page at the end, `held` and a period anywhere, and a machine in what is left.

    A number that is the end of a machine's complete name is no page. Raise CommandRefused for a machine that
    is unknown or shared.
    """
    left = list(words)
    known = machines.everything(tx)
    page = 1
    if left and left[-1].isascii() and left[-1].isdigit() and calendar_period(left[-1]) is None:
        named, count = machines.complete(known, left)
        if not (named and count == len(left)):
            page = int(PAGE.read(left.pop(), ctx.programme.currency))
    again = " ".join(["txs", *left])
    is_held = any(word.lower() == _HELD for word in left)
    left = [word for word in left if word.lower() != _HELD]
    periods = [(word, found) for word in left if (found := _period(word, ctx, known)) is not None]
    left = [word for word in left if word not in dict(periods)]
    machine = _machine(tx, left) if left else None
    return _Filter(machine, periods[-1][1] if periods else None, is_held, page, again)


def _period(word: str, ctx: Context, known: Sequence[Machine]) -> Period | None:
    """Read today, yesterday, this month, a date, a month or a year; None for another word.

    A month's name that a machine's name begins with is no month.
    """
    today = local_date(ctx.now, ctx.programme.timezone)
    spans = {
        TODAY: last_days(1, today),
        YESTERDAY: last_days(1, today - timedelta(days=1)),
        MONTH: month_of(today),
    }
    if word.lower() in spans:
        return spans[word.lower()]
    named = "" if machines.beginnings(known, [word]) else month_named(word)
    found = calendar_period(word) or latest_month(named, today)
    if found is not None or len(word) != len("2026-03-14"):
        return found
    try:
        return last_days(1, date.fromisoformat(word))
    except ValueError:
        return None


def _machine(tx: Tx, words: Sequence[str]) -> Machine:
    wanted = " ".join(words)
    found = machines.meant(tx, wanted)
    if len(found) == 1:
        return found[0]
    client = client_names.payee(tx, wanted)
    if not found and client is not None:
        raise refuse("txs.of_client", command=Typed(f"client {client.name} payouts"))
    known = known_machines(found or machines.everything(tx))
    raise refuse("txs.unknown", machines=known) if known else refuse("cash.no_machine")


def _heading(tx: Tx, ctx: Context, asked: _Filter, wanted: Wanted) -> Say:
    """Say what is listed, and the totals; of the last 30 days for a list without a period."""
    period = asked.period
    at = Say("txs.at", machine=describe.short(asked.machine.label)) if asked.machine else NOTHING
    if period is None and not asked.is_held:
        recent = last_days(_DAYS_OF_TOTALS, local_date(ctx.now, ctx.programme.timezone))
        totals = cash_out_lists.totals(
            tx, Wanted(wanted.device_id, recent.span(ctx.programme.timezone))
        )
        fiat = Fiat(totals.minor)
        return Say("txs.heading", at=at, days=_DAYS_OF_TOTALS, count=totals.count, fiat=fiat)
    totals = cash_out_lists.totals(tx, wanted)
    named: dict[str, Field] = {"at": at, "count": totals.count, "fiat": Fiat(totals.minor)}
    if period is None:
        return Say("txs.held", on=NOTHING, **named)
    first, last = Day(period.first), Day(period.last)
    on = Say("txs.day", day=first) if period.days == 1 else Say("txs.days", first=first, last=last)
    return Say("txs.held", on=on, **named) if asked.is_held else Say("txs.span", on=on, **named)
