"""`today`, `month` and `earnings`: sales, shares and commission of a span of local dates."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from dca_bot.chat.command import Args, Command, Context
from dca_bot.chat.params import PAGE, RANGE_DAYS, Param, month_named
from dca_bot.core.calendar import local_date
from dca_bot.core.money import sat_ceil, sat_floor
from dca_bot.core.periods import (
    MONTH,
    MONTH_WORDS,
    TODAY,
    Period,
    calendar_period,
    last_days,
    latest_month,
    month_of,
)
from dca_bot.core.takings import Sale, Takings, parted, total
from dca_bot.ledger.programme import machines
from dca_bot.ledger.reports import takings
from dca_bot.ledger.store.database import Tx
from dca_bot.messages import describe
from dca_bot.messages.say import NOTHING, Day, Fiat, Sat, Say, Typed, refuse

_MACHINES_MAX = 5
_Line = Callable[[Any, Takings], Say]


@dataclass(frozen=True, slots=True)
class _Report:
    """The sales of a period, with the names of the machines."""

    period: Period
    sales: Sequence[Sale]
    whole: Takings
    labels: Mapping[str, str]
    zone_date: Callable[[Sale], date]

    @property
    def heading(self) -> Say:
        """Say the dates."""
        first, last = Day(self.period.first), Day(self.period.last)
        if self.period.days == 1:
            return Say("takings.day", day=first)
        return Say("takings.days", first=first, last=last)

    def by_machine(self) -> dict[str, Takings]:
        """Return the sums of each machine, by label, the most fiat first."""
        parts = parted(self.sales, lambda sale: self.labels.get(sale.device_id, ""))
        return dict(sorted(parts.items(), key=lambda part: (-part[1].minor, part[0])))

    def by_date(self) -> dict[date, Takings]:
        """Return the sums of each date with sales, newest first; by month for a long period."""
        parts = parted(self.sales, lambda sale: self.period.part_of(self.zone_date(sale)))
        return dict(sorted(parts.items(), reverse=True))


def _today_answer(tx: Tx, ctx: Context, _args: Args, _seen: object) -> Say:
    """Tell today's sales, in all and by machine."""
    report = _report(tx, ctx, last_days(1, _today(ctx)))
    return Say("lines", lines=(report.heading, *_activity(tx, ctx, report), *_machines(report)))


def _month_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Tell a month's sales, in all, by machine and by day; a further page has further days."""
    wanted = args.text("MONTH")
    period = _calendar(wanted, ctx) or month_of(_today(ctx))
    report = _report(tx, ctx, period)
    head = Say("lines", lines=(*_activity(tx, ctx, report), *_machines(report)))
    again = f"{MONTH} {period.first:%Y-%m}"
    return _with_dates(report, again, args.page, head, _sales_line)


def _earnings_answer(tx: Tx, ctx: Context, args: Args, _seen: object) -> Say:
    """Tell the commission and who got it, the fees, and the operator's rest; by machine and by day."""
    wanted = args.text("RANGE") or MONTH
    report = _report(tx, ctx, _period(tx, ctx, wanted))
    span, whole = report.period.span(ctx.programme.timezone), report.whole
    split, fees_msat = takings.split(tx, span), takings.fees_msat(tx, span)
    own_sat = whole.commission_sat - sum(sat for _, sat in split)
    head = Say(
        "lines",
        lines=(
            _commission(whole),
            *(Say("takings.part", name=name, sats=Sat(sat)) for name, sat in split),
            Say("takings.own", sats=Sat(own_sat)) if split else NOTHING,
            Say("takings.fees", sats=Sat(sat_ceil(fees_msat))) if fees_msat else NOTHING,
            Say("takings.net", sats=Sat(sat_floor(own_sat * 1000 - fees_msat))),
            _rest(whole),
            _reversed(tx, span),
            *_machines(report, _commission_line),
        ),
    )
    return _with_dates(report, f"earnings {wanted}", args.page, head, _commission_line)


def _read_month(text: str, _currency: str) -> str:
    """Read a month: `2026-03`, or a name."""
    named, found = month_named(text), calendar_period(text)
    if not named and (found is None or found.is_long):
        raise refuse("wrong.month")
    return named or text


def _read_range(text: str, _currency: str) -> str:
    """Read a span: today, month, a month or year of the calendar, a month's name, or a key of RANGE_DAYS."""
    word = month_named(text) or text.lower()
    if word in MONTH_WORDS:
        return word
    if word not in (TODAY, MONTH, *RANGE_DAYS) and calendar_period(word) is None:
        raise refuse("wrong.span")
    return word


TAKINGS_COMMANDS = (
    Command(("today",), answer=_today_answer),
    Command(("month",), (Param("MONTH", _read_month, optional=True), PAGE), answer=_month_answer),
    Command(
        ("earnings",), (Param("RANGE", _read_range, optional=True), PAGE), answer=_earnings_answer
    ),
)


