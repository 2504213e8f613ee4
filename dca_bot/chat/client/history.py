"""`history`: a client's purchases, newest first; of a month by day, of a year by month, with sums."""

from collections.abc import Iterator, Sequence
from datetime import date
from functools import partial
from itertools import groupby

from dca_bot.chat.command import Args, Command, Context
from dca_bot.chat.params import Param, month_named, read_page
from dca_bot.core.calendar import local_date
from dca_bot.core.payout import COLLECTING, PayoutState
from dca_bot.core.periods import Period, calendar_period, latest_month
from dca_bot.core.stats import Purchase
from dca_bot.ledger.distributions.distributions import COMMISSION_SPLIT
from dca_bot.ledger.reports import purchases
from dca_bot.ledger.reports.purchases import HistoryLine
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe, statement_text
from dca_bot.messages.say import (
    Day,
    Fiat,
    Field,
    Moment,
    Sat,
    Say,
    Word,
)


def _history_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """List the client's purchases, or the sums of a month or a year."""
    wanted = args.text("PAGE")
    today = local_date(ctx.now, ctx.programme.timezone)
    period = calendar_period(wanted) or latest_month(wanted, today)
    if period is not None:
        return _sums(tx, ctx, period)
    found = partial(purchases.history, tx, ctx.me.id)
    line = partial(_history_line, has_wallet=ctx.me.destination is not None)
    return describe.page(Say("history.heading"), args.page, found, line, again="history")


def _read_page_or_month(text: str, currency: str) -> str:
    """Read the number of a page, a month or year of the calendar, or the name of a month."""
    if calendar_period(text) is not None:
        return text
    return month_named(text) or str(read_page(text, currency))


HISTORY = Command(
    ("history",), (Param("PAGE", _read_page_or_month, optional=True),), answer=_history_answer
)


def _sums(tx: Tx, ctx: Context, period: Period) -> Say:
    """Say what a period brought: the sums first, then each day of a month or each month of a year."""
    found, lines = statement_text.sums(tx, ctx.programme, ctx.me, period)
    if not lines:
        span = Say("history.span", first=Day(period.first), last=Day(period.last))
        return Say("history.nothing", span=span)
    return Say("lines", lines=(*lines, *_parts(ctx, period, found.purchases)))


def _parts(ctx: Context, period: Period, bought: Sequence[Purchase]) -> Iterator[Say]:
    def part_of(one: Purchase) -> date:
        return period.part_of(local_date(one.at, ctx.programme.timezone))

    for day, some in groupby(sorted(bought, key=part_of, reverse=True), key=part_of):
        ones = list(some)
        yield Say(
            "history.month" if period.is_long else "history.day",
            day=describe.part_of(period, day),
            sats=Sat(sum(one.sat for one in ones)),
            fiat=Fiat(sum(one.minor for one in ones)),
            n=len(ones),
        )


def _history_line(line: HistoryLine, *, has_wallet: bool) -> Say:
    if line.kind == COMMISSION_SPLIT:
        return _commission_line(line, has_wallet=has_wallet)
    return Say(
        "history.line",
        id=line.number,
        at=Moment(line.at),
        sats=Sat(line.sat),
        fiat=Fiat(line.minor),
        state=_payout_state(line, has_wallet=has_wallet),
    )


def _payout_state(line: HistoryLine, *, has_wallet: bool) -> Field:
    if line.payout_state == PayoutState.PLANNED and not has_wallet:
        return Say("history.no_wallet")
    return Word("own_payout", line.payout_state or COLLECTING)


def _commission_line(line: HistoryLine, *, has_wallet: bool) -> Say:
    if line.payout_state == PayoutState.CANCELLED:
        return Say(
            "history.commission_cancelled",
            id=line.number,
            at=Moment(line.at),
            sats=Sat(line.sat),
        )
    return Say(
        "history.commission",
        id=line.number,
        at=Moment(line.at),
        sats=Sat(line.sat),
        state=_payout_state(line, has_wallet=has_wallet),
    )