def _today(ctx: Context) -> date:
    return local_date(ctx.now, ctx.programme.timezone)


def _calendar(wanted: str, ctx: Context) -> Period | None:
    """Return a month or year of the calendar, or the latest month of a name; None for another text."""
    return calendar_period(wanted) or latest_month(wanted, _today(ctx))


def _period(tx: Tx, ctx: Context, wanted: str) -> Period:
    today = _today(ctx)
    if wanted == TODAY:
        return last_days(1, today)
    if wanted == MONTH:
        return month_of(today)
    found = _calendar(wanted, ctx)
    if found is not None:
        return found
    days = RANGE_DAYS[wanted]
    if days is not None:
        return last_days(days, today)
    first_at = takings.first_at(tx)
    first = today if first_at is None else local_date(first_at, ctx.programme.timezone)
    return Period(min(first, today), today)


def _report(tx: Tx, ctx: Context, period: Period) -> _Report:
    zone = ctx.programme.timezone
    sales = takings.sales(tx, period.span(zone))
    labels = {one.device_id: describe.short(one.label) for one in machines.everything(tx)}
    return _Report(period, sales, total(sales), labels, lambda sale: local_date(sale.at, zone))


def _activity(tx: Tx, ctx: Context, report: _Report) -> tuple[Say, ...]:
    """Say what was sold and shared out, and what was earned."""
    span, whole = report.period.span(ctx.programme.timezone), report.whole
    runs, fees_msat = takings.fixed_runs(tx, span), takings.fees_msat(tx, span)
    return (
        Say("takings.sales", n=whole.sales, fiat=Fiat(whole.minor)),
        Say("takings.shared", fiat=Fiat(whole.shared_minor), sats=Sat(whole.shared_sat)),
        Say("takings.fixed", n=runs.count, fiat=Fiat(runs.minor), sats=Sat(runs.sat))
        if runs.count
        else NOTHING,
        _rest(whole),
        _commission(whole),
        Say("takings.fees", sats=Sat(sat_ceil(fees_msat))) if fees_msat else NOTHING,
        _reversed(tx, span),
    )


def _commission(whole: Takings) -> Say:
    sats, fiat = Sat(whole.commission_sat), Fiat(whole.commission_minor)
    return Say("takings.commission", sats=sats, fiat=fiat)


def _rest(whole: Takings) -> Say:
    if not (whole.rest_sat or whole.rest_minor):
        return NOTHING
    return Say("takings.rest", fiat=Fiat(whole.rest_minor), sats=Sat(whole.rest_sat))


def _reversed(tx: Tx, span: takings.Span) -> Say:
    found = takings.reversed_payouts(tx, span)
    if not found.count:
        return NOTHING
    return Say("takings.reversed", n=found.count, fiat=Fiat(found.minor), sats=Sat(found.sat))


def _sales_line(name: str | Day | Say, sums: Takings) -> Say:
    return Say("takings.sales_line", name=name, n=sums.sales, fiat=Fiat(sums.minor))


def _commission_line(name: str | Day | Say, sums: Takings) -> Say:
    sats, fiat = Sat(sums.commission_sat), Fiat(sums.commission_minor)
    return Say("takings.commission_line", name=name, sats=sats, fiat=fiat)


def _machines(report: _Report, line: _Line = _sales_line) -> tuple[Say, ...]:
    """Say the sums of the machines with the most fiat, and of the other machines together."""
    parts = report.by_machine()
    if not parts:
        return ()
    names = list(parts)
    others = sum((parts[name] for name in names[_MACHINES_MAX:]), Takings())
    return (
        Say("takings.by_machine"),
        *(line(name or Say("cash_out.no_machine"), parts[name]) for name in names[:_MACHINES_MAX]),
        line(Say("takings.other_machines"), others) if others.sales else NOTHING,
    )


def _with_dates(report: _Report, again: str, page: int, head: Say, line: _Line) -> Say:
    """Say the sums by date, a page of dates at a time; the first page begins with `head`.

    `again`: the command that shows a further page, without the page.
    """
    parts = list(report.by_date().items())
    start = (page - 1) * describe.PAGE_ROWS
    shown = parts[start : start + describe.PAGE_ROWS]
    if page > 1 and not shown:
        return Say("page.beyond")
    return Say(
        "lines",
        lines=(
            report.heading,
            head if page == 1 else NOTHING,
            Say("takings.by_month" if report.period.is_long else "takings.by_day")
            if shown
            else NOTHING,
            *(line(describe.part_of(report.period, day), sums) for day, sums in shown),
            Say("takings.more", command=Typed(f"{again} {page + 1}"))
            if parts[start + describe.PAGE_ROWS :]
            else NOTHING,
        ),
    )
